"""Webhooks as Telnyx sends them, signed with a key of ours."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from patter_cli.carriers.telnyx import webhook
from patter_cli.contracts.carrier.carrier import CarrierRequest

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
NOW_S = 1795262400
URL = "https://voice.example.com/webhooks/telnyx/voice"
CALL = "v3:TESTcallcontrolid"
OTHER = "v3:another_leg-2"

BODY = (
    b'{"data":{"event_type":"call.initiated","id":"0ccc7b54-4df3-4bca-a65a-3da1ecc777f0",'
    b'"occurred_at":"2026-11-21T12:00:00.000000Z","payload":{"call_control_id":"v3:TESTcallcontrolid",'
    b'"call_leg_id":"11111111-1111-1111-1111-111111111111","call_session_id":"22222222-2222-2222-2222-222222222222",'
    b'"client_state":null,"connection_id":"1494404757140276705","direction":"incoming","from":"+15550100001",'
    b'"state":"parked","to":"+15550100002"},"record_type":"event"},"meta":{"attempt":1,'
    b'"delivered_to":"https://voice.example.com/webhooks/telnyx/voice"}}'
)
"""The body of the vector, which telnyx-python accepts with SIGNATURE at NOW_S."""

SIGNATURE = "8p7+CpByRFHh9KEcW9MH6hVQd1cOsTr1l76lX0cUKmUks0fCbCBFMxB/muvS64+3yCOgcl/ZmAjufbIy9WzEDw=="


def sign(body: bytes, stamp: str = str(NOW_S), key: Ed25519PrivateKey = KEY) -> str:
    return b64encode(key.sign(stamp.encode() + b"|" + body)).decode()


def request(body: bytes, signature: str | None = None, stamp: str = str(NOW_S)) -> CarrierRequest:
    """signature None: the right one; "": none."""
    headers = {webhook.TIMESTAMP: stamp, webhook.SIGNATURE: sign(body, stamp) if signature is None else signature}
    return CarrierRequest(method="POST", url=URL, headers={k: v for k, v in headers.items() if v}, body=body)


def event(kind: str, **payload: Any) -> CarrierRequest:
    """One of a call: CALL's, unless another call_control_id is given."""
    data = {"record_type": "event", "event_type": kind, "id": "e", "payload": {"call_control_id": CALL, **payload}}
    return request(json.dumps({"data": data}).encode())
