"""TOML as people write it: the line of everything, and mistakes told in words of ours."""

from __future__ import annotations

import pytest

from patter_cli.toml_text import Place, TomlMistakeError, nearest_line, read_toml

WRITTEN = """agent = "x"
[line]
quality = "bad"

[[step]]
say = "a"
expect = [
  "b",
  ["c"]
]
within_ms = 5

[[step]] # the second
'''press''' = "1"
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("agent",), 1),
        (("line",), 2),
        (("line", "quality"), 3),
        (("line", "qualiyt"), 2),
        (("step",), 5),
        (("step", 0), 5),
        (("step", 0, "say"), 6),
        (("step", 0, "within_ms"), 11),
        (("step", 1), 13),
        (("step", 1, "press", "deeper"), 14),
        (("nothing",), None),
    ],
)
def test_everything_has_its_line(place: Place, line: int | None) -> None:
    """Keys, tables, each of a list of tables; what has none has that of what it stands in."""
    text = WRITTEN.replace("'''press'''", "'press'")
    assert nearest_line(read_toml(text.encode()).lines, place) == line


@pytest.mark.parametrize(
    ("text", "place", "line"),
    [
        ("a.b = 1", ("a", "b"), 1),
        ("[[a]]\n[[a]]\n[a.b]\nc = 1", ("a", 1, "b", "c"), 4),
        ("[[a]]\n[[a.b]]\n[[a]]\n[[a.b]]\nc = 1", ("a", 1, "b", 0, "c"), 5),
        ('a = """\n[b]\nc = 1\n"""\n[b]\nc = 2', ("b", "c"), 6),
        ('a = [ "]", # [\n 1,\n]\nb = 1', ("b",), 4),
        ("\ufeffa = 1\r\nb = 2", ("b",), 2),
        ("[a]\n\n\"b.c\".'d' = 1", ("a", "b.c", "d"), 3),
    ],
)
def test_lines_of_what_is_written_in_other_ways(text: str, place: Place, line: int) -> None:
    """Dotted keys, tables in lists of tables, values of many lines, marks of other editors."""
    assert nearest_line(read_toml(text.encode()).lines, place) == line


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"a = ", 1, "there is no value; a text stands in quotes"),
        (b"a = 1\nb = mobile", 2, "there is no value; a text stands in quotes"),
        (b"a = True", 1, "there is no value; a text stands in quotes"),
        (b"a = [1,", 1, "there is no value"),
        (b"a = [1", 1, "a list is not closed"),
        (b"a", 1, "a key wants = and a value after it"),
        (b"\n\na: 5", 3, "a key wants = and a value after it"),
        (b"say Hello", 1, "a key wants ="),
        (b'a = "x', 1, "a quote is missing"),
        (b'a = "x\nb = 1', 1, "a quote is missing"),
        (b"a = 'x", 1, "a quote is missing"),
        (b'a = "C:\\Users"', 1, "written twice"),
        (b'a = "\\d"', 1, "written twice"),
        (b"a = 1\na = 2", 2, "this key stands there already"),
        (b"a = 1\n[a]", 2, "stands there already"),
        (b"[a]\n[a]", 2, "this section stands there already"),
        (b"[a\nb = 1", 1, "wants a ] after it"),
        (b"[[a]\nb = 1", 1, "wants a ] after it"),
        (b"a = 1 2", 1, "does not belong on this line"),
        (b'a = "x" "y"', 1, "does not belong on this line"),
        (b"= 5", 1, "this is no TOML"),
        (b"a = {b = 1", 1, "a table is not closed"),
        (b"ok = 1\na = \xff", 2, "this is not UTF-8"),
        (b"PK\x03\x04", 1, "this is no TOML"),
        (b"a = " + b"[" * 100_000, 1, "this is no TOML"),
    ],
)
def test_a_mistake_has_its_line_and_words_of_ours(text: bytes, line: int, words: str) -> None:
    """The parser's own words are for those who know its grammar."""
    with pytest.raises(TomlMistakeError) as caught:
        read_toml(text)
    assert caught.value.line == line
    assert words in str(caught.value)
    assert "Expected" not in str(caught.value)


def test_a_number_that_nobody_can_read_has_its_line() -> None:
    """It is a mistake of the file's like any other."""
    with pytest.raises(TomlMistakeError, match="out of range") as found:
        read_toml(b"[serve]\nport = " + b"9" * 5000)
    assert found.value.line == 2
