"""What a process keeps, as against what it has needed for a moment and its allocator has not given back."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

import psutil


def kept_bytes() -> int:
    """Resident memory once everything that is not used any more is given back, as far as the system can be asked to."""
    gc.collect()
    with suppress(OSError, AttributeError):  # glibc's
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(psutil.Process().memory_info().rss)
