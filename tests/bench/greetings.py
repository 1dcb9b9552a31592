"""Who answered, human or machine, and is the message left after the beep: `python -m tests.bench.greetings`.

Some 200 greetings (greetings_corpus), each as a whole outbound call in virtual time: the real session, machine, voice
detector and recogniser on the simulated lines, the built-in voices at the far end. What the models take is not
measured but assumed: READING_S for a reading, VOICE_S until the voice begins.

`--lines clean,bad` for some of the lines, `--every 5` for a fifth of the greetings, `--all` to list what went right.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeVar

import numpy as np

from patter_cli.audio.frame import FRAME_MS, ULAW_8K, Samples
from patter_cli.audio.g711 import encode_ulaw
from patter_cli.audio.vad import Piece, VoiceDetector, VoiceEdge
from patter_cli.audio.wire import Decode
from patter_cli.contracts.carrier.stream import MarkIn, MediaIn
from patter_cli.contracts.llm import Text
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import BeepHeard, MachineDetected
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import AnsweredBy, Direction
from patter_cli.core.plan import CallPlan
from patter_cli.core.screening import HUMAN_WINDOW_MS
from patter_cli.engine.build import build_call
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import CallInfo, ReadyAgent
from patter_cli.engine.speak import TtsCache
from patter_cli.observe.metrics import CallMeasure
from patter_cli.providers import moonshine
from patter_cli.providers.moonshine_model import Model
from patter_cli.providers.pool import Owner, Rank
from patter_cli.providers.short_answers import offered
from patter_cli.providers.silero import VoiceModel
from patter_cli.simulate.line import QUALITIES, LineFilter
from tests.bench.greetings_corpus import Greeting, greetings
from tests.unit.engine.conftest import virtually

READING_S = 0.25
VOICE_S = 0.2
FIRST_MESSAGE = "Hello, this is Luigi's, I am calling about the table that you have booked for tonight."
MESSAGE = "This is Luigi's. Please call us back about your table."
FRAME = 160

T = TypeVar("T")


@cache
def models() -> tuple[VoiceModel, Callable[..., str]]:
    """The voice model, and the recogniser with the short answers laid out."""
    network = Model()
    return VoiceModel(), partial(network.transcribe, offer=network.offer(offered(())))


class Ears:
    """The built-in recogniser, its readings made at once and delivered when they would be."""

    provider = "moonshine"
    rate_hz = moonshine.RATE_HZ
    speech_only = True

    def __init__(self) -> None:
        self.under_way = 0

    async def warm(self) -> None: ...

    async def open(self) -> moonshine.Session:
        return moonshine.Session(transcribe=models()[1], pool=self)  # type: ignore[arg-type]

    @property
    def idle(self) -> bool:
        return not self.under_way

    def submit(self, work: Callable[[], T], rank: Rank, owner: Owner | None = None) -> Future[T]:
        """Run it here; the answer comes later."""
        future: Future[T] = Future()
        self.under_way += 1

        def answer() -> None:
            self.under_way -= 1
            if future.set_running_or_notify_cancel():
                future.set_result(work())

        asyncio.get_running_loop().call_later(READING_S, answer)
        return future


class Voice:
    """The agent's: as long as its words, and without any."""

    provider = "bench"
    rate_hz = 8000

    async def warm(self) -> None: ...

    async def open(self) -> Voice:
        return self

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        await asyncio.sleep(VOICE_S)
        yield np.full(len(text) * 65 * 8, 2000, np.int16)

    async def aclose(self) -> None: ...


class Brain:
    """Has the same answer to everything."""

    provider = "bench"
    model = "bench"

    async def warm(self) -> None: ...

    async def stream(self, *asked: object, **more: object) -> AsyncIterator[Text]:
        yield Text("I see, thank you.")


class Far:
    """The far end of one call: carrier, line, detector and journal in one; keeps what was decided when."""

    rate_hz = 8000

    def __init__(self, greeting: Greeting, seed: int, *, screens: bool = True) -> None:
        """seed: of the line's chances. screens: the plan asks who answers."""
        self.greeting = greeting
        self.line = LineFilter(QUALITIES[greeting.line], seed)
        self.entries: list[Entry] = []
        self.playing_until = 0.0
        self.detector = VoiceDetector(None, rate_hz=8000, window_samples=models()[0].window_samples)
        self.state = models()[0].initial_state()
        self.edge: Callable[[VoiceEdge], None] = lambda edge: None
        self.message_reply = -1
        self.message_ms: int | None = None
        plan = CallPlan(
            agent="luigi",
            system_prompt="",
            first_message=FIRST_MESSAGE,
            screens_machines=screens,
            voicemail_message=MESSAGE,
        )
        agent = ReadyAgent(
            name="luigi",
            plan=plan,
            stt=Ears(),
            tts=Voice(),
            models=(Brain(),),  # type: ignore[arg-type]
            hooks=Hooks(),
            revise=lambda overrides, given: agent,
            for_call=lambda texts: agent,
        )
        self.session = build_call(
            info=CallInfo(call_id="one", caller="+1", callee="+2", direction=Direction.OUTBOUND, carrier="bench"),
            agent=agent,
            format=ULAW_8K,
            line=self,
            control=self,  # type: ignore[arg-type]
            vad=self,
            cache=TtsCache(),
            journal=self,
            measure=CallMeasure(),
        )

    async def call(self) -> None:
        """Hold it until the message is begun, or the sound is over."""
        run = asyncio.create_task(self.session.run())
        sound = self.greeting.sound
        for number, at in enumerate(range(0, len(sound) // FRAME * FRAME, FRAME), start=1):
            await asyncio.sleep(FRAME_MS / 1000)
            frame = self.line.process(sound[at : at + FRAME])
            if run.done() or self.message_ms is not None or self.human_for_good:
                break
            if frame is not None:
                late_s = max(0.0, frame.arrives_ms - (at + FRAME) / 8) / 1000
                media = MediaIn(encode_ulaw(frame.samples), at // 8, number)
                asyncio.get_running_loop().call_later(late_s, self.session.on_stream, media)
        if not run.done():
            self.session.on_closed("carrier_stop")
        await run

    def write(self, entry: Entry) -> None:
        self.entries.append(entry)
        for each in entry.commands:
            if isinstance(each, order.ReadOut) and each.text == MESSAGE:
                self.message_reply = each.response_id
        event = entry.event
        if isinstance(event, fact.PlayoutStarted) and event.response_id == self.message_reply:
            self.message_ms = entry.at

    @property
    def human_for_good(self) -> bool:
        """Our ear has settled it, and listens for no beep any more."""
        if not self.taken or self.taken[-1][1].answered_by is not AnsweredBy.HUMAN:
            return False
        return asyncio.get_running_loop().time() * 1000 > self.taken[-1][0] + HUMAN_WINDOW_MS

    @property
    def taken(self) -> list[tuple[int, order.TakeFor]]:
        return [
            (entry.at, each) for entry in self.entries for each in entry.commands if isinstance(each, order.TakeFor)
        ]

    # Line, control, detector and journal.

    def media(self, payload: bytes) -> None:
        now = asyncio.get_running_loop().time()
        self.playing_until = max(now, self.playing_until) + len(payload) / 8000

    def mark(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        loop.call_at(max(loop.time(), self.playing_until), self.session.on_stream, MarkIn(name=name))

    def clear(self) -> None:
        self.playing_until = 0.0

    async def hang_up(self) -> None: ...

    def listen(self, on_edge: Callable[[VoiceEdge], None], decode: Decode) -> Far:
        self.edge = on_edge
        return self

    def push(self, piece: Piece, *, masked: bool = False) -> None:
        for window in self.detector.windows(piece, masked=masked):
            probability = 0.0
            if not window.silent:
                scored, (self.state,) = models()[0].score(window.samples[np.newaxis], [self.state])
                probability = float(scored[0])
            edge = self.detector.decide(probability, window.end_ms)
            if edge is not None:
                self.edge(edge)

    async def settle(self, within_s: float) -> None: ...

    def close(self, summary: Mapping[str, Any] | None = None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a greeting. Times in ms; None: it never was."""

    greeting: Greeting
    taken: AnsweredBy
    why: str
    words: str
    after_hello_ms: int | None = None
    after_beep_ms: int | None = None
    """From the beep's end to the first sound of the message."""

    @property
    def wrong(self) -> str:
        greeting = self.greeting
        if greeting.truth is not self.taken and (greeting.text or self.taken is not AnsweredBy.UNKNOWN):
            return f"taken for {self.taken}"
        if greeting.beep_ms and (self.after_beep_ms is None or not 0 <= self.after_beep_ms <= 1000):
            return f"message {self.after_beep_ms} ms after the beep"
        return ""


def judge(greeting: Greeting, seed: int = 0, *, screens: bool = True) -> Verdict:
    """Hold the call and look at it. screens: the plan asks who answers."""

    async def story() -> Far:
        far = Far(greeting, seed, screens=screens)
        await far.call()
        return far

    far = virtually(story())
    finals = [each.event.text for each in far.entries if isinstance(each.event, fact.TranscriptFinal)]
    partials = [each.event.text for each in far.entries if isinstance(each.event, fact.TranscriptPartial)]
    found = [each.event for each in far.entries if isinstance(each.event, MachineDetected | BeepHeard)]
    taken = [(at, each) for at, each in far.taken if each.answered_by is not AnsweredBy.UNKNOWN]
    at, last = taken[-1] if taken else (0, order.TakeFor(answered_by=AnsweredBy.UNKNOWN, why="nobody could tell"))
    return Verdict(
        greeting=greeting,
        taken=last.answered_by,
        why=" > ".join(each.raw for each in found) or last.why,
        words=" | ".join(finals or partials[-1:]),
        after_hello_ms=at - greeting.hello_end_ms if greeting.hello_end_ms and taken else None,
        after_beep_ms=far.message_ms - greeting.beep_end_ms if greeting.beep_ms and far.message_ms else None,
    )


def summary(verdicts: Sequence[Verdict]) -> list[str]:
    """The figures, a line each."""
    by_truth = {who: [v for v in verdicts if v.greeting.truth is who] for who in AnsweredBy}
    lines = []
    for who, wrongly in ((AnsweredBy.HUMAN, AnsweredBy.MACHINE), (AnsweredBy.MACHINE, AnsweredBy.HUMAN)):
        of = by_truth[who]
        wrong, unknown = (sum(v.taken is each for v in of) for each in (wrongly, AnsweredBy.UNKNOWN))
        share = 100 * wrong / max(1, len(of))
        lines.append(f"{who} called {wrongly}: {wrong} of {len(of)} ({share:.1f} %); undecided {unknown}")
    fax = by_truth[AnsweredBy.FAX]
    lines.append(f"fax called fax: {sum(v.taken is AnsweredBy.FAX for v in fax)} of {len(fax)}")
    for line in ("", *dict.fromkeys(v.greeting.line for v in verdicts)):
        of = [v for v in by_truth[AnsweredBy.HUMAN] if line in ("", v.greeting.line)]
        hello = [v.after_hello_ms for v in of if v.after_hello_ms is not None]
        lines.append(f"decision after a human's hello, {line or 'all lines'}: {_spread(hello)}")
    beeps = [v for v in verdicts if v.greeting.beep_ms]
    after = [v.after_beep_ms for v in beeps if v.after_beep_ms is not None]
    on_time = sum(0 <= each <= 1000 for each in after)
    early = sum(each < 0 for each in after)
    lines.append(f"message after the beep: {_spread(after)}; within 1 s {on_time} of {len(beeps)}, before it {early}")
    return lines


def _spread(times_ms: Sequence[int]) -> str:
    if not times_ms:
        return "-"
    p50, p95 = (float(np.percentile(times_ms, each)) for each in (50, 95))
    return f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, most {max(times_ms)} ms"


def main() -> None:
    """Print what went wrong, and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", default=",".join(QUALITIES))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    begun = time.perf_counter()
    corpus = asyncio.run(greetings(options.lines.split(","), every=options.every))
    print(f"{len(corpus)} greetings made in {time.perf_counter() - begun:.0f} s", flush=True)
    verdicts = []
    for number, greeting in enumerate(corpus):
        verdict = judge(greeting, number)
        verdicts.append(verdict)
        if verdict.wrong or options.all:
            times = f"hello {verdict.after_hello_ms}, beep {verdict.after_beep_ms}"
            print(f"{greeting.line} {greeting.truth} {greeting.text[:60]!r}: {verdict.wrong or 'right'} ({times})")
            print(f"    {verdict.why}; heard {verdict.words[:150]!r}", flush=True)
    print("\n".join(summary(verdicts)))
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
