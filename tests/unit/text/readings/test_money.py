"""Amounts of money on either side of their sign, in ranges, in either continent's writing."""

from __future__ import annotations

import pytest

from patter_cli.text.pronounce import pronounceable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("$5-$10", "five to ten dollars"),
        ("£3–4.50", "three pounds to four pounds and fifty pence"),
        ("€1.5–2bn", "one point five to two billion euros"),
        ("$20k-30k/yr", "twenty thousand to thirty thousand dollars per year"),
        ("a €5-10 fee", "a five to ten euro fee"),
        ("US$1.50", "one U S dollar and fifty cents"),
        ("SG$8", "eight Singapore dollars"),
        ("MX$200", "two hundred Mexican pesos"),
        ("R$5,50", "five Brazilian reais and fifty centavos"),
        (
            "€1.234.567,89",
            "one million two hundred thirty-four thousand five hundred sixty-seven euros and eighty-nine cents",
        ),
        ("€12.500", "twelve thousand five hundred euros"),
        ("$12.500", "twelve point five zero zero dollars"),
        ("0,99 €", "ninety-nine cents"),
        ("$1/GB", "one dollar per gigabyte"),
        ("£9.99/mo", "nine pounds and ninety-nine pence per month"),
        ("$0.25 each", "twenty-five cents each"),
        ("a $1.5 million house", "a one point five million dollar house"),
        ("an $8 ticket", "an eight dollar ticket"),
        ("$20 off", "twenty dollars off"),
        ("¥5-10", "five to ten yen"),
        ("₺50", "fifty lira"),
        ("₿2", "bitcoin two"),
        ("25 CHF", "twenty-five Swiss francs"),
        ("SEK 100", "one hundred Swedish kronor"),
        ("20.50 USD", "twenty dollars and fifty cents"),
        ("$20 USD", "twenty dollars"),
        ("₹1,20,000", "one hundred twenty thousand rupees"),
        ("-£3", "minus three pounds"),
        ("$-0.50", "minus fifty cents"),
        ("$5+", "five dollars plus"),
        ("~$30", "about thirty dollars"),
        ("< €10", "less than ten euros"),
        ("5¢ to 10¢", "five cents to ten cents"),
        ("$1,000,000", "one million dollars"),
        ("pay in €", "pay in euros"),
        ("$.75", "seventy-five cents"),
    ],
)
def test_it_is_said_as_people_say_it(written: str, said: str) -> None:
    """Each form is said as a person says the price."""
    assert pronounceable(written) == said
