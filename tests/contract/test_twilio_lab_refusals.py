"""What the lab's Twilio refuses because Twilio does: one row a wrong request, with where the protocol notes say so.

The numbers of sections are those of protocols/twilio.md; "lab" is where it is stricter than Twilio on purpose.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import httpx
import pytest

from patter_cli.testing.lab.call import By, Ending
from patter_cli.testing.lab.faults import Faults
from patter_cli.testing.lab.http import json_reply
from patter_cli.testing.lab.people import Person
from patter_cli.testing.lab.twilio.lab import NUMBER, TwilioLab
from tests.lab import Office, quick, until

TO = "+12025550101"
GOOD = {"To": TO, "From": NUMBER, "Url": "https://phone.example/voice"}
FORM = "application/x-www-form-urlencoded"
NOBODYS = "CA" + "0" * 32


def changed(**fields: str | None) -> str:
    return urlencode({name: value for name, value in {**GOOD, **fields}.items() if value is not None})


WRONG_CALLS = [
    # what is wrong, the body, status, code, source
    ("no To", changed(To=None), 400, 21211, "8: invalid To"),
    ("To is no number", changed(To="5550100"), 400, 21211, "8: invalid To"),
    ("To has a blank", changed(To="+1 2025550101"), 400, 21211, "8: invalid To"),
    ("the plus is not escaped", changed().replace("%2B", "+"), 400, 21211, "2: encode + as %2B"),
    ("no From", changed(From=None), 400, 21212, "8: From invalid"),
    ("From is no number", changed(From="the shop"), 400, 21212, "8: From invalid"),
    ("From is not ours", changed(From="+12025550177"), 400, 21210, "8: From not verified"),
    ("no instructions", changed(Url=None), 400, 21205, "2: exactly one of Url, Twiml, ApplicationSid"),
    ("two of them", changed(Twiml="<Response/>"), 400, 21205, "2: exactly one of Url, Twiml, ApplicationSid"),
    ("a relative address", changed(Url="/voice"), 400, 21205, "8: invalid URL"),
    ("another scheme", changed(Url="wss://phone.example/"), 400, 21205, "8: invalid URL"),
    ("a wrong callback", changed(StatusCallback="phone.example"), 400, 21205, "8: invalid URL"),
    ("no such application", changed(Url=None, ApplicationSid="AP" + "0" * 32), 404, 20404, "8: unknown resource"),
    ("TwiML too long", changed(Url=None, Twiml="<Response/>" + " " * 4000), 400, 32018, "2: at most 4000 characters"),
    ("TwiML that is none", changed(Url=None, Twiml="<Response>"), 400, 12100, "8: TwiML not parseable"),
    ("it begins with a blank", changed(Url=None, Twiml=" <Response/>"), 400, 12100, "9: a leading space is a failure"),
    ("an unescaped ampersand", changed(Url=None, Twiml="<Response><Redirect>https://a?a=1&b=2</Redirect></Response>"),
     400, 12100, "9: XML escaping"),
    ("rings too long", changed(Timeout="601"), 400, 20001, "2: Timeout max 600"),
    ("half a second", changed(Timeout="25.5"), 400, 20001, "2: ring seconds"),
    ("no limit at all", changed(TimeLimit="none"), 400, 20001, "2: maximum seconds"),
    ("a method that there is not", changed(Method="PUT"), 400, 20001, "2: POST by default"),
    ("a capital truth", changed(Record="True"), 400, 20001, "1: literal true / false"),
    ("three channels", changed(RecordingChannels="stereo"), 400, 20001, "2: mono / dual"),
    ("detects by chance", changed(MachineDetection="true"), 400, 20001, "3: Enable or DetectMessageEnd"),
    ("AMD in a minute", changed(MachineDetectionTimeout="60"), 400, 20001, "3: seconds, 3-59"),
    ("a short threshold", changed(MachineDetectionSpeechThreshold="999"), 400, 20001, "3: 1000-6000"),
    ("a long silence", changed(MachineDetectionSpeechEndThreshold="5001"), 400, 20001, "3: 500-5000"),
    ("no silence", changed(MachineDetectionSilenceTimeout="1999"), 400, 20001, "3: 2000-10000"),
    ("keys that there are not", changed(SendDigits="12x"), 400, 20001, "2: 0-9 A-D # *, w, W"),
    ("too many keys", changed(SendDigits="1" * 33), 400, 20001, "2: at most 32"),
    ("a name in small letters", changed(timeout="25"), 400, 20001, "lab: an unknown field"),
    ("a field twice", changed() + "&Timeout=25&Timeout=30", 400, 20001, "lab: a field twice"),
    ("JSON", '{"To": "+12025550101"}', 400, 20001, "1: the body is a form"),
    ("not UTF-8", changed() + "&CallReason=%FF", 400, 20001, "1: UTF-8"),
]  # fmt: skip


async def ask(lab: TwilioLab, path: str, body: str = "", *, method: str = "POST", token: str = "") -> httpx.Response:
    async with httpx.AsyncClient(auth=(lab.account_sid, token or lab.auth_token)) as client:
        kind = "application/json" if body.startswith("{") else FORM
        url = f"{lab.base_url}/2010-04-01/Accounts/{lab.account_sid}{path}"
        return await client.request(method, url, content=body.encode(), headers={"content-type": kind})


async def test_wrong_calls_are_refused() -> None:
    """With Twilio's status and number, in its shape; nobody rings. The right one of them is not."""
    async with Office() as office, quick(TwilioLab, office.port) as lab:
        for what, body, status, code, source in WRONG_CALLS:
            reply = await ask(lab, "/Calls.json", body)
            said = reply.json()
            assert (reply.status_code, said["code"], said["status"]) == (status, code, status), (what, source, said)
            assert said["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
            assert said["message"]
        assert lab.calls == {}
        assert (await ask(lab, "/Calls.json", changed())).status_code == 201
        assert (await ask(lab, "/Calls.json", changed(Url=None, Twiml="<Response/>"))).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "source"),
    [
        ("GET", f"/Calls/{NOBODYS}.json", 404, 20404, "8: unknown resource"),
        ("POST", f"/Calls/{NOBODYS}.json", 404, 20404, "8: unknown resource"),
        ("GET", "/Calls", 404, 20404, "lab: JSON alone"),
        ("GET", "/Nothing.json", 404, 20404, "8: unknown resource"),
        ("GET", "/../AC1/Calls.json", 404, 20404, "8: a call of another account"),
        ("DELETE", "/Calls.json", 405, 20004, "general"),
        ("GET", "/Calls.json?Where=here", 400, 20001, "lab: an unknown field"),
        ("GET", "/Calls.json?PageSize=1001", 400, 20001, "1: max 1000"),
        ("GET", f"/Recordings/RE{'0' * 32}.wav", 404, 20404, "6: 404 before and after"),
        ("POST", f"/Calls/{NOBODYS}/Recordings.json", 404, 20404, "8: unknown resource"),
        ("GET", f"/Conferences/CF{'0' * 32}.json", 404, 20404, "8: unknown resource"),
        ("POST", f"/Conferences/CF{'0' * 32}.json", 404, 20404, "8: unknown resource"),
        ("DELETE", f"/Conferences/CF{'0' * 32}/Participants/{NOBODYS}.json", 404, 20404, "8: unknown resource"),
        ("GET", "/Conferences.json?Name=desk", 400, 20001, "lab: an unknown field"),
    ],
)
async def test_what_there_is_not_is_not_found(method: str, path: str, status: int, code: int, source: str) -> None:
    """Calls, lists, recordings and addresses."""
    async with TwilioLab() as lab:
        reply = await ask(lab, path, method=method)
        assert (reply.status_code, reply.json()["code"]) == (status, code), source


async def test_a_limit_takes_the_place_of_the_one_before() -> None:
    """4: TimeLimit is of the whole call. A longer one keeps it alive past the first, and a shorter one ends it."""
    async with (
        Office() as office,
        quick(TwilioLab, office.port, people={TO: Person(name="patient", picks_up_ms=20)}) as lab,
    ):
        office.says("/voice", "<Response><Pause length='30'/></Response>")
        sid = (await ask(lab, "/Calls.json", changed(TimeLimit="1"))).json()["sid"]
        await until(lambda: lab.sessions[sid].status == "in-progress")
        assert (await ask(lab, f"/Calls/{sid}.json", "TimeLimit=600")).status_code == 200
        await asyncio.sleep(1.2)
        assert lab.sessions[sid].status == "in-progress"
        assert (await ask(lab, f"/Calls/{sid}.json", "TimeLimit=1")).status_code == 200
        await until(lambda: lab.sessions[sid].status == "completed")


async def test_whoever_is_not_the_account_is_refused() -> None:
    """8: 401 / 20003. And who asks too much at once, before anything is done: 429 / 20429."""
    async with TwilioLab() as lab:
        for token in ("guessed", lab.auth_token[:-1], lab.auth_token.upper()):
            reply = await ask(lab, "/Calls.json", changed(), token=token)
            assert (reply.status_code, reply.json()["code"]) == (401, 20003)
        lab.faults = Faults(most_requests=0)
        reply = await ask(lab, "/Calls.json", changed())
        assert (reply.status_code, reply.json()["code"]) == (429, 20429)
        assert lab.calls == {}
        lab.answer_next(json_reply(503, {}))
        assert (await ask(lab, "/Calls.json", changed())).status_code == 503


async def test_a_call_is_changed_only_while_that_makes_sense() -> None:
    """4: canceled leaves an answered call alone; a ringing one takes no instructions, and one that is over nothing."""
    people = {TO: Person(name="patient", picks_up_ms=300)}
    async with Office() as office, quick(TwilioLab, office.port, people=people) as lab:
        office.says("/voice", "<Response><Pause length='30'/></Response>")
        sid = (await ask(lab, "/Calls.json", changed())).json()["sid"]
        await until(lambda: lab.sessions[sid].status == "ringing")

        async def change(body: str) -> tuple[int, int | str]:
            reply = await ask(lab, f"/Calls/{sid}.json", body)
            return reply.status_code, reply.json().get("code") or reply.json()["status"]

        assert await change("Twiml=%3CResponse%2F%3E") == (400, 21220)
        await until(lambda: lab.sessions[sid].status == "in-progress")
        assert await change("Status=canceled") == (200, "in-progress")
        assert await change("Status=over") == (400, 20001)
        assert await change("Status=completed&Status=canceled") == (400, 20001)
        assert await change("Twiml=%3CResponse%3E") == (400, 12100)
        assert await change("Url=here") == (400, 21205)
        assert await change("Status=completed") == (200, "completed")
        assert await change("Status=completed") == (400, 21220)
        reply = await ask(lab, f"/Calls/{sid}/Recordings.json", "RecordingChannels=dual")
        assert (reply.status_code, reply.json()["code"]) == (400, 21220)


async def test_a_ringing_call_is_canceled() -> None:
    """4: Status=canceled before the answer, and its last report says so."""
    people = {TO: Person(name="nobody", picks_up_ms=None)}
    async with Office() as office, quick(TwilioLab, office.port, people=people) as lab:
        body = changed(StatusCallback="https://phone.example/status")
        sid = (await ask(lab, "/Calls.json", body)).json()["sid"]
        await until(lambda: lab.sessions[sid].status == "ringing")
        assert (await ask(lab, f"/Calls/{sid}.json", "Status=canceled")).json()["status"] == "canceled"
        await until(lambda: office.posted("/status"))
        assert [each["CallStatus"] for each in office.posted("/status")] == ["canceled"]
        assert (lab.calls[sid].ending, lab.calls[sid].ended_by) == (Ending.CANCELED, By.AGENT)
