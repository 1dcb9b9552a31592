"""What vendors' recipes have in common: where each is reached, as whom, and which of its models are gone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode, urlsplit

from patter_cli import keys
from patter_cli.errors import BadSetting, MissingCredential
from patter_cli.providers.addresses import vendor_address
from patter_cli.providers.http import Server

log = logging.getLogger(__name__)

_TOLD: set[tuple[str, str]] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One vendor. url: where it is reached unless somebody says otherwise. version: the end of that address, which a
    base_url may leave out; "": it has none."""

    name: str
    variable: str
    url: str
    version: str = ""

    @property
    def hint(self) -> str:
        """How its key is set."""
        return f"export {self.variable}=…"

    def server(self, who: str, api_key: str | None, base_url: str | None) -> Server:
        """Where requests go. who: the recipe's class. Raises MissingCredential, BadSetting."""
        key = (api_key if api_key is not None else keys.look_up(self.variable)).strip()
        if not key:
            raise MissingCredential(f"{who} needs a key, and {self.variable} is not set", hint=self.hint)
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise BadSetting(f"{self.variable} holds characters that no key has", hint=self.hint)
        return Server(
            provider=self.name,
            base_url=self.address(base_url),
            key=key,
            key_name=self.variable,
            key_hint=self.hint,
        )

    def address(self, base_url: str | None) -> str:
        """The base address: what the recipe was given, or the variable beside the key's. Raises BadSetting."""
        return vendor_address(base_url, key_variable=self.variable, usual=self.url, version=self.version)


class VendorRecipe:
    """A recipe with a key. It has the fields api_key and base_url, and says whose `vendor` it is."""

    __slots__ = ()

    vendor: ClassVar[Vendor]
    api_key: str | None
    base_url: str | None

    @property
    def provider(self) -> str:
        """Whose it is."""
        return self.vendor.name

    @property
    def key_variable(self) -> str:
        return self.vendor.variable

    def check(self) -> None:
        """Whether a session could be asked for. Raises MissingCredential, BadSetting."""
        self.server()

    def server(self) -> Server:
        """Where its requests go. Raises MissingCredential, BadSetting."""
        return self.vendor.server(type(self).__name__, self.api_key, self.base_url)


def socket_url(server: Server, path: str, query: Mapping[str, str | tuple[str, ...]] | None = None) -> str:
    """The address of a WebSocket under a server's. query: a name with several values is repeated, one with "" or ()
    is left out."""
    scheme = "wss" if urlsplit(server.base_url).scheme == "https" else "ws"
    pairs = []
    for name, value in (query or {}).items():
        pairs += [(name, each) for each in ((value,) if isinstance(value, str) else value) if each]
    asked = f"?{urlencode(pairs)}" if pairs else ""
    return f"{scheme}://{server.base_url.partition('://')[2]}{path}{asked}"


def current_model(
    provider: str, model: str, retired: Mapping[str, str], ending: Mapping[str, str] | None = None
) -> str:
    """The model that answers to a name today. retired: gone -> its successor. ending: still there -> the day it goes.

    What is not what was asked for is told once. Raises BadSetting for no name at all.
    """
    if not model or not isinstance(model, str):
        raise BadSetting(f"{provider}: model must be a name", hint="leave it out to have the usual one")
    told = (provider, model)
    successor = retired.get(model)
    if successor is not None and told not in _TOLD:
        _TOLD.add(told)
        log.warning("%s has no model %s any more: %s, its successor, is used", provider, model, successor)
    day = (ending or {}).get(model)
    if day is not None and told not in _TOLD:
        _TOLD.add(told)
        log.warning("%s switches %s off on %s", provider, model, day)
    return successor or model
