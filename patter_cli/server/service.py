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
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from patter_cli.call_result import CallResult
from patter_cli.contracts.carrier.carrier import (
    AnswerPlan,
    AnswersByCommand,
    Carrier,
    CarrierFact,
    CarrierRequest,
    OutboundCall,
    SignsStreams,
)
from patter_cli.contracts.carrier.stream import StreamCodec, StreamStarted
from patter_cli.contracts.store import CallStore
from patter_cli.contracts.vad import VoiceModel
from patter_cli.core.outcome import Direction
from patter_cli.destinations import CallingHours, DialRules, read_allow
from patter_cli.destinations import check as check_destination
from patter_cli.engine.ready import CallTexts, ReadyAgent
from patter_cli.errors import (
    BadSetting,
    BadSignature,
    CallRejected,
    InputError,
    PatterError,
    UnknownAgent,
    UnknownProvider,
)
from patter_cli.observe.bus import Bus, Observer
from patter_cli.observe.journal_writer import JournalWriter, Losses
from patter_cli.server.admission import WINDOW_S, Admission, SpeechThreads
from patter_cli.server.app import StreamRoute, create_app
from patter_cli.server.awaited_streams import AwaitedStreams
from patter_cli.server.call_factory import CallFactory
from patter_cli.server.calls import Call, CallRegistry, Sender
from patter_cli.server.carrier_facts import event_of
from patter_cli.server.control import ControlSocket
from patter_cli.server.control_messages import MAX_RING_S, PlaceCall
from patter_cli.server.dialled import DialledCall
from patter_cli.server.entrance import SignedBy, local_entrance, ticket_entrance
from patter_cli.server.run import SWITCH_S, Server
from patter_cli.server.tickets import (
    LIFE_S,
    CallTicket,
    UsedTickets,
    check,
    new_ticket,
    resume_ticket,
    sign,
    stream_ticket,
)
from patter_cli.server.webhooks import DIALLED, Webhooks
from patter_cli.version import VERSION

log = logging.getLogger("patter.server")

TOLD_S = 1.0
"""What observers get for the rest once everything else is over."""
RESULTS: Final = 10_000
"""Calls we made whose end is remembered for whoever asks."""
MARGIN_S: Final = 60
"""By how much the carrier's own limit on a call is longer than ours, which says goodbye."""
QUEUE_S: Final = 120
"""What a call may take beyond its ring before it is answered: carriers queue calls above their pace."""
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
    """The host name under which carriers reach us; "": this machine only."""
    numbers: Mapping[str, str] = field(default_factory=dict)
    """Which agent answers which number (E.164); where there is one agent, it answers every number."""
    require_signature: bool = True
    """False takes webhooks from anybody: for work on this machine, refused with a public host."""
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Signs tickets; the same for all workers of a server."""
    run_folder: Path | None = None
    """What the workers of a server share while they run; None: this process is the only one."""
    rules: DialRules = field(default_factory=DialRules)
    """Whom the server may ring, whoever asks for it."""


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
    ) -> None:
        """agents, carriers: by name. speech: where built-in speech runs. Raises BadSetting."""
        if not 0 <= settings.port <= 65535:
            raise BadSetting(f"port {settings.port} does not exist", hint="choose one from 1 to 65535")
        if not settings.require_signature:
            if settings.public_host:
                raise BadSetting(
                    "without signatures anybody could send calls here",
                    hint="require them, or take no public host",
                )
            log.warning("WEBHOOKS ARE NOT VERIFIED: this server believes everything that this machine sends it")
        self._settings = settings
        self._agents = dict(agents)
        self._carriers = dict(carriers)
        self._bus = Bus(*observers)
        self._journals = JournalWriter(self._bus)
        self._calls = CallFactory(
            agents=self._agents,
            model=voice_model,
            store=store,
            journals=self._journals,
            carriers=self._carriers,
            callback_url=self._callback_url,
        )
        self._speech = speech
        self._admission = Admission(max_calls=settings.max_calls, cores=speech.threads if speech is not None else 1)
        self.live = CallRegistry(admission=self._admission)
        hosts = frozenset({settings.public_host} if settings.public_host else ())
        webhooks = Webhooks(
            self._carriers,
            address=lambda: self._address("http"),
            require_signature=settings.require_signature,
            decide=self._decide,
            on_fact=self._on_fact,
            now_s=time.time,
        )
        folder = settings.run_folder
        used = UsedTickets(folder / "tickets" if folder is not None else None)
        self._awaited = AwaitedStreams(self._carriers, used)
        app = create_app(
            open_call=self._open,
            streams=self._routes(used),
            live=self.live,
            version=VERSION,
            webhook=webhooks.receive if any(not each.local for each in self._carriers.values()) else None,
            hosts=hosts,
        )
        self._server = Server(
            app,
            live=self.live,
            host=settings.host,
            port=settings.port,
            drain_timeout_s=settings.drain_timeout_s,
        )
        self._dialled: dict[str, DialledCall] = {}
        """The calls we make, by call id, from the dial to their end."""
        self._results: OrderedDict[str, CallResult] = OrderedDict()
        self._ending: set[asyncio.Task[None]] = set()
        self._warm = False
        self.asked_to_stop = asyncio.Event()
        """Set when another process of the user asks for it."""
        self._control: ControlSocket | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return self._server.port

    def media_url(self, agent: str) -> str:
        """Where a program on this machine calls the agent."""
        local = next((each.name for each in self._carriers.values() if each.local), None)
        if local is None:
            raise UnknownProvider("no carrier here takes calls from this machine", hint="add the built-in line")
        return f"ws://{self._settings.host}:{self.port}/ws/{local}/{quote(agent)}"

    async def warm(self) -> None:
        """Load models and greetings. Raises PatterError; `start` is then quick."""
        await self._calls.warm()
        if self._admission.measures:
            for agent, work_s in (await self._calls.awaited_work_s()).items():
                self._admission.learn(agent, work_s)
        self._warm = True

    def carries(self, agent: str) -> int:
        """How many calls of the agent there may be at once, if there are no others. Once warm."""
        return self._admission.carries(agent)

    async def warm_agent(self, agent: ReadyAgent) -> None:
        """Load what an agent needs that is not served here. Raises PatterError."""
        await self._calls.warm_agent(agent)

    async def start(self) -> None:
        """Load what is not loaded and listen. Raises PatterError.

        Threads get shorter turns from now on, in all of this process: see server.run.SWITCH_S.
        """
        sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
        if not self._warm:
            await self.warm()
        await self._server.start()
        await self._be_found()
        self._tasks = [asyncio.create_task(self._calls.prepare_lines())]
        if self._admission.measures:
            self._tasks.append(asyncio.create_task(self._observe()))

    def status(self) -> dict[str, Any]:
        """The live calls, JSON-able: {draining, calls: [{call_id, agent, carrier, carrier_call_id, direction, caller,
        callee, seconds}]}."""
        now_s = asyncio.get_running_loop().time()
        shown = ("call_id", "agent", "carrier", "carrier_call_id", "direction", "caller", "callee")
        calls = [
            {**{name: getattr(each.ticket, name) for name in shown}, "seconds": round(now_s - each.began_s, 1)}
            for each in self.live.calls
        ]
        return {"draining": self.live.draining, "calls": calls}

    async def place(self, wanted: PlaceCall) -> str:
        """Ring somebody for another process; returns our call id once the carrier has the call.

        Raises CallRejected, InputError, CarrierError, NotReachable.
        """
        call = self.dial(wanted)
        await call.named()
        return call.ticket.call_id

    def dial(self, wanted: PlaceCall, agent: ReadyAgent | None = None) -> DialledCall:
        """Begin to ring somebody. agent: who talks, in place of one that is served; what `wanted` says of its words
        holds all the same. Raises CallRejected, InputError."""
        ready, ticket, request = self.prepare_dial(wanted, agent)
        self.live.check_room(ticket.agent)
        call = self._calls.dial(ticket, ready, request)
        self.live.dial(call)
        self._dialled[ticket.call_id] = call
        task = asyncio.create_task(self._see_off(call))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return call

    def prepare_dial(
        self, wanted: PlaceCall, agent: ReadyAgent | None = None
    ) -> tuple[ReadyAgent, CallTicket, OutboundCall]:
        """Everything that a dial needs, and nothing done yet: the agent of this call, its ticket, and what the carrier
        would be asked for. Raises CallRejected, InputError."""
        self._check_destination(wanted)
        ready = agent or self._agents.get(wanted.agent)
        if ready is None:
            raise UnknownAgent(f"no agent {wanted.agent[:64]!r} here", hint=f"served: {', '.join(self._agents)}")
        carrier = next((each for each in self._carriers.values() if not each.local), None)
        if carrier is None or not self._settings.public_host:
            raise CallRejected("this server can ring nobody", hint="that takes a carrier and a public address")
        texts = CallTexts(
            first_message=wanted.first_message,
            voicemail_message=wanted.voicemail_message,
            variables=wanted.variables,
            detects_machines=wanted.detects_machines or bool(wanted.voicemail_message.strip()),
        )
        ready = ready.for_call(texts)
        ticket = new_ticket(
            carrier=carrier.name,
            carrier_call_id="",
            direction=Direction.OUTBOUND,
            caller=wanted.from_number,
            callee=wanted.to,
            agent=wanted.agent,
            variables=wanted.variables,
            now_s=time.time(),
            life_s=LIFE_S + QUEUE_S + (MAX_RING_S if wanted.ring_timeout_s is None else wanted.ring_timeout_s),
        )
        request = OutboundCall(
            to=wanted.to,
            from_number=wanted.from_number,
            answer_url=self._answer_url(carrier.name, ticket),
            callback_url=f"{self._callback_url(carrier.name)}?{DIALLED}={sign(ticket, self._settings.secret)}",
            ring_timeout_s=wanted.ring_timeout_s,
            max_duration_s=ready.plan.pace.max_duration_ms // 1000 + MARGIN_S,
            detects_machines=texts.detects_machines,
        )
        return ready, ticket, request

    def result(self, call_id: str) -> dict[str, Any] | None:
        """What became of a call that we made, JSON-able; None while it lasts. Raises InputError for one that is not
        known."""
        if call_id in self._dialled:
            return None
        if call_id not in self._results:
            raise InputError(f"no call {call_id[:64]!r} was made here", hint="patter logs list")
        return self._results[call_id].render()

    def cancel(self, call_id: str) -> None:
        """A call that we make is no longer wanted; one that is over is fine. Raises InputError as `result` does."""
        if self.result(call_id) is None:
            self._dialled[call_id].cancel()

    async def _see_off(self, call: DialledCall) -> None:
        """Keep what became of a call that we made, and let go of it."""
        result, call_id = await call.result(), call.ticket.call_id
        self._results[call_id] = result
        if len(self._results) > RESULTS:
            self._results.popitem(last=False)
        del self._dialled[call_id]
        self.live.dialled(call_id)
        self._calls.forget(call_id)

    def _check_destination(self, wanted: PlaceCall) -> None:
        rules = self._settings.rules
        try:
            allow = rules.allow | read_allow(wanted.allow)
            hours = CallingHours.parse(wanted.hours) if wanted.hours else rules.hours
        except ValueError as error:
            raise InputError("the rules for this call cannot be read", hint=f"they are {error}") from error
        rules = replace(rules, allow=allow, hours=hours)
        check_destination(wanted.to, caller=wanted.from_number, rules=rules, now_s=time.time())

    def _open(self, ticket: CallTicket, started: StreamStarted, codec: StreamCodec, sender: Sender) -> Call:
        """A stream has begun: it is a new call, or the line of one that we made."""
        dialled = self._dialled.get(ticket.call_id)
        if dialled is not None:
            return self._calls.join(dialled, ticket, started, codec, sender)
        return self._calls.open(ticket, started, codec, sender)

    def ask_to_stop(self) -> None:
        """Whoever runs this service is to stop it, as on Ctrl-C."""
        self.asked_to_stop.set()

    async def shutdown(self) -> None:
        """Let live calls end within the drain time, then stop. Twice is fine."""
        await self._server.shutdown()
        await self._cut_dialled()

    async def cut(self) -> None:
        """Stop within a second, whoever is talking."""
        await asyncio.gather(self._server.cut(), self._cut_dialled())

    async def _cut_dialled(self) -> None:
        """Calls of ours without a line are on no connection that the server could cut."""
        await asyncio.gather(*(call.cut() for call in list(self._dialled.values()) if not call.has_line))

    def close(self) -> None:
        """Let go of threads; the server must have stopped. Journals get a moment to be written. Twice is fine."""
        if self._control is not None:
            self._control.close()
        for task in self._tasks:
            task.cancel()
        self._awaited.close()
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
        self._bus.close(TOLD_S)

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
            if self.live.count:
                self._admission.observe((loop.time() - due_s) * 1000, loop.time())
                if self._speech is not None:
                    self._admission.observe_waits(self._speech.waits_s(WINDOW_S))

    def _routes(self, used: UsedTickets) -> list[StreamRoute]:
        routes = []
        for name, carrier in self._carriers.items():
            if carrier.local:
                path, entrance = "{agent}", local_entrance(name, self._agents.__contains__, time.time)
            else:
                path = "stream/{token}"
                entrance = ticket_entrance(
                    name,
                    self._settings.secret,
                    used,
                    time.time,
                    signed=self._signed_by(carrier),
                    recall=self._calls.recall,
                )
            routes.append(
                StreamRoute(path=f"/ws/{name}/{path}", codec=carrier.codec, entrance=entrance, local_only=carrier.local)
            )
        return routes

    def _signed_by(self, carrier: Carrier) -> SignedBy | None:
        """What checks a stream's upgrade, for a carrier that signs it."""
        if not isinstance(carrier, SignsStreams) or not self._settings.require_signature:
            return None

        def check_upgrade(token: str, headers: Mapping[str, str]) -> None:
            url = self._stream_url(carrier.name, token)
            request = CarrierRequest(method="GET", url=url, headers=headers, body=b"")
            carrier.verify_stream(request, time.time())

        return check_upgrade

    def _decide(self, carrier: str, plan: AnswerPlan, dialled: str) -> AnswerPlan:
        """Take a call that waits, with a ticket for its stream, or say why not. dialled: the ticket that we dialled it
        with, or that it is to be resumed with."""
        try:
            ticket = self._ticket(carrier, plan, dialled)
            token = sign(ticket, self._settings.secret)
            # Once: a stream that breaks off again is not there to be had.
            resume_url = "" if ticket.resumes else self._answer_url(carrier, resume_ticket(ticket, time.time()))
        except PatterError as error:
            log.warning("call %s of %s is declined: %s", ascii(plan.carrier_call_id), carrier, error)
            return plan
        if isinstance(self._carriers[carrier], AnswersByCommand):
            self._awaited.expect(ticket)  # others go on with the rest of their answer
        return replace(plan, stream_url=self._stream_url(carrier, token), resume_url=resume_url)

    def _answer_url(self, carrier: str, ticket: CallTicket) -> str:
        return f"{self._address('http')}/webhooks/{carrier}/voice?{DIALLED}={sign(ticket, self._settings.secret)}"

    def _callback_url(self, carrier: str) -> str:
        return f"{self._address('http')}/webhooks/{carrier}/status"

    def _stream_url(self, carrier: str, token: str) -> str:
        return f"{self._address('ws')}/ws/{carrier}/stream/{token}"

    def _address(self, scheme: str) -> str:
        """Where a carrier reaches us. scheme: ws or http, which is secured wherever the address is public."""
        if self._settings.public_host:
            return f"{scheme}s://{self._settings.public_host}"
        return f"{scheme}://{self._settings.host}:{self.port}"

    def _ticket(self, carrier: str, plan: AnswerPlan, dialled: str) -> CallTicket:
        """Raises BadSignature for what we have not dialled, CallRejected where nobody answers the number."""
        now_s = time.time()
        if dialled:
            ours = check(dialled, self._settings.secret, now_s)
            if ours.carrier != carrier:
                raise BadSignature("the call was dialled with another carrier")
            if ours.resumes:
                self.live.check_room(ours.agent)
                return self._resumed(ours, plan.carrier_call_id, now_s)
            call = self._dialled.get(ours.call_id)
            if call is not None:
                call.picked_up(plan.carrier_call_id)
            elif ours.call_id in self._results:
                raise CallRejected("the call was given up before it was answered")
            else:
                self.live.check_room(ours.agent)
            return stream_ticket(ours, plan.carrier_call_id, now_s)
        agent = self._agent_for(plan.callee)
        self.live.check_room(agent)
        return new_ticket(
            carrier=carrier,
            carrier_call_id=plan.carrier_call_id,
            direction=plan.direction,
            caller=plan.caller,
            callee=plan.callee,
            agent=agent,
            variables=plan.variables,
            now_s=now_s,
        )

    def _resumed(self, ours: CallTicket, carrier_call_id: str, now_s: float) -> CallTicket:
        """The ticket of a call whose stream broke off and who is on the line still. Raises CallRejected if it has had
        its end: the carrier was asked to hang up, and has not."""
        if self.live.has_finished(ours.carrier, carrier_call_id):
            raise CallRejected("it has come to its end here")
        log.warning("the stream of call %s broke off; it goes on", ours.resumes)
        return new_ticket(
            carrier=ours.carrier,
            carrier_call_id=carrier_call_id,
            direction=ours.direction,
            caller=ours.caller,
            callee=ours.callee,
            agent=ours.agent,
            variables=ours.variables,
            now_s=now_s,
            resumes=ours.resumes,
        )

    def _agent_for(self, number: str) -> str:
        if number in self._settings.numbers:
            return self._settings.numbers[number]
        if len(self._agents) == 1:
            return next(iter(self._agents))
        raise CallRejected(f"no agent answers {number[:32]!r}", hint="name one for it under [numbers]")

    def _on_fact(self, carrier: str, reported: CarrierFact, dialled: str) -> None:
        """dialled: the ticket that the report's call was dialled with, or "" """
        call = self._dialled_call(carrier, reported.carrier_call_id, dialled)
        if call is not None and call.report(reported):
            return
        event = event_of(reported)
        if event is None:
            self.live.hung_up(carrier, reported.carrier_call_id)
        else:
            self.live.tell(carrier, reported.carrier_call_id, event)

    def _dialled_call(self, carrier: str, carrier_call_id: str, dialled: str) -> DialledCall | None:
        """The call of ours that a report is about: it may be here before the carrier's name for the call is."""
        if not dialled:
            return None
        with suppress(BadSignature):  # old reports are of calls that are over
            ticket = check(dialled, self._settings.secret, time.time())
            if ticket.carrier == carrier:
                return self._dialled.get(ticket.call_id)
        return None
