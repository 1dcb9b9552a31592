"""What may be asked of a running server: read in full, or refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.errors import CallRejected, InputError, InternalError, NotReachable, PatterError, UnknownAgent
from patter_cli.server.control_messages import (
    Admit,
    AskProof,
    AskResult,
    BadRequest,
    Cancel,
    Drop,
    HandIn,
    HangUp,
    Mute,
    Ping,
    PlaceCall,
    Request,
    Say,
    Status,
    Stop,
    Tell,
    Unmute,
    read_reply,
    read_request,
    render_reply,
    render_request,
)

TOKEN = "the token of this server"
HANDED_IN = {"carrier": "twilio", "kind": "voice", "content_type": "", "body": ""}
CALL = PlaceCall(to="+12025550142", from_number="+12025550100", agent="shop", variables={"name": "Zoë"})


@pytest.mark.parametrize(
    "request_",
    [
        Ping(),
        Status(),
        Stop(),
        CALL,
        AskResult(call_id="C1"),
        Cancel(call_id="C1"),
        HangUp(call_id="C1"),
        Mute(call_id="C1"),
        Unmute(call_id="C1"),
        Say(call_id="C1", text="One moment, Zoë."),
        Admit(host="phone.example.com"),
        Tell(host="phone.example.com:8443/0123456789abcdef"),
        Drop(host="phone.example.com"),
        AskProof(),
        HandIn(carrier="twilio", kind="voice", content_type="text/plain", body="a=b\nZoë"),
        PlaceCall(
            to="+442079460018",
            from_number="+12025550100",
            agent="shop",
            first_message="Hello.",
            voicemail_message="Call us back.",
            allow=("GB", "premium"),
            hours="09:00-17:00",
        ),
        PlaceCall(
            to="+390612345678", from_number="+12025550100", agent="shop", ring_timeout_s=None, detects_machines=False
        ),
    ],
)
def test_what_is_asked_arrives(request_: Request) -> None:
    """Every request, as one line."""
    line = render_request(request_, TOKEN)
    assert line.count(b"\n") == 1
    assert read_request(line, TOKEN) == request_


@pytest.mark.parametrize(
    "facts",
    [
        {"do": "ping"},
        {"do": "ping", "token": ""},
        {"do": "ping", "token": TOKEN + " "},
        {"do": "ping", "token": None},
        {"do": "ping", "token": [TOKEN]},
        {"do": "ping", "token": "\ud800"},
        [],
        "ping",
        None,
    ],
)
def test_without_the_token_nothing_else_is_read(facts: Any) -> None:
    """The answer is the same, whatever else the line says."""
    refused = read_request(json.dumps(facts).encode(), TOKEN)
    assert isinstance(refused, BadRequest)
    assert refused.code == "unauthorized"


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, "do is"),
        ({"do": "dance"}, "do is"),
        ({"do": ["ping"]}, "do is"),
        ({"do": "ping", "loud": True}, "ping takes nothing, and loud was given"),
        ({"do": "hang_up"}, "hang_up takes a call_id"),
        ({"do": "mute", "call_id": "C1", "muted": True}, "mute takes a call_id"),
        ({"do": "say", "call_id": "C1"}, "say takes a call_id and a text"),
        ({"do": "say", "call_id": "C1", "text": " "}, "a text has from 1 to"),
        ({"do": "say", "call_id": "C1", "text": "a" * 2001}, "a text has from 1 to"),
        ({"do": "call"}, "to is no number"),
        ({"do": "call", "to": "911", "from_number": CALL.from_number, "agent": "a"}, "to is no number"),
        ({"do": "call", "to": CALL.to + "\n", "from_number": CALL.from_number, "agent": "a"}, "to is no number"),
        ({"do": "call", "to": "+٣٩٠٦١٢٣٤٥٦٧٨", "from_number": CALL.from_number, "agent": "a"}, "to is no number"),
        ({"do": "call", "to": CALL.to, "from_number": "me", "agent": "a"}, "from_number is no number"),
        ({"do": "call", "to": CALL.to, "from_number": CALL.from_number}, "agent is not named"),
        ({"agent": "a", "variables": {"n": 5}}, "variables is no table"),
        ({"agent": "a", "variables": ["n"]}, "variables is no table"),
        ({"agent": "a", "ring_timeout_s": 0}, "ring_timeout_s"),
        ({"agent": "a", "ring_timeout_s": True}, "ring_timeout_s"),
        ({"agent": "a", "ring_timeout_s": 601}, "ring_timeout_s"),
        ({"agent": "a", "detects_machines": "yes"}, "detects_machines"),
        ({"agent": "a", "voicemail_message": 5}, "messages"),
        ({"agent": "a", "allow": "GB"}, "allow is a list"),
        ({"agent": "a", "allow": [5]}, "allow is a list"),
        ({"do": "result"}, "result takes a call_id"),
        ({"do": "cancel", "call_id": 5}, "cancel takes a call_id"),
        ({"do": "cancel", "call_id": "C1", "loud": True}, "nothing else"),
        ({"do": "webhook"}, "webhook takes carrier, kind, content_type, body"),
        ({"do": "webhook", **HANDED_IN, "body": {}}, "texts, and nothing else"),
        ({"do": "webhook", **HANDED_IN, "url": "https://x"}, "and nothing else"),
        ({"do": "webhook", **HANDED_IN, "kind": "../x"}, "kind is a word"),
        ({"agent": "a", "voicemial": "x"}, "a call has no voicemial"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(facts: dict[str, Any], why: str) -> None:
    """The field that is wrong is named; nothing unknown is passed over."""
    if "do" not in facts and facts:
        facts = {"do": "call", "to": CALL.to, "from_number": CALL.from_number, **facts}
    refused = read_request(json.dumps({"token": TOKEN, **facts}).encode(), TOKEN)
    assert isinstance(refused, BadRequest)
    assert why in refused.why


@given(st.binary())
def test_rubbish_is_refused(line: bytes) -> None:
    """Any bytes; also deep nesting."""
    assert isinstance(read_request(line, TOKEN), BadRequest)
    assert isinstance(read_request(b"[" * 100_000, TOKEN), BadRequest)


@pytest.mark.parametrize(
    "error",
    [
        CallRejected("no", hint="wait"),
        UnknownAgent("who?"),
        InputError("what?"),
        NotReachable("where?"),
    ],
)
def test_an_error_crosses_with_its_kind_and_its_hint(error: PatterError) -> None:
    """Whoever asked gets the error that the server had."""
    with pytest.raises(type(error)) as caught:
        read_reply(render_reply(error))
    assert (type(caught.value), str(caught.value), caught.value.hint) == (type(error), str(error), error.hint)


def test_replies() -> None:
    """What went well is facts; a refused request and rubbish are errors."""
    assert read_reply(render_reply({"call_id": "C1"})) == {"call_id": "C1"}
    with pytest.raises(InputError, match="no line"):
        read_reply(render_reply(BadRequest(code="bad_input", why="no line")))
    for rubbish in (b"", b"{}", b"[]", b'{"error": 5}', b'{"ok": 5}', b"\xff"):
        with pytest.raises(InternalError):
            read_reply(rubbish)
