"""A terminal lent to the screen: its modes as they were are kept, and given back whatever happens."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
from typing import Any, TextIO

ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
"""The other screen, no cursor, no wrapping, and nothing on it."""
LEAVE = b"\x1b[?2026l\x1b[?7h\x1b[0m\x1b[?25h\x1b[?1049l"
BEGIN, END = b"\x1b[?2026h", b"\x1b[?2026l"
"""Around one update, so that terminals that know it show it whole."""
LAST_S = 0.5
"""What a write that is under way gets when the terminal is wanted back."""


def can_show(stdin: TextIO, stdout: TextIO) -> bool:
    """Whether there is a terminal, ours to draw on: not one that another program has in front of us."""
    from rich.console import Console

    try:
        if not (stdin.isatty() and stdout.isatty()) or Console(file=stdout).is_dumb_terminal:
            return False
        return os.tcgetpgrp(stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


class Tty:
    """One terminal: keys come in, frames go out."""

    def __init__(self, stdin: TextIO, stdout: TextIO) -> None:
        self._in = stdin.fileno()
        self._out = stdout.fileno()
        self._before: list[Any] | None = None
        self._writing = threading.Lock()

    @property
    def keys(self) -> int:
        """The descriptor that keys come from."""
        return self._in

    def size(self) -> tuple[int, int]:
        """Columns and rows, as they are now."""
        try:
            size = os.get_terminal_size(self._out)
        except OSError:  # it has gone
            return 80, 24
        return size.columns or 80, size.lines or 24

    def take(self) -> None:
        """Keys come one by one and unseen, Ctrl-C still interrupts. Raises OSError, termios.error."""
        before = termios.tcgetattr(self._in)
        modes = termios.tcgetattr(self._in)
        modes[3] &= ~(termios.ICANON | termios.ECHO)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._in, termios.TCSANOW, modes)
        self._before = before
        self.write(ENTER)

    def give_back(self) -> None:
        """As it was before. Twice is fine, and it never waits for whoever should read."""
        before, self._before = self._before, None
        if before is None:
            return
        free = self._writing.acquire(timeout=LAST_S)
        try:
            if free and select.select((), (self._out,), (), 0)[1]:
                os.write(self._out, LEAVE)
        except OSError:
            pass  # it has gone
        finally:
            if free:
                self._writing.release()
        try:
            termios.tcsetattr(self._in, termios.TCSANOW, before)
            termios.tcflush(self._in, termios.TCIFLUSH)  # what was typed here is not for the shell
        except (OSError, termios.error):
            pass

    def write(self, data: bytes) -> None:
        """Write to its end, however long that takes. Raises OSError where it has gone."""
        with self._writing:
            rest = memoryview(data)
            while rest and self._before is not None:
                try:
                    rest = rest[os.write(self._out, rest) :]
                except BlockingIOError:
                    select.select((), (self._out,), ())

    @property
    def taken(self) -> bool:
        return self._before is not None


def plain_signs(stdout: TextIO) -> bool:
    """Whether it shows no more than ASCII."""
    return "utf" not in (stdout.encoding or sys.getdefaultencoding()).lower()
