"""The built-in line: Twilio's wire and one question more, since no carrier stands beside the socket to be asked.

    server -> line   {"event":"transfer","streamSid":"…","transfer":{"number":"+1…","request":"…"}}
    line -> server   {"event":"transfer","sequenceNumber":"…","transfer":{"request":"…","refused":"busy"},…}

`refused` is "" when somebody answered. A line that knows only Twilio's wire drops the question and so never answers.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from typing import Final

from patter_cli.carriers.twilio import TwilioLine, TwilioStream
from patter_cli.contracts.carrier import (
    AskedLine,
    Ignored,
    LineMessage,
    Refused,
    StreamMessage,
    TransferOut,
    TransferReply,
)
from patter_cli.errors import CallRejected

REFUSALS: Final = ("busy", "no answer", "no such number")
"""What a line may give as its reason; it goes into records and to language models, so nothing else is taken."""

ANSWER_S: Final = 5.0
"""By then a line of ours has answered or refused: it rings for three seconds at most."""

_REQUEST: Final = re.compile(r"[0-9a-f]{16}")
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
"""Source: ITU-T E.164."""


class LoopbackStream(TwilioStream):
    """Our end of one call's stream."""

    def receive(self, text: str) -> StreamMessage:
        """Read one text frame. Total, as TwilioStream's."""
        message = super().receive(text)
        if type(message) is Ignored and message.event == "transfer":
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
        return TransferReply(request=request, refused=str(refused))


class LoopbackLine(TwilioLine):
    """The line's end of one call's stream."""

    def receive(self, text: str) -> LineMessage:
        """Read what the server sent. Total, as TwilioLine's."""
        message = super().receive(text)
        if type(message) is Refused and text.startswith('{"event":"transfer",'):
            return self._wish(text)
        return message

    def transfer_reply(self, reply: TransferReply) -> str:
        """Say what became of a transfer."""
        body = {"request": reply.request, "refused": reply.refused}
        return self._render({"event": "transfer", "sequenceNumber": self._next(), "transfer": body})

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
        return TransferOut(request=request, number=number)


class LoopbackControl:
    """What can be asked of a line without a carrier. The socket closes when the call is over, and that hangs up."""

    def __init__(self, stream_id: str = "", line: AskedLine | None = None, *, answer_s: float = ANSWER_S) -> None:
        """line None: there is nobody to ask, and every transfer is refused. answer_s: how long an answer may take."""
        self._stream_id = stream_id
        self._line = line
        self._answer_s = answer_s

    async def hang_up(self) -> None:
        """Nothing to ask of anybody."""

    async def transfer(self, number: str) -> None:
        """Have the line connect the caller to a number. Raises CallRejected with the line's reason, or when it does
        not answer in time: then it is one that knows nothing of transfers."""
        if self._line is None:
            raise CallRejected("nobody can be reached on this line")
        request = secrets.token_hex(8)  # not to be guessed: an answer that nobody asked for must not be one
        answer: asyncio.Future[TransferReply] = asyncio.get_running_loop().create_future()

        def answered(reply: TransferReply) -> None:
            if not answer.done():
                answer.set_result(reply)

        body = json.dumps({"number": number, "request": request}, separators=(",", ":"))
        question = f'{{"event":"transfer","streamSid":"{self._stream_id}","transfer":{body}}}'
        self._line.ask(question, request, answered)
        try:
            async with asyncio.timeout(self._answer_s):
                reply = await answer
        except TimeoutError:
            raise CallRejected("the line cannot transfer calls") from None
        if reply.refused:
            raise CallRejected(reply.refused)
