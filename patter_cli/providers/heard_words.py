"""When a recogniser's words were said: what vendors tell of it, and vendors' time as that of the line.

A vendor's time goes by what it was sent, which is not all that was pushed, and may be more: silence is left out when a
session catches up, and made where a line stalls.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from patter_cli.contracts.stt import WordSpans
from patter_cli.providers.wire_json import number_of

_KEPT = 256
"""Moments at which vendor and line drifted apart; nobody asks about words from before so many."""


def told_spans(words: Sequence[Any], text: str, *, start: str = "start", end: str = "end", unit_ms: int) -> WordSpans:
    """Of the words of a text, from a vendor's list of them; () if it does not have one for each."""
    if not words or len(words) != len(text.split()):
        return ()
    return whole_spans([(number_of(each, start, -1) * unit_ms, number_of(each, end, -1) * unit_ms) for each in words])


def whole_spans(spans: Sequence[tuple[float, float]]) -> WordSpans:
    """In ms, from and to; () if one of them is unknown, which is less than 0."""
    known = all(start >= 0 and end >= 0 for start, end in spans)
    return tuple((round(start), round(end)) for start, end in spans) if known else ()


class VendorTime:
    """A session's: where in it what the line brought stands."""

    def __init__(self) -> None:
        self._from_ms: list[float] = [0.0]
        self._ahead_ms: list[float] = [0.0]
        """From there on, so much was made that the line did not bring; less than 0: left out."""

    def made(self, at_ms: float, ms: float) -> None:
        """So much was sent beside what was pushed; left out if it is less than 0."""
        self._from_ms.append(at_ms)
        self._ahead_ms.append(self._ahead_ms[-1] + ms)
        if len(self._from_ms) > _KEPT:
            del self._from_ms[0], self._ahead_ms[0]

    def on_line(self, spans: WordSpans) -> WordSpans:
        """The vendor's spans in ms of what was pushed, never less than 0 and none of them backwards."""
        found = [(self._pushed_ms(start), self._pushed_ms(end)) for start, end in spans]
        return tuple((start, max(start, end)) for start, end in found)

    def _pushed_ms(self, vendor_ms: int) -> int:
        at = max(0, bisect_right(self._from_ms, vendor_ms) - 1)
        return max(0, round(vendor_ms - self._ahead_ms[at]))
