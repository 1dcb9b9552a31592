"""A vendor's sound, whatever it turns out to be: bytes in pieces of any length become what the line or engine takes.

Vendors are asked for bare samples in one format. What comes may still begin with a WAV header, be cut in the middle of
a sample, or have another rate than was asked for; and it may be no sound at all.
"""

from __future__ import annotations

import struct

from patter_cli.audio.frame import AudioFormat, Encoding, Samples
from patter_cli.audio.resample import Resampler
from patter_cli.audio.wire import WireCodec, wire_codec
from patter_cli.errors import AudioFormatError, BadReply
from patter_cli.providers.http import Server

_HEADER_BYTES = 1 << 16
"""A WAV file whose samples begin later than this is none."""
_FOREIGN = (b"ID3", b"OggS", b"fLaC", b"<!DO", b"<htm", b'{"er', b'{"de', b'{"me', b"\x1aE\xdf\xa3")
"""How MP3, Ogg, FLAC, a page, an error and WebM begin. Bare samples could, once in four billion."""
_TAGS = {1: Encoding.L16_LE, 6: Encoding.ALAW, 7: Encoding.ULAW}
"""Source: RFC 2361, WAVE format tags."""


class SoundReader:
    """One answer's sound.

    asked: the format that it was asked for. out: the line's own format, in which it comes out as bytes; None: as
    samples at rate_hz.
    """

    def __init__(self, server: Server, asked: AudioFormat, *, out: AudioFormat | None, rate_hz: int) -> None:
        self._server = server
        self._out = None if out is None else wire_codec(out)
        self._rate_hz = rate_hz if out is None else out.rate_hz
        self._codec: WireCodec = wire_codec(asked)
        self._resampler: Resampler | None = None
        self._use(asked)
        self._start = b""
        self._begun = False
        self._half = b""
        self.taken_ms = 0.0
        """How much sound has come."""

    def promised(self, rate_hz: int) -> None:
        """The vendor says beside the sound that its rate is another. Before the first `push`. Raises BadReply."""
        if rate_hz != self._codec.rate_hz:
            self._use(AudioFormat(encoding=self._codec.format.encoding, rate_hz=rate_hz))

    def push(self, chunk: bytes) -> Samples | bytes | None:
        """What a piece completes; None if that is nothing. Raises BadReply."""
        if not self._begun:
            self._start += chunk
            if not self._opens():
                return None
            chunk, self._start = self._start, b""
        data = self._half + chunk
        width = len(self._codec.silence)
        whole = len(data) // width * width
        self._half = data[whole:]
        return self._made(data[:whole]) if whole else None

    def end(self) -> Samples | bytes | None:
        """What is left at the end; half a sample, or half a header, is not."""
        if self._resampler is None:
            return None
        samples = self._resampler.flush()
        rest = samples if self._out is None else self._out.encode(samples)
        return rest if len(rest) else None

    def _made(self, data: bytes) -> Samples | bytes:
        self.taken_ms += len(data) / self._codec.bytes_per_ms
        if self._out is not None and self._out.format == self._codec.format:
            return data
        samples = self._codec.decode(data)
        if self._resampler is not None:
            samples = self._resampler.process(samples)
        return samples if self._out is None else self._out.encode(samples)

    def _use(self, format: AudioFormat) -> None:
        self._codec = wire_codec(format)
        try:
            same = format.rate_hz == self._rate_hz
            self._resampler = None if same else Resampler(format.rate_hz, self._rate_hz)
        except AudioFormatError as error:
            raise BadReply(
                f"{self._server.host} sent sound at {format.rate_hz} Hz", provider=self._server.provider
            ) from error

    def _opens(self) -> bool:
        """Whether the start is known for what it is: a header is taken off."""
        start = self._start
        if len(start) < 4 and any(each.startswith(start) for each in (*_FOREIGN, b"RIFF")):
            return False
        if any(start.startswith(each) for each in _FOREIGN):
            raise BadReply(
                f"{self._server.host} sent something that is no bare sound: {start[:4]!r}",
                provider=self._server.provider,
            )
        if start.startswith(b"RIFF") and not self._read_header():
            return False
        self._begun = True
        return True

    def _read_header(self) -> bool:
        """Take a WAV header off the start; False: more of it must come. Raises BadReply."""
        start, at = self._start, 12
        while len(start) >= at + 8:
            name, size = struct.unpack_from("<4sI", start, at)
            if name == b"data":
                self._start = start[at + 8 :]
                return True
            if len(start) < at + 8 + min(size, 16):
                break
            if name == b"fmt " and size >= 16:
                tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", start, at + 8)
                encoding = _TAGS.get(tag)
                if encoding is None or channels != 1 or not 1000 <= rate_hz <= 192_000 or (tag == 1 and bits != 16):
                    raise BadReply(
                        f"{self._server.host} sent a WAV file of kind {tag}, {channels} channels, {bits} bits",
                        provider=self._server.provider,
                    )
                self._use(AudioFormat(encoding=encoding, rate_hz=rate_hz))
            at += 8 + size + size % 2
            if at > _HEADER_BYTES:
                raise BadReply(f"{self._server.host} sent a WAV file without sound", provider=self._server.provider)
        return False
