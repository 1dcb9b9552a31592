"""A tool that is somebody's HTTPS back-end: asked by signed POST, up to three times, always under the same key.

    POST https://example.com/book
    X-Patter-Timestamp: 1893456000          seconds, Unix
    X-Patter-Signature: v1=6c1f...          HMAC-SHA256 of "<timestamp>.<body>" with the shared secret, hex
    Idempotency-Key: <call id>:<tool call id>
    {"tool": "book", "arguments": {...}, "call_id": ..., "caller": ..., "callee": ..., "attempt": 1}

A back-end checks the first two with `verify_webhook` (any language can: it is one HMAC), and answers a key that it has
seen with what it answered then. It is asked again when it could not be reached, was too busy (429) or failed (5xx).
When a connection breaks after the request, nobody knows what was done: only an idempotent tool is asked again.
Each run has a connection of its own: a kept one may die as it is used, which is just that doubt.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import random
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from patter_cli.engine.address_guard import Resolver, check_url, look_up, safe_addresses
from patter_cli.errors import NetworkError, NotReachable, ToolError, reason
from patter_cli.tools import Tool, ToolContext
from patter_cli.version import VERSION

if TYPE_CHECKING:
    import httpcore

log = logging.getLogger(__name__)

TRIES = 3
REPLY_BYTES = 1 << 20
"""The longest reply that is read."""
REPLAY_S = 300.0
"""A signature is good for so long; the clocks of the two sides may differ by less."""
CONNECT_S = 3.0
"""To reach one address; a dead one must leave time for another."""
BACKOFF_S = 0.25
"""Mean pause before the second try; twice that before the third."""

_KINDS = ("application/json", "text/")


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of a request."""
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def verify_webhook(secret: str, headers: Mapping[str, str], body: bytes, *, now_s: float | None = None) -> bool:
    """For back-ends: whether a request comes from this agent and was made within the last five minutes.

    headers: as received, in any case. body: the bytes as received, before they are parsed. now_s: Unix time.
    """
    given = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = given.get("x-patter-timestamp", ""), given.get("x-patter-signature", "")
    if not (secret and timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        return False
    fresh = abs((time.time() if now_s is None else now_s) - int(timestamp)) <= REPLAY_S
    return hmac.compare_digest(sign(secret, timestamp, body).encode(), signature.encode()) and fresh


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TryAgain(Exception):
    """This try brought nothing. after_s: not sooner, if the back-end said so."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


async def call_webhook(
    tool: Tool,
    arguments: Mapping[str, Any],
    ctx: ToolContext,
    tool_call_id: str,
    *,
    resolve: Resolver = look_up,
    tls: Callable[[], ssl.SSLContext] | None = None,
) -> Any:
    """Ask a tool's back-end. Returns its JSON, or its text, or None for an empty reply.

    Raises TimeoutError past the tool's deadline, ToolError or NetworkError if there is nothing to return, InputError
    for an address that cannot be one. No text of theirs has words of the back-end.
    """
    async with asyncio.timeout(tool.timeout_s) as deadline:
        return await _ask(tool, arguments, ctx, tool_call_id, deadline, resolve=resolve, tls=tls or trusted)


async def _ask(
    tool: Tool,
    arguments: Mapping[str, Any],
    ctx: ToolContext,
    tool_call_id: str,
    deadline: asyncio.Timeout,
    *,
    resolve: Resolver,
    tls: Callable[[], ssl.SSLContext],
) -> Any:
    host, _ = check_url(tool.webhook_url, allow_private=tool.allow_private)
    context = await asyncio.to_thread(tls) if tool.webhook_url.startswith("https") else None
    backend = guarded(resolve, allow_private=tool.allow_private)
    for attempt in range(1, TRIES + 1):
        facts = {"call_id": ctx.call_id, "caller": ctx.caller, "callee": ctx.callee, "attempt": attempt}
        body = json.dumps({"tool": tool.name, "arguments": arguments, **facts}).encode()
        headers = signed_headers(tool.secret, f"{ctx.call_id}:{tool_call_id}", body)
        try:
            reply = await post(tool.webhook_url, headers, body, backend, context, idempotent=tool.idempotent)
            return await asyncio.to_thread(_content, reply)
        except TryAgain as again:
            pause = pause_s(attempt, again.after_s, random.random())
            ends_at = deadline.when() or 0.0
            if attempt == TRIES or asyncio.get_running_loop().time() + pause >= ends_at:
                raise NotReachable(f"{host}: {again}") from again
            log.warning("tool %s (%s): %s; asking again in %.1f s", tool.name, tool_call_id, again, pause)
            await asyncio.sleep(pause)
    raise AssertionError


def pause_s(attempt: int, after_s: float | None, chance: float) -> float:
    """How long to wait after a failed try: longer each time, and not everybody at once. chance: from 0 to 1."""
    return max(BACKOFF_S * float(2 ** (attempt - 1)) * (0.5 + chance), after_s or 0.0)


def signed_headers(secret: str, key: str, body: bytes) -> dict[str, str]:
    """Of a request that goes out now. key: its Idempotency-Key."""
    timestamp = str(int(time.time()))
    return {
        "Content-Type": "application/json",
        "Accept": "application/json, text/plain",
        "Accept-Encoding": "identity",  # a compressed reply could be a bomb
        "User-Agent": f"patter-cli/{VERSION}",
        "Idempotency-Key": re.sub(r"[^a-zA-Z0-9:._-]", "_", key),
        "X-Patter-Timestamp": timestamp,
        "X-Patter-Signature": sign(secret, timestamp, body),
    }


async def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    backend: httpcore.AsyncNetworkBackend,
    tls: ssl.SSLContext | None,
    *,
    idempotent: bool,
) -> Reply:
    """One try. httpcore, not httpx: no redirects, cookies or proxies, and the connection is ours to make.

    idempotent: it may be made again where nobody knows what was done. Raises TryAgain, ToolError, NetworkError.
    """
    import httpcore

    times = {"timeout": {"connect": CONNECT_S}}
    try:
        async with (
            httpcore.AsyncConnectionPool(ssl_context=tls, network_backend=backend, max_connections=1) as pool,
            pool.stream("POST", url, headers=list(headers.items()), content=body, extensions=times) as response,
        ):
            names = {name.decode("ascii").lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status == 429 or response.status >= 500:
                raise TryAgain(f"it answered {response.status}", retry_after_s(names, now_s=time.time()))
            return Reply(response.status, names, await _bounded(response.aiter_stream()))
    except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ConnectionNotAvailable) as error:
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
            raise NetworkError(f"we do not trust its certificate: {error}") from error
        raise TryAgain(f"it cannot be reached: {reason(error)}") from error
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        if idempotent:
            raise TryAgain(f"the connection broke: {reason(error)}") from error
        raise NetworkError(f"the connection broke, and it may have done what it was asked: {reason(error)}") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


async def _bounded(chunks: AsyncIterator[bytes]) -> bytes:
    gathered = bytearray()
    async for chunk in chunks:
        gathered += chunk
        if len(gathered) > REPLY_BYTES:
            raise ToolError("its answer is too long")
    return bytes(gathered)


def _content(reply: Reply) -> Any:
    """What a reply says. Raises ToolError. In a thread: a megabyte of JSON takes milliseconds."""
    kind = reply.headers.get("content-type", "text/plain").lower()
    if not 200 <= reply.status < 300:
        raise ToolError(f"it answered {reply.status}")
    if reply.headers.get("content-encoding", "identity").lower() != "identity":
        raise ToolError("its answer is compressed")
    if not reply.body:
        return None
    if not (kind.startswith(_KINDS) or "+json" in kind):
        raise ToolError("its answer is neither JSON nor text")
    text = reply.body.decode("utf-8", "replace")
    if kind.startswith("text/"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ToolError("its answer is not valid JSON") from error


def retry_after_s(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """When to come back, in seconds; None if the back-end does not say. Source: RFC 9110, 10.2.3."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if value[:1].isdigit() else parsedate_to_datetime(value).timestamp() - now_s
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return max(0.0, seconds) if isfinite(seconds) else None


def guarded(resolve: Resolver, *, allow_private: bool) -> httpcore.AsyncNetworkBackend:
    """Makes connections only to addresses that were checked. TLS goes on to check the host's name, not the address."""
    import httpcore

    class Guarded(httpcore.AnyIOBackend):
        async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
            failure: Exception = httpcore.ConnectError(f"{host} has no address")
            try:
                addresses = await safe_addresses(host, port, allow_private=allow_private, resolve=resolve)
            except NotReachable as error:
                raise httpcore.ConnectError(str(error)) from error
            for address in addresses:
                try:
                    return await super().connect_tcp(address, port, *args, **kwargs)
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    failure = error
            raise failure

    return Guarded()


@cache
def trusted() -> ssl.SSLContext:
    """The certificates we trust. Reading them takes tens of milliseconds: once, in a thread."""
    import httpx

    return httpx.create_ssl_context()
