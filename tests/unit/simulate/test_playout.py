"""The playout model: every byte heard once and in order, marks when they are due, clear at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.tone import dtmf
from patter_cli.contracts.carrier.stream import ClearOut, LineMessage, MarkOut, MediaOut, Refused
from patter_cli.simulate.playout import (
    MAX_QUEUED_MS,
    AgentStarted,
    AgentStopped,
    Ear,
    Heard,
    Playout,
)

AUDIO = bytes(range(160))
FRAME = MediaOut(AUDIO)


def test_audio_waits_for_the_next_tick() -> None:
    """The carrier's clock ticks every 20 ms: what comes between two ticks is played at the second."""
    playout = Playout()
    playout.receive(FRAME, 45.0)
    assert playout.tick(59.9) == Heard((), ())
    assert playout.tick(60.0) == Heard(((60, AUDIO),), ())


def test_a_second_at_once_takes_a_second() -> None:
    """Fifty frames in one message are played in fifty ticks."""
    playout = Playout()
    playout.receive(MediaOut(AUDIO * 50), 1.0)
    assert playout.tick(500.0).audio == tuple((at, AUDIO) for at in range(20, 501, 20))
    assert playout.queued_ms == 500
    assert len(playout.tick(5000.0).audio) == 25
    assert playout.idle


def test_a_late_look_changes_nothing() -> None:
    """What was played is the same whether one looks at every tick or once at the end."""
    playout = Playout()
    playout.receive(FRAME, 5.0)
    playout.receive(FRAME, 90.0)
    assert playout.tick(1000.0).audio == ((20, AUDIO), (100, AUDIO))


def test_a_mark_comes_back_when_its_audio_has_been_played() -> None:
    """Not when the last frame begins but when it ends."""
    playout = Playout()
    playout.receive(MediaOut(AUDIO + AUDIO), 0.5)
    playout.receive(MarkOut(name="end"), 0.6)
    assert playout.tick(40.0).marks == ()
    assert playout.tick(59.0).marks == ()
    assert playout.tick(60.0).marks == ("end",)


def test_a_mark_inside_a_frame_comes_back_with_its_end() -> None:
    """Short messages share a tick; a mark between them waits for the tick's end."""
    playout = Playout()
    playout.receive(MediaOut(b"a" * 80), 0.0)
    playout.receive(MarkOut(name="middle"), 0.0)
    playout.receive(MediaOut(b"b" * 80), 0.0)
    assert playout.tick(20.0) == Heard(((20, b"a" * 80 + b"b" * 80),), ())
    assert playout.tick(40.0) == Heard((), ("middle",))


def test_a_mark_with_nothing_before_it_comes_back_at_once() -> None:
    """An empty queue has nothing to wait for; a frame that still plays has."""
    playout = Playout()
    playout.receive(MarkOut(name="first"), 3.0)
    assert playout.tick(3.0).marks == ("first",)
    playout.receive(FRAME, 5.0)
    assert playout.tick(25.0).audio == ((20, AUDIO),)
    playout.receive(MarkOut(name="second"), 26.0)
    assert playout.tick(39.0).marks == ()
    assert playout.tick(40.0).marks == ("second",)


def test_clear_returns_every_mark_at_once() -> None:
    """What waits is forgotten, its marks come back in order, and what is sent later is played."""
    playout = Playout()
    playout.receive(FRAME, 0.0)
    playout.receive(MarkOut(name="a"), 0.0)
    playout.receive(MediaOut(AUDIO * 10), 0.0)
    playout.receive(MarkOut(name="b"), 0.0)
    playout.tick(20.0)
    playout.receive(ClearOut(), 30.0)
    assert playout.tick(30.0) == Heard((), ("a", "b"))
    assert playout.queued_ms == 0
    playout.receive(FRAME, 31.0)
    assert playout.tick(60.0) == Heard(((40, AUDIO),), ())


def test_a_clear_returns_the_mark_inside_the_frame_too() -> None:
    """A mark that only waits for the end of a tick is pending like any other."""
    playout = Playout()
    playout.receive(MediaOut(b"a" * 8), 0.0)
    playout.receive(MarkOut(name="inside"), 0.0)
    playout.receive(MediaOut(b"b" * 8), 0.0)
    playout.tick(20.0)
    playout.receive(ClearOut(), 25.0)
    assert playout.tick(25.0).marks == ("inside",)
    assert playout.tick(45.0).marks == ()


def test_ten_minutes_are_enough() -> None:
    """What would be queued beyond the carrier's limit is thrown away and counted; the rest is played."""
    playout = Playout()
    playout.receive(MediaOut(bytes(MAX_QUEUED_MS * 8)), 1.0)
    playout.receive(FRAME, 1.0)
    assert playout.discarded_ms == 20
    assert playout.queued_ms == MAX_QUEUED_MS


MESSAGES = st.one_of(
    st.binary(min_size=0, max_size=500).map(MediaOut),
    st.builds(MarkOut, name=st.uuids().map(str)),
    st.just(ClearOut()),
    st.just(Refused(why="x")),
)
SCRIPT = st.lists(st.tuples(st.floats(0, 120), MESSAGES, st.booleans()), max_size=40)


@given(SCRIPT)
def test_all_is_heard_once_in_order_unless_cleared(script: list[tuple[float, LineMessage, bool]]) -> None:
    """Bytes come out as they went in; what a clear removed is the end of what was sent before it; every mark
    comes back exactly once and in order, after its audio or at the clear."""
    playout = Playout()
    now = 0.0
    sent, heard = b"", b""
    marks: list[tuple[str, int]] = []
    returned: list[str] = []
    ends: list[int] = []

    def look(heard: bytes) -> bytes:
        out = playout.tick(now)
        for at, payload in out.audio:
            assert at % 20 == 0
            assert at <= now
            assert 0 < len(payload) <= 160
            assert not ends or at >= ends[-1]
            ends.append(at + 20)
            heard += payload
        for name in out.marks:
            expected, before = marks[len(returned)]
            assert name == expected
            assert len(heard) >= before
            returned.append(name)
        return heard

    for pause, message, looks in script:
        now += pause
        if isinstance(message, ClearOut):
            heard = look(heard)
            playout.receive(message, now)
            assert sent.startswith(heard)
            sent = heard
            marks = [(name, min(before, len(heard))) for name, before in marks]
            heard = look(heard)
            assert len(returned) == len(marks)
            continue
        playout.receive(message, now)
        if isinstance(message, MediaOut):
            sent += message.payload
        elif isinstance(message, MarkOut):
            marks.append((message.name, len(sent)))
        if looks:
            heard = look(heard)
            assert round(playout.queued_ms * 8) == len(sent) - len(heard)
    now += 60_000
    heard = look(heard)
    assert heard == sent
    assert returned == [name for name, _ in marks]
    assert playout.idle


@given(SCRIPT)
def test_when_one_looks_does_not_matter(script: list[tuple[float, LineMessage, bool]]) -> None:
    """Looking often and looking once show the same audio at the same times and the same marks."""
    often, once = Playout(), Playout()
    audio: list[tuple[int, bytes]] = []
    marks: list[str] = []
    now = 0.0
    for pause, message, _ in script:
        now += pause
        for heard in (often.tick(now - pause / 2), often.tick(now)):
            audio += heard.audio
            marks += heard.marks
        often.receive(message, now)
        once.receive(message, now)
    last = often.tick(now + 60_000)
    assert once.tick(now + 60_000) == Heard((*audio, *last.audio), (*marks, *last.marks))


VOICE = dtmf("1", 8000)[:160]
SILENT = np.zeros(160, np.int16)


def test_the_ear_tells_when_the_agent_starts_and_stops() -> None:
    """A short pause is part of speech; 300 ms of it end it, and are not part of it."""
    ear = Ear()
    assert ear.hear(0, SILENT) == ()
    assert ear.hear(20, VOICE) == (AgentStarted(at_ms=20),)
    assert ear.notice(339.0) == ()
    assert ear.hear(320, VOICE) == ()
    assert ear.notice(640.0) == (AgentStopped(at_ms=340),)
    assert ear.notice(700.0) == ()
    assert (ear.voiced_ms, ear.last_voiced_ms) == (40, 340)


def test_the_ear_does_not_miss_a_stop_it_is_told_of_late() -> None:
    """When frames and time come in one go after a stall, stop and start are still two facts."""
    ear = Ear()
    ear.hear(0, VOICE)
    assert ear.hear(1000, VOICE) == (AgentStopped(at_ms=20), AgentStarted(at_ms=1000))


def test_silence_that_is_sent_is_silence() -> None:
    """An agent that sends frames of nothing, or of a voice's idle noise, is not talking."""
    ear = Ear()
    ear.hear(0, VOICE)
    facts = [fact for at in range(20, 400, 20) for fact in ear.hear(at, np.full(160, 40, np.int16)) + ear.notice(at)]
    assert facts == [AgentStopped(at_ms=20)]
    assert not ear.talking
