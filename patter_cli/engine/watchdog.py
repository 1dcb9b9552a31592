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
import ctypes
import functools
import inspect
import logging
import os
import signal
import sys
import threading
import time
import traceback
import types
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import dropwhile, islice, takewhile
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

HELD_S = 0.25
"""A step this long is held against its function. RELIABILITY 3.3."""
INTERRUPT_S = 1.0
"""A step this long is interrupted. Later than it is named: a slow first import should not be torn apart."""
LOST_S = 3.0
"""A step this long on an author's loop: others do not wait for its end. Later than it is interrupted: what was made on
the loop, clients and locks, works on no other."""
NOW = "now"
"""`task.cancel(NOW)`: no more cleaning up. The author's code is closed where it stands, whatever it catches."""
LOOK_S = 0.05
_LOOKS = round(HELD_S / LOOK_S)
_PACKAGE = str(Path(__file__).parents[1])
_NOT_THEIRS = (_PACKAGE, str(Path(asyncio.__file__).parents[1]), "<frozen")
"""Our files and Python's own."""

_watches: dict[asyncio.AbstractEventLoop, LoopWatch] = {}
_changes = threading.Lock()
_anybody = threading.Event()
_looking = False
_quarantined: set[Any] = set()
"""The functions that were convicted."""
_counts: Counter[str] = Counter()


class LetGo(BaseException):
    """Raised in the author's code that keeps a loop, or a cancelled task. No Exception: it is not theirs to catch."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else f"it held its event loop for {INTERRUPT_S:g} s"


@dataclass(slots=True, eq=False)
class Step:
    """The author's code, from one await to the next. hook: their function that it belongs to."""

    hook: Callable[..., Any]
    began_at: float
    looks: int = 0
    """How often the watch found it running."""
    named: bool = False


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

    def begin(self) -> None:
        """From any thread: somebody cares whether the loop is alive."""
        global _looking
        with _changes:
            self.users += 1
            if self.users > 1:
                return
            self.beat_at, self.looks = time.monotonic(), 0
            _watches[self.loop] = self
            _anybody.set()
            if not _looking:
                _looking = True
                threading.Thread(target=_keep_looking, name="patter-watchdog", daemon=True).start()
        with suppress(RuntimeError):  # it is closed
            self.loop.call_soon_threadsafe(self._start_beating)

    def end(self) -> None:
        """From any thread: one does not care any more."""
        with _changes:
            self.users -= 1
            if not self.users:
                _watches.pop(self.loop, None)
                if not _watches:
                    _anybody.clear()

    def _start_beating(self) -> None:
        if not self.beating:
            self._beat()

    def _beat(self) -> None:
        """On the loop, every LOOK_S: it is alive."""
        self.beat_at = time.monotonic()
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
            log.warning(
                "%s has held the event loop for %.0f ms: every call waits",
                ", called from ".join(place([each]) for each in islice(_frames(self.thread_id), 4)),
                1000 * (now - self.beat_at),
            )
        if self.theirs:
            self._look_at_callback(now)

    def _look_at_callback(self, now: float) -> None:
        """A `call_soon` of the author's: nobody's step, but the same frame at every look."""
        frame = _callback_frame(self.thread_id)
        if frame is None or frame is not self.callback[0]:
            self.callback = (frame, now)
        elif now - self.callback[1] >= LOST_S:
            self._lose(place([frame]))
        elif now - self.callback[1] >= INTERRUPT_S:
            self._interrupt()

    def _interrupt(self) -> None:
        if self.theirs:
            _raise_in_thread(self.thread_id)
        elif self.thread_id == threading.main_thread().ident:
            _signal_main_thread(self.thread_id)

    def _lose(self, name: str) -> None:
        if self.on_lost is not None and not self.lost:
            self.lost = True
            self.on_lost(name)


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


async def in_steps(awaitable: Awaitable[Any], hook: Callable[..., Any], watch: LoopWatch | None) -> Any:
    """Await the author's code, every step of it under its function's name; without a watch it may hold its loop.

    What must not leave it (SystemExit, KeyboardInterrupt and the like would end the loop) comes out as RuntimeError.
    """
    return await _steps(awaitable if asyncio.iscoroutine(awaitable) else _coroutine(awaitable), hook, watch)


def is_quarantined(hook: Callable[..., Any]) -> bool:
    """This function has held a loop: it must not run on one that has calls."""
    return bool(_quarantined) and _key(hook) in _quarantined


def times_held() -> dict[str, int]:
    """How often each of the author's functions held a loop of this process; "?" is what was no hook's doing."""
    return dict(_counts)


def name_of(hook: Callable[..., Any]) -> str:
    """The function's name, for logs."""
    function = _function(hook)
    return str(getattr(function, "__name__", type(function).__name__))


def contained(error: BaseException) -> BaseException:
    """The same error, or what takes the place of one that must not leave the author's code."""
    name = type(error).__name__
    try:
        shown = (str(error), repr(error))[1]
    except BaseException:  # noqa: BLE001 (the author's __str__ and __repr__ are the author's code too)
        return RuntimeError(f"the author's code raised {name}, which cannot be shown")
    harmless = isinstance(error, (Exception, asyncio.CancelledError)) and not isinstance(error, StopIteration)
    if harmless:
        return error
    instead = RuntimeError(str(error) if isinstance(error, LetGo) else f"the author's code raised {shown}")
    instead.__cause__ = error
    return instead


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


def _raise_in_thread(thread_id: int) -> None:
    """Have `LetGo` raised in a thread of the author's, as soon as it runs Python again."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(LetGo))


def _signal_main_thread(thread_id: int) -> None:
    if sys.platform != "win32" and signal.getsignal(signal.SIGURG) is _let_go:
        signal.pthread_kill(thread_id, signal.SIGURG)


def _let_go(number: int, frame: types.FrameType | None) -> None:
    """The handler: on the loop's thread, wherever that is at this moment."""
    me = threading.get_ident()
    for watch in tuple(_watches.values()):
        if watch.thread_id == me and watch.step is not None and watch.step is watch.sentenced:
            raise LetGo(f"it held the event loop for {1000 * (time.monotonic() - watch.step.began_at):.0f} ms")


@types.coroutine
def _steps(work: Any, hook: Callable[..., Any], watch: LoopWatch | None) -> Generator[Any, Any, Any]:
    """`await work`, taken apart: between `send` and its return the author's code runs."""
    value: Any = None
    error: BaseException | None = None
    while True:
        try:
            if watch is not None:
                watch.step = Step(hook, time.monotonic())
            waits_for = work.send(value) if error is None else work.throw(error)
        except StopIteration as done:
            return done.value
        except BaseException as raised:
            if raised is error:  # our own cancellation or closing, on its way out
                raise
            safe = contained(raised)
            raise safe from safe.__cause__
        finally:
            if watch is not None:
                watch.step = None
        try:
            value, error = (yield waits_for), None
        except BaseException as thrown:
            if isinstance(thrown, asyncio.CancelledError) and thrown.args == (NOW,):
                with suppress(BaseException):
                    work.throw(LetGo("it goes on although it was cancelled"))  # if it awaits even now, so be it
                raise
            error = thrown


async def _coroutine(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _function(hook: Any) -> Any:
    """What was written by the author, without what was wrapped around it since."""
    while True:
        if isinstance(hook, functools.partial):
            hook = hook.func
        elif inspect.ismethod(hook):
            hook = hook.__func__
        else:
            return hook


def _key(hook: Any, depth: int = 3) -> Any:
    """What two closures of one `def` have in common, and two functions under one decorator have not."""
    function = _function(hook)
    if not inspect.isfunction(function):
        return type(function)
    inside: list[Any] = []
    for cell in function.__closure__ or () if depth else ():
        with suppress(ValueError):  # it is empty
            inside.append(cell.cell_contents)
    return function.__code__, function.__name__, *(_key(each, depth - 1) for each in inside if callable(each))


def _convict(step: Step, watch: LoopWatch, held_s: float) -> None:
    name = name_of(step.hook)
    _counts[name] += 1
    if is_quarantined(step.hook):
        return  # another run of it that began before; it has been told
    _quarantined.add(_key(step.hook))
    where = place(_author_frames(watch.thread_id), name)
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


def _frames(thread_id: int) -> Iterator[types.FrameType]:
    """Where a thread is, innermost first."""
    frame = sys._current_frames().get(thread_id)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _author_frames(thread_id: int) -> list[types.FrameType]:
    """The same as far as it is not our own code."""
    frames = dropwhile(_is_ours, _frames(thread_id))
    return list(takewhile(lambda frame: not _is_ours(frame), frames))


def _is_ours(frame: types.FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_PACKAGE)


def _callback_frame(thread_id: int) -> types.FrameType | None:
    """What the loop of a thread has called and waits for."""
    frame = sys._current_frames().get(thread_id)
    while frame is not None and (frame.f_back is None or frame.f_back.f_code is not asyncio.Handle._run.__code__):
        frame = frame.f_back
    return frame


def place_of(error: BaseException) -> str:
    """Where an error came from: the line that raised it, or what that was called from where it is Python's own."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [each for each in frames if not each.f_code.co_filename.startswith(_NOT_THEIRS)]
    return place((own or frames)[-1:])


def place(frames: list[types.FrameType], name: str = "") -> str:
    """ "agents/x.py:12 on_message": the author's line, whatever it called from there."""
    if not frames:
        return name or "something"
    at = frames[-1]
    path = at.f_code.co_filename
    here = os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path
    return f"{here}:{at.f_lineno} {name or at.f_code.co_name}"


def _keep_looking() -> None:
    while True:
        _anybody.wait()
        time.sleep(LOOK_S)
        with _changes:
            watches = tuple(_watches.values())
        for watch in watches:
            try:
                watch.look()
            except Exception:
                log.exception("the watchdog could not look")
