"""Answers begun early: heard sooner when the caller had finished, never heard when they had not."""

from __future__ import annotations

from dataclasses import replace

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.draft import MAX_DRAFTS
from patter_cli.core.plan import CallPlan, PlannedTool
from patter_cli.testing import Answer, Latency, VirtualCall, VirtualTool

PLAIN = CallPlan(agent="clinic", system_prompt="", tools=(PlannedTool(name="book", timeout_ms=10_000),))
DRAFTS = replace(PLAIN, drafts=True)
ASKS = "Tell me when you open on Monday"
QUICK = Latency(final_ms=40, partial_ms=40, first_clause_ms=300)


def first_sound(plan: CallPlan) -> int:
    call = VirtualCall(plan, ["We open at nine."], latency=QUICK)
    call.says(ASKS, at=0)
    call.run_until(6000)
    assert call.heard == "We open at nine."
    return call.sounds[0].start


def test_a_draft_makes_the_answer_sooner() -> None:
    """The model works while we wait to be sure that the caller has finished."""
    assert first_sound(DRAFTS) <= first_sound(PLAIN) - 150


def test_nothing_of_a_draft_is_heard_before_the_turn_is_over() -> None:
    """A draft that is ready early still waits for the caller."""
    call = VirtualCall(DRAFTS, ["We open at nine."], latency=replace(QUICK, first_clause_ms=10))
    ends = call.says(ASKS, at=0)
    call.run_until(6000)
    assert call.sounds[0].start >= ends + DRAFTS.pace.endpoint_ms
    assert [type(each).__name__ for at, each in call.orders(order.AdoptResponse)] == ["AdoptResponse"]
    assert not call.orders(order.StartResponse)


def test_a_draft_is_dropped_when_the_caller_goes_on() -> None:
    """What was answered too early is cancelled; the answer is to all that was said."""
    call = VirtualCall(DRAFTS, lambda text: f"You said {text}.", latency=QUICK)
    ends = call.says("I would like to", at=0)
    call.says("book a cleaning", at=ends + 450)
    call.run_until(9000)
    drafts = [each.response_id for _, each in call.orders(order.DraftResponse)]
    cancelled = [each.response_id for _, each in call.orders(order.CancelResponse)]
    assert len(drafts) >= 2
    assert drafts[0] in cancelled
    assert call.heard == "You said I would like to book a cleaning."
    assert [message.text for message in call.history if message.role == "user"] == ["I would like to book a cleaning"]


def test_a_final_with_other_words_replaces_the_draft() -> None:
    """A draft that answers a partial is released only when the final agrees."""
    call = VirtualCall(DRAFTS, lambda text: f"Re: {text}.", latency=replace(QUICK, final_ms=5000))
    call.says(ASKS, at=0)
    call.run_until(2350)
    segment = 0
    call.tell(fact.TranscriptPartial(segment=segment, text=ASKS))
    assert call.orders(order.DraftResponse)
    call.tell(fact.TranscriptFinal(segment=segment, text="Tell me when you open on Sunday"))
    call.run_until(7000)
    assert "Sunday" in call.heard
    assert "Monday" not in call.heard


def test_a_tool_waits_until_its_draft_is_adopted() -> None:
    """A guess must not act in the world."""
    answers = [Answer(calls=(("book", "{}"),)), "Booked."]
    call = VirtualCall(DRAFTS, answers, latency=replace(QUICK, first_clause_ms=10), tools={"book": VirtualTool("{}")})
    ends = call.says(ASKS, at=0)
    call.run_until(8000)
    ran = [at for at, _ in call.orders(order.RunTool)]
    assert len(ran) == 1
    assert ran[0] >= ends + DRAFTS.pace.endpoint_ms
    assert call.heard == "Booked."


def test_a_draft_that_failed_is_asked_for_again() -> None:
    """A failure nobody heard of costs the caller nothing but the second try."""
    call = VirtualCall(DRAFTS, ["We open at nine."], latency=replace(QUICK, first_clause_ms=900))
    call.says(ASKS, at=0)
    while not call.orders(order.DraftResponse):
        call.run_until(call.now + 10)
    draft = call.orders(order.DraftResponse)[-1][1].response_id
    call.tell(fact.ResponseFailed(response_id=draft, provider="virtual", message="broken"))
    call.run_until(9000)
    assert call.orders(order.StartResponse)
    assert call.heard == "We open at nine."


def test_a_turn_is_drafted_a_few_times_at_most() -> None:
    """A caller who stops and goes on all the time does not cost a request each time."""
    call = VirtualCall(DRAFTS, ["Yes."], latency=QUICK)
    at = 0
    for word in ("I want to", "and then to", "and also the", "or perhaps my", "and one for", "and so"):
        at = call.says(word, at=at) + 500
    call.run_until(at + 3000)
    assert 1 <= len(call.orders(order.DraftResponse)) <= MAX_DRAFTS


def test_a_draft_is_dropped_when_the_line_closes() -> None:
    """Nothing is left working for a caller who is gone."""
    call = VirtualCall(DRAFTS, ["We open at nine."], latency=QUICK)
    call.says(ASKS, at=0)
    while not call.orders(order.DraftResponse):
        call.run_until(call.now + 10)
    call.tell(fact.LineClosed(cause="carrier_stop"))
    assert call.orders(order.CancelResponse)
    assert call.ended
