"""Lines for a reader: columns that fit the terminal, bars and sparklines, colour where there is one to have.

Nothing here needs Rich, which takes longer to load than a list of calls to find. Without colour each line says the
same; where the terminal's encoding has no blocks, bars are made of #.
"""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from patter_cli.text.printable import printable

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """What can be drawn with. width: columns of the terminal; None: whoever reads takes lines of any length."""

    colour: bool
    blocks: bool
    width: int | None

    def dim(self, text: str) -> str:
        return self._in("2", text)

    def bold(self, text: str) -> str:
        return self._in("1", text)

    def red(self, text: str) -> str:
        return self._in("31", text)

    def green(self, text: str) -> str:
        return self._in("32", text)

    def yellow(self, text: str) -> str:
        return self._in("33", text)

    def struck(self, text: str) -> str:
        """Words that were not heard."""
        return self._in("9;2", text) if self.colour else f"[not heard: {text}]"

    def _in(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def bar(self, begins: float, lasts: float, *, of: float, columns: int) -> str:
        """A stretch of a line that is `of` long: blanks, then blocks; never quite nothing."""
        if of <= 0:
            return ""
        start = min(columns - 1, int(begins * columns / of))
        eighths = max(1, min(round(lasts * columns * 8 / of), (columns - start) * 8))
        whole, rest = divmod(eighths, 8)
        if not self.blocks:
            return " " * start + "#" * (whole or 1)
        return " " * start + "█" * whole + (_EIGHTHS[rest] if rest else "")

    def sparkline(self, values: Sequence[float]) -> str:
        """One sign for each: how it compares with the most."""
        most = max(values, default=0)
        levels = [0 if most <= 0 else round(each / most * (len(_LEVELS) - 1)) for each in values]
        return "".join(_LEVELS[each] if self.blocks else str(each) for each in levels)


def ink(*, no_color: bool) -> Ink:
    """For standard output as it is."""
    terminal = sys.stdout.isatty()
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return Ink(
        colour=terminal and not no_color,
        blocks=encoding.startswith("utf"),
        width=shutil.get_terminal_size((100, 24)).columns if terminal else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One of a table. right: figures. spare: the highest is left out first where room is short; 0 never."""

    title: str
    cells: Sequence[str]
    right: bool = False
    spare: int = 0


def table(columns: Iterable[Column], ink: Ink, *, paint: dict[str, Any] | None = None) -> list[str]:
    """The lines of a table, its titles first. paint: by title, what colours a cell that has its width already."""
    shown = [(each, [printable(cell) for cell in (each.title, *each.cells)]) for each in columns]
    widths = {each.title: max(map(cells_of, cells)) for each, cells in shown}
    while ink.width is not None and sum(widths[each.title] + 2 for each, _ in shown) - 2 > ink.width:
        least = max(shown, key=lambda found: found[0].spare)
        if not least[0].spare:
            break
        shown.remove(least)
    lines = []
    for row in range(len(shown[0][1]) if shown else 0):
        cells = []
        for each, texts in shown:
            blanks = " " * (widths[each.title] - cells_of(texts[row]))
            cell = blanks + texts[row] if each.right else texts[row] + blanks
            colour = (paint or {}).get(each.title) if row else ink.dim
            cells.append(colour(cell) if colour else cell)
        lines.append("  ".join(cells).rstrip())
    return lines


def cells_of(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def cut(text: str, columns: int) -> str:
    """A text that is no longer than this."""
    if cells_of(text) <= columns:
        return text
    kept, taken = "", 1
    for each in text:
        taken += cells_of(each)
        if taken > columns:
            break
        kept += each
    return f"{kept}…"


def wrapped(text: str, columns: int | None) -> list[str]:
    """A text in lines of so many columns, broken at blanks."""
    if columns is None:
        return [text]
    lines, line = [], ""
    for word in text.split():
        if line and cells_of(line) + 1 + cells_of(word) > columns:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line] if line or not lines else lines


def duration(seconds: float | None) -> str:
    """Of a call: 4:05, 1:02:03; "" where it is not known."""
    if seconds is None:
        return ""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def money(usd: float | None, known_usd: float = 0.0) -> str:
    """$0.0123; of what is not known whole, what is: $0.0123+?."""
    if usd is None:
        return f"{money(known_usd)}+?" if known_usd else "?"
    return f"${usd:.2f}" if usd >= 1 or not usd else f"${usd:.4f}"
