"""The author's own code in a call: callbacks, on_message, tools and code guardrails, each within its deadline."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from patter_cli.contracts.llm import Delta, Text, ToolSpec
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.commands import Command
from patter_cli.core.tool_calls import allowed_number
from patter_cli.engine.answer_service import AnswerService, Orders, RemoteAnswers
from patter_cli.engine.context import CallContext, told
from patter_cli.engine.hooks import Hook, IncomingMessage, MachineDetectionResult, call_hook, message_pieces
from patter_cli.engine.line_parts import LineParts
from patter_cli.engine.off_record import OffRecord
from patter_cli.engine.opened_ahead import leave_unused
from patter_cli.engine.ready import ReadyAgent
from patter_cli.engine.reports import Reports
from patter_cli.engine.think import Ask
from patter_cli.engine.tools import ToolRunner
from patter_cli.errors import PatterError
from patter_cli.tools import ToolContext

log = logging.getLogger(__name__)

JUDGE_S = 1.5
"""Deadline of a code guardrail: every clause waits for it."""
SHOWN_S = 5.0
"""How long a callback waits for a disk to have what it is told; a disk that hangs does not silence it for ever."""
ACTS_S = 0.1
"""The same of a tool, which a caller waits for."""
NOBODY_ELSE: Final[Mapping[str, ReadyAgent]] = MappingProxyType({})
CLOSING_S = 0.7
"""How long the end of a call waits for its callbacks; they go on without it."""


class AuthorPerformer:
    """One call's callbacks and tools."""

    def __init__(
        self,
        call: CallContext,
        settle: Callable[[float], Awaitable[None]],
        others: Mapping[str, ReadyAgent] = NOBODY_ELSE,
    ) -> None:
        """settle: waits until all that happened is on disk, for so many seconds at most. others: agents that may take
        the call over at its start, by name."""
        self._call = call
        self._others = others
        self._settle = settle
        self._off_record = OffRecord(call.post)
        self._tools = ToolRunner(call.agent.tools, self._tool_context)
        self._reports = Reports(call.info.call_id, lambda: settle(SHOWN_S))
        self._prepared = call.agent
        self._overrides: Mapping[str, Any] = {}
        """What on_call_start gave."""
        self._settled = False
        """It was asked, and the call has the agent that came of it."""
        self._newest: ReadyAgent | None = None
        """What the agent's file has become before that."""
        self._remote: RemoteAnswers | None = None

    def tool_specs(self) -> tuple[ToolSpec, ...]:
        """The agent's tools, as a model is told of them."""
        return tuple(self._tools.specs())

    def perform(self, command: Command) -> bool:
        match command:
            case order.PrepareCall():
                self._call.spawn(self._prepare())
            case order.RunTool():
                self._call.spawn(self._run_tool(command))
            case order.TellPaused(paused=paused, message=message):
                self._off_record.told(paused, message)
            case order.JudgeClause():
                self._call.spawn(self._judge(command))
            case order.ReportTranscript(role=role, text=text, interrupted=interrupted):
                hook = self._call.agent.hooks.on_transcript
                self.report(hook, role=role, text=text, interrupted=interrupted)
            case order.ReportMachine(answered_by=answered_by, raw=raw):
                hook = self._call.agent.hooks.on_machine_detection
                if hook is not None:
                    facts = self._call.event(classification=answered_by, raw=raw, detected_at=time.time())
                    self._reports.tell(hook, MachineDetectionResult(facts))
            case _:
                return False
        return True

    def report(self, hook: Hook | None, **facts: Any) -> None:
        """Tell a callback, after those before it."""
        if hook is not None:
            self._reports.tell(hook, self._call.event(**facts))

    async def finish(self, facts: Mapping[str, Any]) -> None:
        """The call is over: say so, and give callbacks in flight a moment."""
        self._off_record.close()
        self.report(self._call.agent.hooks.on_call_end, **facts)
        await self._reports.finish(CLOSING_S)
        if self._remote is not None:
            await self._remote.aclose()

    def adopt(self, line: LineParts | None) -> None:
        """The machine has been told of on_call_start's plan: the rest changes with it, unless it came too late. What
        the agent's file has become meanwhile comes after that."""
        call, agent = self._call, self._prepared
        if call.plan is not call.agent.plan:
            leave_unused(call.agent, agent, listens=line is not None)
            call.agent = agent
            self._tools = ToolRunner(agent.tools, self._tool_context)
            if line is not None:
                line.adopt(agent)
        self._settled = True
        if self._newest is not None:
            self.change(self._newest)

    def change(self, agent: ReadyAgent) -> None:
        """The author has changed the agent's file, and this is the agent now. The call goes on with its prompt, tools,
        guardrails, functions and models; with the ears, the voice and the engine that it has.

        While on_call_start is being asked nothing changes; what cannot be used is logged, and changes nothing either.
        """
        call = self._call
        mine = call.agent
        if agent.name != mine.name:  # on_call_start chose another one
            return
        if not self._settled:
            self._newest = agent
            return
        try:
            new = agent if mine.texts == agent.texts else agent.for_call(mine.texts)
            new = new.revise(self._overrides, call.info.parameters)
        except PatterError as error:
            log.error("the new %s is not for call %s: %s", agent.name, call.info.call_id, error)
            return
        call.agent = replace(
            mine,
            plan=new.plan,
            hooks=new.hooks,
            models=new.models,
            tools=new.tools,
            checks={**mine.checks, **new.checks},  # a clause may still wait for one of the old
            revise=new.revise,
        )
        self._tools = ToolRunner(new.tools, self._tool_context)
        call.post(fact.AgentChanged(plan=new.plan))

    async def pieces(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """on_message, as the thinker wants it."""
        call = self._call
        hook = call.agent.hooks.on_message
        response_id = ask.response_id
        facts = call.event(text=ask.text, history=told(ask.history))
        orders = Orders(
            end_call=lambda: call.post(fact.EndRequested(response_id=response_id)),
            transfer_call=partial(self._ask_for_transfer, response_id),
        )
        if isinstance(hook, AnswerService):
            self._remote = self._remote or RemoteAnswers(hook, call.info.call_id)
            pieces = self._remote.pieces(facts, orders)
        else:
            assert callable(hook)
            event = IncomingMessage(end_call=orders.end_call, transfer_call=orders.transfer_call, **facts)
            pieces = message_pieces(hook, event)
        try:
            async for piece in pieces:
                yield Text(piece)
        finally:
            await pieces.aclose()

    async def _prepare(self) -> None:
        """Run on_call_start; whatever it does, the call goes on with a plan."""
        call = self._call
        overrides: Any = None
        hook = call.agent.hooks.on_call_start
        if hook is not None:
            event = call.event(
                direction=call.info.direction,
                carrier=call.info.carrier,
                custom_params=dict(call.info.parameters),
                agent=call.agent.name,
            )
            try:
                overrides = await call_hook(hook, event, within_s=call.agent.plan.pace.prepare_ms / 1000)
            except TimeoutError:
                log.error("on_call_start did not return in time; the call goes on without it")
            except Exception:
                log.exception("on_call_start raised; the call goes on without it")
        wanted = dict(overrides) if isinstance(overrides, Mapping) else {}
        try:
            agent = self._taken_over_by(wanted).revise(wanted, call.info.parameters)
        except Exception:
            log.exception("what on_call_start returned cannot be used; the call goes on without it")
            agent = call.agent
        # Whoever has the call now: it is recorded and put through as it was to be, and nobody listens for what was not.
        mine, plan = call.agent.plan, agent.plan
        predicts = plan.predicts_end_of_turn and call.agent.end_of_turn is not None
        if (plan.records, plan.attends, plan.predicts_end_of_turn) != (mine.records, mine.attends, predicts):
            plan = replace(plan, records=mine.records, attends=mine.attends, predicts_end_of_turn=predicts)
            agent = replace(agent, plan=plan)
        self._prepared = agent
        self._overrides = wanted
        call.post(fact.prepared(call.agent.plan, agent.plan))

    def _taken_over_by(self, overrides: dict[str, Any]) -> ReadyAgent:
        """Whose call it is from now on, if on_call_start named another agent, which is taken out of what it gave; else
        the call's own. Raises InputError for one whose words nothing of this call fills."""
        mine = self._call.agent
        if not isinstance(overrides.get("agent"), str):
            return mine
        name = overrides.pop("agent")
        other = mine if name == mine.name else self._others.get(name)
        if other is None:
            near = get_close_matches(name, self._others, n=1, cutoff=0.5)
            served = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self._others) or 'no others'}"
            log.error("on_call_start chose agent %r, which is not served; %s", name[:64], served)
            return mine
        if mine.engine is not None or other.engine is not None:
            log.error("on_call_start chose agent %r: one with an engine takes no call over, and leaves none", name)
            return mine
        return other if other is mine or mine.texts == other.texts else other.for_call(mine.texts)

    def _tool_context(self) -> ToolContext:
        info = self._call.info
        history = self._call.told_history()
        return ToolContext(
            call_id=info.call_id,
            caller=info.caller,
            callee=info.callee,
            history=history,
            direction=info.direction,
            record=self._off_record.switch(),
        )

    async def _run_tool(self, command: order.RunTool) -> None:
        await self._settle(ACTS_S)
        outcome = await self._tools.run(command.tool_call_id, command.name, command.arguments)
        self._call.post(
            fact.ToolFinished(response_id=command.response_id, tool_call_id=command.tool_call_id, result=outcome.text)
        )

    async def _judge(self, command: order.JudgeClause) -> None:
        check = self._call.agent.checks[command.rule]
        try:
            forbidden = bool(await call_hook(check.forbids, command.text, within_s=JUDGE_S))
        except Exception:
            forbidden = check.blocks_on_error
            log.exception("guardrail %s failed; the clause %s", command.rule, "is blocked" if forbidden else "passes")
        self._call.post(
            fact.ClauseJudged(
                response_id=command.response_id,
                clause=command.clause,
                rule=command.rule,
                replacement=check.replacement if forbidden else None,
            )
        )

    def _ask_for_transfer(self, response_id: int, number: str, about: str = "") -> None:
        if allowed_number(number, self._call.plan) is None:
            log.error("a transfer to %r is refused: put the number into Agent(transfer_numbers=[…])", number[:32])
        self._call.post(fact.TransferRequested(response_id=response_id, number=number, about=about))
