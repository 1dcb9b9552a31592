"""Reorder what the carrier sends and fill its holes, so that the samples we hand on are a true clock.

Theory of operation. The carrier says of each message where its first sample lies on its timeline. We hand payloads
on so that they join without hole or overlap: what was handed on, counted in bytes, is media time. The sequence
number counts marks and key presses too, so it cannot tell a hole; the timestamp and the payload's length do.

- The next message in its place goes straight through.
- A message beyond a hole waits. When what waits reaches more than WINDOW_MS past the hole, the hole is lost: it is
  handed on as silence of the right length, with all that follows it without a hole.
- A message whose place has been handed on already is dropped; one that overlaps it is trimmed.
- A timestamp off by less than TOLERANCE_MS joins as it is: some carriers round or drift.
- A timestamp more than RESYNC_MS away is another timeline (a restart, or garbage): nothing is filled, media time
  goes on without a break, and the difference is added to `shift_ms`. So does a stretch of STUCK_FRAMES messages that
  were all too late, which would otherwise mean an agent that hears nothing. Nothing a peer sends can therefore make
  us allocate more than RESYNC_MS of silence, hold more than the window, or fall deaf for longer than half a second.
"""

from __future__ import annotations

from dataclasses import dataclass

from patter_cli.audio.g711 import ULAW_SILENCE

WINDOW_MS = 60
"""How far past a hole we wait for what is missing: three messages. Source: RELIABILITY 3.2."""

RESYNC_MS = 2000
"""A longer jump is not loss: a carrier that lost two seconds of a call has lost the call."""

TOLERANCE_MS = 10
"""Half a message: less cannot be a message that is missing."""

STUCK_FRAMES = 25
"""Half a second of messages that all came too late: it is our idea of the time that is wrong."""

_REMEMBERED_HOLES = 16
"""Filled holes kept to tell a late message from a duplicate; only the counts depend on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JitterCounts:
    """What the line did to us, for one line in the call's record."""

    reordered: int
    """Messages that came after one that belongs behind them, and still found their place."""
    duplicated: int
    """Messages whose audio we had already."""
    late: int
    """Messages that came after their place had been filled with silence."""
    lost_ms: int
    """Silence put in for audio that never came in time."""
    resyncs: int
    """How often the carrier's timeline jumped."""


class JitterBuffer:
    """One call's inbound messages, put in order. Use: `for payload in jitter.push(...)`, all payloads alike."""

    def __init__(self, *, bytes_per_ms: int = 8, silence: bytes = ULAW_SILENCE) -> None:
        """silence: the code of one silent sample in the stream's encoding; bytes_per_ms a multiple of its length."""
        self._rate = bytes_per_ms
        self._silence = silence
        self._next = 0
        """Where the next payload belongs on the carrier's timeline, in bytes."""
        self._expected: int | None = 0
        """The same while nothing waits, else None: the usual case is one comparison."""
        self._sequence = -1
        self._released = 0
        self._held: dict[int, bytes] = {}
        self._holes: list[tuple[int, int]] = []
        self._too_late = 0
        self._reordered = self._duplicated = self._late = self._lost = self._resyncs = 0

    @property
    def media_ms(self) -> int:
        """Media time: the end of what has been handed on. It only grows, and only by what is handed on."""
        return self._released // self._rate

    @property
    def shift_ms(self) -> int:
        """The carrier's time minus media time; changes at a resync only."""
        return (self._next - self._released) // self._rate

    @property
    def counts(self) -> JitterCounts:
        """The counts so far."""
        return JitterCounts(
            reordered=self._reordered,
            duplicated=self._duplicated,
            late=self._late,
            lost_ms=self._lost // self._rate,
            resyncs=self._resyncs,
        )

    def push(self, sequence: int, timestamp_ms: int, payload: bytes) -> tuple[bytes, ...]:
        """Take one message and return what may be heard now: payloads and silence that join exactly.

        sequence: of the message, any number; timestamp_ms: of its first sample, any number. Never raises.
        Time before the stream's first message is silence too, so that media time counts from the stream's start.
        """
        start = timestamp_ms * self._rate
        if start == self._expected:
            self._expected = self._next = start + len(payload)
            self._released += len(payload)
            self._sequence = sequence
            self._too_late = 0
            return (payload,)
        return self._place(sequence, start, payload)

    def flush(self) -> tuple[bytes, ...]:
        """The stream is over: hand on what still waits, its holes filled."""
        released: list[bytes] = []
        while self._held:
            self._fill_hole(released)
        self._expected = self._next
        return tuple(released)

    def _place(self, sequence: int, start: int, payload: bytes) -> tuple[bytes, ...]:
        """Anything but the next message with nothing waiting."""
        if not payload:
            return ()
        newer = sequence > self._sequence
        ahead = start - self._next
        jumped = ahead > RESYNC_MS * self._rate or (newer and ahead < -RESYNC_MS * self._rate)
        released: list[bytes] = []
        if jumped or self._too_late >= STUCK_FRAMES:
            released.extend(self.flush())
            self._resyncs += 1
            self._next = start
            self._holes.clear()
        elif abs(ahead) < TOLERANCE_MS * self._rate and (newer or self._held or not self._released):
            start = self._next
        elif ahead < 0:
            if ahead + len(payload) <= 0 or not newer:
                self._drop(start)
                return ()
            payload = payload[-ahead:]
            start = self._next
        if start in self._held:
            self._duplicated += 1
            return ()
        self._too_late = 0
        if newer:
            self._sequence = sequence
        else:
            self._reordered += 1
        self._held[start] = payload
        self._release_joined(released)
        while self._held and self._reach() - self._next > WINDOW_MS * self._rate:
            self._fill_hole(released)
        self._expected = None if self._held else self._next
        return tuple(released)

    def _drop(self, start: int) -> None:
        self._too_late += 1
        if any(begin <= start < end for begin, end in self._holes):
            self._late += 1
        else:
            self._duplicated += 1

    def _reach(self) -> int:
        """The end of the last message that waits."""
        last = max(self._held)
        return last + len(self._held[last])

    def _fill_hole(self, released: list[bytes]) -> None:
        """Hand on silence up to the first message that waits, and what joins behind it."""
        first = min(self._held)
        hole = first - self._next
        if self._released:
            self._lost += hole
            self._holes = [*self._holes[1 - _REMEMBERED_HOLES :], (self._next, first)]
        released.append(self._silence * (hole // len(self._silence)))
        self._next = first
        self._released += hole
        self._release_joined(released)

    def _release_joined(self, released: list[bytes]) -> None:
        """Hand on the messages that wait and have no hole before them, each without what overlaps the last."""
        while self._held:
            start = min(self._held)
            if start >= self._next + TOLERANCE_MS * self._rate:
                return
            payload = self._held.pop(start)
            if start < self._next:
                payload = payload[self._next - start :]
            if payload:
                released.append(payload)
                self._next += len(payload)
                self._released += len(payload)
