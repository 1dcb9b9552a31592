"""The way to the caller on a wire that keeps no audio: we play it out ourselves, in real time (audio.live_playout).

No task: a timer of the event loop sends what is due. A mark is answered from here, and never in the middle of the call
that set it. While the connection takes nothing, time stands still: what waits is kept up to a limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from patter_cli.audio.frame import FRAME_MS, AudioFormat
from patter_cli.audio.live_playout import LivePlayout
from patter_cli.audio.wire import wire_codec
from patter_cli.contracts.carrier.direct import ByteCodec
from patter_cli.contracts.carrier.stream import CarrierMessage, MarkIn


class ByteWire(Protocol):
    """The connection, as far as the way out needs it."""

    @property
    def closed(self) -> bool: ...

    @property
    def writable(self) -> bool: ...

    def write(self, data: bytes) -> None: ...


class LiveSender:
    """One call's."""

    def __init__(
        self,
        wire: ByteWire,
        codec: ByteCodec,
        format: AudioFormat,
        *,
        on_mark: Callable[[MarkIn], None],
        kept_ms: int,
    ) -> None:
        """kept_ms: what waits at most; audio beyond it is dropped."""
        line = wire_codec(format)
        self._wire = wire
        self._codec = codec
        self._on_mark = on_mark
        self._kept_ms = kept_ms
        self._playout = LivePlayout(bytes_per_ms=line.bytes_per_ms, silence=line.silence, frame_ms=FRAME_MS)
        self._silent_frame = line.silence * (FRAME_MS * line.bytes_per_ms // len(line.silence))
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._wrote_ms = self._now_ms()
        self.dropped = 0
        self._pump()

    @property
    def closed(self) -> bool:
        return self._wire.closed

    def media(self, payload: bytes) -> None:
        if self._wire.closed:
            return
        if self._playout.kept_ms > self._kept_ms:
            self.dropped += 1
            return
        self._playout.push(payload)
        self._pump()

    def mark(self, name: str) -> None:
        self._playout.push_mark(name)
        self._pump()

    def clear(self) -> None:
        for name in self._playout.clear():
            self._reached(name)
        self._pump()

    def send(self, text: str) -> None:
        """There are no messages on this wire but audio."""
        self.dropped += 1

    def listen(self, hear: Callable[[CarrierMessage], bool]) -> None:
        """The line says nothing that anybody could wait for."""

    def heard(self, message: CarrierMessage) -> bool:
        return False

    def flush(self) -> None:
        """The connection takes again."""
        self._pump()

    def close(self) -> None:
        """Send nothing more. Twice is fine."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pump(self) -> None:
        self.close()
        if self._wire.closed or not self._wire.writable:
            return
        now_ms = self._now_ms()
        for item in self._playout.release(now_ms):
            if isinstance(item, str):
                self._reached(item)
            else:
                self._write(item, now_ms)
        silent_at_ms = self._wrote_ms + self._codec.keep_alive_ms
        if now_ms >= silent_at_ms:
            self._write(self._silent_frame, now_ms)
            silent_at_ms = now_ms + self._codec.keep_alive_ms
        due_ms = self._playout.next_release_ms()
        next_ms = silent_at_ms if due_ms is None else min(due_ms, silent_at_ms)
        self._timer = self._loop.call_at(next_ms / 1000, self._pump)

    def _write(self, frame: bytes, now_ms: float) -> None:
        self._wire.write(self._codec.media(frame))
        self._wrote_ms = now_ms

    def _reached(self, name: str) -> None:
        self._loop.call_soon(self._on_mark, MarkIn(name=name))

    def _now_ms(self) -> float:
        return self._loop.time() * 1000
