"""What carriers have in common that bring calls straight to a socket: nothing is ever asked or told over HTTP."""

from __future__ import annotations

from patter_cli.contracts.carrier.carrier import (
    AnswerPlan,
    CarrierFact,
    CarrierRecording,
    CarrierRequest,
    WebhookReply,
)
from patter_cli.errors import BadSignature


class WithoutWebhooks:
    """That part of a Carrier."""

    __slots__ = ()

    @property
    def local(self) -> bool:
        """Always."""
        return True

    def verify(self, request: CarrierRequest, now_s: float) -> None:
        """Nothing that claims to come from here does. Raises BadSignature."""
        raise BadSignature("this carrier sends no webhooks")

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

    async def restore(self, token: str) -> None:
        """Nothing was changed."""

    async def recordings(self, carrier_call_id: str) -> tuple[CarrierRecording, ...]:
        """There are none that we know of."""
        return ()
