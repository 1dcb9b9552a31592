"""The lab's webhooks: how they are signed, and how often they are posted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from patter_cli.carriers.telnyx import webhook
from patter_cli.contracts.carrier.carrier import CarrierRequest
from patter_cli.errors import BadSignature
from patter_cli.testing.lab.telnyx import webhooks
from patter_cli.testing.lab.telnyx.account import SigningKey
from patter_cli.testing.lab.telnyx.leg import HangUpCause, Leg, LegState
from patter_cli.testing.lab.telnyx.webhooks import Address, Courier, signed_headers
from tests.unit.carriers.telnyx.events import BODY, NOW_S, PUBLIC_KEY, SIGNATURE

URL = "https://voice.example.com/webhooks/telnyx/voice"
VECTOR_KEY = SigningKey(bytes(range(32)))


def leg(incoming: bool = True) -> Leg:
    return Leg(
        caller="+15550100001",
        callee="+15550100002",
        connection_id="1494404757140276705",
        webhook_url=URL,
        started_s=NOW_S,
        incoming=incoming,
        state=LegState.PARKED,
    )


def test_the_lab_signs_as_telnyx_does() -> None:
    """The documented vector, to the byte: the key from its seed, the signature from the body."""
    assert VECTOR_KEY.public == PUBLIC_KEY
    headers = signed_headers(VECTOR_KEY, BODY, float(NOW_S))
    assert headers["telnyx-timestamp"] == str(NOW_S)
    assert headers["telnyx-signature-ed25519"] == SIGNATURE
    assert headers["user-agent"] == "telnyx-webhooks"


def test_our_adapter_verifies_and_reads_what_the_lab_posts() -> None:
    """Also names that are not ASCII; another key's signature is refused, and so is one of yesterday."""
    key, event = SigningKey(), Courier(no_post, lambda: VECTOR_KEY, lambda: NOW_S).note(leg(), "call.x", {"to": "Zoë"})
    body = event.render(URL, 1)
    request = CarrierRequest(method="POST", url=URL, headers=signed_headers(key, body, NOW_S), body=body)
    webhook.verify(request, webhook.public_key(key.public), NOW_S)
    with pytest.raises(BadSignature):
        webhook.verify(request, webhook.public_key(VECTOR_KEY.public), NOW_S)
    with pytest.raises(BadSignature):
        webhook.verify(request, webhook.public_key(key.public), NOW_S + 86_400)


async def no_post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    raise AssertionError("nothing is posted here")


class Server:
    """Answers each try with the next status; the last one stays."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.came: list[tuple[str, Any]] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.came.append((url, json.loads(body)))
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    def courier(self) -> Courier:
        return Courier(self.post, lambda: VECTOR_KEY, lambda: float(NOW_S))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "AGAIN_S", 0.0)


@pytest.mark.parametrize(
    ("statuses", "tries", "taken"),
    [
        ((200,), 1, True),
        ((204,), 1, True),
        ((500, 200), 2, True),
        ((0, 429, 200), 3, True),
        ((408, 503, 502), 3, False),
        ((403,), 1, False),
        ((404,), 1, False),
        ((302,), 1, False),
    ],
)
async def test_what_is_not_taken_is_posted_again(statuses: tuple[int, ...], tries: int, taken: bool) -> None:
    """As the same event, counted; a refusal is final."""
    server = Server(*statuses)
    courier = server.courier()
    event = courier.note(leg(), "call.initiated", leg().initiated())
    assert await courier.deliver(event, Address(url=URL)) is taken
    assert [body["meta"]["attempt"] for _, body in server.came] == list(range(1, tries + 1))
    assert {body["data"]["id"] for _, body in server.came} == {event.event_id}


async def test_a_server_that_never_takes_it_has_a_second_address() -> None:
    """It is tried once all else has failed; with no address at all nothing is posted."""
    server = Server(500)
    event = server.courier().note(leg(), "call.initiated", leg().initiated())
    address = Address(url=URL, failover_url="https://second.example.com/")
    assert not await server.courier().deliver(event, address)
    assert [url for url, _ in server.came] == [URL, URL, URL, "https://second.example.com/"]
    assert not await server.courier().deliver(event, Address(url=""))


def test_an_event_is_as_of_when_it_happened() -> None:
    """Whatever becomes of the leg before it is posted."""
    ours, courier = leg(), Courier(no_post, lambda: VECTOR_KEY, lambda: float(NOW_S))
    event = courier.note(ours, "call.initiated", ours.initiated())
    ours.client_state = "bGF0ZXI="
    data = json.loads(event.render(URL, 1))["data"]
    assert (data["record_type"], data["event_type"]) == ("event", "call.initiated")
    assert data["occurred_at"] == "2026-11-21T12:00:00.000000Z"
    assert data["payload"]["client_state"] is None
    assert data["payload"]["direction"] == "incoming"
    assert leg(incoming=False).initiated()["state"] == "bridging"


@pytest.mark.parametrize("cause", HangUpCause)
def test_every_hang_up_has_a_sip_code(cause: HangUpCause) -> None:
    """As Telnyx tells it beside the cause."""
    payload = leg().hung_up(cause, "callee")
    assert payload["sip_hangup_cause"]
    assert (payload["hangup_cause"], payload["hangup_source"]) == (cause.value, "callee")
