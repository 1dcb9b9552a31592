"""Whether a human or a machine answered an outbound call, decided beside the conversation; and what a machine is told.

Theory of operation. Nobody waits for the verdict: whoever picked up is greeted at once, as a human, and talked with
until something says otherwise. Two sources may say it: the carrier, which mostly knows how long somebody spoke, and
our own ear, which knows the words. So ours outweighs the carrier's, unless it had nothing but a long voice to go by and
the carrier says that it was a machine's; "unknown" weighs nothing, and a tone outweighs both, since only machines
sound it. What we take the far end for may change as more is known, as long as the window is
open and no message was begun; each time the journal says why. The author's code is told once, the first time.

A machine with no message for it is hung up on. Otherwise we fall silent, wait for the tone, and say the message once:
after the tone; or, if none comes, when the greeting is said to be over, when the line has been silent for long enough,
or at the latest after BEEP_MS. The tape begins at the tone, so a message that was begun without one and is overtaken
by it is begun again.
"""

from __future__ import annotations

from patter_cli.core import carrier_events as carrier
from patter_cli.core import commands as order
from patter_cli.core.agent_floor import AgentFloor
from patter_cli.core.call import Call
from patter_cli.core.deadlines import Timer
from patter_cli.core.drafting import Drafting
from patter_cli.core.endings import Endings
from patter_cli.core.events import Ms
from patter_cli.core.floor import SCREENING_TABLE, CallerState, CallState, Place, ScreeningState
from patter_cli.core.outcome import AnsweredBy, Direction, Outcome, VerdictSource
from patter_cli.core.playback import MS_PER_CHAR
from patter_cli.core.reply import Purpose
from patter_cli.core.turns import Turns

WINDOW_MS = 40_000
"""From the stream on; later the far end is what it is taken for. The carriers' own verdicts take 30 s at most."""
HUMAN_WINDOW_MS = 6000
"""The same once our ear has heard a human: as long as it listens for the beep of a tape that sounded like one."""
BEEP_MS = 30_000
"""How long a machine's greeting may go on: then it is told its message, tone or not."""
TONE_MS = 1500
"""How soon a tone follows the end of a greeting; the message waits for it so long."""
SILENT_MS = 3500
"""A line this silent has an end of greeting that nobody told us of."""
MESSAGE_SLACK_MS = 15_000
"""What a message may take beyond twice the length of its words."""

_DECIDED = (AnsweredBy.HUMAN, AnsweredBy.MACHINE, AnsweredBy.FAX)
_WITH_A_LINE = (CallState.CONNECTING, CallState.PREPARING, CallState.ACTIVE, CallState.VOICEMAIL)


def weigh(votes: dict[VerdictSource, AnsweredBy], *, beep: bool, own_sure: bool = True) -> tuple[AnsweredBy, str]:
    """What the far end is to be taken for, and why. votes: the last word of each source. own_sure: ours is."""
    said = {source: vote for source, vote in votes.items() if vote in _DECIDED}
    told = ", ".join(f"{source} says {said[source]}" for source in VerdictSource if source in said)
    if beep:
        return AnsweredBy.MACHINE, f"a tone was heard, {told}" if told else "a tone was heard"
    if not own_sure and said.get(VerdictSource.CARRIER) is AnsweredBy.MACHINE:
        return AnsweredBy.MACHINE, f"{told}, which is less sure of it"
    for source in (VerdictSource.OWN, VerdictSource.CARRIER):
        if source in said:
            return said[source], told
    return AnsweredBy.UNKNOWN, "nobody could tell"


class Screening:
    """Finds out who answered, and deals with machines."""

    __slots__ = (
        "_after_beep", "_beep", "_call", "_drafting", "_endings", "_floor", "_greeting_over", "_leaving", "_own_reason",
        "_own_sure", "_raw", "_state", "_turns", "_votes", "_wait_until",
    )  # fmt: skip

    def __init__(self, call: Call, drafting: Drafting, floor: AgentFloor, endings: Endings, turns: Turns) -> None:
        self._call = call
        self._drafting = drafting
        self._floor = floor
        self._endings = endings
        self._turns = turns
        self._state = Place(ScreeningState.OFF, SCREENING_TABLE)
        self._votes: dict[VerdictSource, AnsweredBy] = {}
        self._raw = ""
        self._own_sure = True
        self._own_reason = ""
        """What our ear's last word rests on."""
        self._beep = False
        self._greeting_over = False
        self._wait_until: Ms = 0
        self._leaving = ""
        """Why we hang up without a word once there is a line."""
        self._after_beep = False
        """The message was begun after a tone, so that no other begins it again."""

    # --- what is known ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """There is a line. An outbound call whose plan says so is screened from here on."""
        if self._opens():
            self._call.deadlines.set(Timer.SCREENING, self._call.now + WINDOW_MS)

    def _opens(self) -> bool:
        """True if verdicts count; they may come before the stream does."""
        call = self._call
        rung = call.direction is Direction.OUTBOUND and call.state.now is not CallState.NEW
        if self._state.now is ScreeningState.OFF and rung and call.plan.screens_machines:
            self._state.move(ScreeningState.OPEN)
            call.owes_verdict = True
        return self._state.now not in (ScreeningState.OFF, ScreeningState.CLOSED)

    def detected(self, event: carrier.MachineDetected) -> None:
        """A verdict of one of the two sources; one that knows nothing does not take back what it said before."""
        if not self._opens() or self._own_human:
            return
        if event.answered_by in _DECIDED:
            self._votes[event.source] = event.answered_by
            if event.source is VerdictSource.OWN:
                self._own_reason, self._own_sure = event.raw, event.sure
        if event.answered_by is AnsweredBy.MACHINE:
            self._greeting_over = self._greeting_over or event.greeting_over
        self._raw = event.raw or self._raw
        self._decide()

    def beep_heard(self, event: carrier.BeepHeard) -> None:
        """The tone after a greeting. Once a message is under way that did not wait for it, it begins again."""
        call = self._call
        if self._opens():
            if self._own_human and event.source is not VerdictSource.OWN:
                return  # a carrier hears tones in what our ear has understood
            self._beep = self._greeting_over = True
            self._raw = self._raw or event.raw
            if event.source is VerdictSource.OWN:
                self._own_reason = event.raw
            self._decide()
        elif call.reply is not None and call.reply.purpose is Purpose.MESSAGE and not self._after_beep:
            self._beep = True
            self._say_message()

    @property
    def _own_human(self) -> bool:
        """Our ear has heard a human, and is sure: nothing but the beep that it hears itself puts that right."""
        return self._own_sure and self._votes.get(VerdictSource.OWN) is AnsweredBy.HUMAN

    def window_due(self) -> None:
        """Nobody says anything any more."""
        if self._state.now is ScreeningState.OPEN:
            self._take_for(AnsweredBy.UNKNOWN, "nobody could tell")
        if self._state.now is not ScreeningState.MACHINE:
            self._state.move(ScreeningState.CLOSED)

    def _decide(self) -> None:
        taken, why = weigh(self._votes, beep=self._beep, own_sure=self._own_sure)
        state = {AnsweredBy.HUMAN: ScreeningState.HUMAN, AnsweredBy.MACHINE: ScreeningState.MACHINE}.get(taken)
        if taken is AnsweredBy.UNKNOWN:
            return
        if state is not self._state.now:
            self._take_for(taken, why)
        if taken is AnsweredBy.HUMAN:
            self._state.move(ScreeningState.HUMAN)
            self._meet_human()
        elif taken is AnsweredBy.MACHINE:
            self._state.move(ScreeningState.MACHINE)
            self._meet_machine()
        else:
            self._state.move(ScreeningState.CLOSED)
            self._leave(Outcome.FAILED, "fax")

    def _take_for(self, taken: AnsweredBy, why: str) -> None:
        call = self._call
        why = f"{why} ({self._own_reason})" if self._own_reason else why
        call.issue(order.TakeFor(answered_by=taken, why=why))
        if call.owes_verdict:
            call.owes_verdict = False
            call.issue(order.ReportMachine(answered_by=taken, raw=self._raw))

    # --- what follows ----------------------------------------------------------------------------------------

    def machine_is_met(self) -> bool:
        """The conversation is about to begin. True if there is none to be had."""
        if self._leaving:
            self._endings.hang_up(self._leaving)
        elif self._state.now is ScreeningState.MACHINE:
            self._meet_machine()
        else:
            return False
        return True

    def _meet_human(self) -> None:
        """Whoever is there is talked with; a tone may still put it right."""
        call = self._call
        self._leaving = ""
        if self._votes.get(VerdictSource.OWN) is AnsweredBy.HUMAN:
            call.deadlines.set(Timer.SCREENING, call.now + HUMAN_WINDOW_MS)
        if call.outcome is Outcome.VOICEMAIL:
            call.outcome = None
        if call.state.now is CallState.VOICEMAIL:
            call.deadlines.cancel(Timer.BEEP)
            call.state.move(CallState.ACTIVE)
            call.quiet_since = call.now
            if call.said.turns or call.caller.now is not CallerState.SILENT or not call.plan.first_message.strip():
                self._turns.floor_is_free()
            else:  # we fell silent in the middle of it
                self._floor.read_out(call.plan.first_message, Purpose.GREETING)

    def _meet_machine(self) -> None:
        """Fall silent and wait for the tone, or hang up if there is nothing to leave."""
        call = self._call
        if not call.plan.voicemail_message.strip():
            self._leave(Outcome.VOICEMAIL, "no_message")
            return
        self._comes_to(Outcome.VOICEMAIL)
        self._endings.end_takeover()
        if call.state.now is CallState.ACTIVE:
            self._fall_silent()
            call.state.move(CallState.VOICEMAIL)
            self._wait_until = call.now + BEEP_MS
            call.deadlines.set(Timer.BEEP, call.now + SILENT_MS)
        if call.state.now is CallState.VOICEMAIL and self._beep:
            self._say_message()
        elif call.state.now is CallState.VOICEMAIL and self._greeting_over:
            call.deadlines.hasten(Timer.BEEP, call.now + TONE_MS)

    def _leave(self, outcome: Outcome, reason: str) -> None:
        """Hang up without a word, as soon as there is a line."""
        self._comes_to(outcome)
        self._leaving = reason
        if self._call.state.now in _WITH_A_LINE:
            self._state.move(ScreeningState.CLOSED)
            self._fall_silent()
            self._endings.hang_up(reason)

    def _comes_to(self, outcome: Outcome) -> None:
        """That is what became of the call, unless it was given up before."""
        if self._call.outcome in (None, Outcome.VOICEMAIL):
            self._call.outcome = outcome

    def _fall_silent(self) -> None:
        self._drafting.drop()
        self._floor.yield_reply()
        self._floor.stay()
        self._call.deadlines.cancel(Timer.IDLE)

    def beep_due(self) -> None:
        """No tone came. The message is said once the greeting is over, as far as we can tell."""
        call = self._call
        silent_at = call.quiet_since + SILENT_MS
        silent = call.caller.now is not CallerState.SPEAKING
        if self._greeting_over or call.now >= self._wait_until or (silent and call.now >= silent_at):
            self._say_message()
        else:
            again = silent_at if silent else call.now + SILENT_MS
            call.deadlines.set(Timer.BEEP, min(self._wait_until, again))

    def _say_message(self) -> None:
        text = self._call.plan.voicemail_message
        self._state.move(ScreeningState.CLOSED)
        self._after_beep = self._beep
        self._call.quiet_since = self._call.now
        self._endings.say_last(text, "message_lost", Purpose.MESSAGE, 2 * len(text) * MS_PER_CHAR + MESSAGE_SLACK_MS)
