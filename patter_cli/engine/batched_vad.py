"""Voice detection for all calls of the process: their windows are gathered every few ms, measured at once, and those
that are not plainly silent scored in one inference."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw
from patter_cli.audio.vad import Cut, Piece, VadPolicy, VoiceDetector, VoiceEdge, levels_db, to_float
from patter_cli.audio.wire import Decode
from patter_cli.contracts.vad import VoiceModel, VoiceState

log = logging.getLogger(__name__)

GATHER_S = 0.008
"""How long windows wait for those of other calls. Source: tests.bench.load, 5-20 ms all cost alike."""
BACKLOG = 128
"""Windows of one call that may wait (four seconds); what comes on top of them is left out, and counted."""


class BatchedVad:
    """Scores the windows of every call in batches, in a thread of its own."""

    def __init__(self, model: VoiceModel) -> None:
        self._model = model
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="patter-voice")
        self._waiting: list[VadStream] = []
        self._scheduled = False
        self._behind = False
        self._failing = False
        self._closed = False
        self.windows = 0
        self.batches = 0

    @property
    def rate_hz(self) -> int:
        return self._model.rate_hz

    def listen(
        self,
        on_edge: Callable[[VoiceEdge], None],
        decode: Decode = decode_ulaw,
        policy: VadPolicy | None = None,
    ) -> VadStream:
        """A new call's ear. on_edge is called on the loop, in order, with media times. decode: reads the bytes it is
        given, one a sample."""
        detector = VoiceDetector(policy, rate_hz=self._model.rate_hz, window_samples=self._model.window_samples)
        return VadStream(self, detector, self._model.initial_state(), on_edge, decode)

    def close(self) -> None:
        self._closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def enlist(self, ear: VadStream, *, behind: bool = False) -> None:
        """This ear has a window to score. behind: and had it before its last one was (a burst)."""
        self._waiting.append(ear)
        self._behind = self._behind or behind
        if not self._scheduled:
            self._schedule()

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_later(GATHER_S, self._score)

    def _score(self) -> None:
        """Measure the next window of each ear that has one, decide the silent ones, have the others scored."""
        while True:
            ears = [ear for ear in self._waiting if not ear.closed]
            self._waiting.clear()
            self._behind = False
            if not ears or self._closed:
                self._scheduled = False
                return
            windows = to_float(_joined([(ear.queue[0][0], ear.decode) for ear in ears]))
            silent = [ear.is_silent(*levels) for ear, levels in zip(ears, levels_db(windows), strict=True)]
            for ear, nothing in zip(ears, silent, strict=True):
                if nothing:
                    ear.scored(0.0)
            if not all(silent):
                break
            if not self._behind:
                self._scheduled = False
                return
        voiced = [at for at, nothing in enumerate(silent) if not nothing]
        ears = [ears[at] for at in voiced]
        self.windows += len(ears)
        self.batches += 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._thread, self._model.score, windows[voiced], [ear.state for ear in ears])
        future.add_done_callback(lambda done: self._scored(ears, done))

    def _scored(self, ears: list[VadStream], done: asyncio.Future[tuple[np.ndarray, list[VoiceState]]]) -> None:
        if done.cancelled():
            return
        for ear, probability, state in zip(ears, *self._judged(ears, done), strict=True):
            ear.state = state
            ear.scored(probability)
        if self._behind:
            self._score()
        elif self._waiting:
            self._schedule()
        else:
            self._scheduled = False

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

    __slots__ = ("_detector", "_on_edge", "_room", "closed", "decode", "queue", "skipped", "state")

    def __init__(
        self,
        room: BatchedVad,
        detector: VoiceDetector,
        state: VoiceState,
        on_edge: Callable[[VoiceEdge], None],
        decode: Decode,
    ) -> None:
        self._room = room
        self._detector = detector
        self._on_edge = on_edge
        self.state = state
        self.decode = decode
        self.queue: list[Cut] = []
        """Windows without a probability yet; while it is not empty the ear is enlisted, or its first one is scored."""
        self.closed = False
        self.skipped = 0

    def push(self, piece: Piece, *, masked: bool = False) -> None:
        """Take the next samples, at the room's rate; they are kept as they are and must not change. masked: whatever
        sounds in them is not the caller."""
        for cut in self._detector.cut(piece, masked=masked):
            if len(self.queue) >= BACKLOG:
                self.skipped += 1
                continue
            self.queue.append(cut)
            if len(self.queue) == 1:
                self._room.enlist(self)

    def is_silent(self, level_db: float, high_db: float) -> bool:
        """Whether the first waiting window, of these levels, needs no model."""
        _, end_ms, masked = self.queue[0]
        return self._detector.is_silent(level_db, high_db, end_ms, masked=masked)

    def scored(self, probability: float) -> None:
        """The first waiting window has its probability."""
        if self.closed:
            return
        self._decide(probability, self.queue.pop(0)[1])
        if self.queue:
            self._room.enlist(self, behind=True)

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


def _joined(cuts: list[tuple[list[Piece], Decode]]) -> Samples:
    """Windows, each with what decodes it, as int16 of shape (n, window_samples): bytes are decoded all at once."""
    decoders = {decode for _, decode in cuts}
    coded = [piece for pieces, _ in cuts for piece in pieces if isinstance(piece, bytes)]
    if len(decoders) == 1 and len(coded) == sum(len(pieces) for pieces, _ in cuts):
        return decoders.pop()(b"".join(coded)).reshape(len(cuts), -1)
    whole = [
        np.concatenate([decode(each) if isinstance(each, bytes) else each for each in pieces])
        for pieces, decode in cuts
    ]
    return np.stack(whole)
