"""Recordings as a table, and the head of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from patter_cli.cli.ink import Column, Ink, cut, duration, table
from patter_cli.cli.logs_table import moment
from patter_cli.contracts.store import CallRow
from patter_cli.text.printable import printable


def recordings_table(found: Sequence[Mapping[str, Any]], ink: Ink) -> list[str]:
    """A line for each, the titles first. found: as `listed` has them."""
    whom = [each["callee"] if each["direction"] == "outbound" else each["caller"] for each in found]
    return table(
        [
            Column(title="started", cells=[moment(each["started_at"]) for each in found]),
            Column(title="call", cells=[each["call_id"] for each in found]),
            Column(title="agent", cells=[cut(each["agent"], 20) for each in found], spare=3),
            Column(title="with", cells=[cut(each, 24) for each in whom], spare=2),
            Column(title="outcome", cells=[each["outcome"] or "live" for each in found], spare=4),
            Column(title="sound", cells=[_length(each) for each in found], right=True),
            Column(title="size", cells=[_size(each["bytes"]) for each in found], right=True, spare=5),
            Column(title="where", cells=[_where(each) for each in found]),
        ],
        ink,
    )


def recording_head(row: CallRow, seconds: float, path: str | None, ink: Ink) -> Iterator[str]:
    """Whose recording it is, and where it lies."""
    yield printable(f"{row.call_id}  {row.agent}  {row.outcome or 'live'}  {duration(seconds)}")
    yield ink.dim(printable(path or f"the recording of {row.carrier}"))


def _length(facts: Mapping[str, Any]) -> str:
    if facts["seconds"] is not None:
        return duration(facts["seconds"])
    carried = facts["carrier_recording"]
    ms = carried.get("duration_ms") if carried is not None else None
    return duration(ms / 1000) if isinstance(ms, int | float) else ""


def _where(facts: Mapping[str, Any]) -> str:
    places = ["here"] if facts["path"] is not None else []
    return ", ".join([*places, *([facts["carrier"]] if facts["carrier_recording"] is not None else [])])


def _size(count: int | None) -> str:
    if count is None:
        return ""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.0f} kB"
