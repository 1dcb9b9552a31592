"""What the engine relies on from any vendor's voice, against a scripted vendor on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import pytest

from patter_cli.audio.frame import ULAW_8K
from patter_cli.audio.g711 import decode_ulaw
from patter_cli.contracts.tts import ContinuedVoice, SpeaksWire, TextToSpeech, TtsSession, Voiced, WordTimes
from patter_cli.errors import (
    BadReply,
    ConfigError,
    MissingCredential,
    NoCredit,
    NotOffered,
    ProviderError,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from patter_cli.testing.vendors.speech import Trouble
from patter_cli.testing.vendors.tones import GAP_MS, WORD_MS, ToneEars
from tests.contract.speech_rows import KEY, VOICES, VoiceRow, ours, table

PROMPT_S = 1.0
EVERY = pytest.mark.parametrize("row", VOICES, ids=lambda row: row.name)


class Spoken:
    """What came of one clause, heard and timed."""

    def __init__(self, rate_hz: int) -> None:
        self._ears = ToneEars(rate_hz)
        self.times = WordTimes((), ())
        self.coded = 0
        self.samples = 0

    def take(self, piece: Voiced) -> None:
        if isinstance(piece, WordTimes):
            self.times = piece
            return
        self.coded += isinstance(piece, bytes)
        sound = decode_ulaw(piece) if isinstance(piece, bytes) else piece
        self.samples += len(sound)
        self._ears.push(sound)

    async def words(self) -> str:
        await self._ears.settle()
        return " ".join(each.text for each in self._ears.words)


async def opened(row: VoiceRow, recipe: TextToSpeech, *, linear: bool = False) -> tuple[TtsSession, int]:
    if linear or not row.mulaw:
        return await recipe.open(), recipe.rate_hz
    return await cast(SpeaksWire, recipe).open_on(ULAW_8K), 8000


async def speak(session: TtsSession, rate_hz: int, text: str, reply: int = 1) -> Spoken:
    if isinstance(session, ContinuedVoice):
        session.continues(reply)
    spoken = Spoken(rate_hz)
    async for piece in session.synthesize(text):
        spoken.take(piece)
    return spoken


def clause(session: TtsSession, text: str) -> AsyncGenerator[Voiced, None]:
    return cast("AsyncGenerator[Voiced, None]", session.synthesize(text))


@EVERY
@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("piece_bytes", [1, 333, 100_000])
async def test_a_clause_is_spoken_whole_however_it_is_cut(row: VoiceRow, linear: bool, piece_bytes: int) -> None:
    """On the line's own wire without a decoder, or as samples; pieces end in the middle of a sample."""
    async with row.vendor(key=KEY) as vendor:
        vendor.piece_bytes = piece_bytes if piece_bytes > 1 else 61
        session, rate_hz = await opened(row, row.make(vendor.url), linear=linear)
        spoken = await speak(session, rate_hz, "We open at nine.")
        assert await spoken.words() == "we open at nine"
        length_ms = 4 * (WORD_MS + GAP_MS)
        assert abs(spoken.samples * 1000 / rate_hz - length_ms) < GAP_MS + 5
        assert bool(spoken.coded) is (row.mulaw and not linear)
        await session.aclose()


@EVERY
async def test_the_first_sound_comes_while_the_rest_is_made(row: VoiceRow) -> None:
    """Not at the end of the clause."""
    async with row.vendor(key=KEY) as vendor:
        vendor.gap_s, vendor.piece_bytes = 0.04, 2000
        session, _ = await opened(row, row.make(vendor.url))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        first_s = 0.0
        async for piece in session.synthesize("we open at nine tomorrow evening"):
            first_s = first_s or (0.0 if isinstance(piece, WordTimes) else loop.time() - began_s)
        whole_s = loop.time() - began_s
        assert first_s < whole_s / 2
        await session.aclose()


@EVERY
async def test_the_times_of_words_are_those_of_the_clause(row: VoiceRow) -> None:
    """From the clause's first sample on, also of a reply's second clause; history is cut by them."""
    async with row.vendor(key=KEY) as vendor:
        session, rate_hz = await opened(row, row.make(vendor.url))
        for text in ("We open at nine.", "Say that again, please!"):
            spoken = await speak(session, rate_hz, text)
            starts, ends = spoken.times.starts_ms, spoken.times.ends_ms
            if not row.timed:
                assert ends == ()
                continue
            assert len(ends) == 4
            for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
                assert abs(start - index * (WORD_MS + GAP_MS)) <= 25, (text, starts)
                assert abs(end - start - WORD_MS) <= 40, (text, ends)
        await session.aclose()


@EVERY
async def test_nothing_to_pronounce_asks_nobody(row: VoiceRow) -> None:
    """Blanks, marks and dashes cost nothing."""
    async with row.vendor(key=KEY) as vendor:
        session, rate_hz = await opened(row, row.make(vendor.url))
        for text in ("", "  ", "…", "— !"):
            assert (await speak(session, rate_hz, text)).samples == 0
        assert vendor.texts == []
        await session.aclose()


@EVERY
async def test_a_reply_is_spoken_in_one_breath_and_the_next_is_another(row: VoiceRow) -> None:
    """Where the vendor can, a clause knows what was said before it in its reply; every clause is asked for once."""
    async with row.vendor(key=KEY) as vendor:
        session, rate_hz = await opened(row, row.make(vendor.url))
        for reply, text in ((1, "We open at nine."), (1, "Say that again."), (2, "Goodbye.")):
            assert (await (await speak(session, rate_hz, text, reply)).words()).split()
        assert [each.strip() for each in vendor.texts] == ["We open at nine.", "Say that again.", "Goodbye."]
        if row.breath:
            assert vendor.breaths() == [["We open at nine.", "Say that again."], ["Goodbye."]]
        assert len(vendor.sockets) <= 1
        await session.aclose()


@EVERY
async def test_a_clause_that_is_broken_off_is_not_heard_in_the_next(row: VoiceRow) -> None:
    """Six times in a row: a caller interrupts, and what the vendor still sends is dropped."""
    async with row.vendor(key=KEY) as vendor:
        vendor.gap_s, vendor.piece_bytes = 0.002, 300
        session, rate_hz = await opened(row, row.make(vendor.url))
        for reply in range(6):
            if isinstance(session, ContinuedVoice):
                session.continues(reply)
            async with aclosing(clause(session, "sorry say that again one moment please")) as pieces:
                async for piece in pieces:
                    if not isinstance(piece, WordTimes):
                        break
        spoken = await speak(session, rate_hz, "We open at nine.", 9)
        assert await spoken.words() == "we open at nine"
        await session.aclose()


async def test_a_vendor_that_stalls_within_a_clause_has_not_finished_it() -> None:
    """One that tells no end, but the letters: as long as some are to come, so is their sound."""
    row = next(each for each in VOICES if each.name == "elevenlabs socket")
    async with row.vendor(key=KEY) as vendor:
        session, rate_hz = await opened(row, row.make(vendor.url))
        vendor.gap_s, vendor.piece_bytes = 0.8, 1800
        assert await (await speak(session, rate_hz, "We open at nine.")).words() == "we open at nine"
        vendor.gap_s = 0.0
        assert await (await speak(session, rate_hz, "Say that again.")).words() == "say that again"
        await session.aclose()


@EVERY
@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.01, 0.05])
async def test_a_clause_can_be_given_up_at_any_moment(row: VoiceRow, after_s: float) -> None:
    """By cancelling whoever listens; the session speaks on afterwards."""
    async with row.vendor(key=KEY) as vendor:
        vendor.gap_s, vendor.piece_bytes = 0.005, 300
        session, rate_hz = await opened(row, row.make(vendor.url))
        listening = asyncio.create_task(speak(session, rate_hz, "sorry say that again one moment please", 1))
        await asyncio.sleep(after_s)
        listening.cancel()
        async with asyncio.timeout(PROMPT_S):
            await asyncio.wait({listening})
        assert await (await speak(session, rate_hz, "Goodbye.", 2)).words() == "goodbye"
        await session.aclose()


REFUSALS: dict[Trouble, type[ProviderError]] = {
    Trouble.BAD_KEY: Unauthorized,
    Trouble.NO_CREDIT: NoCredit,
    Trouble.BUSY: RateLimited,
    Trouble.DOWN: Unavailable,
    Trouble.NO_MODEL: NotOffered,
}


async def one_word(row: VoiceRow, recipe: TextToSpeech) -> Spoken:
    session, rate_hz = await opened(row, recipe)
    try:
        return await speak(session, rate_hz, "Goodbye, and thanks again.")
    finally:
        await session.aclose()


@EVERY
@pytest.mark.parametrize("trouble", REFUSALS)
async def test_a_voice_that_is_refused_says_why(row: VoiceRow, trouble: Trouble) -> None:
    """By its class, and never with the key in its words."""
    async with row.vendor(key=KEY, trouble=trouble) as vendor:
        recipe = row.make(vendor.url)
        with pytest.raises(REFUSALS[trouble]) as refused:
            await one_word(row, recipe)
    assert KEY not in str(refused.value)
    assert refused.value.provider == recipe.provider


@EVERY
@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (Trouble.BREAKS, (Unavailable,)),
        (Trouble.GARBAGE, (BadReply, Unavailable)),
        (Trouble.ERROR, (ProviderError,)),
    ],
)
async def test_a_voice_that_breaks_is_told(
    row: VoiceRow, trouble: Trouble, expected: tuple[type[ProviderError], ...]
) -> None:
    """In the middle of a clause."""
    if trouble is Trouble.ERROR and not row.by_socket:
        pytest.skip("it has no errors after its first line")
    async with row.vendor(key=KEY, trouble=trouble) as vendor:
        vendor.gap_s, vendor.piece_bytes = 0.05, 400
        with pytest.raises(expected):
            await one_word(row, row.make(vendor.url))
    with pytest.raises(Unavailable):
        await one_word(row, row.make("http://127.0.0.1:9"))


@EVERY
async def test_a_connection_that_was_lost_between_clauses_is_opened_again(row: VoiceRow) -> None:
    """The caller thought for a while, and the vendor hung up: nobody hears of it."""
    async with row.vendor(key=KEY) as vendor:
        session, rate_hz = await opened(row, row.make(vendor.url))
        assert await (await speak(session, rate_hz, "Yes.")).words() == "yes"
        for each in vendor.sockets:
            await each.close(1000, "idle")
        await asyncio.sleep(0.05)
        assert await (await speak(session, rate_hz, "No.")).words() == "no"
        await session.aclose()


@EVERY
async def test_two_calls_share_nothing(row: VoiceRow) -> None:
    """Each has its own words, and closing one leaves the other alone."""
    async with row.vendor(key=KEY) as vendor:
        recipe = row.make(vendor.url)
        (one, rate_hz), (other, _) = await opened(row, recipe), await opened(row, recipe)
        mine, theirs = await asyncio.gather(
            speak(one, rate_hz, "We open at nine."), speak(other, rate_hz, "Goodbye, thanks.")
        )
        assert (await mine.words(), await theirs.words()) == ("we open at nine", "goodbye thanks")
        await one.aclose()
        assert await (await speak(other, rate_hz, "Yes.")).words() == "yes"
        await other.aclose()


@EVERY
@pytest.mark.parametrize("trouble", [Trouble.NONE, Trouble.HALF_OPEN])
async def test_closing_is_prompt_and_twice_is_fine_and_nothing_is_left(row: VoiceRow, trouble: Trouble) -> None:
    """In the middle of a clause, also of a vendor that has fallen silent."""
    async with row.vendor(key=KEY, trouble=trouble) as vendor:
        vendor.gap_s, vendor.piece_bytes = 0.05, 400
        before = asyncio.all_tasks()
        sessions: list[TtsSession] = []
        listening = asyncio.create_task(long_clause(row, row.make(vendor.url), sessions))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(PROMPT_S):
            for session in sessions:
                await session.aclose()
                await session.aclose()
            listening.cancel()
            await asyncio.wait({listening})
        await asyncio.sleep(0.02)
        assert not ours(asyncio.all_tasks() - before)


async def long_clause(row: VoiceRow, recipe: TextToSpeech, sessions: list[TtsSession]) -> None:
    session, rate_hz = await opened(row, recipe)
    sessions.append(session)
    await speak(session, rate_hz, "sorry say that again one moment please")


@EVERY
def test_without_a_key_nothing_rings(row: VoiceRow, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before the first ring, with the variable's name; so is an address that is none."""
    recipe = row.make("http://127.0.0.1:9")
    monkeypatch.delenv(recipe.key_variable, raising=False)
    with pytest.raises(MissingCredential, match=recipe.key_variable):
        type(recipe)().check()
    with pytest.raises(ConfigError):
        row.make("ftp://nowhere")


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """pytest -s shows it."""
    head = ("voice", "stream", "one breath", "cancel", "reconnect", "word times", "native mu-law", "SDK")
    rows: list[tuple[object, ...]] = [
        (
            row.name,
            "socket" if row.by_socket else "http",
            row.breath,
            True,
            True,
            row.timed,
            row.native,
            row.sdk or "-",
        )
        for row in VOICES
    ]
    with capsys.disabled():
        print("\n" + table(head, rows))
