"""Twilio's webhooks: signatures by the published vectors, and what each kind of webhook says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli import Twilio
from patter_cli.carriers.twilio.webhook import signature
from patter_cli.contracts.carrier.carrier import (
    Answered,
    BeepHeard,
    CallEnd,
    CarrierFact,
    CarrierRequest,
    Completed,
    MachineDetected,
    RecordingReady,
    Ringing,
    TransferEnded,
)
from patter_cli.core.outcome import AnsweredBy, Direction, TransferOutcome
from patter_cli.errors import BadSignature, MissingCredential, StreamProtocolError
from tests.unit.carriers.twilio.requests import ACCOUNT, CALL, INCOMING, TOKEN, URL, form, get

CLASSIC_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
CLASSIC = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
JSON_BODY = b'{"sid":"CA00000000000000000000000000000001","ok":true}'
JSON_URL = (
    "https://voice.example.com/webhooks/twilio/json"
    "?bodySHA256=0d814bec4a71816b8a21f82ce727a8b4020d91a1a43f7a9318ca00c3210fd617"
)
AMD = {"AccountSid": ACCOUNT, "AnsweredBy": "machine_end_beep", "CallSid": CALL, "MachineDetectionDuration": "4210"}
STREAM_URL = "wss://voice.example.com/ws/twilio/stream"


def in_json(body: bytes = JSON_BODY, url: str = JSON_URL) -> CarrierRequest:
    headers = {"content-type": "application/json", "x-twilio-signature": "DPEdoe6yThH/42U18WyUS3/GNG0="}
    return CarrierRequest(method="POST", url=url, headers=headers, body=body)


VECTORS = {
    "a form": form(INCOMING, signed="yK2bfRayrCqhJCCdpVArTk8jmXs="),
    "signed with the port": form(INCOMING, signed="PrtbQKngsIT+bYIZZWSPVGtUJpA="),
    "configured with the port": form(
        INCOMING, url=URL.replace(".com/", ".com:443/"), signed="yK2bfRayrCqhJCCdpVArTk8jmXs="
    ),
    "GET": get(URL, "zRumLaiu/T7olTHYP3+Pml4mbfA="),
    "unicode, and an empty value": form(
        {**INCOMING, "CallerName": "José Müller", "ForwardedFrom": ""}, signed="ezcqZS0U9tz2qU4CjJIuUsvKgTc="
    ),
    "a name that comes again": form(
        [("a", "2"), ("a", "1"), ("a", "1"), ("b", "x")],
        url="https://voice.example.com/x",
        signed="cH4g+R1NXw7AtpVeaN1sULEsXc0=",
    ),
    "JSON": in_json(),
    "a stream": get(STREAM_URL, "Wnr17eqvE8YUFWz+mHOy4DtnIWQ="),
    "a stream, signed with a slash": get(STREAM_URL, "a2mPLIDV81y5kb1vG0jqkJdG554="),
    "a machine's verdict": form(
        AMD, url="https://voice.example.com/webhooks/twilio/amd", signed="wlip8c8rdoMhGatOSnhri2PIbpU="
    ),
    "how to connect is not signed": form(
        INCOMING, url=f"{URL}#rc=2&ct=3000&rt=8000", signed="yK2bfRayrCqhJCCdpVArTk8jmXs="
    ),
}

TWILIO = Twilio(ACCOUNT, TOKEN)


@pytest.mark.parametrize("request_", VECTORS.values(), ids=VECTORS)
def test_what_twilio_has_signed_is_let_in(request_: CarrierRequest) -> None:
    """Every kind of request that Twilio sends, by signatures that are not of our making."""
    TWILIO.verify(request_, 0.0)
    TWILIO.verify_stream(request_, 0.0)


def test_the_vector_of_the_documentation() -> None:
    """The one that everybody has."""
    Twilio(ACCOUNT, "12345").verify(form(CLASSIC, url=CLASSIC_URL, signed="RSOYDt4T1cUTdK1PDd93/VVr8B8="), 0.0)


@pytest.mark.parametrize("request_", VECTORS.values(), ids=VECTORS)
def test_a_request_with_one_bit_changed_is_refused(request_: CarrierRequest) -> None:
    """In its address, its body or its signature."""
    chance = random.Random(7)
    for altered in mutations(request_, 10_000, chance):
        with pytest.raises(BadSignature):
            TWILIO.verify(altered, 0.0)


def mutations(request: CarrierRequest, count: int, chance: random.Random) -> Iterator[CarrierRequest]:
    """count copies with one bit flipped each. What follows # is not sent, and not signed."""
    url, _, connect = request.url.partition("#")
    parts = [url.encode(), request.headers["x-twilio-signature"].encode(), request.body]
    for _ in range(count):
        which = chance.choices(range(3), [len(each) for each in parts])[0]
        changed = bytearray(parts[which])
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        new = [*parts[:which], bytes(changed), *parts[which + 1 :]]
        new_url = new[0].decode("latin-1") + (f"#{connect}" if connect else "")
        headers = {**request.headers, "x-twilio-signature": new[1].decode("latin-1")}
        yield replace(request, url=new_url, headers=headers, body=new[2])


def test_space_may_be_written_in_both_ways() -> None:
    """+ and %20 are the same field, and so the same signature."""
    signed = form({**INCOMING, "FromCity": "SAN JOSE"})
    assert b"SAN+JOSE" in signed.body
    TWILIO.verify(replace(signed, body=signed.body.replace(b"SAN+JOSE", b"SAN%20JOSE")), 0.0)


def test_both_tokens_are_good_while_one_takes_the_others_place() -> None:
    """A webhook that was signed with the one before is not lost."""
    request = form(INCOMING)
    Twilio(ACCOUNT, "the new one", secondary_auth_token=TOKEN).verify(request, 0.0)
    with pytest.raises(BadSignature):
        Twilio(ACCOUNT, "the new one", secondary_auth_token="another").verify(request, 0.0)


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        (replace(form(INCOMING), headers={"content-type": "application/x-www-form-urlencoded"}), "has no"),
        (form(INCOMING, signed=""), "has no"),
        (form(INCOMING, signed="☎"), "does not fit"),
        (replace(form(INCOMING), url=URL.replace("https", "http")), "does not fit"),
        (replace(form(INCOMING), url=URL.replace("voice.example", "other.example")), "does not fit"),
        (replace(form(INCOMING), url=URL.replace("/voice?", "/voice/?")), "does not fit"),
        (replace(form(INCOMING), url="voice"), "does not fit"),
        (in_json(JSON_BODY + b" "), "not the one"),
        (in_json(url=JSON_URL.partition("?")[0]), "no form"),
        (replace(form(INCOMING), headers={**form(INCOMING).headers, "content-type": "text/plain"}), "no form"),
        (replace(form(INCOMING), body=b"a=%ff"), "cannot be read"),
        (replace(form(INCOMING), body="a=é".encode()), "cannot be read"),
        (form([(f"f{n}", "") for n in range(200_000)]), "cannot be read"),
    ],
)
def test_why_a_request_is_refused_is_said(forged: CarrierRequest, why: str) -> None:
    """For our log; whoever sent it is told nothing."""
    with pytest.raises(BadSignature, match=why):
        TWILIO.verify(forged, 0.0)


def test_the_signature_of_a_get_signs_no_body() -> None:
    """Somebody who has seen a stream's upgrade cannot post with its signature."""
    with pytest.raises(BadSignature):
        TWILIO.verify(replace(VECTORS["GET"], method="POST", body=b'{"CallSid":"x"}'), 0.0)


def test_without_a_token_nothing_can_be_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is the server's fault, and no reason to believe anybody."""
    monkeypatch.delenv("TWILIO_AUTH_TOKEN", raising=False)
    with pytest.raises(MissingCredential, match="TWILIO_AUTH_TOKEN"):
        Twilio().verify(form(INCOMING), 0.0)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    Twilio().verify(form(INCOMING), 0.0)


def test_a_token_is_not_shown() -> None:
    """Neither of them, where a recipe is printed."""
    assert "s3cret" not in repr(Twilio(ACCOUNT, "s3cret-1", secondary_auth_token="s3cret-2"))


def test_a_call_that_comes_in() -> None:
    """Who calls whom, and what came along: the number's own query, and a SIP call's headers."""
    plan = TWILIO.answer(form({**INCOMING, "SipHeader_X-Tier": "gold"}))
    assert plan is not None
    assert (plan.carrier_call_id, plan.caller, plan.callee) == (CALL, "+15550100001", "+15550100002")
    assert (plan.direction, plan.answered) == (Direction.INBOUND, False)
    assert dict(plan.variables) == {"agent": "demo", "Tier": "gold"}
    assert not plan.stream_url


def test_a_call_of_ours_that_was_answered() -> None:
    """The same webhook, as Twilio asks it of a call that we made; with a verdict, if that was waited for."""
    plan = TWILIO.answer(
        form({**INCOMING, "Direction": "outbound-api", "CallStatus": "in-progress", "AnsweredBy": "human"})
    )
    assert plan is not None
    assert (plan.direction, plan.answered) == (Direction.OUTBOUND, True)


@pytest.mark.parametrize(
    ("written", "caller"),
    [
        ("+15550100001", "+15550100001"),
        ("sip:+15550100001@pbx.example.com", "+15550100001"),
        ("anonymous", ""),
        ("", ""),
        ("client:alice", ""),
        ("+266696687", ""),
        ("+7378742833", ""),
        ("+1555\n0100001", ""),
        ("+١٥٥٥٠١٠٠٠٠١", ""),
    ],
)
def test_a_caller_is_a_number_or_nobody(written: str, caller: str) -> None:
    """Withheld numbers have spellings of their own; whatever is no number is not passed on as one."""
    plan = TWILIO.answer(form({**INCOMING, "From": written}))
    assert plan is not None
    assert plan.caller == caller


STATUS = {**INCOMING, "Direction": "outbound-api", "CallbackSource": "call-progress-events", "SequenceNumber": "2"}
RECORDING = {
    "AccountSid": ACCOUNT,
    "CallSid": CALL,
    "RecordingSid": "RE00000000000000000000000000000009",
    "RecordingUrl": "https://elsewhere.example/steals-credentials",
    "RecordingStatus": "completed",
    "RecordingDuration": "17",
}
REPORTS: dict[str, tuple[dict[str, str], tuple[CarrierFact, ...]]] = {
    "queued": ({**STATUS, "CallStatus": "initiated"}, ()),
    "rings": ({**STATUS, "CallStatus": "ringing"}, (Ringing(carrier_call_id=CALL),)),
    "answered": ({**STATUS, "CallStatus": "in-progress"}, (Answered(carrier_call_id=CALL),)),
    "over": (
        {**STATUS, "CallStatus": "completed", "CallDuration": "42"},
        (Completed(carrier_call_id=CALL, how=CallEnd.COMPLETED, duration_s=42),),
    ),
    "over, with a verdict": (
        {**STATUS, "CallStatus": "completed", "CallDuration": "x", "AnsweredBy": "machine_start"},
        (
            MachineDetected(carrier_call_id=CALL, who=AnsweredBy.MACHINE, raw="machine_start"),
            Completed(carrier_call_id=CALL, how=CallEnd.COMPLETED),
        ),
    ),
    "busy": ({**STATUS, "CallStatus": "busy"}, (Completed(carrier_call_id=CALL, how=CallEnd.BUSY),)),
    "no answer": ({**STATUS, "CallStatus": "no-answer"}, (Completed(carrier_call_id=CALL, how=CallEnd.NO_ANSWER),)),
    "failed": ({**STATUS, "CallStatus": "failed"}, (Completed(carrier_call_id=CALL, how=CallEnd.FAILED),)),
    "canceled": ({**STATUS, "CallStatus": "canceled"}, (Completed(carrier_call_id=CALL, how=CallEnd.CANCELED),)),
    "a status of tomorrow": ({**STATUS, "CallStatus": "teleported"}, ()),
    "the end of a call that came in": (
        {**INCOMING, "CallStatus": "completed", "CallDuration": "5"},
        (Completed(carrier_call_id=CALL, how=CallEnd.COMPLETED, duration_s=5),),
    ),
    "human": (
        {**AMD, "AnsweredBy": "human"},
        (MachineDetected(carrier_call_id=CALL, who=AnsweredBy.HUMAN, raw="human"),),
    ),
    "beep": (
        AMD,
        (
            MachineDetected(carrier_call_id=CALL, who=AnsweredBy.MACHINE, greeting_over=True, raw="machine_end_beep"),
            BeepHeard(carrier_call_id=CALL, raw="machine_end_beep"),
        ),
    ),
    "machine, no beep": (
        {**AMD, "AnsweredBy": "machine_end_silence"},
        (MachineDetected(carrier_call_id=CALL, who=AnsweredBy.MACHINE, greeting_over=True, raw="machine_end_silence"),),
    ),
    "fax": ({**AMD, "AnsweredBy": "fax"}, (MachineDetected(carrier_call_id=CALL, who=AnsweredBy.FAX, raw="fax"),)),
    "nobody knows": (
        {**AMD, "AnsweredBy": "unknown"},
        (MachineDetected(carrier_call_id=CALL, who=AnsweredBy.UNKNOWN, raw="unknown"),),
    ),
    "a verdict of tomorrow": ({**AMD, "AnsweredBy": "parrot"}, ()),
    "recorded": (
        RECORDING,
        (
            RecordingReady(
                carrier_call_id=CALL,
                recording_id="RE00000000000000000000000000000009",
                url=f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Recordings/RE00000000000000000000000000000009.wav",
                duration_ms=17_000,
            ),
        ),
    ),
    "recording begun": ({**RECORDING, "RecordingStatus": "in-progress"}, ()),
    "recording with another's id": ({**RECORDING, "RecordingSid": "../Calls"}, ()),
    "put through, and all have hung up": (
        {**INCOMING, "CallStatus": "completed", "DialCallStatus": "completed"},
        (TransferEnded(carrier_call_id=CALL, how=CallEnd.COMPLETED),),
    ),
    "not put through, and gone": (
        {**INCOMING, "CallStatus": "completed", "DialCallStatus": "busy"},
        (TransferEnded(carrier_call_id=CALL, how=CallEnd.BUSY),),
    ),
}


@pytest.mark.parametrize(
    ("told", "returned"),
    [
        ({"DialCallStatus": "busy"}, TransferOutcome.BUSY),
        ({"DialCallStatus": "no-answer"}, TransferOutcome.NO_ANSWER),
        ({"DialCallStatus": "failed"}, TransferOutcome.FAILED),
        ({"DialCallStatus": "canceled"}, TransferOutcome.FAILED),
        ({"DialCallStatus": "something new"}, TransferOutcome.FAILED),
        ({"DialCallStatus": "completed", "DialBridged": "true"}, TransferOutcome.CONNECTED),
        ({"DialCallStatus": "completed", "DialBridged": "false"}, TransferOutcome.DROPPED),
        ({"DialCallStatus": "answered"}, TransferOutcome.CONNECTED),
    ],
)
def test_a_caller_who_comes_back_from_a_transfer_waits(told: dict[str, str], returned: TransferOutcome) -> None:
    """Twilio asks what becomes of them, and says what has become of the transfer."""
    plan = TWILIO.answer(form({**INCOMING, "CallStatus": "in-progress", **told}))
    assert plan is not None
    assert (plan.returned, plan.answered) == (returned, True)


@pytest.mark.parametrize(("said", "returned"), [("dropped", TransferOutcome.DROPPED), ("lost", None), ("", None)])
def test_a_caller_whom_we_have_sent_back_ourselves_waits_too(said: str, returned: TransferOutcome | None) -> None:
    """What became of it is in the address, which Twilio has signed; words that are none of ours are none."""
    url = f"{URL}?call=eyJ0.c2ln&patter_returned={said}"
    plan = TWILIO.answer(form({**INCOMING, "CallStatus": "in-progress"}, url=url))
    assert plan is not None
    assert plan.returned is returned


@pytest.mark.parametrize(("fields", "facts"), REPORTS.values(), ids=REPORTS)
def test_what_a_report_says(fields: dict[str, str], facts: tuple[CarrierFact, ...]) -> None:
    """A report is no call that waits. What is fetched with our credentials is never an address from a report."""
    request = form(fields)
    assert TWILIO.answer(request) is None
    assert TWILIO.read_callback(request) == facts


def test_a_field_that_comes_twice_counts_for_nothing() -> None:
    """The signature knows no order, so whoever repeats a signed request could swap the two."""
    with pytest.raises(StreamProtocolError):
        TWILIO.answer(form([*INCOMING.items(), ("CallSid", CALL.replace("1", "2"))]))


@pytest.mark.parametrize("call_id", ["", "CA1", f"{CALL}\n", f"../{CALL}", "MZ" + CALL[2:], "CA" + "①" * 32])
def test_a_call_has_an_id_of_twilios(call_id: str) -> None:
    """Anything else is refused where it comes in, for it ends up in addresses and logs."""
    with pytest.raises(StreamProtocolError):
        TWILIO.answer(form({**INCOMING, "CallSid": call_id}))
    with pytest.raises(StreamProtocolError):
        TWILIO.read_callback(form({**INCOMING, "CallSid": call_id}))


def test_a_get_has_its_fields_in_the_query() -> None:
    """A number may be set to GET in Twilio's console."""
    url = f"https://voice.example.com/v?CallSid={CALL}&CallStatus=ringing&Direction=inbound&From=&To=%2B15550100002"
    request = get(url, signature(url, TOKEN))
    TWILIO.verify(request, 0.0)
    plan = TWILIO.answer(request)
    assert plan is not None
    assert (plan.callee, dict(plan.variables)) == ("+15550100002", {})


@given(
    method=st.sampled_from(["POST", "GET", "HEAD"]),
    url=st.text(max_size=80),
    content_type=st.sampled_from(["application/x-www-form-urlencoded", "application/json", ""]),
    body=st.binary(max_size=200) | st.text(alphabet="CallSidAnswered=&%0+", max_size=80).map(str.encode),
    signed=st.text(max_size=30),
)
def test_any_request_is_read_or_refused(method: str, url: str, content_type: str, body: bytes, signed: str) -> None:
    """Nothing else is ever raised, and nothing is verified."""
    headers = {"content-type": content_type, "x-twilio-signature": signed}
    request = CarrierRequest(method=method, url=url, headers=headers, body=body)
    with pytest.raises(BadSignature):
        TWILIO.verify(request, 0.0)
    for read in (TWILIO.answer, TWILIO.read_callback):
        try:
            read(request)
        except StreamProtocolError:
            pass
