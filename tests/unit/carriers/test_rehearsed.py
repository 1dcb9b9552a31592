"""The webhooks that we write are read by our own readers as what they are meant to tell."""

from __future__ import annotations

from typing import Any

import pytest

from patter_cli import Telnyx, Twilio
from patter_cli.contracts.carrier.carrier import (
    Answered,
    BeepHeard,
    CallEnd,
    CarrierRequest,
    Completed,
    MachineDetected,
    RecordingReady,
    Ringing,
)
from patter_cli.contracts.carrier.rehearsed import Happening, Sketch, WrittenWebhook
from patter_cli.core.outcome import AnsweredBy, Direction

NOW_S = 1_795_000_000.0
CALLER, CALLEE = "+15550100002", "+15550100001"
CARRIERS: dict[str, Any] = {"twilio": Twilio("AC" + "1" * 32, "t"), "telnyx": Telnyx("k", "7", None)}
IDS = {"twilio": "CA00000000000000000000000000000001", "telnyx": "v3:TESTcallcontrolid"}
REPORTS: dict[Happening, Any] = {
    Happening.RINGING: Ringing,
    Happening.ANSWERED: Answered,
    Happening.COMPLETED: CallEnd.COMPLETED,
    Happening.BUSY: CallEnd.BUSY,
    Happening.NO_ANSWER: CallEnd.NO_ANSWER,
    Happening.FAILED: CallEnd.FAILED,
    Happening.CANCELED: CallEnd.CANCELED,
    Happening.HUMAN: AnsweredBy.HUMAN,
    Happening.MACHINE: AnsweredBy.MACHINE,
    Happening.FAX: AnsweredBy.FAX,
    Happening.BEEP: BeepHeard,
    Happening.RECORDING: RecordingReady,
}


def written(carrier: str, happening: Happening, **values: str) -> WrittenWebhook:
    made: WrittenWebhook = CARRIERS[carrier].write_webhook(
        Sketch(
            happening=happening,
            carrier_call_id=IDS[carrier],
            caller=CALLER,
            callee=CALLEE,
            values=values,
            now_s=NOW_S,
        )
    )
    return made


def posted(webhook: WrittenWebhook) -> CarrierRequest:
    return CarrierRequest(
        method="POST",
        url=f"https://phone.example/webhooks/x/{webhook.kind}",
        headers={"content-type": webhook.content_type},
        body=webhook.body.encode(),
    )


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("happening", REPORTS)
def test_a_report_is_read_as_what_it_says(carrier: str, happening: Happening) -> None:
    """No call waits in it, and the last fact in it is the one that was meant, of the call that was meant."""
    request = posted(written(carrier, happening))
    assert CARRIERS[carrier].answer(request) is None
    fact = CARRIERS[carrier].read_callback(request)[-1]
    assert fact.carrier_call_id == IDS[carrier]
    match REPORTS[happening]:
        case CallEnd() as how:
            assert isinstance(fact, Completed)
            assert fact.how is how
        case AnsweredBy() as who:
            assert isinstance(fact, MachineDetected)
            assert fact.who is who
        case kind:
            assert isinstance(fact, kind)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_call_waits(carrier: str) -> None:
    """From and to whom it was meant to be, of an id that nobody knows if none was given."""
    plan = CARRIERS[carrier].answer(posted(written(carrier, Happening.CALL)))
    assert (plan.caller, plan.callee, plan.direction) == (CALLER, CALLEE, Direction.INBOUND)
    assert plan.carrier_call_id == IDS[carrier]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("happening", [each for each in Happening if each is not Happening.KEY])
def test_what_was_written_is_known_again(carrier: str, happening: Happening) -> None:
    """As it was posted; and by no other carrier."""
    made = written(carrier, happening)
    for name, each in CARRIERS.items():
        again = each.rewrite_webhook(made.body)
        assert (again is not None) is (name == carrier)
        assert again is None or posted(again).body == posted(made).body
        assert again is None or (again.kind == "voice") is (happening is Happening.CALL or carrier == "telnyx")


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    "kept", [None, 7, [], {}, "", "[", "a=b", {"CallSid": 7}, {"data": 7}, {"data": {"event_type": 7}}]
)
def test_what_is_no_webhook_is_none(carrier: str, kept: object) -> None:
    """Whatever stands in a file."""
    assert CARRIERS[carrier].rewrite_webhook(kept) is None


def test_a_field_is_set_as_the_carrier_calls_it() -> None:
    """In place of ours, or beside them."""
    fact = CARRIERS["twilio"].read_callback(posted(written("twilio", Happening.COMPLETED, CallStatus="busy")))[-1]
    assert fact.how is CallEnd.BUSY
    fact = CARRIERS["telnyx"].read_callback(posted(written("telnyx", Happening.HUMAN, result="machine")))[-1]
    assert fact.who is AnsweredBy.MACHINE
