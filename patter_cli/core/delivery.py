"""How a reply is made: its clauses pass the guardrails to the voice, its tools go out and come back, it ends."""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.call import Call
from patter_cli.core.carrier_events import DtmfFailed, DtmfSent
from patter_cli.core.deadlines import Timer
from patter_cli.core.guardrails import replacement_for
from patter_cli.core.history import History
from patter_cli.core.phrases import in_language
from patter_cli.core.playback import Span
from patter_cli.core.playout import Playout
from patter_cli.core.reply import Purpose, Reply
from patter_cli.core.silence import Silence
from patter_cli.core.tool_calls import (
    MAX_STEPS,
    Answer,
    Press,
    Run,
    about_in,
    allowed_number,
    decide,
    failed,
    succeeded,
)


class Delivery:
    """Takes what the model brings for the reply that has the floor."""

    __slots__ = ("_call", "_history", "_playout", "_silence", "_tool_calls")

    def __init__(self, call: Call, history: History, silence: Silence, playout: Playout) -> None:
        self._call = call
        self._history = history
        self._silence = silence
        self._playout = playout
        self._tool_calls = 0

    # --- clauses ---------------------------------------------------------------------------------------------

    def clause_ready(self, event: fact.ClauseReady) -> None:
        reply = self._call.current(event.response_id)
        if reply is None or reply.delivered or not event.text.strip():
            return
        reply.waiting.append(event.text)
        if len(reply.waiting) == 1:
            self._judge_next(reply)

    def _judge_next(self, reply: Reply) -> None:
        """Speak waiting clauses up to the first that a code guardrail still has to judge.

        Our own lines are not for the agent's code to judge: an apology for it must not wait for it.
        """
        plan = self._call.plan
        ours = reply.purpose in (Purpose.LINE, Purpose.GOODBYE, Purpose.MESSAGE)
        checks = () if ours else plan.checks
        while reply.waiting:
            text = reply.waiting[0]
            before = " ".join(clause.text for clause in reply.ledger.spans[-8:])
            replacement = replacement_for(text, before, plan.blocked)
            if replacement is None and reply.rule < len(checks):
                name = checks[reply.rule]
                reply.judged = len(reply.ledger.spans)
                self._call.issue(order.JudgeClause(response_id=reply.id, clause=reply.judged, rule=name, text=text))
                return
            reply.waiting.pop(0)
            reply.rule = 0
            self._speak(reply, text if replacement is None else replacement)

    def clause_judged(self, event: fact.ClauseJudged) -> None:
        reply, checks = self._call.current(event.response_id), self._call.plan.checks
        if reply is None or not reply.waiting or event.clause != reply.judged:
            return
        if reply.rule >= len(checks) or event.rule != checks[reply.rule]:
            return
        if event.replacement is None:
            reply.rule += 1
        else:
            reply.waiting.pop(0)
            reply.rule = 0
            self._speak(reply, event.replacement)
        self._judge_next(reply)
        self._playout.complete_if_heard()

    def filler_due(self) -> None:
        """The caller has waited long enough for something to hear: bridge the wait."""
        reply, lines = self._call.reply, self._call.plan.lines
        if reply is not None:
            reply.fillers += 1
            reply.filler_at = self._call.now
            text = lines.filler if reply.fillers == 1 else lines.still_working
            self._speak(reply, text, filler=True, before=reply.ledger.late())

    def _speak(self, reply: Reply, text: str, *, filler: bool = False, before: Span | None = None) -> None:
        if not text.strip():
            return
        clause = reply.ledger.order(text, self._call.now, filler=filler, before=before)
        overtakes = before is not None
        self._call.issue(order.Speak(response_id=reply.id, clause=clause, text=text, overtakes=overtakes))
        self._silence.watch()

    # --- tools -----------------------------------------------------------------------------------------------

    def tool_call_requested(self, event: fact.ToolCallRequested) -> None:
        """Run it, or answer it ourselves: hanging up, transferring, and what is not allowed."""
        reply = self._call.current(event.response_id)
        if reply is None or reply.delivered or reply.step_over:
            return
        reply.called = True
        self._history.begin_tool(reply, event)
        if not reply.may_call:
            self._history.finish_tool(event.tool_call_id, failed("no tool can be used now; answer in words"))
            return
        decision = decide(event.name, event.arguments, self._call.plan, self._tool_calls)
        self._tool_calls += 1
        if isinstance(decision, Answer):
            self._history.finish_tool(event.tool_call_id, decision.result)
            if decision.language:
                self._call.plan = in_language(self._call.plan, decision.language)
                self._call.issue(order.SwitchLanguage(language=decision.language))
            if decision.ends or decision.transfer:
                reply.pending_action = event.tool_call_id
            reply.hang_up = reply.hang_up or ("agent" if decision.ends else "")
            if decision.transfer:
                reply.transfer, reply.about = decision.transfer, decision.about
        else:
            self._run_tool(reply, event, decision)

    def _run_tool(self, reply: Reply, event: fact.ToolCallRequested, work: Run | Press) -> None:
        call, timeout_ms = self._call, work.timeout_ms
        if not reply.tools_out:
            reply.tools_since = call.now
        reply.tools_out.add(event.tool_call_id)
        reply.tools_until = max(reply.tools_until, call.now + timeout_ms)
        call.deadlines.set(Timer.GIVE_UP, reply.tools_until + call.plan.pace.give_up_ms)
        if isinstance(work, Press):
            call.issue(order.SendDtmf(response_id=reply.id, tool_call_id=event.tool_call_id, digits=work.digits))
        else:
            call.issue(
                order.RunTool(
                    response_id=reply.id,
                    tool_call_id=event.tool_call_id,
                    name=event.name,
                    arguments=event.arguments,
                    timeout_ms=timeout_ms,
                )
            )
        self._silence.watch()

    def tool_finished(self, event: fact.ToolFinished) -> None:
        """A result is noted whenever it comes; only the reply that asked for it goes on because of it."""
        self._tool_answered(event.response_id, event.tool_call_id, event.result)

    def keys_sent(self, event: DtmfSent) -> None:
        self._tool_answered(event.response_id, event.tool_call_id, succeeded("pressed"))

    def keys_failed(self, event: DtmfFailed) -> None:
        self._tool_answered(event.response_id, event.tool_call_id, failed(f"not pressed: {event.message}"))

    def _tool_answered(self, response_id: int, tool_call_id: str, result: str) -> None:
        self._history.finish_tool(tool_call_id, result)
        reply = self._call.current(response_id)
        if reply is not None and tool_call_id in reply.tools_out:
            reply.tools_out.remove(tool_call_id)
            self._continue_if_answered(reply)
            self._silence.watch()

    def _continue_if_answered(self, reply: Reply) -> None:
        """Once a step is delivered and all its tools have answered, the model goes on; unless it wants to leave."""
        if not reply.step_over or reply.tools_out:
            return
        leaves = bool(reply.hang_up or reply.transfer)
        if leaves and reply.said:
            reply.delivered = True
            self._playout.complete_if_heard()
            return
        reply.steps += 1
        reply.called = reply.step_over = False
        reply.said_before_tools = reply.said
        reply.spans_before_tools = reply.spans
        reply.may_call = reply.steps < MAX_STEPS and not leaves
        if reply.by_engine:
            reply.opened = False
            self._call.issue(order.AskEngine(response_id=reply.id, continues=True, may_call=reply.may_call))
        else:
            self._call.issue(order.ContinueResponse(response_id=reply.id, said=reply.said, may_call=reply.may_call))

    # --- its end ---------------------------------------------------------------------------------------------

    def end_requested(self, event: fact.EndRequested) -> None:
        reply = self._call.current(event.response_id)
        if reply is not None:
            reply.hang_up = reply.hang_up or "agent"

    def transfer_requested(self, event: fact.TransferRequested) -> None:
        reply = self._call.current(event.response_id)
        if reply is not None and not reply.hang_up:
            number = allowed_number(event.number, self._call.plan)
            reply.transfer, reply.refused = number or "", number is None
            reply.about = about_in(event.about, self._call.plan)

    def response_finished(self, event: fact.ResponseFinished) -> None:
        """All its words have come, or all of the step that ends with its tool calls."""
        reply = self._call.current(event.response_id)
        if reply is None or reply.delivered:
            return
        if reply.called and reply.may_call:
            reply.step_over = True
            self._continue_if_answered(reply)
        else:
            reply.delivered = True
            self._playout.complete_if_heard()

    def response_failed(self, event: fact.ResponseFailed) -> None:
        """What it said so far is heard before we apologise for the rest."""
        reply = self._call.current(event.response_id)
        if reply is not None and not reply.delivered:
            reply.delivered = True
            reply.broke_off = True
            reply.hopeless = event.hopeless
            self._playout.complete_if_heard()
