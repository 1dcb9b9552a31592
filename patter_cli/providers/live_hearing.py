"""Recognition over a WebSocket, for every vendor alike: sound out, words in, segments and finals as the contract wants.

Theory of operation. A vendor's `HearingDialect` is pure: it makes messages of sound and facts of messages. Its words
come in pieces with numbers, a later text of a piece replacing the earlier: what one vendor calls an interim and its
final is one piece, what another calls a turn is one as well. A segment is the pieces that came while it was open.

Asked for a final, the vendor is told to say what it has (some cannot be told, and some are given a moment first, for
they may be about to end the turn by themselves). It is answered when the vendor says so, or when what it has said
reaches as far as what it had been sent; and where neither comes, after a while with the words that are there. Words
that come before the answer belong to the segment that was asked about, even if that has been closed meanwhile. What is
left of a piece after its segment was closed belongs to the next, without the words that the last one had.

A vendor that says nothing at all after it was asked is taken for dead: the session breaks, and whoever holds it opens
another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from patter_cli.audio.frame import AudioFormat, Encoding, Samples
from patter_cli.contracts.stt import EndOfTurn, Final, Partial, Recognised, WordSpans
from patter_cli.errors import BadReply, ProviderError, TimedOut
from patter_cli.providers.heard_words import VendorTime
from patter_cli.providers.socket import Message, Socket

REACH_S = 0.12
"""So much of the end of what was sent a vendor may not have judged when its words reach as far: it is silence."""
LATE_S = 2.0
"""So long words that come too late are still those of the question."""
KEEP_ALIVE_S = 4.0
"""A line that has stalled for so long has the vendor told that we are still there. Deepgram hangs up after 10 s."""
SLICE_S = 0.05
"""While it catches up, sound goes out in slices of this, each in its own time."""
BEHIND_S = 0.3
"""More than this that was pushed at once is a replay: no faster than it was spoken, where a vendor wants that."""
_SILENT_PEAK = 60
"""Of a slice that nobody would miss, in int16 units."""
_NOISE_FACTOR, _VOICE_FACTOR = 2, 8
"""On a line with noise, nobody would miss a slice of less than twice the quietest one either, where the loudest so far
is eight times as loud: then that one is a voice."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a piece says now. until_s: how far it reaches, in seconds of what was sent; None: nobody knows. spans: of
    each word of the text, in ms of what was sent; () where the vendor does not say."""

    piece: int
    text: str
    until_s: float | None = None
    spans: WordSpans = ()


@dataclass(frozen=True, slots=True)
class Flushed:
    """All that was sent has been said. until_s: up to there; None: up to the oldest question that is open."""

    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class TurnOver:
    """How sure the vendor is that the caller has finished."""

    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Ready:
    """The vendor listens now, and not before."""


Heard: TypeAlias = Words | Flushed | TurnOver | Ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What a session has to know of a vendor beside its messages. Times in seconds.

    chunk_s: of sound in a message. answer_s: how long a final may take once there are words; the double without any.
    hold_s: how long the vendor gets to end the turn by itself before it is asked. dead_s: silence after a question that
    breaks the session; None: this vendor may be silent. joint: between two pieces. live_pace: never faster than it was
    spoken. always_answers: a question that was given up on is answered later, and what comes until then is its words.
    starts_ready: it can be sent sound at once. idle_silence: a line that stalls is fed with silence, because
    the vendor's turn would never end.
    """

    chunk_s: float = 0.04
    answer_s: float = 0.5
    hold_s: float = 0.0
    dead_s: float | None = 1.5
    joint: str = " "
    live_pace: bool = False
    always_answers: bool = False
    starts_ready: bool = True
    idle_silence: bool = False


class HearingDialect(Protocol):
    """One session's wire, both ways."""

    @property
    def manner(self) -> Manner: ...

    def opening(self) -> Sequence[Message]:
        """What is said first."""

    def sound(self, payload: bytes) -> Message:
        """Sound, in the format that the session has. Never empty."""

    def finalize(self) -> Sequence[Message]:
        """The wish for all words so far; () where the vendor takes none."""

    def commit(self) -> Sequence[Message]:
        """The turn is over on our side."""

    def keep_alive(self) -> Sequence[Message]:
        """We are still there."""

    def closing(self) -> Sequence[Message]:
        """Goodbye."""

    def receive(self, message: Message) -> list[Heard]:
        """What a message says; [] for what is of no interest. Raises ProviderError: the vendor's, or for nonsense."""


@dataclass(slots=True)
class _Segment:
    index: int
    pieces: dict[int, str] = field(default_factory=dict)
    spans: dict[int, WordSpans] = field(default_factory=dict)
    """Of the words of each piece, on the line."""

    def times(self) -> WordSpans:
        """Of all its words; () if any are unknown."""
        known = [self.spans.get(piece, ()) for piece in self.pieces]
        whole = all(len(spans) == len(text.split()) for spans, text in zip(known, self.pieces.values(), strict=True))
        return tuple(span for spans in known for span in spans) if whole else ()

    def text(self, joint: str) -> str:
        return joint.join(each.strip() if joint else each for each in self.pieces.values() if each.strip()).strip()


@dataclass(slots=True)
class _Asked:
    segment: _Segment
    until_s: float
    at_s: float
    unsent: bool = False
    """The vendor has not had all that it is about."""
    given_up: bool = False
    """It was answered with nothing, and its words may come yet."""


class LiveSession:
    """One call's recognition by one vendor. format: of what the vendor is sent."""

    def __init__(self, socket: Socket, dialect: HearingDialect, format: AudioFormat, *, provider: str) -> None:
        self._socket = socket
        self._dialect = dialect
        self._manner = manner = dialect.manner
        self._provider = provider
        self._loop = asyncio.get_running_loop()
        self._bytes_per_s = format.bytes_per_ms * 1000
        self._format = format
        self._time = VendorTime()
        self._loudest = 0
        """Peak of all slices that were behind so far."""
        self._silence = {Encoding.ULAW: b"\xff", Encoding.ALAW: b"\xd5"}.get(format.encoding, b"\0")
        self._chunk = max(format.bytes_per_ms, int(manner.chunk_s * self._bytes_per_s) // 2 * 2)
        self._gathered = bytearray()
        self._pushed = 0
        """Bytes of the vendor's time: what was pushed and not left out, and what we made beside it."""
        self._sent_at_s = self._loop.time()
        self._ready = manner.starts_ready
        self._waiting: deque[Message] = deque()
        """Until the vendor listens."""
        self._segment = _Segment(0)
        self._fresh = True
        """Nothing was pushed since the last commit."""
        self._committed: dict[int, int] = {}
        """Of pieces that go on, how many words an earlier segment had."""
        self._asked: deque[_Asked] = deque()
        self._heard_at_s = self._sent_at_s
        self._found: deque[Recognised] = deque()
        self._changed = asyncio.Event()
        self._failure: ProviderError | None = None
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._alive: asyncio.TimerHandle | None = None
        self._pacer: asyncio.TimerHandle | None = None
        socket.post(*dialect.opening())
        self._reader = asyncio.create_task(self._read())
        self._watch_line()

    @property
    def usable(self) -> bool:
        """Whether it can still be begun with."""
        return not self._closed and not self._socket.closed

    # --- the contract ----------------------------------------------------------------------------------------

    def push(self, samples: Samples) -> None:
        """Take the next samples, at the recipe's rate."""
        self.push_wire(samples.astype("<i2").tobytes())

    def push_wire(self, payload: bytes) -> None:
        """Take the next bytes of the line."""
        if self._closed or not payload:
            return
        self._gathered += payload
        self._pushed += len(payload)
        self._fresh = False
        if len(self._gathered) >= self._chunk and self._pacer is None:
            self._send_sound()

    def finalize(self) -> None:
        """Ask for a Final of the segment so far."""
        if self._closed:
            return
        now_s = self._loop.time()
        if self._fresh and not self._segment.pieces and not self._asked:
            self._deliver(Final(segment=self._segment.index, text=""))
            return
        asked = _Asked(self._segment, self._pushed / self._bytes_per_s, now_s, unsent=self._pacer is not None)
        self._asked.append(asked)
        if asked.unsent:
            return  # the vendor is asked, and has its time for an answer, once it has what it is asked about
        self._send_sound(all_of_it=True)
        if self._pacer is not None:
            asked.unsent = True
        elif self._manner.hold_s:
            self._loop.call_later(self._manner.hold_s, self._press, asked)
        else:
            self._post(*self._dialect.finalize())
        self._set_timer()

    def commit(self) -> None:
        """Begin the next segment."""
        segment = self._segment
        for piece, text in segment.pieces.items():
            self._committed[piece] = self._committed.get(piece, 0) + len(text.split())
        while len(self._committed) > 8:
            del self._committed[next(iter(self._committed))]
        self._segment = _Segment(segment.index + 1)
        self._fresh = True
        if not self._closed:
            self._post(*self._dialect.commit())

    async def results(self) -> AsyncIterator[Recognised]:
        """What was recognised, for one reader. Raises ProviderError once, then the session is over."""
        while True:
            while self._found:
                yield self._found.popleft()
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    async def aclose(self) -> None:
        """Say goodbye and go."""
        self._stop()
        self._found.clear()
        self._reader.cancel()
        await self._socket.aclose(*self._dialect.closing())
        await asyncio.gather(self._reader, return_exceptions=True)

    # --- what goes out ---------------------------------------------------------------------------------------

    def _send_sound(self, *, all_of_it: bool = False) -> None:
        """Send what has been gathered: whole chunks, or everything; slowly what was pushed at once."""
        if not self._ready:
            return
        behind = self._manner.live_pace and len(self._gathered) > BEHIND_S * self._bytes_per_s
        if behind:
            self._send_slice()
            return
        least = 1 if all_of_it else self._chunk
        longest = max(self._chunk, self._bytes_per_s // 2)
        while len(self._gathered) >= least:
            piece = bytes(self._gathered[:longest])
            del self._gathered[: len(piece)]
            self._socket.post(self._dialect.sound(self._whole(piece)))
            self._sent_at_s = self._loop.time()

    def _whole(self, piece: bytes) -> bytes:
        """As long as the least that a vendor takes in one message: what is missing is silence."""
        short = self._chunk - len(piece)
        return piece + self._made_silence(short) if short > 0 and self._manner.chunk_s >= SLICE_S else piece

    def _made_silence(self, count: int) -> bytes:
        """So many bytes that nobody pushed; the vendor's time goes on with them."""
        self._time.made(1000 * self._sent_s, 1000 * count / self._bytes_per_s)
        self._pushed += count
        return self._silence * count

    def _send_slice(self) -> None:
        """One slice of what is behind, and the next in its time; a silent one is left out, which catches up."""
        self._pacer = None
        if self._closed:
            return
        size = max(self._chunk, int(SLICE_S * self._bytes_per_s))
        self._leave_out(size)
        piece = bytes(self._gathered[:size])
        del self._gathered[: len(piece)]
        if piece:
            self._socket.post(self._dialect.sound(self._whole(piece)))
            self._sent_at_s = self._loop.time()
        if len(self._gathered) >= self._chunk:
            self._pacer = self._loop.call_later(size / self._bytes_per_s, self._send_slice)
        elif any(each.unsent for each in self._asked):
            self._send_sound(all_of_it=True)
        sent_s = self._sent_s + 0.001
        for each in self._asked:
            if each.unsent and each.until_s <= sent_s:
                each.unsent, each.at_s = False, self._loop.time()
                self._post(*self._dialect.finalize())
                self._set_timer()

    @property
    def _sent_s(self) -> float:
        """How far the vendor's time has come."""
        return (self._pushed - len(self._gathered)) / self._bytes_per_s

    def _leave_out(self, size: int) -> None:
        """Drop the silent slices at the front of what is behind, but for the last two."""
        count = len(self._gathered) // size
        samples = _decoded(self._format, bytes(self._gathered[: count * size]))
        peaks = np.abs(samples.astype(np.int32)).reshape(count, -1).max(axis=1) if count else np.zeros(0, np.int32)
        self._loudest = max(self._loudest, int(peaks.max(initial=0)))
        noise = min(_NOISE_FACTOR * int(peaks.min(initial=self._loudest)), self._loudest // _VOICE_FACTOR)
        silent = peaks < max(_SILENT_PEAK, noise)
        left_out = 0
        while left_out + 2 < count and silent[left_out]:
            left_out += 1
        if left_out:
            self._time.made(1000 * self._sent_s, -1000 * left_out * size / self._bytes_per_s)
        del self._gathered[: left_out * size]
        self._pushed -= left_out * size  # the vendor's time goes by what it was sent
        for each in self._asked:
            if each.unsent:
                each.until_s -= left_out * size / self._bytes_per_s

    def _press(self, asked: _Asked) -> None:
        """The vendor has not ended the turn by itself."""
        if asked in self._asked and not self._closed:
            self._post(*self._dialect.finalize())

    def _post(self, *messages: Message) -> None:
        if self._ready:
            self._socket.post(*messages)
        else:
            self._waiting.extend(messages)

    def _watch_line(self) -> None:
        """Keep the vendor while the line says nothing."""
        if self._closed:
            return
        idle_s = self._loop.time() - self._sent_at_s
        every_s = 0.25 if self._manner.idle_silence else KEEP_ALIVE_S / 2
        if self._manner.idle_silence and idle_s >= 0.5 and self._pushed and self._ready:
            self._socket.post(self._dialect.sound(self._made_silence(int(every_s * self._bytes_per_s))))
        elif idle_s >= KEEP_ALIVE_S:
            self._post(*self._dialect.keep_alive())
            self._sent_at_s = self._loop.time()
        self._alive = self._loop.call_later(every_s, self._watch_line)

    # --- what comes in ---------------------------------------------------------------------------------------

    async def _read(self) -> None:
        try:
            async for message in self._socket.messages():
                first = bool(self._asked) and self._heard_at_s < self._asked[0].at_s
                self._heard_at_s = self._loop.time()
                for heard in self._dialect.receive(message):
                    self._take(heard)
                if first:
                    self._set_timer()  # it is alive, and has less time for its answer
            self._fail(BadReply("the vendor ended the session", provider=self._provider))
        except ProviderError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a decoder's own bug ends its session, and nobody else's
            failure = BadReply(f"an answer could not be read: {error!r}", provider=self._provider)
            failure.__cause__ = error
            self._fail(failure)

    def _take(self, heard: Heard) -> None:
        match heard:
            case Words(piece, text, until_s, spans):
                self._words(piece, text, spans)
                self._reached(until_s)
            case Flushed(until_s):
                if until_s is None:
                    self._answer(1)
                else:
                    self._reached(until_s)
            case TurnOver(probability):
                self._deliver(EndOfTurn(segment=self._segment.index, probability=probability))
            case Ready():
                self._ready = True
                self._send_sound(all_of_it=bool(self._asked))
                self._socket.post(*self._waiting)
                self._waiting.clear()

    def _words(self, piece: int, text: str, spans: WordSpans) -> None:
        segment = self._asked[0].segment if self._asked else self._segment
        if segment is not self._segment:
            self._committed[piece] = len(text.split())
        elif had := self._committed.get(piece, 0):
            text, spans = " ".join(text.split()[had:]), spans[had:]
        before = segment.text(self._manner.joint)
        if text or piece in segment.pieces:
            segment.pieces[piece] = text
            segment.spans[piece] = self._time.on_line(spans)
        now = segment.text(self._manner.joint)
        if now != before:
            self._deliver(Partial(segment=segment.index, text=now, spans=segment.times()))

    def _reached(self, until_s: float | None) -> None:
        if until_s is not None:
            self._answer(sum(not each.unsent and each.until_s - REACH_S <= until_s for each in self._asked))

    def _answer(self, count: int) -> None:
        """The oldest questions have their answers."""
        for _ in range(min(count, len(self._asked))):
            asked = self._asked.popleft()
            text = asked.segment.text(self._manner.joint)
            if text or not asked.given_up:
                self._deliver(Final(segment=asked.segment.index, text=text, spans=asked.segment.times()))
        self._set_timer()

    def _give_up(self, asked: _Asked) -> None:
        """Answer with what there is; where nothing is, the vendor may have it yet."""
        if asked.given_up:
            self._asked.remove(asked)
        elif asked.segment.pieces or not self._manner.always_answers:
            self._answer(1)
            return
        else:
            asked.given_up = True
            self._deliver(Final(segment=asked.segment.index, text=""))
        self._set_timer()

    # --- what does not come ----------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._asked and not self._closed and not self._asked[0].unsent:
            asked, manner = self._asked[0], self._manner
            patience_s = manner.answer_s if asked.segment.pieces else 2 * manner.answer_s
            if manner.dead_s is not None and (self._heard_at_s < asked.at_s or not self._ready):
                patience_s = manner.dead_s
            due_s = asked.at_s + patience_s + (LATE_S if asked.given_up else 0.0)
            self._timer = self._loop.call_at(max(due_s, self._loop.time() + 0.001), self._due)

    def _due(self) -> None:
        self._timer = None
        if not self._asked or self._closed or self._asked[0].unsent:
            return
        asked, manner, now_s = self._asked[0], self._manner, self._loop.time()
        silent = self._heard_at_s < asked.at_s or not self._ready
        if manner.dead_s is not None and silent and now_s >= asked.at_s + manner.dead_s - 0.01:
            words = f"nothing came for {manner.dead_s:g} s after a final was asked for"
            self._fail(TimedOut(words, provider=self._provider))
        elif manner.dead_s is not None and silent:
            self._set_timer()
        else:
            self._give_up(asked)

    # --- the end ---------------------------------------------------------------------------------------------

    def _deliver(self, result: Recognised) -> None:
        if self._closed:
            return
        if isinstance(result, Partial) and self._found and isinstance(self._found[-1], Partial):
            self._found.pop()  # nobody took it in time, and this one says more
        self._found.append(result)
        self._changed.set()

    def _fail(self, error: ProviderError) -> None:
        if not self._closed:
            self._failure = error
            self._stop()

    def _stop(self) -> None:
        self._closed = True
        for timer in (self._timer, self._alive, self._pacer):
            if timer is not None:
                timer.cancel()
        self._asked.clear()
        self._changed.set()


def _decoded(format: AudioFormat, payload: bytes) -> Samples:
    """Only a session that catches up looks into its sound: nobody else waits for this import."""
    from patter_cli.audio.wire import wire_codec

    return wire_codec(format).decode(payload)
