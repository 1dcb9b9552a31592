"""What a speech-to-speech engine says: its replies are accepted or rejected, their items become spans of the ledger.

Theory of operation. Such an engine begins a reply when it is asked to, or when it likes. The machine alone says what
has the floor: a reply is accepted under a number, or rejected. Accepted is the one that was asked for; with an engine
that decides on turns also one that nobody asked for, and one more while the last is still being heard, which is its
continuation and has its number. Everything else of a reply is as with any other: it is heard, held, yielded, and its
tools run.

Sound comes beside the words, so rules are judged in two places: blocked terms while sound is held (verdict_gate.py),
code guardrails sentence by sentence here. Either way a reply that broke one is cut off and the replacement said.
"""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.delivery import Delivery
from patter_cli.core.endings import Endings
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.history import History
from patter_cli.core.playout import Playout
from patter_cli.core.reply import Purpose, Reply
from patter_cli.core.silence import Silence
from patter_cli.core.tool_calls import failed
from patter_cli.core.turns import Turns

_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")


class EngineReplies:
    """Follows the engine's replies from their opening to the ledger."""

    __slots__ = ("_call", "_delivery", "_endings", "_floor", "_history", "_playout", "_silence", "_turns")

    def __init__(
        self,
        call: Call,
        history: History,
        silence: Silence,
        floor: AgentFloor,
        endings: Endings,
        turns: Turns,
        playout: Playout,
        delivery: Delivery,
    ) -> None:
        self._call = call
        self._history = history
        self._silence = silence
        self._floor = floor
        self._endings = endings
        self._turns = turns
        self._playout = playout
        self._delivery = delivery

    # --- the floor -------------------------------------------------------------------------------------------

    def opened(self, event: fact.SpeechResponseOpened) -> None:
        """Accept it, under the number of the reply that it is or continues, or reject it."""
        reply = self._reply_for(event)
        if reply is None:
            self._call.issue(order.RejectReply(vendor_id=event.vendor_id))
            return
        reply.opened = True
        if self._call.caller.now is CallerState.SILENT:
            self._call.deadlines.cancel(Timer.TRANSCRIPT)  # it has made something of what it heard
        reply.delivered = reply.step_over = False
        self._call.issue(order.AcceptReply(response_id=reply.id, vendor_id=event.vendor_id))
        self._silence.watch()

    def _reply_for(self, event: fact.SpeechResponseOpened) -> Reply | None:
        call, reply = self._call, self._call.reply
        engine = call.plan.engine
        if engine is None or call.state.now is not CallState.ACTIVE or call.taken:
            return None
        if reply is not None and not reply.by_engine:
            answered = engine.server_turns and event.asked is None and call.agent.now is AgentState.HELD
            if not answered or reply.hang_up or reply.transfer:
                return None  # a line of ours is being said
            self._floor.yield_reply()  # the voice that held it was meant: the engine answers it
            reply = None
        if reply is not None and not reply.opened and event.asked in (None, reply.id):
            return reply
        if not engine.server_turns or event.asked is not None:
            return None
        if reply is not None and reply.delivered and (reply.hang_up or reply.transfer):
            return None  # these were its last words
        if call.parting is not None and not call.said.spoken:
            return None  # the last words were heard, and nothing came after them that the engine could answer
        call.said.take_spoken()
        return self._floor.open_engine_reply(Purpose.ANSWER) if reply is None else reply

    def left(self, event: fact.EngineLeft) -> None:
        """It has hung up: so do we, once what it said was heard."""
        call, reply = self._call, self._call.reply
        if call.state.now is not CallState.ACTIVE:
            return
        if reply is not None and reply.by_engine and not reply.opened:
            self._floor.yield_reply()
            self._endings.goodbye(call.plan.lines.goodbye, "agent")
        elif reply is not None:
            reply.hang_up = reply.hang_up or "agent"  # its end, if an engine's, was told or is about to be
        else:
            self._endings.hang_up("agent")

    # --- its spans -------------------------------------------------------------------------------------------

    def span_opened(self, event: fact.SpanOpened) -> None:
        """An item's sound has begun to come: it is the next span, once a line of ours before it is all voiced."""
        reply = self._engine_reply(event.response_id)
        if reply is not None:
            reply.unnumbered.append(event.item)
            self._number(reply)

    def clause_voiced(self, event: fact.ClauseVoiced) -> None:
        """A span or a line of ours is complete: what waited for it may have its number."""
        self._playout.clause_voiced(event)
        reply = self._engine_reply(event.response_id)
        if reply is not None:
            self._number(reply)

    def _number(self, reply: Reply) -> None:
        ours = any(span.filler and span.voiced_ms is None and not span.failed for span in reply.ledger.spans)
        if ours or not reply.unnumbered:
            return
        for item in reply.unnumbered:
            clause = reply.ledger.open(self._call.now)
            self._call.issue(order.AcceptSpan(response_id=reply.id, item=item, clause=clause))
        reply.unnumbered = []
        self._silence.watch()

    def span_grew(self, event: fact.SpanGrew) -> None:
        """More of its sound is there, so it will be heard for longer."""
        reply = self._engine_reply(event.response_id)
        span = None if reply is None else reply.ledger.get(event.clause)
        if span is not None and span.growing:
            span.received_ms = max(span.received_ms, event.received_ms)
            self._silence.watch()

    def span_words(self, event: fact.SpanWords) -> None:
        """More of its words are known, perhaps of a reply that was heard already."""
        reply = self._engine_reply(event.response_id)
        late = self._history.late_reply(event.response_id) if reply is None else None
        of = reply or late
        span = None if of is None else of.ledger.get(event.clause)
        if of is None or span is None or not span.growing:
            return
        if not span.words_over:
            span.text += event.text
        span.words_over = span.words_over or event.over
        if late is not None:
            self._history.late_words_came(late)
        else:
            self._have_judged(of, event)

    def _engine_reply(self, response_id: int) -> Reply | None:
        reply = self._call.current(response_id)
        return reply if reply is not None and reply.by_engine else None

    # --- rules -----------------------------------------------------------------------------------------------

    def _have_judged(self, reply: Reply, event: fact.SpanWords) -> None:
        """Ask the code guardrails about each sentence; its sound does not wait for them longer than for its words."""
        checks = self._call.plan.checks
        if not checks:
            return
        reply.unjudged += event.text
        sentence = reply.unjudged.strip()
        if sentence and (event.over or sentence.endswith(_SENTENCE_ENDS)):
            reply.unjudged = ""
            for rule in checks:
                self._call.issue(order.JudgeClause(response_id=reply.id, clause=event.clause, rule=rule, text=sentence))

    def clause_judged(self, event: fact.ClauseJudged) -> None:
        """A verdict on an engine's words, or on a clause of ours."""
        if self._engine_reply(event.response_id) is None:
            self._delivery.clause_judged(event)
        elif event.replacement is not None and event.rule in self._call.plan.checks:
            self._break_off(event.response_id, event.replacement)

    def rule_broken(self, event: fact.RuleBroken) -> None:
        self._break_off(event.response_id, event.replacement)

    def _break_off(self, response_id: int, replacement: str) -> None:
        reply = self._engine_reply(response_id)
        if reply is None:
            return
        self._floor.yield_reply()
        if replacement.strip():
            self._floor.read_out(replacement, Purpose.LINE)
        else:
            self._turns.floor_is_free()

    # --- its tools -------------------------------------------------------------------------------------------

    def tool_call_requested(self, event: fact.ToolCallRequested) -> None:
        """As with any reply; but an engine waits for an answer even if the reply is gone."""
        if self._call.current(event.response_id) is None:
            result = failed("not done: this reply was broken off")
            self._call.issue(order.ReturnToolResult(tool_call_id=event.tool_call_id, result=result))
        else:
            self._delivery.tool_call_requested(event)
