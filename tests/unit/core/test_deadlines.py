"""Named timers as data."""

from __future__ import annotations

from patter_cli.core.deadlines import Deadlines, Timer


def test_the_earliest_falls_due_first() -> None:
    """Timers come out in order of time, each once; ties in the order of their names."""
    deadlines = Deadlines()
    deadlines.set(Timer.PLAYOUT, 200)
    deadlines.set(Timer.IDLE, 300)
    deadlines.set(Timer.HOLD, 200)
    deadlines.set(Timer.IDLE, 100)
    assert deadlines.next() == 100
    assert deadlines.waiting == {Timer.PLAYOUT, Timer.IDLE, Timer.HOLD}
    assert deadlines.pop_due(99) is None
    assert [deadlines.pop_due(250) for _ in range(4)] == [Timer.IDLE, Timer.HOLD, Timer.PLAYOUT, None]


def test_a_cancelled_timer_does_not_fall_due() -> None:
    """Cancelling what does not run is nothing."""
    deadlines = Deadlines()
    deadlines.set(Timer.KEYS, 1)
    deadlines.cancel(Timer.KEYS, Timer.FILLER)
    assert not deadlines.running(Timer.KEYS)
    deadlines.set(Timer.KEYS, 1)
    deadlines.clear()
    assert deadlines.next() is None


def test_a_deadline_can_only_be_hastened() -> None:
    """It moves forward in time, never back; and what does not run is not set off."""
    deadlines = Deadlines()
    deadlines.set(Timer.GOODBYE, 500)
    deadlines.hasten(Timer.GOODBYE, 900)
    assert deadlines.next() == 500
    deadlines.hasten(Timer.GOODBYE, 200)
    assert deadlines.next() == 200
    deadlines.hasten(Timer.IDLE, 1)
    assert not deadlines.running(Timer.IDLE)
