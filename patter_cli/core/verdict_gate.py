"""A speech-to-speech reply on its way out: its audio waits until its words were judged, but never for long.

Such an engine sends sound and transcript side by side and no word times. Words are judged as they come, and let through
as much sound as they take to say; sound whose words are late goes out once it has waited for the lead. If a rule is
broken, nothing more goes out: what is still held is dropped, and whoever owns the gate clears what was sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from patter_cli.core.events import Ms
from patter_cli.core.playback import MS_PER_CHAR

LEAD_MS = 400
"""How long sound may wait for its words: what a guardrail may cost the caller once a reply."""


class VerdictGate:
    """One reply's gate. judge: (new words, those before them) to what is said instead, None if they may be heard."""

    def __init__(self, judge: Callable[[str, str], str | None], *, lead_ms: int = LEAD_MS) -> None:
        self._judge = judge
        self._lead_ms = lead_ms
        self._held: deque[tuple[Ms, int, bytes]] = deque()
        self._judged = ""
        self._word = ""
        """The last word, which may still grow."""
        self._passed_ms = 0
        self._all_judged = False
        self.replacement: str | None = None
        """What is said instead, once a rule was broken."""

    def audio(self, payload: bytes, duration_ms: int, now: Ms) -> None:
        """The engine sent sound."""
        if self.replacement is None:
            self._held.append((now, duration_ms, payload))

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

    def release(self, now: Ms) -> list[bytes]:
        """The sound that may go out now, in order."""
        out: list[bytes] = []
        while self._held and self._may_pass(self._held[0][0], now):
            _, duration_ms, payload = self._held.popleft()
            self._passed_ms += duration_ms
            out.append(payload)
        return out

    def next_deadline(self) -> Ms | None:
        """When to come back if nothing else comes; None if nothing is held."""
        return self._held[0][0] + self._lead_ms if self._held else None

    def _may_pass(self, came_at: Ms, now: Ms) -> bool:
        told = self._all_judged or self._passed_ms < len(self._judged) * MS_PER_CHAR
        return told or now >= came_at + self._lead_ms

    def _hear(self, text: str) -> None:
        if self.replacement is not None or not text:
            return
        self.replacement = self._judge(text, self._judged)
        self._judged += text
        if self.replacement is not None:
            self._held.clear()
