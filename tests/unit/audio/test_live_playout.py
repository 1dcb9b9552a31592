"""Audio leaves in real time on a line that keeps none, and marks say what has been heard."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.live_playout import LEAD_MS, LivePlayout

FRAME_MS, RATE = 20, 16


def playout() -> LivePlayout:
    return LivePlayout(bytes_per_ms=RATE, silence=b"\0\0", frame_ms=FRAME_MS)


def sound(ms: int) -> bytes:
    return b"\1\1" * (ms * RATE // 2)


def heard(out: list[bytes | str]) -> bytes:
    return b"".join(each for each in out if isinstance(each, bytes))


def test_two_frames_at_once_and_then_one_every_20_ms() -> None:
    """What a fast voice pushed at once is no more than the lead ahead of its time."""
    line = playout()
    line.push(sound(200))
    sent = [(at, len(each)) for at in range(1000, 1200) for each in line.release(at)]
    assert sent[:2] == [(1000, 320), (1000, 320)]
    assert [at for at, _ in sent[2:]] == list(range(1020, 1180, 20))
    assert line.next_release_ms() is None


def test_a_mark_comes_back_when_the_last_of_its_audio_has_been_heard() -> None:
    """Not when it was sent: the lead has to be played first."""
    line = playout()
    line.push(sound(60))
    line.push_mark("end")
    out = {at: line.release(at) for at in range(80)}
    assert [at for at, items in out.items() if "end" in items] == [60]


def test_a_mark_on_a_silent_line_comes_back_at_once() -> None:
    """There is nothing to wait for."""
    line = playout()
    line.push_mark("now")
    assert line.release(500.0) == ["now"]


def test_a_clear_takes_back_all_but_the_lead() -> None:
    """Its marks are reached by it, in order, and what is said next follows what was sent."""
    line = playout()
    line.push(sound(20))
    line.push_mark("one")
    line.push(sound(500))
    line.push_mark("two")
    assert len(heard(line.release(0))) == LEAD_MS * RATE
    assert line.clear() == ["one", "two"]
    assert line.kept_ms == 0
    line.push(b"\2\2" * 320)
    assert line.release(10) == []
    assert heard(line.release(LEAD_MS - 20)) == b"\2\2" * 160


def test_a_clause_that_ends_within_a_frame_is_filled_up() -> None:
    """Its last piece goes out on time, with silence behind it."""
    line = playout()
    line.push(sound(50))
    line.push_mark("end")
    out = [(at, each) for at in range(100) for each in line.release(at)]
    assert [(at, len(each)) for at, each in out if isinstance(each, bytes)] == [(0, 320), (0, 320), (20, 320)]
    last = out[2][1]
    assert isinstance(last, bytes)
    assert last == sound(10) + b"\0" * 160


def test_a_piece_that_may_grow_waits_until_the_line_would_run_dry() -> None:
    """A voice that is slow leaves no gap where it delivers in time, and a short one where it does not."""
    line = playout()
    line.push(sound(30))
    assert len(line.release(0)) == 1
    assert line.release(19) == []
    line.push(sound(10))
    assert heard(line.release(19)) == sound(20)
    line.push(sound(5))
    assert line.next_release_ms() == 40
    assert heard(line.release(40)) == sound(5) + b"\0" * 240


@given(
    st.lists(
        st.tuples(st.sampled_from(["push", "mark", "clear", "wait"]), st.integers(0, 120)), min_size=1, max_size=40
    )
)
def test_whatever_is_asked_of_it(steps: list[tuple[str, int]]) -> None:
    """Never further ahead than the lead; every frame whole; every mark comes back once and in order; nothing is left
    behind that no release would bring."""
    line, now, marks, sent_ms, began = playout(), 0.0, 0, 0.0, 0.0
    back: list[str] = []

    def take() -> None:
        nonlocal sent_ms, began
        for each in line.release(now):
            if isinstance(each, str):
                back.append(each)
                continue
            assert len(each) == FRAME_MS * RATE
            began = max(began, now) + FRAME_MS
            assert began - now <= LEAD_MS

    for what, amount in steps:
        match what:
            case "push":
                line.push(sound(amount))
            case "mark":
                line.push_mark(str(marks))
                marks += 1
            case "clear":
                back += line.clear()
            case _:
                now += amount
        take()
    for _ in range(1000):
        due = line.next_release_ms()
        if due is None:
            break
        now = max(now, due)
        take()
    assert line.next_release_ms() is None
    assert line.kept_ms == 0
    assert back == [str(number) for number in range(marks)]
