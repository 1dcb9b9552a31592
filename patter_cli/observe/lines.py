"""A call as plain lines: the transcript as it grows, and each turn's latency."""

from __future__ import annotations

import sys
from typing import TextIO

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import Answered, DialRequested, Ringing
from patter_cli.core.journal import Entry
from patter_cli.observe.metrics import LatencyFold, TurnLatency
from patter_cli.text.printable import printable

_PARTS = ("endpointing", "stt", "llm", "clause", "tts", "handover")


class TranscriptLines:
    """An observer of any number of calls; with more than one, lines carry the end of the call's id."""

    def __init__(self, out: TextIO | None = None, *, named: bool = False, timed: bool = True) -> None:
        """timed: with each turn's latency, which means nothing where nobody speaks."""
        self.out = out or sys.stdout
        """Where lines go from now on."""
        self._timed = timed
        self._named = named
        self._calls: dict[str, _CallLines] = {}

    def __call__(self, call_id: str, entry: Entry) -> None:
        """Take one journal entry."""
        if isinstance(entry.event, (fact.HearingUsed, fact.VoiceUsed, fact.LineUsed)):
            return  # nothing to show, and the last that comes of a call
        call = self._calls.setdefault(call_id, _CallLines(timed=self._timed))
        for line in call.feed(entry):
            prefix = f"[{call_id[-6:]}] " if self._named else ""
            print(prefix + printable(line), file=self.out, flush=True)
        if call.over:
            del self._calls[call_id]


class _CallLines:
    def __init__(self, *, timed: bool) -> None:
        self.over = False
        self._stages: set[str] = set()
        self._timed = timed
        self._latency = LatencyFold()
        self._clauses: dict[tuple[int, int], str] = {}
        self._speaker = ""
        self._unshown = False
        """A speech-to-speech engine said something, whose words are known once it was heard."""

    def feed(self, entry: Entry) -> list[str]:
        lines: list[str] = []
        event = entry.event
        match event:
            case DialRequested():
                lines += self._reached("dialled", f"{event.plan.agent} calls {event.callee}")
            case Ringing():
                lines += self._reached("ringing", "ringing")
            case Answered():
                lines += self._reached("answered", f"answered after {entry.at / 1000:.1f} s")
            case fact.CallConnected() if "dialled" not in self._stages:
                lines += self._reached("here", f"call from {event.caller} for {event.plan.agent}")
            case _:
                pass
        latency = self._latency.feed(entry)
        if isinstance(event, fact.PlayoutStarted):
            text = self._clauses.pop((event.response_id, event.clause), None)
            if text is not None:
                lines.append(self._said("agent", text))
        if latency is not None and self._timed:
            lines.append("        " + latency_text(latency))
        for command in entry.commands:
            match command:
                case order.Speak(response_id=response_id, clause=clause, text=text):
                    self._clauses[response_id, clause] = text
                case order.ReportTranscript(role="user", text=text):
                    lines.append(self._said("caller", text))
                case order.AcceptSpan():
                    self._unshown = True
                case order.ReportTranscript(role="assistant", text=text, interrupted=cut) if self._unshown:
                    self._unshown = False
                    lines.append(self._said("agent", text))
                    if cut:
                        lines.append("        cut off there")
                        self._speaker = ""
                case order.ReportTranscript(role="assistant", text=text, interrupted=True):
                    lines.append(f"        cut off; heard: {text}")
                    self._speaker = ""
                case order.PassColleague(passes=passes):
                    lines.append(
                        "        a colleague has the call" if passes else "        the agent has the call again"
                    )
                    self._speaker = ""
                case order.ReportTranscript(role="colleague", text=text):
                    lines.append(f"        colleague: {text}")
                case order.ReportTranscript(role="tool", text=text):
                    lines.append(f"        tool: {text}")
                case order.TakeFor(answered_by=answered_by, why=why):
                    lines.append(f"        answered by: {answered_by} ({why})")
                case order.FinishCall(outcome=outcome, reason=reason):
                    lines.append(f"call over after {entry.at / 1000:.1f} s: {outcome}, {reason}")
                    self.over = True
                case _:
                    pass
        return lines

    def _reached(self, stage: str, line: str) -> list[str]:
        """The line, the first time: carriers repeat themselves."""
        news = stage not in self._stages
        self._stages.add(stage)
        return [line] if news else []

    def _said(self, who: str, text: str) -> str:
        first = who != self._speaker
        self._speaker = who
        return f"{who if first else '':<8}{text}"


def latency_text(latency: TurnLatency) -> str:
    """A turn's split on one line: the parts add up to the first figure."""
    parts = " + ".join(f"{name} {getattr(latency, name + '_ms')}" for name in _PARTS)
    return f"{latency.total_ms} ms = {parts}"
