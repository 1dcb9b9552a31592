"""Who calls whom, by the UUID that the dialplan made; and where a secret is needed."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli import Asterisk
from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.contracts.carrier.carrier import CallHandle, CarrierRequest, OutboundCall
from patter_cli.contracts.carrier.direct import DirectCarrier
from patter_cli.contracts.carrier.stream import StreamStarted
from patter_cli.errors import BadSetting, BadSignature, CallRejected

SECRET = "0123456789abcdef"


def started(call_id: str) -> StreamStarted:
    text = str(uuid.UUID(call_id))
    return StreamStarted(stream_id=text, call_id=text, format=AudioFormat(encoding=Encoding.L16_LE, rate_hz=8000))


@pytest.mark.parametrize(
    ("call_id", "caller", "callee"),
    [
        ("00000155-5010-0001-0000-015550100002", "+15550100001", "+15550100002"),
        ("00000000-0000-0101-0000-000000000200", "101", "200"),
        ("00000000-0000-0000-0000-015550100002", "", "+15550100002"),
        ("09999999-9999-9999-0999-999999999999", "+999999999999999", "+999999999999999"),
        ("4b2a4c8e-1d3f-4a6b-9c7d-0e1f2a3b4c5d", "", ""),
        ("11111111-1111-4111-8111-111111111111", "", ""),
        ("00000155-5010-0001-8000-015550100002", "", ""),
    ],
)
def test_the_dialplan_says_who_calls_whom(call_id: str, caller: str, callee: str) -> None:
    """Long numbers are the world's, short ones the house's; a UUID that says nothing of it is a call all the same."""
    plan = Asterisk().incoming(started(call_id))
    assert (plan.caller, plan.callee, plan.carrier_call_id) == (caller, callee, call_id)


@given(st.uuids(version=4))
def test_a_random_uuid_is_never_taken_for_numbers(call_id: uuid.UUID) -> None:
    """Whatever its digits are."""
    plan = Asterisk().incoming(started(str(call_id)))
    assert (plan.caller, plan.callee) == ("", "")


def test_a_secret_lets_in_who_knows_it() -> None:
    """It is not written down with the call; who was called is known, who calls is not."""
    plan = Asterisk(secret=SECRET.upper()).incoming(started(SECRET + "0000015550100002"))
    assert (plan.caller, plan.callee) == ("", "+15550100002")
    assert SECRET not in repr(plan)
    assert SECRET not in repr(Asterisk(secret=SECRET))


@pytest.mark.parametrize("first", ["0123456789abcdee", "0000015550100001", "1123456789abcdef", "fedcba9876543210"])
def test_a_stranger_who_does_not(first: str) -> None:
    """One digit is enough to be refused."""
    with pytest.raises(BadSignature, match="secret"):
        Asterisk(secret=SECRET).incoming(started(first + "0000015550100002"))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"port": 70_000}, "1 to 65535"),
        ({"port": -1}, "1 to 65535"),
        ({"port": "9092"}, "1 to 65535"),
        ({"rate_hz": 44_100}, "8000, 16000"),
        ({"secret": "short"}, "openssl rand -hex 8"),
        ({"secret": "g" * 16}, "openssl rand -hex 8"),
        ({"host": "0.0.0.0"}, "secret="),
        ({"host": "::"}, "secret="),
        ({"host": "pbx.internal"}, "secret="),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, object], hint: str) -> None:
    """Found when it is made, with what to do about it."""
    with pytest.raises(BadSetting) as refused:
        Asterisk(**wrong)  # type: ignore[arg-type]
    assert refused.value.hint is not None
    assert hint in refused.value.hint


def test_where_no_secret_is_needed() -> None:
    """This machine, by any of its names; and anywhere with one."""
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        assert Asterisk(host=host).host == host
    assert Asterisk(host="10.0.0.5", secret=SECRET).host == "10.0.0.5"


async def test_what_it_cannot_do_it_says() -> None:
    """Each with the way that there is; to hang up, or to stop what does not run, is fine."""
    carrier = Asterisk()
    assert isinstance(carrier, DirectCarrier)
    control = carrier.control(CallHandle(carrier_call_id="1"))
    await control.hang_up()
    await control.stop_recording()
    await carrier.restore("")
    call = OutboundCall(to="+1", from_number="+1", answer_url="", callback_url="")
    for refused in (
        control.transfer("+15550100003"),
        control.send_digits("1"),
        control.start_recording(),
        carrier.place(call),
        carrier.attach("+15550100002", ""),
    ):
        with pytest.raises(CallRejected, match="over AudioSocket") as why:
            await refused
        assert why.value.hint


def test_it_sends_no_webhooks() -> None:
    """Whoever says so is not it."""
    request = CarrierRequest(method="POST", url="", headers={}, body=b"")
    with pytest.raises(BadSignature):
        Asterisk().verify(request, 0.0)
    assert Asterisk().answer(request) is None
    assert Asterisk().read_callback(request) == ()
