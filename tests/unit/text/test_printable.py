"""What strangers say is shown by a terminal and never obeyed."""

from __future__ import annotations

import json

import pytest

from patter_cli.text.printable import printable, printable_json, printable_lines

HOSTILE = ["\x1b[31mred", "\x1b]0;owned\x07", "\x9b2J", "ab\u202ecd", "a\rb", "\x08\x08", "\u2066x", "\x7f", "\ud800"]


@pytest.mark.parametrize("said", HOSTILE)
def test_one_line(said: str) -> None:
    """Whatever it holds, it stays one line of text; nothing is dropped without a mark."""
    shown = printable(said)
    assert shown.isprintable()
    assert len(shown) == len(said)
    assert "�" in shown


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("می\u200cخواهم", "میخواهم"),
        ("10\u00a0h", "10 h"),
        ("👩\u200d👧", "👩👧"),
        ("\ufeffHello", "Hello"),
        ("a\u200eb", "ab"),
    ],
)
def test_what_people_write_is_no_error(said: str, seen: str) -> None:
    """Signs without width and narrow spaces are everyday text: a mark in their place would only be in the way."""
    assert printable(said) == seen


@pytest.mark.parametrize("said", HOSTILE)
def test_several_lines_stay_lines(said: str) -> None:
    """A traceback is read line by line, and a tab is a gap."""
    shown = printable_lines(f"one\n\ttwo {said}\nthree")
    assert shown.count("\n") == 2
    assert shown.replace("\n", "").isprintable()
    assert "    two" in shown


@pytest.mark.parametrize("said", [*HOSTILE, "Größe 東京 🙂", '"quoted"\n'])
def test_json_means_the_same(said: str) -> None:
    """As a value and as a key; letters stay letters."""
    shown = printable_json({said: [said]})
    assert json.loads(shown) == {said: [said]}
    assert shown.replace("\n", "").isprintable()
    assert ("東京" in shown) is ("東京" in said)
