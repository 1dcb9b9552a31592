"""A site over kept calls on a real port, and a client that asks it as programs and browsers do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from patter_cli import wiring
from patter_cli.settings import Settings
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.web.alone import SiteAlone
from patter_cli.web.site import Site

TOKEN = "a-token-that-nobody-guesses"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One that is served."""

    site: Site
    store: SqliteStore
    http: httpx.AsyncClient
    """Without token or cookie."""


@asynccontextmanager
async def shown(folder: Path, **settings: object) -> AsyncIterator[Shown]:
    """A site over the calls of this folder."""
    store = SqliteStore(folder)
    site = wiring.site(Settings(dashboard_token=TOKEN, **settings), store)  # type: ignore[arg-type]
    server = SiteAlone(site, store, host="127.0.0.1", port=0)
    await server.start()
    port = site._port()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            yield Shown(site=site, store=store, http=http)
    finally:
        await server.cut()
