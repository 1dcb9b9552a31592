"""Stands between us and a program that we run: ends it, with all its processes, when we are gone, however we went.

Run as a script, `python -I -S keeper.py PROGRAM ARGUMENT…`. Our side of its standard input is the leash: it is closed
when we close it, and by the system when we are killed. The keeper is in a session of its own, so that Ctrl-C in the
terminal reaches us first and the tunnel carries the goodbyes; the program is in another, so that it can be ended whole.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

GENTLY_S = 2.0
"""What the program gets to end by itself."""


def main() -> int:
    try:
        program = subprocess.Popen(
            sys.argv[1:],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_keeper if sys.platform == "linux" else None,  # no thread has been started yet
        )
    except OSError as error:
        print(f"{sys.argv[1]} cannot be started: {error.strerror}", file=sys.stderr)
        return 127
    threading.Thread(target=_end_with_the_leash, args=(program,), daemon=True).start()
    code = program.wait()
    _signal(program, "SIGKILL")  # whatever it has left behind in its group
    return code if code >= 0 else 128 - code


def _die_with_keeper() -> None:
    """In the program, before it begins. Source: Linux, prctl(2), PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _end_with_the_leash(program: "subprocess.Popen[bytes]") -> None:
    while os.read(0, 4096):
        pass
    _signal(program, "SIGTERM")
    ends_at_s = time.monotonic() + GENTLY_S
    while program.poll() is None and time.monotonic() < ends_at_s:
        time.sleep(0.02)
    _signal(program, "SIGKILL")


def _signal(program: "subprocess.Popen[bytes]", name: str) -> None:
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(program.pid, getattr(signal, name))
        else:
            program.kill()


if __name__ == "__main__":
    sys.exit(main())
