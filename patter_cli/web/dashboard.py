"""The pages. For now one that says where the rest is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Patter</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head>
<body><main><h1>Patter</h1><ul>
<li><a href="/api/v1/calls">Calls</a></li><li><a href="/api/v1/calls/active">Live calls</a></li>
<li><a href="/api/v1/analytics/overview">Overview</a></li><li><a href="/api/v1/analytics/costs">Costs</a></li>
</ul></main></body></html>
"""


def dashboard_routes() -> list[BaseRoute]:
    """What is below /dashboard for whoever has signed in."""

    async def page(request: Request) -> Response:
        return HTMLResponse(_PAGE)

    return [Route("/dashboard", page)]
