"""EmbeddedServer: one agent behind one port of somebody's own program, with everything it needs in one LocalConfig."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from patter_cli import recipes, registry, wiring
from patter_cli.agent import E164, Agent
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import BadSetting, ConfigError, InputError, MissingCredential
from patter_cli.server.registration import default_run_folder
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.settings import load_settings

_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")
"""A host name as a certificate has it. No underscore: carriers send no status to such a host."""

_KEYS: Final = {
    "openai_key": "OPENAI_API_KEY",
    "deepgram_key": "DEEPGRAM_API_KEY",
    "elevenlabs_key": "ELEVENLABS_API_KEY",
    "cartesia_key": "CARTESIA_API_KEY",
    "rime_key": "RIME_API_KEY",
    "lmnt_key": "LMNT_API_KEY",
    "soniox_key": "SONIOX_API_KEY",
    "speechmatics_key": "SPEECHMATICS_API_KEY",
    "assemblyai_key": "ASSEMBLYAI_API_KEY",
}
"""Which variable each of LocalConfig's keys stands for."""

_CREDENTIALS: Final = {
    "twilio": {"account_sid": "twilio_sid", "auth_token": "twilio_token"},
    "telnyx": {"api_key": "telnyx_key", "connection_id": "telnyx_connection_id", "public_key": "telnyx_public_key"},
}
"""What a carrier is made with, and which of LocalConfig's fields that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalConfig:
    """What an embedded server is told. A key that is given comes before the environment's; one that is not, is "".

    Raises InputError, ConfigError.
    """

    mode: str = "local"
    """ "cloud" is the hosted mode, which is not there yet."""
    telephony_provider: str = ""
    """The carrier's name; "": found from the keys, and the built-in line if there are none."""
    twilio_sid: str = ""
    twilio_token: str = field(default="", repr=False)
    telnyx_key: str = field(default="", repr=False)
    telnyx_connection_id: str = ""
    telnyx_public_key: str = ""
    openai_key: str = field(default="", repr=False)
    deepgram_key: str = field(default="", repr=False)
    elevenlabs_key: str = field(default="", repr=False)
    cartesia_key: str = field(default="", repr=False)
    rime_key: str = field(default="", repr=False)
    lmnt_key: str = field(default="", repr=False)
    soniox_key: str = field(default="", repr=False)
    speechmatics_key: str = field(default="", repr=False)
    assemblyai_key: str = field(default="", repr=False)
    phone_number: str = ""
    """E.164."""
    webhook_url: str = ""
    """The public host name, with or without scheme; "": this machine only."""
    require_signature: bool = True
    """False is for work on this machine: refused with a webhook_url."""
    persist_root: str | Path | None = None
    """Where calls are kept; None: where PATTER_LOG_DIR says, and nowhere if it is not set."""

    def __post_init__(self) -> None:
        if self.mode != "local":
            raise ConfigError(f"mode {self.mode!r} is not there yet", hint='leave it out, or mode="local"')
        if self.phone_number and not E164.fullmatch(self.phone_number):
            raise InputError(f"{self.phone_number!r} is no phone number", hint="write it as +14155550123")
        public_host(self.webhook_url)
        name = self.carrier
        missing = [each for each in _CREDENTIALS.get(name, {}).values() if not getattr(self, each)]
        given = len(_CREDENTIALS.get(name, {})) - len(missing)
        if given and missing and missing != ["telnyx_public_key"]:
            raise MissingCredential(f"{name} needs {' and '.join(missing)} too")

    @property
    def carrier(self) -> str:
        """The carrier that is meant; "": the built-in line alone. Raises ConfigError where it could be two."""
        if self.telephony_provider:
            return self.telephony_provider
        named = [name for name, each in _CREDENTIALS.items() if any(getattr(self, field) for field in each.values())]
        if len(named) > 1:
            raise ConfigError(
                f"there are keys of {' and '.join(named)}", hint=f'choose one: telephony_provider="{named[0]}"'
            )
        return named[0] if named else ""

    def keys(self) -> dict[str, str]:
        """The vendors' keys that were given, by the variable that each stands for."""
        return {variable: getattr(self, name) for name, variable in _KEYS.items() if getattr(self, name)}

    def credentials(self) -> dict[str, str]:
        """What the carrier is made with, as far as it was given."""
        named = _CREDENTIALS.get(self.carrier, {})
        return {argument: getattr(self, name) for argument, name in named.items() if getattr(self, name)}


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
        if recording:
            raise BadSetting("no carrier here can record calls yet", hint="patter simulate --stereo call.wav can")
        self._config = config
        self._settings = load_settings()
        self._carriers = _carriers(config)
        agent = recipes.with_keys(agent, config.keys())
        self._ready = wiring.ready_agent("agent", agent, Hooks(), self._settings, voicemail_message=voicemail_message)
        self._service: Service | None = None

    async def start(self, port: int = 8000) -> None:
        """Answer calls until `stop`. Raises PatterError if it cannot."""
        if not 1 <= port <= 65535:
            raise BadSetting(f"port {port} does not exist", hint="choose one from 1 to 65535")
        if self._service is not None:
            raise BadSetting("this server is started already", hint="make another one for another port")
        config = self._config
        settings = ServiceSettings(
            port=port,
            public_host=public_host(config.webhook_url),
            require_signature=config.require_signature,
            numbers={config.phone_number: self._ready.name} if config.phone_number else {},
            secret=wiring.signing_secret(self._settings, self._carriers),
            run_folder=default_run_folder(),
        )
        kept = config.persist_root or self._settings.log_dir
        store = wiring.call_store(Path(kept) if kept else None, redaction=self._settings.redact)
        service = self._service = wiring.service(
            {self._ready.name: self._ready}, settings, store=store, carried_by=self._carriers
        )
        try:
            await service.start()
            await service.asked_to_stop.wait()
        finally:
            self._service = None
            await asyncio.shield(service.stop())

    async def stop(self) -> None:
        """Let live calls end, then stop; `start` returns. Twice is fine."""
        service = self._service
        if service is not None:
            await service.shutdown()
            service.ask_to_stop()


def public_host(address: str) -> str:
    """The host name in what people write as their public address; "" for "". Raises BadSetting."""
    if not address:
        return ""
    text = address if "://" in address else f"https://{address}"
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or ""), parts.port
    except ValueError:
        host, port = "", None
    whole = f"{parts.scheme}://{host}" if host else ""
    if not _HOST.fullmatch(host) or port is not None or text.rstrip("/").lower() != whole:
        raise BadSetting(f"{address!r} is no public host name", hint="write it as phone.example.com, without a path")
    return host


def _carriers(config: LocalConfig) -> Mapping[str, Carrier]:
    """The built-in line, and the carrier that is meant. Raises UnknownProvider."""
    line = wiring.built_in_line()
    found: dict[str, Carrier] = {line.name: line}
    if config.carrier and config.carrier not in found:
        found[config.carrier] = registry.find("carrier", config.carrier).load()(**config.credentials())
    return found
