"""The voice and the line: clauses become sound, one at a time, in order, at the speed of sound.

A clause is put on the line when its voice begins, whole; what an engine says comes piece by piece, and the line falls
silent when it has played all that came.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from patter_cli.core import events as fact
from patter_cli.core.events import Ms
from patter_cli.core.machine import REWIND_MS
from patter_cli.testing.world import Fault, World

_NEVER: Ms = 10**9
_LATE_MS = 750
"""How often a voice that waits for the machine says so: engine.speak.LATE_S."""


@dataclass(slots=True)
class Sound:
    """A stretch of one clause that was audible. from_ms: where in the clause it begins."""

    response_id: int
    clause: int
    text: str
    duration_ms: int
    from_ms: int
    start: Ms
    end: Ms

    @property
    def played_ms(self) -> int:
        """How far into the clause the ear was at its end."""
        return self.from_ms + self.end - self.start


@dataclass(slots=True)
class _Voiced:
    """A clause on the line. from_ms: where playback will start or go on. came_ms: how much of it there is.

    growing: more may come. started: its beginning was told.
    """

    response_id: int
    clause: int
    text: str
    duration_ms: int
    from_ms: int = 0
    came_ms: int = 0
    growing: bool = False
    started: bool = False


class Line:
    """Voices clauses, plays them out and says what was played. stock: texts whose audio is ready."""

    def __init__(self, world: World, stock: Collection[str]) -> None:
        self._world = world
        self._stock = stock
        self._voice_free: Ms = 0
        self._cancelled: set[int] = set()
        self._queue: list[_Voiced] = []
        self._playing: Sound | None = None
        self._paused = False
        self._run = 0
        """Counts starts and stops, so that the end of a sound that was cut off means nothing."""
        self.sounds: list[Sound] = []
        self.last_clause: dict[int, int] = {}
        """Of each reply, the last clause that was ordered."""

    def cancel(self, reply: int) -> None:
        """Its clauses are no longer voiced."""
        self._cancelled.add(reply)
        self._voice_free = self._world.now

    def resume(self) -> None:
        self._paused = False
        self._play()

    def speak(self, reply: int, clause: int, text: str) -> None:
        """Have a clause voiced; the voice takes them one after the other."""
        world = self._world
        self.last_clause[reply] = clause
        stock = text in self._stock
        broken = world.faults if not stock else world.faults & {Fault.LINES_HANG}
        stalls = Fault.VOICE_STALLS in broken and clause == 1
        if stalls:
            self._voice_free = _NEVER
        if self._voice_free == _NEVER or {Fault.VOICE_HANGS, Fault.LINES_HANG} & broken:
            return
        begun = max(world.now, self._voice_free)
        ready = begun + world.latency.voice_ms // (10 if stock else 1) + (0 if stock else world.latency.queue_ms)
        self._voice_free = ready
        for at in range(begun + _LATE_MS, ready, _LATE_MS):
            world.at(at, lambda: self._late(reply, clause))
        if Fault.VOICE_FAILS in broken:
            failed = fact.SpeakFailed(response_id=reply, clause=clause, provider="virtual", message="broken")
            world.at(ready, lambda: world.tell(failed))
            return
        length = 0 if Fault.VOICE_EMPTY in broken else len(text) * world.latency.ms_per_char
        world.at(ready, lambda: self._on_the_line(_Voiced(reply, clause, text, length)))

    def _late(self, reply: int, clause: int) -> None:
        if reply not in self._cancelled and self._playing is None:
            self._world.tell(fact.VoiceLate(response_id=reply, clause=clause))

    def overtake(self, reply: int, clause: int, text: str) -> None:
        """Have a stock line heard before the clause that the voice is at, if nothing of that is on the line."""
        if self._queue or Fault.LINES_HANG in self._world.faults or reply in self._cancelled:
            self._world.tell(fact.ClauseVoiced(response_id=reply, clause=clause, duration_ms=0))
        else:
            length = len(text) * self._world.latency.ms_per_char
            self._world.at(self._world.now, lambda: self._on_the_line(_Voiced(reply, clause, text, length)))

    def _on_the_line(self, voiced: _Voiced) -> None:
        if voiced.response_id in self._cancelled:
            return
        if voiced.duration_ms:
            voiced.came_ms = voiced.duration_ms
            self._queue.append(voiced)
            self._world.tell(fact.FirstAudio(response_id=voiced.response_id, clause=voiced.clause))
        # A voice is about seven times as quick as speech: the end of a clause is known while it plays.
        done = fact.ClauseVoiced(response_id=voiced.response_id, clause=voiced.clause, duration_ms=voiced.duration_ms)
        self._world.after(voiced.duration_ms // 7, done)
        self._play()

    # --- what comes piece by piece -------------------------------------------------------------------------------

    def expect(self, reply: int, clause: int, text: str, duration_ms: int) -> None:
        """A clause of an engine's will come. text, duration_ms: what it will have been in the end."""
        self.last_clause[reply] = clause
        self._queue.append(_Voiced(reply, clause, text, duration_ms, growing=True))

    def stream(self, reply: int, clause: int, length_ms: int) -> None:
        """More of it is there."""
        voiced = self._expected(reply, clause)
        if voiced is None:
            return
        voiced.came_ms += length_ms
        if self._playing is not None and voiced is self._queue[0]:
            self._play_until(self._playing.end + length_ms)
        else:
            self._play()

    def end_stream(self, reply: int, clause: int) -> int:
        """That was all of it. Returns its length in ms."""
        voiced = self._expected(reply, clause)
        if voiced is None:
            return 0
        voiced.growing = False
        if self._playing is None and voiced is self._queue[0] and voiced.from_ms >= voiced.came_ms and not self._paused:
            self._leave(voiced)
        return voiced.came_ms

    def _expected(self, reply: int, clause: int) -> _Voiced | None:
        return next((each for each in self._queue if (each.response_id, each.clause) == (reply, clause)), None)

    # --- playing -------------------------------------------------------------------------------------------------

    def _play_until(self, end: Ms) -> None:
        assert self._playing is not None
        self._playing.end = end
        self._run += 1
        run = self._run
        self._world.at(end, lambda: self._played(run))

    def _leave(self, voiced: _Voiced) -> None:
        """It was played to its end; the next one's turn."""
        self._queue.pop(0)
        if Fault.NO_MARKS not in self._world.faults:
            reached = fact.MarkReached(response_id=voiced.response_id, clause=voiced.clause)
            self._world.after(self._world.latency.mark_ms, reached)
        self._play()

    def _play(self) -> None:
        if self._paused or self._playing is not None or not self._queue:
            return
        head, now = self._queue[0], self._world.now
        if head.from_ms >= head.came_ms:
            if not head.growing:
                self._leave(head)
            return
        end = now + head.came_ms - head.from_ms
        self._playing = Sound(head.response_id, head.clause, head.text, head.duration_ms, head.from_ms, now, end)
        self.sounds.append(self._playing)
        self._play_until(end)
        if not head.started:
            head.started = True
            self._world.tell(fact.PlayoutStarted(response_id=head.response_id, clause=head.clause))

    def _played(self, run: int) -> None:
        if run != self._run or self._playing is None:
            return
        self._playing = None
        head = self._queue[0]
        head.from_ms = head.came_ms
        if not head.growing:
            self._leave(head)

    def silence(self) -> Sound | None:
        """Cut the sound that plays, if one does."""
        sound, self._playing = self._playing, None
        self._run += 1
        if sound is not None:
            sound.end = self._world.now
        return sound

    def stop(self, reply: int, *, forget: bool) -> None:
        """Stop playback and say where; forget: drop what is queued, else it goes on there when resumed."""
        sound = self.silence()
        self._paused = not forget
        if forget:
            self._queue.clear()
        elif sound is not None:
            self._queue[0].from_ms = max(0, sound.played_ms - REWIND_MS)
        for each in self._queue:
            each.started = False
        last = next((each for each in reversed(self.sounds) if each.response_id == reply), None)
        if Fault.NO_STOPS in self._world.faults or (forget and last is None):
            return
        where, played = (0, 0) if last is None else (last.clause, last.played_ms)
        stopped = fact.PlaybackStopped(response_id=reply, clause=where, played_ms=played)
        self._world.after(self._world.latency.stop_ms, stopped)
