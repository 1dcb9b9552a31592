"""The built-in recogniser: what a session promises, and that the real model keeps it."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Callable
from concurrent.futures import Future
from importlib.util import find_spec
from threading import Event
from typing import Any

import numpy as np
import pytest

from patter_cli.audio.frame import FloatSamples, Samples
from patter_cli.contracts.stt import Final, Partial, Recognised
from patter_cli.errors import MissingExtra, Unavailable
from patter_cli.extras import install_command
from patter_cli.providers import inference
from patter_cli.providers.inference import asset
from patter_cli.providers.moonshine import RATE_HZ, Session, SpeechToText, _quietest
from patter_cli.providers.pool import InferencePool, Owner, Rank
from patter_cli.text.compare import word_error_rate

installed = pytest.mark.skipif(
    not (find_spec("onnxruntime") and find_spec("moonshine_voice")), reason="needs the extra [local]"
)


class HeldPool(InferencePool):
    """A pool that runs work when the test says so, the first in rank first."""

    def __init__(self) -> None:
        super().__init__(1)
        self.held: list[tuple[Rank, Future[Any], Callable[[], Any]]] = []
        self.busy = False

    @property
    def idle(self) -> bool:
        return not self.busy

    def submit(self, work: Callable[[], Any], rank: Rank, owner: Owner | None = None) -> Future[Any]:
        future: Future[Any] = Future()
        self.held.append((rank, future, work))
        return future

    @property
    def waiting(self) -> list[Rank]:
        """The ranks of what waits and has not been cancelled."""
        return sorted(rank for rank, future, _ in self.held if not future.cancelled())

    async def run_all(self) -> None:
        """Run what waits, and let the session hear of it."""
        while self.held:
            self.held.sort(key=lambda one: one[0])
            _, future, work = self.held.pop(0)
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except Exception as error:  # noqa: BLE001 - as the pool does
                    future.set_exception(error)
            for _ in range(3):
                await asyncio.sleep(0)


class Ears:
    """Says how many tenths of a second it was shown, and remembers each time."""

    def __init__(self, reply: Callable[[float], str] | None = None) -> None:
        self.heard: list[float] = []
        self._reply = reply or (lambda seconds: f"{seconds:.1f}")

    def __call__(self, speech: FloatSamples, unwanted: Callable[[], bool]) -> str:
        seconds = round(speech.size / RATE_HZ, 2)
        self.heard.append(seconds)
        return self._reply(seconds)


def noise(seconds: float) -> Samples:
    """Loud enough to be taken for speech."""
    return (np.sin(np.arange(round(seconds * RATE_HZ)) * 0.2) * 5000).astype(np.int16)


def found(session: Session) -> list[Recognised]:
    """What waits to be read."""
    return list(session._found)


async def rest(session: Session) -> list[Recognised]:
    """What a reader still gets after the end."""
    return [result async for result in session.results()]


async def test_a_final_is_everything_since_the_commit() -> None:
    """A sentence taken up again is read whole, and the next turn starts afresh."""
    pool, ears = HeldPool(), Ears()
    session = Session(transcribe=ears, pool=pool)
    session.push(noise(0.4))
    session.finalize()
    await pool.run_all()
    session.push(noise(0.3))
    session.finalize()
    await pool.run_all()
    session.commit()
    session.push(noise(0.2))
    session.finalize()
    await pool.run_all()
    assert found(session) == [
        Final(segment=0, text="0.4"),
        Final(segment=0, text="0.7"),
        Final(segment=1, text="0.2"),
    ]


async def test_every_finalize_is_answered_once_and_in_order() -> None:
    """Asking twice gives two answers, though the model reads once; a commit in between does not lose one."""
    pool, ears = HeldPool(), Ears()
    session = Session(transcribe=ears, pool=pool)
    session.push(noise(0.4))
    session.finalize()
    session.finalize()
    session.commit()
    session.finalize()
    session.push(noise(0.3))
    session.finalize()
    await pool.run_all()
    assert found(session) == [
        Final(segment=0, text="0.4"),
        Final(segment=0, text="0.4"),
        Final(segment=1, text=""),
        Final(segment=1, text="0.3"),
    ]
    assert ears.heard == [0.4, 0.3]


async def test_what_was_read_already_is_answered_at_once() -> None:
    """With nothing new, a finalize needs no reading."""
    pool, ears = HeldPool(), Ears()
    session = Session(transcribe=ears, pool=pool)
    session.push(noise(0.9))
    await pool.run_all()
    session.finalize()
    assert pool.held == []
    assert found(session) == [Final(segment=0, text="0.9")]


async def test_a_partial_for_every_half_second() -> None:
    """While the caller speaks, 0.8 s and each half second of new sound are read, and only a change is told."""
    pool, ears = HeldPool(), Ears(lambda seconds: "one" if seconds < 1.2 else "one two")
    session = Session(transcribe=ears, pool=pool)
    told: list[Recognised] = []
    for _ in range(95):
        session.push(noise(0.02))
        await pool.run_all()
        told += found(session)
        session._found.clear()
    assert [round(each, 1) for each in ears.heard] == [0.8, 1.3, 1.8]
    assert told == [Partial(segment=0, text="one"), Partial(segment=0, text="one two")]


async def test_no_partial_when_the_pool_is_busy() -> None:
    """Partials only use what nobody needs; one is made up for when the pool is free again."""
    pool, ears = HeldPool(), Ears()
    session = Session(transcribe=ears, pool=pool)
    pool.busy = True
    session.push(noise(0.8))
    assert pool.held == []
    pool.busy = False
    session.push(noise(0.1))
    assert pool.waiting == [Rank.SPARE]


async def test_a_final_goes_before_a_partial() -> None:
    """A finalize takes the place of a partial that has not been read yet."""
    pool, ears = HeldPool(), Ears()
    session = Session(transcribe=ears, pool=pool)
    session.push(noise(0.9))
    session.push(noise(0.2))
    session.finalize()
    assert pool.waiting == [Rank.AWAITED]
    await pool.run_all()
    assert ears.heard == [1.1]
    assert found(session) == [Final(segment=0, text="1.1")]


async def test_a_partial_under_way_that_heard_everything_is_the_final() -> None:
    """Nothing is read twice: a finalize waits for the reading that is under way."""
    pool, ears = HeldPool(), Ears()
    session = Session(transcribe=ears, pool=pool)
    session.push(noise(0.9))
    session.finalize()
    await pool.run_all()
    assert ears.heard == [0.9]
    assert found(session) == [Final(segment=0, text="0.9")]


async def test_an_abandoned_reading_is_told_so_and_not_believed() -> None:
    """A partial that is being read when a finalize comes learns that nobody wants it, and says nothing."""
    pool = HeldPool()
    wanted: list[bool] = []

    def transcribe(speech: FloatSamples, unwanted: Callable[[], bool]) -> str:
        if not wanted:
            session.push(noise(0.2))
            session.finalize()
        wanted.append(not unwanted())
        return f"{speech.size / RATE_HZ:.1f}"

    session = Session(transcribe=transcribe, pool=pool)
    session.push(noise(0.9))
    await pool.run_all()
    assert wanted == [False, True]
    assert found(session) == [Final(segment=0, text="1.1")]


@pytest.mark.parametrize("text", ["You", "you.", "Thank you for watching.", "♪"])
async def test_what_the_model_writes_for_noise_is_no_words(text: str) -> None:
    """A "You" alone is what the model makes of a cough or a keyboard, and is not told to anybody."""
    pool = HeldPool()
    session = Session(transcribe=Ears(lambda seconds: text), pool=pool)
    session.push(noise(0.4))
    session.finalize()
    await pool.run_all()
    assert found(session) == [Final(segment=0, text="")]


async def test_sound_without_words() -> None:
    """Next to nothing and silence are not shown to the model, and music notes are no words."""
    pool, ears = HeldPool(), Ears(lambda seconds: "♪♪♪")
    session = Session(transcribe=ears, pool=pool)
    session.finalize()
    session.push(noise(0.09))
    session.finalize()
    session.commit()
    session.push(np.zeros(RATE_HZ, np.int16))
    session.finalize()
    await pool.run_all()
    assert ears.heard == []
    session.commit()
    session.push(noise(0.4))
    session.finalize()
    await pool.run_all()
    assert ears.heard == [0.4]
    assert [result.text for result in found(session)] == ["", "", "", ""]


async def test_silence_around_speech_is_left_out() -> None:
    """The model is shown the speech with a tenth of a second each side."""
    pool, ears = HeldPool(), Ears()
    session = Session(transcribe=ears, pool=pool)
    session.push(np.concatenate((np.zeros(RATE_HZ, np.int16), noise(1.0), np.zeros(RATE_HZ, np.int16))))
    session.finalize()
    await pool.run_all()
    assert ears.heard == [1.2]


async def test_old_spellings_are_modernised() -> None:
    """What the model writes as a century ago comes out as today, without blanks around."""
    pool, ears = HeldPool(), Ears(lambda seconds: " See you to-morrow. Good-by! ")
    session = Session(transcribe=ears, pool=pool)
    session.push(noise(0.4))
    session.finalize()
    await pool.run_all()
    assert found(session) == [Final(segment=0, text="See you tomorrow. Goodbye!")]


async def test_a_long_segment_is_cut_at_its_pause() -> None:
    """Above 15 s the front is read once, up to the pause, and its text is kept."""
    pool, ears = HeldPool(), Ears()
    session = Session(transcribe=ears, pool=pool)
    session.push(noise(10.0))
    session.push((noise(0.4) // 50).astype(np.int16))
    session.push(noise(6.0))
    session.finalize()
    await pool.run_all()
    session.push(noise(1.0))
    session.finalize()
    await pool.run_all()
    front, back, again = ears.heard
    assert 10.0 < front < 10.4
    assert front + back == pytest.approx(16.4, abs=0.02)
    assert again == pytest.approx(back + 1.0, abs=0.02)
    assert [result.text for result in found(session)] == [f"{front:.1f} {back:.1f}", f"{front:.1f} {again:.1f}"]


def test_the_cut_is_in_the_quiet() -> None:
    """The quietest fifth of a second of the second half is where a segment is cut."""
    samples = noise(15.0)
    samples[9 * RATE_HZ : 9 * RATE_HZ + RATE_HZ // 4] = 0
    assert 9.0 * RATE_HZ < _quietest(samples) < 9.25 * RATE_HZ


async def test_a_failure_comes_out_of_results_once() -> None:
    """A model that fails is a ProviderError for the reader, not for whoever pushes; then the session is over."""
    pool = HeldPool()

    def broken(speech: FloatSamples, unwanted: Callable[[], bool]) -> str:
        raise RuntimeError("no memory")

    session = Session(transcribe=broken, pool=pool)
    session.push(noise(0.4))
    session.finalize()
    await pool.run_all()
    with pytest.raises(Unavailable, match="no memory"):
        await rest(session)
    session.push(noise(0.4))
    session.finalize()
    assert await rest(session) == []


async def test_closing_is_prompt_and_ends_the_results() -> None:
    """A reader that waits is released, a reading that waits is taken back, and closing twice is fine."""
    pool, ears = HeldPool(), Ears()
    session = Session(transcribe=ears, pool=pool)
    reader = asyncio.create_task(rest(session))
    session.push(noise(0.4))
    session.finalize()
    await asyncio.sleep(0)
    await session.aclose()
    await session.aclose()
    assert await reader == []
    assert pool.waiting == []
    session.push(noise(0.9))
    session.finalize()
    assert pool.waiting == []


async def test_an_unread_partial_gives_way() -> None:
    """A reader that is behind finds the newest partial only, and every final."""
    pool, ears = HeldPool(), Ears()
    session = Session(transcribe=ears, pool=pool)
    for _ in range(3):
        session.push(noise(0.5))
        await pool.run_all()
    assert found(session) == [Partial(segment=0, text="1.5")]


async def test_missing_models_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the hint is the command that brings it."""
    monkeypatch.setattr(inference, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as raised:
        asset("moonshine_voice", "assets/tiny-en/tokenizer.bin")
    assert raised.value.hint == install_command("local")


def test_another_file_than_the_known_one_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A model file whose hash differs is not loaded."""
    (tmp_path / "model.ort").write_bytes(b"something else")
    monkeypatch.setattr(inference, "asset", lambda package, path: tmp_path / path)
    with pytest.raises(MissingExtra, match=r"another model\.ort"):
        inference.verified("moonshine_voice", "model.ort", "00")


def test_the_pool_runs_by_rank_and_forgets_what_is_cancelled() -> None:
    """What somebody waits for is run before what came earlier; cancelled work is not run at all."""
    pool = InferencePool(1)
    order: list[str] = []
    began, gate = Event(), Event()
    first = pool.submit(lambda: (began.set(), gate.wait(10)), Rank.SPARE)
    assert began.wait(10)
    waiting = [
        pool.submit(lambda: order.append("spare"), Rank.SPARE),
        pool.submit(lambda: order.append("cancelled"), Rank.AWAITED),
        pool.submit(lambda: order.append("awaited"), Rank.AWAITED),
    ]
    assert not pool.idle
    waiting[1].cancel()
    gate.set()
    for future in (first, waiting[2], waiting[0]):
        future.result(timeout=10)
    assert order == ["awaited", "spare"]
    pool.close()
    assert pool.submit(lambda: None, Rank.AWAITED).cancelled()


@installed
async def test_the_real_model_understands_a_human() -> None:
    """A reading of Beckett, pushed in frames, comes out word for word, the same every time."""
    with wave.open(str(asset("moonshine_voice", "assets/beckett.wav"))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    finals: list[str] = []
    for _ in range(2):
        session = await SpeechToText().open()
        for at in range(0, samples.size, 320):
            session.push(samples[at : at + 320])
        session.finalize()
        async for result in session.results():
            if isinstance(result, Final):
                finals.append(result.text)
                await session.aclose()
    said = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
    assert word_error_rate(said, finals[0]) == 0.0
    assert finals[0] == finals[1]
