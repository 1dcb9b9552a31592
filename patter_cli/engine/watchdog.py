"""The loops' watchdog: names the author's function that holds an event loop, and keeps it from doing so again.

Theory of operation. The author's coroutines of all calls share one loop (author_loop.py), so a `time.sleep` in one
agent's coroutine is a wait for the callbacks of all. What runs from one `await` to the next is a step. `in_steps` notes
the author's function when a step begins and forgets it when the step ends, so that at any moment a watch knows whose
code is on the loop. While somebody cares, the loop also beats: a timer that notes the time. The server's own loop is
watched by its beat alone; an audio filter is the only code on it that is not ours.

    step begins ... 250 ms: named in the log with its line, and quarantined ... 1 s: interrupted where that is possible
                ... 3 s: an author's loop is given up until it beats again
    no beat for 250 ms and no step: the line that the loop is at is logged

A thread looks every 50 ms. It counts its looks rather than trusting the clock alone: on a machine that stood still as
a whole, everybody looks late and nobody is guilty. Quarantined code has a thread and an event loop of its own from its
next run on, so each function keeps the others waiting at most once.

To interrupt an author's loop is to have the interpreter raise `LetGo` in its thread: between two instructions, so what
sleeps in C is interrupted when it wakes. All that can be hit besides the culprit is the author's code or the few lines
that carry it. The server's loop is treated with more care: a signal, whose handler raises `LetGo` in the main thread
only if the same step is still running there. It needs the main thread and POSIX: see `interrupting`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import threading
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from patter_cli.engine.steps import LetGo, Step, raise_in_thread
from patter_cli.engine.whereabouts import author_frames_of, callback_frame_of, frames_of, key_of, name_of, place

log = logging.getLogger(__name__)

HELD_S = 0.25
"""A step this long is held against its function. RELIABILITY 3.3."""
INTERRUPT_S = 1.0
"""A step this long is interrupted. Later than it is named: a slow first import should not be torn apart."""
LOST_S = 3.0
"""A step this long on an author's loop: others do not wait for its end. Later than it is interrupted: what was made on
the loop, clients and locks, works on no other."""
TOLD_S = 0.1
"""A loop that was held for so long is told of: five frames, which somebody may hear."""
LOOK_S = 0.05
_LOOKS = round(HELD_S / LOOK_S)

BURN_S = 2.0
"""Processor time that a thread of the author's may use once nobody waits for it any more."""

_watches: dict[asyncio.AbstractEventLoop, LoopWatch] = {}
_told: dict[asyncio.AbstractEventLoop, list[Callable[[float, str], None]]] = {}
_changes = threading.Lock()
_anybody = threading.Event()
_looking = False
_left_behind: list[_LeftBehind] = []
_quarantined: set[Any] = set()
"""The functions that were convicted."""
_counts: Counter[str] = Counter()


@dataclass(slots=True, eq=False)
class LoopWatch:
    """What the thread knows of one loop.

    theirs: it has nothing but the author's code. on_lost: told, in the watchdog's thread, of the function that has held
    the loop for LOST_S. lenient: it may be held, for now.
    """

    loop: asyncio.AbstractEventLoop
    theirs: bool = False
    on_lost: Callable[[str], None] | None = None
    lenient: bool = False
    thread_id: int = field(default_factory=threading.get_ident)
    users: int = 0
    beat_at: float = 0.0
    looks: int = 0
    """How often the watch found the same beat."""
    beating: bool = False
    step: Step | None = None
    sentenced: Step | None = None
    lost: bool = False
    """Held for too long, until the next beat."""
    callback: tuple[types.FrameType | None, float] = (None, 0.0)
    """What is at work without being a step, and since when."""
    holder: str = ""
    """Who holds it, once somebody was found to."""

    def begin(self) -> None:
        """From any thread: somebody cares whether the loop is alive."""
        with _changes:
            self.users += 1
            if self.users > 1:
                return
            self.beat_at, self.looks = time.monotonic(), 0
            _watches[self.loop] = self
            _wake_up()
        with suppress(RuntimeError):  # it is closed
            self.loop.call_soon_threadsafe(self._start_beating)

    def end(self) -> None:
        """From any thread: one does not care any more."""
        with _changes:
            self.users -= 1
            if not self.users:
                _watches.pop(self.loop, None)
                _rest()

    def _start_beating(self) -> None:
        if not self.beating:
            self._beat()

    def _beat(self) -> None:
        """On the loop, every LOOK_S: it is alive."""
        now = time.monotonic()
        late_s = now - self.beat_at - LOOK_S if self.beating else 0.0
        self.beat_at = now
        if late_s >= TOLD_S:
            by = "gc" if _collector.take() >= late_s / 2 else self.holder
            for tell in tuple(_told.get(self.loop, ())):
                tell(late_s, by)
        self.holder = ""
        self.looks = 0
        self.lost = False
        self.beating = bool(self.users)
        if self.beating:
            self.loop.call_later(LOOK_S, self._beat)

    def look(self) -> None:
        """In the thread: is anybody holding the loop?"""
        step, now = self.step, time.monotonic()
        if self.lenient:
            return
        if step is not None:
            step.looks += 1
            if step.looks >= _LOOKS and now - step.began_at >= HELD_S:
                if not step.named and (self.on_lost is not None or not self.theirs):
                    step.named = True
                    _convict(step, self, now - step.began_at)
                if now - step.began_at >= INTERRUPT_S:
                    self.sentenced = step
                    self._interrupt()
                if now - step.began_at >= LOST_S:
                    self._lose(name_of(step.hook))
            return
        self.looks += 1
        if self.looks <= _LOOKS or now - self.beat_at < HELD_S:
            self.callback = (None, now)
            return
        if self.looks == _LOOKS + 1:
            _counts["?"] += 1
            self.holder = place(list(islice(frames_of(self.thread_id), 1)))
            log.warning(
                "%s has held the event loop for %.0f ms: every call waits",
                ", called from ".join(place([each]) for each in islice(frames_of(self.thread_id), 4)),
                1000 * (now - self.beat_at),
            )
        if self.theirs:
            self._look_at_callback(now)

    def _look_at_callback(self, now: float) -> None:
        """A `call_soon` of the author's: nobody's step, but the same frame at every look."""
        frame = callback_frame_of(self.thread_id)
        if frame is None or frame is not self.callback[0]:
            self.callback = (frame, now)
        elif now - self.callback[1] >= LOST_S:
            self._lose(place([frame]))
        elif now - self.callback[1] >= INTERRUPT_S:
            self._interrupt()

    def _interrupt(self) -> None:
        if self.theirs:
            raise_in_thread(self.thread_id)
        elif self.thread_id == threading.main_thread().ident:
            _signal_main_thread(self.thread_id)

    def _lose(self, name: str) -> None:
        if self.on_lost is not None and not self.lost:
            self.lost = True
            self.on_lost(name)


@dataclass(slots=True, eq=False)
class _LeftBehind:
    """A thread that nobody waits for any more: it may finish what it does, but not compute for ever."""

    name: str
    used_s: Callable[[], float | None]
    """The processor's time it has used; None: it is over."""
    thread_id: int
    used_before_s: float = 0.0
    told: bool = False

    def look(self) -> bool:
        """Whether it is still to be looked at."""
        used_s = self.used_s()
        if used_s is not None and used_s - self.used_before_s > BURN_S:
            if not self.told:
                self.told = True
                log.error("%s goes on computing when nobody waits for it any more; it is stopped", self.name)
            raise_in_thread(self.thread_id)
        return used_s is not None


def leave_behind(name: str, thread_id: int, used_s: Callable[[], float | None]) -> None:
    """A thread of the author's has been given up. used_s: the processor's time it has used; None: it is over."""
    left = _LeftBehind(name, used_s, thread_id)
    left.used_before_s = used_s() or 0.0
    with _changes:
        _left_behind.append(left)
        _wake_up()


@contextmanager
def watched() -> Iterator[None]:
    """Have the running loop watched meanwhile; many may ask at once."""
    loop = asyncio.get_running_loop()
    watch = _watches.get(loop) or LoopWatch(loop)
    watch.begin()
    try:
        yield
    finally:
        watch.end()


@contextmanager
def told_when_held(tell: Callable[[float, str], None]) -> Iterator[None]:
    """Have it said when the running loop was held for TOLD_S or longer, as far as it is watched: (seconds, by whom).

    By "gc" where Python's garbage collector was at work for most of it, an author's function with its place, or "" for
    what nobody saw.
    """
    loop = asyncio.get_running_loop()
    told = _told.setdefault(loop, [])
    told.append(tell)
    _collector.begin()
    try:
        yield
    finally:
        _collector.end()
        told.remove(tell)
        if not told:
            _told.pop(loop, None)


class _Collector:
    """How long Python's garbage collector was at work, while anybody wants to know."""

    def __init__(self) -> None:
        self._users = 0
        self._begun = 0.0
        self._worked_s = 0.0

    def begin(self) -> None:
        self._users += 1
        if self._users == 1:
            gc.callbacks.append(self._note)

    def end(self) -> None:
        self._users -= 1
        if not self._users:
            with suppress(ValueError):
                gc.callbacks.remove(self._note)

    def take(self) -> float:
        """Since this was last asked, in seconds."""
        worked_s, self._worked_s = self._worked_s, 0.0
        return worked_s

    def _note(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] == 0:
            return  # the youngest are too few to be felt
        if phase == "start":
            self._begun = time.perf_counter()
        else:
            self._worked_s += time.perf_counter() - self._begun


_collector = _Collector()


@contextmanager
def one_step(hook: Callable[..., Any]) -> Iterator[None]:
    """What runs meanwhile on this loop, without an await, is the author's function: named and interrupted for it."""
    loop = asyncio._get_running_loop()
    watch = None if loop is None else _watches.get(loop)
    if watch is None:
        yield
        return
    watch.step = Step(hook, time.monotonic())
    try:
        yield
    finally:
        watch.step = None


def is_quarantined(hook: Callable[..., Any]) -> bool:
    """This function has held a loop: it must not run on one that has calls."""
    return bool(_quarantined) and key_of(hook) in _quarantined


def times_held() -> dict[str, int]:
    """How often each of the author's functions held a loop of this process; "?" is what was no hook's doing."""
    return dict(_counts)


@contextmanager
def interrupting() -> Iterator[None]:
    """Let the watchdog interrupt what holds the loop of this, the main thread. For a program that is our own.

    The signal is SIGURG, which does nothing where nobody handles it. Without POSIX or off the main thread it does
    nothing: the holder is named and quarantined, and the others wait until it lets go by itself.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGURG, _let_go)
    try:
        yield
    finally:
        signal.signal(signal.SIGURG, before)


def _signal_main_thread(thread_id: int) -> None:
    if sys.platform != "win32" and signal.getsignal(signal.SIGURG) is _let_go:
        signal.pthread_kill(thread_id, signal.SIGURG)


def _let_go(number: int, frame: types.FrameType | None) -> None:
    """The handler: on the loop's thread, wherever that is at this moment."""
    me = threading.get_ident()
    for watch in tuple(_watches.values()):
        if watch.thread_id == me and watch.step is not None and watch.step is watch.sentenced:
            raise LetGo(f"it held the event loop for {1000 * (time.monotonic() - watch.step.began_at):.0f} ms")


def _convict(step: Step, watch: LoopWatch, held_s: float) -> None:
    name = name_of(step.hook)
    _counts[name] += 1
    if is_quarantined(step.hook):
        return  # another run of it that began before; it has been told
    _quarantined.add(key_of(step.hook))
    where = watch.holder = place(author_frames_of(watch.thread_id), name)
    if not watch.theirs:
        log.error("%s has held the event loop for %.0f ms: every call waits", where, 1000 * held_s)
    else:
        log.error(
            "%s has held the event loop for %.0f ms: the callbacks of other calls wait; use await or make it a plain "
            "def. From its next run on it has a thread and an event loop of its own, where clients and locks made "
            "on the shared loop do not work",
            where,
            1000 * held_s,
        )


def _wake_up() -> None:
    global _looking
    _anybody.set()
    if not _looking:
        _looking = True
        threading.Thread(target=_keep_looking, name="patter-watchdog", daemon=True).start()


def _rest() -> None:
    if not _watches and not _left_behind:
        _anybody.clear()


def _keep_looking() -> None:
    while True:
        _anybody.wait()
        time.sleep(LOOK_S)
        with _changes:
            watches, left = tuple(_watches.values()), tuple(_left_behind)
        for watch in watches:
            try:
                watch.look()
            except Exception:
                log.exception("the watchdog could not look")
        for each in left:
            if not each.look():
                with _changes:
                    _left_behind.remove(each)
                    _rest()
