"""Moonshine tiny-en, run directly by onnxruntime: English speech to text on this machine, MIT, no key, no network.

Theory of operation. The model reads a whole utterance at once, so a segment (everything since the last `commit`) is
read again from its start each time an answer is due: a sentence taken up after a pause is heard as one sentence. A
segment too long for the model loses its front: it is cut at the quietest moment before 15 s, the front is read once
and its text is kept. Where it is cut depends on the sound alone, so partials never change what a final says.

A session runs at most one reading. Asked for a final, it uses the reading that already heard everything, done or
under way; otherwise it abandons a partial's reading, which stops within a token, and goes to the head of the queue.
Everything but the reading itself happens on the event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np

from patter_cli.audio.frame import FloatSamples, Samples
from patter_cli.contracts.provider import Keyless
from patter_cli.contracts.stt import Final, Partial, Recognised
from patter_cli.errors import ProviderError, Unavailable
from patter_cli.providers.inference import POOL, Once, check_packages, core_time_s
from patter_cli.providers.moonshine_model import RATE_HZ, Model, Offer
from patter_cli.providers.pool import InferencePool, Owner, Rank
from patter_cli.providers.short_answers import offered
from patter_cli.text.compare import modern_spelling

PARTIAL_SAMPLES = RATE_HZ // 2
"""New sound between two partials."""

FIRST_PARTIAL_SAMPLES = RATE_HZ * 4 // 5
"""Before the first: the engine sends a third of a second from before the voice as well, and of less than half a second
of voice the model makes anything. Source: tests/bench/turns.py, 27 of 50 readings of 0.5 s were other words."""

_LONGEST_SAMPLES = 15 * RATE_HZ
"""What the model can take at once; it was trained on no more. Source: LOCAL-SPEECH, tests/bench/stt.py."""

_SHORTEST_SAMPLES = RATE_HZ // 10
"""Less than this is no word."""

_CUT_SAMPLES = RATE_HZ // 5
"""The stretch whose energy decides where a long segment is cut: as long as a breath."""

_FRAME_SAMPLES = RATE_HZ // 50
_SILENCE_RMS = 33.0
"""The most that 20 ms without anybody in them measure, int16 units: -60 dBFS."""

_HEARD_IN_NOISE = frozenset({"you", "thank you for watching", "thanks for watching"})
"""What the model writes for keyboards, rings, breaths and slams. Source: tests/bench/noises.py, 36 of 72 of them on a
clean line; nobody says these alone to a telephone."""

Transcribe: TypeAlias = Callable[[FloatSamples, Callable[[], bool]], str]
"""Speech of at most 15 s, -1..1, to text. Asks between steps whether it is unwanted; then anything will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechToText(Keyless):
    """The built-in recogniser. All calls share one model.

    keyterms: names and words that callers may answer with alone, beside those of short_answers.
    """

    keyterms: tuple[str, ...] = ()

    @property
    def provider(self) -> str:
        """Always "moonshine"."""
        return "moonshine"

    @property
    def rate_hz(self) -> int:
        """16000."""
        return RATE_HZ

    @property
    def speech_only(self) -> bool:
        """The model invents words for noise and silence, so it is only shown speech."""
        return True

    def check_packages(self) -> None:
        """Raises MissingExtra."""
        check_packages("moonshine_voice", "onnxruntime")

    async def warm(self) -> None:
        """Load the model and lay out the short answers: half a second, once. Raises MissingExtra."""
        await _MODEL.warm()
        if self.keyterms not in _OFFERS:
            _OFFERS[self.keyterms] = await asyncio.to_thread(_MODEL.get().offer, offered(self.keyterms))

    async def awaited_work_s(self) -> float:
        """Of the final of a short sentence; three are read, a sixth of a second, once per process."""
        await self.warm()
        await _FINAL_S.warm()
        return _FINAL_S.get()

    async def open(self) -> Session:
        """Begin recognition for one call. Raises MissingExtra."""
        await self.warm()
        model = _MODEL.get()
        return Session(transcribe=partial(model.transcribe, offer=_OFFERS[self.keyterms]), pool=POOL)


@dataclass(slots=True, eq=False)
class _Segment:
    """What a caller said between two commits. Offsets count samples from the segment's start."""

    index: int
    samples: Samples = field(default_factory=lambda: np.zeros(_LONGEST_SAMPLES, np.int16))
    """Room for more than is there; holds what comes after the front."""
    length: int = 0
    front: int = 0
    """How much at the start has been read for good, and is no longer kept."""
    front_text: str = ""
    read_length: int = 0
    """How much the last finished reading heard, and what it understood."""
    read_text: str = ""
    partial_text: str = ""
    partial_due: int = FIRST_PARTIAL_SAMPLES

    def append(self, samples: Samples) -> None:
        """Add to the end."""
        held = self.length - self.front
        if held + samples.size > self.samples.size:
            grown = np.zeros(2 * (held + samples.size), np.int16)
            grown[:held] = self.samples[:held]
            self.samples = grown
        self.samples[held : held + samples.size] = samples
        self.length += samples.size

    def forget_front(self, front: int, text: str) -> None:
        """Keep only the text of what lies before `front`."""
        gone, held = front - self.front, self.length - self.front
        self.samples[: held - gone] = self.samples[gone:held].copy()
        self.front, self.front_text = front, text


@dataclass(slots=True, eq=False)
class _Reading:
    """A segment being read, up to `length`."""

    segment: _Segment
    length: int
    abandoned: bool = False
    future: Future[_Read] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a reading found: the whole text, and how much of the front need not be read again."""

    text: str
    front: int
    front_text: str


class Session:
    """One call's recognition. transcribe: runs in the pool's threads. Used from one event loop only."""

    def __init__(self, *, transcribe: Transcribe, pool: InferencePool) -> None:
        self._transcribe = transcribe
        self._pool = pool
        self._owner = Owner()
        self._loop = asyncio.get_running_loop()
        self._segment = _Segment(0)
        self._asked: deque[tuple[_Segment, int]] = deque()
        self._reading: _Reading | None = None
        self._found: deque[Recognised] = deque()
        self._failure: ProviderError | None = None
        self._changed = asyncio.Event()
        self._closed = False

    def push(self, samples: Samples) -> None:
        """Take the next samples of speech, int16 at 16 kHz."""
        if self._closed:
            return
        segment = self._segment
        segment.append(samples)
        if segment.length >= segment.partial_due and self._reading is None and self._pool.idle:
            self._read(segment, segment.length, Rank.SPARE)

    def finalize(self) -> None:
        """Ask for a Final of the segment so far."""
        if not self._closed:
            self._asked.append((self._segment, self._segment.length))
            self._answer()

    def commit(self) -> None:
        """Begin the next segment."""
        self._segment = _Segment(self._segment.index + 1)

    async def results(self) -> AsyncIterator[Recognised]:
        """Partials and finals as they come, for one reader. Raises ProviderError once, then the session is over."""
        while True:
            while self._found:
                yield self._found.popleft()
            if self._failure:
                failure, self._failure = self._failure, None
                raise failure
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    async def aclose(self) -> None:
        """Stop reading; what has not been delivered is dropped."""
        self._closed = True
        self._abandon()
        self._asked.clear()
        self._found.clear()
        self._changed.set()

    def _answer(self) -> None:
        """Serve what was asked for, in order, as far as it is known; start reading for the first that is not."""
        while self._asked:
            segment, length = self._asked[0]
            if length < _SHORTEST_SAMPLES:
                text = ""
            elif length == segment.read_length:
                text = segment.read_text
            else:
                self._read(segment, length, Rank.AWAITED)
                return
            self._asked.popleft()
            self._deliver(Final(segment=segment.index, text=text))

    def _read(self, segment: _Segment, length: int, rank: Rank) -> None:
        under_way = self._reading
        if under_way and under_way.segment is segment and under_way.length == length:
            return
        self._abandon()
        segment.partial_due = length + PARTIAL_SAMPLES
        reading = _Reading(segment, length)
        samples = segment.samples[: length - segment.front].copy()
        front, front_text, transcribe = segment.front, segment.front_text, self._transcribe

        def work() -> _Read:
            return _read_long(transcribe, samples, front, front_text, lambda: reading.abandoned)

        self._reading = reading
        reading.future = self._pool.submit(work, rank, self._owner)
        reading.future.add_done_callback(lambda future: self._from_thread(reading, future))

    def _abandon(self) -> None:
        if self._reading and self._reading.future:
            self._reading.abandoned = True
            self._reading.future.cancel()
        self._reading = None

    def _from_thread(self, reading: _Reading, future: Future[_Read]) -> None:
        if not reading.abandoned and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._done, reading, future)

    def _done(self, reading: _Reading, future: Future[_Read]) -> None:
        if self._reading is not reading:
            return
        self._reading = None
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or error:
            self._fail(error)
            return
        segment, read = reading.segment, future.result()
        segment.read_length, segment.read_text = reading.length, read.text
        if read.front > segment.front:
            segment.forget_front(read.front, read.front_text)
        wanted = bool(self._asked) and self._asked[0] == (segment, reading.length)
        if not wanted and segment is self._segment and read.text != segment.partial_text:
            segment.partial_text = read.text
            self._deliver(Partial(segment=segment.index, text=read.text))
        self._answer()

    def _deliver(self, result: Recognised) -> None:
        if self._found and isinstance(self._found[-1], Partial):
            self._found.pop()  # nobody took it in time, and this one says more
        self._found.append(result)
        self._changed.set()

    def _fail(self, error: BaseException | None) -> None:
        if isinstance(error, ProviderError):
            self._failure = error
        else:
            self._failure = Unavailable(f"local recognition failed: {error or 'shutting down'}", provider="moonshine")
            self._failure.__cause__ = error
        self._closed = True
        self._asked.clear()
        self._changed.set()


def _read_long(
    transcribe: Transcribe, samples: Samples, front: int, front_text: str, unwanted: Callable[[], bool]
) -> _Read:
    """Read what comes after the front, moving the front on while more is left than the model can take."""
    while samples.size > _LONGEST_SAMPLES and not unwanted():
        cut = _quietest(samples[:_LONGEST_SAMPLES])
        front_text = f"{front_text} {_text(transcribe, samples[:cut], unwanted)}".strip()
        front, samples = front + cut, samples[cut:]
    text = f"{front_text} {_text(transcribe, samples, unwanted)}".strip()
    return _Read(text=text, front=front, front_text=front_text)


def _quietest(samples: Samples) -> int:
    """Where to cut: the middle of the quietest stretch in the second half, the later one of equals."""
    half = samples.size // 2
    energy = np.concatenate(([0.0], np.cumsum(np.square(samples[half:].astype(np.float64)))))
    stretches = energy[_CUT_SAMPLES:] - energy[:-_CUT_SAMPLES]
    return half + stretches.size - 1 - int(np.argmin(stretches[::-1])) + _CUT_SAMPLES // 2


def _text(transcribe: Transcribe, samples: Samples, unwanted: Callable[[], bool]) -> str:
    """What was said in a piece; "" where nobody spoke. Silent ends are left out: the model hears thanks in them."""
    frames = samples[: samples.size // _FRAME_SAMPLES * _FRAME_SAMPLES].reshape(-1, _FRAME_SAMPLES)
    audible = np.flatnonzero(np.square(frames.astype(np.float32)).mean(axis=1) > _SILENCE_RMS**2)
    if samples.size < _SHORTEST_SAMPLES or not audible.size:
        return ""
    start = max(0, int(audible[0]) * _FRAME_SAMPLES - _SHORTEST_SAMPLES)
    end = (int(audible[-1]) + 1) * _FRAME_SAMPLES + _SHORTEST_SAMPLES
    text = transcribe(samples[start:end].astype(np.float32) / np.float32(32768), unwanted).strip()
    noise = not {"♪", "©"}.isdisjoint(text) or text.strip(" .,!?").lower() in _HEARD_IN_NOISE
    return "" if noise else modern_spelling(text)


_MODEL: Once[Model] = Once(Model)
"""Loaded when it is first needed, shared by every call of the process."""


_OFFERS: dict[tuple[str, ...], Offer] = {}
"""By key terms: the short answers of an agent's callers."""


def _final_s() -> float:
    """Two seconds of a voice that hums: of silence or noise the model writes too little to be measured by."""
    at_s = np.arange(2 * RATE_HZ, dtype=np.float32) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * 130 * overtone * at_s) / overtone for overtone in range(1, 20))
    sound = (0.05 * (1 + np.sin(2 * np.pi * 4 * at_s)) * hum).astype(np.float32)
    model = _MODEL.get()
    return core_time_s(lambda: model.transcribe(sound, lambda: False))


_FINAL_S: Once[float] = Once(_final_s)
