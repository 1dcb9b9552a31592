"""What of a reply was ordered, sent and heard: the source of truth for the history.

A reply is a list of spans: text and the time that it takes to say. A clause is one kind of span: its text is there
before its sound. What a speech-to-speech engine says is the other: text and sound come side by side, and either may be
late, so it grows until both are complete.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from patter_cli.core.events import Ms

MS_PER_CHAR = 65
"""How long a character takes to say, for a clause whose length is not known yet. Source: tests.bench.latency, Joe."""


CUT_SHORT = 0.6
"""Sound that takes less than this of what its words should take was broken off: nobody speaks so fast."""


@dataclass(slots=True)
class Span:
    """One stretch of a reply on its way to the ear."""

    text: str
    ordered_at: Ms = 0
    filler: bool = False
    """It only fills the time until the reply itself is there."""
    growing: bool = False
    """An engine says it: its words come when they come."""
    words_over: bool = True
    """All its words are known."""
    received_ms: int = 0
    """How much sound there is of one that grows."""
    voiced_ms: int | None = None
    """Its length, once all its sound is there."""
    started_at: Ms | None = None
    heard_ms: int = 0
    confirmed: bool = False
    failed: bool = False
    word_spans: tuple[tuple[int, int], ...] = ()
    """(start, end) of its first words, ms into the clause, where the voice knows them."""
    number: int = 0
    """What the voice and the line call it."""

    @property
    def duration_ms(self) -> int:
        """Its length, measured once it is voiced, guessed before: by its words, or longer if its sound is already."""
        return self.voiced_ms if self.voiced_ms is not None else max(self.received_ms, self._guessed_ms)

    @property
    def cut_short(self) -> bool:
        """An engine sent all its words and then not all its sound: what is missing was never said."""
        return self.growing and self.voiced_ms is not None and self.voiced_ms < CUT_SHORT * self._guessed_ms

    @property
    def _guessed_ms(self) -> int:
        return len(self.text) * MS_PER_CHAR

    def heard_text(self) -> str:
        """Its words as far as they were heard."""
        if self.failed:
            return ""
        if self.cut_short:
            heard = heard_prefix(self.text, self.heard_ms, self._guessed_ms, self.word_spans)
        elif self.confirmed:
            heard = self.text.strip()
        else:
            heard = heard_prefix(self.text, self.heard_ms, self.duration_ms, self.word_spans).strip()
        if self.words_over or self.text[-1:] in (" ", *_MARKS) or len(heard) < len(self.text.strip()):
            return heard
        return heard.rpartition(" ")[0]  # a last word that may still grow, or was broken off, is none


class PlaybackLedger:
    """One reply's spans in the order they are spoken, numbered from 0 in the order they were thought of."""

    __slots__ = ("spans",)

    def __init__(self) -> None:
        self.spans: list[Span] = []

    @property
    def heard_from(self) -> Ms | None:
        """Since when something of it has been played; None: nothing was."""
        return min((each.started_at for each in self.spans if each.started_at is not None), default=None)

    def order(self, text: str, now: Ms, *, filler: bool = False, before: Span | None = None) -> int:
        """A clause goes to the voice; returns its number. before: one that it is spoken before, None: after all."""
        number = len(self.spans)
        place = self.spans.index(before) if before is not None else number
        self.spans.insert(place, Span(text, now, filler, number=number))
        return number

    def open(self, now: Ms) -> int:
        """Something that an engine says begins, with words still to come; returns its number."""
        number = len(self.spans)
        self.spans.append(Span("", now, growing=True, words_over=False, number=number))
        return number

    def get(self, clause: int) -> Span | None:
        return next((each for each in self.spans if each.number == clause), None)

    def late(self) -> Span | None:
        """The clause that the voice is at, if nothing of it sounds and nothing else does."""
        waits = next((each for each in self.spans if not (each.confirmed or each.failed)), None)
        return waits if waits is not None and waits.voiced_ms is None and waits.started_at is None else None

    def confirm(self, clause: int) -> None:
        """A mark came back: this clause, and all before it, were played whole."""
        for each in self.spans[: self._place(clause) + 1]:
            each.confirmed = not each.failed
            each.heard_ms = each.duration_ms if each.confirmed else 0

    def stopped(self, clause: int, played_ms: int) -> None:
        """Playback stopped inside a clause: those before were played whole, this one in part."""
        if (place := self._place(clause)) > 0:
            self.confirm(self.spans[place - 1].number)
        if (broken := self.get(clause)) is not None:
            broken.heard_ms = max(broken.heard_ms, played_ms)
            broken.confirmed = broken.confirmed or (broken.voiced_ms or played_ms + 1) <= played_ms

    def resumed(self, now: Ms, rewind_ms: int) -> None:
        """Playback goes on `rewind_ms` before where it stopped, so the clock of what is left starts again."""
        stopped = True
        for each in self.spans:
            if each.confirmed or each.failed:
                continue
            each.ordered_at = now
            if each.started_at is not None:
                each.started_at = now - max(0, each.heard_ms - rewind_ms) if stopped else None
            stopped = False

    def assume_played(self, now: Ms) -> None:
        """Playback stops now and nobody measured where: take the clock's word for it."""
        end: Ms | None = None
        for each in self.spans:
            if each.confirmed or each.failed:
                continue
            if each.started_at is None:
                return
            begin = max(each.started_at, end) if end is not None else each.started_at
            each.heard_ms = max(each.heard_ms, min(each.duration_ms, now - begin))
            end = begin + each.duration_ms
            if end > now or each.voiced_ms is None:
                return
            each.confirmed = True

    @property
    def settled(self) -> bool:
        """Every clause was heard to its end or will never be."""
        return all(each.confirmed or each.failed for each in self.spans)

    @property
    def answered(self) -> bool:
        """Something of the reply itself was heard, not only what fillers the wait for it."""
        return any(each.confirmed and not each.filler for each in self.spans)

    @property
    def sounding(self) -> bool:
        """Something has started of which it is not known that it was heard to its end."""
        return any(c.started_at is not None and not (c.confirmed or c.failed) for c in self.spans)

    def sounds_until(self) -> Ms:
        """When what has started will be over by the clock, lengths guessed where not known; 0 if nothing has."""
        return max((c.started_at + c.duration_ms for c in self.spans if c.started_at is not None), default=0)

    def waiting_since(self) -> Ms:
        """When the first clause that has not started was ordered; 0 if all have."""
        waiting = (c.ordered_at for c in self.spans if c.started_at is None and not (c.confirmed or c.failed))
        return next(waiting, 0)

    def expected_end(self) -> Ms | None:
        """When the ear will have heard everything voiced so far, by the clock; None while a clause is unvoiced."""
        end: Ms | None = None
        for each in self.spans:
            if each.confirmed or each.failed:
                continue
            if each.voiced_ms is None or (each.started_at is None and end is None):
                return None
            begin = each.started_at if each.started_at is not None else 0
            end = max(begin, end or 0) + each.voiced_ms
        return end

    def remaining_ms(self, now: Ms) -> int | None:
        """How much of what was voiced is still to be heard; None if that is not known."""
        if self.settled:
            return 0
        end = self.expected_end()
        return None if end is None else max(0, end - now)

    def heard_text(self) -> str:
        """What the caller has heard: whole clauses, and the words of a broken one whose time had come."""
        parts: list[str] = []
        for each in self.spans:
            parts.append(each.heard_text())
            if not (each.confirmed or each.failed):
                break
        return " ".join(filter(None, parts))

    @property
    def words_due(self) -> bool:
        """Something was heard whose words are not all known yet."""
        return any(not each.words_over and (each.confirmed or each.heard_ms > 0) for each in self.spans)

    def unheard(self) -> list[tuple[int, int]]:
        """(number, ms heard) of what an engine said and the caller did not hear to its end."""
        return [(each.number, each.heard_ms) for each in self.spans if each.growing and not each.confirmed]

    def _place(self, clause: int) -> int:
        """Where the clause of a number stands; one that is not there yet comes after all."""
        return next((place for place, each in enumerate(self.spans) if each.number == clause), len(self.spans))


def heard_prefix(text: str, heard_ms: int, duration_ms: int, word_spans: Sequence[tuple[int, int]] = ()) -> str:
    """The words of a clause that fit into the part of it that was played.

    word_spans: (start, end) of its words in ms, from the first on; such a word counts once two thirds of it were
    played. Source: what a recogniser makes of 206 cuts at random places; half, or all of it, agreed less. For words
    without one, letters are taken as equally long, and marks as the pauses that voices make at them: without these,
    every word seems later than it is. Half of a word is enough then, since they err to the late side.
    """
    if heard_ms <= 0 or duration_ms <= 0:
        return ""
    if heard_ms >= duration_ms:
        return text
    words = text.split()
    known = list(itertools.takewhile(lambda span: span[0] + 2 * span[1] <= 3 * heard_ms, word_spans[: len(words)]))
    if len(known) < min(len(words), len(word_spans)):
        return " ".join(words[: len(known)])
    start_ms = known[-1][1] if known else 0
    rest = words[len(known) :]
    played = sum(map(_share, " ".join(rest))) * (heard_ms - start_ms) / max(1, duration_ms - start_ms)
    count = len(known)
    position = 0.0
    for word in rest:
        letters = sum(map(_share, word.rstrip(_MARKS)))
        if position + letters / 2 > played:
            break
        count += 1
        position += sum(map(_share, word)) + 1
    return " ".join(words[:count])


_MARKS = ".,;:!?"


def _share(char: str) -> float:
    """How long a character takes to say, in letters. Source: tests.bench.turns, Joe's pauses."""
    if char.isdigit():
        return 4.0
    return {",": 2.0, ";": 3.0, ":": 3.0, ".": 4.0, "!": 4.0, "?": 4.0}.get(char, 1.0)
