"""While a vendor that a call cannot do without is down, nobody is picked up, and nobody rung, to hear an apology."""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import fromstring

import pytest

from patter_cli.callers import CallerRules
from patter_cli.engine.fallback import PROBE_S
from patter_cli.errors import VendorsDown
from patter_cli.server.control_messages import PlaceCall
from tests.e2e.conftest import SENTENCES, spoken
from tests.e2e.test_outbound import until
from tests.e2e.two_carriers import Front, front, incoming_on_telnyx, incoming_on_twilio, telnyx_call

WORDS = CallerRules().busy_message


async def heard_at_the_door(here: Front, number: int) -> list[tuple[str, str | None]]:
    """What Twilio is to do with a new call, as far as it is said or ended."""
    _, document = await here.twilio(incoming_on_twilio(number))
    return [(each.tag, each.text) for each in fromstring(document) if each.tag in ("Say", "Hangup")]


async def finds_out(here: Front, number: int) -> None:
    """One call begins, and its ears cannot be opened."""
    path = await here.twilio_stream(number)
    async with here.twilio_line(path, number) as line:
        assert await line.wait_for(lambda: here.service.live.count == 1, 5.0)
        await until(lambda: here.service.live.count == 0, 20.0)


async def test_one_call_finds_out_for_all(caplog: pytest.LogCaptureFixture) -> None:
    """The next callers hear the busy sentence, a dial is refused, and no vendor is asked; then one call is taken again,
    and when it was heard, all are."""
    async with front() as here:
        here.ears.down = True
        await finds_out(here, 1)
        asked = here.ears.opened
        assert await heard_at_the_door(here, 2) == [("Say", WORDS), ("Hangup", None)]
        assert "CountedEars fails: nobody there" in caplog.text
        await here.telnyx("call.initiated", **incoming_on_telnyx(3))
        await until(lambda: here.telnyx_api.asked != [])
        assert "stream_url" not in here.telnyx_api.asked[0].body
        assert telnyx_call(3).partition(":")[2] in here.telnyx_api.asked[0].path
        with pytest.raises(VendorsDown, match="nobody there"):
            here.service.dial(PlaceCall(to="+12025550142", from_number="+12025550100", agent="shop"))
        assert here.ears.opened == asked
        assert here.service.live.count == 0

        clock = asyncio.get_running_loop().time
        for trouble in (each for _, each in here.agent.breakers._trouble.values()):
            trouble.tried_s -= PROBE_S
        here.ears.down = False
        path = await here.twilio_stream(4)
        assert await heard_at_the_door(here, 5) == [("Say", WORDS), ("Hangup", None)], "one is enough to find out"
        async with here.twilio_line(path, 4) as line:
            assert await line.wait_for(lambda: here.service.live.count == 1, 5.0)
            line.say(spoken(SENTENCES[0]))
            await until(lambda: not here.agent.hindrance(clock()), 10.0)
            assert ("Say", WORDS) not in await heard_at_the_door(here, 6)
