"""While a vendor that a call cannot do without is down, nobody is picked up, and nobody rung, to hear an apology."""

from __future__ import annotations

import asyncio
from functools import partial
from xml.etree.ElementTree import fromstring

import pytest

from patter_cli import wiring
from patter_cli.callers import CallerRules
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.engine.fallback import PROBE_S
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import (
    BadSetting,
    PatterError,
    ProviderError,
    RateLimited,
    TimedOut,
    Unauthorized,
    Unavailable,
    VendorsDown,
)
from patter_cli.server.control_messages import PlaceCall
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.simulate.caller import LineCaller
from tests.e2e.conftest import LOUDNESS, SENTENCES, Earpiece, LetterVoice, agent, spoken
from tests.e2e.test_outbound import until
from tests.e2e.two_carriers import (
    CountedEars,
    CountedVoice,
    Front,
    front,
    incoming_on_telnyx,
    incoming_on_twilio,
    telnyx_call,
)

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


class DeadVoice(LetterVoice):
    """A vendor's, which does not let a session be opened."""

    provider, key_variable = "acme", ""

    def __init__(self, error: PatterError) -> None:
        self.error: PatterError | None = error

    def check(self) -> None: ...

    async def open(self) -> LetterVoice:
        if self.error is not None:
            raise self.error
        return self


def two_agents(voice: DeadVoice) -> Service:
    """A desk with this voice, and a shop with one that works."""
    made = {"desk": voice, "shop": CountedVoice()}
    agents = {
        name: wiring.ready_agent(
            name, agent("Hello caller.", stt=CountedEars(), tts=each), Hooks(on_message=lambda event: "Yes.")
        )
        for name, each in made.items()
    }
    return wiring.service(agents, ServiceSettings(port=0), voice=LOUDNESS)


@pytest.mark.parametrize("kind", [Unavailable, TimedOut, RateLimited])
async def test_a_voice_that_is_down_stops_no_start(kind: type[ProviderError], caplog: pytest.LogCaptureFixture) -> None:
    """All agents are served, and it is told whose vendor is down; once it is back, its callers are greeted."""
    voice = DeadVoice(kind("nobody there", provider="acme"))
    service = two_agents(voice)
    await service.start()
    try:
        assert "agent desk: acme is not ready (nobody there)" in caplog.text
        voice.error = None
        for name in ("shop", "desk"):
            ear = Earpiece()
            async with LineCaller(service.media_url(name), TwilioLine("MZ1"), handset=ear) as line:
                assert await line.wait_for(partial(ear.has_heard, "hello caller."), 10.0)
    finally:
        await service.cut()
        service.close()


@pytest.mark.parametrize(
    "error",
    [Unauthorized("acme does not accept the key", provider="acme"), BadSetting("acme has no voice 'rosa'")],
)
async def test_a_voice_that_refuses_us_stops_the_start(error: PatterError) -> None:
    """No waiting mends a key or a setting; whose it is is said."""
    service = two_agents(DeadVoice(error))
    with pytest.raises(type(error), match=f"agent desk: acme: {error}"):
        await service.start()
    service.close()
