"""A reply that is cut leaves in the history what the line says was heard of it, and whoever goes on waits for that."""

from __future__ import annotations

from dataclasses import replace

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.events import Event, Ms
from patter_cli.core.floor import AgentState, CallerState
from patter_cli.core.history import STOP_MS
from patter_cli.core.machine import TurnMachine
from patter_cli.core.outcome import Direction
from patter_cli.core.plan import CallPlan, PlannedTool
from patter_cli.core.playback import MS_PER_CHAR

TEXT = "I'm sorry, I didn't get that."
HEARD = "I'm sorry, I"
STALLED_MS = len(HEARD) * MS_PER_CHAR + 100
"""So much of it sounds; then the voice stalls, and does not say how long the clause is."""
PLAN = CallPlan(
    agent="luigi",
    system_prompt="",
    drafts=False,
    tools=(PlannedTool(name="book", timeout_ms=9000),),
    transfer_numbers=("+15550199",),
)
BEGINS: Ms = 2000
WORDS_AT: Ms = 5500
"""By then the whole clause would have been heard, had the voice gone on."""
STOPPED = fact.PlaybackStopped(response_id=1, clause=0, played_ms=STALLED_MS)
KINDS = (order.ReportTranscript, order.StartResponse, order.DraftResponse)


def stalls(plan: CallPlan = PLAN, *wishes: Event) -> TurnMachine:
    """The agent answers "Hello.", and its voice stalls inside the first clause. wishes: what else it brings."""
    machine = TurnMachine()
    connected = fact.CallConnected(
        call_id="c", caller="+1", callee="+2", direction=Direction.INBOUND, carrier="none", plan=plan, wall_time=0.0
    )
    machine.handle(connected, 0)
    machine.handle(fact.CallPrepared(plan=plan), 10)
    machine.handle(fact.SpeechStarted(at_ms=400), 460)
    machine.handle(fact.SpeechEnded(at_ms=700), 900)
    machine.handle(fact.TranscriptFinal(segment=0, text="Hello."), 1200)
    machine.handle(fact.Tick(), 1700)
    for each in (fact.ClauseReady(response_id=1, text=TEXT), *wishes, fact.ResponseFinished(response_id=1)):
        machine.handle(each, 1800)
    machine.handle(fact.PlayoutStarted(response_id=1, clause=0), BEGINS)
    assert machine.states[2] is AgentState.SPEAKING
    return machine


def speaks(machine: TurnMachine, text: str = "One", at: Ms = WORDS_AT) -> list[order.Command]:
    """The caller says a word that is over before it could hold the reply, and is known late. Returns what follows."""
    machine.handle(fact.SpeechStarted(at_ms=4000), 4060)
    machine.handle(fact.SpeechEnded(at_ms=4180), 4280)
    return machine.handle(fact.TranscriptFinal(segment=1, text=text), at)


def told(ordered: list[order.Command]) -> list[str]:
    """What is reported and asked for, in order."""
    said = [each for each in ordered if isinstance(each, KINDS)]
    return [f"{each.role}: {each.text}" if isinstance(each, order.ReportTranscript) else each.text for each in said]


def lines(machine: TurnMachine) -> list[tuple[str, str]]:
    return [(each.role, each.text) for each in machine.history if each.tool is None]


def test_words_that_cut_a_stalled_voice_leave_what_was_heard() -> None:
    """By the clock all of the clause was heard; the line knows better, and is asked before anything is written."""
    machine = stalls()
    assert told(speaks(machine)) == []
    assert told(machine.handle(STOPPED, WORDS_AT)) == [f"assistant: {HEARD}", "user: One", "One"]
    assert lines(machine) == [("user", "Hello."), ("assistant", HEARD), ("user", "One")]


def test_a_line_that_never_says_where_it_stopped_is_not_waited_for() -> None:
    """After a moment the clock has to do, and the caller is answered."""
    machine = stalls()
    speaks(machine)
    assert machine.next_deadline() == WORDS_AT + STOP_MS
    assert told(machine.handle(fact.Tick(), WORDS_AT + STOP_MS)) == [f"assistant: {TEXT}", "user: One", "One"]
    assert told(machine.handle(STOPPED, WORDS_AT + STOP_MS + 1)) == []


def test_a_mark_that_never_came_does_not_make_it_heard() -> None:
    """The voice gave its whole length, and the line stopped earlier all the same."""
    machine = stalls()
    machine.handle(fact.ClauseVoiced(response_id=1, clause=0, duration_ms=len(TEXT) * MS_PER_CHAR), 2100)
    machine.handle(fact.SpeechStarted(at_ms=3000), 3060)
    machine.handle(fact.SpeechEnded(at_ms=3180), 3280)
    assert told(machine.handle(fact.TranscriptFinal(segment=1, text="No."), 3850)) == []
    machine.handle(fact.Tick(), 3900)
    machine.handle(STOPPED, 3900)
    machine.handle(fact.Tick(), 4400)
    assert lines(machine) == [("user", "Hello."), ("assistant", HEARD), ("user", "No.")]


def test_an_answer_is_drafted_with_what_was_heard() -> None:
    """Words that come before the turn is over have their answer begun as soon as the history is true."""
    machine = stalls(replace(PLAN, drafts=True))
    machine.handle(fact.SpeechStarted(at_ms=4000), 4060)
    machine.handle(fact.SpeechEnded(at_ms=4180), 4280)
    assert told(machine.handle(fact.TranscriptFinal(segment=1, text="One"), 4310)) == []
    assert told(machine.handle(STOPPED, 4310)) == [f"assistant: {HEARD}", "One"]


def test_a_caller_who_goes_on_in_that_moment_is_heard_out() -> None:
    """The turn is still theirs: what they said before and after is one."""
    machine = stalls()
    speaks(machine)
    machine.handle(fact.SpeechStarted(at_ms=WORDS_AT), WORDS_AT + 5)
    assert told(machine.handle(STOPPED, WORDS_AT + 5)) == [f"assistant: {HEARD}"]
    machine.handle(fact.SpeechEnded(at_ms=6000), 6200)
    machine.handle(fact.TranscriptFinal(segment=1, text="One or two"), 6300)
    machine.handle(fact.Tick(), 8000)
    assert lines(machine) == [("user", "Hello."), ("assistant", HEARD), ("user", "One or two")]


def test_words_of_a_turn_that_is_over_leave_what_was_heard() -> None:
    """They cut the reply although their turn was closed without them."""
    machine = stalls()
    machine.handle(fact.SpeechStarted(at_ms=2900), 2960)
    machine.handle(fact.SpeechEnded(at_ms=3060), 3180)
    at = 3200
    while machine.states[1] is not CallerState.SILENT and at < 6000:
        at += 100
        machine.handle(fact.Tick(), at)
    assert machine.states[2] is AgentState.SPEAKING
    assert told(machine.handle(fact.TranscriptFinal(segment=1, text="I want two of them"), at)) == []
    ordered = told(machine.handle(STOPPED, at))
    assert ordered == [f"assistant: {HEARD}", "user: I want two of them", "I want two of them"]


@pytest.mark.parametrize("stops", [True, False])
def test_a_colleague_who_takes_over_reads_what_was_heard(stops: bool) -> None:
    """What the caller had said meanwhile is written after it, though nobody says where the line stopped."""
    machine = stalls(replace(PLAN, pace=replace(PLAN.pace, barge_in_threshold_ms=0)))
    speaks(machine, at=4400)
    machine.handle(fact.Tick(), 5000)
    assert told(machine.handle(fact.TakeOverRequested(taken=True), WORDS_AT)) == []
    ordered = machine.handle(STOPPED, WORDS_AT + 1) if stops else machine.handle(fact.Tick(), WORDS_AT + STOP_MS)
    assert told(ordered) == [f"assistant: {HEARD if stops else TEXT}", "user: One"]


def test_a_tool_that_runs_has_its_place_before() -> None:
    """Its line stands where it was called; the answer that was cut comes after it, as it was heard."""
    machine = stalls(PLAN, fact.ToolCallRequested(response_id=1, tool_call_id="t", name="book", arguments="{}"))
    assert told(speaks(machine)) == []
    assert told(machine.handle(STOPPED, WORDS_AT))[:2] == [f"assistant: {HEARD}", "user: One"]
    assert [each.role for each in machine.history] == ["user", "tool", "assistant", "user"]


def test_a_transfer_that_was_announced_is_off() -> None:
    """Whoever speaks over the announcement stays, and it was heard as far as the line says."""
    machine = stalls(PLAN, fact.TransferRequested(response_id=1, number="+15550199"))
    ordered = speaks(machine, "No, wait") + machine.handle(STOPPED, WORDS_AT)
    assert told(ordered)[:2] == [f"assistant: {HEARD}", "user: No, wait"]
    assert not any(isinstance(each, order.Transfer) for each in ordered)


def test_what_was_heard_whole_is_not_asked_about() -> None:
    """Its mark has come and more of the reply is to follow: the line has nothing to say, so the answer begins."""
    machine = stalls(PLAN, fact.ClauseReady(response_id=1, text="Please say a number."))
    machine.handle(fact.ClauseVoiced(response_id=1, clause=0, duration_ms=1000), 2100)
    machine.handle(fact.MarkReached(response_id=1, clause=0), 3040)
    assert told(speaks(machine)) == [f"assistant: {TEXT}", "user: One", "One"]
