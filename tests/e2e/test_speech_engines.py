"""Calls whose agent is a speech-to-speech engine: the real adapters over real sockets to the lab's vendors.

A sentence is a tone that the vendor understands, and each letter of its voice has a pitch of its own, so that what was
heard is read from the line.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from patter_cli import Agent, ElevenLabsConvAI, GeminiLive, OpenAIRealtime, Ultravox, tool
from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.core import events as fact
from patter_cli.core.onlooker import UNHEARD
from patter_cli.core.plan import SystemPhrases
from patter_cli.engine.dialogue import COLLEAGUE
from patter_cli.engine.hooks import Hooks
from patter_cli.testing.speech_peer import Said
from patter_cli.testing.vendors.elevenlabs_convai import ConvAIVendor
from patter_cli.testing.vendors.faults import Fault, Faulty
from patter_cli.testing.vendors.gemini_live import GeminiVendor
from patter_cli.testing.vendors.openai_realtime import RealtimeVendor
from patter_cli.testing.vendors.server import serve
from patter_cli.testing.vendors.ultravox import UltravoxVendor
from tests.e2e.conftest import LETTER_MS, LETTERS, PATIENT, SENTENCES, VOICE, Caller, answering, tone, understood

QUESTION, STOP, GOODBYE, *_ = SENTENCES
GREETING = "Hello there."
HOURS = "We are open from nine to five, monday to friday."
SPOKEN_MS = 3 * LETTER_MS
"""A letter of the vendor's voice: nobody would believe it faster."""


def letters(text: str) -> Samples:
    """The vendor's voice: a tone, and twice as long nothing."""
    nothing = np.zeros(2 * LETTER_MS * 8, np.int16)
    return np.concatenate([part for each in text.lower() for part in (tone(pitch(each), LETTER_MS), nothing)])


def pitch(letter: str) -> int:
    return 400 + 75 * LETTERS.find(letter)


def answers(heard: str) -> str | Said:
    if heard == QUESTION:
        return HOURS
    if heard == STOP:
        return "Fine."
    return "Goodbye then."


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor: makes the peer with its script, and the engine that talks to it at this address."""

    name: str
    peer: Callable[[Any], Any]
    engine: Callable[[str], Any]
    breaks_after: int = 14
    """Messages; in the middle of the greeting."""


VENDORS = (
    Vendor(
        "openai",
        lambda script: RealtimeVendor(
            script, hears=lambda sound: understood(decode_ulaw(sound)), voice=lambda text: encode_ulaw(letters(text))
        ),
        lambda url: OpenAIRealtime("sk-lab", base_url=url),
    ),
    Vendor(
        "openai, its turns",
        lambda script: RealtimeVendor(
            script, hears=lambda sound: understood(decode_ulaw(sound)), voice=lambda text: encode_ulaw(letters(text))
        ),
        lambda url: OpenAIRealtime("sk-lab", base_url=url, turns="server_vad"),
    ),
    Vendor(
        "elevenlabs",
        lambda script: ConvAIVendor(script, hears=understood, voice=letters),
        lambda url: ElevenLabsConvAI("sk-lab", "agent_lab", base_url=url),
        breaks_after=5,
    ),
    Vendor(
        "ultravox",
        lambda script: UltravoxVendor(script, hears=understood, voice=letters, late_words=True),
        lambda url: Ultravox("sk-lab", base_url=url.removesuffix("/v1")),
        breaks_after=5,
    ),
)
GOOGLE = Vendor(
    "google",
    lambda script: GeminiVendor(script, hears=understood, voice=letters),
    lambda url: GeminiLive("sk-lab", base_url=url.removesuffix("/v1")),
    breaks_after=4,
)
"""Its sound is resampled on its way, and cannot be read letter by letter."""
EVERY = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)


@asynccontextmanager
async def calling(vendor: Vendor, script: Any, *, fault: Fault | None = None, **agent: Any) -> AsyncIterator[Any]:
    """A caller of an agent on this vendor, and the vendor. fault: happens to its first session."""
    peer = vendor.peer(script)
    faulty = (
        Faulty(peer, fault, first=1, asks=lambda asked: asked.wants_socket, after=vendor.breaks_after)
        if fault
        else peer
    )
    async with serve(faulty) as lab:
        made = Agent(
            "Be brief.", GREETING, engine=vendor.engine(lab.url), turns=PATIENT, echo_cancellation=False, **agent
        )
        async with answering({"engine": (made, Hooks())}) as phone, Caller(phone, "engine") as caller:
            yield caller, peer


@EVERY
async def test_a_question_is_answered(vendor: Vendor) -> None:
    """Greeting, question and answer are heard whole, and the transcript says who said what."""
    async with calling(vendor, answers) as (caller, peer):
        await caller.until_heard(GREETING)
        await caller.say(QUESTION)
        await caller.until_heard(HOURS)
        await caller.until(lambda: ("assistant", HOURS) in caller.transcript())
        assert caller.transcript() == [("assistant", GREETING), ("user", QUESTION), ("assistant", HOURS)]
        assert peer.asked == [QUESTION]


@EVERY
async def test_a_caller_interrupts(vendor: Vendor) -> None:
    """The voice stops the reply on the line, history has what was heard of it, and the next turn is answered."""
    async with calling(vendor, answers) as (caller, peer):
        await caller.until_heard(GREETING)
        await caller.say(QUESTION)
        await caller.until_heard("we are open")
        await caller.say(STOP, 700)
        await caller.until_heard("Fine.")
        heard = next(text for role, text in caller.transcript() if role == "assistant" and text.startswith("We"))
        assert HOURS.startswith(heard.rstrip(".… "))
        assert len(heard) < len(HOURS)
        assert "friday" not in caller.ear.text
        if isinstance(peer, RealtimeVendor) and vendor.name == "openai":
            ((_, heard_ms),) = peer.sessions[0].truncated
            assert abs(heard_ms - len(heard) * SPOKEN_MS) < 300


@EVERY
async def test_a_tool_is_run(vendor: Vendor) -> None:
    """What the engine asks for is done, and it goes on with the answer."""
    booked: list[str] = []

    @tool
    def book(day: str) -> str:
        """Book a day.

        Args:
            day: The day.
        """
        booked.append(day)
        return "booked"

    script = (Said(items=("One moment.",), calls=(("book", '{"day": "monday"}'),)), "It is booked.")
    async with calling(vendor, script, tools=[book]) as (caller, _):
        await caller.until_heard(GREETING)
        await caller.say(QUESTION)
        await caller.until_heard("It is booked.")
        assert booked == ["monday"]


@EVERY
async def test_a_vendor_that_breaks_off_is_called_again(vendor: Vendor, quiet_log: None) -> None:
    """The session breaks in the middle: the caller hears something soon, and the next session answers them."""
    async with calling(vendor, answers, fault=Fault.CUT) as (caller, _):
        await caller.until_heard("Hello")
        await caller.until(lambda: any(isinstance(each.event, fact.EngineLost) for each in caller.entries))
        await asyncio.sleep(0.5)
        await caller.say(GOODBYE)
        await caller.until_heard("goodbye then.", within_s=12)
        assert caller.longest_wait_ms() < 4000


class NoEar:
    """Somebody who looks on and does not listen."""

    def caller(self, samples: Samples) -> None: ...

    def agent(self, samples: Samples) -> None: ...

    def cut(self) -> None: ...

    def over(self) -> None: ...

    def unheard(self) -> None: ...


async def test_a_colleague_has_the_call_for_a_while() -> None:
    """The engine says nothing meanwhile, is told what was said in its place, and answers when it has the call again."""
    vendor = VENDORS[0]
    peer = vendor.peer(["Fine."])
    async with serve(peer) as lab:
        made = Agent("Be brief.", GREETING, engine=vendor.engine(lab.url), turns=PATIENT, echo_cancellation=False)
        async with answering({"engine": (made, Hooks())}) as phone, Caller(phone, "engine") as caller:
            await caller.until_heard(GREETING)
            call_id = next(iter(phone.log.calls))
            colleague = phone.server.let_in(call_id, NoEar(), talks=True)
            assert colleague is not None
            await caller.say(QUESTION)
            await asyncio.sleep(1.2)
            assert "fine" not in caller.ear.text
            colleague.leave()
            await caller.until(lambda: ("assistant", SystemPhrases().anything_else) in caller.transcript())
            await caller.say(STOP)
            await caller.until_heard("fine.")
    told = json.dumps(peer.sessions[0].items)
    assert told.count(json.dumps(COLLEAGUE + UNHEARD)[1:-1]) == 1
    assert told.count(SystemPhrases().anything_else) == 1


async def test_google_answers_and_runs_a_tool() -> None:
    """Greeting, question and answer stand in the transcript as heard, and so does what comes after a tool."""

    def replies(heard: str) -> str | Said:
        if heard == GOODBYE:
            return Said(items=("One moment.",), calls=(("end_call", "{}"),))
        return HOURS if heard == QUESTION else "Goodbye then."

    async with calling(GOOGLE, replies) as (caller, peer):
        await caller.until(lambda: ("assistant", GREETING) in caller.transcript(), 12)
        await caller.say(QUESTION)
        await caller.until(lambda: ("assistant", HOURS) in caller.transcript(), 15)
        assert caller.transcript() == [("assistant", GREETING), ("user", QUESTION), ("assistant", HOURS)]
        await asyncio.sleep(0.5)
        await caller.say(GOODBYE)
        await caller.until_over(15)
        assert ("user", GOODBYE) in caller.transcript()
        assert peer.asked[:2] == [QUESTION, GOODBYE]


async def test_no_key_is_told_before_the_first_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine without its key is no agent."""
    from patter_cli import wiring
    from patter_cli.errors import MissingCredential

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingCredential, match="OPENAI_API_KEY"):
        wiring.ready_agent("engine", Agent("Be brief.", engine="openai_realtime"), Hooks())


@pytest.mark.parametrize("beside", [{"tts": VOICE}, {"stt": "deepgram"}, {"llm": "openai"}])
def test_an_engine_does_it_all(beside: dict[str, Any]) -> None:
    """Ears, mind or voice beside an engine are a mistake, and the message names them."""
    from patter_cli import InputError

    with pytest.raises(InputError, match=next(iter(beside))):
        Agent("Be brief.", engine=OpenAIRealtime("sk"), **beside)
