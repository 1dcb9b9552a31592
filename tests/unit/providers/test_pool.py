"""Who goes next for the threads of the built-in models, in a time of the test's own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_cli.providers.pool import PATIENCE_S, InferencePool, Owner, Rank, WorkQueue


def drained(queue: WorkQueue[str], now_s: float) -> list[str]:
    """What is taken out, one after the other, at this time."""
    return [queue.pop(now_s) for _ in range(len(queue))]


def test_what_is_awaited_goes_first() -> None:
    """A final and the first sound of an answer before the rest of another's answer, and that before partials."""
    queue: WorkQueue[str] = WorkQueue()
    queue.push("partial", Rank.SPARE, Owner(), 0.0)
    queue.push("rest", Rank.AHEAD, Owner(), 0.0)
    queue.push("final", Rank.AWAITED, Owner(), 0.1)
    queue.push("first sound", Rank.AWAITED, Owner(), 0.2)
    assert drained(queue, 0.3) == ["final", "first sound", "rest", "partial"]


def test_a_long_reply_does_not_keep_others_waiting() -> None:
    """One call has five pieces, two have one each: after its first piece the others get theirs."""
    queue: WorkQueue[str] = WorkQueue()
    talker = Owner()
    for number in range(5):
        queue.push(f"talker {number}", Rank.AHEAD, talker, 0.0)
    queue.push("one", Rank.AHEAD, Owner(), 0.1)
    queue.push("other", Rank.AHEAD, Owner(), 0.2)
    assert drained(queue, 0.3)[:4] == ["talker 0", "one", "other", "talker 1"]


def test_among_equals_it_is_turn_and_turn_about() -> None:
    """Whoever was served longest ago, also when everybody always wants something."""
    queue: WorkQueue[str] = WorkQueue()
    owners = {name: Owner() for name in "abc"}
    for name, owner in owners.items():
        queue.push(name, Rank.AWAITED, owner, 0.0)
    served = []
    for _ in range(9):
        served.append(name := queue.pop(0.0))
        queue.push(name, Rank.AWAITED, owners[name], 0.0)
    assert "".join(served) == "abcabcabc"


@settings(deadline=None)  # the machine may have other things to do
@given(others=st.integers(1, 20), rank=st.sampled_from(Rank), job_s=st.floats(0.01, 0.5))
def test_nothing_waits_for_ever(others: int, rank: Rank, job_s: float) -> None:
    """However many others always have something urgent: two patiences, then each of them once."""
    queue: WorkQueue[str] = WorkQueue()
    owners = [Owner() for _ in range(others)]
    now_s = 0.0
    for owner in owners:
        queue.push("urgent", Rank.AWAITED, owner, now_s)
    queue.push("mine", rank, Owner(served=10**6), now_s)
    turn = 0
    while queue.pop(now_s) != "mine":
        # Whoever was served comes again at once.
        owner = max(owners, key=lambda each: each.served)
        queue.push("urgent", Rank.AWAITED, owner, now_s)
        now_s += job_s
        turn += 1
        for each in owners:  # the numbers of turns grow past mine
            each.served += 10**6 // others
        assert now_s <= 2 * PATIENCE_S + (others + 2) * job_s


def test_waits_are_told_while_they_last() -> None:
    """What was begun lately and what still waits, of what is awaited; a partial may wait."""
    queue: WorkQueue[str] = WorkQueue()
    queue.push("old", Rank.AWAITED, Owner(), 0.0)
    queue.pop(1.0)
    queue.push("new", Rank.AWAITED, Owner(), 8.0)
    queue.pop(8.5)
    queue.push("partial", Rank.SPARE, Owner(), 8.0)
    queue.push("waits", Rank.AWAITED, Owner(), 9.0)
    assert queue.waits_s(9.25, over_s=5.0) == pytest.approx([0.5, 0.25])


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_a_thread_is_kept_for_what_is_awaited(threads: int) -> None:
    """The rest of three answers is being made, and more of it waits: who has finished a sentence is served at once,
    two of them one after the other. What waited long enough is served by that thread too."""
    now_s = 0.0
    pool, done = InferencePool(threads, clock=lambda: now_s), threading.Event()
    try:
        rest = [pool.submit(done.wait, Rank.AHEAD) for _ in range(threads + 1)]
        while sum(each.running() for each in rest) < threads - 1:
            time.sleep(0.01)
        for _ in range(2):
            assert pool.submit(lambda: "final", Rank.AWAITED).result(5) == "final"
        assert sum(each.running() for each in rest) == threads - 1
        assert not pool.idle
        now_s = PATIENCE_S
        while sum(each.running() for each in rest) < threads:
            time.sleep(0.01)
    finally:
        done.set()
        pool.close()


def test_a_single_thread_does_everything() -> None:
    """Where there is no other, none is kept."""
    pool = InferencePool(1)
    try:
        assert pool.idle
        assert [pool.submit(lambda: 7, rank).result(5) for rank in Rank] == [7, 7, 7]
    finally:
        pool.close()


@pytest.mark.parametrize("pause_s", [0.0, 0.03, 0.06])
def test_work_that_gets_no_core_is_noticed(pause_s: float) -> None:
    """By the time that it took and the time that it needed; not by one piece or two, and not for ever."""
    now_s = 0.0

    def work() -> None:
        until_s = time.thread_time() + 0.01
        time.sleep(pause_s)
        while time.thread_time() < until_s:
            pass

    pool = InferencePool(1, clock=lambda: now_s)
    try:
        for number in range(8):
            assert number > 4 or pool.slowness(60.0) == 1.0
            pool.submit(work, Rank.AWAITED).result(10)
        assert pool.slowness(60.0) >= (1.0 + pause_s / 0.01) * 0.8
        now_s = 61.0
        assert pool.slowness(60.0) == 1.0
    finally:
        pool.close()


def test_an_idle_pool_gives_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once there was nothing to do for a while, and then not again before something was done."""
    trimmed = threading.Semaphore(0)
    monkeypatch.setattr("patter_cli.providers.pool._trim", trimmed.release)
    monkeypatch.setattr("patter_cli.providers.pool._TIDY_S", 0.05)
    pool = InferencePool(1, clock=lambda: 0.0)
    pool._tidy_at_s = 1.0
    assert pool.submit(lambda: 7, Rank.AWAITED).result(5) == 7
    assert trimmed.acquire(timeout=5)
    assert not trimmed.acquire(timeout=0.2)
    pool.close()


@pytest.mark.slow
def test_the_end_waits_for_what_runs() -> None:
    """A thread in native code cannot be left behind: a model that is still loading is waited for, also where that takes
    longer than usual, and all threads share the time."""
    pool = InferencePool(2)
    running = [pool.submit(lambda: time.sleep(2.5), Rank.AWAITED) for _ in range(2)]
    while not all(each.running() for each in running):
        time.sleep(0.01)
    pool.close()
    assert all(each.done() for each in running)


LEAVING = """
import atexit, time
from patter_cli.providers.inference import POOL
from patter_cli.providers.pool import Rank
loading = POOL.submit(lambda: time.sleep(30), Rank.AWAITED)
while not loading.running():
    time.sleep(0.01)
atexit.register(print, "leaving", flush=True)
"""


def test_whoever_interrupts_the_end_leaves_at_once() -> None:
    """Neither a traceback nor an abort, whatever is still loading."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    assert process.stdout.readline() == "leaving\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "")
