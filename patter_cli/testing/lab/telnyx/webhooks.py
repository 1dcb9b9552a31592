"""Telnyx's webhooks: what is told of a call, signed, delivered until somebody takes it.

Theory of operation. An event carries its own id, the same at every attempt, and the time at which it happened. What is
not answered with 2xx is posted again: after a timeout, 408, 429 or 5xx; any other 4xx is final, and so is a redirect
here, about which Telnyx's own pages disagree. Order is nobody's promise: the lab keeps it as long as no fault says
otherwise.
Source: Telnyx docs, receiving webhooks and the Voice API's webhooks, 2026-11.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from patter_cli.testing.lab.telnyx.account import SigningKey
from patter_cli.testing.lab.telnyx.leg import Leg, moment

SIGNATURE: Final = "telnyx-signature-ed25519"
TIMESTAMP: Final = "telnyx-timestamp"

TIMEOUT_S: Final = 2.0
"""How long a webhook may take, where the application says nothing else."""
TRIES: Final = 3
AGAIN_S: Final = 0.5
"""From one try to the next."""

NO_REPLY: Final = 0
"""The status of what was not answered."""
_AGAIN: Final = frozenset({NO_REPLY, 408, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a leg. payload: as of when it happened."""

    kind: str
    payload: Mapping[str, Any]
    at_s: float
    event_id: str = field(default_factory=lambda: str(uuid4()))

    def render(self, url: str, attempt: int) -> bytes:
        """The body of one try."""
        data = {
            "record_type": "event",
            "event_type": self.kind,
            "id": self.event_id,
            "occurred_at": moment(self.at_s),
            "payload": self.payload,
        }
        envelope = {"data": data, "meta": {"attempt": attempt, "delivered_to": url}}
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(key: SigningKey, body: bytes, now_s: float) -> dict[str, str]:
    """What goes with a body that is posted now."""
    timestamp = str(int(now_s))
    return {
        "content-type": "application/json",
        "user-agent": "telnyx-webhooks",
        SIGNATURE: key.sign(body, timestamp),
        TIMESTAMP: timestamp,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a leg's events go."""

    url: str
    failover_url: str = ""
    timeout_s: float = TIMEOUT_S


class Courier:
    """Delivers events."""

    def __init__(
        self,
        post: Callable[[str, Mapping[str, str], bytes], Awaitable[int]],
        key: Callable[[], SigningKey],
        now_s: Callable[[], float],
    ) -> None:
        """post: one try; returns the status, or NO_REPLY. key: what signs the next try. now_s: Unix time."""
        self._post = post
        self._key = key
        self.now_s = now_s
        self.events: list[tuple[str, Event]] = []
        """All that was to be told, in the order in which it happened, each with its leg's call_control_id."""

    def note(self, leg: Leg, kind: str, payload: Mapping[str, Any]) -> Event:
        """Something has happened; nothing is delivered yet."""
        event = Event(kind=kind, payload=payload, at_s=self.now_s())
        self.events.append((leg.control_id, event))
        return event

    async def deliver(self, event: Event, address: Address) -> bool:
        """Post one event until it is taken. Returns whether it was."""
        if not address.url:
            return False
        for attempt in range(1, TRIES + 1):
            if attempt > 1:
                await asyncio.sleep(AGAIN_S)
            status = await self._try(event, address.url, attempt, address.timeout_s)
            if 200 <= status < 300:
                return True
            if status not in _AGAIN and status < 500:
                break
        if not address.failover_url:
            return False
        return 200 <= await self._try(event, address.failover_url, 1, address.timeout_s) < 300

    def kinds(self, control_id: str) -> list[str]:
        """What happened to one leg, in order."""
        return [event.kind for leg, event in self.events if leg == control_id]

    async def _try(self, event: Event, url: str, attempt: int, timeout_s: float) -> int:
        body = event.render(url, attempt)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._post(url, signed_headers(self._key(), body, self.now_s()), body)
        except TimeoutError:
            return NO_REPLY
