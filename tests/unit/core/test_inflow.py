"""A reply of an engine on its way in: its items are heard in order, each under its number, and each ends once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from patter_cli.core.guardrails import replacement_for
from patter_cli.core.inflow import LONGEST_MS, QUIET_MS, STALLED_MS, End, Inflow, Sound
from patter_cli.core.plan import BlockedTerms
from patter_cli.core.verdict_gate import LEAD_MS

RULES = (BlockedTerms(name="no", terms=("red car",), replacement="Let us talk of something else."),)


def judge(text: str, before: str) -> str | None:
    return replacement_for(text, before, RULES)


def test_sound_waits_for_its_number() -> None:
    """Nothing of an item is heard before the machine has said which clause it is."""
    reply: Inflow[str] = Inflow()
    reply.audio("a", "one", 100, 0)
    assert reply.release(5000) == []
    assert reply.next_deadline() is None
    reply.number("a", 3)
    assert reply.release(5000) == [Sound(3, "one")]


def test_an_item_ends_when_the_next_begins() -> None:
    """And the next is heard only once the first was given out to its end."""
    reply: Inflow[str] = Inflow()
    reply.audio("a", "one", 100, 0)
    reply.audio("b", "two", 100, 0)
    reply.number("b", 1)
    assert reply.release(0) == []
    reply.number("a", 0)
    assert reply.release(0) == [Sound(0, "one"), End(0), Sound(1, "two")]
    reply.finish()
    assert reply.release(0) == [End(1)]
    assert reply.drained


def test_an_engine_that_tells_no_end_is_over_when_it_is_quiet() -> None:
    """QUIET_MS after its last sound, and not while it still brings some."""
    reply: Inflow[str] = Inflow(tells_end=False)
    reply.audio("", "one", 100, 1000)
    reply.number("", 0)
    reply.release(1000)
    reply.audio("", "two", 100, 1400)
    assert reply.release(1000 + QUIET_MS) == [Sound(0, "two")]
    assert reply.next_deadline() == 1400 + QUIET_MS
    assert reply.release(1400 + QUIET_MS) == [End(0)]
    assert reply.over


def test_a_reply_that_has_brought_no_sound_yet_is_not_quiet() -> None:
    """Words may come long before the first sound of them."""
    reply: Inflow[str] = Inflow(tells_end=False)
    reply.say("", "Let me look.")
    assert reply.release(60_000) == []
    assert not reply.over


SENTENCE = "We are open from nine to five, monday to friday."


def half_said(sound_ms: int, *ends_ms: int, words: str = SENTENCE) -> Inflow[str]:
    """A reply of which so much has come at 0, with the times of its first words."""
    reply: Inflow[str] = Inflow(tells_end=False)
    reply.say("", words, over=True)
    reply.audio("", "sound", sound_ms, 0)
    reply.number("", 0)
    reply.timed("", ends_ms)
    reply.release(0)
    return reply


def test_a_reply_whose_words_are_not_all_spoken_has_stalled() -> None:
    """It gets longer than one that may be over, and has broken off then; what comes meanwhile is a part of it."""
    reply = half_said(400, 150, 350)
    assert reply.next_deadline() == STALLED_MS
    reply.audio("", "more", 1200, QUIET_MS + 500)
    reply.timed("", (150, 350, 600, 900, 1200, 1500))
    assert reply.release(QUIET_MS + 500) == [Sound(0, "more")]
    assert reply.next_deadline() == QUIET_MS + 500 + STALLED_MS
    assert reply.release(QUIET_MS + 500 + STALLED_MS)[-1] == End(0)
    assert (reply.over, reply.stalled) == (True, True)


def test_a_reply_whose_times_stop_is_over_when_it_is_quiet() -> None:
    """They also stop where a word is read otherwise than it is written, and a short rest is not missed."""
    whole = half_said(3000, *range(300, 3300, 300))
    misread = half_said(2800, 200, 500, words="It costs $1,250.75 a year, and that is all.")
    short = half_said(900, 150, 350, 800, words="We open at 9.")
    unknown = half_said(300)
    for reply in (whole, misread, short, unknown):
        assert reply.next_deadline() == QUIET_MS
        reply.release(QUIET_MS)
        assert (reply.over, reply.stalled) == (True, False)


def test_a_rule_is_judged_across_items() -> None:
    """The second half of a term in another item blocks it, and nothing more is taken."""
    reply: Inflow[str] = Inflow(judge)
    reply.audio("a", "one", 1000, 0)
    reply.number("a", 0)
    reply.say("a", "This is a red", over=True)
    assert reply.release(0) == [Sound(0, "one")]
    reply.audio("b", "two", 1000, 0)
    reply.number("b", 1)
    reply.say("b", "car and ", over=True)
    assert reply.replacement == RULES[0].replacement
    assert reply.audio("b", "three", 1000, 0) is None
    assert Sound(1, "two") not in reply.release(LEAD_MS)


def test_late_words_cost_the_lead_and_no_more() -> None:
    """An engine whose transcript lags is heard all the same."""
    reply: Inflow[str] = Inflow(judge)
    reply.audio("a", "one", 500, 200)
    reply.number("a", 0)
    assert reply.next_deadline() == 200 + LEAD_MS
    assert reply.release(200 + LEAD_MS - 1) == []
    assert reply.release(200 + LEAD_MS) == [Sound(0, "one")]


def test_a_muted_reply_gives_out_nothing() -> None:
    """Neither what was held nor what still comes, nor an end."""
    reply: Inflow[str] = Inflow()
    reply.audio("a", "one", 100, 0)
    reply.number("a", 0)
    reply.mute()
    assert reply.audio("a", "two", 100, 0) is None
    assert reply.release(9000) == []
    assert reply.next_deadline() is None
    assert reply.drained


def test_a_reply_without_end_is_cut() -> None:
    """An engine that goes mad fills no memory, and says so."""
    reply: Inflow[int] = Inflow()
    taken = [reply.audio("a", at, 1000, at) for at in range(LONGEST_MS // 1000 + 50)]
    assert sum(each is not None for each in taken) == LONGEST_MS // 1000
    assert reply.cut


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("audio", "words", "number", "voiced"))), max_size=40)
)
def test_whatever_comes_each_clause_is_one_stretch(steps: list[tuple[str, str]]) -> None:
    """No two clauses are mixed, none ends twice and nothing is heard of one that has ended."""
    reply: Inflow[int] = Inflow(judge)
    out: list[Sound[int] | End] = []
    for now, (name, what) in enumerate(steps):
        if what == "audio":
            reply.audio(name, now, 20, now)
        elif what == "words":
            reply.say(name, "word ")
        elif what == "voiced":
            reply.voiced(name)
        else:
            reply.number(name, "abc".index(name))
        out += reply.release(now)
    reply.finish()
    for number, item in enumerate(reply.items):
        if item.clause is None:
            item.clause = 10 + number
    out += reply.release(10_000)
    clauses = [each.clause for each in out]
    assert len(clauses) == 0 or clauses == sorted(clauses, key=clauses.index)
    ends = [each.clause for each in out if isinstance(each, End)]
    assert len(ends) == len(set(ends))
    for end in ends:
        at = out.index(End(end))
        assert not any(each.clause == end for each in out[at + 1 :])
    assert reply.drained
