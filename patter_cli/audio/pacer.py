"""How far ahead of playout we may send, and what the caller has heard so far.

Theory of operation. What the agent says waits in a queue: audio, which belongs to a clause (its `owner`), and marks
between. The far end plays what it gets in order and in real time, so its clock can be computed: a chunk starts
when it was sent or when the chunk before it ends, whichever is later. We send only while no more than `lead_ms` is
sent and unplayed, in chunks of `chunk_ms`: a barge-in then has little to take back, and the model stays true.

    pushed:   [ played ][ in flight: at the carrier ][ queue: still ours ]
                        ^ now                       ^ playing_until

- `clear` forgets the flight and the queue: the caller took the floor.
- `pause` takes the flight back to the front of the queue, marks in place: the carrier was told to clear, but perhaps
  for nothing. `resume` goes on from a little before the place where the sound stopped, within the same clause.
  A carrier that is told to clear returns the marks it held at once; those were not heard and will be sent again.
- A chunk shorter than `chunk_ms` goes out when its clause is over (a mark or another clause follows), or when the far
  end is about to run dry; the first chunk on a silent line goes out at FIRST_CHUNK_MS.

Time is an argument, in ms of any clock that does not go back. Positions are bytes within a clause.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_CHUNK_MS = 20
"""The least worth sending on a silent line while more may come: one telephone frame."""

DRY_MS = 40
"""How close the far end may come to running dry before a short chunk is sent: two frames, one of them for the way."""

AT_ONCE_MS = 0.0
"""A moment that is past on every clock."""


class Pacer:
    """One call's way out. Call `release` after every push and whenever `next_release_ms` says."""

    def __init__(self, *, bytes_per_ms: int = 8, lead_ms: int = 200, chunk_ms: int = 60, rewind_ms: int = 200) -> None:
        """lead_ms: most audio sent but unplayed; a lead below chunk_ms still lets one chunk out at a time."""
        self._rate = bytes_per_ms
        self._lead_ms = lead_ms
        self._chunk = chunk_ms * bytes_per_ms
        self._rewind = rewind_ms * bytes_per_ms
        self._queue: list[_Audio | str] = []
        self._flight: list[_Sent | str] = []
        self._heard: list[_Audio] = []
        """What was played last of the present clause: up to rewind_ms, nothing from before a mark."""
        self._clauses: dict[int, _Clause] = {}
        self._queued = 0
        self._until = 0.0
        self._now = 0.0
        self._paused = False

    def push(self, payload: bytes, owner: int) -> None:
        """Queue the next audio of a clause; any length."""
        if not payload:
            return
        clause = self._clauses.setdefault(owner, _Clause())
        for at in range(0, len(payload), self._chunk):
            piece = payload[at : at + self._chunk]
            self._queue.append(_Audio(owner, clause.pushed, piece))
            clause.pushed += len(piece)
        self._queued += len(payload)

    def push_mark(self, name: str) -> None:
        """Queue a mark behind the audio pushed so far."""
        self._queue.append(name)

    def release(self, now_ms: float) -> list[bytes | str]:
        """What to send now, in order: bytes are one media message of up to chunk_ms, a str is a mark's name."""
        self._settle(now_ms)
        out: list[bytes | str] = []
        while self._queue and not self._paused:
            head = self._queue[0]
            if isinstance(head, str):
                self._queue.pop(0)
                self._flight.append(head)
                out.append(head)
                continue
            size, open_ended = self._next_chunk(head.owner)
            if now_ms < self._due_ms(size, open_ended) or (open_ended and self._too_little(size)):
                break
            out.append(self._send(head.owner, size))
        return out

    def next_release_ms(self) -> float | None:
        """When `release` has something again if nothing is pushed before; a moment past means at once.

        None: nothing will become due by waiting, for the queue is empty, paused, or too short to begin with.
        """
        if not self._queue or self._paused:
            return None
        head = self._queue[0]
        if isinstance(head, str):
            return AT_ONCE_MS
        size, open_ended = self._next_chunk(head.owner)
        if open_ended and self._too_little(size):
            return None
        return self._due_ms(size, open_ended)

    def played_ms(self, owner: int, now_ms: float) -> int:
        """How much of a clause the caller has heard by our model; it does not fall when `resume` goes back."""
        clause = self._clauses.get(owner)
        if clause is None:
            return 0
        played = clause.played
        for sent in self._flight:
            if isinstance(sent, _Sent) and sent.audio.owner == owner and sent.start_ms < now_ms:
                played = max(played, sent.audio.offset + self._progress(sent, now_ms))
        return played // self._rate

    def sent_ms(self, owner: int) -> int:
        """How much of a clause is at the carrier or played."""
        clause = self._clauses.get(owner)
        return max(clause.sent, clause.played) // self._rate if clause else 0

    def pushed_ms(self, owner: int) -> int:
        """How much of a clause has been pushed in all."""
        clause = self._clauses.get(owner)
        return clause.pushed // self._rate if clause else 0

    @property
    def queued_ms(self) -> int:
        """Audio that waits to be sent."""
        return self._queued // self._rate

    @property
    def playing_until_ms(self) -> float:
        """When all that was sent will have been played; past when the line is silent."""
        return self._until

    @property
    def paused(self) -> bool:
        """Between `pause` and the `resume` or `clear` that ends it."""
        return self._paused

    def clear(self, now_ms: float) -> None:
        """Forget all that has not been played: playout ends now. Ends a pause too."""
        self._take_back(now_ms)
        self._queue.clear()
        self._queued = 0
        self._heard.clear()
        self._paused = False

    def pause(self, now_ms: float) -> None:
        """Stop, the carrier being told to clear: what it held goes back to the front of the queue. Twice is fine."""
        self._take_back(now_ms)
        self._paused = True

    def resume(self, now_ms: float) -> None:
        """Go on, up to rewind_ms before the place where playout stopped, but not across a mark or a clause."""
        if not self._paused:
            return
        self._paused = False
        self._now = max(self._now, now_ms)
        head = self._queue[0] if self._queue else None
        if self._heard and isinstance(head, _Audio) and head.owner != self._heard[-1].owner:
            return
        budget = self._rewind
        while self._heard and budget:
            last = self._heard.pop()
            kept, again = last.split(max(0, len(last.payload) - budget))
            if kept is not None:
                self._heard.append(kept)
            if again is not None:
                self._queue.insert(0, again)
                self._queued += len(again.payload)
                budget -= len(again.payload)

    def _settle(self, now_ms: float) -> None:
        """Move what has been played by now from the flight to what was heard."""
        self._now = max(self._now, now_ms)
        while self._flight:
            sent = self._flight[0]
            if isinstance(sent, str):
                self._heard.clear()
            elif sent.end_ms <= now_ms:
                self._hear(sent.audio)
            else:
                break
            self._flight.pop(0)

    def _hear(self, audio: _Audio) -> None:
        clause = self._clauses[audio.owner]
        clause.played = max(clause.played, audio.offset + len(audio.payload))
        if self._heard and self._heard[-1].owner != audio.owner:
            self._heard.clear()
        self._heard.append(audio)
        spare = sum(len(heard.payload) for heard in self._heard) - self._rewind
        while spare > 0:
            oldest = self._heard.pop(0)
            _, kept = oldest.split(spare)
            if kept is not None:
                self._heard.insert(0, kept)
            spare -= len(oldest.payload)

    def _take_back(self, now_ms: float) -> None:
        """Put what is in flight and unplayed at the front of the queue; playout is over now."""
        self._settle(now_ms)
        while self._flight:
            sent = self._flight.pop()
            if isinstance(sent, str):
                self._queue.insert(0, sent)
                continue
            played, unplayed = sent.audio.split(self._progress(sent, now_ms))
            if unplayed is not None:
                self._queue.insert(0, unplayed)
                self._queued += len(unplayed.payload)
                self._clauses[unplayed.owner].sent = unplayed.offset
            if played is not None:
                self._hear(played)
        self._until = min(self._until, now_ms)

    def _progress(self, sent: _Sent, now_ms: float) -> int:
        """How many of its bytes have been played."""
        return min(len(sent.audio.payload), max(0, int((now_ms - sent.start_ms) * self._rate)))

    def _next_chunk(self, owner: int) -> tuple[int, bool]:
        """The size of the next chunk, and whether it is short only because more of its clause may still come."""
        size = 0
        for item in self._queue:
            if isinstance(item, str) or item.owner != owner:
                return size, False
            size += len(item.payload)
            if size >= self._chunk:
                return self._chunk, False
        return size, True

    def _too_little(self, size: int) -> bool:
        """Whether the line is silent and this is not enough to begin with."""
        return self._until <= self._now and size < FIRST_CHUNK_MS * self._rate

    def _due_ms(self, size: int, open_ended: bool) -> float:
        """From when on a chunk may be sent."""
        ahead_ms = max(0.0, self._lead_ms - size / self._rate)
        return self._until - (min(ahead_ms, DRY_MS) if open_ended else ahead_ms)

    def _send(self, owner: int, size: int) -> bytes:
        """Take the next chunk from the queue and note when it will be played."""
        pieces: list[bytes] = []
        missing = size
        offset = -1
        while missing:
            audio = self._queue.pop(0)
            assert isinstance(audio, _Audio)
            now, later = audio.split(missing)
            if later is not None:
                self._queue.insert(0, later)
            if now is not None:
                offset = now.offset if offset < 0 else offset
                pieces.append(now.payload)
                missing -= len(now.payload)
        payload = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        start = max(self._now, self._until)
        self._until = start + size / self._rate
        self._flight.append(_Sent(_Audio(owner, offset, payload), start, self._until))
        self._queued -= size
        self._clauses[owner].sent = offset + size
        return payload


@dataclass(frozen=True, slots=True)
class _Audio:
    """A piece of a clause; offset: its first byte within the clause."""

    owner: int
    offset: int
    payload: bytes

    def split(self, size: int) -> tuple[_Audio | None, _Audio | None]:
        """The first `size` bytes and the rest; None for an empty side."""
        if size <= 0:
            return None, self
        if size >= len(self.payload):
            return self, None
        rest = _Audio(self.owner, self.offset + size, self.payload[size:])
        return _Audio(self.owner, self.offset, self.payload[:size]), rest


@dataclass(frozen=True, slots=True)
class _Sent:
    """A chunk at the carrier and when the far end plays it."""

    audio: _Audio
    start_ms: float
    end_ms: float


@dataclass(slots=True)
class _Clause:
    """How far a clause has come, in bytes; `sent` falls when audio is taken back, `played` never does."""

    pushed: int = 0
    sent: int = 0
    played: int = 0
