"""Serving, and stopping by a deadline: Hypercorn reads the requests, we own the port, the connections and the clock.

Hypercorn's own shutdown waits for every connection before it looks at its timeout (on Python 3.12 and later), so one
half-open socket keeps the process. Here each connection is a task of ours:

    shutdown:  nobody new is let in, idle media sockets are closed -> calls end by themselves, up to the drain timeout
               -> the rest say goodbye, up to 4 s -> the port closes, connections are cancelled, then cut -> callbacks
               of calls that are over have what is left of the time
    cut:       the last step at once
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar, cast

from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from hypercorn.utils import wrap_app

from patter_cli.engine.author_loop import settle_author_code
from patter_cli.engine.reports import settle_reports
from patter_cli.engine.watchdog import interrupting, watched
from patter_cli.engine.whereabouts import place_of
from patter_cli.server.calls import CallRegistry
from patter_cli.server.guard import Asgi
from patter_cli.server.limits import Limits
from patter_cli.server.port import bind_port
from patter_cli.server.wire import Connection

log = logging.getLogger("patter.server")

Result = TypeVar("Result")

SWITCH_S = 0.0005
"""How long a busy thread may keep the interpreter while another wants it. The loop loses it at each send: with Python's
5 ms and one callback that computes, 12 calls were up to 260 ms late (tests/e2e/test_author_code.py), with this 0."""
GARBAGE = (2_000, 50, 50)
"""After how many new objects the collector looks at them, and after how many such looks at the older ones. With 700, 10
and 10, which are Python's, it took 5 % of a core at 250 calls, 0.15 s of it at once: every call waits meanwhile."""
_SPARE_FILES = 128
"""Descriptors left for vendors' sockets, logs and models."""
_SHUTDOWN_S = 4.8
"""What stopping may take beyond the drain timeout: goodbyes first, the callbacks of ended calls with what is left."""
_TAKE_DOWN_S = 0.4
"""For cancelled connections to end, and once more after they are cut."""


class Server:
    """One listening port and its connections."""

    def __init__(
        self,
        app: Asgi,
        *,
        live: CallRegistry,
        host: str = "127.0.0.1",
        port: int = 8000,
        drain_timeout_s: float = 30.0,
        limits: Limits | None = None,
    ) -> None:
        """live: the calls that `app` lets in. port: 0 for any free one."""
        self._limits = limits or Limits()
        self._live = live
        self._host = host
        self._port = port
        self._drain_timeout_s = drain_timeout_s
        self._app = wrap_app(cast(ASGIFramework, app), 0, "asgi")
        self._config = _hypercorn_config(self._limits)
        self._context = WorkerContext(None)
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._max_connections = _max_connections(self._limits.max_connections)
        self._listener: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        return self._port

    async def start(self) -> None:
        """Listen. Raises PortBusy, NotReachable or BadSetting."""
        sock = bind_port(self._host, self._port, send_buffer_bytes=self._limits.send_buffer_bytes)
        self._port = sock.getsockname()[1]
        self._listener = await asyncio.start_server(self._connected, sock=sock, backlog=socket.SOMAXCONN)

    async def shutdown(self) -> None:
        """Let the live calls end, then stop: within the drain timeout and 5 s."""
        ends_at_s = await self.drain()
        await self.cut()
        await settle_reports(left_s(ends_at_s))

    async def drain(self) -> float:
        """Let nobody new in and the live calls end, up to the drain timeout and a goodbye. By when all of stopping has
        to be over, in the event loop's time."""
        ends_at_s = asyncio.get_running_loop().time() + self._drain_timeout_s + _SHUTDOWN_S
        self._live.drain()
        if not await self._live.wait_empty(self._drain_timeout_s):
            self._live.say_goodbye("server_stopping")
            await self._live.wait_empty(self._limits.goodbye_s)
        return ends_at_s

    async def cut(self) -> None:
        """Stop within a second, whoever is talking."""
        self._live.draining = True
        if self._listener is not None:
            self._listener.close()
        await self._context.terminated.set()
        for task in self._connections:
            task.cancel()
        await self._wait_connections()
        for writer in self._connections.values():
            writer.transport.abort()
        await self._wait_connections()
        if self._connections:
            log.warning("%d connections did not end", len(self._connections))

    async def _wait_connections(self) -> None:
        if self._connections:
            await asyncio.wait(set(self._connections), timeout=_TAKE_DOWN_S)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection. Its task ends here, so nothing it raises goes further."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        if len(self._connections) >= self._max_connections:
            writer.transport.abort()
            return
        self._connections[task] = writer
        try:
            with watched():
                await Connection(self._app, self._config, self._context, self._limits, reader, writer).run()
        except asyncio.CancelledError:
            pass  # by `cut`; asyncio would report it
        except Exception as error:
            log.warning("connection ended by %s", ascii(error)[:200])
            log.debug("connection ended", exc_info=error)
        finally:
            writer.transport.abort()
            del self._connections[task]


def left_s(ends_at_s: float) -> float:
    """What is left until this time of the event loop, for the last things that are waited for: always a moment."""
    return max(0.2, ends_at_s - asyncio.get_running_loop().time())


class Serving(Protocol):
    """Something that serves until it is stopped."""

    async def start(self) -> None:
        """Serve from now on. Raises PatterError."""

    async def shutdown(self) -> None:
        """Stop once what is under way has ended, or by a deadline."""

    async def cut(self) -> None:
        """Stop at once."""


async def run_until_signal(
    server: Serving, *, on_ready: Callable[[], None] = lambda: None, asked: asyncio.Event | None = None
) -> bool:
    """Serve until SIGINT or SIGTERM, which drains; a second one cuts. A terminal that is closed (SIGHUP) drains,
    however often it is told. True if the drain came to its end. Raises KeyboardInterrupt where it had not started yet.

    on_ready: called once the port is open. asked: drains as a first signal does, when somebody sets it.
    """
    loop = asyncio.get_running_loop()
    asked, asked_again = asked or asyncio.Event(), asyncio.Event()

    def stop() -> None:
        (asked_again if asked.is_set() else asked).set()

    handled = {signal.SIGINT: stop, signal.SIGTERM: stop}
    if _hangs_up():
        handled[signal.SIGHUP] = asked.set
    for number, handle in handled.items():
        loop.add_signal_handler(number, handle)
    drain = again = None
    first = asyncio.create_task(asked.wait())
    try:
        with interrupting():
            start = asyncio.create_task(server.start())
            await asyncio.wait({start, first}, return_when=asyncio.FIRST_COMPLETED)
            if not start.done():  # a tunnel may take its time
                start.cancel()
                await asyncio.wait({start})
                if start.cancelled():
                    raise KeyboardInterrupt
            await start
            on_ready()
            await first
            drain = asyncio.create_task(server.shutdown())
            again = asyncio.create_task(asked_again.wait())
            await asyncio.wait({drain, again}, return_when=asyncio.FIRST_COMPLETED)
            if not drain.done():
                drain.cancel()
                await server.cut()
                return False
            await drain
            return True
    finally:
        first.cancel()
        if again is not None:
            again.cancel()
        for number in handled:
            loop.remove_signal_handler(number)


def _hangs_up() -> bool:
    """Whether a terminal that is closed ends this process, which `nohup` says it must not."""
    return sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN


def tune_process() -> None:
    """Make this process fit for calls, once what it needs is loaded: short turns for threads, a collector that seldom
    looks at new objects and never again at those that are there now. Twice is fine."""
    sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
    if gc.isenabled() and not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
        gc.set_threshold(*map(max, GARBAGE, gc.get_threshold()))


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run the program's coroutine, on uvloop where there is one: at 50 calls its p99 is 2.9 ms, asyncio's 43.

    SIGTERM and a terminal that is closed end it as Ctrl-C does, so that what a call leaves is left then too. What would
    end the loop from inside (a sys.exit in the task of somebody's own voice or model) counts as a SIGTERM: live calls
    get their goodbyes.
    """
    sys.setswitchinterval(SWITCH_S)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        if _hangs_up():
            signal.signal(signal.SIGHUP, _end_once)
    loop_factory = None
    if sys.platform != "win32":
        import uvloop

        from patter_cli.engine.self_signals import watch_own_signals

        watch_own_signals()
        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        running: asyncio.Task[Result] | None = None

        async def hold() -> Result:
            """Wait for it, not being one of the tasks that it takes down at its end."""
            nonlocal running
            asyncio.tasks._unregister_task(cast("asyncio.Task[Any]", asyncio.current_task()))
            running = running or asyncio.create_task(_to_the_end(main))
            return await running

        while True:
            try:
                return runner.run(hold())
            except (SystemExit, RuntimeError) as error:
                if running is None or running.done():
                    raise
                log.critical("%s would end the loop (%r): calls get a goodbye, then it is over", place_of(error), error)
                runner.get_loop().call_soon(signal.raise_signal, signal.SIGTERM)
            finally:
                if running is None:  # Ctrl-C was quicker
                    main.close()


def _end_once(number: int, frame: object) -> None:
    """As Ctrl-C, and not as a second one when it is told twice: by the terminal and by the shell in it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.raise_signal(signal.SIGINT)


async def _to_the_end(main: Coroutine[Any, Any, Result]) -> Result:
    """Leave nothing that the loop would wait for: it waits for ever for a task that will not be cancelled."""
    try:
        return await main
    finally:
        if threading.current_thread() is threading.main_thread() and _hangs_up():
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a shell tells it after the terminal did, and it ends already
        await settle_author_code(_TAKE_DOWN_S)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            _, stubborn = await asyncio.wait(left, timeout=_TAKE_DOWN_S)
            for task in stubborn:
                log.warning("left behind: %s", ascii(task.get_name()))
                asyncio.tasks._unregister_task(task)


def _hypercorn_config(limits: Limits) -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = log  # only our own bugs are written there
    config.include_server_header = False
    config.alpn_protocols = ["http/1.1"]
    config.h11_max_incomplete_size = limits.header_bytes
    config.keep_alive_timeout = limits.keep_alive_s
    return config


def _max_connections(wanted: int) -> int:
    """At the process's file limit `accept` itself fails, and asyncio stops listening for a second each time."""
    if sys.platform == "win32":
        return wanted
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(16, min(wanted, soft - _SPARE_FILES))
