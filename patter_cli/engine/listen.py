"""Recognition for one call: a speech-to-text session fed with the caller's audio, its results posted as events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

from patter_cli.audio.resample import Resampler
from patter_cli.audio.wire import LineAudio, joined
from patter_cli.contracts.provider import name_of
from patter_cli.contracts.stt import Final, Recognised, SpeechToText, SttSession
from patter_cli.core.events import Event, HearingUsed, ListenFailed, TranscriptFinal, TranscriptPartial
from patter_cli.engine.fallback import EARS, Breakers, Chain
from patter_cli.engine.usage import UseCount
from patter_cli.errors import ProviderError, TimedOut, Unavailable

PRE_ROLL_MS = 320
"""Speech before the detector's onset that recognition gets: soft first consonants. Source: LOCAL-SPEECH 1."""
RING_MS = 800
"""Audio kept while nobody speaks: the pre-roll and the detector's own delay."""
OPEN_S = 3.0
FINAL_S = 3.0
"""For a final that was asked for, where somebody else could listen instead; alone, a slow recogniser is waited for."""


class Listener:
    """Feeds one session after the other; `finalize` is always answered, if need be by an empty final."""

    def __init__(
        self,
        *recipes: SpeechToText,
        line_rate_hz: int,
        post: Callable[[Event], None],
        breakers: Breakers | None = None,
    ) -> None:
        """recipes: each stands in for those before it; one at least. breakers: what other calls know of them."""
        self._recipes = recipes
        self._recipe = recipe = recipes[0]
        self._breakers = breakers or Breakers()
        self._post = post
        self._rate_hz = line_rate_hz
        self._resampler = Resampler(line_rate_hz, recipe.rate_hz)
        self._session: SttSession | None = None
        self._ring: deque[LineAudio] = deque()
        self._ring_samples = 0
        self._ring_room = line_rate_hz * RING_MS // 1000
        self._heard_samples = 0
        self._sent_samples = 0
        """To the present recipe, not counted in `_audio` yet."""
        self._audio = UseCount()
        """In samples of the line."""
        self._patience: asyncio.Timeout | None = None
        """Of the session at work: it runs while a final is owed."""
        self._speaking = False
        self._segment = 0
        self._session_segment = 0
        """The call's segment that the session's segment 0 is: a session that was opened again starts from 0."""
        self._owed = 0
        self._deaf = False
        """Nothing will be opened any more."""
        self._next: tuple[SpeechToText, ...] = ()
        """Who is to listen in their place."""

    def use(self, *recipes: SpeechToText) -> None:
        """Have these listen from now on. What the caller is just saying is heard from here on by them alone, so this is
        for a call's first moment."""
        if recipes != self._recipes:
            self._next = recipes
            if self._patience is not None:
                self._patience.reschedule(asyncio.get_running_loop().time())

    def push(self, audio: LineAudio) -> None:
        """Take the next samples of the line."""
        count = audio.count
        self._heard_samples += count
        if self._session is not None and (self._speaking or not self._recipe.speech_only):
            self._session.push(self._resampler.process(audio.samples))
            self._sent_samples += count
            return
        ring = self._ring
        ring.append(audio)
        self._ring_samples += count
        while ring and self._ring_samples - ring[0].count >= self._ring_room:
            self._ring_samples -= ring.popleft().count

    def speech_started(self, onset_ms: int) -> None:
        """A voice began at this media time: let it through, with what came shortly before."""
        self._speaking = True
        if self._recipe.speech_only:
            self._let_through(onset_ms - PRE_ROLL_MS)

    def speech_ended(self) -> None:
        self._speaking = False

    def finalize(self) -> None:
        """Ask for the open segment's words; one TranscriptFinal answers."""
        self._owed += 1
        if self._session is not None:
            self._session.finalize()
            self._await_final()
        elif self._deaf:
            self._settle_owed()

    def commit(self) -> None:
        """The caller's turn is over."""
        self._segment += 1
        if self._session is not None:
            self._session.commit()

    def used(self) -> list[HearingUsed]:
        """What recognisers were sent since this was last asked."""
        self._count_sent()
        return [
            HearingUsed(provider=provider, model=model, audio_ms=samples * 1000 // self._rate_hz)
            for provider, model, samples in self._audio.take()
        ]

    async def run(self) -> None:
        """Listen until cancelled; a session that breaks is opened again, or another's; at last the call is told."""
        loop = asyncio.get_running_loop()
        chain: Chain[SpeechToText] | None = None
        while True:
            if self._next:
                self._count_sent()
                self._recipes, self._recipe, self._next, chain = self._next, self._next[0], (), None
            chain = chain or Chain(self._recipes, EARS, self._breakers, loop.time(), first=self._recipe)
            self._count_sent()
            self._recipe = chain.recipe
            try:
                async with asyncio.timeout(None) as self._patience:
                    async for result in self._session_of(self._recipe):
                        if chain is not None:
                            chain.succeeded()
                            chain = None  # breaks that are far between do not add up
                        self._report(result.text, self._session_segment + result.segment, isinstance(result, Final))
                        if isinstance(result, Final):
                            self._await_final()
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be heard again
                if self._next:
                    self._patience = None
                    continue
                chain = chain or Chain(self._recipes, EARS, self._breakers, loop.time(), first=self._recipe)
                why = self._why(error)
                wait_s = chain.failed(why, loop.time())
                self._settle_owed()
                if wait_s is None:
                    self._deaf = True
                    whose = why.provider if isinstance(why, ProviderError) else name_of(self._recipe)
                    self._post(ListenFailed(provider=whose, message=str(why) or repr(why)))
                    return
                await asyncio.sleep(wait_s)

    def _count_sent(self) -> None:
        self._audio.add(self._recipe, self._sent_samples)
        self._sent_samples = 0

    def _why(self, error: Exception) -> Exception:
        """What a session broke with, or that we broke it for being late."""
        patience, self._patience = self._patience, None
        if patience is None or not patience.expired():
            return error
        return TimedOut(f"no final came within {FINAL_S:g} s", provider=name_of(self._recipe))

    async def _session_of(self, recipe: SpeechToText) -> AsyncGenerator[Recognised, None]:
        """What one session recognises, until it breaks: it never ends otherwise. Raises whatever it broke with."""
        try:
            async with asyncio.timeout(OPEN_S):
                session = await recipe.open()
        except TimeoutError as error:
            raise TimedOut(f"no session was opened within {OPEN_S:g} s", provider=name_of(recipe)) from error
        try:
            self._adopt(session)
            async for result in session.results():
                yield result
            raise Unavailable("recognition ended by itself", provider=name_of(recipe))
        finally:
            self._session = None
            await session.aclose()

    @property
    def _gate_open(self) -> bool:
        """Whether the session gets what the line brings now."""
        return self._speaking or not self._recipe.speech_only

    def _adopt(self, session: SttSession) -> None:
        self._session = session
        self._session_segment = self._segment
        self._resampler = Resampler(self._rate_hz, self._recipe.rate_hz)
        if self._gate_open:
            self._let_through(0)
        for _ in range(self._owed):
            session.finalize()
        self._await_final()

    def _await_final(self) -> None:
        """Give the session until then, from now on, if it owes anything and somebody could take its place."""
        if self._patience is not None and len(self._recipes) > 1:
            until_s = asyncio.get_running_loop().time() + FINAL_S
            self._patience.reschedule(until_s if self._owed else None)

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
        kept = joined(self._ring)
        first = self._heard_samples - len(kept)
        wanted = max(0, from_ms * self._rate_hz // 1000 - first)
        self._ring.clear()
        self._ring_samples = 0
        if wanted < len(kept):
            self._session.push(self._resampler.process(kept[wanted:]))
            self._sent_samples += len(kept) - wanted
