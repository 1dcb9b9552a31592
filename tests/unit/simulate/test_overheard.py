"""What a caller heard of each reply, by the agent's own journal."""

from __future__ import annotations

from patter_cli.core.journal import Entry
from patter_cli.core.plan import CallPlan
from patter_cli.simulate.overheard import HeardReplies
from patter_cli.testing import VirtualCall


def replies_of(call: VirtualCall) -> HeardReplies:
    """The fold over all of a call's journal."""
    replies = HeardReplies()
    for at, event, commands in call.log:
        replies.feed(Entry(at=at, event=event, commands=commands))
    return replies


def test_each_reply_lies_where_it_began() -> None:
    """Greeting and answer, each at the moment its sound began: after the words it answers, before its report."""
    call = VirtualCall(CallPlan(agent="a", system_prompt="", first_message="Hello."), ["We open at nine."])
    said_ms = call.says("When do you open?", at=3000)
    call.run_until(12_000)
    greeting, answer = replies_of(call).heard
    assert (greeting.text, answer.text) == ("Hello.", "We open at nine.")
    assert greeting.at_ms == call.sounds[0].start < 3000
    assert said_ms < answer.at_ms == call.sounds[1].start


def test_what_was_cut_off_was_not_heard() -> None:
    """Of an interrupted reply there is as much as reached the ear."""
    long = "We open at nine and close at five on every day but Sunday, when we are closed all day."
    call = VirtualCall(CallPlan(agent="a", system_prompt="", first_message=long))
    call.says("Wait a moment please.", at=2500)
    call.run_until(9000)
    heard = replies_of(call).heard[0].text
    assert heard
    assert heard != long
    assert long.startswith(heard)
