"""Stories of what is asked of the carrier during a call: to put the caller through, to press keys, to record."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import (
    RecordingFailed,
    RecordingReady,
    TransferAnswered,
    TransferLeftLine,
    TransferRinging,
)
from patter_cli.core.conversation import Message, ToolUse
from patter_cli.core.endings import HAND_OVER_MS
from patter_cli.core.floor import CallState
from patter_cli.core.machine import TurnMachine
from patter_cli.core.outcome import Direction, TransferOutcome
from patter_cli.core.plan import CallPlan, PlannedTool, SystemPhrases
from patter_cli.core.transfers import TELL_MS, TRANSFER_MS
from patter_cli.testing import Answer, Latency, VirtualCall

FRONT_DESK = "+12025550142"
LINES = SystemPhrases()
PLAN = CallPlan(agent="clinic", system_prompt="", transfer_numbers=(FRONT_DESK,))
PUTS_THROUGH = Answer(clauses=("One moment.",), calls=(("transfer_call", json.dumps({"number": FRONT_DESK})),))


def results(call: VirtualCall) -> list[str]:
    """What the model was told of its tool calls."""
    return [message.tool.result or "" for message in call.history if message.tool is not None]


def put_through(**world: Any) -> VirtualCall:
    call = VirtualCall(PLAN, [PUTS_THROUGH], **world)
    call.says("A person, please.", at=0)
    return call


def pressing(arguments: str, then: str, plan: CallPlan = PLAN, **world: Any) -> VirtualCall:
    """A call whose agent presses keys and then says something."""
    call = VirtualCall(plan, [Answer(calls=(("press_keys", arguments),)), then], **world)
    call.says("For reservations press one.", at=0)
    return call


# --- transfers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (TransferOutcome.BUSY, "the line is busy"),
        (TransferOutcome.NO_ANSWER, "nobody answered"),
        (TransferOutcome.DECLINED, "whoever was rung declined"),
        (TransferOutcome.VOICEMAIL, "an answering machine picked up"),
        (TransferOutcome.DROPPED, "the connection was lost at once"),
        (TransferOutcome.FAILED, "it could not be connected"),
    ],
)
def test_the_model_is_told_what_became_of_a_transfer(outcome: TransferOutcome, told: str) -> None:
    """The tool's line in the history says what really happened, each in words of its own; the caller is told too."""
    call = put_through(transfer=outcome)
    call.run_until(20_000)
    assert f"not connected: {told}" in results(call)[0]
    assert LINES.no_transfer in call.heard
    assert not call.orders(order.CancelTransfer)


def test_a_failure_of_another_kind_keeps_the_carriers_words() -> None:
    """What no word of ours fits is told as the carrier said it."""
    call = put_through(latency=Latency(transfer_ms=10**6))
    call.tells(fact.TransferFailed(message="SIP 488"), at=6000)
    call.run_until(12_000)
    assert "not connected: SIP 488" in results(call)[0]


@pytest.mark.parametrize(("rings", "due"), [((), TRANSFER_MS), ((9000, 20_000), 9000 + TRANSFER_MS)])
def test_a_transfer_that_is_not_answered_does_not_go_on_ringing(rings: tuple[int, ...], due: int) -> None:
    """The caller is taken back after a while, counted anew from when it rings, and the other telephone falls silent."""
    call = put_through(latency=Latency(transfer_ms=10**6))
    call.run_until(4000)
    (began, _) = call.orders(order.Transfer)[0]
    for after in rings:
        call.tells(TransferRinging(), at=began + after)
    call.run_until(began + 70_000)
    assert [at - began for at, _ in call.orders(order.CancelTransfer)] == [due]
    assert "nobody answered" in results(call)[0]
    assert LINES.no_transfer in call.heard


def test_a_goodbye_is_not_said_into_a_ringing_line() -> None:
    """A server that goes down while the caller is being put through takes them back first."""
    call = put_through()
    call.tells(fact.DrainRequested(), at=5000)
    call.run()
    assert len(call.orders(order.CancelTransfer)) == 1
    assert call.heard.endswith(LINES.drain_goodbye)
    assert call.outcome == ("answered", "drain")


@pytest.mark.parametrize("late", [fact.TransferFinished(), fact.TransferFailed(message="busy"), TransferRinging()])
def test_what_comes_of_a_transfer_twice_or_late_changes_nothing(late: fact.Event) -> None:
    """Before it, after it came to nothing, and after the caller was taken over."""
    call = put_through(transfer=TransferOutcome.BUSY)
    for at in (500, 15_000, 15_001):
        call.tells(late, at=at)
    call.run_until(16_000)
    assert call.machine.states[0] is CallState.ACTIVE
    assert call.heard.count(LINES.no_transfer) == 1
    over = put_through()
    over.run_until(4000)
    (began, _) = over.orders(order.Transfer)[0]
    over.tells(fact.TransferFinished(), at=began + 1000)
    over.tells(late, at=began + 1500)
    over.run()
    assert over.outcome == ("answered", "transferred")


@pytest.mark.parametrize("closed", [fact.LineClosed(cause="carrier_stop"), fact.LineClosed(cause="carrier_close")])
def test_a_line_that_a_transfer_takes_away_has_not_been_hung_up(closed: fact.LineClosed) -> None:
    """The carrier takes the caller off our stream: the call is transferred, whichever news is first."""
    call = put_through(latency=Latency(transfer_ms=10**6))
    call.run_until(4000)
    (began, _) = call.orders(order.Transfer)[0]
    call.tells(TransferLeftLine(), at=began + 1)
    call.tells(closed, at=began + 300)
    call.run()
    assert call.outcome == ("answered", "transferred")


def test_a_transfer_that_was_refused_keeps_the_line() -> None:
    """The carrier would have taken the caller away and did not: why the line closes later has nothing to do with it."""
    call = put_through(latency=Latency(transfer_ms=10**6))
    call.run_until(4000)
    (began, _) = call.orders(order.Transfer)[0]
    call.tells(TransferLeftLine(), at=began + 1)
    call.tells(fact.TransferFailed(message="no credit"), at=began + 100)
    call.tells(fact.LineClosed(cause="carrier_stop"), at=began + 9000)
    call.run()
    assert "not connected: no credit" in results(call)[0]
    assert call.outcome == ("answered", "carrier_stop")


@pytest.mark.parametrize("has_tool", [True, False])
def test_a_caller_comes_back_from_a_transfer_as_another_call(has_tool: bool) -> None:
    """One line says that it failed, and the tool's answer in the history is what the transfer has come to."""
    tool = ToolUse(id="t1", name="transfer_call", arguments="{}", step="1.0", result='{"ok": true}')
    earlier = (
        Message(role="user", text="A person, please.", timestamp=1.0),
        *((Message(role="tool", text="transfer_call {} -> …", timestamp=2.0, tool=tool),) if has_tool else ()),
        Message(role="assistant", text="One moment.", timestamp=3.0),
    )
    machine = TurnMachine()
    connected = fact.CallConnected(
        call_id="C2",
        caller="",
        callee="",
        direction=Direction.INBOUND,
        carrier="x",
        plan=PLAN,
        wall_time=4.0,
        earlier=earlier,
        returned=TransferOutcome.BUSY,
    )
    ordered = machine.handle(connected, 0) + machine.handle(fact.CallPrepared(plan=PLAN), 20)
    assert [each.text for each in ordered if isinstance(each, order.ReadOut)] == [LINES.no_transfer]
    told = [each.tool.result or "" for each in machine.history if each.tool is not None]
    assert ["not connected: the line is busy" in each for each in told] == ([True] if has_tool else [])


# --- transfers where whoever answers is told first -------------------------------------------------------------------

ATTENDED = replace(PLAN, attends=True)
TELLS = Answer(
    clauses=("One moment.",),
    calls=(("transfer_call", json.dumps({"number": FRONT_DESK, "about": " A guest\nwants a refund. "})),),
)


def told_first(plan: CallPlan = ATTENDED, **world: Any) -> tuple[VirtualCall, int]:
    """A caller who waits while somebody is rung, and since when."""
    call = VirtualCall(plan, [TELLS], latency=Latency(transfer_ms=10**6), **world)
    call.says("A person, please.", at=0)
    call.run_until(4000)
    (began, _) = call.orders(order.Transfer)[0]
    return call, began


def test_the_caller_hears_music_while_somebody_is_told() -> None:
    """It stops when they are connected; what is told is one line, whatever the model wrote."""
    call, began = told_first()
    ((_, transfer),) = call.orders(order.Transfer)
    assert transfer.about == "A guest wants a refund."
    assert [at for at, _ in call.orders(order.PlayMusic)] == [began]
    call.tells(TransferAnswered(), at=began + 9000)
    call.tells(fact.TransferFinished(), at=began + 20_000)
    call.run()
    assert [at for at, _ in call.orders(order.StopMusic)] == [began + 20_000]
    assert call.outcome == ("answered", "transferred")


def test_the_music_stops_before_the_caller_is_told_that_nobody_came() -> None:
    """And the agent goes on with them, knowing why."""
    call, began = told_first()
    call.tells(fact.TransferFailed(message="", outcome=TransferOutcome.VOICEMAIL), at=began + 9000)
    call.run_until(began + 15_000)
    assert [at for at, _ in call.orders(order.StopMusic)] == [began + 9000]
    assert LINES.no_transfer in call.heard
    assert "an answering machine picked up" in results(call)[0]


@pytest.mark.parametrize(("answered", "due"), [(None, TRANSFER_MS), (9000, 9000 + TELL_MS)])
def test_telling_has_an_end(answered: int | None, due: int) -> None:
    """Whoever picked up gets longer than whoever only rings; then the caller is taken back."""
    call, began = told_first()
    if answered is not None:
        call.tells(TransferAnswered(), at=began + answered)
    call.run_until(began + 100_000)
    assert [at - began for at, _ in call.orders(order.CancelTransfer)] == [due]
    assert [at - began for at, _ in call.orders(order.StopMusic)] == [due]


def test_a_goodbye_is_not_said_into_the_music() -> None:
    """A server that goes down takes the caller back first."""
    call, began = told_first()
    call.tells(fact.DrainRequested(), at=began + 2000)
    call.run()
    assert len(call.orders(order.StopMusic)) == 1
    assert call.heard.endswith(LINES.drain_goodbye)


def test_where_nobody_can_be_told_the_caller_is_connected_at_once() -> None:
    """A line that cannot do it: what the model wrote is not said, and there is no music."""
    call, _ = told_first(PLAN)
    ((_, transfer),) = call.orders(order.Transfer)
    assert transfer.about == ""
    assert not call.orders(order.PlayMusic)


def test_who_was_told_is_handed_over_when_they_have_heard_it() -> None:
    """Not a word more is said to them, whatever they say; a carrier that does not connect them ends it."""
    plan = replace(PLAN, first_message="I have a caller for you.", hands_over=True)
    call = VirtualCall(plan, ["Yes."])
    call.run()
    ((at, _),) = call.orders(order.HandOver)
    assert call.heard == "I have a caller for you."
    assert call.outcome == ("answered", "handed_over")
    assert call.now - at == HAND_OVER_MS


def test_behind_a_switchboard_whoever_speaks_is_told() -> None:
    """Nothing is said before there is a voice, and what is said then is the end of it."""
    plan = replace(PLAN, hands_over=True)
    call = VirtualCall(plan, ["I have a caller for you."])
    call.says("Front desk?", at=3000)
    call.run()
    assert call.heard == "I have a caller for you."
    assert len(call.orders(order.HandOver)) == 1


# --- keys ------------------------------------------------------------------------------------------------------------


def test_the_agent_walks_a_menu() -> None:
    """It presses keys, learns that they were heard, and goes on."""
    call = pressing('{"keys": "1 2#"}', "A table for two, please.")
    call.run_until(8000)
    (pressed,) = [each for _, each in call.orders(order.SendDtmf)]
    assert pressed.digits == "12#"
    assert results(call) == ['{"ok": true, "data": "pressed"}']
    assert call.heard == "A table for two, please."


TOO_MANY = json.dumps({"keys": "1" * 33})


@pytest.mark.parametrize(
    "arguments", ["", "{}", '{"keys": ""}', '{"keys": 12}', '{"keys": "12x"}', '{"keys": "١"}', TOO_MANY]
)
def test_what_is_no_key_is_not_pressed(arguments: str) -> None:
    """Letters, numbers that are no text, digits of other scripts, and more than a carrier takes at once."""
    call = pressing(arguments, "I can't press that.")
    call.run_until(8000)
    assert not call.orders(order.SendDtmf)
    assert "not pressed" in results(call)[0]
    assert call.heard == "I can't press that."


def test_keys_that_the_carrier_refuses_are_no_secret() -> None:
    """The model is told, and whoever waits hears something meanwhile."""
    call = pressing('{"keys": "5"}', "That did not work.", keys_work=False, latency=Latency(keys_ms=5000))
    call.run_until(12_000)
    assert "not pressed: refused" in results(call)[0]
    assert call.heard == f"{LINES.filler} That did not work."
    assert call.longest_wait()[0] < 4000


def test_keys_that_nobody_answers_for_do_not_hold_the_call() -> None:
    """Like a tool that never comes back: an apology, and the conversation goes on; the late word is still noted."""
    call = pressing('{"keys": "5"}', "Never said.", latency=Latency(keys_ms=40_000))
    call.run_until(60_000)
    assert LINES.apology in call.heard
    assert "Never said." not in call.heard
    assert results(call) == ['{"ok": true, "data": "pressed"}']


def test_an_author_may_have_keys_of_their_own() -> None:
    """A planned tool of that name is theirs, with whatever arguments."""
    plan = replace(PLAN, tools=(PlannedTool(name="press_keys", timeout_ms=1000),))
    call = pressing('{"keys": "x"}', "Done.", plan)
    call.run_until(8000)
    assert len(call.orders(order.RunTool)) == 1
    assert not call.orders(order.SendDtmf)


# --- the carrier's recording -----------------------------------------------------------------------------------------


def test_a_call_is_recorded_once_it_was_said() -> None:
    """In the greeting's own words; if the plan that holds says so; what comes of it is in the journal and changes
    nothing."""
    plan = replace(PLAN, records=True, first_message="This call is recorded.")
    call = VirtualCall(plan, ["Yes."])
    for at, event in ((3000, RecordingFailed(message="no")), (4000, RecordingReady(recording_id="RE1"))):
        call.tells(event, at=at)
    call.run_until(6000)
    ((recorded, _),) = call.orders(order.StartRecording)
    assert recorded > call.orders(order.ReadOut)[0][0]
    assert call.heard == "This call is recorded."
    unrecorded = VirtualCall(plan, ["Yes."], prepared=replace(plan, records=False))
    unrecorded.run_until(6000)
    assert not unrecorded.orders(order.StartRecording)
