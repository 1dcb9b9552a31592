"""A program of somebody else's that runs while we do: what it says is always read, and it never outlives us.

Its output is read in a thread, so that a program which prints without end costs calls nothing; only what a reader makes
of its lines comes to the event loop, and of that no more than FACTS.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from patter_cli.errors import TunnelDown, reason

FACTS: Final = 16
LINE_BYTES: Final = 4096
"""What is looked at of one line."""
TAIL_LINES: Final = 5
TAIL_CHARS: Final = 300
"""What is kept for the error: lines, and characters of each."""
END_S: Final = 4.0
"""For it to be gone: the keeper's 2 s, and some."""
_CHUNK_BYTES: Final = 64 * 1024


class Child:
    """One running program.

    read: makes a fact of a line, "" if there is none in it; called in a thread, for any line that there can be.
    shown: what people are shown of a line if the program fails; "": it is left out.
    """

    def __init__(
        self, command: Sequence[str], *, read: Callable[[str], str], shown: Callable[[str], str] = str.strip
    ) -> None:
        """Start it. Raises TunnelDown. Call it on the loop that waits for it."""
        self.name = Path(command[0]).name
        self._read = read
        self._shown = shown
        self._loop = asyncio.get_running_loop()
        self._facts: asyncio.Queue[str] = asyncio.Queue()
        self._told = 0
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        keeper = str(Path(__file__).with_name("keeper.py"))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise TunnelDown(f"{self.name} cannot be started: {reason(error)}") from error
        self._reader = threading.Thread(target=self._drain, daemon=True, name=f"patter-{self.name}")
        self._reader.start()
        threading.Thread(target=self._wait, daemon=True, name=f"patter-{self.name}-end").start()

    async def fact(self, within_s: float) -> str:
        """The next thing that it told. Raises TunnelDown if it ends first, TimeoutError."""
        next_fact = asyncio.ensure_future(self._facts.get())
        either: set[asyncio.Future[Any]] = {next_fact, self._ended}
        try:
            await asyncio.wait(either, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            if next_fact.done():
                return next_fact.result()
            if self._ended.done():
                raise TunnelDown(f"{self.name} {self.last_words()}")
            raise TimeoutError
        finally:
            next_fact.cancel()

    def hush(self) -> None:
        """No more facts are wanted: only its last lines are kept from now on."""
        self._told = FACTS

    async def ended(self) -> str:
        """Wait for its end; returns how it came, as a clause about the program."""
        await asyncio.shield(self._ended)
        return self.last_words()

    def last_words(self) -> str:
        """How it ended, if it has, and its last lines."""
        said = " | ".join(self._tail)
        ended = f"ended with code {self._ended.result()}" if self._ended.done() else "runs"
        return f"{ended}, and said: {said}" if said else f"{ended}, and said nothing"

    async def aclose(self) -> None:
        """End it, whole. Twice is fine."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        await asyncio.wait({self._ended}, timeout=END_S)
        if not self._ended.done():
            self._process.kill()  # the keeper itself hangs

    def _drain(self) -> None:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        rest = b""
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if self._told >= FACTS:
                lines = lines[-TAIL_LINES:]
            for each in lines:
                self._take(each)
            if len(rest) > LINE_BYTES:
                self._take(rest)
                rest = b""
        if rest:
            self._take(rest)

    def _take(self, line: bytes) -> None:
        text = line[:LINE_BYTES].decode("utf-8", "replace")
        if shown := self._shown(text)[:TAIL_CHARS]:
            self._tail.append(shown)
        if self._told < FACTS and (fact := self._read(text)):
            self._told += 1
            with suppress(RuntimeError):  # the loop is gone
                self._loop.call_soon_threadsafe(self._facts.put_nowait, fact)

    def _wait(self) -> None:
        code = self._process.wait()
        self._reader.join(0.5)  # its last words; a process that it left behind may hold the pipe
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._set_ended, code)

    def _set_ended(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)


class CarriedTunnel:
    """An open tunnel that a program of ours carries."""

    def __init__(self, name: str, host: str, about: str, child: Child) -> None:
        """name: the program's. about: what it is, for who reads where their calls go."""
        self._name = name
        self._host = host
        self._about = about
        self._child = child

    @property
    def host(self) -> str:
        return self._host

    @property
    def about(self) -> str:
        return self._about

    async def lost(self) -> str:
        return f"{self._name} {await self._child.ended()}"

    async def aclose(self) -> None:
        await self._child.aclose()
