"""What an index knows of a call beside its row: what its turns waited for, what it cost by vendor, what was said.

All of it comes from the record, and whatever the record holds, something comes of it: what is not as we write it
counts as nothing.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from patter_cli.contracts.store import STAGES, CallRow

LONGEST_MS = 2**31 - 1
"""What is kept of a wait that is longer than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What was used of one vendor. usd None: nobody knows what it cost."""

    leg: str
    provider: str
    model: str
    usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedCall:
    """A call as an index has it."""

    row: CallRow
    waits: bytes = b""
    """Of each turn, one signed int of 32 bits for each of STAGES, in ms, as this machine writes them."""
    legs: tuple[Leg, ...] = ()
    said: str = ""
    """All that was said, in lower case."""


def indexed(row: CallRow, facts: Mapping[str, object]) -> IndexedCall:
    """A call of which this was written down."""
    waits = array("i")
    for turn in _turns(facts):
        waits.extend(turn)
    return IndexedCall(row=row, waits=waits.tobytes(), legs=tuple(_legs(facts)), said=_said(facts))


def waited(facts: Mapping[str, object]) -> int | None:
    """The middle of what the caller waited; None where nothing was measured."""
    totals = sorted(turn[-1] for turn in _turns(facts))
    return totals[(len(totals) - 1) // 2] if totals else None


def priced(facts: Mapping[str, object]) -> tuple[float | None, float]:
    """What the call cost, None if that is not known whole, and what is known of it."""
    cost = facts.get("cost")
    if not isinstance(cost, dict):
        return None, 0.0
    known = _usd(cost.get("known_usd"))
    return _usd(cost.get("usd")), known if known is not None else 0.0


def _turns(facts: Mapping[str, object]) -> Iterator[tuple[int, ...]]:
    metrics = facts.get("metrics")
    for each in metrics if isinstance(metrics, list) else ():
        values = [each.get(f"{stage}_ms") for stage in STAGES] if isinstance(each, dict) else [None]
        if all(type(value) is int for value in values):
            yield tuple(max(-LONGEST_MS, min(value, LONGEST_MS)) for value in values if isinstance(value, int))


def _legs(facts: Mapping[str, object]) -> Iterator[Leg]:
    cost = facts.get("cost")
    legs = cost.get("legs") if isinstance(cost, dict) else None
    seen = set()
    for each in legs if isinstance(legs, list) else ():
        if not isinstance(each, dict):
            continue
        leg, provider, model = (_text(each.get(name)) for name in ("leg", "provider", "model"))
        if (leg, provider, model) not in seen:
            seen.add((leg, provider, model))
            yield Leg(leg=leg, provider=provider, model=model, usd=_usd(each.get("usd")))


def _said(facts: Mapping[str, object]) -> str:
    history = facts.get("history")
    texts = [each.get("text") for each in history if isinstance(each, dict)] if isinstance(history, list) else []
    return "\n".join(_text(each) for each in texts).casefold()


def _usd(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _text(value: object) -> str:
    """Half a surrogate pair, which no index takes, becomes a question mark."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
