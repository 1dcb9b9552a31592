"""Twilio's own client, as the referee of the lab's Twilio: it asks it, and it judges what it signs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import Connect, Dial, Start, VoiceResponse

from patter_cli.testing.lab.call import By, Ending
from patter_cli.testing.lab.people import HUMAN, NOBODY, Pause
from patter_cli.testing.lab.twilio.lab import NUMBER, TwilioLab
from patter_cli.testing.lab.twilio.signing import sign
from patter_cli.testing.lab.twilio.twiml import read_document
from tests.lab import Office, quick, until

Value = TypeVar("Value")

TO = "+12025550101"
QUIET = replace(HUMAN, picks_up_ms=20, steps=(Pause(60_000),))


class _ToTheLab(HttpClient):
    """The client's requests, to the lab's address in place of api.twilio.com."""

    def __init__(self, base_url: str) -> None:
        super().__init__(None, False, None)
        self._base_url = base_url

    def request(self, method: str, url: str, params: Any = None, data: Any = None, **more: Any) -> Response:  # type: ignore[override]
        data = {name: value for name, value in (data or {}).items() if value is not None}
        reply = httpx.request(
            method,
            url.replace("https://api.twilio.com", self._base_url),
            params=params,
            data=data or None,
            headers=more.get("headers"),
            auth=more.get("auth"),
        )
        return Response(reply.status_code, reply.text, reply.headers)


class Desk:
    """The client, off the loop that the lab runs on."""

    def __init__(self, lab: TwilioLab, token: str = "") -> None:
        self._client = Client(lab.account_sid, token or lab.auth_token, http_client=_ToTheLab(lab.base_url))

    async def ask(self, what: Callable[[Client], Value]) -> Value:
        return await asyncio.to_thread(what, self._client)


@asynccontextmanager
async def desk(**settings: Any) -> AsyncIterator[tuple[TwilioLab, Desk, Office]]:
    async with (
        Office() as office,
        quick(TwilioLab, office.port, people={TO: QUIET, "+12025550109": NOBODY}, **settings) as lab,
    ):
        yield lab, Desk(lab), office


async def test_it_makes_changes_and_fetches_a_call() -> None:
    """With every field that it has for a call; and it reads what the lab answers."""
    async with desk() as (_, client, office):
        office.says("/voice", "<Response><Pause length='20'/></Response>")
        made = await client.ask(
            lambda c: c.calls.create(
                to=TO,
                from_=NUMBER,
                url="https://phone.example/voice?a=1&b=%20",
                method="POST",
                fallback_url="https://phone.example/fallback",
                status_callback="https://phone.example/status",
                status_callback_event=["initiated", "ringing", "answered", "completed"],
                status_callback_method="POST",
                timeout=25,
                time_limit=600,
                record=True,
                recording_channels="dual",
                recording_status_callback="https://phone.example/recorded",
                recording_status_callback_event=["in-progress", "completed"],
                machine_detection="DetectMessageEnd",
                async_amd="true",
                async_amd_status_callback="https://phone.example/amd",
                machine_detection_timeout=20,
                machine_detection_silence_timeout=2000,
                call_reason="a test",
                trim="do-not-trim",
            )
        )
        assert (made.status, made.to, made._from, made.direction) == ("queued", TO, NUMBER, "outbound-api")
        await until(lambda: office.posted("/amd"))
        now = await client.ask(lambda c: c.calls(made.sid).fetch())
        assert (now.status, now.answered_by) == ("in-progress", "unknown")
        changed = await client.ask(lambda c: c.calls(made.sid).update(twiml="<Response><Pause length='9'/></Response>"))
        assert changed.sid == made.sid
        over = await client.ask(lambda c: c.calls(made.sid).update(status="completed"))
        assert over.status == "completed"
        with pytest.raises(TwilioRestException) as caught:
            await client.ask(lambda c: c.calls(made.sid).update(status="completed"))
        assert caught.value.code == 21220
        await until(lambda: len(office.posted("/recorded")) == 2)
        await until(lambda: len(office.posted("/status")) == 4)
        assert [each["CallStatus"] for each in office.posted("/status")] == [
            "initiated",
            "ringing",
            "in-progress",
            "completed",
        ]


async def test_its_validator_takes_everything_that_the_lab_posts() -> None:
    """Voice, status, detection and recording, posted and fetched, with the address that was given."""
    async with desk() as (lab, client, office):
        again = "<Redirect method='GET'>https://phone.example/voice?n=2</Redirect>"
        office.says("/voice", f"<Response><Pause length='1'/>{again}</Response>")
        await client.ask(
            lambda c: c.calls.create(
                to=TO,
                from_=NUMBER,
                url="https://phone.example/voice?a=1&b=%20#rc=2&ct=3000",
                status_callback="https://phone.example/status?x=é",
                machine_detection="Enable",
                machine_detection_silence_timeout=2000,
                async_amd="true",
                async_amd_status_callback="https://phone.example/amd",
            )
        )
        await until(lambda: office.posted("/amd"))
        await until(lambda: any("n=2" in each.query for each in office.got))
        lab.live()[0].end(Ending.COMPLETED, By.PERSON)
        await until(lambda: office.posted("/status"))
        validator = RequestValidator(lab.auth_token)
        assert len(lab.posted) >= 4
        for each in lab.posted:
            fields = dict(parse_qsl(each.body.decode(), keep_blank_values=True))
            assert validator.validate(each.url, fields, each.headers["X-Twilio-Signature"])
            assert not RequestValidator("another").validate(each.url, fields, each.headers["X-Twilio-Signature"])


def test_its_validator_takes_the_signature_of_a_stream() -> None:
    """It is of the address alone."""
    url = "wss://phone.example/ws/twilio/stream/eyJ0.c2ln"
    assert RequestValidator("token").validate(url, {}, sign(url, (), "token"))


async def test_it_lists_calls_page_by_page() -> None:
    """The newest first, and by whom they are to."""
    async with desk() as (_, client, office):
        office.says("/voice", "<Response><Pause length='20'/></Response>")
        made = [
            (
                await client.ask(
                    lambda c, to=to: c.calls.create(to=to, from_=NUMBER, url="https://phone.example/voice")
                )
            ).sid
            for to in (TO, "+12025550109", TO, TO)
        ]
        found = await client.ask(lambda c: c.calls.list(to=TO, page_size=2))
        assert [each.sid for each in found] == [made[3], made[2], made[0]]
        assert len(await client.ask(lambda c: c.calls.list(limit=2))) == 2


async def test_it_sets_up_a_number() -> None:
    """Found by its digits, changed field by field, cleared with nothing."""
    async with desk() as (_, client, _office):
        (found,) = await client.ask(lambda c: c.incoming_phone_numbers.list(phone_number=NUMBER))
        changed = await client.ask(
            lambda c: c.incoming_phone_numbers(found.sid).update(
                voice_url="https://phone.example/voice",
                voice_method="POST",
                voice_application_sid="",
                trunk_sid="",
                status_callback="https://phone.example/status",
            )
        )
        assert (changed.voice_url, changed.voice_application_sid) == ("https://phone.example/voice", None)
        assert (await client.ask(lambda c: c.incoming_phone_numbers(found.sid).fetch())).voice_url == changed.voice_url
        assert await client.ask(lambda c: c.incoming_phone_numbers.list(phone_number="+12025550155")) == []


async def test_it_records_a_call() -> None:
    """Starts, pauses, goes on, stops, lists, fetches and deletes."""
    async with desk() as (lab, client, office):
        office.says("/voice", "<Response><Pause length='20'/></Response>")
        made = await client.ask(lambda c: c.calls.create(to=TO, from_=NUMBER, url="https://phone.example/voice"))
        with pytest.raises(TwilioRestException) as caught:
            await client.ask(lambda c: c.calls(made.sid).recordings("Twilio.CURRENT").update(status="stopped"))
        assert caught.value.status == 404
        await until(lambda: lab.calls[made.sid].line is not None)
        started = await client.ask(lambda c: c.calls(made.sid).recordings.create(recording_channels="dual"))
        for status in ("paused", "in-progress", "stopped"):
            now = await client.ask(
                lambda c, status=status: c.calls(made.sid).recordings("Twilio.CURRENT").update(status=status)
            )
        assert (now.sid, now.status, now.channels) == (started.sid, "completed", 2)
        assert [each.sid for each in await client.ask(lambda c: c.recordings.list(call_sid=made.sid))] == [started.sid]
        assert (await client.ask(lambda c: c.recordings(started.sid).fetch())).source == "StartCallRecordingAPI"
        assert await client.ask(lambda c: c.recordings(started.sid).delete())
        with pytest.raises(TwilioRestException):
            await client.ask(lambda c: c.recordings(started.sid).fetch())


async def test_it_sees_who_is_in_a_conference_and_ends_it() -> None:
    """By the room's name; mutes one, throws one out, and finds nobody there afterwards. The document is its own."""
    document = VoiceResponse()
    dial = Dial(time_limit=600)
    dial.conference(
        "desk",
        muted=False,
        beep="onEnter",
        start_conference_on_enter=True,
        end_conference_on_exit=False,
        wait_url="",
        wait_method="GET",
        max_participants=3,
        participant_label="",
    )
    document.append(dial)
    document.pause(20)
    async with desk() as (lab, client, office):
        office.says("/voice", str(document))
        calls = [
            await client.ask(lambda c: c.calls.create(to=TO, from_=NUMBER, url="https://phone.example/voice"))
            for _ in range(3)
        ]
        await until(lambda: len(lab.conferences) == 1 and len(next(iter(lab.conferences.values())).participants) == 3)
        assert lab.warnings == []
        (room,) = await client.ask(lambda c: c.conferences.list(friendly_name="desk", status="in-progress"))
        assert await client.ask(lambda c: c.conferences.list(friendly_name="hall")) == []
        there = await client.ask(lambda c: c.conferences(room.sid).participants.list())
        assert [each.call_sid for each in there] == [each.sid for each in calls]
        assert {(each.muted, each.status, each.end_conference_on_exit) for each in there} == {
            (False, "connected", False)
        }
        first, second, _ = calls
        muted = await client.ask(lambda c: c.conferences(room.sid).participants(first.sid).update(muted=True))
        assert muted.muted
        assert len(await client.ask(lambda c: c.conferences(room.sid).participants.list(muted=True))) == 1
        assert await client.ask(lambda c: c.conferences(room.sid).participants(second.sid).delete())
        with pytest.raises(TwilioRestException) as caught:
            await client.ask(lambda c: c.conferences(room.sid).participants(second.sid).fetch())
        assert caught.value.status == 404
        over = await client.ask(lambda c: c.conferences(room.sid).update(status="completed"))
        assert (over.status, over.reason_conference_ended) == ("completed", "conference-ended-via-api")
        assert await client.ask(lambda c: c.conferences(room.sid).participants.list()) == []
        assert (await client.ask(lambda c: c.conferences(room.sid).fetch())).call_sid_ending_conference is None
        assert all(lab.calls[each.sid].live for each in calls)


async def test_it_reads_the_account_and_a_wrong_token() -> None:
    """As one that is live, and as an error with its number."""
    async with desk() as (lab, client, _):
        account = await client.ask(lambda c: c.api.accounts(lab.account_sid).fetch())
        assert account.status == "active"
        with pytest.raises(TwilioRestException) as caught:
            await Desk(lab, "guessed").ask(lambda c: c.api.accounts(lab.account_sid).fetch())
        assert (caught.value.status, caught.value.code) == (401, 20003)


def test_the_lab_reads_every_document_that_it_writes() -> None:
    """All verbs and attributes that the lab knows, without a word of complaint."""
    response = VoiceResponse()
    start = Start()
    start.recording(recording_status_callback="https://phone.example/r", channels="dual", track="both")
    response.append(start)
    response.say('A "b" <c> & d', voice="Polly.Joanna-Neural", language="en-US", loop=2)
    response.play("https://phone.example/a.wav", loop=1)
    response.play(digits="ww12#")
    response.pause(length=2)
    connect = Connect(action="https://phone.example/after")
    connect.stream(url="wss://phone.example/ws", name="main").parameter(name="a", value='"<&')
    response.append(connect)
    dial = Dial(action="https://phone.example/d", timeout=20, time_limit=60, caller_id=NUMBER, answer_on_bridge=True)
    dial.number(
        "+12025550101", send_digits="12", url="https://phone.example/w?a=1&b=2", status_callback_event="ringing"
    )
    response.append(dial)
    response.redirect("https://phone.example/r?a=1&b=2", method="POST")
    response.hangup()
    response.reject(reason="busy")
    warnings: list[str] = []
    verbs = read_document(str(response), warnings)
    names = ["Start", "Say", "Play", "Play", "Pause", "Connect", "Dial", "Redirect", "Hangup", "Reject"]
    assert [each.name for each in verbs] == names
    assert verbs[5].inside[0].inside[0].get("value") == '"<&'
    assert warnings == []
