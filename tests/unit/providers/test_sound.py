"""A vendor's sound, as it comes and as it should not."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from patter_cli.audio.frame import ULAW_8K, AudioFormat, Encoding, Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.contracts.tts import WordTimes
from patter_cli.errors import BadReply
from patter_cli.providers.http import Server
from patter_cli.providers.said_words import SaidWords
from patter_cli.providers.sound import SoundReader
from patter_cli.providers.speech_formats import LINEAR_8K, LINEAR_16K, LINEAR_24K

ACME = Server(provider="acme", base_url="https://acme.example", key="k", key_name="ACME", key_hint="")


def tone(rate_hz: int, ms: int = 200) -> Samples:
    return (8000 * np.sin(2 * np.pi * 440 * np.arange(rate_hz * ms // 1000) / rate_hz)).astype(np.int16)


def wav(samples: Samples, rate_hz: int, *, tag: int = 1, channels: int = 1, bits: int = 16) -> bytes:
    data = encode_ulaw(samples) if tag == 7 else samples.astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * 2, 2, bits)
    chunks = (
        b"fmt " + struct.pack("<I", len(form)) + form + b"LIST\x03\0\0\0abc\0" + b"data" + struct.pack("<I", len(data))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + len(data)) + b"WAVE" + chunks + data


def read(reader: SoundReader, body: bytes, cut: int) -> list[Samples | bytes]:
    made = [reader.push(body[at : at + cut]) for at in range(0, len(body), cut)]
    return [each for each in (*made, reader.end()) if each is not None]


def whole(made: list[Samples | bytes]) -> Samples:
    return np.concatenate([decode_ulaw(each) if isinstance(each, bytes) else each for each in made])


@pytest.mark.parametrize("cut", [1, 2, 3, 333, 100_000])
@pytest.mark.parametrize("header", [False, True])
def test_samples_come_whole_however_they_are_cut(cut: int, header: bool) -> None:
    """With a file's header or without; no sample is lost at an odd byte."""
    sound = tone(16000)
    body = wav(sound, 16000) if header else sound.astype("<i2").tobytes()
    made = read(SoundReader(ACME, LINEAR_16K, out=None, rate_hz=16000), body, cut)
    assert np.array_equal(whole(made), sound)


@pytest.mark.parametrize("cut", [1, 777])
def test_a_line_s_own_bytes_are_passed_on_as_they_are(cut: int) -> None:
    """Nothing is decoded; a header in front of them is taken off."""
    coded = encode_ulaw(tone(8000))
    for body in (coded, wav(tone(8000), 8000, tag=7, bits=8)):
        made = read(SoundReader(ACME, ULAW_8K, out=ULAW_8K, rate_hz=16000), body, cut)
        assert b"".join(each for each in made if isinstance(each, bytes)) == coded


@pytest.mark.parametrize("out", [None, ULAW_8K])
def test_another_rate_than_was_asked_for_is_put_right(out: AudioFormat | None) -> None:
    """Told by a file's header, or beside the sound: the pitch and the length are those of what was said."""
    body = wav(tone(24000), 24000)
    rate_hz = 8000 if out else 16000
    for reader, given in (
        (SoundReader(ACME, LINEAR_8K, out=out, rate_hz=16000), body),
        (SoundReader(ACME, LINEAR_8K, out=out, rate_hz=16000), tone(24000).astype("<i2").tobytes()),
    ):
        if given is not body:
            reader.promised(24000)
        sound = whole(read(reader, given, 333))
        assert abs(len(sound) - rate_hz * 200 // 1000) <= 2
        spectrum = np.abs(np.fft.rfft(sound.astype(np.float64)))
        assert abs(np.argmax(spectrum) * rate_hz / len(sound) - 440) < 6


@pytest.mark.parametrize(
    "body",
    [
        b"ID3\x04\0\0\0\0\0\0mp3",
        b"OggS\0\x02",
        b"<!DOCTYPE html><html>",
        b'{"error": "no"}',
        wav(tone(8000), 8000, channels=2),
        wav(tone(8000), 8000, bits=24),
        wav(tone(8000), 7),
    ],
)
def test_what_is_no_bare_sound_is_refused(body: bytes) -> None:
    """Rather than played as noise."""
    with pytest.raises(BadReply, match="acme"):
        read(SoundReader(ACME, LINEAR_16K, out=None, rate_hz=16000), body, 5)


def test_nothing_is_nothing_and_half_a_sample_is_none() -> None:
    """An empty answer, and one that breaks off inside a sample or a header."""
    for body, samples in ((b"", 0), (b"\1", 0), (b"\1\0\2", 1), (b"RI", 0), (b"RIFF\0\0", 0)):
        made = read(SoundReader(ACME, LINEAR_24K, out=None, rate_hz=24000), body, 1)
        assert sum(len(each) for each in made) <= max(samples, 1), body


def test_half_a_second_of_an_odd_encoding() -> None:
    """A-law in a file where mu-law was asked for."""
    body = wav(tone(8000), 8000).replace(struct.pack("<HH", 1, 1), struct.pack("<HH", 6, 1), 1)
    made = read(SoundReader(ACME, ULAW_8K, out=ULAW_8K, rate_hz=8000), body, 50)
    assert all(isinstance(each, bytes) for each in made)
    assert Encoding.ALAW is not Encoding.ULAW


def test_words_are_timed_letter_by_letter_and_word_by_word() -> None:
    """Marks have no time of their own, a word without letters has its start for its end."""
    words = SaidWords("Hi — you there!")
    for letter, start in (("H", 0), ("i", 40), (" ", 80), ("—", 80), (" ", 90), ("y", 100), ("o", 140), ("u", 180)):
        words.add(letter, start, start + 40)
    assert words.times() == WordTimes((0, 80, 100), (80, 80, 220))
    words.add("there!", 240, 400)
    assert words.times().ends_ms == (80, 80, 220, 400)
    assert words.complete


def test_what_is_read_otherwise_than_it_is_written_ends_what_is_known() -> None:
    """A time that may be wrong is worse than none."""
    words = SaidWords("At 5 pm sharp")
    for said, at in (("At", 0), ("five", 200), ("pm", 500), ("sharp", 700)):
        words.add(said, at, at + 150)
    assert words.times() == WordTimes((0,), (150,))
    assert not words.complete
