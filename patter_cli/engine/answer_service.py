"""Another process that answers for an agent, in any language: on_message="https://…" or "wss://…".

By https each turn is a POST, signed and guarded as a tool's webhook is (webhook.py). Its reply is spoken as it comes:

    {"type": "message", "call_id": …, "text": …, "caller": …, "callee": …, "history": [{role, text, timestamp}, …]}
    -> text/plain            the words, in as many pieces as it likes
    -> application/x-ndjson  a line each: {"text": "…"}, {"end_call": true}, {"transfer_call": "+1…"}
    -> application/json      one of these

By wss there is one connection a call, made at its first turn. Its handshake carries X-Patter-Call-Id, and the same two
headers as a POST whose body is that id. Turns are numbered, and what comes for an earlier one is dropped:

    {"type": "message", "id": 1, …}      -> {"id": 1, "text": "…"} …, {"id": 1, "done": true}
    {"type": "cancel", "id": 1}          the caller has interrupted: nobody listens to the rest

A turn is never asked twice: what the other side did for the first time, nobody knows.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from patter_cli.engine.address_guard import Resolver, check_url, look_up, safe_addresses
from patter_cli.engine.webhook import CONNECT_S, REPLY_BYTES, guarded, sign, trusted
from patter_cli.errors import BadReply, InputError, MissingCredential, NetworkError, TimedOut, Unavailable
from patter_cli.version import VERSION

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

PIECE_S = 10.0
"""The longest wait for the next piece of a reply, unless somebody says another."""
WHOLE_S = 60.0
"""The longest a reply may take, however often a piece of it comes."""
CLOSE_S = 0.5
"""What a connection gets to close when its call is over."""

_WHO = "on_message"
_SCHEMES = re.compile(r"^ws(?=s?://)")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerService:
    """Where another process answers: on_message="https://…" with what a plain address cannot say.

    secret: signs the requests, else PATTER_WEBHOOK_SECRET does. timeout_s: the longest wait for the next piece of a
    reply, from 0 to 60. allow_private: it may be on this network, and then also plain http or ws and on any port.
    Raises InputError.
    """

    url: str
    secret: str = field(default="", repr=False)
    timeout_s: float = PIECE_S
    allow_private: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.url, str):
            raise InputError(f"on_message cannot be at {self.url!r}", hint='url="https://example.com/answer"')
        if not isinstance(self.timeout_s, int | float) or not 0 < self.timeout_s <= WHOLE_S:
            raise InputError(f"timeout_s of on_message is {self.timeout_s!r}", hint=f"seconds, from 0 to {WHOLE_S:.0f}")
        self.place()

    def place(self) -> tuple[str, int]:
        """Host and port. Raises InputError for an address that cannot be one."""
        return check_url(_SCHEMES.sub("http", self.url, count=1), allow_private=self.allow_private)


def ready_service(given: str | AnswerService, webhook_secret: str) -> AnswerService:
    """What on_message names, with a secret to sign with. Raises InputError, MissingCredential."""
    if isinstance(given, str) and "://" not in given:
        raise InputError(
            "on_message is a text, neither a function nor an address",
            hint='write: async def on_message(event): …, or on_message = "https://example.com/answer"',
        )
    service = AnswerService(url=given) if isinstance(given, str) else given
    if not (service.secret or webhook_secret):
        hint = 'export PATTER_WEBHOOK_SECRET="$(openssl rand -hex 32)", and give it to the other process'
        raise MissingCredential("on_message is an address, and there is no secret to sign its requests with", hint=hint)
    return replace(service, secret=service.secret or webhook_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a reply may do beside speaking."""

    end_call: Callable[[], None]
    transfer_call: Callable[..., None]


class RemoteAnswers:
    """One call's line to the process that answers it."""

    def __init__(self, service: AnswerService, call_id: str, *, resolve: Resolver = look_up) -> None:
        self._service = service
        self._call_id = call_id
        self._resolve = resolve
        self._socket: ClientConnection | None = None
        self._turn = 0
        self._reading = asyncio.Lock()

    async def pieces(self, facts: Mapping[str, Any], orders: Orders) -> AsyncGenerator[str, None]:
        """The reply to one turn; closing it tells the other side that nobody listens. Raises ProviderError."""
        messages = self._by_socket(facts) if self._service.url.startswith("ws") else self._by_post(facts)
        until = _now() + WHOLE_S
        try:
            while True:
                wait = min(self._service.timeout_s, until - _now())
                try:
                    async with asyncio.timeout(wait):
                        message = await anext(messages, None)
                except TimeoutError as error:
                    raise TimedOut("the process that answers said nothing in time", provider=_WHO) from error
                if message is None:
                    return
                text = _carried_out(message, orders)
                if text:
                    yield text
        except NetworkError as error:
            raise Unavailable(f"the process that answers cannot be reached: {error}", provider=_WHO) from error
        finally:
            await messages.aclose()

    async def aclose(self) -> None:
        """The call is over. Twice is fine; never raises."""
        socket, self._socket = self._socket, None
        if socket is not None:
            with suppress(Exception):
                await asyncio.wait_for(socket.close(), CLOSE_S)

    async def _by_post(self, facts: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        """httpcore, as for webhooks: no redirects, cookies or proxies, and the connection is ours to make."""
        import httpcore

        service = self._service
        body = json.dumps({"type": "message", **facts}).encode()
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/plain, application/x-ndjson, application/json",
            "Accept-Encoding": "identity",  # a compressed reply could be a bomb
            "User-Agent": f"patter-cli/{VERSION}",
            **self._signed(body),
        }
        tls = await asyncio.to_thread(trusted) if service.url.startswith("https") else None
        backend = guarded(self._resolve, allow_private=service.allow_private)
        try:
            async with AsyncExitStack() as stack:
                pool = httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=backend, max_connections=1)
                await stack.enter_async_context(pool)
                asked = pool.stream(
                    "POST",
                    service.url,
                    headers=list(headers.items()),
                    content=body,
                    extensions={"timeout": {"connect": CONNECT_S}},
                )
                response = await stack.enter_async_context(asked)
                names = {name.decode("ascii").lower(): value.decode("latin-1") for name, value in response.headers}
                if not 200 <= response.status < 300:
                    raise Unavailable(f"the process that answers said {response.status}", provider=_WHO)
                if names.get("content-encoding", "identity").lower() != "identity":
                    raise BadReply("the reply is compressed", provider=_WHO)
                async for message in _messages(response.aiter_stream(), names.get("content-type", "text/plain")):
                    yield message
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise Unavailable(f"the process that answers is gone: {type(error).__name__}", provider=_WHO) from error

    async def _by_socket(self, facts: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        from websockets.exceptions import WebSocketException

        async with self._reading:
            self._turn += 1
            turn, over = self._turn, False
            try:
                socket = await self._connected()
                await socket.send(json.dumps({"type": "message", "id": turn, **facts}))
                while not over:
                    message = _parsed(await socket.recv())
                    if not isinstance(message, Mapping) or message.get("id") != turn:
                        continue  # of a turn that was interrupted
                    over = message.get("done") is True
                    yield {name: value for name, value in message.items() if name not in ("id", "done")}
            except (WebSocketException, OSError, ValueError) as error:
                over = True
                raise Unavailable(f"the process that answers is gone: {type(error).__name__}", provider=_WHO) from error
            finally:
                if not over and self._socket is not None:
                    with suppress(WebSocketException, OSError):
                        await self._socket.send(json.dumps({"type": "cancel", "id": turn}))

    async def _connected(self) -> ClientConnection:
        """The call's connection, made anew where it has broken. Proxies and other origins are not followed."""
        from websockets.asyncio.client import connect

        if self._socket is not None and self._socket.close_code is None:
            return self._socket
        service = self._service
        host, port = service.place()
        secure: dict[str, Any] = {}
        if service.url.startswith("wss"):
            secure["ssl"] = await asyncio.to_thread(trusted)
        failure: Exception = OSError("no address")
        for address in await safe_addresses(host, port, allow_private=service.allow_private, resolve=self._resolve):
            try:
                self._socket = await connect(
                    service.url,
                    host=address,
                    port=port,
                    proxy=None,
                    compression=None,
                    max_size=REPLY_BYTES,
                    open_timeout=CONNECT_S,
                    user_agent_header=f"patter-cli/{VERSION}",
                    additional_headers={
                        "X-Patter-Call-Id": self._call_id,
                        **self._signed(self._call_id.encode()),
                    },
                    **secure,
                )
            except (OSError, TimeoutError) as error:
                failure = error
            else:
                return self._socket
        raise failure

    def _signed(self, body: bytes) -> dict[str, str]:
        timestamp = str(int(time.time()))
        return {"X-Patter-Timestamp": timestamp, "X-Patter-Signature": sign(self._service.secret, timestamp, body)}


async def _messages(chunks: AsyncIterator[bytes], kind: str) -> AsyncIterator[Any]:
    """What a reply says: pieces of text as they come, or JSON values, a line each. Raises BadReply."""
    kind = kind.lower()
    plain, lines = kind.startswith("text/"), kind.startswith("application/x-ndjson")
    if not plain and not lines and not kind.startswith("application/json"):
        raise BadReply("the reply is neither text nor JSON", provider=_WHO)
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    kept, size = "", 0
    async for chunk in chunks:
        size += len(chunk)
        if size > REPLY_BYTES:
            raise BadReply("the reply is too long", provider=_WHO)
        kept += decode(chunk)
        if plain:
            yield kept
            kept = ""
        while lines and "\n" in kept:
            line, _, kept = kept.partition("\n")
            if line.strip():
                yield _parsed(line)
    if kept.strip():
        yield _parsed(kept)


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadReply("the reply is not valid JSON", provider=_WHO) from error


def _carried_out(message: Any, orders: Orders) -> str:
    """Do what a message asks for. Returns its words. Raises BadReply."""
    if isinstance(message, str):
        return message
    if not isinstance(message, Mapping):
        raise BadReply("a message is no object", provider=_WHO)
    text, number = message.get("text", ""), message.get("transfer_call", "")
    if not isinstance(text, str) or not isinstance(number, str):
        raise BadReply("text or transfer_call is no text", provider=_WHO)
    if number:
        orders.transfer_call(number)
    if message.get("end_call") is True:
        orders.end_call()
    return text


def _now() -> float:
    return asyncio.get_running_loop().time()
