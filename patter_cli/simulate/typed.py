"""A call without sound: what is typed is what was recognised, and what would be spoken is heard at once.

The call itself is the real one: the same session, machine and callbacks. Only its ends are exchanged, for a voice
detector and a recogniser that take typed text, a voice that makes one silent frame a clause, and a line that plays
in no time.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TextIO

import numpy as np

from patter_cli.audio.frame import ULAW_8K, Samples
from patter_cli.audio.vad import Piece, VoiceEdge, VoiceStarted, VoiceStopped
from patter_cli.audio.wire import Decode
from patter_cli.contracts.carrier.control import CallControl
from patter_cli.contracts.carrier.stream import MarkIn
from patter_cli.contracts.provider import Keyless
from patter_cli.contracts.stt import Final, Recognised
from patter_cli.core.outcome import Direction
from patter_cli.core.plan import CallPlan
from patter_cli.engine.build import build_call
from patter_cli.engine.ready import CallInfo, ReadyAgent
from patter_cli.engine.record import Journal
from patter_cli.engine.reports import settle_reports
from patter_cli.engine.speak import TtsCache
from patter_cli.errors import CallRejected, InputError
from patter_cli.observe.bus import Bus, Observer
from patter_cli.observe.journal_writer import JournalWriter
from patter_cli.observe.metrics import CallMeasure
from patter_cli.simulate.scenario import WrittenHuman

RATE_HZ = 8000
SETTLE_S = 5.0
"""What callbacks get after the last line before the program may end."""
SHOWN_S = 1.0
"""What observers get for what is still on its way to them."""
TYPED_PAUSE_MS = 20
"""Endpointing of a typed line: whoever presses Enter has finished."""


class TypedCall:
    """One call by keyboard. `type` says a line, `hang_up` ends it, `run` holds it."""

    def __init__(
        self,
        agent: ReadyAgent,
        *,
        call_id: str,
        control: CallControl,
        journal: Journal,
    ) -> None:
        """Raises InputError for an agent that nothing can be typed to."""
        if agent.engine is not None:
            raise InputError(
                f"{agent.name} has a speech-to-speech engine, which wants to hear a voice",
                hint="leave --text out, or give the agent an llm in place of its engine",
            )
        self._speech = _TypedSpeech()
        self._room = _TypedRoom()
        voice = _SilentVoice()

        def revise(overrides: Mapping[str, Any], parameters: Mapping[str, str]) -> ReadyAgent:
            changed = agent.revise(overrides, parameters)
            return replace(
                changed,
                plan=_at_once(changed.plan),
                stt=self._speech,
                stt_fallbacks=agent.stt_fallbacks,
                tts=voice,
                tts_fallbacks=agent.tts_fallbacks,
                spoken={},
            )

        self._session = build_call(
            info=CallInfo(
                call_id=call_id, caller="keyboard", callee=agent.name, direction=Direction.INBOUND, carrier="typed"
            ),
            agent=replace(
                agent,
                plan=_at_once(agent.plan),
                stt=self._speech,
                tts=voice,
                spoken={},
                end_of_turn=None,
                revise=revise,
            ),
            format=ULAW_8K,
            line=self,
            control=control,
            vad=self._room,
            cache=TtsCache(),
            journal=journal,
            measure=CallMeasure(),
        )

    def media(self, payload: bytes) -> None:
        """Nobody listens."""

    def mark(self, name: str) -> None:
        """It comes straight back."""
        asyncio.get_running_loop().call_soon(self._session.on_stream, MarkIn(name=name))

    def clear(self) -> None:
        """Nothing waits to be played."""

    def type(self, text: str) -> None:
        """Say a line."""
        self._speech.heard(text)
        now_ms = self._session.now_ms
        self._room.on_edge(VoiceStarted(onset_ms=now_ms))
        self._room.on_edge(VoiceStopped(last_voiced_ms=now_ms))

    async def type_lines(self, source: TextIO) -> None:
        """Say every line of a text stream, each once the agent is done with the last; ends with it or the call."""
        lines = _lines_of(source)
        while not self._session.over:
            await self.until_quiet()
            line = await lines.get()
            if line is None or self._session.over:
                return
            if line.strip():
                self.type(line.strip())

    async def until_quiet(self) -> None:
        """Until the agent is done with what was last said."""
        await self._session.until_quiet()

    def hang_up(self) -> None:
        self._session.on_closed("caller_hung_up")

    async def run(self) -> None:
        await self._session.run()
        await settle_reports(SETTLE_S)


class TypedControl:
    """What can be asked of a line that is a keyboard: to be connected to the people who were named. Nothing rings."""

    def __init__(self, humans: Sequence[WrittenHuman], on_reached: Callable[[WrittenHuman], None]) -> None:
        """on_reached: told who has the caller now."""
        self._humans = {each.number: each for each in humans}
        self._on_reached = on_reached

    async def hang_up(self) -> None:
        """Nothing to ask of anybody."""

    async def transfer(self, number: str) -> None:
        """Raises CallRejected: nobody was named with this number, or they do not answer."""
        human = self._humans.get(number)
        if human is None or human.refuses:
            raise CallRejected(human.refuses if human else "no such number")
        self._on_reached(human)

    async def send_digits(self, digits: str) -> None:
        """Raises CallRejected."""
        raise CallRejected("a keyboard takes no keys of a telephone")

    async def start_recording(self) -> None:
        """Raises CallRejected."""
        raise CallRejected("there is no sound to record")

    async def stop_recording(self) -> None:
        """Nothing is recorded."""


async def hold_typed_call(
    agent: ReadyAgent, source: TextIO, *, control: CallControl, observers: tuple[Observer, ...]
) -> None:
    """One whole call whose caller says the lines of a text stream, until the agent ends it or they are at an end."""
    bus = Bus(*observers)
    call = TypedCall(agent, call_id="typed", control=control, journal=JournalWriter(bus).open("typed", None))
    running = asyncio.create_task(call.run())
    try:
        await call.type_lines(source)
    finally:
        call.hang_up()
        await running
        bus.close(SHOWN_S)


def _lines_of(source: TextIO) -> asyncio.Queue[str | None]:
    """Lines as they are entered, then None. A thread waits for them: it must not keep the program from ending."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        with suppress(RuntimeError):  # the loop has closed: the call is over
            for line in source:
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True, name="patter-keyboard").start()
    return lines


def _at_once(plan: CallPlan) -> CallPlan:
    pace = plan.pace
    quick = replace(
        pace,
        endpoint_ms=TYPED_PAUSE_MS,
        endpoint_complete_ms=TYPED_PAUSE_MS,
        endpoint_unfinished_ms=TYPED_PAUSE_MS,
        idle_ms=pace.max_duration_ms,
    )
    return replace(plan, pace=quick)


class _TypedRoom:
    """Stands where the voice detector is: typing is speech."""

    rate_hz = RATE_HZ

    def __init__(self) -> None:
        self.on_edge: Callable[[VoiceEdge], None] = lambda edge: None

    def listen(self, on_edge: Callable[[VoiceEdge], None], decode: Decode) -> _NoEar:
        self.on_edge = on_edge
        return _NoEar()


class _NoEar:
    def push(self, piece: Piece, *, masked: bool = False) -> None:
        pass

    def close(self) -> None:
        pass


class _TypedSpeech(Keyless):
    """Recipe and session in one: there is one call and one keyboard."""

    rate_hz = RATE_HZ
    speech_only = False

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._results: asyncio.Queue[Recognised] = asyncio.Queue()
        self._segment = 0

    def heard(self, text: str) -> None:
        self._lines.append(text)

    async def warm(self) -> None:
        pass

    async def open(self) -> _TypedSpeech:
        return self

    def push(self, samples: Samples) -> None:
        pass

    def finalize(self) -> None:
        self._results.put_nowait(Final(segment=self._segment, text=" ".join(self._lines)))

    def commit(self) -> None:
        self._segment += 1
        self._lines.clear()

    async def results(self) -> AsyncIterator[Recognised]:
        for _ in itertools.count():
            yield await self._results.get()

    async def aclose(self) -> None:
        pass


class _SilentVoice(Keyless):
    """Recipe and session in one: a frame of silence a clause."""

    provider = "keyboard"
    rate_hz = RATE_HZ

    async def warm(self) -> None:
        pass

    async def open(self) -> _SilentVoice:
        return self

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        yield np.zeros(RATE_HZ // 50, np.int16)

    async def aclose(self) -> None:
        pass
