"""Voices over a WebSocket, for every vendor alike: clauses in, sound and the times of words out.

Theory of operation. A session has one socket, opened when it first speaks and again when it was found closed: vendors
hang up on who is silent for a while. A vendor's `VoiceDialect` is pure: it makes messages of clauses and facts of
messages. Where the vendor has contexts, the clauses of one reply go into one, so that it speaks them in one breath;
another reply, or one that was cut off, gets another, and what still comes for the old one is dropped.

A clause is over when the vendor says so; of one that does not, when all its letters have been told and all its sound is
there, or after a silence, which is longer while there are letters to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from patter_cli.audio.frame import AudioFormat
from patter_cli.contracts.tts import Voiced
from patter_cli.errors import BadReply, ProviderError, TimedOut, Unavailable
from patter_cli.providers.http import CONNECT_S, Server
from patter_cli.providers.said_words import SaidWords, letters
from patter_cli.providers.socket import Message, Socket
from patter_cli.providers.sound import SoundReader

QUIET_S = 0.5
"""Of a vendor that tells no end: so long after the last sound a clause is over."""
TAIL_S = 0.12
"""The same once all its letters have been told."""
STALL_S = 1.5
"""The same while some of its letters have been, and others are still to come: it has not finished, it is slow."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound of a context. context "": whichever is speaking."""

    context: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """Pieces of the text and when each is said, in ms. since: what the times count from: the "chunk" of sound that
    comes with them, the "clause", or the "context"."""

    context: str
    pieces: tuple[str, ...]
    starts_ms: tuple[float, ...]
    ends_ms: tuple[float, ...]
    since: str


@dataclass(frozen=True, slots=True)
class ClauseOver:
    """All that was asked for so far has been spoken."""

    context: str


@dataclass(frozen=True, slots=True)
class ContextOver:
    """Nothing more comes for a context."""

    context: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The vendor cannot go on with a context."""

    context: str
    error: ProviderError


@dataclass(frozen=True, slots=True)
class Listening:
    """The vendor is ready for text."""


Told: TypeAlias = Sound | Said | ClauseOver | ContextOver | Broken | Listening


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceManner:
    """What a session has to know of a vendor beside its messages.

    tells_end: a clause's end is told. contexts: so many of them at once at most; 0: there is but one. lingers_s: after
    its last sound a context is gone; None: it stays. starts_ready: it can be sent text at once.
    """

    tells_end: bool = True
    contexts: int = 4
    lingers_s: float | None = None
    starts_ready: bool = True


class VoiceDialect(Protocol):
    """One session's wire, both ways."""

    @property
    def manner(self) -> VoiceManner: ...

    def opening(self) -> Sequence[Message]:
        """What is said first on a socket."""

    def begin(self, context: str) -> Sequence[Message]:
        """A context is opened."""

    def speak(self, context: str, text: str) -> Sequence[Message]:
        """A clause, to be spoken at once; text ends in a space."""

    def leave(self, context: str, *, cut: bool) -> Sequence[Message]:
        """A context is not needed any more. cut: what it still has to say is not wanted."""

    def closing(self) -> Sequence[Message]:
        """Goodbye."""

    def receive(self, message: Message) -> list[Told]:
        """What a message says; [] for what is of no interest. Raises ProviderError: the vendor's, or for nonsense."""


class _Clause:
    """What is being spoken."""

    def __init__(self, context: str, text: str, sound: SoundReader, before_ms: float) -> None:
        self.context = context
        self.words = SaidWords(text)
        self.sound = sound
        self.before_ms = before_ms
        """Sound of its context that came before it."""
        self.found: asyncio.Queue[Voiced | ProviderError | None] = asyncio.Queue()
        self.chunk_ms = 0.0
        """Where in it the newest sound begins."""
        self.begun = False
        self.over = False
        self.timer: asyncio.TimerHandle | None = None

    def end(self, error: ProviderError | None = None) -> None:
        """Nothing more comes."""
        if self.over:
            return
        self.over = True
        if self.timer is not None:
            self.timer.cancel()
        if error is None:
            rest = self.sound.end()
            if rest is not None:
                self.found.put_nowait(rest)
        self.found.put_nowait(error)


class LiveVoice:
    """One call's voice. connect: opens a socket. dialect: makes one's wire. asked: the format that the vendor sends;
    out: the line's, in which sound comes out as bytes, None: as samples at rate_hz."""

    def __init__(
        self,
        server: Server,
        connect: Callable[[], Awaitable[Socket]],
        dialect: Callable[[], VoiceDialect],
        *,
        asked: AudioFormat,
        out: AudioFormat | None,
        rate_hz: int,
    ) -> None:
        self._server = server
        self._connect = connect
        self._make_dialect = dialect
        self._dialect = dialect()
        self._asked = asked
        self._out = out
        self._rate_hz = rate_hz
        self._loop = asyncio.get_running_loop()
        self._socket: Socket | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._reply: int | None = None
        self._context = ""
        self._context_reply: int | None = None
        self._context_ms = 0.0
        self._sounded_s = 0.0
        self._count = 0
        self._leaving: set[str] = set()
        """Contexts that were left and whose end has not been told."""
        self._clause: _Clause | None = None
        self._closed = False

    @property
    def usable(self) -> bool:
        """Whether it can be begun with; it connects again by itself."""
        return not self._closed

    def continues(self, reply: int) -> None:
        """What is asked for next belongs to this reply."""
        self._reply = reply

    async def synthesize(self, text: str) -> AsyncIterator[Voiced]:
        """Speak one clause. Raises ProviderError."""
        if not letters(text):
            return
        socket = await self._connected()
        messages = self._enter()
        sound = SoundReader(self._server, self._asked, out=self._out, rate_hz=self._rate_hz)
        clause = self._clause = _Clause(self._context, text, sound, self._context_ms)
        told = 0
        try:
            socket.post(*messages, *self._dialect.speak(self._context, " ".join(text.split()) + " "))
            while (piece := await clause.found.get()) is not None:
                if isinstance(piece, ProviderError):
                    raise piece
                times = clause.words.times()
                if len(times.ends_ms) > told:
                    told = len(times.ends_ms)
                    yield times
                yield piece
            times = clause.words.times()
            if len(times.ends_ms) > told:
                yield times
        finally:
            unfinished = not clause.over
            clause.over = True
            if clause.timer is not None:
                clause.timer.cancel()
            self._clause = None
            self._context_ms += sound.taken_ms
            if unfinished:
                self._leave(cut=True)

    async def aclose(self) -> None:
        """Hang up."""
        self._closed = True
        await self._hang_up(*self._dialect.closing())

    async def open_ahead(self) -> None:
        """Open the socket before anything is to be said. Raises ProviderError."""
        await self._connected()

    # --- the socket ------------------------------------------------------------------------------------------

    async def _connected(self) -> Socket:
        if self._closed:
            raise Unavailable("this voice has been closed", provider=self._server.provider)
        full = self._dialect.manner.contexts and len(self._leaving) >= self._dialect.manner.contexts - 1
        if self._socket is not None and (self._socket.closed or full or self._reader_done()):
            await self._hang_up()
        if self._socket is None:
            self._dialect = self._make_dialect()
            self._context = ""
            self._leaving.clear()
            self._ready.clear()
            socket = self._socket = await self._connect()
            if self._dialect.manner.starts_ready:
                self._ready.set()
            socket.post(*self._dialect.opening())
            self._reader = asyncio.create_task(self._read(socket))
        if not self._ready.is_set():
            waiting = asyncio.create_task(self._ready.wait())
            try:
                assert self._reader is not None
                both = {waiting, self._reader}
                await asyncio.wait(both, timeout=CONNECT_S, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                await self._hang_up()
                raise
            finally:
                waiting.cancel()
            if not self._ready.is_set():
                late = TimedOut(f"{self._server.host} is not ready to speak", provider=self._server.provider)
                error = self._refused if self._reader_done() else late
                await self._hang_up()
                raise error
        return self._socket

    _refused: ProviderError

    def _reader_done(self) -> bool:
        return self._reader is None or self._reader.done()

    async def _hang_up(self, *last: Message) -> None:
        socket, reader = self._socket, self._reader
        self._socket = self._reader = None
        self._context = ""
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if socket is not None:
            await socket.aclose(*last)

    async def _read(self, socket: Socket) -> None:
        error: ProviderError
        try:
            async for message in socket.messages():
                for told in self._dialect.receive(message):
                    self._take(told)
            error = Unavailable(f"{self._server.host} hung up", provider=self._server.provider)
        except ProviderError as broken:
            error = broken
        except Exception as bug:  # noqa: BLE001 - a decoder's own bug ends its session, and nobody else's
            error = BadReply(f"an answer could not be read: {bug!r}", provider=self._server.provider)
            error.__cause__ = bug
        self._refused = error
        if self._clause is not None:
            self._clause.end(error)

    # --- contexts --------------------------------------------------------------------------------------------

    def _enter(self) -> list[Message]:
        """Go on in the reply's context, or open another."""
        lingers_s = self._dialect.manner.lingers_s
        gone = lingers_s is not None and self._loop.time() - self._sounded_s > lingers_s
        if self._context and self._context_reply == self._reply and self._reply is not None and not gone:
            return []
        if self._context:
            self._leave(cut=False)
        self._count += 1
        self._context, self._context_reply, self._context_ms = f"c{self._count}", self._reply, 0.0
        return [*self._dialect.begin(self._context)]

    def _leave(self, *, cut: bool) -> None:
        context, self._context = self._context, ""
        if context and self._socket is not None:
            self._leaving.add(context)
            self._socket.post(*self._dialect.leave(context, cut=cut))

    # --- what comes ------------------------------------------------------------------------------------------

    def _take(self, told: Told) -> None:
        if isinstance(told, Listening):
            self._ready.set()
            return
        if isinstance(told, Broken) and not self._ready.is_set():
            raise told.error
        if isinstance(told, ContextOver):
            self._leaving.discard(told.context)
            if told.context == self._context:
                self._context = ""  # it has timed out, or has nothing more to say
        clause = self._clause
        if clause is None or clause.over or told.context not in ("", clause.context):
            return
        match told:
            case Sound(data=data):
                clause.begun = True
                clause.chunk_ms = clause.sound.taken_ms
                self._sounded_s = self._loop.time()
                try:
                    made = clause.sound.push(data)
                except ProviderError as error:
                    clause.end(error)
                    return
                if made is not None and len(made):
                    clause.found.put_nowait(made)
            case Said():
                self._said(clause, told)
            case ClauseOver() | ContextOver():
                clause.end()
            case Broken(error=error):
                self._leaving.discard(clause.context)
                self._context = ""
                clause.end(error)
        if not self._dialect.manner.tells_end and clause.begun:
            self._expect_end(clause)

    def _said(self, clause: _Clause, told: Said) -> None:
        shift_ms = {"chunk": clause.chunk_ms, "context": -clause.before_ms}.get(told.since, 0.0)
        for piece, start_ms, end_ms in zip(told.pieces, told.starts_ms, told.ends_ms, strict=False):
            clause.words.add(piece, start_ms + shift_ms, end_ms + shift_ms)

    def _expect_end(self, clause: _Clause) -> None:
        if clause.timer is not None:
            clause.timer.cancel()
        words = clause.words
        if words.told and clause.sound.taken_ms >= words.end_ms - 1:
            clause.end()
        elif not clause.over:
            quiet_s = TAIL_S if words.complete else STALL_S if words.begun else QUIET_S
            clause.timer = self._loop.call_later(quiet_s, clause.end)
