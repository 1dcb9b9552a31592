"""What a caller heard the agent say, and when: by its own journal, or recognised from the sound alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import resample_all
from patter_cli.contracts.stt import Final, SpeechToText
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheard:
    """A stretch of the agent's voice. at_ms: call time of its beginning."""

    at_ms: int
    text: str


class HeardReplies:
    """A fold over a call's journal: what was heard of each reply. Feed it the entries in order."""

    def __init__(self) -> None:
        self.heard: list[Overheard] = []
        self._reply = -1
        """The reply that was heard last; one that is cleared at its first sound leaves no line."""
        self._began = 0

    def feed(self, entry: Entry) -> None:
        """Take one journal entry."""
        if isinstance(entry.event, fact.PlayoutStarted) and entry.event.response_id != self._reply:
            self._began, self._reply = entry.at, entry.event.response_id
        for command in entry.commands:
            if isinstance(command, order.ReportTranscript) and command.role == "assistant":
                self.heard.append(Overheard(at_ms=self._began, text=command.text))


async def overhear(
    ears: SpeechToText, agent: Samples, rate_hz: int, talks: Sequence[tuple[int, int]]
) -> list[Overheard]:
    """Recognise the stretches (from_ms, to_ms) of the agent's side of a call. Raises ProviderError."""
    heard = []
    for from_ms, to_ms in talks:
        stretch = agent[max(0, from_ms - 100) * rate_hz // 1000 : (to_ms + 100) * rate_hz // 1000]
        session = await ears.open()
        try:
            session.push(resample_all(stretch, rate_hz, ears.rate_hz))
            session.finalize()
            async for result in session.results():
                if isinstance(result, Final):
                    heard.append(Overheard(at_ms=from_ms, text=result.text))
                    break
        finally:
            await session.aclose()
    return heard
