"""What a voice is given to say for what people write."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.text.pronounce import pronounceable
from patter_cli.text.readings.figures import cardinal, ordinal, year

NUMBERS = [
    ("I have 60 apples and 1,204 pears.", "I have sixty apples and one thousand two hundred four pears."),
    ("0 1 10 11 20 21 99 100 101", "zero one ten eleven twenty twenty-one ninety-nine one hundred one hundred one"),
    ("3.14 and 0.5", "three point one four and zero point five"),
    ("-5 degrees", "minus five degrees"),
    ("1st 2nd 3rd 21st 103rd 1,000th", "first second third twenty-first one hundred third one thousandth"),
    ("10-20 people", "ten to twenty people"),
    ("007", "zero zero seven"),
    ("1/2, 3/4 and 2½ cups", "one half, three quarters and two and a half cups"),
    ("No. 5, #4", "number five, number four"),
    ("version 1.2.3 or v2", "version one point two point three or version two"),
    ("A1234 B12 4K", "A one two three four B twelve four K"),
    ("open 24/7", "open twenty-four seven"),
    (
        "1984 1905 2006 2026 1500",
        "nineteen eighty-four nineteen oh five two thousand six twenty twenty-six fifteen hundred",
    ),
    ("the 1990s", "the nineteen nineties"),
    ("code 48213377, zip 02139", "code four eight two one three three seven seven, zip zero two one three nine"),
    (
        "12345678901234567890",
        "one two three four five six seven eight nine zero" + " one two three four five six seven eight nine zero",
    ),
]

TIMES = [
    ("at 3:30", "at three thirty"),
    ("at 3:05 pm", "at three oh five P M"),
    ("9am", "nine A M"),
    ("9 a.m. sharp", "nine A M sharp"),
    ("Closed at 5 p.m.", "Closed at five P M."),
    ("17:00", "five P M"),
    ("17:30", "five thirty P M"),
    ("00:15", "twelve fifteen A M"),
    ("9:00", "nine o'clock"),
    ("Mon-Fri 9am-5pm", "Monday to Friday nine A M to five P M"),
    ("Between 9 and 5:30 pm. It costs 5.", "Between nine and five thirty P M. It costs five."),
    ("9:00–17:00", "nine o'clock to five P M"),
]

DATES = [
    ("Nov 21", "November twenty-first"),
    ("on 21 November", "on the twenty-first of November"),
    ("the 3rd of May 2025", "the third of May, twenty twenty-five"),
    ("2026-11-21", "November twenty-first, twenty twenty-six"),
    ("11/21/2026", "November twenty-first, twenty twenty-six"),
    ("21/11/2026", "November twenty-first, twenty twenty-six"),
    ("on 11/21", "on November twenty-first"),
    ("Jan. 5, 2024", "January fifth, twenty twenty-four"),
    ("May I help? March on.", "May I help? March on."),
]

MONEY = [
    ("$60", "sixty dollars"),
    ("$1", "one dollar"),
    ("£12.50", "twelve pounds and fifty pence"),
    ("$0.99", "ninety-nine cents"),
    ("€1,200.99", "one thousand two hundred euros and ninety-nine cents"),
    ("$1.5 million", "one point five million dollars"),
    ("$3k", "three thousand dollars"),
    ("-$5", "minus five dollars"),
    ("12.50 USD", "twelve dollars and fifty cents"),
    ("15%", "fifteen percent"),
    ("2.5%", "two point five percent"),
]

TELEPHONES = [
    ("555-0198", "five five five, zero one nine eight"),
    ("5550198824", "five five five, zero one nine, eight eight two four"),
    ("+1 (555) 019-8824", "plus one, five five five, zero one nine, eight eight two four"),
    ("ext. 204", "extension two zero four"),
    ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
]

WORDS = [
    ("Dr. Smith and Mr. Jones & Mrs. Li", "Doctor Smith and Mister Jones and Missus Li"),
    ("12 Mill St. and St. Mary", "twelve Mill Street and Saint Mary"),
    ("We are on Mill St. Our door is red.", "We are on Mill Street. Our door is red."),
    ("on Elm Dr. near 5th Ave.", "on Elm Drive near fifth Avenue"),
    ("e.g. this, i.e. that", "for example, this, that is, that"),
    ("5 km, 10kg, 1 hr, 6 ft", "five kilometers, ten kilograms, one hour, six feet"),
    ("72°F or 20°C", "seventy-two degrees Fahrenheit or twenty degrees Celsius"),
    ("60 mph", "sixty miles per hour"),
    ("1+1=2", "one plus one equals two"),
    ("and/or yes/no", "and or yes slash no"),
    ("the FBI, USA and U.S. law", "the F B I, U S A and U S law"),
    ("PDFs", "P D F's"),
    ("NASA", "NASA"),
    ("CALL US NOW", "CALL US NOW"),
    ("OK", "okay"),
    ("john.doe@example.co.uk", "john dot doe at example dot co dot U K"),
    ("https://www.example.com/help", "W W W dot example dot com slash help"),
    ("Go to example.org.", "Go to example dot org."),
    ("**Bold** _it_ `code`", "Bold it code"),
    ("café naïve “quoted” it’s", "cafe naive quoted it's"),
    ("he said (quietly) — then left...", "he said, quietly, then left."),
    ("rock 'n' roll, James' dog", "rock n roll, James' dog"),
]

NOTHING = ["", " ", "...", "?!", "😀😀", "Привет", "你好", "***", "\n\n", "'", "-"]


@pytest.mark.parametrize(("written", "said"), NUMBERS + TIMES + DATES + MONEY + TELEPHONES + WORDS)
def test_written_forms_become_words(written: str, said: str) -> None:
    """Each written form is said the way a person reads it aloud."""
    assert pronounceable(written) == said


@pytest.mark.parametrize("written", NOTHING)
def test_what_has_no_words_is_nothing(written: str) -> None:
    """Marks, emoji and other scripts leave nothing to say."""
    assert pronounceable(written) == ""


def test_a_lexicon_decides_which_capitals_are_words() -> None:
    """Capitals that the voice knows as a word are not spelled, others are."""
    assert pronounceable("BUPA and LASIK", is_word=lambda word: word == "lasik") == "B U P A and LASIK"


@given(st.text(max_size=80))
def test_any_text_becomes_only_what_a_voice_can_say(text: str) -> None:
    """Whatever is written, only letters, apostrophes, hyphens and marks of prosody come out."""
    assert re.fullmatch(r"[A-Za-z'.,;:?! -]*", pronounceable(text))


@given(st.text(alphabet="0123456789$£%.,:/-+#()@° kmapst", max_size=40))
def test_figures_in_any_arrangement_are_spelled_out(text: str) -> None:
    """No arrangement of figures and signs raises, and every figure leads to a word."""
    assert bool(re.search("[0-9]", text)) <= bool(re.search("[a-z]", pronounceable(text)))


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_every_number_can_be_read_back(number: int) -> None:
    """The words of a number mean that number."""
    total = group = 0
    values = {cardinal(n): n for n in [*range(20), *range(20, 100, 10)]}
    scales = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
    for word in cardinal(number).replace("-", " ").split():
        if word == "hundred":
            group *= 100
        elif word in scales:
            total, group = total + group * scales[word], 0
        else:
            group += values[word]
    assert total + group == number


def test_ordinals_and_years() -> None:
    """Irregular ordinals and the years that are not read in pairs."""
    assert [ordinal(n) for n in (1, 12, 20, 45)] == ["first", "twelfth", "twentieth", "forty-fifth"]
    assert [year(n) for n in (2000, 1900, 2010)] == ["two thousand", "nineteen hundred", "twenty ten"]


_PIECES = re.findall(
    r"\w+|\s|[^\w\s]",
    "$5-10k €1.000,50 US$ 20 mg/kg 5'10\" -2°C ±5 3/4/2026 Nov. 21st at 7:30:15 p.m. Class XIV Henry VIII "
    "call 911 or 555-0100 ext. 4 Room 204 #4521 C# A+ 2x4 x² ½ a.b@c.io/x?y=1 the '90s 1e6 No. 5 §±≥→",
)


@given(st.lists(st.sampled_from(_PIECES), max_size=24), st.sampled_from(["en", "en-GB"]))
def test_pieces_of_what_people_write_are_said_in_any_order(pieces: list[str], language: str) -> None:
    """Rules that meet halves of each other's forms never raise, and no figure goes unsaid."""
    text = "".join(pieces)
    said = pronounceable(text, language=language)
    assert re.fullmatch(r"[A-Za-z'.,;:?! -]*", said)
    assert bool(re.search("[0-9]", text)) <= bool(re.search("[a-z]", said))


@pytest.mark.parametrize(
    "hostile",
    [
        *(
            "1" * 5000,
            "1-" * 2500,
            "$1-" * 1500,
            "1/2 " * 1500,
            "a." * 2500,
            "1 000 " * 900,
            "Mon-" * 1500,
            "IV " * 1500,
        ),
        *(
            "a@" * 2500,
            "1:1:" * 1500,
            "call 9 " * 900,
            "5'" * 2500,
            "1x" * 2500,
            "- " * 2500,
            "(" * 5000,
            "Jan 1-" * 900,
        ),
    ],
)
def test_hostile_text_is_answered_soon(hostile: str) -> None:
    """Long runs of what a rule begins with cost time in proportion."""
    began = time.perf_counter()
    pronounceable(hostile)
    assert time.perf_counter() - began < 2


def test_a_clause_costs_less_than_a_millisecond() -> None:
    """It runs once for each clause of a turn: a hundred characters full of figures, the best of many."""
    clause = "Your table for 2 is on Nov. 21 at 7:30 p.m., it costs $20.50 and the code is 4521, please call 555-0100."

    def once() -> float:
        began = time.thread_time()
        pronounceable(clause)
        return time.thread_time() - began

    assert min(once() for _ in range(200)) < 0.001
