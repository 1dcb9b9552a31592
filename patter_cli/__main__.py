"""`patter`, and `python -m patter_cli`."""

from __future__ import annotations

import signal
import sys

# `python -m` puts the current folder first: a json.py in a cloned project would stand in for the standard library's.
if __name__ == "__main__" and sys.path:
    del sys.path[0]

# While the program is still being loaded, Ctrl-C ends it at once and without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)


def main(*words: str) -> None:
    """Run the command line. words: a command that the program is another name of."""
    from patter_cli.cli.app import main as run

    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run([*words, *sys.argv[1:]] if words else None)
    except KeyboardInterrupt:  # between two places that would have taken it
        sys.exit(130)


def mcp() -> None:
    """`patter-mcp`, a second name of `patter mcp`."""
    main("mcp")


if __name__ == "__main__":
    main()
