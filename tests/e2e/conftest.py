"""Calls on real sockets with ears and voices that need no model: tones are sentences, every letter has its own pitch.

The caller "says" a sentence of SENTENCES as a tone of that sentence's frequency; `ToneEars` finds the frequency and
knows the words. `LetterVoice` gives each letter 20 ms of its own pitch, so that what was heard on the line can be read
back letter by letter from the audio that the line has played, by nobody's word but the line's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from patter_cli import wiring
from patter_cli.agent import Agent, TurnPolicy
from patter_cli.audio.frame import FloatSamples, Samples
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.contracts.carrier.stream import ClearOut, LineMessage, MarkOut, MediaOut
from patter_cli.contracts.store import CallStore
from patter_cli.contracts.stt import Final, Partial, Recognised
from patter_cli.contracts.vad import VoiceState
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.core.plan import SystemPhrases
from patter_cli.engine.hooks import Hooks
from patter_cli.observe.bus import Observer
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.simulate.caller import Fact, LineCaller
from patter_cli.simulate.mouth import FRAME_SAMPLES, SaidAudio
from patter_cli.simulate.playout import AgentStarted
from patter_cli.web.site import Site

RATE_HZ = 8000
SENTENCES = (
    "What are your opening hours?",
    "Stop! Where is your office?",
    "Goodbye.",
    "Can you put me through?",
    "okay",
    "How much is a cleaning?",
)
LETTERS = " abcdefghijklmnopqrstuvwxyz'.,?!:-0123456789"
LETTER_MS = 20
"""One frame of the line."""
STOCK_LINES = frozenset(
    clause.strip()
    for text in SystemPhrases().texts()
    for clause in text.replace("?", "?|").replace(".", ".|").split("|")
)
"""The lines for trouble, sentence by sentence as they are voiced."""


def tone(hz: float, ms: int, peak: int = 8000) -> Samples:
    """A pure tone at 8 kHz."""
    return (peak * np.sin(2 * np.pi * hz * np.arange(ms * 8) / RATE_HZ)).astype(np.int16)


def spoken(sentence: str, ms: int = 500) -> Samples:
    """A caller's sentence as sound."""
    return tone(500 + 120 * SENTENCES.index(sentence), ms)


def understood(samples: Samples) -> str:
    """The sentences in a sound, in order."""
    found: list[str] = []
    for at in range(0, len(samples) - 799, 800):
        block = samples[at : at + 800].astype(float)
        if np.abs(block).max() > 2000:
            hz = int(np.abs(np.fft.rfft(block)).argmax()) * 10
            index = round((hz - 500) / 120)
            if 0 <= index < len(SENTENCES) and (not found or found[-1] != SENTENCES[index]):
                found.append(SENTENCES[index])
    return " ".join(found)


def letters_in(samples: Samples) -> str:
    """What a LetterVoice was heard to say, in lower case."""
    return "".join(letter_in(samples[at : at + FRAME_SAMPLES]) for at in range(0, len(samples), FRAME_SAMPLES))


def letter_in(frame: Samples) -> str:
    """The letter that 20 ms of a LetterVoice belong to; "" for silence, "#" for none that it knows."""
    if np.abs(frame.astype(int)).max(initial=0) < 1000:
        return ""
    hz = int(np.abs(np.fft.rfft(frame.astype(float) * np.hanning(len(frame)), 1600)).argmax()) * 5
    index = round((hz - 400) / 75)
    return LETTERS[index] if 0 <= index < len(LETTERS) else "#"


class ToneEars:
    """A recogniser that knows SENTENCES by their frequency."""

    rate_hz = RATE_HZ
    speech_only = True

    async def warm(self) -> None:
        pass

    async def open(self) -> ToneSession:
        return ToneSession()


class ToneSession:
    def __init__(self) -> None:
        self.segment = 0
        self.heard = np.zeros(0, np.int16)
        self.words = ""
        self.due: asyncio.Queue[Recognised] = asyncio.Queue()

    def push(self, samples: Samples) -> None:
        self.heard = np.concatenate([self.heard, samples])
        words = understood(self.heard)
        if words != self.words:
            self.words = words
            self.due.put_nowait(Partial(segment=self.segment, text=words))

    def finalize(self) -> None:
        self.due.put_nowait(Final(segment=self.segment, text=self.words))

    def commit(self) -> None:
        self.segment += 1
        self.heard = np.zeros(0, np.int16)
        self.words = ""

    async def results(self) -> AsyncIterator[Recognised]:
        while True:
            yield await self.due.get()

    async def aclose(self) -> None:
        pass


class LetterVoice:
    """A voice that says 50 letters a second, each at its own pitch."""

    rate_hz = RATE_HZ

    async def warm(self) -> None:
        pass

    async def open(self) -> LetterVoice:
        return self

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        for letter in text.lower():
            yield tone(400 + 75 * LETTERS.find(letter), LETTER_MS)
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        pass


class Loudness:
    """A voice detector's model that takes every loud window for speech."""

    rate_hz = RATE_HZ
    window_samples = 256

    def initial_state(self) -> VoiceState:
        return np.zeros(1, np.float32)

    def score(self, windows: FloatSamples, states: list[VoiceState]) -> tuple[Any, list[VoiceState]]:
        return (np.abs(windows).max(axis=1) > 0.05).astype(np.float32), states


EARS, VOICE, LOUDNESS = ToneEars(), LetterVoice(), Loudness()
PATIENT = TurnPolicy(idle_ms=60_000)


def agent(first_message: str = "", **arguments: Any) -> Agent:
    """An agent with quick ears and a quick voice. Its caller's tones are its own, so they would pass for an echo."""
    usual = {"stt": EARS, "tts": VOICE, "turns": PATIENT, "echo_cancellation": False}
    return Agent("A test.", first_message, **{**usual, **arguments})


class Told:
    """A call's journal that keeps nothing and tells one observer at once."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def write(self, entry: Entry) -> None:
        self._observer("", entry)

    async def settle(self, within_s: float) -> None:
        pass

    def close(self, record: Mapping[str, Any]) -> None:
        pass


class Log:
    """Observes all calls of a server."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Entry]] = {}

    def __call__(self, call_id: str, entry: Entry) -> None:
        self.calls.setdefault(call_id, []).append(entry)

    def of(self, caller: str) -> list[Entry]:
        """The entries of the call that this caller made."""
        for entries in self.calls.values():
            first = entries[0].event
            if isinstance(first, fact.CallConnected) and first.caller == caller:
                return entries
        return []


@dataclass
class Phone:
    """A server and what it told."""

    server: Service
    log: Log


@asynccontextmanager
async def answering(
    agents: Mapping[str, tuple[Agent, Hooks]],
    *,
    store: CallStore | None = None,
    drain_s: float = 0.0,
    observers: tuple[Observer, ...] = (),
    site: Site | None = None,
    **more: Any,
) -> AsyncIterator[Phone]:
    """Serve these agents on a free port; on leaving, live calls are cut soon. more: settings of the server."""
    log = Log()
    ready = {name: wiring.ready_agent(name, each, hooks) for name, (each, hooks) in agents.items()}
    settings = ServiceSettings(port=0, drain_timeout_s=drain_s, **more)
    server = wiring.service(ready, settings, store=store, observers=(log, *observers), voice=LOUDNESS, site=site)
    await server.start()
    try:
        yield Phone(server, log)
    finally:
        await server.cut()
        server.close()


class Earpiece:
    """A handset that only listens, and reads what it hears letter by letter."""

    def __init__(self) -> None:
        self._letters: list[str] = []

    def take(self) -> Samples:
        return np.zeros(FRAME_SAMPLES, np.int16)

    def play(self, samples: Samples) -> None:
        self._letters.append(letter_in(samples))

    def clear(self) -> None:
        pass

    @property
    def text(self) -> str:
        """What the agent was heard to say so far."""
        return "".join(self._letters)

    def has_heard(self, words: str) -> bool:
        return words in self.text


class Tap(TwilioLine):
    """The line's codec, with every message of the server and when it came."""

    def __init__(self, number: int = 1) -> None:
        super().__init__(stream_id=f"MZ{number:032}")
        self.clock: Callable[[], float] = lambda: 0.0
        self.received: list[tuple[float, LineMessage]] = []

    def receive(self, text: str) -> LineMessage:
        message = super().receive(text)
        self.received.append((self.clock(), message))
        return message

    @property
    def audio(self) -> bytes:
        """All audio that came, played or not."""
        return b"".join(message.payload for _, message in self.received if isinstance(message, MediaOut))

    @property
    def clears(self) -> list[float]:
        return [at for at, message in self.received if isinstance(message, ClearOut)]

    def marks(self) -> list[str]:
        return [message.name for _, message in self.received if isinstance(message, MarkOut)]

    def worst_gap_ms(self) -> float:
        """By how much audio came late at worst: the ear had played all before it, in the middle of a reply."""
        plays_until, worst = 0.0, 0.0
        fresh = True
        for at, message in self.received:
            match message:
                case MediaOut(payload):
                    if not fresh and at > plays_until:
                        worst = max(worst, at - plays_until)
                    plays_until = max(at, plays_until) + len(payload) / 8
                    fresh = False
                case _:
                    fresh = True
        return worst


class Caller:
    """One call as a test makes it."""

    def __init__(self, phone: Phone, name: str, caller: str = "") -> None:
        self._log = phone.log
        self.name = caller or name
        self.tap = Tap()
        self.ear = Earpiece()
        self.facts: list[Fact] = []
        self.line = LineCaller(
            phone.server.media_url(name),
            self.tap,
            parameters={"caller": self.name},
            handset=self.ear,
            on_fact=self.facts.append,
        )
        self.tap.clock = lambda: self.line.now_ms

    async def __aenter__(self) -> Caller:
        await self.line.__aenter__()
        return self

    async def __aexit__(self, *failure: Any) -> None:
        await self.line.__aexit__(*failure)

    @property
    def entries(self) -> list[Entry]:
        return self._log.of(self.name)

    def transcript(self) -> list[tuple[str, str]]:
        """(role, text) as reported."""
        return [
            (command.role, command.text)
            for entry in self.entries
            for command in entry.commands
            if isinstance(command, order.ReportTranscript)
        ]

    def spoken(self) -> list[str]:
        """The clauses of which something was sent, in order."""
        clauses: dict[tuple[int, int], str] = {}
        started: list[str] = []
        for entry in self.entries:
            if isinstance(entry.event, fact.PlayoutStarted):
                started.append(clauses.get((entry.event.response_id, entry.event.clause), "?"))
            for command in entry.commands:
                if isinstance(command, order.Speak):
                    clauses[command.response_id, command.clause] = command.text
        return started

    def over(self) -> order.FinishCall | None:
        """How the call ended, once it has."""
        for entry in self.entries:
            for command in entry.commands:
                if isinstance(command, order.FinishCall):
                    return command
        return None

    async def until(self, condition: Callable[[], object], within_s: float = 8.0) -> None:
        """Wait for something on the line. Fails the test when it does not come."""
        held = await self.line.wait_for(lambda: bool(condition()), within_s)
        assert held or condition(), f"{self.name}: never came: {self.spoken()} {self.transcript()} {self.line.ended}"

    async def until_heard(self, text: str, within_s: float = 8.0) -> None:
        """Until these words have come out of the earpiece."""
        await self.until(lambda: text.lower() in self.ear.text, within_s)

    async def until_over(self, within_s: float = 8.0) -> None:
        """Until the server has ended the call."""
        await self.until(lambda: self.line.ended is not None, within_s)
        assert self.line.ended is not None

    async def say(self, sentence: str, ms: int = 500) -> SaidAudio:
        """Say a sentence to its end."""
        said = self.line.say(spoken(sentence, ms))
        await self.line.wait_for(lambda: self.line.now_ms >= said.end_ms)
        return said

    def longest_wait_ms(self) -> float:
        """The longest the agent let the caller wait for its voice after the caller had spoken."""
        starts = [each.at_ms for each in self.facts if isinstance(each, AgentStarted)]
        end = self.line.ended.at_ms if self.line.ended else self.line.now_ms
        waits = []
        for said in self.line.mouth.said:
            nexts = [at for at in starts if at > said.last_voiced_ms]
            waits.append((nexts[0] if nexts else end) - said.last_voiced_ms)
        return max(waits, default=0.0)


@dataclass
class Loose:
    """What a piece of work left behind."""

    tasks: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    """What reached the event loop's exception handler."""


async def and_tidy(work: Coroutine[Any, Any, Any]) -> Loose:
    """Run some work and see what it leaves behind."""
    loose = Loose()
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    loop.set_exception_handler(lambda _, context: loose.reported.append(str(context)))
    try:
        await work
        await asyncio.sleep(0.05)
        import gc

        gc.collect()
        await asyncio.sleep(0)
        loose.tasks = [repr(task) for task in asyncio.all_tasks() - before if not task.done()]
    finally:
        loop.set_exception_handler(None)
    return loose


@pytest.fixture
def quiet_log() -> Iterator[None]:
    """For tests whose agents are broken on purpose."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
