"""Patter: the product from Python, and the server that the commands and it share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from patter_cli import wiring
from patter_cli.agent import Agent
from patter_cli.contracts.vad import VoiceModel
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.engine.record import Observer
from patter_cli.errors import BadSetting
from patter_cli.observe.store import CallStore, default_folder
from patter_cli.server.app import StreamRoute, create_app
from patter_cli.server.call_factory import CallFactory
from patter_cli.server.calls import CallRegistry
from patter_cli.server.run import Server
from patter_cli.settings import load_settings
from patter_cli.version import VERSION

Callback = Callable[..., Any]


class EmbeddedServer:
    """Agents behind one port of this process. `start`, then `stop`; `server` is there in between for signals."""

    def __init__(
        self,
        agents: Mapping[str, ReadyAgent],
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        store: CallStore | None = None,
        observers: tuple[Observer, ...] = (),
        max_calls: int = 100,
        drain_timeout_s: float = 30.0,
        voice_model: VoiceModel | None = None,
    ) -> None:
        """port 0: any free one. store None: nothing is kept. voice_model None: the built-in one.

        Raises BadSetting, MissingExtra.
        """
        if not 0 <= port <= 65535:
            raise BadSetting(f"port {port} does not exist", hint="choose one from 1 to 65535")
        self._agents = dict(agents)
        self._desk = CallFactory(
            agents=self._agents,
            model=voice_model or wiring.voice_model(),
            store=store or CallStore(None),
            control=lambda started, sender: wiring.call_control("loopback", started.stream_id, sender),
            observers=observers,
        )
        live = CallRegistry(max_calls=max_calls)
        app = create_app(
            open_call=self._desk.open_call,
            serves=self._agents.__contains__,
            streams=[
                StreamRoute(path="/ws/loopback/{agent}", codec=lambda: wiring.stream_codec("loopback"), local_only=True)
            ],
            live=live,
            version=VERSION,
        )
        self._host = host
        self.server = Server(app, live=live, host=host, port=port, drain_timeout_s=drain_timeout_s)
        self._lines: asyncio.Task[None] | None = None

    async def warm(self) -> None:
        """Load models and greetings. Raises PatterError; `start` is then quick."""
        await self._desk.warm()

    def prepare_lines(self) -> None:
        """Have the lines for trouble ready, beside the calls."""
        self._lines = asyncio.create_task(self._desk.prepare_lines())

    async def start(self) -> None:
        """Load what is not loaded and listen. Raises PatterError."""
        await self.warm()
        await self.server.start()
        self.prepare_lines()

    def media_url(self, agent: str) -> str:
        """Where a Media Streams client on this machine calls the agent."""
        return f"ws://{self._host}:{self.server.port}/ws/loopback/{quote(agent)}"

    async def stop(self) -> None:
        """Let live calls end within the drain time, then stop. Twice is fine."""
        await self.server.shutdown()
        self.close()

    def close(self) -> None:
        """Let go of threads; the server must have stopped."""
        if self._lines is not None:
            self._lines.cancel()
        self._desk.close()


class Patter:
    """Agents on the phone, from Python.

        phone = Patter()
        agent = phone.agent("You are a friendly receptionist.", first_message="Hello!")
        await phone.serve(agent, on_message=answer)

    persist: a folder, True (the default folder), False (nothing is kept), or None: PATTER_LOG_DIR if it is set.
    Raises BadSetting for what is wrong in the environment.
    """

    def __init__(self, *, persist: str | Path | bool | None = None) -> None:
        self._settings = load_settings()
        self._store = CallStore(_folder(persist, self._settings.log_dir))
        self._server: EmbeddedServer | None = None
        self._ready: asyncio.Future[str] | None = None
        self._stopped: asyncio.Event | None = None

    def agent(self, system_prompt: str, first_message: str = "", **arguments: Any) -> Agent:
        """The same as Agent(...)."""
        return Agent(system_prompt, first_message, **arguments)

    @property
    def ready(self) -> asyncio.Future[str]:
        """Await it for the address that takes calls; it raises what kept the server from starting."""
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
        return self._ready

    async def serve(
        self,
        agent: Agent,
        *,
        port: int = 8000,
        name: str = "agent",
        on_call_start: Callback | None = None,
        on_call_end: Callback | None = None,
        on_transcript: Callback | None = None,
        on_message: Callback | None = None,
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
        self._stopped = asyncio.Event()
        try:
            ready = wiring.ready_agent(name, agent, hooks, self._settings, voicemail_message=voicemail_message)
            self._server = EmbeddedServer({name: ready}, port=port, store=self._store)
            await self._server.start()
        except BaseException as error:
            if not self.ready.done():
                self.ready.set_exception(error)
                self.ready.exception()  # raised here too: whoever does not await `ready` is not warned about it
            if self._server is not None:
                self._server.close()
                self._server = None
            raise
        if not self.ready.done():  # somebody may have tired of waiting, which cancels it
            self.ready.set_result(self._server.media_url(name))
        try:
            await self._stopped.wait()
        finally:
            await self.disconnect()  # nothing to do, unless we were cancelled

    async def disconnect(self) -> None:
        """Let live calls end, then stop. Twice is fine."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop()
        if self._stopped is not None:
            self._stopped.set()

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
        return log_dir or default_folder()
    return Path(persist) if persist else None
