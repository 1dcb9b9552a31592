"""One simulated call: who calls, what is printed of it, and whether it was good enough."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from patter_cli.contracts.llm import LanguageModel
from patter_cli.contracts.store import CallStore
from patter_cli.core.journal import Entry
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import ConfigError, InputError
from patter_cli.observe.bus import Observer
from patter_cli.observe.lines import TranscriptLines
from patter_cli.server.service import Service
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.scenario import Scenario, WrittenHuman
from patter_cli.testbench.held import HeldCall
from patter_cli.testbench.recordings import Recordings
from patter_cli.testbench.spoken import Serve, SpokenCall, served_here
from patter_cli.text.printable import printable, printable_json

if TYPE_CHECKING:
    from patter_cli.tui.live import LiveScreen


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
        self._url = url
        self.scenario = scenario
        self.recordings = Recordings()
        self.carrier = ""
        """Whose wire the call takes, played by the lab; "": the built-in line's."""
        self.quiet = False
        """Print no lines: the JSON comes at the end."""
        self.screen: LiveScreen | None = None
        """Shows the call while it lasts; the lines come afterwards."""
        self.max_ttfa_ms: int | None = None
        self.model: LanguageModel | None = None
        """Plays the caller and judges."""
        self.held = HeldCall(scenario=scenario, url=url)

    @property
    def agent_name(self) -> str:
        """Who is called; "" for an agent of somebody else's server."""
        return self._agent.name if self._agent is not None else ""

    def by_text(self) -> None:
        """Play the scenario without sound, on virtual time. Raises PatterError."""
        from patter_cli.testbench.virtual import hold_virtually

        assert self._agent is not None  # --url and --text do not go together
        self._check_caller()
        if "llm" in self._agent.notes:
            self._tell(self._agent.notes["llm"])
        self.held = hold_virtually(
            self._agent, self.scenario, model=self.model, observers=self._observers(), max_ttfa_ms=self.max_ttfa_ms
        )
        for note in self.held.notes:
            self._tell(f"note: {note}")
        for error in self.held.errors:
            self._tell(f"log: {error}")
        self._tell_waits()
        self._tell_verdicts()

    def _check_caller(self) -> None:
        if self.scenario.caller is not None and self.model is None:
            raise ConfigError(
                f"{self.scenario.name}: its caller is played by a language model, and none is configured here",
                hint="export OPENAI_API_KEY=sk-…, or write [[step]]s in place of [caller]",
            )

    async def by_script(self) -> None:
        """Play the scenario and say what became of it. Raises PatterError."""
        self._check_caller()
        call = self._call()
        self.held = call.held
        await call.by_script()
        self._tell_heard()
        self._tell_waits()
        if self.scenario.name:
            self._tell_verdicts()

    async def by_microphone(self, microphone: str = "", loudspeaker: str = "") -> None:
        """Let the person at this machine talk, until they or the agent end the call. microphone, loudspeaker: a part of
        the device's name. Raises InputError, ConfigError.

        They may well hear the agent on a loudspeaker: unless its author says otherwise, echo is cancelled from the
        start.
        """
        from patter_cli.audio.auto_echo import AutoEchoCanceller
        from patter_cli.audio.echo import NlmsEchoCanceller
        from patter_cli.simulate.microphone import Microphone

        if self._agent is not None and self._agent.echo_canceller is AutoEchoCanceller:
            cancelling = replace(self._agent, echo_canceller=lambda rate_hz, found: NlmsEchoCanceller(rate_hz))
            self._agent = cancelling
        call = self._call()
        self.held = call.held
        person = Microphone(microphone=microphone, loudspeaker=loudspeaker)
        if self.screen is not None:
            self.screen.meter = person.level_db
        await call.by_person(person, self._until_over)
        self._tell_heard()
        self._tell_waits()

    async def by_keyboard(self) -> None:
        """Type the caller's lines, until the agent ends the call or the input does."""
        from patter_cli.simulate.typed import TypedControl, hold_typed_call

        if self._agent is None:
            raise InputError("--text needs an agent", hint="patter simulate receptionist --text")
        self.held.typed = True
        for stage in ("llm", "voice"):
            if stage in self._agent.notes:
                self._tell(self._agent.notes[stage])
        control = TypedControl(self.scenario.humans, self._reached)
        await hold_typed_call(
            self._agent, sys.stdin, control=control, observers=(self._fold, *self._observers(timed=False))
        )

    def print_json(self) -> None:
        """The call as one object on stdout; see `patter simulate --help`."""
        print(printable_json(self.held.render()))

    def _call(self) -> SpokenCall:
        return SpokenCall(
            agent=self._agent,
            scenario=self.scenario,
            url=self._url,
            store=self._store,
            serve=lab_serves(self.carrier) if self.carrier else served_here,
            recordings=self.recordings,
            observers=self._observers(),
            watch=self._watch,
            tell=self._tell,
            model=self.model,
            max_ttfa_ms=self.max_ttfa_ms,
        )

    def _fold(self, call_id: str, entry: Entry) -> None:
        self.held.folds.feed(entry)

    def _observers(self, *, timed: bool = True) -> tuple[Observer, ...]:
        if self.quiet:
            return ()
        if self.screen is None:
            return (TranscriptLines(timed=timed),)
        return (self.screen, TranscriptLines(self.screen.later, timed=timed))

    def _watch(self, service: Service) -> None:
        if self.screen is not None:
            self.screen.watch(service)

    def _reached(self, human: WrittenHuman) -> None:
        """Somebody has the call, and says all they have to say at once: nobody listens to them by keyboard."""
        self._tell("a human has the call now")
        if not self.quiet:
            for text in human.says:
                print(f"human   {printable(text)}", flush=True)

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

    def _tell_heard(self) -> None:
        """What somebody else's agent said, recognised once the call was over."""
        if not self.quiet:
            for each in self.held.overheard:
                print(f"{each.at_ms / 1000:7.1f} s  agent  {printable(each.text)}")

    def _tell_verdicts(self) -> None:
        from patter_cli.cli.verdicts import tell_verdicts

        scenario, verdicts, failed = self.scenario, self.held.verdicts, self.held.failed
        tell_verdicts(scenario, verdicts, self._tell)
        if failed:
            stereo = self.recordings.stereo
            again = f"patter simulate --scenario {scenario.name} --stereo call.wav"
            where = f"in {stereo}" if stereo else f"with: {again}"
            hear = "" if scenario.virtual is not None else f"; hear it {where}"
            self._tell(f"{len(failed)} of {len(verdicts)} expectations failed{hear}")

    def _tell_waits(self) -> None:
        waits = sorted(each for each in self.held.waits_ms if each is not None)
        if waits:
            self._tell(
                f"the caller waited {waits[len(waits) // 2]} ms for the agent's voice "
                f"(median of {len(waits)}, {waits[-1]} at most)"
            )
        limit_ms = self.held.max_ttfa_ms
        if limit_ms is not None and not waits:
            self._tell(f"nothing was answered, and {limit_ms} ms was the limit")
        elif limit_ms is not None and waits[-1] > limit_ms:
            self._tell(f"too long: {waits[-1]} ms, and {limit_ms} was the limit")

    def _tell(self, words: str) -> None:
        print(printable(words), file=sys.stderr, flush=True)


def lab_serves(carrier: str) -> Serve:
    """An agent on a number of the lab's, which plays this carrier. carrier: of cli.lab.WIRES."""

    @asynccontextmanager
    async def served(
        agent: ReadyAgent, humans: Sequence[WrittenHuman], store: CallStore | None, observers: tuple[Observer, ...]
    ) -> AsyncIterator[tuple[str, Service]]:
        from patter_cli.cli.lab import lab_line

        async with lab_line(carrier, agent, humans=humans, store=store, observers=observers) as line:
            yield line.url, line.service

    return served
