"""Standard output and error while calls are live: nobody who prints waits for whoever should read.

A pipe that nobody empties, a pager that stands still or a terminal under Ctrl-S takes 64 KB and then stops whoever
writes: our transcript, a log line, the `print` of an agent's author, and with them every call of the loop. In here all
of it goes into one bounded queue, in order, and a thread writes it. What does not fit is left out, and how much it was
is said in its place once somebody reads again.
"""

from __future__ import annotations

import io
import logging
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TextIO, cast

ROOM_CHARS = 1 << 20
"""Text that waits to be read: some hours of one call's transcript."""
LAST_S = 1.0
"""What a reader gets for the rest once the calls are over."""


class Terminal:
    """With it, sys.stdout, sys.stderr and the log never block. Leaving it writes what waits and puts them back."""

    def __init__(self) -> None:
        self._queue: deque[tuple[TextIO, str]] = deque()
        self._chars = 0
        self._left_out: dict[TextIO, int] = {}
        """Lines that did not fit, by where they should have gone."""
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="patter-terminal")
        self._before = (sys.stdout, sys.stderr)
        self._diverted: Callable[[TextIO, str], None] | None = None
        self._ttys: tuple[TextIO, ...] = ()

    def __enter__(self) -> Terminal:
        self._before = out, err = sys.stdout, sys.stderr
        for stream in self._before:
            stream.flush()
        sys.stdout, sys.stderr = _Stream(self, out), _Stream(self, err)
        _move_log(err, cast(TextIO, sys.stderr))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _move_log(sys.stderr, self._before[1])
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = self._before
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(LAST_S)

    def divert(self, taker: Callable[[TextIO, str], None] | None) -> None:
        """What is written to a terminal goes to the taker from now on, for the screen has it; None: to the terminal."""
        self._ttys = tuple(each for each in self._before if each.isatty())
        self._diverted = taker

    def put(self, stream: TextIO, text: str) -> None:
        """Have text written there, behind all that came before. Never blocks and never raises."""
        taker = self._diverted
        if taker is not None and stream in self._ttys:
            taker(stream, text)
            return
        with self._changed:
            if self._chars + len(text) > ROOM_CHARS or self._closing:
                self._left_out[stream] = self._left_out.get(stream, 0) + text.count("\n")
                return
            self._queue.append((stream, text))
            self._chars += len(text)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._left_out:
                    if self._closing:
                        return
                    self._changed.wait()
                texts, self._queue = self._queue, deque()
                left_out, self._left_out = self._left_out, {}
            while texts:
                stream, text = texts.popleft()
                while texts and texts[0][0] is stream:
                    text += texts.popleft()[1]
                _write(stream, text)
                with self._changed:
                    self._chars -= len(text)
            for stream, lines in left_out.items():
                if lines:
                    _write(stream, f"… {lines} lines were left out: nobody read them\n")


class _Stream(io.TextIOBase):
    """Stands for a stream, and hands over what is written."""

    def __init__(self, terminal: Terminal, stream: TextIO) -> None:
        super().__init__()
        self._terminal = terminal
        self._stream = stream
        self._begun: dict[int, str] = {}
        """The beginning of each thread's line: whole lines are kept or left out, and not mixed."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    @property
    def buffer(self) -> io.BufferedIOBase:
        return cast(io.BufferedIOBase, self._stream.buffer)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        thread = threading.get_ident()
        lines, newline, begun = (self._begun.pop(thread, "") + text).rpartition("\n")
        if newline:
            self._terminal.put(self._stream, lines + newline)
        if begun:
            self._begun[thread] = begun
        return len(text)

    def flush(self) -> None:
        begun = self._begun.pop(threading.get_ident(), "")
        if begun:
            self._terminal.put(self._stream, begun)


def _move_log(before: TextIO, after: TextIO) -> None:
    """Have the log's lines go to another stream."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is before:
            handler.setStream(after)


def _write(stream: TextIO, text: str) -> None:
    """Write to its end, however long that takes; where it is closed, nowhere.

    Past Python's own buffer, whose lock the interpreter would wait for when it ends while nobody reads.
    """
    try:
        try:
            descriptor = stream.fileno()
        except io.UnsupportedOperation:
            stream.write(text)
            return
        data = memoryview(text.encode(stream.encoding or "utf-8", "backslashreplace"))
        while data:
            try:
                data = data[os.write(descriptor, data) :]
            except BlockingIOError:
                select.select((), (descriptor,), ())
    except (OSError, ValueError):
        return  # whoever read has gone: there is nobody to tell
