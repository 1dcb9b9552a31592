"""Where the built-in models run: a few threads for all calls, and who goes next for one.

Theory of operation. onnxruntime releases the interpreter lock, so the event loop goes on meanwhile, and more threads
than cores would only make every call wait longer. What waits has a rank, for what a caller waits for in silence comes
before what is only needed soon. Within a rank the owner (a call's ears, a call's voice) goes first that was served
longest ago, so that nobody's long reply keeps others waiting. Waiting raises a rank, one step every PATIENCE_S: after
two of them anything is as urgent as the most urgent, and then it is behind each other owner at most once.

What runs cannot be stopped, and the rest of an answer takes half a second. So the last free thread is kept for what is
awaited: whoever has finished a sentence does not wait for the end of a piece that is needed in two seconds.
"""

from __future__ import annotations

import ctypes
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import Any, Generic, TypeVar

T = TypeVar("T")

PATIENCE_S = 1.0
"""What waits this long is one rank more urgent. Less than the sound that the first piece of an answer makes, so that
its second is there in time."""


class Rank(IntEnum):
    """Who goes first for a thread."""

    AWAITED = 0
    """Somebody waits in silence for this: a final, the first sound of an answer."""
    AHEAD = 1
    """Needed soon: the rest of an answer whose beginning is playing."""
    SPARE = 2
    """Nice to have: a partial."""


@dataclass(slots=True, eq=False)
class Owner:
    """Whose work it is: one for each session. served: the number of its last turn."""

    served: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    work: T
    rank: Rank
    owner: Owner
    number: int
    since_s: float

    def urgency(self, now_s: float) -> tuple[int, int, int]:
        """Whoever has the least goes first."""
        rank = max(Rank.AWAITED, self.rank - int((now_s - self.since_s) / PATIENCE_S))
        return rank, self.owner.served, self.number


class WorkQueue(Generic[T]):
    """Work that waits. Not safe from several threads at once. Times are in seconds, of any clock."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting[T]] = []
        self._numbers = count(1)
        self._waits: deque[tuple[float, float]] = deque(maxlen=512)
        """When awaited work was begun, and how long it had waited."""

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, work: T, rank: Rank, owner: Owner, now_s: float) -> None:
        """Have it wait."""
        self._waiting.append(_Waiting(work, rank, owner, next(self._numbers), now_s))

    def next_rank(self, now_s: float) -> Rank | None:
        """How urgent what goes next has become; None if nothing waits."""
        return Rank(min(each.urgency(now_s) for each in self._waiting)[0]) if self._waiting else None

    def pop(self, now_s: float) -> T:
        """Take out what goes next. Raises ValueError if nothing waits."""
        # Looked through rather than kept sorted: there are two or three pieces of work a call, and ranks change.
        chosen = min(self._waiting, key=lambda each: each.urgency(now_s))
        self._waiting.remove(chosen)
        chosen.owner.served = next(self._numbers)
        if chosen.rank is Rank.AWAITED:
            self._waits.append((now_s, now_s - chosen.since_s))
        return chosen.work

    def clear(self) -> list[T]:
        """Take out everything."""
        waiting, self._waiting = self._waiting, []
        return [each.work for each in waiting]

    def waits_s(self, now_s: float, over_s: float) -> list[float]:
        """How long awaited work had to wait that was begun in the last so many seconds, or still waits."""
        begun = [waited_s for at_s, waited_s in self._waits if now_s - at_s <= over_s]
        return begun + [now_s - each.since_s for each in self._waiting if each.rank is Rank.AWAITED]


@dataclass(frozen=True, slots=True)
class _Task:
    future: Future[Any]
    run: Callable[[], Any]


class InferencePool:
    """A few threads for one queue.

    The threads are daemons, started on demand; at exit what waits is dropped and what runs is waited for briefly,
    because a thread must not come back from native code into an interpreter that is gone.
    """

    def __init__(self, threads: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = threads
        self._clock = clock
        self._threads: list[threading.Thread] = []
        self._queue: WorkQueue[_Task] = WorkQueue()
        self._ready = threading.Condition()
        self._free = 0
        self._ahead = 0
        """Threads that do what nobody waits for."""
        self._closed = False
        self._untidy = False
        self._tidy_at_s = 0.0
        self._paces: deque[tuple[float, float]] = deque(maxlen=_PACES)
        """When a piece of work was done, and how many times what it needed of a core it took."""

    @property
    def threads(self) -> int:
        """How many there are at most."""
        return self._limit

    @property
    def idle(self) -> bool:
        """Whether a partial handed in now would start at once."""
        with self._ready:
            return not self._queue and self._free + self._limit - len(self._threads) >= min(2, self._limit)

    def waits_s(self, over_s: float) -> list[float]:
        """How long what somebody waited for in silence had to wait for a thread, in the last so many seconds."""
        with self._ready:
            return self._queue.waits_s(self._clock(), over_s)

    def slowness(self, over_s: float) -> float:
        """How many times longer work takes than a core of its own would: what was done in the last so many seconds, its
        median. 1 where too little was done to tell."""
        with self._ready:
            now_s = self._clock()
            paces = [pace for at_s, pace in self._paces if now_s - at_s <= over_s]
        return statistics.median(paces) if len(paces) >= _FEWEST_PACES else 1.0

    def submit(self, work: Callable[[], T], rank: Rank, owner: Owner | None = None) -> Future[T]:
        """Run work in a thread. Cancelling the future takes it out of the queue while it has not begun.

        owner: whose work it is; None: nobody else's.
        """
        future: Future[T] = Future()
        with self._ready:
            if self._closed:
                future.cancel()
                return future
            self._queue.push(_Task(future, work), rank, owner or Owner(), self._clock())
            if len(self._queue) > self._free and len(self._threads) < self._limit:
                thread = threading.Thread(target=self._work, name="patter-inference", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._ready.notify()
        return future

    def close(self) -> None:
        """Drop what waits, let what runs end. For the end of the process."""
        with self._ready:
            self._closed = True
            waiting = self._queue.clear()
            self._ready.notify_all()
        for task in waiting:
            task.future.cancel()
        until_s = time.monotonic() + _LAST_INFERENCE_S
        for thread in self._threads:
            thread.join(timeout=max(0.0, until_s - time.monotonic()))

    def _work(self) -> None:
        while True:
            with self._ready:
                self._free += 1
                while not (self._closed or (rank := self._may_do()) is not None):
                    if not self._ready.wait(_LOOK_S if self._queue else _TIDY_S if self._untidy else None):
                        break
                self._free -= 1
                if self._closed:
                    return
                task = None if rank is None else self._queue.pop(self._clock())
                self._ahead += rank not in (None, Rank.AWAITED)
            if task is None:
                if not self._queue:
                    self._tidy()
                continue
            if task.future.set_running_or_notify_cancel():
                self._run(task)
            with self._ready:
                self._ahead -= rank is not Rank.AWAITED
            if not self._queue and self._clock() >= self._tidy_at_s:
                self._tidy()
            del task

    def _may_do(self) -> Rank | None:
        """The rank of what goes next, if a thread that is free may do it."""
        rank = self._queue.next_rank(self._clock())
        kept = rank is not Rank.AWAITED and 1 < self._limit <= self._ahead + 1
        return None if kept else rank

    def _run(self, task: _Task) -> None:
        self._untidy = True
        began_s, used_s = time.monotonic(), time.thread_time()
        try:
            result = task.run()
        except BaseException as error:  # noqa: BLE001 - the thread's edge: whoever awaits the future gets it
            task.future.set_exception(error)
        else:
            used_s = time.thread_time() - used_s
            if used_s >= _LEAST_WORK_S:
                with self._ready:
                    self._paces.append((self._clock(), (time.monotonic() - began_s) / used_s))
            task.future.set_result(result)

    def _tidy(self) -> None:
        """With nothing to do, give the system back what inferences have left behind."""
        self._untidy = False
        self._tidy_at_s = self._clock() + _TIDY_S
        _trim()


_LAST_INFERENCE_S = 15.0
"""The longest single piece of work, with room, for all threads together: 15 s of speech to text takes a quarter of a
second, but a model is loaded in seconds where the machine has other things to do. A thread that is still in native code
when the interpreter goes ends the process with a core dump."""

_LOOK_S = 0.2
"""How often a thread that is kept for what is awaited looks whether anything has become so urgent by waiting."""

_PACES, _FEWEST_PACES = 32, 5
"""So many pieces of work are remembered; of fewer nothing is said."""
_LEAST_WORK_S = 0.005
"""Less is over before the system has another thread run."""

_TIDY_S = 5.0
"""Between two tidyings: one takes some 10 ms, and what it gave away has to be asked for again."""


def _glibc_trim() -> Callable[[], object]:
    """glibc keeps what was freed, 150 MB a thread after a long sentence. Other systems have no such call."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda: None
    return lambda: trim(0)


_trim = _glibc_trim()
