"""What the author's code takes for the time of day and for a nap, while a call runs on virtual time.

`time.time`, `time.sleep` and `datetime` answer in the call's own time for as long as it is held, so that one call is
the same call tomorrow, and a function that sleeps for six seconds keeps the caller waiting and nobody else.
"""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date as _real_date
from datetime import datetime as _real_datetime
from typing import Any, Final

WALL_TIME: Final = 1_750_064_400.0
"""Unix time at which every virtual call begins: a Monday at nine in the morning, UTC."""


class _LikeDatetime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _real_datetime)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, _real_datetime)


class _LikeDate(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _real_date)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, _real_date)


class _Datetime(_real_datetime, metaclass=_LikeDatetime):
    """datetime.datetime, by the virtual clock. In the zone UTC, wherever this machine is."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        utc = _real_datetime.fromtimestamp(time.time(), dt.UTC)
        return utc.replace(tzinfo=None) if tz is None else utc.astimezone(tz)

    @classmethod
    def today(cls) -> Any:
        return cls.now()

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now()


class _Date(_real_date, metaclass=_LikeDate):
    """datetime.date, by the virtual clock."""

    @classmethod
    def today(cls) -> Any:
        return _real_datetime.fromtimestamp(time.time(), dt.UTC).date()


@contextmanager
def virtual_time(now_s: Callable[[], float], sleep: Callable[[Any], None], *, seed: int) -> Iterator[None]:
    """Meanwhile it is WALL_TIME and now_s() seconds, and chance is decided by the seed.

    sleep: what time.sleep does, from whatever thread.
    """
    before = time.time, time.sleep, dt.datetime, dt.date, random.getstate()
    time.time, time.sleep = (lambda: WALL_TIME + now_s()), sleep
    dt.datetime, dt.date = _Datetime, _Date  # type: ignore[misc]
    random.seed(seed)
    try:
        yield
    finally:
        time.time, time.sleep, dt.datetime, dt.date = before[:4]  # type: ignore[misc]
        random.setstate(before[4])
