"""TwiML: whatever a call brings along, only our own verbs are in it."""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import Element, fromstring

from hypothesis import given
from hypothesis import strategies as st

from patter_cli import Twilio
from patter_cli.carriers.twilio.answer import MAX_PARAMETER_CHARS, transfer
from patter_cli.contracts.carrier.carrier import AnswerPlan
from patter_cli.contracts.carrier.control import TransferTarget
from patter_cli.core.outcome import Direction

STREAM = "wss://voice.example.com/ws/twilio/stream/eyJ0b2tlbi.c2lnbmVk-_"
RESUME = "https://voice.example.com/webhooks/twilio/voice?call=eyJ0.c2ln&resume=1"
PLAN = AnswerPlan(
    carrier_call_id="CA00000000000000000000000000000001",
    caller="+15550100001",
    callee="+15550100002",
    direction=Direction.INBOUND,
    stream_url=STREAM,
)


def document(plan: AnswerPlan) -> Element:
    reply = Twilio().render(plan)
    assert (reply.status, reply.content_type) == (200, "text/xml")
    assert reply.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Response>')
    return fromstring(reply.body)


def verbs(root: Element) -> list[str]:
    return [each.tag for each in root.iter()]


def test_a_call_that_is_taken_is_connected_to_its_stream() -> None:
    """The ticket is in the stream's path, for a query never arrives; what the call brought along is beside it."""
    root = document(replace(PLAN, variables={"name": 'José "Pepe" <b> & Co', "tier": ""}))
    (stream,) = root.iter("Stream")
    assert stream.attrib == {"url": STREAM}
    assert {each.get("name"): each.get("value") for each in root.iter("Parameter")} == {
        "name": 'José "Pepe" <b> & Co',
        "tier": "",
    }


def test_a_stream_that_breaks_off_is_an_apology_and_one_way_back() -> None:
    """Our crash is no dead line: Twilio says sorry and asks where it was told to; if nowhere, it says goodbye."""
    root = document(replace(PLAN, resume_url=RESUME))
    assert [each.tag for each in root] == ["Connect", "Say", "Pause", "Redirect"]
    assert root[3].text == RESUME
    assert [each.tag for each in document(PLAN)] == ["Connect", "Say", "Hangup"]


def test_a_call_that_is_declined_hears_why_or_a_busy_line() -> None:
    """A busy line costs nothing, but only a call that has not been answered can get it."""
    declined = replace(PLAN, stream_url="")
    root = document(replace(declined, words="We are closed & asleep."))
    assert [each.tag for each in root] == ["Say", "Hangup"]
    assert root[0].text == "We are closed & asleep."
    (reject,) = document(declined)
    assert (reject.tag, reject.attrib) == ("Reject", {"reason": "busy"})
    assert [each.tag for each in document(replace(declined, answered=True))] == ["Hangup"]


def test_a_parameter_too_long_for_twilio_stays_in_the_ticket() -> None:
    """Name and value together stay under 500 characters; the document is not refused for one that does not."""
    root = document(replace(PLAN, variables={"a": "x" * (MAX_PARAMETER_CHARS - 1), "b": "x" * MAX_PARAMETER_CHARS}))
    assert [each.get("name") for each in root.iter("Parameter")] == ["a"]


def test_a_transfer_rings_once_and_not_for_ever() -> None:
    """The caller who comes back from it is not left in silence."""
    root = fromstring(transfer(TransferTarget(number="+15550100003")))
    assert [each.tag for each in root.iter()] == ["Response", "Dial", "Number", "Say"]
    assert root[0].attrib == {"answerOnBridge": "true", "timeout": "30", "timeLimit": "3600"}
    assert root[0][0].text == "+15550100003"


def test_a_transfer_that_has_a_way_back_asks_there() -> None:
    """What follows is said there; an extension is dialled once the switchboard listens."""
    root = fromstring(transfer(TransferTarget(number="+15550100003", extension="12#"), RESUME))
    assert [each.tag for each in root.iter()] == ["Response", "Dial", "Number"]
    assert (root[0].attrib["action"], root[0].attrib["method"]) == (RESUME, "POST")
    assert root[0][0].attrib == {"sendDigits": "ww12#"}


@given(
    name=st.text(max_size=40),
    value=st.text(max_size=40),
    words=st.text(max_size=60),
    url=st.text(min_size=1, max_size=60),
)
def test_no_text_becomes_a_verb(name: str, value: str, words: str, url: str) -> None:
    """Angle brackets, control characters, half characters: the document is read back with exactly our elements."""
    taken = verbs(document(replace(PLAN, variables={name: value}, stream_url=url, resume_url=url)))
    assert [each for each in taken if each != "Parameter"] == [
        "Response",
        "Connect",
        "Stream",
        "Say",
        "Pause",
        "Redirect",
    ]
    declined = verbs(document(replace(PLAN, stream_url="", words=f"no: {words}")))
    assert declined == ["Response", "Say", "Hangup"]
    assert verbs(fromstring(transfer(TransferTarget(number=words)))) == ["Response", "Dial", "Number", "Say"]
