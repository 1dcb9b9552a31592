"""What Telnyx does with a live call: commands to its leg, of which it reports by webhook what became of them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, Final

from patter_cli.carriers.telnyx.rest import CALL_IS_OVER, Account, checked_call_id
from patter_cli.carriers.telnyx.webhook import RECORDED, TRANSFER, client_state
from patter_cli.contracts.carrier.carrier import CallHandle
from patter_cli.contracts.carrier.control import transfer_target
from patter_cli.errors import CallRejected, CarrierError

log = logging.getLogger(__name__)

TRANSFER_RING_S: Final = 30
"""Less than a call waits for a transfer, so that nobody is rung after the caller was taken back."""
TRANSFER_NEWS_S: Final = 3
"""How long after that the webhook may still be on its way."""
MAX_TRANSFER_S: Final = 3600
"""Of the two of them together; the carrier ends what nobody watches."""
PICK_UP: Final = "ww"
"""Half a second each: a switchboard that has just answered does not listen yet."""
MAX_DIGITS: Final = 64
MAX_RECORDING_S: Final = 14_400

_DIGITS: Final = re.compile(rf"[0-9*#w]{{1,{MAX_DIGITS}}}")


class TelnyxControl:
    """One live call."""

    def __init__(self, account: Callable[[], Account], call: CallHandle) -> None:
        """account: raises MissingCredential where there is none, when it is first needed."""
        self._account = account
        self._call = call
        self._recording = False

    async def hang_up(self) -> None:
        """A call that is over already is fine."""
        await hang_up(self._account(), self._call.carrier_call_id)

    async def transfer(self, number: str) -> None:
        """Ring a number and connect the caller to whoever answers.

        Telnyx only takes this on; who answers, or does not, is told by webhook (TransferConnected, TransferEnded), to
        whichever process of ours gets it, and the call's machine acts on that. So this never returns: it is cancelled
        with its call, or raises when no news has come. The other leg is told apart by its client_state.
        """
        target, call_id = transfer_target(number), self._call.carrier_call_id
        body: dict[str, Any] = {
            "to": target.number,
            "timeout_secs": TRANSFER_RING_S,
            "time_limit_secs": MAX_TRANSFER_S,
            "target_leg_client_state": client_state(TRANSFER, call_id),
        }
        if target.extension:
            body["send_digits_on_answer"] = f"{PICK_UP}{target.extension}"
        if self._call.callback_url:
            body["webhook_url"] = self._call.callback_url
        await self._command("transfer", body, "transfer the call")
        await asyncio.sleep(TRANSFER_RING_S + TRANSFER_NEWS_S)
        raise CallRejected("no answer")

    async def connect(self, carrier_call_id: str) -> None:
        """Both leave their streams, or we would go on hearing them."""
        other = checked_call_id(carrier_call_id)
        await self._command("bridge", {"call_control_id_to_bridge_with": other}, "connect the calls")
        account = self._account()
        for call_id in (self._call.carrier_call_id, other):
            try:
                reply = await account.command(call_id, "streaming_stop", {})
                if not reply.ok and not reply.says(CALL_IS_OVER):
                    raise account.refused(reply, "stop the stream")
            except CarrierError as error:
                log.warning("the stream of a call that was put through goes on: %s", error)

    async def send_digits(self, digits: str) -> None:
        """As telephone events, which leave the stream alone. Returns once Telnyx has taken them."""
        if not _DIGITS.fullmatch(digits):
            raise CallRejected(f"{digits[:64]!a} cannot be pressed", hint=f"up to {MAX_DIGITS} of 0-9 * # and w")
        await self._command("send_dtmf", {"digits": digits}, "press keys")

    async def start_recording(self) -> None:
        """Both sides, each in its channel."""
        if self._recording:
            return
        body = {
            "format": "wav",
            "channels": "dual",
            "max_length": MAX_RECORDING_S,
            "client_state": client_state(RECORDED, self._call.carrier_call_id),
        }
        await self._command("record_start", body, "record the call")
        self._recording = True

    async def stop_recording(self) -> None:
        """A call that is over is not recorded either."""
        if not self._recording:
            return
        account = self._account()
        reply = await account.command(self._call.carrier_call_id, "record_stop", {})
        if not reply.ok and not reply.says(CALL_IS_OVER):
            raise account.refused(reply, "stop recording")
        self._recording = False

    async def pause_recording(self) -> None:
        """Raises CarrierError."""
        await self._command("record_pause", {}, "pause the recording")

    async def resume_recording(self) -> None:
        """Raises CarrierError."""
        await self._command("record_resume", {}, "go on recording")

    async def _command(self, verb: str, body: dict[str, Any], what: str) -> None:
        account = self._account()
        reply = await account.command(self._call.carrier_call_id, verb, body)
        if reply.says(CALL_IS_OVER):
            raise CallRejected("the call is over")
        if not reply.ok:
            raise account.refused(reply, what)


async def hang_up(account: Account, call_id: str) -> None:
    """End a call; one that is over already is fine. Raises CarrierError."""
    reply = await account.command(call_id, "hangup", {})
    if not reply.ok and not reply.says(CALL_IS_OVER):
        raise account.refused(reply, "hang up")
