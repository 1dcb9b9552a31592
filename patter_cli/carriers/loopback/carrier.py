"""The built-in carrier: a line on this machine that needs no account. It has no webhooks, numbers or recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from patter_cli.carriers.loopback.control import LoopbackControl
from patter_cli.carriers.loopback.stream import LoopbackLine, LoopbackStream
from patter_cli.carriers.without_webhooks import WithoutWebhooks
from patter_cli.contracts.carrier.carrier import (
    CallHandle,
    KeepToken,
    OutboundCall,
    kept_by_nobody,
)
from patter_cli.errors import CallRejected


@dataclass(frozen=True, slots=True)
class Carrier(WithoutWebhooks):
    """Calls that come straight to a media socket, from this machine alone."""

    @property
    def name(self) -> str:
        """Always "loopback"."""
        return "loopback"

    def codec(self) -> LoopbackStream:
        """Our end of a new call's stream."""
        return LoopbackStream()

    def line(self) -> LoopbackLine:
        """The caller's end of one."""
        return LoopbackLine()

    def control(self, call: CallHandle) -> LoopbackControl:
        """What can be asked of the line, over the call's own stream."""
        return LoopbackControl(call.stream_id, call.line)

    async def place(self, call: OutboundCall) -> str:
        """Raises CallRejected."""
        _refuse("ring anybody")

    async def attach(self, number: str, url: str, keep: KeepToken = kept_by_nobody) -> str:
        """Raises CallRejected."""
        _refuse("answer a number")


def _refuse(what: str) -> NoReturn:
    raise CallRejected(f"the built-in line cannot {what}", hint="that takes a carrier")
