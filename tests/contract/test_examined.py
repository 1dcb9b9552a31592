"""Accounts, clocks, numbers and signatures of both carriers, looked at over real sockets as `patter doctor` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from patter_cli import Telnyx, Twilio
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.doctor.carriers import account_check, number_check, signature_check
from patter_cli.doctor.findings import Check, Finding, Status, run_checks
from tests.contract.twilio_api import ACCOUNT, HANG_UP, TOKEN, twilio_api
from tests.e2e.telnyx_api import Answer, refusal, telnyx_api

NUMBER = "+15550100001"
APPLICATION = "1293384261075731499"
KEY = "KEY-of-a-test-0123456789"
PUBLIC_KEY = "6qQYBxQ4VrZ4Cm6/Yg9hMJ5h+q8vXwB2gXk0O0ToKkQ="
HOST = "phone.example"


async def findings(check: Check) -> list[Finding]:
    return await run_checks([check])


def telnyx(base_url: str, public_key: str = PUBLIC_KEY) -> Telnyx:
    return Telnyx(KEY, APPLICATION, public_key, base_url=base_url)


def dated(ago: timedelta) -> str:
    return format_datetime(datetime.now(UTC) - ago, usegmt=True)


async def test_a_twilio_account_and_its_clock() -> None:
    """One GET shows what it is called, that it is active, and that our clock is right."""
    seen = {"friendly_name": "Acme", "status": "active", "type": "Full"}
    async with twilio_api((200, seen)) as api:
        account, clock = await findings(account_check(api.carrier, []))
        assert (account.status, account.detail) == (Status.OK, "Acme, active")
        assert (clock.name, clock.status) == ("twilio.clock", Status.OK)
        assert [(each.method, each.path) for each in api.asked] == [("GET", f"/2010-04-01/Accounts/{ACCOUNT}.json")]


@pytest.mark.parametrize(
    ("answer", "words", "fix"),
    [
        ((401, {"code": 20003, "message": "Authenticate"}), "does not accept the account's credentials", "AUTH_TOKEN"),
        ((200, {"friendly_name": "Acme", "status": "suspended"}), "Acme, suspended", "look at the account"),
        ((200, {"friendly_name": "Acme", "status": "closed", "type": "Trial"}), "trial, closed", ""),
    ],
)
async def test_a_twilio_account_that_makes_no_calls(answer: Any, words: str, fix: str) -> None:
    """Refused, suspended, closed: missing, with what to do."""
    async with twilio_api(answer) as api:
        found = (await findings(account_check(api.carrier, [])))[0]
        assert found.status is Status.MISSING
        assert words in found.detail
        assert fix in found.fix


async def test_a_carrier_that_does_not_answer() -> None:
    """Told as that; nothing about keys is claimed."""
    async with twilio_api(HANG_UP, HANG_UP, HANG_UP) as api:
        (found,) = await findings(account_check(api.carrier, []))
        assert found.status is Status.MISSING
        assert "Twilio does not answer" in found.detail
        assert found.fix == "see whether this machine is on the network: patter doctor"


@pytest.mark.parametrize(("ahead_s", "word"), [(400, "ahead"), (-400, "behind")])
async def test_a_clock_that_is_wrong(ahead_s: int, word: str) -> None:
    """By the carrier's Date header, on both carriers; and how to set it."""
    async with twilio_api((200, {"status": "active"})) as api:
        api.clock = lambda: datetime.now(UTC) - timedelta(seconds=ahead_s)
        _, clock = await findings(account_check(api.carrier, []))
        assert clock.status is Status.MISSING
        assert word in clock.detail
        assert "timedatectl" in clock.fix
    async with telnyx_api() as other:
        date = dated(timedelta(seconds=ahead_s))
        shown = {"data": {"application_name": "Calls", "active": True}}
        other.will(f"GET /call_control_applications/{APPLICATION}", Answer(body=shown, headers={"date": date}))
        account, clock = await findings(account_check(telnyx(other.base_url), []))
        assert (account.status, clock.status) == (Status.OK, Status.MISSING)
        assert word in clock.detail


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (Answer(body={"data": {"application_name": "Calls", "active": True}}), Status.OK, "application Calls, active"),
        (Answer(body={"data": {"application_name": "C", "active": False}}), Status.MISSING, "inactive"),
        (Answer(body={"data": {"webhook_api_version": "1"}}), Status.MISSING, "version 1"),
        (refusal(401, "10009"), Status.MISSING, "does not accept the key"),
        (refusal(404, "10005"), Status.MISSING, "TELNYX_CONNECTION_ID is no Call Control Application"),
    ],
)
async def test_a_telnyx_account(answer: Answer, status: Status, words: str) -> None:
    """Key and application, by one GET of the application."""
    async with telnyx_api() as api:
        api.will(f"GET /call_control_applications/{APPLICATION}", answer)
        found = (await findings(account_check(telnyx(api.base_url), [])))[0]
        assert (found.status, words in found.detail) == (status, True), found
        assert len(api.asked) == 1


async def test_half_of_the_keys() -> None:
    """Named, and nobody is asked."""
    async with twilio_api() as api:
        (found,) = await findings(account_check(api.carrier, ["TWILIO_AUTH_TOKEN"]))
        assert (found.status, found.detail) == (Status.MISSING, "TWILIO_AUTH_TOKEN not set")
        assert api.asked == []


def row(**changed: Any) -> dict[str, Any]:
    ours = f"https://{HOST}/webhooks/twilio/voice"
    return {"incoming_phone_numbers": [{"phone_number": NUMBER, "sid": "PN1", "voice_url": ours, **changed}]}


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (row(), Status.OK, f"points at https://{HOST}/webhooks/twilio/voice"),
        (row(voice_url="https://demo.twilio.com/welcome"), Status.MISSING, "demo.twilio.com"),
        (row(voice_url=f"https://{HOST}/else"), Status.MISSING, "/else"),
        (row(voice_url=f"http://{HOST}/webhooks/twilio/voice"), Status.MISSING, "in the clear"),
        (row(voice_url=""), Status.MISSING, "points nowhere"),
        (row(trunk_sid="TK1"), Status.MISSING, "taken by a trunk"),
        (row(voice_application_sid="AP1"), Status.MISSING, "taken by a TwiML App"),
        ({"incoming_phone_numbers": []}, Status.MISSING, "is no number of twilio's account"),
    ],
)
async def test_where_a_twilio_number_points(answer: Any, status: Status, words: str) -> None:
    """Here, or elsewhere with the one command that mends it."""
    async with twilio_api((200, answer)) as api:
        (found,) = await findings(number_check(NUMBER, {"twilio": api.carrier}, HOST))
        assert (found.status, words in found.detail) == (status, True), found
        assert status is Status.OK or NUMBER in found.fix or "PHONE_NUMBER" in found.fix


@pytest.mark.parametrize(
    ("connection", "url", "status", "words"),
    [
        (APPLICATION, f"https://{HOST}/webhooks/telnyx/voice", Status.OK, f"points at https://{HOST}"),
        (APPLICATION, "https://old.example/hook", Status.MISSING, "old.example"),
        ("77", "", Status.MISSING, "another connection (Trunk)"),
    ],
)
async def test_where_a_telnyx_number_points(connection: str, url: str, status: Status, words: str) -> None:
    """By way of our application, or past it."""
    async with telnyx_api() as api:
        number = {"id": "1", "phone_number": NUMBER, "connection_id": connection, "connection_name": "Trunk"}
        api.will("GET /phone_numbers", Answer(body={"data": [number]}))
        api.resources[f"/call_control_applications/{APPLICATION}"] = {"webhook_event_url": url}
        (found,) = await findings(number_check(NUMBER, {"telnyx": telnyx(api.base_url)}, HOST))
        assert (found.status, words in found.detail) == (status, True), found


async def test_a_number_is_looked_for_at_every_carrier() -> None:
    """It is enough that one of them has it; no public address is nothing to mend."""
    async with twilio_api((200, {"incoming_phone_numbers": []})) as api, telnyx_api() as other:
        other.will(
            "GET /phone_numbers", Answer(body={"data": [{"id": "1", "phone_number": NUMBER, "connection_id": "7"}]})
        )
        both: dict[str, Carrier] = {"twilio": api.carrier, "telnyx": telnyx(other.base_url)}
        (found,) = await findings(number_check(NUMBER, both, HOST))
        assert f"{NUMBER} of telnyx" in found.detail
    async with twilio_api((200, row(voice_url="https://old.example"))) as api:
        (found,) = await findings(number_check(NUMBER, {"twilio": api.carrier}, ""))
        assert (found.status, "old.example" in found.detail) == (Status.OFF, True)
    (found,) = await findings(number_check("", {}, HOST))
    assert found.status is Status.OFF


@pytest.mark.parametrize(
    ("make", "status", "words"),
    [
        (lambda: Twilio(ACCOUNT, TOKEN), Status.OK, "what the carrier signs is taken"),
        (lambda: telnyx("http://127.0.0.1:9"), Status.OK, "the key can be read"),
        (lambda: telnyx("http://127.0.0.1:9", "not a key"), Status.MISSING, "TELNYX_PUBLIC_KEY is no Ed25519 key"),
    ],
)
async def test_signatures_are_tried(make: Callable[[], Carrier], status: Status, words: str) -> None:
    """On our own side, with the reason where they could not be checked."""
    (found,) = await findings(signature_check(make()))
    assert (found.status, words in found.detail) == (status, True), found


def test_twilio_signs_as_the_documents_have_it() -> None:
    """What `sign` gives is what `verify` takes, and one letter more is not."""
    from patter_cli.doctor.carriers import report
    from patter_cli.errors import BadSignature

    carrier, request = Twilio(ACCOUNT, TOKEN), report("twilio", f"https://{HOST}")
    signed = replace(request, headers={**request.headers, **carrier.sign(request)})
    carrier.verify(signed, 0)
    with pytest.raises(BadSignature):
        carrier.verify(replace(signed, body=signed.body + b"1"), 0)
