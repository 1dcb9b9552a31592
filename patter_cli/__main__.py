"""`patter`, and `python -m patter_cli`."""

from __future__ import annotations

from patter_cli.cli.app import main

if __name__ == "__main__":
    main()
