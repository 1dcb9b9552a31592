"""Somebody else's filter on the caller's audio, which can do a call no harm.

A filter gets a copy of every frame and must give back as many int16 samples. One that raises, gives back something
else or is too slow is left out for the rest of the call, and the log says so once. Slow is counted in one debt: what
a frame took beyond half of its own length is added, what it stayed below is taken off; at SLOW_MS the filter goes. So a
single stall of a tenth of a second ends it, and so do a few frames in a row that take longer than they last.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.contracts.echo import AudioFilter
from patter_cli.engine.watchdog import one_step

log = logging.getLogger(__name__)

SLOW_MS = 60.0
"""The debt at which a filter is too slow: all calls of the process wait meanwhile."""


class GuardedFilter:
    """One call's filter, as long as it behaves."""

    def __init__(self, inner: AudioFilter, *, rate_hz: int, seconds: Callable[[], float] = time.perf_counter) -> None:
        """seconds: a clock that runs while the filter works."""
        self._inner: AudioFilter | None = inner
        self._rate_hz = rate_hz
        self._seconds = seconds
        self._debt_ms = 0.0

    @property
    def bypassed(self) -> bool:
        """Whether the filter has been left out."""
        return self._inner is None

    def process(self, samples: Samples) -> Samples:
        """int16, shape (n,), to the same; `samples` itself once the filter is left out. Never raises."""
        if self._inner is None:
            return samples
        began = self._seconds()
        try:
            with one_step(self._inner.process):
                out: Any = self._inner.process(samples.copy(), self._rate_hz)
        except KeyboardInterrupt:
            raise
        except BaseException:
            log.exception("audio_filter raised; this call goes on without it")
            self._inner = None
            return samples
        took_ms = (self._seconds() - began) * 1000
        if not isinstance(out, np.ndarray) or out.dtype != np.int16 or out.shape != samples.shape:
            log.error(
                "audio_filter returned %s, not %d int16 samples; this call goes on without it", _told(out), len(samples)
            )
            self._inner = None
            return samples
        self._debt_ms = max(0.0, self._debt_ms + took_ms - len(samples) * 500 / self._rate_hz)
        if self._debt_ms > SLOW_MS:
            log.error("audio_filter is too slow (%.0f ms for a frame); this call goes on without it", took_ms)
            self._inner = None
        # A copy: many filters give back the same buffer each time, and recognition keeps what it got.
        return out.copy()


def is_audio_filter(value: object) -> bool:
    """Whether `filter_for_call` can use it: an object with `process`, or a class or function that makes one."""
    return callable(inspect.getattr_static(value, "process", None)) or callable(value)


def filter_for_call(
    audio_filter: AudioFilter | Callable[[], AudioFilter] | None, *, rate_hz: int
) -> GuardedFilter | None:
    """The filter of a new call: the object itself, or what the class or function makes. Never raises.

    An object with state should be given as a class or a function, or calls would hear each other.
    """
    if audio_filter is None:
        return None
    made: Any = audio_filter
    if isinstance(audio_filter, type) or not hasattr(audio_filter, "process"):
        try:
            with one_step(audio_filter):
                made = audio_filter()
        except KeyboardInterrupt:
            raise
        except BaseException:
            log.exception("audio_filter could not be made; this call goes on without it")
            return None
    if not callable(getattr(made, "process", None)):
        log.error("audio_filter has no process(samples, rate_hz); this call goes on without it")
        return None
    return GuardedFilter(made, rate_hz=rate_hz)


def _told(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return type(value).__name__
