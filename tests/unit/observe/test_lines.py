"""A call as plain lines, with nothing in them that a terminal would obey."""

from __future__ import annotations

import io

import pytest

from patter_cli.core.carrier_events import MachineDetected, Ringing
from patter_cli.core.commands import ReportTranscript
from patter_cli.core.events import LineClosed, Tick
from patter_cli.core.journal import Entry, parse_entry
from patter_cli.core.outcome import AnsweredBy, VerdictSource
from patter_cli.core.plan import CallPlan, EnginePlan
from patter_cli.observe.lines import TranscriptLines, latency_text
from patter_cli.observe.metrics import TurnLatency
from patter_cli.testing import FarEnd, SpeechPeer, VirtualCall
from patter_cli.text.printable import printable


def shown(call: VirtualCall, call_id: str = "LB0123456789", *, named: bool = False) -> list[str]:
    out = io.StringIO()
    lines = TranscriptLines(out, named=named)
    for line in call.journal.splitlines():
        lines(call_id, parse_entry(line))
    return out.getvalue().splitlines()


def call(words: str = "When do you open?", answer: str = "At nine. Until six.") -> VirtualCall:
    made = VirtualCall(CallPlan(agent="shop", system_prompt="", first_message="Hello."), [answer])
    made.says(words, at=2000)
    made.run_until(9000)
    return made


def test_a_call_reads_as_a_conversation() -> None:
    """Who speaks, what, and the split of the turn; the agent's further clauses are indented."""
    lines = shown(call())
    assert lines[0] == "call from +15550100 for shop"
    assert lines[1] == "agent   Hello."
    assert lines[2] == "caller  When do you open?"
    assert "agent   At nine." in lines
    assert "        Until six." in lines
    (split,) = [line for line in lines if " ms = " in line]
    total, _, parts = split.strip().partition(" ms = ")
    assert int(total) == sum(int(part.split()[1]) for part in parts.split(" + "))


def test_what_an_engine_said_is_shown_when_it_was_heard() -> None:
    """Its words are not known before; where it was cut off is where they end."""
    plan = CallPlan(agent="shop", system_prompt="", first_message="Hello.", engine=EnginePlan())
    made = VirtualCall(plan, engine=SpeechPeer(["We open at nine in the morning and close at six.", "Yes."]))
    made.says("When do you open?", at=2000)
    made.says("No wait I meant on Saturday.", at=5000)
    made.run_until(12_000)
    lines = [line for line in shown(made) if " ms = " not in line]
    assert lines[1:3] == ["agent   Hello.", "caller  When do you open?"]
    assert lines[3].startswith("agent   We open at nine")
    assert lines[4:] == ["        cut off there", "caller  No wait I meant on Saturday.", "agent   Yes."]


def test_an_outbound_call_shows_how_it_comes_about() -> None:
    """Who is called, that it rings, when somebody picks up; each once, however often the carrier says so."""
    made = VirtualCall(CallPlan(agent="shop", system_prompt="", first_message="Hello."), far_end=FarEnd())
    for at in (1200, 1300):
        made.tells(Ringing(), at=at)
    made.run_until(9000)
    assert shown(made) == ["shop calls +15550101", "ringing", "answered after 6.0 s", "agent   Hello."]


def test_a_machine_that_answered_is_named() -> None:
    """With who says so, and what became of the call."""
    plan = CallPlan(agent="shop", system_prompt="", screens_machines=True)
    verdict = MachineDetected(answered_by=AnsweredBy.MACHINE, source=VerdictSource.CARRIER)
    made = VirtualCall(plan, far_end=FarEnd(tells=((2000, verdict),)))
    made.run()
    assert shown(made)[-2:] == [
        "        answered by: machine (carrier says machine)",
        "call over after 8.2 s: voicemail, no_message",
    ]


def test_several_calls_are_told_apart() -> None:
    """By the end of their id."""
    assert all(line.startswith("[456789] ") for line in shown(call(), named=True))


def test_an_interruption_shows_what_was_heard() -> None:
    """And the end shows how the call ended."""
    made = VirtualCall(CallPlan(agent="shop", system_prompt=""), ["We open at nine in the morning and close at six."])
    made.says("When do you open?", at=1000)
    made.run_until(4000)
    made.says("Wait, I meant on Saturday.", at=4000)
    made.run_until(5000)
    made.tells(LineClosed(cause="carrier_stop"))
    made.run()
    lines = shown(made)
    assert any(line.startswith("        cut off; heard: We open") for line in lines)
    assert lines[-1].startswith("call over after ")
    assert lines[-1].endswith("answered, carrier_stop")


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("\x1b]52;c;AAAA\x07", "�]52;c;AAAA�"),
        ("[red]not markup[/red] [link=x]", "[red]not markup[/red] [link=x]"),
        ("ab\u202ecd\u2066", "ab�cd�"),
        ("line\r\nagent   forged", "line��agent   forged"),
        ("\x9b31m", "�31m"),
        ("Größe 東京 🙂", "Größe 東京 🙂"),
    ],
)
def test_what_strangers_say_is_shown_and_not_obeyed(said: str, seen: str) -> None:
    """Escape sequences, markup, bidi overrides, line breaks: cell by cell."""
    assert printable(said) == seen
    out = io.StringIO()
    report = ReportTranscript(role="user", text=said, interrupted=False, at_ms=1)
    TranscriptLines(out)("LB1", Entry(at=1, event=Tick(), commands=(report,)))
    assert out.getvalue() == f"caller  {seen}\n"


def test_a_split_is_one_line() -> None:
    """Its parts in the order of a turn."""
    latency = TurnLatency(turn=1, endpointing_ms=400, stt_ms=0, llm_ms=10, clause_ms=1, tts_ms=150, handover_ms=2)
    assert latency_text(latency) == "563 ms = endpointing 400 + stt 0 + llm 10 + clause 1 + tts 150 + handover 2"


def test_calls_at_the_same_time_keep_their_own_thread() -> None:
    """Lines alternate as things happen, each under its call's name and as if it were alone."""
    one, two = call(), call("Are you there?", "Yes.")
    out = io.StringIO()
    lines = TranscriptLines(out, named=True)
    entries = [("LB-aaaaaa", parse_entry(line)) for line in one.journal.splitlines()]
    entries += [("LB-bbbbbb", parse_entry(line)) for line in two.journal.splitlines()]
    for call_id, entry in sorted(entries, key=lambda each: each[1].at):
        lines(call_id, entry)
    told = out.getvalue().splitlines()
    for name, made in (("[aaaaaa] ", one), ("[bbbbbb] ", two)):
        assert [line.removeprefix(name) for line in told if line.startswith(name)] == shown(made)
    assert told[0][:8] != told[1][:8]
