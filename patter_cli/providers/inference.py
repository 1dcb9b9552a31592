"""What the built-in models share: a small pool of threads with ranks, files out of packages, sessions.

onnxruntime releases the interpreter lock, so the event loop goes on meanwhile, and more threads than cores would only
make every call wait longer. Work has a rank; within a rank the first come is served first.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import heapq
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from enum import IntEnum
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Generic, TypeVar

from patter_cli.errors import MissingExtra
from patter_cli.extras import install_command

T = TypeVar("T")


class Rank(IntEnum):
    """Who goes first for a thread."""

    AWAITED = 0
    """Somebody waits in silence for this: a final, the first sound of an answer."""
    AHEAD = 1
    """Needed soon: the rest of an answer whose beginning is playing."""
    SPARE = 2
    """Nice to have: a partial."""


class InferencePool:
    """A few threads and a queue by rank.

    The threads are daemons, started on demand; at exit what waits is dropped and what runs is waited for briefly,
    because a thread must not come back from native code into an interpreter that is gone.
    """

    def __init__(self, threads: int) -> None:
        self._limit = threads
        self._threads: list[threading.Thread] = []
        self._queue: list[tuple[int, int, Future[Any], Callable[[], Any]]] = []
        self._order = count()
        self._ready = threading.Condition()
        self._free = 0
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether work handed in now would start at once."""
        with self._ready:
            return len(self._queue) < self._free + self._limit - len(self._threads)

    def submit(self, work: Callable[[], T], rank: Rank) -> Future[T]:
        """Run work in a thread. Cancelling the future takes it out of the queue while it has not begun."""
        future: Future[T] = Future()
        with self._ready:
            if self._closed:
                future.cancel()
                return future
            heapq.heappush(self._queue, (rank, next(self._order), future, work))
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
            waiting, self._queue = self._queue, []
            self._ready.notify_all()
        for _, _, future, _ in waiting:
            future.cancel()
        for thread in self._threads:
            thread.join(timeout=_LAST_INFERENCE_S)

    def _work(self) -> None:
        while True:
            with self._ready:
                self._free += 1
                self._ready.wait_for(lambda: self._queue or self._closed)
                self._free -= 1
                if self._closed:
                    return
                _, _, future, work = heapq.heappop(self._queue)
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - the thread's edge: whoever awaits the future gets it
                future.set_exception(error)
            else:
                future.set_result(result)
            del future, work


_LAST_INFERENCE_S = 2.0
"""The longest single inference, with room: 15 s of speech to text takes a quarter of a second."""


class Once(Generic[T]):
    """A value that any thread may ask for and that is made once; a failure is not remembered."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []

    @property
    def ready(self) -> bool:
        """Whether `get` would return at once."""
        return bool(self._made)

    def get(self) -> T:
        """The value; blocks while it is being made."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]

    async def warm(self) -> None:
        """Make the value in the pool."""
        if not self.ready:
            await asyncio.wrap_future(POOL.submit(self.get, Rank.AWAITED))


def asset(package: str, path: str) -> Path:
    """Where a package keeps a file, found without importing it. Raises MissingExtra if there is no such file."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (found := Path(folder) / path).is_file():
            return found
    raise MissingExtra(f"the local speech models need {package}", hint=install_command("local"))


def verified(package: str, path: str, sha256: str) -> bytes:
    """The content of a package's file. Raises MissingExtra if it is not there or not the file we know."""
    content = asset(package, path).read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise MissingExtra(
            f"{package} holds another {Path(path).name} than the one we know",
            hint=f"{install_command('local')} --force-reinstall",
        )
    return content


def onnx_session(model: bytes) -> Any:
    """An onnxruntime session for one thread a run; `run` may be called from many. Raises MissingExtra."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("the local speech models need onnxruntime", hint=install_command("local")) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.enable_mem_reuse = False  # its planning is what makes loading slow: 2.5-5 s against 0.4 s
    options.log_severity_level = 4  # what goes wrong comes out as an exception, not on stderr
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


POOL = InferencePool(min(4, _cores()))
"""Every inference of the process, whichever call it is for."""

atexit.register(POOL.close)
