"""`patter`, and `python -m patter_cli`."""

from __future__ import annotations

import sys

# `python -m` puts the current folder first: a json.py in a cloned project would stand in for the standard library's.
if __name__ == "__main__" and sys.path:
    del sys.path[0]

from patter_cli.cli.app import main

if __name__ == "__main__":
    main()
