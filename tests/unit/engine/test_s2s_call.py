"""A whole call with a speech-to-speech engine: real session, line and machine in virtual time, a scripted vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from patter_cli.audio.frame import L16_16K, ULAW_8K, AudioFormat, Samples
from patter_cli.audio.vad import Piece, VoiceEdge, VoiceStarted, VoiceStopped
from patter_cli.audio.wire import Decode, wire_codec
from patter_cli.contracts.carrier.stream import MarkIn, MediaIn
from patter_cli.contracts.s2s import EngineAbilities
from patter_cli.core import commands as order
from patter_cli.core.journal import Entry
from patter_cli.core.plan import CallPlan, PlannedTool, SystemPhrases
from patter_cli.engine.build import build_call
from patter_cli.engine.call import CallSession
from patter_cli.engine.converse import engine_plan
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.inbound import VadStream
from patter_cli.engine.ready import CallInfo, ReadyAgent
from patter_cli.engine.speak import TtsCache
from patter_cli.engine.tools import ready_tools
from patter_cli.observe.metrics import CallMeasure
from patter_cli.testing.speech_peer import TURNS_OURS, TURNS_THEIRS, PeerFault, Said, SpeechPeer
from patter_cli.tools import tool
from tests.unit.engine.conftest import virtually

LINES = SystemPhrases()
LONG = "We are open from nine in the morning until ten at night on every day of the week but Sunday."
BOTH = pytest.mark.parametrize("abilities", [TURNS_OURS, TURNS_THEIRS], ids=["ours", "theirs"])


class HouseVoice:
    """Says our own lines as a tone of their length."""

    rate_hz = 8000

    async def warm(self) -> None: ...

    async def open(self) -> HouseVoice:
        return self

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        yield np.full(len(text) * 65 * 8, 2000, np.int16)

    async def aclose(self) -> None: ...


class Deaf:
    """No recogniser is asked where an engine hears the caller."""

    rate_hz = 8000
    speech_only = True

    async def warm(self) -> None: ...

    async def open(self) -> Any:
        raise AssertionError("a recogniser was opened beside the engine")


@tool
async def book(people: int) -> str:
    """Book a table."""
    await asyncio.sleep(0.3)
    return f"table for {people}"


class Call:
    """A carrier, its caller and a detector that is told when there is a voice."""

    rate_hz = 8000

    def __init__(self, peer: SpeechPeer, *, first_message: str = "", format: AudioFormat = ULAW_8K) -> None:
        self.peer = peer
        self.wire = wire_codec(format)
        self.transcript: list[tuple[str, str]] = []
        self.entries: list[Entry] = []
        self.summary: Mapping[str, Any] = {}
        self.sent_ms = 0
        self.playing_until = 0.0
        self.played_ms = 0.0
        self.marks: list[asyncio.TimerHandle] = []
        self.edge: Callable[[VoiceEdge], None] = lambda edge: None
        tools = ready_tools([book])
        plan = CallPlan(
            agent="luigi",
            system_prompt="Be brief.",
            first_message=first_message,
            tools=(PlannedTool(name="book", timeout_ms=4000),),
            engine=engine_plan(peer.abilities),
        )
        agent = ReadyAgent(
            name="luigi", plan=plan, stt=Deaf(), tts=HouseVoice(), hooks=Hooks(), engine=peer, tools=tools,
            revise=lambda overrides, parameters: agent, for_call=lambda texts: agent,
        )  # fmt: skip
        self.session: CallSession = build_call(
            info=CallInfo(call_id="one", caller="+1", callee="luigi", direction="inbound", carrier="toy"),
            agent=agent,
            format=format,
            line=self,
            control=self,
            vad=self,
            cache=TtsCache(),
            journal=self,
            measure=CallMeasure(),
        )

    # What a call knows of it: line, control, detector and journal in one.

    def media(self, payload: bytes) -> None:
        now = asyncio.get_running_loop().time()
        length_s = len(payload) / self.wire.bytes_per_ms / 1000
        self.sent_ms += round(length_s * 1000)
        self.playing_until = max(now, self.playing_until) + length_s

    def mark(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        back = loop.call_at(max(loop.time(), self.playing_until), self.session.on_stream, MarkIn(name=name))
        self.marks.append(back)

    def clear(self) -> None:
        self.playing_until = 0.0

    async def hang_up(self) -> None: ...

    async def transfer(self, number: str) -> None: ...

    def listen(self, on_edge: Callable[[VoiceEdge], None], decode: Decode) -> VadStream:
        self.edge = on_edge
        return self

    def push(self, piece: Piece, *, masked: bool = False) -> None: ...

    def close(self, summary: Mapping[str, Any] | None = None) -> None:
        self.summary = summary or self.summary

    async def settle(self, within_s: float) -> None: ...

    def write(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.transcript += [
            (each.role, each.text) for each in entry.commands if isinstance(each, order.ReportTranscript)
        ]

    # The caller.

    async def says(self, words: str, ms: int) -> None:
        """A voice of that length; the vendor hears its words, the detector its edges."""
        began = self.session.now_ms
        self.edge(VoiceStarted(onset_ms=began))
        session = self.peer.sessions[-1]
        session.voice_started()
        session.hear(words)
        await asyncio.sleep(ms / 1000)
        session.voice_ended()
        await asyncio.sleep(0.2)
        self.edge(VoiceStopped(last_voiced_ms=began + ms))

    async def frames(self) -> None:
        size = self.wire.bytes_per_ms * 20
        silence = self.wire.silence * (size // len(self.wire.silence))
        for number in range(100_000):
            self.session.on_stream(MediaIn(silence, number * 20, number))
            await asyncio.sleep(0.02)

    def orders(self, kind: type[Any]) -> list[Any]:
        return [each for entry in self.entries for each in entry.commands if isinstance(each, kind)]


def told(
    peer: SpeechPeer,
    *script: tuple[float, str, int],
    first_message: str = "",
    seconds: float = 20,
    format: AudioFormat = ULAW_8K,
    breaks_after: float = 0.0,
) -> Call:
    """Hold a call: (when, words, ms) are what the caller says; then they hang up.

    breaks_after: the vendor's session breaks in the middle of the first reply after that.
    """

    async def story() -> Call:
        call = Call(peer, first_message=first_message, format=format)
        run = asyncio.create_task(call.session.run())
        frames = asyncio.create_task(call.frames())
        if breaks_after:
            asyncio.get_running_loop().call_later(breaks_after, peer.faults.add, PeerFault.DROPS)
        now = 0.0
        for when, words, ms in script:
            await asyncio.sleep(max(0.0, when - now))
            await call.says(words, ms)
            now = when + ms / 1000 + 0.2
        await asyncio.wait({run}, timeout=max(0.1, seconds - now))
        frames.cancel()
        if not run.done():
            call.session.on_closed("carrier_stop")
        await run
        return call

    return virtually(story())


@BOTH
def test_a_call_is_greeted_heard_and_answered(abilities: EngineAbilities) -> None:
    """Greeting, question, answer: heard, written down and measured, without a recogniser or a model."""
    peer = SpeechPeer(["We open at nine."], abilities=abilities)
    call = told(peer, (4.0, "When do you open?", 1200), first_message="Luigi's, hello.", seconds=12)
    assert call.transcript == [
        ("assistant", "Luigi's, hello."),
        ("user", "When do you open?"),
        ("assistant", "We open at nine."),
    ]
    assert call.summary["outcome"] == "answered"
    (turn,) = call.summary["metrics"]
    assert turn["total_ms"] < 1300
    assert peer.sessions[0].setup.system_prompt == "Be brief."
    assert [each.name for each in peer.sessions[0].setup.tools] == ["book", "transfer_call", "end_call"]
    heard_ms = peer.sessions[0].samples / 8
    assert heard_ms > 10_000 if abilities is TURNS_THEIRS else heard_ms < 2500


def test_a_line_of_another_rate_is_resampled_both_ways() -> None:
    """The engine keeps its rate, the line its own."""
    peer = SpeechPeer(["We open at nine."], abilities=TURNS_THEIRS)
    call = told(peer, (2.0, "When do you open?", 1200), seconds=8, format=L16_16K)
    assert call.transcript[-1] == ("assistant", "We open at nine.")
    assert abs(call.sent_ms - peer.length_ms("We open at nine.")) <= 60
    assert abs(peer.sessions[0].samples / 8 - 8000) <= 500


@BOTH
def test_a_caller_who_interrupts_is_heard(abilities: EngineAbilities) -> None:
    """The line is cleared, and what the history has is what was played."""
    peer = SpeechPeer([LONG, "Sorry."], abilities=abilities)
    call = told(peer, (1.0, "When do you open?", 1200), (5.0, "No wait I meant on Sunday", 1500), seconds=14)
    said = [text for role, text in call.transcript if role == "assistant"]
    assert LONG.startswith(said[0])
    assert 10 < len(said[0]) < 60
    assert said[1] == "Sorry."
    if abilities.truncate:
        assert peer.truncated[0][0] == "r1.0"
        assert 1000 < peer.truncated[0][1] < 4000


@BOTH
def test_a_tool_of_the_authors_is_run(abilities: EngineAbilities) -> None:
    """Its arguments are checked and its answer goes back to the engine, which goes on."""
    script = [Said(items=("Let me see.",), calls=(("book", '{"people": 2}'),)), "It is booked."]
    peer = SpeechPeer(script, abilities=abilities)
    call = told(peer, (1.0, "A table for two please", 1200), seconds=10)
    assert peer.returned == {"r1.call0": '{"ok": true, "data": "table for 2"}'}
    assert call.transcript[-1] == ("assistant", "Let me see. It is booked.")


def test_the_house_voice_speaks_where_the_engine_cannot() -> None:
    """An engine that is not there: the caller hears the first message, then why the call ends."""
    peer = SpeechPeer(["Hm."], faults=[PeerFault.REFUSES])
    call = told(peer, first_message="Luigi's, hello.", seconds=20)
    assert call.transcript[-1] == ("assistant", LINES.trouble)
    assert (call.summary["outcome"], call.summary["reason"]) == ("failed", "listen_failed")


@BOTH
def test_a_session_that_drops_comes_back_with_what_was_said(abilities: EngineAbilities) -> None:
    """The new one gets the conversation so far, and nobody greets twice."""
    peer = SpeechPeer(["Yes?", LONG, "At nine."], abilities=abilities)
    call = told(
        peer,
        (2.0, "Hello?", 500),
        (6.0, "When do you open?", 1200),
        (16.0, "Sorry, when?", 900),
        first_message="Hello.",
        seconds=22,
        breaks_after=5.0,
    )
    assert len(peer.sessions) == 2
    history = peer.sessions[1].setup.history
    assert [each.text for each in history][:3] == ["Hello.", "Hello?", "Yes?"]
    assert call.transcript[-1] == ("assistant", "At nine.")
    assert sum(text == "Hello." for _, text in call.transcript) == 1


def test_nobody_performs_an_order_twice_or_never(caplog: pytest.LogCaptureFixture) -> None:
    """A whole call with an engine leaves no error in the log."""
    script = [Said(items=("Let me see.",), calls=(("book", '{"people": 2}'),)), LONG, "Bye."]
    peer = SpeechPeer(script, abilities=replace(TURNS_OURS, word_times=True))
    told(peer, (1.0, "A table for two please", 1200), (6.0, "stop that", 900), first_message="Hello.", seconds=14)
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []
