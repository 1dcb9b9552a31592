"""WebSockets to vendors: one `Socket` a session, every failure named by its class.

Theory of operation. What is sent is put in a queue, for sessions are told things by code that cannot wait, and one
task writes it. What is read is an iterator. A socket whose queue grows is one whose vendor has stopped reading, which
no ping of the operating system's would tell us for minutes: it breaks. Closing is polite for CLOSE_S and then abrupt.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from patter_cli.errors import BadReply, ProviderError, TimedOut, Unavailable, reason
from patter_cli.providers.http import CONNECT_S, ERROR_BYTES, Server, refusal, shared_tls

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed

log = logging.getLogger(__name__)

Message: TypeAlias = str | bytes
StatusOf: TypeAlias = Callable[[int, str], int | None]
"""Which HTTP status a close code stands for, with these words; None: none."""

PING_S = 5.0
"""So often a vendor is asked whether it is there, and so long it may take to say so."""
CLOSE_S = 0.3
"""For the vendor to say goodbye."""
BACKLOG_BYTES = 512 << 10
"""What may wait to be sent: a minute of mu-law, ten seconds of the widest sound in base64."""
MESSAGE_BYTES = 4 << 20
"""The longest message that is read; a second of sound in base64 is a tenth of it."""


class Socket:
    """One open connection. Used from one event loop only."""

    def __init__(self, server: Server, connection: ClientConnection, status_of: StatusOf) -> None:
        self._server = server
        self._connection = connection
        self._status_of = status_of
        self._queue: deque[Message] = deque()
        self._queued_bytes = 0
        self._more = asyncio.Event()
        self._overflown = False
        self._writer = asyncio.create_task(self._write())

    @property
    def closed(self) -> bool:
        """Whether either side has closed it."""
        from websockets.protocol import State

        return self._overflown or self._connection.state is not State.OPEN

    @property
    def behind_bytes(self) -> int:
        """What waits to be sent."""
        return self._queued_bytes

    def post(self, *messages: Message) -> None:
        """Send these, in order. Never blocks, never raises: a connection that is broken tells it to its reader."""
        for message in messages:
            self._queue.append(message)
            self._queued_bytes += len(message)
        if self._queued_bytes > BACKLOG_BYTES and not self._overflown:
            self._overflown = True
            self._connection.transport.abort()
        self._more.set()

    async def messages(self) -> AsyncIterator[Message]:
        """What the vendor sends, until it says goodbye. Raises ProviderError where it breaks off."""
        from websockets.exceptions import ConnectionClosed

        try:
            async for message in self._connection:
                yield message
        except ConnectionClosed as error:
            raise self._broken(error) from error

    async def aclose(self, *last: Message) -> None:
        """Send what is to be said last and go, politely if that is quick; twice is fine."""
        try:
            async with asyncio.timeout(CLOSE_S):
                if not self.closed:
                    self.post(*last)
                    while self._queue and not self._writer.done():  # noqa: ASYNC110 (the writer has no event for it)
                        await asyncio.sleep(0)
                await self._connection.close()
        except Exception as error:  # noqa: BLE001 - it is thrown away
            log.debug("%s was left without a goodbye: %r", self._server.host, error)
        finally:
            self._writer.cancel()
            if self._connection.transport is not None:
                self._connection.transport.abort()
            await asyncio.gather(self._writer, self._connection.wait_closed(), return_exceptions=True)

    async def _write(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                while self._queue:
                    message = self._queue[0]
                    await self._connection.send(message)
                    self._queue.popleft()
                    self._queued_bytes -= len(message)
                self._more.clear()
                await self._more.wait()
        except ConnectionClosed:
            pass  # the reader is told

    def _broken(self, error: ConnectionClosed) -> ProviderError:
        server = self._server
        if self._overflown:
            return TimedOut(f"{server.host} has stopped reading", provider=server.provider)
        closing = error.rcvd
        if closing is None:
            why = error.sent.reason if error.sent is not None else ""
            if "keepalive" in why:
                return TimedOut(f"{server.host} is silent", provider=server.provider)
            if error.sent is not None and error.sent.code in (1002, 1007, 1009):
                return BadReply(f"{server.host} does not speak WebSocket: {why}", provider=server.provider)
            return Unavailable(f"{server.host} broke the connection", provider=server.provider)
        status = self._status_of(closing.code, closing.reason)
        if status is not None:
            return refusal(server, status, {}, json.dumps({"message": closing.reason}).encode())
        words = f"{closing.code} {closing.reason}".strip().replace(server.key or "\0", "****")
        return Unavailable(f"{server.host} closed the connection: {words[:200]}", provider=server.provider)


async def connect(
    server: Server,
    url: str,
    headers: Mapping[str, str],
    *,
    statuses: Mapping[int, int] | StatusOf | None = None,
) -> Socket:
    """Open one. statuses: which HTTP status a close code of it stands for. Raises ProviderError, BadSetting."""
    websockets, tls = await _ready(url)
    exceptions = websockets.exceptions
    try:
        connection = await websockets.asyncio.client.connect(
            url,
            additional_headers=dict(headers),
            user_agent_header="patter-cli",
            ssl=tls,
            compression=None,  # sound does not shrink, and it would cost each frame a millisecond
            open_timeout=CONNECT_S,
            close_timeout=CLOSE_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            max_size=MESSAGE_BYTES,
            max_queue=None,  # what comes is small and read at once; a full queue would hold pongs back
        )
    except exceptions.InvalidStatus as error:
        response = error.response
        found = {name.lower(): value for name, value in response.headers.raw_items()}
        raise refusal(server, response.status_code, found, (response.body or b"")[:ERROR_BYTES]) from error
    except TimeoutError as error:
        raise TimedOut(f"{server.host} did not answer in time", provider=server.provider) from error
    except (exceptions.InvalidHandshake, exceptions.InvalidMessage) as error:
        raise Unavailable(
            f"{server.host} broke the connection: it is no WebSocket", provider=server.provider
        ) from error
    except (OSError, EOFError) as error:
        raise Unavailable(f"{server.host} cannot be reached: {reason(error)}", provider=server.provider) from error
    known = statuses or {}
    return Socket(server, connection, known if callable(known) else lambda code, _: known.get(code))


async def _ready(url: str) -> tuple[Any, Any]:
    """The library, and TLS where the address wants it. The import takes 0.1 s, which other calls' frames must not
    wait for. Raises BadSetting."""
    websockets = await asyncio.to_thread(_library) if not _LOADED else _library()
    return websockets, await shared_tls() if url.startswith("wss://") else None


_LOADED: list[bool] = []


@cache
def _library() -> Any:
    import websockets
    import websockets.asyncio.client
    import websockets.exceptions

    _LOADED.append(True)
    return websockets
