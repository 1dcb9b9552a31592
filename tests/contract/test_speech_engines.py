"""What is relied on from every speech-to-speech engine, run over a row for each; the scripted one is the first.

A row makes an engine whose caller says "When do you open?" with the first sound that is pushed, and whose replies are
"We open at nine.", then a call of the tool `book` after "Let me see.", then "It is booked.".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pytest

from patter_cli.contracts import s2s
from patter_cli.contracts.llm import ChatMessage, ToolSpec
from patter_cli.contracts.s2s import EngineEvent, EngineSession, EngineSetup, SpeechEngine
from patter_cli.errors import ProviderError
from patter_cli.providers.elevenlabs_convai import ElevenLabsConvAI
from patter_cli.providers.gemini_live import GeminiLive
from patter_cli.providers.openai_realtime import OpenAIRealtime, Turns
from patter_cli.providers.ultravox import Ultravox
from patter_cli.testing.speech_peer import TURNS_OURS, TURNS_THEIRS, PeerFault, PeerSession, Said, SpeechPeer
from patter_cli.testing.vendors.elevenlabs_convai import ConvAIVendor
from patter_cli.testing.vendors.faults import Fault, Faulty
from patter_cli.testing.vendors.gemini_live import GeminiVendor
from patter_cli.testing.vendors.openai_realtime import RealtimeVendor
from patter_cli.testing.vendors.server import serve
from patter_cli.testing.vendors.ultravox import UltravoxVendor
from tests.unit.engine.conftest import virtually

Kind = TypeVar("Kind", bound=EngineEvent)
SCRIPT = ("We open at nine.", Said(items=("Let me see.",), calls=(("book", '{"people": 2}'),)), "It is booked.")
SETUP = EngineSetup(system_prompt="Be brief.")
BOOK = ToolSpec(name="book", description="Books a table.", parameters={"type": "object", "properties": {}})


@dataclass(frozen=True, slots=True)
class Row:
    """One engine. can: what it is able to do. vendor: the engine and whoever is behind it, with this fault of theirs,
    None for none. speak: has the caller heard by the vendor. real: there is a socket between, and time is not virtual.
    mulaw: its wire is the telephone's. sdk: the package of the vendor's that the lab is proven by.
    """

    name: str
    can: s2s.EngineAbilities
    vendor: Callable[[PeerFault | None], AbstractAsyncContextManager[SpeechEngine]]
    speak: Callable[[EngineSession], None]
    real: bool = False
    mulaw: bool = False
    sdk: str = ""


def scripted(abilities: s2s.EngineAbilities) -> Callable[[PeerFault | None], AbstractAsyncContextManager[SpeechEngine]]:
    @asynccontextmanager
    async def vendor(fault: PeerFault | None) -> AsyncIterator[SpeechEngine]:
        yield SpeechPeer(SCRIPT, abilities=abilities, faults=[fault] if fault else [])

    return vendor


def openai(turns: Turns) -> Callable[[PeerFault | None], AbstractAsyncContextManager[SpeechEngine]]:
    @asynccontextmanager
    async def vendor(fault: PeerFault | None) -> AsyncIterator[SpeechEngine]:
        peer = RealtimeVendor(SCRIPT, speak_s=0.02)
        faulty = Faulty(peer, Fault.CUT, after=12)
        async with serve(faulty if fault is PeerFault.DROPS else peer) as lab:
            yield OpenAIRealtime("sk-lab", base_url=lab.url, turns=turns)

    return vendor


def elevenlabs(*formats: str) -> Callable[[PeerFault | None], AbstractAsyncContextManager[SpeechEngine]]:
    @asynccontextmanager
    async def vendor(fault: PeerFault | None) -> AsyncIterator[SpeechEngine]:
        peer = ConvAIVendor(SCRIPT, speak_s=0.02, formats=(formats[0], formats[1]))
        faulty = Faulty(peer, Fault.CUT, asks=lambda request: request.wants_socket, after=6)
        async with serve(faulty if fault is PeerFault.DROPS else peer) as lab:
            yield ElevenLabsConvAI("sk-lab", "agent_lab", base_url=lab.url)

    return vendor


def gemini() -> Callable[[PeerFault | None], AbstractAsyncContextManager[SpeechEngine]]:
    @asynccontextmanager
    async def vendor(fault: PeerFault | None) -> AsyncIterator[SpeechEngine]:
        peer = GeminiVendor(SCRIPT, speak_s=0.02)
        faulty = Faulty(peer, Fault.CUT, asks=lambda request: request.wants_socket, after=4)
        async with serve(faulty if fault is PeerFault.DROPS else peer, path="") as lab:
            yield GeminiLive("sk-lab", base_url=lab.url)

    return vendor


def ultravox(*, late_words: bool) -> Callable[[PeerFault | None], AbstractAsyncContextManager[SpeechEngine]]:
    @asynccontextmanager
    async def vendor(fault: PeerFault | None) -> AsyncIterator[SpeechEngine]:
        peer = UltravoxVendor(SCRIPT, speak_s=0.02, late_words=late_words)
        faulty = Faulty(peer, Fault.CUT, asks=lambda request: request.wants_socket, after=6)
        async with serve(faulty if fault is PeerFault.DROPS else peer, path="") as lab:
            yield Ultravox("sk-lab", base_url=lab.url)

    return vendor


def speak_aloud(session: EngineSession) -> None:
    """A voice of half a second, and the silence that ends it."""
    session.push(np.full(4000, 3000, np.int16))
    session.push(np.zeros(10_000, np.int16))


def speak(session: EngineSession) -> None:
    assert isinstance(session, PeerSession)
    session.voice_started()
    session.hear("When do you open?")
    session.voice_ended()


ROWS = (
    Row("scripted, turns ours", TURNS_OURS, scripted(TURNS_OURS), speak),
    Row("scripted, turns theirs", TURNS_THEIRS, scripted(TURNS_THEIRS), speak),
    Row(
        "openai, turns ours",
        OpenAIRealtime("sk").abilities,
        openai("ours"),
        speak_aloud,
        real=True,
        mulaw=True,
        sdk="openai",
    ),
    Row(
        "openai, turns theirs",
        OpenAIRealtime("sk", turns="server_vad").abilities,
        openai("server_vad"),
        speak_aloud,
        real=True,
        mulaw=True,
        sdk="openai",
    ),
    Row("google", GeminiLive("sk").abilities, gemini(), speak_aloud, real=True, sdk="google-genai"),
    *(
        Row(
            f"ultravox, words of the caller {'late' if late_words else 'first'}",
            Ultravox("sk").abilities,
            ultravox(late_words=late_words),
            speak_aloud,
            real=True,
        )
        for late_words in (False, True)
    ),
    *(
        Row(
            f"elevenlabs, {heard} and {spoken}",
            ElevenLabsConvAI("sk", "agent").abilities,
            elevenlabs(heard, spoken),
            speak_aloud,
            real=True,
            mulaw=heard == spoken == "ulaw_8000",
            sdk="elevenlabs",
        )
        for heard, spoken in (("ulaw_8000", "ulaw_8000"), ("pcm_16000", "pcm_44100"))
    ),
)
EVERY = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


class Talk:
    """A session at work, with all that it sent."""

    def __init__(self, row: Row, session: EngineSession, can: s2s.EngineAbilities) -> None:
        self.row = row
        self.session = session
        self.can = can
        self.events: list[EngineEvent] = []
        self.asked = 0
        self.error: ProviderError | None = None
        self.over = False

    async def read(self) -> None:
        try:
            async for event in self.session.events():
                self.events.append(event)
        except ProviderError as error:
            self.error = error
        self.over = True

    async def turn(self) -> str:
        """The caller says something; the name of the reply to it, once all of that has come."""
        self.session.push(np.ones(1600, np.int16))
        self.row.speak(self.session)
        await self.pass_s(0.8)
        if self.can.commit:
            self.session.commit()
            self.ask()
        await self.pass_s(5)
        return self.of(s2s.ReplyOpened)[-1].reply

    async def pass_s(self, seconds: float) -> None:
        """Let so much time pass; where it is real, a tenth of it, for the vendor is quick."""
        await asyncio.sleep(seconds / 10 if self.row.real else seconds)

    def ask(self) -> None:
        self.asked += 1
        self.session.respond(self.asked)

    def of(self, kind: type[Kind], reply: str = "") -> list[Kind]:
        found = [each for each in self.events if isinstance(each, kind)]
        return [each for each in found if not reply or getattr(each, "reply", "") == reply]

    def words(self, reply: str) -> str:
        return "".join(each.text for each in self.of(s2s.ReplyWords, reply))


def held(row: Row, story: Callable[[Talk], Awaitable[None]], fault: PeerFault | None = None) -> Talk:
    async def run() -> Talk:
        async with row.vendor(fault) as engine:
            setup = EngineSetup(system_prompt=SETUP.system_prompt, server_turns=not row.can.commit, tools=(BOOK,))
            session = await engine.open(setup)
            talk = Talk(row, session, engine.abilities)
            reader = asyncio.create_task(talk.read())
            await story(talk)
            await session.aclose()
            await session.aclose()  # twice is fine
            await asyncio.wait_for(reader, 1)
            return talk

    return asyncio.run(run()) if row.real else virtually(run())


@EVERY
def test_a_turn_is_heard_and_answered(row: Row) -> None:
    """The caller's turn is an item, its words come, and a reply to it has sound and all its words."""

    async def story(talk: Talk) -> None:
        reply = await talk.turn()
        (taken,) = talk.of(s2s.TurnTaken)
        if talk.can.input_transcript:
            assert [(each.item, each.text) for each in talk.of(s2s.CallerWords) if each.final] == [
                (taken.item, "When do you open?")
            ]
        assert talk.words(reply) == "We open at nine."
        assert sum(len(each.samples) for each in talk.of(s2s.ReplyAudio, reply)) > 0
        assert bool(talk.of(s2s.ReplyFinished, reply)) is talk.can.tells_end

    held(row, story)


@EVERY
def test_a_reply_is_opened_before_anything_of_it_comes(row: Row) -> None:
    """And where it was asked for, by whom is said or left open, never wrong."""

    async def story(talk: Talk) -> None:
        await talk.turn()
        await talk.turn()
        opened: set[str] = set()
        for event in talk.events:
            if isinstance(event, s2s.ReplyOpened):
                assert event.asked in (None, talk.asked, len(opened) + 1)
                opened.add(event.reply)
            elif hasattr(event, "reply"):
                assert event.reply in opened

    held(row, story)


@EVERY
def test_a_tool_is_called_and_its_answer_is_used(row: Row) -> None:
    """The call belongs to a reply; with the answer it goes on, by itself or asked."""

    async def story(talk: Talk) -> None:
        await talk.turn()
        reply = await talk.turn()
        (call,) = talk.of(s2s.ToolCalled)
        assert (call.reply, call.name, call.arguments) == (reply, "book", '{"people": 2}')
        talk.session.return_tool(call.call, '{"ok": true}')
        if not talk.can.continues:
            talk.ask()
        await talk.pass_s(5)
        assert talk.words(talk.of(s2s.ReplyOpened)[-1].reply) == "It is booked."

    held(row, story)


@EVERY
def test_what_was_said_without_it_is_no_reason_to_reply(row: Row) -> None:
    """It is told what a colleague said, while it speaks and while it does not; what it was saying goes on, and the
    next turn is answered as ever."""

    async def story(talk: Talk) -> None:
        assert talk.can.remind
        if talk.can.commit:
            talk.ask()
        else:
            talk.row.speak(talk.session)
        while not talk.of(s2s.ReplyOpened):  # noqa: ASYNC110 (time may be virtual)
            await asyncio.sleep(0.005)
        talk.session.remind(ChatMessage(role="assistant", text="Come at ten."))
        await talk.pass_s(5)
        talk.session.remind(ChatMessage(role="assistant", text="Come at ten."))
        talk.session.remind(ChatMessage(role="system", text="The caller is yours again."))
        await talk.pass_s(5)
        (opened,) = talk.of(s2s.ReplyOpened)
        assert talk.words(opened.reply) == "We open at nine."
        assert talk.words(await talk.turn()) == "Let me see."

    held(row, story)


@pytest.mark.parametrize("row", [row for row in ROWS if row.can.cancel and row.can.commit], ids=lambda row: row.name)
def test_a_cancelled_reply_ends_at_once(row: Row) -> None:
    """No sound comes any more, its end is told, and the next reply is whole."""

    async def story(talk: Talk) -> None:
        talk.ask()
        while not talk.of(s2s.ReplyAudio):  # noqa: ASYNC110 (time is virtual)
            await asyncio.sleep(0.005)
        reply = talk.of(s2s.ReplyOpened)[0].reply
        talk.session.cancel(reply)
        talk.session.cancel(reply)
        sent = len(talk.of(s2s.ReplyAudio))
        await talk.pass_s(3)
        assert len(talk.of(s2s.ReplyAudio)) == sent
        assert len(talk.of(s2s.ReplyFinished, reply)) == 1
        assert talk.words(await talk.turn()) == "Let me see."

    held(row, story)


@EVERY
def test_a_session_that_breaks_raises_a_provider_error(row: Row) -> None:
    """Out of its events, named after the vendor, and nothing else is raised."""

    async def story(talk: Talk) -> None:
        await talk.turn()

    talk = held(row, story, PeerFault.DROPS)
    assert talk.error is not None
    assert talk.error.provider in row.name


@EVERY
def test_a_session_is_closed_in_the_middle_of_anything(row: Row) -> None:
    """Its events end, and what it is asked afterwards is nothing to it."""

    async def story(talk: Talk) -> None:
        talk.session.push(np.ones(1600, np.int16))
        row.speak(talk.session)
        if talk.can.commit:
            talk.ask()
        await asyncio.sleep(0.45)

    talk = held(row, story)
    assert talk.over
    assert talk.error is None
    talk.session.push(np.ones(1600, np.int16))


@EVERY
def test_sound_is_the_vendor_s_however_it_is_cut(row: Row) -> None:
    """No message's end is taken for the end of a sample: what comes is as loud as what was said, and no noise."""

    async def story(talk: Talk) -> None:
        reply = await talk.turn()
        heard = np.concatenate([each.samples for each in talk.of(s2s.ReplyAudio, reply)]).astype(int)
        assert np.abs(heard).max() < 3600
        assert len(heard) > 4000

    held(row, story)


@pytest.mark.parametrize("row", [row for row in ROWS if row.can.word_times], ids=lambda row: row.name)
def test_the_times_of_words_are_told(row: Row) -> None:
    """Of each word of a reply, from its first sample: they are in order, and lie within its sound."""

    async def story(talk: Talk) -> None:
        for _ in range(2):
            reply = await talk.turn()
            times = talk.of(s2s.ReplyWordTimes, reply)[-1]
            sound_ms = sum(len(each.samples) for each in talk.of(s2s.ReplyAudio, reply)) / 8
            assert len(times.starts_ms) == len(times.ends_ms) == len(talk.words(reply).split())
            assert list(times.starts_ms) == sorted(times.starts_ms)
            assert times.starts_ms[0] == 0
            assert sound_ms - 80 <= times.ends_ms[-1] <= sound_ms + 5

    held(row, story)


RETOLD = "(On your side of this call it was just said: Come at ten.)"


def _turn(role: str, text: str) -> dict[str, object]:
    return {"clientContent": {"turns": [{"role": role, "parts": [{"text": text}]}], "turnComplete": False}}


def _later(text: str) -> dict[str, object]:
    return {"type": "user_text_message", "text": text, "urgency": "later"}


@pytest.mark.parametrize(
    ("peer", "recipe", "told", "expected"),
    [
        pytest.param(
            RealtimeVendor,
            lambda url: OpenAIRealtime("sk-lab", base_url=f"{url}/v1"),
            lambda peer: [(each["role"], each["content"]) for each in peer.sessions[0].items],
            [
                ("assistant", [{"type": "output_text", "text": "Come at ten."}]),
                ("system", [{"type": "input_text", "text": "(Yours.)"}]),
            ],
            id="openai",
        ),
        pytest.param(
            ConvAIVendor,
            lambda url: ElevenLabsConvAI("sk-lab", "agent_lab", base_url=url),
            lambda peer: peer.conversations[0].messages[-2:],
            [{"type": "contextual_update", "text": RETOLD}, {"type": "contextual_update", "text": "(Yours.)"}],
            id="elevenlabs",
        ),
        pytest.param(
            GeminiVendor,
            lambda url: GeminiLive("sk-lab", base_url=url),
            lambda peer: peer.sessions[0].messages[-2:],
            [_turn("model", "Come at ten."), _turn("user", "(Yours.)")],
            id="gemini",
        ),
        pytest.param(
            UltravoxVendor,
            lambda url: Ultravox("sk-lab", base_url=url),
            lambda peer: peer.calls[0].messages[-2:],
            [_later(RETOLD), _later("(Yours.)")],
            id="ultravox",
        ),
    ],
)
async def test_each_is_told_in_the_way_its_wire_allows(
    peer: Callable[[], Any], recipe: Callable[[str], SpeechEngine], told: Callable[[Any], object], expected: object
) -> None:
    """Items of the conversation where there are such, of its own side; else a text that asks for no answer."""
    vendor = peer()
    async with serve(vendor, path="") as lab:
        session = await recipe(lab.url).open(SETUP)
        session.remind(ChatMessage(role="assistant", text="Come at ten."))
        session.remind(ChatMessage(role="system", text="(Yours.)"))
        async with asyncio.timeout(3):
            while told(vendor) != expected:  # noqa: ASYNC110 (it is a socket away)
                await asyncio.sleep(0.01)
        await session.aclose()
