"""EmbeddedServer: one agent behind one port of somebody's own program, with everything it needs in one LocalConfig."""

from __future__ import annotations

import asyncio
from pathlib import Path

from patter_cli import recipes, wiring
from patter_cli.agent import Agent
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import BadSetting
from patter_cli.local_config import LocalConfig, carriers_of, public_host
from patter_cli.reach import check_recording, new_server, started, stopped
from patter_cli.server.service import Service
from patter_cli.settings import load_settings


class EmbeddedServer:
    """One agent on the phone. `start` serves until `stop`.

    server = EmbeddedServer(LocalConfig(), agent)
    await server.start(8000)
    """

    def __init__(
        self, config: LocalConfig, agent: Agent, *, recording: bool = False, voicemail_message: str = ""
    ) -> None:
        """recording: have the carrier record. voicemail_message: what an answering machine is told, variables filled
        in. Raises ConfigError, InputError: what is wrong is found here, before anything rings."""
        self._config = config
        self._recording = recording
        self._settings = load_settings()
        self._carriers = carriers_of(config)
        check_recording(recording, self._carriers)
        agent = recipes.with_keys(agent, config.keys())
        self._ready = wiring.ready_agent("agent", agent, Hooks(), self._settings, voicemail_message=voicemail_message)
        self._service: Service | None = None
        self._stopped = asyncio.Event()

    async def start(self, port: int = 8000) -> None:
        """Answer calls until `stop`. Raises PatterError if it cannot."""
        if not 1 <= port <= 65535:
            raise BadSetting(f"port {port} does not exist", hint="choose one from 1 to 65535")
        if self._service is not None:
            raise BadSetting("this server is started already", hint="make another one for another port")
        config = self._config
        kept = config.persist_root or self._settings.log_dir
        service, server = new_server(
            {self._ready.name: self._ready},
            self._carriers,
            wiring.call_store(
                Path(kept) if kept else None,
                redaction=self._settings.redact,
                keep_days=self._settings.keep_days,
                store=self._settings.store,
            ),
            self._settings,
            port=port,
            require_signature=config.require_signature,
            public_host=public_host(config.webhook_url),
            number=config.phone_number,
            recording=self._recording,
        )
        self._service = service
        self._stopped.clear()
        try:
            if await started(server, service):
                await service.asked_to_stop.wait()
        finally:
            self._service = None
            await asyncio.shield(stopped(server, service))
            self._stopped.set()

    async def stop(self) -> None:
        """Let live calls end, then stop; `start` returns. Twice is fine."""
        service = self._service
        if service is not None:
            service.ask_to_stop()
            await self._stopped.wait()
