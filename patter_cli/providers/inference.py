"""What the built-in models share: the pool that they run in, files out of packages, sessions."""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import os
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

from patter_cli.errors import MissingExtra
from patter_cli.extras import install_command
from patter_cli.providers.pool import InferencePool, Rank

T = TypeVar("T")


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


def core_time_s(work: Callable[[], object], times: int = 3) -> float:
    """How long some work keeps a core busy when nobody disturbs it: the shortest of several times, of this thread."""
    took_s = []
    for _ in range(times):
        began_s = time.thread_time()
        work()
        took_s.append(time.thread_time() - began_s)
    return min(took_s)


def check_packages(*packages: str) -> None:
    """Raise MissingExtra for the first package that is not installed, as `asset` would; none is imported."""
    for each in packages:
        if find_spec(each) is None:
            raise _missing(each)


def asset(package: str, path: str) -> Path:
    """Where a package keeps a file, found without importing it. Raises MissingExtra if there is no such file."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (found := Path(folder) / path).is_file():
            return found
    raise _missing(package)


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
        raise _missing("onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.enable_mem_reuse = False  # its planning is what makes loading slow: 2.5-5 s against 0.4 s
    options.enable_cpu_mem_arena = (
        False  # one a model, and they never shrink: 690 MB after a hundred sentences, not 400
    )
    options.log_severity_level = 4  # what goes wrong comes out as an exception, not on stderr
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    session.disable_fallback()
    session._model_bytes = None  # kept only to fall back to other processors with; 107 MB of the four models
    return session


def _missing(package: str) -> MissingExtra:
    return MissingExtra(f"the local speech models need {package}", hint=install_command("local"))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


POOL = InferencePool(min(4, _cores()))
"""Every inference of the process, whichever call it is for."""


def _leave() -> None:
    """Let what runs end. Whoever interrupts even that leaves at once: the interpreter cannot be taken down around a
    thread in native code."""
    try:
        POOL.close()
    except KeyboardInterrupt:
        os._exit(130)


atexit.register(_leave)
