"""How often a number may call us, be called by us, and not at all: through a whole server, on both carriers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from patter_cli.callers import CallerRules
from patter_cli.destinations import DialRules
from patter_cli.dial_quota import DialLimits, DialQuota
from patter_cli.errors import DestinationRefused
from patter_cli.server.control_messages import PlaceCall
from tests.e2e.test_outbound import until
from tests.e2e.two_carriers import Front, front, incoming_on_telnyx, incoming_on_twilio, telnyx_call

pytestmark = pytest.mark.usefixtures("quiet_log")

ANNA = "+12025550142"


def taken(document: bytes) -> bool:
    return next(fromstring(document).iter("Stream"), None) is not None


async def ring(here: Front, number: int, caller: str = ANNA) -> bool:
    """A call on Twilio; whether it was taken."""
    return taken((await here.twilio({**incoming_on_twilio(number), "From": caller}))[1])


async def test_a_hundred_calls_of_one_number() -> None:
    """Two are served and 98 turned away quickly; no vendor hears of those, and somebody else is served as ever."""
    async with front() as here:
        began = time.monotonic()
        replies = await asyncio.gather(*(ring(here, number) for number in range(100)))
        assert time.monotonic() - began < 5.0
        assert sum(replies) == 2
        assert here.contacts == (0, 0)
        assert await ring(here, 200, caller="+12025550143")


async def test_a_place_is_free_again_when_a_call_is_over() -> None:
    """Whether its stream came and went, or it never came and the carrier reports the end."""
    async with front() as here:
        path = await here.twilio_stream(1)
        caller = incoming_on_twilio(1)["From"]
        assert await ring(here, 2, caller)
        assert not await ring(here, 3, caller)
        async with here.twilio_line(path, 1) as line:
            assert await line.wait_for(lambda: here.service.live.count == 1, 5.0)
            assert not await ring(here, 4, caller)
            over = {**incoming_on_twilio(2), "From": caller, "CallStatus": "completed"}
            assert (await here.twilio(over, "/webhooks/twilio/status"))[0] == 200
            assert await ring(here, 5, caller)
            assert not await ring(here, 6, caller)
        await until(lambda: here.service.live.count == 0)
        assert await ring(here, 7, caller)


async def test_an_hour_has_its_calls() -> None:
    """The eleventh is declined, though all before it are over; a call that is asked for twice counts once."""
    async with front() as here:
        for number in range(10):
            for _ in range(2):
                assert await ring(here, number)
            over = {**incoming_on_twilio(number), "From": ANNA, "CallStatus": "completed"}
            await here.twilio(over, "/webhooks/twilio/status")
        assert not await ring(here, 10)


async def test_who_is_blocked_is_declined() -> None:
    """By number, by its beginning, and whoever withholds theirs; Telnyx is told so by a command. With no words for them
    none is answered, and nobody pays for it."""
    rules = CallerRules(blocked=frozenset({ANNA, "+4479*", "anonymous"}), busy_message="")
    async with front(callers=rules) as here:
        assert not await ring(here, 1)
        assert not await ring(here, 2, "+447911123456")
        assert not await ring(here, 3, "anonymous")
        assert await ring(here, 4, "+447811123456")
        await here.telnyx("call.initiated", **{**incoming_on_telnyx(5), "from": ANNA})
        await until(lambda: here.telnyx_api.asked != [])
        (asked,) = here.telnyx_api.asked
        assert telnyx_call(5).partition(":")[2] in asked.path
        assert asked.path.endswith("/actions/reject")


@pytest.mark.parametrize("words", [CallerRules().busy_message, "Später gern, <Wiederhören> & danke."])
async def test_who_is_turned_away_hears_a_sentence(words: str) -> None:
    """In the carrier's voice, then the line is closed: blocked, one call too many, or no room; no vendor is asked."""
    rules = CallerRules(blocked=frozenset({ANNA}), at_once=1, busy_message=words)
    for settings, caller in (({}, ANNA), ({}, "+12025550143"), ({"max_calls": 1}, "+12025550144")):
        async with front(callers=rules, **settings) as here:
            if caller != ANNA:
                path, other = await here.twilio_stream(143), here.twilio_line
                if settings:
                    async with other(path, 143) as line:
                        assert await line.wait_for(lambda here=here: here.service.live.count == 1, 5.0)
                        await turned_away(here, caller, words)
                    continue
                caller = incoming_on_twilio(143)["From"]
            await turned_away(here, caller, words)
            assert here.contacts == (0, 0)


async def turned_away(here: Front, caller: str, words: str) -> None:
    _, document = await here.twilio({**incoming_on_twilio(9), "From": caller})
    assert [(each.tag, each.text) for each in fromstring(document)] == [("Say", words), ("Hangup", None)]
    await here.telnyx("call.initiated", **{**incoming_on_telnyx(9), "from": caller})
    await until(lambda: "speak" in [each.path.rsplit("/", 1)[1] for each in here.telnyx_api.asked])
    asked = {each.path.rsplit("/", 1)[1]: each.body for each in here.telnyx_api.asked}
    assert list(asked) == ["answer", "speak"]
    assert asked["speak"]["payload"] == words
    assert "stream_url" not in asked["answer"]


async def test_a_server_that_stops_has_the_busy_line_only() -> None:
    """It has no time for words: the call would be left without anybody to end it."""
    async with front() as here:
        here.service.live.drain()
        _, document = await here.twilio(incoming_on_twilio(1))
        assert [(each.tag, each.attrib) for each in fromstring(document)] == [("Reject", {"reason": "busy"})]


async def test_a_number_is_not_rung_in_a_loop(tmp_path: Path) -> None:
    """Refused before the carrier is asked; a dial that is only looked at does not count."""
    quota = DialQuota(tmp_path / "dialled", DialLimits(number_a_minute=1))
    async with front(rules=DialRules(hours=None, quota=quota)) as here:
        wanted = PlaceCall(to="+12125550142", from_number="+12025550100", agent="shop")
        for _ in range(3):
            here.service.prepare_dial(wanted)
        call = here.service.dial(wanted)
        with pytest.raises(DestinationRefused, match="within a minute"):
            here.service.dial(wanted)
        with pytest.raises(DestinationRefused, match="within a minute"):
            here.service.prepare_dial(wanted)
        await call.cut()
