"""A stored call as it was on the screen, as a moving picture: `python -m patter_cli.tui.svg JOURNAL docs/screen.svg`.

The frames are those that a terminal would have got, one each STEP_S of the call. A row that stays the same is drawn
once, with the time for which it is seen; the picture begins anew when it is over. Nothing in it is a script.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from rich.segment import Segment
from rich.terminal_theme import MONOKAI, TerminalTheme

from patter_cli.core.events import CallConnected
from patter_cli.core.journal import Entry, parse_journal
from patter_cli.tui.draw import draw
from patter_cli.tui.fold import ScreenFold
from patter_cli.tui.paint import Frame
from patter_cli.tui.steer import Steering
from patter_cli.tui.theme import theme

STEP_S: Final = 0.5
LAST_S: Final = 4.0
"""For how long the last frame is seen."""
WIDTH, HEIGHT = 100, 28
CELL_PX, ROW_PX, FONT_PX, EDGE_PX = 8.4, 18, 14, 14
COLOURS: Final[TerminalTheme] = MONOKAI


def moving_picture(call_id: str, entries: Iterable[Entry], title: str) -> str:
    """The SVG. entries: of the call's journal. title: the command that was typed."""
    frames = list(_frames(call_id, list(entries), title))
    lasts_s = len(frames) * STEP_S + LAST_S
    width, height = WIDTH * CELL_PX + 2 * EDGE_PX, HEIGHT * ROW_PX + 2 * EDGE_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{escape(title)}, a call as it was shown</title>",
        f"<style>text{{font:{FONT_PX}px ui-monospace,Menlo,Consolas,monospace;white-space:pre}}</style>",
        f'<rect width="100%" height="100%" rx="8" fill="{COLOURS.background_color.hex}">'
        f'<animate id="t" attributeName="rx" values="8;8" begin="0s;t.end" dur="{lasts_s:g}s"/></rect>',
    ]
    for number in range(HEIGHT):
        parts.extend(_row(number, [frame.rows[number] for frame in frames], lasts_s))
    return "\n".join((*parts, "</svg>\n"))


def _frames(call_id: str, entries: list[Entry], title: str) -> Iterator[Frame]:
    fold, place, look = ScreenFold(), 0, theme(coloured=True)
    end_s = max(each.at for each in entries) / 1000 + STEP_S
    for step in range(round(end_s / STEP_S)):
        now_s = (step + 1) * STEP_S
        while place < len(entries) and entries[place].at <= now_s * 1000:
            fold.feed(call_id, entries[place], entries[place].at / 1000)
            place += 1
        yield draw(fold.view(now_s, shown=call_id), Steering(), title=title, width=WIDTH, height=HEIGHT, theme=look)


def _row(number: int, seen: list[tuple[Segment, ...]], lasts_s: float) -> Iterator[str]:
    """One row of the screen through time."""
    since = 0
    for step in range(1, len(seen) + 1):
        if step < len(seen) and seen[step] == seen[since]:
            continue
        words = "".join(_spans(seen[since]))
        if words:
            from_s, to_s = since * STEP_S, lasts_s if step == len(seen) else step * STEP_S
            y = EDGE_PX + number * ROW_PX + FONT_PX
            shown = (
                f'<set attributeName="visibility" to="visible" begin="t.begin+{from_s:g}s" dur="{to_s - from_s:g}s"/>'
            )
            always = from_s == 0 and to_s == lasts_s
            hidden = "" if always else ' visibility="hidden"'
            yield f'<text y="{y}"{hidden}>{words}{"" if always else shown}</text>'
        since = step


def _spans(row: tuple[Segment, ...]) -> Iterator[str]:
    at = 0
    for text, style, _ in row:
        bare = text.rstrip()
        lead = len(bare) - len(bare.lstrip())
        if bare.strip():
            colour = COLOURS.foreground_color
            if style is not None and style.color is not None:
                colour = style.color.get_truecolor(COLOURS)
            facts = [f'fill="{colour.hex}"']
            if style is not None and style.bold:
                facts.append('font-weight="bold"')
            if style is not None and style.dim:
                facts.append('opacity=".6"')
            if style is not None and style.strike:
                facts.append('text-decoration="line-through"')
            # Each piece at its place: fonts differ in how wide a cell is.
            x = EDGE_PX + (at + lead) * CELL_PX
            long = (len(bare) - lead) * CELL_PX
            yield f'<tspan x="{x:.1f}" textLength="{long:.1f}" {" ".join(facts)}>{escape(bare.lstrip())}</tspan>'
        at += len(text)


def main(journal: Path, target: Path) -> None:
    """journal: of a call's folder."""
    entries = list(parse_journal(journal.read_text(encoding="utf-8")))
    agent = next((each.event.plan.agent for each in entries if isinstance(each.event, CallConnected)), "")
    target.write_text(moving_picture("", entries, f"patter simulate {agent}"), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
