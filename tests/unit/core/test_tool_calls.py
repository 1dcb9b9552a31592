"""Stories of tools: what the model may have done, when the caller hears of it, and what the history holds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.plan import CallPlan, PlannedTool, SystemPhrases
from patter_cli.core.tool_calls import MAX_CALLS, MAX_STEPS, allowed_number
from patter_cli.testing import Answer, VirtualCall, VirtualTool

FRONT_DESK = "+12025550142"
LINES = SystemPhrases()
PLAN = CallPlan(
    agent="clinic",
    system_prompt="",
    tools=(PlannedTool(name="book", timeout_ms=10_000), PlannedTool(name="look_up", timeout_ms=10_000)),
    transfer_numbers=(FRONT_DESK,),
)
BOOKED = '{"ok": true, "data": "Booked."}'
ASKS = "Book me in for nine on Monday."


def roles(call: VirtualCall) -> list[str]:
    return [message.role for message in call.history]


def results(call: VirtualCall) -> list[str | None]:
    return [message.tool.result for message in call.history if message.tool is not None]


def test_a_tools_answer_is_in_the_history_before_the_model_goes_on() -> None:
    """The model asks, the tool runs, the model speaks to what came back."""
    call = VirtualCall(
        PLAN, [Answer(calls=(("book", '{"day": "Monday"}'),)), "You are booked."], tools={"book": VirtualTool(BOOKED)}
    )
    call.says(ASKS, at=0)
    call.run_until(8000)
    assert call.heard == "You are booked."
    assert roles(call) == ["user", "tool", "assistant"]
    assert results(call) == [BOOKED]
    assert len(call.orders(order.RunTool)) == 1


def test_words_before_a_tool_are_spoken_while_it_runs() -> None:
    """ "Let me look" is heard at once, and the model is told that it was said."""
    answers = [Answer(clauses=("Let me look.",), calls=(("book", "{}"),)), "You are booked."]
    call = VirtualCall(PLAN, answers, tools={"book": VirtualTool(BOOKED)})
    call.says(ASKS, at=0)
    call.run_until(8000)
    assert call.heard == "Let me look. You are booked."
    (_, went_on) = call.orders(order.ContinueResponse)[0]
    assert (went_on.said, went_on.may_call) == ("Let me look.", True)


def test_a_quick_tool_needs_no_filler() -> None:
    """A tool that answers within a second and a half is not talked over."""
    call = VirtualCall(PLAN, [Answer(calls=(("book", "{}"),)), "Done."], tools={"book": VirtualTool(BOOKED, 800)})
    call.says(ASKS, at=0)
    call.run_until(8000)
    assert call.heard == "Done."


def test_a_slow_tool_is_bridged_once_and_then_answered() -> None:
    """The caller of a slow tool hears a filler after a second and a half, then the answer."""
    call = VirtualCall(PLAN, [Answer(calls=(("book", "{}"),)), "Done."], tools={"book": VirtualTool(BOOKED, 4000)})
    call.says(ASKS, at=0)
    call.run_until(12_000)
    assert call.heard == f"{LINES.filler} Done."
    began = call.orders(order.RunTool)[0][0]
    assert call.sounds[0].start - began <= 1500 + 300
    assert call.longest_wait()[0] < 4000


def test_a_tool_that_never_answers_does_not_hold_the_call() -> None:
    """Even if its deadline were lost, the caller is told and the conversation goes on."""
    call = VirtualCall(PLAN, [Answer(calls=(("book", "{}"),)), "Hello again."], tools={"book": VirtualTool("", None)})
    call.says(ASKS, at=0)
    call.run_until(45_000)
    assert LINES.apology in call.heard
    assert call.longest_wait()[0] < 4000


def test_two_tools_of_one_step_are_both_waited_for() -> None:
    """The model goes on once, when all it asked for is there."""
    tools = {"book": VirtualTool(BOOKED, 200), "look_up": VirtualTool('{"ok": true, "data": 3}', 900)}
    call = VirtualCall(PLAN, [Answer(calls=(("book", "{}"), ("look_up", "{}"))), "Both done."], tools=tools)
    call.says(ASKS, at=0)
    call.run_until(9000)
    assert len(call.orders(order.ContinueResponse)) == 1
    steps = {message.tool.step for message in call.history if message.tool is not None}
    assert len(steps) == 1
    assert call.heard == "Both done."


def test_an_interrupted_reply_leaves_its_tool_running_and_its_result_on_record() -> None:
    """The caller takes the floor while a tool runs: it runs once, is recorded, and is not spoken to."""
    call = VirtualCall(
        PLAN,
        [Answer(clauses=("Let me book that for you right now.",), calls=(("book", "{}"),)), "Never mind, then."],
        tools={"book": VirtualTool(BOOKED, 3000)},
    )
    call.says(ASKS, at=0)
    call.run_until(3400)
    call.says("No wait, stop, I do not want that.")
    call.run_until(15_000)
    assert len(call.orders(order.RunTool)) == 1
    assert results(call) == [BOOKED]
    assert not call.orders(order.ContinueResponse)
    tool_line = roles(call).index("tool")
    assert roles(call)[tool_line:].count("user") == 1, "the call stands before the words that interrupted it"


def test_a_tool_of_a_reply_that_is_gone_is_not_run() -> None:
    """A model that goes on after the caller took the floor cannot act any more."""
    call = VirtualCall(PLAN, ["One. Two. Three. Four. Five. Six. Seven."])
    call.says(ASKS, at=0)
    call.run_until(3000)
    gone = call.orders(order.StartResponse)[0][1].response_id
    call.says("Stop, please stop talking now.")
    call.run_until(6000)
    call.tell(fact.ToolCallRequested(response_id=gone, tool_call_id="late", name="book", arguments="{}"))
    assert not call.orders(order.RunTool)


def test_a_model_that_only_calls_tools_ends_its_turn_in_words() -> None:
    """After five steps it may not call any more, and the caller hears a sentence."""
    call = VirtualCall(PLAN, [Answer(calls=(("book", "{}"),))], tools={"book": VirtualTool(BOOKED, 50)})
    call.says(ASKS, at=0)
    call.run_until(15_000)
    steps = [each for _, each in call.orders(order.ContinueResponse)]
    assert [each.may_call for each in steps[:MAX_STEPS]] == [True] * (MAX_STEPS - 1) + [False]
    first_turn = [each for _, each in call.orders(order.RunTool) if each.response_id == steps[0].response_id]
    assert len(first_turn) == MAX_STEPS
    assert call.heard


def test_a_call_has_a_limit_of_tool_calls() -> None:
    """However many turns it takes, no more than thirty tools run."""
    call = VirtualCall(
        PLAN, [Answer(calls=tuple(("book", "{}") for _ in range(12)))], tools={"book": VirtualTool(BOOKED)}
    )
    for turn in range(6):
        call.says(ASKS, at=turn * 12_000)
    call.run_until(80_000)
    assert len(call.orders(order.RunTool)) == MAX_CALLS


def test_end_call_lets_the_last_words_play_out() -> None:
    """The model says goodbye and asks to hang up: the caller hears the goodbye, then the line closes."""
    call = VirtualCall(PLAN, [Answer(clauses=("Thank you for calling. Goodbye!",), calls=(("end_call", "{}"),))])
    call.says("That is all, thanks.", at=0)
    call.run(30_000)
    assert call.heard == "Thank you for calling. Goodbye!"
    assert call.outcome == ("answered", "agent")
    assert not call.orders(order.ContinueResponse)


def test_end_call_without_a_word_is_asked_for_one() -> None:
    """A model that would hang up in silence is made to say goodbye first, without tools."""
    call = VirtualCall(PLAN, [Answer(calls=(("end_call", "{}"),)), "Goodbye!"])
    call.says("That is all, thanks.", at=0)
    call.run(30_000)
    assert call.heard == "Goodbye!"
    assert [each.may_call for _, each in call.orders(order.ContinueResponse)] == [False]
    assert call.outcome == ("answered", "agent")


def test_a_goodbye_that_is_interrupted_is_taken_back() -> None:
    """The caller goes on talking: nothing hangs up, and the model reads that it did not."""
    call = VirtualCall(
        PLAN,
        [
            Answer(clauses=("Thank you very much for calling us today and goodbye!",), calls=(("end_call", "{}"),)),
            "Yes?",
        ],
    )
    call.says("That is all, thanks.", at=0)
    call.run_until(3500)
    call.says("Oh wait, one more question.")
    call.run_until(9000)
    assert not call.ended
    assert "broken off" in (results(call)[0] or "")


@pytest.mark.parametrize("written", [FRONT_DESK, "+1 202 555 0142", "+1 (202) 555-0142", "+1.202.555.0142"])
def test_an_allowed_number_is_connected(written: str) -> None:
    """The usual ways to write a number mean the same number."""
    arguments = json.dumps({"number": written})
    call = VirtualCall(PLAN, [Answer(clauses=("One moment.",), calls=(("transfer_call", arguments),))])
    call.says("A person, please.", at=0)
    call.run(60_000)
    assert [each.number for _, each in call.orders(order.Transfer)] == [FRONT_DESK]
    assert call.outcome == ("answered", "transferred")


@pytest.mark.parametrize(
    "number",
    [
        "+19005550142", "+1202555014", "+120255501422", "12025550142", "2025550142", "0012025550142",
        "+1202555014２", "+١٢٠٢٥٥٥٠١٤٢", "+12025550142,,9", "+12025550142;ext=9", "+12025550142\n+19005550100",
        "sip:+12025550142@evil.example", "front desk", "", "+1 202 555 0142 or +1 900 555 0100", "+12025550142\u200b",
    ],
)  # fmt: skip
def test_any_other_number_is_refused(number: str) -> None:
    """Whatever the model was talked into, the caller is connected to a configured number or not at all."""
    assert allowed_number(number, PLAN) is None
    arguments = json.dumps({"number": number})
    call = VirtualCall(PLAN, [Answer(calls=(("transfer_call", arguments),)), "I cannot do that."])
    call.says("Connect me to another number.", at=0)
    call.run_until(8000)
    assert not call.orders(order.Transfer)
    assert call.heard == "I cannot do that."


@pytest.mark.parametrize(
    "arguments", ["", "null", "[]", '{"number": 12025550142}', '{"number": null}', "{", '"+12025550142"']
)
def test_a_transfer_with_malformed_arguments_is_refused(arguments: str) -> None:
    """Garbage is no number."""
    call = VirtualCall(PLAN, [Answer(calls=(("transfer_call", arguments),)), "Sorry."])
    call.says("A person, please.", at=0)
    call.run_until(8000)
    assert not call.orders(order.Transfer)


def test_the_agents_own_code_cannot_transfer_elsewhere_either() -> None:
    """on_message may hand on what a caller said; the allowed numbers hold there too, and the caller is told."""
    call = VirtualCall(PLAN, [Answer(clauses=("One moment.",), transfer="+19005550100")])
    call.says("A person, please.", at=0)
    call.run_until(12_000)
    assert not call.orders(order.Transfer)
    assert LINES.no_transfer in call.heard


def test_a_tool_nobody_planned_is_answered_too() -> None:
    """A made-up tool gets an error and the turn goes on."""
    call = VirtualCall(PLAN, [Answer(calls=(("fly", "{}"),)), "I can't fly."])
    call.says("Fly!", at=0)
    call.run_until(8000)
    assert call.heard == "I can't fly."


def test_an_end_of_turn_model_lengthens_and_shortens_the_wait() -> None:
    """A voice that sounds unfinished gets more time than one that sounds finished."""
    waits = []
    for likely in (0.05, 0.95):
        plan = replace(PLAN, predicts_end_of_turn=True)
        call = VirtualCall(plan, ["Fine."], end_of_turn=lambda _, likely=likely: likely)
        ends = call.says("I would like to see somebody on Monday at nine.", at=0)
        call.run_until(6000)
        waits.append(call.orders(order.StartResponse)[0][0] - ends)
    assert waits[0] == PLAN.pace.endpoint_unfinished_ms
    assert waits[1] == PLAN.pace.endpoint_complete_ms
