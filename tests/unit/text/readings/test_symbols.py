"""Signs by their names."""

from __future__ import annotations

import pytest

from patter_cli.text.pronounce import pronounceable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("F#", "F sharp"),
        ("C#m", "C sharp minor"),
        ("B♭", "B flat"),
        ("C++", "C plus plus"),
        ("D+", "D plus"),
        ("A- or B+", "A minus or B plus"),
        ("Grade: C-", "Grade: C minus"),
        ("The A-team", "The A-team"),
        ("A - B", "A, B"),
        ("R&D, Q&A", "R and D, Q and A"),
        ("AT&T", "A T and T"),
        ("fish & chips", "fish and chips"),
        ("this && that", "this and that"),
        ("a || b", "a or b"),
        ("a -> b", "a to b"),
        ("a => b", "a to b"),
        ("a ≥ b", "a greater than or equal to b"),
        ("a != b", "a not equal to b"),
        ("5 ± 1", "five plus or minus one"),
        ("5 > 3", "five greater than three"),
        ("√2", "square root of two"),
        ("∞", "infinity"),
        ("π", "pi"),
        ("5 ⊕ 3", "five circled plus three"),
        ("a^b", "a caret b"),
        ("a\\b", "a backslash b"),
        ("50%", "fifty percent"),
        ("%", "percent"),
        ("5‰", "five per thousand"),
        ("press # now", "press pound now"),
        ("2 * 3", "two times three"),
        ("2*3*4", "two times three times four"),
        ("(5)", "five"),
        ("[sic]", "sic"),
        ("{x}", "x"),
        ("§ 12", "section twelve"),
        ("© Acme", "copyright Acme"),
        ("Acme®", "Acme registered"),
        ("1.5e-3", "one point five times ten to the power of minus three"),
        ("6.02e23", "six point zero two times ten to the power of twenty-three"),
        ("html", "H T M L"),
        ("№ 9", "number nine"),
        ("5½", "five and a half"),
        ("x_1", "x underscore one"),
        ("$ and €", "dollar and euros"),
        ("٣", "three"),
        ("Ω", "omega"),
        ("200/204", "two hundred slash two hundred four"),
        ("0x1F", "zero X one F"),
        ("(~100 lines)", "about one hundred lines"),
        ("use --json or -v", "use dash dash json or dash v"),
        ("yes -- no", "yes, no"),
        ("a <- b", "a from b"),
        ("#!", "pound!"),
    ],
)
def test_it_is_said_as_people_say_it(written: str, said: str) -> None:
    """What no rule knows is said sign by sign; layout is a pause."""
    assert pronounceable(written) == said
