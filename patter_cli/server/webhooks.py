"""A carrier's webhooks: verified first, then answered with a call's ticket, or read as facts.

POST -> verify -- no credentials --> 503    -- not signed --> 403, and the reason in our log
            |
            +-> answer: a call waits -> admit or decline -> render; the reply is kept, for carriers ask twice
            +-> read_callback: facts -> 200
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from patter_cli.contracts.carrier.carrier import AnswerPlan, Carrier, CarrierFact, CarrierRequest, WebhookReply
from patter_cli.errors import BadSignature, CarrierError, ConfigError
from patter_cli.server.addresses import DIALLED

log = logging.getLogger("patter.server")

REMEMBERED: Final = 10_000
"""Calls whose answer is kept for the carrier's second try. An answer takes some 500 bytes."""


class Webhooks:
    """What the server's webhook routes share."""

    def __init__(
        self,
        carriers: Mapping[str, Carrier],
        *,
        address: Callable[[str], str],
        require_signature: bool,
        decide: Callable[[str, AnswerPlan, str], AnswerPlan],
        on_fact: Callable[[str, CarrierFact, str], None],
        now_s: Callable[[], float],
    ) -> None:
        """address: https://HOST as the carrier knows us that asked for this Host. require_signature: False takes what
        anybody sends.

        decide: (carrier's name, a plan that declines, the signed ticket that the carrier was given or "") to what
        becomes of the call. on_fact: (carrier's name, what it reports, the same ticket or ""). now_s: Unix time.
        """
        self._carriers = carriers
        self._address = address
        self._require_signature = require_signature
        self._decide = decide
        self._on_fact = on_fact
        self._now_s = now_s
        self._answered: OrderedDict[tuple[str, ...], WebhookReply] = OrderedDict()
        self._left: set[asyncio.Task[None]] = set()

    async def receive(self, request: Request) -> Response:
        """Take one webhook, of whatever kind the carrier sends to this path."""
        carrier = self._carriers.get(request.path_params["carrier"])
        if carrier is None or carrier.local:
            return Response("not found", 404)
        query = f"?{request.url.query}" if request.url.query else ""
        received = CarrierRequest(
            method=request.method,
            url=f"{self._address(request.headers.get('host', ''))}{request.url.path}{query}",
            headers=dict(request.headers),
            body=await request.body(),
        )
        try:
            if self._require_signature:
                carrier.verify(received, self._now_s())
            reply = self._take(carrier, received, request.query_params.get(DIALLED, ""))
        except ConfigError as error:
            log.error("%s webhooks cannot be verified: %s", carrier.name, error)
            return Response("not configured", 503)
        except BadSignature as error:
            log.warning("a %s webhook was refused: %s", carrier.name, error)
            return Response("forbidden", 403)
        except CarrierError as error:
            log.warning("a %s webhook cannot be read: %s", carrier.name, error)
            return Response("bad request", 400)
        return Response(reply.body, reply.status, media_type=reply.content_type)

    def _take(self, carrier: Carrier, request: CarrierRequest, dialled: str) -> WebhookReply:
        waiting = carrier.answer(request)
        if waiting is None:
            for each in carrier.read_callback(request):
                self._on_fact(carrier.name, each, dialled)
            return WebhookReply()
        key = carrier.name, waiting.carrier_call_id, dialled, waiting.broken
        known = self._answered.get(key)
        if known is not None:
            return known
        plan = self._decide(carrier.name, waiting, dialled)
        reply = self._answered[key] = carrier.render(plan)
        if len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)
        task = asyncio.create_task(self._carry_out(carrier, plan))
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        return reply

    async def _carry_out(self, carrier: Carrier, plan: AnswerPlan) -> None:
        try:
            await carrier.carry_out(plan)
        except CarrierError as error:
            log.error("%s did not take our answer to call %s: %s", carrier.name, ascii(plan.carrier_call_id), error)
        except Exception:
            log.exception("our answer to call %s failed", ascii(plan.carrier_call_id))
