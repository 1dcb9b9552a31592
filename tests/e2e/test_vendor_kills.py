"""Every vendor killed at every point of a call: the caller hears something soon, and the call goes on or ends.

Some vendors and points by default, all of them as slow tests; `python -m tests.bench.kills` prints the table.
"""

from __future__ import annotations

import pytest

from tests.e2e.vendor_kills import ROWS, KillRow, killed_everywhere, points

WAIT_MS = 4000
"""What a caller waits at most where the agent is to speak."""
USUAL_WAIT_MS = 2000
"""And in nineteen of twenty calls."""
SETTLED_MS = 10_000
"""From a kill until the agent has answered or asked to hear it again, or to the end of the call."""
BY_DEFAULT = {"stt deepgram nova-3": 13, "tts cartesia sonic": 16}
"""Some of their points: each so-manieth."""
EVERY = [
    *(pytest.param(row, BY_DEFAULT[str(row)], id=str(row)) for row in ROWS if str(row) in BY_DEFAULT),
    *(pytest.param(row, 1, id=f"{row}, everywhere", marks=pytest.mark.slow) for row in ROWS),
]


@pytest.mark.parametrize(("row", "every"), EVERY)
async def test_killed_once_and_for_good(row: KillRow, every: int, quiet_log: None) -> None:
    """Killed once, all three turns are answered; for good, the call ends aloud. What was heard is in the history."""
    healthy, calls = await killed_everywhere(row, every=every)
    assert (healthy.answered, healthy.lost) == (3, [])
    waits = sorted(held.wait_ms for _, _, held in calls)
    assert waits[-1] <= WAIT_MS
    assert waits[int(0.95 * (len(waits) - 1))] <= USUAL_WAIT_MS
    for at, for_good, held in calls:
        where = (at, healthy.kinds[at], for_good, held)
        assert held.killed_ms is not None, where
        assert held.settled_ms <= SETTLED_MS, where
        assert not held.lost, where
        assert held.answered == 3 or (for_good and held.over), where


def test_points_are_where_something_changes() -> None:
    """Before and behind the first of a run, and before its last."""
    assert points(["a", "b", "b", "b", "b", "c"]) == [0, 1, 2, 4, 5]
    assert points([]) == []
