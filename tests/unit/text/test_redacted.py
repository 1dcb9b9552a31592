"""A store that may not keep everything: what is struck out is in none of its files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from patter_cli.contracts.store import CallQuery
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import parse_entry, render_entry
from patter_cli.core.plan import CallPlan
from patter_cli.observe.interrupted import close_abandoned
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing import Answer, VirtualCall
from patter_cli.testing.brain import VirtualTool
from patter_cli.text.redact import Redaction
from patter_cli.text.redacted import OURS, redacted_line
from tests.unit.stores.calls import STARTED, Kept, keep, record

PHONE = "+15550177421"
SAID = "My number is 555 017 7421."
IN_WORDS = "It is five five five zero one seven seven four two one."
PIN = "8266"
CARD = 4242_4242_4242_4242
NAME = "Rumpelstiltskin"


def a_call() -> VirtualCall:
    """A call in which a good deal is said, pressed, looked up and given."""
    plan = CallPlan(agent="shop", system_prompt=f"You know {NAME}, {PHONE}.", transfer_numbers=(PHONE,))
    call = VirtualCall(
        plan,
        [
            Answer(clauses=("One moment.",), calls=(("book", json.dumps({"name": NAME, "card": CARD})),)),
            f"{NAME}, you said {PIN}.",
        ],
        tools={"book": VirtualTool(json.dumps([{"type": NAME, "phone": PHONE, "ok": True}]))},
    )
    call.says(SAID, at=1000)
    call.says(IN_WORDS, at=9000)
    call.presses(PIN, at=16000)
    call.says(f"I am {NAME}.", at=22000)
    call.run_until(30000)
    return call


def kept(folder: Path, level: Redaction) -> SqliteStore:
    """That call in a store, together with what the call brought, and its record."""
    store = SqliteStore(folder, redaction=level)
    call = a_call()
    journal = Kept(store, "LB1")
    connected = fact.CallConnected(
        call_id="LB1", caller=PHONE, callee="+15550100", direction="inbound", carrier="loopback",
        parameters={"name": NAME, "type": PIN, "phone": PHONE}, plan=call.machine.plan, wall_time=STARTED,
    )  # fmt: skip
    journal.write(render_entry(0, connected, []))
    for line in call.journal.splitlines()[1:]:
        journal.write(line)
    history = [{"role": each.role, "text": each.text, "timestamp": 0.5} for each in call.machine.history]
    journal.end(record("LB1", STARTED, caller=PHONE, history=history, transcript=history, reason="carrier_stop"))
    store.list(CallQuery())
    return store


def written(folder: Path) -> str:
    """Every byte below a folder."""
    return "\n".join(each.read_bytes().decode("latin-1") for each in folder.rglob("*") if each.is_file())


STRUCK: dict[Redaction, tuple[str, ...]] = {
    Redaction.CARDS: (str(CARD), f"[DTMF: {PIN}", '"digit":"8"'),
    Redaction.NUMBERS: (
        PHONE,
        PHONE[2:],
        "555 017 7421",
        "555 017",
        "zero one seven seven",
        str(CARD),
        f"+1 ({PHONE[2:5]}",
    ),
    Redaction.DIGITS: (PIN, "8]", "five five"),
    Redaction.WORDS: (NAME, "My number", "you said"),
}
LEVELS = (Redaction.CARDS, Redaction.NUMBERS, Redaction.DIGITS, Redaction.WORDS)


def test_everything_is_kept_unless_somebody_wishes_otherwise(tmp_path: Path) -> None:
    """Byte for byte; and so the words that the other tests look for are really there."""
    kept(tmp_path, Redaction.OFF)
    everything = written(tmp_path)
    for word in (PHONE, "555 017 7421", "zero one seven seven", str(CARD), f"[DTMF: {PIN}]", NAME, "five five"):
        assert word in everything


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_struck_out_is_in_no_file(tmp_path: Path, level: Redaction) -> None:
    """Journal, record and index; each level includes those before it. The lines stay a journal."""
    store = kept(tmp_path, level)
    everything = written(tmp_path)
    for included in LEVELS[: LEVELS.index(level) + 1]:
        for word in STRUCK[included]:
            assert word not in everything, (included, word)
    entries = [parse_entry(line) for line in store.journal("LB1")]
    assert len(entries) == len(a_call().journal.splitlines())
    (row,) = store.list(CallQuery())
    assert (row.agent, row.caller, row.outcome, row.turns) == ("shop", "+1***7421", "answered", 4)
    tools = [each.event for each in entries if isinstance(each.event, fact.ToolFinished)]
    (result,) = json.loads(tools[0].result)
    assert set(result) == {"type", "phone", "ok"}
    assert result["ok"] is True
    assert store.reindex() == 1
    assert store.list(CallQuery()) == (row,)


def test_a_number_is_found_where_it_is_masked(tmp_path: Path) -> None:
    """By whoever knows it whole."""
    store = SqliteStore(tmp_path, redaction=Redaction.NUMBERS)
    keep(store, "LB1", caller=PHONE)
    keep(store, "LB2", caller="+15550100")
    for number in (PHONE, "+1 (555) 017-7421", "+1***7421"):
        assert [row.call_id for row in store.list(CallQuery(number=number))] == ["LB1"]


def test_an_interrupted_call_is_redacted_too(tmp_path: Path) -> None:
    """Also one that began when everything was still kept."""
    journal = Kept(SqliteStore(tmp_path), "LB1")
    for line in a_call().journal.splitlines():
        journal.write(line)
    journal.die()
    store = SqliteStore(tmp_path, redaction=Redaction.DIGITS)
    assert close_abandoned(store) == 1
    found = store.get("LB1")
    assert found is not None
    assert found.row.outcome == "interrupted"
    transcript: Any = found.facts["transcript"]
    assert not any(letter.isdigit() for each in transcript for letter in each["text"])


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (f"no json {PHONE}", "no json ***"),
        ("[" * 100_000 + PHONE, "[" * 100_000 + "***"),
        (json.dumps({"arguments": f"{{broken {PHONE}"}), json.dumps({"arguments": "{broken ***"})),
        (json.dumps({"arguments": PHONE[1:]}), json.dumps({"arguments": '"***"'})),
        (json.dumps({"something_new": [{"deep": PHONE}]}), json.dumps({"something_new": [{"deep": "***"}]})),
        (json.dumps({"at": 15550177421, "v": [PHONE]}), '{"at": 15550177421,"v": ["***"]}'),
        ("7", "7"),
    ],
)
def test_a_line_that_is_not_as_we_write_it(line: str, left: Any) -> None:
    """What cannot be read is a text; what is not known is what somebody said."""
    assert redacted_line(line.encode(), Redaction.NUMBERS).decode().replace('":', '": ') == left


def test_a_choice_is_a_fact_of_ours() -> None:
    """Struck out, it would be none of its kind, and the line could not be read any more."""

    def choices(kind: Any) -> Iterator[str]:
        for name, hint in get_type_hints(kind).items():
            for each in (hint, *get_args(hint)):
                if is_dataclass(each):
                    yield from choices(each)
                elif isinstance(each, type) and issubclass(each, Enum):
                    yield name

    found = {name for kind in (*get_args(fact.Event), *get_args(order.Command)) for name in choices(kind)}
    assert {"direction", "outcome", "source"} <= found <= OURS
