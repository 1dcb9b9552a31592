"""What was said on a call and when it sounded, on either side: a fold over its journal.

The caller's words are told when their turn is over; when they were said is known from the voice that led to them. A
voice that led to nothing, a cough or our own echo, is no utterance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.events import Ms
from patter_cli.core.journal import Entry

CALLER: Final = "caller"
AGENT: Final = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One side's words. turn: the caller's turn that it belongs to, 0 before the first. keys: the caller pressed these
    instead of speaking. cut_off: the other side took the floor, and text is what was heard until then."""

    who: str
    begin: Ms
    end: Ms
    text: str
    turn: int
    keys: str = ""
    cut_off: bool = False

    def render(self) -> dict[str, Any]:
        """JSON values: {who, begin_ms, end_ms, text, turn, keys, cut_off}."""
        return {{"begin": "begin_ms", "end": "end_ms"}.get(key, key): value for key, value in asdict(self).items()}


@dataclass(slots=True)
class UtteranceFold:
    """Feed it a call's entries in order."""

    found: list[Utterance] = field(default_factory=list)
    connected: Ms = 0
    """Since when there was a line."""
    ended: Ms = 0
    """The last moment of the call that is known."""
    _voice: tuple[Ms, Ms | None] | None = None
    """The caller's: from when, and to when once it has ended."""
    _keys: list[tuple[Ms, str]] = field(default_factory=list)
    _began: dict[int, Ms] = field(default_factory=dict)
    """When replies began to sound."""
    _turn: int = 0

    def feed(self, entry: Entry) -> None:
        """Take one journal entry."""
        self.ended = max(self.ended, entry.at)
        match entry.event:
            case fact.CallConnected():
                self.connected = entry.at
            case fact.SpeechStarted(at_ms=at_ms):
                self._voice = (at_ms if self._voice is None else self._voice[0], None)
            case fact.SpeechEnded(at_ms=at_ms) if self._voice is not None:
                self._voice = (self._voice[0], max(at_ms, self._voice[0]))
            case fact.DtmfReceived(digit=digit):
                self._keys.append((entry.at, digit))
            case fact.PlayoutStarted(response_id=response):
                self._began.setdefault(response, entry.at)
            case _:
                pass
        reported = any(isinstance(each, order.ReportTranscript) and each.role == "user" for each in entry.commands)
        for command in entry.commands:
            match command:
                case order.ReportTranscript(role="user", text=text):
                    self._caller(entry.at, text)
                case order.ReportTranscript(role="assistant", text=text, interrupted=interrupted):
                    self._agent(entry.at, text, cut_off=interrupted)
                case order.ResumePlayback():
                    self._forget()
                case order.CommitTranscript() if not reported:
                    self._forget()
                case _:
                    pass

    def _caller(self, at: Ms, text: str) -> None:
        self._turn += 1
        if text.startswith("[DTMF: ") and self._keys:
            keys = "".join(digit for _, digit in self._keys)
            begin, end = self._keys[0][0], self._keys[-1][0]
            self._keys.clear()
        else:
            keys, (begin, until) = "", self._voice or (at, at)
            end = at if until is None else until
            self._voice = None if until is not None else (at, None)
        self.found.append(Utterance(who=CALLER, begin=begin, end=end, text=text, turn=self._turn, keys=keys))

    def _agent(self, at: Ms, text: str, *, cut_off: bool) -> None:
        begin = min(self._began.values(), default=at)
        self._began.clear()
        if text:
            self.found.append(Utterance(who=AGENT, begin=begin, end=at, text=text, turn=self._turn, cut_off=cut_off))

    def _forget(self) -> None:
        """It was no utterance."""
        if self._voice is not None and self._voice[1] is not None:
            self._voice = None


def utterances(entries: Iterable[Entry]) -> UtteranceFold:
    """A whole call's, in the order in which they were told."""
    fold = UtteranceFold()
    for each in entries:
        fold.feed(each)
    return fold
