"""One of several, chosen at the terminal by its number or its name."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from patter_cli.errors import InputError


def somebody_here() -> bool:
    """Whether a question would be seen, and could be answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def choose(options: Mapping[str, str], *, otherwise: str) -> str:
    """Ask until one is chosen; the first is, where nothing is typed.

    options: names in their order, with what each of them is. otherwise: what to type where nobody answers.
    Raises InputError where the keyboard is closed.
    """
    names = list(options)
    width = max(map(len, names))
    for number, name in enumerate(names, 1):
        print(f"{number:3}  {name:<{width}}  {options[name]}".rstrip(), file=sys.stderr)
    while True:
        print("Which one? [1] ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            print(file=sys.stderr)
            raise InputError("none was chosen", hint=otherwise)
        given = line.strip() or "1"
        if given.isdecimal() and 0 < int(given) <= len(names):
            return names[int(given) - 1]
        begun = [each for each in names if each == given] or [each for each in names if each.startswith(given)]
        if len(begun) == 1:
            return begun[0]
        print(f"there is no {given!r}: a number from 1 to {len(names)}, or a name", file=sys.stderr)
