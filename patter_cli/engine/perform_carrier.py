"""What is asked of the carrier beside the sound: to hang up, to connect the caller to somebody else, to press keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeAlias

from patter_cli.contracts.carrier.control import CallControl, LeavesLine, PausesRecording
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DtmfFailed, DtmfSent, RecordingFailed, RecordingPaused, TransferLeftLine
from patter_cli.core.commands import Command
from patter_cli.core.outcome import TransferOutcome
from patter_cli.engine.context import CallContext
from patter_cli.engine.ready import ReadyAgent
from patter_cli.engine.sound import CallSound
from patter_cli.errors import AnswerLost, CarrierError, PatterError

Attend: TypeAlias = Callable[
    [ReadyAgent, CallControl, str, str, Callable[[fact.Event], None]], Awaitable[TransferOutcome]
]
"""(the call's agent and control, the number, what it is about, what tells the call) to what became of a transfer in
which whoever answers is told first. Raises PatterError; cancelled, it rings no longer."""

log = logging.getLogger(__name__)

HANG_UP_S = 5.0
TRANSFER_S = 35.0
REQUEST_S = 4.0
"""For what the carrier does at once; less than the machine waits for it."""
LEAVES_S = 3.0
"""How soon a line is closed by a transfer that the carrier has taken, though its answer was lost."""
KEY_S = 0.5
"""More for each key, or pause, that is pressed."""
_MISSED = {each.replace("_", " "): each for each in TransferOutcome if each is not TransferOutcome.CONNECTED}
"""Refusals in words of ours keep their kind: "busy", "no answer"."""


_HOLD = {True: "hold", False: "go on"}


class _Recording(Enum):
    """What the carrier's recording of a call does."""

    NONE = "was never asked for"
    RUNS = "runs"
    HOLDS = "holds"
    STOPPED = "was stopped because it would not hold"


class CarrierPerformer:
    """One call's carrier. Each request has a deadline, and an answer whatever the carrier does."""

    def __init__(
        self,
        call: CallContext,
        control: CallControl,
        *,
        attend: Attend | None = None,
        handed_over: Callable[[], None] | None = None,
        sound: CallSound | None = None,
        records: bool = True,
    ) -> None:
        """attend: None where whoever answers cannot be told anything before. handed_over: see build_line. sound: our
        own recording. records: the carrier is to record too, when it is time."""
        self._sound = sound
        self._records = records
        self._attend = attend
        self._handed_over = handed_over
        self._call = call
        self._control = control
        self._transfer_task: asyncio.Task[None] | None = None
        self._recording = _Recording.NONE
        self._recorder = asyncio.Lock()  # what is asked of one recording is asked in order

    def perform(self, command: Command) -> bool:
        match command:
            case order.Transfer(number=number, about=about):
                if self._transfer_task is not None:
                    self._transfer_task.cancel()  # it failed by a report, and must not fail this one too
                self._transfer_task = self._call.spawn(self._transfer(number, about))
            case order.CancelTransfer():
                if self._transfer_task is not None:
                    self._transfer_task.cancel()
            case order.HandOver() if self._handed_over is not None:
                self._handed_over()
            case order.SendDtmf():
                self._call.spawn(self._press(command))
            case order.StartRecording():
                if self._sound is not None:
                    self._sound.told()
                if self._records:
                    self._call.spawn(self._record())
            case order.PauseRecording(paused=paused):
                self._call.spawn(self._hold_recording(paused))
            case order.HangUp(reason=reason):
                self._call.spawn(self._hang_up(reason))
            case _:
                return False
        return True

    async def _transfer(self, number: str, about: str) -> None:
        if about and self._attend is not None:
            await self._tell_first(self._attend, number, about)
            return
        leaves = isinstance(self._control, LeavesLine) and self._control.leaves_line
        if leaves:
            self._call.post(TransferLeftLine())  # beforehand: the line may be closed before we have our answer
        try:
            async with asyncio.timeout(TRANSFER_S):
                await self._control.transfer(number)
        except TimeoutError:
            log.warning("transfer failed: no answer within %.0f s", TRANSFER_S)
            self._call.post(fact.TransferFailed(message="no answer", outcome=TransferOutcome.NO_ANSWER))
        except (CarrierError, OSError) as error:
            if isinstance(error, AnswerLost) and leaves:
                await asyncio.sleep(LEAVES_S)  # it may have been taken: then this call is over meanwhile
            log.warning("transfer failed: %s", error)
            outcome = _MISSED.get(str(error), TransferOutcome.FAILED)
            self._call.post(fact.TransferFailed(message=str(error), outcome=outcome))
        else:
            self._call.post(fact.TransferFinished())

    async def _tell_first(self, attend: Attend, number: str, about: str) -> None:
        """However long it takes: the machine has a deadline for it, and cancels it."""
        try:
            outcome = await attend(self._call.agent, self._control, number, about, self._call.post)
        except (PatterError, TimeoutError, OSError) as error:
            log.warning("transfer failed: %s", error)
            self._call.post(fact.TransferFailed(message=str(error), outcome=TransferOutcome.FAILED))
            return
        if outcome is TransferOutcome.CONNECTED:
            self._call.post(fact.TransferFinished())
        else:
            self._call.post(fact.TransferFailed(message=outcome.replace("_", " "), outcome=outcome))

    async def _press(self, command: order.SendDtmf) -> None:
        reply, tool = command.response_id, command.tool_call_id
        try:
            async with asyncio.timeout(REQUEST_S + KEY_S * len(command.digits)):
                await self._control.send_digits(command.digits)
        except (CarrierError, TimeoutError, OSError) as error:
            log.warning("keys were not pressed: %s", error or "no answer")
            self._call.post(DtmfFailed(response_id=reply, tool_call_id=tool, message=str(error) or "no answer"))
        else:
            self._call.post(DtmfSent(response_id=reply, tool_call_id=tool))

    async def _record(self) -> None:
        async with self._recorder:
            try:
                async with asyncio.timeout(REQUEST_S):
                    await self._control.start_recording()
            except (CarrierError, TimeoutError, OSError) as error:
                why = str(error) or "no answer"
                log.error("call %s is not recorded: %s", self._call.info.call_id, why)
                if not isinstance(error, CarrierError) or isinstance(error, AnswerLost):
                    self._recording = _Recording.RUNS  # as far as anybody knows
                self._call.post(RecordingFailed(message=why))
            else:
                self._recording = _Recording.RUNS

    async def _hold_recording(self, paused: bool) -> None:
        """A recording that does not hold is stopped: rather too little is recorded than what must not be."""
        async with self._recorder:
            why = ""
            try:
                async with asyncio.timeout(REQUEST_S):
                    self._recording = await (self._paused() if paused else self._resumed())
            except (CarrierError, TimeoutError, OSError) as error:
                why = str(error) or "no answer"
                log.error("the recording of call %s does not %s: %s", self._call.info.call_id, _HOLD[paused], why)
            if why and paused:
                try:
                    async with asyncio.timeout(REQUEST_S):
                        await self._control.stop_recording()
                    self._recording, why = _Recording.STOPPED, ""
                except (CarrierError, TimeoutError, OSError) as error:
                    log.error("and cannot be stopped: %s", error or "no answer")
            self._call.post(RecordingPaused(paused=paused, message=why))

    async def _paused(self) -> _Recording:
        if self._recording is not _Recording.RUNS:
            return self._recording
        if isinstance(self._control, PausesRecording):
            await self._control.pause_recording()
            return _Recording.HOLDS
        await self._control.stop_recording()
        return _Recording.STOPPED

    async def _resumed(self) -> _Recording:
        if self._recording is _Recording.HOLDS and isinstance(self._control, PausesRecording):
            await self._control.resume_recording()
        elif self._recording is _Recording.STOPPED:
            await self._control.start_recording()
        else:
            return self._recording
        return _Recording.RUNS

    async def _hang_up(self, reason: str) -> None:
        try:
            async with asyncio.timeout(HANG_UP_S):
                await self._control.hang_up()
        except (CarrierError, TimeoutError, OSError) as error:
            log.warning("the carrier would not hang up: %s", error)
        self._call.post(fact.LineClosed(cause=reason))
