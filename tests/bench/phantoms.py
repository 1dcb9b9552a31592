"""Who is heard on a line where the agent talks and nobody else, and who is not: `python -m tests.bench.phantoms`.

No calls and no clock: what the agent plays goes through the line and comes back through the real way in (jitter buffer,
canceller, ear), frame by frame, with the moments at which frames would arrive. The caller says a few short things, some
over the agent, some while it is silent. What the detector takes for a voice and the caller did not say is a phantom; a
recogniser reads it, so that one that would take the floor (over the agent) or be a turn (while it is silent) is told
from one that comes to nothing. What was said and not heard is missed.

Who speaks over the agent holds it up, as in a call. `--near-db` raises or lowers the caller against the line's own
level: -6 on a bad line is a caller 10 dB above the café. A call of 40 s takes one.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

import numpy as np

from patter_cli import wiring
from patter_cli.audio.auto_echo import AutoEchoCanceller
from patter_cli.audio.frame import FRAME_MS, Samples
from patter_cli.audio.g711 import encode_ulaw
from patter_cli.audio.resample import resample_all
from patter_cli.audio.vad import Piece, VadPolicy, VoiceDetector, VoiceEdge
from patter_cli.audio.wire import Decode, LineAudio
from patter_cli.contracts.carrier.stream import MediaIn
from patter_cli.contracts.stt import Final
from patter_cli.contracts.vad import VoiceModel
from patter_cli.core.barge_in import Verdict, judge
from patter_cli.core.events import Event, SpeechEnded, SpeechStarted
from patter_cli.engine.clock import CallClock
from patter_cli.engine.inbound import InboundPath
from patter_cli.engine.listen import PRE_ROLL_MS
from patter_cli.engine.playout_reference import PlayoutReference
from patter_cli.simulate.line import QUALITIES, LineFilter, LineQuality
from patter_cli.simulate.script import line_voice
from tests.bench.barge_in import THRESHOLD_MS

AGENT_SAYS = (
    "Thank you for calling Bright Smile Dental. This is the automated assistant. How can I help you?",
    "We are open Monday to Thursday from eight to five, and on Friday from eight to two. Is there anything else?",
    "A cleaning costs one hundred and twenty dollars, and takes about forty five minutes. Would you like to book one?",
)
PAUSES_S = (0.1, 6.0, 6.0, 6.0)
"""Before each of them, and after the last."""
CALLER_SAYS = ("Yes, please.", "No.", "What are your opening hours?", "Wait, stop.", "Two.")
ALL_MS = 60
"""A voice this close to what was said is the caller's."""
YIELDS_MS = 1700
"""Whoever goes on for so long takes the floor whatever they say."""
LATE_MS = (5.0, 60.0)
"""By how much the server's idea of when an utterance is played is too early: carriers, and busy machines, begin each as
they like."""


@dataclass(slots=True)
class Heard:
    """A voice that the detector told of, call time in ms. over: began while the agent sounded."""

    onset_ms: float
    end_ms: float
    told_ms: float
    over: bool
    words: str = ""
    closed_ms: float = np.inf
    held: bool = False
    """It silenced the agent."""


@dataclass(slots=True)
class Rehearsal:
    """One call. said: where the caller speaks, ms; agent: where the agent sounds."""

    seed: int
    agent: list[tuple[float, float]] = field(default_factory=list)
    said: list[tuple[float, float, str]] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    echo_found_ms: float | None = None
    ear: Samples = field(default_factory=lambda: np.zeros(0, np.int16))
    """What the recogniser would be given, call time."""

    @property
    def phantoms(self) -> list[Heard]:
        return [each for each in self.heard if not self._whose(each)]

    @property
    def missed(self) -> list[str]:
        """What was said and opened no voice."""
        return [
            f"{words} ({'over' if self.is_over(begin) else 'alone'})"
            for begin, end, words in self.said
            if not any(each.onset_ms < end and each.end_ms > begin for each in self.heard)
        ]

    def is_over(self, at_ms: float) -> bool:
        """Whether who begins to speak then interrupts."""
        return any(begin < at_ms < end for begin, end in self.agent)

    def _whose(self, voice: Heard) -> bool:
        return any(voice.onset_ms < end + ALL_MS and voice.end_ms > begin - ALL_MS for begin, end, _ in self.said)


class _HandClock(CallClock):
    """Call time set by hand."""

    __slots__ = ("at_ms",)

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.at_ms = 0.0

    def now_ms(self) -> float:
        return self.at_ms


class _Room:
    """A detector that scores its windows at once, and keeps what recognition gets."""

    rate_hz = 8000

    def __init__(self, model: VoiceModel, policy: VadPolicy | None) -> None:
        self._model = model
        self._policy = policy
        self.pushed: list[Samples] = []

    def listen(self, on_edge: Callable[[VoiceEdge], None], decode: Decode) -> _Ear:
        return _Ear(self._model, VoiceDetector(self._policy), on_edge)

    def push(self, audio: LineAudio) -> None:
        self.pushed.append(audio.samples)

    def speech_started(self, onset_ms: int) -> None:
        return

    def speech_ended(self) -> None:
        return


class _Ear:
    def __init__(self, model: VoiceModel, detector: VoiceDetector, on_edge: Callable[[VoiceEdge], None]) -> None:
        self._model = model
        self._detector = detector
        self._state = model.initial_state()
        self._on_edge = on_edge

    def push(self, piece: Piece, *, masked: bool = False) -> None:
        for window in self._detector.windows(piece, masked=masked):
            probability = 0.0
            if not window.silent:
                scored, (self._state,) = self._model.score(window.samples[np.newaxis], [self._state])
                probability = float(scored[0])
            edge = self._detector.decide(probability, window.end_ms)
            if edge is not None:
                self._on_edge(edge)

    def close(self) -> None:
        return


def play(
    quality: LineQuality,
    seed: int,
    model: VoiceModel,
    agent: Sequence[Samples],
    caller: Sequence[tuple[str, Samples]],
    policy: VadPolicy | None = None,
) -> Rehearsal:
    """One call. agent: what it says, one after the other with PAUSES_S; caller: said at places drawn from the seed."""
    call, rng = Rehearsal(seed), np.random.default_rng([seed, 77])
    far, call.agent = _laid_out(agent, rng.uniform(0.0, 0.4))
    near = np.zeros(len(far), np.int16)
    pauses = [(end + 900, begin) for (_, end), (begin, _) in zip(call.agent, call.agent[1:], strict=False)]
    pauses.append((call.agent[-1][1] + 900, len(far) / 8))
    free = [*pauses, *((begin + 3000, end - 300) for begin, end in call.agent)]
    for (words, sound), (begin, end) in zip(caller, free, strict=False):
        at = int(8 * rng.uniform(begin, max(begin, end - len(sound) / 8 - 800)))
        near[at : at + len(sound)] = sound[: len(near) - at]
        call.said.append((at / 8, (at + len(sound)) / 8, words))
    _hold(call, quality, near, far, model, policy)
    return call


def _laid_out(agent: Sequence[Samples], late_s: float) -> tuple[Samples, list[tuple[float, float]]]:
    """All that the agent plays, and where it sounds, ms."""
    pieces = [np.zeros(int(8000 * late_s), np.int16)]
    spans, at = [], len(pieces[0])
    for pause_s, said in zip(PAUSES_S, agent, strict=False):
        pieces += [np.zeros(int(8000 * pause_s), np.int16), said]
        at += len(pieces[-2])
        spans.append((at / 8, (at + len(said)) / 8))
        at += len(said)
    return np.concatenate([*pieces, np.zeros(int(8000 * PAUSES_S[-1]), np.int16)]), spans


def _hold(
    call: Rehearsal, quality: LineQuality, near: Samples, track: Samples, model: VoiceModel, policy: VadPolicy | None
) -> None:
    """Everything through the line, as it would arrive, and through the way in. Who speaks over the agent holds it."""
    line, clock, reference = LineFilter(quality, call.seed), _HandClock(), PlayoutReference()
    room, voices = _Room(model, policy), call.heard
    sounding_ms = -np.inf
    lateness, late_ms = np.random.default_rng([call.seed, 78]), 0.0

    def post(event: Event) -> None:
        if isinstance(event, SpeechStarted):
            voices.append(Heard(event.at_ms, np.inf, clock.at_ms, event.at_ms < sounding_ms + 300))
        elif isinstance(event, SpeechEnded):
            voices[-1].end_ms, voices[-1].closed_ms = event.at_ms, clock.at_ms

    def found(_: int) -> None:
        call.echo_found_ms = clock.at_ms

    echo = AutoEchoCanceller(8000, found)
    path = InboundPath(clock=clock, room=room, hearing=room, post=post, echo=echo, far=reference)
    under_way: list[tuple[float, int, Samples]] = []
    for at in range(0, len(near) - 159, 160):
        now_ms = at / 8 + FRAME_MS
        voice = voices[-1] if voices and voices[-1].end_ms == np.inf else None
        held = voice is not None and now_ms > max(voice.told_ms, voice.onset_ms + THRESHOLD_MS)
        if held and now_ms < sounding_ms + 100:
            voice.held = True
        far = np.zeros(160, np.int16)
        if not held and len(track):
            far, track = track[:160], track[160:]
        if np.abs(far).max(initial=0) > 100:
            if now_ms > sounding_ms + 1000:
                late_ms = lateness.uniform(*LATE_MS)
            sounding_ms = now_ms
        reference.sent(encode_ulaw(far), at / 8)
        line.hear(at + round(8 * late_ms), far)
        frame = line.process(near[at : at + 160])
        if frame is not None:
            heappush(under_way, (frame.arrives_ms, frame.at, frame.samples))
        while under_way and under_way[0][0] < now_ms + FRAME_MS:
            clock.at_ms, place, samples = heappop(under_way)
            number = place // 160
            path.push(MediaIn(sequence=number + 1, timestamp_ms=number * FRAME_MS, payload=encode_ulaw(samples)))
    call.ear = np.concatenate(room.pushed)


async def read(call: Rehearsal) -> None:
    """What a recogniser makes of each phantom."""
    ears, _ = wiring.built_in_speech()
    for voice in call.phantoms:
        session = await ears.open()
        until = int(8 * min(voice.closed_ms, len(call.ear) / 8))
        since = max(0, int(8 * (voice.onset_ms - PRE_ROLL_MS)))
        session.push(resample_all(call.ear[since:until], 8000, ears.rate_hz))
        session.finalize()
        async for result in session.results():
            if isinstance(result, Final):
                voice.words = result.text
                break
        await session.aclose()


def takes_floor(voice: Heard) -> bool:
    """Whether a voice that nobody raised would be answered."""
    if voice.over:
        lasts_ms = min(60_000.0, voice.end_ms - voice.onset_ms)
        return (voice.held and lasts_ms > YIELDS_MS) or judge(voice.words, int(lasts_ms)) is Verdict.REAL
    return bool(voice.words.strip())


async def measure(lines: Sequence[str], calls: int, near_db: float, shown: bool) -> None:
    """Hold the calls and print the table."""
    model = wiring.voice_model()
    _, tts = wiring.built_in_speech()
    say, ask = line_voice(tts), line_voice(wiring.built_in_caller("jo"))
    agent = [await say(text) for text in AGENT_SAYS]
    caller = [(text, await ask(text)) for text in CALLER_SAYS]
    for name in lines:
        quality = replace(QUALITIES[name], level_db=QUALITIES[name].level_db + near_db)
        held = [play(quality, seed, model, agent, caller) for seed in range(calls)]
        for call in held:
            await read(call)
        phantoms = [each for call in held for each in call.phantoms]
        missed = [each for call in held for each in call.missed]
        taken = [each for each in phantoms if takes_floor(each)]
        said = sum(len(call.said) for call in held)
        over = sum(each.over for each in phantoms)
        interruptions = sum(call.is_over(begin) for call in held for begin, _, _ in call.said)
        print(
            f"{name}: {calls} calls, phantoms over the agent {over}, else {len(phantoms) - over}; the agent was held "
            f"{sum(each.held for each in phantoms)} times; answered {len(taken)}, "
            f"in {sum(any(map(takes_floor, call.phantoms)) for call in held)} calls; "
            f"missed {sum('over' in each for each in missed)} of {interruptions} interruptions, {len(missed)} of all "
            f"{said} {dict(Counter(missed))}",
            flush=True,
        )
        for call in [each for each in held if each.phantoms or each.missed] if shown else []:
            print(f"  seed {call.seed}, echo found at {call.echo_found_ms}, said {call.said}, missed {call.missed}")
            for each in call.phantoms:
                print(f"    {each.onset_ms:.0f}-{each.end_ms:.0f}, told at {each.told_ms:.0f}: {each.words!r}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20)
    parser.add_argument("--lines", default="mobile,speakerphone,bad")
    parser.add_argument("--near-db", type=float, default=0.0)
    parser.add_argument("--show", action="store_true", help="every phantom")
    chosen = parser.parse_args()
    asyncio.run(measure(chosen.lines.split(","), chosen.n, chosen.near_db, chosen.show))
