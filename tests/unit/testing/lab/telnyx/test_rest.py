"""The lab's Telnyx API: what it does, what it refuses and with which words, and what it does only once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_cli.testing.lab.http import LabReply, LabRequest
from patter_cli.testing.lab.telnyx.account import Account
from patter_cli.testing.lab.telnyx.fields import APPLICATION as APPLICATION_FIELDS
from patter_cli.testing.lab.telnyx.fields import COMMANDS
from patter_cli.testing.lab.telnyx.fields import DIAL as DIAL_FIELDS
from patter_cli.testing.lab.telnyx.leg import Leg, LegState, StreamWanted
from patter_cli.testing.lab.telnyx.rest import TelnyxApi, Trouble

APPLICATION = "1494404757140276705"
NUMBER, CALLEE = "+12025550100", "+12025550101"
DIAL = {"connection_id": APPLICATION, "to": CALLEE, "from": NUMBER}
STREAM = {"stream_url": "wss://voice.example.com/ws/1"}
WAV = {"format": "wav", "channels": "dual"}


class Orders:
    """An exchange that only notes what it was told."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str]] = []
        self.streams: list[StreamWanted | None] = []
        self.recorded: list[Mapping[str, Any] | None] = []

    def dial(self, leg: Leg, stream: StreamWanted | None, record: Mapping[str, Any] | None) -> None:
        self._note("dial", leg)
        self.streams.append(stream)
        self.recorded.append(record)

    def answer(self, leg: Leg, stream: StreamWanted | None, record: Mapping[str, Any] | None) -> None:
        self._note("answer", leg)
        self.streams.append(stream)
        leg.state = LegState.ANSWERED

    def reject(self, leg: Leg, cause: str) -> None:
        self._note(f"reject {cause}", leg)

    def hang_up(self, leg: Leg) -> None:
        self._note("hang up", leg)
        leg.state = LegState.ENDED

    def start_stream(self, leg: Leg, stream: StreamWanted) -> None:
        self._note("stream", leg)
        self.streams.append(stream)
        leg.stream_id = "s1"

    def stop_stream(self, leg: Leg) -> None:
        self._note("no stream", leg)
        leg.stream_id = ""

    def press(self, leg: Leg, digits: str) -> None:
        self._note(f"press {digits}", leg)

    def start_recording(self, leg: Leg, how: Mapping[str, Any]) -> None:
        self._note("record", leg)

    def stop_recording(self, leg: Leg) -> None:
        self._note("do not record", leg)

    def hold_recording(self, leg: Leg, held: bool) -> None:
        self._note("hold the recording" if held else "record on", leg)

    def speak(self, leg: Leg, text: str) -> None:
        self._note(f"speak {text}", leg)

    def play(self, leg: Leg, url: str) -> None:
        self._note(f"play {url}", leg)

    def hush(self, leg: Leg) -> None:
        self._note("hush", leg)

    def transfer(self, leg: Leg, target: Leg) -> None:
        self._note(f"transfer to {target.callee}", leg)

    def bridge(self, leg: Leg, other: Leg) -> None:
        self._note(f"bridge with {other.callee}", leg)

    def _note(self, what: str, leg: Leg) -> None:
        self.given.append((leg.control_id, what))

    @property
    def what(self) -> list[str]:
        return [what for _, what in self.given]


class Desk:
    """An API with one application, one number, and a clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 1_795_262_400.0
        self.account = Account(api_key="KEY01")
        self.account.add_application(APPLICATION, "https://voice.example.com/webhooks/telnyx/voice")
        self.number = self.account.add_number(NUMBER, APPLICATION)
        self.orders = Orders()
        self.api = TelnyxApi(self.account, self.orders, lambda: self.now_s)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> LabReply:
        given = {"authorization": "Bearer KEY01", "content-type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        path, _, query = path.partition("?")
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.api.handle(LabRequest(method=method, path=f"/v2{path}", query=query, headers=given, body=raw))

    def leg(self, state: LegState = LegState.ANSWERED, *, incoming: bool = True, **more: Any) -> Leg:
        leg = Leg(
            caller="+12025550199",
            callee=NUMBER,
            connection_id=APPLICATION,
            webhook_url="https://voice.example.com/",
            started_s=self.now_s,
            incoming=incoming,
            state=state,
            **more,
        )
        self.api.legs[leg.control_id] = leg
        return leg

    def command(self, leg: Leg, verb: str, body: Any = None) -> LabReply:
        return self.ask("POST", f"/calls/{leg.control_id}/actions/{verb}", {} if body is None else body)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def data(reply: LabReply) -> Any:
    assert reply.status == 200, reply.body
    return json.loads(reply.body)["data"]


def reasons(reply: LabReply) -> list[tuple[str, str]]:
    """Code and pointer of each."""
    return [(each["code"], each.get("source", {}).get("pointer", "")) for each in json.loads(reply.body)["errors"]]


def test_a_call_is_dialled(desk: Desk) -> None:
    """Its ids come at once, the call itself later; whatever was left out is Telnyx's own choice."""
    leg = data(desk.ask("POST", "/calls", {**DIAL, **STREAM, "client_state": "eA==", "timeout_secs": 25}))
    assert leg["is_alive"] is False
    assert leg["call_control_id"].startswith("v3:")
    assert desk.orders.given == [(leg["call_control_id"], "dial")]
    (stream,) = desk.orders.streams
    assert stream is not None
    assert (stream.mode, stream.target_legs, stream.codec) == ("mp3", "opposite", "default")
    kept = desk.api.legs[leg["call_control_id"]]
    assert (kept.ring_s, kept.client_state, kept.incoming) == (25, "eA==", False)
    shown = data(desk.ask("GET", f"/calls/{kept.control_id}"))
    assert (shown["is_alive"], shown["client_state"]) == (True, "eA==")
    (listed,) = data(desk.ask("GET", f"/connections/{APPLICATION}/active_calls"))
    assert (listed["call_control_id"], listed["client_state"]) == (kept.control_id, "eA==")


def test_a_call_that_is_recorded_says_so(desk: Desk) -> None:
    """By the recording's id in the answer to the dial."""
    assert data(desk.ask("POST", "/calls", {**DIAL, "record": "record-from-answer"}))["recording_id"]
    assert desk.orders.recorded == [{"format": "mp3", "channels": "dual"}]


WRONG_DIALS: list[tuple[dict[str, Any], int, list[tuple[str, str]]]] = [
    ({"to": None}, 422, [("10004", "/to")]),
    ({"to": "", "from": ""}, 422, [("10004", "/to"), ("10004", "/from")]),
    ({"to": "5550100002"}, 422, [("10016", "/to")]),
    ({"to": "+0123"}, 422, [("10016", "/to")]),
    ({"to": 12025550101}, 422, [("10015", "/to")]),
    ({"to": [CALLEE, "x"]}, 422, [("10016", "/to")]),
    ({"from": "Anna"}, 422, [("10016", "/from")]),
    ({"from": "+12025550177"}, 403, [("10010", "/from")]),
    ({"connection_id": "7"}, 422, [("10015", "/connection_id")]),
    ({"connection_id": 7}, 422, [("10015", "/connection_id")]),
    ({"timeout_secs": 4}, 422, [("10033", "/timeout_secs")]),
    ({"timeout_secs": 601}, 422, [("10033", "/timeout_secs")]),
    ({"timeout_secs": "25"}, 422, [("10015", "/timeout_secs")]),
    ({"timeout_secs": True}, 422, [("10015", "/timeout_secs")]),
    ({"time_limit_secs": 14401}, 422, [("10033", "/time_limit_secs")]),
    ({"answering_machine_detection": "Premium"}, 422, [("10032", "/answering_machine_detection")]),
    ({"answering_machine_detection": True}, 422, [("10015", "/answering_machine_detection")]),
    ({"client_state": "not base64!"}, 422, [("90017", "/client_state")]),
    ({"client_state": 1}, 422, [("10015", "/client_state")]),
    ({"webhook_url": "voice.example.com"}, 422, [("10015", "/webhook_url")]),
    ({"stream_url": "https://voice.example.com"}, 422, [("10015", "/stream_url")]),
    ({"stream_codec": "pcmu"}, 422, [("10032", "/stream_codec")]),
    ({"stream_bidirectional_codec": "default"}, 422, [("10032", "/stream_bidirectional_codec")]),
    ({"stream_bidirectional_mode": "RTP"}, 422, [("10032", "/stream_bidirectional_mode")]),
    ({"stream_bidirectional_sampling_rate": 11025}, 422, [("10032", "/stream_bidirectional_sampling_rate")]),
    ({"stream_bidirectional_target_legs": "me"}, 422, [("10032", "/stream_bidirectional_target_legs")]),
    ({"stream_track": "inbound"}, 422, [("10032", "/stream_track")]),
    ({"record": "yes"}, 422, [("10032", "/record")]),
    ({"record_channels": "stereo"}, 422, [("10032", "/record_channels")]),
    ({"custom_headers": {"X-A": "b"}}, 422, [("10015", "/custom_headers")]),
    ({"send_digits_on_answer": "12x"}, 422, [("10015", "/send_digits_on_answer")]),
    ({"send_silence_when_idle": "yes"}, 422, [("10015", "/send_silence_when_idle")]),
    ({"timeout_secs": 1, "stream_track": "x"}, 422, [("10033", "/timeout_secs"), ("10032", "/stream_track")]),
]


@pytest.mark.parametrize(("changed", "status", "why"), WRONG_DIALS, ids=lambda value: str(value)[:50])
def test_a_wrong_dial_is_refused(desk: Desk, changed: dict[str, Any], status: int, why: list[tuple[str, str]]) -> None:
    """With the code and the field, or every field; and nobody is rung."""
    reply = desk.ask("POST", "/calls", {**DIAL, **changed})
    assert (reply.status, reasons(reply)) == (status, why)
    assert desk.orders.given == []
    assert desk.api.asked == []


def test_an_application_without_a_webhook_can_place_no_call(desk: Desk) -> None:
    """Unless the dial brings an address of its own."""
    desk.account.applications[APPLICATION]["webhook_event_url"] = ""
    assert reasons(desk.ask("POST", "/calls", DIAL)) == [("10015", "/connection_id")]
    assert desk.ask("POST", "/calls", {**DIAL, "webhook_url": "https://own.example.com/"}).status == 200


def test_a_number_elsewhere_can_be_shown_once_it_is_verified(desk: Desk) -> None:
    """As the account's own can."""
    assert desk.ask("POST", "/calls", {**DIAL, "from": "+12025550177"}).status == 403
    desk.account.verified.add("+12025550177")
    assert desk.ask("POST", "/calls", {**DIAL, "from": "+12025550177"}).status == 200


WRONG_COMMANDS: list[tuple[str, LegState, dict[str, Any], str, str]] = [
    ("answer", LegState.ENDED, {}, "90018", ""),
    ("answer", LegState.ANSWERED, {}, "90033", ""),
    ("answer", LegState.PARKED, {"stream_bidirectional_mode": 1}, "10015", "/stream_bidirectional_mode"),
    ("hangup", LegState.ENDED, {}, "90018", ""),
    ("reject", LegState.ANSWERED, {"cause": "USER_BUSY"}, "90018", ""),
    ("reject", LegState.PARKED, {}, "10004", "/cause"),
    ("reject", LegState.PARKED, {"cause": "BUSY"}, "10032", "/cause"),
    ("streaming_start", LegState.PARKED, STREAM, "90034", ""),
    ("streaming_start", LegState.RINGING, STREAM, "90034", ""),
    ("streaming_start", LegState.ANSWERED, {}, "10004", "/stream_url"),
    ("streaming_start", LegState.ENDED, STREAM, "90018", ""),
    ("streaming_stop", LegState.ANSWERED, {}, "90048", ""),
    ("send_dtmf", LegState.PARKED, {"digits": "1"}, "90034", ""),
    ("send_dtmf", LegState.ANSWERED, {"digits": ""}, "10004", "/digits"),
    ("send_dtmf", LegState.ANSWERED, {"digits": "1a"}, "10015", "/digits"),
    ("send_dtmf", LegState.ANSWERED, {"digits": "1" * 65}, "10015", "/digits"),
    ("send_dtmf", LegState.ANSWERED, {"digits": "1", "duration_millis": 50}, "10033", "/duration_millis"),
    ("record_start", LegState.PARKED, WAV, "90020", ""),
    ("record_start", LegState.ANSWERED, {"channels": "dual"}, "10004", "/format"),
    ("record_start", LegState.ANSWERED, {"format": "wav", "channels": "2"}, "10032", "/channels"),
    (
        "record_start",
        LegState.ANSWERED,
        {"format": "wav", "channels": "dual", "max_length": 99999},
        "10033",
        "/max_length",
    ),
    ("transfer", LegState.ANSWERED, {}, "10004", "/to"),
    ("transfer", LegState.ANSWERED, {"to": "0123"}, "10016", "/to"),
    ("transfer", LegState.ENDED, {"to": CALLEE}, "90018", ""),
    ("bridge", LegState.ANSWERED, {"call_control_id": "v3:nobody"}, "90015", "/call_control_id"),
    ("speak", LegState.PARKED, {"payload": "Hi.", "voice": "female"}, "90034", ""),
    ("speak", LegState.ANSWERED, {"payload": "Hi."}, "10004", "/voice"),
    ("speak", LegState.ANSWERED, {"payload": "x" * 3001, "voice": "female"}, "10033", "/payload"),
    ("playback_start", LegState.ANSWERED, {"audio_url": "a.mp3"}, "10015", "/audio_url"),
    ("playback_start", LegState.ANSWERED, {"audio_url": "https://a.example/1.mp3", "loop": 0}, "10033", "/loop"),
    ("client_state_update", LegState.ANSWERED, {"client_state": "%"}, "90017", "/client_state"),
    ("answer", LegState.PARKED, {"command_id": 5}, "10015", "/command_id"),
]


@pytest.mark.parametrize(
    ("verb", "state", "body", "code", "pointer"), WRONG_COMMANDS, ids=lambda value: str(value)[:40]
)
def test_a_wrong_command_is_refused(
    desk: Desk, verb: str, state: LegState, body: dict[str, Any], code: str, pointer: str
) -> None:
    """By what it says, or by where the call is; and nothing happens."""
    leg = desk.leg(state, incoming=state is not LegState.RINGING)
    reply = desk.command(leg, verb, body)
    assert (reply.status, reasons(reply)) == (422, [(code, pointer)])
    assert desk.orders.given == []
    assert leg.asked == []


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    [
        ("POST", "/calls", DIAL, {"authorization": "Bearer other"}, 401, "10009"),
        ("POST", "/calls", DIAL, {"authorization": "KEY01"}, 401, "10009"),
        ("GET", "/phone_numbers", None, {"authorization": ""}, 401, "10009"),
        ("POST", "/calls", b"{", {}, 400, "10023"),
        ("POST", "/calls", b"[" * 5000, {}, 400, "10023"),
        ("POST", "/calls", b"to=1", {"content_type": "application/x-www-form-urlencoded"}, 415, "10014"),
        ("POST", "/calls", [], {}, 400, "10023"),
        ("POST", "/calls/v3:nobody/actions/hangup", {}, {}, 422, "90015"),
        ("GET", "/calls/v3:nobody", None, {}, 422, "90015"),
        ("POST", "/calls/v3:nobody/actions/dance", {}, {}, 404, "10005"),
        ("GET", "/nothing", None, {}, 404, "10005"),
        ("DELETE", "/calls", None, {}, 404, "10005"),
        ("GET", "/phone_numbers/77", None, {}, 404, "10005"),
        ("PATCH", "/call_control_applications/77", {}, {}, 404, "10005"),
        ("GET", "/connections/77/active_calls", None, {}, 404, "10005"),
        ("GET", "/recordings/r0", None, {}, 404, "10005"),
        ("PATCH", f"/call_control_applications/{APPLICATION}", {"webhook_api_version": "3"}, {}, 422, "10032"),
        ("PATCH", f"/call_control_applications/{APPLICATION}", {"webhook_event_url": 5}, {}, 422, "10015"),
    ],
)
def test_what_is_no_request_is_refused(
    desk: Desk, method: str, path: str, body: Any, headers: dict[str, str], status: int, code: str
) -> None:
    """Another key, another format, another place."""
    reply = desk.ask(method, path, body, **headers)
    assert (reply.status, reasons(reply)[0][0]) == (status, code)


def test_the_same_command_is_done_once(desk: Desk) -> None:
    """For a minute, for one call; what was refused is not remembered."""
    leg, other = desk.leg(LegState.PARKED), desk.leg(LegState.PARKED)
    early = desk.command(leg, "streaming_start", {**STREAM, "command_id": "s"})
    assert reasons(early) == [("90034", "")]
    first = desk.command(leg, "answer", {"command_id": "a"})
    assert desk.command(leg, "answer", {"command_id": "a"}) == first
    assert desk.command(other, "answer", {"command_id": "a"}).status == 200
    assert desk.command(leg, "streaming_start", {**STREAM, "command_id": "s"}).status == 200
    assert desk.command(leg, "streaming_start", {**STREAM, "command_id": "s"}).status == 200
    assert desk.command(leg, "streaming_start", {**STREAM, "command_id": "t"}).status == 422
    assert desk.orders.what == ["answer", "answer", "stream"]
    desk.now_s += 61
    assert reasons(desk.command(leg, "answer", {"command_id": "a"})) == [("90033", "")]


def test_the_same_dial_rings_once(desk: Desk) -> None:
    """Whoever asks again is told of the same call."""
    first = desk.ask("POST", "/calls", {**DIAL, "command_id": "d"})
    assert desk.ask("POST", "/calls", {**DIAL, "command_id": "d"}).body == first.body
    assert desk.ask("POST", "/calls", {**DIAL, "command_id": "e"}).body != first.body
    assert desk.orders.what == ["dial", "dial"]


def test_telnyx_has_its_bad_days(desk: Desk) -> None:
    """Too many requests, an outage, an answer that is lost: for the commands that were named, in order."""
    leg = desk.leg()
    desk.api.trouble("hangup", Trouble.RATE_LIMITED, Trouble.UNAVAILABLE, Trouble.NO_ANSWER, Trouble.ANSWER_LOST)
    limited = desk.command(leg, "hangup", {"command_id": "h"})
    assert (limited.status, reasons(limited)) == (429, [("10011", "")])
    assert {name: limited.headers[name] for name in limited.headers if name.startswith("x-")} == {
        "x-ratelimit-limit": "200",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "1",
    }
    assert desk.command(leg, "send_dtmf", {"digits": "1"}).status == 200
    assert desk.command(leg, "hangup", {"command_id": "h"}).status == 503
    assert desk.command(leg, "hangup", {"command_id": "h"}).lost
    assert leg.alive
    assert desk.command(leg, "hangup", {"command_id": "h"}).lost
    assert not leg.alive
    assert desk.command(leg, "hangup", {"command_id": "h"}).status == 200
    assert desk.orders.what == ["press 1", "hang up"]


def test_a_call_is_transferred_and_bridged(desk: Desk) -> None:
    """The new leg belongs to the same session, reports to the same address, and carries a state of its own."""
    leg = desk.leg(client_state="b25l")
    target_id = data(desk.command(leg, "transfer", {"to": CALLEE, "target_leg_client_state": "dHdv"}))[
        "call_control_id"
    ]
    target = desk.api.legs[target_id]
    assert (target.session_id, target.client_state) == (leg.session_id, "dHdv")
    assert (target.webhook_url, target.caller) == (leg.webhook_url, NUMBER)
    unanswered = desk.command(leg, "bridge", {"call_control_id": target_id})
    assert reasons(unanswered) == [("90034", "")]
    target.state = LegState.ANSWERED
    assert desk.command(leg, "bridge", {"call_control_id": target_id}).status == 200
    assert desk.orders.what == [f"transfer to {CALLEE}", f"bridge with {CALLEE}"]


def test_a_state_stays_until_there_is_another(desk: Desk) -> None:
    """Every command may bring one, also for a call that is over."""
    leg = desk.leg(client_state="b25l")
    desk.command(leg, "send_dtmf", {"digits": "1"})
    assert leg.client_state == "b25l"
    desk.command(leg, "send_dtmf", {"digits": "1", "client_state": "dHdv"})
    assert leg.client_state == "dHdv"
    leg.state = LegState.ENDED
    assert desk.command(leg, "client_state_update", {"client_state": "eA=="}).status == 200
    assert leg.client_state == "eA=="


def test_numbers_and_applications_are_shown_and_set(desk: Desk) -> None:
    """By the number itself, or by their ids; a number only goes to an application that exists."""
    (row,) = data(desk.ask("GET", "/phone_numbers?filter[phone_number]=%2B12025550100"))
    assert row["connection_id"] == APPLICATION
    assert data(desk.ask("GET", "/phone_numbers?filter[phone_number]=%2B19990000000")) == []
    refused = desk.ask("PATCH", f"/phone_numbers/{row['id']}", {"connection_id": "77"})
    assert reasons(refused) == [("10015", "/connection_id")]
    desk.account.add_application("77", "https://other.example.com/")
    assert data(desk.ask("PATCH", f"/phone_numbers/{row['id']}", {"connection_id": "77"}))["connection_id"] == "77"
    url = "https://voice.example.com/new"
    changed = desk.ask("PATCH", f"/call_control_applications/{APPLICATION}", {"webhook_event_url": url})
    assert data(changed)["webhook_event_url"] == url
    assert data(desk.ask("GET", f"/call_control_applications/{APPLICATION}"))["webhook_event_url"] == url
    assert [each["id"] for each in data(desk.ask("GET", "/call_control_applications"))] == [APPLICATION, "77"]


def test_recordings_are_found_by_their_call(desk: Desk) -> None:
    """A page at a time, and gone once they are deleted."""
    legs = [desk.leg() for _ in range(3)]
    for leg in legs:
        desk.account.add_recording(leg, channels="dual", began_s=1.0, ended_s=7.6, url="https://r.example/1.wav")
    (row,) = data(desk.ask("GET", f"/recordings?filter[call_control_id]={legs[1].control_id}"))
    assert (row["call_leg_id"], row["duration_millis"]) == (legs[1].leg_id, 6600)
    reply = json.loads(desk.ask("GET", "/recordings?page[size]=2&page[number]=2").body)
    assert len(reply["data"]) == 1
    assert reply["meta"] == {"page_number": 2, "page_size": 2, "total_pages": 2, "total_results": 3}
    assert desk.ask("DELETE", f"/recordings/{row['id']}").status == 200
    assert desk.ask("GET", f"/recordings/{row['id']}").status == 404


def test_fields_that_the_schema_does_not_have_are_named(desk: Desk) -> None:
    """Telnyx does not say what it does with them; a test can want none."""
    desk.ask("POST", "/calls", {**DIAL, "callbackUrl": "x"})
    assert [(each.what, each.unknown) for each in desk.api.asked] == [("/calls", ("callbackUrl",))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 20_000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
VERBS = st.sampled_from(sorted(COMMANDS))


@given(verb=VERBS, state=st.sampled_from(LegState), known=st.data(), more=st.dictionaries(st.text(max_size=5), JSON))
@settings(max_examples=120, deadline=None)
def test_no_command_breaks_the_api(verb: str, state: LegState, known: st.DataObject, more: dict[str, Any]) -> None:
    """Whatever its fields hold: it is done, or refused with a reason."""
    desk = Desk()
    names = known.draw(st.lists(st.sampled_from(sorted(COMMANDS[verb])), max_size=4, unique=True))
    usable = st.sampled_from([CALLEE, "wss://a.example/", "https://a.example/", "wav", "dual", "12", "eA==", 1, True])
    body = {**more, **{name: known.draw(JSON | usable) for name in names}}
    reply = desk.command(desk.leg(state), verb, body)
    assert reply.status == 200 or reasons(reply)


@given(known=st.data(), more=st.dictionaries(st.text(max_size=5), JSON, max_size=2))
@settings(max_examples=80, deadline=None)
def test_no_dial_breaks_the_api(known: st.DataObject, more: dict[str, Any]) -> None:
    """The same of the other requests that have a body."""
    desk = Desk()
    for path, table in (("/calls", DIAL_FIELDS), (f"/call_control_applications/{APPLICATION}", APPLICATION_FIELDS)):
        names = known.draw(st.lists(st.sampled_from(sorted(table)), max_size=4, unique=True))
        body = {**DIAL, **more, **{name: known.draw(JSON) for name in names}}
        reply = desk.ask("POST" if path == "/calls" else "PATCH", path, body)
        assert reply.status == 200 or reasons(reply)
