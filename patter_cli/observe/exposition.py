"""Counters, gauges and histograms, and how Prometheus reads them: its text format 0.0.4.

Our own, because it is this page: the client library would bring a registry of its own, global to the process, and
locks per sample, for what a fold in one thread counts.
Source: prometheus.io/docs/instrumenting/exposition_formats, and the naming rules that promtool checks.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MOST_SERIES: Final = 500
"""Of one family; what comes on top is counted together, since a label that grows without end would end the server that
reads us."""
REST: Final = "other"

Labels = tuple[str, ...]


class Family(Protocol):
    """One name and what is known of it."""

    def lines(self) -> Iterator[str]:
        """Without line ends."""


@dataclass(slots=True)
class Counter:
    """Only grows. name: ends in _total."""

    name: str
    help: str
    labels: Labels = ()
    _values: dict[Labels, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count; labels in the family's order. What is below 0 or no number is not counted."""
        if by >= 0 and math.isfinite(by):
            with self._lock:
                key = _kept(labels, self._values)
                self._values[key] = self._values.get(key, 0.0) + by

    def lines(self) -> Iterator[str]:
        yield from _head(self.name, self.help, "counter")
        with self._lock:
            values = list(self._values.items())
        if not values and not self.labels:
            values = [((), 0.0)]
        for key, value in values:
            yield f"{self.name}{_labels(self.labels, key)} {_number(value)}"


@dataclass(slots=True)
class Gauge:
    """Goes up and down: asked for when somebody reads it. read: labels and value of each series."""

    name: str
    help: str
    read: Callable[[], Mapping[Labels, float]]
    labels: Labels = ()
    kind: str = "gauge"
    """Or counter, for what somebody else counts."""

    def lines(self) -> Iterator[str]:
        yield from _head(self.name, self.help, self.kind)
        for key, value in self.read().items():
            yield f"{self.name}{_labels(self.labels, key)} {_number(value)}"


class Histogram:
    """How a figure spreads, in seconds."""

    def __init__(self, name: str, help_: str, bounds: Sequence[float], labels: Labels = ()) -> None:
        """bounds: upper ones, rising; the last, infinity, is added."""
        self._name = name
        self._help = help_
        self._bounds = tuple(bounds)
        self._labels = labels
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        self._lock = threading.Lock()

    def observe(self, value: float, *labels: str) -> None:
        """Take one figure."""
        if not math.isfinite(value):
            return
        with self._lock:
            key = _kept(labels, self._counts)
            counts = self._counts.setdefault(key, [0] * (len(self._bounds) + 1))
            counts[bisect_left(self._bounds, value)] += 1
            self._sums[key] = self._sums.get(key, 0.0) + value

    def lines(self) -> Iterator[str]:
        yield from _head(self._name, self._help, "histogram")
        with self._lock:
            found = [(key, tuple(counts), self._sums[key]) for key, counts in self._counts.items()]
        names = (*self._labels, "le")
        for key, counts, total in found:
            seen = 0
            for bound, count in zip((*self._bounds, math.inf), counts, strict=True):
                seen += count
                yield f"{self._name}_bucket{_labels(names, (*key, _number(bound)))} {seen}"
            yield f"{self._name}_sum{_labels(self._labels, key)} {_number(total)}"
            yield f"{self._name}_count{_labels(self._labels, key)} {seen}"


def render(families: Iterable[Family]) -> str:
    """What a scrape gets."""
    return "".join(f"{line}\n" for each in families for line in each.lines())


def _kept(labels: Labels, known: Mapping[Labels, object]) -> Labels:
    return labels if labels in known or len(known) < MOST_SERIES else tuple(REST for _ in labels)


def _head(name: str, help_: str, kind: str) -> Iterator[str]:
    said = help_.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {name} {said}"
    yield f"# TYPE {name} {kind}"


def _labels(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)) + "}"


def _escaped(value: str) -> str:
    text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return text.encode("utf-8", "replace").decode()


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
