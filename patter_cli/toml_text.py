"""TOML as people write it: what it says, the line of every key, and mistakes in plain words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Place: TypeAlias = tuple[str | int, ...]
"""Where something stands: the names of its tables and its key; of a list of tables also which, from 0."""

_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY: Final = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART: Final = re.compile(r"""\s*(?:"[^"]*"|'[^']*'|[^.]+)""")
_TEXT_OR_COMMENT: Final = re.compile(r""""(?:[^"\\]|\\.)*"|'[^']*'|#.*""")

_MISTAKES: Final = (
    (r"Invalid value|Invalid initial character for a value", "there is no value; a text stands in quotes"),
    (r"Expected '='", "a key wants = and a value after it"),
    (r"Expected newline or end of document", "something follows that does not belong on this line"),
    (r"Unterminated string|Illegal character '\\\\?n'|Expected \"'", "a text is not closed: a quote is missing"),
    (r"Illegal character", "there is a character that cannot stand here"),
    (r"Unescaped '\\\\?'|Invalid hex value|Escaped character", "a backslash in a text is written twice: \\\\"),
    (r"Cannot (?:overwrite|redefine|mutate)|Duplicate inline", "this key stands there already"),
    (r"Cannot declare|Cannot extend", "this section stands there already"),
    (r"Expected '\]", "a section's name wants a ] after it"),
    (r"Unclosed array", "a list is not closed: a ] is missing"),
    (r"Unclosed inline table", "a table is not closed: a } is missing"),
    (r"Invalid initial character for a key|Invalid statement", "this is no key = value, and no [section]"),
    (r"Invalid date", "this is no date; a text stands in quotes"),
)
"""What the parser says, and what is meant."""


class TomlMistakeError(ValueError):
    """Where a text stops being TOML. line: from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlText:
    """What was written, and where."""

    table: Mapping[str, Any]
    lines: Mapping[Place, int]
    """Of every key and table, from 1; one inside a value is not in it."""


def read_toml(content: bytes) -> TomlText:
    """Read a file's content, with or without a byte order mark. Raises TomlMistakeError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TomlMistakeError(content[: error.start].count(b"\n") + 1, "this is not UTF-8") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
        line = int((said and said[2]) or text.rstrip().count("\n") + 1)
        why = next((words for pattern, words in _MISTAKES if re.match(pattern, str(error))), "")
        raise TomlMistakeError(line, "this is no TOML" + (f": {why}" if why else "")) from error
    except ValueError as error:  # Python reads no number of more than some thousand digits, nor a date that is none
        long = re.search(r"[0-9_]{4000}", text)
        line = text[: long.start()].count("\n") + 1 if long else 1
        raise TomlMistakeError(line, "this is no TOML: a number or a date in it is out of range") from error
    except RecursionError as error:
        raise TomlMistakeError(1, "this is no TOML: it has too many brackets in brackets") from error
    return TomlText(table=table, lines=_lines(text))


def nearest_line(lines: Mapping[Place, int], place: Place) -> int | None:
    """The line of a place, or of what it stands in; None if that is the whole file."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place)


def _lines(text: str) -> dict[Place, int]:
    """Where keys and tables stand. The text is known to be TOML; what a value of many lines holds is skipped."""
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    section: Place = ()
    quote, depth = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if depth > 0:
            depth += _opened(line)
            continue
        if header := _HEADER.fullmatch(line):
            *above, last = _parts(header[2])
            section = path = (*_latest(tuple(above), counts), last)
            if header[1] == "[[":
                counts[path] = counts.get(path, -1) + 1
                section = path = (*path, counts[path])
        elif key := _KEY.match(line):
            path = (*section, *_parts(key[1]))
            rest = line[key.end() :]
            opened = [each for each in ('"""', "'''") if rest.lstrip().startswith(each) and rest.count(each) == 1]
            quote = opened[0] if opened else ""
            depth = 0 if quote else _opened(rest)
        else:
            continue
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], number)
    return lines


def _opened(line: str) -> int:
    """How many lists and tables a line opens and does not close."""
    bare = _TEXT_OR_COMMENT.sub("", line)
    return sum(bare.count(each) for each in "[{") - sum(bare.count(each) for each in "]}")


def _latest(path: Place, counts: Mapping[Place, int]) -> Place:
    """A table's place where a part of its name is a list of tables: in the last of them."""
    found: Place = ()
    for each in path:
        found = (*found, each)
        if found in counts:
            found = (*found, counts[found])
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    """The names in a dotted key; a dot between quotes is a part of its name."""
    return tuple(each.strip(" \t\"'") for each in _PART.findall(dotted))
