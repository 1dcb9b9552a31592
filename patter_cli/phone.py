"""Patter: the product from Python."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from patter_cli import recipes, wiring
from patter_cli.agent import Agent
from patter_cli.engine.answer_service import AnswerService
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import ConfigError
from patter_cli.local_config import GUIDE, carriers_of, from_keywords, public_host
from patter_cli.server.registration import default_run_folder
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.settings import load_settings

Callback = Callable[..., Any]


class Patter:
    """Agents on the phone, from Python.

        phone = Patter()
        agent = phone.agent("You are a friendly receptionist.", first_message="Hello!")
        await phone.serve(agent, on_message=answer)

    Callbacks and tools do not run on your event loop: a plain function has a thread, a coroutine a loop that all share.
    Make clients and locks in them or at import; your own loop is a run_coroutine_threadsafe away.

    on_message may also be the https or wss address of another process that answers, or an AnswerService.

    persist: a folder, True (the default folder), False (nothing is kept), or None: PATTER_LOG_DIR if it is set.
    Every field of LocalConfig is a keyword too. phone_number, webhook_url and require_signature say which number the
    agent answers and where carriers reach it; the keys (openai_key="…" and the rest) are older forms, come before the
    environment, and say in one log line what replaces them.
    Raises BadSetting for what is wrong in the environment, ConfigError, InputError for keywords.
    """

    def __init__(self, *, persist: str | Path | bool | None = None, **keywords: Any) -> None:
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
        )
        if self._ready is not None and self._ready.done():
            self._ready = None  # that was another time
        try:
            ready = self._resolved(name, agent, hooks, voicemail_message)
            carriers = self._carriers or wiring.carriers()
            config = self._config
            serving = ServiceSettings(
                port=port,
                public_host=public_host(config.webhook_url),
                require_signature=config.require_signature,
                numbers={config.phone_number: name} if config.phone_number else {},
                secret=wiring.signing_secret(self._settings, carriers),
                run_folder=default_run_folder(),
            )
            service = self._service = wiring.service({name: ready}, serving, store=self._store, carried_by=carriers)
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

    async def disconnect(self) -> None:
        """Let live calls end, then stop. Twice is fine."""
        service, self._service = self._service, None
        if service is not None:
            await service.stop()
            service.ask_to_stop()

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
