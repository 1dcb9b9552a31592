"""WAV files: read what people bring, write what we say, record a call as it happens."""

from __future__ import annotations

import struct
import wave
from collections.abc import Callable, Iterable
from io import BufferedWriter, FileIO
from os import PathLike
from pathlib import Path

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_alaw, decode_ulaw
from patter_cli.errors import InputError, reason

_PCM = 1
_FLOAT = 3
_ALAW = 6
_ULAW = 7
_EXTENSIBLE = 0xFFFE
"""Format tags. Source: RFC 2361; for the last, the first two bytes of its sub-format say what it is."""

RATES_HZ = range(4000, 384_001)
"""What sound is recorded at; another rate is a damaged header, or would take more memory than a machine has."""
LARGEST_BYTES = 1 << 30
"""A file is read whole: an hour of studio stereo fits."""

WRITE_ELSEWHERE = "name a file in a folder of yours, on a disk with room"
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_LARGEST = 0xFFFF_FFFF - _HEADER.size
"""Sizes in a WAV header are 32 bits: 37 hours of 8 kHz stereo."""


def check_writable(path: Path) -> None:
    """Find out now what would fail after a call. Leaves nothing behind. Raises InputError."""
    try:
        there = path.exists()
        if there and not path.is_file():
            return  # a pipe or a device: opening it is the beginning of writing
        path.open("ab").close()
        if not there:
            path.unlink()
    except OSError as error:
        raise InputError(f"cannot write {path}: {reason(error)}", hint=WRITE_ELSEWHERE) from error


def write_wav(path: str | PathLike[str], samples: Samples, rate_hz: int) -> None:
    """Write 16-bit PCM; a file that was not there and cannot be written whole is not left either.

    samples: int16, shape (n,), or (n, channels). Raises InputError.
    """
    there = Path(path).exists()
    try:
        with Path(path).open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
            file.setsampwidth(2)
            file.setframerate(rate_hz)
            file.writeframes(samples.astype("<i2", copy=False).tobytes())
    except OSError as error:
        if not there:
            Path(path).unlink(missing_ok=True)
        lost = f"; {len(samples) / rate_hz:.1f} s of sound are lost"
        raise InputError(f"cannot write {path}: {reason(error)}{lost}", hint=WRITE_ELSEWHERE) from error


def read_wav(path: str | PathLike[str]) -> tuple[Samples, int]:
    """Read a WAV file as one channel and its rate.

    Takes PCM of 8, 16, 24 and 32 bits, floats of 32 and 64 (1.0 is full scale, more is clipped), mu-law and A-law,
    any number of channels (their mean is returned). A file whose data ends before its header says so, or whose header
    was never finished (a size of 0 or of all ones), as a killed recorder leaves it, is read as far as it goes.
    Raises InputError, naming the file, for anything else.
    """
    sides, rate_hz = _read(path)
    if sides.shape[1] == 1:
        return sides[:, 0], rate_hz
    return sides.mean(axis=1).round().astype(np.int16), rate_hz


def read_sides(path: str | PathLike[str]) -> tuple[Samples, int]:
    """Read all channels of a WAV file, int16, shape (n, channels), and its rate. Raises InputError as `read_wav`."""
    return _read(path)


def read_channel(path: str | PathLike[str], channel: int) -> tuple[Samples, int]:
    """Read one channel of a WAV file, counted from 0, and its rate. Raises InputError as `read_wav` does."""
    sides, rate_hz = _read(path)
    if channel >= sides.shape[1]:
        raise _unreadable(path, f"it has no channel {channel}")
    return np.ascontiguousarray(sides[:, channel]), rate_hz


def read_channels(path: str | PathLike[str]) -> tuple[Samples, int]:
    """Read all channels of a WAV file, shape (n, channels), and its rate. Raises InputError as `read_wav` does."""
    return _read(path)


def mute(path: str | PathLike[str], stretches: Iterable[tuple[int, int, int]]) -> None:
    """Make parts of a WAV file silent: (channel, from, to) in ms. It becomes PCM of 16 bits, whole or not at all.

    Raises InputError as `read_wav` does, and where the file cannot be written.
    """
    sides, rate_hz = _read(path)
    sides = sides.copy()
    for channel, begin_ms, end_ms in stretches:
        if 0 <= channel < sides.shape[1]:
            sides[max(0, begin_ms) * rate_hz // 1000 : max(0, end_ms) * rate_hz // 1000 + 1, channel] = 0
    part = Path(f"{path}.part")
    try:
        with wave.open(str(part), "wb") as file:
            file.setnchannels(sides.shape[1])
            file.setsampwidth(2)
            file.setframerate(rate_hz)
            file.writeframes(sides.astype("<i2", copy=False).tobytes())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {reason(error)}", hint=WRITE_ELSEWHERE) from error


def _read(path: str | PathLike[str]) -> tuple[Samples, int]:
    """All channels, shape (n, channels)."""
    try:
        if (size := Path(path).stat().st_size) > LARGEST_BYTES:
            raise InputError(
                f"cannot read {path}: it has {size / 1e9:.1f} GB, and 1 GB is the most",
                hint=f"ffmpeg -i {path} -t 600 -ar 8000 -ac 1 shorter.wav",
            )
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}", hint="name a WAV file that you can read") from error
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise _unreadable(path, "it is not a WAV file")
    chunks = _chunks(content)
    form, data = chunks.get(b"fmt "), chunks.get(b"data")
    if form is None or data is None or len(form) < 16:
        raise _unreadable(path, "it has no format or no data")
    tag, channels, rate_hz, _, block, bits = struct.unpack_from("<HHIIHH", form)
    if tag == _EXTENSIBLE and len(form) >= 26:
        tag = struct.unpack_from("<H", form, 24)[0]
    if (tag, bits) not in _ENCODINGS:
        raise _unreadable(path, f"its encoding (format {tag}, {bits} bits) is not one we know")
    if not channels or block != channels * bits // 8:
        raise _unreadable(path, "its header makes no sense")
    if rate_hz not in RATES_HZ:
        raise _unreadable(path, f"its header says {rate_hz} samples a second")
    decoded = _ENCODINGS[tag, bits](bytes(data[: len(data) // block * block]))
    return decoded.reshape(-1, channels), rate_hz


class StereoRecorder:
    """A call as a stereo file on its true timeline: caller left, agent right, silence where nobody speaks.

    It writes as the call goes on and keeps about two seconds in memory; whatever moment the process dies at,
    the file is a whole WAV up to the last write. Samples that belong to what is on disk already are dropped.
    Every method may raise OSError (a full disk): what was written before stays readable.
    """

    _KEEP_S = 2
    """Longer than any lead we send ahead, so that a cut always finds its audio in memory."""

    def __init__(self, path: str | PathLike[str], rate_hz: int) -> None:
        """Create the file. rate_hz: of both sides."""
        self._rate_hz = rate_hz
        self._file = BufferedWriter(FileIO(path, "w"))
        self._written = 0
        """Frames on disk; `_recent[0]` is the next."""
        self._end = 0
        """Where the later of the two sides ends."""
        self._recent = np.zeros((2 * self._KEEP_S * rate_hz, 2), np.int16)
        self._write_header()

    @property
    def written_samples(self) -> int:
        """How much of the call is on disk, from its start."""
        return self._written

    def caller(self, at_sample: int, samples: Samples) -> None:
        """Put what the caller said at its place, counted in samples from the start of the call."""
        self._put(0, at_sample, samples)

    def agent(self, at_sample: int, samples: Samples) -> None:
        """Put what the agent said at the place where it is played."""
        self._put(1, at_sample, samples)

    def cut_agent(self, at_sample: int) -> None:
        """Erase the agent from this place on: it was cleared before it was played."""
        self._recent[max(0, at_sample - self._written) :, 1] = 0

    def close(self) -> None:
        """Write the rest and close. Twice is fine."""
        if self._file.closed:
            return
        try:
            self._flush(self._end)
        finally:
            self._file.close()

    def _put(self, side: int, at_sample: int, samples: Samples) -> None:
        if at_sample < self._written:
            samples = samples[self._written - at_sample :]
            at_sample = self._written
        room = len(self._recent)
        while len(samples):
            # Whatever comes, the newest two seconds stay in memory and older ones go to disk.
            piece = samples[: room // 2]
            end = at_sample + len(piece)
            if end - self._written > room:
                self._flush(end - room // 2)
            start = at_sample - self._written
            self._recent[start : start + len(piece), side] = piece
            self._end = max(self._end, end)
            samples = samples[len(piece) :]
            at_sample = end

    def _flush(self, until: int) -> None:
        """Bring everything before `until` to disk, then say so in the header: in this order it is never wrong."""
        count = min(until - self._written, len(self._recent))
        size = _HEADER.size + until * 4
        if size > _LARGEST:
            raise OSError("the recording is longer than a WAV file can be")
        self._file.write(self._recent[:count].astype("<i2", copy=False).tobytes())
        self._file.flush()
        self._file.truncate(size)  # a gap longer than the memory: silence that takes no writing
        self._recent[: len(self._recent) - count] = self._recent[count:]
        self._recent[len(self._recent) - count :] = 0
        self._written = until
        self._write_header()

    def _write_header(self) -> None:
        data = self._written * 4
        rate = self._rate_hz
        self._file.seek(0)
        self._file.write(
            _HEADER.pack(
                *(b"RIFF", _HEADER.size - 8 + data, b"WAVE", b"fmt ", 16),
                *(_PCM, 2, rate, rate * 4, 4, 16, b"data", data),
            )
        )
        self._file.seek(_HEADER.size + data)
        self._file.flush()


def _chunks(content: bytes) -> dict[bytes, memoryview]:
    """The chunks of a RIFF file by name, the first of each, cut where the file ends.

    A recorder that was killed has not written the size of its data yet: they go to the end then.
    """
    view = memoryview(content)
    chunks: dict[bytes, memoryview] = {}
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        if name == b"data" and size == 0:
            size = len(content) - at - 8
        chunks.setdefault(name, view[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return chunks


def _decode_pcm8(data: bytes) -> Samples:
    """8-bit WAV is unsigned, alone of all widths."""
    return (np.frombuffer(data, np.uint8).astype(np.int16) - 128) << 8


def _decode_pcm16(data: bytes) -> Samples:
    return np.frombuffer(data, "<i2").astype(np.int16)


def _decode_pcm24(data: bytes) -> Samples:
    upper = np.frombuffer(data, np.uint8).reshape(-1, 3)[:, 1:]
    return np.ascontiguousarray(upper).view("<i2").reshape(-1).astype(np.int16)


def _decode_pcm32(data: bytes) -> Samples:
    return np.frombuffer(data, "<i2")[1::2].astype(np.int16)


def _decode_float(data: bytes, kind: str) -> Samples:
    values = np.nan_to_num(np.frombuffer(data, kind).astype(np.float64), nan=0.0, posinf=1.0, neginf=-1.0)
    return np.asarray(np.clip(np.round(values * 32768.0), -32768, 32767), np.int16)


_ENCODINGS: dict[tuple[int, int], Callable[[bytes], Samples]] = {
    (_PCM, 8): _decode_pcm8,
    (_PCM, 16): _decode_pcm16,
    (_PCM, 24): _decode_pcm24,
    (_PCM, 32): _decode_pcm32,
    (_FLOAT, 32): lambda data: _decode_float(data, "<f4"),
    (_FLOAT, 64): lambda data: _decode_float(data, "<f8"),
    (_ALAW, 8): decode_alaw,
    (_ULAW, 8): decode_ulaw,
}
"""Format tag and bits a sample -> the samples of all channels in turn, of data that holds whole samples."""


def _unreadable(path: str | PathLike[str], why: str) -> InputError:
    return InputError(f"cannot read {path}: {why}", hint=f"ffmpeg -i {path} -ar 8000 -ac 1 -c:a pcm_s16le fixed.wav")
