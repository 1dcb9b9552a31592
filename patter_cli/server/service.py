"""Service: agents on the phone. Every way to serve them, from the command line or from Python, is one of these.

warm    models, voices, greetings; calls that a killed process left open are closed
start   the port opens, and the control socket of this server if it has a run folder
shutdown / cut, then close
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from patter_cli.callers import CallerRules, Callers
from patter_cli.contracts.carrier.carrier import (
    AnswerPlan,
    BringsTickets,
    Carrier,
    CarrierRequest,
    OutboundCall,
    WebSocketCarrier,
)
from patter_cli.contracts.carrier.control import transfer_target
from patter_cli.contracts.carrier.direct import DirectCarrier
from patter_cli.contracts.carrier.stream import StreamStarted
from patter_cli.contracts.store import CallStore
from patter_cli.contracts.vad import VoiceModel
from patter_cli.core.events import HangUpRequested, MuteRequested, PutThroughRequested, SayRequested
from patter_cli.core.outcome import Direction
from patter_cli.destinations import DialRules, transfer_refusal
from patter_cli.engine.onlooking import Onlooking
from patter_cli.engine.overheard import OnlookersEar
from patter_cli.engine.ready import ReadyAgent
from patter_cli.engine.reports import settle_reports
from patter_cli.errors import (
    BadSetting,
    BadSignature,
    CarrierError,
    ConfigError,
    DestinationRefused,
    UnknownProvider,
)
from patter_cli.observe.bus import Bus, Observer
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.observe.journal_writer import JournalWriter, Losses
from patter_cli.observe.prices import PriceTable
from patter_cli.observe.recorder import SoundWriter
from patter_cli.server.addresses import Addresses
from patter_cli.server.admission import PACE_WINDOW_S, WINDOW_S, Admission, SpeechThreads
from patter_cli.server.app import Site, create_app
from patter_cli.server.awaited_streams import AwaitedStreams
from patter_cli.server.call_factory import CallFactory
from patter_cli.server.calls import Call, CallRegistry, Sender
from patter_cli.server.carrier_reports import CarrierReports
from patter_cli.server.control import ControlSocket
from patter_cli.server.control_messages import HandIn, PlaceCall
from patter_cli.server.dialled import DialledCall
from patter_cli.server.dialler import Dialler
from patter_cli.server.direct import DirectPort
from patter_cli.server.proofs import Proof, Proofs
from patter_cli.server.reception import Reception
from patter_cli.server.recordings import Recordings
from patter_cli.server.run import Server, left_s, tune_process
from patter_cli.server.softphone import Softphone, calls_from_pages
from patter_cli.server.spending import DailySpending
from patter_cli.server.stream_routes import stream_routes
from patter_cli.server.tickets import CallTicket, UsedTickets
from patter_cli.server.webhooks import Webhooks
from patter_cli.text.redact import Redaction
from patter_cli.version import VERSION

log = logging.getLogger("patter.server")

TOLD_S = 1.0
"""What observers get for the rest once everything else is over."""
LOOK_S = 0.05
"""How often it is looked how late the event loop is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """How a service serves."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0: any free one."""
    max_calls: int | None = None
    """At the same time; None: as many as this machine carries."""
    drain_timeout_s: float = 30.0
    public_host: str = ""
    """The host name under which carriers reach us at first; "": this machine only. See `Service.addresses`."""
    numbers: Mapping[str, str] = field(default_factory=dict)
    """Which agent answers which number (E.164), and no other is answered; {}: one agent answers every number."""
    require_signature: bool = True
    """False takes webhooks from anybody: for work on this machine, refused with a public host."""
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Signs tickets; the same for all workers of a server."""
    run_folder: Path | None = None
    """What the workers of a server share while they run; None: this process is the only one."""
    recording: bool = False
    """Carriers record both sides of every call."""
    record: bool = False
    """So does this server, into a file beside the call's journal."""
    redaction: Redaction = Redaction.OFF
    """What of the words is silent in its recordings; what is struck out of journals is the store's to know."""
    rules: DialRules = field(default_factory=DialRules)
    """Whom the server may ring, whoever asks for it."""
    callers: CallerRules = field(default_factory=CallerRules)
    """Who may call it."""
    prices: PriceTable = LIST_PRICES
    """What calls cost."""
    max_spend_per_day: float | None = None
    """In dollars: once the calls of the last 24 hours have cost as much, no new one begins; None: whatever it costs."""
    spent_folder: Path | None = None
    """What this user's processes tell each other that they have spent; None: this one is the only one."""


class Service:
    """Agents behind one port of this process."""

    def __init__(
        self,
        settings: ServiceSettings,
        agents: Mapping[str, ReadyAgent],
        carriers: Mapping[str, Carrier],
        store: CallStore,
        *,
        voice_model: VoiceModel,
        observers: tuple[Observer, ...] = (),
        speech: SpeechThreads | None = None,
        site: Site | None = None,
    ) -> None:
        """agents, carriers: by name. speech: where built-in speech runs. site: what is to be seen of it all. Raises
        BadSetting."""
        if not 0 <= settings.port <= 65535:
            raise BadSetting(f"port {settings.port} does not exist", hint="choose one from 1 to 65535")
        if not settings.require_signature:
            if settings.public_host:
                raise _unsigned()
            log.warning("WEBHOOKS ARE NOT VERIFIED: this server believes everything that this machine sends it")
        self._settings = settings
        self._agents = dict(agents)
        self._carriers = dict(carriers)
        self._bus = Bus(*observers)
        self._journals = JournalWriter(self._bus)
        self._recordings = Recordings(store, self._bus)
        self._sounds = SoundWriter(settings.redaction) if settings.record else None
        self.addresses = Addresses(
            host=settings.host, port=lambda: self.port, secret=settings.secret, public_host=settings.public_host
        )
        """Where carriers reach us; `move` it where a tunnel gets another name."""
        self._proofs = Proofs(time.monotonic)
        self._spending = spending = DailySpending(settings.max_spend_per_day, settings.spent_folder)
        self._calls = CallFactory(
            agents=self._agents,
            model=voice_model,
            store=store,
            journals=self._journals,
            carriers=self._carriers,
            addresses=self.addresses,
            records=settings.recording,
            sounds=self._sounds,
            prices=settings.prices,
            rules=settings.rules,
            spending=spending,
        )
        self._speech = speech
        self._admission = Admission(max_calls=settings.max_calls, cores=speech.threads if speech is not None else 1)
        self.live = CallRegistry(admission=self._admission)
        folder = settings.run_folder
        used = UsedTickets(folder / "tickets" if folder is not None else None)
        self._awaited = AwaitedStreams(self._carriers, used)
        self._dialler = Dialler(
            agents=self._agents,
            carriers=self._carriers,
            calls=self._calls,
            live=self.live,
            addresses=self.addresses,
            secret=settings.secret,
            rules=settings.rules,
            spending=spending,
        )
        self._calls.attend = self._dialler.attend
        self._callers = Callers(settings.callers)
        self._reception = reception = Reception(
            agents=self._agents,
            numbers=settings.numbers,
            carriers=self._carriers,
            live=self.live,
            dialler=self._dialler,
            awaited=self._awaited,
            addresses=self.addresses,
            secret=settings.secret,
            callers=self._callers,
            spending=spending,
            clock_s=time.monotonic,
            ring=self._calls.ring,
        )
        self._webhooks = webhooks = Webhooks(
            self._carriers,
            address=lambda asked: self.addresses.base("http", asked),
            require_signature=settings.require_signature,
            decide=reception.decide,
            on_fact=CarrierReports(
                live=self.live,
                dialler=self._dialler,
                callers=self._callers,
                awaited=self._awaited,
                recordings=self._recordings,
                secret=settings.secret,
            ).take,
            now_s=time.time,
        )
        app = create_app(
            open_call=self._open,
            streams=stream_routes(
                self._carriers,
                self._agents,
                addresses=self.addresses,
                secret=settings.secret,
                used=used,
                recall=self._calls.recall,
                require_signature=settings.require_signature,
            ),
            live=self.live,
            version=VERSION,
            webhook=webhooks.receive if any(not each.local for each in self._carriers.values()) else None,
            hosts=self.addresses.hosts,
            proofs=self._proofs,
            site=site,
        )
        self._server = Server(
            app,
            live=self.live,
            host=settings.host,
            port=settings.port,
            drain_timeout_s=settings.drain_timeout_s,
        )
        self._direct = {
            name: DirectPort(carrier, partial(reception.take, carrier), self._open, self.live)
            for name, carrier in self._carriers.items()
            if isinstance(carrier, DirectCarrier)
        }
        self._site = site
        pages = calls_from_pages(self._carriers)
        self.softphone = Softphone(carrier=pages, agents=self._agents, secret=settings.secret)
        """Who may call from a browser."""
        self.on_page_call: Callable[[CallTicket, Sender], None] | None = None
        """Is told of each call from a browser, and may send its page what is said."""
        self._warm = False
        self.opening: list[Callable[[], object]] = []
        """What is to begin once the calls that a killed process left open are closed. None may block."""
        self.closing: list[Callable[[], object]] = []
        """What is to end once observers were told everything. Each may block, and be called twice."""
        self.asked_to_stop = asyncio.Event()
        """Set when another process of the user asks for it."""
        self._control: ControlSocket | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return self._server.port

    @property
    def agent_names(self) -> list[str]:
        """Who answers here."""
        return list(self._agents)

    def media_url(self, agent: str) -> str:
        """Where a program on this machine calls the agent."""
        carriers = self._carriers.values()
        local = next(
            (
                each.name
                for each in carriers
                if each.local and isinstance(each, WebSocketCarrier) and not isinstance(each, BringsTickets)
            ),
            None,
        )
        if local is None:
            raise UnknownProvider("no carrier here takes calls from this machine", hint="add the built-in line")
        return f"ws://{self._settings.host}:{self.port}/ws/{local}/{quote(agent)}"

    @property
    def direct_addresses(self) -> dict[str, str]:
        """host:port of each carrier that connects to a port of its own, by name; once started."""
        return {name: each.address for name, each in self._direct.items()}

    async def warm(self) -> None:
        """Load models and greetings. Raises PatterError; `start` is then quick."""
        await self._calls.warm()
        for each in self.opening:
            each()
        if self._admission.measures:
            for agent, work_s in (await self._calls.awaited_work_s()).items():
                self._admission.learn(agent, work_s)
        self._warm = True

    def carries(self, agent: str) -> int:
        """How many calls of the agent there may be at once, if there are no others. Once warm."""
        return self._admission.carries(agent)

    async def change(self, agent: ReadyAgent) -> None:
        """An agent that is served here was changed: new calls are its, live ones go on with it as far as they can.
        Raises PatterError where it cannot be used; then nothing has changed."""
        await self._calls.warm_agent(agent)
        self._agents[agent.name] = agent
        self._calls.change(agent)

    async def warm_agent(self, agent: ReadyAgent) -> None:
        """Load what an agent needs that is not served here. Raises PatterError."""
        await self._calls.warm_agent(agent)

    def check_credentials(self) -> None:
        """Whether every carrier could tell its own webhooks from a stranger's. Raises MissingCredential, BadSetting:
        better now than with each call."""
        nothing = CarrierRequest(method="POST", url=self.addresses.base("http"), headers={}, body=b"")
        for carrier in self._carriers.values():
            if not carrier.local:
                with suppress(BadSignature):
                    carrier.verify(nothing, time.time())

    async def start(self) -> None:
        """Load what is not loaded and listen. Raises PatterError.

        All of this process is set up for calls from now on: see server.run.tune_process.
        """
        if self._settings.require_signature and self.addresses.public_host:
            self.check_credentials()
        if not self._warm:
            await self.warm()
        tune_process()
        going_on = self._take_up()  # before the carrier can tell that they broke off
        await self._server.start()
        try:
            for each in self._direct.values():
                await each.start()
        except BaseException:
            await self.cut()
            raise
        if self._site is not None:
            self._site.start()
        await self._be_found()
        self._tasks = [
            asyncio.create_task(self._calls.prepare_lines()),
            asyncio.create_task(self._calls.forget_old()),
            asyncio.create_task(self._spending.keep_noting()),
        ]
        self._tasks += [asyncio.create_task(self._go_on(each, plan)) for each, plan in going_on]
        if self._admission.measures:
            self._tasks.append(asyncio.create_task(self._observe()))

    def status(self) -> dict[str, Any]:
        """The live calls, JSON-able: {draining, public_address, numbers, calls: [{call_id, agent, carrier,
        carrier_call_id, direction, caller, callee, seconds}]}; numbers are those that an agent was given."""
        now_s = asyncio.get_running_loop().time()
        shown = ("call_id", "agent", "carrier", "carrier_call_id", "direction", "caller", "callee")
        calls = [
            {**{name: getattr(each.ticket, name) for name in shown}, "seconds": round(now_s - each.began_s, 1)}
            for each in self.live.calls
        ]
        return {
            "draining": self.live.draining,
            "public_address": self.addresses.public_address,
            "numbers": list(self._settings.numbers),
            "calls": calls,
        }

    # --- where carriers reach us: see Addresses --------------------------------------------------------------------

    async def admit(self, address: str) -> None:
        """Requests may name this public host, under the path that follows it, from now on. Raises BadSetting,
        ConfigError, MissingCredential."""
        if not self._settings.require_signature:
            raise _unsigned()
        invites = self._site is not None and calls_from_pages(self._carriers) is not None
        if all(each.local for each in self._carriers.values()) and not invites:
            raise ConfigError(
                "this server has no carrier, so nobody could call through a public address",
                hint="export the keys of your carrier, and start it again",
            )
        self.check_credentials()
        self.addresses.admit(address)

    async def tell(self, address: str) -> None:
        """Carriers are told it from now on; `admit` has let it in."""
        self.addresses.move(address)
        self._tasks += [asyncio.create_task(self._go_on(each, plan)) for each, plan in self._take_up()]

    async def drop(self, host: str) -> None:
        """This public host is ours no more."""
        self.addresses.drop(host)

    async def new_proof(self) -> Proof:
        """What only this server answers, to be asked for through its public host."""
        return self._proofs.new()

    def _take_up(self) -> list[tuple[str, AnswerPlan]]:
        """The calls of a killed process that go on here, each with its carrier, as soon as carriers can reach us."""
        if not self.addresses.public_host:
            return []
        left, self._calls.interrupted = self._calls.interrupted, []
        return [(each.carrier, plan) for each in left if (plan := self._reception.take_up(each)) is not None]

    async def _go_on(self, carrier: str, plan: AnswerPlan) -> None:
        try:
            await self._carriers[carrier].carry_out(plan)
        except CarrierError as error:
            log.warning("a call of the process that was killed does not go on: %s", error)
        except Exception:
            log.exception("a call of the process that was killed does not go on")

    # --- calls that we make: see Dialler ---------------------------------------------------------------------------

    async def place(self, wanted: PlaceCall) -> str:
        return await self._dialler.place(wanted)

    def dial(self, wanted: PlaceCall, agent: ReadyAgent | None = None) -> DialledCall:
        return self._dialler.dial(wanted, agent)

    def prepare_dial(
        self, wanted: PlaceCall, agent: ReadyAgent | None = None
    ) -> tuple[ReadyAgent, CallTicket, OutboundCall]:
        return self._dialler.prepare(wanted, agent)

    def result(self, call_id: str) -> dict[str, Any] | None:
        return self._dialler.result(call_id)

    def cancel(self, call_id: str) -> None:
        self._dialler.cancel(call_id)

    # --- whoever looks on --------------------------------------------------------------------------------------

    def hang_up(self, call_id: str) -> None:
        """Have a call say goodbye and end; one that is over is fine."""
        self.live.tell_call(call_id, HangUpRequested())

    def mute(self, call_id: str, muted: bool) -> None:
        """Have a call's agent hear silence in place of the caller, or the caller again; one that is over is fine."""
        self.live.tell_call(call_id, MuteRequested(muted=muted))

    def say(self, call_id: str, text: str) -> None:
        """Have a call's agent say this next; one that is over is fine."""
        self.live.tell_call(call_id, SayRequested(text=text))

    def put_through(self, call_id: str, number: str) -> None:
        """Connect a call's caller to a number, E.164, whatever its agent may do by itself; one that is over is fine.
        Raises CallRejected for what is no number, DestinationRefused for one that must not be rung."""
        target = transfer_target(number)
        ticket = next((each.ticket for each in self.live.calls if each.ticket.call_id == call_id), None)
        if ticket is None:
            return
        if not self._carriers[ticket.carrier].local:
            ours = ticket.callee if ticket.direction is Direction.INBOUND else ticket.caller
            if why := transfer_refusal(target.number, ours=ours, rules=self._settings.rules):
                raise DestinationRefused(f"nobody is put through to {target.number}", hint=why)
        self.live.tell_call(call_id, PutThroughRequested(number=number))

    @property
    def counts(self) -> tuple[int, int]:
        """Calls that go on or ring, and those that were not let in since the start."""
        return self.live.count, self.live.refused

    def is_live(self, call_id: str) -> bool:
        """Whether a call goes on here, or rings."""
        return any(each.ticket.call_id == call_id for each in self.live.calls)

    def let_in(self, call_id: str, ear: OnlookersEar, *, talks: bool) -> Onlooking | None:
        """Somebody hears a call from now on, and has it if they talk; None: it has no line here."""
        return self.live.let_in(call_id, ear, talks=talks)

    @property
    def stopping(self) -> bool:
        """Nobody new is let in."""
        return self.live.draining

    def hand_in(self, wanted: HandIn) -> dict[str, Any]:
        return self._webhooks.hand_in(wanted)

    def link(self) -> str:
        """What signs a browser in to the dashboard, once. Raises ConfigError where there is none."""
        if self._site is None:
            raise ConfigError("that server shows no dashboard", hint="start it without --no-dashboard")
        return self._site.link(self._settings.host)

    # --- the end ---------------------------------------------------------------------------------------------------

    def ask_to_stop(self) -> None:
        """Whoever runs this service is to stop it, as on Ctrl-C."""
        self.asked_to_stop.set()

    async def shutdown(self) -> None:
        """Let live calls end within the drain time, then stop. Twice is fine."""
        ends_at_s = await self._server.drain()
        await self.cut()  # what is told of the calls that this ends is waited for, too
        within_s = left_s(ends_at_s)
        await asyncio.gather(
            settle_reports(within_s), self._recordings.settle(within_s), self._webhooks.settle(within_s)
        )

    async def cut(self) -> None:
        """Stop within a second, whoever is talking."""
        await asyncio.gather(self._server.cut(), *(each.cut() for each in self._direct.values()), self._dialler.cut())

    def close(self) -> None:
        """Let go of threads; the server must have stopped. Journals get a moment to be written. Twice is fine."""
        if self._control is not None:
            self._control.close()
        for task in self._tasks:
            task.cancel()
        self._awaited.close()
        self._webhooks.close()
        if self._site is not None:
            self._site.close()
        self._tell_the_rest()
        self._calls.close()

    @property
    def losses(self) -> Losses:
        """What could not be kept of the calls, once it is closed."""
        return self._journals.losses

    async def stop(self) -> None:
        """shutdown and close."""
        await self.shutdown()
        await asyncio.to_thread(self._tell_the_rest)
        self.close()

    def _tell_the_rest(self) -> None:
        """Write and show what was not yet. Twice is fine."""
        self._journals.close()
        if self._sounds is not None:
            self._sounds.close()
        self._bus.close(TOLD_S)
        for each in self.closing:
            each()

    async def _be_found(self) -> None:
        """Open the control socket. Calls go on without one."""
        folder = self._settings.run_folder
        if folder is None or sys.platform == "win32":  # no asyncio server on such sockets there
            return
        control = ControlSocket(folder, self)
        try:
            await control.start(
                host=self._settings.host, port=self.port, carriers=list(self._carriers), agents=list(self._agents)
            )
        except BadSetting as error:
            log.warning("other programs will not find this server: %s", error)
        else:
            self._control = control

    async def _observe(self) -> None:
        """Tell whoever admits calls how this process keeps up."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            if self._speech is not None:
                self._admission.observe_pace(self._speech.slowness(PACE_WINDOW_S))
            if self.live.count:
                self._admission.observe((loop.time() - due_s) * 1000, loop.time())
                if self._speech is not None:
                    self._admission.observe_waits(self._speech.waits_s(WINDOW_S))

    def _open(self, ticket: CallTicket, started: StreamStarted, sender: Sender) -> Call:
        """A stream has begun: it is the line of a call that we made, or a new call."""
        self._callers.arrived(ticket.carrier, ticket.carrier_call_id)
        ours = self._dialler.take_line(ticket, started, sender)
        if ours is not None:
            return ours
        call = self._calls.open(ticket, started, sender)
        if self.on_page_call is not None and isinstance(self._carriers[ticket.carrier], BringsTickets):
            self.on_page_call(ticket, sender)
        return call


def _unsigned() -> BadSetting:
    return BadSetting("without signatures anybody could send calls here", hint="require them, or take no public host")
