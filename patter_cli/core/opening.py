"""How a conversation begins: it is prepared, its length is limited, and whoever speaks first has the floor."""

from __future__ import annotations

from dataclasses import replace

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.events import Ms
from patter_cli.core.floor import CallState
from patter_cli.core.history import History
from patter_cli.core.outcome import TransferOutcome
from patter_cli.core.reply import Purpose
from patter_cli.core.screening import Screening
from patter_cli.core.tool_calls import TRANSFER_CALL
from patter_cli.core.transfers import not_connected
from patter_cli.core.turns import Turns


class Opening:
    """Takes the call from connected to active."""

    __slots__ = (
        "_call", "_connected_at", "_floor", "_history", "_ready", "_resumed", "_returned", "_screening", "_turns"
    )  # fmt: skip

    def __init__(self, call: Call, history: History, floor: AgentFloor, turns: Turns, screening: Screening) -> None:
        self._call = call
        self._history = history
        self._floor = floor
        self._turns = turns
        self._screening = screening
        self._connected_at: Ms = 0
        self._resumed = False
        self._returned: TransferOutcome | None = None
        self._ready: bool | None = None
        """The plan holds; None: nobody was asked to prepare the call yet."""

    def connected(self, event: fact.CallConnected) -> None:
        """An inbound call is here."""
        call = self._call
        call.plan = event.plan
        call.direction = event.direction
        self._history.wall_time = event.wall_time
        self._history.resume(event.earlier)
        self._resumed = bool(event.earlier)
        self._returned = event.returned
        if event.returned is not None:
            self._history.correct_tool(TRANSFER_CALL, not_connected(event.returned))
        self.stream_up()

    def prepare(self) -> None:
        """Have the call prepared, once; an outbound one as soon as somebody picked up."""
        call = self._call
        if self._ready is None:
            self._ready = False
            call.deadlines.set(Timer.PREPARE, call.now + call.plan.pace.prepare_ms)
            call.issue(order.PrepareCall())

    def stream_up(self) -> None:
        """There is a line, and somebody at its other end."""
        call = self._call
        call.answered = True
        self._connected_at = call.quiet_since = call.now
        call.state.move(CallState.PREPARING)
        self._limit_duration()
        self._screening.open()
        self.prepare()
        if self._ready:
            self._begin()

    def prepared(self, event: fact.CallPrepared) -> None:
        """on_call_start may have changed the plan, and with it the length of the call."""
        if self._call.state.now in (CallState.CONNECTING, CallState.PREPARING) and not self._ready:
            self._call.plan = event.plan_after(self._call.plan)
            self.prepare_due()

    def changed(self, event: fact.AgentChanged) -> None:
        """What the agent is told, may do and must not say changes; in what language, how far and with whom does not."""
        call, new = self._call, event.plan
        call.plan = replace(
            call.plan,
            system_prompt=new.system_prompt,
            pace=replace(new.pace, max_duration_ms=call.plan.pace.max_duration_ms),
            blocked=new.blocked,
            checks=new.checks,
            tools=new.tools,
            transfer_numbers=new.transfer_numbers,
            drafts=new.drafts,
            voicemail_message=new.voicemail_message,
        )
        call.issue(order.Instruct())

    def prepare_due(self) -> None:
        """The plan holds, or on_call_start took too long and the plan we have does."""
        self._ready = True
        self._call.deadlines.cancel(Timer.PREPARE)
        if self._call.state.now is CallState.PREPARING:
            self._limit_duration()
            self._begin()

    def _limit_duration(self) -> None:
        call, pace = self._call, self._call.plan.pace
        end = self._connected_at + pace.max_duration_ms
        call.deadlines.set(Timer.MAX_DURATION, max(call.now, end))
        call.deadlines.cancel(Timer.TIME_WARNING)
        if pace.max_duration_ms > 2 * pace.time_warning_ms:
            call.deadlines.set(Timer.TIME_WARNING, max(call.now, end - pace.time_warning_ms))

    def _begin(self) -> None:
        call = self._call
        call.state.move(CallState.ACTIVE)
        if call.plan.engine is not None:
            call.issue(order.OpenEngine())
        if self._screening.machine_is_met():
            return
        again = self._resumed or self._returned is not None  # they were told so before
        if call.plan.records and again:
            call.issue(order.StartRecording())
        call.owes_notice = call.plan.records and not again
        lines = call.plan.lines
        greeting = lines.resumed if self._resumed else call.plan.first_message
        if self._returned is not None:
            greeting = lines.no_transfer
        greets = bool(greeting.strip())
        if greets and call.plan.engine is not None:
            reply = self._floor.open_engine_reply(Purpose.GREETING)
            if call.owes_notice:
                reply.tells_recording = True
                greeting = lines.told_of_recording(greeting)
            call.issue(order.Greet(response_id=reply.id, text=greeting))
        elif greets:
            self._floor.read_out(greeting, Purpose.GREETING)
        else:
            self._turns.floor_is_free()
