"""The sound of one lab call, from the answer on: what the far person says, and what is played to them in real time.

Every 20 ms, on a grid that begins with the answer, the person's next 20 ms go to whoever streams the call, and the next
20 ms of what waits to be played are heard. What is played comes from one place at a time: a media stream, or the
carrier's own voice between two of them.

    person --say--> mouth --20 ms--> port (the carrier's socket)      port --take--> playout --> ear, tape, keys
                                                                                        |--> marks back to the port
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from patter_cli.audio.frame import FRAME_MS, ULAW_8K, AudioFormat, Encoding, Samples
from patter_cli.audio.resample import Resampler
from patter_cli.audio.wire import wire_codec
from patter_cli.contracts.carrier.stream import LineMessage, MarkOut, MediaOut
from patter_cli.simulate.mouth import Mouth
from patter_cli.simulate.playout import Ear, Playout
from patter_cli.testing.lab.keys import KeyEar
from patter_cli.testing.lab.verdict import Sort, Sounded

RATE_HZ: Final = 8000
FRAME: Final = FRAME_MS * RATE_HZ // 1000
_OWN: Final = AudioFormat(encoding=Encoding.L16_LE, rate_hz=RATE_HZ)
"""What the carrier's own voice is played as."""
_PLAYED: Final = "played"


class StreamPort(Protocol):
    """The carrier's end of a media stream. Nothing here may block or raise."""

    def media(self, payload: bytes, at_ms: int) -> None:
        """The person's 20 ms, in the stream's format. at_ms: of its first sample, since the stream began."""

    def mark(self, name: str) -> None:
        """Everything before this mark has been played, or was cleared."""

    def key(self, digit: str) -> None:
        """The person pressed a key."""


class Source:
    """Where what is played comes from: one media stream, or one text of the carrier's own."""

    def __init__(self, format: AudioFormat, port: StreamPort | None, began_ms: float) -> None:
        self.port = port
        self.began_ms = began_ms
        """On the grid, in ms since the answer."""
        self.codec = wire_codec(format)
        self.playout = Playout(self.codec.bytes_per_ms)
        self.marks: list[str] = []
        """What went back, for who has no port."""
        self.frames = 0
        self._down = Resampler(self.codec.rate_hz, RATE_HZ)
        self._up = Resampler(RATE_HZ, self.codec.rate_hz)
        self._rest = np.zeros(0, np.int16)

    def heard(self, payload: bytes) -> Samples:
        """What was played, at 8 kHz."""
        return self._down.process(self.codec.decode(self.codec.whole(payload)))

    def spoken(self, frame: Samples) -> bytes:
        """20 ms at 8 kHz, as the stream has them; the first begins with the little that a change of rate runs late."""
        wanted = FRAME_MS * self.codec.rate_hz // 1000
        self._rest = np.concatenate([self._rest, self._up.process(frame)])
        if len(self._rest) < wanted:
            self._rest = np.concatenate([np.zeros(wanted - len(self._rest), np.int16), self._rest])
        piece, self._rest = self._rest[:wanted], self._rest[wanted:]
        return self.codec.encode(piece)


class Line:
    """The sound of one call. Times are ms since the answer."""

    def __init__(self) -> None:
        self._zero_s = asyncio.get_running_loop().time()
        self._mouth = Mouth()
        self._source: Source | None = None
        self._keys = KeyEar()
        self._watch: list[Callable[[], None]] = []
        self._over = False
        self.ear = Ear()
        """What the person has noticed of the other side."""
        self.sounds: list[Sounded] = []
        """What the person has begun to say, in order."""
        self.heard: list[tuple[int, Samples]] = []
        """What the person was played: where it begins, in samples since the answer, and 8 kHz of it."""
        self.said: list[tuple[int, Samples]] = []
        """What the person said, the same way; silence is left out."""
        self.keys_heard = ""
        """Keys that the other side pressed, in sound or by the carrier's own hand."""
        self.keys_pressed = ""
        """Those of the person."""
        self.cleared: list[float] = []
        """When something that waited was thrown away."""

    @property
    def now_ms(self) -> float:
        return (asyncio.get_running_loop().time() - self._zero_s) * 1000.0

    @property
    def queued_ms(self) -> float:
        """What waits to be played."""
        return 0.0 if self._source is None else self._source.playout.queued_ms

    async def run(self) -> None:
        """Let time pass, until cancelled; then whoever waits for something is told that it does not come."""
        try:
            await self._keep_time()
        finally:
            self._over = True
            for look in tuple(self._watch):
                look()

    async def _keep_time(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._zero_s + self._mouth.next_frame_ms / 1000.0 - loop.time())
            at, frame = self._mouth.next_frame()
            if frame is not None:
                self.said.append((at, frame))
            source = self._source
            if source is not None and source.port is not None and at / 8 >= source.began_ms:
                source.port.media(source.spoken(np.zeros(FRAME, np.int16) if frame is None else frame), source.frames)
                source.frames += FRAME_MS
            self._hear()
            self.ear.notice(self.now_ms)
            for look in tuple(self._watch):
                look()

    # --- what is played ---------------------------------------------------------------------------------------

    def attach(self, port: StreamPort, format: AudioFormat = ULAW_8K) -> Source:
        """A media stream begins: it is sent what the person says, and may play from now on."""
        return self._begin(format, port)

    def detach(self, source: Source) -> None:
        """It is over. What it still wanted to play is not played."""
        if self._source is source:
            self._source = None

    def take(self, source: Source, message: LineMessage) -> None:
        """What came over a stream. Of one that is over nothing is taken."""
        if source is not self._source:
            return
        if not isinstance(message, MediaOut | MarkOut) and source.playout.queued_ms:
            self.cleared.append(self.now_ms)
        source.playout.receive(message, self.now_ms - source.began_ms)
        self._hear()

    async def play(self, samples: Samples) -> None:
        """The carrier itself plays something; returns when it has been heard. samples: int16, 8 kHz."""
        source = self._begin(_OWN, None)
        self.take(source, MediaOut(source.codec.encode(samples)))
        self.take(source, MarkOut(name=_PLAYED))
        try:
            await self.until(lambda: _PLAYED in source.marks or self._source is not source)
        finally:
            self.detach(source)

    def press_for_agent(self, digits: str) -> None:
        """The carrier presses keys on behalf of the other side."""
        self.keys_heard += digits

    def _begin(self, format: AudioFormat, port: StreamPort | None) -> Source:
        self._source = Source(format, port, self._mouth.next_frame_ms - FRAME_MS)
        return self._source

    def _hear(self) -> None:
        source = self._source
        if source is None:
            return
        played = source.playout.tick(self.now_ms - source.began_ms)
        for at_ms, payload in played.audio:
            samples = source.heard(payload)
            at_ms += round(source.began_ms)
            self.heard.append((at_ms * 8, samples))
            self.ear.hear(at_ms, samples)
            self.keys_heard += self._keys.hear(samples)
        for name in played.marks:
            source.marks.append(name)
            if source.port is not None:
                source.port.mark(name)

    # --- what the person does ---------------------------------------------------------------------------------

    async def say(self, samples: Samples, sort: Sort = Sort.SPEECH) -> None:
        """Let something sound; returns when it has."""
        said = self._mouth.say(samples, self.now_ms)
        self.sounds.append(Sounded(sort=sort, start_ms=said.start_ms, end_ms=said.end_ms))
        await self.until(lambda: self.now_ms >= said.end_ms)

    def speak(self, samples: Samples) -> None:
        """Let more of a voice sound that comes bit by bit, after what there is of it."""
        self._mouth.say(samples, self.now_ms)

    def press(self, digit: str) -> None:
        """The person presses a key."""
        self.keys_pressed += digit
        if self._source is not None and self._source.port is not None:
            self._source.port.key(digit)

    async def until(self, condition: Callable[[], bool], within_ms: float | None = None) -> bool:
        """Look every 20 ms; False if it has not come by then, or the call is over."""
        end_ms = None if within_ms is None else self.now_ms + within_ms
        done = asyncio.get_running_loop().create_future()

        def look() -> None:
            if done.done():
                return
            if condition():
                done.set_result(True)
            elif self._over or (end_ms is not None and self.now_ms >= end_ms):
                done.set_result(False)

        self._watch.append(look)
        try:
            look()
            return bool(await done)
        finally:
            self._watch.remove(look)

    # --- what is left for whoever looks -----------------------------------------------------------------------

    def heard_audio(self) -> Samples:
        """What the person was played, from the answer on, silence where there was none: int16, 8 kHz."""
        return _laid_out(self.heard)

    def said_audio(self) -> Samples:
        """What the person said, the same way."""
        return _laid_out(self.said)


def _laid_out(pieces: list[tuple[int, Samples]]) -> Samples:
    out = np.zeros(max((at + len(each) for at, each in pieces), default=0), np.int16)
    for at, each in pieces:
        out[at : at + len(each)] = each
    return out
