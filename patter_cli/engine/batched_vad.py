"""Voice detection for all calls of the process: their windows are gathered into one inference every few ms."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.vad import VadPolicy, VoiceDetector, VoiceEdge, Window
from patter_cli.contracts.vad import VoiceModel, VoiceState

log = logging.getLogger(__name__)

GATHER_S = 0.012
"""How long windows wait for those of other calls. Source: tests.bench.load, 10-20 ms all measure alike."""
BACKLOG = 64
"""Windows of one call that may wait (two seconds); what comes on top of them is left out, and counted."""


class BatchedVad:
    """Scores the windows of every call in batches, in a thread of its own."""

    def __init__(self, model: VoiceModel) -> None:
        self._model = model
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="patter-voice")
        self._waiting: list[VadStream] = []
        self._scheduled = False
        self._failing = False
        self._closed = False
        self.windows = 0
        self.batches = 0

    @property
    def rate_hz(self) -> int:
        return self._model.rate_hz

    def listen(self, on_edge: Callable[[VoiceEdge], None], policy: VadPolicy | None = None) -> VadStream:
        """A new call's ear. on_edge is called on the loop, in order, with media times."""
        detector = VoiceDetector(policy, rate_hz=self._model.rate_hz, window_samples=self._model.window_samples)
        return VadStream(self, detector, self._model.initial_state(), on_edge)

    def close(self) -> None:
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def enlist(self, ear: VadStream) -> None:
        """This ear has windows to score."""
        self._waiting.append(ear)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_later(GATHER_S, self._score)

    def _score(self) -> None:
        ears = [ear for ear in self._waiting if not ear.closed]
        self._waiting.clear()
        if not ears or self._closed:
            self._scheduled = False
            return
        windows = np.stack([ear.queue[0].samples for ear in ears])
        states = [ear.state for ear in ears]
        self.windows += len(ears)
        self.batches += 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._thread, self._model.score, windows, states)
        future.add_done_callback(lambda done: self._scored(ears, done))

    def _scored(self, ears: list[VadStream], done: asyncio.Future[tuple[np.ndarray, list[VoiceState]]]) -> None:
        if done.cancelled():
            return
        for ear, probability, state in zip(ears, *self._judged(ears, done), strict=True):
            ear.scored(probability, state)
        self._scheduled = False
        if self._waiting:
            # Some call is behind (a burst): catch up without waiting.
            self._scheduled = True
            self._score()

    def _judged(
        self, ears: list[VadStream], done: asyncio.Future[tuple[np.ndarray, list[VoiceState]]]
    ) -> tuple[list[float], list[VoiceState]]:
        """Probabilities and states. What the model cannot judge counts as silence, so that nobody speaks for ever."""
        try:
            scored, states = done.result()
            probabilities: list[float] = scored.tolist()
            if len(probabilities) != len(ears) or len(states) != len(ears):
                raise ValueError(f"{len(ears)} windows were scored as {len(probabilities)}")
        except Exception:
            if not self._failing:
                log.exception("the voice detector's model failed; what it cannot judge counts as silence")
            self._failing = True
            return [0.0] * len(ears), [ear.state for ear in ears]
        self._failing = False
        return probabilities, states


class VadStream:
    """One call's detector, fed by its frames and by the room."""

    __slots__ = ("_detector", "_on_edge", "_room", "closed", "queue", "skipped", "state")

    def __init__(
        self, room: BatchedVad, detector: VoiceDetector, state: VoiceState, on_edge: Callable[[VoiceEdge], None]
    ) -> None:
        self._room = room
        self._detector = detector
        self._on_edge = on_edge
        self.state = state
        self.queue: deque[Window] = deque()
        """Windows without a probability yet; while it is not empty the ear is enlisted."""
        self.closed = False
        self.skipped = 0

    def push(self, samples: Samples) -> None:
        """Take the next samples, at the room's rate."""
        for window in self._detector.windows(samples):
            if self.queue:
                if len(self.queue) >= BACKLOG:
                    self.skipped += 1
                    continue
                self.queue.append(window)
            elif window.silent:
                self._decide(0.0, window.end_ms)
            else:
                self.queue.append(window)
                self._room.enlist(self)

    def scored(self, probability: float, state: VoiceState) -> None:
        """The first waiting window has its probability."""
        if self.closed:
            return
        self.state = state
        self._decide(probability, self.queue.popleft().end_ms)
        while self.queue and self.queue[0].silent:
            self._decide(0.0, self.queue.popleft().end_ms)
        if self.queue:
            self._room.enlist(self)

    def close(self) -> None:
        self.closed = True

    def _decide(self, probability: float, end_ms: int) -> None:
        edge = self._detector.decide(probability, end_ms)
        if edge is not None:
            try:
                self._on_edge(edge)
            except Exception:
                # A bug in one call's way must not stop the ears of all.
                log.exception("a speech edge could not be handed on")
