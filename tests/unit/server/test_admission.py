"""Whether another call may begin, in a time of the test's own."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.server.admission import MOST_CALLS, TOGETHER_S, USUAL_PACE, WINDOW_S, Admission

BUILT_IN, VENDOR = "built-in", "vendor"


def admission(*, cores: int = 2, max_calls: int | None = None, work_s: float = TOGETHER_S / 4) -> Admission:
    """Of a machine that carries four calls of built-in speech a core."""
    made = Admission(max_calls=max_calls, cores=cores)
    made.learn(BUILT_IN, work_s)
    made.learn(VENDOR, 0.0)
    return made


def admitted(some: Admission, agent: str, live: list[str], now_s: float = 0.0) -> int:
    """How many more calls of the agent begin beside those."""
    for number in count():
        if some.refusal([*live, *[agent] * number], agent, now_s):
            return number
    raise AssertionError


def late(some: Admission, lag_ms: float, from_s: float, to_s: float) -> None:
    """The loop is so late all the time."""
    for tick in range(round((to_s - from_s) * 20)):
        some.observe(lag_ms, from_s + tick / 20)


@pytest.mark.parametrize(("cores", "calls"), [(1, 4), (2, 8), (4, 16)])
def test_built_in_speech_is_carried_by_the_core(cores: int, calls: int) -> None:
    """As many as can be answered in time if all their callers finish at once; the next is told that we are full."""
    some = admission(cores=cores)
    assert (some.carries(BUILT_IN), admitted(some, BUILT_IN, [])) == (calls, calls)
    assert "this machine carries" in some.refusal([BUILT_IN] * calls, BUILT_IN, 0.0)


def test_a_slow_machine_takes_one_call() -> None:
    """However slow it is; and no second one."""
    some = admission(work_s=60.0)
    assert (some.carries(BUILT_IN), admitted(some, BUILT_IN, [])) == (1, 1)


def test_speech_of_vendors_costs_next_to_nothing() -> None:
    """What one loop carries; beside calls that cost something, what is left of it; unknown agents count as these."""
    some = admission()
    assert (some.carries(VENDOR), admitted(some, VENDOR, [])) == (MOST_CALLS, MOST_CALLS)
    assert admitted(some, VENDOR, [BUILT_IN] * 4) == MOST_CALLS // 2
    assert admitted(some, BUILT_IN, [VENDOR] * (MOST_CALLS // 2)) == 4
    assert admitted(some, "", [BUILT_IN] * 8) == 0


def test_a_number_that_was_set_is_the_number() -> None:
    """Less than is carried, or more, and whatever is observed."""
    for wanted in (3, 20):
        some = admission(max_calls=wanted)
        late(some, 500.0, 0.0, 5.0)
        assert (some.carries(BUILT_IN), admitted(some, BUILT_IN, [], 5.0)) == (wanted, wanted)
    assert admission(max_calls=3).refusal([BUILT_IN] * 3, BUILT_IN, 0.0) == "all 3 lines are busy"


def test_a_loop_that_is_late_takes_fewer() -> None:
    """A quarter of what was measured; as before five seconds after it has recovered."""
    some = admission()
    late(some, 40.0, 0.0, 10.0)
    assert admitted(some, BUILT_IN, [], 10.0) == 2
    assert "event loop is 40 ms late" in some.refusal([BUILT_IN] * 2, BUILT_IN, 10.0)
    late(some, 1.0, 10.0, 10.0 + WINDOW_S)
    assert admitted(some, BUILT_IN, [], 10.0 + WINDOW_S) == 8


def test_speech_that_waits_for_a_core_takes_fewer() -> None:
    """Whatever else needs the cores: it shows in how long awaited work has to wait."""
    some = admission()
    some.observe_waits([0.9] * 10)
    assert admitted(some, BUILT_IN, []) == 2
    assert "speech waits 900 ms" in some.refusal([BUILT_IN] * 2, BUILT_IN, 0.0)
    some.observe_waits([0.1] * 10)
    assert admitted(some, BUILT_IN, []) == 8


@pytest.mark.parametrize(("slowness", "calls"), [(1.0, 8), (USUAL_PACE, 8), (2 * USUAL_PACE, 4), (5.0, 2), (50.0, 1)])
def test_a_machine_that_others_use_takes_fewer(slowness: float, calls: int) -> None:
    """Work that takes twice as long as it would alone is twice the work; as before once the others are done."""
    some = admission()
    some.observe_pace(slowness)
    assert (some.carries(BUILT_IN), admitted(some, BUILT_IN, [])) == (calls, calls)
    some.observe_pace(1.0)
    assert admitted(some, BUILT_IN, []) == 8


def test_one_hiccup_is_no_strain() -> None:
    """A collection of garbage among a hundred looks, and a wait among many; nor is a look at the very start."""
    some = admission()
    late(some, 1.0, 0.0, 4.9)
    some.observe(400.0, 4.9)
    some.observe_waits([0.9] + [0.0] * 19)
    assert not some.strain(5.0)
    early = admission()
    early.observe(400.0, 0.0)
    early.observe_waits([0.9])
    assert not early.strain(0.0)


@given(
    lag_ms=st.floats(0, 10_000),
    waits_s=st.lists(st.floats(0, 100), max_size=30),
    live=st.lists(st.sampled_from([BUILT_IN, VENDOR, "unknown"]), max_size=50),
    agent=st.sampled_from([BUILT_IN, VENDOR, "", "unknown"]),
)
def test_a_first_call_is_always_taken(lag_ms: float, waits_s: list[float], live: list[str], agent: str) -> None:
    """And one that is refused beside some is refused beside those and more."""
    some = admission()
    late(some, lag_ms, 0.0, 5.0)
    some.observe_waits(waits_s)
    assert not some.refusal([], agent, 5.0)
    if some.refusal(live, agent, 5.0):
        assert some.refusal([*live, VENDOR], agent, 5.0)
