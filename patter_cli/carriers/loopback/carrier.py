"""The built-in carrier: a line on this machine that needs no account. It has no webhooks, numbers or recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from patter_cli.carriers.loopback.control import LoopbackControl
from patter_cli.carriers.loopback.stream import LoopbackLine, LoopbackStream
from patter_cli.contracts.carrier.carrier import (
    AnswerPlan,
    CallHandle,
    CarrierFact,
    CarrierRecording,
    CarrierRequest,
    KeepToken,
    OutboundCall,
    WebhookReply,
    kept_by_nobody,
)
from patter_cli.errors import BadSignature, CallRejected


@dataclass(frozen=True, slots=True)
class Carrier:
    """Calls that come straight to a media socket, from this machine alone."""

    @property
    def name(self) -> str:
        """Always "loopback"."""
        return "loopback"

    @property
    def local(self) -> bool:
        """Always."""
        return True

    def codec(self) -> LoopbackStream:
        """Our end of a new call's stream."""
        return LoopbackStream()

    def line(self) -> LoopbackLine:
        """The caller's end of one."""
        return LoopbackLine()

    def control(self, call: CallHandle) -> LoopbackControl:
        """What can be asked of the line, over the call's own stream."""
        return LoopbackControl(call.stream_id, call.line)

    def verify(self, request: CarrierRequest, now_s: float) -> None:
        """Nothing that claims to come from here does. Raises BadSignature."""
        raise BadSignature("the built-in line sends no webhooks")

    def answer(self, request: CarrierRequest) -> AnswerPlan | None:
        """None: no request is about a call."""

    def render(self, plan: AnswerPlan) -> WebhookReply:
        """The plain acknowledgement."""
        return WebhookReply()

    async def carry_out(self, plan: AnswerPlan) -> None:
        """Nothing to do."""

    def read_callback(self, request: CarrierRequest) -> tuple[CarrierFact, ...]:
        """Nothing is ever reported."""
        return ()

    async def place(self, call: OutboundCall) -> str:
        """Raises CallRejected."""
        _refuse("ring anybody")

    async def attach(self, number: str, url: str, keep: KeepToken = kept_by_nobody) -> str:
        """Raises CallRejected."""
        _refuse("answer a number")

    async def restore(self, token: str) -> None:
        """Nothing was changed."""

    async def recordings(self, carrier_call_id: str) -> tuple[CarrierRecording, ...]:
        """There are none."""
        return ()


def _refuse(what: str) -> NoReturn:
    raise CallRejected(f"the built-in line cannot {what}", hint="that takes a carrier")
