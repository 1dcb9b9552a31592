"""How far the repeats of one call lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from patter_cli.simulate.checks import percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The middle one of some measurements, and the two ends. ms."""

    p50: int
    min: int
    max: int

    def render(self) -> dict[str, Any]:
        """JSON values: p50, min, max."""
        return asdict(self)


def spread(values: Sequence[int]) -> Spread | None:
    """None for no values."""
    return Spread(p50=percentile(values, 0.5), min=min(values), max=max(values)) if values else None
