"""What a model that hears the end of a turn does to the silence that we wait for."""

from __future__ import annotations

from patter_cli.core.plan import TurnTiming

FINISHED, UNFINISHED = 0.9, 0.1
"""Where such a model is sure: above, one in five cut sentences is meant; below, one in twelve finished ones.
Source: tests.bench.eou."""


def heard_delay(delay_ms: int, probability: float | None, pace: TurnTiming) -> int:
    """The silence that ends a turn, once a model has heard it. delay_ms: what its words ask for.

    The words have the last word where they are clear; a voice that surely sounds unfinished gets time, one that surely
    sounds finished makes a plain sentence as quick as a complete one. probability None: nobody listened.
    """
    if probability is None or delay_ms != pace.endpoint_ms:
        return delay_ms
    if probability >= FINISHED:
        return pace.endpoint_complete_ms
    return pace.endpoint_unfinished_ms if probability <= UNFINISHED else delay_ms
