"""How an error is told: a sentence and the next thing to type for people, an object for whoever asked for JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from patter_cli.errors import PatterError
from patter_cli.text.printable import printable_lines

if TYPE_CHECKING:
    from patter_cli.cli.next_command import Typed


def tell(error: PatterError, *, as_json: bool, blamed: str = "", typed: Typed | None = None) -> None:
    """Say it on stderr; as_json: standard output gets {"error": {code, message, hint, command, exit_code}} as a line.

    blamed: where the value stands that is wrong. typed: the line that it came of, from which the next one is made.
    """
    from patter_cli.cli.next_command import line_of, next_command

    message = printable_lines((blamed + ": " if blamed else "") + str(error))
    hint = printable_lines(error.hint)
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    command = printable_lines(next_command(error, typed, blamed))
    if command and command not in hint:
        again = typed is not None and command == line_of(typed.words)
        print(f"{'then' if again else 'try'}: {command}", file=sys.stderr)
    if as_json:
        told = {"code": error.code, "message": message, "hint": hint, "command": command}
        print(json.dumps({"error": told | {"exit_code": error.exit_code}}, ensure_ascii=False), flush=True)
