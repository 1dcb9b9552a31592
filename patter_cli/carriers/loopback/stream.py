"""The built-in line: Twilio's wire and one question more, since no carrier stands beside the socket to be asked.

    server -> line   {"event":"transfer","streamSid":"…","transfer":{"number":"+1…","request":"…"}}
    line -> server   {"event":"transfer","sequenceNumber":"…","transfer":{"request":"…","refused":"busy"},…}

`refused` is "" when somebody answered. A line that knows only Twilio's wire drops the question and so never answers.
Both cross our code as a CarrierMessage, event "transfer", with the fields that the wire has.
"""

from __future__ import annotations

import json
import re
from typing import Final

from patter_cli.carriers.twilio.stream import TwilioLine, TwilioStream
from patter_cli.contracts.carrier.stream import CarrierMessage, Ignored, LineMessage, Refused, StreamMessage

TRANSFER: Final = "transfer"

REFUSALS: Final = ("busy", "no answer", "no such number")
"""What a line may give as its reason; it goes into records and to language models, so nothing else is taken."""

_REQUEST: Final = re.compile(r"[0-9a-f]{16}")
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
"""Source: ITU-T E.164."""


class LoopbackStream(TwilioStream):
    """Our end of one call's stream."""

    def receive(self, text: str) -> StreamMessage:
        """Read one text frame. Total, as TwilioStream's."""
        message = super().receive(text)
        if type(message) is Ignored and message.event == TRANSFER:
            return self._transfer(json.loads(text))  # it was JSON, and an object, a moment ago
        return message

    def _transfer(self, message: dict[str, object]) -> StreamMessage:
        body = message.get("transfer")
        if not self._stream_id or message.get("streamSid") != self._stream_id or not isinstance(body, dict):
            return Refused(why="transfer of another stream or without its object")
        request, refused = body.get("request"), body.get("refused")
        if not isinstance(request, str) or not _REQUEST.fullmatch(request):
            return Refused(why="transfer without its request")
        if refused != "" and refused not in REFUSALS:
            return Refused(why="transfer with an unknown reason")
        return CarrierMessage(event=TRANSFER, fields={"request": request, "refused": str(refused)})


class LoopbackLine(TwilioLine):
    """The line's end of one call's stream."""

    def receive(self, text: str) -> LineMessage:
        """Read what the server sent. Total, as TwilioLine's."""
        message = super().receive(text)
        if type(message) is Refused and text.startswith('{"event":"transfer",'):
            return self._wish(text)
        return message

    def wanted_number(self, message: CarrierMessage) -> str:
        """The E.164 number that the server wants the caller to be connected to."""
        return message.fields["number"]

    def transfer_reply(self, message: CarrierMessage, refused: str) -> str:
        """Say what became of the transfer that a message asked for. refused: one of REFUSALS; "": it was answered."""
        body = {"request": message.fields["request"], "refused": refused}
        return self._render({"event": TRANSFER, "sequenceNumber": self._next(), "transfer": body})

    def _wish(self, text: str) -> LineMessage:
        try:
            message = json.loads(text)
            body = message["transfer"]
            number, request = body["number"], body["request"]
        except (ValueError, RecursionError, TypeError, KeyError):
            return Refused(why="transfer with missing or unexpected fields")
        if message.get("streamSid") != self._stream_id:
            return Refused(why="wrong streamSid")
        if not (isinstance(number, str) and _NUMBER.fullmatch(number)):
            return Refused(why="transfer to what is not a number")
        if not (isinstance(request, str) and _REQUEST.fullmatch(request)):
            return Refused(why="transfer without its request")
        return CarrierMessage(event=TRANSFER, fields={"request": request, "number": number})
