"""The softphone: calls from a page of ours, over its own socket and with a ticket of ours. It needs no account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from patter_cli.carriers.browser.control import BrowserControl
from patter_cli.carriers.browser.stream import BrowserLine, BrowserStream
from patter_cli.carriers.without_webhooks import WithoutWebhooks
from patter_cli.contracts.carrier.carrier import CallHandle, KeepToken, OutboundCall, kept_by_nobody
from patter_cli.errors import CallRejected


@dataclass(frozen=True, slots=True)
class Carrier(WithoutWebhooks):
    """Calls that a page makes with the browser's own microphone and loudspeaker."""

    @property
    def name(self) -> str:
        """Always "browser"."""
        return "browser"

    @property
    def by_ticket(self) -> bool:
        """Always: a page is anybody's, and only the ticket says that it may call."""
        return True

    def codec(self) -> BrowserStream:
        """Our end of a new call's stream."""
        return BrowserStream()

    def line(self) -> BrowserLine:
        """The page's end of one."""
        return BrowserLine()

    def control(self, call: CallHandle) -> BrowserControl:
        """What can be asked of the page: nothing."""
        return BrowserControl()

    async def place(self, call: OutboundCall) -> str:
        """Raises CallRejected."""
        _refuse("ring anybody")

    async def attach(self, number: str, url: str, keep: KeepToken = kept_by_nobody) -> str:
        """Raises CallRejected."""
        _refuse("answer a number")


def _refuse(what: str) -> NoReturn:
    raise CallRejected(f"the softphone cannot {what}", hint="that takes a carrier")
