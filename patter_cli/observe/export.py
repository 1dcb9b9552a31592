"""Stored calls for other programs: JSON as they are, CSV for a spreadsheet.

A spreadsheet takes a cell that begins with = + - @, a tab or a carriage return for a formula, and some run programs by
it; what stands in a call's texts is a stranger's. Such a cell gets an apostrophe in front, which spreadsheets hide.
A phone number begins with a plus and means no harm: it is a digit that follows, and stays as it is.
Source: OWASP, CSV Injection.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from patter_cli.contracts.store import CallRecord, CallRow

COLUMNS = (
    "call_id", "started", "agent", "direction", "carrier", "caller", "callee", "outcome", "reason", "duration_s",
    "turns", "waited_ms", "usd", "known_usd", "transcript",
)  # fmt: skip
_NUMBER = re.compile(r"[+-][0-9][0-9 .()-]*|\+[0-9]*\*\*\*[0-9]*")


def row_facts(row: CallRow) -> dict[str, Any]:
    """A call of a list as JSON values: {call_id, started_at, agent, caller, callee, direction, carrier, outcome,
    reason, duration_s, turns, waited_ms, usd, known_usd}. started_at in Unix seconds; outcome, duration_s are null
    while the call lasts, usd as well where a price is unknown, waited_ms where nothing was measured.
    """
    return {name: getattr(row, name) for name in CallRow.__dataclass_fields__}


def record_facts(record: CallRecord) -> dict[str, Any]:
    """A call with all that was written down: a row's facts, and the record's own under `record`."""
    return {**row_facts(record.row), "record": dict(record.facts)}


def csv_lines(records: Iterable[CallRecord]) -> Iterator[str]:
    """A header and a line for each call, with their line ends. Source: RFC 4180."""
    yield _line(COLUMNS)
    for each in records:
        facts = row_facts(each.row)
        facts["started"] = _time(each.row.started_at)
        facts["transcript"] = transcript(each.facts)
        yield _line([_cell(facts[name]) for name in COLUMNS])


def transcript(facts: Mapping[str, object]) -> str:
    """What was said, a line for each: "caller: ..."."""
    history = facts.get("history")
    who = {"user": "caller", "assistant": "agent"}
    return "\n".join(
        f"{who.get(str(each.get('role')), each.get('role'))}: {each.get('text')}"
        for each in (history if isinstance(history, list) else ())
        if isinstance(each, dict)
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = str(value)
    if not isinstance(value, str) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}" if text.lstrip(" ")[:1] in ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%") else text


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().replace("\0", "")


def _time(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""
