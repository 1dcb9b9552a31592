"""The agent's words as they reach the caller's ear: a fold over a call's journal that can be asked at any moment."""

from __future__ import annotations

from dataclasses import dataclass

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.core.playback import MS_PER_CHAR, heard_prefix


@dataclass(slots=True)
class _Clause:
    text: str = ""
    started_ms: int | None = None
    length_ms: int | None = None
    """None: it is not known yet."""
    stopped_ms: int | None = None
    """How much of it was played, where it was played no further."""
    spans: tuple[tuple[int, int], ...] = ()
    """(from, to) of its first words, ms, where the voice knows them."""

    def heard(self, now_ms: float) -> str:
        if self.started_ms is None:
            return ""
        length_ms = len(self.text) * MS_PER_CHAR if self.length_ms is None else self.length_ms
        played_ms = now_ms - self.started_ms if self.stopped_ms is None else self.stopped_ms
        return heard_prefix(self.text, int(played_ms), length_ms, self.spans)


class WordsHeard:
    """One call's. Entries may be fed in another thread than asks."""

    def __init__(self) -> None:
        self._clauses: dict[tuple[int, int], _Clause] = {}

    def feed(self, entry: Entry) -> None:
        """Take one journal entry."""
        match entry.event:
            case fact.PlayoutStarted(response_id=reply, clause=number):
                clause = self._clause(reply, number)
                if clause.started_ms is None:
                    clause.started_ms = entry.at
                elif clause.stopped_ms is not None:  # it goes on after a pause
                    clause.started_ms, clause.stopped_ms = entry.at - clause.stopped_ms, None
            case fact.ClauseVoiced(response_id=reply, clause=number, duration_ms=length_ms):
                self._clause(reply, number).length_ms = length_ms
            case fact.WordsTimed(response_id=reply, clause=number, starts_ms=starts, ends_ms=ends):
                self._clause(reply, number).spans = tuple(zip(starts, ends, strict=False))
            case fact.SpanWords(response_id=reply, clause=number, text=text):
                self._clause(reply, number).text += text
            case fact.PlaybackStopped(response_id=reply, clause=number, played_ms=played_ms):
                for (of, place), clause in tuple(self._clauses.items()):
                    if of == reply and place >= number:
                        clause.stopped_ms = played_ms if place == number else 0
            case _:
                pass
        for command in entry.commands:
            if isinstance(command, order.Speak):
                self._clause(command.response_id, command.clause).text = command.text

    def since(self, from_ms: float, now_ms: float) -> str:
        """What has been heard until now of what began to be said at from_ms or later. Times are ms of call time."""
        clauses = [each for each in tuple(self._clauses.values()) if each.started_ms is not None]
        clauses.sort(key=lambda each: each.started_ms or 0)
        return " ".join(filter(None, (each.heard(now_ms) for each in clauses if (each.started_ms or 0) >= from_ms)))

    def _clause(self, reply: int, number: int) -> _Clause:
        return self._clauses.setdefault((reply, number), _Clause())
