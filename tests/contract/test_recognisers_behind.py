"""A recogniser that has to catch up: a session that takes a broken one's place, and a line that stalled meanwhile."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from patter_cli.audio.frame import Samples
from patter_cli.testing.vendors.tones import spoken
from tests.contract.speech_rows import EARS, KEY, EarsRow
from tests.contract.test_recognisers import PAUSE_MS, Caller, bare, calling

SAID = "I want to book a table for two people"
PACED = pytest.mark.parametrize("row", [each for each in EARS if each.live_pace], ids=str)
STALLING = ("deepgram flux", "cartesia turns")
FED = pytest.mark.parametrize("row", [each for each in EARS if each.name in STALLING], ids=str)
NOISE = np.random.default_rng(7)


def noise(seconds: float, rate_hz: int) -> Samples:
    """Of a line that is never quite silent: loud enough that no sample of it passes for silence."""
    return NOISE.integers(-400, 401, int(seconds * rate_hz)).astype(np.int16)


async def noise_goes_on(caller: Caller, pushed: list[int]) -> None:
    """pushed: gets how many ms each time."""
    while True:
        caller.push(noise(0.02, caller.rate_hz))
        pushed.append(20)
        await asyncio.sleep(0.02)


@PACED
async def test_what_is_asked_while_it_catches_up_is_answered_with_all_of_it(row: EarsRow) -> None:
    """A second and a half at once, and the question with it: the vendor has its time from when it has had it all."""
    async with row.vendor(key=KEY) as vendor, calling(row, vendor) as caller:
        await caller.say(SAID, cut=100_000)
        assert bare((await caller.final(4.0)).text) == bare(SAID)


@PACED
async def test_a_line_with_noise_is_caught_up_with(row: EarsRow) -> None:
    """Two seconds of noise are behind when the caller speaks: it is left out, and their words are answered soon."""
    async with row.vendor(key=KEY) as vendor, calling(row, vendor) as caller:
        pushed = [2000]
        caller.push(noise(2.0, caller.rate_hz))
        line = asyncio.create_task(noise_goes_on(caller, pushed))
        await asyncio.sleep(0.3)
        said_at_ms = sum(pushed)
        words = spoken("yes please", caller.rate_hz)[0]
        caller.push((words + noise(len(words) / caller.rate_hz, caller.rate_hz)[: len(words)]).astype(np.int16))
        await asyncio.sleep(0.24)
        final = await caller.final(1.2)
        line.cancel()
    assert bare(final.text) == "yes please"
    assert abs(final.spans[0][0] - said_at_ms) <= 25, "on the line, though the vendor never had the noise"


@FED
async def test_a_line_that_stalls_moves_no_later_answer_forward(row: EarsRow) -> None:
    """Silence that we made is in the vendor's time: what it has heard by then is not taken for all that was said."""
    async with row.vendor(key=KEY) as vendor, calling(row, vendor) as caller:
        await caller.say("yes")
        await caller.final()
        caller.session.commit()
        await asyncio.sleep(1.6)
        given = vendor.sound_bytes
        assert given > 8 * 900, "the vendor was fed meanwhile"
        await caller.say(SAID, cut=100_000)
        final = await caller.final()
    assert bare(final.text) == bare(SAID)
    if row.timed:
        assert abs(final.spans[0][0] - (160 + PAUSE_MS)) <= 25, "on the line, which brought none of it"
