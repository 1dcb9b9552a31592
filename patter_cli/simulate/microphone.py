"""Microphone and loudspeaker of this machine, full duplex, as the handset of a line.

Theory of operation. The sound card has a clock of its own and calls from a thread of its own; the line ticks by the
event loop's. Between them lies a `SampleRing` for each direction: it gives out nothing until a little has gathered,
so that neither clock's jitter is heard, and when the card's clock runs away it drops the oldest samples.

miniaudio finds PulseAudio, PipeWire, ALSA, Core Audio or WASAPI by itself and resamples to the line's rate. Where it
finds none it falls back to a device that plays into nothing; that one we do not take.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import ModuleType, TracebackType
from typing import Any, Final, Protocol, Self

import numpy as np

from patter_cli.audio.frame import FRAME_MS, Samples
from patter_cli.errors import ConfigError, InputError, MissingExtra
from patter_cli.extras import install_command

_BUFFER_MS: Final = 20
"""Of the card's. Source: loudspeaker to microphone took 31 ms at 20 ms, 60 at 40, with PulseAudio."""

_GATHER_MS: Final = 40
"""Two buffers: one that is being filled and one for the two clocks' jitter."""

_KEEP_MS: Final = 200
"""More than this waiting is delay that nobody wants to hear."""


class Handset(Protocol):
    """A microphone and a loudspeaker for the line, at its rate."""

    def take(self) -> Samples:
        """The next 20 ms of the microphone, for the taker to keep; silence where it has none."""

    def play(self, samples: Samples) -> None:
        """What is heard next."""

    def clear(self) -> None:
        """Forget what has not been played."""


class SampleRing:
    """A bounded queue of samples between two threads whose clocks differ."""

    def __init__(self, *, gather: int, keep: int) -> None:
        """gather: samples that must be there before the first is given out, and again after it ran dry.
        keep: samples that wait at most; the oldest are dropped first."""
        self._gather = gather
        self._keep = keep
        self._lock = threading.Lock()
        self._pieces: deque[Samples] = deque()
        self._count = 0
        self._flowing = False
        self.dropped = 0
        """Samples that had to make room."""

    def __len__(self) -> int:
        return self._count

    def push(self, samples: Samples) -> None:
        """Put samples at the end. They are not copied."""
        with self._lock:
            self._pieces.append(samples)
            self._count += len(samples)
            excess = self._count - self._keep
            if excess > 0:
                self._pop(excess)
                self.dropped += excess

    def pull(self, count: int) -> Samples:
        """Exactly so many samples, a new array: what is there, then silence."""
        out = np.zeros(count, np.int16)
        with self._lock:
            if self._flowing or self._count >= self._gather:
                there = min(count, self._count)
                out[:there] = self._pop(there)
                self._flowing = there == count
        return out

    def clear(self) -> None:
        """Forget what waits."""
        with self._lock:
            self._pieces.clear()
            self._count = 0
            self._flowing = False

    def _pop(self, count: int) -> Samples:
        pieces = []
        self._count -= count
        while count:
            piece = self._pieces.popleft()
            if len(piece) > count:
                self._pieces.appendleft(piece[count:])
                piece = piece[:count]
            count -= len(piece)
            pieces.append(piece)
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


class Microphone:
    """A microphone and a loudspeaker, open between `async with`. Keeps the contract of a Handset."""

    def __init__(self, rate_hz: int = 8000, *, microphone: str = "", loudspeaker: str = "") -> None:
        """microphone, loudspeaker: a part of the device's name; "" is the one that the system uses."""
        per_ms = rate_hz // 1000
        self._wanted = microphone, loudspeaker
        self._loudest = 0
        self._rate_hz = rate_hz
        self._frame = FRAME_MS * per_ms
        self._to_play = SampleRing(gather=_GATHER_MS * per_ms, keep=_KEEP_MS * per_ms)
        self._captured = SampleRing(gather=_GATHER_MS * per_ms, keep=_KEEP_MS * per_ms)
        self._devices = ExitStack()
        self._heard = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        """Open both devices, which takes up to two seconds.

        Raises MissingExtra without miniaudio, InputError for a name that no device has, ConfigError when there is no
        microphone or it cannot be opened.
        """
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._open, miniaudio_library())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop = None
        self._heard.set()
        await asyncio.to_thread(self._devices.close)

    def take(self) -> Samples:
        return self._captured.pull(self._frame)

    async def frames(self) -> AsyncIterator[Samples]:
        """What the microphone hears, 20 ms at a time, as it comes. For one listener, who does not `take` as well."""
        while self._loop is not None:
            self._heard.clear()
            while len(self._captured) >= self._frame:
                yield self._captured.pull(self._frame)
            await self._heard.wait()

    def play(self, samples: Samples) -> None:
        self._to_play.push(samples)

    def clear(self) -> None:
        self._to_play.clear()

    def level_db(self) -> float:
        """The loudest that was heard since this was last asked, in dB below full scale; -96 is silence."""
        loudest, self._loudest = self._loudest, 0
        return 20 * math.log10(max(loudest, 0.5) / 32768)

    def _open(self, miniaudio: ModuleType) -> None:
        """Start both devices. In a thread: a sound server may be slow to answer."""
        no_device = ConfigError(
            "no microphone and loudspeaker found",
            hint="patter simulate AGENT --say 'Hello' needs none; on Linux, start PulseAudio or PipeWire",
        )
        with quiet_stderr():
            if not _has_devices(miniaudio):
                raise no_device
            try:
                listen, speak = _devices(miniaudio, self._rate_hz, self._devices, *self._wanted)
                capture, playback = self._capture(), self._playback()
                next(capture)
                next(playback)
                listen.start(capture)
                speak.start(playback)
            except miniaudio.MiniaudioError as error:
                self._devices.close()
                raise no_device from error

    def _capture(self) -> Generator[None, bytes, None]:
        """Called by the card's thread with what it heard."""
        while True:
            heard = np.frombuffer((yield), np.int16)
            self._captured.push(heard)
            self._loudest = max(self._loudest, int(heard.max(initial=0)), -int(heard.min(initial=0)))
            loop = self._loop
            if loop is not None:
                with suppress(RuntimeError):  # it has just been closed
                    loop.call_soon_threadsafe(self._heard.set)

    def _playback(self) -> Generator[bytes, int, None]:
        """Called by the card's thread for so many samples."""
        wanted = yield b""
        while True:
            wanted = yield self._to_play.pull(wanted).tobytes()


def sound_library() -> str:
    """What speaks to the sound card, with its version. Raises MissingExtra."""
    return f"miniaudio {miniaudio_library().__version__}"


def sound_devices() -> tuple[list[str], list[str]]:
    """All microphones and all loudspeakers by name; none without a sound server. Raises MissingExtra."""
    miniaudio = miniaudio_library()
    with quiet_stderr():
        return _names(miniaudio, "captures"), _names(miniaudio, "playbacks")


def has_microphone() -> bool:
    """Whether a `Microphone` can be opened, found by opening one; silent, never raises.

    What a machine lists is not enough: without a sound card ALSA still lists a device that discards all samples.
    """
    try:
        miniaudio = miniaudio_library()
    except MissingExtra:
        return False
    with quiet_stderr(), ExitStack() as devices:
        if not _has_devices(miniaudio):
            return False
        try:
            _devices(miniaudio, 8000, devices)
        except miniaudio.MiniaudioError:
            return False
        return True


def _has_devices(miniaudio: ModuleType) -> bool:
    try:
        devices = miniaudio.Devices()
        return devices.backend != "Null" and bool(devices.get_captures()) and bool(devices.get_playbacks())
    except miniaudio.MiniaudioError:
        return False


def _names(miniaudio: ModuleType, kind: str) -> list[str]:
    return [str(each["name"]) for each in _listed(miniaudio, kind)]


def _listed(miniaudio: ModuleType, kind: str) -> list[Any]:
    """kind: captures or playbacks."""
    if not _has_devices(miniaudio):
        return []
    devices = miniaudio.Devices()
    return list(devices.get_captures() if kind == "captures" else devices.get_playbacks())


def _chosen(miniaudio: ModuleType, kind: str, flag: str, wanted: str) -> Any:
    """The id of the device whose name has these words; None for "", the system's own. Raises InputError."""
    if not wanted:
        return None
    there = _listed(miniaudio, kind)
    fits = [each for each in there if wanted.casefold() in str(each["name"]).casefold()]
    exact = [each for each in fits if str(each["name"]) == wanted]
    if len(exact or fits) != 1:
        names = ", ".join(repr(str(each["name"])) for each in fits or there) or "none"
        raise InputError(
            f"{flag} {wanted!r} is {'no device here' if not fits else 'more than one device'}",
            hint=f"there {'is' if len(fits or there) == 1 else 'are'}: {names}",
        )
    return (exact or fits)[0]["id"]


def _devices(
    miniaudio: ModuleType, rate_hz: int, opened: ExitStack, microphone: str = "", loudspeaker: str = ""
) -> tuple[Any, Any]:
    """Microphone and loudspeaker, not started yet, closed by `opened`. Raises MiniaudioError, InputError."""
    form = miniaudio.SampleFormat.SIGNED16
    sizes = {"nchannels": 1, "sample_rate": rate_hz, "buffersize_msec": _BUFFER_MS, "app_name": "patter"}
    hears = _chosen(miniaudio, "captures", "--microphone", microphone)
    speaks = _chosen(miniaudio, "playbacks", "--loudspeaker", loudspeaker)
    listen = miniaudio.CaptureDevice(input_format=form, device_id=hears, **sizes)
    opened.callback(listen.close)
    speak = miniaudio.PlaybackDevice(output_format=form, device_id=speaks, **sizes)
    opened.callback(speak.close)
    return listen, speak


def miniaudio_library(wanted_for: str = "the microphone") -> ModuleType:
    """What speaks to the sound card. Raises MissingExtra."""
    try:
        import miniaudio
    except ImportError as error:
        raise MissingExtra(f"{wanted_for} needs miniaudio", hint=install_command("mic")) from error
    else:
        module: ModuleType = miniaudio
        return module


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what C libraries write: ALSA alone complains in thirty lines where there is no sound card."""
    try:
        kept = os.dup(2)
    except OSError:  # closed already
        yield
        return
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
