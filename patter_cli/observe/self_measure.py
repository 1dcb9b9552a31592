"""This process as Prometheus knows processes: processor time, memory, files, its start. Only where the system tells."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from patter_cli.observe.exposition import Family, Gauge

_BORN = time.time() - time.process_time()
"""Near enough where the system does not tell."""


def process_families(now_s: Callable[[], float]) -> Iterator[Family]:
    """Source: prometheus.io/docs/instrumenting/writing_clientlibs, "process metrics"."""
    yield _family("process_cpu_seconds_total", "Processor time that was used.", time.process_time(), "counter")
    yield _family("process_start_time_seconds", "When the process began, Unix time.", _started_at(now_s()))
    memory, files = _resident_bytes(), _open_files()
    if memory is not None:
        yield _family("process_resident_memory_bytes", "Memory that is in use.", memory)
    if files is not None:
        yield _family("process_open_fds", "Files and sockets that are open.", files)
    if sys.platform != "win32":
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        yield _family("process_max_fds", "How many there may be.", most)


def _family(name: str, said: str, value: float, kind: str = "gauge") -> Family:
    return Gauge(name, said, lambda: {(): float(value)}, kind=kind)


def _started_at(now_s: float) -> float:
    """Source: proc(5), /proc/self/stat, field 22: since the system began, in ticks."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        up_s = float(Path("/proc/uptime").read_text().split()[0])
        return now_s - up_s + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return _BORN


def _resident_bytes() -> int | None:
    """Source: proc(5), /proc/self/statm."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _open_files() -> int | None:
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return None
