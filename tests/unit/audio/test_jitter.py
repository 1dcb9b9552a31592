"""Messages out of order, twice, late or never: what is handed on is a true clock."""

from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.jitter import RESYNC_MS, STUCK_FRAMES, WINDOW_MS, JitterBuffer


def frame(number: int) -> bytes:
    """20 ms of mu-law that says which frame it is; never silence."""
    return bytes([number % 250]) * 160


def play(jitter: JitterBuffer, *numbers: int) -> bytes:
    """Push frames by number, 20 ms each, sequence numbers in the order of the stream."""
    return b"".join(b"".join(jitter.push(n + 2, n * 20, frame(n))) for n in numbers)


SILENCE = b"\xff" * 160


def test_in_order_goes_straight_through() -> None:
    """The usual case hands each payload on at once, the very same object."""
    jitter = JitterBuffer()
    for n in range(5):
        payload = frame(n)
        released = jitter.push(n, n * 20, payload)
        assert released == (payload,)
        assert released[0] is payload
    assert jitter.media_ms == 100


def test_sequence_numbers_may_skip() -> None:
    """Marks and key presses take sequence numbers too: a skip there is not a hole."""
    jitter = JitterBuffer()
    assert jitter.push(1, 0, frame(0)) == (frame(0),)
    assert jitter.push(17, 20, frame(1)) == (frame(1),)
    assert jitter.counts.lost_ms == 0


def test_two_messages_swapped() -> None:
    """A message that comes early waits for the one before it."""
    jitter = JitterBuffer()
    assert play(jitter, 0) == frame(0)
    assert play(jitter, 2) == b""
    assert play(jitter, 1) == frame(1) + frame(2)
    assert play(jitter, 3) == frame(3)
    assert jitter.counts.reordered == 1


def test_a_lost_message_becomes_silence() -> None:
    """What is missing for longer than the window is silence of its length; time stays true."""
    jitter = JitterBuffer()
    assert play(jitter, 0, 2, 3) == frame(0)
    assert play(jitter, 4) == SILENCE + frame(2) + frame(3) + frame(4)
    assert jitter.media_ms == 100
    assert jitter.counts.lost_ms == 20


def test_a_long_hole_is_filled_at_once() -> None:
    """Nobody waits for a hole that is longer than the window already."""
    jitter = JitterBuffer()
    assert play(jitter, 0, 10) == frame(0) + SILENCE * 9 + frame(10)


def test_a_duplicate_is_dropped() -> None:
    """The same message twice is heard once, whether handed on or still waiting."""
    jitter = JitterBuffer()
    assert play(jitter, 0, 0, 2, 2, 1) == frame(0) + frame(1) + frame(2)
    assert jitter.counts.duplicated == 2
    assert jitter.counts.late == 0


def test_too_late_is_dropped() -> None:
    """A message whose place was filled with silence comes too late, and does not shift what follows."""
    jitter = JitterBuffer()
    play(jitter, 0, 2, 3, 4)
    assert play(jitter, 1) == b""
    assert play(jitter, 5) == frame(5)
    assert jitter.counts.late == 1
    assert jitter.counts.duplicated == 0


def test_two_holes() -> None:
    """Each hole waits its own time."""
    jitter = JitterBuffer()
    assert play(jitter, 0, 2, 4) == frame(0) + SILENCE + frame(2)
    assert play(jitter, 3) == frame(3) + frame(4)


def test_the_streams_start_is_time_zero() -> None:
    """A first message at 40 ms has 40 ms of silence before it, which nobody lost."""
    jitter = JitterBuffer()
    assert play(jitter, 2, 3) == SILENCE * 2 + frame(2) + frame(3)
    assert jitter.counts.lost_ms == 0


def test_timestamps_that_wobble() -> None:
    """Timestamps a few ms off make no holes and lose no samples."""
    jitter = JitterBuffer()
    heard = b""
    for n, wobble in enumerate((0, 3, -4, 7, 0, -9, 1)):
        heard += b"".join(jitter.push(n, n * 20 + wobble, frame(n)))
    assert heard == b"".join(frame(n) for n in range(7))


def test_an_overlap_is_trimmed() -> None:
    """Audio whose first half we have already is heard from its second half on."""
    jitter = JitterBuffer()
    jitter.push(1, 0, frame(0))
    assert jitter.push(2, 10, frame(1)) == (frame(1)[80:],)
    assert jitter.media_ms == 30


def test_a_jump_is_not_filled() -> None:
    """More than two seconds ahead is another timeline: no silence, media time goes on, the shift is told."""
    jitter = JitterBuffer()
    play(jitter, 0)
    assert jitter.push(9, RESYNC_MS + 1020, frame(1)) == (frame(1),)
    assert jitter.push(10, RESYNC_MS + 1040, frame(2)) == (frame(2),)
    assert jitter.media_ms == 60
    assert jitter.shift_ms == RESYNC_MS + 1000
    assert jitter.counts.resyncs == 1


def test_a_jump_lets_go_of_what_waits() -> None:
    """What waited behind a hole is heard before the new timeline begins."""
    jitter = JitterBuffer()
    play(jitter, 0, 2)
    assert b"".join(jitter.push(9, 9000, frame(1))) == SILENCE + frame(2) + frame(1)


def test_a_restart_at_zero_is_heard() -> None:
    """A newer message with a timestamp far back is a restarted stream."""
    jitter = JitterBuffer()
    for n in range(200):
        play(jitter, n)
    assert jitter.push(900, 0, frame(7)) == (frame(7),)


def test_a_very_old_message_is_not_a_restart() -> None:
    """An old sequence number with an old timestamp is a straggler."""
    jitter = JitterBuffer()
    for n in range(200):
        play(jitter, n)
    assert play(jitter, 3) == b""
    assert play(jitter, 200) == frame(200)


def test_never_deaf_for_long() -> None:
    """If all messages come too late, it is our clock that is wrong: after half a second we hear again."""
    jitter = JitterBuffer()
    play(jitter, 0)
    jitter.push(10**9, 1500, frame(1))
    heard = [play(jitter, n) for n in range(1, STUCK_FRAMES + 5)]
    assert heard[:3] == [b"", b"", b""]
    assert heard[-1] == frame(STUCK_FRAMES + 4)


def test_flush_hands_on_the_rest() -> None:
    """At the end of the stream nothing that came is left behind."""
    jitter = JitterBuffer()
    play(jitter, 0, 2)
    assert b"".join(jitter.flush()) == SILENCE + frame(2)
    assert jitter.flush() == ()
    assert play(jitter, 3) == frame(3)


def test_nothing_in_a_message() -> None:
    """An empty payload is nothing, wherever it claims to lie."""
    jitter = JitterBuffer()
    assert b"".join(jitter.push(1, 0, b"")) == b""
    assert b"".join(jitter.push(2, 10**12, b"")) == b""
    assert play(jitter, 0) == frame(0)


@given(order=st.permutations(range(40)).map(lambda p: sorted(range(40), key=lambda n: n + p[n] % 3)))
def test_any_order_within_the_window(order: list[int]) -> None:
    """Shuffled by no more than two places, everything is heard, in order."""
    jitter = JitterBuffer()
    assert play(jitter, *order) + b"".join(jitter.flush()) == b"".join(frame(n) for n in range(40))


@given(came=st.sets(st.integers(1, 60)))
def test_media_time_is_the_carriers_time(came: set[int]) -> None:
    """Whatever is lost, each frame is heard at its own time."""
    jitter = JitterBuffer()
    heard = play(jitter, *sorted(came | {0, 61})) + b"".join(jitter.flush())
    expected = b"".join(frame(n) if n in came | {0, 61} else SILENCE for n in range(62))
    assert heard == expected
    assert jitter.media_ms == 62 * 20


@given(
    st.lists(
        st.tuples(
            st.integers() | st.integers(0, 100),
            st.integers() | st.integers(-100, 4000),
            st.binary(max_size=400),
        ),
        max_size=60,
    )
)
def test_garbage_is_bounded(messages: list[tuple[int, int, bytes]]) -> None:
    """Whatever numbers a peer sends, nothing raises, and never is more made than two seconds of silence."""
    jitter = JitterBuffer()
    released = 0
    for sequence, timestamp_ms, payload in messages:
        before = released
        released += sum(map(len, jitter.push(sequence, timestamp_ms, payload)))
        assert released - before <= (RESYNC_MS + 2 * WINDOW_MS) * 8 + 8 * 400
        assert jitter.media_ms == released // 8
