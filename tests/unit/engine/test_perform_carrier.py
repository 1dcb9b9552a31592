"""Whatever is asked of the carrier gets an answer, and what is taken back is not asked any more."""

from __future__ import annotations

import asyncio

import pytest

from patter_cli.agent import Agent
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DtmfFailed, DtmfSent, RecordingFailed, RecordingPaused, TransferLeftLine
from patter_cli.core.outcome import Direction, TransferOutcome
from patter_cli.engine.context import CallContext
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.perform_carrier import CarrierPerformer
from patter_cli.engine.ready import CallInfo
from patter_cli.errors import AnswerLost, CallRejected
from patter_cli.wiring import ready_agent

INFO = CallInfo(call_id="c1", caller="+1", callee="+2", direction=Direction.INBOUND, carrier="none")


class RingsForEver:
    """A carrier whose transfers are never answered, and which does all else that it is asked."""

    def __init__(self) -> None:
        self.ringing = False
        self.asked: list[str] = []

    async def hang_up(self) -> None:
        pass

    async def transfer(self, number: str) -> None:
        self.ringing = True
        try:
            await asyncio.Event().wait()
        finally:
            self.ringing = False

    async def send_digits(self, digits: str) -> None:
        self.asked.append(digits)

    async def start_recording(self) -> None:
        self.asked.append("record")

    async def stop_recording(self) -> None:
        self.asked.append("stop")


class Refuses(RingsForEver):
    """A carrier that does nothing it is asked."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def transfer(self, number: str) -> None:
        raise self._error

    async def send_digits(self, digits: str) -> None:
        raise self._error

    async def start_recording(self) -> None:
        raise self._error


class LosesItsAnswer(Refuses):
    """A carrier that may have moved the caller, and whose answer was lost."""

    leaves_line = True


def performer(control: RingsForEver) -> tuple[CallContext, CarrierPerformer]:
    call = CallContext(INFO, ready_agent("shop", Agent("Be brief."), Hooks(on_message=lambda event: "")))
    return call, CarrierPerformer(call, control)


class GivesUp(RingsForEver):
    """A carrier that gives its first transfer up as soon as it may, and rings for ever at the second."""

    async def transfer(self, number: str) -> None:
        self.asked.append(number)
        if number == "+3":
            await asyncio.sleep(0.05)
            raise CallRejected("no answer")
        await super().transfer(number)


async def test_a_transfer_that_failed_by_a_report_does_not_fail_the_next() -> None:
    """Its own request may still wait for news, which then are about nobody any more."""
    control = GivesUp()
    call, carrier = performer(control)
    async with asyncio.TaskGroup() as tasks:
        call.tasks = tasks
        carrier.perform(order.Transfer(number="+3"))
        await asyncio.sleep(0)
        carrier.perform(order.Transfer(number="+4"))
        await asyncio.sleep(0.1)
        assert control.asked == ["+3", "+4"]
        assert control.ringing
        assert not call.mailbox.waiting
        carrier.perform(order.CancelTransfer())


async def test_a_transfer_that_is_taken_back_rings_no_longer() -> None:
    """It is not a failure either: nobody waits for its answer any more."""
    control = RingsForEver()
    call, carrier = performer(control)
    async with asyncio.TaskGroup() as tasks:
        call.tasks = tasks
        assert carrier.perform(order.CancelTransfer())
        assert carrier.perform(order.Transfer(number="+3"))
        await asyncio.sleep(0)
        assert control.ringing
        assert carrier.perform(order.CancelTransfer())
    assert not control.ringing
    assert not call.mailbox.waiting


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (CallRejected("busy"), TransferOutcome.BUSY),
        (CallRejected("no answer"), TransferOutcome.NO_ANSWER),
        (CallRejected("connected"), TransferOutcome.FAILED),
        (CallRejected("no such number"), TransferOutcome.FAILED),
        (ConnectionResetError("reset"), TransferOutcome.FAILED),
        (TimeoutError(), TransferOutcome.NO_ANSWER),
    ],
)
async def test_a_transfer_that_fails_says_of_what_kind(error: Exception, outcome: TransferOutcome) -> None:
    """Busy is busy; what the carrier says otherwise is kept; a carrier that does not come back is no answer."""
    call, carrier = performer(Refuses(error))
    async with asyncio.TaskGroup() as tasks:
        call.tasks = tasks
        carrier.perform(order.Transfer(number="+3"))
    failed = await call.mailbox.next(until=None)
    assert isinstance(failed, fact.TransferFailed)
    assert failed.outcome is outcome
    assert failed.message == (str(error) or "no answer")


async def test_a_transfer_whose_answer_was_lost_may_have_taken_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a carrier that takes the caller off the line it has not failed before the line would be gone."""
    monkeypatch.setattr("patter_cli.engine.perform_carrier.LEAVES_S", 0.05)
    call, carrier = performer(LosesItsAnswer(AnswerLost("nobody knows")))
    async with asyncio.TaskGroup() as tasks:
        call.tasks = tasks
        carrier.perform(order.Transfer(number="+3"))
        assert isinstance(await call.mailbox.next(until=None), TransferLeftLine)
        await asyncio.sleep(0.02)
        assert not call.mailbox.waiting
    assert isinstance(await call.mailbox.next(until=None), fact.TransferFailed)


async def test_keys_are_pressed_and_calls_recorded() -> None:
    """The machine is told that the keys were heard; a recording says so when it is ready, not before."""
    control = RingsForEver()
    call, carrier = performer(control)
    async with asyncio.TaskGroup() as tasks:
        call.tasks = tasks
        assert carrier.perform(order.SendDtmf(response_id=1, tool_call_id="t", digits="12#"))
        assert carrier.perform(order.StartRecording())
    assert control.asked == ["12#", "record"]
    assert await call.mailbox.next(until=None) == DtmfSent(response_id=1, tool_call_id="t")
    assert not call.mailbox.waiting


@pytest.mark.parametrize("error", [CallRejected("not here"), TimeoutError(), ConnectionResetError("not here")])
async def test_what_a_carrier_refuses_is_said(error: Exception) -> None:
    """Pressing keys and recording: refused, and never just not done."""
    call, carrier = performer(Refuses(error))
    async with asyncio.TaskGroup() as tasks:
        call.tasks = tasks
        assert carrier.perform(order.SendDtmf(response_id=1, tool_call_id="t", digits="5"))
        assert carrier.perform(order.StartRecording())
    why = str(error) or "no answer"
    assert await call.mailbox.next(until=None) == DtmfFailed(response_id=1, tool_call_id="t", message=why)
    assert await call.mailbox.next(until=None) == RecordingFailed(message=why)


class Holds(RingsForEver):
    """A carrier whose recordings can hold; with an error, it refuses to."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self._error = error

    async def pause_recording(self) -> None:
        self.asked.append("pause")
        if self._error is not None:
            raise self._error

    async def resume_recording(self) -> None:
        self.asked.append("resume")


@pytest.mark.parametrize(
    ("control", "recorded", "asked"),
    [
        (Holds(), True, ["record", "pause", "resume"]),
        (RingsForEver(), True, ["record", "stop", "record"]),
        (Holds(CallRejected("not here")), True, ["record", "pause", "stop", "record"]),
        (Holds(TimeoutError()), True, ["record", "pause", "stop", "record"]),
        (Holds(), False, []),
    ],
)
async def test_a_recording_holds_or_is_stopped(control: RingsForEver, recorded: bool, asked: list[str]) -> None:
    """Rather too little is recorded than what must not be; one that was never asked for is left alone. In order."""
    call, carrier = performer(control)
    async with asyncio.TaskGroup() as tasks:
        call.tasks = tasks
        if recorded:
            carrier.perform(order.StartRecording())
        for paused in (True, False):
            assert carrier.perform(order.PauseRecording(paused=paused))
    assert control.asked == asked
    for paused in (True, False):
        assert await call.mailbox.next(until=None) == RecordingPaused(paused=paused)


class RecordsOn(Holds):
    async def stop_recording(self) -> None:
        raise CallRejected("nor that")


async def test_a_recording_that_goes_on_is_said() -> None:
    """So that nobody asks for what must not be kept."""
    call, carrier = performer(RecordsOn(CallRejected("not here")))
    async with asyncio.TaskGroup() as tasks:
        call.tasks = tasks
        carrier.perform(order.StartRecording())
        carrier.perform(order.PauseRecording(paused=True))
    assert await call.mailbox.next(until=None) == RecordingPaused(paused=True, message="not here")
