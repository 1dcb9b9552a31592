"""Twilio's calls through a whole server: signed webhooks in, TwiML back, its media stream, our requests to its API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import httpx
import pytest

from patter_cli import wiring
from patter_cli.callers import CallerRules
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.carriers.twilio.webhook import canonical, signature
from patter_cli.contracts.store import CallStore
from patter_cli.core import commands as order
from patter_cli.core.carrier_events import BeepHeard, MachineDetected, RecordingFailed, RecordingReady
from patter_cli.core.events import TransferFailed
from patter_cli.core.outcome import Outcome, TransferOutcome
from patter_cli.destinations import DialRules
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import CallRejected
from patter_cli.server.control_messages import PlaceCall
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.simulate.caller import LineCaller
from patter_cli.stores.sqlite import SqliteStore
from tests.contract.twilio_api import CALL, CALLS, HANG_UP, TOKEN, Api, twilio_api
from tests.e2e.conftest import LOUDNESS, Earpiece, Log, agent, spoken

HOST = "phone.example"
COLLEAGUE = "+12025550177;ext=12"
DESK = "+12025550188"
THEIRS = f"{CALL[:-1]}2"
"""The call in which somebody is told about a caller."""
TRANSFER = "Can you put me through?"
VOICE = "/webhooks/twilio/voice"
INCOMING = {
    "CallSid": CALL,
    "CallStatus": "ringing",
    "Direction": "inbound",
    "From": "+12025550142",
    "To": "+12025550100",
    "CallerName": "",
}

REPORT = {
    "CallSid": CALL,
    "CallbackSource": "call-progress-events",
    "Direction": "outbound-api",
    "From": "+12025550100",
    "To": "+12025550142",
}
WANTED = PlaceCall(to="+12025550142", from_number="+12025550100", agent="shop")

pytestmark = pytest.mark.usefixtures("quiet_log")


class Twilio:
    """Twilio's side: what it posts, and the streams it opens."""

    def __init__(self, service: Service, api: Api, log: Log, asked: list[Any]) -> None:
        """asked: what the agent was asked for an answer to."""
        self.asked = asked
        self.service = service
        self.api = api
        self.log = log
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", headers={"host": HOST})

    async def __aenter__(self) -> Twilio:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._client.aclose()

    async def post(self, fields: dict[str, str], path: str = VOICE, *, token: str = TOKEN) -> httpx.Response:
        signed = signature(f"https://{HOST}{path}" + canonical(list(fields.items())), token)
        return await self._client.post(path, data=fields, headers={"x-twilio-signature": signed})

    async def told(self, path: str = VOICE, **changed: str) -> Element:
        """The document that a call is answered with."""
        reply = await self.post({**INCOMING, **changed}, path)
        assert (reply.status_code, reply.headers["content-type"].partition(";")[0]) == (200, "text/xml")
        return fromstring(reply.content)

    def line(self, document: Element, *, signed: bool = True, call_id: str = CALL) -> LineCaller:
        """The stream that a document asks for, as this machine reaches it."""
        (stream,) = document.iter("Stream")
        url = stream.attrib["url"]
        return LineCaller(
            url.replace(f"wss://{HOST}", f"ws://127.0.0.1:{self.service.port}"),
            TwilioLine(),
            call_id=call_id,
            headers={"x-twilio-signature": signature(url, TOKEN)} if signed else None,
            handset=Earpiece(),
        )


@asynccontextmanager
async def twilio(
    *answers: Any, store: CallStore | None = None, about: str = "", llm: Any = None, **settings: Any
) -> AsyncIterator[Twilio]:
    """A server with one agent, which says yes to everything and hangs up on "Goodbye." answers: of the API. about: what
    it tells whoever a caller is put through to. llm: what answers in its place."""
    log = Log()
    asked: list[Any] = []

    def answer(event: Any) -> str:
        asked.append(event)
        if event.text == "Goodbye.":
            event.end_call()
        if event.text == TRANSFER:
            event.transfer_call(DESK if about else COLLEAGUE, about)
        return "Yes."

    async with twilio_api(*answers) as api:
        shop = wiring.ready_agent(
            "shop",
            agent("Hello {tier} caller.", variables={"tier": "plain"}, transfer_numbers=[COLLEAGUE, DESK], llm=llm),
            Hooks(on_message=answer if llm is None else None),
        )
        service = wiring.service(
            {"shop": shop},
            ServiceSettings(port=0, public_host=HOST, drain_timeout_s=0.0, rules=DialRules(hours=None), **settings),
            store=store,
            observers=(log,),
            voice=LOUDNESS,
            carried_by={"twilio": api.carrier},
        )
        await service.start()
        try:
            async with Twilio(service, api, log, asked) as there:
                yield there
        finally:
            await service.cut()
            service.close()


async def heard(line: LineCaller, words: str) -> bool:
    earpiece = line._handset
    assert isinstance(earpiece, Earpiece)
    return await line.wait_for(lambda: earpiece.has_heard(words), 5.0)


async def test_a_call_comes_in() -> None:
    """From the signed webhook over the stream to a conversation; what the number's address brings is a variable."""
    async with twilio() as here, here.line(await here.told(f"{VOICE}?tier=gold")) as line:
        assert await heard(line, "hello gold caller.")
        (live,) = here.service.live.calls
        assert (live.ticket.carrier_call_id, live.ticket.caller) == (CALL, "+12025550142")
        line.say(spoken("What are your opening hours?"))
        assert await heard(line, "yes.")


async def test_who_is_not_twilio_brings_no_call() -> None:
    """A webhook that is signed with another token is forbidden, and nothing is told of why."""
    async with twilio() as here:
        reply = await here.post(INCOMING, token="guessed")
        assert (reply.status_code, reply.text) == (403, "forbidden")


async def test_a_stream_has_its_ticket_and_twilios_signature() -> None:
    """Whoever has read the ticket somewhere is turned away, and does not use it up."""
    async with twilio() as here:
        document = await here.told()
        with pytest.raises(CallRejected, match="403"):
            await here.line(document, signed=False).dial()
        async with here.line(document) as line:
            assert await heard(line, "hello plain caller.")
        with pytest.raises(CallRejected, match="403"):
            await here.line(document).dial()


async def test_a_call_is_made() -> None:
    """It is dialled with our addresses, answered with its own ticket, and who picked up reaches it."""
    async with twilio((201, {"sid": CALL, "status": "queued"})) as here:
        wanted = PlaceCall(to="+12025550142", from_number="+12025550100", agent="shop", variables={"tier": "gold"})
        call_id = await here.service.place(wanted)
        (dial,) = here.api.asked
        assert dial.path == f"{CALLS}.json"
        assert dial["StatusCallback"] == dial["AsyncAmdStatusCallback"]
        report = dial["StatusCallback"].removeprefix(f"https://{HOST}")
        path = dial["Url"].removeprefix(f"https://{HOST}")
        outbound = {"Direction": "outbound-api", "From": "+12025550100", "To": "+12025550142"}
        document = await here.told(path, **outbound, CallStatus="in-progress")
        assert [each.attrib for each in document.iter("Parameter")] == [{"name": "tier", "value": "gold"}]
        async with here.line(document) as line:
            assert await line.wait_for(lambda: here.service.live.count == 1, 5.0)
            (live,) = here.service.live.calls
            assert (live.ticket.call_id, dict(live.ticket.variables)) == (call_id, {"tier": "gold"})
            verdict = {"CallSid": CALL, "AnsweredBy": "machine_end_beep", "MachineDetectionDuration": "4210"}
            assert (await here.post(verdict, report)).status_code == 200
            assert await line.wait_for(lambda: call_id in here.log.calls, 5.0)
            entries = here.log.calls[call_id]
            assert await line.wait_for(lambda: any(isinstance(each.event, BeepHeard) for each in entries), 5.0)
            (found,) = [each.event for each in entries if isinstance(each.event, MachineDetected)]
            assert (found.answered_by, found.greeting_over, found.raw) == ("machine", True, "machine_end_beep")


async def test_twilio_reports_the_end() -> None:
    """Then the call is over, though its stream may not know it yet."""
    over = {**INCOMING, "CallStatus": "completed", "CallDuration": "3", "CallbackSource": "call-progress-events"}
    async with twilio() as here, here.line(await here.told()) as line:
        assert await heard(line, "hello plain caller.")
        assert (await here.post(over, "/webhooks/twilio/status")).status_code == 200
        assert await line.wait_for(lambda: line.ended is not None, 5.0)


async def test_a_call_that_cannot_be_taken_hears_a_busy_line() -> None:
    """If there are no words for it: then before it is answered, so that nobody pays for it."""
    quiet = CallerRules(busy_message="")
    async with twilio(max_calls=1, callers=quiet) as here, here.line(await here.told()) as line:
        assert await line.wait_for(lambda: here.service.live.count == 1, 5.0)
        (reject,) = await here.told(CallSid=CALL.replace("1", "2"))
        assert (reject.tag, reject.attrib) == ("Reject", {"reason": "busy"})


def way_back(document: Element) -> str:
    """Where Twilio asks again after the stream, as a path; "" if it hangs up then."""
    (back,) = [each.text or "" for each in document.iter("Redirect")] or [""]
    return back.removeprefix(f"https://{HOST}")


async def test_a_call_whose_stream_breaks_off_goes_on_once() -> None:
    """Twilio says sorry and asks again: the same agent has the same caller, as a call of its own, and does not greet
    them again though nothing is kept. When that breaks off too, Twilio says goodbye."""
    async with twilio() as here:
        document = await here.told(f"{VOICE}?tier=gold")
        async with here.line(document) as line:
            assert await heard(line, "hello gold caller.")
            (first,) = [each.ticket for each in here.service.live.calls]
        again = await here.told(way_back(document), CallStatus="in-progress")
        async with here.line(again) as line:
            assert await heard(line, "sorry about that, i'm back.please go on.")
            (second,) = [each.ticket for each in here.service.live.calls]
        assert (second.resumes, second.caller, dict(second.variables)) == (first.call_id, first.caller, first.variables)
        assert second.call_id != first.call_id
        assert not way_back(again)
        assert [each.tag for each in again] == ["Connect", "Say", "Hangup"]


async def test_a_call_that_goes_on_needs_no_second_place() -> None:
    """Where one call at a time is taken, Twilio may open its next stream before the first is closed."""
    async with twilio(max_calls=1) as here:
        document = await here.told()
        async with here.line(document) as first:
            assert await heard(first, "hello plain caller.")
            again = await here.told(way_back(document), CallStatus="in-progress")
            async with here.line(again) as line:
                assert await heard(line, "i'm back.please go on.")


async def test_the_process_that_comes_after_knows_what_was_said(tmp_path: Path) -> None:
    """A server is gone in the middle of a call. The next one has its caller back, does not greet them again, and its
    agent has the whole conversation before it."""
    async with twilio(store=SqliteStore(tmp_path), secret=b"s" * 32) as here:
        document = await here.told(f"{VOICE}?tier=gold")
        async with here.line(document) as line:
            assert await heard(line, "hello gold caller.")
            line.say(spoken("What are your opening hours?"))
            assert await heard(line, "yes.")
            (first,) = [each.ticket for each in here.service.live.calls]
            await here.service.cut()
    async with twilio(store=SqliteStore(tmp_path), secret=b"s" * 32) as here:
        async with here.line(await here.told(way_back(document), CallStatus="in-progress")) as line:
            assert await heard(line, "sorry about that, i'm back.please go on.")
            assert line._handset.text == "sorry about that, i'm back.please go on."  # type: ignore[union-attr]
            line.say(spoken("How much is a cleaning?"))
            assert await heard(line, "yes.")
        (asked,) = here.asked
        assert [(each["role"], each["text"]) for each in asked.history][:3] == [
            ("assistant", "Hello gold caller."),
            ("user", "What are your opening hours?"),
            ("assistant", "Yes."),
        ]
        assert first.call_id not in here.log.calls


async def test_a_call_that_was_ended_here_is_not_resumed() -> None:
    """Twilio did not hang up when it was asked to. It is told again, in the answer to its own question."""
    async with twilio((500, "oops"), (500, "oops"), (500, "oops")) as here:
        document = await here.told()
        async with here.line(document) as line:
            assert await heard(line, "hello plain caller.")
            line.say(spoken("Goodbye."))
            assert await line.wait_for(lambda: line.ended is not None, 10.0)
        assert [each["Status"] for each in here.api.asked] == ["completed"] * 3
        (verb,) = await here.told(way_back(document), CallStatus="in-progress")
        assert verb.tag == "Hangup"


async def test_the_way_back_is_no_way_in() -> None:
    """Its ticket opens no stream, and one that we have not signed leads nowhere."""
    async with twilio() as here:
        document = await here.told()
        ticket = way_back(document).rpartition("=")[2]
        (stream,) = document.iter("Stream")
        stream.set("url", f"wss://{HOST}/ws/twilio/stream/{ticket}")
        with pytest.raises(CallRejected, match="403"):
            await here.line(document).dial()
        (verb,) = await here.told(f"{VOICE}?call={ticket[:-1]}", CallStatus="in-progress")
        assert verb.tag == "Hangup"


async def put_through(here: Twilio) -> str:
    """A caller has asked for a person, and Twilio rings one. Returns where it asks what is next, as a path."""
    async with here.line(await here.told(f"{VOICE}?tier=gold")) as line:
        assert await heard(line, "hello gold caller.")
        line.say(spoken(TRANSFER))
        assert await line.wait_for(lambda: bool(here.api.asked), 8.0)
    document = fromstring(here.api.asked[-1]["Twiml"])
    assert (document[0][0].text, document[0][0].attrib) == ("+12025550177", {"sendDigits": "ww12"})
    assert document[0].attrib["answerOnBridge"] == "true"
    return document[0].attrib["action"].removeprefix(f"https://{HOST}")


async def test_a_transfer_that_fails_brings_the_caller_back() -> None:
    """Nobody picked up: the same agent has the caller again, tells them so, and knows what was said before. It may try
    once more, and a transfer is no reason to give a broken stream up."""
    async with twilio((200, {"status": "in-progress"})) as here:
        back = await put_through(here)
        ((first, entries),) = here.log.calls.items()
        ended = order.FinishCall(outcome=Outcome.ANSWERED, reason="transferred")
        assert await eventually(lambda: any(ended in each.commands for each in entries))
        document = await here.told(back, CallStatus="in-progress", DialCallStatus="no-answer")
        assert way_back(document)
        async with here.line(document) as line:
            assert await heard(line, "i'm sorry, i couldn't put you through.can i help you with anything else?")
            (again,) = [each.ticket for each in here.service.live.calls]
            assert (again.resumes, again.returned) == (first, TransferOutcome.NO_ANSWER)
            line.say(spoken("What are your opening hours?"))
            assert await heard(line, "yes.")
        assert [each["text"] for each in here.asked[-1].history][:2] == ["Hello gold caller.", TRANSFER]
        assert await here.told(back, CallStatus="in-progress", DialCallStatus="no-answer") is not None


@pytest.mark.parametrize(
    ("told", "verbs"),
    [
        ({"DialCallStatus": "completed", "DialBridged": "true"}, ["Say", "Hangup"]),
        ({"DialCallStatus": "completed", "DialBridged": "false"}, ["Connect", "Say", "Pause", "Redirect"]),
        ({"DialCallStatus": "busy"}, ["Connect", "Say", "Pause", "Redirect"]),
    ],
)
async def test_what_follows_a_transfer(told: dict[str, str], verbs: list[str]) -> None:
    """Whoever had their talk is told goodbye. Whoever was picked up and lost again, or not picked up, is with us."""
    async with twilio((200, {"status": "in-progress"})) as here:
        document = await here.told(await put_through(here), CallStatus="in-progress", **told)
        assert [each.tag for each in document] == verbs


async def test_a_transfer_of_somebody_elses_is_no_call_of_ours() -> None:
    """A question after a Dial that we have not asked for is answered with the end."""
    async with twilio() as here:
        document = await here.told(CallStatus="in-progress", DialCallStatus="busy")
        assert [each.tag for each in document] == ["Say", "Hangup"]


async def test_a_goodbye_is_heard_before_the_hang_up_is_asked_for() -> None:
    """And the call is looked at until it is over."""
    live, over = (200, {"status": "in-progress"}), (200, {"status": "completed"})
    async with twilio(live, live, over) as here, here.line(await here.told()) as line:
        assert await heard(line, "hello plain caller.")
        line.say(spoken("Goodbye."))
        assert await heard(line, "yes.")
        assert here.api.asked == []
        assert await line.wait_for(lambda: line.ended is not None, 10.0)
        assert [(each.method, each.path) for each in here.api.asked] == [
            (method, f"{CALLS}/{CALL}.json") for method in ("POST", "GET", "GET")
        ]


async def test_who_goes_on_during_the_goodbye_is_not_hung_up_on() -> None:
    """The agent has said its last words; the caller has one more thing, and is answered."""
    async with twilio() as here, here.line(await here.told()) as line:
        assert await heard(line, "hello plain caller.")
        line.say(spoken("Goodbye."))
        assert await heard(line, "yes.")
        line.say(spoken("What are your opening hours?"))
        assert await line.wait_for(lambda: len(here.asked) == 2, 5.0)
        assert not await line.wait_for(lambda: line.ended is not None, 1.5)
        assert here.api.asked == []


ABOUT = "A guest wants a refund."
TOLD = "hello, i have a caller for you.a guest wants a refund.i'll connect you now."
OUTBOUND = {"CallSid": THEIRS, "Direction": "outbound-api", "From": "+12025550100", "To": DESK}


@asynccontextmanager
async def waiting_caller(here: Twilio) -> AsyncIterator[tuple[LineCaller, str, str]]:
    """A caller who asked for a person and hears music, since that person's telephone rings. With where Twilio asks what
    becomes of that call, and where it reports of it, as paths."""
    async with here.line(await here.told()) as caller:
        assert await heard(caller, "hello plain caller.")
        caller.say(spoken(TRANSFER))
        assert await caller.wait_for(lambda: bool(here.api.asked), 8.0)
        dial = here.api.asked[0]
        assert (dial["To"], dial["From"]) == (DESK, "+12025550100")
        before = caller.heard_bytes
        assert await caller.wait_for(lambda: caller.heard_bytes > before + 8 * 500, 3.0)
        yield caller, *(dial[name].removeprefix(f"https://{HOST}") for name in ("Url", "StatusCallback"))


async def test_somebody_is_told_what_it_is_about_before_they_have_the_caller() -> None:
    """The caller hears music meanwhile. Then both are sent to a room of their own, and the agent is in neither call."""
    done = (200, {"status": "in-progress"})
    async with twilio((201, {"sid": THEIRS, "status": "queued"}), done, done, about=ABOUT) as here:
        async with waiting_caller(here) as (_, answer, _):
            document = await here.told(answer, **OUTBOUND, CallStatus="in-progress")
            async with here.line(document, call_id=THEIRS) as colleague:
                assert await heard(colleague, TOLD)
                assert await colleague.wait_for(lambda: len(here.api.asked) == 3, 8.0)
        first, second = here.api.asked[1:]
        assert [each.path for each in (first, second)] == [f"{CALLS}/{THEIRS}.json", f"{CALLS}/{CALL}.json"]
        assert first["Twiml"] == second["Twiml"]
        room = fromstring(first["Twiml"])
        assert [each.tag for each in room.iter()] == ["Response", "Dial", "Conference"]
        ends = [order.FinishCall(outcome=Outcome.ANSWERED, reason=each) for each in ("transferred", "handed_over")]
        journals = list(here.log.calls.values())
        assert await eventually(
            lambda: (
                [any(end in each.commands for each in journal) for end, journal in zip(ends, journals, strict=True)]
                == [True, True]
            )
        )


NOT_TAKEN = {
    "busy": ({"CallStatus": "busy", "SipResponseCode": "486"}, TransferOutcome.BUSY),
    "declined": ({"CallStatus": "busy", "SipResponseCode": "603"}, TransferOutcome.DECLINED),
    "no answer": ({"CallStatus": "no-answer"}, TransferOutcome.NO_ANSWER),
    "failed": ({"CallStatus": "failed"}, TransferOutcome.FAILED),
}


async def came_back(here: Twilio, caller: LineCaller) -> TransferOutcome:
    """The caller is told that nobody took them, and talks with the agent again. Returns why."""
    assert await heard(caller, "i'm sorry, i couldn't put you through.")
    caller.say(spoken("What are your opening hours?"))
    assert await caller.wait_for(lambda: here.asked[-1].text == "What are your opening hours?", 5.0)
    (failed,) = [
        each.event for entries in here.log.calls.values() for each in entries if isinstance(each.event, TransferFailed)
    ]
    return failed.outcome


@pytest.mark.parametrize(("told", "outcome"), NOT_TAKEN.values(), ids=NOT_TAKEN)
async def test_who_is_not_taken_stays_with_the_agent(told: dict[str, str], outcome: TransferOutcome) -> None:
    """On the same line: the music stops, and the agent has known all along what was said."""
    api = twilio((201, {"sid": THEIRS, "status": "queued"}), about=ABOUT)
    async with api as here, waiting_caller(here) as (caller, _, report):
        over = {**OUTBOUND, **told, "CallbackSource": "call-progress-events"}
        assert (await here.post(over, report)).status_code == 200
        assert await came_back(here, caller) is outcome


async def test_a_machine_is_told_nothing_and_gets_no_caller() -> None:
    """It is hung up on as soon as it is known to be one."""
    over = (200, {"status": "completed"})
    async with twilio((201, {"sid": THEIRS, "status": "queued"}), over, over, about=ABOUT) as here:
        async with waiting_caller(here) as (caller, answer, report):
            document = await here.told(answer, **OUTBOUND, CallStatus="in-progress")
            async with here.line(document, call_id=THEIRS) as machine:
                assert await machine.wait_for(lambda: here.service.live.count == 2, 5.0)
                verdict = {"CallSid": THEIRS, "AnsweredBy": "machine_start", "MachineDetectionDuration": "900"}
                assert (await here.post(verdict, report)).status_code == 200
                assert await machine.wait_for(lambda: machine.ended is not None, 8.0)
            assert await came_back(here, caller) is TransferOutcome.VOICEMAIL
        assert "Status" in dict(here.api.asked[1].fields)


async def test_nobody_is_rung_for_a_caller_who_is_gone() -> None:
    """Their hanging up stops the other telephone too."""
    over = (200, {"status": "canceled"})
    async with twilio((201, {"sid": THEIRS, "status": "queued"}), over, over, over, about=ABOUT) as here:
        async with waiting_caller(here):
            pass
        assert await eventually(lambda: len(here.api.asked) > 1)
        assert here.api.asked[1].path == f"{CALLS}/{THEIRS}.json"


async def test_two_who_cannot_be_connected_are_parted_again() -> None:
    """Twilio refuses: who was told is hung up, and the caller is the agent's."""
    refused, over = (400, {"code": 20001, "message": "no", "status": 400}), (200, {"status": "completed"})
    api = twilio((201, {"sid": THEIRS, "status": "queued"}), refused, over, over, about=ABOUT)
    async with api as here, waiting_caller(here) as (caller, answer, _):
        document = await here.told(answer, **OUTBOUND, CallStatus="in-progress")
        async with here.line(document, call_id=THEIRS) as colleague:
            assert await colleague.wait_for(lambda: len(here.api.asked) > 2, 10.0)
        assert here.api.asked[2].path == f"{CALLS}/{THEIRS}.json"
        assert await came_back(here, caller) is TransferOutcome.FAILED


RECORDED = {
    "CallSid": CALL,
    "RecordingSid": "RE00000000000000000000000000000009",
    "RecordingStatus": "completed",
    "RecordingDuration": "17",
    "RecordingChannels": "2",
    "RecordingUrl": "https://evil.example/RE9",
}


async def test_a_recording_is_ready_after_its_call(tmp_path: Path) -> None:
    """Twilio records both sides from the first word on. When it says, signed, that the recording can be fetched, its
    address is in the call's record and whoever looks on is told; what comes twice or from a stranger adds nothing."""
    store = SqliteStore(tmp_path)
    done = (200, {"status": "completed"})
    async with twilio((200, {"recordings": []}), (201, {"sid": "RE1"}), done, store=store, recording=True) as here:
        async with here.line(await here.told()) as line:
            assert await heard(line, "hello plain caller.")
            (live,) = here.service.live.calls
            line.say(spoken("Goodbye."))
            assert await line.wait_for(lambda: line.ended is not None, 10.0)
        asked = here.api.asked[1]
        assert (asked.path, asked["RecordingChannels"]) == (f"{CALLS}/{CALL}/Recordings.json", "dual")
        report = asked["RecordingStatusCallback"].removeprefix(f"https://{HOST}")
        forged = {**RECORDED, "RecordingSid": "RE" + "f" * 32}
        assert (await here.post(forged, report, token="guessed")).status_code == 403
        for _ in range(2):
            assert (await here.post(RECORDED, report)).status_code == 200
        call_id = live.ticket.call_id
        assert await eventually(lambda: isinstance(here.log.calls[call_id][-1].event, RecordingReady))
        url = f"{here.api.base_url}{CALLS.removesuffix('/Calls')}/Recordings/{RECORDED['RecordingSid']}.wav"
        kept = {"recording_id": RECORDED["RecordingSid"], "url": url, "duration_ms": 17_000}
        record = store.get(call_id)
        assert record is not None
        assert record.facts["recording"] == kept
        assert record.facts["reason"] == "agent"


async def test_a_call_that_cannot_be_recorded_goes_on(tmp_path: Path) -> None:
    """The journal says why; the caller hears nothing of it."""
    refused = (400, {"code": 21220, "message": "not in progress", "status": 400})
    api = twilio((200, {"recordings": []}), refused, recording=True)
    async with api as here, here.line(await here.told()) as line:
        assert await heard(line, "hello plain caller.")
        (entries,) = here.log.calls.values()
        assert await eventually(lambda: any(isinstance(each.event, RecordingFailed) for each in entries))
        line.say(spoken("What are your opening hours?"))
        assert await heard(line, "yes.")


async def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(100):
        if holds():
            return True
        await asyncio.sleep(0.05)
    return False


LISTED = {"sid": CALL, "to": "+12025550142", "from": "+12025550100", "direction": "outbound-api"}


async def test_a_dial_whose_answer_was_lost_is_looked_up_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twilio has taken it and its answer never came: the list of its calls has the id, and it is dialled once."""
    monkeypatch.setattr("patter_cli.carriers.twilio.carrier.LOOK_UP_S", 0.02)
    made = {**LISTED, "date_created": format_datetime(datetime.now(UTC))}
    async with twilio(HANG_UP, (200, {"calls": [made]})) as here:
        call = here.service.dial(WANTED)
        assert await asyncio.wait_for(call.named(), 5.0) == CALL
        assert [each.method for each in here.api.asked] == ["POST", "GET"]
        report = here.api.asked[0]["StatusCallback"].removeprefix(f"https://{HOST}")
        await here.post({**REPORT, "CallStatus": "busy"}, report)
        assert (await asyncio.wait_for(call.result(), 5.0)).outcome == "busy"


@pytest.mark.parametrize(("status", "outcome"), [("no-answer", "no_answer"), ("busy", "busy"), ("failed", "failed")])
async def test_a_dial_that_cannot_be_found_is_told_by_its_reports(
    status: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer, and nothing in the list: nobody rings it again, and the first report says which call it is."""
    monkeypatch.setattr("patter_cli.carriers.twilio.carrier.LOOK_UP_S", 0.02)
    async with twilio(HANG_UP, *[(200, {"calls": []})] * 3) as here:
        call = here.service.dial(WANTED)
        for _ in range(200):
            if len(here.api.asked) == 4:
                break
            await asyncio.sleep(0.02)
        assert not call.over
        report = here.api.asked[0]["StatusCallback"].removeprefix(f"https://{HOST}")
        await here.post({**REPORT, "CallStatus": "ringing"}, report)
        assert await asyncio.wait_for(call.named(), 5.0) == CALL
        await here.post({**REPORT, "CallStatus": status}, report)
        result = await asyncio.wait_for(call.result(), 5.0)
        assert (result.outcome, result.carrier_call_id) == (outcome, CALL)
        assert [each.method for each in here.api.asked] == ["POST", "GET", "GET", "GET"]
