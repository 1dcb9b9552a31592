"""What is known of a call besides its words: silences, tools, keys, transfers, and the words as they are heard."""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.simulate.played import CallFacts, longest_silence
from patter_cli.simulate.words_heard import WordsHeard


def entry(at: int, event: fact.Event | None = None, *commands: order.Command) -> Entry:
    return Entry(at=at, event=event or fact.Tick(), commands=list(commands))


def test_silence_is_what_the_agent_ends() -> None:
    """Between the caller's last word and its first, within what it says, and at an end that it lets come."""
    assert longest_silence([(500, 2000), (5000, 6000)], [(3000, 4000)], [], 7000) == 1000
    assert longest_silence([(500, 2000), (4500, 6000)], [], [], 7000) == 2500
    assert longest_silence([(500, 2000)], [(3000, 4000)], [], 9000) == 5000
    assert longest_silence([(500, 2000)], [(6000, 7000)], [], 7000) == 500
    assert longest_silence([], [], [], 7000) == 0


def test_a_silence_that_the_caller_wants_is_none() -> None:
    """What is left of it before and after counts."""
    assert longest_silence([(0, 2000), (9000, 9500)], [], [(2500, 8000)], 9500) == 1000
    assert longest_silence([(0, 2000), (9000, 9500)], [], [(1000, 9000)], 9500) == 0


def test_what_a_caller_cannot_hear_is_in_the_journal() -> None:
    """Tools with what they were told, keys, whom they were put through to, and who was not reached."""
    facts = CallFacts()
    run = order.RunTool(response_id=1, tool_call_id="t1", name="book", arguments='{"day": "Friday"}', timeout_ms=1000)
    odd = order.RunTool(response_id=1, tool_call_id="t2", name="book", arguments="[1]", timeout_ms=1000)
    facts.feed(entry(10, None, run, odd))
    facts.feed(entry(20, fact.ToolFinished(response_id=1, tool_call_id="t1", result="Booked.")))
    facts.feed(entry(30, None, order.SendDtmf(response_id=1, tool_call_id="t3", digits="12")))
    facts.feed(entry(40, None, order.Transfer(number="+12025550142")))
    facts.feed(entry(50, fact.TransferFailed(message="busy")))
    facts.feed(entry(60, None, order.Transfer(number="+12025550143")))
    facts.feed(entry(70, fact.TransferFinished()))
    told = order.ReportTranscript(role="assistant", text="We are", interrupted=True, at_ms=80)
    facts.feed(entry(80, None, told))
    first, second = facts.tools
    assert (first.at_ms, first.arguments, first.result) == (10, {"day": "Friday"}, "Booked.")
    assert (second.arguments, second.result) == ({"": [1]}, None)
    assert [(each.at_ms, each.digits) for each in facts.keys] == [(30, "12")]
    assert facts.transfers == {"+12025550142": "busy", "+12025550143": ""}
    assert facts.interruptions == 1


def test_words_are_heard_one_after_the_other() -> None:
    """Half of a clause when half of it was played, no more of one that was stopped, and only what began after."""
    heard = WordsHeard()
    heard.feed(entry(0, None, order.Speak(response_id=1, clause=0, text="We open at nine in the morning.")))
    assert heard.since(0, 5000) == ""
    heard.feed(entry(1000, fact.ClauseVoiced(response_id=1, clause=0, duration_ms=2000)))
    heard.feed(entry(1000, fact.PlayoutStarted(response_id=1, clause=0)))
    assert heard.since(0, 1000) == ""
    assert heard.since(0, 2000) == "We open at nine in"
    assert heard.since(0, 3500) == "We open at nine in the morning."
    heard.feed(entry(2000, fact.PlaybackStopped(response_id=1, clause=0, played_ms=1000)))
    assert heard.since(0, 9000) == "We open at nine in"
    heard.feed(entry(3000, fact.PlayoutStarted(response_id=1, clause=0)))
    assert heard.since(0, 4000) == "We open at nine in the morning."
    heard.feed(entry(5000, None, order.Speak(response_id=2, clause=0, text="Goodbye.")))
    heard.feed(entry(5000, fact.PlayoutStarted(response_id=2, clause=0)))
    assert heard.since(4500, 9000) == "Goodbye."
