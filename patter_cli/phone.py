"""Patter: the product from Python."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from patter_cli import recipes, registry, wiring
from patter_cli.agent import PIPELINE, Agent
from patter_cli.announcement import Announcement
from patter_cli.call_agent import ServedAgent, speaker
from patter_cli.call_result import CallResult
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.contracts.provider import missing_members
from patter_cli.contracts.tunnel import Tunnel
from patter_cli.engine.answer_service import AnswerService
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.mcp_tools import mcp_tools
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import BadSetting, ConfigError, InputError
from patter_cli.local_config import GUIDE, carriers_of, from_keywords, public_host
from patter_cli.observe.own_prices import price_table
from patter_cli.placed_call import PlacedCall
from patter_cli.reach import new_server, started, stopped, tunnel_of
from patter_cli.server.control_messages import MAX_RING_S, PlaceCall
from patter_cli.server.run import Serving
from patter_cli.server.service import Service
from patter_cli.settings import DEFAULTS, load_settings

if TYPE_CHECKING:
    from patter_cli.web.site import Site

log = logging.getLogger(__name__)

Callback = Callable[..., Any]


class Patter:
    """Agents on the phone, from Python.

        phone = Patter()
        agent = phone.agent("You are a friendly receptionist.", first_message="Hello!")
        await phone.serve(agent, on_message=answer)

    Callbacks and tools do not run on your event loop: a plain function has a thread, a coroutine a loop that all share.
    Make clients and locks in them or at import; your own loop is a run_coroutine_threadsafe away.

    on_message may also be the https or wss address of another process that answers, or an AnswerService.

    carrier: Twilio(…), Telnyx(…); None: every one whose keys are set. phone_number: of ours, E.164.
    webhook_url: the public host name, with or without scheme, without a path; or tunnel: CloudflareTunnel() or another.
    pricing: what you pay in place of the list's prices, {"twilio": {"started_minute": 0.01}}; units: docs/carriers.md.
    persist: a folder, True (the default folder), False (nothing is kept), or None: PATTER_LOG_DIR if it is set.
    require_signature: False believes every webhook, for work on this machine: refused beside a public address.
    older: the other fields of LocalConfig. Keys (openai_key="…" and the rest) come before the environment, and one
    line of the log says what replaces them.
    Raises BadSetting for what is wrong in the environment, ConfigError, InputError for keywords.
    """

    def __init__(
        self,
        carrier: Carrier | None = None,
        phone_number: str = "",
        webhook_url: str = "",
        tunnel: Tunnel | str | bool | None = None,
        pricing: Mapping[str, Mapping[str, Any]] | None = None,
        persist: str | Path | bool | None = None,
        require_signature: bool = True,
        **older: Any,
    ) -> None:
        said = {"phone_number": phone_number, "webhook_url": webhook_url}
        self._config = from_keywords(
            {**older, **{k: v for k, v in said.items() if v}, "require_signature": require_signature}
        )
        if carrier is not None and (isinstance(carrier, type) or missing_members(carrier, Carrier)):
            raise InputError(f"{carrier!r} is no carrier", hint="carrier=Twilio(), with what it needs in brackets")
        if carrier is not None and self._config.carrier:
            raise ConfigError(
                f"there are a carrier and keys of {self._config.carrier}", hint="put the keys into the carrier's own"
            )
        self._tunnel = tunnel_of(tunnel, webhook_url)
        self._number = phone_number
        """Pointed at us while we serve; one from the environment is only called from, unless a tunnel is asked for."""
        if not require_signature and (webhook_url or self._tunnel):
            raise BadSetting(
                "require_signature=False with a public address lets anybody call in",
                hint="leave one of them out: it is for work on this machine",
            )
        self._prices = price_table(pricing)
        self._carrier = carrier
        self._served: ServedAgent | None = None
        self._settings = load_settings()
        kept = self._config.persist_root if persist is None else persist
        folder = _folder(kept, self._settings.log_dir)
        self._keeps = folder is not None
        self._store = wiring.call_store(
            folder,
            redaction=self._settings.redact,
            keep_days=self._settings.keep_days,
            store=self._settings.store,
        )
        self._carriers = carriers_of(self._config) if self._config.carrier else None
        self._service: Service | None = None
        self._calling: asyncio.Task[None] | None = None
        """Holds the service that calls are made with, where `serve` does not run, until it is asked to stop."""
        self._serving: asyncio.Future[None] | None = None
        """Done once `serve` has stopped; None where it does not run."""
        self._beginning = asyncio.Lock()
        self._ready, self._tunnel_ready = Announcement(), Announcement()

    @staticmethod
    def deepgram(api_key: str | None = None, language: str = "en", **more: Any) -> Any:
        """The older form of DeepgramSTT(...)."""
        return registry.find("stt", "deepgram").load()(api_key, language, **more)

    @staticmethod
    def whisper(api_key: str | None = None, language: str = "en", **more: Any) -> Any:
        """The older form of WhisperSTT(...)."""
        return registry.find("stt", "openai").load()(api_key, language, **more)

    @staticmethod
    def elevenlabs(api_key: str | None = None, voice: str = "rachel", **more: Any) -> Any:
        """The older form of ElevenLabsTTS(...)."""
        return registry.find("tts", "elevenlabs").load()(api_key, voice, **more)

    @staticmethod
    def openai_tts(api_key: str | None = None, voice: str = "alloy", **more: Any) -> Any:
        """The older form of OpenAITTS(...)."""
        return registry.find("tts", "openai").load()(api_key, voice, **more)

    def agent(self, system_prompt: str, first_message: str = "", **arguments: Any) -> Agent:
        """The same as Agent(...)."""
        return Agent(system_prompt, first_message, **arguments)

    @property
    def ready(self) -> asyncio.Future[str]:
        """Await it for the public host name, once tunnel, port and number all are up; without a public address for this
        machine's, "127.0.0.1:8000". It raises what kept the server from starting."""
        return self._ready.awaited

    @property
    def tunnel_ready(self) -> asyncio.Future[str]:
        """Await it for the same, as soon as it is known. Carriers may not know it yet."""
        return self._tunnel_ready.awaited

    def connect(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Of the hosted mode, which comes later. Raises ConfigError."""
        raise ConfigError(
            "connect() belongs to the hosted mode, which comes later",
            hint=f"await phone.serve(agent) answers calls on your own machine; see {GUIDE}",
        )

    async def serve(
        self,
        agent: Agent,
        port: int = 8000,
        recording: bool = False,
        on_call_start: Callback | None = None,
        on_call_end: Callback | None = None,
        on_transcript: Callback | None = None,
        on_message: Callback | AnswerService | str | None = None,
        on_metrics: Callback | None = None,
        voicemail_message: str = "",
        dashboard: bool = True,
        dashboard_token: str = "",
        tunnel: Tunnel | str | bool = False,
        *,
        name: str = "agent",
        on_machine_detection: Callback | None = None,
        record: bool = False,
    ) -> None:
        """Answer calls until `disconnect`. Raises PatterError if it cannot start.

        recording: have the carrier record. record: record here, into a file beside each call's journal, whose path
        on_call_end gets as recording_path; calls must be kept for that (persist). voicemail_message: what an answering
        machine is told, variables filled in. dashboard: show the calls to whoever signs in, on the same port: `patter
        dashboard` prints a link. dashboard_token: what programs send; "": the settings' one, or one that is made at
        each start. tunnel: True opens one of Cloudflare's. name: of the agent, in records and events.
        """
        hooks = Hooks(
            on_call_start=on_call_start,
            on_call_end=on_call_end,
            on_transcript=on_transcript,
            on_message=on_message,
            on_metrics=on_metrics,
            on_machine_detection=on_machine_detection,
        )
        if self._service is not None or self._serving is not None:
            doing = "serves already" if self._serving is not None else "makes calls already, without an agent to serve"
            raise ConfigError(f"this Patter {doing}", hint="serve first and once; await phone.disconnect() before")
        if record and not self._keeps:
            raise ConfigError("calls are not kept, so there is no place for recordings", hint="Patter(persist=True)")
        way = tunnel_of(tunnel, self._config.webhook_url) or self._tunnel
        self._ready.renew()
        self._tunnel_ready.renew()
        self._serving = asyncio.get_running_loop().create_future()
        try:
            wanted = ServedAgent(name, agent, hooks, voicemail_message)
            site = None
            if dashboard:
                site = wiring.site(self._settings, self._store, token=dashboard_token, prices=self._prices)
            await self._serve(wanted, port, way, recording=recording, record=record, site=site)
        except BaseException as error:
            self._tunnel_ready.fail(error)
            self._ready.fail(error)
            raise
        else:
            self._ready.renew()
            self._tunnel_ready.renew()
        finally:
            self._serving.set_result(None)
            self._serving = self._served = None

    async def _serve(
        self,
        wanted: ServedAgent,
        port: int,
        way: Tunnel | None,
        *,
        recording: bool,
        record: bool,
        site: Site | None,
    ) -> None:
        ready = self._resolved(wanted.name, wanted.agent, wanted.hooks, wanted.voicemail_message)
        service, server = self._new_server(
            {wanted.name: ready}, port, way, recording=recording, record=record, number=True, site=site
        )
        self._service, self._served = service, wanted
        try:
            if await started(server, service):
                host = service.addresses.public_host or f"{DEFAULTS.host}:{service.port}"
                self._tunnel_ready.tell(host)
                self._ready.tell(host)
                await service.asked_to_stop.wait()
        finally:
            self._service = None
            await stopped(server, service)
        if not self._ready.awaited.done():
            raise ConfigError("it was stopped before it was up", hint="await phone.ready before phone.disconnect()")

    async def test(
        self,
        agent: Agent,
        *,
        name: str = "agent",
        on_call_start: Callback | None = None,
        on_call_end: Callback | None = None,
        on_transcript: Callback | None = None,
        on_message: Callback | AnswerService | str | None = None,
        on_metrics: Callback | None = None,
    ) -> None:
        """Hold a call by keyboard, without sound: lines of standard input are the caller's, the transcript is printed.

        Returns when the agent has ended the call or the input is at its end. Raises PatterError.
        """
        from patter_cli.observe.lines import TranscriptLines
        from patter_cli.simulate.typed import TypedControl, hold_typed_call

        hooks = Hooks(
            on_call_start=on_call_start,
            on_call_end=on_call_end,
            on_transcript=on_transcript,
            on_message=on_message,
            on_metrics=on_metrics,
        )
        if agent.engine is None:
            agent = replace(agent, provider=PIPELINE)  # what is typed is no voice, and an engine wants one
        await hold_typed_call(
            self._resolved(name, agent, hooks),
            sys.stdin,
            control=TypedControl((), lambda human: None),
            observers=(TranscriptLines(timed=False),),
        )

    def _resolved(self, name: str, agent: Agent, hooks: Hooks, voicemail_message: str = "") -> ReadyAgent:
        """The agent with the keys that were given to us, and everything else it needs."""
        agent = recipes.with_keys(agent, self._config.keys(), answered=hooks.on_message is not None)
        ready = wiring.ready_agent(name, agent, hooks, self._settings, voicemail_message=voicemail_message)
        for note in ready.notes.values():
            log.info("agent %s: %s", name, note)
        return ready

    async def call(
        self,
        to: str,
        agent: Agent | None = None,
        first_message: str = "",
        from_number: str = "",
        machine_detection: bool = True,
        on_machine_detection: Callback | None = None,
        voicemail_message: str = "",
        ring_timeout: int | None = 25,
        variables: Mapping[str, Any] | None = None,
        wait: bool = False,
    ) -> PlacedCall | CallResult:
        """Ring somebody. Returns once the carrier has the call or, with wait, once it is over: whatever became of it.

        to, from_number: E.164; the second is this Patter's phone_number unless given. agent: who talks; None: the one
        that is served. first_message: in place of the agent's. voicemail_message: what a machine is told after its
        tone; it implies detection. ring_timeout: seconds, None leaves it to the carrier. variables: filled into prompt
        and messages. Without `serve` this starts to listen, on port 8000 unless
        PATTER_PORT says another, until `disconnect`.

        Raises InputError for whom or how nobody can be rung, ConfigError, CarrierError, NetworkError.
        """
        if ring_timeout is not None and (type(ring_timeout) is not int or not 1 <= ring_timeout <= MAX_RING_S):
            raise InputError(f"ring_timeout is {ring_timeout!r}", hint=f"whole seconds from 1 to {MAX_RING_S}, or None")
        caller = from_number or self._config.phone_number or self._settings.phone_number
        if not caller:
            raise BadSetting("nobody said which number to call from", hint="Patter(phone_number=…), or PHONE_NUMBER")
        filled = {key: str(value) for key, value in (variables or {}).items()}
        if agent is not None:  # what the call brings fills what the agent left open, too
            agent = replace(agent, variables={**agent.variables, **filled})
            if agent.mcp_servers:  # in a thread, for calls go on here; then they are open
                await asyncio.to_thread(mcp_tools, agent.mcp_servers, waits=True)
        served = self._served if self._service is not None else None
        name, ready = speaker(served, agent, on_machine_detection, self._resolved)
        if self._serving is not None:
            await asyncio.shield(self.ready)
        async with self._beginning:  # two at once share one server
            service = self._service or await self._begun({name: ready} if ready is not None else {})
        if ready is not None:
            # Its greeting may be this call's own: it is voiced while the call rings, and kept for nobody else.
            await service.warm_agent(replace(ready, plan=replace(ready.plan, first_message="")))
        dialled = service.dial(
            PlaceCall(
                to=to,
                from_number=caller,
                agent=name,
                variables=filled,
                ring_timeout_s=ring_timeout,
                detects_machines=machine_detection,
                first_message=first_message,
                voicemail_message=voicemail_message,
            ),
            ready,
        )
        placed = PlacedCall(dialled)
        if wait:
            return await placed.result()
        await dialled.named()
        return placed

    async def disconnect(self) -> None:
        """Let live calls end, then stop. Twice is fine."""
        service, serving = self._service, self._serving
        if service is None:
            return
        service.ask_to_stop()
        if serving is not None:
            await asyncio.shield(serving)
        elif self._calling is not None:
            await asyncio.shield(self._calling)
        else:
            async with self._beginning:  # it is only just being started, and now it is not
                pass

    async def _begun(self, agents: dict[str, ReadyAgent]) -> Service:
        """A server for calls that are made without `serve`, listening. Raises PatterError."""
        service, server = self._new_server(agents, self._settings.port, self._tunnel)
        self._service = service
        try:
            if not await started(server, service):
                raise ConfigError("it was stopped before it was up", hint="await the call before phone.disconnect()")
        except BaseException:
            self._service = None
            await stopped(server, service)
            raise
        self._calling = asyncio.create_task(self._hold(service, server))
        return service

    async def _hold(self, service: Service, server: Serving) -> None:
        """Until it is asked to stop, by `disconnect` or by another program."""
        await service.asked_to_stop.wait()
        self._service = self._calling = None
        await stopped(server, service)

    @property
    def _public_host(self) -> str:
        """By our keyword or the environment; "": nobody said."""
        return public_host(self._config.webhook_url) or self._settings.public_host

    def _new_server(
        self,
        agents: dict[str, ReadyAgent],
        port: int,
        way: Tunnel | None,
        *,
        recording: bool = False,
        record: bool = False,
        number: bool = False,
        site: Site | None = None,
    ) -> tuple[Service, Serving]:
        """Agents on the phone, and how they are started. number: ours is pointed at them. site: what is to be seen.
        Raises PatterError."""
        carriers = self._carriers or wiring.carriers()
        if self._carrier is not None:
            carriers = {name: each for name, each in carriers.items() if each.local}
            carriers[self._carrier.name] = self._carrier
        reachable = self._config.webhook_url or any(not each.local for each in carriers.values())
        host = self._public_host if way is None and reachable else ""
        ours = self._number or (self._settings.phone_number if way is not None else "")
        return new_server(
            agents,
            carriers,
            self._store,
            self._settings,
            port=port,
            require_signature=self._config.require_signature,
            tunnel=way,
            public_host=host,
            number=ours if number else "",
            recording=recording,
            record=record,
            prices=self._prices,
            on_host=self._tunnel_ready.tell,
            site=site,
        )

    async def __aenter__(self) -> Patter:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()


def _folder(persist: str | Path | bool | None, log_dir: Path | None) -> Path | None:
    if persist is None:
        return log_dir
    if persist is True:
        return log_dir or wiring.default_folder()
    return Path(persist) if persist else None
