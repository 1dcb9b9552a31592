"""What every request for the site passes: who asks and from which page, and what each answer tells the browser.

It stands behind the server's guard, which has looked at Host, sizes, and whether a tunnel carried the request.

    1. a page of somebody else's asks (Origin)                              403
    2. nobody has signed in: neither token nor cookie                       401, too many wrong tokens 429
    3. something is to be changed, and the body is not JSON                 415
    4. a browser changes something without the header that no form sends    403
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from patter_cli.server.guard import Asgi, Message, Receive, Scope, Send, header_of, is_carried
from patter_cli.server.media import refuse_upgrade
from patter_cli.web.access import Access

OURS: Final = "x-patter"
"""A browser sends it only for a page's own script, and asks first where the page is somebody else's."""
SAFE: Final = frozenset({"GET", "HEAD"})

HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""On every answer of the site, whatever it is."""
_RAW: Final = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request gets nothing."""

    status: int
    code: str
    message: str
    hint: str = ""
    retry_s: int = 0


class Gate:
    """Wraps the site."""

    def __init__(
        self,
        app: Asgi,
        access: Access,
        *,
        cookie: Callable[[], str],
        now_s: Callable[[], float],
        is_open: Callable[[str], bool],
        welcome: Callable[[Refusal], bytes],
    ) -> None:
        """cookie: the name of ours. is_open: paths for which nobody has to have signed in. welcome: the page for a
        browser that has not, as HTML.
        """
        self._app = app
        self._access = access
        self._cookie = cookie
        self._now_s = now_s
        self._is_open = is_open
        self._welcome = welcome

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            refusal = self._refuse(scope)
            if refusal is not None:
                await refuse_upgrade(send, refusal.status, refusal.message)
                return
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", ())}
                ours = [each for each in _RAW if each[0] not in given]
                message = {**message, "headers": [*message.get("headers", ()), *ours]}
            await send(message)

        refusal = self._refuse(scope)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
        elif refusal.status in (401, 429) and scope["path"].startswith("/dashboard") and scope["method"] in SAFE:
            # With no-referrer a browser would not say from which page the form comes, and be refused.
            await _answer(
                send_with_headers,
                refusal,
                self._welcome(refusal),
                "text/html; charset=utf-8",
                (b"referrer-policy", b"same-origin"),
            )
        else:
            told = {"code": refusal.code, "message": refusal.message, "hint": refusal.hint}
            await _answer(send_with_headers, refusal, json.dumps(told).encode(), "application/json")

    def _refuse(self, scope: Scope) -> Refusal | None:
        origin = header_of(scope, b"origin")
        if origin and not _same_host(origin, header_of(scope, b"host")):
            return Refusal(status=403, code="foreign_origin", message="only this server's own pages may ask")
        if self._is_open(scope["path"]):
            return None
        bearer = _bearer(scope)
        if bearer is not None:
            refusal = self._refuse_token(bearer, side_of(scope))
        elif self._access.is_session(cookie_of(scope, self._cookie()), self._now_s()):
            refusal = None
        else:
            hint = "send the token as Authorization: Bearer, or open the link that patter serve prints"
            refusal = Refusal(status=401, code="unauthorized", message="nobody has signed in", hint=hint)
        if refusal is not None or scope["type"] == "websocket" or scope["method"] in SAFE:
            return refusal
        kind = header_of(scope, b"content-type").partition(";")[0].strip().lower()
        bare = bearer is not None and not kind and not _has_body(scope)  # curl -X DELETE: there is nothing to misread
        if kind != "application/json" and not bare:
            return Refusal(status=415, code="bad_input", message="a request that changes something is application/json")
        if bearer is None and not header_of(scope, OURS.encode()):
            hint = "X-Patter: 1, from the page's own script"
            return Refusal(status=403, code="forbidden", message="a browser sends the header X-Patter here", hint=hint)
        return None

    def _refuse_token(self, token: str, side: str) -> Refusal | None:
        waits_s = self._access.waits_s(side, self._now_s())
        if waits_s:
            return too_many(waits_s)
        if self._access.is_token(token, side, self._now_s()):
            return None
        return Refusal(status=401, code="unauthorized", message="the token is not this server's")


def too_many(waits_s: int) -> Refusal:
    """Somebody guesses."""
    message = "too many wrong tokens came from there"
    return Refusal(status=429, code="rate_limited", message=message, hint=f"wait {waits_s} s", retry_s=waits_s)


def side_of(scope: Scope) -> str:
    """Who asks. All that a tunnel carries is one side: what it says of them anybody can write, and who guesses from
    outside must not shut out who sits here."""
    client = scope.get("client")
    return "tunnel" if is_carried(scope) or client is None else str(client[0])


def cookie_of(scope: Scope, name: str) -> str:
    """A cookie's value, or ""."""
    try:
        found = SimpleCookie(header_of(scope, b"cookie")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _bearer(scope: Scope) -> str | None:
    scheme, _, token = header_of(scope, b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _has_body(scope: Scope) -> bool:
    return header_of(scope, b"content-length") not in ("", "0") or bool(header_of(scope, b"transfer-encoding"))


def _same_host(origin: str, host: str) -> bool:
    """Origin null is that of a page in a sandbox, and nobody's."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc == host.lower()


async def _answer(send: Send, refusal: Refusal, body: bytes, kind: str, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body)), *more]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="patter"'))
    if refusal.retry_s:
        headers.append((b"retry-after", b"%d" % refusal.retry_s))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
