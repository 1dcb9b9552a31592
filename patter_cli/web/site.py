"""The site: what people and their programs see of calls, beside a server that holds them or over stored ones alone.

/dashboard...     pages, for a browser that signed in       /api/v1/...    the same for programs, and orders
/metrics          for Prometheus                            everything else is none of ours
"""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from patter_cli.contracts.store import CallStore
from patter_cli.core.outcome import Direction
from patter_cli.errors import NoRoom
from patter_cli.observe.bus import Observer
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.observe.exposition import CONTENT_TYPE, Gauge
from patter_cli.observe.metering import Metering
from patter_cli.observe.prices import PriceTable
from patter_cli.server.calls import Sender
from patter_cli.server.tickets import CallTicket
from patter_cli.web import shapes
from patter_cli.web.access import SESSION_S, Access
from patter_cli.web.dashboard import OPEN, dashboard_routes, is_open
from patter_cli.web.endpoint import Asked, Endpoint, Facts, Threads, fault, route
from patter_cli.web.feed import READERS, EventStream, LiveFeed
from patter_cli.web.gate import Gate, Refusal, cookie_of, side_of, too_many
from patter_cli.web.listening import LetsListen, listening_routes
from patter_cli.web.orders import Obeys, Orders
from patter_cli.web.peaks import RecordingShapes
from patter_cli.web.softphone import Captions, SoftphoneCalls, TakesPageCalls
from patter_cli.web.stored import StoredCalls

SIGN_IN: Final = "/dashboard/sign-in"
SIGN_OUT: Final = "/dashboard/sign-out"
LOOK_S: Final = 0.05
"""How often it is looked how late the event loop is."""
_PLACES: Final = ("/dashboard", "/api", "/metrics", *OPEN)


class Served(Obeys, TakesPageCalls, LetsListen, Protocol):
    """A server that holds calls."""

    on_page_call: Callable[[CallTicket, Sender], None] | None
    """Is told of each call from a page."""

    @property
    def port(self) -> int: ...

    def status(self) -> Mapping[str, Any]:
        """The live calls, JSON-able: see Service.status."""

    @property
    def counts(self) -> tuple[int, int]:
        """Calls that go on or ring, and those that were not let in since the start."""


class Site:
    """One server's."""

    def __init__(
        self,
        store: CallStore,
        access: Access,
        *,
        exposed: bool = False,
        number: str = "",
        prices: PriceTable = LIST_PRICES,
    ) -> None:
        """exposed: a tunnel may bring people here, too. number: of ours, that calls are made from. prices: what calls
        cost."""
        self._access = access
        self._exposed = exposed
        self._threads = Threads()
        self.feed = LiveFeed(prices)
        self.metering = Metering(prices)
        readers = Gauge("patter_event_readers", "Who reads /api/v1/events.", lambda: {(): self.feed.readers})
        self.metering.more.append(readers)
        self._looking: asyncio.Task[None] | None = None
        self._served: Served | None = None
        self._port: Callable[[], int] = lambda: 0
        self.endpoints: tuple[Endpoint, ...] = (
            *self._live_endpoints(),
            *StoredCalls(store).endpoints(),
            *Orders(lambda: self._served, number=number, claims=store.claims(access.scope)).endpoints(),
            *RecordingShapes(store).endpoints(),
            *SoftphoneCalls(lambda: self._served).endpoints(),
        )

    def serve(self, served: Served) -> None:
        """It is this server's from now on."""
        self._served = served
        served.on_page_call = Captions(self.feed).follow
        self._port = lambda: served.port
        self.metering.counts = lambda: served.counts

    @property
    def observers(self) -> tuple[Observer, ...]:
        """What the bus is to tell."""
        return self.feed, self.metering

    def start(self) -> None:
        """Look how late the loop is from now on."""
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            self.metering.note_lag(loop.time() - due_s)

    def listen_on(self, port: Callable[[], int]) -> None:
        """Where it is reached, where there are only stored calls."""
        self._port = port

    def link(self, host: str) -> str:
        """An address that signs one browser in, once."""
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self._port()}{SIGN_IN}?code={self._access.new_code(time.time())}"

    def close(self) -> None:
        """Let go of threads. Twice is fine."""
        if self._looking is not None:
            self._looking.cancel()
        self._threads.close()

    # --- as the server's site ----------------------------------------------------------------------------------------

    def routes(self) -> Sequence[BaseRoute]:
        inner = Starlette(
            routes=[
                Route(SIGN_IN, self._sign_in, methods=["GET", "POST"]),
                Route(SIGN_OUT, self._sign_out, methods=["POST"]),
                *dashboard_routes(),
                Route("/metrics", self._metrics),
                *listening_routes(lambda: self._served),
                *(route(each, self._threads) for each in self.endpoints),
                Route("/{path:path}", _nothing),
            ],
            exception_handlers={405: _wrong_method},
        )
        gate = Gate(
            inner,
            self._access,
            cookie=self._cookie,
            now_s=time.time,
            is_open=lambda path: path == SIGN_IN or is_open(path),
            welcome=_welcome,
        )
        return [_Below(_PLACES, gate)]

    def is_public(self, path: str) -> bool:
        return is_open(path) or (self._exposed and _is_below(_PLACES, path))

    # --- signing in --------------------------------------------------------------------------------------------------

    def _cookie(self) -> str:
        """A name with the port in it: cookies are a host's, and two servers of one machine share them."""
        return f"patter_{self._port()}"

    async def _sign_in(self, request: Request) -> Response:
        side, now_s = side_of(request.scope), time.time()
        waits_s = self._access.waits_s(side, now_s)
        if waits_s:
            return _page(too_many(waits_s))
        if request.method == "GET":
            session = self._access.redeem(request.query_params.get("code", ""), side, now_s)
            if session is None:
                return _page(Refusal(status=401, code="unauthorized", message="this link has been used, or is too old"))
        else:
            form = parse_qs((await request.body()).decode("utf-8", "replace"))
            if not self._access.is_token(form.get("token", [""])[0], side, now_s):
                return _page(Refusal(status=401, code="unauthorized", message="the token is not this server's"))
            session = self._access.new_session(now_s)
        reply = RedirectResponse("/dashboard", 303)
        https = request.headers.get("x-forwarded-proto") == "https"  # a tunnel's; it can only keep the cookie closer
        reply.set_cookie(
            self._cookie(), session, max_age=SESSION_S, path="/", httponly=True, samesite="strict", secure=https
        )
        return reply

    async def _sign_out(self, request: Request) -> Response:
        self._access.end_session(cookie_of(request.scope, self._cookie()), time.time())
        reply = Response(status_code=204)
        reply.delete_cookie(self._cookie(), path="/", httponly=True, samesite="strict")
        return reply

    async def _metrics(self, request: Request) -> Response:
        return await self._threads.run(lambda: Response(self.metering.render(), headers={"content-type": CONTENT_TYPE}))

    # --- what goes on ------------------------------------------------------------------------------------------------

    def _live_endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET", path="/calls/active", name="listLiveCalls", summary="The calls that go on.",
                reply=shapes.LiveCalls, act=self._active,
            ),
            Endpoint(
                method="GET", path="/events", name="readEvents",
                summary="What happens on calls, as it happens: server-sent events.",
                query=shapes.ReadEvents, gives="text/event-stream", faults=(503,), act=self._events,
                headers={"Last-Event-ID": "Go on after this event; or the query's `after`."},
            ),
        )  # fmt: skip

    async def _active(self, asked: Asked) -> Facts:
        last_event = self.feed.last_event  # before the calls are looked at: what comes meanwhile is told again
        live = self.feed.live()
        if self._served is None:
            calls = [_seen(call_id, each) for call_id, each in live.items()]
            return {"calls": calls, "draining": False, "serving": False, "agents": [], "last_event": last_event}
        status = self._served.status()
        calls = [{**each, **_standing(live.get(each["call_id"]), each["direction"])} for each in status["calls"]]
        return {
            "calls": calls,
            "draining": status["draining"],
            "serving": True,
            "agents": self._served.agent_names,
            "last_event": last_event,
        }

    async def _events(self, asked: Asked) -> Response:
        if self.feed.readers >= READERS:
            raise NoRoom(f"{READERS} look on already")
        after = asked.headers.get("last-event-id") or asked.query.after or ""
        return _Streamed(EventStream(self.feed, after=after, call_id=asked.query.call_id))


def _standing(live: Mapping[str, Any] | None, direction: str = "") -> Facts:
    """Where a call stands; of one that nobody has heard of yet, where it begins."""
    if live is None:
        live = {
            "state": "dialling" if direction == Direction.OUTBOUND else "connecting",
            "caller_speaks": False, "agent_speaks": False, "turns": 0, "waited_ms": None,
            "known_usd": 0.0, "last_caller": "", "last_agent": "", "muted": False, "taken": False,
        }  # fmt: skip
    return {name: value for name, value in live.items() if name != "facts"}


def _seen(call_id: str, live: Mapping[str, Any]) -> Facts:
    """A call of another process, by its journal alone."""
    facts = {"agent": "", "caller": "", "callee": "", "direction": "", "carrier": "", **live["facts"]}
    started_at = facts.pop("started_at", time.time())
    seconds = round(max(0.0, time.time() - started_at), 1)
    return {"call_id": call_id, "carrier_call_id": "", **facts, "seconds": seconds, **_standing(live)}


class _Streamed(Response):
    """An answer that writes itself."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class _Below(BaseRoute):
    """All paths at or below some places lead to one application, which sees them whole."""

    def __init__(self, places: Sequence[str], app: ASGIApp) -> None:
        self._places = places
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        ours = scope["type"] in ("http", "websocket") and _is_below(self._places, scope["path"])
        return (Match.FULL if ours else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _is_below(places: Sequence[str], path: str) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in places)


async def _nothing(request: Request) -> Response:
    return fault(404, "not_found", "there is nothing of this name", "see docs/api.md")


async def _wrong_method(request: Request, error: Exception) -> Response:
    endpoint: object = request.scope.get("endpoint")
    if endpoint is _nothing:
        return await _nothing(request)
    routes: Sequence[BaseRoute] = request.app.routes
    here = (each for each in routes if isinstance(each, Route) and each.endpoint is not _nothing)
    allowed = {
        method for each in here if each.matches(request.scope)[0] is not Match.NONE for method in each.methods or ()
    }
    refused = fault(405, "bad_input", f"{request.method[:16]} is not for this path", "see docs/api.md")
    refused.headers["allow"] = ", ".join(sorted(allowed))
    return refused


def _page(refusal: Refusal) -> Response:
    # With no-referrer a browser would not say from which page the form comes, and be refused.
    headers = {"referrer-policy": "same-origin"}
    if refusal.retry_s:
        headers["retry-after"] = str(refusal.retry_s)
    return HTMLResponse(_welcome(refusal), refusal.status, headers=headers)


def _welcome(refusal: Refusal) -> bytes:
    said = f"{refusal.message}{': ' + refusal.hint if refusal.retry_s else ''}"
    said = html.escape(said[:1].upper() + said[1:])
    return _WELCOME.replace("SAID", said).encode()


_WELCOME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Patter: sign in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="/assets/style.css"></head>
<body class="guest"><main class="sign-in"><h1>Sign in</h1><p role="status">SAID.</p>
<p>Open the link that <code>patter serve</code> or <code>patter dashboard</code> prints, or give the token.</p>
<form method="post" action="/dashboard/sign-in">
<label class="field" for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required>
<button class="plain strong">Sign in</button></form></main></body></html>
"""
