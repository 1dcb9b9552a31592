"""CallSession: one live call. The machine decides; everything here starts what it orders and reports what happens.

One mailbox, one consumer, one task group. An event is handled to its end before the next is looked at, and its
journal line is on disk before any command of it is performed. Whatever goes wrong in a task of the call ends that
call aloud and no other.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeAlias

from patter_cli.audio.pacer import Pacer
from patter_cli.contracts.carrier import (
    CallControl,
    DtmfIn,
    MarkIn,
    MediaIn,
    StreamCodec,
    StreamMessage,
    StreamStopped,
)
from patter_cli.contracts.llm import Delta, Text
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.conversation import Message
from patter_cli.core.events import Event, Ms
from patter_cli.core.journal import Entry, render_entry
from patter_cli.core.machine import TurnMachine
from patter_cli.core.tool_calls import allowed_number
from patter_cli.engine.call_tools import call_tools
from patter_cli.engine.clock import CallClock
from patter_cli.engine.dialogue import chat_messages
from patter_cli.engine.eou import EndOfTurnDetector
from patter_cli.engine.fanout import AudioFanout
from patter_cli.engine.filtering import filter_for_call
from patter_cli.engine.hooks import CallEvent, IncomingMessage, call_hook, message_pieces
from patter_cli.engine.inbound import AudioSink, InboundPath, VadSource
from patter_cli.engine.listen import Listener
from patter_cli.engine.mailbox import Mailbox
from patter_cli.engine.model import ask_models
from patter_cli.engine.outbound import Line, OutboundPath
from patter_cli.engine.playout_reference import PlayoutReference
from patter_cli.engine.ready import CallInfo, ReadyAgent
from patter_cli.engine.reports import Reports
from patter_cli.engine.speak import Speaker, TtsCache
from patter_cli.engine.think import Ask, Brain, Thinker
from patter_cli.engine.tools import ToolRunner
from patter_cli.errors import CarrierError
from patter_cli.tools import ToolContext

log = logging.getLogger(__name__)

CLOSING_S = 0.7
"""How long the end of a call waits for its callbacks; they go on without it."""
JUDGE_S = 1.5
"""Deadline of a code guardrail: every clause waits for it."""
HANG_UP_S = 5.0
TRANSFER_S = 35.0


class Journal(Protocol):
    """Where a call's lines go. Neither method raises or blocks for longer than a disk write."""

    def write(self, line: str) -> None:
        """Have the line on disk when this returns."""

    def close(self, summary: Mapping[str, Any]) -> None:
        """The call is over; the summary is its record."""


Observer: TypeAlias = Callable[[str, Entry], None]
"""(call_id, entry): sees every journal entry after it is on disk. Must be quick; what it raises is logged."""

Measure: TypeAlias = Callable[[Entry], Mapping[str, Any] | None]
"""Sees every entry of one call; gives what on_metrics is told when a turn has been measured."""


class CallSession:
    """One call, from the stream's start to its end."""

    def __init__(
        self,
        *,
        info: CallInfo,
        agent: ReadyAgent,
        codec: StreamCodec,
        line: Line,
        control: CallControl,
        room: VadSource,
        phrasebook: TtsCache,
        journal: Journal,
        measure: Measure,
        observers: tuple[Observer, ...] = (),
    ) -> None:
        self._info = info
        self._agent = self._prepared = agent
        self._control = control
        self._journal = journal
        self._measure = measure
        self._metrics: list[Mapping[str, Any]] = []
        self._observers = observers
        self._machine = TurnMachine()
        self._clock = CallClock(asyncio.get_running_loop())
        self._mailbox = Mailbox(self._clock)
        post = self._mailbox.post
        echo = None
        if agent.echo_canceller is not None:
            echo = agent.echo_canceller(room.rate_hz, lambda delay_ms: post(fact.EchoFound(delay_ms=delay_ms)))
        far = None if echo is None else PlayoutReference(rate_hz=room.rate_hz)
        self._outbound = OutboundPath(clock=self._clock, codec=codec, line=line, post=post, pacer=Pacer(), far=far)
        self._listener = Listener(agent.stt, line_rate_hz=room.rate_hz, post=post)
        self._turn_ear: EndOfTurnDetector | None = None
        hearing: AudioSink = self._listener
        if agent.end_of_turn is not None:
            self._turn_ear = EndOfTurnDetector(agent.end_of_turn, line_rate_hz=room.rate_hz, post=post)
            hearing = AudioFanout(self._listener, self._turn_ear)
        self._inbound = InboundPath(
            clock=self._clock,
            room=room,
            hearing=hearing,
            post=post,
            echo=echo,
            far=far,
            audio_filter=filter_for_call(agent.audio_filter, rate_hz=room.rate_hz),
        )
        self._speaker = Speaker(
            agent.tts, line_rate_hz=room.rate_hz, phrasebook=phrasebook, outbound=self._outbound, post=post
        )
        self._tools = ToolRunner(agent.tools, self._tool_context)
        brain: Brain | None = self._pieces if agent.hooks.on_message is not None else None
        if agent.models:
            brain = self._model_deltas
        self._thinker = Thinker(
            brain,
            language=agent.plan.language,
            post=post,
            aggressive_first_flush=agent.aggressive_first_flush,
            go_on=agent.plan.lines.go_on if agent.models else None,
        )
        self._reports = Reports(info.call_id)
        self._outcome = "failed"
        self._reason = "internal_error"
        self._wall_time = time.time()
        self._tasks: asyncio.TaskGroup
        self._moved = asyncio.Event()
        self._left_over: set[asyncio.Task[None]] = set()
        self._connect()  # first of all, or a line that closes at once would come before its call

    # --- what the carrier's stream brings --------------------------------------------------------------------

    def on_stream(self, message: StreamMessage) -> None:
        """Take one inbound message; the media path runs right here."""
        match message:
            case MediaIn():
                self._inbound.push(message)
            case MarkIn(name=name):
                self._outbound.mark_returned(name)
            case DtmfIn(digit=digit):
                self._mailbox.post(fact.DtmfReceived(digit=digit))
            case StreamStopped():
                self.on_closed("carrier_stop")
            case _:
                pass

    def on_closed(self, cause: str) -> None:
        """The stream is gone."""
        self._outbound.close()
        self._mailbox.post(fact.LineClosed(cause=cause))

    @property
    def now_ms(self) -> Ms:
        """Call time."""
        return self._clock.now()

    @property
    def over(self) -> bool:
        """The conversation has ended."""
        return self._machine.ended

    async def until_quiet(self) -> None:
        """Wait until nobody has the floor and nothing is under way, or the call is over."""
        while self._mailbox.waiting or not self._machine.quiet:
            self._moved.clear()
            await self._moved.wait()

    def begin_goodbye(self, reason: str) -> None:
        """The server is going down."""
        self._mailbox.post(fact.DrainRequested())

    # --- the loop --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Hold the call until it is over."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                workers = [
                    tasks.create_task(self._guard("listener", self._listener.run)),
                    tasks.create_task(self._guard("speaker", self._speaker.run)),
                ]
                await self._converse()
                await self._close(workers)
                for task in tuple(self._left_over):
                    task.cancel()
        finally:
            self._thinker.stop()
            self._stop_media()
            self._mailbox.close()
            self._journal.close(self._summary())

    def _stop_media(self) -> None:
        self._inbound.close()
        self._outbound.close()
        if self._turn_ear is not None:
            self._turn_ear.close()

    def _connect(self) -> None:
        info = self._info
        self._mailbox.post(
            fact.CallConnected(
                call_id=info.call_id,
                caller=info.caller,
                callee=info.callee,
                direction=info.direction,
                carrier=info.carrier,
                parameters=dict(info.parameters),
                plan=self._agent.plan,
                wall_time=self._wall_time,
            )
        )

    async def _converse(self) -> None:
        while not self._machine.ended:
            event = await self._mailbox.next(until=self._machine.next_deadline())
            now = self._clock.now()
            commands = self._machine.handle(event, now)
            if isinstance(event, fact.CallPrepared):
                self._adopt_prepared()
            self._write(now, event, commands)
            for command in commands:
                self._perform(command)
            self._moved.set()

    def _write(self, now: Ms, event: Event, commands: list[order.Command]) -> None:
        self._journal.write(render_entry(now, event, commands))
        entry = Entry(at=now, event=event, commands=tuple(commands))
        measured = self._measure(entry)
        if measured is not None:
            self._metrics.append(measured)
            self._report("on_metrics", **measured, cost=None)
        for observer in self._observers:
            try:
                observer(self._info.call_id, entry)
            except Exception:
                log.exception("an observer of call %s raised", self._info.call_id)

    def _perform(self, command: order.Command) -> None:
        """Start what is ordered; its answer comes back as an event."""
        match command:
            case order.Speak():
                self._speaker.speak(command)
            case order.StartResponse(response_id=response_id, text=text):
                self._thinker.start(Ask(response_id=response_id, text=text, history=self._machine.history))
            case order.DraftResponse(response_id=response_id, text=text):
                history = self._machine.history
                self._thinker.start(Ask(response_id=response_id, text=text, drafted=True, history=history))
            case order.ContinueResponse(response_id=response_id, said=said, may_call=may_call):
                history = self._machine.history
                self._thinker.start(Ask(response_id=response_id, said=said, may_call=may_call, history=history))
            case order.RunTool():
                self._spawn(self._run_tool(command))
            case order.ReadOut(response_id=response_id, text=text):
                self._thinker.read_out(response_id, text)
            case order.CancelResponse(response_id=response_id):
                self._thinker.cancel(response_id)
                self._speaker.cancel(response_id)
            case order.FinalizeTranscript():
                self._listener.finalize()
            case order.CommitTranscript():
                self._listener.commit()
                if self._turn_ear is not None:
                    self._turn_ear.commit()
            case order.PredictEndOfTurn(segment=segment):
                if self._turn_ear is not None:
                    self._turn_ear.predict(segment)
            case order.PausePlayback():
                self._outbound.pause()
            case order.ResumePlayback():
                self._outbound.resume()
            case order.ClearPlayback():
                self._outbound.clear()
            case order.ReportTranscript(role=role, text=text, interrupted=interrupted):
                self._report("on_transcript", role=role, text=text, interrupted=interrupted, history=self._history())
            case order.JudgeClause():
                self._spawn(self._judge(command))
            case order.PrepareCall():
                self._spawn(self._prepare())
            case order.Transfer(number=number):
                self._spawn(self._transfer(number))
            case order.HangUp(reason=reason):
                self._spawn(self._hang_up(reason))
            case order.KeepFloor(interruptions=interruptions):
                log.warning(
                    "call %s: %d replies in a row were interrupted at once; they are said to their end now",
                    self._info.call_id,
                    interruptions,
                )
            case order.FinishCall(outcome=outcome, reason=reason):
                self._outcome, self._reason = outcome, reason

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(work)
        self._left_over.add(task)
        task.add_done_callback(self._left_over.discard)

    async def _guard(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A bug of ours in a worker ends this call aloud, not silently and not the process."""
        try:
            await work()
        except Exception as error:
            log.exception("the %s of call %s broke", name, self._info.call_id)
            self._mailbox.post(fact.ListenFailed(provider="patter", message=repr(error)))

    async def _close(self, workers: list[asyncio.Task[None]]) -> None:
        """The conversation is over: let callbacks in flight finish, then stop the workers."""
        self._stop_media()
        self._report("on_call_end", **self._end_facts())
        await self._reports.finish(CLOSING_S)
        for worker in workers:
            worker.cancel()

    # --- orders that take time -------------------------------------------------------------------------------

    async def _prepare(self) -> None:
        """Run on_call_start; whatever it does, the call goes on with a plan."""
        overrides: Any = None
        hook = self._agent.hooks.on_call_start
        if hook is not None:
            event = self._event(
                direction=self._info.direction,
                carrier=self._info.carrier,
                custom_params=dict(self._info.parameters),
                agent=self._agent.name,
            )
            try:
                overrides = await call_hook(hook, event, within_s=self._agent.plan.pace.prepare_ms / 1000)
            except TimeoutError:
                log.error("on_call_start did not return in time; the call goes on without it")
            except Exception:
                log.exception("on_call_start raised; the call goes on without it")
        try:
            agent = self._agent.revise(overrides if isinstance(overrides, Mapping) else {}, self._info.parameters)
        except Exception:
            log.exception("what on_call_start returned cannot be used; the call goes on without it")
            agent = self._agent
        self._prepared = agent
        self._mailbox.post(fact.CallPrepared(plan=agent.plan))

    def _adopt_prepared(self) -> None:
        """The machine has been told of on_call_start's plan: the rest changes with it, unless it came too late."""
        agent = self._prepared
        if self._machine.plan is agent.plan:
            self._agent = agent
            self._tools = ToolRunner(agent.tools, self._tool_context)
            self._speaker.use(agent.tts)
            self._thinker.use(agent.plan.language)

    async def _model_deltas(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The agent's models, as the thinker wants them."""
        plan = self._machine.plan
        messages = chat_messages(
            plan.system_prompt,
            ask.history,
            drafted=ask.text if ask.drafted else "",
            said=ask.said or "",
        )
        tools = (*self._tools.specs(), *call_tools(plan.transfer_numbers))
        deltas = ask_models(self._agent.models, messages, tools, may_call=ask.may_call)
        try:
            async for delta in deltas:
                yield delta
        finally:
            await deltas.aclose()

    def _tool_context(self) -> ToolContext:
        info = self._info
        return ToolContext(call_id=info.call_id, caller=info.caller, callee=info.callee, history=self._history())

    async def _run_tool(self, command: order.RunTool) -> None:
        outcome = await self._tools.run(command.tool_call_id, command.name, command.arguments)
        self._mailbox.post(
            fact.ToolFinished(response_id=command.response_id, tool_call_id=command.tool_call_id, result=outcome.text)
        )

    async def _pieces(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """on_message, as the thinker wants it."""
        hook = self._agent.hooks.on_message
        assert hook is not None
        post, response_id = self._mailbox.post, ask.response_id
        event = IncomingMessage(
            call_id=self._info.call_id,
            text=ask.text,
            caller=self._info.caller,
            callee=self._info.callee,
            history=_told(ask.history),
            end_call=lambda: post(fact.EndRequested(response_id=response_id)),
            transfer_call=lambda number: self._ask_for_transfer(response_id, number),
        )
        pieces = message_pieces(hook, event)
        try:
            async for piece in pieces:
                yield Text(piece)
        finally:
            await pieces.aclose()

    def _ask_for_transfer(self, response_id: int, number: str) -> None:
        if allowed_number(number, self._machine.plan) is None:
            log.error("a transfer to %r is refused: put the number into Agent(transfer_numbers=[…])", number[:32])
        self._mailbox.post(fact.TransferRequested(response_id=response_id, number=number))

    async def _judge(self, command: order.JudgeClause) -> None:
        check = self._agent.checks[command.rule]
        try:
            forbidden = bool(await call_hook(check.forbids, command.text, within_s=JUDGE_S))
        except Exception:
            forbidden = check.blocks_on_error
            log.exception("guardrail %s failed; the clause %s", command.rule, "is blocked" if forbidden else "passes")
        self._mailbox.post(
            fact.ClauseJudged(
                response_id=command.response_id,
                clause=command.clause,
                rule=command.rule,
                replacement=check.replacement if forbidden else None,
            )
        )

    async def _transfer(self, number: str) -> None:
        try:
            async with asyncio.timeout(TRANSFER_S):
                await self._control.transfer(number)
        except (CarrierError, TimeoutError, OSError) as error:
            log.warning("transfer failed: %s", error)
            self._mailbox.post(fact.TransferFailed(message=str(error)))
        else:
            self._mailbox.post(fact.TransferFinished())

    async def _hang_up(self, reason: str) -> None:
        try:
            async with asyncio.timeout(HANG_UP_S):
                await self._control.hang_up()
        except (CarrierError, TimeoutError, OSError) as error:
            log.warning("the carrier would not hang up: %s", error)
        self._mailbox.post(fact.LineClosed(cause=reason))

    # --- what the author's code and the record are told ------------------------------------------------------

    def _event(self, **facts: Any) -> CallEvent:
        info = self._info
        return CallEvent(call_id=info.call_id, caller=info.caller, callee=info.callee, **facts)

    def _history(self) -> list[dict[str, Any]]:
        return _told(self._machine.history)

    def _report(self, name: str, **facts: Any) -> None:
        hook = getattr(self._agent.hooks, name)
        if hook is not None:
            self._reports.tell(hook, self._event(**facts))

    def _end_facts(self) -> dict[str, Any]:
        return {
            "direction": self._info.direction,
            "duration": self._clock.now() / 1000,
            "outcome": self._outcome,
            "reason": self._reason,
            "history": self._history(),
            "transcript": "\n".join(f"{each.role}: {each.text}" for each in self._machine.history),
            "metrics": [dict(each) for each in self._metrics],
            "cost": None,
            "recording_path": None,
        }

    def _summary(self) -> dict[str, Any]:
        counts = self._inbound.counts
        return {
            "call_id": self._info.call_id,
            "agent": self._agent.name,
            "caller": self._info.caller,
            "callee": self._info.callee,
            "carrier": self._info.carrier,
            "started_at": self._wall_time,
            **self._end_facts(),
            "line": {
                "lost_ms": counts.lost_ms,
                "reordered": counts.reordered,
                "duplicated": counts.duplicated,
                "late": counts.late,
                "resyncs": counts.resyncs,
                "dropped_events": self._mailbox.dropped,
            },
        }


def _told(history: tuple[Message, ...]) -> list[dict[str, Any]]:
    """The conversation as callbacks get it."""
    return [{"role": each.role, "text": each.text, "timestamp": each.timestamp} for each in history]
