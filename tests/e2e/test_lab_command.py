"""patter call --carrier lab: a real number of nobody's, with no account and nothing but this machine."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.test_call_command import Desk

BOTH = pytest.mark.parametrize("lab", ["lab", "lab:telnyx"])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """With no carrier, no number and no public host, at hours when nobody real may be rung."""
    desk = Desk(tmp_path)
    for name in ("ACME_KEY", "PHONE_NUMBER", "WEBHOOK_URL", "PATTER_CALLING_HOURS"):
        desk.environment.pop(name, None)
    return desk


@BOTH
def test_one_call(desk: Desk, lab: str) -> None:
    """It returns what a real one would."""
    code, out, err = desk.patter("call", "+12025550108", "hum", "--carrier", lab)
    assert code == 1, err
    assert out.splitlines()[-1].startswith("busy after 0.0 s")


@BOTH
@pytest.mark.slow
def test_a_machine_gets_its_message(desk: Desk, lab: str) -> None:
    """It is what a real call prints, keeps and returns; also at a number that is in no plan."""
    code, out, err = desk.patter(
        *("call", "+15550100002", "hum", "--amd", "--voicemail-message", "Please call {name} back."),
        *("--carrier", lab, "--json"),
    )
    assert code == 0, err
    result = json.loads(out)
    assert (result["outcome"], result["answered_by"]) == ("voicemail", "machine")
    assert "Please call you back." in out
    (record,) = (desk.folder / "kept").rglob("record.json")
    kept = json.loads(record.read_text())
    plays = "telnyx" if "telnyx" in lab else "twilio"
    assert (kept["callee"], kept["caller"], kept["carrier"]) == ("+15550100002", "+12025550100", plays)


@pytest.mark.slow
def test_a_human_is_talked_to(desk: Desk) -> None:
    """Until they hang up."""
    code, out, err = desk.patter("call", "+12025550101", "hum", "--carrier", "lab")
    assert code == 0, err
    assert out.splitlines()[-1].startswith("answered by a human")


@BOTH
def test_a_list_is_rung_to_its_end(desk: Desk, lab: str) -> None:
    """Busy lines and dead ones, several at a time; each has its result."""
    numbers = [f"+1{area}5550{place}" for area in (202, 212, 312, 415) for place in ("108", "110")]
    path = desk.people(*numbers)
    code, _, err = desk.patter(
        *("call", "--csv", str(path), "hum", "--carrier", lab, "--yes"),
        *("--concurrency", "4", "--calls-per-second", "20"),
    )
    assert code in (0, 1, 4), err
    outcomes = {row["number"].lstrip("'"): row["outcome"] for row in desk.results()}
    assert outcomes == {number: "busy" if number.endswith("08") else "failed" for number in numbers}


@BOTH
@pytest.mark.slow
def test_everybody_is_rung_at_once(desk: Desk, lab: str) -> None:
    """Humans, machines and dead lines, with the voices they have: each call has its own end, and each machine its
    message."""
    who = {
        "01": ("answered", "human"),
        "02": ("voicemail", "machine"),
        "03": ("voicemail", "machine"),
        "04": ("voicemail", "machine"),
        "05": ("answered", "human"),
        "07": ("failed", "fax"),
        "08": ("busy", ""),
        "09": ("no_answer", ""),
        "10": ("failed", ""),
        "11": ("answered", ""),
        "14": ("answered", "human"),
    }
    path = desk.people(*(f"+120255501{each}" for each in who))
    _, _, err = desk.patter(
        *("call", "--csv", str(path), "hum", "--carrier", lab, "--yes", "--voicemail-message", "Please call back."),
        *("--concurrency", "14", "--calls-per-second", "20"),
    )
    found = {row["number"][-2:]: (row["outcome"], row["answered_by"]) for row in desk.results()}
    assert found == who, err
    left = {row["number"][-2:]: row["reason"] for row in desk.results() if row["outcome"] == "voicemail"}
    assert set(left.values()) == {"message_left"}


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.slow
def test_a_conversation_is_held_over_a_carriers_wire(desk: Desk, carrier: str) -> None:
    """patter simulate --carrier: what is kept says whose call it was, and both sides were heard."""
    code, out, err = desk.patter("simulate", "hum", "--carrier", carrier, "--say", "Hello, are you there?", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [turn["agent"] for turn in told["turns"]][-1].startswith("Hum")
    assert told["caller_waited_ms"][0] > 0
    (record,) = (desk.folder / "kept").rglob("record.json")
    assert json.loads(record.read_text())["carrier"] == carrier


def test_only_a_carrier_of_the_labs_can_be_simulated(desk: Desk) -> None:
    """And with sound, to an agent of one's own."""
    for arguments, words in (
        (("--carrier", "twillio", "--say", "Hi"), "did you mean twilio?"),
        (("--carrier", "twilio", "--text"), "a call with sound"),
    ):
        code, _, err = desk.patter("simulate", "hum", *arguments)
        assert (code, words in err) == (2, True), err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--carrier", "lap"), "did you mean lab?"),
        (("--carrier", "lab", "--detach"), "leave out --dry-run and --detach"),
        (("--carrier", "lab", "--tunnel"), "leave --tunnel out"),
        (("--carrier", "lab", "--hours", "00:00-00:01", "--allow", "GB"), "where +12025550108 may be"),
        ((), "which number to call from"),
    ],
)
def test_what_cannot_be_is_said(desk: Desk, arguments: tuple[str, ...], words: str) -> None:
    """Before anything is loaded or rung; hours that somebody names hold in the lab too."""
    code, _, err = desk.patter("call", "+12025550108", "hum", *arguments)
    assert code == 2, err
    assert words in err


KINDS = ("08", "10", "08", "11", "08")
"""Busy, not to be reached, and one who picks up and hangs up at once."""
OUTCOMES = {"08": {"busy"}, "10": {"failed"}, "11": {"answered", "failed", "canceled"}}


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_a_list_is_killed_interrupted_and_gone_on_with(desk: Desk, count: int) -> None:
    """Twenty at a time. One run is killed, the next one interrupted, the third comes to the end: nobody was called
    twice, by what is kept of the calls, and each has a result; of those that were being rung when it was killed nobody
    may know it."""
    numbers = [f"+12025{number:04}{KINDS[number % len(KINDS)]}" for number in range(count)]
    desk.people(*numbers)
    command = ("call", "--csv", "people.csv", "hum", "--carrier", "lab", "--concurrency", "20", "--yes")
    command += ("--calls-per-second", "100")
    for ended_by, after in ((signal.SIGKILL, count // 4), (signal.SIGINT, count // 2)):
        process = desk.start(*command)
        while len(rung(desk)) < after:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(ended_by)
        process.communicate(timeout=60)
    process = desk.start(*command)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert {each["attempt"] for each in desk.results()} == {"1"}
    last = {each["number"].removeprefix("'"): each["outcome"] for each in desk.results()}
    assert last.keys() == set(numbers)
    wrong = {each: word for each, word in last.items() if word not in OUTCOMES[each[-2:]] | {"unknown", "interrupted"}}
    assert set(wrong.values()) <= {"canceled"}  # called off by Ctrl-C
    assert len(wrong) <= 20
    assert sum(word in ("unknown", "interrupted") for word in last.values()) <= 20
    kept = [json.loads(each.read_text())["callee"] for each in (desk.folder / "kept").rglob("record.json")]
    assert len(kept) == len(set(kept))


def rung(desk: Desk) -> set[str]:
    """Whom a run has begun to ring."""
    place = desk.folder / "people.results.csv"
    return {each["number"] for each in desk.results()} if place.exists() else set()
