"""Calls as a table, and what many of them come to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from patter_cli.cli.ink import Column, Ink, cut, duration, money, table
from patter_cli.contracts.store import STAGES, CallRow, CallStats, Share, Spread

SPARK_DAYS = 60
"""Days in a sparkline."""
SHOWN = 10
"""Numbers, vendors, days in a table; JSON has all of them."""
_WELL = ("answered", "voicemail")
_BADLY = ("failed", "interrupted")


def calls_table(rows: Sequence[CallRow], ink: Ink) -> list[str]:
    """A line for each call, the titles first."""

    def outcome(cell: str) -> str:
        word = cell.strip()
        return ink.green(cell) if word in _WELL else ink.red(cell) if word in _BADLY else ink.yellow(cell)

    whom = [each.callee if each.direction == "outbound" else each.caller for each in rows]
    arrows = ("→ ", "← ") if ink.blocks else ("to ", "from ")
    parties = [
        (arrows[0] if each.direction == "outbound" else arrows[1]) + number
        for each, number in zip(rows, whom, strict=True)
    ]
    return table(
        [
            Column(title="started", cells=[moment(each.started_at) for each in rows]),
            Column(title="call", cells=[each.call_id for each in rows]),
            Column(title="agent", cells=[cut(each.agent, 20) for each in rows], spare=3),
            Column(title="with", cells=[cut(each, 24) for each in parties], spare=2),
            Column(title="outcome", cells=[each.outcome or "live" for each in rows]),
            Column(title="length", cells=[duration(each.duration_s) for each in rows], right=True, spare=1),
            Column(title="turns", cells=[str(each.turns) for each in rows], right=True, spare=6),
            Column(
                title="waited",
                cells=["" if each.waited_ms is None else f"{each.waited_ms} ms" for each in rows],
                right=True,
                spare=5,
            ),
            Column(
                title="cost",
                cells=["" if each.outcome is None else money(each.usd, each.known_usd) for each in rows],
                right=True,
                spare=4,
            ),
        ],
        ink,
        paint={"outcome": outcome},
    )


def moment(at: float) -> str:
    """By the clock of this machine."""
    try:
        return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "?"


def stats_facts(stats: CallStats) -> dict[str, Any]:
    """JSON values: {calls, live, duration_s, known_usd, unpriced, outcomes, stages, agents, days, numbers, vendors}.

    stages: by name, {turns, p50, p95, p99, most} in ms; the others: lists of {name, calls, duration_s, known_usd,
    unpriced, waits}, waits as a stage. unpriced: calls of which some cost is unknown; known_usd is without it.
    """
    return {
        "calls": stats.calls,
        "live": stats.live,
        "duration_s": stats.duration_s,
        "known_usd": stats.known_usd,
        "unpriced": stats.unpriced,
        "outcomes": dict(stats.outcomes),
        "stages": {name: _spread_facts(each) for name, each in stats.stages.items()},
        **{
            name: [_share_facts(each) for each in getattr(stats, name)]
            for name in ("agents", "days", "numbers", "vendors")
        },
    }


def _spread_facts(spread: Spread) -> dict[str, int]:
    return {name: getattr(spread, name) for name in Spread.__dataclass_fields__}


def _share_facts(share: Share) -> dict[str, Any]:
    facts = {name: getattr(share, name) for name in Share.__dataclass_fields__}
    return {**facts, "waits": _spread_facts(share.waits)}


def stats_lines(stats: CallStats, ink: Ink) -> list[str]:
    """The same for a reader."""
    cost = f"${stats.known_usd:.4f}"
    if stats.unpriced:
        cost += f" and what {stats.unpriced} calls cost that have no known price"
    live = f", {stats.live} of them live" if stats.live else ""
    many = "call" if stats.calls == 1 else "calls"
    lines = [ink.bold(f"{stats.calls} {many}{live}") + f"  {duration(stats.duration_s)} on the line  {cost}", ""]
    lines += _stages(stats, ink)
    lines += ["", *_outcomes(stats, ink)]
    if len(stats.days) > 1:
        lines += ["", *_sparklines(stats.days[-SPARK_DAYS:], ink)]
    for title, shares in (("day", stats.days[-SHOWN:]), ("agent", stats.agents), ("our number", stats.numbers)):
        lines += ["", *_shares(title, shares[:SHOWN], ink)]
        if len(shares) > SHOWN:
            lines.append(ink.dim(f"… and {len(shares) - SHOWN} more; --json has all"))
    return [*lines, "", *_vendors(stats.vendors, ink)]


def _stages(stats: CallStats, ink: Ink) -> list[str]:
    names = ("total", *(each for each in STAGES if each != "total"))
    found = [stats.stages.get(each, Spread()) for each in names]
    if not found[0].turns:
        return ["no turn was measured"]
    most = max(each.p95 for each in found)
    columns = [Column(title=f"ms of {found[0].turns} turns", cells=["waited", *names[1:]])]
    for name in ("p50", "p95", "p99", "most"):
        columns.append(Column(title=name, cells=[str(getattr(each, name)) for each in found], right=True))
    bars = ["" if not each.p95 else ink.bar(0, each.p95, of=most, columns=24) for each in found]
    return table([*columns, Column(title="p95 ", cells=bars, spare=1)], ink)


def _outcomes(stats: CallStats, ink: Ink) -> list[str]:
    most = max(stats.outcomes.values(), default=0)
    return table(
        [
            Column(title="outcome", cells=list(stats.outcomes)),
            Column(title="calls", cells=[str(each) for each in stats.outcomes.values()], right=True),
            Column(
                title="",
                cells=[ink.bar(0, each, of=most, columns=24) for each in stats.outcomes.values()],
                spare=1,
            ),
        ],
        ink,
    )


def _sparklines(days: Sequence[Share], ink: Ink) -> list[str]:
    span = f"{days[0].name} to {days[-1].name}"
    rows = [
        ("calls a day", [float(each.calls) for each in days], f"{max(each.calls for each in days)} at most"),
        ("p95 wait", [float(each.waits.p95) for each in days], f"{max(each.waits.p95 for each in days)} ms at most"),
        ("cost", [each.known_usd for each in days], f"${max(each.known_usd for each in days):.2f} at most"),
    ]
    lines = [f"{name:<12}{ink.sparkline(values)}  {said}" for name, values, said in rows]
    return [ink.dim(span), *lines]


def _shares(title: str, shares: Sequence[Share], ink: Ink) -> list[str]:
    return table(
        [
            Column(title=title, cells=[cut(each.name or "?", 30) for each in shares]),
            Column(title="calls", cells=[str(each.calls) for each in shares], right=True),
            Column(title="length", cells=[duration(each.duration_s) for each in shares], right=True, spare=1),
            Column(title="cost", cells=[_cost(each) for each in shares], right=True),
            Column(title="p50 ms", cells=[str(each.waits.p50 or "") for each in shares], right=True, spare=3),
            Column(title="p95 ms", cells=[str(each.waits.p95 or "") for each in shares], right=True, spare=2),
        ],
        ink,
    )


def _vendors(shares: Sequence[Share], ink: Ink) -> list[str]:
    return table(
        [
            Column(title="vendor", cells=[cut(each.name or "?", 40) for each in shares[:SHOWN]]),
            Column(title="calls", cells=[str(each.calls) for each in shares[:SHOWN]], right=True),
            Column(title="cost", cells=[_cost(each) for each in shares[:SHOWN]], right=True),
        ],
        ink,
    )


def _cost(share: Share) -> str:
    return money(None if share.unpriced else share.known_usd, share.known_usd)
