"""From journals to what is seen: who said what, what was never heard, where the call is, and how much is kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, parse_entry
from patter_cli.core.plan import CallPlan, EnginePlan
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.testing import SpeechPeer, VirtualCall
from patter_cli.tui.draw import draw
from patter_cli.tui.fold import ENDED, LINES, LIVE, LOG, TEXT, CallFold, ScreenFold, waits_of
from patter_cli.tui.steer import Steering
from patter_cli.tui.theme import theme
from patter_cli.tui.view import ListProgress, Phase, Waits, Who

PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello.")
ANSWER = "We open at nine in the morning. We close at six in the evening."


def folded(call: VirtualCall, until: int | None = None) -> CallFold:
    fold = CallFold("C1")
    for line in call.journal.splitlines():
        entry = parse_entry(line)
        if until is None or entry.at <= until:
            fold.feed(entry)
    return fold


def said(fold: CallFold, *who: Who) -> list[str]:
    return [each.text for each in fold.detail().lines if each.who in (who or (Who.CALLER, Who.AGENT))]


def interrupted() -> VirtualCall:
    call = VirtualCall(PLAN, [ANSWER, "Yes."])
    call.says("When do you open?", at=2000)
    call.says("No wait I meant on Saturday.", at=6000)
    call.run_until(12_000)
    return call


def test_a_conversation_reads_as_it_was_held() -> None:
    """The lines are those of the record, in its order."""
    call = interrupted()
    assert said(folded(call)) == [each.text for each in call.history if each.role in ("user", "assistant")]


def test_what_was_cut_off_keeps_its_unheard_words() -> None:
    """Heard and unheard together are what the agent set out to say; nothing else has unheard words."""
    lines = folded(interrupted()).detail().lines
    (cut,) = [each for each in lines if each.unheard]
    assert f"{cut.text} {cut.unheard}" == ANSWER
    assert cut.text


def test_the_agents_words_come_one_by_one() -> None:
    """Between two moments of a reply the line only grows, by whole words; at its end all of it is there."""
    call = VirtualCall(PLAN, [ANSWER])
    call.says("When do you open?", at=2000)
    call.run_until(15_000)
    fold, seen = CallFold("C1"), []
    pending = [parse_entry(each) for each in call.journal.splitlines()]
    for now in range(0, 15_000, 100):
        while pending and pending[0].at <= now:
            fold.feed(pending.pop(0))
        growing = [each for each in fold.detail(now).lines if each.growing and each.who is Who.AGENT]
        seen += [each.text for each in growing if each.at_ms > 3000]
    assert len(set(seen)) >= 8
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(seen))
    assert all(ANSWER.split()[: len(each.split())] == each.split() for each in seen)


def test_the_callers_words_come_as_they_are_recognised() -> None:
    """Before anything was recognised there is a place for them."""
    call = VirtualCall(PLAN, [ANSWER])
    call.says("When do you open?", at=2000)
    call.run_until(3000)
    (growing,) = [each for each in folded(call).detail().lines if each.growing]
    assert growing.who is Who.CALLER
    assert "When do you open?".startswith(growing.text.rstrip("."))


def test_where_a_call_is_can_be_followed() -> None:
    """Connected, spoken to, listening, spoken by, thinking, over."""
    call = VirtualCall(PLAN, [ANSWER])
    call.says("When do you open?", at=3000)
    call.tells(fact.HangUpRequested(), at=12_000)
    call.run()
    fold, phases = CallFold("C1"), []
    for line in call.journal.splitlines():
        fold.feed(parse_entry(line))
        if not phases or phases[-1] is not fold.row().phase:
            phases.append(fold.row().phase)
    assert phases == [
        Phase.CONNECTING, Phase.THINKING, Phase.SPEAKING, Phase.LISTENING, Phase.CALLER, Phase.LISTENING,
        Phase.THINKING, Phase.SPEAKING, Phase.LISTENING, Phase.THINKING, Phase.SPEAKING, Phase.ENDING, Phase.OVER,
    ]  # fmt: skip
    assert (fold.row().outcome, fold.row().reason, fold.row().live) == ("answered", "operator", False)


def test_what_an_engine_says_is_followed_too() -> None:
    """Its words and its sound come apart; the record is the same."""
    plan = CallPlan(agent="shop", system_prompt="", first_message="Hello.", engine=EnginePlan())
    call = VirtualCall(plan, engine=SpeechPeer(["We open at nine in the morning and close at six.", "Yes."]))
    call.says("When do you open?", at=2000)
    call.says("No wait I meant on Saturday.", at=5000)
    call.run_until(12_000)
    fold = folded(call)
    assert sorted(said(fold)) == sorted(each.text for each in call.history if each.role in ("user", "assistant"))
    assert any(each.unheard for each in fold.detail().lines)


def test_mute_is_seen_in_the_list_and_the_transcript() -> None:
    """And so is its end."""
    call = VirtualCall(PLAN)
    call.tells(fact.MuteRequested(muted=True), at=3000)
    call.tells(fact.MuteRequested(muted=False), at=6000)
    call.run_until(7000)
    assert folded(call, 4000).row().muted
    assert not folded(call).row().muted
    assert "the caller is heard again" in said(folded(call), Who.NOTE)


def entry(event: fact.Event, *commands: order.Command, at: int = 0) -> Entry:
    return Entry(at=at, event=event, commands=commands)


def run_tool(number: int = 1, name: str = "find", arguments: str = '{"day": "Monday", "at": 9}') -> Entry:
    command = order.RunTool(response_id=1, tool_call_id=f"t{number}", name=name, arguments=arguments, timeout_ms=1000)
    asked = fact.ToolCallRequested(response_id=1, tool_call_id=f"t{number}", name=name, arguments=arguments)
    return entry(asked, command, at=1000)


@pytest.mark.parametrize(
    ("result", "shown", "failed"),
    [
        ('{"ok": true, "data": {"free": true, "at": "nine"}}', "free=true, at=nine", False),
        ('{"ok": true, "data": "it is in the van"}', "it is in the van", False),
        ('{"ok": false, "error": "no such day"}', "failed: no such day", True),
        ('{"ok": true}', "ok", False),
        ("not json at all", "not json at all", False),
        ("[1, 2]", "[1, 2]", False),
    ],
)
def test_a_tool_call_is_seen_from_its_request_to_its_answer(result: str, shown: str, failed: bool) -> None:
    """With what was asked and answered, without the braces, and how long it took; a failure counts as one."""
    fold = CallFold("C1")
    fold.feed(run_tool())
    (running,) = fold.detail().tools
    assert (running.name, running.arguments, running.result) == ("find", "day=Monday, at=9", None)
    assert [each.growing for each in fold.detail().lines] == [True]
    fold.feed(entry(fact.ToolFinished(response_id=1, tool_call_id="t1", result=result), at=1250))
    (done,) = fold.detail().tools
    assert (done.result, done.took_ms, done.failed) == (shown, 250, failed)
    assert [each.text for each in fold.detail().lines] == [f"find(day=Monday, at=9) -> {shown} (250 ms)"]
    assert fold.row().troubles == failed


@pytest.mark.parametrize(
    "event",
    [
        fact.ListenFailed(provider="acme", message="gone"),
        fact.ResponseFailed(response_id=1, provider="acme", message="gone"),
        fact.SpeakFailed(response_id=1, clause=0, provider="acme", message="gone"),
        fact.EngineLost(provider="acme", message="gone"),
    ],
)
def test_a_provider_that_fails_is_named_where_it_happened(event: fact.Event) -> None:
    """In the transcript, and in the list by a number."""
    fold = CallFold("C1")
    fold.feed(entry(event, at=500))
    assert said(fold, Who.TROUBLE) == ["acme: gone"]
    assert fold.row().troubles == 1


def test_strangers_words_cannot_steer_the_terminal() -> None:
    """Escapes, line breaks and overrides of caller, model, tool and carrier."""
    evil = "a\x1b[2Jb\r\n\x07c\u202ed"
    fold = CallFold("C1")
    fold.feed(entry(fact.TranscriptPartial(segment=0, text=evil)))
    fold.feed(run_tool(name=evil, arguments=evil))
    fold.feed(entry(fact.ToolFinished(response_id=1, tool_call_id="t1", result=evil)))
    fold.feed(entry(fact.ListenFailed(provider=evil, message=evil)))
    for role in ("user", "assistant", "tool"):
        report = order.ReportTranscript(role=role, text=evil, interrupted=True, at_ms=0)
        fold.feed(entry(fact.Tick(), report))
    screen = ScreenFold()
    screen.say(evil)
    screen.go_on(ListProgress(name=evil, people=1, outcomes=((evil, 1),)))
    view = screen.view(0.0)
    assert view.listing is not None
    texts = [*(each.text for each in fold.detail().lines), *view.log, view.listing.name, view.listing.outcomes[0][0]]
    assert len(texts) >= 5
    assert all(each.isprintable() and "\u202e" not in each for each in texts)


def test_a_call_that_never_ends_takes_no_more_room() -> None:
    """Lines, tools and long texts are as many as can be looked back on."""
    fold = CallFold("C1")
    for number in range(2 * LINES):
        report = order.ReportTranscript(role="user", text="x" * 10_000, interrupted=False, at_ms=0)
        fold.feed(entry(fact.Tick(), report, at=number))
        fold.feed(run_tool(number))
    detail = fold.detail()
    assert len(detail.lines) == LINES
    assert len(detail.tools) < 100
    assert max(len(each.text) for each in detail.lines) <= TEXT


def test_calls_that_are_over_make_room_and_still_count() -> None:
    """The list has the last of them; how many there were and what they cost stays known."""
    screen = ScreenFold()
    used = fact.VoiceUsed(provider="openai", model="tts-1", characters=1000)
    for number in range(ENDED + 20):
        screen.feed(f"C{number}", entry(fact.SpeechStarted(at_ms=0)), 1.0)
        screen.feed(f"C{number}", entry(used), 1.0)
        over = order.FinishCall(outcome="answered", reason="bye")  # type: ignore[arg-type]
        screen.feed(f"C{number}", entry(fact.Tick(), over, at=1000), 2.0)
    view = screen.view(3.0)
    assert (len(view.calls), view.over, view.live) == (ENDED, ENDED + 20, 0)
    each = CallFold("C", LIST_PRICES)
    each.feed(entry(used))
    assert view.cost.known == pytest.approx(each.cost.known * (ENDED + 20))


def test_calls_whose_end_was_never_told_make_room() -> None:
    """Entries may be dropped on their way; the list does not grow for ever."""
    screen = ScreenFold()
    for number in range(LIVE + 100):
        screen.feed(f"C{number}", entry(fact.SpeechStarted(at_ms=0)), 1.0)
    assert screen.live == LIVE
    for number in range(2 * LOG):
        screen.say(f"line {number}")
    assert len(screen.view(1.0).log) == LOG


def test_the_last_words_of_a_call_that_made_room_bring_it_not_back() -> None:
    """What was used is told after the end."""
    screen = ScreenFold()
    screen.feed("C1", entry(fact.HearingUsed(provider="a", model="", audio_ms=5)), 1.0)
    assert screen.view(1.0).calls == ()


def test_a_calls_clock_runs_by_the_entry_that_came_quickest() -> None:
    """Entries come in batches: a late one does not set the clock back, and between entries it goes on."""
    screen = ScreenFold()
    screen.feed("C1", entry(fact.SpeechStarted(at_ms=0), at=1000), 11.5)
    screen.feed("C1", entry(fact.SpeechEnded(at_ms=0), at=2000), 12.1)
    screen.feed("C1", entry(fact.SpeechStarted(at_ms=0), at=3000), 13.9)
    assert screen.view(20.1).calls[0].duration_ms == 10_000


def test_p50_and_p95_are_of_the_turns_that_were() -> None:
    """By nearest rank, as the rest of the product counts."""
    assert waits_of([]) == Waits()
    assert waits_of([700]) == Waits(count=1, p50_ms=700, p95_ms=700)
    assert waits_of(list(range(1, 101))) == Waits(count=100, p50_ms=50, p95_ms=95)


def test_the_same_journal_gives_the_same_screen() -> None:
    """Nothing but the entries goes in: no clock, no order of dictionaries."""
    call = interrupted()
    assert folded(call).detail() == folded(call).detail()


def garbled(change: Callable[[list[Entry]], list[Entry]]) -> CallFold:
    entries = [parse_entry(each) for each in interrupted().journal.splitlines()]
    fold = CallFold("C1")
    for each in change(entries):
        fold.feed(each)
    return fold


@pytest.mark.parametrize("step", [2, 3, 5, 7])
def test_entries_that_were_dropped_break_nothing(step: int) -> None:
    """A bus that was too slow loses some; what is there is still shown."""
    for start in range(step):
        fold = garbled(lambda entries, start=start: [e for n, e in enumerate(entries) if n % step != start])
        assert fold.detail(20_000).lines
    assert garbled(lambda entries: entries[::-1]).detail().lines
    assert garbled(lambda entries: entries * 2).detail().lines


EVENTS = st.one_of(*(st.from_type(kind) for kind in get_args(fact.Event) if not hasattr(kind, "plan")))
COMMANDS = st.one_of(*(st.from_type(kind) for kind in get_args(order.Command)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 10**6), EVENTS, st.lists(COMMANDS, max_size=2)), max_size=12))
def test_any_facts_and_orders_can_be_shown(log: list[tuple[int, fact.Event, list[order.Command]]]) -> None:
    """In every order, with any values: the screen says what it can of it, and every row has its width."""
    screen = ScreenFold()
    for at, event, commands in log:
        screen.feed("C1", entry(event, *commands, at=at), at / 1000)
    view = screen.view(5.0, shown="C1", lag_ms=3)
    for width, height in ((60, 20), (200, 60)):
        frame = draw(
            view, Steering(), title="patter", width=width, height=height, theme=theme(coloured=False, unicode=True)
        )
        assert all(sum(cell_len(each.text) for each in row) == width for row in frame.rows)
