"""Telnyx's API v2 as far as calls need it: requests in, answers out, and orders to the exchange behind it.

Theory of operation. A request is authenticated, read, held against its table and against the state of the call it is
about; only then is anything done, and all that is done is an order to the exchange. An order's effect is told by
webhook, later. Each command that was carried out is remembered under its command_id: whoever asks for the same again
within REMEMBERED_S gets the same answer, and nothing happens.

    request -> key -> troubles of the day -> route -> JSON -> fields -> seen before? -> state of the call -> exchange

Source: Telnyx API v2 references, command retries, rate limiting and API errors, 2026-11.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import uuid4

from patter_cli.testing.lab.http import LOST, LabReply, LabRequest, json_reply
from patter_cli.testing.lab.telnyx import refusals
from patter_cli.testing.lab.telnyx.account import Account, page
from patter_cli.testing.lab.telnyx.fields import COMMANDS, check
from patter_cli.testing.lab.telnyx.leg import DEFAULT_RING_S, MAX_CALL_S, Leg, LegState, StreamWanted
from patter_cli.testing.lab.telnyx.orders import Exchange
from patter_cli.testing.lab.telnyx.refusals import Refusal
from patter_cli.testing.lab.telnyx.sound import SIGNED

REMEMBERED_S: Final = 60.0
"""How long a command_id is known. Source: Telnyx docs, command retries."""

_ENDED_TOO: Final = frozenset({"client_state_update"})
_UNANSWERED: Final = frozenset({"answer", "reject", "hangup", "transfer", "client_state_update"})
"""What can be asked of a leg that is not answered."""


class Trouble(Enum):
    """What can be wrong with Telnyx itself."""

    UNAVAILABLE = "503, and nothing was done"
    RATE_LIMITED = "429, with the time to come back"
    ANSWER_LOST = "it was done, and the connection breaks off before the answer"
    DONE_AND_500 = "it was done, and the answer is 500"
    NO_ANSWER = "the connection breaks off, and nothing was done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was let through as far as its JSON. what: the verb, or the path without /v2."""

    what: str
    body: Mapping[str, Any]
    unknown: tuple[str, ...] = ()
    """Fields that Telnyx's schema does not have."""


class TelnyxApi:
    """One account's API."""

    def __init__(self, account: Account, exchange: Exchange, now_s: Callable[[], float]) -> None:
        """now_s: Unix time."""
        self._account = account
        self._exchange = exchange
        self._now_s = now_s
        self._done: dict[tuple[str, str], tuple[float, LabReply]] = {}
        self._troubles: dict[str, deque[Trouble]] = {}
        self.legs: dict[str, Leg] = {}
        """By call_control_id, in the order of their beginning; those that are over too."""
        self.asked: list[Asked] = []

    def trouble(self, what: str, *troubles: Trouble) -> None:
        """Have the next requests for something go wrong, one after the other. what: as in Asked; "": whatever it is."""
        self._troubles.setdefault(what, deque()).extend(troubles)

    def handle(self, request: LabRequest, *, too_many: bool = False) -> LabReply:
        """Answer one request. too_many: it is one more than are let in. Never raises for what somebody may send."""
        try:
            return self._handle(request, too_many)
        except Refusal as refused:
            body = {"errors": [each.render() for each in refused.reasons]}
            return json_reply(refused.status, body, refused.headers)

    # --- before anything is done -----------------------------------------------------------------------------------

    def _handle(self, request: LabRequest, too_many: bool) -> LabReply:
        if request.path.startswith(SIGNED):
            return self._signed(request)
        if request.headers.get("authorization") != f"Bearer {self._account.api_key}":
            raise refusals.unauthorized()
        parts = request.path.removeprefix("/v2/").split("/")
        if not request.path.startswith("/v2/") or not all(parts):
            raise refusals.not_found()
        command = len(parts) == 4 and parts[0] == "calls" and parts[2] == "actions"
        what = parts[3] if command else "/" + "/".join(parts)
        trouble = self._trouble(what)
        if too_many or trouble is Trouble.RATE_LIMITED:
            raise refusals.too_many(reset_s=1, limit=200)
        if trouble is Trouble.UNAVAILABLE:
            return json_reply(503, {"errors": []})
        if trouble is Trouble.NO_ANSWER:
            return LOST
        body = _read(request) if request.method in ("POST", "PATCH") else {}
        answer = self._command(parts[1], parts[3], body) if command and request.method == "POST" else None
        answer = answer or self._route(request.method, parts, dict(parse_qsl(request.query)), body)
        if trouble is Trouble.ANSWER_LOST:
            return LOST
        return json_reply(500, {"errors": []}) if trouble is Trouble.DONE_AND_500 else answer

    def _signed(self, request: LabRequest) -> LabReply:
        """A recording's content, as a storage hands it out."""
        content = self._exchange.files.get(request.path.removeprefix(SIGNED).partition(".")[0])
        if content is None or "authorization" in request.headers:
            return LabReply(status=404 if content is None else 400)
        return LabReply(headers={"content-type": "audio/wav"}, body=content)

    def _trouble(self, what: str) -> Trouble | None:
        for waiting in (self._troubles.get(what), self._troubles.get("")):
            if waiting:
                return waiting.popleft()
        return None

    def _route(self, method: str, parts: list[str], query: dict[str, str], body: dict[str, Any]) -> LabReply:
        account = self._account
        match method, *parts:
            case "POST", "calls":
                return self._dial(body)
            case "GET", "calls", control_id:
                return json_reply(200, {"data": self._leg(control_id).status(self._now_s())})
            case "GET", "connections", connection_id, "active_calls":
                _known(account.applications, connection_id)
                return json_reply(200, page(self._active(connection_id), query))
            case "GET", "phone_numbers":
                wanted = query.get("filter[phone_number]", "")
                rows = [each for each in account.numbers.values() if wanted in each["phone_number"]]
                return json_reply(200, page(rows, query))
            case (method, "phone_numbers", row_id) if method in ("GET", "PATCH"):
                return self._resource(_known(account.numbers, row_id), "number", method, body)
            case "GET", "call_control_applications":
                return json_reply(200, page(list(account.applications.values()), query))
            case (method, "call_control_applications", row_id) if method in ("GET", "PATCH"):
                return self._resource(_known(account.applications, row_id), "application", method, body)
            case "GET", "recordings":
                return json_reply(200, page(_filtered(account.recordings.values(), query), query))
            case "GET", "recordings", recording_id:
                return json_reply(200, {"data": _known(account.recordings, recording_id)})
            case "DELETE", "recordings", recording_id:
                _known(account.recordings, recording_id)
                return json_reply(200, {"data": account.recordings.pop(recording_id)})
        raise refusals.not_found()

    def _resource(self, row: dict[str, Any], what: str, method: str, body: dict[str, Any]) -> LabReply:
        if method == "PATCH":
            self._note(f"/{row['record_type']}s", body, check(what, body))
            connection_id = body.get("connection_id")
            if what == "number" and connection_id and connection_id not in self._account.applications:
                raise refusals.no_application()
            row.update(body)
        return json_reply(200, {"data": dict(row)})

    def _active(self, connection_id: str) -> list[dict[str, Any]]:
        now_s = self._now_s()
        live = (each for each in self.legs.values() if each.alive and each.connection_id == connection_id)
        return [each.listed(now_s) for each in live]

    def _leg(self, control_id: str) -> Leg:
        if control_id not in self.legs:
            raise refusals.no_such_call()
        return self.legs[control_id]

    def _note(self, what: str, body: Mapping[str, Any], unknown: tuple[str, ...]) -> None:
        self.asked.append(Asked(what=what, body=body, unknown=unknown))

    # --- commands --------------------------------------------------------------------------------------------------

    def _dial(self, body: dict[str, Any]) -> LabReply:
        unknown = check("dial", body)
        return self._once("", body, lambda: self._place(body, unknown))

    def _place(self, body: dict[str, Any], unknown: tuple[str, ...]) -> LabReply:
        application = self._account.applications.get(body["connection_id"])
        if application is None or not (body.get("webhook_url") or application["webhook_event_url"]):
            raise refusals.no_application()
        if not self._account.may_show(body["from"]):
            raise refusals.unverified_caller()
        self._note("/calls", body, unknown)
        leg = self._new_leg(body, caller=body["from"], connection_id=body["connection_id"])
        if body.get("link_to") in self.legs:
            leg.session_id = self.legs[body["link_to"]].session_id
        record = _recording(body)
        if record is not None:
            leg.recording_id = str(uuid4())
        self._exchange.dial(leg, StreamWanted.read(body), record)
        status = leg.status(self._now_s())
        data = {name: status[name] for name in ("record_type", "call_control_id", "call_leg_id", "call_session_id")}
        more = {"recording_id": leg.recording_id} if record is not None else {}
        return json_reply(200, {"data": {**data, "is_alive": False, "client_state": leg.client_state, **more}})

    def _new_leg(self, body: Mapping[str, Any], *, caller: str, connection_id: str, state: str | None = None) -> Leg:
        to = body["to"]
        application = self._account.applications.get(connection_id, {})
        leg = Leg(
            caller=caller,
            callee=to[0] if isinstance(to, list) else to,
            connection_id=connection_id,
            webhook_url=body.get("webhook_url") or application.get("webhook_event_url", ""),
            started_s=self._now_s(),
            incoming=False,
            state=LegState.RINGING,
            client_state=state if state is not None else body.get("client_state"),
            ring_s=body.get("timeout_secs") or DEFAULT_RING_S,
            limit_s=body.get("time_limit_secs") or MAX_CALL_S,
            detection=body.get("answering_machine_detection") or "disabled",
            digits_on_answer=body.get("send_digits_on_answer") or "",
        )
        self.legs[leg.control_id] = leg
        return leg

    def _command(self, control_id: str, verb: str, body: dict[str, Any]) -> LabReply:
        if verb not in COMMANDS:
            raise refusals.not_found()
        leg = self._leg(control_id)
        unknown = check(verb, body)
        return self._once(control_id, body, lambda: self._carry_out(leg, verb, body, unknown))

    def _once(self, control_id: str, body: Mapping[str, Any], work: Callable[[], LabReply]) -> LabReply:
        """What was refused was not done, so it is not remembered."""
        command_id, now_s = body.get("command_id"), self._now_s()
        if not command_id:
            return work()
        known = self._done.get((control_id, command_id))
        if known is not None and now_s - known[0] < REMEMBERED_S:
            return known[1]
        answer = work()
        self._done[control_id, command_id] = now_s, answer
        return answer

    def _carry_out(self, leg: Leg, verb: str, body: dict[str, Any], unknown: tuple[str, ...]) -> LabReply:
        if not leg.alive and verb not in _ENDED_TOO:
            raise refusals.call_is_over()
        if not leg.answered and verb not in _UNANSWERED:
            raise refusals.no_audio_yet() if verb == "record_start" else refusals.not_answered_yet()
        if verb in ("answer", "reject") and leg.state is not LegState.PARKED:
            raise refusals.call_is_over() if verb == "reject" or not leg.incoming else refusals.answered_already()
        result = self._order(leg, verb, body)
        if body.get("client_state"):
            leg.client_state = body["client_state"]
        leg.asked.append(verb)
        self._note(verb, body, unknown)
        return json_reply(200, {"data": {"result": "ok", **result}})

    def _order(self, leg: Leg, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Have it done. Returns what its answer says beyond "ok"."""
        exchange = self._exchange
        match verb:
            case "answer":
                record = _recording(body)
                leg.recording_id = str(uuid4()) if record is not None else ""
                leg.webhook_url = body.get("webhook_url") or leg.webhook_url
                exchange.answer(leg, StreamWanted.read(body), record)
                return {"recording_id": leg.recording_id} if record is not None else {}
            case "reject":
                exchange.reject(leg, body["cause"])
            case "hangup":
                exchange.hang_up(leg)
            case "streaming_start":
                if leg.stream_id:
                    raise refusals.streams_already()
                stream = StreamWanted.read(body)
                assert stream is not None
                exchange.start_stream(leg, stream)
            case "streaming_stop":
                if not leg.stream_id:
                    raise refusals.does_not_stream()
                exchange.stop_stream(leg)
            case "send_dtmf":
                exchange.press(leg, body["digits"])
            case "record_start":
                leg.recording_id = leg.recording_id or str(uuid4())
                exchange.start_recording(leg, body)
                return {"recording_id": leg.recording_id}
            case "record_stop":
                exchange.stop_recording(leg)
            case "record_pause" | "record_resume":
                exchange.hold_recording(leg, verb == "record_pause")
            case "speak":
                exchange.speak(leg, body["payload"])
            case "playback_start":
                exchange.play(leg, body.get("audio_url") or "")
            case "playback_stop":
                exchange.hush(leg)
            case "transfer":
                caller = body.get("from") or leg.callee
                target_state = body.get("target_leg_client_state")
                body = {"webhook_url": leg.webhook_url, **body}
                target = self._new_leg(
                    body, caller=caller, connection_id=leg.connection_id, state=target_state or leg.client_state
                )
                target.session_id = leg.session_id
                leg.parks = body.get("park_after_unbridge") == "self"
                exchange.transfer(leg, target)
                return {"call_control_id": target.control_id}
            case "bridge":
                other = self._leg(body.get("call_control_id_to_bridge_with") or body.get("call_control_id") or "")
                if not other.alive:
                    raise refusals.call_is_over()
                if not other.answered:
                    raise refusals.not_answered_yet()
                leg.parks = body.get("park_after_unbridge") == "self"
                exchange.bridge(leg, other)
        return {}


def _read(request: LabRequest) -> dict[str, Any]:
    """The body, which is an object. Raises Refusal."""
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        raise refusals.not_our_media_type()
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        raise refusals.not_json() from None
    if not isinstance(body, dict):
        raise refusals.not_json()
    return body


def _known(rows: Mapping[str, dict[str, Any]], row_id: str) -> dict[str, Any]:
    if row_id not in rows:
        raise refusals.not_found()
    return rows[row_id]


def _recording(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """How a call is to be recorded from its answer on; None: it is not."""
    if body.get("record") != "record-from-answer":
        return None
    return {"format": body.get("record_format") or "mp3", "channels": body.get("record_channels") or "dual"}


def _filtered(rows: Any, query: Mapping[str, str]) -> list[dict[str, Any]]:
    wanted = {name[7:-1]: value for name, value in query.items() if name.startswith("filter[") and name.endswith("]")}
    return [each for each in rows if all(str(each.get(name)) == value for name, value in wanted.items())]
