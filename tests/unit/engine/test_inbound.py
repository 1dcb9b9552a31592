"""The way in: what the ear and recognition get of the wire, and when an edge was, in call time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import ULAW_SILENCE, decode_ulaw, encode_ulaw
from patter_cli.audio.jitter import RESYNC_MS
from patter_cli.audio.vad import Piece, VoiceEdge, VoiceStarted, VoiceStopped
from patter_cli.audio.wire import Decode, LineAudio
from patter_cli.contracts.carrier.stream import MediaIn
from patter_cli.core.events import Event, SpeechEnded, SpeechStarted
from patter_cli.engine.clock import CallClock
from patter_cli.engine.filtering import GuardedFilter
from patter_cli.engine.inbound import SLACK_MS, InboundPath, VadStream
from patter_cli.engine.playout_reference import PlayoutReference

FRAME = b"\x10" * 160


class HandClock(CallClock):
    """Call time set by hand."""

    __slots__ = ("at_ms",)

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop())
        self.at_ms = 0.0

    def now_ms(self) -> float:
        return self.at_ms


class Rig:
    """A path between a clock, a room whose ear says what it is told to, and recognition."""

    rate_hz = 8000

    def __init__(self, *, far: PlayoutReference | None = None) -> None:
        self.clock = HandClock()
        self.references: list[Samples] = []
        self.order: list[str] = []
        self.events: list[Event] = []
        self.heard: list[Samples] = []
        self.told: list[str] = []
        self.ear_heard = 0
        self.ear_loud = False
        self.ear_masked = False
        self.ear_open = True
        self.edge: Callable[[VoiceEdge], None]
        self.canceller = _Canceller(self)
        self.inbound = InboundPath(
            clock=self.clock,
            room=self,
            hearing=self,
            post=self.events.append,
            echo=self.canceller if far is not None else None,
            far=far,
            audio_filter=None if far is None else GuardedFilter(_Quieter(self), rate_hz=8000, seconds=lambda: 0.0),
        )
        self.sequence = 0

    def listen(self, on_edge: Callable[[VoiceEdge], None], decode: Decode) -> VadStream:
        self.edge = on_edge
        rig = self

        class OneEar:
            def push(self, piece: Piece, *, masked: bool = False) -> None:
                samples = decode_ulaw(piece) if isinstance(piece, bytes) else piece
                rig.ear_heard += len(samples)
                rig.ear_loud = bool(samples.any())
                rig.ear_masked = masked

            def close(self) -> None:
                rig.ear_open = False

        return OneEar()

    def push(self, audio: LineAudio) -> None:
        self.heard.append(audio.samples)

    def speech_started(self, onset_ms: int) -> None:
        self.told.append(f"started {onset_ms}")

    def speech_ended(self) -> None:
        self.told.append("ended")

    def frame(self, timestamp_ms: int, at_ms: float, payload: bytes = FRAME) -> None:
        """A message of the carrier, arriving at this call time."""
        self.clock.at_ms = at_ms
        self.sequence += 1
        self.inbound.push(MediaIn(payload=payload, timestamp_ms=timestamp_ms, sequence=self.sequence))

    def frames(self, first_ms: int, last_ms: int, delay_ms: float) -> None:
        """A stretch of them, each as late as the others after its last sample."""
        for timestamp_ms in range(first_ms, last_ms, 20):
            self.frame(timestamp_ms, timestamp_ms + 20 + delay_ms)

    @property
    def samples(self) -> int:
        return sum(len(each) for each in self.heard)


class _Canceller:
    """Adds one to every sample and keeps the reference."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.trusted = True
        self.heavy = False

    def passes(self, near: LineAudio, sounds: bool, played: Callable[[int], Samples]) -> bool:
        return False

    def process(self, near: Samples, far: Samples) -> Samples:
        self.rig.order.append("echo")
        self.rig.references.append(far)
        return near + 1


class _Quieter:
    """Halves every sample."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def process(self, samples: Samples, rate_hz: int) -> Samples:
        self.rig.order.append("filter")
        return samples // 2


@pytest.fixture
async def rig() -> Rig:
    return Rig()


async def test_a_frame_reaches_the_ear_and_recognition_decoded(rig: Rig) -> None:
    """At once, sample for sample."""
    payload = bytes(range(160))
    rig.frame(0, 20, payload)
    assert np.array_equal(np.concatenate(rig.heard), decode_ulaw(payload))
    assert rig.ear_heard == 160


async def test_what_the_line_lost_is_heard_as_silence(rig: Rig) -> None:
    """In its place and of its length, so that samples stay a clock; and it is counted."""
    rig.frames(0, 100, 0)
    rig.frames(140, 300, 0)
    assert rig.samples == rig.ear_heard == 300 * 8
    hole = np.concatenate(rig.heard)[100 * 8 : 140 * 8]
    assert np.array_equal(hole, decode_ulaw(ULAW_SILENCE * 320))
    assert rig.inbound.counts.lost_ms == 40


async def test_edges_are_told_to_recognition_in_media_time_and_posted_in_call_time(rig: Rig) -> None:
    """They differ by how long after the call's start the stream began."""
    rig.frames(0, 1000, 300)
    rig.edge(VoiceStarted(onset_ms=640))
    rig.edge(VoiceStopped(last_voiced_ms=960))
    assert rig.told == ["started 640", "ended"]
    assert rig.events == [SpeechStarted(at_ms=940), SpeechEnded(at_ms=1260)]


async def test_a_burst_after_a_freeze_does_not_shift_call_time(rig: Rig) -> None:
    """The least delay seen counts, whether the frozen stretch comes late or is the first of the call."""
    rig.frames(0, 500, 70)
    for timestamp_ms in range(500, 1500, 20):
        rig.frame(timestamp_ms, 1600)
    rig.edge(VoiceStopped(last_voiced_ms=1400))
    assert rig.events == [SpeechEnded(at_ms=1470)]


async def test_the_delay_is_learned_from_the_quickest_frame(rig: Rig) -> None:
    """A first frame that was held up is corrected by those that were not."""
    rig.frame(0, 520)
    rig.frames(20, 1000, 30)
    rig.edge(VoiceStarted(onset_ms=700))
    assert rig.events == [SpeechStarted(at_ms=730)]


async def test_an_edge_is_never_before_the_call(rig: Rig) -> None:
    """A carrier that sends faster than real time would date it so."""
    rig.edge(VoiceStarted(onset_ms=0))
    for timestamp_ms in range(0, 400, 20):
        rig.frame(timestamp_ms, 10)
    rig.edge(VoiceStopped(last_voiced_ms=64))
    assert rig.events == [SpeechStarted(at_ms=0), SpeechEnded(at_ms=0)]


@pytest.mark.parametrize("jump_ms", [RESYNC_MS + 1000, -RESYNC_MS - 1000])
async def test_a_jump_of_the_timeline_does_not_date_speech_wrongly_ever_after(rig: Rig, jump_ms: int) -> None:
    """Seconds that never came are missing in media time; what follows is when it was heard, all the same."""
    rig.frames(0, 4000, 50)
    silent_ms = max(0, jump_ms)
    for n in range(50):
        rig.frame(4000 + jump_ms + n * 20, 4000 + silent_ms + n * 20 + 20 + 50)
    assert rig.samples == 5000 * 8
    rig.edge(VoiceStopped(last_voiced_ms=4900))
    assert rig.events == [SpeechEnded(at_ms=4900 + silent_ms + 50)]


async def test_closing_closes_the_ear(rig: Rig) -> None:
    """The room need not score a call that is over."""
    rig.inbound.close()
    assert not rig.ear_open


async def test_the_echo_goes_first_and_the_filter_after_it() -> None:
    """Ear and recognition get what is left, frame for frame."""
    rig = Rig(far=PlayoutReference())
    rig.frames(0, 60, 0)
    assert rig.order == ["echo", "filter"] * 3
    assert np.array_equal(rig.heard[0], (decode_ulaw(FRAME) + 1) // 2)
    assert rig.ear_heard == 480


async def test_what_a_canceller_leaves_before_it_has_learned_is_no_voice() -> None:
    """The ear may only learn the line's level from it, and loses no time; recognition keeps what there was."""
    rig = Rig(far=PlayoutReference())
    rig.canceller.trusted = False
    rig.frames(0, 60, 0)
    assert (rig.ear_heard, rig.ear_loud, rig.ear_masked) == (480, True, True)
    assert rig.heard[0].any()
    rig.canceller.trusted = True
    rig.frames(60, 80, 0)
    assert (rig.ear_heard, rig.ear_loud, rig.ear_masked) == (640, True, False)


async def test_the_reference_is_what_was_played_while_the_caller_spoke() -> None:
    """By call time: a frame that arrives late belongs to the moment at which the first ones say it was spoken."""
    far = PlayoutReference()
    played = np.arange(2000, dtype=np.int16) % 200
    far.sent(encode_ulaw(played * 100), 300.0)
    rig = Rig(far=far)
    rig.frames(0, 200, 300)
    rig.frame(200, 900)
    reference = np.concatenate(rig.references)
    assert np.array_equal(reference, far.read(2400, 220 * 8))


async def test_small_changes_of_the_delay_do_not_move_the_reference() -> None:
    """Large ones do; the canceller must look for the echo anew each time."""
    far = PlayoutReference()
    far.sent(encode_ulaw((np.arange(4000, dtype=np.int16) % 200) * 100), 0.0)
    rig = Rig(far=far)
    for timestamp_ms, delay_ms in ((0, 100), (20, 100 - SLACK_MS + 1), (40, 50)):
        rig.frame(timestamp_ms, timestamp_ms + 20 + delay_ms)
    for reference, start_ms in zip(rig.references, (100, 120, 90), strict=True):
        assert np.array_equal(reference, far.read(start_ms * 8, 160))


async def test_of_a_muted_caller_nothing_is_heard() -> None:
    """Ear and recognition get as much silence as there was sound, so that nothing is out of step afterwards."""
    rig = Rig()
    rig.frames(0, 100, 5)
    rig.inbound.muted = True
    rig.heard.clear()
    rig.frames(100, 200, 5)
    assert rig.samples == 800
    assert not any(each.any() for each in rig.heard)
    assert not rig.ear_loud
    rig.inbound.muted = False
    rig.frames(200, 220, 5)
    assert rig.ear_loud
    assert rig.ear_heard == 220 * 8
