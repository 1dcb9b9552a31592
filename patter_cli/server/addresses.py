"""Addresses: where carriers reach this server. Asked for at use, because a tunnel may get another name while we run.

One name is told to carriers. Older ones stay ours, since what a carrier was given under them it may still ask for; and
who asks under any of them reaches what carriers need, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from patter_cli.server.tickets import CallTicket, sign

DIALLED: Final = "call"
"""The query's name for the ticket that a call was dialled with, or is asked for again with."""


CHECK_PATH: Final = "/tunnel-check"
"""Where a round trip through an address is answered."""
KEPT: Final = 8
"""Names that are ours at the same time."""

_PUBLIC: Final = re.compile(rf"/webhooks/[^/]+/[^/]+|/ws/[^/]+/stream/[^/]+|{CHECK_PATH}/[^/]+")


def is_public(path: str) -> bool:
    """Whether strangers may ask for this path: carriers' webhooks and media, and the check of the address."""
    return _PUBLIC.fullmatch(path) is not None


def number_url(host: str, carrier: str) -> str:
    """The webhook of a number whose calls are to come to this public host."""
    return f"https://{host}/webhooks/{carrier}/voice"


class Addresses:
    """One server's. Everything here is for carriers; `public_host` is "" while only this machine reaches us."""

    def __init__(self, *, host: str, port: Callable[[], int], secret: bytes, public_host: str = "") -> None:
        """host, port: where we listen. secret: signs the tickets in addresses."""
        self._host = host
        self._port = port
        self._secret = secret
        self.public_host = ""
        self._names: dict[str, str] = {}
        """Ours, without a port -> as it is told."""
        self._hosts: frozenset[str] = frozenset()
        self.move(public_host)

    def admit(self, public_host: str) -> None:
        """Requests may name this host from now on; carriers are not told it yet."""
        name = _name(public_host)
        self._names.pop(name, None)
        self._names[name] = public_host.lower()
        for oldest in list(self._names)[:-KEPT]:
            del self._names[oldest]
        self._hosts = frozenset(self._names)

    def move(self, public_host: str) -> None:
        """Carriers reach us under this name from now on; "": no longer, under none. What they were given before stays
        as it is."""
        self.public_host = public_host.lower()
        if public_host:
            self.admit(public_host)
        else:
            self._names.clear()
            self._hosts = frozenset()

    def drop(self, public_host: str) -> None:
        """This name is ours no more."""
        self._names.pop(_name(public_host), None)
        self._hosts = frozenset(self._names)
        if self.public_host == public_host.lower():
            self.public_host = ""

    def hosts(self) -> frozenset[str]:
        """Names that requests may give us beside this machine's own, in lower case, without ports."""
        return self._hosts

    def base(self, scheme: str, asked: str = "") -> str:
        """Without a path. scheme: ws or http, which is secured wherever the address is public. asked: the Host of a
        request; where that is not one of ours, as behind a proxy that writes its own, it is the name that is told."""
        host = self._names.get(_name(asked), self.public_host)
        if host:
            return f"{scheme}s://{host}"
        return f"{scheme}://{self._host}:{self._port()}"

    def answer_url(self, carrier: str, ticket: CallTicket) -> str:
        """Where the carrier asks what becomes of the ticket's call."""
        return f"{self.base('http')}/webhooks/{carrier}/voice?{DIALLED}={sign(ticket, self._secret)}"

    def callback_url(self, carrier: str, ticket: CallTicket | None = None) -> str:
        """Where it reports what it learns. ticket: of a call that we dial, which has no other name yet."""
        url = f"{self.base('http')}/webhooks/{carrier}/status"
        return f"{url}?{DIALLED}={sign(ticket, self._secret)}" if ticket is not None else url

    def stream_url(self, carrier: str, token: str, asked: str = "") -> str:
        """Where it opens the stream of a call. token: the call's ticket as text. asked: as for `base`."""
        return f"{self.base('ws', asked)}/ws/{carrier}/stream/{token}"


def _name(host: str) -> str:
    return host.lower().partition(":")[0]
