"""The loop's watchdog: names the author's function that holds the event loop, and keeps it from doing so again.

Theory of operation. All calls of a process share one loop, so a `time.sleep` in one agent's coroutine is silence on
every line. A coroutine gives the loop back at each `await`; what runs from one to the next is a step. `watch_steps`
notes the author's function when its step begins and forgets it when the step ends, so that at any moment a watch
knows whose code is on the loop. While calls are live the loop also beats: a timer that notes the time.

    step begins ... 250 ms: named in the log with its line, and quarantined ... 1 s: interrupted where that is possible
    no beat for 250 ms and no step of a hook: the line that the loop is at is logged

A thread looks every 50 ms. It counts its looks rather than trusting the clock alone: on a machine that stood still as
a whole, everybody looks late and nobody is guilty. Quarantined code runs in a thread with an event loop of its own
from its next run on (hooks.py), so each function harms the other calls at most once, and for a second at most.

To interrupt is to send ourselves a signal whose handler raises `LetGo`. The handler runs on the loop's own thread,
between two of the step's own instructions or instead of its sleep; it looks once more whether that same step is still
running, so it can hit nobody else. It needs the main thread and POSIX: see `interrupting`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
import signal
import sys
import threading
import time
import types
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

HELD_S = 0.25
"""A step this long is held against its function. RELIABILITY 3.3."""
INTERRUPT_S = 1.0
"""A step this long is interrupted. Later than it is named: a slow first import should not be torn apart."""
NOW = "now"
"""`task.cancel(NOW)`: no more cleaning up. The author's code is closed where it stands, whatever it catches."""
LOOK_S = 0.05
_LOOKS = round(HELD_S / LOOK_S)

_watches: dict[asyncio.AbstractEventLoop, LoopWatch] = {}
_changes = threading.Lock()
_anybody = threading.Event()
_looking = False
_quarantined: dict[int, Any] = {}
"""Functions by id; they are kept, or the id would be given to another."""
_counts: Counter[str] = Counter()


class LetGo(BaseException):
    """Raised in the author's code that keeps the loop, or a cancelled task. No Exception: it is not theirs to catch."""


@dataclass(slots=True, eq=False)
class Step:
    """The author's function, from one await to the next."""

    hook: Callable[..., Any]
    began_at: float
    looks: int = 0
    """How often the watch found it running."""
    named: bool = False


@dataclass(slots=True, eq=False)
class LoopWatch:
    """What the thread knows of one loop."""

    loop: asyncio.AbstractEventLoop
    thread_id: int = field(default_factory=threading.get_ident)
    users: int = 0
    beat_at: float = 0.0
    looks: int = 0
    """How often the watch found the same beat."""
    step: Step | None = None
    sentenced: Step | None = None

    def beat(self) -> None:
        """On the loop, every LOOK_S: it is alive."""
        self.beat_at = time.monotonic()
        self.looks = 0
        if self.users:
            self.loop.call_later(LOOK_S, self.beat)

    def look(self) -> None:
        """In the thread: is anybody holding the loop?"""
        step, now = self.step, time.monotonic()
        if step is not None:
            step.looks += 1
            if step.looks >= _LOOKS and now - step.began_at >= HELD_S:
                if not step.named:
                    step.named = True
                    _convict(step, self.thread_id, now - step.began_at)
                if now - step.began_at >= INTERRUPT_S:
                    self.sentenced = step
                    _interrupt(self.thread_id)
            return
        self.looks += 1
        if self.looks == _LOOKS + 1 and now - self.beat_at >= HELD_S:
            _counts["?"] += 1
            log.warning(
                "%s has held the event loop for %.0f ms: every call waits",
                ", called from ".join(_place([each]) for each in _frames(self.thread_id)[:4]),
                1000 * (now - self.beat_at),
            )


@contextmanager
def watched() -> Iterator[None]:
    """Have the running loop watched meanwhile; many may ask at once."""
    global _looking
    loop = asyncio.get_running_loop()
    watch = _watches.get(loop) or LoopWatch(loop)
    watch.users += 1
    if watch.users == 1:
        watch.beat()
        with _changes:
            _watches[loop] = watch
            _anybody.set()
            if not _looking:
                _looking = True
                threading.Thread(target=_keep_looking, name="patter-watchdog", daemon=True).start()
    try:
        yield
    finally:
        watch.users -= 1
        if not watch.users:
            with _changes:
                del _watches[loop]
                if not _watches:
                    _anybody.clear()


async def watch_steps(awaitable: Awaitable[Any], hook: Callable[..., Any]) -> Any:
    """Await the author's code, every step of it under its function's name.

    What must not leave it (SystemExit, KeyboardInterrupt and the like would end the process, and all other calls with
    it) comes out as RuntimeError.
    """
    watch = _watches.get(asyncio.get_running_loop())
    return await _in_steps(_coroutine(awaitable), hook, watch)


def is_quarantined(hook: Callable[..., Any]) -> bool:
    """This function has held a loop: it must not run on one that has calls."""
    return id(_function(hook)) in _quarantined


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


def _let_go(number: int, frame: types.FrameType | None) -> None:
    """The handler: on the loop's thread, wherever that is at this moment."""
    me = threading.get_ident()
    for watch in tuple(_watches.values()):
        if watch.thread_id == me and watch.step is not None and watch.step is watch.sentenced:
            raise LetGo(f"it held the event loop for {1000 * (time.monotonic() - watch.step.began_at):.0f} ms")


def _interrupt(thread_id: int) -> None:
    if sys.platform != "win32" and thread_id == threading.main_thread().ident:
        if signal.getsignal(signal.SIGURG) is _let_go:
            signal.pthread_kill(thread_id, signal.SIGURG)


@types.coroutine
def _in_steps(work: Any, hook: Callable[..., Any], watch: LoopWatch | None) -> Generator[Any, Any, Any]:
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


def _convict(step: Step, thread_id: int, held_s: float) -> None:
    name = name_of(step.hook)
    _counts[name] += 1
    if is_quarantined(step.hook):
        return  # another run of it that began before; it has been told
    function = _function(step.hook)
    _quarantined[id(function)] = function
    log.error(
        "%s has held the event loop for %.0f ms: every call waits; use await or make it a plain def. "
        "From its next run on it has a thread and an event loop of its own, where clients and locks made "
        "on the server's loop do not work",
        _place(_frames(thread_id), name),
        1000 * held_s,
    )


def _frames(thread_id: int) -> list[types.FrameType]:
    """Where a thread is, innermost first, back to where the author's step began."""
    frame = sys._current_frames().get(thread_id)
    found: list[types.FrameType] = []
    while frame is not None and frame.f_code not in (_in_steps.__code__, _coroutine.__code__):
        found.append(frame)
        frame = frame.f_back
    return found


def _place(frames: list[types.FrameType], name: str = "") -> str:
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
