"""What is told of a list while it is rung: on a screen, as lines, or as JSON lines."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol, TextIO

from patter_cli.text.printable import printable

if TYPE_CHECKING:
    from patter_cli.tui.live import LiveScreen
    from patter_cli.tui.view import ListProgress

BAR = 30
"""Signs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """What became of somebody, as it stands in the list's results."""

    number: str
    attempt: int
    outcome: str
    reason: str
    answered_by: str
    duration_s: float | None
    call_id: str


class ListTold(Protocol):
    """Who is told; on the loop, and nobody waits for it."""

    def rung(self, rung: Rung, progress: ListProgress) -> None:
        """A call is over, and now it is so far."""

    def progress(self, progress: ListProgress) -> None:
        """The list has come so far."""

    def end(self, summary: str) -> None:
        """Nobody else is rung. summary: what became of how many."""


class ListLines:
    """A line for each on stderr; where that is a terminal, a bar in place of them."""

    def __init__(self, *, bar: bool) -> None:
        self._bar = bar

    def rung(self, rung: Rung, progress: ListProgress) -> None:
        done, people = progress.done, progress.people - progress.refused
        line = printable(f"{done}/{people} {rung.number} {rung.outcome}")
        if self._bar:
            filled = BAR * done // max(1, people)
            print(f"\r[{'#' * filled}{'.' * (BAR - filled)}] {line:40}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def progress(self, progress: ListProgress) -> None:
        pass

    def end(self, summary: str) -> None:
        if self._bar:
            print(file=sys.stderr)
        print(summary)


class ListOnScreen(ListLines):
    """The screen has how far it is, and each line in its log."""

    def __init__(self, screen: LiveScreen) -> None:
        super().__init__(bar=False)
        self._screen = screen

    def progress(self, progress: ListProgress) -> None:
        self._screen.show_list(progress)


class ListJson:
    """An object for each, a line long; a program that reads them knows by itself how many there are."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def rung(self, rung: Rung, progress: ListProgress) -> None:
        print(json.dumps(asdict(rung), ensure_ascii=False), file=self._out, flush=True)

    def progress(self, progress: ListProgress) -> None:
        pass

    def end(self, summary: str) -> None:
        print(summary, file=sys.stderr)
