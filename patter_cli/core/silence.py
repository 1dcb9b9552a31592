"""The caller's silence has a clock: by when they must hear more of a reply, or something else instead.

While clauses are on their way, PLAYOUT runs: by then the voice must begin, or the mark of the last one come. A voice
that says that it is at work, and only late, is bridged as a slow model is, by a filler that overtakes it. Once all
of them were heard and the reply is still being made, FILLER runs, and we bridge the wait; but GIVE_UP beside it, for a
reply that never comes is not bridged for ever.
"""

from __future__ import annotations

from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.events import Ms
from patter_cli.core.floor import AgentState
from patter_cli.core.reply import Purpose, Reply

SILENCE_MS = 3500
"""How long the caller may hear nothing while it is the agent's turn. Below the four seconds of SPEC 6.6."""
VOICE_START_MS = 1100
"""How long the voice may take for a clause even when the caller has waited for its words before: with the longest
silence before a filler (TurnTiming.filler_again_ms) less than four seconds."""
LINE_START_MS = 450
"""The same for a line of ours, whose audio is ready: what does not sound by then will not sound at all."""


class Silence:
    """Sets the deadlines of the reply that has the floor."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def watch(self) -> None:
        """Set the deadline by which the caller must hear more of the reply, or must have heard it all."""
        call, reply = self._call, self._call.reply
        if reply is None or call.agent.now is AgentState.HELD:
            return
        now, pace, deadlines, ledger = call.now, call.plan.pace, call.deadlines, reply.ledger
        deadlines.cancel(Timer.PLAYOUT, Timer.FILLER)
        silent_too_long = call.quiet_since + SILENCE_MS
        if not ledger.settled:
            end = ledger.expected_end()
            if end is not None:
                due = end + pace.mark_grace_ms
            else:
                start_ms = VOICE_START_MS if reply.purpose is Purpose.ANSWER else LINE_START_MS
                due = max(silent_too_long, ledger.sounds_until() + SILENCE_MS, ledger.waiting_since() + start_ms)
                if reply.voice_late_at is not None:
                    due = max(due, reply.voice_late_at + SILENCE_MS)
                    if reply.purpose is Purpose.ANSWER and ledger.late() is not None:
                        deadlines.set(Timer.FILLER, max(now, self._filler_at(reply)))
            deadlines.set(Timer.PLAYOUT, max(now + 1, due))
        elif reply.purpose is not Purpose.ANSWER:
            due = max(silent_too_long, reply.opened_at + LINE_START_MS)
            deadlines.set(Timer.PLAYOUT, max(now + 1, due))
        elif reply.waiting or not reply.delivered:
            due = self._filler_at(reply)
            if reply.tools_out and not reply.fillers:
                due = min(due, max(reply.tools_since, call.quiet_since) + pace.tool_filler_ms)
            deadlines.set(Timer.FILLER, max(now, due))
            if not deadlines.running(Timer.GIVE_UP):
                tools_until = reply.tools_until if reply.tools_out else now
                deadlines.set(Timer.GIVE_UP, max(now, tools_until) + pace.give_up_ms)

    def _filler_at(self, reply: Reply) -> Ms:
        """When the caller has waited long enough for more of a reply."""
        call, pace = self._call, self._call.plan.pace
        last = next((each for each in reversed(reply.ledger.spans) if each.confirmed or each.failed), None)
        # Whoever has spoken since the filler is owed something again, were it another.
        told = last is not None and last.filler and call.quiet_since <= reply.told_until
        due = call.quiet_since + (pace.filler_later_ms if told else pace.filler_again_ms)
        if last is None:
            due = min(due, reply.opened_at + pace.filler_ms)
        return due if reply.filler_at is None else max(due, reply.filler_at + pace.filler_again_ms)
