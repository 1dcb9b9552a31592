"""What the agent says on one call, word by word: the reply that grows, and what was never heard of one cut off."""

from __future__ import annotations

from dataclasses import dataclass, field

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.events import Event, Ms
from patter_cli.core.playback import PlaybackLedger, Span, heard_prefix
from patter_cli.core.playout import REWIND_MS

REPLIES = 4
"""Under way at the same time: one that speaks, one whose end is not reported, drafts."""


@dataclass(slots=True)
class _Reply:
    number: int
    ledger: PlaybackLedger = field(default_factory=PlaybackLedger)
    began_at: Ms | None = None
    stopped: bool = False
    """Paused, or silenced for good: nothing of it sounds until it is resumed."""


class SpokenWords:
    """One call's: feed it events and commands in order. Its account is the machine's own, kept a second time from
    what the journal says."""

    def __init__(self) -> None:
        self._replies: list[_Reply] = []

    def take_event(self, event: Event, at: Ms) -> None:
        match event:
            case fact.PlayoutStarted(response_id=number, clause=clause):
                reply, span = self._find(number, clause)
                if reply is not None and span is not None and not span.confirmed:
                    span.started_at = at - max(0, span.heard_ms - REWIND_MS)
                    if reply.began_at is None:
                        reply.began_at = at
            case fact.WordsTimed(response_id=number, clause=clause, starts_ms=starts, ends_ms=ends):
                _, span = self._find(number, clause)
                if span is not None:
                    span.word_spans = tuple(zip(starts, ends, strict=False))
            case fact.ClauseVoiced(response_id=number, clause=clause, duration_ms=duration_ms):
                _, span = self._find(number, clause)
                if span is not None:
                    span.voiced_ms = max(0, duration_ms)
            case fact.MarkReached(response_id=number, clause=clause):
                reply, span = self._find(number, clause)
                if reply is not None and span is not None:
                    reply.ledger.confirm(clause)
            case fact.PlaybackStopped(response_id=number, clause=clause, played_ms=played_ms):
                reply, _ = self._find(number, clause)
                if reply is not None:
                    reply.ledger.stopped(clause, played_ms)
                    reply.stopped = True
            case fact.SpeakFailed(response_id=number, clause=clause):
                _, span = self._find(number, clause)
                if span is not None and span.voiced_ms is None:
                    span.failed = span.started_at is None
            case fact.SpanGrew(response_id=number, clause=clause, received_ms=received_ms):
                _, span = self._find(number, clause)
                if span is not None:
                    span.received_ms = received_ms
            case fact.SpanWords(response_id=number, clause=clause, text=text, over=over):
                _, span = self._find(number, clause)
                if span is not None:
                    span.text += text
                    span.words_over = over
            case _:
                pass

    def take_command(self, command: order.Command, at: Ms) -> None:
        match command:
            case order.Speak(response_id=number, clause=clause, text=text, overtakes=overtakes):
                ledger = self._open(number).ledger
                span = ledger.get(ledger.order(text, at, before=ledger.late() if overtakes else None))
                if span is not None:
                    span.number = clause
            case order.AcceptSpan(response_id=number, clause=clause):
                ledger = self._open(number).ledger
                ledger.open(at)
                ledger.spans[-1].number = clause
            case order.PausePlayback(response_id=number) | order.ClearPlayback(response_id=number):
                reply = self._reply(number)
                if reply is not None and not reply.stopped:
                    reply.ledger.assume_played(at)  # until the line says where it stopped
                    reply.stopped = True
            case order.ResumePlayback(response_id=number):
                reply = self._reply(number)
                if reply is not None:
                    reply.ledger.resumed(at, REWIND_MS)
                    reply.stopped = False
            case order.CancelResponse(response_id=number):
                self._replies = [each for each in self._replies if each.number != number or each.began_at is not None]
            case _:
                pass

    def report(self, heard: str) -> tuple[Ms | None, str]:
        """A reply has left the floor, and this was heard of it. Returns since when it was heard, and what was not."""
        place = next((n for n, each in enumerate(self._replies) if each.began_at is not None), None)
        if place is None:
            return None, ""
        reply = self._replies[place]
        del self._replies[: place + 1]
        return reply.began_at, _rest(_whole(reply), heard)

    def growing(self, now: Ms) -> tuple[Ms, str, str] | None:
        """The reply that is being heard: since when, its words so far, and those that it will not be heard to say
        unless it is resumed. None: nothing sounds."""
        reply = next((each for each in self._replies if each.began_at is not None), None)
        if reply is None or reply.began_at is None:
            return None
        heard = " ".join(filter(None, (_heard(each, now, reply.stopped) for each in reply.ledger.spans)))
        return reply.began_at, heard, _rest(_whole(reply), heard) if reply.stopped else ""

    def _open(self, number: int) -> _Reply:
        reply = self._reply(number)
        if reply is None:
            reply = _Reply(number)
            self._replies = [*self._replies[1 - REPLIES :], reply]
        return reply

    def _reply(self, number: int) -> _Reply | None:
        return next((each for each in self._replies if each.number == number), None)

    def _find(self, number: int, clause: int) -> tuple[_Reply | None, Span | None]:
        reply = self._reply(number)
        return reply, None if reply is None else reply.ledger.get(clause)


def _whole(reply: _Reply) -> str:
    return " ".join(filter(None, (each.text.strip() for each in reply.ledger.spans if not each.failed)))


def _heard(span: Span, now: Ms, stopped: bool) -> str:
    """A span's words as far as they have been heard at this moment."""
    if span.confirmed or span.failed or stopped or span.started_at is None:
        return span.heard_text()
    return heard_prefix(span.text, now - span.started_at, span.duration_ms, span.word_spans).strip()


def _rest(whole: str, heard: str) -> str:
    """The words after those that were heard."""
    return " ".join(whole.split()[len(heard.split()) :])
