"""The way out: clauses as wire audio, paced a little ahead of playout, with marks, pause and clear.

No task and no await: a timer releases what is due and the sender takes it without blocking. A mark's name carries
the reply, the clause and a generation that every clear raises; a mark of an older generation came back because of
the clear, not because it was heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from patter_cli.audio.pacer import Pacer
from patter_cli.contracts.carrier.stream import AudioLine
from patter_cli.core.events import Event, MarkReached, PlaybackStopped, PlayoutStarted
from patter_cli.engine.clock import CallClock
from patter_cli.engine.playout_reference import PlayoutReference
from patter_cli.engine.sound import CallSound

CLAUSES = 10_000
"""Clauses a reply can have at most, so that reply and clause make one number."""


class OutboundPath:
    """One call's outgoing audio. Every method is synchronous and cheap."""

    def __init__(
        self,
        *,
        clock: CallClock,
        line: AudioLine,
        post: Callable[[Event], None],
        pacer: Pacer,
        far: PlayoutReference | None = None,
        sound: CallSound | None = None,
    ) -> None:
        """far, sound: are told what the caller's phone plays and when, for the echo canceller and the recording."""
        self._clock = clock
        self._line = line
        self._post = post
        self._pacer = pacer
        self._hearers = tuple(each for each in (far, sound) if each is not None)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._generation = 0
        self._open: list[int] = []
        """Clauses pushed and not confirmed, in order."""
        self._unstarted: list[int] = []
        self._resumed: int | None = None
        self._closed = False

    @property
    def queued_ms(self) -> int:
        """Audio that waits to be sent: what a fast voice is slowed down by."""
        return self._pacer.queued_ms

    def pushed_ms(self, response_id: int, clause: int) -> int:
        """How much of a clause has been queued in all."""
        return self._pacer.pushed_ms(response_id * CLAUSES + clause)

    def play(self, response_id: int, clause: int, payload: bytes) -> None:
        """Queue a clause's next audio, in the wire's encoding."""
        if self._closed:
            return
        owner = response_id * CLAUSES + clause
        if not self._open or self._open[-1] != owner:
            self._open.append(owner)
            self._unstarted.append(owner)
        self._pacer.push(payload, owner)
        self._pump()

    def end_clause(self, response_id: int, clause: int) -> int:
        """Mark a clause's end. Returns its length in ms."""
        owner = response_id * CLAUSES + clause
        self._pacer.push_mark(str(owner))
        self._pump()
        return self._pacer.pushed_ms(owner)

    def pause(self) -> None:
        """Silence the line, keep what was not heard."""
        if self._closed:
            return
        self._report_position()
        self._pacer.pause(self._clock.now_ms())
        self._send_clear()

    def resume(self) -> None:
        """Go on from a little before where the ear was."""
        if self._closed:
            return
        self._pacer.resume(self._clock.now_ms())
        self._unstarted = list(self._open)
        self._resumed = self._unstarted[0] if self._unstarted else None
        self._pump()

    def clear(self) -> None:
        """Silence the line and forget the rest."""
        if self._closed:
            return
        self._report_position()
        was_paused = self._pacer.paused
        self._pacer.clear(self._clock.now_ms())
        self._open.clear()
        self._unstarted.clear()
        if not was_paused:
            self._send_clear()

    def mark_returned(self, name: str) -> None:
        """The carrier sent a mark back. One that our own clear returned, or that is not ours, changes nothing."""
        owner_text, _, generation = name.partition(".")
        if generation != str(self._generation) or not owner_text.isascii() or not owner_text.isdigit():
            return
        owner = int(owner_text)
        if owner in self._open:
            del self._open[: self._open.index(owner) + 1]
            self._post(MarkReached(response_id=owner // CLAUSES, clause=owner % CLAUSES))

    def close(self) -> None:
        """The line is gone: say where the ear was and stop."""
        if not self._closed:
            self._report_position(line_closed=True)
            self._closed = True
            self._pacer.clear(self._clock.now_ms())
            self._fall_silent()
            if self._timer is not None:
                self._timer.cancel()

    def _send_clear(self) -> None:
        self._generation += 1
        self._line.clear()
        self._fall_silent()

    def _fall_silent(self) -> None:
        for each in self._hearers:
            each.silence(self._clock.now_ms())

    def _report_position(self, *, line_closed: bool = False) -> None:
        if not self._open or self._pacer.paused or self._closed:
            return
        now = self._clock.now_ms()
        at, played = self._open[0], self._pacer.played_ms(self._open[0], now)
        for owner in self._open[1:]:
            heard = self._pacer.played_ms(owner, now)
            if heard <= 0:
                break
            at, played = owner, heard
        reply, clause = at // CLAUSES, at % CLAUSES
        self._post(PlaybackStopped(response_id=reply, clause=clause, played_ms=played, line_closed=line_closed))

    def _pump(self) -> None:
        if self._closed:
            return
        now = self._clock.now_ms()
        sent_audio = False
        plays_ms = max(now, self._pacer.playing_until_ms)
        for item in self._pacer.release(now):
            if isinstance(item, str):
                self._line.mark(f"{item}.{self._generation}")
            else:
                sent_audio = True
                self._line.media(item)
                ends_ms = plays_ms
                for each in self._hearers:
                    ends_ms = each.sent(item, plays_ms)
                plays_ms = ends_ms
        if sent_audio and self._unstarted:
            self._report_starts()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._pacer.next_release_ms()
        if due is not None:
            # uvloop counts whole ms and may come up to one early, which would only ask again.
            self._timer = self._loop.call_at(self._clock.loop_time(due + 1), self._pump)

    def _report_starts(self) -> None:
        while self._unstarted:
            owner = self._unstarted[0]
            if owner != self._resumed and self._pacer.sent_ms(owner) <= 0:
                return
            self._resumed = None
            del self._unstarted[0]
            self._post(PlayoutStarted(response_id=owner // CLAUSES, clause=owner % CLAUSES))
