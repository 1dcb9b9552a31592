"""Clauses become wire audio: synthesised in order, resampled, encoded, handed to the way out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from types import TracebackType

import numpy as np

from patter_cli.audio.frame import AudioFormat, Samples
from patter_cli.audio.resample import Resampler, resample_all
from patter_cli.audio.wire import ULAW_8K_WIRE, WireCodec, wire_codec
from patter_cli.contracts.provider import name_of
from patter_cli.contracts.tts import ContinuedVoice, QueuedVoice, TextToSpeech, TtsSession, WordTimes, open_for
from patter_cli.core.commands import Speak
from patter_cli.core.events import ClauseVoiced, Event, FirstAudio, SpeakFailed, VoiceLate, VoiceUsed, WordsTimed
from patter_cli.engine.fallback import VOICE, Breakers, Chain
from patter_cli.engine.outbound import OutboundPath
from patter_cli.engine.usage import UseCount
from patter_cli.errors import ProviderError, TimedOut
from patter_cli.text.clauses import SentenceChunker

log = logging.getLogger(__name__)

LATE_S = 0.75
"""A clause whose next sound has not come by then is late, and the call is told if this machine is just busy."""
CHUNK_S = 4 * LATE_S
"""Longest wait for the next samples of a clause, as long as it is not this machine that is busy."""
LINE_S = 20.0
"""For a line that is voiced ahead of time; nobody listens yet."""
AHEAD_MS = 8000
"""Audio kept ready at most: a reply that is longer is synthesised as it is heard."""


class TtsCache:
    """Fixed lines as ready wire audio, made once per voice: an apology must not need the vendor that failed.

    They are prepared in one format. A line that speaks another gets them rewritten, once, when it first asks.
    """

    def __init__(self, wire: WireCodec = ULAW_8K_WIRE, *, behind: TtsCache | None = None) -> None:
        """wire: what most lines speak. behind: asked for what is not here, and never written to."""
        self._wire = wire
        self._behind = behind
        self._audio: dict[tuple[TextToSpeech, str, AudioFormat], tuple[bytes, WordTimes]] = {}

    def get(self, voice: TextToSpeech, text: str, format: AudioFormat) -> tuple[bytes, WordTimes] | None:
        """A clause as wire audio of this format and its words' times, if it was prepared."""
        ready = self._audio.get((voice, text, format))
        if ready is None and (made := self._audio.get((voice, text, self._wire.format))) is not None:
            samples = resample_all(self._wire.decode(made[0]), self._wire.rate_hz, format.rate_hz)
            ready = self._audio[voice, text, format] = wire_codec(format).encode(samples), made[1]
        if ready is None and self._behind is not None:
            return self._behind.get(voice, text, format)
        return ready

    async def prepare(self, voice: TextToSpeech, texts: Iterable[str], *, language: str) -> None:
        """Voice the lines that are not there yet, clause by clause as they will be spoken. Raises ProviderError."""
        wire = self._wire
        chunker = SentenceChunker(language)
        clauses = [clause for each in texts for clause in (*chunker.push(each), *chunker.flush())]
        try:
            async with asyncio.timeout(LINE_S):
                session = await open_for(voice, wire.format)
            if isinstance(session, QueuedVoice):
                session.needed_in(AHEAD_MS)  # whoever is on the phone already goes first
            try:
                for text in clauses:
                    if self.get(voice, text, wire.format) is None:
                        async with asyncio.timeout(LINE_S):
                            self._audio[voice, text, wire.format] = await self._voiced(session, voice.rate_hz, text)
            finally:
                await session.aclose()
        except TimeoutError as error:
            raise TimedOut("the voice does not answer", provider=name_of(voice)) from error

    async def _voiced(self, session: TtsSession, rate_hz: int, text: str) -> tuple[bytes, WordTimes]:
        """A clause to its end, as wire audio."""
        coded: list[bytes] = []
        samples: list[Samples] = []
        times = WordTimes((), ())
        async for each in session.synthesize(text):
            if isinstance(each, WordTimes):
                times = each
            elif isinstance(each, bytes):
                coded.append(each)
            else:
                samples.append(each)
        if samples:
            coded.append(self._wire.encode(resample_all(np.concatenate(samples), rate_hz, self._wire.rate_hz)))
        return b"".join(coded), times


class _Patience:
    """`async with`: who waits in it for CHUNK_S without a `renew` gets a TimeoutError unless there is a reason to wait.

    One timer for a clause and nothing for each of its pieces. busy: asked every LATE_S of waiting; true starts it anew.
    """

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._busy = busy
        self._limit = asyncio.timeout(None)
        self._waited_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def renew(self) -> None:
        self._waited_s = -LATE_S  # the present stretch does not count: it began before

    async def __aenter__(self) -> _Patience:
        await self._limit.__aenter__()
        self._arm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._limit.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise TimeoutError(f"no sound came for {CHUNK_S:g} s") from late

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LATE_S, self._look)

    def _look(self) -> None:
        self._waited_s += LATE_S
        if self._waited_s > 0 and self._busy():
            self._waited_s = 0.0
        if self._waited_s < CHUNK_S:
            self._arm()
        else:
            self._limit.reschedule(asyncio.get_running_loop().time())


class Speaker:
    """One call's voice: a queue of clauses and the task that works it off."""

    def __init__(
        self,
        *voices: TextToSpeech,
        wire: WireCodec = ULAW_8K_WIRE,
        phrasebook: TtsCache,
        outbound: OutboundPath,
        post: Callable[[Event], None],
        breakers: Breakers | None = None,
    ) -> None:
        """voices: each stands in for those before it; one at least. breakers: what other calls know of them."""
        self._ordered_of = self._voices = voices
        self._voice = voices[0]
        """Who speaks: once another has stood in, it stays, for a caller should not hear them change back and forth."""
        self._breakers = breakers or Breakers()
        self._wire = wire
        self._phrasebook = phrasebook
        self._outbound = outbound
        self._post = post
        self._queue: list[tuple[Speak, tuple[TextToSpeech, ...]]] = []
        """Each with whoever was to speak when it was ordered."""
        self._more = asyncio.Event()
        self._characters = UseCount()
        self._session: TtsSession | None = None
        self._session_of: TextToSpeech | None = None
        self._current: Speak | None = None
        self._synthesis: asyncio.Task[None] | None = None

    def use(self, *voices: TextToSpeech) -> None:
        """Speak with these what is ordered from now on."""
        self._ordered_of = voices

    def speak(self, clause: Speak) -> None:
        """Queue a clause, or have it heard at once if it overtakes."""
        if clause.overtakes:
            self._overtake(clause)
            return
        self._queue.append((clause, self._ordered_of))
        self._more.set()

    def cancel(self, response_id: int) -> None:
        """Drop a reply's clauses, the one in the making too."""
        self._queue = [each for each in self._queue if each[0].response_id != response_id]
        if self._current is not None and self._current.response_id == response_id and self._synthesis is not None:
            self._synthesis.cancel()

    def used(self) -> list[VoiceUsed]:
        """What voices were sent since this was last asked."""
        taken = self._characters.take()
        return [VoiceUsed(provider=each, model=model, characters=count) for each, model, count in taken]

    async def run(self) -> None:
        """Voice clauses until cancelled."""
        try:
            while True:
                while not self._queue:
                    self._more.clear()
                    await self._more.wait()
                self._current, voices = self._queue.pop(0)
                if voices != self._voices:
                    self._voices, self._voice = voices, voices[0]
                ready = self._ready(self._current.text)
                if ready is not None:
                    self._play_ready(self._current, *ready)
                else:
                    await self._in_its_own_task(self._current)
        finally:
            await self._let_go()

    async def _in_its_own_task(self, clause: Speak) -> None:
        """So that `cancel` stops this clause and not the voice."""
        self._synthesis = asyncio.create_task(self._voice_clause(clause))
        try:
            await asyncio.wait({self._synthesis})
        finally:
            self._synthesis.cancel()
            await asyncio.gather(self._synthesis, return_exceptions=True)
        if not self._synthesis.cancelled():
            self._synthesis.result()

    def _ready(self, text: str) -> tuple[bytes, WordTimes] | None:
        """A clause that was made ahead of time: by whoever speaks, or else by another, for it needs no vendor."""
        made = (
            self._phrasebook.get(each, text, self._wire.format) for each in dict.fromkeys((self._voice, *self._voices))
        )
        return next((each for each in made if each is not None), None)

    def _play_ready(self, clause: Speak, audio: bytes, times: WordTimes) -> None:
        self._post_times(clause, times)
        self._post(FirstAudio(response_id=clause.response_id, clause=clause.clause))
        self._outbound.play(clause.response_id, clause.clause, audio)
        self._finish(clause)

    def _overtake(self, clause: Speak) -> None:
        current, ready = self._current, self._ready(clause.text)
        late = current is not None and current.response_id == clause.response_id
        if current is None or not late or ready is None or self._outbound.pushed_ms(clause.response_id, current.clause):
            self._post(ClauseVoiced(response_id=clause.response_id, clause=clause.clause, duration_ms=0))
        else:
            self._play_ready(clause, *ready)

    def _post_times(self, clause: Speak, times: WordTimes) -> None:
        if times.ends_ms:
            number = clause.clause
            starts, ends = times.starts_ms, times.ends_ms
            self._post(WordsTimed(response_id=clause.response_id, clause=number, starts_ms=starts, ends_ms=ends))

    def _finish(self, clause: Speak) -> None:
        length_ms = self._outbound.end_clause(clause.response_id, clause.clause)
        self._post(ClauseVoiced(response_id=clause.response_id, clause=clause.clause, duration_ms=length_ms))

    async def _voice_clause(self, clause: Speak) -> None:
        """Synthesise a clause; try again, or have another voice try, if nothing of it was audible yet."""
        while (excess_ms := self._outbound.queued_ms - AHEAD_MS) > 0:  # noqa: ASYNC110 (audio drains by the clock)
            await asyncio.sleep(excess_ms / 1000)
        loop = asyncio.get_running_loop()
        chain = Chain(self._voices, VOICE, self._breakers, loop.time(), first=self._voice)
        wait_s: float | None = 0.0
        while wait_s is not None:
            self._voice = chain.recipe
            if self._session_of is not self._voice:
                await self._let_go()
            before_ms = self._outbound.pushed_ms(clause.response_id, clause.clause)
            try:
                await self._synthesize(clause)
            except (Exception, SystemExit) as error:  # noqa: BLE001 (the chain logs it; sys.exit would end all calls)
                await self._let_go()  # what has failed once is opened again
                audible = self._outbound.pushed_ms(clause.response_id, clause.clause) > before_ms
                wait_s = chain.failed(error, loop.time(), begun=audible)
                if wait_s is None:
                    self._fail(clause, error)
                else:
                    await asyncio.sleep(wait_s)
            else:
                chain.succeeded()
                self._finish(clause)
                return

    async def _synthesize(self, clause: Speak) -> None:
        async with asyncio.timeout(CHUNK_S):
            session = self._session = self._session or await open_for(self._voice, self._wire.format)
            self._session_of = self._voice
        if isinstance(session, ContinuedVoice):
            session.continues(clause.response_id)
        resampler = Resampler(self._voice.rate_hz, self._wire.rate_hz)
        queued = session if isinstance(session, QueuedVoice) else None
        if queued is not None:
            queued.needed_in(self._outbound.queued_ms)
        pieces = session.synthesize(clause.text)
        self._characters.add(self._voice, len(clause.text))
        first = True
        try:
            async with _Patience(lambda: self._is_busy(clause, queued)) as patience:
                async for piece in pieces:
                    patience.renew()
                    if isinstance(piece, WordTimes):
                        self._post_times(clause, piece)
                    elif isinstance(piece, bytes):
                        first = self._play(clause, piece, first)
                    else:
                        first = self._play(clause, self._wire.encode(resampler.process(piece)), first)
            self._play(clause, self._wire.encode(resampler.flush()), first)
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()

    def _play(self, clause: Speak, payload: bytes, first: bool) -> bool:
        """Queue a clause's next sound, in the wire's encoding. Returns whether the first is still to come."""
        if not payload:
            return first
        if first:
            self._post(FirstAudio(response_id=clause.response_id, clause=clause.clause))
        self._outbound.play(clause.response_id, clause.clause, payload)
        return False

    def _is_busy(self, clause: Speak, queued: QueuedVoice | None) -> bool:
        """Whether a late sound is on its way, this machine being busy; the call is told if nothing is heard."""
        if queued is None or not queued.at_work:
            return False
        if not self._outbound.queued_ms:
            self._post(VoiceLate(response_id=clause.response_id, clause=clause.clause))
        return True

    async def _let_go(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            try:
                async with asyncio.timeout(CHUNK_S):
                    await session.aclose()
            except Exception as error:
                log.warning("the voice did not close: %r", error, exc_info=True)

    def _fail(self, clause: Speak, error: BaseException) -> None:
        provider = error.provider if isinstance(error, ProviderError) else name_of(self._voice)
        self._post(
            SpeakFailed(response_id=clause.response_id, clause=clause.clause, provider=provider, message=str(error))
        )
