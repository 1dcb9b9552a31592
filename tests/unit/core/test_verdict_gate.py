"""Sound that waits for its words: heard soon, judged first, and silenced for good once a rule is broken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from patter_cli.core.guardrails import replacement_for
from patter_cli.core.plan import BlockedTerms
from patter_cli.core.verdict_gate import LEAD_MS, VerdictGate

RULES = (BlockedTerms(name="no", terms=("red car", "lawsuit"), replacement="Let us talk of something else."),)
FRAME_MS = 20


def gate() -> VerdictGate[bytes]:
    return VerdictGate(lambda text, before: replacement_for(text, before, RULES))


def fill(guarded: VerdictGate[bytes], count: int, now: int = 0) -> None:
    for index in range(count):
        guarded.audio(bytes([index % 256]), FRAME_MS, now)


def test_sound_whose_words_were_judged_goes_out_at_once() -> None:
    """As much as the words take to say, and the rest when the transcript is complete."""
    guarded = gate()
    fill(guarded, 100)
    assert guarded.release(0) == []
    guarded.words("We open at nine ")
    first = guarded.release(0)
    assert 40 <= len(first) <= 60
    guarded.words("every day.")
    guarded.words_over()
    assert len(first) + len(guarded.release(0)) == 100


def test_sound_whose_words_are_late_waits_for_the_lead_and_no_longer() -> None:
    """An engine without a transcript is not silenced."""
    guarded = gate()
    fill(guarded, 5, now=1000)
    assert guarded.next_deadline() == 1000 + LEAD_MS
    assert guarded.release(1000 + LEAD_MS - 1) == []
    assert len(guarded.release(1000 + LEAD_MS)) == 5
    assert guarded.next_deadline() is None


def test_a_broken_rule_silences_the_rest() -> None:
    """Held sound is dropped, later sound is not taken, and the replacement is known."""
    guarded = gate()
    fill(guarded, 50)
    guarded.words("There may be a law")
    guarded.words("suit, but ")
    assert guarded.replacement == RULES[0].replacement
    fill(guarded, 50)
    guarded.words_over()
    assert guarded.release(10_000) == []


def test_without_rules_nothing_waits() -> None:
    """Sound goes out as it comes, whatever its words are."""
    guarded: VerdictGate[str] = VerdictGate(None)
    guarded.audio("first", FRAME_MS, 100)
    assert guarded.release(100) == ["first"]
    guarded.words("a lawsuit ")
    assert guarded.replacement is None
    assert guarded.empty


def test_a_slower_judge_gets_the_whole_lead() -> None:
    """Words that break no quick rule let nothing through early while somebody else still judges them."""
    guarded: VerdictGate[int] = VerdictGate(lambda text, before: None, words_open=False)
    guarded.audio(1, FRAME_MS, 0)
    guarded.words("We open at nine. ")
    guarded.words_over()
    assert guarded.release(LEAD_MS - 1) == []
    assert guarded.release(LEAD_MS) == [1]


@given(st.lists(st.integers(1, 60), max_size=6))
def test_a_term_is_found_however_the_transcript_is_cut(cuts: list[int]) -> None:
    """Also across the joint of two deltas, and never inside another word."""
    for text, broken in (
        ("We have a red car for you today.", True),
        ("The colored cart is for the lawsuits desk.", False),
    ):
        guarded = gate()
        at = 0
        for cut in [*sorted(set(cuts)), len(text)]:
            guarded.words(text[at:cut])
            at = max(at, min(cut, len(text)))
        guarded.words_over()
        assert (guarded.replacement is not None) is broken
