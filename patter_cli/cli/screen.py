"""Whether a command has the screen, or prints lines: it takes a terminal on both sides, and ours to draw on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from patter_cli.cli.terminal import Terminal
from patter_cli.observe.bus import Observer
from patter_cli.settings import Settings

if TYPE_CHECKING:
    from patter_cli.tui.live import LiveScreen


def screen_for(title: str, settings: Settings, *, otherwise: Observer | None = None) -> LiveScreen | None:
    """The screen of a command; None where lines are printed. otherwise: is told of calls before and after it."""
    if sys.platform == "win32":  # its terminals have no modes to ask for
        return None
    from patter_cli.tui.tty import can_show

    if not can_show(sys.stdin, sys.stdout):
        return None
    from patter_cli.tui.live import LiveScreen

    return LiveScreen(title, stdin=sys.stdin, stdout=sys.stdout, coloured=not settings.no_color, otherwise=otherwise)


@contextmanager
def on_terminal(screen: LiveScreen | None) -> Iterator[None]:
    """Nobody who prints waits for whoever should read, and the screen, if there is one, is drawn."""
    with Terminal() as terminal:
        if screen is None:
            yield
        else:
            with screen.shown(terminal):
                yield
