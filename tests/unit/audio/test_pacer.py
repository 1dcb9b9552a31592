"""What may be sent when, and what the caller has heard of it."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.audio.pacer import DRY_MS, Pacer


def audio(ms: int, seed: int = 0) -> bytes:
    """Audio of a length, 8 bytes a ms, no two bytes near each other alike."""
    return bytes((seed + i) % 251 for i in range(ms * 8))


def lengths_ms(released: list[bytes | str]) -> list[int | str]:
    """Chunks as their length, marks as their names."""
    return [item if isinstance(item, str) else len(item) // 8 for item in released]


def run_until(pacer: Pacer, now_ms: float, until_ms: float) -> list[bytes | str]:
    """Release whenever the pacer asks for it."""
    out = pacer.release(now_ms)
    while (due := pacer.next_release_ms()) is not None and due <= until_ms:
        now_ms = max(now_ms, due)
        out += pacer.release(now_ms)
    return out


def test_a_long_clause_keeps_its_lead() -> None:
    """At first the lead is filled, then each chunk goes when there is room for it."""
    pacer = Pacer()
    pacer.push(audio(1000), 1)
    assert lengths_ms(pacer.release(0)) == [60, 60, 60]
    assert pacer.playing_until_ms == 180
    assert pacer.next_release_ms() == 40
    assert pacer.release(39) == []
    assert lengths_ms(pacer.release(40)) == [60]
    assert pacer.queued_ms == 760


def test_the_first_sound_goes_at_once() -> None:
    """On a silent line 20 ms are enough to begin with; less waits for more."""
    pacer = Pacer()
    pacer.push(audio(10), 1)
    assert pacer.release(100) == []
    assert pacer.next_release_ms() is None
    pacer.push(audio(10), 1)
    assert lengths_ms(pacer.release(100)) == [20]


def test_a_short_rest_waits_until_the_line_runs_dry() -> None:
    """While the far end has enough to play, a short piece waits for the rest of its chunk."""
    pacer = Pacer()
    pacer.push(audio(60 + 25), 1)
    assert lengths_ms(pacer.release(0)) == [60]
    assert pacer.next_release_ms() == 60 - DRY_MS
    assert pacer.release(19) == []
    assert lengths_ms(pacer.release(20)) == [25]


def test_a_mark_ends_the_waiting() -> None:
    """The last piece of a clause goes out as soon as the lead allows, its mark right behind."""
    pacer = Pacer()
    pacer.push(audio(65), 1)
    pacer.push_mark("one")
    assert lengths_ms(pacer.release(0)) == [60, 5, "one"]


def test_the_next_clause_ends_the_waiting() -> None:
    """A chunk never holds audio of two clauses."""
    pacer = Pacer()
    pacer.push(audio(30), 1)
    pacer.push(audio(30), 2)
    pacer.push_mark("two")
    assert lengths_ms(pacer.release(0)) == [30, 30, "two"]


def test_small_pieces_are_joined() -> None:
    """What comes in small pieces goes out in whole chunks."""
    pacer = Pacer()
    whole = audio(120)
    for at in range(0, len(whole), 7):
        pacer.push(whole[at : at + 7], 1)
    assert pacer.release(0) == [whole[:480], whole[480:]]


def test_a_mark_on_a_silent_line() -> None:
    """A mark with nothing before it goes at once."""
    pacer = Pacer()
    pacer.push_mark("hello")
    due = pacer.next_release_ms()
    assert due is not None
    assert due <= 5
    assert pacer.release(5) == ["hello"]
    assert pacer.next_release_ms() is None


def test_a_mark_waits_for_its_audio() -> None:
    """A mark behind audio that is not due waits with it."""
    pacer = Pacer()
    pacer.push(audio(240), 1)
    pacer.push_mark("end")
    assert lengths_ms(pacer.release(0)) == [60, 60, 60]
    assert lengths_ms(pacer.release(40)) == [60, "end"]


def test_played_follows_the_clock() -> None:
    """What has been heard is what the far end had time to play, gaps included."""
    pacer = Pacer()
    pacer.push(audio(60), 1)
    pacer.push_mark("one")
    pacer.release(100)
    pacer.push(audio(60), 2)
    pacer.push_mark("two")
    pacer.release(110)
    assert [pacer.played_ms(1, t) for t in (100, 130, 160, 500)] == [0, 30, 60, 60]
    assert [pacer.played_ms(2, t) for t in (100, 160, 190, 500)] == [0, 0, 30, 60]
    pacer.push(audio(60), 3)
    pacer.push_mark("three")
    pacer.release(1000)
    assert [pacer.played_ms(3, t) for t in (1000, 1010)] == [0, 10]
    assert pacer.played_ms(99, 1000) == pacer.sent_ms(99) == pacer.pushed_ms(99) == 0


def test_clear_ends_playout_now() -> None:
    """A barge-in forgets the queue and the flight; what was heard stays heard."""
    pacer = Pacer()
    pacer.push(audio(500), 1)
    pacer.push_mark("end")
    pacer.release(0)
    pacer.clear(90)
    assert pacer.played_ms(1, 1000) == 90
    assert pacer.sent_ms(1) == 90
    assert pacer.pushed_ms(1) == 500
    assert pacer.queued_ms == 0
    assert pacer.playing_until_ms == 90
    assert pacer.release(100) == []
    pacer.push(audio(60), 2)
    assert lengths_ms(pacer.release(100)) == [60]


def test_pause_takes_back_and_resume_goes_on_a_little_before() -> None:
    """A false barge-in loses nothing: 200 ms before the stop are said again, then the rest."""
    pacer = Pacer()
    whole = audio(600)
    pacer.push(whole, 1)
    pacer.push_mark("end")
    run_until(pacer, 0, 300)
    pacer.pause(300)
    assert pacer.paused
    assert pacer.release(310) == []
    assert pacer.next_release_ms() is None
    assert pacer.played_ms(1, 400) == pacer.sent_ms(1) == 300
    assert pacer.queued_ms == 300
    pacer.resume(400)
    assert pacer.queued_ms == 500
    released = run_until(pacer, 400, 2000)
    assert released[-1] == "end"
    assert b"".join(item for item in released if isinstance(item, bytes)) == whole[100 * 8 :]


def test_what_was_heard_stays_heard_after_a_resume() -> None:
    """While the rewound part plays again, the heard text does not shrink."""
    pacer = Pacer()
    pacer.push(audio(600), 1)
    run_until(pacer, 0, 300)
    pacer.pause(300)
    pacer.resume(400)
    run_until(pacer, 400, 500)
    assert pacer.played_ms(1, 500) == 300
    assert pacer.played_ms(1, 601) == 301


def test_resume_stays_within_the_clause() -> None:
    """Stopped 50 ms into a clause, it goes on from the clause's beginning, not from the one before."""
    pacer = Pacer()
    pacer.push(audio(120), 1)
    pacer.push_mark("one")
    second = audio(120, seed=99)
    pacer.push(second, 2)
    pacer.push_mark("two")
    run_until(pacer, 0, 170)
    pacer.pause(170)
    pacer.resume(300)
    released = run_until(pacer, 300, 1000)
    assert [item for item in released if isinstance(item, str)] == ["two"]
    assert b"".join(item for item in released if isinstance(item, bytes)) == second


def test_marks_that_were_in_flight_are_sent_again() -> None:
    """A mark behind unplayed audio was not heard: it goes back to its place."""
    pacer = Pacer()
    pacer.push(audio(40), 1)
    pacer.push_mark("one")
    pacer.push(audio(40), 2)
    pacer.push_mark("two")
    assert lengths_ms(pacer.release(0)) == [40, "one", 40, "two"]
    pacer.pause(10)
    pacer.resume(10)
    assert lengths_ms(pacer.release(10)) == [40, "one", 40, "two"]


def test_a_finished_clause_is_not_said_again() -> None:
    """Paused after the last word and its mark, there is nothing to resume."""
    pacer = Pacer()
    pacer.push(audio(60), 1)
    pacer.push_mark("end")
    pacer.release(0)
    pacer.pause(500)
    pacer.resume(600)
    assert pacer.release(600) == []


def test_pausing_twice_is_pausing_once() -> None:
    """A second pause, a resume without a pause and a clear in a pause do no harm."""
    pacer = Pacer()
    pacer.push(audio(300), 1)
    pacer.resume(0)
    pacer.release(0)
    pacer.pause(100)
    pacer.pause(150)
    pacer.push(audio(60), 1)
    assert pacer.queued_ms == 260
    pacer.clear(160)
    assert not pacer.paused
    assert pacer.next_release_ms() is None


def test_a_lead_shorter_than_a_chunk() -> None:
    """With next to no lead one chunk is out at a time."""
    pacer = Pacer(lead_ms=20, chunk_ms=60)
    pacer.push(audio(180), 1)
    assert lengths_ms(pacer.release(0)) == [60]
    assert pacer.next_release_ms() == 60
    assert lengths_ms(pacer.release(60)) == [60]


@dataclass
class _Story:
    """What was pushed and what came out, to compare."""

    pushed: list[bytes | str] = field(default_factory=list)
    released: list[bytes | str] = field(default_factory=list)


def flat(items: list[bytes | str]) -> list[int | str]:
    """Bytes one by one, marks in place."""
    out: list[int | str] = []
    for item in items:
        out.extend([item] if isinstance(item, str) else item)
    return out


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(1, 2000)),
        st.tuples(st.just("mark"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 300)),
        st.tuples(st.just("wait until due"), st.integers(0, 5)),
    ),
    max_size=40,
)


@given(steps=STEPS, lead_ms=st.integers(60, 400))
def test_all_in_order_exactly_once(steps: list[tuple[str, int]], lead_ms: int) -> None:
    """Whatever the pattern: every byte and mark once, in order; the lead is kept; played <= sent <= pushed."""
    pacer = Pacer(lead_ms=lead_ms)
    story = _Story()
    now, clause = 0.0, 0
    for step, size in steps:
        if step == "push":
            piece = bytes((len(story.pushed) * 17 + i) % 256 for i in range(size))
            pacer.push(piece, clause)
            story.pushed.append(piece)
        elif step == "mark":
            pacer.push_mark(f"m{clause}")
            story.pushed.append(f"m{clause}")
            clause += 1
        elif step == "wait":
            now += size
        else:
            now = max(now, pacer.next_release_ms() or 0.0) + size
        story.released += pacer.release(now)
        assert pacer.playing_until_ms - now <= lead_ms
        due = pacer.next_release_ms()
        assert due is None or due > now
        for owner in range(clause + 1):
            assert pacer.played_ms(owner, now) <= pacer.sent_ms(owner) <= pacer.pushed_ms(owner)
    pacer.push_mark("over")
    story.pushed.append("over")
    story.released += run_until(pacer, now, float("inf"))
    assert flat(story.released) == flat(story.pushed)
    assert pacer.queued_ms == 0


@given(
    pauses=st.lists(st.tuples(st.integers(1, 400), st.integers(0, 500)), max_size=6),
    clauses=st.lists(st.integers(1, 600), min_size=1, max_size=4),
)
def test_pauses_lose_nothing(pauses: list[tuple[int, int]], clauses: list[int]) -> None:
    """However often it is stopped, the caller hears every byte, repeats at most 200 ms, and time heard only grows."""
    pacer = Pacer()
    for owner, ms in enumerate(clauses):
        pacer.push(audio(ms, seed=owner * 50), owner)
        pacer.push_mark(f"m{owner}")
    total, now, before = sum(clauses), 0.0, 0
    for run_ms, pause_ms in pauses:
        run_until(pacer, now, now + run_ms)
        now += run_ms
        pacer.release(now)
        pacer.pause(now)
        heard = sum(pacer.played_ms(owner, now) for owner in range(len(clauses)))
        assert heard >= before
        # A millisecond a clause is lost to rounding down.
        assert abs(heard + pacer.queued_ms - total) <= 200 + len(clauses) + 1
        before = heard
        now += pause_ms
        pacer.resume(now)
    run_until(pacer, now, float("inf"))
    end = pacer.playing_until_ms
    assert [pacer.played_ms(owner, end) for owner in range(len(clauses))] == clauses


@pytest.mark.parametrize("now_ms", [0.1, 33.3, 1e7 / 3])
def test_due_means_due(now_ms: float) -> None:
    """Called exactly when it asked to be called, it has something, whatever the rounding of times."""
    pacer = Pacer()
    pacer.push(audio(6000), 1)
    pacer.release(now_ms)
    for _ in range(50):
        due = pacer.next_release_ms()
        assert due is not None
        assert pacer.release(due)
