"""Echo cancellation beside the event loop: what costs a quarter of a millisecond a frame is done in a thread.

Theory of operation. Most lines have no echo, and a look at their level costs next to nothing: that is done where the
frame comes in. A canceller that searches or cancels is `heavy`, and its frames go to one thread of the process, in
order; what has been cleaned since the loop last looked comes back to it in one go. A call's canceller is touched by
one side at a time: a frame is only handled on the loop while none of that call is in the thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from patter_cli.audio.frame import Samples
from patter_cli.audio.wire import LineAudio
from patter_cli.contracts.echo import EchoCanceller

log = logging.getLogger(__name__)

WAITING = 50
"""Frames of one call that may wait for the thread, a second: what comes on top is passed on as it is, to no ear."""


class EchoThread:
    """One process's thread; it starts with the first heavy frame and never keeps the process alive."""

    def __init__(self) -> None:
        self._work: deque[tuple[EchoLane, LineAudio, Samples]] = deque()
        self._more = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, lane: EchoLane, near: LineAudio, far: Samples) -> None:
        """Have a frame cleaned, after those before it."""
        self._work.append((lane, near, far))
        self._more.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="patter-echo")
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._more.wait()
            self._more.clear()
            while self._work:
                lane, near, far = self._work.popleft()
                lane.clean(near, far)


class Played(Protocol):
    """What is played to the caller, by samples of call time."""

    def sounds(self, start: int, count: int) -> bool: ...

    def read(self, start: int, count: int) -> Samples: ...


class EchoLane:
    """One call's way through the canceller. hear: gets each cleaned frame and whether it may be trusted, in order."""

    def __init__(
        self,
        canceller: EchoCanceller,
        played: Played,
        hear: Callable[[LineAudio, bool], None],
        thread: EchoThread | None = None,
    ) -> None:
        """thread: None: all is done at once, where the frame comes in."""
        self._canceller = canceller
        self._played = played
        self._end = 0
        """Of the frame that is looked at, in samples of call time."""
        self._hear = hear
        self._thread = thread
        self._loop = asyncio.get_running_loop() if thread is not None else None
        self._waiting = 0
        """Frames that are in the thread or have not come back."""
        self._cleaned: list[tuple[LineAudio, bool]] = []
        self._called_back = False
        self._closed = False

    def push(self, near: LineAudio, start: int) -> None:
        """Take the next frame. start: its first sample in call time."""
        self._end = start + near.count
        if not self._waiting and self._canceller.passes(near, self._played.sounds(start, near.count), self._until_now):
            self._hear(near, self._canceller.trusted)
            return
        far = self._played.read(start, near.count)
        if self._thread is None or not (self._waiting or self._canceller.heavy):
            self._hear(self._process(near, far), self._canceller.trusted)
        elif self._waiting < WAITING:
            self._waiting += 1
            self._thread.put(self, near, far)
        else:
            self._hear(near, False)

    def _until_now(self, count: int) -> Samples:
        return self._played.read(self._end - count, count)

    def close(self) -> None:
        """Nothing is heard any more."""
        self._closed = True

    def _process(self, near: LineAudio, far: Samples) -> LineAudio:
        """A frame without our echo: itself if there was none."""
        samples = self._canceller.process(near.samples, far)
        return near if samples is near.samples else LineAudio(samples)

    def clean(self, near: LineAudio, far: Samples) -> None:
        """In the thread: clean a frame and send it back."""
        try:
            out = self._process(near, far), self._canceller.trusted
        except Exception:
            log.exception("the echo canceller failed")
            out = near, True
        self._cleaned.append(out)
        if not self._called_back and self._loop is not None:
            self._called_back = True
            with suppress(RuntimeError):  # the loop is closed: so is the call, and the thread has others
                self._loop.call_soon_threadsafe(self._take_back)

    def _take_back(self) -> None:
        self._called_back = False  # before the last look, or a frame could be left behind
        while self._cleaned:
            audio, trusted = self._cleaned.pop(0)
            self._waiting -= 1
            if not self._closed:
                self._hear(audio, trusted)


THREAD = EchoThread()
"""Shared by every call of the process."""
