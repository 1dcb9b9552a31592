"""Telnyx's webhooks: none is believed that Telnyx has not signed just now, and any of them may come at any time."""

from __future__ import annotations

import json
import random
import time
from base64 import b64decode, b64encode
from itertools import permutations
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from telnyx.lib.webhook_verification import WebhookVerificationError, verify_webhook_signature

from patter_cli.carriers.telnyx import webhook
from patter_cli.carriers.telnyx.carrier import Telnyx
from patter_cli.contracts.carrier.carrier import (
    Answered,
    AnswerPlan,
    BeepHeard,
    CallEnd,
    CarrierRequest,
    Completed,
    MachineDetected,
    RecordingReady,
    Ringing,
    TransferConnected,
    TransferEnded,
)
from patter_cli.core.outcome import AnsweredBy, Direction
from patter_cli.errors import BadSetting, BadSignature, MissingCredential, StreamProtocolError
from tests.unit.carriers.telnyx.events import (
    BODY,
    CALL,
    KEY,
    NOW_S,
    OTHER,
    PUBLIC_KEY,
    SIGNATURE,
    event,
    request,
    sign,
)

CARRIER = Telnyx(public_key=PUBLIC_KEY)


def believed(asked: CarrierRequest, now_s: float = NOW_S, carrier: Telnyx = CARRIER) -> bool:
    try:
        carrier.verify(asked, now_s)
    except BadSignature:
        return False
    return True


@pytest.mark.parametrize("now_s", [NOW_S, NOW_S + 300, NOW_S - 300, NOW_S + 0.5])
def test_what_telnyx_signed_is_believed_for_five_minutes(now_s: float) -> None:
    """The vector that Telnyx's own client accepts, at the edges of its window."""
    assert believed(request(BODY, SIGNATURE), now_s)


@pytest.mark.parametrize("now_s", [NOW_S + 300.1, NOW_S + 301, NOW_S - 301, 0, NOW_S * 2])
def test_a_recorded_webhook_is_not_believed_later(now_s: float) -> None:
    """Nor one from the future."""
    assert not believed(request(BODY, SIGNATURE), now_s)


@pytest.mark.parametrize(
    ("body", "signature", "stamp"),
    [
        (BODY + b" ", SIGNATURE, str(NOW_S)),
        (json.dumps(json.loads(BODY)).encode(), SIGNATURE, str(NOW_S)),
        (BODY, SIGNATURE, str(NOW_S + 1)),
        (BODY, SIGNATURE, f"{NOW_S}.0"),
        (BODY, SIGNATURE, f" {NOW_S}"),
        (BODY, SIGNATURE, f"0{NOW_S}"),
        (BODY, SIGNATURE, "١٧٩٥٢٦٢٤٠٠"),
        (BODY, SIGNATURE, "9" * 5000),
        (BODY, SIGNATURE, ""),
        (BODY, "", str(NOW_S)),
        (BODY, SIGNATURE[:-8], str(NOW_S)),
        (BODY, SIGNATURE.rstrip("="), str(NOW_S)),
        (BODY, SIGNATURE.replace("/", "_").replace("+", "-"), str(NOW_S)),
        (BODY, SIGNATURE[:-3] + "x==", str(NOW_S)),
        (BODY, SIGNATURE + "\n", str(NOW_S)),
        (BODY, "ü" * 88, str(NOW_S)),
        (BODY, b64encode(bytes(64)).decode(), str(NOW_S)),
        (BODY, sign(BODY, key=Ed25519PrivateKey.from_private_bytes(bytes(32))), str(NOW_S)),
        (BODY, ",".join([b64encode(bytes(64)).decode()] * 50 + [SIGNATURE]), str(NOW_S)),
    ],
)
def test_anything_else_is_refused(body: bytes, signature: str, stamp: str) -> None:
    """Another byte, another time, no header, a signature cut, of another key, or written another way."""
    assert not believed(request(body, signature, stamp))


def test_one_of_several_signatures_is_enough() -> None:
    """While one key takes another's place; garbage beside them is still garbage."""
    other = sign(BODY, key=Ed25519PrivateKey.from_private_bytes(bytes(32)))
    assert believed(request(BODY, f"{other}, {SIGNATURE}"))
    assert not believed(request(BODY, f"{other},{other}"))
    assert not believed(request(BODY, f"x,{SIGNATURE}"))


def test_no_changed_bit_is_believed() -> None:
    """Ten thousand times one bit of the body, the signature or the time."""
    chance = random.Random(5)
    for _ in range(10_000):
        parts = [bytearray(BODY), bytearray(SIGNATURE, "ascii"), bytearray(str(NOW_S), "ascii")]
        changed = chance.choice(parts)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        body, signature, stamp = (bytes(each) for each in parts)
        assert not believed(request(body, signature.decode("latin-1"), stamp.decode("latin-1") or "x"))


def test_telnyx_own_client_believes_our_signatures() -> None:
    """And what it refuses, we refuse. It has its own clock, so this is signed now."""
    stamp = str(int(time.time()))
    asked = request(BODY, stamp=stamp)
    verify_webhook_signature(asked.body, asked.headers, PUBLIC_KEY)
    assert believed(asked, float(stamp))
    forged = request(BODY.replace(b"+15550100001", b"+15550100009"), asked.headers[webhook.SIGNATURE], stamp)
    with pytest.raises(WebhookVerificationError):
        verify_webhook_signature(forged.body, forged.headers, PUBLIC_KEY)
    assert not believed(forged, float(stamp))


def test_the_public_key_may_be_bare_or_in_der(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the portal shows it or as other programs write it; one that is none says so before anything is believed."""
    der = b64encode(bytes.fromhex("302a300506032b6570032100") + KEY.public_key().public_bytes_raw()).decode()
    assert believed(request(BODY, SIGNATURE), carrier=Telnyx(public_key=der))
    monkeypatch.setenv("TELNYX_PUBLIC_KEY", f" {PUBLIC_KEY}\n")
    assert believed(request(BODY, SIGNATURE), carrier=Telnyx())
    for wrong in ("KEY0123", PUBLIC_KEY[:-4], b64encode(b64decode(der)[::-1]).decode(), "ü"):
        with pytest.raises(BadSetting, match="TELNYX_PUBLIC_KEY"):
            Telnyx(public_key=wrong).verify(request(BODY, SIGNATURE), NOW_S)
    monkeypatch.delenv("TELNYX_PUBLIC_KEY")
    with pytest.raises(MissingCredential, match="TELNYX_PUBLIC_KEY"):
        Telnyx().verify(request(BODY, SIGNATURE), NOW_S)


def test_a_call_that_comes_in_waits_for_its_answer() -> None:
    """Who calls whom is the webhook's word; a SIP call's own headers come along; a number withheld is none."""
    assert CARRIER.answer(request(BODY)) == AnswerPlan(
        carrier_call_id=CALL, caller="+15550100001", callee="+15550100002", direction=Direction.INBOUND
    )
    headers = [{"name": "X-Tier", "value": "gold"}, {"name": "Via", "value": "no"}, {"name": 1}, "x"]
    plan = CARRIER.answer(
        event("call.initiated", direction="incoming", custom_headers=headers, **{"from": "anonymous", "to": "sip:a@b"})
    )
    assert plan is not None
    assert (plan.caller, plan.callee, dict(plan.variables)) == ("", "sip:a@b", {"Tier": "gold"})


def test_a_call_of_ours_wants_its_stream_when_somebody_picks_up() -> None:
    """Told by its client_state. Another leg that is answered, such as a transfer's, is no call of the agent's."""
    dialled = webhook.client_state(webhook.DIALLED, "key")
    numbers = {"from": "+15550100002", "to": "+15550100001"}
    plan = CARRIER.answer(event("call.answered", client_state=dialled, **numbers))
    assert plan is not None
    assert (plan.direction, plan.caller, plan.callee) == (Direction.OUTBOUND, "+15550100002", "+15550100001")
    for state in (None, "", "!", "eyJhIjoxfQ==", webhook.client_state(webhook.TRANSFER, CALL), 7):
        assert CARRIER.answer(event("call.answered", client_state=state, **numbers)) is None
    assert CARRIER.answer(event("call.initiated", direction="outgoing", client_state=dialled)) is None


REPORTS: list[tuple[str, dict[str, Any], tuple[object, ...]]] = [
    ("call.initiated", {"direction": "outgoing", "state": "bridging"}, (Ringing(carrier_call_id=CALL),)),
    ("call.answered", {}, (Answered(carrier_call_id=CALL),)),
    *(
        (kind, {"result": raw}, (MachineDetected(carrier_call_id=CALL, who=who, raw=raw),))
        for kind, raw, who in (
            ("call.machine.detection.ended", "human", AnsweredBy.HUMAN),
            ("call.machine.detection.ended", "machine", AnsweredBy.MACHINE),
            ("call.machine.detection.ended", "not_sure", AnsweredBy.UNKNOWN),
            ("call.machine.premium.detection.ended", "human_residence", AnsweredBy.HUMAN),
            ("call.machine.premium.detection.ended", "human_business", AnsweredBy.HUMAN),
            ("call.machine.premium.detection.ended", "machine", AnsweredBy.MACHINE),
            ("call.machine.premium.detection.ended", "fax_detected", AnsweredBy.FAX),
            ("call.machine.premium.detection.ended", "silence", AnsweredBy.UNKNOWN),
            ("call.machine.premium.detection.ended", "a new word", AnsweredBy.UNKNOWN),
        )
    ),
    *(
        (
            kind,
            {"result": raw},
            (
                MachineDetected(carrier_call_id=CALL, who=AnsweredBy.MACHINE, greeting_over=True, raw=raw),
                *((BeepHeard(carrier_call_id=CALL, raw=raw),) if raw == "beep_detected" else ()),
            ),
        )
        for kind, raw in (
            ("call.machine.greeting.ended", "beep_detected"),
            ("call.machine.greeting.ended", "ended"),
            ("call.machine.premium.greeting.ended", "beep_detected"),
            ("call.machine.premium.greeting.ended", "no_beep_detected"),
            ("call.machine.premium.greeting.ended", "prompt_ended"),
        )
    ),
    *(
        (
            "call.hangup",
            {"hangup_cause": cause, "sip_hangup_cause": sip},
            (Completed(carrier_call_id=CALL, how=how),),
        )
        for cause, sip, how in (
            ("normal_clearing", "200", CallEnd.COMPLETED),
            ("time_limit", "200", CallEnd.COMPLETED),
            ("user_busy", "486", CallEnd.BUSY),
            ("call_rejected", "603", CallEnd.DECLINED),
            ("call_rejected", "486", CallEnd.BUSY),
            ("call_rejected", "403", CallEnd.FAILED),
            ("timeout", "unspecified", CallEnd.NO_ANSWER),
            ("no_answer", "480", CallEnd.NO_ANSWER),
            ("originator_cancel", "487", CallEnd.CANCELED),
            ("not_found", "404", CallEnd.FAILED),
            ("unspecified", "unspecified", CallEnd.FAILED),
            ("a new cause", "200", CallEnd.COMPLETED),
            (None, None, CallEnd.FAILED),
        )
    ),
    *(
        (kind, {}, ())
        for kind in (
            "call.bridged",
            "call.dtmf.received",
            "streaming.started",
            "streaming.stopped",
            "streaming.failed",
            "call.speak.ended",
            "call.playback.ended",
            "call.recording.error",
            "call.cost",
            "call.machine.premium.detection.started",
            "call.of.tomorrow",
        )
    ),
]


@pytest.mark.parametrize(("kind", "payload", "facts"), REPORTS)
def test_what_a_webhook_reports(kind: str, payload: dict[str, Any], facts: tuple[object, ...]) -> None:
    """Telnyx's words in ours; a key is told by the stream already, and what we do not know tells nothing."""
    assert CARRIER.read_callback(event(kind, **payload)) == facts


def test_reports_mean_the_same_in_any_order_and_twice() -> None:
    """Nothing is remembered between them: whoever gets them may be any process of ours."""
    kinds = ["call.hangup", "call.answered", "call.machine.premium.greeting.ended", "call.initiated"]
    alone = {kind: CARRIER.read_callback(event(kind, result="beep_detected", direction="outgoing")) for kind in kinds}
    for order in permutations(kinds):
        for kind in (*order, *order):
            told = CARRIER.read_callback(event(kind, result="beep_detected", direction="outgoing"))
            assert told == alone[kind]


def test_a_transfers_leg_speaks_of_its_caller() -> None:
    """It has an id of its own, and rings, answers and hangs up without being a call of ours."""
    state = webhook.client_state(webhook.TRANSFER, CALL)

    def told(kind: str, **payload: Any) -> tuple[object, ...]:
        return CARRIER.read_callback(event(kind, call_control_id=OTHER, client_state=state, **payload))

    assert told("call.initiated", direction="outgoing") == ()
    assert told("call.answered") == told("call.bridged") == (TransferConnected(carrier_call_id=CALL),)
    assert told("call.hangup", hangup_cause="user_busy") == (TransferEnded(carrier_call_id=CALL, how=CallEnd.BUSY),)
    assert told("call.machine.premium.detection.ended", result="machine") == ()
    forged = webhook.client_state(webhook.TRANSFER, "../../calls")
    assert CARRIER.read_callback(event("call.hangup", client_state=forged)) == ()


def test_a_recording_is_matched_by_what_we_gave_its_call() -> None:
    """Telnyx does not promise to say whose it is. Its address is taken only where it is a safe one."""
    payload = {
        "channels": "dual",
        "recording_started_at": "2026-11-21T12:00:00.500000Z",
        "recording_ended_at": "2026-11-21T12:00:07.000000Z",
        "recording_urls": {"mp3": "https://s3.example.com/a.mp3", "wav": "https://s3.example.com/a.wav?sig=x"},
    }
    mine = webhook.client_state(webhook.RECORDED, CALL)
    (ready,) = CARRIER.read_callback(event("call.recording.saved", call_control_id=None, client_state=mine, **payload))
    assert ready == RecordingReady(
        carrier_call_id=CALL, recording_id="", url="https://s3.example.com/a.wav?sig=x", duration_ms=6500
    )
    assert CARRIER.read_callback(event("call.recording.saved", call_control_id=None, **payload)) == ()
    odd = {"recording_urls": {"wav": "http://10.0.0.1/"}, "recording_started_at": "yesterday", "recording_id": "r-1"}
    (ready,) = CARRIER.read_callback(event("call.recording.saved", **odd))
    assert ready == RecordingReady(carrier_call_id=CALL, recording_id="r-1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff",
        b"[1, 2]",
        b"7",
        b"null",
        b"[" * 100_000,
        b'{"data": []}',
        b'{"data": {"payload": {}}}',
        b'{"data": {"event_type": 7}}',
        b'{"data": {"event_type": "call.hangup", "payload": []}}',
        b'{"event_type": "call_initiated", "payload": {}}',
        b'{"data": {"event_type": "call.hangup", "payload": {"call_control_id": 7}}}',
        b'{"data": {"event_type": "call.hangup", "payload": {"call_control_id": "v3:../../x"}}}',
        b'{"data": {"event_type": "call.initiated", "payload": {"direction": "incoming"}}}',
    ],
)
def test_what_is_no_event_cannot_be_read(body: bytes) -> None:
    """Also API version 1, whose envelope is another."""
    with pytest.raises(StreamProtocolError):
        CARRIER.answer(request(body))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = (
    "call_control_id client_state direction from to result custom_headers hangup_cause recording_urls "
    "recording_started_at recording_ended_at recording_id"
).split()


@given(
    st.sampled_from([kind for kind, _, _ in REPORTS] + ["call.recording.saved"]),
    st.dictionaries(st.sampled_from(_FIELDS), _JSON | st.just(CALL)),
)
def test_no_payload_breaks_the_reader(kind: str, payload: dict[str, Any]) -> None:
    """Any value in any field: facts, a plan, or a StreamProtocolError."""
    asked = event(kind, **payload)
    try:
        CARRIER.answer(asked)
        CARRIER.read_callback(asked)
    except StreamProtocolError:
        pass
