"""The replies of one speech-to-speech session on their way to the line: opened, numbered, judged, played, ended.

A reply's sound goes through its inflow (core/inflow.py): it waits for its number and for its words' verdict there. What
is said of a reply before it has a number waits for that too, in order. Replies are handed out one after the other.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import Resampler
from patter_cli.audio.wire import WireCodec
from patter_cli.contracts import s2s
from patter_cli.contracts.provider import name_of
from patter_cli.contracts.s2s import EngineEvent, EngineSession, SpeechEngine
from patter_cli.core import events as fact
from patter_cli.core.events import Event, Ms
from patter_cli.core.guardrails import replacement_for
from patter_cli.core.inflow import End, Inflow, Sound
from patter_cli.core.plan import CallPlan
from patter_cli.core.tool_calls import failed
from patter_cli.engine.s2s_reply import VendorReply

log = logging.getLogger(__name__)

KEPT_REPLIES = 16
"""Replies that are remembered, for words and cuts that come late."""


class Playback(Protocol):
    """Where a reply's sound goes; see OutboundPath."""

    def play(self, response_id: int, clause: int, payload: bytes) -> None: ...

    def end_clause(self, response_id: int, clause: int) -> int: ...


class Alarm(Protocol):
    """Rings once, at the time that was set last."""

    def set(self, at: Ms, act: Callable[[], None]) -> None: ...

    def cancel(self) -> None: ...


class SpeechReplies:
    """What one call's engine says."""

    def __init__(
        self,
        engine: SpeechEngine,
        *,
        plan: Callable[[], CallPlan],
        playback: Playback,
        post: Callable[[Event], None],
        now: Callable[[], Ms],
        alarm: Alarm,
        wire: WireCodec,
    ) -> None:
        self._engine = engine
        self._name = name_of(engine)
        self._can = engine.abilities
        self._plan = plan
        self._playback = playback
        self._post = post
        self._now = now
        self._alarm = alarm
        self._wire = wire
        self.session: EngineSession | None = None
        """Whom requests about replies go to; None: nobody."""
        self.asked: int | None = None
        """The reply that was asked for, or that the engine owes, and that has not begun."""
        self._replies: deque[VendorReply] = deque(maxlen=KEPT_REPLIES)
        self._calls: dict[str, str] = {}
        """Our ids of tool calls to the vendor's, as long as they are unanswered."""
        self._call_count = 0
        self._handles: set[str] = set()
        """What replies were called so far."""
        self.unknown = 0
        """Messages about replies that were never opened."""

    # --- what the machine says of them -----------------------------------------------------------------------

    def wait_for(self, number: int) -> None:
        """The engine has taken a turn and will reply to it by itself, if its session lasts."""
        if self.session is None:
            self._post_end(number, "the session that took this turn is gone")
        else:
            self.asked = number

    def accept(self, vendor_id: str, number: int) -> None:
        """It has the floor under this number: what waited for that is told."""
        if self.asked == number:
            self.asked = None  # it had begun before anybody knew that it was waited for
        reply = self._opened(vendor_id)
        if reply is None or reply.name is None:
            why = "the session that began this reply is gone"
            self._post(fact.ResponseFailed(response_id=number, provider=self._name, message=why))
            return
        reply.calls.clear()
        reply.accept(number)
        self._pump()

    def reject(self, vendor_id: str) -> None:
        """It is not wanted."""
        reply = self._opened(vendor_id)
        if reply is not None:
            for call in reply.calls:
                self.return_tool(call, failed("not done: this reply was not wanted"))
            self._silence(reply)
        self._pump()

    def mute(self, number: int) -> None:
        """Nothing of this number is to be heard any more."""
        for reply in self._replies:
            if reply.number == number and not reply.inflow.muted:
                self._silence(reply)
        self._pump()

    def number(self, number: int, name: str, clause: int) -> None:
        """An item is this clause of its reply: what is known of it is told, and its sound may go out in its turn."""
        for reply in self._replies:
            item = reply.inflow.number(name, clause) if reply.number == number and not reply.inflow.muted else None
            if item is not None:
                if item.words or item.words_over:
                    self._post(fact.SpanWords(response_id=number, clause=clause, text=item.words, over=item.words_over))
                self._tell_times(reply, name)
                break
        self._pump()

    def truncate(self, number: int, clause: int, heard_ms: int) -> None:
        """So much of a clause was heard."""
        for reply in self._replies:
            item = reply.inflow.of_clause(clause) if reply.number == number else None
            if item is not None and reply.name is not None and self.session is not None and self._can.truncate:
                self.session.truncate(reply.name, item.name, min(heard_ms, item.received_ms))

    def return_tool(self, tool_call_id: str, result: str) -> None:
        """A tool's answer, under our id; the first one for each."""
        call = self._calls.pop(tool_call_id, None)
        if call is not None and self.session is not None:
            self.session.return_tool(call, result)

    # --- what is sent of them --------------------------------------------------------------------------------

    def take(self, event: EngineEvent) -> None:
        """One message of the session's about a reply."""
        if isinstance(event, s2s.ReplyOpened):
            self._begin(event.reply, event.asked)
        elif not isinstance(event, s2s.TurnTaken | s2s.CallerWords | s2s.EngineLeft):
            reply = self._reply(event.reply)
            if reply is not None:
                self._take_of(reply, event)
            else:
                self.unknown += 1
                if self.unknown == 1:
                    kind = type(event).__name__
                    log.warning("%s sends %s of a reply that it never began", self._name, kind)
        self._pump()

    def finish_all(self) -> None:
        """Nothing more is sent."""
        for each in self._replies:
            self._finish(each)
        self._pump()

    def lost(self, why: str) -> None:
        """The session is gone, and with it what it was saying and what it was asked for."""
        self.session = None
        self._calls.clear()
        for reply in self._replies:
            if reply.sending:
                reply.failed = why
                self._finish(reply)
            if reply.number is None:
                reply.inflow.mute()
            reply.name = None  # the next session's names may be the same
        asked, self.asked = self.asked, None
        if asked is not None:
            self._post_end(asked, why)
        self._pump()

    def hand_over(self, session: EngineSession) -> None:
        """Another session takes the place of ours, and nothing was under way in that."""
        self.session = session
        self._calls.clear()
        for reply in self._replies:
            reply.name = None  # the next session's names may be the same

    def close(self) -> None:
        """The call is over: nothing more is handed out."""
        self._alarm.cancel()

    def _take_of(self, reply: VendorReply, event: EngineEvent) -> None:
        now, post, inflow = self._now(), self._post, reply.inflow
        match event:
            case s2s.ReplyAudio(item=name, samples=samples):
                latest = reply is self._replies[-1]
                if latest and inflow.over and not inflow.muted and not self._can.tells_end:
                    reply = self._begin(event.reply, None)  # it was only quiet for a while
                self._take_sound(reply, name, samples, now)
            case s2s.ReplyWords(item=name, text=text, over=over):
                item, taken = inflow.say(name, text, over=over)
                if item.clause is not None and reply.number is not None:
                    post(fact.SpanWords(response_id=reply.number, clause=item.clause, text=taken, over=over))
            case s2s.ReplyWordTimes(item=name, starts_ms=starts, ends_ms=ends):
                reply.times[name] = starts, ends
                inflow.timed(name, ends)
                self._tell_times(reply, name)
            case s2s.ItemVoiced(item=name):
                reply.flush(now)
                inflow.voiced(name)
            case s2s.ToolCalled(call=call, name=name, arguments=arguments):
                inflow.touch(now)
                self._take_call(reply, call, name, arguments)
            case s2s.ReplyUsed():
                post(  # it is paid for, whether it was heard or not
                    fact.EngineUsed(
                        provider=self._name,
                        model=event.model,
                        input_tokens=event.input_tokens,
                        cached_tokens=event.cached_tokens,
                        output_tokens=event.output_tokens,
                        audio_input_tokens=event.audio_input_tokens,
                        cached_audio_tokens=event.cached_audio_tokens,
                        audio_output_tokens=event.audio_output_tokens,
                    )
                )
            case s2s.ReplyInterrupted():
                reply.tell(lambda number: post(fact.EngineInterrupted(response_id=number)))
                self._finish(reply)
            case s2s.ReplyFinished(failed=why):
                reply.failed = why
                self._finish(reply, words_over=not why)
            case _:
                pass

    def _begin(self, name: str, asked: int | None) -> VendorReply:
        """Another reply begins; where no end is told, it ends the one before it."""
        if not self._can.tells_end:
            self.finish_all()
        plan = self._plan()
        rules = plan.blocked
        judge = (lambda text, before: replacement_for(text, before, rules)) if rules or plan.checks else None
        handle = f"{name}#{len(self._handles)}" if name in self._handles else name
        self._handles.add(handle)
        reply = VendorReply(
            name,
            handle,
            Inflow(judge, words_open=not plan.checks, tells_end=self._can.tells_end),
            self._wire,
            Resampler(self._engine.out_rate_hz, self._wire.rate_hz),
        )
        self._replies.append(reply)
        self.asked = None
        self._post(fact.SpeechResponseOpened(vendor_id=handle, asked=asked))
        return reply

    def _take_sound(self, reply: VendorReply, name: str, samples: Samples, now: Ms) -> None:
        cut = reply.inflow.cut
        item = reply.take(name, samples, now)
        if reply.inflow.cut and not cut:
            log.warning("a reply of %s is too long; the rest of it is dropped", self._name)
        if item is None or not item.received_ms:
            return
        if name not in reply.announced:
            reply.announced.add(name)
            reply.tell(lambda number: self._post(fact.SpanOpened(response_id=number, item=name)))
        if item.clause is not None and reply.number is not None and reply.grown(item):
            self._post(fact.SpanGrew(response_id=reply.number, clause=item.clause, received_ms=item.received_ms))

    def _take_call(self, reply: VendorReply, call: str, name: str, arguments: str) -> None:
        """A tool call, under an id of ours: the vendor's may come again in another session."""
        self._call_count += 1
        ours = f"tool_{self._call_count}"
        self._calls[ours] = call
        if reply.inflow.muted:
            self.return_tool(ours, failed("not done: this reply was broken off"))
            return
        if reply.number is None:
            reply.calls.append(ours)
        reply.tell(
            lambda number: self._post(
                fact.ToolCallRequested(response_id=number, tool_call_id=ours, name=name, arguments=arguments)
            )
        )

    def _finish(self, reply: VendorReply, *, words_over: bool = False) -> None:
        """Nothing more is sent of it, but for words perhaps."""
        if reply.sending and not reply.inflow.over:
            reply.flush(self._now())
        reply.sending = False
        number = reply.number
        for item in reply.inflow.items if words_over else ():
            if not item.words_over and item.clause is not None and number is not None:
                self._post(fact.SpanWords(response_id=number, clause=item.clause, text="", over=True))
        reply.inflow.finish(words_over=words_over)

    def _silence(self, reply: VendorReply) -> None:
        """Nothing more of it is heard; where it can be stopped it is, and what nobody heard is forgotten."""
        session, unheard = self.session, [each.name for each in reply.inflow.items if each.clause is None]
        reply.inflow.mute()
        if session is None or reply.name is None:
            return
        if self._can.cancel and reply.sending:
            session.cancel(reply.name)
        if self._can.truncate:
            for item in unheard:
                session.truncate(reply.name, item, 0)

    def _opened(self, handle: str) -> VendorReply | None:
        return next((each for each in self._replies if each.handle == handle), None)

    def _reply(self, name: str) -> VendorReply | None:
        """The last one of this name."""
        return next((each for each in reversed(self._replies) if each.name == name), None)

    # --- to the line -----------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Hand out what may be heard, one reply after the other, and say what has become of each."""
        now = self._now()
        self._alarm.cancel()
        for reply in self._replies:
            number, inflow = reply.number, reply.inflow
            for out in inflow.release(now):
                assert number is not None  # what has a clause belongs to a reply that was accepted
                self._hand_out(reply, number, out)
            if inflow.muted:
                continue
            if inflow.stalled and not reply.failed:
                reply.failed = f"{self._name} broke off in the middle of a reply"
            if inflow.replacement is not None and not reply.broken:
                self._tell_broken(reply, inflow.replacement)
            if inflow.over and number is not None and not reply.finished:
                self._end(number)
            due = inflow.next_deadline()
            if due is not None:
                self._alarm.set(max(due, now + 1), self._pump)
            if not inflow.drained:
                return

    def _tell_broken(self, reply: VendorReply, replacement: str) -> None:
        reply.broken = True
        reply.tell(lambda number: self._post(fact.RuleBroken(response_id=number, replacement=replacement)))

    def _tell_times(self, reply: VendorReply, name: str) -> None:
        """When the words of an item are spoken, once it has a number."""
        item = next((each for each in reply.inflow.items if each.name == name), None)
        starts, ends = reply.times.get(name, ((), ()))
        if item is not None and item.clause is not None and reply.number is not None and ends:
            self._post(fact.WordsTimed(response_id=reply.number, clause=item.clause, starts_ms=starts, ends_ms=ends))

    def _hand_out(self, reply: VendorReply, number: int, out: Sound[bytes] | End) -> None:
        if isinstance(out, End):
            length_ms = self._playback.end_clause(number, out.clause)
            self._post(fact.ClauseVoiced(response_id=number, clause=out.clause, duration_ms=length_ms))
            return
        if out.clause not in reply.heard:
            reply.heard.add(out.clause)
            self._post(fact.FirstAudio(response_id=number, clause=out.clause))
        self._playback.play(number, out.clause, out.handle)

    def _end(self, number: int) -> None:
        """All of a number has come, once all has of every reply that has it."""
        replies = [each for each in self._replies if each.number == number]
        if all(each.inflow.over for each in replies):
            why = next((each.failed for each in replies if each.failed and not each.finished), "")
            for each in replies:
                each.finished = True
            self._post_end(number, why)

    def _post_end(self, number: int, why: str) -> None:
        if why:
            self._post(fact.ResponseFailed(response_id=number, provider=self._name, message=why))
        else:
            self._post(fact.ResponseFinished(response_id=number))
