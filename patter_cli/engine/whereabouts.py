"""Whose code it is, and where: names, lines and frames of the author's functions, for the log and the watchdog."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

_PACKAGE = str(Path(__file__).parents[1])
_NOT_THEIRS = (_PACKAGE, str(Path(asyncio.__file__).parents[1]), "<frozen", "uvloop/")
"""Our files and Python's own."""


def name_of(hook: Callable[..., Any]) -> str:
    """The function's name, for logs."""
    function = _function(hook)
    return str(getattr(function, "__name__", type(function).__name__))


def key_of(hook: Any, depth: int = 3) -> Any:
    """What two closures of one `def` have in common, and two functions under one decorator have not."""
    function = _function(hook)
    if not inspect.isfunction(function):
        return type(function)
    inside: list[Any] = []
    for cell in function.__closure__ or () if depth else ():
        with suppress(ValueError):  # it is empty
            inside.append(cell.cell_contents)
    return function.__code__, function.__name__, *(key_of(each, depth - 1) for each in inside if callable(each))


def _function(hook: Any) -> Any:
    """What was written by the author, without what was wrapped around it since."""
    while True:
        if isinstance(hook, functools.partial):
            hook = hook.func
        elif inspect.ismethod(hook):
            hook = hook.__func__
        else:
            return hook


def place(frames: list[types.FrameType], name: str = "") -> str:
    """ "agents/x.py:12 on_message": the author's line, whatever it called from there."""
    if not frames:
        return name or "something"
    at = frames[-1]
    return f"{shown(at.f_code.co_filename)}:{at.f_lineno} {name or at.f_code.co_name}"


def shown(path: str) -> str:
    """A file as one would type it here."""
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path


def place_of(error: BaseException) -> str:
    """Where an error came from: the line that raised it, or what that was called from where it is Python's own."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [each for each in frames if not each.f_code.co_filename.startswith(_NOT_THEIRS)]
    return place(own[-1:])


def frames_of(thread_id: int) -> Iterator[types.FrameType]:
    """Where a thread is, innermost first."""
    frame = sys._current_frames().get(thread_id)
    while frame is not None:
        yield frame
        frame = frame.f_back


def author_frames_of(thread_id: int) -> list[types.FrameType]:
    """The same as far as it is not our own code."""
    frames = dropwhile(_is_ours, frames_of(thread_id))
    return list(takewhile(lambda frame: not _is_ours(frame), frames))


def callback_frame_of(thread_id: int) -> types.FrameType | None:
    """What the loop of a thread has called and waits for."""
    frame = sys._current_frames().get(thread_id)
    while frame is not None and (frame.f_back is None or frame.f_back.f_code is not asyncio.Handle._run.__code__):
        frame = frame.f_back
    return frame


def _is_ours(frame: types.FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_PACKAGE)
