"""A call with sound on the bench: an agent that is served for it, or a server that is up, and a caller on a line."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from patter_cli import wiring
from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import read_channel
from patter_cli.contracts.llm import LanguageModel
from patter_cli.contracts.store import CallStore
from patter_cli.core.journal import Entry
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import InputError, TimedOut
from patter_cli.observe.bus import Observer
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.facts import Cleared, EndCause, Fact, Transferred
from patter_cli.simulate.judgement import ask_all
from patter_cli.simulate.line import QUALITIES, LineFilter
from patter_cli.simulate.microphone import Handset
from patter_cli.simulate.overheard import overhear
from patter_cli.simulate.persona import Persona
from patter_cli.simulate.played import longest_silence
from patter_cli.simulate.playout import AgentStarted, AgentStopped
from patter_cli.simulate.scenario import voiced
from patter_cli.simulate.script import Voice, hold_conversation, line_voice
from patter_cli.simulate.steps import StaySilent, Wait
from patter_cli.simulate.switchboard import Switchboard
from patter_cli.simulate.written import Scenario, WrittenHuman
from patter_cli.testbench.held import HeldCall
from patter_cli.testbench.recordings import Recordings

CALLER_VOICE: Final = "jo"
"""The second voice of the built-in speech stack."""

HUMAN_VOICE: Final = "joe"
HUMAN_GAIN: Final = 0.5
"""Half as loud as the agent, who has the same voice: one hears that it is somebody else, and further away."""

Serve: TypeAlias = Callable[
    [ReadyAgent, Sequence[WrittenHuman], CallStore | None, tuple[Observer, ...]],
    AbstractAsyncContextManager[tuple[str, Service]],
]
"""(agent, who can be reached, where the call is kept, who is told) to the address to call, and the server."""


@asynccontextmanager
async def served_here(
    agent: ReadyAgent, humans: Sequence[WrittenHuman], store: CallStore | None, observers: tuple[Observer, ...]
) -> AsyncIterator[tuple[str, Service]]:
    """On the built-in line, which needs no carrier. Raises PatterError."""
    settings = ServiceSettings(port=0, max_calls=1, drain_timeout_s=2.0)
    service = wiring.service({agent.name: agent}, settings, store=store, observers=observers)
    await service.start()
    try:
        yield service.media_url(agent.name), service
    finally:
        await service.stop()


@dataclass(slots=True, kw_only=True)
class SpokenCall:
    """One call to an agent on this machine (`agent`), or to a server that is already up (`url`); hold it once."""

    agent: ReadyAgent | None
    scenario: Scenario
    url: str = ""
    store: CallStore | None = None
    """Where the call is kept; None: it is not."""
    serve: Serve = served_here
    recordings: Recordings = field(default_factory=Recordings)
    observers: tuple[Observer, ...] = ()
    watch: Callable[[Service], None] = lambda service: None
    """Is given the server that is made for the call."""
    tell: Callable[[str], None] = lambda words: None
    """What goes on, in words."""
    model: LanguageModel | None = None
    """Plays the caller and judges, where the scenario wants that."""
    max_ttfa_ms: int | None = None
    held: HeldCall = field(init=False)
    _talks: list[tuple[int, int]] = field(default_factory=list)
    """When the agent was heard to speak."""
    _transferred: bool = False

    def __post_init__(self) -> None:
        limit_ms = self.max_ttfa_ms or self.scenario.expected.max_ttfa_ms
        self.held = HeldCall(scenario=self.scenario, url=self.url, max_ttfa_ms=limit_ms)
        if self.agent is None:
            _check_foreign(self.scenario)

    async def by_script(self) -> HeldCall:
        """Play the scenario and judge it. Raises PatterError."""
        scenario = self.scenario
        if not scenario.steps and scenario.caller is None:
            name = self.agent.name if self.agent else "the agent"
            raise InputError(f"{name} has no scenario", hint='give the caller words: --say "Hello"')
        held = self.held
        voice = line_voice(wiring.built_in_caller(CALLER_VOICE))
        persona = None
        if scenario.caller is not None:
            assert self.model is not None  # whoever holds it has looked
            persona = Persona(scenario.caller, self.model, held.steps, lambda: held.heard)
        async with self._line() as (url, recording):
            caller = await self._caller(url, recording)
            self.tell(f"calling {url}")
            words = held.folds.words
            try:
                await hold_conversation(
                    caller,
                    [each.does for each in scenario.steps],
                    voice,
                    on_done=held.steps.append,
                    heard=None if self.agent is None else lambda from_ms: words.since(from_ms, caller.now_ms),
                    then=None if persona is None else persona.next_steps,
                )
            except TimedOut as error:
                if not scenario.name:
                    raise
                held.failure = str(error)
            self._measure(caller)
            for note in held.notes:
                self.tell(f"note: {note}")
        if scenario.questions:
            held.judgements = await ask_all(self.model, scenario, held.steps, held.heard)
        held.judge()
        return held

    async def by_person(
        self, handset: AbstractAsyncContextManager[Handset], until: Callable[[LineCaller], Awaitable[None]]
    ) -> HeldCall:
        """Let somebody at this machine talk. until: returns when they have had enough."""
        async with AsyncExitStack() as stack:
            url, recording = await stack.enter_async_context(self._line())
            caller = await self._caller(url, recording, await stack.enter_async_context(handset))
            async with caller:
                self.tell("talk now; Ctrl-C hangs up")
                await until(caller)
            self._measure(caller)
        self.held.scenario, self.held.max_ttfa_ms = Scenario(), self.max_ttfa_ms  # nobody followed it
        self.held.judge()
        return self.held

    async def _caller(self, url: str, recording: Path | None, handset: Handset | None = None) -> LineCaller:
        """Somebody at the end of the scenario's line, with its humans within reach."""
        codec = wiring.built_in_line().line()
        scenario = self.scenario
        return LineCaller(
            url,
            codec,
            record_to=recording,
            handset=handset,
            line=None if scenario.quality == "clean" else LineFilter(QUALITIES[scenario.quality], scenario.seed),
            switchboard=Switchboard(codec, await voiced(scenario.humans, _human_voice())),
            on_fact=self._note,
        )

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[tuple[str, Path | None]]:
        """The address to call, served by ourselves unless it was given, and the file to record to."""
        async with AsyncExitStack() as stack:
            recording = self.recordings.stereo
            if recording is None and (self.recordings.out is not None or self.agent is None):
                recording = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "call.wav"
            stack.callback(self.recordings.keep, recording, self.tell)  # also after Ctrl-C: what was heard was heard
            if self.agent is None:
                yield self.url, recording
            else:
                self.tell(f"loading {self.agent.name}'s ears and voice")
                for note in self.agent.notes.values():
                    self.tell(note)
                observers = (self._fold, *self.observers)
                async with self.serve(self.agent, self.scenario.humans, self.store, observers) as (url, service):
                    self.watch(service)
                    yield url, recording
                self.held.kept = self.held.kept and not service.losses
            if recording is not None and self.agent is None:
                await self._overhear(recording)

    def _fold(self, call_id: str, entry: Entry) -> None:
        self.held.folds.feed(entry)
        self.recordings.feed(entry)

    def _measure(self, caller: LineCaller) -> None:
        held, ended = self.held, caller.ended
        said = caller.mouth.said
        held.begun_ms = caller.begun_ms
        held.waits_ms = [
            None if at is None else round(at - each.last_voiced_ms)
            for each, at in zip(said, caller.mouth.answered_ms, strict=True)
        ]
        ended_ms = caller.now_ms if ended is None else ended.at_ms
        held.duration_ms = round(ended_ms)
        if self._talks and self._talks[-1][0] == self._talks[-1][1]:
            self._talks[-1] = (self._talks[-1][0], held.duration_ms)  # the line ended while it spoke
        held.silence_ms = longest_silence(
            [each for each in self._talks if each[1] > each[0]],
            [(each.first_voiced_ms, each.last_voiced_ms) for each in said],
            [(each.began_ms, each.at_ms) for each in held.steps if isinstance(each.step, Wait | StaySilent)],
            min([ended_ms, *(each.at_ms for each in [caller.transferred] if each is not None and not each.refused)]),
        )
        if caller.recording_failed:
            self.tell(f"the recording is not whole: {caller.recording_failed}")
            held.kept = False
        if ended is not None and ended.cause is EndCause.LOST:
            self.tell(f"the line was lost: {ended.words or 'its server went away without a word'}")
        elif ended is not None and ended.cause is EndCause.SERVER_CLOSED and not ended.words.startswith("1000"):
            self.tell(f"the server closed the line: {ended.words or 'it gave no reason'}")

    def _note(self, fact: Fact) -> None:
        """Remember when the agent spoke, and tell when it was no longer the agent."""
        match fact:
            case Transferred(number=number, refused=refused):
                self._transferred = not refused
                self.held.transfers[number] = refused
                self.tell(f"the transfer was refused: {refused}" if refused else "a human has the call now")
            case Cleared(unheard_ms=unheard_ms) if unheard_ms > 0:
                self.held.cut_off += 1
            case AgentStarted(at_ms=at_ms) if not self._transferred:
                self._talks.append((int(at_ms), int(at_ms)))
            case AgentStopped(at_ms=at_ms) if self._talks and not self._transferred:
                self._talks[-1] = (self._talks[-1][0], int(at_ms))
            case _:
                pass

    async def _overhear(self, recording: Path) -> None:
        """Somebody else's agent: what it said is known from the sound alone."""
        agent, rate_hz = read_channel(recording, 1)
        ears, _ = wiring.built_in_speech()
        self.held.overheard = await overhear(ears, agent, rate_hz, [each for each in self._talks if each[1] > each[0]])


def _check_foreign(scenario: Scenario) -> None:
    """Raises InputError for what only the agent's own server knows."""
    expected = scenario.expected
    if expected.reason or expected.outcome:
        raise InputError(
            f"{scenario.name}: how the call ended is known to its server alone",
            hint="leave reason and outcome out of [expect], or --url",
        )
    inside = expected.tools or expected.keys or expected.max_cost_usd is not None
    if inside or any(each.tools or each.keys for each in scenario.steps):
        raise InputError(
            f"{scenario.name}: tools, keys and costs are known to its server alone",
            hint="leave tool, keys and max_cost_usd out, or --url",
        )
    if scenario.caller is not None:
        raise InputError(
            f"{scenario.name}: a caller who is played needs the agent's words, which are known to its server alone",
            hint="leave [caller] out, or --url",
        )


def _human_voice() -> Voice:
    """Whoever a transfer reaches."""
    speak = line_voice(wiring.built_in_caller(HUMAN_VOICE))

    async def say(text: str) -> Samples:
        return np.asarray(await speak(text) * HUMAN_GAIN, np.int16)

    return say
