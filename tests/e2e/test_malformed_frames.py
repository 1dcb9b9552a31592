"""A live call whose carrier sends what its wire does not have: each such frame is passed over, the call goes on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from patter_cli.carriers.telnyx.stream import TelnyxStream
from patter_cli.carriers.twilio.stream import TwilioStream
from patter_cli.contracts.carrier.stream import Ignored, Refused, StreamCodec, StreamStarted
from tests.e2e.conftest import Earpiece, spoken
from tests.e2e.two_carriers import front, telnyx_call, twilio_call
from tests.fuzz.decoders import spoilt
from tests.fuzz.stream_samples import SAMPLES, STREAM_ID, TELNYX_ID, TELNYX_SAMPLES

pytestmark = pytest.mark.usefixtures("quiet_log")

FRAMES = 300
A_TICK = 2
"""So many after each 20 ms of the caller's audio, which stays below what a call may send."""


def malformed(codec: Callable[[], StreamCodec], start: str, samples: tuple[str, ...], seed: int) -> list[str]:
    """Frames that are no message of a stream that has started, and that a socket can carry."""
    dice, found = random.Random(seed), []
    while len(found) < FRAMES:
        text, end = spoilt(samples, dice), codec()
        assert isinstance(end.receive(start), StreamStarted)
        if isinstance(end.receive(text), Refused | Ignored) and len(text) < 60_000:
            try:
                text.encode()
            except UnicodeEncodeError:
                continue
            found.append(text)
    return found


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_call_survives_every_malformed_frame(carrier: str) -> None:
    """Three hundred of them in three seconds, second starts among them; then the caller asks and is answered."""
    async with front() as here:
        if carrier == "twilio":
            line = here.twilio_line(await here.twilio_stream(1), 1)
            own, call, samples, codec = STREAM_ID, twilio_call(1), SAMPLES, TwilioStream
        else:
            line = here.telnyx_line(await here.telnyx_stream(1), 1)
            own, call, samples, codec = TELNYX_ID, telnyx_call(1), TELNYX_SAMPLES, TelnyxStream
        live = line._codec._stream_id  # type: ignore[attr-defined]
        ours = tuple(
            each.replace(own, live).replace("v3:TESTcallcontrolid", call).replace("CA" + "0" * 31 + "1", call)
            for each in samples
        )
        frames = malformed(codec, ours[1], ours, seed=3)
        async with line:
            ear = line._handset
            assert isinstance(ear, Earpiece)
            assert await line.wait_for(lambda: ear.has_heard("hello caller."), 8.0)
            while frames:
                line._outbox.extend(frames[:A_TICK])
                del frames[:A_TICK]
                await asyncio.sleep(0.02)
                assert line.ended is None
            line.say(spoken("What are your opening hours?"))
            assert await line.wait_for(lambda: ear.has_heard("yes."), 8.0), ear.text
            assert here.service.live.count == len(here.log.calls) == 1
