"""Recognition for one call: a speech-to-text session fed with the caller's audio, its results posted as events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import Resampler
from patter_cli.audio.wire import LineAudio, WireCodec, joined
from patter_cli.contracts.provider import name_of
from patter_cli.contracts.stt import (
    EndOfTurn,
    Final,
    HearsWire,
    Recognised,
    SpeechToText,
    SttSession,
    WireSttSession,
    WordSpans,
)
from patter_cli.core.events import (
    EndOfTurnPredicted,
    Event,
    HearingUsed,
    ListenFailed,
    TranscriptFinal,
    TranscriptPartial,
)
from patter_cli.engine.fallback import EARS, Breakers, Chain
from patter_cli.engine.usage import UseCount
from patter_cli.errors import ProviderError, TimedOut, Unavailable
from patter_cli.text.overlap import joined_at_overlap

PRE_ROLL_MS = 320
"""Speech before the detector's onset that recognition gets: soft first consonants. Source: LOCAL-SPEECH 1."""
RING_MS = 800
"""Audio kept while nobody speaks: the pre-roll and the detector's own delay."""
REPLAY_MS = 2000
"""What a session that takes the place of a broken one is sent again of the open turn, before now or before what the
broken one was asked about. Source: RELIABILITY 3."""
KEPT_MS = 4000
"""Of the line, for that: a vendor may be found dead only after it was asked. Not for recognisers that get speech alone:
those run here, and do not break."""
WORD_BEFORE_MS = 100
"""A word that begins before what is sent again is sent whole, with so much before it."""
SOON_S = 0.5
"""A session that is opened again within this answers what the broken one was asked; later ones come too late."""
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
        wire: WireCodec | None = None,
    ) -> None:
        """recipes: each stands in for those before it; one at least. breakers: what other calls know of them. wire: of
        the line, for recognisers that take it as it is; None: none does."""
        self._recipes = recipes
        self._recipe = recipe = recipes[0]
        self._breakers = breakers or Breakers()
        self._post = post
        self._rate_hz = line_rate_hz
        self._resampler = Resampler(line_rate_hz, recipe.rate_hz)
        self._session: SttSession | None = None
        self._wire = wire
        self._to_wire: WireSttSession | None = None
        """The session, if it takes the line's own bytes."""
        self._ring: deque[LineAudio] = deque()
        """The newest of what the line brought, also what a session has had: it may have to be sent again."""
        self._ring_samples = 0
        self._ring_room = self._room_for(recipe)
        self._heard_samples = 0
        self._fed_samples = 0
        """Up to here the session, or the one before it, has had what it was to have."""
        self._turn_samples = 0
        """Where the open segment begins."""
        self._words = ""
        """What the open segment is thought to say."""
        self._spans: WordSpans = ()
        """When its words were said, in ms of the line; () if nobody knows."""
        self._carried = ""
        """What of it broken sessions had understood."""
        self._carried_spans: WordSpans = ()
        self._carried_whole = False
        """That ends where the present session begins to hear: no word of it is heard again."""
        self._origin_samples: int | None = None
        """The first sample that the present session was sent; None as long as it was sent none."""
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
        self._asked_samples = 0
        """Where the oldest question stands that is open, if any is."""
        self._deaf = False
        """Nothing will be opened any more."""
        self._next: tuple[SpeechToText, ...] = ()
        """Who is to listen in their place."""

    def use(self, *recipes: SpeechToText) -> None:
        """Have these listen from now on: to what the caller is just saying from its beginning, as far as it is kept."""
        if recipes != self._recipes:
            self._next = recipes
            if self._patience is not None:
                self._patience.reschedule(asyncio.get_running_loop().time())

    def push(self, audio: LineAudio) -> None:
        """Take the next samples of the line."""
        count = audio.count
        self._heard_samples += count
        if self._session is not None and (self._speaking or not self._recipe.speech_only):
            if self._to_wire is not None and audio.coded:
                self._to_wire.push_wire(audio.coded)
            else:
                self._feed(audio.samples)
            self._sent_samples += count
            self._fed_samples = self._heard_samples
            if self._origin_samples is None:
                self._origin_samples = self._heard_samples - count
        ring = self._ring
        ring.append(audio)
        self._ring_samples += count
        while self._ring_samples - ring[0].count >= self._ring_room:
            self._ring_samples -= ring.popleft().count

    def speech_started(self, onset_ms: int) -> None:
        """A voice began at this media time: let it through, with what came shortly before."""
        self._speaking = True
        if self._recipe.speech_only:
            oldest = self._heard_samples - self._rate_hz * RING_MS // 1000
            self._let_through(max(oldest, (onset_ms - PRE_ROLL_MS) * self._rate_hz // 1000))

    def speech_ended(self) -> None:
        self._speaking = False

    def finalize(self) -> None:
        """Ask for the open segment's words; one TranscriptFinal answers."""
        if not self._owed:
            self._asked_samples = self._heard_samples
        self._owed += 1
        if self._session is not None:
            self._session.finalize()
            self._await_final()
        elif self._deaf:
            self._settle_owed()

    def commit(self) -> None:
        """The caller's turn is over."""
        self._segment += 1
        self._turn_samples = self._heard_samples
        self._words = self._carried = ""
        self._spans = self._carried_spans = ()
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
            self._ring_room = self._room_for(self._recipe)
            try:
                async with asyncio.timeout(None) as self._patience:
                    async for result in self._session_of(self._recipe):
                        if chain is not None:
                            chain.succeeded()
                            chain = None  # breaks that are far between do not add up
                        self._take(result)
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller must be heard again
                if self._next:
                    self._patience = None
                    continue
                chain = chain or Chain(self._recipes, EARS, self._breakers, loop.time(), first=self._recipe)
                why = self._why(error)
                wait_s = chain.failed(why, loop.time())
                self._carried, self._carried_spans = self._words, self._spans
                if wait_s is None or wait_s > SOON_S or why is not error:
                    self._settle_owed()
                if wait_s is None:
                    self._deaf = True
                    whose = why.provider if isinstance(why, ProviderError) else name_of(self._recipe)
                    self._post(ListenFailed(provider=whose, message=str(why) or repr(why)))
                    return
                await asyncio.sleep(wait_s)

    def _room_for(self, recipe: SpeechToText) -> int:
        return self._rate_hz * (RING_MS if recipe.speech_only else KEPT_MS) // 1000

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
                session, to_wire = await self._opened(recipe)
        except TimeoutError as error:
            raise TimedOut(f"no session was opened within {OPEN_S:g} s", provider=name_of(recipe)) from error
        try:
            self._adopt(session, to_wire)
            async for result in session.results():
                yield result
            raise Unavailable("recognition ended by itself", provider=name_of(recipe))
        finally:
            self._session = self._to_wire = None
            await session.aclose()

    async def _opened(self, recipe: SpeechToText) -> tuple[SttSession, WireSttSession | None]:
        wire = self._wire
        if wire is not None and isinstance(recipe, HearsWire) and wire.format in recipe.wire_formats:
            session = await recipe.open_on(wire.format)
            return session, session
        return await recipe.open(), None

    def _take(self, result: Recognised) -> None:
        """Post what a session says, in the call's own segments."""
        segment = self._session_segment + result.segment
        if isinstance(result, EndOfTurn):
            self._post(EndOfTurnPredicted(segment=segment, probability=result.probability))
            return
        text, spans = result.text, self._on_line(result.spans)
        if segment == self._session_segment and self._carried and segment == self._segment:
            if self._carried_whole:
                text, spans = f"{self._carried} {text}".strip(), (*self._carried_spans, *spans)
            else:
                text, spans = joined_at_overlap(self._carried, text), ()
        self._report(text, segment, isinstance(result, Final), spans)
        if isinstance(result, Final):
            self._await_final()

    @property
    def _gate_open(self) -> bool:
        """Whether the session gets what the line brings now."""
        return self._speaking or not self._recipe.speech_only

    def _adopt(self, session: SttSession, to_wire: WireSttSession | None) -> None:
        self._session, self._to_wire = session, to_wire
        self._session_segment = self._segment
        self._resampler = Resampler(self._rate_hz, self._recipe.rate_hz)
        replayed = self._replay_from()
        self._origin_samples = None
        self._carried_whole = False
        if replayed <= self._turn_samples:
            self._carried, self._carried_spans = "", ()  # all of the turn is heard again
        elif self._carried and len(self._carried_spans) == len(self._carried.split()):
            replayed = self._cut_carried(replayed)
        if self._gate_open:
            self._let_through(replayed)
        for _ in range(self._owed):
            session.finalize()
        self._await_final()

    def _cut_carried(self, replayed: int) -> int:
        """Keep the words that are not heard again. Returns from which sample on it is, at the beginning of a word."""
        spans, at_ms = self._carried_spans, replayed * 1000 // self._rate_hz
        kept = next((index for index, (_, end_ms) in enumerate(spans) if end_ms > at_ms), len(spans))
        self._carried = " ".join(self._carried.split()[:kept])
        self._carried_spans = spans[:kept]
        self._carried_whole = True
        if kept < len(spans):
            begins = (spans[kept][0] - WORD_BEFORE_MS) * self._rate_hz // 1000
            replayed = max(self._turn_samples, min(replayed, begins))
        return replayed

    def _on_line(self, spans: WordSpans) -> WordSpans:
        """A session's spans in ms of the line; () where it was not sent all of that."""
        if self._origin_samples is None or self._recipe.speech_only:
            return ()
        origin_ms = self._origin_samples * 1000 // self._rate_hz
        return tuple((origin_ms + start_ms, origin_ms + end_ms) for start_ms, end_ms in spans)

    def _await_final(self) -> None:
        """Give the session until then, from now on, if it owes anything and somebody could take its place."""
        if self._patience is not None and len(self._recipes) > 1:
            until_s = asyncio.get_running_loop().time() + FINAL_S
            self._patience.reschedule(until_s if self._owed else None)

    def _settle_owed(self) -> None:
        """Nobody will answer these any more, and the machine must not wait for them."""
        while self._owed:
            self._report(self._words, self._segment, True, self._spans)

    def _report(self, text: str, segment: int, final: bool, spans: WordSpans) -> None:
        if segment == self._segment:
            self._words, self._spans = text, spans
        if final:
            self._owed = max(0, self._owed - 1)
            self._post(TranscriptFinal(segment=segment, text=text))
        else:
            self._post(TranscriptPartial(segment=segment, text=text))

    def _replay_from(self) -> int:
        """The first sample that a new session gets: what no session has had, or the newest of the open turn again."""
        if not self._fed_samples:
            return self._heard_samples - self._rate_hz * RING_MS // 1000
        asked = self._asked_samples if self._owed else self._heard_samples
        again = max(self._turn_samples, asked - self._rate_hz * REPLAY_MS // 1000)
        again, self._fed_samples = min(again, max(self._fed_samples, self._turn_samples)), 0
        return again

    def _let_through(self, first: int) -> None:
        """Give the session what was kept from this sample on and it has not had."""
        if self._session is None or not self._ring:
            return
        first = max(first, self._fed_samples)
        skip = self._heard_samples - self._ring_samples
        wanted: list[LineAudio] = []
        for each in self._ring:
            skip += each.count
            if skip > first:
                wanted.append(each)
        self._fed_samples = self._heard_samples
        if not wanted:
            return
        kept = joined(wanted)
        kept = kept[max(0, len(kept) - (self._heard_samples - first)) :]
        if len(kept):
            self._feed(kept)
            self._sent_samples += len(kept)
            if self._origin_samples is None:
                self._origin_samples = self._heard_samples - len(kept)

    def _feed(self, samples: Samples) -> None:
        if self._to_wire is not None and self._wire is not None:
            self._to_wire.push_wire(self._wire.encode(samples))
        elif self._session is not None:
            self._session.push(self._resampler.process(samples))
