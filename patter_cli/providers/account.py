"""What the recipes of language models that need a key have in common: whose they are, and how one is let in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from patter_cli import keys
from patter_cli.errors import BadSetting, MissingCredential, PatterError
from patter_cli.providers.addresses import vendor_address
from patter_cli.providers.exchange import ask, warm
from patter_cli.providers.http import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One vendor's front door.

    url: its address, with its version. version: the end of that address, which a base_url may leave out as the vendor's
    own library does. keys: variables that its key is looked for in, the current one first. looks_like: how a key
    begins. key_header: "" for a bearer's. fixed: headers of every request. warm_path: a request that costs nothing.
    """

    name: str
    url: str
    version: str
    keys: tuple[str, ...]
    looks_like: str
    key_header: str = ""
    fixed: tuple[tuple[str, str], ...] = ()
    warm_path: str = "/models"


class VendorModel:
    """A vendor's recipe. It has the fields api_key, model and base_url, and says whose `account` it is."""

    __slots__ = ()

    account: ClassVar[Account]
    api_key: str | None
    model: str
    base_url: str | None

    @property
    def provider(self) -> str:
        """Whose it is."""
        return self.account.name

    @property
    def key_variable(self) -> str:
        """The variable that its key comes from: of several, the one that is set."""
        return next((each for each in self.account.keys if keys.look_up(each)), self.account.keys[0])

    def check(self) -> None:
        """Whether a request could be made. Raises MissingCredential, BadSetting."""
        self.server()

    async def try_key(self) -> None:
        """Ask for the model's description, which costs nothing. Raises ConfigError, ProviderError."""
        await ask(self.server(), f"/models/{quote(self.model, safe='')}")

    async def warm(self) -> None:
        """Open a connection ahead of the first request; a failure is not raised."""
        try:
            server = self.server()
        except PatterError:
            return
        await warm(server, self.account.warm_path)

    def server(self) -> Server:
        """Where its requests go. Raises MissingCredential, BadSetting."""
        account, variable = self.account, self.key_variable
        hint = f"export {variable}={account.looks_like}..."
        given = self.api_key if self.api_key is not None else keys.look_up(variable)
        key = checked_key(given, variable, hint)
        if not key:
            raise MissingCredential(f"{type(self).__name__} needs a key, and {variable} is not set", hint=hint)
        return Server(
            provider=account.name,
            base_url=self.address(),
            key=key,
            key_name=variable,
            key_hint=hint,
            key_header=account.key_header,
            fixed=account.fixed,
        )

    def address(self) -> str:
        """The base address with its version, which somebody's own may leave out: what the recipe was given, or the
        variable beside the key's, as ANTHROPIC_BASE_URL. Raises BadSetting."""
        account = self.account
        return vendor_address(self.base_url, key_variable=self.key_variable, usual=account.url, version=account.version)

    def _check_settings(self, temperature: float | None, max_output_tokens: int) -> None:
        """Before anything is sent. Raises BadSetting."""
        self.address()
        check_settings(self.model, temperature, max_output_tokens)


def check_settings(model: str, temperature: float | None, max_output_tokens: int) -> None:
    """What any model's recipe must have. Raises BadSetting."""
    if not model or max_output_tokens < 1 or not (temperature is None or 0 <= temperature <= 2):
        raise BadSetting("model must be a name, max_output_tokens 1 or more, temperature 0 to 2")


def checked_key(key: str, name: str, hint: str) -> str:
    """The key without the newline it was copied with. Raises BadSetting, which does not repeat it."""
    key = key.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise BadSetting(f"{name} holds characters that no key has", hint=hint)
    return key


def family(model: str, name: str) -> tuple[int, int] | None:
    """The version in a model's name, (5, 5) of "claude-haiku-5-5" or (6, 1) of "gpt-6.1-terra"; None for another's.

    name: what a model of the family is called, as a pattern; the version stands behind it.
    """
    named = re.match(rf"(?:ft:|models/)?{name}(\d{{1,2}})(?:[.-](\d{{1,2}})(?![\d]))?", model)
    return (int(named[1]), int(named[2] or 0)) if named else None
