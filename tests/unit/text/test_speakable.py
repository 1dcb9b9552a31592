"""What a voice is spared: markdown, emoji, addresses in full. What it is not: plain prose."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.text.speakable import speakable

CASES = [
    ("**Hello** there, *you* and _me_, __too__, ~~no~~ `code`.", "Hello there, you and me, too, no code."),
    ("**Hello there.", "Hello there."),
    ("How are you?**", "How are you?"),
    ("# Opening hours\n\nNine to five.", "Opening hours. Nine to five."),
    ("## Prices ##", "Prices"),
    ("- apples\n- pears\n* **plums**", "apples. pears. plums."),
    ("• a check-up", "a check-up"),
    ("- [x] done\n- [ ] open", "done. open."),
    ("1. Brush\n2. Floss", "1. Brush. 2. Floss."),
    ("> He said so.", "He said so."),
    ("> 5 were there.\n> 6 were not.", "5 were there. 6 were not."),
    ("One.\n\n---\n\nTwo.", "One. Two."),
    ("| Day | Hours |\n|---|:--:|\n| Monday | nine |", "Day, Hours. Monday, nine."),
    ("```python\nprint(1)\n```", "print(1)"),
    ("See [our site](https://www.a.example/x 'y').", "See [our site](a.example/x 'y')."),
    ('See [our site](https://www.a.example/x "title").', "See our site."),
    ("![a smiling tooth](tooth.png)", "a smiling tooth"),
    ("Go to https://www.bright.example/book?from=call#top.", "Go to bright.example/book."),
    ("Is it www.bright.example/?", "Is it bright.example?"),
    ("(see http://a.example/b)", "(see a.example/b)"),
    ("Write to <jo@a.example> or mailto:al@a.example.", "Write to jo@a.example or al@a.example."),
    ("A space: https://a.example/my%20page", "A space: a.example/my page"),
    ("Great 🎉! See you 👋🏽 soon 👩‍👩‍👧 ok ❤️", "Great! See you soon ok"),
    ("Red🎉green", "Red green"),
    ("Press 5️⃣ now 🇮🇹", "Press 5 now"),
    ("🎉", ""),
    ("***", ""),
    ("Mill<br/>Lane is <b>here</b>", "Mill Lane is here"),
    ("Fish &amp; chips&nbsp;now", "Fish & chips now"),
    ("a\u200bb\x00c\x07\u202ed", "ab c d"),
    ("two\r\nlines\u2028three", "two lines three"),
]


@pytest.mark.parametrize(("written", "said"), CASES)
def test_markup_is_not_spoken(written: str, said: str) -> None:
    """Each kind of markup goes, its words stay."""
    assert speakable(written) == said
    assert speakable(said) == said


@pytest.mark.parametrize(
    "prose",
    [
        "Dr. Smith's office - it's 3:30 p.m., $60 or 10% off!",
        "5 * 3 is 15, snake_case, 2 < 3 > 1, C# and R&D, AT&T; no. #5 (or so)…",
        "Call +1 202 555 0142 or write to jo.smith@mail.example, please.",
        "“Yes,” she said — “at nine–ten.” ¿Qué? Ça va, è così.",
        "नमस्ते क्‍ष, سلام می‌کنم, 你好。",
        "> 5 minutes",
        ">= $100 or >5 kg",
        "Minus: -5 degrees. Vitamin A_1 [sic] {x} | y ~ z",
    ],
)
def test_plain_prose_is_left_alone(prose: str) -> None:
    """Signs that are part of a sentence are not taken for markup."""
    assert speakable(prose) == prose


@given(st.lists(st.text(alphabet="abcXYZ019.,!?'$%&:;/()é", min_size=1, max_size=8), max_size=12))
def test_words_without_markup_signs_never_change(words: list[str]) -> None:
    """Without a markup sign, an address or a line break there is nothing to do."""
    prose = " ".join(words)
    assert speakable(prose) == prose


@given(st.text(alphabet="ab1 \n\t*_`~#->+|[]()<>!&;.:/🎉❤\ufe0f\u200d\u200b\x00\x1b\u2028", max_size=60))
def test_any_text_comes_out_clean(text: str) -> None:
    """Whatever a model writes, the result is one line without control characters or emoji."""
    said = speakable(text)
    assert said == " ".join(said.split())
    assert not any(unicodedata.category(character) == "Cc" for character in said)
    assert "🎉" not in said
    assert "**" not in said


@pytest.mark.parametrize(
    "hostile", ["[" * 20_000, "<a " * 5_000, "*_" * 10_000, "http://" * 3_000, "🎉 " * 10_000, "|" * 20_000]
)
def test_hostile_text_is_answered(hostile: str) -> None:
    """Long runs of openings give an answer, not a hang."""
    assert len(speakable(hostile)) <= len(hostile)


@pytest.mark.parametrize("text", ["*`*", "*~~*", "**`**`**"])
def test_marks_between_marks_leave_none(text: str) -> None:
    """What is left when one kind of mark is taken out is not read as another."""
    assert speakable(text) == ""
