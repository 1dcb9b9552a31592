"""Terms that must not be spoken."""

from __future__ import annotations

from patter_cli.core.guardrails import replacement_for
from patter_cli.core.plan import BlockedTerms

RULES = (
    BlockedTerms(name="rival", terms=("acme", "blue  moon cafe"), replacement="Let us stay with us."),
    BlockedTerms(name="empty", terms=(" ",), replacement="never"),
    BlockedTerms(name="signs", terms=("c++",), replacement="No code."),
)


def test_a_blocked_term_is_replaced() -> None:
    """Whole words match in any case and with any marks between them; the first rule decides."""
    assert replacement_for("Try ACME!", "", RULES) == "Let us stay with us."
    assert replacement_for("the Blue-Moon, Cafe", "", RULES) == "Let us stay with us."
    assert replacement_for("I know C++.", "", RULES) == "No code."


def test_part_of_a_word_is_not_a_term() -> None:
    """ "Acmeist" is another word."""
    assert replacement_for("An acmeist poem", "", RULES) is None
    assert replacement_for("", "", RULES) is None


def test_a_term_across_the_joint_counts() -> None:
    """What was already ordered belongs to the sentence, but is not judged again."""
    assert replacement_for("moon cafe is nice", "you know the blue", RULES) == "Let us stay with us."
    assert replacement_for("is nice", "blue moon cafe", RULES) is None
