"""A run of the fuzzer on all cores: the same calls in the same order, each held by whichever process is free.

What becomes of a call depends on its seed and on the agent's file alone, so it does not matter who holds it, or when.
Only the order in which it is heard of does, and that is the order of the calls.
"""

from __future__ import annotations

import io
import itertools
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stderr
from typing import Final

from patter_cli import keys
from patter_cli.errors import InputError
from patter_cli.settings import Settings
from patter_cli.simulate.fuzz.run import Fuzzer, Held

MOST: Final = 8
"""Processes of some 80 MB each."""
WORTH_MINUTES: Final = 20.0
"""Of talk for each process: to begin one takes about a second, and so does that."""
AHEAD: Final = 4
"""Calls that are asked of each process before it is heard from."""
_here: Final[list[Fuzzer]] = []
"""In such a process: the one that it was begun for."""


def processes_for(minutes: float) -> int:
    """How many to hold so much talk with; one: none beside this."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, MOST, int(minutes / WORTH_MINUTES)))


@contextmanager
def calls_in_processes(spec: str, settings: Settings, seed: int, count: int) -> Iterator[Iterator[Held]]:
    """The calls of a seed, one after the other, for as long as somebody asks. Those that are under way then are
    dropped. Raises InputError where a call takes its process down with it."""
    others = multiprocessing.active_children()
    # A fork would have the agent's modules as they are here; a process of its own has read its file and nothing else.
    pool = ProcessPoolExecutor(
        count, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(spec, settings)
    )
    try:
        yield _in_order(pool, spec, seed, count * AHEAD)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for each in multiprocessing.active_children():
            if each not in others:
                each.terminate()


def _in_order(pool: ProcessPoolExecutor, spec: str, seed: int, ahead: int) -> Iterator[Held]:
    asked: deque[Future[Held]] = deque()
    try:
        for number in itertools.count(1):
            asked.append(pool.submit(_hold, seed, number))
            if len(asked) == ahead:
                yield asked.popleft().result()
    except BrokenProcessPool as error:
        raise InputError(
            f"a call ends the whole program that {spec} runs in",
            hint="look for os._exit in it, and for what it imports that is not written in Python",
        ) from error


def _begin(spec: str, settings: Settings) -> None:
    from patter_cli.cli.fuzzing import FuzzRun

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who presses Ctrl-C means the run, which ends us
    os.dup2(2, 1)  # what the agent's code prints is no data
    keys.stand_behind(settings.keys)
    with redirect_stderr(io.StringIO()):  # what there is to say of its file was said
        _here.append(FuzzRun.of(spec, settings).fuzzer)


def _hold(seed: int, number: int) -> Held:
    return _here[0].call(seed, number)
