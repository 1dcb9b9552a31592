"""The way in, per frame and without an await: wire audio in order, decoded, cleaned, given to ear and recognition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from patter_cli.audio.jitter import JitterBuffer, JitterCounts
from patter_cli.audio.resample import Resampler
from patter_cli.audio.vad import Piece, VoiceEdge, VoiceStarted
from patter_cli.audio.wire import ULAW_8K_WIRE, Decode, LineAudio, WireCodec
from patter_cli.contracts.carrier.stream import MediaIn
from patter_cli.contracts.echo import EchoCanceller
from patter_cli.core.events import Event, SpeechEnded, SpeechStarted
from patter_cli.engine.clock import CallClock
from patter_cli.engine.echo_thread import EchoLane, EchoThread
from patter_cli.engine.filtering import GuardedFilter
from patter_cli.engine.playout_reference import PlayoutReference
from patter_cli.engine.sound import CallSound

SLACK_MS = 10.0
"""How much better the delay must be known before the echo's reference is moved: the canceller finds the echo's delay
itself, and each move makes it look again."""


class AudioSink(Protocol):
    """Who wants the caller's samples and to know when they are speech."""

    def push(self, audio: LineAudio) -> None: ...

    def speech_started(self, onset_ms: int) -> None: ...

    def speech_ended(self) -> None: ...


class VadStream(Protocol):
    """Finds speech in one call's samples."""

    def push(self, piece: Piece, *, masked: bool = False) -> None:
        """masked: whatever sounds in these is not the caller."""

    def close(self) -> None: ...


class VadSource(Protocol):
    """Hands out ears that hear at this rate and report speech edges in media time."""

    @property
    def rate_hz(self) -> int: ...

    def listen(self, on_edge: Callable[[VoiceEdge], None], decode: Decode) -> VadStream:
        """decode: reads what is pushed as bytes, one a sample."""


class InboundPath:
    """One call's incoming audio, in whatever the wire speaks.

    Media time is kept by the jitter buffer; call time is media time plus the least delay seen between the two, so
    that neither a late start of the stream nor a burst after a freeze shifts what we say about when. A jump of the
    carrier's timeline leaves media time behind, so the delay is then taken anew.

    With `echo` and `far`, our own voice is taken out before anything hears it: near is what arrived, far what the
    phone played in the same samples of call time. `audio_filter` comes after that. All of it has the line's own rate;
    only the ear may want another, and gets it from a resampler here.
    """

    def __init__(
        self,
        *,
        clock: CallClock,
        room: VadSource,
        hearing: AudioSink,
        post: Callable[[Event], None],
        wire: WireCodec = ULAW_8K_WIRE,
        echo: EchoCanceller | None = None,
        far: PlayoutReference | None = None,
        audio_filter: GuardedFilter | None = None,
        echo_thread: EchoThread | None = None,
        sound: CallSound | None = None,
    ) -> None:
        """echo_thread: where a canceller that has work to do does it; None: right here. sound: the call's recording,
        which has what the line brought."""
        self._clock = clock
        self._hearing = hearing
        self._post = post
        self._wire = wire
        self._jitter = JitterBuffer(bytes_per_ms=wire.bytes_per_ms, silence=wire.silence)
        self._to_ear = Resampler(wire.rate_hz, room.rate_hz)
        self._ear = room.listen(self._on_edge, wire.decode)
        self._ear_takes_wire = len(wire.silence) == 1 and wire.rate_hz == room.rate_hz
        self._offset_ms: float | None = None
        self._shift_ms = 0
        self._lane = None if echo is None or far is None else EchoLane(echo, far, self._hear, echo_thread)
        self._filter = audio_filter
        self._sound = sound
        self._samples_per_ms = wire.rate_hz / 1000
        self._received = 0
        """Samples of media time so far."""
        self.muted = False
        """Silence is heard in place of the caller."""
        self._aligned_ms = 0.0
        """The delay that the echo's reference is read with."""

    @property
    def counts(self) -> JitterCounts:
        return self._jitter.counts

    def push(self, media: MediaIn) -> None:
        """Take one media message."""
        released = self._jitter.push(media.sequence, media.timestamp_ms, self._wire.whole(media.payload))
        offset = self._clock.now_ms() - self._jitter.media_ms
        shift = self._jitter.shift_ms
        if self._offset_ms is None or offset < self._offset_ms or shift != self._shift_ms:
            self._offset_ms, self._shift_ms = offset, shift
            if abs(offset - self._aligned_ms) > SLACK_MS:
                self._aligned_ms = offset
        for payload in released:
            audio = LineAudio(coded=payload, wire=self._wire)
            start = self._received + round(self._aligned_ms * self._samples_per_ms)
            self._received += audio.count
            if self._sound is not None and not self.muted:
                self._sound.caller(start, payload)
            if self._lane is None:
                self._hear(audio, True)
            else:
                self._lane.push(audio, start)

    def close(self) -> None:
        if self._lane is not None:
            self._lane.close()
        self._ear.close()

    def _hear(self, audio: LineAudio, trusted: bool) -> None:
        """The next samples, without our echo. trusted: a voice in them may be the caller's."""
        if self.muted:
            audio = LineAudio(coded=self._wire.silence * audio.count, wire=self._wire)
        if self._filter is not None:
            audio = LineAudio(self._filter.process(audio.samples))
        self._hearing.push(audio)
        # A canceller that still learns leaves so much of us that the ear would take it for the caller.
        if audio.coded and self._ear_takes_wire:
            self._ear.push(audio.coded, masked=not trusted)
        else:
            self._ear.push(self._to_ear.process(audio.samples), masked=not trusted)

    def _on_edge(self, edge: VoiceEdge) -> None:
        offset = self._offset_ms or 0.0
        if isinstance(edge, VoiceStarted):
            self._hearing.speech_started(edge.onset_ms)
            self._post(SpeechStarted(at_ms=max(0, int(edge.onset_ms + offset))))
        else:
            self._hearing.speech_ended()
            self._post(SpeechEnded(at_ms=max(0, int(edge.last_voiced_ms + offset)), hummed=edge.hummed))
