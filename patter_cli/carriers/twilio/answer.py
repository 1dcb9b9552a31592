"""TwiML: what Twilio is told to do with a call. Only ever written by an XML writer, whatever the texts hold.

After the stream comes what Twilio does when our socket is gone and the call is not: an apology, and one way back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from patter_cli.contracts.carrier.carrier import AnswerPlan, WebhookReply
from patter_cli.contracts.carrier.control import TransferTarget
from patter_cli.core.outcome import TransferOutcome

MAX_PARAMETER_CHARS: Final = 499
"""Of a name and its value together; Twilio takes no longer ones."""
MAX_SAY_CHARS: Final = 4096
TRANSFER_RING_S: Final = 30
TRANSFER_S: Final = 3600
"""The longest that a caller who was put through may talk."""

PICK_UP: Final = "ww"
"""Half a second each: a switchboard that has just answered does not listen yet."""

RETURNED: Final = "patter_returned"
"""In the query of an address of ours that Twilio signs: what a transfer has come to, where Twilio does not say it."""

CUT_OFF: Final = "I'm sorry, we were cut off. One moment, please."
RESTART_S: Final = 2
"""A server that was killed is there again by then; one that is not there is the end of the call."""
GONE: Final = "I'm sorry, we have lost the connection. Please call again. Goodbye."
AFTER_TRANSFER: Final = "That call is over. Goodbye."
"""Said if the other side hung up, and as true if it was never reached."""

_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot carry, not even escaped. Source: XML 1.0, 2.2."""


def answer(plan: AnswerPlan) -> WebhookReply:
    """What becomes of the call, as the reply of its webhook."""
    response = Element("Response")
    if plan.stream_url:
        _connect(response, plan)
    elif plan.words or plan.returned is not None:
        _say(response, plan.words or AFTER_TRANSFER)
        SubElement(response, "Hangup")
    elif plan.answered:
        SubElement(response, "Hangup")
    else:
        SubElement(response, "Reject", reason="busy")  # costs nothing, and the caller hears a busy line
    return WebhookReply(content_type="text/xml", body=_DECLARATION + tostring(response, "utf-8", xml_declaration=False))


def transfer(target: TransferTarget, return_url: str = "") -> str:
    """Instructions that put the caller through, for a call that is live. return_url: is asked for more when that is
    over, or never came about; "": then the call is over."""
    response = Element("Response")
    how = {"answerOnBridge": "true", "timeout": str(TRANSFER_RING_S), "timeLimit": str(TRANSFER_S)}
    if return_url:
        how |= {"action": _text(return_url), "method": "POST"}
    keys = {"sendDigits": f"{PICK_UP}{target.extension}"} if target.extension else {}
    SubElement(SubElement(response, "Dial", how), "Number", keys).text = _text(target.number)
    if not return_url:  # nothing after a Dial with an action is ever reached
        _say(response, AFTER_TRANSFER)
    return tostring(response, "unicode")


def meet(room: str) -> str:
    """Instructions for a live call to talk with whoever else is sent to the same room; it is over when one leaves."""
    response = Element("Response")
    dial = SubElement(response, "Dial", timeLimit=str(TRANSFER_S))
    once = {"beep": "false", "startConferenceOnEnter": "true", "endConferenceOnExit": "true"}
    SubElement(dial, "Conference", once).text = _text(room)
    return tostring(response, "unicode")


def come_back(return_url: str) -> str:
    """Instructions for a caller who was sent to a room and is alone there. return_url: "": then the call is over."""
    response = Element("Response")
    if return_url:
        address = f"{return_url}{'&' if '?' in return_url else '?'}{RETURNED}={TransferOutcome.DROPPED}"
        SubElement(response, "Redirect", method="POST").text = _text(address)
    else:
        _say(response, AFTER_TRANSFER)
    return tostring(response, "unicode")


def _connect(response: Element, plan: AnswerPlan) -> None:
    stream = SubElement(SubElement(response, "Connect"), "Stream", url=_text(plan.stream_url))
    for name, value in _parameters(plan.variables).items():
        SubElement(stream, "Parameter", name=name, value=value)
    if plan.resume_url:
        _say(response, CUT_OFF)
        SubElement(response, "Pause", length=str(RESTART_S))
        SubElement(response, "Redirect", method="POST").text = _text(plan.resume_url)
    else:
        _say(response, GONE)
        SubElement(response, "Hangup")


def _say(response: Element, words: str) -> None:
    SubElement(response, "Say").text = _text(words)[:MAX_SAY_CHARS]


def _parameters(variables: Mapping[str, str]) -> dict[str, str]:
    """Those that fit; the ticket in the stream's address has them all."""
    texts = {_text(name): _text(value) for name, value in variables.items()}
    return {name: value for name, value in texts.items() if name and len(name) + len(value) <= MAX_PARAMETER_CHARS}


def _text(text: str) -> str:
    return _NOT_XML.sub("", text)
