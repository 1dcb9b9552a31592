"""play_virtually: a whole call of a real agent, on virtual time, as quick as this machine can work it off.

Theory of operation. The call is the real one: session, machine, mailbox, pacer, the author's callbacks, tools,
guardrails and rules. What is exchanged is what costs time or is heard: the detector, recogniser and voice speak text
(vendors.py), the line knows what was heard of it (line.py), models are asked in virtual time, and the loop's clock
jumps from one event to the next (loop.py). Author code that awaits or sleeps does so on that clock (author.py); what it
reads of the time of day is the call's (wall_clock.py). So ten minutes take a second, and a seed always gives the same
call, byte for byte, as long as the author's code asks nothing of the world outside.

    played = play_virtually(wiring.ready_agent("x", agent, Hooks(on_message=answer)), load_scenario(path))
    assert all(each.passed for each in judge(scenario, played.score))

An agent's file keeps what its module keeps: load it anew for a call that must not know of the one before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from patter_cli.audio.frame import ULAW_8K
from patter_cli.contracts.carrier.stream import StreamCodec
from patter_cli.core.journal import Entry, render_entry
from patter_cli.core.outcome import Direction, Outcome
from patter_cli.engine.author_home import HOME
from patter_cli.engine.build import build_call
from patter_cli.engine.ready import CallInfo, ReadyAgent
from patter_cli.engine.reports import settle_reports
from patter_cli.engine.speak import TtsCache
from patter_cli.errors import InputError, TimedOut
from patter_cli.observe.metrics import CallMeasure
from patter_cli.simulate.overheard import HeardReplies
from patter_cli.simulate.scenario import Scenario
from patter_cli.simulate.score import PlayedCall
from patter_cli.simulate.script import ScriptStep, StepDone, Then
from patter_cli.simulate.virtual.author import VirtualHome, virtual_sleep
from patter_cli.simulate.virtual.caller import VirtualCaller
from patter_cli.simulate.virtual.line import Sound, Stamps, VirtualControl, VirtualLine
from patter_cli.simulate.virtual.loop import VirtualLoop, run_virtually
from patter_cli.simulate.virtual.tools import ToolRun, noted
from patter_cli.simulate.virtual.vendors import Utterance, VirtualEars, VirtualModel, VirtualVoice
from patter_cli.simulate.virtual.wall_clock import virtual_time
from patter_cli.simulate.virtual.world import Pace, World

CALL_ID = "virtual"
CALLER = "+15550100"
LONGEST_MS = 4_500_000
"""A call that is not over by then has no end: our own limit of an hour is well below."""
AFTER_LINE_MS = 30_000
"""What the engine gets to notice that the line is gone."""
SETTLE_S = 5.0

Observer = Callable[[str, Entry], None]
OnDone = Callable[[StepDone], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualResult:
    """What became of a virtual call. Times are call time, ms."""

    entries: Sequence[Entry]
    """Its journal."""
    steps: Sequence[StepDone]
    """As far as the script was played."""
    sounds: Sequence[Sound]
    """What the caller heard of the agent, read off the line."""
    utterances: Sequence[Utterance]
    """What the caller said."""
    keys: Sequence[int]
    """When they pressed one."""
    tool_runs: Sequence[ToolRun]
    rings: Sequence[tuple[int, int]]
    """When they heard somebody being rung."""
    waits_ms: Sequence[int | None]
    """From the end of each utterance of the caller's to the agent's next sound; None: there was none."""
    outcome: Outcome | None
    reason: str
    history: Sequence[Mapping[str, Any]]
    """As on_call_end gets it."""
    handed_ms: int | None
    """From then on a human has the caller; None: the agent kept them."""
    ended_ms: int | None
    """When the line was closed; None: it never was."""
    over_ms: int
    """When the engine was done with the call, or we with waiting for it."""
    over: bool
    """The engine was done with it."""
    failure: str = ""
    """Why the script was not played to its end."""
    errors: Sequence[str] = field(default_factory=tuple)
    """What the log says of the engine's own troubles."""

    @property
    def journal(self) -> str:
        """The call as the store would write it."""
        return "".join(render_entry(each.at, each.event, each.commands) + "\n" for each in self.entries)

    @property
    def score(self) -> PlayedCall:
        """What simulate.score.judge wants."""
        replies = HeardReplies()
        for each in self.entries:
            replies.feed(each)
        begun = [
            each.start for before, each in zip((None, *self.sounds), self.sounds, strict=False) if _begins(before, each)
        ]
        return PlayedCall(
            steps=self.steps, heard=replies.heard, begun_ms=begun, outcome=self.outcome, reason=self.reason,
            failure=self.failure,
        )  # fmt: skip


def play_virtually(
    agent: ReadyAgent,
    scenario: Scenario,
    *,
    steps: Sequence[ScriptStep] | None = None,
    pace: Pace | None = None,
    seed: int = 1,
    observers: Sequence[Observer] = (),
    codec: StreamCodec | None = None,
    on_done: OnDone = lambda done: None,
    then: Then | None = None,
) -> VirtualResult:
    """Hold one call with an agent whose caller does as the scenario says. Not from a running event loop.

    steps: what happens, in place of the scenario's. pace: how quick vendors and line are. seed: decides what chance
    would. observers: are told each entry as it is written. codec: reads the frames of steps that send some. on_done,
    then: see simulate.script.hold_conversation. What goes wrong in the call is in the result. Raises InputError for a
    script that needs sound.
    """
    if agent.engine is not None:
        raise InputError(
            f"{agent.name} has a speech-to-speech engine, and nothing is heard here", hint="leave --text out"
        )
    script = [each.does for each in scenario.steps] if steps is None else steps
    loop: list[VirtualLoop] = []

    async def hold() -> VirtualResult:
        loop.append(asyncio.get_running_loop())  # type: ignore[arg-type]
        return await _Run(agent, scenario, pace or Pace(), observers, codec).hold(script, on_done, then)

    with _told_of_errors() as errors, virtual_time(lambda: loop[0].time() if loop else 0.0, virtual_sleep, seed=seed):
        result = run_virtually(hold())
    return replace(result, errors=tuple(errors))


class _Run:
    """One virtual call, on a virtual loop."""

    def __init__(
        self,
        agent: ReadyAgent,
        scenario: Scenario,
        pace: Pace,
        observers: Sequence[Observer],
        codec: StreamCodec | None,
    ) -> None:
        self._codec = codec
        self._world = world = World(pace)
        stamps = Stamps()
        self._line = VirtualLine(world, stamps, scenario.humans)
        self._ears = VirtualEars(world)
        self._voice = VirtualVoice(world, stamps)
        self._agent = agent = self._at_home(agent)
        self._observers = observers
        self._cache = TtsCache()
        self.entries: list[Entry] = []
        self._steps: list[StepDone] = []
        self._tool_runs: list[ToolRun] = []

    async def hold(self, steps: Sequence[ScriptStep], on_done: OnDone, then: Then | None) -> VirtualResult:
        home = VirtualHome()
        HOME.set(home)
        try:
            return await self._hold(steps, on_done, then)
        finally:
            home.close()

    async def _hold(self, steps: Sequence[ScriptStep], on_done: OnDone, then: Then | None) -> VirtualResult:
        world, line, agent = self._world, self._line, self._agent
        await self._prepare()
        session = build_call(
            info=CallInfo(
                call_id=CALL_ID, caller=CALLER, callee=agent.name, direction=Direction.INBOUND, carrier="typed"
            ),
            agent=agent,
            format=ULAW_8K,
            line=line,
            control=VirtualControl(line, world),
            vad=self._ears,
            cache=self._cache,
            journal=self,
            measure=CallMeasure(),
        )
        line.deliver = session.on_stream
        running = asyncio.create_task(session.run())

        def done(step: StepDone) -> None:
            self._steps.append(step)
            on_done(step)

        caller = asyncio.create_task(VirtualCaller(world, line, self._ears, self._codec).play(steps, done, then))
        failure = ""
        await asyncio.wait({running, caller}, timeout=LONGEST_MS / 1000, return_when=asyncio.FIRST_COMPLETED)
        if not caller.done():  # the engine is done: a human has the caller, or nobody
            if line.human is None:
                line.close()
            await asyncio.wait({caller}, timeout=LONGEST_MS / 1000)
        if caller.done():
            try:
                caller.result()
            except TimedOut as error:
                failure = str(error)
                line.hang_up()
        caller.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(caller, return_exceptions=True)
        await asyncio.wait({running}, timeout=AFTER_LINE_MS / 1000)
        over = running.done()
        over_ms = world.now
        if not over:
            running.cancel()
        (raised,) = await asyncio.gather(running, return_exceptions=True)
        await settle_reports(SETTLE_S)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        result = session.result()
        ended = over and not isinstance(raised, BaseException)
        return VirtualResult(
            entries=tuple(self.entries), steps=tuple(self._steps), sounds=tuple(line.sounds),
            utterances=tuple(self._ears.utterances), keys=tuple(line.pressed), rings=tuple(line.rings),
            tool_runs=tuple(self._tool_runs), waits_ms=self._waits(), history=tuple(result.history),
            outcome=result.outcome if ended else None, reason=result.reason if ended else repr(raised),
            handed_ms=line.handed_ms, ended_ms=line.ended_ms, over_ms=over_ms, over=ended, failure=failure,
        )  # fmt: skip

    # --- the journal ---------------------------------------------------------------------------------------------

    def write(self, entry: Entry) -> None:
        self.entries.append(entry)
        for each in self._observers:
            each(CALL_ID, entry)

    async def settle(self, within_s: float) -> None:
        """All that was written is where it is to be."""

    def close(self, record: Mapping[str, Any]) -> None:
        """The entries tell it."""

    # --- the agent -----------------------------------------------------------------------------------------------

    def _at_home(self, agent: ReadyAgent) -> ReadyAgent:
        """The agent with ears, voice and models of this world."""

        def revise(overrides: Mapping[str, Any], parameters: Mapping[str, str]) -> ReadyAgent:
            return self._at_home(agent.revise(overrides, parameters))

        return replace(
            agent,
            stt=self._ears,
            stt_fallbacks=(),
            tts=self._voice,
            tts_fallbacks=(),
            tools={name: noted(each, self._note_tool) for name, each in agent.tools.items()},
            models=tuple(VirtualModel(each, self._world) for each in agent.models),
            echo_canceller=None,
            audio_filter=None,
            end_of_turn=None,
            plan=replace(agent.plan, predicts_end_of_turn=False),
            revise=revise,
        )

    def _note_tool(self, name: str, arguments: Mapping[str, Any]) -> None:
        self._tool_runs.append(ToolRun(at_ms=self._world.now, name=name, arguments=dict(arguments)))

    async def _prepare(self) -> None:
        """Greeting and lines for trouble, made ahead of the call as a server does."""
        plan = self._agent.plan
        texts = (*((plan.first_message,) if plan.first_message.strip() else ()), *plan.lines.texts())
        self._voice.at_once = True
        await self._cache.prepare(self._voice, texts, language=plan.language)
        self._voice.at_once = False

    def _waits(self) -> tuple[int | None, ...]:
        waits: list[int | None] = []
        for said in self._ears.utterances:
            if said.words:
                at = self._line.voiced_from(said.end)
                waits.append(None if at is None else at - said.end)
        return tuple(waits)


def _begins(before: Sound | None, sound: Sound) -> bool:
    return before is None or sound.start - before.end > 300


@contextmanager
def _told_of_errors() -> Iterator[list[str]]:
    """What is logged of our own troubles meanwhile; nothing of a call that is only played goes to the terminal."""
    errors: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                errors.append(record.getMessage())

    logger = logging.getLogger("patter_cli")
    keeper, propagated = Keeper(), logger.propagate
    logger.addHandler(keeper)
    logger.propagate = False
    try:
        yield errors
    finally:
        logger.removeHandler(keeper)
        logger.propagate = propagated
