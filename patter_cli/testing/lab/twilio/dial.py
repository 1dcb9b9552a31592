"""<Dial>: whom a document connects a call with, a number that is rung or a room; and what its action is told of it.

Source: Twilio docs, TwiML <Dial>, <Number>, <Conference>.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from patter_cli.audio import tone
from patter_cli.contracts.carrier.stream import MediaOut
from patter_cli.testing.lab.call import By, Ending
from patter_cli.testing.lab.line import RATE_HZ, Line, Source
from patter_cli.testing.lab.twilio.conference import confer
from patter_cli.testing.lab.twilio.twiml import Verb

if TYPE_CHECKING:
    from patter_cli.testing.lab.twilio.session import TwilioCall

Told: TypeAlias = list[tuple[str, str]]
"""What the action is told."""
Obey: TypeAlias = Callable[["TwilioCall", str, str], Awaitable[None]]
"""(another call, url, method): it does what the webhook has for it."""
LONGEST_S: Final = 14_400


async def dial(session: TwilioCall, verb: Verb, obey: Obey, wait: Callable[[Verb], Awaitable[None]]) -> Told:
    """Connect the call, until that is over. wait: plays once what whoever waits for this conference hears."""
    rooms = [each for each in verb.inside if each.name == "Conference"]
    if not rooms:
        return await _ring(session, verb, obey)
    if len(verb.inside) > 1:
        session.lab.warn("13000: a <Conference> is the only one in its <Dial>")
    return await confer(session, rooms[0], number_of(verb, "timeLimit", LONGEST_S), wait)


def number_of(verb: Verb, name: str, otherwise: float) -> float:
    """An attribute that is a number; Twilio takes its own where it is none."""
    text = verb.get(name)
    return float(text) if text.isascii() and text.isdecimal() else otherwise


async def _ring(session: TwilioCall, verb: Verb, obey: Obey) -> Told:
    """Ring a number and let the two talk."""
    lab = session.lab
    noun = next((each for each in verb.inside if each.name == "Number"), Verb("Number", {}, verb.text))
    other = lab.new_leg(session, noun, caller_id=verb.get("callerId"))
    if other is None:
        lab.warn(f"13223: {noun.text!r} is no number that can be dialled")
        return [("DialCallStatus", "failed"), ("DialBridged", "false")]
    try:
        bridged = await _ring_other(session, other, verb, noun, obey)
        if bridged:
            await _bridge(session, other, number_of(verb, "timeLimit", LONGEST_S))
    finally:
        other.call.end(Ending.COMPLETED if other.call.line is not None else Ending.CANCELED, By.CARRIER)
    told = [("DialCallStatus", other.status), ("DialCallSid", other.sid), ("DialBridged", str(bridged).lower())]
    if bridged:
        told.append(("DialCallDuration", str(round(other.call.duration_s))))
    return told


async def _ring_other(session: TwilioCall, other: TwilioCall, verb: Verb, noun: Verb, obey: Obey) -> bool:
    """Whether somebody picked up and is to be connected. The caller hears it ring."""
    assert session.call.line is not None
    other.report("initiated")
    ringing = asyncio.create_task(session.call.line.play(tone.ringback(60_000, RATE_HZ)))
    try:
        if not await other.call.ring(number_of(verb, "timeout", 30)):
            return False
        if noun.get("sendDigits") and other.call.line is not None:
            other.call.line.press_for_agent("".join(each for each in noun.get("sendDigits") if each not in "wW"))
        if noun.get("url"):
            await obey(other, noun.get("url"), noun.get("method", "POST"))
        return other.call.live
    finally:
        ringing.cancel()


async def _bridge(session: TwilioCall, other: TwilioCall, limit_s: float) -> None:
    """Each hears the other, until one of them leaves."""
    here, there = session.call.line, other.call.line
    assert here is not None
    assert there is not None
    to_there, to_here = _Bridge(there), _Bridge(here)
    mine, theirs = here.attach(to_there), there.attach(to_here)
    to_there.source, to_here.source = theirs, mine
    with suppress(TimeoutError):
        await asyncio.wait_for(other.call.over.wait(), limit_s)
    here.detach(mine)


class _Bridge:
    """What one side says is what the other is played."""

    def __init__(self, other: Line) -> None:
        self._other = other
        self.source: Source | None = None

    def media(self, payload: bytes, at_ms: int) -> None:
        if self.source is not None:
            self._other.take(self.source, MediaOut(payload))

    def mark(self, name: str) -> None:
        pass

    def key(self, digit: str) -> None:
        self._other.press_for_agent(digit)
