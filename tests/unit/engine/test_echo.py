"""The agent's own voice on its way round: out through the pacer, back off the caller's phone, in to the detector."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest

from patter_cli.audio.echo import NlmsEchoCanceller
from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.pacer import Pacer
from patter_cli.audio.signal import Signal, to_samples
from patter_cli.audio.vad import Piece, VoiceDetector, VoiceEdge
from patter_cli.audio.wire import Decode, LineAudio
from patter_cli.contracts.carrier.stream import MediaIn
from patter_cli.core.events import Event, SpeechEnded, SpeechStarted
from patter_cli.engine.clock import CallClock
from patter_cli.engine.inbound import InboundPath, VadStream
from patter_cli.engine.outbound import OutboundPath
from patter_cli.engine.playout_reference import PlayoutReference
from patter_cli.providers import silero
from tests.bench.echo_scene import speech
from tests.unit.engine.conftest import virtually

pytestmark = pytest.mark.skipif(
    find_spec("moonshine_voice") is None or find_spec("onnxruntime") is None,
    reason="needs recorded speech and the voice detector: pip install 'patter-cli[local]'",
)

RATE = 8000
ROUND_TRIP_MS = 140
ECHO_DB = -10.0


@cache
def voice_model() -> silero.VoiceModel:
    return silero.VoiceModel()


class PatientRoom:
    """The voice detector, asked frame by frame."""

    rate_hz = RATE

    def listen(self, on_edge: Callable[[VoiceEdge], None], decode: Decode) -> VadStream:
        model, detector = voice_model(), VoiceDetector()

        class OneEar:
            state = model.initial_state()

            def push(self, piece: Piece, *, masked: bool = False) -> None:
                for window in detector.windows(piece, masked=masked):
                    probability = 0.0
                    if not window.silent:
                        scores, states = model.score(window.samples[None], [self.state])
                        probability, self.state = float(scores[0]), states[0]
                    edge = detector.decide(probability, window.end_ms)
                    if edge is not None:
                        on_edge(edge)

            def close(self) -> None:
                pass

        return OneEar()


@dataclass
class Phone:
    """The caller's end: plays what comes, in order and in real time, and picks a part of it up again."""

    clock: CallClock
    played: Signal = field(default_factory=lambda: np.zeros(60 * RATE))
    end: int = 0

    def media(self, payload: bytes) -> None:
        samples = decode_ulaw(payload)
        start = max(self._now(), self.end)
        self.end = start + len(samples)
        self.played[start : self.end] = samples

    def mark(self, name: str) -> None:
        pass

    def clear(self) -> None:
        self.played[self._now() :] = 0
        self.end = min(self.end, self._now())

    def _now(self) -> int:
        return round(self.clock.now_ms() * RATE / 1000)

    def hears(self, start: int, count: int) -> Signal:
        """The echo in these samples of call time: two reflections of the speaker, late by the round trip."""
        out = np.zeros(count)
        for late_ms, gain in ((0.0, 0.8), (3.5, -0.4), (11.0, 0.2)):
            at = start - round((ROUND_TRIP_MS + late_ms) * RATE / 1000)
            if at >= 0:
                out += self.played[at : at + count] * gain
        return out * 10 ** (ECHO_DB / 20)


class Round:
    """One call, cancelled or not."""

    def __init__(self, *, cancelled: bool, caller: Signal | None = None) -> None:
        self.clock = CallClock(asyncio.get_running_loop())
        self.phone = Phone(self.clock)
        self.events: list[Event] = []
        self.heard: list[Samples] = []
        self.caller = np.zeros(0) if caller is None else caller
        far = PlayoutReference() if cancelled else None
        self.outbound = OutboundPath(clock=self.clock, line=self.phone, post=lambda event: None, pacer=Pacer(), far=far)
        echo = NlmsEchoCanceller(sample_rate=RATE) if cancelled else None
        self.inbound = InboundPath(
            clock=self.clock, room=PatientRoom(), hearing=self, post=self.events.append, echo=echo, far=far
        )
        self.noise = np.random.default_rng(5)

    def push(self, audio: LineAudio) -> None:
        self.heard.append(audio.samples)

    def speech_started(self, onset_ms: int) -> None: ...

    def speech_ended(self) -> None: ...

    def say(self, seconds: float, from_s: float = 1.0) -> None:
        """The agent speaks one clause."""
        said = speech("two_cities", RATE)[int(from_s * RATE) : int((from_s + seconds) * RATE)]
        self.outbound.play(1, 0, encode_ulaw(to_samples(said)))
        self.outbound.end_clause(1, 0)

    async def listen(self, until_ms: int) -> None:
        """Let frames come in, each when its last sample has been spoken."""
        frame = len(self.heard)
        while (frame + 1) * 20 <= until_ms:
            await asyncio.sleep(max(0.0, (frame + 1) * 0.02 - self.clock.now_ms() / 1000))
            start = frame * 160
            near = self.phone.hears(start, 160) + self.noise.standard_normal(160) * 15
            said = self.caller[start : start + 160]
            near[: len(said)] += said
            payload = encode_ulaw(to_samples(near))
            self.inbound.push(MediaIn(payload=payload, timestamp_ms=frame * 20, sequence=frame + 1))
            frame += 1

    def voiced_ms(self) -> list[tuple[int, int]]:
        """When speech was heard."""
        out: list[tuple[int, int]] = []
        for event in self.events:
            if isinstance(event, SpeechStarted):
                out.append((event.at_ms, 1_000_000))
            elif isinstance(event, SpeechEnded):
                out[-1] = (out[-1][0], event.at_ms)
        return out


AGENT_S = 9.0
CALLER_S = 5.0


def call(*, cancelled: bool, agent: bool = True, caller: bool = False) -> Round:
    """Ten seconds in which the agent reads, and the caller perhaps says something in the midst of it."""
    said = np.zeros(10 * RATE)
    if caller:
        voice = speech("beckett", RATE)[: 3 * RATE]
        said[int(CALLER_S * RATE) :][: len(voice)] = voice

    async def tell() -> Round:
        here = Round(cancelled=cancelled, caller=said)
        if agent:
            here.say(AGENT_S)
        await here.listen(10_000)
        return here

    return virtually(tell())


def test_without_a_canceller_the_agent_hears_itself() -> None:
    """Most of what it says comes back as somebody's speech: this is what the next test is about."""
    voiced = call(cancelled=False).voiced_ms()
    assert sum(end - start for start, end in voiced) > AGENT_S * 1000 / 2


def test_with_a_canceller_the_agent_does_not_hear_itself() -> None:
    """Not a single edge, from its first word to its last."""
    here = call(cancelled=True)
    assert here.voiced_ms() == []
    assert len(here.heard) == 500


def test_a_caller_who_speaks_over_the_agent_is_heard_as_if_it_were_silent() -> None:
    """The onset is found where it is without the agent, and about as much of the speech."""
    over = call(cancelled=True, caller=True).voiced_ms()
    alone = call(cancelled=False, agent=False, caller=True).voiced_ms()
    assert abs(over[0][0] - alone[0][0]) <= 96
    spoken, heard = (sum(end - start for start, end in each) for each in (alone, over))
    assert heard == pytest.approx(spoken, rel=0.2)


def test_a_reply_that_was_cleared_leaves_no_ghost_in_the_reference() -> None:
    """After a barge-in the line is passed on as it came, as soon as the last echo has died away."""

    async def tell() -> None:
        here = Round(cancelled=True)
        here.say(AGENT_S)
        await here.listen(4000)
        here.outbound.clear()
        await here.listen(6000)
        here.heard.clear()
        here.caller = np.zeros(0)
        near: list[Samples] = []
        for frame in range(300, 350):
            await asyncio.sleep(max(0.0, (frame + 1) * 0.02 - here.clock.now_ms() / 1000))
            payload = encode_ulaw(to_samples(here.noise.standard_normal(160) * 500))
            near.append(decode_ulaw(payload))
            here.inbound.push(MediaIn(payload=payload, timestamp_ms=frame * 20, sequence=frame + 1))
        assert np.array_equal(np.concatenate(here.heard), np.concatenate(near))

    virtually(tell())
