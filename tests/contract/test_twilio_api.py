"""What we ask of Twilio's REST API, and what becomes of its answers: against a real server on a real socket."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from patter_cli import Twilio
from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.contracts.carrier.carrier import CallHandle, OutboundCall
from patter_cli.contracts.carrier.stream import MediaOut
from patter_cli.errors import AnswerLost, BadSetting, CallRejected, CarrierError, MissingCredential
from tests.contract.twilio_api import ACCOUNT, CALL, CALLS, HANG_UP, TOKEN, Api, twilio_api

WANTED = OutboundCall(
    to="+15550100002",
    from_number="+15550100001",
    answer_url="https://voice.example.com/webhooks/twilio/voice?call=eyJ0.c2ln",
    callback_url="https://voice.example.com/webhooks/twilio/status",
    max_duration_s=900,
)
QUEUED = {"sid": CALL, "status": "queued"}
REFUSED = {"code": 21220, "message": "Call is not in-progress. Cannot redirect.", "status": 400}
HANDLE = CallHandle(carrier_call_id=CALL, callback_url="https://voice.example.com/webhooks/twilio/status")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time between tries is ours to choose."""
    monkeypatch.setattr("patter_cli.carriers.twilio.rest.PAUSE_S", 0.01)
    monkeypatch.setattr("patter_cli.carriers.twilio.carrier.LOOK_UP_S", 0.02)
    monkeypatch.setattr("patter_cli.carriers.twilio.control.CHECK_S", 0.01)
    monkeypatch.setattr("patter_cli.carriers.twilio.control.MEET_S", 0.01)


async def test_a_call_is_dialled_with_everything_it_needs() -> None:
    """Who rings whom, where Twilio asks and reports, how long it may ring and last, and who picked up."""
    async with twilio_api((201, QUEUED)) as api:
        assert await api.carrier.place(WANTED) == CALL
    (dial,) = api.asked
    assert (dial.method, dial.path) == ("POST", f"{CALLS}.json")
    assert dial.all("StatusCallbackEvent") == ["initiated", "ringing", "answered", "completed"]
    assert {name: dial[name] for name, _ in dial.fields if name != "StatusCallbackEvent"} == {
        "To": "+15550100002",
        "From": "+15550100001",
        "Url": WANTED.answer_url,
        "Method": "POST",
        "StatusCallback": WANTED.callback_url,
        "StatusCallbackMethod": "POST",
        "Timeout": "25",
        "TimeLimit": "900",
        "MachineDetection": "DetectMessageEnd",
        "AsyncAmd": "true",
        "AsyncAmdStatusCallback": WANTED.callback_url,
        "AsyncAmdStatusCallbackMethod": "POST",
    }


async def test_the_request_that_is_shown_is_the_one_that_is_sent() -> None:
    """Field by field; only what proves who we are is struck out."""
    async with twilio_api((201, QUEUED)) as api:
        shown = api.carrier.dial_request(WANTED)
        assert api.asked == []
        await api.carrier.place(WANTED)
        (dial,) = api.asked
        assert (shown.method, shown.url) == (dial.method, api.base_url + dial.path)
    assert list(shown.body) == dial.fields
    assert TOKEN not in repr(shown)


async def test_what_is_not_wanted_is_not_asked_for() -> None:
    """No detection, and a ring that Twilio may end when it likes."""
    plain = OutboundCall(
        to="+15550100002",
        from_number="+15550100001",
        answer_url="https://v.example.com/a",
        callback_url="https://v.example.com/s",
        ring_timeout_s=None,
        detects_machines=False,
    )
    async with twilio_api((201, QUEUED)) as api:
        await api.carrier.place(plain)
    assert not {"Timeout", "MachineDetection", "AsyncAmd"} & {name for name, _ in api.asked[0].fields}


@pytest.mark.parametrize(
    "number", ["+1555\n0100002", "15550100002", "+١٥٥٥٠١٠٠٠٠٢", "+1", "../+15550100002", "-rf", ""]
)
async def test_only_a_number_is_dialled(number: str) -> None:
    """Whatever else was given, Twilio is not even asked."""
    async with twilio_api() as api:
        with pytest.raises(CallRejected):
            await api.carrier.place(OutboundCall(to=number, from_number="+15550100001", answer_url="", callback_url=""))
        with pytest.raises(CallRejected):
            await api.carrier.control(HANDLE).transfer(number)
        with pytest.raises(CallRejected):
            await api.carrier.attach(number, "https://v.example.com")
    assert api.asked == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            (400, {"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}),
            r"\(400, 21211\): Invalid 'To'",
        ),
        ((400, {"code": 21211, "title": "Bad", "detail": "no\nsuch number", "status": 400}), "no such number"),
        ((401, {"code": 20003, "message": "Authenticate", "status": 401}), "credentials"),
        ((403, {"code": 21215, "message": "Geo permission", "status": 403}), "Geo permission"),
        ((404, "<html>not here</html>"), r"\(404\)$"),
        ((400, {"message": f"the token {TOKEN} is wrong", "code": "x"}), r"the token \*\*\*\* is wrong"),
    ],
)
async def test_a_refusal_says_why(answer: Any, why: str) -> None:
    """In Twilio's own words on one line, with its number for it, and without our secrets. It is asked once."""
    async with twilio_api(answer) as api:
        with pytest.raises(CallRejected, match=why):
            await api.carrier.place(WANTED)
    assert len(api.asked) == 1


async def test_a_dial_that_was_not_processed_is_tried_again() -> None:
    """Too many requests at once: such a one has not been done, and Twilio says when to come back."""
    async with twilio_api((429, {"code": 20429}, {"Retry-After": "0.02"}), (429, "busy"), (201, QUEUED)) as api:
        assert await api.carrier.place(WANTED) == CALL
    assert [each.method for each in api.asked] == ["POST", "POST", "POST"]


def made(api: Api, seconds_ago: float, sid: str = CALL, **other: str) -> dict[str, str]:
    """A call in Twilio's list."""
    at = format_datetime(api.clock() - timedelta(seconds=seconds_ago))
    call = {"sid": sid, "to": WANTED.to, "from": WANTED.from_number, "direction": "outbound-api", "date_created": at}
    return {**call, **other}


@pytest.mark.parametrize("lost", [HANG_UP, (500, "oops"), (503, {}), (201, "<html>"), (201, {"sid": None})])
async def test_a_dial_whose_answer_was_lost_is_looked_up(lost: Any) -> None:
    """It is never dialled twice. Twilio's clock counts, which here is an hour ahead of ours; older calls, and calls the
    other way, are not it."""
    async with twilio_api(lost) as api:
        api.clock = lambda: datetime.now(UTC) + timedelta(hours=1)
        other = CALL.replace("1", "2")
        others = [made(api, 60, other), made(api, 0, other, direction="inbound")]
        api.answers += [(200, {"calls": others}), (200, {"calls": [*others, made(api, 0)]})]
        assert await api.carrier.place(WANTED) == CALL
    assert [each.method for each in api.asked] == ["POST", "GET", "GET"]
    assert (api.asked[1].path, api.asked[1]["To"], api.asked[1]["From"]) == (f"{CALLS}.json", WANTED.to, "+15550100001")


async def test_a_dial_that_cannot_be_found_is_unknown() -> None:
    """Or is one of two: then nobody knows, and that is what is said."""
    async with twilio_api(HANG_UP) as api:
        api.answers += [
            (200, {"calls": [made(api, 0), made(api, 0, CALL.replace("1", "2"))]}),
            HANG_UP,
            HANG_UP,
            HANG_UP,
        ]
        api.answers += [(200, {"calls": []})]
        with pytest.raises(AnswerLost, match="nobody knows whether"):
            await api.carrier.place(WANTED)
    assert [each.method for each in api.asked].count("POST") == 1


async def test_twilio_out_of_reach_is_no_unknown_call() -> None:
    """What has not left this machine has not been done."""
    async with twilio_api() as api:
        pass
    with pytest.raises(CarrierError, match="cannot be reached") as caught:
        await api.carrier.place(WANTED)
    assert not isinstance(caught.value, AnswerLost)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"auth_token": TOKEN}, MissingCredential),
        ({"account_sid": ACCOUNT}, MissingCredential),
        ({"account_sid": "SK00000000000000000000000000000001", "auth_token": TOKEN}, BadSetting),
        ({"account_sid": f"../{ACCOUNT}", "auth_token": TOKEN}, BadSetting),
    ],
)
async def test_without_credentials_nobody_is_asked(
    given: dict[str, str], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing is named."""
    for variable in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(error, match="TWILIO"):
        await Twilio(**given).place(WANTED)


@pytest.mark.parametrize("url", ["api.twilio.com", "ftp://x", "https://", "https://me:secret@x", "https://x?y=1"])
def test_a_base_url_is_an_address(url: str) -> None:
    """Found where it is written, not at the first call."""
    with pytest.raises(BadSetting):
        Twilio(base_url=url)


async def test_a_call_is_hung_up_and_looked_at() -> None:
    """Twilio's first answer may show it as it was."""
    live, over = (200, {"status": "in-progress"}), (200, {"status": "completed"})
    async with twilio_api(live, live, over) as api:
        await api.carrier.control(HANDLE).hang_up()
    assert (api.asked[0].path, api.asked[0].fields) == (f"{CALLS}/{CALL}.json", [("Status", "completed")])
    assert [each.method for each in api.asked] == ["POST", "GET", "GET"]


async def test_a_call_that_is_over_is_hung_up() -> None:
    """That it cannot be changed any more is what was wanted. Twilio's faults are waited out, for it may be asked
    twice."""
    async with twilio_api(HANG_UP, (502, "<html>"), (400, REFUSED)) as api:
        await api.carrier.control(HANDLE).hang_up()
    assert len(api.asked) == 3


async def test_a_call_that_goes_on_is_not_called_hung_up() -> None:
    """The call's end is true, or an error."""
    live = (200, {"status": "in-progress"})
    async with twilio_api(live, live, live, live) as api:
        with pytest.raises(CarrierError, match="in-progress still"):
            await api.carrier.control(HANDLE).hang_up()
        api.answers[:] = [(404, {"code": 20404})]
        with pytest.raises(CallRejected, match="hang up"):
            await api.carrier.control(HANDLE).hang_up()


@pytest.mark.parametrize(
    "call_id", ["", "../../Accounts", f"{CALL}?x=1", f"{CALL}#", f"{CALL}/x", "CAﬀ", f"RE{CALL[2:]}"]
)
async def test_only_a_call_of_twilios_is_asked_about(call_id: str) -> None:
    """An id from elsewhere never becomes part of an address."""
    async with twilio_api() as api:
        control = api.carrier.control(CallHandle(carrier_call_id=call_id))
        for each in (control.hang_up, control.start_recording, control.stop_recording):
            with pytest.raises(CallRejected):
                await each()
        with pytest.raises(CallRejected):
            await control.transfer("+15550100003")
        with pytest.raises(CallRejected):
            await api.carrier.recordings(call_id)
    assert api.asked == []


async def test_a_caller_is_put_through() -> None:
    """By new instructions for the live call."""
    async with twilio_api((200, {"status": "in-progress"})) as api:
        await api.carrier.control(HANDLE).transfer("+15550100003")
    assert "<Number>+15550100003</Number>" in api.asked[0]["Twiml"]
    assert api.asked[0]["TimeLimit"] == "14400"  # the agent's is no limit on what others say to each other


async def test_a_transfer_is_asked_for_once() -> None:
    """Asked again it would ring again; and a caller who has hung up is not put through."""
    async with twilio_api(HANG_UP) as api:
        with pytest.raises(AnswerLost):
            await api.carrier.control(HANDLE).transfer("+15550100003")
        api.answers[:] = [(400, REFUSED)]
        with pytest.raises(CallRejected, match="21220"):
            await api.carrier.control(HANDLE).transfer("+15550100003")
        api.answers[:] = [(200, {"status": "completed"})]
        with pytest.raises(CallRejected, match="over"):
            await api.carrier.control(HANDLE).transfer("+15550100003")
    assert len(api.asked) == 3


class Heard:
    """A call's stream, as Twilio receives it."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self._twilio = TwilioLine()

    def send(self, text: str) -> None:
        message = self._twilio.receive(text)
        assert isinstance(message, MediaOut), message
        self.payloads.append(message.payload)

    def listen(self, hear: Any) -> None:
        raise AssertionError("Twilio's wire has nothing to listen for")


OTHER = CALL.replace("1", "2")
LIVE, OVER = (200, {"status": "in-progress"}), (200, {"status": "completed"})


async def test_two_calls_are_sent_to_one_room() -> None:
    """The other first. Who has left by then is no call that can be connected, and the caller is not moved."""
    async with twilio_api(LIVE, LIVE, LIVE) as api:
        await api.carrier.control(HANDLE).connect(OTHER)
        first, second, look = api.asked
        assert [each.path for each in (first, second)] == [f"{CALLS}/{OTHER}.json", f"{CALLS}/{CALL}.json"]
        assert first["Twiml"] == second["Twiml"]
        assert first["TimeLimit"] == second["TimeLimit"] == "14400"
        assert (look.method, look.path) == ("GET", f"{CALLS}/{OTHER}.json")
    for gone in ((400, REFUSED), OVER):
        async with twilio_api(gone) as api:
            with pytest.raises(CallRejected):
                await api.carrier.control(HANDLE).connect(OTHER)
            assert len(api.asked) == 1


async def test_a_caller_who_is_alone_in_the_room_is_sent_back() -> None:
    """To the address they come back to, with what became of it; without one their call comes to its end."""
    back = replace(HANDLE, return_url="https://voice.example.com/webhooks/twilio/voice?call=eyJ0.c2ln")
    for handle, verb in ((back, "Redirect"), (HANDLE, "Say")):
        async with twilio_api(LIVE, LIVE, OVER, LIVE) as api:
            with pytest.raises(CallRejected, match="hung up"):
                await api.carrier.control(handle).connect(OTHER)
            (instruction,) = fromstring(api.asked[-1]["Twiml"])
            assert api.asked[-1].path == f"{CALLS}/{CALL}.json"
            assert instruction.tag == verb
            if verb == "Redirect":
                assert instruction.text == f"{back.return_url}&patter_returned=dropped"


@pytest.mark.parametrize("last", [[OVER, (400, REFUSED)], [OVER, OVER], [(404, {"code": 20404})], [HANG_UP] * 3])
async def test_two_who_have_met_are_left_alone(last: list[Any]) -> None:
    """One of them has hung up since, which has ended it for both; or Twilio does not say what has become of them."""
    async with twilio_api(LIVE, LIVE, *last) as api:
        await api.carrier.control(HANDLE).connect(OTHER)


async def test_keys_are_pressed_as_tones_in_the_stream() -> None:
    """Twilio takes them for what they are: audio. It returns when the last has sounded, with pauses where asked."""
    heard = Heard()
    call = CallHandle(carrier_call_id=CALL, stream_id="MZ00000000000000000000000000000001", line=heard)
    began = time.monotonic()
    await Twilio().control(call).send_digits("1w#")
    assert time.monotonic() - began >= 0.9
    one, pause, hash_ = map(decode_ulaw, heard.payloads)
    assert loudest_hz(one) == {697, 1209}
    assert (len(pause), abs(pause).max()) == (4000, 0)
    assert loudest_hz(hash_) == {941, 1477}


def loudest_hz(sound: Samples) -> set[int]:
    """The key tones in the first 100 ms."""
    import numpy as np

    spectrum = np.abs(np.fft.rfft(sound[:800], 8000))
    level = {hz: spectrum[hz] for hz in (697, 770, 852, 941, 1209, 1336, 1477, 1633)}
    return set(sorted(level, key=lambda hz: -level[hz])[:2])


@pytest.mark.parametrize("digits", ["", "12a", "1 2", "١", "1" * 33, "1\n"])
async def test_what_is_no_key_is_not_pressed(digits: str) -> None:
    """Nothing of it, either."""
    heard = Heard()
    with pytest.raises(CallRejected):
        await Twilio().control(CallHandle(carrier_call_id=CALL, stream_id="MZ1", line=heard)).send_digits(digits)
    with pytest.raises(CallRejected, match="no stream"):
        await Twilio().control(HANDLE).send_digits("1")
    assert heard.payloads == []


async def test_a_call_is_recorded_in_two_channels_and_once() -> None:
    """A recording that runs is fine, a paused one goes on, and one that is over is not it."""
    async with twilio_api((200, {"recordings": [{"status": "completed"}]}), (201, {"sid": "RE1"})) as api:
        await api.carrier.control(HANDLE).start_recording()
        api.answers[:] = [(200, {"recordings": [{"status": "in-progress"}]})]
        await api.carrier.control(HANDLE).start_recording()
        api.answers[:] = [(200, {"recordings": [{"status": "paused"}]}), (200, {})]
        await api.carrier.control(HANDLE).start_recording()
    assert api.asked[1].path == f"{CALLS}/{CALL}/Recordings.json"
    assert api.asked[1].fields == [("RecordingChannels", "dual"), ("RecordingStatusCallback", HANDLE.callback_url)]
    assert [each.method for each in api.asked] == ["GET", "POST", "GET", "GET", "POST"]
    assert (api.asked[4].path, api.asked[4]["Status"]) == (
        f"{CALLS}/{CALL}/Recordings/Twilio.CURRENT.json",
        "in-progress",
    )


async def test_a_recording_holds_and_goes_on() -> None:
    """Silence stands for what was said meanwhile, so that its times stay true; a refusal is an error."""
    async with twilio_api((200, {"status": "paused"}), (200, {"status": "in-progress"}), (400, REFUSED)) as api:
        call = api.carrier.control(HANDLE)
        await call.pause_recording()
        await call.resume_recording()
        with pytest.raises(CallRejected, match="pause the recording"):
            await call.pause_recording()
    assert {each.path for each in api.asked} == {f"{CALLS}/{CALL}/Recordings/Twilio.CURRENT.json"}
    assert api.asked[0].fields == [("Status", "paused"), ("PauseBehavior", "silence")]
    assert api.asked[1].fields == [("Status", "in-progress")]


async def test_a_recording_whose_answer_was_lost_is_looked_up() -> None:
    """Two at once would be paid for twice."""
    none, one = (200, {"recordings": []}), (200, {"recordings": [{"status": "in-progress"}]})
    async with twilio_api(none, HANG_UP, one) as api:
        await api.carrier.control(HANDLE).start_recording()
        api.answers[:] = [none, HANG_UP, none]
        with pytest.raises(AnswerLost):
            await api.carrier.control(HANDLE).start_recording()
        api.answers[:] = [none, (400, REFUSED)]
        with pytest.raises(CallRejected, match="record the call"):
            await api.carrier.control(HANDLE).start_recording()


async def test_recording_stops_and_a_call_without_one_is_fine() -> None:
    """A refusal that means anything else is an error."""
    async with twilio_api((200, {"status": "stopped"}), (404, {"code": 20404}), (400, REFUSED)) as api:
        for _ in range(3):
            await api.carrier.control(HANDLE).stop_recording()
        api.answers[:] = [(401, {"code": 20003})]
        with pytest.raises(CallRejected, match="credentials"):
            await api.carrier.control(HANDLE).stop_recording()
    assert api.asked[0]["Status"] == "stopped"


async def test_recordings_are_those_that_can_be_fetched() -> None:
    """With the address of their WAV, made from an id that was looked at."""
    recorded = {"sid": "RE00000000000000000000000000000009", "status": "completed", "duration": "17", "channels": 2}
    others = [{**recorded, "status": "processing"}, {**recorded, "sid": "../../x"}, {"sid": None}, "nonsense"]
    async with twilio_api((200, {"recordings": [recorded, *others]})) as api:
        (found,) = await api.carrier.recordings(CALL)
    assert (found.recording_id, found.duration_s, found.channels) == (recorded["sid"], 17, 2)
    assert found.url == f"{api.base_url}/2010-04-01/Accounts/{ACCOUNT}/Recordings/{recorded['sid']}.wav"


HOOK = "https://voice.example.com/webhooks/twilio/voice"
NUMBER = {
    "sid": "PN00000000000000000000000000000001",
    "phone_number": "+15550100001",
    "voice_url": "https://old.example.com/?a=1&b=2",
    "voice_method": "GET",
    "voice_fallback_url": None,
    "status_callback": "",
    "voice_application_sid": "AP00000000000000000000000000000001",
}
OURS = {**NUMBER, "voice_url": HOOK, "voice_application_sid": ""}


async def test_a_number_is_pointed_at_us_and_given_back() -> None:
    """What would have our webhook ignored is cleared, what was set is read back, and everything returns as it was."""
    async with twilio_api((200, {"incoming_phone_numbers": [NUMBER]}), (200, OURS), (200, OURS)) as api:
        token = await api.carrier.attach("+15550100001", HOOK)
        _, set_, _ = api.asked
        assert (set_["VoiceUrl"], set_["VoiceMethod"], set_["StatusCallback"]) == (HOOK, "POST", HOOK)
        assert (set_["VoiceApplicationSid"], set_["TrunkSid"], set_["VoiceFallbackUrl"]) == ("", "", "")
        api.answers[:] = [(200, OURS), (200, NUMBER)]
        await api.carrier.restore(token)
    back = api.asked[-1]
    assert (back["VoiceUrl"], back["VoiceMethod"]) == (NUMBER["voice_url"], "GET")
    assert back["VoiceApplicationSid"] == NUMBER["voice_application_sid"]
    assert (back["VoiceFallbackUrl"], back["StatusCallback"], back.all("StatusCallbackMethod")) == ("", "", [])


async def test_what_somebody_has_set_since_is_left_alone() -> None:
    """Another laptop may have taken the number over."""
    async with twilio_api((200, {"incoming_phone_numbers": [NUMBER]}), (200, OURS), (200, OURS)) as api:
        token = await api.carrier.attach("+15550100001", HOOK)
        api.answers[:] = [(200, {**OURS, "voice_url": "https://theirs.example.com"})]
        await api.carrier.restore(token)
    assert api.asked[-1].method == "GET"


async def test_a_number_that_is_not_ours_is_not_set() -> None:
    """Nor is one believed to be set that is not."""
    async with twilio_api((200, {"incoming_phone_numbers": []})) as api:
        with pytest.raises(CallRejected, match="not a number of this account"):
            await api.carrier.attach("+15550100001", HOOK)
        api.answers[:] = [(200, {"incoming_phone_numbers": [NUMBER]}), (200, OURS), (200, NUMBER)]
        with pytest.raises(CarrierError, match="does not use it"):
            await api.carrier.attach("+15550100001", HOOK)


@pytest.mark.parametrize("token", ["", "{}", "[" * 100_000, '{"number_id":"../x","url":"","before":{}}', "\x00"])
async def test_a_token_of_somebody_else_restores_nothing(token: str) -> None:
    """It was read from a file."""
    async with twilio_api() as api:
        with pytest.raises(CarrierError):
            await api.carrier.restore(token)
    assert api.asked == []
