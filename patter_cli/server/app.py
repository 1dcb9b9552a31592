"""The routes: health, carriers' webhooks, and their media sockets. Nothing describes itself to strangers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from patter_cli.server.calls import CallRegistry, OpenCall
from patter_cli.server.entrance import Entrance
from patter_cli.server.guard import Asgi, Guard, LocalOnly
from patter_cli.server.limits import Limits
from patter_cli.server.media import CodecFactory, MediaSocket
from patter_cli.server.proofs import Proofs

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute


class Site(Protocol):
    """What people and their programs look at, beside the calls: dashboard, REST, metrics."""

    def routes(self) -> Sequence[BaseRoute]:
        """Its paths; it sees to it by itself who may have them."""

    def start(self) -> None:
        """The server has begun: look how it keeps up. Called on the loop."""

    def close(self) -> None:
        """The server is gone. Twice is fine."""

    def link(self, host: str) -> str:
        """An address that signs one browser in, once. host: where we listen."""

    def is_public(self, path: str) -> bool:
        """Whether a tunnel may bring somebody to this path of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRoute:
    """Where a carrier's media sockets come in."""

    path: str
    """With the entrance's parameter in it, such as /ws/loopback/{agent}."""

    codec: CodecFactory
    """Makes the wire's codec for one socket."""

    entrance: Entrance
    """Who may come in, and with which call."""

    local_only: bool
    """It asks for no secret, so it is there for this machine alone."""


def create_app(
    *,
    open_call: OpenCall,
    streams: Sequence[StreamRoute],
    live: CallRegistry,
    version: str,
    webhook: Callable[[Request], Awaitable[Response]] | None = None,
    hosts: Callable[[], Mapping[str, str]] = dict,
    proofs: Proofs | None = None,
    limits: Limits | None = None,
    site: Site | None = None,
) -> Asgi:
    """Build the application that `run.Server` serves.

    webhook: takes what carriers post to /webhooks/{carrier}/{kind}; None: there is no such route.
    hosts: what requests may name beside loopback, in lower case, asked for each: our public hosts, each with the path
    under which carriers' routes are there, or "". None: this machine only. proofs: what shows that an address leads
    here. site: what is to be seen of calls; None: nothing.
    """
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route, WebSocketRoute

    bounds = limits or Limits()

    async def health(request: Request) -> JSONResponse:
        status = "draining" if live.draining else "ok"
        return JSONResponse({"status": status, "live_calls": live.count, "version": version})

    routes: list[BaseRoute] = [Route("/health", health)]
    if webhook is not None:
        routes.append(Route("/webhooks/{carrier}/{kind}", webhook, methods=["POST"]))
    if proofs is not None:
        routes += proofs.routes()
    for stream in streams:
        media: Asgi = MediaSocket(stream.codec, stream.entrance, open_call, live, bounds)
        routes.append(WebSocketRoute(stream.path, LocalOnly(media, hosts) if stream.local_only else media))
    if site is None:
        return Guard(Starlette(routes=routes), hosts=hosts, limits=bounds)
    routes += site.routes()
    return Guard(Starlette(routes=routes), hosts=hosts, limits=bounds, exposed=site.is_public)
