"""What a voice over the agent's own is."""

from __future__ import annotations

import pytest

from patter_cli.core.barge_in import Verdict, judge


@pytest.mark.parametrize("text", ["", "  ", "...", "— ?"])
def test_no_words_are_nothing(text: str) -> None:
    """A transcript without letters or digits is noise."""
    assert judge(text) is Verdict.NOTHING


@pytest.mark.parametrize("text", ["mm-hm", "Okay.", "Yeah, right, sure, okay", "I see", "thank you!", "of course"])
def test_agreement_takes_nothing(text: str) -> None:
    """Up to four words of agreement, or a known phrase, leave the floor where it is."""
    assert judge(text) is Verdict.BACKCHANNEL


@pytest.mark.parametrize("text", ["stop", "no", "okay but", "5", "yes yes yes yes yes", "I see a problem"])
def test_other_words_take_the_floor(text: str) -> None:
    """Anything with a word that is not agreement is an interruption, and so is agreement without end."""
    assert judge(text) is Verdict.REAL
