"""Recognition for one call: a speech-to-text session fed with the caller's audio, its results posted as events."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import Resampler
from patter_cli.contracts.stt import Final, SpeechToText, SttSession
from patter_cli.core.events import Event, ListenFailed, TranscriptFinal, TranscriptPartial
from patter_cli.errors import PatterError, ProviderError

log = logging.getLogger(__name__)

PRE_ROLL_MS = 320
"""Speech before the detector's onset that recognition gets: soft first consonants. Source: LOCAL-SPEECH 1."""
RING_MS = 800
"""Audio kept while nobody speaks: the pre-roll and the detector's own delay."""
REOPENS = 2
"""How often a broken session is opened again before the call is told that it is deaf."""
BACKOFF_S = 0.2
OPEN_S = 3.0


class Listener:
    """Feeds one session after the other; `finalize` is always answered, if need be by an empty final."""

    def __init__(self, recipe: SpeechToText, *, line_rate_hz: int, post: Callable[[Event], None]) -> None:
        self._recipe = recipe
        self._post = post
        self._rate_hz = line_rate_hz
        self._resampler = Resampler(line_rate_hz, recipe.rate_hz)
        self._session: SttSession | None = None
        self._ring: deque[Samples] = deque()
        self._ring_samples = 0
        self._heard_samples = 0
        self._open_gate = not recipe.speech_only
        self._segment = 0
        self._session_segment = 0
        """The call's segment that the session's segment 0 is: a session that was opened again starts from 0."""
        self._owed = 0
        self._deaf = False
        """Nothing will be opened any more."""

    def push(self, samples: Samples) -> None:
        """Take the next samples of the line."""
        self._heard_samples += len(samples)
        if self._open_gate and self._session is not None:
            self._session.push(self._resampler.process(samples))
            return
        self._ring.append(samples)
        self._ring_samples += len(samples)
        while self._ring and self._ring_samples - len(self._ring[0]) >= self._rate_hz * RING_MS // 1000:
            self._ring_samples -= len(self._ring.popleft())

    def speech_started(self, onset_ms: int) -> None:
        """A voice began at this media time: let it through, with what came shortly before."""
        if self._recipe.speech_only:
            self._open_gate = True
            self._let_through(onset_ms - PRE_ROLL_MS)

    def speech_ended(self) -> None:
        if self._recipe.speech_only:
            self._open_gate = False

    def finalize(self) -> None:
        """Ask for the open segment's words; one TranscriptFinal answers."""
        self._owed += 1
        if self._session is not None:
            self._session.finalize()
        elif self._deaf:
            self._settle_owed()

    def commit(self) -> None:
        """The caller's turn is over."""
        self._segment += 1
        if self._session is not None:
            self._session.commit()

    async def run(self) -> None:
        """Listen until cancelled; a session that breaks is opened again, at last the call is told."""
        failures = 0
        while True:
            try:
                async with asyncio.timeout(OPEN_S):
                    session = await self._recipe.open()
                try:
                    self._adopt(session)
                    async for result in session.results():
                        failures = 0
                        self._report(result.text, self._session_segment + result.segment, isinstance(result, Final))
                    raise ProviderError("recognition ended by itself", provider=type(self._recipe).__module__)
                finally:
                    self._session = None
                    await session.aclose()
            except (PatterError, TimeoutError, OSError) as error:
                failures += 1
                provider = error.provider if isinstance(error, ProviderError) else type(self._recipe).__module__
                log.warning("recognition failed (%d of %d): %s", failures, REOPENS + 1, error)
                self._settle_owed()
                if failures > REOPENS:
                    self._deaf = True
                    self._post(ListenFailed(provider=provider, message=str(error)))
                    return
                await asyncio.sleep(BACKOFF_S * failures)

    def _adopt(self, session: SttSession) -> None:
        self._session = session
        self._session_segment = self._segment
        self._resampler = Resampler(self._rate_hz, self._recipe.rate_hz)
        if self._open_gate:
            self._let_through(0)
        for _ in range(self._owed):
            session.finalize()

    def _settle_owed(self) -> None:
        """Nobody will answer these any more, and the machine must not wait for them."""
        while self._owed:
            self._report("", self._segment, final=True)

    def _report(self, text: str, segment: int, final: bool) -> None:
        if final:
            self._owed = max(0, self._owed - 1)
            self._post(TranscriptFinal(segment=segment, text=text))
        else:
            self._post(TranscriptPartial(segment=segment, text=text))

    def _let_through(self, from_ms: int) -> None:
        """Give the session what the ring holds from this media time on."""
        if self._session is None or not self._ring:
            return
        kept = np.concatenate(list(self._ring))
        first = self._heard_samples - len(kept)
        wanted = max(0, from_ms * self._rate_hz // 1000 - first)
        self._ring.clear()
        self._ring_samples = 0
        if wanted < len(kept):
            self._session.push(self._resampler.process(kept[wanted:]))
