"""Every vendor of the lab, killed at every point of a call of three turns.

python -m tests.bench.kills [NAME] [EVERY]

A row is a vendor: how many messages it sent in a healthy call, at how many points it was killed, once and for good;
what the caller waited where the agent was to speak (p50, p95, most, in ms of the line); how long until the agent had
answered or asked to hear it again, or the end of the call; how many calls had all three answers, were ended by the
agent, or neither; and in how many what was heard is not what the history says. NAME: only rows with this in their
name. EVERY: each so-manieth point.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence

from tests.contract.speech_rows import table
from tests.e2e.vendor_kills import ROWS, Held, killed_everywhere

HEAD = ("vendor", "messages", "points", "kills", "wait p50", "p95", "most", "settled most", "answered", "ended", "lost")


def _at(values: Sequence[float], share: float) -> int:
    return round(sorted(values)[int(share * (len(values) - 1))])


def row_of(name: str, messages: int, held: list[Held]) -> tuple[object, ...]:
    waits = [each.wait_ms for each in held]
    whole = sum(each.answered == 3 for each in held)
    ended = sum(each.answered < 3 and bool(each.over) for each in held)
    return (
        name,
        messages,
        len(held) // 2,
        len(held),
        _at(waits, 0.5),
        _at(waits, 0.95),
        round(max(waits)),
        round(max(each.settled_ms for each in held)),
        whole,
        ended,
        sum(bool(each.lost) for each in held),
    )


async def main(name: str, every: int) -> None:
    logging.disable(logging.CRITICAL)
    rows: list[tuple[object, ...]] = []
    everything: list[Held] = []
    for row in ROWS:
        if name not in str(row):
            continue
        healthy, calls = await killed_everywhere(row, every=every)
        held = [each for _, _, each in calls]
        everything += held
        rows.append(row_of(str(row), len(healthy.kinds), held))
        print(table(HEAD, [rows[-1]]), file=sys.stderr, flush=True)
        for at, for_good, each in calls:
            bad = each.wait_ms > 2000 or each.settled_ms > 10_000 or each.lost or (each.answered < 3 and not each.over)
            if bad:
                how = "for good" if for_good else "once"
                print(f"  {row}, {how} before {at} {healthy.kinds[at]}: {each.wait_ms:.0f} ms, settled "
                      f"{each.settled_ms:.0f} ms, {each.answered} answers, {each.over or 'going on'}, {each.lost}",
                      file=sys.stderr, flush=True)  # fmt: skip
    rows.append(row_of("all", sum(int(str(each[1])) for each in rows), everything))
    print(table(HEAD, rows))


if __name__ == "__main__":
    given = sys.argv[1:] + ["", "1"][len(sys.argv) - 1 :]
    asyncio.run(main(given[0], int(given[1])))
