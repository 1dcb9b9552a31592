"""One simulated call: who calls, what is recorded, what is printed, and whether it was good enough."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from patter_cli import wiring
from patter_cli.agent import ScriptStep
from patter_cli.audio.wav import read_channel, write_wav
from patter_cli.cli.lines import TranscriptLines, printable
from patter_cli.core.journal import Entry
from patter_cli.engine.call import Observer, ReadyAgent
from patter_cli.errors import InputError
from patter_cli.observe.store import CallStore, default_folder
from patter_cli.observe.summary import CallSummary
from patter_cli.phone import EmbeddedServer
from patter_cli.simulate.caller import EndCause, Fact, LineCaller
from patter_cli.simulate.overheard import Overheard, overhear
from patter_cli.simulate.playout import AgentStarted, AgentStopped
from patter_cli.simulate.script import StepDone, hold_conversation, line_voice, play_wav, say_texts

CALLER_VOICE = "jo"
"""The second voice of the built-in speech stack."""


class Rehearsal:
    """A call from this machine to an agent on it (`agent`), or to a server that is already up (`url`)."""

    def __init__(self, agent: ReadyAgent | None, demo: Sequence[ScriptStep], *, url: str = "") -> None:
        self._agent = agent
        self._demo = tuple(demo)
        self._url = url
        self.out: Path | None = None
        """Where what the agent was heard to say goes."""
        self.stereo: Path | None = None
        self.quiet = False
        """Print no lines: the JSON comes at the end."""
        self.max_ttfa_ms: int | None = None
        self._summary = CallSummary()
        self._waits_ms: list[int | None] = []
        """What the caller measured on the line, an utterance each."""
        self._steps: list[StepDone] = []
        self._talks: list[tuple[int, int]] = []
        """When the agent was heard to speak, from and to in ms of call time."""
        self._overheard: list[Overheard] = []

    async def by_script(self, say: Sequence[str], wav: Sequence[Path]) -> bool:
        """Play a script: the texts, the recordings, or the agent's own demo. False if the caller waited too long."""
        steps = [*say_texts(say), *(play_wav(path) for path in wav)] or list(self._demo)
        if not steps:
            name = self._agent.name if self._agent else "the agent"
            raise InputError(f"{name} has no demo conversation", hint='give the caller words: --say "Hello"')
        voice = wiring.built_in_caller(CALLER_VOICE)
        async with self._line() as (url, recording):
            self._tell(f"calling {url}")
            caller = LineCaller(url, wiring.line_codec("twilio"), record_to=recording, on_fact=self._note)
            self._steps = await hold_conversation(caller, steps, line_voice(voice))
            self._measure(caller)
            for step in self._steps:
                if step.note:
                    self._tell(f"note: {step.note}: {step.step}")
        return self._judge()

    async def by_microphone(self) -> bool:
        """Let the person at this machine talk, until they or the agent end the call."""
        from patter_cli.simulate.microphone import Microphone

        async with AsyncExitStack() as stack:
            url, recording = await stack.enter_async_context(self._line())
            handset = await stack.enter_async_context(Microphone())
            caller = LineCaller(
                url, wiring.line_codec("twilio"), record_to=recording, handset=handset, on_fact=self._note
            )
            async with caller:
                self._tell("talk now; Ctrl-C hangs up")
                await self._until_over(caller)
            self._measure(caller)
        return self._judge()

    async def by_keyboard(self) -> bool:
        """Type the caller's lines, until the agent ends the call or the input does."""
        from patter_cli.simulate.typed import TypedCall

        if self._agent is None:
            raise InputError("--text needs an agent", hint="patter simulate receptionist --text")
        call = TypedCall(
            self._agent,
            call_id="typed",
            control=wiring.call_control("loopback"),
            journal=CallStore(None).open("typed", 0.0),
            observers=self._observers(),
        )
        running = asyncio.create_task(call.run())
        try:
            await call.type_lines(sys.stdin)
        finally:
            call.hang_up()
            await running
        return True

    def print_json(self) -> None:
        """The call as one object on stdout; see `patter simulate --help`."""
        facts: dict[str, Any] = self._summary.render() if self._agent is not None else {"url": self._url}
        if self._agent is None:
            facts["agent"] = [{"at_ms": each.at_ms, "text": each.text} for each in self._overheard]
        facts["caller_waited_ms"] = self._waits_ms
        facts["notes"] = [step.note for step in self._steps if step.note]
        print(json.dumps(facts, ensure_ascii=False, indent=2))

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[tuple[str, Path | None]]:
        """The address to call, served by ourselves unless it was given, and the file to record to."""
        async with AsyncExitStack() as stack:
            recording = self.stereo
            if recording is None and (self.out is not None or self._agent is None):
                recording = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "call.wav"
            if self._agent is None:
                yield self._url, recording
            else:
                self._tell(f"loading {self._agent.name}'s ears and voice")
                embedded = EmbeddedServer(
                    {self._agent.name: self._agent},
                    port=0,
                    store=CallStore(default_folder()),
                    observers=self._observers(),
                    drain_timeout_s=2.0,
                )
                await embedded.start()
                try:
                    yield embedded.media_url(self._agent.name), recording
                finally:
                    await embedded.stop()
            if recording is not None:
                self._keep(recording)
                if self._agent is None:
                    await self._overhear(recording)

    def _observers(self) -> tuple[Observer, ...]:
        def fold(call_id: str, entry: Entry) -> None:
            self._summary.feed(entry)

        return (fold,) if self.quiet else (fold, TranscriptLines())

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
        self._waits_ms = [None if at is None else round(at - said.last_voiced_ms) for said, at in pairs]
        if caller.recording_failed:
            self._tell(f"the recording is not whole: {caller.recording_failed}")
        ended = caller.ended
        if ended is not None and ended.cause is EndCause.LOST:
            self._tell(f"the line was lost: {ended.words}")

    def _note(self, fact: Fact) -> None:
        """Remember when the agent spoke."""
        match fact:
            case AgentStarted(at_ms=at_ms):
                self._talks.append((int(at_ms), int(at_ms)))
            case AgentStopped(at_ms=at_ms) if self._talks:
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

    def _keep(self, recording: Path) -> None:
        if self.out is not None:
            samples, rate_hz = read_channel(recording, 1)
            voiced = np.flatnonzero(samples)
            write_wav(self.out, samples[voiced[0] : voiced[-1] + 1] if len(voiced) else samples, rate_hz)
            self._tell(f"wrote {self.out}")
        if self.stereo is not None:
            self._tell(f"wrote {self.stereo}: caller left, agent right")

    def _judge(self) -> bool:
        waits = [each for each in self._waits_ms if each is not None]
        if waits:
            middle = sorted(waits)[len(waits) // 2]
            self._tell(
                f"the caller waited {middle} ms for the agent's voice (median of {len(waits)}, {max(waits)} at most)"
            )
        if self.max_ttfa_ms is None:
            return True
        if not waits:
            self._tell("nothing was answered, so --max-ttfa-ms is missed")
            return False
        if max(waits) > self.max_ttfa_ms:
            self._tell(f"too long: {max(waits)} ms, and {self.max_ttfa_ms} was the limit")
            return False
        return True

    def _tell(self, words: str) -> None:
        print(printable(words), file=sys.stderr, flush=True)
