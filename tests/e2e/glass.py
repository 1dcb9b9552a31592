"""A terminal for tests: a program of ours on it, what it shows, and what is typed."""

from __future__ import annotations

import asyncio
import codecs
import fcntl
import os
import pty
import re
import select
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_PARTS = re.compile(r"\x1b\[(\?)?([0-9;]*)([A-Za-z])|([^\x1b]+)|\x1b", re.DOTALL)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-9;?]*)?$")
"""An order whose other half is still to come."""


class Glass:
    """One terminal, which has its program in front. What the program sends is read by a thread, unless held."""

    def __init__(self, width: int = 80, height: int = 24) -> None:
        self._near, self._far = pty.openpty()
        self.resize(width, height)
        self.modes = termios.tcgetattr(self._far)
        """As it is before the program has it."""
        self.sent = ""
        self._seen = threading.Condition()
        self._rows: list[str] = []
        self._row = 0
        self.alternate = False
        """The program has the screen."""
        self.cursor = True
        self.after = ""
        """What was printed beside the screen."""
        self._reading = threading.Event()
        self._reading.set()
        self._gone = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    async def start(self, *command: str, cwd: Path, env: Mapping[str, str]) -> asyncio.subprocess.Process:
        """Begin a program on it."""

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        far = self._far
        return await asyncio.create_subprocess_exec(
            *command, cwd=cwd, env={**os.environ, "TERM": "xterm-256color", **env}, stdin=far, stdout=far, stderr=far,
            preexec_fn=own_terminal,
        )  # fmt: skip

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._far, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._near, text.encode())

    def hold(self) -> None:
        """Read nothing any more: soon whoever writes has to wait."""
        self._reading.clear()

    @property
    def text(self) -> str:
        """The screen as it is now."""
        with self._seen:
            return "\n".join(each.rstrip() for each in self._rows).rstrip()

    @property
    def restored(self) -> bool:
        """The terminal is as it was: modes, cursor, and no other screen."""
        return termios.tcgetattr(self._far) == self.modes and self.cursor and not self.alternate

    async def shows(self, *words: str, within_s: float = 20) -> None:
        """Wait until all of this is to be seen."""
        await self.wait(lambda: all(each in self.text for each in words), within_s, f"{words} in")

    async def wait(self, found: Callable[[], bool], within_s: float = 20, what: str = "") -> None:
        until = time.monotonic() + within_s
        while not found():
            assert time.monotonic() < until, f"no {what}:\n{self.text}\nbeside it:\n{self.after[-2000:]}"
            await asyncio.sleep(0.05)

    def hang_up(self) -> None:
        """Close the window: whoever is in front is told by a signal, and nothing can be read or written any more."""
        self._gone = True
        self._reader.join(5)

    def close(self) -> None:
        os.close(self._far)
        self._reading.set()

    def _read(self) -> None:
        decoder, rest = codecs.getincrementaldecoder("utf-8")("replace"), ""
        while True:
            self._reading.wait()
            try:
                if not self._gone and not select.select((self._near,), (), (), 0.05)[0]:
                    continue
                if self._gone:
                    os.close(self._near)
                    return
                text = rest + decoder.decode(os.read(self._near, 65536))
            except OSError:
                os.close(self._near)
                return
            cut = _UNFINISHED.search(text)
            text, rest = (text, "") if cut is None else (text[: cut.start()], cut[0])
            with self._seen:
                self.sent += text
                self._show(text)

    def _show(self, text: str) -> None:
        for private, numbers, order, words in _PARTS.findall(text):
            if words:
                if not self.alternate:
                    self.after += words
                elif self._row < len(self._rows):
                    self._rows[self._row] += words
            elif private and order in "hl":
                self._switch(numbers, order == "h")
            elif order == "J":
                self._rows = [""] * 300
            elif order == "H" and numbers:
                self._row = int(numbers.split(";")[0]) - 1
                self._rows[self._row] = ""

    def _switch(self, mode: str, on: bool) -> None:
        if mode == "1049":
            self.alternate = on
            self._rows = [""] * 300
        elif mode == "25":
            self.cursor = on
