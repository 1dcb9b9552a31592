"""A telephone of our own: the carrier's end of a media stream, over a real socket and in real time.

Theory of operation. Call time begins when `start` is sent. The frame of call time 20 k .. 20 k + 20 ms can be sent
only when it has been spoken, at 20 k + 20; these moments are absolute, so a late one does not shift the next. At each
the caller's frame goes out, the playout model says what has been played and which marks go back, and waiting scripts
look again. What the server sends reaches the playout model the moment it arrives.

    say() -> frame of 20 ms -> LineFilter -> codec -> socket     socket -> codec -> Playout -> Ear -> facts
                                  ^ echo                                               |-> marks back
                                  +----------------------------------------------------+-> recording, loudspeaker

When a transfer is answered the agent's part is over: what the server sends means nothing any more, and soon we say
`stop` to it. The call goes on without a socket; the human's voice takes the agent's way to the ear.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from heapq import heappop, heappush
from os import PathLike
from types import TracebackType
from typing import Final, Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from patter_cli.audio.frame import FRAME_MS, Samples
from patter_cli.audio.g711 import ULAW_SILENCE, decode_ulaw, encode_ulaw
from patter_cli.audio.tape import Tape
from patter_cli.audio.tone import ringback
from patter_cli.contracts.carrier.stream import CarrierMessage, ClearOut, LineCodec, MarkOut, MediaOut, Refused
from patter_cli.errors import InputError
from patter_cli.simulate.dial import CLOSE_S, CONGESTED_BYTES, open_line
from patter_cli.simulate.facts import Cleared, EndCause, Fact, LineEnded, Transferred
from patter_cli.simulate.line import LineFilter
from patter_cli.simulate.microphone import Handset
from patter_cli.simulate.mouth import FRAME_SAMPLES, SAMPLES_PER_MS, Mouth, SaidAudio
from patter_cli.simulate.playout import Ear, Playout
from patter_cli.simulate.switchboard import NO_ANSWER_MS, Switchboard

RATE_HZ: Final = 8000
"""The line is mu-law at 8 kHz."""

PARTING_MS: Final = 500
"""From the answer of a transfer to our `stop`: the server learns first that the caller is in good hands."""

_SILENT_FRAME: Final = ULAW_SILENCE * FRAME_SAMPLES
_RINGING: Final = ringback(NO_ANSWER_MS, RATE_HZ)


class LineCaller:
    """One call to a media socket. `async with` dials and hangs up; all times are ms of call time."""

    def __init__(
        self,
        url: str,
        codec: LineCodec,
        *,
        call_id: str = "CA00000000000000000000000000000001",
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        record_to: str | PathLike[str] | None = None,
        handset: Handset | None = None,
        line: LineFilter | None = None,
        switchboard: Switchboard | None = None,
        on_fact: Callable[[Fact], None] | None = None,
    ) -> None:
        """headers: what the carrier adds to the upgrade. record_to: a stereo WAV of the call. handset: who speaks and
        hears, besides what is said by script. line: what is between mouth and server, at 8 kHz; None: nothing.
        switchboard: who answers transfers, with the same codec; None: a line that knows nothing of them."""
        self._url = url
        self._codec = codec
        self._call_id = call_id
        self._parameters = dict(parameters or {})
        self._headers = dict(headers or {})
        self._record_to = record_to
        self._handset = handset
        self._line = line
        self._switchboard = switchboard
        self._on_fact = on_fact
        self._tape: Tape | None = None
        self._socket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._zero_s = 0.0
        self._outbox: deque[str] = deque()
        self._under_way: list[tuple[float, int, str]] = []
        """Frames that the line delays: a heap by when they arrive, then by their place in the call."""
        self._sending = asyncio.Lock()
        self._waiting: list[asyncio.Future[None]] = []
        self._playout = Playout()
        self._cause: EndCause | None = None
        self.mouth = Mouth()
        """What was said, and when each utterance was answered: when the first agent audio after its last voiced sample
        arrived, not counting audio that only went on with what was still being played."""
        self.ear = Ear()
        self.ended: LineEnded | None = None
        self.cleared_ms: float | None = None
        """When the server last cleared."""
        self.transferred: Transferred | None = None
        """What became of the last transfer."""
        self.begun_ms: list[float] = []
        """When audio of the agent began to arrive after all before it had been played."""
        self.heard_bytes = 0
        """Agent audio that was played."""
        self.unheard_ms = 0.0
        """Agent audio that was cleared."""
        self.lost_frames = 0
        """Frames of the caller that the server did not take in time."""
        self.refused: list[str] = []
        """Why messages of the server were refused; the first hundred."""

    async def __aenter__(self) -> Self:
        await self.dial()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hang_up()

    @property
    def now_ms(self) -> float:
        """Call time."""
        return (asyncio.get_running_loop().time() - self._zero_s) * 1000.0

    @property
    def quiet_ms(self) -> float:
        """For how long the caller has heard nothing of the agent; since the stream's start if never, 0 while more of
        its audio waits to be played or somebody is being rung."""
        if self._playout.queued_ms or (self._switchboard is not None and self._switchboard.ringing):
            return 0.0
        return max(0.0, self.now_ms - (self.ear.last_voiced_ms or 0))

    @property
    def recording_failed(self) -> str:
        """Why the recording is not whole, and how much of it is lost; "" if it is."""
        return "" if self._tape is None else self._tape.failed

    async def dial(self) -> None:
        """Open the socket and the stream.

        Raises NotReachable when nothing takes the call, CallRejected with the server's words when it is refused,
        InputError for a bad URL or a recording that cannot be written.
        """
        self._socket = await open_line(self._url, headers=self._headers)
        if self._record_to is not None:
            try:
                self._tape = Tape(self._record_to, RATE_HZ)
            except InputError:
                await self._socket.close()
                raise
        connected = self._codec.connected()
        self._outbox += [connected] if connected is not None else []
        self._outbox.append(self._codec.start(call_id=self._call_id, parameters=self._parameters))
        with suppress(ConnectionClosed):  # the listener says why
            await self._flush(self._socket)
        self._zero_s = asyncio.get_running_loop().time()
        for work in (self._listen(self._socket), self._keep_time(self._socket)):
            task = asyncio.create_task(work)
            task.add_done_callback(self._task_done)
            self._tasks.append(task)

    def say(self, samples: Samples) -> SaidAudio:
        """Speak from the next frame on, or after what is being said already. samples: int16, 8 kHz. After `dial`."""
        return self.mouth.say(samples, self.now_ms)

    def press(self, digit: str) -> None:
        """Press a key; it goes out with the next frame. Who has been put through presses it in a human's ear."""
        if not self._put_through:
            self._outbox.append(self._codec.dtmf(digit))

    async def wait_for(self, condition: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Look at a condition every 20 ms until it holds. False: the line ended, or the time passed, before it did."""
        loop = asyncio.get_running_loop()
        end_s = None if timeout_s is None else loop.time() + timeout_s
        while not condition():
            if self.ended is not None or (end_s is not None and loop.time() >= end_s):
                return False
            waiting = loop.create_future()
            self._waiting.append(waiting)
            await waiting
        return True

    async def hang_up(self) -> None:
        """Say `stop` and close. Nothing happens if the line is over already."""
        if self._begin_end(EndCause.HUNG_UP) and self._socket is not None:
            try:
                with suppress(ConnectionClosed, TimeoutError):
                    async with asyncio.timeout(CLOSE_S):
                        self._outbox.append(self._codec.stop())
                        await self._flush(self._socket)
                await self._socket.close()
            finally:
                self._socket.transport.abort()  # for when we are cancelled
        await self._finish()
        self._end("")

    async def drop(self) -> None:
        """Vanish: no `stop`, no closing handshake, as a carrier that dies."""
        if self._begin_end(EndCause.DROPPED) and self._socket is not None:
            self._socket.transport.abort()
        await self._finish()
        self._end("")

    @property
    def _put_through(self) -> bool:
        """A human has the caller, and the agent's part is over."""
        return self._switchboard is not None and self._switchboard.talking

    # Private: what the socket brings.

    async def _listen(self, socket: ClientConnection) -> None:
        try:
            while True:
                text = await socket.recv()
                if self._cause is None:
                    self._receive(text if isinstance(text, str) else "")
                    if self._outbox:
                        await self._flush(socket)
        except ConnectionClosed as closed:
            if self._put_through:
                return  # the call goes on without the agent
            self._begin_end(EndCause.LOST if closed.rcvd is None else EndCause.SERVER_CLOSED)
            close = closed.rcvd or closed.sent
            self._end("" if close is None else f"{int(close.code)} {close.reason}".strip())

    def _receive(self, text: str) -> None:
        if self._put_through:
            return
        now_ms = self.now_ms
        self._hear(now_ms)
        message = self._codec.receive(text)
        match message:
            case MediaOut():
                if self._playout.idle:
                    self.begun_ms.append(now_ms)
                    self.mouth.answered(now_ms)
                self._playout.receive(message, now_ms)
            case ClearOut():
                unheard_ms = self._playout.queued_ms
                self.cleared_ms = now_ms
                self.unheard_ms += unheard_ms
                if self._handset is not None:
                    self._handset.clear()
                self._playout.receive(message, now_ms)
                self._tell(Cleared(at_ms=now_ms, unheard_ms=unheard_ms))
                self._hear(now_ms)
            case MarkOut():
                self._playout.receive(message, now_ms)
                self._hear(now_ms)
            case CarrierMessage() if self._switchboard is not None:
                self._switchboard.ring(message, now_ms)
            case CarrierMessage():
                self._refuse("a transfer on a line without a switchboard")
            case Refused(why=why):
                self._refuse(why)

    def _refuse(self, why: str) -> None:
        if len(self.refused) < 100:
            self.refused.append(why)

    # Private: what time brings.

    async def _keep_time(self, socket: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            frame_ms = self.mouth.next_frame_ms
            due_ms = min(frame_ms, self._under_way[0][0]) if self._under_way else frame_ms
            await asyncio.sleep(self._zero_s + due_ms / 1000.0 - loop.time())
            if self._cause is not None:
                return
            if due_ms == frame_ms:
                self._tick(socket)
            while self._under_way and self._under_way[0][0] <= due_ms:
                self._outbox.append(heappop(self._under_way)[2])
            try:
                await self._flush(socket)
            except ConnectionClosed:
                if not self._put_through:
                    return  # the listener says why

    def _tick(self, socket: ClientConnection) -> None:
        """20 ms have passed."""
        self._speak(socket)
        now_ms = self.now_ms
        self._hear(now_ms)
        for fact in self.ear.notice(now_ms):
            self._tell(fact)
        if self._switchboard is not None:
            self._connect(self._switchboard, now_ms)
        self._wake()

    def _speak(self, socket: ClientConnection) -> None:
        """Put the frame that has just been spoken on its way."""
        at, frame = self.mouth.next_frame(self._handset.take() if self._handset is not None else None)
        arriving = None
        if self._line is not None:
            arriving = self._line.process(frame)
            if arriving is None:
                return
            frame = arriving.samples
        payload = _SILENT_FRAME
        if frame is not None:
            payload = encode_ulaw(frame)
            if self._tape is not None:
                self._tape.caller(at, decode_ulaw(payload))
        if self._put_through:
            return
        if socket.transport.get_write_buffer_size() >= CONGESTED_BYTES:
            self.lost_frames += 1
            return
        text = self._codec.media(payload, at // SAMPLES_PER_MS)
        if arriving is None:
            self._outbox.append(text)
        else:
            heappush(self._under_way, (arriving.arrives_ms, at, text))

    def _hear(self, now_ms: float) -> None:
        """Take from the playout model what it has played."""
        heard = self._playout.tick(now_ms)
        for at_ms, payload in heard.audio:
            samples = decode_ulaw(payload)
            self._sound(at_ms, samples)
            for fact in self.ear.hear(at_ms, samples):
                self._tell(fact)
            if not self._put_through:
                self.heard_bytes += len(payload)
        if not self._put_through:
            self._outbox.extend(self._codec.mark(name) for name in heard.marks)

    def _sound(self, at_ms: int, samples: Samples) -> None:
        """Something sounds in the ear."""
        if self._tape is not None:
            self._tape.agent(at_ms * SAMPLES_PER_MS, samples)
        if self._handset is not None:
            self._handset.play(samples)
        if self._line is not None:
            self._line.hear(at_ms * SAMPLES_PER_MS, samples)

    def _connect(self, switchboard: Switchboard, now_ms: float) -> None:
        """Ring, put through, or let the human speak."""
        if switchboard.ringing and self._playout.idle:
            at_ms = self.mouth.next_frame_ms - FRAME_MS
            rung = int(now_ms - switchboard.began_ms) // FRAME_MS * FRAME_SAMPLES
            self._sound(at_ms, _RINGING[rung : rung + FRAME_SAMPLES])
        settled = switchboard.settle(now_ms)
        if settled is not None:
            if not settled.refused:
                self._playout.receive(ClearOut(), now_ms)
                self._under_way.clear()
                self._outbox.clear()
                heappush(self._under_way, (now_ms + PARTING_MS, 0, self._codec.stop()))
            self._outbox.append(settled.reply)
            self.transferred = Transferred(at_ms=now_ms, number=settled.number, refused=settled.refused)
            self._tell(self.transferred)
        line = switchboard.next_line(now_ms, self.mouth.said)
        if line is not None:
            self._playout.receive(MediaOut(encode_ulaw(line)), now_ms)

    async def _flush(self, socket: ClientConnection) -> None:
        """Send what waits, in order, whoever calls."""
        async with self._sending:
            while self._outbox:
                await socket.send(self._outbox.popleft())

    # Private: the end.

    def _begin_end(self, cause: EndCause) -> bool:
        """Whether the line was still open; the first cause counts."""
        if self._cause is not None:
            return False
        self._cause = cause
        return True

    def _end(self, words: str) -> None:
        if self.ended is not None or self._cause is None:
            return
        self._hear(self.now_ms)
        self.ended = LineEnded(at_ms=self.now_ms, cause=self._cause, words=words)
        if self._tape is not None:
            self._tape.close()
        self._wake()
        self._tell(self.ended)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        """A bug of ours, or in on_fact: end the line, so that nobody waits for it. `_finish` raises it."""
        if self._socket is not None and not task.cancelled() and task.exception() is not None:
            self._begin_end(EndCause.DROPPED)
            self._socket.transport.abort()
            self._end("")

    async def _finish(self) -> None:
        tasks, self._tasks = self._tasks, []
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    def _tell(self, fact: Fact) -> None:
        if self._on_fact is not None:
            self._on_fact(fact)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
