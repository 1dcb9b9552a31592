"""Signals that the author's code sends to this very process: one that would kill it is refused, others are told of.

For a program that is our own: an audit hook sees them before they are sent, and cannot be taken away again. os._exit,
os.abort and crashes in C send nothing that could be seen.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Any

from patter_cli.engine.threads import AuthorThread
from patter_cli.engine.whereabouts import place

log = logging.getLogger(__name__)

_IGNORED = {0, signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
"""What does nothing to a process that has no handler for it."""
_watching = False


def watch_own_signals() -> None:
    """From now on, for as long as the process lives."""
    global _watching
    if not _watching:
        _watching = True
        sys.addaudithook(_hear)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Raises PermissionError in the author's code."""
    if event not in ("os.kill", "os.killpg", "signal.pthread_kill"):
        return
    if not isinstance(threading.current_thread(), AuthorThread):
        return
    target, number = arguments
    if number in _IGNORED or (event != "signal.pthread_kill" and not _is_us(event, target)):
        return
    where, name = place([sys._getframe(1)]), signal.Signals(number).name
    if number in (getattr(signal, "SIGKILL", None), getattr(signal, "SIGSTOP", None)) or (
        signal.getsignal(number) is signal.SIG_DFL
    ):
        log.error("%s would kill the server with %s, and all calls with it; refused", where, name)
        raise PermissionError(f"{name} would kill the server, and all calls with it")
    log.warning("%s sends the server %s", where, name)


def _is_us(event: str, target: int) -> bool:
    if event == "os.killpg":
        return target in (0, os.getpgrp())
    return target in (os.getpid(), 0, -1, -os.getpgrp())
