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
from dataclasses import replace
from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import Response

from patter_cli.contracts.carrier.carrier import AnswerPlan, Carrier, CarrierFact, CarrierRequest, WebhookReply
from patter_cli.contracts.carrier.examined import SignsAlike
from patter_cli.errors import BadSignature, CarrierError, ConfigError, UnknownProvider
from patter_cli.server.addresses import DIALLED
from patter_cli.server.control_messages import HandIn

log = logging.getLogger("patter.server")

REMEMBERED: Final = 10_000
"""Calls whose answer is kept for the carrier's second try. An answer takes some 500 bytes."""


class Decide(Protocol):
    """What becomes of a call that waits."""

    def __call__(self, carrier: str, plan: AnswerPlan, dialled: str, *, rehearsed: bool) -> AnswerPlan:
        """carrier: its name. plan: one that declines. dialled: the signed ticket that the carrier was given, or "".
        rehearsed: the carrier has no such call."""


class Webhooks:
    """What the server's webhook routes share."""

    def __init__(
        self,
        carriers: Mapping[str, Carrier],
        *,
        address: Callable[[str], str],
        require_signature: bool,
        decide: Decide,
        on_fact: Callable[[str, CarrierFact, str], None],
        now_s: Callable[[], float],
    ) -> None:
        """address: https://HOST as the carrier knows us that asked for this Host. require_signature: False takes what
        anybody sends.

        on_fact: (carrier's name, what it reports, the same ticket or ""). now_s: Unix time.
        """
        self._carriers = carriers
        self._address = address
        self._require_signature = require_signature
        self._decide = decide
        self._on_fact = on_fact
        self._now_s = now_s
        self._answered: OrderedDict[tuple[str, ...], tuple[WebhookReply, AnswerPlan]] = OrderedDict()
        self._left: set[asyncio.Task[None]] = set()

    async def receive(self, request: Request) -> Response:
        """Take one webhook, of whatever kind the carrier sends to this path."""
        carrier = self._carriers.get(request.path_params["carrier"])
        if carrier is None or carrier.local:
            return Response("not found", 404)
        query = f"?{request.url.query}" if request.url.query else ""
        dialled = request.query_params.get(DIALLED, "")
        received = CarrierRequest(
            method=request.method,
            url=f"{self._address(request.headers.get('host', ''))}{request.url.path}{query}",
            headers=dict(request.headers),
            body=await request.body(),
        )
        reply, _ = self._reply(carrier, received, dialled, verified=not self._require_signature)
        return Response(reply.body, reply.status, media_type=reply.content_type)

    def hand_in(self, wanted: HandIn) -> dict[str, Any]:
        """Take a webhook that another program of this user's has written, to try an agent; JSON-able: {status,
        content_type, body, signed, stream_url, declined}; the last two are of a call that waits. Raises
        UnknownProvider.

        Of a call that is made up the carrier knows nothing, so it is asked for nothing either: neither to answer it nor
        to hang it up.

        It comes over the control socket, and nowhere else: in a folder that is this user's alone, with a token, from
        somebody who could as well make calls or stop the server there. So no header, setting or address exists by
        which a request from the network would pass unsigned. What a carrier signs with a secret that both sides have,
        we sign, and it is verified like any other; where only the carrier has the key (Telnyx), it goes in behind the
        check, and `signed` says so.
        """
        carrier = self._carriers.get(wanted.carrier)
        if carrier is None or carrier.local:
            named = ", ".join(each.name for each in self._carriers.values() if not each.local) or "none"
            raise UnknownProvider(f"this server has no carrier {wanted.carrier}", hint=f"it has {named}")
        received = CarrierRequest(
            method="POST",
            url=f"{self._address('')}/webhooks/{wanted.carrier}/{wanted.kind}",
            headers={"content-type": wanted.content_type},
            body=wanted.body.encode("utf-8", "surrogatepass"),
        )
        signed = isinstance(carrier, SignsAlike)
        if isinstance(carrier, SignsAlike):
            received = replace(received, headers={**received.headers, **carrier.sign(received)})
        reply, plan = self._reply(carrier, received, "", verified=not signed, rehearsed=not wanted.real)
        return {
            "status": reply.status,
            "content_type": reply.content_type,
            "body": reply.body.decode("utf-8", "replace"),
            "signed": signed,
            "stream_url": plan.stream_url if plan is not None else "",
            "declined": plan is not None and not plan.stream_url and not plan.left_alone,
        }

    def close(self) -> None:
        """Ask carriers for nothing any more. Twice is fine."""
        for task in list(self._left):
            task.cancel()

    async def settle(self, within_s: float) -> None:
        """Wait until carriers have been asked for all that was decided, but not for longer than this."""
        if self._left:
            await asyncio.wait(set(self._left), timeout=within_s)

    def _reply(
        self, carrier: Carrier, request: CarrierRequest, dialled: str, *, verified: bool, rehearsed: bool = False
    ) -> tuple[WebhookReply, AnswerPlan | None]:
        """The plan with it, of a call that waits."""
        try:
            if not verified:
                carrier.verify(request, self._now_s())
            return self._take(carrier, request, dialled, rehearsed)
        except ConfigError as error:
            log.error("%s webhooks cannot be verified: %s", carrier.name, error)
            return WebhookReply(status=503, body=b"not configured"), None
        except BadSignature as error:
            log.warning("a %s webhook was refused: %s", carrier.name, error)
            return WebhookReply(status=403, body=b"forbidden"), None
        except CarrierError as error:
            log.warning("a %s webhook cannot be read: %s", carrier.name, error)
            return WebhookReply(status=400, body=b"bad request"), None

    def _take(
        self, carrier: Carrier, request: CarrierRequest, dialled: str, rehearsed: bool
    ) -> tuple[WebhookReply, AnswerPlan | None]:
        waiting = carrier.answer(request)
        if waiting is None:
            for each in carrier.read_callback(request):
                self._on_fact(carrier.name, each, dialled)
            return WebhookReply(), None
        key = carrier.name, waiting.carrier_call_id, dialled, waiting.broken
        known = self._answered.get(key)
        if known is not None:
            return known
        plan = self._decide(carrier.name, waiting, dialled, rehearsed=rehearsed)
        answered = self._answered[key] = carrier.render(plan), plan
        if len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)
        if rehearsed:
            return answered
        task = asyncio.create_task(self._carry_out(carrier, plan))
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        return answered

    async def _carry_out(self, carrier: Carrier, plan: AnswerPlan) -> None:
        try:
            await carrier.carry_out(plan)
        except CarrierError as error:
            log.error("%s did not take our answer to call %s: %s", carrier.name, ascii(plan.carrier_call_id), error)
        except Exception:
            log.exception("our answer to call %s failed", ascii(plan.carrier_call_id))
