"""How an error is told: a sentence and the next thing to type for people, an object for whoever asked for JSON."""

from __future__ import annotations

import json
import re
import sys
from typing import Final

from patter_cli.errors import PatterError
from patter_cli.text.printable import printable_lines

_BEGINS: Final = re.compile(r"(?:^|(?<=[\s:(]))(?:patter|export|pip install)(?= [^\s:])")
_WORDS: Final = {"serve", "call", "simulate", "tunnel", "doctor", "explain", "trigger", "agents", "logs", "record"} | {
    *("dashboard", "fuzz", "init", "mcp", "list", "show", "check", "new", "reindex", "backup", "tail", "stats", "last")
}
"""What stands behind `patter`, and is no other word of a sentence."""
_ARGUMENT: Final = re.compile(r"-.*|.*[A-Z_=/.\[\d+<'\"].*")
"""What else belongs to a command: flags, paths, names in capitals, NAME=value, what is quoted."""


def tell(error: PatterError, *, as_json: bool, blamed: str = "") -> None:
    """Say it on stderr; as_json: standard output gets {"error": {code, message, hint, command, exit_code}} as a line.

    blamed: where the value stands that is wrong.
    """
    message = printable_lines((blamed + ": " if blamed else "") + str(error))
    hint = printable_lines(error.hint)
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    if as_json:
        told = {"code": error.code, "message": message, "hint": hint, "command": command_in(hint)}
        print(json.dumps({"error": told | {"exit_code": error.exit_code}}, ensure_ascii=False), flush=True)


def command_in(hint: str) -> str:
    """The first command that a hint tells one to type; "" if it tells none."""
    found = _BEGINS.search(hint)
    if found is None:
        return ""
    words: list[str] = []
    for word in hint[found.end() :].split():
        bare = word.rstrip(",;:)")
        if not (bare in _WORDS or _ARGUMENT.fullmatch(bare) or (found[0] != "patter" and not words)):
            break
        words.append(bare)
        if bare != word:
            break
    return " ".join((found[0], *words)) if words else ""
