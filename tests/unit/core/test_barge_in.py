"""What a voice over the agent's own is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.core.barge_in import Verdict, judge


@pytest.mark.parametrize("text", ["", "  ", "...", "— ?"])
def test_no_words_are_nothing(text: str) -> None:
    """A transcript without letters or digits is noise."""
    assert judge(text) is Verdict.NOTHING


@pytest.mark.parametrize(
    "text", ["You", "The.", "I.", "So", "M.", "It's it's it's it's it's", "Thank you for watching."]
)
def test_words_that_mean_nothing_alone_are_nothing(text: str) -> None:
    """What recognition makes of coughs, slams and hums does not take the floor."""
    assert judge(text) is Verdict.NOTHING


@pytest.mark.parametrize(
    "text", ["mm-hm", "Okay.", "Yeah, right, sure, okay", "I see", "thank you!", "of course", "Uh?", "Maybe."]
)
def test_agreement_takes_nothing(text: str) -> None:
    """Up to four words of agreement, or a known phrase, leave the floor where it is."""
    assert judge(text) is Verdict.BACKCHANNEL


@pytest.mark.parametrize("text", ["You need to.", "That is.", "M. E.", "I think.", "I do."])
def test_a_few_words_without_a_meaning_take_nothing(text: str) -> None:
    """Hums are read as such words; near the end of a question they may still be its answer."""
    assert judge(text) is Verdict.BACKCHANNEL


@pytest.mark.parametrize(
    "text", ["I see. I see. I see", "Got it, got it", "You. You. You. You. You. You", "Oh, well, oh, well, oh"]
)
def test_a_recogniser_that_repeats_itself_says_it_once(text: str) -> None:
    """A phrase over and over is what a recogniser writes when the sound is used up."""
    assert judge(text) is not Verdict.REAL


@pytest.mark.parametrize("text", ["stop", "no", "okay but", "5", "yes yes yes yes yes", "I see a problem"])
def test_other_words_take_the_floor(text: str) -> None:
    """Anything with a word that is not agreement is an interruption, and so is agreement without end."""
    assert judge(text) is Verdict.REAL


@pytest.mark.parametrize(
    "text", ["Wait.", "No", "But", "What?", "Tuesday", "You can't.", "Can you repeat that?", "I would like to", "Who?"]
)
def test_a_word_with_a_meaning_is_enough(text: str) -> None:
    """One word that says something, or four that do not, are a person who wants the floor."""
    assert judge(text) is Verdict.REAL


@pytest.mark.parametrize(("voiced_ms", "verdict"), [(96, Verdict.NOTHING), (250, Verdict.REAL), (None, Verdict.REAL)])
def test_a_voice_shorter_than_any_word_is_nothing(voiced_ms: int | None, verdict: Verdict) -> None:
    """What is read into a tenth of a second of sound counts for nothing."""
    assert judge("No.", voiced_ms) is verdict


@given(st.sampled_from(["", "You", "okay", "I see", "stop"]), st.sampled_from([".", "?", "!", ",", ""]))
def test_marks_and_case_change_nothing(text: str, mark: str) -> None:
    """Punctuation and capitals are the recogniser's guess."""
    assert judge(text.upper() + mark) is judge(text)


@pytest.mark.parametrize(
    ("text", "voiced_ms", "verdict"),
    [
        ("You agree?", 400, Verdict.BACKCHANNEL),
        ("That eight.", 350, Verdict.BACKCHANNEL),
        ("No, Tuesday.", 400, Verdict.REAL),
        ("Stop it.", 300, Verdict.REAL),
        ("Wait, wait.", 500, Verdict.REAL),
        ("What now?", 350, Verdict.REAL),
        ("Eight.", 350, Verdict.REAL),
        ("8", 350, Verdict.REAL),
        ("Daddy.", 350, Verdict.BACKCHANNEL),
        ("Daddy.", 700, Verdict.REAL),
        ("Green teapots.", 800, Verdict.REAL),
        ("Green teapots.", None, Verdict.REAL),
    ],
)
def test_weak_words_of_a_short_voice_take_no_floor(text: str, voiced_ms: int | None, verdict: Verdict) -> None:
    """An "mm-hm" that was misread does not interrupt; a word that does, a number, and a longer voice, do."""
    assert judge(text, voiced_ms) is verdict


@pytest.mark.parametrize(
    ("text", "voiced_ms", "verdict"),
    [
        ("You can use it.", 640, Verdict.BACKCHANNEL),
        ("What do you know?", 640, Verdict.BACKCHANNEL),
        ("No, no, not that.", 640, Verdict.REAL),
        ("Wait a moment.", 640, Verdict.REAL),
        ("You can use it all day.", 1500, Verdict.REAL),
        ("", 640, Verdict.NOTHING),
    ],
)
def test_sentences_read_into_a_hum_take_no_floor(text: str, voiced_ms: int, verdict: Verdict) -> None:
    """Words that a recogniser does not make up count even then, and so does a voice that goes on."""
    assert judge(text, voiced_ms, hummed=True) is verdict
    assert judge(text, voiced_ms) is (Verdict.REAL if text else Verdict.NOTHING)
