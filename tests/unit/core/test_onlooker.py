"""Whoever looks on may end a call or mute its caller, and the journal says so."""

from __future__ import annotations

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.machine import TurnMachine
from patter_cli.core.onlooker import UNHEARD, YOURS_AGAIN
from patter_cli.core.outcome import TransferOutcome
from patter_cli.core.plan import CallPlan, EnginePlan
from patter_cli.engine.dialogue import COLLEAGUE
from patter_cli.testing import Answer, VirtualCall
from patter_cli.testing.speech_peer import TURNS_OURS, TURNS_THEIRS, SpeechPeer

PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello.")


def test_a_call_that_is_hung_up_on_says_goodbye_first() -> None:
    """The caller hears that it ends, and the reason says whose wish it was."""
    call = VirtualCall(PLAN)
    call.tells(fact.HangUpRequested(), at=4000)
    call.run()
    assert call.history[-1].text == PLAN.lines.drain_goodbye
    (over,) = [order_ for _, order_ in call.orders(order.FinishCall)]
    assert (over.outcome, over.reason) == ("answered", "operator")


def test_muting_is_ordered_once_for_each_wish() -> None:
    """Muted and heard again: each is an order, at its time."""
    call = VirtualCall(PLAN)
    call.tells(fact.MuteRequested(muted=True), at=3000)
    call.tells(fact.MuteRequested(muted=False), at=5000)
    call.run_until(6000)
    assert [(at, each.muted) for at, each in call.orders(order.MuteCaller)] == [(3000, True), (5000, False)]


def test_a_muted_caller_is_not_asked_whether_they_are_there() -> None:
    """Nor hung up on: they cannot be heard. Heard again, they are asked as ever."""
    call = VirtualCall(PLAN)
    call.tells(fact.MuteRequested(muted=True), at=3000)
    call.tells(fact.MuteRequested(muted=False), at=120_000)
    call.run_until(121_000)
    assert [each.text for each in call.history] == ["Hello."]
    call.run()
    assert [each.text for each in call.history[1:]] == [
        PLAN.lines.still_there, PLAN.lines.still_there, PLAN.lines.idle_goodbye
    ]  # fmt: skip


@pytest.mark.parametrize("wish", [fact.MuteRequested(muted=True), fact.HangUpRequested()])
def test_a_wish_for_a_call_that_is_over_changes_nothing(wish: fact.Event) -> None:
    """Keys are pressed late."""
    call = VirtualCall(PLAN)
    call.tells(fact.DrainRequested(), at=3000)
    call.run()
    assert call.machine.handle(wish, call.now + 1) == []


def test_nobody_can_be_muted_before_there_is_a_line() -> None:
    """A call that still rings has no sound to take away."""
    machine = TurnMachine()
    dial = DialRequested(
        call_id="C1",
        caller="+15550100",
        callee="+15550199",
        carrier="lab",
        plan=PLAN,
        ring_timeout_ms=None,
        wall_time=0.0,
    )
    machine.handle(dial, 0)
    assert machine.handle(fact.MuteRequested(muted=True), 10) == []


def said(call: VirtualCall) -> list[tuple[str, str]]:
    return [(each.role, each.text) for each in call.history]


def test_a_line_that_somebody_writes_is_said_next() -> None:
    """While nobody speaks it is said at once, and the agent remembers it as its own words."""
    call = VirtualCall(PLAN)
    call.tells(fact.SayRequested(text=" A colleague is listening. "), at=5000)
    call.run_until(9000)
    assert said(call) == [("assistant", "Hello."), ("assistant", "A colleague is listening.")]


def test_what_the_agent_is_saying_yields_to_it() -> None:
    """The history has what was heard of the broken-off words, and then the line."""
    greeting = "Hello there, this is a long greeting of ours indeed."
    plan = CallPlan(agent="shop", system_prompt="", first_message=greeting)
    call = VirtualCall(plan)
    call.tells(fact.SayRequested(text="Wait."), at=600)
    call.run_until(6000)
    first, second = call.history[:2]
    assert first.interrupted
    assert greeting.startswith(first.text)
    assert (second.text, second.interrupted) == ("Wait.", False)


def test_lines_are_said_one_after_another() -> None:
    """Two that were written quickly do not cut each other off."""
    call = VirtualCall(PLAN)
    call.tells(fact.SayRequested(text="First of all."), at=5000)
    call.tells(fact.SayRequested(text="And then."), at=5100)
    call.tells(fact.SayRequested(text="  "), at=5200)
    call.run_until(12_000)
    assert [text for _, text in said(call)] == ["Hello.", "First of all.", "And then."]
    assert not any(each.interrupted for each in call.history)


def test_a_caller_who_speaks_is_let_finish() -> None:
    """The line comes when they have, and what they said is answered after it."""
    call = VirtualCall(PLAN, ("We open at nine.",))
    call.says("When do you open?", at=4000, lasts_ms=2000)
    call.tells(fact.SayRequested(text="One moment please."), at=4500)
    call.run_until(20_000)
    assert said(call)[:4] == [
        ("assistant", "Hello."),
        ("assistant", "One moment please."),
        ("user", "When do you open?"),
        ("assistant", "We open at nine."),
    ]


def test_a_line_keeps_a_call_that_was_about_to_end() -> None:
    """The last words were heard, and now there are others: whoever wrote them wants an answer."""
    call = VirtualCall(PLAN, (Answer(clauses=("Goodbye.",), hang_up=True),))
    call.says("Bye.", at=4000, lasts_ms=500)
    call.run_until(6000)
    late = call.now
    call.tells(fact.SayRequested(text="Please stay."), at=late)
    call.run_until(late + 5000)
    assert not call.orders(order.FinishCall)


def test_the_caller_is_put_through_by_somebody_else() -> None:
    """To a number that the agent itself may not choose, at once; if nobody answers the caller is told and goes on."""
    call = VirtualCall(PLAN, transfer=TransferOutcome.BUSY)
    call.tells(fact.PutThroughRequested(number="+15550142"), at=4000)
    call.run_until(4100)
    ((at, asked),) = call.orders(order.Transfer)
    assert (at, asked.number, asked.about) == (4000, "+15550142", "")
    call.run_until(30_000)
    assert ("assistant", PLAN.lines.no_transfer) in said(call)


@pytest.mark.parametrize("wish", [fact.SayRequested(text="Hello?"), fact.PutThroughRequested(number="+15550142")])
def test_whoever_comes_too_late_changes_nothing(wish: fact.Event) -> None:
    """The call is saying its goodbye, or is over."""
    call = VirtualCall(PLAN)
    call.tells(fact.HangUpRequested(), at=4000)
    call.tells(wish, at=4100)
    call.run()
    assert [text for _, text in said(call)] == ["Hello.", PLAN.lines.drain_goodbye]
    assert not call.orders(order.Transfer)


def lines(call: VirtualCall) -> list[tuple[str, str]]:
    """Who said what, as the history has it."""
    return [(each.role, each.text) for each in call.history]


def test_a_colleague_talks_in_the_agents_place_and_gives_the_call_back() -> None:
    """The agent stops where it is and answers nothing meanwhile; both sides are in its history, and it goes on with
    what the caller says then."""
    call = VirtualCall(PLAN, ("We open at nine, every day of the week, and close late.", "Good bye then."))
    call.says("When do you open?", at=3000)
    call.tells(fact.TakeOverRequested(taken=True), at=5500)
    call.tells(fact.ColleagueSaid(text="Hello, I am Mia."), at=7000)
    call.says("Hello Mia.", at=8000)
    call.tells(fact.ColleagueSaid(text="Come at ten."), at=12_000)
    call.tells(fact.TakeOverRequested(taken=False), at=13_000)
    call.says("Thank you.", at=15_000)
    call.run_until(22_000)
    said = lines(call)
    assert said[:2] == [("assistant", "Hello."), ("user", "When do you open?")]
    assert said[2][0] == "assistant"
    assert said[2][1] in "We open at nine, every day of the week, and close late."
    assert said[3:] == [
        ("colleague", "Hello, I am Mia."), ("user", "Hello Mia."), ("colleague", "Come at ten."),
        ("user", "Thank you."), ("assistant", "Good bye then."),
    ]  # fmt: skip
    assert [(at, each.passes) for at, each in call.orders(order.PassColleague)] == [(5500, True), (13_000, False)]


def test_an_agent_that_gets_a_call_back_answers_what_nobody_has() -> None:
    """The caller asked while the colleague was leaving."""
    call = VirtualCall(PLAN, ("We open at nine.",))
    call.tells(fact.TakeOverRequested(taken=True), at=2000)
    call.says("When do you open?", at=3000)
    call.tells(fact.TakeOverRequested(taken=False), at=8000)
    call.run_until(12_000)
    assert [role for role, _ in lines(call)] == ["assistant", "user", "colleague", "assistant"]
    assert lines(call)[-1][1] == PLAN.lines.anything_else  # for nobody knows what the colleague said
    call = VirtualCall(PLAN, ("We open at nine.",))
    call.tells(fact.TakeOverRequested(taken=True), at=2000)
    call.tells(fact.ColleagueSaid(text="Hello."), at=2500)
    call.says("When do you open?", at=3000)
    call.tells(fact.TakeOverRequested(taken=False), at=8000)
    call.run_until(12_000)
    assert lines(call)[-1] == ("assistant", "We open at nine.")


def test_a_call_that_was_taken_over_is_never_silent_for_the_agent() -> None:
    """It does not ask whether the caller is there, nor hang up on them."""
    call = VirtualCall(PLAN)
    call.tells(fact.TakeOverRequested(taken=True), at=2000)
    call.run_until(300_000)
    assert [each.text for each in call.history] == ["Hello."]
    assert call.orders(order.FinishCall) == []


@pytest.mark.parametrize(("said", "lost"), [("", False), ("", True), ("One moment.", True)])
def test_a_caller_who_is_given_back_is_not_left_in_silence(said: str, lost: bool) -> None:
    """Who is lost may have promised something, and what a colleague was not heard to say may have been anything."""
    call = VirtualCall(PLAN)
    call.tells(fact.TakeOverRequested(taken=True), at=2000)
    if said:
        call.tells(fact.ColleagueSaid(text=said), at=3000)
    call.tells(fact.TakeOverRequested(taken=False, lost=lost), at=8000)
    call.run_until(11_000)
    assert lines(call)[-1] == ("assistant", PLAN.lines.anything_else)


def test_no_warning_talks_over_a_colleague() -> None:
    """Of time or of cost: it is said when the agent has the call again."""
    call = VirtualCall(PLAN)
    call.tells(fact.TakeOverRequested(taken=True), at=2000)
    call.tells(fact.CostReached(percent=80), at=3000)
    call.run_until(20_000)
    assert [text for role, text in lines(call) if role == "assistant"] == ["Hello."]
    call.tells(fact.TakeOverRequested(taken=False), at=21_000)
    call.run_until(32_000)
    assert PLAN.lines.cost_warning in [text for role, text in lines(call) if role == "assistant"]


def test_a_call_that_was_taken_over_may_be_ended_for_everybody() -> None:
    """The colleague is cut off, and the caller hears goodbye."""
    call = VirtualCall(PLAN)
    call.tells(fact.TakeOverRequested(taken=True), at=2000)
    call.tells(fact.HangUpRequested(), at=4000)
    call.run()
    assert [each.passes for _, each in call.orders(order.PassColleague)] == [True, False]
    assert call.history[-1].text == PLAN.lines.drain_goodbye


def test_nothing_is_said_for_the_agent_while_a_colleague_talks() -> None:
    """A line that somebody wrote then is not said later either."""
    call = VirtualCall(PLAN)
    call.tells(fact.TakeOverRequested(taken=True), at=2000)
    call.tells(fact.TakeOverRequested(taken=True), at=2500)
    call.tells(fact.SayRequested(text="One moment."), at=3000)
    call.tells(fact.TakeOverRequested(taken=False), at=5000)
    call.run_until(9000)
    assert "One moment." not in [each.text for each in call.history]
    assert len(call.orders(order.PassColleague)) == 2


ENGINES = pytest.mark.parametrize("theirs", [False, True], ids=["our turns", "their turns"])


def with_engine(*, theirs: bool) -> tuple[VirtualCall, SpeechPeer]:
    """A call whose agent is an engine, which remembers what it heard and said and nothing else."""
    peer = SpeechPeer(["Gladly."], abilities=TURNS_THEIRS if theirs else TURNS_OURS)
    plan = CallPlan(agent="shop", system_prompt="", first_message="Hello.", engine=EnginePlan(server_turns=theirs))
    return VirtualCall(plan, engine=peer), peer


@ENGINES
def test_an_engine_is_told_what_a_colleague_said(theirs: bool) -> None:
    """Each line once, in the order in which it was said, also one that is known only when the call is its own again;
    where it replies when it likes, it is told as well that nobody heard that. It says nothing about any of it."""
    call, peer = with_engine(theirs=theirs)
    call.tells(fact.TakeOverRequested(taken=True), at=3000)
    call.tells(fact.ColleagueSaid(text="Hello, I am Mia."), at=4000)
    call.says("Can I come at ten?", at=5000)
    call.tells(fact.ColleagueSaid(text="Come at ten."), at=9000)
    call.tells(fact.TakeOverRequested(taken=False), at=10_000)
    call.tells(fact.ColleagueSaid(text="Goodbye."), at=10_500)
    call.run_until(14_000)
    told = [(each.role, each.text) for each in peer.reminded]
    note = [("system", YOURS_AGAIN)] if theirs else []
    assert told == [
        ("assistant", f"{COLLEAGUE}Hello, I am Mia."), ("assistant", f"{COLLEAGUE}Come at ten."), *note,
        ("assistant", f"{COLLEAGUE}Goodbye."),
    ]  # fmt: skip
    assert [text for role, text in lines(call) if role == "assistant"] == ["Hello."]
    call.says("Thank you.", at=14_000)
    call.run_until(22_000)
    assert lines(call)[-1] == ("assistant", "Gladly.")
    assert len(peer.reminded) == len(told)


@ENGINES
def test_an_engine_is_told_what_the_house_voice_said(theirs: bool) -> None:
    """A line that an onlooker wrote, and what we ask by ourselves: as much of it as was heard. Of its own words it is
    told nothing."""
    call, peer = with_engine(theirs=theirs)
    call.tells(fact.SayRequested(text="A colleague is listening."), at=4000)
    call.tells(fact.TakeOverRequested(taken=True), at=8000)
    call.tells(fact.TakeOverRequested(taken=False, lost=True), at=9000)
    call.run_until(14_000)
    ours = ["A colleague is listening.", f"{COLLEAGUE}{UNHEARD}", PLAN.lines.anything_else]
    assert [each.text for each in peer.reminded if each.role == "assistant"] == ours
    call.says("When do you open?", at=14_000)
    call.run_until(22_000)
    assert lines(call)[-1] == ("assistant", "Gladly.")
    assert [each.text for each in peer.reminded if each.role == "assistant"] == ours


def test_a_pipeline_is_told_by_its_history() -> None:
    """Its model is given all of the conversation each time; nothing is ordered."""
    call = VirtualCall(PLAN)
    call.tells(fact.TakeOverRequested(taken=True), at=3000)
    call.tells(fact.ColleagueSaid(text="Come at ten."), at=4000)
    call.tells(fact.TakeOverRequested(taken=False), at=5000)
    call.run_until(9000)
    assert call.orders(order.RemindEngine) == []
