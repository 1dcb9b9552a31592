"""Asking the built-in line for a transfer: over the stream itself, since no carrier stands beside it."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Final

from patter_cli.carriers.loopback.stream import TRANSFER
from patter_cli.contracts.carrier.control import CallLine, transfer_target
from patter_cli.contracts.carrier.stream import CarrierMessage
from patter_cli.errors import CallRejected

ANSWER_S: Final = 5.0
"""By then a line of ours has answered or refused: it rings for three seconds at most."""


class LoopbackControl:
    """What can be asked of a line without a carrier. The socket closes when the call is over, and that hangs up."""

    def __init__(self, stream_id: str = "", line: CallLine | None = None, *, answer_s: float = ANSWER_S) -> None:
        """line None: there is nobody to ask, and every transfer is refused. answer_s: how long an answer may take."""
        self._stream_id = stream_id
        self._line = line
        self._answer_s = answer_s
        self._request = ""
        """The question that is open; an answer to another means nothing."""
        self._answer: asyncio.Future[str] | None = None
        if line is not None:
            line.listen(self._hear)

    async def hang_up(self) -> None:
        """Nothing to ask of anybody."""

    async def send_digits(self, digits: str) -> None:
        """Raises CallRejected: nobody at the other end reads keys."""
        raise CallRejected("the built-in line takes no keys")

    async def start_recording(self) -> None:
        """Raises CallRejected: there is no carrier that could."""
        raise CallRejected("the built-in line records nothing", hint="patter simulate --stereo call.wav")

    async def stop_recording(self) -> None:
        """Nothing is recorded."""

    async def transfer(self, number: str) -> None:
        """Have the line connect the caller to a number. Raises CallRejected with the line's reason, or when it does
        not answer in time: then it is one that knows nothing of transfers."""
        if self._line is None:
            raise CallRejected("nobody can be reached on this line")
        self._request = secrets.token_hex(8)  # not to be guessed: an answer that nobody asked for must not be one
        self._answer = answer = asyncio.get_running_loop().create_future()
        body = json.dumps({"number": transfer_target(number).number, "request": self._request}, separators=(",", ":"))
        self._line.send(f'{{"event":"{TRANSFER}","streamSid":"{self._stream_id}","transfer":{body}}}')
        try:
            async with asyncio.timeout(self._answer_s):
                refused = await answer
        except TimeoutError:
            raise CallRejected("the line cannot transfer calls") from None
        if refused:
            raise CallRejected(refused)

    def _hear(self, message: CarrierMessage) -> bool:
        answer = self._answer
        if message.event != TRANSFER or message.fields["request"] != self._request or answer is None or answer.done():
            return False
        answer.set_result(message.fields["refused"])
        return True
