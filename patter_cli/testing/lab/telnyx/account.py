"""What an account at Telnyx has: its key, its applications, its numbers, its recordings."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from patter_cli.testing.lab.telnyx.leg import Leg, moment


class SigningKey:
    """Signs webhooks. Source: Telnyx docs, receiving webhooks: Ed25519 over timestamp, "|" and the raw body."""

    def __init__(self, seed: bytes | None = None) -> None:
        """seed: 32 bytes; None: random ones."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed) if seed is not None else Ed25519PrivateKey.generate()

    @property
    def public(self) -> str:
        """As the portal shows it: the raw 32 bytes in base64."""
        return b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, body: bytes, timestamp: str) -> str:
        return b64encode(self._key.sign(timestamp.encode() + b"|" + body)).decode()


@dataclass(slots=True, kw_only=True)
class Account:
    """One account. Applications and numbers are kept as the API shows them."""

    api_key: str = field(default_factory=lambda: f"KEY{secrets.token_hex(16).upper()}_{secrets.token_urlsafe(16)}")
    signing_key: SigningKey = field(default_factory=SigningKey)
    applications: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By their own ids, not by the numbers themselves."""
    recordings: dict[str, dict[str, Any]] = field(default_factory=dict)
    verified: set[str] = field(default_factory=set)
    """Numbers elsewhere that may be shown as the caller's."""
    max_calls: int | None = None
    """Outbound, at the same time; a new account has 2."""

    def add_application(self, application_id: str, webhook_url: str = "", **settings: Any) -> dict[str, Any]:
        """webhook_url "": none yet, and it can then place no call."""
        application = {
            "record_type": "call_control_application",
            "id": application_id,
            "application_name": "agents",
            "active": True,
            "webhook_event_url": webhook_url,
            "webhook_event_failover_url": "",
            "webhook_api_version": "2",
            "webhook_timeout_secs": None,
            "first_command_timeout": False,
            "first_command_timeout_secs": 30,
            "call_cost_in_webhooks": False,
            "dtmf_type": "RFC 2833",
            "inbound": {},
            "outbound": {},
            "tags": [],
            **settings,
        }
        self.applications[application_id] = application
        return application

    def add_number(self, number: str, connection_id: str = "") -> dict[str, Any]:
        row: dict[str, Any] = {
            "record_type": "phone_number",
            "id": str(secrets.randbelow(10**19)),
            "phone_number": number,
            "status": "active",
            "connection_id": connection_id,
            "connection_name": "",
            "tags": [],
        }
        self.numbers[row["id"]] = row
        return row

    def number(self, text: str) -> dict[str, Any] | None:
        """The row of a number of this account."""
        return next((each for each in self.numbers.values() if each["phone_number"] == text), None)

    def may_show(self, number: str) -> bool:
        """Whether a call may be made from it."""
        return number in self.verified or self.number(number) is not None

    def add_recording(self, leg: Leg, *, channels: str, began_s: float, ended_s: float, url: str) -> dict[str, Any]:
        """One that is finished. url: where its WAV can be fetched."""
        row: dict[str, Any] = {
            "record_type": "recording",
            "id": leg.recording_id or str(uuid4()),
            "call_control_id": leg.control_id,
            "call_leg_id": leg.leg_id,
            "call_session_id": leg.session_id,
            "connection_id": leg.connection_id,
            "channels": channels,
            "download_urls": {"wav": url},
            "duration_millis": round((ended_s - began_s) * 1000),
            "status": "completed",
            "source": "call",
            "from": leg.caller,
            "to": leg.callee,
            "recording_started_at": moment(began_s),
            "recording_ended_at": moment(ended_s),
            "created_at": moment(ended_s),
            "updated_at": moment(ended_s),
        }
        self.recordings[row["id"]] = row
        return row


def page(rows: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """A list as the API answers it: one page, and how many there are. Numbers that are none count as left out."""
    size = min(250, max(1, _number(query.get("page[size]"), 20)))
    number = max(1, _number(query.get("page[number]"), 1))
    meta = {
        "page_number": number,
        "page_size": size,
        "total_pages": -(-len(rows) // size),
        "total_results": len(rows),
    }
    return {"data": rows[(number - 1) * size : number * size], "meta": meta}


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdecimal() else otherwise
