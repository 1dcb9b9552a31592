"""One reply of a speech-to-speech engine on its way in: its items become spans, one after the other, judged, numbered.

Theory of operation. Sound comes faster than it is heard, in items of the vendor's. Each item waits in a gate of its own
(verdict_gate.py) for its words, and for its number: the machine gives it one when it is its turn to be heard. Items are
played in the order in which they began, each to its end before the next. An item is over when the engine says so, when
the next one begins, or, with an engine that does not say it, when nothing has come for QUIET_MS. Where the times of its
words say that there is more to come it may be quiet for longer, and has stalled after that.

No sample is looked at: a handle stands for it. Time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeAlias

from patter_cli.core.events import Ms
from patter_cli.core.verdict_gate import LEAD_MS, Handle, Judge, VerdictGate

QUIET_MS = 500
"""A reply whose end is not told is over when it has brought no sound for so long."""
STALLED_MS = 2000
"""The same where its words' times say that a good part of it is missing: then it has not ended but broken off."""
MISSING_MS = 600
"""Less than this by the pace of its words is not missed: words are written longer or shorter than they are spoken."""
LONGEST_MS = 180_000
"""More sound than this is no reply; the rest is not taken."""
WORDS_CHARS = 20_000
"""The same for the words of an item."""


@dataclass(slots=True)
class Item(Generic[Handle]):
    """One item of a reply. clause: its number, None until the machine gave it one."""

    name: str
    gate: VerdictGate[Handle]
    clause: int | None = None
    received_ms: int = 0
    words: str = ""
    words_over: bool = False
    ends_ms: tuple[int, ...] = ()
    """Where its first words end, as far as their times are known."""
    voiced: bool = False
    """All its sound has come."""
    ended: bool = False
    """Its end was given out."""

    @property
    def unfinished(self) -> bool:
        """Whether a good part of its words is still to be heard, by the pace of those whose times are known.

        Times also stop where the vendor reads a word otherwise than it is written; then there is sound beyond them.
        """
        words, told = self.words.split(), len(self.ends_ms)
        if not self.words_over or not 0 < told < len(words):
            return False
        until_ms = self.ends_ms[-1]
        left_ms = until_ms * sum(map(len, words[told:])) // sum(map(len, words[:told]))
        return left_ms > max(MISSING_MS, 3 * (self.received_ms - until_ms))


@dataclass(frozen=True, slots=True)
class Sound(Generic[Handle]):
    """This may be heard now, as the next of a clause."""

    clause: int
    handle: Handle


@dataclass(frozen=True, slots=True)
class End:
    """A clause is complete: nothing more of it will be heard."""

    clause: int


Outgoing: TypeAlias = Sound[Handle] | End


@dataclass(slots=True)
class Inflow(Generic[Handle]):
    """One reply's items. judge, words_open: as a gate takes them; a rule judges across items too.

    tells_end: the engine says when an item and a reply are complete.
    """

    judge: Judge | None = None
    words_open: bool = True
    tells_end: bool = True
    lead_ms: int = LEAD_MS
    items: list[Item[Handle]] = field(default_factory=list)
    over: bool = False
    """All of it has come."""
    muted: bool = False
    """Nothing of it is wanted any more."""
    cut: bool = False
    """It was too long, and the rest of it was not taken."""
    stalled: bool = False
    """It was quiet for so long that it is over, though not all of it had come."""
    _last_at: Ms | None = None
    _received_ms: int = 0

    @property
    def replacement(self) -> str | None:
        """What is to be said instead, once its words broke a rule."""
        return next((each.gate.replacement for each in self.items if each.gate.replacement is not None), None)

    def audio(self, name: str, handle: Handle, duration_ms: int, now: Ms) -> Item[Handle] | None:
        """Sound of an item came. The item; None if it is not taken: too much, too late, or not wanted."""
        if self.muted or self.over or self.replacement is not None:
            return None
        if self._received_ms >= LONGEST_MS:
            self.cut = True
            return None
        item = self._item(name)
        if item.voiced:
            return None
        for earlier in self.items[: self.items.index(item)]:
            earlier.voiced = True
        item.gate.audio(handle, duration_ms, now)
        item.received_ms += duration_ms
        self._received_ms += duration_ms
        self._last_at = now
        return item

    def say(self, name: str, text: str, *, over: bool = False) -> tuple[Item[Handle], str]:
        """More of an item's words came, judged at once. The item, and what of the words is taken."""
        item = self._item(name)
        text = text[: max(0, WORDS_CHARS - len(item.words))]
        item.words += text
        item.words_over = item.words_over or over
        item.gate.words(text)
        if over:
            item.gate.words_over()
        return item, text

    def timed(self, name: str, ends_ms: tuple[int, ...]) -> None:
        """Where the first words of an item end, in ms from its first sample; replaces what was known."""
        self._item(name).ends_ms = ends_ms

    def touch(self, now: Ms) -> None:
        """Something else than sound shows that the reply has come so far: a tool call."""
        self._last_at = now

    def voiced(self, name: str) -> None:
        """All sound of an item has come."""
        self._item(name).voiced = True

    def finish(self, *, words_over: bool = True) -> None:
        """All of the reply has come. words_over: its words too, so that what they did not forbid may be heard."""
        self.over = True
        for item in self.items:
            item.voiced = True
            if words_over and not item.words_over:
                item.words_over = True
                item.gate.words_over()

    def mute(self) -> None:
        """Nothing more of it is to be heard."""
        self.muted = self.over = True

    def number(self, name: str, clause: int) -> Item[Handle] | None:
        """An item gets its number; None if it has none to get."""
        item = next((each for each in self.items if each.name == name and each.clause is None), None)
        if item is not None:
            item.clause = clause
        return item

    def of_clause(self, clause: int) -> Item[Handle] | None:
        return next((each for each in self.items if each.clause == clause), None)

    def release(self, now: Ms) -> list[Outgoing[Handle]]:
        """What may be heard now, in order, and where a clause is complete."""
        out: list[Outgoing[Handle]] = []
        if self.muted:
            return out
        over_at = self._quiet_at()
        if over_at is not None and now >= over_at:
            self.stalled = any(each.unfinished for each in self.items)
            self.finish(words_over=False)
        for item in self.items:
            if item.ended:
                continue
            if item.clause is None and not (item.voiced and not item.received_ms):
                break
            if item.clause is None:
                item.ended = True  # words without sound are nothing that can be heard
                continue
            out += [Sound(item.clause, handle) for handle in item.gate.release(now)]
            if not item.voiced or not item.gate.empty:
                break
            item.ended = True
            out.append(End(item.clause))
        return out

    def next_deadline(self) -> Ms | None:
        """When `release` has something more if nothing else comes; None: not by waiting."""
        if self.muted:
            return None
        waiting = next((item for item in self.items if not item.ended), None)
        due = None if waiting is None or waiting.clause is None else waiting.gate.next_deadline()
        quiet = self._quiet_at()
        return quiet if due is None else due if quiet is None else min(due, quiet)

    def _quiet_at(self) -> Ms | None:
        """When it is over if nothing more comes; None if it says so itself."""
        if self.tells_end or self.over or self._last_at is None:
            return None
        return self._last_at + (STALLED_MS if any(each.unfinished for each in self.items) else QUIET_MS)

    @property
    def drained(self) -> bool:
        """Nothing more will come out of it."""
        return self.muted or (self.over and all(item.ended for item in self.items))

    def _item(self, name: str) -> Item[Handle]:
        for item in reversed(self.items):
            if item.name == name:
                return item
        item = Item(name, VerdictGate(self._judge_across(), lead_ms=self.lead_ms, words_open=self.words_open))
        self.items.append(item)
        return item

    def _judge_across(self) -> Judge | None:
        judge = self.judge
        if judge is None:
            return None
        before = " ".join(each.words for each in self.items)
        return lambda text, said: judge(text, f"{before} {said}")
