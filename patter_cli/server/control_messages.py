"""What a second process may ask of a running server, as one JSON line there and one back.

    {"token": "…", "do": "ping" | "status" | "call" | "result" | "cancel" | "hang_up" | "mute" | "unmute" | "say" |
     "stop" | "admit" | "tell" | "drop" | "proof" | "link" | "webhook", …}
        ->   {"ok": {…}} or {"error": {code, message, hint}}

`read_request` is total: any bytes give a request or a BadRequest. The token is looked at first; without it nothing else
of a line is.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, TypeAlias

from patter_cli.errors import CarrierError, ConfigError, InputError, InternalError, NetworkError, PatterError

MAX_LINE_BYTES: Final = 64 * 1024

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_KIND: Final = re.compile(r"[a-z]{1,16}")
MAX_RING_S: Final = 600
MAX_SAID_CHARS: Final = 2000
"""Two minutes of speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Who are you?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Which calls are live?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Let live calls end, then stop, as on Ctrl-C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCall:
    """Ring somebody with an agent."""

    to: str
    """E.164."""
    from_number: str
    """E.164, one of ours."""
    agent: str
    variables: Mapping[str, str] = field(default_factory=dict)
    ring_timeout_s: int | None = 25
    """None: as long as the carrier likes."""
    detects_machines: bool = True
    first_message: str = ""
    """What is said first; "": what the agent says."""
    voicemail_message: str = ""
    """What a machine is told; "": what the server leaves."""
    allow: tuple[str, ...] = ()
    """What may be rung beside what the server's own rules let pass."""
    hours: str = ""
    """When, by the clock of whoever is rung; "": by the server's own rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskResult:
    """What has become of a call that was asked for here?"""

    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """A call that was asked for here is no longer wanted."""

    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """Have a call that goes on or rings say goodbye and end, whoever asked for it."""

    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """Have a call's agent hear silence in place of the caller."""

    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmute:
    """Have it hear the caller again."""

    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Have a call's agent say this next."""

    call_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """Let requests name this public host, so that it can be shown whether it leads to you; what carriers ask for is
    there under the path that follows it, if one does."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """It does: tell carriers this public host from now on."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """This public host is yours no more."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskProof:
    """What would only you answer through your public host?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLink:
    """What address signs a browser in to your dashboard?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandIn:
    """A webhook as a carrier would send it: see Webhooks.hand_in."""

    carrier: str
    kind: str
    """The last part of its address: "voice", "status"."""
    content_type: str
    body: str
    real: bool = False
    """The carrier knows the call, and may be asked for what comes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRequest:
    """A line that asks for nothing. why: for whoever wrote it."""

    code: str
    why: str


Request: TypeAlias = (
    Ping
    | Status
    | Stop
    | PlaceCall
    | AskResult
    | Cancel
    | HangUp
    | Mute
    | Unmute
    | Say
    | Admit
    | Tell
    | Drop
    | AskProof
    | AskLink
    | HandIn
)

_PLAIN: Final[Mapping[str, Request]] = {
    "ping": Ping(),
    "status": Status(),
    "stop": Stop(),
    "proof": AskProof(),
    "link": AskLink(),
}
_OF_CALL: Final[Mapping[str, type[AskResult | Cancel | HangUp | Mute | Unmute]]] = {
    "result": AskResult,
    "cancel": Cancel,
    "hang_up": HangUp,
    "mute": Mute,
    "unmute": Unmute,
}
_OF_HOST: Final[Mapping[str, type[Admit | Tell | Drop]]] = {"admit": Admit, "tell": Tell, "drop": Drop}
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,252})(?::[0-9]{1,5})?(?:/[0-9a-f]{16})?")


def read_request(line: bytes, token: str) -> Request | BadRequest:
    """Read one line. token: what the server's own registration says."""
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError):
        return BadRequest(code="bad_input", why="not a line of JSON")
    given = facts.pop("token", None) if isinstance(facts, dict) else None
    if not isinstance(given, str) or not hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()):
        return BadRequest(code="unauthorized", why="the token is not this server's")
    do = facts.pop("do", None)
    if do == "call":
        return _read_call(facts)
    of_call = _OF_CALL.get(do) if isinstance(do, str) else None
    if of_call is not None:
        call_id = facts.get("call_id")
        if facts.keys() != {"call_id"} or not isinstance(call_id, str):
            return BadRequest(code="bad_input", why=f"{do} takes a call_id, and nothing else")
        return of_call(call_id=call_id)
    if do == "say":
        call_id, text = facts.get("call_id"), facts.get("text")
        if facts.keys() != {"call_id", "text"} or not isinstance(call_id, str) or not isinstance(text, str):
            return BadRequest(code="bad_input", why="say takes a call_id and a text, and nothing else")
        if not text.strip() or len(text) > MAX_SAID_CHARS:
            return BadRequest(code="bad_input", why=f"a text has from 1 to {MAX_SAID_CHARS} characters")
        return Say(call_id=call_id, text=text)
    if do == "webhook":
        real = facts.pop("real", False)
        texts = {each.name: facts.get(each.name) for each in fields(HandIn) if each.name != "real"}
        if type(real) is not bool:
            return BadRequest(code="bad_input", why="real is true or false")
        if facts.keys() != texts.keys() or not all(isinstance(each, str) for each in texts.values()):
            return BadRequest(code="bad_input", why=f"webhook takes {', '.join(texts)}, texts, and nothing else")
        if not _KIND.fullmatch(str(texts["kind"])):
            return BadRequest(code="bad_input", why="kind is a word in small letters")
        return HandIn(**{name: str(each) for name, each in texts.items()}, real=real)
    of_host = _OF_HOST.get(do) if isinstance(do, str) else None
    if of_host is not None:
        host = facts.get("host")
        if facts.keys() != {"host"} or not isinstance(host, str) or not _HOST.fullmatch(host):
            return BadRequest(code="bad_input", why=f"{do} takes a host, and nothing else")
        return of_host(host=host)
    asked = _PLAIN.get(do) if isinstance(do, str) else None
    if asked is None:
        known = ", ".join(sorted({*_PLAIN, *_OF_HOST, *_OF_CALL, "call", "say", "webhook"}))
        return BadRequest(code="bad_input", why=f"do is one of {known}")
    if facts:
        return BadRequest(code="bad_input", why=f"{do} takes nothing, and {_names(facts)} was given")
    return asked


def render_request(request: Request, token: str) -> bytes:
    """The line that asks for this."""
    facts: dict[str, Any]
    match request:
        case Ping():
            facts = {"do": "ping"}
        case Status():
            facts = {"do": "status"}
        case Stop():
            facts = {"do": "stop"}
        case AskProof():
            facts = {"do": "proof"}
        case AskLink():
            facts = {"do": "link"}
        case Admit(host=host) | Tell(host=host) | Drop(host=host):
            facts = {"do": type(request).__name__.lower(), "host": host}
        case PlaceCall():
            facts = {
                "do": "call",
                "to": request.to,
                "from_number": request.from_number,
                "agent": request.agent,
                "variables": dict(request.variables),
                "ring_timeout_s": request.ring_timeout_s,
                "detects_machines": request.detects_machines,
                "first_message": request.first_message,
                "voicemail_message": request.voicemail_message,
                "allow": list(request.allow),
                "hours": request.hours,
            }
        case AskResult(call_id=call_id):
            facts = {"do": "result", "call_id": call_id}
        case Cancel(call_id=call_id):
            facts = {"do": "cancel", "call_id": call_id}
        case HangUp(call_id=call_id):
            facts = {"do": "hang_up", "call_id": call_id}
        case Mute(call_id=call_id):
            facts = {"do": "mute", "call_id": call_id}
        case Unmute(call_id=call_id):
            facts = {"do": "unmute", "call_id": call_id}
        case Say():
            facts = {"do": "say", **asdict(request)}
        case HandIn():
            facts = {"do": "webhook", **asdict(request)}
    return json.dumps({"token": token, **facts}).encode() + b"\n"


def render_reply(reply: Mapping[str, Any] | BadRequest | PatterError) -> bytes:
    """What comes back."""
    match reply:
        case BadRequest(code=code, why=why):
            facts: dict[str, Any] = {"error": {"code": code, "message": why, "hint": ""}}
        case PatterError():
            facts = {"error": {"code": reply.code, "message": str(reply), "hint": reply.hint}}
        case _:
            facts = {"ok": dict(reply)}
    return json.dumps(facts).encode() + b"\n"


def read_reply(line: bytes) -> dict[str, Any]:
    """What the server said. Raises the error that it had, or InternalError for what no server of ours says."""
    try:
        facts = json.loads(line)
        if "ok" in facts:
            return dict(facts["ok"])
        error = facts["error"]
        code, message, hint = str(error["code"]), str(error["message"]), str(error["hint"])
    except (ValueError, TypeError, KeyError, RecursionError) as broken:
        raise InternalError("the server's reply cannot be read") from broken
    raise _ERRORS.get(code, InternalError)(message, hint=hint)


def _read_call(facts: dict[str, Any]) -> PlaceCall | BadRequest:
    known = {each.name for each in fields(PlaceCall)}
    if unknown := facts.keys() - known:
        return BadRequest(code="bad_input", why=f"a call has no {_names(unknown)}")
    for name in ("to", "from_number"):
        number = facts.get(name)
        if not isinstance(number, str) or not _E164.fullmatch(number):
            return BadRequest(code="bad_input", why=f"{name} is no number like +14155550123")
    agent, variables = facts.get("agent"), facts.get("variables", {})
    if not isinstance(agent, str) or not agent:
        return BadRequest(code="bad_input", why="agent is not named")
    if not isinstance(variables, dict) or not all(isinstance(each, str) for each in variables.values()):
        return BadRequest(code="bad_input", why="variables is no table of texts")
    ring, detects = facts.get("ring_timeout_s", 25), facts.get("detects_machines", True)
    if ring is not None and (type(ring) is not int or not 1 <= ring <= MAX_RING_S):
        return BadRequest(code="bad_input", why=f"ring_timeout_s is a whole number from 1 to {MAX_RING_S}, or null")
    if type(detects) is not bool:
        return BadRequest(code="bad_input", why="detects_machines is true or false")
    texts = {name: facts.get(name, "") for name in ("first_message", "voicemail_message", "hours")}
    allow = facts.get("allow", [])
    if not isinstance(allow, list) or not all(isinstance(each, str) for each in (*allow, *texts.values())):
        return BadRequest(code="bad_input", why="allow is a list of texts, and messages and hours are texts")
    return PlaceCall(
        to=facts["to"],
        from_number=facts["from_number"],
        agent=agent,
        variables=variables,
        ring_timeout_s=ring,
        detects_machines=detects,
        allow=tuple(allow),
        **texts,
    )


def _names(names: Any) -> str:
    return ", ".join(sorted(str(each)[:32] for each in names))


def _codes(kinds: tuple[type[PatterError], ...]) -> dict[str, type[PatterError]]:
    """A code is that of the most general kind that has it."""
    return {each.code: each for kind in kinds for each in (*_codes(tuple(kind.__subclasses__())).values(), kind)}


_ERRORS: Final = _codes((InputError, ConfigError, CarrierError, NetworkError))
