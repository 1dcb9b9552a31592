"""Utterances in call time: no frame before its time, none twice, and the answer goes to the right one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.frame import Samples
from patter_cli.simulate.mouth import FRAME_SAMPLES, Mouth, voiced_span


def numbered(count: int, first: int = 1) -> Samples:
    return np.arange(first, first + count, dtype=np.int16)


def test_speech_begins_with_the_next_whole_frame() -> None:
    """What is said at 25 ms was not being said at 20."""
    mouth = Mouth()
    mouth.next_frame()
    assert mouth.say(numbered(160), 25.0).start_ms == 40
    assert mouth.next_frame() == (160, None)
    at, frame = mouth.next_frame()
    assert at == 320
    assert frame is not None
    assert frame.tolist() == numbered(160).tolist()
    assert mouth.next_frame() == (480, None)


def test_speech_waits_for_speech() -> None:
    """A second utterance follows the first, in the middle of a frame."""
    mouth = Mouth()
    assert mouth.say(numbered(100), 0.0).end_ms == 12.5
    assert mouth.say(numbered(100, 101), 0.0).start_ms == 12.5
    _, first = mouth.next_frame()
    _, second = mouth.next_frame()
    assert first is not None
    assert second is not None
    assert np.concatenate((first, second)).tolist() == [*range(1, 201), *[0] * 120]


def test_a_frame_can_be_sent_when_it_is_over() -> None:
    """The first frame is whole after 20 ms."""
    mouth = Mouth()
    assert mouth.next_frame_ms == 20
    mouth.next_frame()
    assert mouth.next_frame_ms == 40


def test_what_is_around_is_heard_between_words() -> None:
    """A microphone's frame is sent as it is, and speech is put over it."""
    mouth = Mouth()
    mouth.say(numbered(80), 0.0)
    room = np.full(160, 7, np.int16)
    _, frame = mouth.next_frame(room)
    assert frame is room
    assert room.tolist() == [*range(1, 81), *[7] * 80]


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0, 60)), max_size=12))
def test_every_sample_is_said_once_where_it_was_promised(script: list[tuple[int, float]]) -> None:
    """Whenever utterances come and however long they are, the frames hold them whole, in order, in their places."""
    mouth = Mouth()
    now, first = 0.0, 1
    expected = np.zeros(0, np.int16)
    frames: list[Samples] = []

    def advance() -> None:
        while mouth.next_frame_ms <= now:
            at, frame = mouth.next_frame()
            assert at == len(frames) * FRAME_SAMPLES
            frames.append(np.zeros(FRAME_SAMPLES, np.int16) if frame is None else frame)

    for count, pause in script:
        said = mouth.say(numbered(count, first), now)
        assert said.start_ms >= now
        start = round(said.start_ms * 8)
        assert start >= len(expected)
        expected = np.concatenate((expected, np.zeros(start - len(expected), np.int16), numbered(count, first)))
        first += count
        now += pause
        advance()
    now = len(expected) / 8 + 20
    advance()
    said_all = np.concatenate(frames)
    assert said_all[: len(expected)].tolist() == expected.tolist()
    assert not said_all[len(expected) :].any()


def test_an_answer_belongs_to_the_last_utterance_that_was_over() -> None:
    """Not to the one that is being said, nor to one that another has followed, and only the first counts."""
    mouth = Mouth()
    mouth.say(numbered(800, 1000), 0.0)
    mouth.say(numbered(800, 1000), 200.0)
    mouth.say(numbered(800, 1000), 400.0)
    mouth.answered(450.0)
    mouth.answered(460.0)
    assert mouth.answered_ms == [None, 450.0, None]
    mouth.answered(900.0)
    assert mouth.answered_ms == [None, 450.0, 900.0]


def test_an_answer_before_any_word_is_a_greeting() -> None:
    """It belongs to nothing that was said."""
    mouth = Mouth()
    mouth.answered(10.0)
    mouth.say(numbered(160, 1000), 20.0)
    assert mouth.answered_ms == [None]


def test_the_voiced_span_leaves_out_the_silence_around() -> None:
    """First and last voiced sample, by level against the loudest 20 ms; a clip of silence is all span."""
    clip = np.zeros(1600, np.int16)
    clip[320:800] = 10000
    clip[1120:1280] = 900
    clip[1440:] = 20
    assert voiced_span(clip) == (320, 1280)
    assert voiced_span(np.zeros(500, np.int16)) == (0, 500)
    assert voiced_span(np.zeros(0, np.int16)) == (0, 0)
    assert voiced_span(numbered(100)) == (0, 100)
