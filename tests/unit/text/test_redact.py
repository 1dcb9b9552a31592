"""What is struck out of a text, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.text.redact import Redaction, mask_number, redact

OFF, CARDS, NUMBERS, DIGITS, WORDS = Redaction

SAMPLES = [
    ("Call +15550100199.", "Call ***.", "Call +***********."),
    ("It's (555) 010-0199, thanks", "It's (***, thanks", "It's (***) ***-****, thanks"),
    ("0049 89 1234567", "***", "**** ** *******"),
    ("my card is 4242 4242 4242 4242", "my card is ***", "my card is **** **** **** ****"),
    ("five five five, oh one oh oh one nine nine", "***", "***"),
    ("Five-five-five-zero-one-nine-nine is it", "*** is it", "*** is it"),
    ("My pin is four two four two.", "My pin is four two four two.", "My pin is ***."),
    ("One moment, I have one question.", "One moment, I have one question.", "One moment, I have one question."),
    ("We open at 9:30.", "We open at 9:30.", "We open at *:**."),
    ("On 2026-11-27 at 10", "On 2026-11-27 at 10", "On ****-**-** at **"),
    ("[DTMF: 4711]", "[DTMF: ***]", "[DTMF: ***]"),
    ("[DTMF: 4242424242424242#]", "[DTMF: ***]", "[DTMF: ***]"),
    ("it costs 1,250,000 dollars", "it costs 1,250,000 dollars", "it costs *,***,*** dollars"),
    ("٠١٢٣٤٥٦٧٨", "***", "*********"),
    ("", "", ""),
]


@pytest.mark.parametrize(("text", "numbers", "digits"), SAMPLES)
def test_what_each_level_leaves(text: str, numbers: str, digits: str) -> None:
    """Off leaves everything, words nothing but how long it was."""
    assert redact(text, OFF) == text
    assert redact(text, NUMBERS) == numbers
    assert redact(text, DIGITS) == digits
    assert not any(each.isalnum() and each != "x" for each in redact(text, WORDS))
    assert len(redact(text, WORDS)) == len(text)


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+15550100199", "+1***0199"),
        ("+15550100", "+1***0100"),
        ("5550100199", "***0199"),
        ("+44 20 7183 8750", "+4***8750"),
        ("sip:+15550100199@host", "sip:+1***0199@host"),
        ("loopback", "loopback"),
        ("911", "911"),
        ("", ""),
    ],
)
def test_a_party_keeps_its_last_digits(number: str, masked: str) -> None:
    """Enough to know it again; a name or a service number stays."""
    assert mask_number(number) == masked


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("my card is 4242 4242 4242 4242", "my card is ***"),
        ("my card is 4242-4242-4242-4242, twelve thirty", "my card is ***"),
        ("4242424242424242", "***"),
        ("4242424242424241", "4242424242424241"),
        ("it is three seven eight two, eight two two four six three one oh oh oh five", "it is ***"),
        ("double four double four", "double four double four"),
        ("forty two forty two forty two forty two forty two forty two forty two forty two", "***"),
        ("Call +15550100199.", "Call +15550100199."),
        ("My pin is four two four two.", "My pin is four two four two."),
        ("0000 0000 0000 0000", "0000 0000 0000 0000"),
        ("[DTMF: 4711]", "[DTMF: ***]"),
        ("use sk-proj-abcdefghijklmnop1234 please", "use *** please"),
        ("AC0123456789abcdef0123456789abcdef is it", "*** is it"),
        ("the key sk-short", "the key sk-short"),
        ("", ""),
    ],
)
def test_cards_and_keys_alone(text: str, left: str) -> None:
    """What the check of a card's number passes, however it is given; what was pressed; what opens an account."""
    assert redact(text, CARDS) == left
    assert redact(left, CARDS) == left
    for level in (NUMBERS, DIGITS):
        for secret in ("4242 4242", "4711", "sk-proj", "AC0123"):
            assert secret not in redact(text, level)


@given(st.text(st.sampled_from("0123456789+-(). ,abx*") | st.characters(), max_size=60))
def test_twice_is_once(text: str) -> None:
    """And no level leaves what it strikes out."""
    for level in Redaction:
        assert redact(redact(text, level), level) == redact(text, level)
    assert mask_number(mask_number(text)) == mask_number(text)
    assert not any(each.isdecimal() for each in redact(text, DIGITS))
