"""A span of a speech-to-speech reply on its way out: its sound waits until its words were judged, but never for long.

Such an engine sends sound and transcript side by side and no word times. Words are judged as they come, and let through
as much sound as they take to say; sound whose words are late goes out once it has waited for the lead. If a rule is
broken, nothing more goes out: what is still held is dropped, and whoever owns the gate clears what was sent.

The gate never looks at the sound: it holds handles, whatever they are, in the order in which they came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from patter_cli.core.events import Ms
from patter_cli.core.playback import MS_PER_CHAR

LEAD_MS = 400
"""How long sound may wait for its words: what a guardrail may cost the caller once a reply."""

Handle = TypeVar("Handle")
"""What stands for a piece of sound."""

Judge: TypeAlias = Callable[[str, str], str | None]
"""(new words, those before them) to what is said instead, None if they may be heard."""


class VerdictGate(Generic[Handle]):
    """One span's gate."""

    def __init__(self, judge: Judge | None, *, lead_ms: int = LEAD_MS, words_open: bool = True) -> None:
        """judge None: there are no rules, and nothing waits. words_open: words that pass the judge let sound through
        before its lead is over; False where somebody slower judges them too."""
        self._judge = judge
        self._lead_ms = lead_ms if judge is not None else 0
        self._words_open = words_open
        self._held: deque[tuple[Ms, int, Handle]] = deque()
        self._judged = ""
        self._word = ""
        """The last word, which may still grow."""
        self._passed_ms = 0
        self._all_judged = False
        self.replacement: str | None = None
        """What is said instead, once a rule was broken."""

    def audio(self, handle: Handle, duration_ms: int, now: Ms) -> None:
        """The engine sent sound."""
        if self.replacement is None:
            self._held.append((now, duration_ms, handle))

    def words(self, text: str) -> None:
        """The engine sent more of the transcript, cut anywhere."""
        whole, space, rest = (self._word + text).rpartition(" ")
        self._word = rest
        self._hear(whole + space)

    def words_over(self) -> None:
        """The transcript is complete: what it has not forbidden may all be heard."""
        word, self._word = self._word, ""
        self._hear(word)
        self._all_judged = True

    def release(self, now: Ms) -> list[Handle]:
        """The sound that may go out now, in order."""
        out: list[Handle] = []
        while self._held and self._may_pass(self._held[0][0], now):
            _, duration_ms, handle = self._held.popleft()
            self._passed_ms += duration_ms
            out.append(handle)
        return out

    def next_deadline(self) -> Ms | None:
        """When to come back if nothing else comes; None if nothing is held."""
        return self._held[0][0] + self._lead_ms if self._held else None

    @property
    def empty(self) -> bool:
        """All that came has gone out, or was dropped."""
        return not self._held

    def _may_pass(self, came_at: Ms, now: Ms) -> bool:
        told = self._all_judged or self._passed_ms < len(self._judged) * MS_PER_CHAR
        return (told and self._words_open) or now >= came_at + self._lead_ms

    def _hear(self, text: str) -> None:
        if self._judge is None or self.replacement is not None or not text:
            return
        self.replacement = self._judge(text, self._judged)
        self._judged += text
        if self.replacement is not None:
            self._held.clear()
