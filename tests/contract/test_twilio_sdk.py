"""Twilio's own client, as the referee of what we sign, write and take for signed."""

from __future__ import annotations

import string
from xml.etree.ElementTree import canonicalize

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, Dial, VoiceResponse

from patter_cli import Twilio
from patter_cli.carriers.twilio import answer
from patter_cli.carriers.twilio.webhook import canonical, signature
from patter_cli.contracts.carrier.carrier import AnswerPlan
from patter_cli.contracts.carrier.control import TransferTarget
from patter_cli.core.outcome import Direction
from tests.unit.carriers.twilio.requests import ACCOUNT, TOKEN, form, get

VALIDATOR = RequestValidator(TOKEN)
NAMES = st.text(string.ascii_letters, min_size=1, max_size=12)
PAIRS = st.lists(st.tuples(NAMES | st.sampled_from("ab"), st.text(max_size=20)), max_size=12)
URLS = st.sampled_from(
    [
        "https://voice.example.com/webhooks/twilio/voice",
        "https://voice.example.com:443/webhooks/twilio/voice?agent=demo&x=%20a+b",
        "http://voice.example.com/",
        "https://voice.example.com",
    ]
)


@given(url=URLS, pairs=PAIRS)
def test_what_it_signs_we_take_and_what_we_sign_it_takes(url: str, pairs: list[tuple[str, str]]) -> None:
    """Any field, also those that are empty, not ASCII or there several times."""
    fields = ImmutableMultiDict(pairs)
    theirs = VALIDATOR.compute_signature(url, fields)
    Twilio(ACCOUNT, TOKEN).verify(form(pairs, url=url, signed=theirs), 0.0)
    assert VALIDATOR.validate(url, fields, signature(url + canonical(pairs), TOKEN))


def test_it_takes_the_signature_of_a_stream() -> None:
    """And we take its."""
    url = "wss://voice.example.com/ws/twilio/stream/eyJ0.c2ln"
    Twilio(ACCOUNT, TOKEN).verify(get(url, VALIDATOR.compute_signature(url, {})), 0.0)
    assert VALIDATOR.validate(url, {}, signature(url, TOKEN))


PLAN = AnswerPlan(carrier_call_id="", caller="", callee="", direction=Direction.INBOUND)


def test_it_would_write_the_same_document_for_a_call_that_is_taken() -> None:
    """Verb by verb and attribute by attribute."""
    url, back = "wss://v.example.com/ws/twilio/stream/t", "https://v.example.com/webhooks/twilio/voice?a=1&b=2"
    plan = AnswerPlan(
        carrier_call_id="",
        caller="",
        callee="",
        direction=Direction.INBOUND,
        stream_url=url,
        resume_url=back,
        variables={"name": 'A "b" <c> & d'},
    )
    theirs = VoiceResponse()
    connect = Connect()
    connect.stream(url=url).parameter(name="name", value='A "b" <c> & d')
    theirs.append(connect)
    theirs.say(answer.CUT_OFF)
    theirs.pause(length=2)
    theirs.redirect(back, method="POST")
    assert canonicalize(Twilio().render(plan).body) == canonicalize(str(theirs))


def test_it_would_write_the_same_document_for_a_call_that_is_declined() -> None:
    """Busy, or with a reason."""
    busy = VoiceResponse()
    busy.reject(reason="busy")
    assert canonicalize(Twilio().render(PLAN).body) == canonicalize(str(busy))


def test_it_would_write_the_same_transfer() -> None:
    """With the number as a noun of its own, with and without a way back."""
    theirs = VoiceResponse()
    dial = Dial(answer_on_bridge=True, timeout=answer.TRANSFER_RING_S, time_limit=answer.TRANSFER_S)
    dial.number("+15550100003")
    theirs.append(dial)
    theirs.say(answer.AFTER_TRANSFER)
    target = TransferTarget(number="+15550100003")
    assert canonicalize(answer.transfer(target)) == canonicalize(str(theirs))
    back = VoiceResponse()
    dial = Dial(
        answer_on_bridge=True,
        timeout=answer.TRANSFER_RING_S,
        time_limit=answer.TRANSFER_S,
        action="https://voice.example.com/back",
        method="POST",
    )
    dial.number("+15550100003")
    back.append(dial)
    assert canonicalize(answer.transfer(target, "https://voice.example.com/back")) == canonicalize(str(back))
