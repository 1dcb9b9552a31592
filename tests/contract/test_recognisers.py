"""What the engine relies on from any recogniser, against a scripted vendor on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import numpy as np
import pytest

from patter_cli.audio.frame import ULAW_8K, AudioFormat, Samples
from patter_cli.audio.wire import wire_codec
from patter_cli.contracts.stt import EndOfTurn, Final, HearsWire, Partial, Recognised, SttSession, WireSttSession
from patter_cli.errors import (
    BadReply,
    ConfigError,
    MissingCredential,
    NoCredit,
    NotOffered,
    ProviderError,
    RateLimited,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from patter_cli.testing.vendors.hearing import HearingVendor
from patter_cli.testing.vendors.speech import Trouble
from patter_cli.testing.vendors.tones import GAP_MS, WORD_MS, spoken
from tests.contract.speech_rows import EARS, KEY, EarsRow, ours, table

PROMPT_S = 1.0
"""For what is to happen at once; never reached when it does."""
LIVE = 3
"""How much faster than in life a voice that is sent in its own time speaks; vendors' twins go by the sound they get."""
PAUSE_MS = 240
"""Of silence after what is said, as long as our detector waits."""
FIRST_AND_SLOWLY_ALL = pytest.mark.parametrize(
    "row", [EARS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in EARS[1:])], ids=str
)
EVERY = pytest.mark.parametrize("row", EARS, ids=lambda row: row.name)


class Caller:
    """A session at work, what it said, and somebody who speaks into it."""

    def __init__(self, session: SttSession, format: AudioFormat | None, rate_hz: int) -> None:
        self.session = session
        self._codec = None if format is None else wire_codec(format)
        self.rate_hz = rate_hz
        self.heard: list[Recognised] = []
        self.error: BaseException | None = None
        self._came = asyncio.Event()
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for each in self.session.results():
                self.heard.append(each)
                self._came.set()
        except ProviderError as error:
            self.error = error
        self._came.set()

    def push(self, samples: Samples) -> None:
        if self._codec is None:
            self.session.push(samples)
        else:
            cast(WireSttSession, self.session).push_wire(self._codec.encode(samples))

    async def say(self, text: str, cut: int = 160, *, pause_ms: int = PAUSE_MS, live: bool = False) -> None:
        """In pieces of so many samples; live: in its own time."""
        sound = np.concatenate((spoken(text, self.rate_hz)[0], np.zeros(self.rate_hz * pause_ms // 1000, np.int16)))
        for at in range(0, len(sound), cut):
            self.push(sound[at : at + cut])
            if live:
                await asyncio.sleep(cut / self.rate_hz / LIVE)

    @property
    def finals(self) -> list[Final]:
        return [each for each in self.heard if isinstance(each, Final)]

    async def until(self, done: Callable[[], bool], seconds: float = 3.0) -> None:
        async with asyncio.timeout(seconds):
            while not done() and self.error is None:
                self._came.clear()
                await self._came.wait()
        if self.error is not None:
            raise self.error

    async def final(self, seconds: float = 3.0) -> Final:
        """Ask for one and wait for it."""
        count = len(self.finals)
        self.session.finalize()
        await self.until(lambda: len(self.finals) > count, seconds)
        return self.finals[count]


@asynccontextmanager
async def calling(row: EarsRow, vendor: HearingVendor, *, linear: bool = False, **more: Any) -> AsyncIterator[Caller]:
    recipe = row.make(vendor.url, **more)
    if linear or not row.mulaw:
        caller = Caller(await recipe.open(), None, recipe.rate_hz)
    else:
        assert isinstance(recipe, HearsWire)
        caller = Caller(await recipe.open_on(ULAW_8K), ULAW_8K, 8000)
    try:
        yield caller
    finally:
        await caller.session.aclose()
        await asyncio.wait({caller.reader})


def bare(text: str) -> str:
    return text.lower().replace(".", "").replace(",", "").strip()


@EVERY
@pytest.mark.parametrize("linear", [False, True])
async def test_words_come_as_they_are_said_and_a_final_when_it_is_asked_for(row: EarsRow, linear: bool) -> None:
    """On the line's own wire, and as samples."""
    async with row.vendor(key=KEY) as vendor, calling(row, vendor, linear=linear) as caller:
        await caller.say("I want a table", live=True)
        final = await caller.final()
        partials = [each.text for each in caller.heard if isinstance(each, Partial)]
    assert bare(final.text) == "i want a table"
    assert final.segment == 0
    assert bare(partials[-1]).startswith("i want")
    assert vendor.sound_bytes > 1000


@EVERY
@pytest.mark.parametrize("cut", [1, 77, 100_000])
async def test_sound_in_pieces_of_any_length_is_the_same_sound(row: EarsRow, cut: int) -> None:
    """A sample a piece, a whole sentence in one."""
    async with row.vendor(key=KEY) as vendor, calling(row, vendor) as caller:
        await caller.say("book a table", cut)
        assert bare((await caller.final(4.0)).text) == "book a table"


@EVERY
async def test_a_pause_is_no_end_and_a_turn_that_is_over_begins_another_segment(row: EarsRow) -> None:
    """Two stretches with a final each are one segment; after a commit there is a new one, without the old words."""
    async with row.vendor(key=KEY) as vendor, calling(row, vendor) as caller:
        await caller.say("I want", live=row.live_pace)
        first = await caller.final()
        await caller.say("a table", live=row.live_pace)
        second = await caller.final()
        caller.session.commit()
        await caller.say("for two people", live=row.live_pace)
        third = await caller.final()
    assert [(each.segment, bare(each.text)) for each in (first, second, third)] == [
        (0, "i want"),
        (0, "i want a table"),
        (1, "for two people"),
    ]


@EVERY
async def test_the_times_of_words_are_those_of_the_line(row: EarsRow) -> None:
    """Each word's, in what was pushed, of all stretches of a turn and of the next; unknown where nobody says."""
    async with row.vendor(key=KEY) as vendor, calling(row, vendor) as caller:
        at_ms = 0
        for text, commit in (("I want", False), ("a table", True), ("for two people", False)):
            await caller.say(text, live=row.live_pace)
            final = await caller.final()
            told = len(final.text.split()) if row.timed else 0
            assert len(final.spans) == told
            for index, (start, end) in enumerate(final.spans[-len(text.split()) :]):
                assert abs(start - (at_ms + index * (WORD_MS + GAP_MS))) <= 25, final
                assert abs(end - start - WORD_MS) <= 45, final
            at_ms += len(text.split()) * (WORD_MS + GAP_MS) + PAUSE_MS
            if commit:
                caller.session.commit()


@EVERY
async def test_words_of_a_turn_that_was_closed_meanwhile_stay_its_own(row: EarsRow) -> None:
    """A final that is asked for, and the commit at once after it: the answer is the old segment's."""
    async with row.vendor(key=KEY) as vendor, calling(row, vendor) as caller:
        await caller.say("yes please", live=row.live_pace)
        caller.session.finalize()
        caller.session.commit()
        await caller.until(lambda: len(caller.finals) == 1)
        await caller.say("goodbye", live=row.live_pace)
        second = await caller.final()
    assert bare(caller.finals[0].text) == "yes please"
    assert (second.segment, bare(second.text)) == (1, "goodbye")


@EVERY
async def test_every_question_has_one_answer_in_order(row: EarsRow) -> None:
    """Without any sound, twice in a row, with silence only."""
    async with row.vendor(key=KEY) as vendor, calling(row, vendor) as caller:
        assert (await caller.final()).text == ""
        caller.push(np.zeros(caller.rate_hz // 5, np.int16))
        caller.session.finalize()
        caller.session.finalize()
        await caller.until(lambda: len(caller.finals) == 3)
        await caller.say("yes", live=row.live_pace)
        assert bare((await caller.final()).text) == "yes"
        assert len(caller.finals) == 4


@EVERY
async def test_the_vendors_own_end_of_turn_is_told(row: EarsRow) -> None:
    """By those that hear it; of those that only count silence nothing is made."""
    async with row.vendor(key=KEY) as vendor, calling(row, vendor) as caller:
        await caller.say("goodbye", pause_ms=900, live=row.live_pace)
        await asyncio.sleep(0.3)
        ends = [each for each in caller.heard if isinstance(each, EndOfTurn) and each.probability == 1.0]
    assert bool(ends) is row.ends_turns
    assert all(each.segment == 0 for each in ends)


@EVERY
async def test_key_terms_and_language_reach_the_vendor(row: EarsRow) -> None:
    """As it wants them."""
    if row.keyterms is None:
        pytest.skip("it takes none")
    terms = ("Bright Smile", "Nguyen")
    async with row.vendor(key=KEY) as vendor, calling(row, vendor, keyterms=terms, language="en-US") as caller:
        await caller.say("yes")
        await caller.final()
        assert tuple(row.keyterms(vendor.asked[-1], vendor.said)) == terms


REFUSALS: dict[Trouble, type[ProviderError]] = {
    Trouble.BAD_KEY: Unauthorized,
    Trouble.NO_CREDIT: NoCredit,
    Trouble.BUSY: RateLimited,
    Trouble.DOWN: Unavailable,
    Trouble.NO_MODEL: NotOffered,
}


@EVERY
@pytest.mark.parametrize("trouble", REFUSALS)
async def test_a_session_that_is_refused_says_why(row: EarsRow, trouble: Trouble) -> None:
    """By its class, and never with the key in its words."""
    async with row.vendor(key=KEY, trouble=trouble) as vendor:
        with pytest.raises(REFUSALS[trouble]) as refused:
            await one_word(row, vendor)
    assert KEY not in str(refused.value)
    assert refused.value.provider == row.make(vendor.url).provider


@EVERY
async def test_a_wrong_key_and_a_vendor_that_is_not_there(row: EarsRow) -> None:
    """Unauthorized with the variable's name; Unavailable at once."""
    async with row.vendor(key="another") as vendor:
        with pytest.raises(Unauthorized):
            await one_word(row, vendor)
    with pytest.raises(Unavailable):
        await row.make("http://127.0.0.1:9").open()


@EVERY
@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (Trouble.BREAKS, (Unavailable,)),
        (Trouble.ERROR, (ProviderError,)),
        (Trouble.GARBAGE, (BadReply, Unavailable)),
    ],
)
async def test_a_session_that_breaks_is_told_by_its_results(
    row: EarsRow, trouble: Trouble, expected: tuple[type[ProviderError], ...]
) -> None:
    """Whatever it broke with, within moments, and what is pushed afterwards harms nobody."""
    async with row.vendor(key=KEY, trouble=trouble) as vendor:
        with pytest.raises(expected):
            await broken_call(row, vendor)


async def one_word(row: EarsRow, vendor: HearingVendor) -> None:
    async with calling(row, vendor) as caller:
        await caller.say("yes")
        await caller.final()


async def broken_call(row: EarsRow, vendor: HearingVendor) -> None:
    async with calling(row, vendor) as caller:
        await caller.say("yes", live=True)
        try:
            await caller.until(lambda: False, 2.0)
        finally:
            caller.push(np.ones(160, np.int16))
            caller.session.finalize()


@FIRST_AND_SLOWLY_ALL
async def test_a_vendor_that_falls_silent_is_found_dead_or_answered_for(row: EarsRow) -> None:
    """Those that always say something break their session; for the others a final without words is the answer."""
    async with row.vendor(key=KEY, trouble=Trouble.HALF_OPEN) as vendor, calling(row, vendor) as caller:
        await caller.say("yes")
        if row.dies:
            with pytest.raises(TimedOut):
                await caller.final(4.0)
        else:
            assert (await caller.final(4.0)).text == ""


@FIRST_AND_SLOWLY_ALL
async def test_a_slow_vendor_is_waited_for(row: EarsRow) -> None:
    """A third of a second is not too much."""
    async with row.vendor(key=KEY, trouble=Trouble.SLOW) as vendor, calling(row, vendor) as caller:
        await caller.say("yes please", live=row.live_pace)
        assert bare((await caller.final()).text) == "yes please"


@EVERY
async def test_two_calls_share_nothing(row: EarsRow) -> None:
    """Each has its own words and its own end."""
    async with row.vendor(key=KEY) as vendor, calling(row, vendor) as one, calling(row, vendor) as other:
        await asyncio.gather(one.say("yes please", live=row.live_pace), other.say("goodbye", live=row.live_pace))
        mine, theirs = await asyncio.gather(one.final(), other.final())
        assert (bare(mine.text), bare(theirs.text)) == ("yes please", "goodbye")
        await one.session.aclose()
        other.session.commit()
        await other.say("no", live=row.live_pace)
        assert bare((await other.final()).text) == "no"


@EVERY
@pytest.mark.parametrize("trouble", [Trouble.NONE, Trouble.HALF_OPEN])
async def test_closing_is_prompt_and_twice_is_fine_and_nothing_is_left(row: EarsRow, trouble: Trouble) -> None:
    """Of a good session, and of one whose vendor has fallen silent."""
    async with row.vendor(key=KEY, trouble=trouble) as vendor:
        before = asyncio.all_tasks()
        async with calling(row, vendor) as caller:
            await caller.say("yes")
            await asyncio.sleep(0.15)
            async with asyncio.timeout(PROMPT_S):
                await caller.session.aclose()
                await caller.session.aclose()
                await asyncio.wait({caller.reader})
        await asyncio.sleep(0.05)
        assert not ours(asyncio.all_tasks() - before)
        async with asyncio.timeout(PROMPT_S):
            for each in vendor.sockets if trouble is not Trouble.HALF_OPEN else ():
                await each.gone.wait()


@EVERY
@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.004, 0.02])
async def test_opening_can_be_given_up_at_any_moment(row: EarsRow, after_s: float) -> None:
    """Nothing of it is left open."""
    async with row.vendor(key=KEY, trouble=Trouble.HANGS) as vendor:
        recipe = row.make(vendor.url)
        before = asyncio.all_tasks()
        opening = asyncio.create_task(recipe.open())
        await asyncio.sleep(after_s)
        opening.cancel()
        await asyncio.wait({opening}, timeout=PROMPT_S)
        assert opening.cancelled()
        assert not ours(asyncio.all_tasks() - before)


@EVERY
def test_without_a_key_nothing_rings(row: EarsRow, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before the first ring, with the variable's name; so is an address that is none."""
    recipe = row.make("http://127.0.0.1:9")
    variable = recipe.key_variable
    monkeypatch.delenv(variable, raising=False)
    keyless = type(recipe)()
    with pytest.raises(MissingCredential, match=variable):
        keyless.check()
    with pytest.raises(ConfigError):
        row.make("ftp://nowhere")


async def test_words_that_come_too_late_are_still_those_of_their_question() -> None:
    """It was answered with nothing in time; another final of its segment brings them, and none of the next turn's."""
    row = next(each for each in EARS if each.name == "speechmatics")
    async with row.vendor(key=KEY) as vendor, calling(row, vendor) as caller:
        vendor.thinks_s = 2.0
        await caller.say("yes please", cut=100_000)
        caller.session.finalize()
        await caller.until(lambda: len(caller.finals) == 1)
        caller.session.commit()
        await caller.until(lambda: len(caller.finals) == 2)
        vendor.thinks_s = 0.0
        await caller.say("goodbye")
        await caller.final()
    assert [(each.segment, bare(each.text)) for each in caller.finals] == [(0, ""), (0, "yes please"), (1, "goodbye")]


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """pytest -s shows it."""
    head = ("recogniser", "partials", "finalize", "end of turn", "word times", "key terms", "mu-law", "SDK")
    rows = [
        (row.name, True, True, row.ends_turns, row.timed, row.keyterms is not None, row.mulaw, row.sdk or "-")
        for row in EARS
    ]
    with capsys.disabled():
        print("\n" + table(head, rows))


@EVERY
async def test_a_session_can_be_opened_while_the_phone_rings(row: EarsRow) -> None:
    """The call that follows has it, one alone, and it hears as any; a lost one is not taken."""
    async with row.vendor(key=KEY) as vendor:
        recipe = cast(Any, row.make(vendor.url))
        await recipe.connect_ahead(ULAW_8K)
        await asyncio.sleep(0.02)
        assert len(vendor.sockets) == 1
        async with calling(row, vendor) as caller:
            assert len(vendor.sockets) == 1
            await caller.say("yes", live=row.live_pace)
            assert bare((await caller.final()).text) == "yes"
        await recipe.connect_ahead(ULAW_8K)
        await asyncio.sleep(0.02)
        vendor.sockets[-1].cut()
        await asyncio.sleep(0.02)
        async with calling(row, vendor) as caller:
            assert len(vendor.sockets) == 3
            await caller.say("no", live=row.live_pace)
            assert bare((await caller.final()).text) == "no"
    await row.make("http://127.0.0.1:9").connect_ahead(ULAW_8K)  # type: ignore[attr-defined]
