"""One simulated call: who calls, what is recorded, what is printed, and whether it was good enough."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from patter_cli import wiring
from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import mute, read_channel, write_wav
from patter_cli.contracts.store import CallStore
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import Outcome
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import InputError, ProviderError, TimedOut
from patter_cli.observe.bus import Observer
from patter_cli.observe.lines import TranscriptLines
from patter_cli.observe.silenced import silenced
from patter_cli.observe.summary import CallSummary
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.facts import EndCause, Fact, Transferred
from patter_cli.simulate.line import QUALITIES, LineFilter
from patter_cli.simulate.microphone import Handset
from patter_cli.simulate.overheard import HeardReplies, Overheard, overhear
from patter_cli.simulate.playout import AgentStarted, AgentStopped
from patter_cli.simulate.scenario import Scenario, WrittenHuman, voiced
from patter_cli.simulate.score import PlayedCall, Verdict, describe, judge
from patter_cli.simulate.script import StepDone, Voice, hold_conversation, line_voice
from patter_cli.simulate.switchboard import Switchboard
from patter_cli.text.printable import printable, printable_json
from patter_cli.text.redact import Redaction

if TYPE_CHECKING:
    from patter_cli.tui.live import LiveScreen

CALLER_VOICE = "jo"
"""The second voice of the built-in speech stack."""

HUMAN_VOICE = "joe"
HUMAN_GAIN = 0.5
"""Half as loud as the agent, who has the same voice: one hears that it is somebody else, and further away."""


class Simulation:
    """A call from this machine to an agent on it (`agent`), or to a server that is already up (`url`)."""

    def __init__(
        self, agent: ReadyAgent | None, scenario: Scenario, *, url: str = "", store: CallStore | None = None
    ) -> None:
        """scenario: what the scripted caller does; a person at this machine has only its line and its humans.

        store: where the call is kept; None: it is not.
        """
        self._agent = agent
        self._store = store
        self._scenario = scenario
        self._url = url
        self.out: Path | None = None
        """Where what the agent was heard to say goes."""
        self.stereo: Path | None = None
        self.redaction = Redaction.OFF
        """Of the recordings: what is struck out of their words is silent."""
        self._entries: list[Entry] = []
        """The call's, where its recordings need them."""
        self.carrier = ""
        """Whose wire the call takes, played by the lab; "": the built-in line's."""
        self.quiet = False
        """Print no lines: the JSON comes at the end."""
        self.screen: LiveScreen | None = None
        """Shows the call while it lasts; the lines come afterwards."""
        self.max_ttfa_ms: int | None = None
        self.kept = True
        """Whether all of the call could be written down, its sound among it."""
        self._summary = CallSummary()
        self._replies = HeardReplies()
        self._waits_ms: list[int | None] = []
        """What the caller measured on the line, an utterance each."""
        self._steps: list[StepDone] = []
        self._fault = ""
        """The last that a provider was heard to say of its own failure."""
        self._failure = ""
        """Why the script was not played to its end."""
        self._begun_ms: list[float] = []
        self._verdicts: list[Verdict] = []
        self._talks: list[tuple[int, int]] = []
        """When the agent was heard to speak, from and to in ms of call time."""
        self._transferred = False
        self._typed = False
        """The call was held by keyboard."""
        self._overheard: list[Overheard] = []

        expected = scenario.expected
        if agent is None and (expected.reason or expected.outcome):
            raise InputError(
                f"{scenario.name}: how the call ended is known to its server alone",
                hint="leave reason and outcome out of [expect], or --url",
            )

    @property
    def agent_name(self) -> str:
        """Who is called; "" for an agent of somebody else's server."""
        return self._agent.name if self._agent is not None else ""

    def choose_line(self, quality: str | None, seed: int | None) -> None:
        """Another line than the scenario's. quality: a name of QUALITIES."""
        scenario = self._scenario
        self._scenario = replace(
            scenario, quality=quality or scenario.quality, seed=scenario.seed if seed is None else seed
        )

    def humans_are(self, humans: Sequence[WrittenHuman]) -> None:
        """People who can be reached beside the scenario's; of two with one number, these."""
        numbers = {each.number for each in humans}
        others = [each for each in self._scenario.humans if each.number not in numbers]
        self._scenario = replace(self._scenario, humans=(*others, *humans))

    async def by_script(self) -> bool:
        """Play the scenario. False if an expectation failed."""
        if not self._scenario.steps:
            name = self._agent.name if self._agent else "the agent"
            raise InputError(f"{name} has no scenario", hint='give the caller words: --say "Hello"')
        self.max_ttfa_ms = self.max_ttfa_ms or self._scenario.expected.max_ttfa_ms
        voice = line_voice(wiring.built_in_caller(CALLER_VOICE))
        async with self._line() as (url, recording):
            caller = await self._caller(url, recording)
            self._tell(f"calling {url}")
            steps = [each.does for each in self._scenario.steps]
            try:
                await hold_conversation(caller, steps, voice, on_done=self._steps.append)
            except TimedOut as error:
                if not self._scenario.name:
                    raise
                self._failure = str(error)
            self._measure(caller)
            for step in self._steps:
                if step.note:
                    self._tell(f"note: {step.note}: {describe(step.step)}")
        passed = self._in_time()
        return self._as_written() and passed

    async def by_microphone(self) -> bool:
        """Let the person at this machine talk, until they or the agent end the call."""
        from patter_cli.simulate.microphone import Microphone

        async with AsyncExitStack() as stack:
            url, recording = await stack.enter_async_context(self._line())
            handset = await stack.enter_async_context(Microphone())
            caller = await self._caller(url, recording, handset)
            async with caller:
                self._tell("talk now; Ctrl-C hangs up")
                await self._until_over(caller)
            self._measure(caller)
        return self._in_time()

    async def _caller(self, url: str, recording: Path | None, handset: Handset | None = None) -> LineCaller:
        """Somebody at the end of the scenario's line, with its humans within reach."""
        codec = wiring.built_in_line().line()
        scenario = self._scenario
        return LineCaller(
            url,
            codec,
            record_to=recording,
            handset=handset,
            line=None if scenario.quality == "clean" else LineFilter(QUALITIES[scenario.quality], scenario.seed),
            switchboard=Switchboard(codec, await voiced(scenario.humans, _human_voice())),
            on_fact=self._note,
        )

    async def by_keyboard(self) -> bool:
        """Type the caller's lines, until the agent ends the call or the input does."""
        from patter_cli.simulate.typed import TypedControl, hold_typed_call

        if self._agent is None:
            raise InputError("--text needs an agent", hint="patter simulate receptionist --text")
        self._typed = True
        for stage in ("llm", "voice"):
            if stage in self._agent.notes:
                self._tell(self._agent.notes[stage])
        control = TypedControl(self._scenario.humans, self._reached)
        await hold_typed_call(self._agent, sys.stdin, control=control, observers=self._observers(timed=False))
        return True

    def _reached(self, human: WrittenHuman) -> None:
        """Somebody has the call, and says all they have to say at once: nobody listens to them by keyboard."""
        self._tell("a human has the call now")
        if not self.quiet:
            for text in human.says:
                print(f"human   {printable(text)}", flush=True)

    def raise_failure(self) -> None:
        """Raise ProviderError for a call that failed on our side, unless the scenario is about that."""
        expected = self._scenario.expected
        meant = expected.outcome is Outcome.FAILED or expected.reason == self._summary.reason
        if self._summary.outcome is not Outcome.FAILED or meant:
            return
        raise ProviderError(
            f"the call failed: {self._fault or self._summary.reason}",
            provider="agent",
            hint="mend what is named, or see what the agent is made of: patter agents show",
        )

    def print_json(self) -> None:
        """The call as one object on stdout; see `patter simulate --help`."""
        facts: dict[str, Any] = self._summary.render() if self._agent is not None else {"url": self._url}
        if self._agent is None:
            facts["agent"] = [{"at_ms": each.at_ms, "text": each.text} for each in self._overheard]
        if self._typed:
            facts["turns"] = [{**turn, "latency": None} for turn in facts["turns"]]  # nobody spoke, nobody waited
        facts["caller_waited_ms"] = self._waits_ms
        facts["notes"] = [step.note for step in self._steps if step.note]
        facts["expectations"] = [
            {"step": each.step, "expected": each.expected, "heard": each.heard, "passed": each.passed}
            for each in self._verdicts
        ]
        print(printable_json(facts))

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[tuple[str, Path | None]]:
        """The address to call, served by ourselves unless it was given, and the file to record to."""
        async with AsyncExitStack() as stack:
            recording = self.stereo
            if recording is None and (self.out is not None or self._agent is None):
                recording = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "call.wav"
            stack.callback(self._keep, recording)  # also after Ctrl-C: what was heard was heard
            if self._agent is None:
                yield self._url, recording
            else:
                self._tell(f"loading {self._agent.name}'s ears and voice")
                for note in self._agent.notes.values():
                    self._tell(note)
                async with self._served(self._agent) as url:
                    yield url, recording
            if recording is not None and self._agent is None:
                await self._overhear(recording)

    @asynccontextmanager
    async def _served(self, agent: ReadyAgent) -> AsyncIterator[str]:
        """The address of an agent that we serve ourselves."""
        if self.carrier:
            from patter_cli.cli.lab import lab_line

            humans, observers = self._scenario.humans, self._observers()
            async with lab_line(self.carrier, agent, humans=humans, store=self._store, observers=observers) as line:
                self._watch(line.service)
                yield line.url
            self.kept = self.kept and not line.service.losses
            return
        service = wiring.service(
            {agent.name: agent},
            ServiceSettings(port=0, max_calls=1, drain_timeout_s=2.0),
            store=self._store,
            observers=self._observers(),
        )
        await service.start()
        self._watch(service)
        try:
            yield service.media_url(agent.name)
        finally:
            await service.stop()
            self.kept = self.kept and not service.losses

    def _observers(self, *, timed: bool = True) -> tuple[Observer, ...]:
        def fold(call_id: str, entry: Entry) -> None:
            self._summary.feed(entry)
            self._replies.feed(entry)
            if self.redaction is not Redaction.OFF:
                self._entries.append(entry)
            match entry.event:
                case fact.ResponseFailed(message=message) | fact.ListenFailed(message=message):
                    self._fault = message
                case _:
                    pass

        if self.quiet:
            return (fold,)
        if self.screen is None:
            return (fold, TranscriptLines(timed=timed))
        return (fold, self.screen, TranscriptLines(self.screen.later, timed=timed))

    def _watch(self, service: Service) -> None:
        if self.screen is not None:
            self.screen.watch(service)

    async def _until_over(self, caller: LineCaller) -> None:
        """Until the line ends or the person presses Ctrl-C, which here means hanging up."""
        import signal

        loop = asyncio.get_running_loop()
        asked = asyncio.Event()
        loop.add_signal_handler(signal.SIGINT, asked.set)
        try:
            await caller.wait_for(asked.is_set)
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    def _measure(self, caller: LineCaller) -> None:
        pairs = zip(caller.mouth.said, caller.mouth.answered_ms, strict=True)
        self._begun_ms = caller.begun_ms
        self._waits_ms = [None if at is None else round(at - said.last_voiced_ms) for said, at in pairs]
        if caller.recording_failed:
            self._tell(f"the recording is not whole: {caller.recording_failed}")
            self.kept = False
        ended = caller.ended
        if ended is not None and ended.cause is EndCause.LOST:
            self._tell(f"the line was lost: {ended.words or 'its server went away without a word'}")
        elif ended is not None and ended.cause is EndCause.SERVER_CLOSED and not ended.words.startswith("1000"):
            self._tell(f"the server closed the line: {ended.words or 'it gave no reason'}")

    def _note(self, fact: Fact) -> None:
        """Remember when the agent spoke, and tell when it was no longer the agent."""
        match fact:
            case Transferred(refused=refused):
                self._transferred = not refused
                self._tell(f"the transfer was refused: {refused}" if refused else "a human has the call now")
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
        self._overheard = await overhear(ears, agent, rate_hz, [each for each in self._talks if each[1] > each[0]])
        if not self.quiet:
            for each in self._overheard:
                print(f"{each.at_ms / 1000:7.1f} s  agent  {printable(each.text)}")

    def _keep(self, recording: Path | None) -> None:
        """Write what was asked for of the call's sound; a call that was never begun has none."""
        if recording is None or not recording.is_file():
            return
        if stretches := silenced(self._entries, self.redaction):
            mute(recording, [(each.side, each.begin_ms, each.end_ms) for each in stretches])
        if self.out is not None:
            samples, rate_hz = read_channel(recording, 1)
            voiced = np.flatnonzero(samples)
            write_wav(self.out, samples[voiced[0] : voiced[-1] + 1] if len(voiced) else samples, rate_hz)
            self._tell(f"wrote {self.out}")
        if self.stereo is not None:
            self._tell(f"wrote {self.stereo}: caller left, agent right")

    def _as_written(self) -> bool:
        """Whether the scenario's expectations hold; says of each step what became of it."""
        scenario = self._scenario
        if not scenario.name:
            return True
        call = PlayedCall(
            steps=self._steps,
            heard=self._overheard if self._agent is None else self._replies.heard,
            begun_ms=self._begun_ms,
            outcome=self._summary.outcome,
            reason=self._summary.reason,
            failure=self._failure,
        )
        self._verdicts = judge(scenario, call)
        failed = [each for each in self._verdicts if not each.passed]
        for number, step in enumerate(scenario.steps, 1):
            wrong = [each for each in failed if each.step == number]
            self._tell(f"{'FAILED' if wrong else 'ok':<7}{number} {describe(step.does)}")
            self._tell_wrong(wrong)
        whole = [each for each in self._verdicts if each.step is None]
        if whole:
            wrong = [each for each in failed if each.step is None]
            self._tell(f"{'FAILED' if wrong else 'ok':<7}the whole call")
            self._tell_wrong(wrong)
        if failed:
            again = f"patter simulate --scenario {scenario.name} --stereo call.wav"
            where = f"in {self.stereo}" if self.stereo else f"with: {again}"
            self._tell(f"{len(failed)} of {len(self._verdicts)} expectations failed; hear it {where}")
        return not failed

    def _tell_wrong(self, verdicts: Sequence[Verdict]) -> None:
        for each in verdicts:
            self._tell(f"       wanted {each.expected!r}, got {each.heard!r}")

    def _in_time(self) -> bool:
        waits = [each for each in self._waits_ms if each is not None]
        if waits:
            middle = sorted(waits)[len(waits) // 2]
            self._tell(
                f"the caller waited {middle} ms for the agent's voice (median of {len(waits)}, {max(waits)} at most)"
            )
        if self.max_ttfa_ms is None:
            return True
        if not waits:
            self._tell(f"nothing was answered, and {self.max_ttfa_ms} ms was the limit")
            return False
        if max(waits) > self.max_ttfa_ms:
            self._tell(f"too long: {max(waits)} ms, and {self.max_ttfa_ms} was the limit")
            return False
        return True

    def _tell(self, words: str) -> None:
        print(printable(words), file=sys.stderr, flush=True)


def _human_voice() -> Voice:
    """Whoever a transfer reaches."""
    speak = line_voice(wiring.built_in_caller(HUMAN_VOICE))

    async def say(text: str) -> Samples:
        return np.asarray(await speak(text) * HUMAN_GAIN, np.int16)

    return say
