"""What Twilio does with a live call: over its REST API, and keys as sound in the call's own stream.

Keys cannot be sent otherwise without leaving the stream. So the far end hears the tones themselves, which all
telephones made once and nearly all menus still listen to.
"""

from __future__ import annotations

import asyncio
import json
import re
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from patter_cli.audio import tone
from patter_cli.audio.g711 import encode_ulaw
from patter_cli.carriers.twilio import answer
from patter_cli.carriers.twilio.rest import CALL_IS_OVER, NOT_FOUND, Account, Reply
from patter_cli.contracts.carrier.carrier import CallHandle
from patter_cli.contracts.carrier.control import transfer_target
from patter_cli.errors import AnswerLost, CallRejected, CarrierError

RATE_HZ: Final = 8000
PAUSE_MS: Final = 500
"""What w stands for."""
MAX_DIGITS: Final = 32
"""As many as Twilio takes at a time where it presses keys itself."""

CHECKS: Final = 3
CHECK_S: Final = 0.3
"""How often, and after how long each time, a call that was hung up is looked at until it is over."""

OVER: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})

MEET_S: Final = 1.0
"""When two who were sent to a room are in it, as far as both are there."""

_UNLIMITED: Final = ("TimeLimit", "14400")
"""As long as Twilio lets a call last by itself: one that we made has the agent's limit, which is not one on what others
say to each other. That has a limit of its own in its instructions."""
_CALL_ID: Final = re.compile(r"CA[0-9a-fA-F]{32}")
_DIGITS: Final = re.compile(rf"[0-9*#w]{{1,{MAX_DIGITS}}}")


class TwilioControl:
    """One live call."""

    def __init__(self, account: Callable[[], Account], call: CallHandle) -> None:
        """account: raises MissingCredential where there is none, when it is first needed."""
        self._account = account
        self._call = call

    async def hang_up(self) -> None:
        """Raises CarrierError if the call is live afterwards, as far as can be seen."""
        account, call_id = self._account(), checked_call_id(self._call.carrier_call_id)
        reply = await account.post("Calls", f"{call_id}.json", form=[("Status", "completed")], repeatable=True)
        if reply.code == CALL_IS_OVER:
            return
        for _ in range(CHECKS):
            if not reply.ok:
                raise account.refused(reply, "hang up")
            if reply.text("status") in OVER:
                return
            await asyncio.sleep(CHECK_S)
            reply = await account.get("Calls", f"{call_id}.json")
        if reply.text("status") not in OVER:
            raise CarrierError(f"Twilio has taken the hang-up, and the call is {reply.text('status') or 'live'} still")

    @property
    def leaves_line(self) -> bool:
        """Always: new instructions take the place of the stream."""
        return True

    async def transfer(self, number: str) -> None:
        """Connect the caller. The stream ends with it; who is not put through is asked for at the return address."""
        target = transfer_target(number)
        account, call_id = self._account(), checked_call_id(self._call.carrier_call_id)
        form = [("Twiml", answer.transfer(target, self._call.return_url)), _UNLIMITED]
        # Done twice, it would ring twice.
        reply = await account.post("Calls", f"{call_id}.json", form=form, repeatable=False)
        if not reply.ok:
            raise account.refused(reply, "transfer the call")
        if reply.text("status") in OVER:
            raise CallRejected("the call is over")

    async def connect(self, carrier_call_id: str) -> None:
        """In a room of their own, which the other enters first: the caller hears them at once. A caller who is alone in
        it, since the other was gone by then, is sent to the return address."""
        account, caller = self._account(), checked_call_id(self._call.carrier_call_id)
        form = [("Twiml", answer.meet(f"patter-{caller}")), _UNLIMITED]
        for call_id in (checked_call_id(carrier_call_id), caller):
            reply = await account.post("Calls", f"{call_id}.json", form=form, repeatable=True)
            if not reply.ok:
                raise account.refused(reply, "connect the calls")
            if reply.text("status") in OVER:
                raise CallRejected("one of the calls is over")
        await asyncio.sleep(MEET_S)
        try:
            seen = await account.get("Calls", f"{carrier_call_id}.json")
        except CarrierError:
            return  # they talk, as far as anybody knows, and what we cannot see is no reason to part them
        if seen.text("status") in OVER:
            await self._come_back(account, caller)

    async def _come_back(self, account: Account, caller: str) -> None:
        """The other was gone before the caller was in the room. Raises CarrierError, in any case: nobody has met."""
        form = [("Twiml", answer.come_back(self._call.return_url))]
        reply = await account.post("Calls", f"{caller}.json", form=form, repeatable=True)
        if reply.code == CALL_IS_OVER or reply.text("status") in OVER:
            return  # the two have met, briefly: one who leaves ends it for both
        if not reply.ok:
            raise account.refused(reply, "bring the caller back")
        raise CallRejected("whoever was to take the caller has hung up")

    async def send_digits(self, digits: str) -> None:
        """Returns when the last key has sounded. Raises CallRejected for what is no key, or without a stream."""
        if not _DIGITS.fullmatch(digits):
            raise CallRejected(f"{digits[:64]!a} cannot be pressed", hint=f"up to {MAX_DIGITS} of 0-9 * # and w")
        line, stream_id = self._call.line, self._call.stream_id
        if line is None or not stream_id:
            raise CallRejected("keys are sound on Twilio, and this call has no stream to play it into")
        length_s = 0.0
        for sound in _key_sounds(digits):
            payload = b2a_base64(sound, newline=False).decode("ascii")
            line.send(json.dumps({"event": "media", "streamSid": stream_id, "media": {"payload": payload}}))
            length_s += len(sound) / RATE_HZ
        await asyncio.sleep(length_s)

    async def start_recording(self) -> None:
        """Both sides, each in its channel."""
        account, call_id = self._account(), checked_call_id(self._call.carrier_call_id)
        form = [("RecordingChannels", "dual")]
        if self._call.callback_url:
            form.append(("RecordingStatusCallback", self._call.callback_url))
        running = await self._running(account, call_id)
        if running == "in-progress":
            return
        if running == "paused":
            await self._change_recording(account, call_id, "in-progress")
            return
        try:
            reply = await account.post("Calls", call_id, "Recordings.json", form=form, repeatable=False)
        except AnswerLost:
            if await self._running(account, call_id):
                return
            raise
        if not reply.ok:
            raise account.refused(reply, "record the call")

    async def stop_recording(self) -> None:
        """Nothing is asked of a call that is over or was never recorded."""
        account, call_id = self._account(), checked_call_id(self._call.carrier_call_id)
        await self._change_recording(account, call_id, "stopped", fine=lambda reply: reply.status == NOT_FOUND)

    async def pause_recording(self) -> None:
        """Silence takes the place of what is said, so that its times stay true."""
        account, call_id = self._account(), checked_call_id(self._call.carrier_call_id)
        reply = await self._ask_recording(account, call_id, [("Status", "paused"), ("PauseBehavior", "silence")])
        if not reply.ok:
            raise account.refused(reply, "pause the recording")

    async def resume_recording(self) -> None:
        """Raises CarrierError."""
        account, call_id = self._account(), checked_call_id(self._call.carrier_call_id)
        await self._change_recording(account, call_id, "in-progress")

    async def _running(self, account: Account, call_id: str) -> str:
        """The state of the recording that runs, or is paused; "" if there is none."""
        reply = await account.get("Calls", call_id, "Recordings.json")
        if not reply.ok:
            raise account.refused(reply, "record the call")
        states = {each.get("status") for each in reply.rows("recordings")}
        return next((state for state in ("in-progress", "paused") if state in states), "")

    async def _change_recording(
        self,
        account: Account,
        call_id: str,
        status: str,
        fine: Callable[[Reply], bool] = lambda reply: False,
    ) -> None:
        reply = await self._ask_recording(account, call_id, [("Status", status)])
        if not (reply.ok or fine(reply) or reply.code == CALL_IS_OVER):
            raise account.refused(reply, "change the recording")

    async def _ask_recording(self, account: Account, call_id: str, form: Sequence[tuple[str, str]]) -> Reply:
        path = ("Calls", call_id, "Recordings", "Twilio.CURRENT.json")
        return await account.post(*path, form=form, repeatable=True)


def is_call_id(text: str) -> bool:
    """Two letters and 32 hexadecimal digits."""
    return _CALL_ID.fullmatch(text) is not None


def checked_call_id(call_id: str) -> str:
    """A call's id that is one of Twilio's. Raises CallRejected for anything else: it becomes part of an address."""
    if not is_call_id(call_id):
        raise CallRejected(f"{call_id[:64]!a} is no call of Twilio's")
    return call_id


def _key_sounds(digits: str) -> Iterator[bytes]:
    """The sound of each key, or pause, in mu-law."""
    pause = np.zeros(PAUSE_MS * RATE_HZ // 1000, np.int16)
    for digit in digits:
        yield encode_ulaw(pause if digit == "w" else tone.dtmf(digit, RATE_HZ))
