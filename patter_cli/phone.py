"""Patter: the product from Python."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from patter_cli import recipes, wiring
from patter_cli.agent import Agent
from patter_cli.call_result import CallResult
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.engine.answer_service import AnswerService
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import BadSetting, ConfigError, InputError
from patter_cli.local_config import GUIDE, carriers_of, from_keywords, public_host
from patter_cli.server.control_messages import MAX_RING_S, PlaceCall
from patter_cli.server.dialled import DialledCall
from patter_cli.server.registration import default_run_folder
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.settings import DEFAULTS, load_settings

Callback = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class _Served:
    """What `serve` was given, for calls that are made beside it."""

    name: str
    agent: Agent
    hooks: Hooks
    voicemail_message: str


class PlacedCall:
    """A call that was made and goes on."""

    def __init__(self, call: DialledCall) -> None:
        self._call = call

    @property
    def call_id(self) -> str:
        return self._call.ticket.call_id

    async def result(self) -> CallResult:
        """Wait until it is over; always resolves."""
        return await self._call.result()

    def cancel(self) -> None:
        """It is no longer wanted: while it rings it is hung up, later it is said goodbye to."""
        self._call.cancel()


class Patter:
    """Agents on the phone, from Python.

        phone = Patter()
        agent = phone.agent("You are a friendly receptionist.", first_message="Hello!")
        await phone.serve(agent, on_message=answer)

    Callbacks and tools do not run on your event loop: a plain function has a thread, a coroutine a loop that all share.
    Make clients and locks in them or at import; your own loop is a run_coroutine_threadsafe away.

    on_message may also be the https or wss address of another process that answers, or an AnswerService.

    carrier: None: every one whose keys are set.
    persist: a folder, True (the default folder), False (nothing is kept), or None: PATTER_LOG_DIR if it is set.
    Every field of LocalConfig is a keyword too. phone_number, webhook_url and require_signature say which number the
    agent answers and where carriers reach it; the keys (openai_key="…" and the rest) are older forms, come before the
    environment, and say in one log line what replaces them.
    Raises BadSetting for what is wrong in the environment, ConfigError, InputError for keywords.
    """

    def __init__(
        self, carrier: Carrier | None = None, *, persist: str | Path | bool | None = None, **keywords: Any
    ) -> None:
        self._carrier = carrier
        self._served: _Served | None = None
        self._config = from_keywords(keywords)
        self._settings = load_settings()
        kept = self._config.persist_root if persist is None else persist
        self._store = wiring.call_store(_folder(kept, self._settings.log_dir), redaction=self._settings.redact)
        self._carriers = carriers_of(self._config) if self._config.carrier else None
        self._service: Service | None = None
        self._ready: asyncio.Future[str] | None = None

    def agent(self, system_prompt: str, first_message: str = "", **arguments: Any) -> Agent:
        """The same as Agent(...)."""
        return Agent(system_prompt, first_message, **arguments)

    @property
    def ready(self) -> asyncio.Future[str]:
        """Await it for the address that takes calls; it raises what kept the server from starting."""
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
        return self._ready

    def connect(self, *arguments: Any, **keywords: Any) -> NoReturn:
        """Of the hosted mode, which comes later. Raises ConfigError."""
        raise ConfigError(
            "connect() belongs to the hosted mode, which comes later",
            hint=f"await phone.serve(agent) answers calls on your own machine; see {GUIDE}",
        )

    async def serve(
        self,
        agent: Agent,
        *,
        port: int = 8000,
        name: str = "agent",
        on_call_start: Callback | None = None,
        on_call_end: Callback | None = None,
        on_transcript: Callback | None = None,
        on_message: Callback | AnswerService | str | None = None,
        on_metrics: Callback | None = None,
        on_machine_detection: Callback | None = None,
        voicemail_message: str = "",
    ) -> None:
        """Answer calls until `disconnect`. Raises PatterError if it cannot start.

        voicemail_message: what an answering machine is told, variables filled in.
        """
        hooks = Hooks(
            on_call_start=on_call_start,
            on_call_end=on_call_end,
            on_transcript=on_transcript,
            on_message=on_message,
            on_metrics=on_metrics,
            on_machine_detection=on_machine_detection,
        )
        if self._ready is not None and self._ready.done():
            self._ready = None  # that was another time
        try:
            ready = self._resolved(name, agent, hooks, voicemail_message)
            self._served = _Served(name, agent, hooks, voicemail_message)
            service = self._service = self._new_service({name: ready}, port)
            await service.start()
        except BaseException as error:
            if not self.ready.done():
                self.ready.set_exception(error)
                self.ready.exception()  # raised here too: whoever does not await `ready` is not warned about it
            if self._service is not None:
                self._service.close()
                self._service = None
            raise
        if not self.ready.done():  # somebody may have tired of waiting, which cancels it
            self.ready.set_result(service.media_url(name))
        try:
            await service.asked_to_stop.wait()
        finally:
            if self._service is service:
                self._service = None
            await service.stop()

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
        await hold_typed_call(
            self._resolved(name, agent, hooks),
            sys.stdin,
            control=TypedControl((), lambda human: None),
            observers=(TranscriptLines(timed=False),),
        )

    def _resolved(self, name: str, agent: Agent, hooks: Hooks, voicemail_message: str = "") -> ReadyAgent:
        """The agent with the keys that were given to us, and everything else it needs."""
        agent = recipes.with_keys(agent, self._config.keys())
        return wiring.ready_agent(name, agent, hooks, self._settings, voicemail_message=voicemail_message)

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
        and messages. Without `serve` this starts to listen on port 8000 until `disconnect`.

        Raises InputError for whom or how nobody can be rung, ConfigError, CarrierError, NetworkError.
        """
        if ring_timeout is not None and (type(ring_timeout) is not int or not 1 <= ring_timeout <= MAX_RING_S):
            raise InputError(f"ring_timeout is {ring_timeout!r}", hint=f"whole seconds from 1 to {MAX_RING_S}, or None")
        caller = from_number or self._config.phone_number or self._settings.phone_number
        if not caller:
            raise BadSetting("nobody said which number to call from", hint="Patter(phone_number=…), or PHONE_NUMBER")
        name, ready = self._speaker(agent, on_machine_detection)
        service = self._service
        if service is None:
            service = self._service = self._new_service({name: ready} if ready is not None else {}, DEFAULTS.port)
            try:
                await service.start()
            except BaseException:
                self._service = None
                service.close()
                raise
        elif ready is not None:
            await service.warm_agent(ready)
        dialled = service.dial(
            PlaceCall(
                to=to,
                from_number=caller,
                agent=name,
                variables={key: str(value) for key, value in (variables or {}).items()},
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
        service, self._service = self._service, None
        if service is not None:
            await service.stop()
            service.ask_to_stop()

    def _new_service(self, agents: dict[str, ReadyAgent], port: int) -> Service:
        carriers = self._carriers or wiring.carriers()
        if self._carrier is not None:
            carriers = {name: each for name, each in carriers.items() if each.local}
            carriers[self._carrier.name] = self._carrier
        config = self._config
        settings = ServiceSettings(
            port=port,
            public_host=public_host(config.webhook_url) or self._settings.public_host,
            require_signature=config.require_signature,
            numbers=dict.fromkeys((config.phone_number,), next(iter(agents))) if config.phone_number and agents else {},
            secret=wiring.signing_secret(self._settings, carriers),
            run_folder=default_run_folder(),
            rules=wiring.dial_rules(self._settings),
            callers=wiring.caller_rules(self._settings),
        )
        return wiring.service(agents, settings, store=self._store, carried_by=carriers)

    def _speaker(self, agent: Agent | None, on_machine_detection: Callback | None) -> tuple[str, ReadyAgent | None]:
        """Who talks on a call that we make, by name; None for the agent as it is served. Raises ConfigError."""
        served = self._served if self._service is not None else None
        if agent is None and served is None:
            raise ConfigError("nobody said which agent talks", hint="phone.call(to, agent), or serve one first")
        hooks = served.hooks if served is not None else Hooks()
        if agent is None and served is not None and on_machine_detection is None:
            return served.name, None
        if on_machine_detection is not None:
            hooks = replace(hooks, on_machine_detection=on_machine_detection)
        if agent is None and served is not None:
            return served.name, self._resolved(served.name, served.agent, hooks, served.voicemail_message)
        assert agent is not None
        if agent.llm is not None:
            hooks = replace(hooks, on_message=None)  # the served agent's own
        return "agent", self._resolved("agent", agent, hooks)

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
