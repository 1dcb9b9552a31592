"""CallSession: one live call. The machine decides; performers start what it orders and report what happens.

One mailbox, one consumer, one task group. An event is handled to its end before the next is looked at. Its journal
line is on disk before anybody is shown a transcript or a tool acts because of it, and no disk holds up the line for
that. Whatever goes wrong in a task of the call ends that call aloud and no other.
"""

from __future__ import annotations

import asyncio
import logging

from patter_cli.call_result import CallResult
from patter_cli.contracts.carrier.stream import StreamMessage, StreamStopped
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.commands import Command
from patter_cli.core.events import Ms
from patter_cli.engine.context import CURRENT_CALL, CallContext, Performer
from patter_cli.engine.line_parts import LineParts
from patter_cli.engine.perform_author import AuthorPerformer
from patter_cli.engine.perform_dial import DialPerformer
from patter_cli.engine.ready import ReadyAgent
from patter_cli.engine.record import CallRecorder

log = logging.getLogger(__name__)


class CallSession:
    """One call, from the stream's start or the dial to its end. Made by engine.build."""

    def __init__(
        self,
        call: CallContext,
        *,
        author: AuthorPerformer,
        recorder: CallRecorder,
        line: LineParts | None = None,
        dial: DialPerformer | None = None,
    ) -> None:
        """dial: rings somebody, who is to bring the line. One of the two is there."""
        self._call = call
        self._author = author
        self._recorder = recorder
        self._line: LineParts | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._performers: tuple[Performer, ...] = (author,) if dial is None else (author, dial)
        self._moved: asyncio.Event | None = None  # for whoever waits for quiet
        self._use_told = False
        # The first fact is there at once, or a line that closes at once would come before its call.
        if line is not None:
            self.take_line(line)
        elif dial is not None:
            self._call.post(dial.requested(recorder.wall_time))

    def take_line(self, line: LineParts) -> None:
        """There is a line, and somebody at its other end."""
        self._line = line
        self._performers = (*line.performers, self._author)
        self._connect()
        if self._call.tasks is not None:
            self._workers = line.start(self._call)

    def on_stream(self, message: StreamMessage) -> None:
        """Take one inbound message; the media path runs right here."""
        if isinstance(message, StreamStopped):
            self.on_closed("carrier_stop")
        elif self._line is not None:
            self._line.media.receive(message)

    def on_closed(self, cause: str) -> None:
        """The stream is gone."""
        if self._line is not None:
            self._line.media.line_gone()
        self._call.post(fact.LineClosed(cause=cause))

    def on_fact(self, event: fact.Event) -> None:
        """The carrier reports something beside the stream. It may come at any time, twice, or too late."""
        self._call.post(event)

    def change(self, agent: ReadyAgent) -> None:
        """The author has changed the agent of this name: the call goes on with it as far as it can."""
        self._author.change(agent)

    def result(self) -> CallResult:
        """What has become of the call; complete once `run` has returned."""
        return self._recorder.result()

    @property
    def now_ms(self) -> Ms:
        """Call time."""
        return self._call.clock.now()

    @property
    def line(self) -> LineParts | None:
        """There as soon as somebody has picked up and can be heard."""
        return self._line

    @property
    def over(self) -> bool:
        """The conversation has ended."""
        return self._call.machine.ended

    async def until_quiet(self) -> None:
        """Wait until nobody has the floor and nothing is under way, or the call is over."""
        moved = self._moved = self._moved or asyncio.Event()
        while self._call.mailbox.waiting or not self._call.machine.quiet:
            moved.clear()
            await moved.wait()

    def begin_goodbye(self, reason: str) -> None:
        """The server is going down."""
        self._call.post(fact.DrainRequested())

    async def run(self) -> None:
        """Hold the call until it is over."""
        call = self._call
        CURRENT_CALL.set(call.info.call_id)
        try:
            async with asyncio.TaskGroup() as tasks:
                call.tasks = tasks
                if self._line is not None:
                    self._workers = self._line.start(call)
                await self._converse()
                if self._line is not None:
                    self._line.hang_up()
                self._tell_use()
                await self._author.finish(await self._recorder.finished_facts())
                for worker in self._workers:
                    worker.cancel()
                call.cancel_left_over()
        finally:
            if self._line is not None:
                self._line.cascade.close()
                self._line.hang_up()
            self._tell_use()
            call.mailbox.close()
            self._recorder.close(None if self._line is None else self._line.media.counts)

    def perform(self, command: Command) -> bool:
        """Have an order carried out. False: nobody takes it, which is a bug of ours."""
        match command:
            case order.KeepFloor(interruptions=interruptions):
                log.warning(
                    "call %s: %d replies in a row were interrupted at once; they are said to their end now",
                    self._call.info.call_id,
                    interruptions,
                )
            case order.TakeFor(answered_by=answered_by, why=why):
                log.info("call %s: taken for %s: %s", self._call.info.call_id, answered_by, why)
                self._recorder.answered_by = answered_by
            case order.FinishCall(outcome=outcome, reason=reason):
                self._recorder.outcome, self._recorder.reason = outcome, reason
            case _:
                return any(performer.perform(command) for performer in self._performers)
        return True

    def _connect(self) -> None:
        info = self._call.info
        self._call.post(
            fact.CallConnected(
                call_id=info.call_id,
                caller=info.caller,
                callee=info.callee,
                direction=info.direction,
                carrier=info.carrier,
                carrier_call_id=info.carrier_call_id,
                parameters=dict(info.parameters),
                plan=self._call.agent.plan,
                wall_time=self._recorder.wall_time,
                earlier=info.earlier,
                returned=info.returned,
            )
        )

    async def _converse(self) -> None:
        machine, clock, mailbox = self._call.machine, self._call.clock, self._call.mailbox
        while not machine.ended:
            event = await mailbox.next(until=machine.next_deadline())
            now = clock.now()
            commands = machine.handle(event, now)
            if isinstance(event, fact.CallPrepared):
                self._author.adopt(self._line)
            measured = self._recorder.write(now, event, commands)
            if measured is not None:
                self._author.report(self._call.agent.hooks.on_metrics, **measured, cost=self._recorder.cost)
            for command in commands:
                if not self.perform(command):
                    log.error("call %s: nobody performs %s", self._call.info.call_id, type(command).__name__)
            if self._moved is not None:
                self._moved.set()

    def _tell_use(self) -> None:
        """The last entries of a call say what it took. Twice is fine."""
        if not self._use_told and self._line is not None:
            self._use_told = True
            for used in self._line.used(self._call, now := self._call.clock.now()):
                self._recorder.write(now, used, [])
