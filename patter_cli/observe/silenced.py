"""What must not be kept of a call's sound: the stretches in which its words are struck out, on either side, and those
that a tool wanted off the record, on both.

Of the agent each word's time is known from the voice that spoke it; of the caller only when a stretch of voice began
and ended, so a struck word takes its share of that with some room around it. Where a clause was paused or its words
have no times, all of it goes: too much is silent rather than too little.

Of a call that goes on, what somebody is saying just now is not known yet: `unsure` says where that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import OffRecordRequested
from patter_cli.core.events import Ms
from patter_cli.core.journal import Entry
from patter_cli.text.redact import Redaction, struck_ranges

CALLER, AGENT = 0, 1
"""The sides of a recording: left and right."""
ROOM_MS = 150
"""Around a word whose time is known: the line's delay."""
GUESS_MS = 600
"""Around a word whose time is reckoned: people do not speak evenly."""
WORDS_MS = 8000
"""How long after a voice its words may still come."""
KEY_BEFORE_MS, KEY_AFTER_MS = 600, 250
"""A key is told of while its tone lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """To be silent, in call time. side: CALLER or AGENT."""

    side: int
    begin_ms: Ms
    end_ms: Ms


@dataclass(slots=True, kw_only=True)
class _Clause:
    text: str
    started: Ms | None = None
    ended: Ms | None = None
    paused: bool = False
    duration_ms: Ms | None = None
    times: fact.WordsTimed | None = None
    grows: bool = False
    """An engine is still saying what it says."""


@dataclass(slots=True)
class SilencedFold:
    """Feed it a call's entries in order. level: what is struck out."""

    level: Redaction
    found: list[Stretch] = field(default_factory=list)
    clauses: dict[tuple[int, int], _Clause] = field(default_factory=dict)
    voices: dict[int, list[tuple[Ms, Ms]]] = field(default_factory=dict)
    """By segment: when the caller's voice was heard."""
    said: dict[int, str] = field(default_factory=dict)
    segment: int = 0
    """What is heard now: a segment ends with the caller's turn, or with what an engine takes for one."""
    voice_since: Ms | None = None
    unnamed: list[int] = field(default_factory=list)
    """Segments that were given to an engine, which has no name for them yet."""
    items: dict[str, int] = field(default_factory=dict)
    """An engine's names for segments."""
    off_since: Ms | None = None
    """Since when the call is off the record."""

    def feed(self, entry: Entry) -> None:
        if isinstance(entry.event, OffRecordRequested):
            self._off_record(entry.event.off, entry.at)
        if self.level is Redaction.OFF:
            return
        match entry.event:
            case fact.SpeechStarted(at_ms=at_ms):
                self.voice_since = at_ms
            case fact.SpeechEnded(at_ms=at_ms):
                self._voice_ended(at_ms)
            case fact.TranscriptFinal(segment=segment, text=text):
                self.said[segment] = text
            case fact.EngineTurnTaken(item=item):
                if not self.unnamed:
                    self._next_segment(entry.at)
                    self.unnamed.append(self.segment - 1)
                self.items[item] = self.unnamed.pop(0)
            case fact.EngineTranscript(item=item, text=text) if item in self.items:
                self.said[self.items[item]] = text
            case fact.SpanWords(response_id=response, clause=clause, text=text, over=over):
                spoken = self.clauses.setdefault((response, clause), _Clause(text=""))
                spoken.text, spoken.grows = spoken.text + text, not over
            case fact.DtmfReceived():
                begin, end = max(0, entry.at - KEY_BEFORE_MS), entry.at + KEY_AFTER_MS
                self.found.append(Stretch(side=CALLER, begin_ms=begin, end_ms=end))
            case fact.WordsTimed(response_id=response, clause=clause) as times if (response, clause) in self.clauses:
                self.clauses[response, clause].times = times
            case fact.ClauseVoiced(response_id=response, clause=clause, duration_ms=duration_ms) if (
                response,
                clause,
            ) in self.clauses:
                self.clauses[response, clause].duration_ms = duration_ms
            case fact.PlayoutStarted(response_id=response, clause=clause) if (response, clause) in self.clauses:
                spoken = self.clauses[response, clause]
                spoken.started = entry.at if spoken.started is None else spoken.started
                spoken.ended = None
            case fact.MarkReached(response_id=response, clause=clause) if (response, clause) in self.clauses:
                self.clauses[response, clause].ended = entry.at
            case _:
                pass
        for command in entry.commands:
            match command:
                case order.Speak(response_id=response, clause=clause, text=text):
                    self.clauses[response, clause] = _Clause(text=text)
                case order.CommitTranscript():
                    self._next_segment(entry.at)
                case order.CommitSpeech():
                    self._next_segment(entry.at)
                    self.unnamed.append(self.segment - 1)
                case order.AcceptSpan(response_id=response, clause=clause):
                    self.clauses.setdefault((response, clause), _Clause(text="")).grows = True
                case order.PausePlayback(response_id=response):
                    for (owner, _), spoken in self.clauses.items():
                        spoken.paused |= owner == response and spoken.ended is None
                case _:
                    pass

    def stretches(self, at: Ms) -> list[Stretch]:
        """What is to be silent, as far as it is known; in order. at: the call is over then, or has come to that."""
        found = list(self.found)
        if self.off_since is not None:
            found += _both(self.off_since, at)
        voices = {segment: list(each) for segment, each in self.voices.items()}
        if self.voice_since is not None:
            voices.setdefault(self.segment, []).append((self.voice_since, at))
        for segment, text in self.said.items():
            found += self._caller(text, voices.get(segment, []))
        for spoken in self.clauses.values():
            if spoken.started is not None:
                found += self._agent(spoken, spoken.started, at)
        return sorted(found, key=lambda each: (each.begin_ms, each.side))

    def unsure(self, at: Ms) -> list[Stretch]:
        """What is being said at this moment, or was so recently that its words may still come: whether it is to be
        silent is not known yet."""
        found = []
        for segment, voices in self.voices.items():
            if segment not in self.said and (segment == self.segment or at - voices[-1][1] < WORDS_MS):
                found.append(_unknown(voices))
        if self.voice_since is not None:
            found.append(_unknown([(self.voice_since, at)]))
        for spoken in self.clauses.values():
            if spoken.started is None:
                continue
            if spoken.ended is None or (spoken.grows and at - spoken.ended < WORDS_MS):
                end = max(at if spoken.ended is None else spoken.ended, spoken.started)
                found.append(Stretch(side=AGENT, begin_ms=max(0, spoken.started - ROOM_MS), end_ms=end + ROOM_MS))
        return found

    def unheard_of(self, at: Ms) -> list[Stretch]:
        """Voices whose words never came: nobody knows what was said."""
        return [
            _unknown(voices)
            for segment, voices in self.voices.items()
            if segment not in self.said and segment != self.segment and at - voices[-1][1] >= WORDS_MS
        ]

    def _next_segment(self, at: Ms) -> None:
        """The caller's turn is over; a voice that goes on belongs to the next."""
        if self.voice_since is not None:
            self._voice_ended(at)
            self.voice_since = at
        self.segment += 1

    def _off_record(self, off: bool, at: Ms) -> None:
        if self.off_since is not None and not off:
            self.found += _both(self.off_since, at)
        self.off_since = (at if self.off_since is None else self.off_since) if off else None

    def _voice_ended(self, at: Ms) -> None:
        if self.voice_since is not None:
            self.voices.setdefault(self.segment, []).append((self.voice_since, at))
        self.voice_since = None

    def _caller(self, text: str, voices: list[tuple[Ms, Ms]]) -> Iterator[Stretch]:
        if not voices:
            return
        begin, end = voices[0][0], voices[-1][1]
        for first, last in struck_ranges(text, self.level):
            from_ms = begin + (end - begin) * first // len(text) - GUESS_MS
            to_ms = begin + (end - begin) * last // len(text) + GUESS_MS
            yield Stretch(side=CALLER, begin_ms=max(0, from_ms), end_ms=to_ms)

    def _agent(self, spoken: _Clause, started: Ms, at: Ms) -> Iterator[Stretch]:
        ranges = struck_ranges(spoken.text, self.level)
        whole = (started - ROOM_MS, max(spoken.ended or at, started + (spoken.duration_ms or 0)) + ROOM_MS)
        for first, last in ranges:
            times = None if spoken.paused else _times(spoken, first, last)
            begin, end = whole if times is None else (started + times[0] - ROOM_MS, started + times[1] + ROOM_MS)
            yield Stretch(side=AGENT, begin_ms=max(0, begin), end_ms=end)


def _unknown(voices: list[tuple[Ms, Ms]]) -> Stretch:
    """All of these voices, with room around them."""
    return Stretch(side=CALLER, begin_ms=max(0, voices[0][0] - GUESS_MS), end_ms=voices[-1][1] + GUESS_MS)


def _times(spoken: _Clause, first: int, last: int) -> tuple[Ms, Ms] | None:
    """When these characters of a clause are spoken, ms from its beginning; None if its voice did not say."""
    if spoken.times is None:
        return None
    words, position = [], 0
    for word in spoken.text.split():
        begin = spoken.text.index(word, position)
        position = begin + len(word)
        words.append((begin, position))
    struck = [number for number, (begin, end) in enumerate(words) if begin < last and end > first]
    starts, ends = spoken.times.starts_ms, spoken.times.ends_ms
    if not struck or struck[-1] >= min(len(starts), len(ends)):
        return None
    return starts[struck[0]], ends[struck[-1]]


def _both(begin_ms: Ms, end_ms: Ms) -> list[Stretch]:
    return [Stretch(side=side, begin_ms=begin_ms, end_ms=end_ms) for side in (CALLER, AGENT)]


def silenced(entries: Iterable[Entry], level: Redaction) -> list[Stretch]:
    """What of a call's recording is to be silent at this level, by its journal, in order."""
    fold, at = SilencedFold(level), 0
    for entry in entries:
        fold.feed(entry)
        at = max(at, entry.at)
    return fold.stretches(at)
