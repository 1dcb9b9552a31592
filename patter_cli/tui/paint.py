"""Rows of styled text of an exact width, made straight of Rich's segments: what four screens a second can afford.

A row is a list of (text, style) pieces. Rich's own tables and wrapping cost about ten times as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

Row: TypeAlias = list[Segment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A whole screen: every row has exactly the width. A Rich renderable."""

    width: int
    rows: tuple[tuple[Segment, ...], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for row in self.rows:
            yield from row
            yield Segment.line()

    def text(self) -> str:
        """Without its styles; blanks at the ends of rows are left out."""
        return "\n".join("".join(each.text for each in row).rstrip() for row in self.rows)


def piece(text: str, style: Style) -> Segment:
    """Some text of one style."""
    return Segment(text, style)


def width_of(row: Iterable[Segment]) -> int:
    """In cells."""
    return sum(cell_len(each.text) for each in row)


def fit(row: Sequence[Segment], width: int, blank: Style) -> Row:
    """The row with exactly this width: cut off, or filled up."""
    fitted: Row = []
    left = width
    for each in row:
        cells = cell_len(each.text)
        if cells > left:
            fitted.append(Segment(cut(each.text, left), each.style))
            return fitted
        fitted.append(each)
        left -= cells
    if left > 0:
        fitted.append(Segment(" " * left, blank))
    return fitted


def cut(text: str, width: int) -> str:
    """A text of exactly this width, with an ellipsis where something is missing."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    if width <= 1:
        return set_cell_size("…", width)
    return set_cell_size(text, width - 1) + "…"


def short(text: str, width: int) -> str:
    """The same, but no longer than it is."""
    return text if cell_len(text) <= width else cut(text, width)


def split_row(left: Sequence[Segment], right: Sequence[Segment], width: int, blank: Style) -> Row:
    """One piece at each side. Where both do not fit, the left one is cut."""
    room = max(0, width - width_of(right) - 1)
    return fit([*fit(left, room, blank), Segment(" ", blank), *right], width, blank)


def wrap(words: Iterable[tuple[str, Style]], width: int, blank: Style) -> list[Row]:
    """Words, each with its style, in rows of at most this width; one that is longer than a row is broken."""
    rows: list[Row] = [[]]
    used = 0
    for word, style in words:
        rest = word
        while True:
            gap = 1 if used else 0
            cells = cell_len(rest)
            if used + gap + cells <= width:
                if gap:
                    # What lies between two words of one style has that style, so that a stroke runs through.
                    same = rows[-1][-1].style is style
                    rows[-1].append(Segment(" ", style if same else blank))
                rows[-1].append(Segment(rest, style))
                used += gap + cells
                break
            if used:
                rows.append([])
                used = 0
                continue
            head = set_cell_size(rest, width)
            rows[-1].append(Segment(head, style))
            rest = rest[len(head.rstrip()) or 1 :] if cell_len(head) == width else rest[1:]
            rows.append([])
    return [_joined(row) for row in rows if row] or [[]]


def _joined(row: Row) -> Row:
    """Neighbours of one style become one piece."""
    joined: Row = []
    for each in row:
        if joined and joined[-1].style is each.style:
            joined[-1] = Segment(joined[-1].text + each.text, each.style)
        else:
            joined.append(each)
    return joined
