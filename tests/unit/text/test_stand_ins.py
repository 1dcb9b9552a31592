"""Personal details exchanged for others: the same each time, however they are written, and nobody's."""

from __future__ import annotations

import pytest

from patter_cli.text.cards import is_card
from patter_cli.text.stand_ins import StandIns


def test_a_number_is_the_same_other_however_it_is_written() -> None:
    """With its signs where they were; said digit by digit it is said digit by digit."""
    people = StandIns()
    assert people.replace("Call +1 415 555 0123, please.") == "Call +1 202 555 0100, please."
    assert people.replace("It is (415) 555-0123.") == "It is (202) 555-0100."
    assert people.replace("four one five five five five oh one two three") == (
        "two zero two five five five zero one zero zero"
    )
    assert people.replace("And 212 555 0199?") == "And 202 555 0101?"
    assert people.replace("And +14155550123 again.") == "And +12025550100 again."


def test_what_is_no_number_of_anybodys_stays() -> None:
    """Times, prices, dates, short numbers, and the author's own numbers."""
    people = StandIns(kept=["+12025550142"])
    text = "At 9:30 on 2026-11-28 it is 45 dollars, room 1204; our desk is +1 202 555 0142."
    assert people.replace(text) == text


@pytest.mark.parametrize("card", ["4111 1111 1111 1111", "5500-0000-0000-0004"])
def test_a_card_becomes_a_card(card: str) -> None:
    """One that every check takes, and that nobody has."""
    shown = StandIns().replace(f"My card is {card}.")
    assert card not in shown
    assert is_card(shown.removeprefix("My card is ").removesuffix("."))


def test_names_are_those_that_tools_were_given() -> None:
    """Wherever they are said, whole or in part, also in another's mouth; a word that means something else is safe."""
    people = StandIns()
    people.learn_arguments({"patient_name": "Anna Brown", "service": "Filling", "to": {"last_name": "Rossi"}})
    people.learn_said("Hello, this is Peter, and I am Monday free.")
    assert people.replace("Anna Brown, or Mrs. Brown, or ANNA's card") == "Alex Carter, or Mrs. Carter, or ALEX's card"
    assert people.replace("Rossi and Peter need a Filling on Monday") == "Robin and Sam need a Filling on Monday"
    assert people.replace_value({"name": "Anna Brown", "seats": 4, "list": ["Peter", None, True]}) == {
        "name": "Alex Carter", "seats": 4, "list": ["Sam", None, True],
    }  # fmt: skip


def test_an_address_is_somebodys_at_example_com() -> None:
    """Written and said are the same person's."""
    people = StandIns()
    assert people.replace("Write to anna.brown@mail.co.uk!") == "Write to person1@example.com!"
    assert people.replace("anna dot brown at mail dot co dot uk") == "person1 at example dot com"
    assert people.replace("or p_r@x.org") == "or person2@example.com"


def test_keys_of_a_menu_stay() -> None:
    """An account that was typed is exchanged for one of the same length."""
    people = StandIns()
    assert people.replace_keys("1") == "1"
    assert people.replace_keys("4711") == "4711"
    assert people.replace_keys("4155550123#") == "2025550100#"
    assert people.replace_value(4155550123) == 2025550100
