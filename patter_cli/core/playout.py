"""What the caller hears of a reply: clauses are voiced, sound, and end or are lost; and what follows the last."""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.endings import Endings
from patter_cli.core.floor import AgentState, CallState
from patter_cli.core.history import History
from patter_cli.core.reply import Purpose, Reply
from patter_cli.core.silence import Silence
from patter_cli.core.transfers import Transfers
from patter_cli.core.turns import Turns

MARK_WAY_MS = 300
"""How long a mark may be on its way, with what is sent ahead; a later one does not say when the line fell quiet."""
REWIND_MS = 200
"""How far before the break a held reply resumes, so that no word is lost. The pacer's figure."""


class Playout:
    """Follows the reply that has the floor to the caller's ear, and closes it."""

    __slots__ = ("_call", "_endings", "_failures", "_floor", "_history", "_silence", "_transfers", "_turns")

    def __init__(
        self,
        call: Call,
        history: History,
        silence: Silence,
        floor: AgentFloor,
        endings: Endings,
        turns: Turns,
        transfers: Transfers,
    ) -> None:
        self._call = call
        self._history = history
        self._silence = silence
        self._floor = floor
        self._endings = endings
        self._turns = turns
        self._transfers = transfers
        self._failures = 0
        """Replies that failed since one was heard."""

    # --- clause by clause ------------------------------------------------------------------------------------

    def words_timed(self, event: fact.WordsTimed) -> None:
        """Where its words lie, should it be cut."""
        reply = self._call.current(event.response_id)
        clause = reply.ledger.get(event.clause) if reply is not None else None
        if clause is not None:
            clause.word_spans = tuple(zip(event.starts_ms, event.ends_ms, strict=False))

    def clause_voiced(self, event: fact.ClauseVoiced) -> None:
        """Its length is known; a clause without any makes no sound and is lost."""
        reply = self._call.current(event.response_id)
        clause = reply.ledger.get(event.clause) if reply is not None else None
        if clause is None or clause.voiced_ms is not None:
            return
        clause.voiced_ms = max(0, event.duration_ms)
        if clause.voiced_ms == 0:
            clause.failed = True
        self._silence.watch()
        self.complete_if_heard()

    def playout_started(self, event: fact.PlayoutStarted) -> None:
        call, reply = self._call, self._call.current(event.response_id)
        clause = reply.ledger.get(event.clause) if reply is not None else None
        if reply is None or clause is None or clause.confirmed:
            return
        clause.started_at = call.now - max(0, clause.heard_ms - REWIND_MS)
        reply.audible = True
        if call.agent.now is AgentState.THINKING:
            call.agent.move(AgentState.SPEAKING)
        if not clause.filler:
            call.deadlines.cancel(Timer.GIVE_UP)
        self._silence.watch()

    def mark_reached(self, event: fact.MarkReached) -> None:
        call, reply = self._call, self._call.current(event.response_id)
        clause = reply.ledger.get(event.clause) if reply is not None else None
        if reply is None or clause is None:
            return
        reply.ledger.confirm(event.clause)
        over_by = call.now if clause.started_at is None else clause.started_at + clause.duration_ms + MARK_WAY_MS
        call.quiet_since = max(call.quiet_since, min(call.now, over_by))
        self._note_filler(reply)
        self._note_notice(reply)
        self._silence.watch()
        self.complete_if_heard()

    def playout_due(self) -> None:
        """No mark came. What was voiced has been heard by the clock; what never was voiced is lost."""
        call, reply = self._call, self._call.reply
        if reply is None:
            return
        end = reply.ledger.expected_end()
        if end is None:
            self._fail()
            return
        reply.ledger.confirm(reply.ledger.spans[-1].number)
        call.quiet_since = max(call.quiet_since, min(end, call.now))
        self._note_filler(reply)
        self._silence.watch()
        self.complete_if_heard()

    def _note_filler(self, reply: Reply) -> None:
        last = next((each for each in reversed(reply.ledger.spans) if each.confirmed), None)
        if last is not None and last.filler:
            reply.told_until = self._call.quiet_since

    def _note_notice(self, reply: Reply) -> None:
        """Nothing is recorded before the caller has heard that it is."""
        call = self._call
        if not (reply.tells_recording and call.owes_notice and call.state.now is CallState.ACTIVE):
            return
        own = [each for each in reply.ledger.spans if not each.filler]
        notice = call.plan.lines.recording_notice
        first = bool(own) and own[0].confirmed and own[0].text.strip() == notice
        if first or (reply.delivered and not reply.waiting and reply.ledger.settled and reply.ledger.answered):
            call.owes_notice = False
            if call.off_record:
                call.owes_recording = True
            else:
                call.issue(order.StartRecording())

    def voice_late(self, event: fact.VoiceLate) -> None:
        """The voice has its work and will do it: that is waited for, as long as it goes on saying so."""
        call, reply = self._call, self._call.current(event.response_id)
        span = reply.ledger.get(event.clause) if reply is not None else None
        if reply is None or span is None or span.voiced_ms is not None or span.failed:
            return
        reply.voice_late_at = call.now
        if span.started_at is None and not call.deadlines.running(Timer.GIVE_UP):
            call.deadlines.set(Timer.GIVE_UP, call.now + call.plan.pace.give_up_ms)
        self._silence.watch()

    def speak_failed(self, event: fact.SpeakFailed) -> None:
        reply = self._call.current(event.response_id)
        clause = reply.ledger.get(event.clause) if reply is not None else None
        if clause is not None and clause.voiced_ms is None:
            clause.failed = clause.started_at is None
            self._fail()

    def give_up_due(self) -> None:
        """Nothing of the reply itself became audible in time."""
        self._fail()

    # --- the whole reply -------------------------------------------------------------------------------------

    def complete_if_heard(self) -> None:
        """The reply is over once all of it was delivered and heard."""
        call, reply = self._call, self._call.reply
        if reply is None or not reply.delivered or reply.waiting or not reply.ledger.settled:
            return
        if call.agent.now is AgentState.HELD:
            return
        self._note_notice(reply)
        self._floor.leave()
        self._history.add_reply(reply, interrupted=False)
        self._go_on_after(reply)

    def _go_on_after(self, reply: Reply) -> None:
        """Do what the reply wanted; repair what went wrong with it; or pass the floor on."""
        lines = self._call.plan.lines
        active = self._call.state.now is CallState.ACTIVE
        answered, answer = reply.ledger.answered, reply.purpose is Purpose.ANSWER
        if self._call.plan.hands_over and active and (answer or reply.purpose is Purpose.GREETING):
            self._endings.hand_over()
        elif reply.by_engine and reply.purpose is Purpose.GREETING and active and not (answered or reply.hang_up):
            self._greet_ourselves()
        elif reply.hang_up and active and answer and not answered:
            self._endings.goodbye(lines.goodbye, reply.hang_up)
        elif reply.hang_up and active:
            self._turns.part_after(reply)
        elif self._call.state.now is CallState.ENDING:
            self._endings.last_words_over(reply)
        elif reply.broke_off or reply.lost_its_end:
            self._apologise_for(reply)
        elif reply.transfer and active:
            self._transfers.begin(reply)
        elif reply.refused and active:
            self._floor.read_out(lines.no_transfer, Purpose.LINE)
        elif not answered and answer and self._turns.may_ask_again:
            self._turns.ask_otherwise()
        elif not answered:
            self._apologise_for(reply)
        elif reply.trails_off:
            self._floor.read_out(lines.anything_else, Purpose.LINE)
        else:
            if answer:
                self._failures = 0
                self._turns.answer_heard()
            self._turns.floor_is_free()

    def _greet_ourselves(self) -> None:
        """The engine did not begin: the first words are known, and ours to say."""
        self._floor.read_out(self._call.plan.first_message, Purpose.GREETING)

    def _apologise_for(self, reply: Reply) -> None:
        """It is over, and came to nothing or not to its end: say so, and end the call if that happens again."""
        lines = self._call.plan.lines
        self._failures += 1
        if self._failures > 1 or reply.hopeless or reply.purpose is Purpose.LINE:
            self._endings.goodbye(lines.trouble, "agent_failed")
        else:
            self._floor.read_out(lines.apology, Purpose.LINE)

    def _fail(self) -> None:
        """Give the reply up; apologise, and end the call if apologising does not help."""
        call, reply = self._call, self._call.reply
        if reply is None:
            return
        if reply.by_engine and reply.purpose is Purpose.GREETING and not reply.audible:
            self._floor.yield_reply()
            self._greet_ourselves()
            return
        last_words, active = reply.purpose is Purpose.GOODBYE, call.state.now is CallState.ACTIVE
        if reply.hang_up and active and (last_words or not reply.ledger.answered):
            self._floor.yield_reply()
            if last_words:
                self._endings.hang_up(reply.hang_up)
            else:
                self._endings.goodbye(call.plan.lines.goodbye, reply.hang_up)
            return
        self._failures += 1
        hopeless = reply.purpose in (Purpose.LINE, Purpose.GOODBYE) or self._failures > 1
        self._floor.yield_reply()
        if call.state.now is CallState.ENDING or (hopeless and reply.purpose is Purpose.LINE):
            self._endings.hang_up("agent_failed")
        elif hopeless:
            self._endings.goodbye(call.plan.lines.trouble, "agent_failed")
        else:
            self._floor.read_out(call.plan.lines.apology, Purpose.LINE)
