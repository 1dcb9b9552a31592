"""The pages: files of this package, served as they are. What they show they ask the API for.

/dashboard       for whoever has signed in         /assets/...     scripts, styles, pictures: nobody's secret
/call            for whoever was invited to call one agent once, by the ticket behind its #
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

ASSETS: Final = "/assets"
GUEST: Final = "/call"
OPEN: Final = (ASSETS, GUEST)
"""Where nobody has to have signed in."""

_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def dashboard_routes() -> list[BaseRoute]:
    """What is below /dashboard, /call and /assets."""

    async def page(request: Request) -> Response:
        return _answer("index.html")

    async def guest(request: Request) -> Response:
        return _answer("call.html")

    async def asset(request: Request) -> Response:
        return _answer(request.path_params["name"])

    return [
        Route("/dashboard", page),
        Route(GUEST, guest),
        Route(f"{ASSETS}/{{name:path}}", asset),
    ]


def is_open(path: str) -> bool:
    """Whether a path is for strangers, too: the softphone's page of those who were invited, and what it is made of."""
    return path == GUEST or path.startswith(f"{ASSETS}/")


def _answer(name: str) -> Response:
    found = _assets().get(name)
    if found is None:
        return Response("not found", 404, media_type="text/plain")
    kind, body = found
    return Response(body, media_type=kind)


@cache
def _assets() -> dict[str, tuple[str, bytes]]:
    """All that may be asked for by name, read once: no path of a stranger's ever reaches the disk."""
    found: dict[str, tuple[str, bytes]] = {}
    for folder, prefix in (("", ""), ("vendor", "vendor/")):
        for file in (files("patter_cli.web") / "assets" / folder).iterdir():
            kind = _KINDS.get(file.name[file.name.rfind(".") :])
            if kind is not None and file.is_file():
                found[prefix + file.name] = kind, file.read_bytes()
    return found
