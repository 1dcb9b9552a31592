"""Somebody who looks on at a call: what they hear of it and, when they take it over, what is known of their words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import Resampler
from patter_cli.audio.vad import VoiceEdge, VoiceStarted
from patter_cli.audio.wire import WireCodec
from patter_cli.contracts.stt import Final, SpeechToText, SttSession
from patter_cli.core.events import ColleagueSaid, Event, ListenedIn, TakeOverRequested
from patter_cli.engine.context import CallContext
from patter_cli.engine.inbound import VadSource
from patter_cli.engine.overheard import HEARD_HZ, OnlookersEar, OverheardLine
from patter_cli.errors import PatterError

log = logging.getLogger(__name__)

GONE_S = 2.5
"""A page that has taken a call over sends sound all the time, of a silent room too. One that sends none for so long is
frozen, or its microphone is gone, and the caller must not be left alone with nobody."""
LOOK_S = 0.25
LAST_WORDS_S = 2.0
"""For recognition to say what was said last."""


class Onlooking:
    """One of them. Made by Onlookers."""

    def __init__(
        self,
        call: CallContext,
        line: OverheardLine,
        ear: OnlookersEar,
        words: ColleagueWords | None,
        gone: Callable[[Onlooking], None],
    ) -> None:
        """words: knows what they say, once they have taken the call over; None: they only listen. gone: is told."""
        self._call = call
        self._gone = gone
        self._line = line
        self._ear = ear
        self._words = words
        line.join(ear)
        call.post(ListenedIn(listens=True))
        self._loop = asyncio.get_running_loop()
        self._spoke_s = self._loop.time()
        self._looking: asyncio.TimerHandle | None = None
        if words is not None:
            call.post(TakeOverRequested(taken=True))
            call.spawn(words.run())
            self._look()

    @property
    def talks(self) -> bool:
        """They have the call, and nobody else has."""
        return self._words is not None

    def _look(self) -> None:
        if self._loop.time() - self._spoke_s < GONE_S:
            self._looking = self._loop.call_later(LOOK_S, self._look)
        else:
            log.warning("call %s is the agent's again: its colleague sends no sound", self._call.info.call_id)
            self.leave(lost=True)
            self._ear.unheard()

    def speak(self, samples: Samples) -> None:
        """Their voice, at HEARD_HZ, in real time. Goes nowhere while the call is not theirs."""
        self._spoke_s = self._loop.time()
        if self._words is not None and self._line.passes:
            self._line.speak(samples, self._ear)
            self._words.push(samples)

    def leave(self, *, lost: bool = False) -> None:
        """They are gone: a call that they had taken over is the agent's again. lost: they did not mean to be. Twice is
        fine."""
        if self._line.leave(self._ear):
            if self._looking is not None:
                self._looking.cancel()
            if self._words is not None:
                self._words.close()
                self._call.post(TakeOverRequested(taken=False, lost=lost))
            self._call.post(ListenedIn(listens=False))
            self._gone(self)


class Onlookers:
    """Lets them into one call, once there is a line."""

    def __init__(self, call: CallContext, line: OverheardLine, vad: VadSource, wire: WireCodec) -> None:
        self._call = call
        self._line = line
        self._vad = vad
        self._wire = wire
        self._talker: Onlooking | None = None
        """Who has taken the call over. The machine hears of it a moment later, and two may ask within that."""

    def let_in(self, ear: OnlookersEar, *, talks: bool) -> Onlooking | None:
        """They hear the call from now on. talks: and have it, if nobody else has. None: it is not under way."""
        if self._call.tasks is None or self._call.machine.ended:
            return None
        takes = talks and self._talker is None and not self._call.machine.taken
        words = ColleagueWords(self._call.agent.stt, self._vad, self._wire, self._call.post) if takes else None
        onlooking = Onlooking(self._call, self._line, ear, words, self._gone)
        if takes:
            self._talker = onlooking
        return onlooking

    def _gone(self, onlooking: Onlooking) -> None:
        if self._talker is onlooking:
            self._talker = None


class ColleagueWords:
    """What a colleague says, in words, by the agent's own ears. Without them it is not known, and the call goes on."""

    def __init__(self, ears: SpeechToText, vad: VadSource, wire: WireCodec, post: Callable[[Event], None]) -> None:
        self._ears = ears
        self._post = post
        self._session: SttSession | None = None
        self._voice = vad.listen(self._on_edge, wire.decode)
        self._to_voice = Resampler(HEARD_HZ, vad.rate_hz)
        self._to_ears = Resampler(HEARD_HZ, ears.rate_hz)
        self._closed = asyncio.Event()

    def push(self, samples: Samples) -> None:
        """The next samples, at HEARD_HZ."""
        self._voice.push(self._to_voice.process(samples))
        if self._session is not None:
            self._session.push(self._to_ears.process(samples))

    def close(self) -> None:
        """They have said what they had to say."""
        if self._session is not None:
            self._session.finalize()
        self._closed.set()

    async def run(self) -> None:
        """Tell what they say until they are gone, and a moment longer: the last words are still on their way."""
        reading: asyncio.Task[None] | None = None
        try:
            self._session = session = await self._ears.open()
            reading = asyncio.create_task(self._read(session))
            await self._closed.wait()
            await asyncio.wait({reading}, timeout=LAST_WORDS_S)
        except PatterError as error:
            log.warning("what a colleague says is not known: %s", error)
        finally:
            if reading is not None:
                reading.cancel()
            self._voice.close()
            opened, self._session = self._session, None
            if opened is not None:
                await opened.aclose()

    async def _read(self, session: SttSession) -> None:
        try:
            async for each in session.results():
                if isinstance(each, Final) and each.text.strip():
                    self._post(ColleagueSaid(text=each.text))
                    session.commit()
        except PatterError as error:
            log.warning("what a colleague says is not known any more: %s", error)

    def _on_edge(self, edge: VoiceEdge) -> None:
        if not isinstance(edge, VoiceStarted) and self._session is not None:
            self._session.finalize()
