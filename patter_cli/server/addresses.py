"""Addresses: where carriers reach this server. Asked for at use, because a tunnel may get another name while we run.

One name is told to carriers. Older ones stay ours, since what a carrier was given under them it may still ask for; and
who asks under any of them reaches what carriers need, and nothing else. A tunnel's name is read in public lists within
minutes, so what carriers need is there under a path that nobody can guess; an address of one's own has none, for people
write it into the carrier's console by hand.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from patter_cli.server.tickets import CallTicket, sign

DIALLED: Final = "call"
"""The query's name for the ticket that a call was dialled with, or is asked for again with."""


CHECK_PATH: Final = "/tunnel-check"
"""Where a round trip through an address is answered."""
KEPT: Final = 8
"""Names that are ours at the same time."""

_PUBLIC: Final = re.compile(rf"/webhooks/[^/]+/[^/]+|/ws/[^/]+/stream/[^/]+|{CHECK_PATH}/[^/]+")


def new_path() -> str:
    """A path that nobody can guess."""
    return f"/{secrets.token_hex(8)}"


def public_under(path: str, bases: Iterable[str]) -> str | None:
    """Under which of these paths ("" or one of `new_path`) strangers may ask for this one: carriers' webhooks and
    media. The check of an address is there for whoever knows the word, under "". None: it is not for them."""
    for base in bases:
        if path.startswith(base) and _PUBLIC.fullmatch(path, len(base)):
            return base
    return "" if path.startswith(f"{CHECK_PATH}/") and _PUBLIC.fullmatch(path) else None


def number_url(address: str, carrier: str) -> str:
    """The webhook of a number whose calls are to come to this address: a host, and the path under it if it has one."""
    return f"https://{address}/webhooks/{carrier}/voice"


class Addresses:
    """One server's. Everything here is for carriers; `public_host` is "" while only this machine reaches us."""

    def __init__(self, *, host: str, port: Callable[[], int], secret: bytes, public_host: str = "") -> None:
        """host, port: where we listen. secret: signs the tickets in addresses. public_host: see `move`."""
        self._host = host
        self._port = port
        self._secret = secret
        self.public_host = ""
        self._names: dict[str, tuple[str, str]] = {}
        """Ours, without a port -> as it is told, and the path under it."""
        self._hosts: Mapping[str, str] = {}
        self.move(public_host)

    def admit(self, address: str) -> None:
        """Requests may name this host from now on; carriers are not told it yet. address: a host, and the path under
        which we are there if it has one."""
        host, slash, path = address.lower().partition("/")
        name = _name(host)
        self._names.pop(name, None)
        self._names[name] = host, slash + path
        for oldest in list(self._names)[:-KEPT]:
            del self._names[oldest]
        self._hosts = {name: path for name, (_, path) in self._names.items()}

    def move(self, address: str) -> None:
        """Carriers reach us at this one from now on; "": no longer, at none. What they were given before stays as it
        is."""
        self.public_host = address.lower().partition("/")[0]
        if address:
            self.admit(address)
        else:
            self._names.clear()
            self._hosts = {}

    def drop(self, public_host: str) -> None:
        """This name is ours no more."""
        self._names.pop(_name(public_host), None)
        self._hosts = {name: path for name, (_, path) in self._names.items()}
        if self.public_host == public_host.lower():
            self.public_host = ""

    def hosts(self) -> Mapping[str, str]:
        """Names that requests may give us beside this machine's own, in lower case, without ports; and under which path
        what they may ask for is there."""
        return self._hosts

    @property
    def public_address(self) -> str:
        """The public host, and the path under it if it has one; "" while there is none."""
        return "".join(self._told(""))

    def base(self, scheme: str, asked: str = "") -> str:
        """Without a path. scheme: ws or http, which is secured wherever the address is public. asked: the Host of a
        request; where that is not one of ours, as behind a proxy that writes its own, it is the name that is told."""
        host, _ = self._told(asked)
        if host:
            return f"{scheme}s://{host}"
        return f"{scheme}://{self._host}:{self._port()}"

    def _told(self, asked: str) -> tuple[str, str]:
        """(host, path) of whom was asked for, or as carriers are told; ("", "") where only this machine reaches us."""
        return self._names.get(_name(asked)) or self._names.get(_name(self.public_host)) or ("", "")

    def _base(self, scheme: str, asked: str = "") -> str:
        """As `base`, with the path under which we are there."""
        return self.base(scheme, asked) + self._told(asked)[1]

    def answer_url(self, carrier: str, ticket: CallTicket) -> str:
        """Where the carrier asks what becomes of the ticket's call."""
        return f"{self._base('http')}/webhooks/{carrier}/voice?{DIALLED}={sign(ticket, self._secret)}"

    def callback_url(self, carrier: str, ticket: CallTicket | None = None) -> str:
        """Where it reports what it learns. ticket: of a call that we dial, which has no other name yet."""
        url = f"{self._base('http')}/webhooks/{carrier}/status"
        return f"{url}?{DIALLED}={sign(ticket, self._secret)}" if ticket is not None else url

    def stream_url(self, carrier: str, token: str, asked: str = "") -> str:
        """Where it opens the stream of a call. token: the call's ticket as text. asked: as for `base`."""
        return f"{self._base('ws', asked)}/ws/{carrier}/stream/{token}"


def _name(host: str) -> str:
    return host.lower().partition(":")[0]
