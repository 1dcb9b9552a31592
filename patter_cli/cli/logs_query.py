"""Which calls are meant: times as people write them, filters, and call ids that are abbreviated or mistyped."""

from __future__ import annotations

import math
import re
import time
from datetime import datetime, timedelta
from difflib import get_close_matches

from patter_cli.contracts.store import CallQuery, CallStore
from patter_cli.core.outcome import Outcome
from patter_cli.errors import InputError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_WHEN = "a day like 2026-11-28, a time like 2026-11-28T14:30, today, yesterday, or how long ago: 90m, 24h, 7d, 2w"
NEAREST_OF = 2000
"""A mistyped id is compared with those of so many calls."""
LAST = "last"
"""Of all calls the youngest."""


def call_query(
    *,
    since: str | None = None,
    until: str | None = None,
    agent: str | None = None,
    number: str | None = None,
    outcome: str | None = None,
    text: str | None = None,
    min_duration: str | None = None,
    max_duration: str | None = None,
    min_cost: float | None = None,
    max_cost: float | None = None,
    limit: int | None = None,
) -> CallQuery:
    """The question that these flags ask. Raises InputError for what cannot be one."""
    known = [each.value for each in Outcome]
    if outcome is not None and outcome not in known:
        near = get_close_matches(outcome, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise InputError(f"--outcome cannot be {outcome!r}", hint=hint)
    for flag, cost in (("--min-cost", min_cost), ("--max-cost", max_cost)):
        if cost is not None and not (math.isfinite(cost) and cost >= 0):
            raise InputError(f"{flag} cannot be {cost}", hint="it must be a number of US dollars, 0 or more")
    if text is not None and not text.strip():
        raise InputError("--text is empty", hint='--text "opening hours"')
    begin, end = _moment("--since", since), _moment("--until", until)
    if begin is not None and end is not None and end <= begin:
        raise InputError(f"--until {until} is not after --since {since}", hint="--until names the end of the time")
    return CallQuery(
        since=begin,
        until=end,
        agent=agent,
        number=number,
        outcome=outcome,
        text=text,
        min_duration_s=_seconds("--min-duration", min_duration),
        max_duration_s=_seconds("--max-duration", max_duration),
        min_usd=min_cost,
        max_usd=max_cost,
        limit=limit,
    )


def _moment(flag: str, written: str | None) -> float | None:
    """Unix seconds, by the clock of this machine."""
    if written is None:
        return None
    text = written.strip().lower()
    today = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    if text in ("today", "yesterday", "now"):
        return {"today": today, "yesterday": today - timedelta(days=1), "now": datetime.now()}[text].timestamp()
    if (ago := _span(text)) is not None:
        return time.time() - ago
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise InputError(f"{flag} cannot be {written!r}", hint=f"it must be {_WHEN}") from None


def _span(text: str) -> float | None:
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]+)?) ?([smhdw])", text)
    return float(found[1]) * _UNITS_S[found[2]] if found else None


def _seconds(flag: str, written: str | None) -> float | None:
    if written is None:
        return None
    text = written.strip().lower()
    span = float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text) else _span(text)
    if span is None:
        raise InputError(f"{flag} cannot be {written!r}", hint="it must be a time like 90, 90s, 2m or 1h")
    return span


def resolve_call(store: CallStore, written: str) -> str:
    """The id of the call that is meant: its id, the beginning or the end of it that no other call has, or `last`.

    Raises InputError, with the nearest ids, StoreError.
    """
    text = written.strip()
    if text == LAST:
        youngest = store.list(CallQuery(limit=1))
        if not youngest:
            raise InputError("no calls are kept yet", hint="hold one: patter simulate")
        return youngest[0].call_id
    found = store.find(text, limit=6) if text else ()
    if text in found or len(found) == 1:
        return text if text in found else found[0]
    if found:
        shown = ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
        raise InputError(f"more than one call begins or ends with {text!r}", hint=f"one of: {shown}")
    known = [each.call_id for each in store.list(CallQuery(limit=NEAREST_OF))]
    if not known:
        raise InputError("no calls are kept yet", hint="hold one: patter simulate")
    near = get_close_matches(text, known, n=3, cutoff=0.6)
    hint = f"the nearest: {', '.join(near)}" if near else f"patter logs list shows them; the last is {known[0]}"
    raise InputError(f"there is no call {text!r}", hint=hint)
