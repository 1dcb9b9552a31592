"""Addresses: where carriers reach this server. Asked for at use, because a tunnel may get another name while we run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from patter_cli.server.tickets import CallTicket, sign

DIALLED: Final = "call"
"""The query's name for the ticket that a call was dialled with, or is asked for again with."""


class Addresses:
    """One server's. Everything here is for carriers; `public_host` is "" while only this machine reaches us."""

    def __init__(self, *, host: str, port: Callable[[], int], secret: bytes, public_host: str = "") -> None:
        """host, port: where we listen. secret: signs the tickets in addresses."""
        self._host = host
        self._port = port
        self._secret = secret
        self.public_host = public_host

    def move(self, public_host: str) -> None:
        """Carriers reach us under this name from now on; "": no longer. What they were given before stays as it is."""
        self.public_host = public_host

    def hosts(self) -> frozenset[str]:
        """Names that requests may give us beside this machine's own, in lower case."""
        return frozenset({self.public_host.lower()} if self.public_host else ())

    def base(self, scheme: str) -> str:
        """Without a path. scheme: ws or http, which is secured wherever the address is public."""
        if self.public_host:
            return f"{scheme}s://{self.public_host}"
        return f"{scheme}://{self._host}:{self._port()}"

    def answer_url(self, carrier: str, ticket: CallTicket) -> str:
        """Where the carrier asks what becomes of the ticket's call."""
        return f"{self.base('http')}/webhooks/{carrier}/voice?{DIALLED}={sign(ticket, self._secret)}"

    def callback_url(self, carrier: str, ticket: CallTicket | None = None) -> str:
        """Where it reports what it learns. ticket: of a call that we dial, which has no other name yet."""
        url = f"{self.base('http')}/webhooks/{carrier}/status"
        return f"{url}?{DIALLED}={sign(ticket, self._secret)}" if ticket is not None else url

    def stream_url(self, carrier: str, token: str) -> str:
        """Where it opens the stream of a call. token: the call's ticket as text."""
        return f"{self.base('ws')}/ws/{carrier}/stream/{token}"
