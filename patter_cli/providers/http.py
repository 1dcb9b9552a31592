"""Requests to vendors: one pool of connections per event loop, and every failure named by its class.

A connection costs three round trips before the first byte of a question; on the telephone that is heard. So all calls
of a process share their connections, and keep them for a minute.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from patter_cli.errors import (
    BadReply,
    BadSetting,
    NoCredit,
    NotOffered,
    ProviderError,
    RateLimited,
    TimedOut,
    Unauthorized,
    Unavailable,
    reason,
)

if TYPE_CHECKING:
    import httpx

CONNECT_S = 3.0
"""To reach a vendor; a dead one is noticed before the caller thinks the line is."""
KEEP_ALIVE_S = 60.0
"""An idle connection is kept for this long: the pauses of a conversation are shorter."""
ERROR_BYTES = 64 << 10
"""The most of an error's body that is read."""
_MESSAGE_CHARS = 300
"""The most of a vendor's own words that are passed on."""

_POOLS: dict[asyncio.AbstractEventLoop, tuple[httpx.AsyncClient, AsyncGenerator[None, None]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where requests go, and as whom.

    base_url: as checked_url gives it. key: empty if none is needed. key_name, key_hint: what the key is called where it
    is set, and how to set it. key_header: which header carries it; "": as a bearer's. fixed: headers of every request.
    """

    provider: str
    base_url: str
    key: str = field(repr=False)
    key_name: str
    key_hint: str
    key_header: str = ""
    fixed: tuple[tuple[str, str], ...] = ()

    @property
    def host(self) -> str:
        """For messages."""
        return urlsplit(self.base_url).netloc

    @property
    def headers(self) -> dict[str, str]:
        """The key, as this vendor wants it, and what else it always wants."""
        carried = {self.key_header: self.key} if self.key_header else {"authorization": f"Bearer {self.key}"}
        return {**dict(self.fixed), **(carried if self.key else {})}


async def pooled_client() -> httpx.AsyncClient:
    """This event loop's client, whose connections end with the loop. No cookies, no redirects. Raises BadSetting."""
    loop = asyncio.get_running_loop()
    if loop not in _POOLS:
        tls = await shared_tls()
        try:
            client = _new_client(tls)
        except (OSError, ValueError, ImportError) as error:
            raise _unusable() from error
        if loop not in _POOLS:
            for old in [each for each in _POOLS if each.is_closed()]:
                del _POOLS[old]
            keeper = _keep(loop, client)
            _POOLS[loop] = client, keeper
            await anext(keeper)
    return _POOLS[loop][0]


async def shared_tls() -> ssl.SSLContext:
    """Whom we trust: read once per process, for every connection. Raises BadSetting."""
    try:
        # Importing httpx and reading the certificates takes 0.1 s, which other calls' frames must not wait for.
        return await asyncio.to_thread(_tls)
    except (OSError, ValueError, ImportError) as error:
        raise _unusable() from error


def _unusable() -> BadSetting:
    return BadSetting(
        "no connection can be made with these certificates or this proxy",
        hint="look at SSL_CERT_FILE, SSL_CERT_DIR, HTTP_PROXY, HTTPS_PROXY and ALL_PROXY",
    )


@contextmanager
def translated(server: Server) -> Iterator[None]:
    """What httpx raises inside becomes a ProviderError."""
    import httpx

    provider, where = server.provider, server.host

    try:
        yield
    except (httpx.TimeoutException, TimeoutError) as error:
        raise TimedOut(f"{where} did not answer in time", provider=provider) from error
    except httpx.ConnectError as error:
        raise Unavailable(f"{where} cannot be reached: {reason(error)}", provider=provider) from error
    except httpx.ProtocolError as error:
        illegible = re.search("illegal|invalid", str(error), re.IGNORECASE)
        words = "its answer is not HTTP" if illegible else "it did not send all of its answer"
        raise Unavailable(f"{where} broke the connection: {words}", provider=provider) from error
    except (httpx.TransportError, OSError) as error:
        raise Unavailable(f"{where} broke the connection: {reason(error)}", provider=provider) from error


def checked_url(url: str, setting: str) -> str:
    """A base address without its last slash. Raises BadSetting unless it is http(s)://host[:port][/path]."""
    try:
        parts = urlsplit(url)
        labels = (parts.hostname or "").rstrip(".").split(".")
        usable = parts.scheme in ("http", "https") and all(0 < len(each) < 64 for each in labels) and parts.port != 0
    except ValueError:
        usable = False
    # The address itself is not repeated: a password may be what is wrong with it.
    if not usable or set("?#@ ") & set(url) or not (url.isascii() and url.isprintable()):
        raise BadSetting(f"{setting} must be an address like https://host/v1, with no user, password or ?query")
    return url.rstrip("/")


def refusal(server: Server, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error that an HTTP status and its body stand for. Our key is not in it, even if the vendor repeats it."""
    kind, words = _reason(body, server.key)
    provider = server.provider
    said = f"{server.host} answered {status}" + (f": {words}" if words else "")
    if status == 402 or (status == 429 and "insufficient_quota" in kind) or (status < 404 and "quota_exceeded" in kind):
        return NoCredit(f"{said} (no credit left)", provider=provider, hint="add credit to the vendor's account")
    if status in (401, 403) or "API_KEY_INVALID" in kind:
        refused = f"{server.host} does not accept the key in {server.key_name} ({status})"
        return Unauthorized(refused + (f": {words}" if words else ""), provider=provider, hint=server.key_hint)
    come_back_s = retry_after_s(headers, now_s=time.time())
    come_back_s = _retry_info_s(body) if come_back_s is None else come_back_s
    if status == 429:
        return RateLimited(said, provider=provider, retry_after_s=come_back_s)
    if status in (408, 504):
        return TimedOut(said, provider=provider)
    if status in (409, 498) or status >= 500 or "tool_use_failed" in kind:
        # 498 is Groq's "no capacity"; and a tool call that its model wrote badly may be written well the next time.
        return Unavailable(said, provider=provider, retry_after_s=come_back_s)
    if status == 404:
        return NotOffered(said, provider=provider, hint="check the model's name, and the base_url if you gave one")
    if 300 <= status < 400:
        return BadReply(said, provider=provider, hint="base_url must name the last address of the redirects")
    return BadReply(said, provider=provider)


def error_inside(server: Server, error: Any) -> ProviderError:
    """The error that a vendor put into a reply that had begun well.

    error: as it was in the JSON, an object with code, type and message or just words. A numeric code is a status.
    """
    body = _dumped({"error": error}).encode()
    kind, _ = _reason(body, server.key)
    code = error.get("code") if isinstance(error, dict) else None
    status = 500
    if isinstance(code, int) and 400 <= code < 600:
        status = code
    elif "rate_limit" in kind or "insufficient_quota" in kind:
        status = 429
    else:
        status = next((known for words, known in _STATUS_OF_KIND if words in kind), status)
    return refusal(server, status, {}, body)


_STATUS_OF_KIND = (
    ("authentication", 401),
    ("invalid_api_key", 401),
    ("permission", 403),
    ("deactivated", 403),
    ("billing", 402),
    ("not_found", 404),
    ("timeout", 504),
    ("invalid_request", 400),
)
"""What an error inside a reply stands for, by its own words; anything else is the vendor's trouble."""


def retry_after_s(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """When to come back, in seconds, 0 or more; None if the vendor does not say, or not so that one can tell.

    headers: with lower-case names. now_s: Unix time, for those that name a moment.
    Source: RFC 9110, 10.2.3; retry-after-ms is OpenAI's.
    """
    from email.utils import parsedate_to_datetime

    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if not value:
            continue
        try:
            seconds = float(value) * unit_s
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - now_s
            except (ValueError, OverflowError, OSError):
                continue
        if isfinite(seconds):
            return max(0.0, seconds)
    return None


async def start_of(body: AsyncIterator[bytes], limit: int) -> bytes:
    """The first `limit` bytes of a body, or all of it."""
    gathered = bytearray()
    async for chunk in body:
        gathered += chunk
        if len(gathered) >= limit:
            break
    return bytes(gathered[:limit])


def _reason(body: bytes, secret: str) -> tuple[str, str]:
    """What kind of error the body says it is, as code and type in one string, and its words, on one line."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return "", _one_line(body.decode("utf-8", "replace"), secret) if _is_plain(body) else ""
    error = _error_in(value)
    if isinstance(value, dict) and isinstance(value.get("detail"), dict):
        error = value["detail"]
    if isinstance(error, str):
        return "", _one_line(error, secret)
    if not isinstance(error, dict):
        return "", ""
    reasons = [each.get("reason") for each in _details(error)]
    kind = " ".join(str(each or "") for each in (*(error.get(name) for name in _KINDS), *reasons))
    return kind, _one_line(next((error[name] for name in _WORDS if error.get(name)), ""), secret)


_KINDS = ("code", "type", "err_code", "error_code", "status")
_WORDS = ("message", "detail", "err_msg", "title", "reason")
"""Where vendors put what went wrong, as a name and as words."""


def _is_plain(body: bytes) -> bool:
    """Whether it is a sentence rather than a page."""
    return len(body) < 500 and body.lstrip()[:1] not in (b"<", b"{", b"[")


def _error_in(value: Any) -> Any:
    if isinstance(value, list) and value:
        value = value[0]  # Google's, where no stream of events was asked for
    return value.get("error", value) if isinstance(value, dict) else value


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    details = error.get("details")
    return [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []


def _retry_info_s(body: bytes) -> float | None:
    """When to come back, as Google says it: not in a header."""
    try:
        error = _error_in(json.loads(body))
    except (ValueError, RecursionError):
        return None
    delays = [each.get("retryDelay") for each in _details(error)] if isinstance(error, dict) else []
    given = next((each for each in delays if isinstance(each, str)), "")
    return float(given[:-1]) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?s", given) else None


def _dumped(value: Any) -> str:
    """As JSON; nothing for what could just be read and is too deep to be written again."""
    try:
        return json.dumps(value)
    except RecursionError:
        return "null"


def _one_line(value: Any, secret: str) -> str:
    words = value if isinstance(value, str) else _dumped(value)
    if secret:
        words = words.replace(secret, "****")  # before the words are cut, or a piece of it might stay
    words = "".join(each if each.isprintable() else " " for each in words)
    return " ".join(words.split())[:_MESSAGE_CHARS]


@cache
def _tls() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def _new_client(tls: ssl.SSLContext) -> httpx.AsyncClient:
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx

    return httpx.AsyncClient(
        verify=tls,
        timeout=httpx.Timeout(None, connect=CONNECT_S),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=KEEP_ALIVE_S),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        # A compressed stream would come in lumps, and could be a bomb.
        headers={"accept-encoding": "identity", "user-agent": "patter-cli"},
    )


async def _keep(loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient) -> AsyncGenerator[None, None]:
    """Nothing tells us that a loop is about to end, but asyncio closes the async generators begun in it: this one."""
    try:
        yield
    finally:
        _POOLS.pop(loop, None)
        await client.aclose()
