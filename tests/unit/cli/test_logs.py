"""patter logs: what is listed, shown, added up and exported, and what is said where there is nothing to see."""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from patter_cli.cli.app import app
from patter_cli.cli.logs_query import call_query
from patter_cli.core.plan import CallPlan
from patter_cli.errors import InputError
from patter_cli.stores.sqlite import INDEX, SqliteStore
from patter_cli.testing import VirtualCall
from tests.unit.stores.calls import DAY_S, STARTED, Kept, fill, keep, record


class Patter:
    """The command line, run in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = SqliteStore(folder)

    def __call__(self, *arguments: str) -> str:
        """What it prints. Raises AssertionError if it does not end well."""
        result = CliRunner().invoke(app, ["logs", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def fails(self, *arguments: str) -> str:
        """What it says, in the way it should: one sentence and a hint, exit code 2."""
        result = CliRunner().invoke(app, ["logs", *arguments])
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("error: ")
        assert "\nhint: " in result.stderr
        return result.stderr


@pytest.fixture
def patter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patter:
    monkeypatch.chdir(tmp_path)
    for name in [each for each in os.environ if each.startswith("PATTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATTER_LOG_DIR", str(tmp_path / "calls"))
    monkeypatch.setenv("COLUMNS", "200")
    return Patter(tmp_path / "calls")


def a_call(store: SqliteStore, call_id: str = "LB1") -> None:
    """In which one question is answered, and the answer is cut off."""
    plan = CallPlan(agent="shop", system_prompt="", first_message="Hello, this is the shop.")
    call = VirtualCall(plan, ["We open at nine. And we close at six, every day of the week but Sunday.", "Goodbye."])
    end = call.says("When do you open?", at=4500)
    call.says("Stop, I have to go now please.", at=end + 3000)
    call.run()
    kept = Kept(store, call_id)
    for line in call.journal.splitlines():
        kept.write(line)
    kept.end(record(call_id, STARTED))


def test_calls_are_listed_the_youngest_first(patter: Patter) -> None:
    """As a table, and as JSON with the same facts; there may be more than the limit."""
    ids = fill(patter.store)
    lines = patter("list", "--limit", "3").splitlines()
    assert [line.split()[2] for line in lines[1:]] == ids[:3]
    told = patter.json("list", "--limit", "3")
    assert [each["call_id"] for each in told["calls"]] == ids[:3]
    assert told["more"] is True
    assert patter.json("list", "--limit", "30")["more"] is False
    assert set(told["calls"][0]) == {
        "call_id", "started_at", "agent", "caller", "callee", "direction", "carrier", "outcome", "reason",
        "duration_s", "turns", "waited_ms", "usd", "known_usd",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "count"),
    [
        (["--agent", "shop"], 10),
        (["--outcome", "failed"], 15),
        (["--number", "+1 555 0103"], 3),
        (["--text", "when do"], 30),
        (["--text", "nobody said this"], 0),
        (["--min-duration", "1m"], 0),
        (["--max-duration", "12.5"], 30),
        (["--since", "2025-06-17T00:00+00:00", "--until", "2025-06-18T00:00+00:00"], 4),
        (["--since", "24h"], 0),
    ],
)
def test_calls_are_filtered(patter: Patter, flags: list[str], count: int) -> None:
    """Each filter alone; stats and export take the same."""
    fill(patter.store)
    assert len(patter.json("list", *flags)["calls"]) == count
    assert patter.json("stats", *flags)["calls"] == count
    assert len(patter("export", *flags).splitlines()) == count


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--since", "lately"], "--since cannot be 'lately'"),
        (["--until", "2026-13-01"], "--until cannot be '2026-13-01'"),
        (["--since", "1d", "--until", "2d"], "--until 2d is not after --since 1d"),
        (["--outcome", "answerd"], "did you mean answered?"),
        (["--min-duration", "long"], "--min-duration cannot be 'long'"),
        (["--min-cost", "-1"], "--min-cost cannot be -1"),
        (["--max-cost", "nan"], "--max-cost cannot be nan"),
        (["--text", " "], "--text is empty"),
        (["--limit", "0"], "--limit cannot be"),
    ],
)
def test_a_filter_that_cannot_be(patter: Patter, flags: list[str], words: str) -> None:
    """One sentence, and what would be right."""
    assert words in patter.fails("list", *flags)


def test_when_is_by_the_clock_of_this_machine() -> None:
    """A day begins at midnight here; a time may name its zone; so long ago is counted from now."""
    today = call_query(since="today").since
    assert today is not None
    assert time.localtime(today)[3:5] == (0, 0)
    assert call_query(since="2026-11-28T10:00+00:00").since == 1795860000.0
    ago = call_query(since="90m").since
    assert ago is not None
    assert abs(time.time() - 5400 - ago) < 60
    with pytest.raises(InputError):
        call_query(since="99999999d")


def test_a_call_is_shown_as_a_conversation(patter: Patter) -> None:
    """Who said what, what was not heard, where the time went; also as JSON."""
    a_call(patter.store)
    shown = patter("show", "last")
    assert "caller    When do you open?" in shown
    assert "[not heard: " in shown
    assert "endpointing" in shown
    told = patter.json("show", "LB1")
    assert told["call"]["call_id"] == "LB1"
    turn = told["turns"][1]
    assert turn["caller"] == "When do you open?"
    assert turn["agent"][0]["interrupted"] is True
    assert turn["latency"]["total_ms"] > 0
    assert told["unreadable"] == 0


def test_an_id_may_be_abbreviated(patter: Patter) -> None:
    """By its beginning or end, if one call alone has it; what none has is answered with the nearest."""
    keep(patter.store, "C20261128065224aaaa", STARTED)
    keep(patter.store, "C20261128070101bbbb", STARTED + 1)
    assert patter.json("show", "C2026112806")["call"]["call_id"].endswith("aaaa")
    assert patter.json("show", "bbbb")["call"]["call_id"].endswith("bbbb")
    assert patter.json("show", "last")["call"]["call_id"].endswith("bbbb")
    assert "one of: C20261128070101bbbb, C20261128065224aaaa" in patter.fails("show", "C2026")
    assert "the nearest: C20261128070101bbbb" in patter.fails("show", "C20261128070101bbcb")
    assert "patter logs list shows them" in patter.fails("show", "zzz")
    assert "patter logs list shows them" in patter.fails("show", "../../etc/passwd")


def test_nothing_is_kept(patter: Patter) -> None:
    """An empty list is no error; a call of nothing is."""
    assert patter("list") == ""
    assert patter.json("list") == {"calls": [], "more": False}
    assert patter.json("stats")["calls"] == 0
    assert patter("export") == ""
    assert "no calls are kept yet" in patter.fails("show", "last")
    assert "no calls are kept yet" in patter.fails("show", "LB1")
    assert not patter.folder.exists()


def test_a_damaged_journal_is_shown_as_far_as_it_goes(patter: Patter) -> None:
    """And how much of it is missing."""
    a_call(patter.store)
    (journal,) = patter.folder.glob("calls/*/LB1/journal.jsonl")
    data = journal.read_bytes()
    journal.write_bytes(data[:3000] + b"\xff\x00{{" + data[3100:])
    shown = patter("show", "LB1")
    assert "lines of its journal cannot be read" in shown or "line" in shown
    assert patter.json("show", "LB1")["unreadable"] >= 1


def test_an_index_of_a_newer_version(patter: Patter) -> None:
    """Everything is found all the same; only a new index is refused."""
    keep(patter.store, "LB1", STARTED)
    patter("list")
    with sqlite3.connect(patter.folder / INDEX) as db:
        db.execute("PRAGMA user_version = 999")
    assert patter.json("list")["calls"][0]["call_id"] == "LB1"
    assert patter.json("stats")["calls"] == 1
    result = CliRunner().invoke(app, ["logs", "reindex"])
    assert result.exit_code != 0
    assert "a newer version of this program wrote it" in result.stderr


def test_statistics_for_a_reader(patter: Patter) -> None:
    """Stages, outcomes, and a sparkline of days."""
    fill(patter.store)
    shown = patter("stats")
    assert "30 calls" in shown
    assert "calls a day" in shown
    assert "our number" in shown


def test_export_to_a_file(patter: Patter, tmp_path: Path) -> None:
    """Whole, for our eyes only; a format that there is not, a folder, a place that is not there."""
    keep(patter.store, "LB1", STARTED, reason="=cmd()")
    out = tmp_path / "calls.csv"
    patter("export", "--format", "csv", "-o", str(out))
    (line,) = csv.DictReader(io.StringIO(out.read_text(), newline=""))
    assert (line["call_id"], line["reason"]) == ("LB1", "'=cmd()")
    assert out.stat().st_mode & 0o077 == 0
    assert json.loads(patter("export", "--format", "json"))[0]["record"]["reason"] == "=cmd()"
    assert "did you mean csv?" in patter.fails("export", "--format", "cvs")
    assert "it is a folder" in patter.fails("export", "-o", str(tmp_path))
    assert "cannot write" in patter.fails("export", "-o", str(tmp_path / "none" / "x.csv"))


def test_numbers_can_be_struck_out(patter: Patter) -> None:
    """In what is shown; what is kept stays."""
    keep(patter.store, "LB1", STARTED, caller="+15550100199", history=[{"role": "user", "text": "I am +15550100199"}])
    for shown in (patter("list", "--redact"), patter("show", "LB1", "--redact"), patter("export", "--redact")):
        assert "+1***0199" in shown
        assert "0100199" not in shown
    assert "+15550100199" in patter("list")


def test_strangers_do_not_write_on_the_terminal(patter: Patter) -> None:
    """What came over the line is shown, and not obeyed."""
    keep(patter.store, "LB1", STARTED, caller="\x1b]0;x\x07", history=[{"role": "user", "text": "\x1b[2J"}])
    for shown in (patter("list"), patter("show", "LB1"), patter("stats")):
        assert "\x1b" not in shown


def test_old_calls_of_many_days(patter: Patter) -> None:
    """Days without calls are left out, the rest in their order."""
    for number in range(5):
        keep(patter.store, f"LB{number}", STARTED + number * 3 * DAY_S)
    names = [each["name"] for each in patter.json("stats")["days"]]
    assert names == sorted(names)
    assert len(names) == 5
