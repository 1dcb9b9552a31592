"""LocalConfig: what an embedded server is told, and what Patter(...) is told in keywords of the same names."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from patter_cli import registry, wiring
from patter_cli.agent import E164
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.errors import BadSetting, ConfigError, InputError, MissingCredential

log = logging.getLogger(__name__)

_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+")
"""A host name as a certificate has it. No underscore: carriers send no status to such a host."""

GUIDE: Final = "docs/migrating.md"
"""Where every older name stands beside the one that replaces it."""

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
            hosted = self.mode == "cloud"
            said = "belongs to the hosted mode, which comes later" if hosted else "is not there"
            raise ConfigError(f"mode={self.mode!r} {said}", hint=f'leave it out, or mode="local"; see {GUIDE}')
        number = self.phone_number
        if not isinstance(number, str) or (number and not E164.fullmatch(number)):
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


def public_host(address: str) -> str:
    """The host name in what people write as their public address; "" for "". Raises BadSetting."""
    if not address:
        return ""
    if not isinstance(address, str):
        raise BadSetting(f"{address!r} is no public host name", hint="write it as phone.example.com")
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


def carriers_of(config: LocalConfig) -> Mapping[str, Carrier]:
    """The built-in line, and the carrier that is meant. Raises UnknownProvider."""
    line = wiring.built_in_line()
    found: dict[str, Carrier] = {line.name: line}
    if config.carrier and config.carrier not in found:
        found[config.carrier] = registry.find("carrier", config.carrier).load()(**config.credentials())
    return found


OWN: Final = ("carrier", "phone_number", "webhook_url", "tunnel", "pricing", "persist", "require_signature")
"""Patter's keywords of today, in their order."""

HOSTED: Final = ("api_key", "backend_url", "rest_url")
"""What told a program where the hosted mode is, and who asks it."""

REPLACED: Final = {
    "mode": "nothing",
    "telephony_provider": "nothing: it is found from the keys",
    "twilio_sid": "TWILIO_ACCOUNT_SID",
    "twilio_token": "TWILIO_AUTH_TOKEN",
    "telnyx_key": "TELNYX_API_KEY",
    "telnyx_connection_id": "TELNYX_CONNECTION_ID",
    "telnyx_public_key": "TELNYX_PUBLIC_KEY",
    "persist_root": "persist=",
    **_KEYS,
}
"""Older keyword -> what is given instead: a variable of the environment, or another keyword."""


def from_keywords(given: Mapping[str, Any]) -> LocalConfig:
    """What Patter(...) was told in the keywords of LocalConfig; those that are replaced are named in one log line.

    Raises ConfigError for what belongs to the hosted mode and for what LocalConfig refuses, InputError for a keyword
    that there is not, with the nearest that there is.
    """
    hosted = [each for each in HOSTED if each in given]
    if hosted:
        raise ConfigError(
            f"{' and '.join(hosted)} belong{'s' if len(hosted) == 1 else ''} to the hosted mode, which comes later",
            hint=f"leave it out: until then calls are served by your own machine; see {GUIDE}",
        )
    known = [*OWN, *(each.name for each in fields(LocalConfig) if each.name not in OWN)]
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}; see {GUIDE}"
            raise InputError(f"Patter has no {name}", hint=hint)
    config = LocalConfig(**given)
    older = [f"{name} by {REPLACED[name]}" for name in given if name in REPLACED]
    if older:
        log.warning("older keywords of Patter are replaced: %s; see %s", ", ".join(older), GUIDE)
    return config
