"""Two calls of a stored journal each, on the screen at a moment of theirs, and the pages that it should look like.

python -m tests.unit.tui.stored     writes the pages anew: look at what git diff says of them
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from patter_cli.core.journal import Entry, parse_journal
from patter_cli.tui.draw import draw
from patter_cli.tui.fold import ScreenFold
from patter_cli.tui.paint import Frame
from patter_cli.tui.steer import Steering
from patter_cli.tui.theme import theme
from patter_cli.tui.view import ListProgress

DATA: Final = Path(__file__).parents[2] / "data" / "screen"
SIZES: Final = ((60, 20), (80, 24), (120, 30), (200, 60))
MOMENTS: Final = {"cut-off": 9_900, "growing": 24_700, "over": 60_000}
"""ms after the first call began; the second begins OFFSET_MS later."""
OFFSET_MS: Final = 1_000
LISTING: Final = ListProgress(
    name="people.csv",
    people=40,
    ringing=2,
    left=21,
    again=3,
    refused=1,
    outcomes=(("answered", 9), ("voicemail", 3), ("busy", 2), ("no_answer", 1), ("failed", 1)),
    seconds_left=380.0,
    usd_left=0.432,
)
"""Of whoever rings a list; its calls are the stored ones."""


def entries(agent: str) -> list[Entry]:
    """A stored call."""
    return list(parse_journal((DATA / f"{agent}.jsonl").read_text(encoding="utf-8")))


@cache
def screen_at(at_ms: int) -> ScreenFold:
    """Both calls up to a moment; only to look at."""
    fold = ScreenFold()
    for agent, offset_ms in (("orders", OFFSET_MS), ("receptionist", 0)):
        for each in entries(agent):
            if each.at + offset_ms <= at_ms:
                fold.feed(f"C-{agent}", each, (each.at + offset_ms) / 1000)
    fold.say("receptionist answers at ws://127.0.0.1:8000/ws/loopback/receptionist")
    fold.say("WARNING patter.server: 3 refused: the server is busy")
    return fold


def page(
    at_ms: int,
    width: int,
    height: int,
    *,
    coloured: bool = False,
    steering: Steering | None = None,
    listing: ListProgress | None = None,
) -> Frame:
    """The screen of a moment; the receptionist's call is followed. listing: of a list that is rung."""
    steering = steering or Steering(call_id="C-receptionist")
    view = screen_at(at_ms).view(at_ms / 1000, shown=steering.shown("C-receptionist"), lag_ms=2)
    title = "patter serve" if listing is None else f"patter call --csv {listing.name}"
    return draw(
        replace(view, listing=listing), steering, title=title, width=width, height=height,
        theme=theme(coloured=coloured, unicode=True),
    )  # fmt: skip


def golden(moment: str, width: int, height: int) -> Path:
    return DATA / f"{moment}-{width}x{height}.txt"


def main() -> None:
    for moment, at_ms in MOMENTS.items():
        for width, height in SIZES:
            golden(moment, width, height).write_text(page(at_ms, width, height).text() + "\n", encoding="utf-8")
    for width, height in SIZES:
        text = page(MOMENTS["growing"], width, height, listing=LISTING).text()
        golden("list", width, height).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
