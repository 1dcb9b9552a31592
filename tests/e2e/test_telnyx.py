"""Telnyx over real sockets: what we ask of its API, what becomes of its refusals, and a call to its end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final, TypeAlias

import httpx
import pytest
from pydantic import TypeAdapter
from telnyx.types.call_control_application_update_params import CallControlApplicationUpdateParams
from telnyx.types.call_dial_params import CallDialParams
from telnyx.types.calls.action_answer_params import ActionAnswerParams
from telnyx.types.calls.action_bridge_params import ActionBridgeParams
from telnyx.types.calls.action_hangup_params import ActionHangupParams
from telnyx.types.calls.action_pause_recording_params import ActionPauseRecordingParams
from telnyx.types.calls.action_reject_params import ActionRejectParams
from telnyx.types.calls.action_resume_recording_params import ActionResumeRecordingParams
from telnyx.types.calls.action_send_dtmf_params import ActionSendDtmfParams
from telnyx.types.calls.action_speak_params import ActionSpeakParams
from telnyx.types.calls.action_start_recording_params import ActionStartRecordingParams
from telnyx.types.calls.action_start_streaming_params import ActionStartStreamingParams
from telnyx.types.calls.action_stop_recording_params import ActionStopRecordingParams
from telnyx.types.calls.action_stop_streaming_params import ActionStopStreamingParams
from telnyx.types.calls.action_transfer_params import ActionTransferParams
from telnyx.types.phone_number_update_params import PhoneNumberUpdateParams
from websockets.asyncio.client import ClientConnection, connect

from patter_cli import Telnyx, wiring
from patter_cli.audio.resample import resample_all
from patter_cli.audio.wire import wire_codec
from patter_cli.carriers.telnyx import carrier as telnyx_carrier
from patter_cli.carriers.telnyx import control as telnyx_control
from patter_cli.carriers.telnyx import webhook
from patter_cli.contracts.carrier.carrier import AnswerPlan, CallHandle, CarrierRecording, OutboundCall
from patter_cli.contracts.carrier.control import CallControl
from patter_cli.contracts.carrier.stream import ClearOut, MarkOut, MediaOut
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import RecordingReady
from patter_cli.core.outcome import Direction
from patter_cli.destinations import DialRules
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import AnswerLost, BadSetting, CallRejected, CarrierError, MissingCredential
from patter_cli.server.control_messages import PlaceCall
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.simulate.caller import LineCaller
from tests.e2e.conftest import LOUDNESS, Earpiece, Log, agent, letters_in, spoken
from tests.e2e.telnyx_api import CALL, DROP, SILENCE, Answer, TelnyxApi, refusal, telnyx_api
from tests.unit.carriers.telnyx.events import PUBLIC_KEY, sign

ESCAPED = "/calls/v3%3ATESTcallcontrolid/actions"
STREAM_URL = "wss://voice.example.com/ws/telnyx/stream/ticket"
APPLICATION = "1494404757140276705"
NUMBER = "+15550100002"
CALLEE = "+12125550142"
WEBHOOK = "https://voice.example.com/webhooks/telnyx/voice"

TRANSFER = "Can you put me through?"
Post: TypeAlias = Callable[..., Awaitable[int]]

SCHEMAS: dict[str, Any] = {
    "answer": ActionAnswerParams,
    "bridge": ActionBridgeParams,
    "calls": CallDialParams,
    "hangup": ActionHangupParams,
    "record_pause": ActionPauseRecordingParams,
    "record_resume": ActionResumeRecordingParams,
    "record_start": ActionStartRecordingParams,
    "record_stop": ActionStopRecordingParams,
    "reject": ActionRejectParams,
    "send_dtmf": ActionSendDtmfParams,
    "speak": ActionSpeakParams,
    "streaming_start": ActionStartStreamingParams,
    "streaming_stop": ActionStopStreamingParams,
    "transfer": ActionTransferParams,
    "call_control_applications": CallControlApplicationUpdateParams,
    "phone_numbers": PhoneNumberUpdateParams,
}

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TelnyxApi]:
    """The fake; at its end, all that it was asked is held against Telnyx's own client."""
    monkeypatch.setattr(telnyx_carrier, "ANSWER_AGAIN_S", 0.01)
    monkeypatch.setattr(telnyx_carrier, "LOOK_UP_S", 0.01)
    monkeypatch.setattr(telnyx_carrier, "WORDS_A_SECOND", 1000.0)
    async with telnyx_api() as api:
        yield api
    for each in api.asked:
        assert each.headers["authorization"] == "Bearer KEY0123secret"
        if each.body is not None:
            parts = each.path.split("/")
            what = parts[-1] if len(parts) == 2 or parts[1] == "calls" else parts[1]
            body = {"from_" if name == "from" else name: value for name, value in each.body.items()}
            schema_of(what).validate_python(body, extra="forbid")


@cache
def schema_of(what: str) -> TypeAdapter[Any]:
    """What Telnyx's own client would let through, by the last part of a path."""
    return TypeAdapter(SCHEMAS[what])


def telnyx(api: TelnyxApi, **settings: Any) -> Telnyx:
    given = {"public_key": PUBLIC_KEY, "connection_id": APPLICATION, **settings}
    return Telnyx("KEY0123secret", base_url=api.base_url, **given)


def plan(direction: Direction = Direction.INBOUND, **changed: Any) -> AnswerPlan:
    given = {"carrier_call_id": CALL, "caller": "+15550100001", "callee": NUMBER, "stream_url": STREAM_URL, **changed}
    return AnswerPlan(direction=direction, **given)


def outbound(**changed: Any) -> OutboundCall:
    given: dict[str, Any] = {
        "to": NUMBER,
        "from_number": "+15550100001",
        "answer_url": f"{WEBHOOK}?call=ticket",
        "callback_url": f"{WEBHOOK}/status",
        **changed,
    }
    return OutboundCall(**given)


def control(carrier: Telnyx, call_id: str = CALL, callback_url: str = "") -> CallControl:
    return carrier.control(CallHandle(carrier_call_id=call_id, callback_url=callback_url))


def stream_of(codec: str) -> dict[str, Any]:
    return {
        "stream_url": STREAM_URL,
        "stream_track": "inbound_track",
        "stream_codec": codec,
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": codec,
        "stream_bidirectional_target_legs": "self",
    }


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
async def test_a_call_is_answered_with_its_stream(api: TelnyxApi, codec: Any) -> None:
    """In one command, to the leg's own address, with every choice made that Telnyx would make otherwise."""
    await telnyx(api, codec=codec).carry_out(plan())
    assert api.bodies == [("answer", {"send_silence_when_idle": True, **stream_of(codec)})]
    assert api.asked[0].path == f"{ESCAPED}/answer"


async def test_wideband_waits_for_the_answer(api: TelnyxApi) -> None:
    """The rate can only be given with streaming_start, which Telnyx refuses until it has answered."""
    api.will(f"POST {ESCAPED}/streaming_start", *[refusal(422, "90034")] * 3, Answer())
    await telnyx(api, codec="L16").carry_out(plan())
    assert api.verbs == ["answer", *["streaming_start"] * 4]
    assert api.bodies[0][1] == {"send_silence_when_idle": True}
    assert api.bodies[-1][1] == {**stream_of("L16"), "stream_bidirectional_sampling_rate": 16000}
    assert len({each.body["command_id"] for each in api.asked}) == 5  # what was refused is asked anew


async def test_whoever_we_rang_is_given_the_stream(api: TelnyxApi) -> None:
    """The call is answered already."""
    await telnyx(api).carry_out(plan(Direction.OUTBOUND))
    assert api.bodies == [("streaming_start", {**stream_of("PCMU"), "stream_bidirectional_sampling_rate": 8000})]


async def test_a_call_is_declined(api: TelnyxApi) -> None:
    """Busy costs nobody anything; words are said and then the line is closed; a call of ours is ended."""
    carrier = telnyx(api)
    await carrier.carry_out(plan(stream_url=""))
    assert api.bodies == [("reject", {"cause": "USER_BUSY"})]
    api.asked.clear()
    await carrier.carry_out(plan(stream_url="", words="We are closed."))
    assert api.verbs == ["answer", "speak", "hangup"]
    assert api.bodies[1][1]["payload"] == "We are closed."
    api.asked.clear()
    await carrier.carry_out(plan(Direction.OUTBOUND, stream_url=""))
    assert api.verbs == ["hangup"]


async def test_a_call_without_its_stream_is_hung_up(api: TelnyxApi) -> None:
    """Nobody is left in silence; the refusal is told, also where the call is gone already."""
    api.will(f"POST {ESCAPED}/streaming_start", refusal(422, "90046", "the socket KEY0123secret cannot be reached"))
    api.will(f"POST {ESCAPED}/hangup", refusal(422, "90018"))
    with pytest.raises(CallRejected, match="90046") as caught:
        await telnyx(api).carry_out(plan(Direction.OUTBOUND))
    assert "KEY0123secret" not in str(caught.value)
    assert api.verbs == ["streaming_start", "hangup"]


async def test_a_call_that_is_over_has_no_answer(api: TelnyxApi) -> None:
    """Whoever it was has hung up meanwhile: that is nobody's mistake, and there is nothing to hang up."""
    for verb in ("answer", "reject", "streaming_start"):
        api.will(f"POST {ESCAPED}/{verb}", refusal(422, "90018"))
    for each in (plan(), plan(stream_url=""), plan(Direction.OUTBOUND)):
        await telnyx(api).carry_out(each)
    assert api.verbs == ["answer", "reject", "streaming_start"]


@pytest.mark.parametrize("trouble", [DROP, SILENCE, Answer(status=503), Answer(status=429), Answer(body=[1])])
async def test_a_command_is_tried_again_as_the_same_command(api: TelnyxApi, trouble: Answer | str) -> None:
    """Its id tells Telnyx that it has done it already, should only its answer have been lost."""
    api.will(f"POST {ESCAPED}/answer", trouble, trouble, Answer())
    began = time.monotonic()
    await telnyx(api).carry_out(plan())
    assert api.verbs == ["answer"] * 3
    assert len({each.body["command_id"] for each in api.asked}) == 1
    assert time.monotonic() - began < 3.5


async def test_two_processes_answer_a_call_once(api: TelnyxApi) -> None:
    """The webhook came twice, to two of us: both say the same command. Another call's is another."""
    await asyncio.gather(telnyx(api).carry_out(plan()), telnyx(api).carry_out(plan()))
    await telnyx(api).carry_out(plan(carrier_call_id="v3:another"))
    assert len({each.body["command_id"] for each in api.asked}) == 2


async def test_a_carrier_that_is_not_there_is_told(api: TelnyxApi) -> None:
    """Down, or asking to come back later than a caller waits."""
    api.will(f"POST {ESCAPED}/send_dtmf", Answer(status=500))
    with pytest.raises(CarrierError, match="does not answer"):
        await control(telnyx(api)).send_digits("1")
    api.will(f"POST {ESCAPED}/send_dtmf", Answer(status=429, headers={"x-ratelimit-reset": "40"}))
    api.asked.clear()
    with pytest.raises(CallRejected, match="429"):
        await control(telnyx(api)).send_digits("1")
    assert len(api.asked) == 1
    nobody = Telnyx("KEY0123secret", base_url="http://127.0.0.1:9/v2")
    with pytest.raises(CarrierError, match="cannot be reached"):
        await control(nobody).hang_up()


async def test_a_call_is_placed(api: TelnyxApi) -> None:
    """With the ring time, the carrier's own time limit, its ear for machines, and a mark by which it is known."""
    api.will("POST /calls", Answer(body={"data": {"call_control_id": CALL, "is_alive": False}}))
    assert await telnyx(api).place(outbound()) == CALL
    ((_, body),) = api.bodies
    state = body.pop("client_state")
    assert body == {
        "connection_id": APPLICATION,
        "to": NUMBER,
        "from": "+15550100001",
        "webhook_url": f"{WEBHOOK}?call=ticket",
        "time_limit_secs": 3600,
        "send_silence_when_idle": True,
        "timeout_secs": 25,
        "answering_machine_detection": "premium",
    }
    api.asked.clear()
    await telnyx(api).place(outbound(ring_timeout_s=None, detects_machines=False, max_duration_s=10**6))
    ((_, body),) = api.bodies
    assert body.keys() & {"timeout_secs", "answering_machine_detection"} == set()
    assert body["time_limit_secs"] == 14_400
    api.will("POST /calls", Answer(body={"data": {"call_control_id": CALL}}))
    await telnyx(api).place(outbound(max_duration_s=600, transfer_s=3600))
    assert api.bodies[-1][1]["time_limit_secs"] == 4200  # of the two together: it cannot be changed later
    assert body["client_state"] != state


async def test_the_request_that_is_shown_is_the_one_that_is_sent(api: TelnyxApi) -> None:
    """But for the two ids that each dial makes anew, and the key."""
    api.will("POST /calls", Answer(body={"data": {"call_control_id": CALL}}))
    carrier = telnyx(api)
    shown = carrier.dial_request(outbound())
    assert api.asked == []
    await carrier.place(outbound())
    (dial,) = api.asked
    assert (shown.method, shown.url) == (dial.method, api.base_url + dial.path)
    assert isinstance(shown.body, dict)
    own = ("client_state", "command_id")
    assert {k: v for k, v in shown.body.items() if k not in own} == {k: v for k, v in dial.body.items() if k not in own}
    assert all(len(shown.body[name]) == len(dial.body[name]) for name in own)
    assert dial.headers["authorization"].removeprefix("Bearer ") not in repr(shown)


async def test_a_dial_without_an_answer_is_looked_up(api: TelnyxApi) -> None:
    """It may be ringing: it is found by the mark it was given, and never dialled again."""

    async def live_calls() -> None:
        await api.was_asked.wait()
        state = api.asked[0].body["client_state"]
        rows = [{"call_control_id": "v3:other", "client_state": "x"}, {"call_control_id": CALL, "client_state": state}]
        api.will(f"GET /connections/{APPLICATION}/active_calls", Answer(body={"data": []}), Answer(body={"data": rows}))

    api.will("POST /calls", DROP)
    placed, _ = await asyncio.gather(telnyx(api).place(outbound()), live_calls())
    assert placed == CALL
    assert api.verbs.count("calls") == 1
    api.asked.clear()
    api.will(f"GET /connections/{APPLICATION}/active_calls", Answer(body={"data": []}))
    api.will("POST /calls", Answer(status=502))
    with pytest.raises(AnswerLost):
        await telnyx(api).place(outbound())
    assert api.verbs.count("calls") == 1


async def test_a_dial_that_is_refused_says_why(api: TelnyxApi) -> None:
    """In Telnyx's words, or with what to check."""
    api.will("POST /calls", refusal(403, "10010", "D13"))
    with pytest.raises(CallRejected) as caught:
        await telnyx(api).place(outbound())
    assert "TELNYX_API_KEY" in caught.value.hint
    api.will("POST /calls", refusal(422, "10015", "the\ndestination is not whitelisted"))
    with pytest.raises(CallRejected, match=r"ring \+15550100002 \(422, 10015\): Refused the destination is not"):
        await telnyx(api).place(outbound())
    for wrong in ({"to": "sip:a@b"}, {"to": "+1555\n"}, {"from_number": "5550100001"}):
        with pytest.raises(CallRejected, match="no number"):
            await telnyx(api).place(outbound(**wrong))


async def test_what_is_not_set_is_named(api: TelnyxApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variable by its name, and an id that cannot stand in an address is none."""
    for variable in ("TELNYX_API_KEY", "TELNYX_CONNECTION_ID"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(MissingCredential, match="TELNYX_API_KEY"):
        await Telnyx().place(outbound())
    with pytest.raises(MissingCredential, match="TELNYX_CONNECTION_ID"):
        await telnyx(api, connection_id=None).place(outbound())
    with pytest.raises(BadSetting, match="TELNYX_CONNECTION_ID"):
        await telnyx(api, connection_id="../calls").attach(NUMBER, WEBHOOK)
    assert api.asked == []


async def test_a_live_call_is_acted_on(api: TelnyxApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, recording on both channels, once; the end, also of a call that is over."""
    call = control(telnyx(api))
    await call.send_digits("1w2#")
    await call.stop_recording()
    await call.start_recording()
    await call.start_recording()
    await call.pause_recording()
    await call.resume_recording()
    await call.stop_recording()
    api.will(f"POST {ESCAPED}/hangup", Answer(), refusal(422, "90018"))
    await call.hang_up()
    await call.hang_up()
    assert api.verbs == [
        "send_dtmf",
        "record_start",
        "record_pause",
        "record_resume",
        "record_stop",
        "hangup",
        "hangup",
    ]
    assert api.bodies[0][1] == {"digits": "1w2#"}
    assert api.bodies[1][1]["channels"] == "dual"
    assert webhook.client_state(webhook.RECORDED, CALL) == api.bodies[1][1]["client_state"]
    api.will(f"POST {ESCAPED}/send_dtmf", refusal(422, "90018"))
    with pytest.raises(CallRejected, match="the call is over"):
        await call.send_digits("1")
    for wrong in ("", "abc", "1\n", "1" * 65):
        with pytest.raises(CallRejected, match="pressed"):
            await call.send_digits(wrong)


async def test_a_transfer_rings_for_less_than_it_is_waited_for(api: TelnyxApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers is told by webhook, so the request waits; the leg is marked as the caller's."""
    monkeypatch.setattr(telnyx_control, "TRANSFER_NEWS_S", -29.9)
    with pytest.raises(CallRejected, match="no answer"):
        await control(telnyx(api), callback_url=WEBHOOK).transfer("+15550100003")
    assert api.bodies == [
        (
            "transfer",
            {
                "to": "+15550100003",
                "timeout_secs": 30,
                "time_limit_secs": 3600,
                "target_leg_client_state": webhook.client_state(webhook.TRANSFER, CALL),
                "webhook_url": WEBHOOK,
            },
        )
    ]
    api.will(f"POST {ESCAPED}/transfer", refusal(422, "90018"))
    with pytest.raises(CallRejected, match="the call is over"):
        await control(telnyx(api)).transfer("+15550100003")
    with pytest.raises(CallRejected, match="no number"):
        await control(telnyx(api)).transfer("sip:evil@example.com")


NO_IDS = [
    f"{before}{piece}{after}"
    for piece in ("../", "..", "/", "?", "#", "%2e%2e%2f", "\\", "\n", " ", "ü", "\u202e", "\x00", "&a=b", ";")
    for before, after in (("v3:", ""), ("v3:abc", "def"), ("", "v3:abc"), ("v3:a", "/actions/hangup"))
] + ["", "v3:", "v3", "abc", "v3:" + "a" * 300]


@pytest.mark.parametrize("call_id", NO_IDS)
async def test_what_is_no_call_is_no_part_of_an_address(api: TelnyxApi, call_id: str) -> None:
    """Nothing is asked at all."""
    carrier = telnyx(api)
    call = control(carrier, call_id)
    for asked in (
        call.hang_up(),
        call.send_digits("1"),
        call.transfer(NUMBER),
        call.start_recording(),
        carrier.recordings(call_id),
        carrier.carry_out(plan(carrier_call_id=call_id)),
        carrier.carry_out(plan(carrier_call_id=call_id, stream_url="")),
    ):
        with pytest.raises(CallRejected, match="no call"):
            await asked
    assert api.asked == []


def portal(api: TelnyxApi, connection_id: str = "99") -> tuple[dict[str, Any], dict[str, Any]]:
    """A number, and our application with somebody else's webhook."""
    number = {"id": "n1", "phone_number": NUMBER, "connection_id": connection_id}
    application = {
        "id": APPLICATION,
        "application_name": "agents",
        "webhook_event_url": "https://old.example.com/",
        "webhook_api_version": "1",
    }
    api.will("GET /phone_numbers", Answer(body={"data": [number]}))
    api.resources = {"/phone_numbers/n1": number, f"/call_control_applications/{APPLICATION}": application}
    return number, application


async def test_a_number_is_pointed_at_us_and_given_back(api: TelnyxApi) -> None:
    """To our application, with the envelope we read; afterwards both are as they were."""
    number, application = portal(api)
    before = dict(number), dict(application)
    token = await telnyx(api).attach(NUMBER, WEBHOOK)
    assert api.asked[0].query == {"filter[phone_number]": NUMBER}
    assert number["connection_id"] == APPLICATION
    assert (application["webhook_event_url"], application["webhook_api_version"]) == (WEBHOOK, "2")
    await telnyx(api).restore(token)
    assert (number, application) == before
    await telnyx(api).restore(token)  # once more, after a crash between the two
    assert (number, application) == before


async def test_what_somebody_else_changed_meanwhile_is_left_alone(api: TelnyxApi) -> None:
    """Only what is still ours is taken back."""
    number, application = portal(api)
    token = await telnyx(api).attach(NUMBER, WEBHOOK)
    number["connection_id"], application["webhook_event_url"] = "77", "https://new.example.com/"
    await telnyx(api).restore(token)
    assert (number["connection_id"], application["webhook_event_url"]) == ("77", "https://new.example.com/")


async def test_a_number_that_cannot_be_attached_changes_nothing(api: TelnyxApi) -> None:
    """Half done is undone; a number that is not the account's, and a token that is none, say so."""
    number, application = portal(api)
    before = dict(number), dict(application)
    api.will("PATCH /phone_numbers/n1", refusal(422, "10015"))
    with pytest.raises(CallRejected, match="assign"):
        await telnyx(api).attach(NUMBER, WEBHOOK)
    assert (number, application) == before
    api.will("GET /phone_numbers", Answer(body={"data": []}))
    with pytest.raises(CallRejected, match="no number of this"):
        await telnyx(api).attach(NUMBER, WEBHOOK)
    for token in ("", "{}", "[]", '{"number_id": 7}', "null"):
        with pytest.raises(CarrierError, match="no token"):
            await telnyx(api).restore(token)


async def test_recordings_are_listed(api: TelnyxApi) -> None:
    """With the address of the WAV, where there is one; what is not finished is not one yet."""
    rows = [
        {
            "id": "r1",
            "channels": "dual",
            "duration_millis": 6600,
            "status": "completed",
            "download_urls": {"mp3": "https://s3.example.com/1.mp3", "wav": "https://s3.example.com/1.wav"},
        },
        {"id": "r2", "channels": "single", "status": "completed", "download_urls": {"mp3": "ftp://x"}},
        {"id": "r3", "status": "processing"},
    ]
    api.will("GET /recordings", Answer(body={"data": rows}))
    assert await telnyx(api).recordings(CALL) == (
        CarrierRecording(recording_id="r1", url="https://s3.example.com/1.wav", duration_s=7, channels=2),
        CarrierRecording(recording_id="r2", url="", duration_s=0, channels=1),
    )
    assert api.asked[0].query["filter[call_control_id]"] == CALL


@asynccontextmanager
async def served(
    carrier: Telnyx,
    handler: Callable[[Any], Any],
    *,
    numbers: Sequence[str] = ("+15550100003",),
    llm: Any = None,
    **settings: Any,
) -> AsyncIterator[tuple[Service, Post, Log]]:
    """One agent on Telnyx. Post sends a signed webhook of CALL, or of another leg, and returns the status. llm: what
    answers in place of the handler."""
    log = Log()
    told = agent("Hello caller.", transfer_numbers=list(numbers), llm=llm)
    shop = wiring.ready_agent("shop", told, Hooks(on_message=handler if llm is None else None))
    service = wiring.service(
        {"shop": shop},
        ServiceSettings(
            port=0,
            public_host="voice.example.com",
            drain_timeout_s=0.0,
            rules=DialRules(hours=None, allow=frozenset({"unassigned"})),  # its numbers are nobody's
            secret=b"s" * 32,
            **settings,
        ),
        observers=(log,),
        voice=LOUDNESS,
        carried_by={"telnyx": carrier},
    )
    await service.start()
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", headers={"host": "voice.example.com"})

    async def post(kind: str, *, forged: bool = False, path: str = "/webhooks/telnyx/voice", **payload: Any) -> int:
        data = {"event_type": kind, "payload": {"call_control_id": CALL, **payload}}
        body, stamp = json.dumps({"data": data}).encode(), str(int(time.time()))
        signature = sign(body + b" " if forged else body, stamp)
        headers = {webhook.SIGNATURE: signature, webhook.TIMESTAMP: stamp}
        return (await client.post(path, content=body, headers=headers)).status_code

    try:
        yield service, post, log
    finally:
        await client.aclose()
        await service.cut()
        service.close()


@asynccontextmanager
async def on_the_line(service: Service, api: TelnyxApi, carrier: Telnyx) -> AsyncIterator[LineCaller]:
    """Telnyx opens the stream that the last command named, and the greeting is heard to its end."""
    url = api.bodies[-1][1]["stream_url"].replace("wss://voice.example.com", f"ws://127.0.0.1:{service.port}")
    async with LineCaller(url, carrier.line(), call_id=CALL) as line:
        assert await line.wait_for(lambda: line.heard_bytes > 8 * 200 and line.quiet_ms > 200, 5.0)
        yield line
        assert line.refused == []


async def test_a_call_from_its_webhook_to_its_end(api: TelnyxApi) -> None:
    """Signed, answered once though the webhook comes often, held on the stream's address, and ended by a report."""
    carrier = telnyx(api)
    async with served(carrier, lambda event: "You said something.") as (service, post, log):
        arrives = {"direction": "incoming", "from": "+15550100001", "to": NUMBER}
        assert await post("call.initiated", forged=True, **arrives) == 403
        assert set(await asyncio.gather(*(post("call.initiated", **arrives) for _ in range(20)))) == {200}
        await asyncio.wait_for(api.was_asked.wait(), 5.0)
        async with on_the_line(service, api, carrier) as line:
            (live,) = service.live.calls
            assert (live.ticket.caller, live.ticket.callee) == ("+15550100001", NUMBER)
            assert await post("call.hangup", hangup_cause="normal_clearing") == 200
            assert await line.wait_for(lambda: line.ended is not None, 5.0)
    (entries,) = log.calls.values()
    connected = entries[0].event
    assert isinstance(connected, fact.CallConnected)
    assert connected.carrier_call_id == CALL
    assert api.verbs.count("answer") == 1


async def test_a_call_whose_stream_never_comes_is_hung_up(api: TelnyxApi) -> None:
    """Telnyx has answered it and could not open the socket: nobody would end that silence."""
    async with served(telnyx(api), lambda event: "") as (service, post, _):
        service._awaited._wait_s = 0.1
        await post("call.initiated", direction="incoming", **{"from": "+15550100001", "to": NUMBER})
        async with asyncio.timeout(5.0):
            while len(api.asked) < 2:
                api.was_asked.clear()
                await api.was_asked.wait()
    assert api.verbs == ["answer", "hangup"]


async def test_a_call_of_ours_from_the_dial_to_the_stream(api: TelnyxApi) -> None:
    """Every report comes to the address that the dial named; the answer alone starts the stream, once."""
    carrier = telnyx(api)
    api.will("POST /calls", Answer(body={"data": {"call_control_id": CALL}}))
    async with served(carrier, lambda event: "You said something.") as (service, post, _):
        await service.place(PlaceCall(to=CALLEE, from_number="+12025550100", agent="shop", variables={"tier": "gold"}))
        ((verb, dialled),) = api.bodies
        assert verb == "calls"
        assert dialled["to"] == CALLEE
        path = dialled["webhook_url"].removeprefix("https://voice.example.com")
        ours = {"client_state": dialled["client_state"], "from": "+12025550100", "to": CALLEE}
        api.was_asked.clear()
        assert await post("call.initiated", path=path, direction="outgoing", **ours) == 200
        assert await post("call.answered", path="/webhooks/telnyx/voice?call=forged", call_control_id="v3:x", **ours)
        for _ in range(3):
            assert await post("call.answered", path=path, **ours) == 200
        await asyncio.wait_for(api.was_asked.wait(), 5.0)
        async with asyncio.timeout(5.0):
            while len(api.asked) < 3:
                api.was_asked.clear()
                await api.was_asked.wait()
        assert sorted(api.verbs) == ["calls", "hangup", "streaming_start"]
        started = next(body for verb, body in api.bodies if verb == "streaming_start")
        assert started["custom_parameters"] == [{"name": "tier", "value": "gold"}]
        async with on_the_line(service, api, carrier):
            (live,) = service.live.calls
            assert (live.ticket.direction, live.ticket.variables) == (Direction.OUTBOUND, {"tier": "gold"})


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [("user_busy", "busy"), ("timeout", "no_answer"), ("call_rejected", "failed"), ("originator_cancel", "canceled")],
)
async def test_a_call_that_nobody_takes_has_an_end(api: TelnyxApi, cause: str, outcome: str) -> None:
    """By Telnyx's report alone, also where its answer to the dial was lost and no look-up finds the call."""
    api.will("POST /calls", DROP)
    async with served(telnyx(api), lambda event: "") as (service, post, _):
        call = service.dial(PlaceCall(to=CALLEE, from_number="+12025550100", agent="shop"))
        await asyncio.wait_for(api.was_asked.wait(), 5.0)
        path = api.asked[0].body["webhook_url"].removeprefix("https://voice.example.com")
        ours = {"client_state": api.asked[0].body["client_state"]}
        await asyncio.sleep(0.2)  # the look-ups are over
        assert not call.over
        await post("call.initiated", path=path, direction="outgoing", **ours)
        await post("call.hangup", path=path, hangup_cause=cause, **ours)
        result = await asyncio.wait_for(call.result(), 5.0)
        assert (result.outcome, result.carrier_call_id) == (outcome, CALL)
        assert api.verbs.count("calls") == 1


@pytest.mark.parametrize("busy_first", [False, True])
async def test_a_transfer_is_told_by_its_own_leg(api: TelnyxApi, busy_first: bool) -> None:
    """Busy: the caller is back with the agent, who may try another number. Answered: the call is out of our hands."""
    carrier = telnyx(api)

    def put_through(event: Any) -> str:
        event.transfer_call("+15550100003")
        return "One moment."

    state = webhook.client_state(webhook.TRANSFER, CALL)
    async with served(carrier, put_through) as (service, post, log):
        await post("call.initiated", direction="incoming", **{"from": "+15550100001", "to": NUMBER})
        await asyncio.wait_for(api.was_asked.wait(), 5.0)
        async with on_the_line(service, api, carrier) as line:

            async def ask(times: int) -> None:
                line.say(spoken(TRANSFER))
                assert await line.wait_for(lambda: api.verbs.count("transfer") == times, 8.0)
                await post("call.initiated", call_control_id="v3:leg", client_state=state, direction="outgoing")

            await ask(1)
            if busy_first:
                await post("call.hangup", call_control_id="v3:leg", client_state=state, hangup_cause="user_busy")
                assert await line.wait_for(lambda: line.quiet_ms > 400, 8.0)
                await ask(2)
            await post("call.answered", call_control_id="v3:leg", client_state=state)
            assert await line.wait_for(lambda: line.ended is not None, 10.0)
    (entries,) = log.calls.values()
    told = [type(each.event).__name__ for each in entries]
    assert told.count("TransferFailed") == int(busy_first)
    assert told.count("TransferFinished") == 1
    assert "hangup" not in api.verbs


async def asked_for(api: TelnyxApi, verb: str, times: int = 1) -> dict[str, Any]:
    """Wait until Telnyx was asked for something so often; the last request's body."""
    async with asyncio.timeout(8.0):
        while api.verbs.count(verb) < times:
            api.was_asked.clear()
            await api.was_asked.wait()
    return [body for name, body in api.bodies if name == verb][-1]


@pytest.mark.parametrize("codec", ["PCMU", "L16"])
async def test_a_call_whose_stream_fails_goes_on_once(api: TelnyxApi, codec: Any) -> None:
    """A new stream is started, to the same agent, who knows what was said. The second time the call is hung up, since
    nobody would end its silence."""
    carrier = telnyx(api, codec=codec)
    asked: list[Any] = []

    def answer(event: Any) -> str:
        asked.append([(each["role"], each["text"]) for each in event.history])
        return "Yes."

    async with served(carrier, answer) as (service, post, log):
        await post("call.initiated", direction="incoming", **{"from": "+15550100001", "to": NUMBER})
        path = (await asked_for(api, "answer"))["webhook_url"].removeprefix("https://voice.example.com")
        if codec == "L16":
            await asked_for(api, "streaming_start")
        async with on_the_line(service, api, carrier):
            (first,) = service.live.calls
        starts = int(codec == "L16") + 1
        for _ in range(3):
            assert await post("streaming.failed", path=path, stream_id="s1", failure_reason="x") == 200
        body = await asked_for(api, "streaming_start", starts)
        assert body["stream_codec"] == codec
        async with on_the_line(service, api, carrier) as line:
            (second,) = service.live.calls
            assert (second.ticket.resumes, second.ticket.caller) == (first.ticket.call_id, "+15550100001")
            if codec == "PCMU":
                line.say(spoken("What are your opening hours?"))
                assert await line.wait_for(lambda: bool(asked), 8.0)
        assert await post("streaming.failed", path=path, stream_id="s2", failure_reason="x") == 200
        await asked_for(api, "hangup")
    if codec == "PCMU":
        said = ["Hello caller.", "Sorry about that, I'm back. Please go on.", "What are your opening hours?"]
        assert [text for _, text in asked[-1]] == said
    assert api.verbs.count("streaming_start") == starts
    assert len(log.calls) == 2


async def test_another_process_takes_a_call_whose_stream_failed(api: TelnyxApi) -> None:
    """The address that Telnyx was given for all that it tells of the call says, signed, whose it is."""
    carrier = telnyx(api)
    async with served(carrier, lambda event: "Yes.") as (_, post, _):
        await post("call.initiated", direction="incoming", **{"from": "+15550100001", "to": NUMBER})
        path = (await asked_for(api, "answer"))["webhook_url"].removeprefix("https://voice.example.com")
    async with served(carrier, lambda event: "Yes.") as (service, post, _):
        assert await post("streaming.failed", path=path[:-1], stream_id="s1") == 200
        await asked_for(api, "hangup")
        assert await post("streaming.failed", path=path, stream_id="s1") == 200
        await asked_for(api, "streaming_start")
        async with on_the_line(service, api, carrier):
            (live,) = service.live.calls
            assert live.ticket.resumes


async def test_a_call_of_ours_whose_stream_fails_goes_on(api: TelnyxApi) -> None:
    """Long after its dial's own ticket is over."""
    carrier = telnyx(api)
    api.will("POST /calls", Answer(body={"data": {"call_control_id": CALL}}))
    async with served(carrier, lambda event: "Yes.") as (service, post, _):
        await service.place(PlaceCall(to=CALLEE, from_number="+12025550100", agent="shop"))
        ((_, dialled),) = api.bodies
        path = dialled["webhook_url"].removeprefix("https://voice.example.com")
        await post("call.answered", path=path, client_state=dialled["client_state"])
        await asked_for(api, "streaming_start")
        async with on_the_line(service, api, carrier):
            (first,) = service.live.calls
        assert await post("streaming.failed", stream_id="s1") == 200
        await asked_for(api, "streaming_start", 2)
        async with on_the_line(service, api, carrier):
            (second,) = service.live.calls
            assert (second.ticket.resumes, second.ticket.direction) == (first.ticket.call_id, Direction.OUTBOUND)


async def test_a_stream_that_fails_where_we_have_left_changes_nothing(api: TelnyxApi) -> None:
    """The caller talks with somebody else on that call; and a stranger's is none of ours."""
    carrier = telnyx(api)

    def put_through(event: Any) -> str:
        event.transfer_call("+15550100003")
        return "One moment."

    state = webhook.client_state(webhook.TRANSFER, CALL)
    async with served(carrier, put_through) as (service, post, _):
        await post("call.initiated", direction="incoming", **{"from": "+15550100001", "to": NUMBER})
        await asked_for(api, "answer")
        async with on_the_line(service, api, carrier) as line:
            line.say(spoken(TRANSFER))
            assert await line.wait_for(lambda: "transfer" in api.verbs, 8.0)
            await post("call.answered", call_control_id="v3:leg", client_state=state)
            assert await line.wait_for(lambda: line.ended is not None, 10.0)
        assert await post("streaming.failed", stream_id="s1") == 200
        await asyncio.sleep(0.2)
        assert api.verbs == ["answer", "transfer"]


async def test_a_recording_is_told_of_after_the_call(api: TelnyxApi) -> None:
    """Telnyx records both sides; that it can be fetched is told by an event that names no call but in our own words."""
    carrier = telnyx(api)
    async with served(carrier, lambda event: "Yes.", recording=True) as (service, post, log):
        await post("call.initiated", direction="incoming", **{"from": "+15550100001", "to": NUMBER})
        path = (await asked_for(api, "answer"))["webhook_url"].removeprefix("https://voice.example.com")
        stream = api.bodies[0][1]["stream_url"].replace("wss://voice.example.com", f"ws://127.0.0.1:{service.port}")
        async with LineCaller(stream, carrier.line(), call_id=CALL) as line:
            body = await asked_for(api, "record_start")
            assert (body["channels"], body["format"]) == ("dual", "wav")
            (live,) = service.live.calls
            await post("call.hangup", path=path, hangup_cause="normal_clearing")
            assert await line.wait_for(lambda: line.ended is not None, 5.0)
        saved = {"recording_id": "r-1", "recording_urls": {"wav": "https://s3.example.com/r-1.wav"}}
        await post("call.recording.saved", path=path, call_control_id=None, client_state=body["client_state"], **saved)
        for _ in range(100):
            last = log.calls[live.ticket.call_id][-1].event
            if isinstance(last, RecordingReady):
                break
            await asyncio.sleep(0.05)
        assert last == RecordingReady(recording_id="r-1", url="https://s3.example.com/r-1.wav")


LEG: Final = "v3:leg"


@pytest.mark.parametrize("extension", ["", ";ext=12"])
async def test_somebody_is_told_what_it_is_about_before_they_have_the_caller(api: TelnyxApi, extension: str) -> None:
    """They are a call of ours until they have heard it. Then the two are bridged, and no stream of ours is left on
    either. Behind a switchboard its keys are pressed first, and whoever then speaks is told."""
    carrier = telnyx(api)
    api.will("POST /calls", Answer(body={"data": {"call_control_id": LEG}}))

    def put_through(event: Any) -> str:
        event.transfer_call(f"+15550100003{extension}", about="A guest wants a refund.")
        return "One moment."

    numbers = [f"+15550100003{extension}"]
    async with served(carrier, put_through, numbers=numbers) as (service, post, log):
        await post("call.initiated", direction="incoming", **{"from": "+15550100001", "to": NUMBER})
        await asked_for(api, "answer")
        async with on_the_line(service, api, carrier) as caller:
            caller.say(spoken(TRANSFER))
            dialled = await asked_for(api, "calls")
            assert (dialled["to"], dialled["from"]) == ("+15550100003", NUMBER)
            path = dialled["webhook_url"].removeprefix("https://voice.example.com")
            state = dialled["client_state"]
            await post("call.answered", path=path, call_control_id=LEG, client_state=state)
            url = (await asked_for(api, "streaming_start"))["stream_url"]
            url = url.replace("wss://voice.example.com", f"ws://127.0.0.1:{service.port}")
            ear = Earpiece()
            async with LineCaller(url, carrier.line(), call_id=LEG, handset=ear) as colleague:
                if extension:
                    assert (await asked_for(api, "send_dtmf"))["digits"] == "ww12"
                    assert not ear.text.strip()
                    colleague.say(spoken(TRANSFER))
                assert await colleague.wait_for(lambda: ear.has_heard("a guest wants a refund."), 8.0)
                bridged = await asked_for(api, "bridge")
            await asked_for(api, "streaming_stop", 2)
        assert bridged == {"call_control_id_to_bridge_with": LEG}
        assert await post("streaming.failed", stream_id="s1") == 200
        await asyncio.sleep(0.2)
    assert "hangup" not in api.verbs
    ends = [each for entries in log.calls.values() for entry in entries for each in entry.commands[-1:]]
    assert [each.reason for each in ends if isinstance(each, order.FinishCall)] == ["transferred", "handed_over"]


@pytest.mark.parametrize(
    "settings",
    [{"codec": "PCMA"}, {"codec": "L16"}, {"codec": "L16", "l16_byte_order": "big"}],
    ids=["PCMA", "L16", "L16-big"],
)
async def test_a_call_in_every_codec_with_its_messages_out_of_order(api: TelnyxApi, settings: dict[str, Any]) -> None:
    """Each asked for what was said, and heard what was answered, though every second message overtakes another."""
    carrier = telnyx(api, **settings)
    wire = wire_codec(carrier.format)
    said: list[str] = []

    def answer(event: Any) -> str:
        said.append(event.text)
        return "From nine until six."

    question = wire.encode(resample_all(spoken(TRANSFER), 8000, wire.rate_hz))
    sound = bytes(wire.silence) * wire.rate_hz + question + bytes(wire.silence) * (4 * wire.rate_hz)
    heard = bytearray()
    line = carrier.line()

    async def listen(socket: ClientConnection) -> None:
        async for text in socket:
            match line.receive(str(text)):
                case MediaOut(payload):
                    heard.extend(payload)
                case MarkOut(name=name):
                    await socket.send(line.mark(name))
                case other:
                    assert other == ClearOut()

    def words() -> str:
        return letters_in(resample_all(wire.decode(bytes(heard)), wire.rate_hz, 8000))

    async with served(carrier, answer) as (service, post, _):
        await post("call.initiated", direction="incoming", **{"from": "+15550100001", "to": NUMBER})
        async with asyncio.timeout(5.0):
            while "stream_url" not in (api.bodies[-1][1] if api.asked else {}):
                api.was_asked.clear()
                await api.was_asked.wait()
        url = api.bodies[-1][1]["stream_url"].replace("wss://voice.example.com", f"ws://127.0.0.1:{service.port}")
        async with connect(url, compression=None) as socket:
            listening = asyncio.create_task(listen(socket))
            await socket.send(line.connected())
            await socket.send(line.start(call_id=CALL, parameters={}))
            size, began, kept = 20 * wire.bytes_per_ms, time.monotonic(), ""
            for number in range(len(sound) // size):
                text = line.media(sound[number * size : (number + 1) * size], 20 * number)
                if number % 3 == 1:
                    kept = text
                    continue
                await socket.send(text)
                if kept:
                    await socket.send(kept)
                    kept = ""
                await asyncio.sleep(max(0.0, began + (number + 1) * 0.02 - time.monotonic()))
                if "until six." in words():
                    break
            await socket.send(line.stop())
            await listening
    assert said == [TRANSFER]
    assert words() == "hello caller.from nine until six."
