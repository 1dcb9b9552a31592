"""A callback that signals its own process, in a program that is run as the commands are."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

PROGRAM = """
import asyncio, logging, os, signal
from patter_cli.engine.hooks import CallEvent, call_hook
from patter_cli.server.run import run

logging.basicConfig(format="%(message)s")

async def on_message(event):
    {act}

async def main():
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    try:
        await call_hook(on_message, CallEvent())
    except PermissionError as error:
        print("refused:", error)
    else:
        await asyncio.wait_for(asked.wait(), 2)
        print("asked to stop")

run(main())
"""


def outcome(act: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(act=act)], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout.strip(), done.stderr


@pytest.mark.parametrize(
    ("act", "name"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("os.kill(0, 9)", "SIGKILL"),
        ("os.killpg(os.getpgrp(), signal.SIGSTOP)", "SIGSTOP"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("signal.pthread_kill(__import__('threading').main_thread().ident, signal.SIGUSR1)", "SIGUSR1"),
    ],
)
def test_a_deadly_signal_is_refused(act: str, name: str) -> None:
    """The author's code gets the error; the log says where it was."""
    code, said, log = outcome(act)
    assert (code, said) == (0, f"refused: {name} would kill the server, and all calls with it")
    assert f"<string>:9 on_message would kill the server with {name}" in log


def test_one_that_asks_the_server_to_stop_does_and_is_told_of() -> None:
    """SIGTERM drains, whoever sends it."""
    code, said, log = outcome("os.kill(os.getpid(), signal.SIGTERM)")
    assert (code, said) == (0, "asked to stop")
    assert "<string>:9 on_message sends the server SIGTERM" in log


def test_other_processes_are_not_ours_to_protect() -> None:
    """And a signal that asks whether a process is there kills nobody."""
    act = "child = await asyncio.create_subprocess_exec('sleep', '30'); os.kill(os.getpid(), 0); "
    act += "os.kill(child.pid, 9); await child.wait(); os.kill(os.getpid(), signal.SIGTERM)"
    assert outcome(act)[:2] == (0, "asked to stop")
