"""The site without a server that holds calls: over what is kept of them, and what other processes add to it."""

from __future__ import annotations

import asyncio
import logging

from patter_cli.contracts.store import CallStore
from patter_cli.core.journal import parse_entry
from patter_cli.errors import InputError
from patter_cli.server.calls import CallRegistry
from patter_cli.server.guard import Guard
from patter_cli.server.limits import Limits
from patter_cli.server.run import Server
from patter_cli.web.site import Site

log = logging.getLogger("patter.web")

LOOK_S = 0.2
"""How long something may have happened in another process before it is seen here."""
GONE_S = 5.0
"""The same for the end of a call whose process died; it is in no journal."""


class SiteAlone:
    """Serves a site, as `run_until_signal` wants it."""

    def __init__(self, site: Site, store: CallStore, *, host: str, port: int) -> None:
        """port: 0 for any free one."""
        from starlette.applications import Starlette

        self._site = site
        self._store = store
        app = Guard(Starlette(routes=site.routes()), hosts=dict, limits=Limits(), exposed=site.is_public)
        self._server = Server(app, live=CallRegistry(), host=host, port=port)
        self._looking: asyncio.Task[None] | None = None
        site.listen_on(lambda: self._server.port)

    async def start(self) -> None:
        """Raises PortBusy, NotReachable or BadSetting."""
        await self._server.start()
        self._site.start()
        self._looking = asyncio.create_task(self._look())

    async def shutdown(self) -> None:
        await self.cut()

    async def cut(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        await self._server.cut()
        self._site.close()

    async def _look(self) -> None:
        """Have the feed know what other processes write."""
        follow = await asyncio.to_thread(self._store.follow)
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        while True:
            for call_id, line in await asyncio.to_thread(lambda: list(follow.lines())):
                try:
                    entry = parse_entry(line)
                except InputError:
                    continue  # damaged, or a newer version's
                for observer in self._site.observers:
                    observer(call_id, entry)
            if loop.time() - asked_s > GONE_S:
                asked_s = loop.time()
                await asyncio.to_thread(self._forget_dead)
            await asyncio.sleep(LOOK_S)

    def _forget_dead(self) -> None:
        """Calls that have a record are over, whatever their journal says."""
        for call_id in self._site.feed.live():
            record = self._store.get(call_id)
            if record is not None and record.row.outcome is not None:
                self._site.feed.forget(call_id, record.row.outcome, record.row.reason)
