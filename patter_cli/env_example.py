""".env.example: every variable that a .env may hold, written from Settings and the registry.

python -m patter_cli.env_example > .env.example
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

from patter_cli import registry, settings

_HEAD = """\
# Copy this to .env, fill in what you need, and keep .env to yourself. A variable that is empty says nothing; one that
# is set in your shell wins. What begins with # shows what holds anyway, and can be set in patter.toml too.
"""


def render() -> str:
    """The whole file."""
    return "\n".join([_HEAD, *_keys(), *_settings()])


def _keys() -> Iterator[str]:
    """The vendors' keys, each once, with those who look for it."""
    users: dict[str, list[str]] = {}
    for row in registry.ROWS:
        for variable in row.keys:
            users.setdefault(variable, []).append(f"{row.name} ({row.kind})")
    for variable, names in users.items():
        yield f"# Key of {', '.join(names)}.\n{variable}=\n"


def _settings() -> Iterator[str]:
    said = field_docs(settings.Settings)
    for name, row in settings.ROWS.items():
        if not row.variable:
            continue
        secret = row.section is None
        shown = "" if secret else as_text(getattr(settings.DEFAULTS, name))
        yield f"# {said[name]}\n{'' if secret else '# '}{row.variable}={shown}\n"


def as_text(value: Any) -> str:
    """A setting as one would write it; "" for None and for what is off."""
    if isinstance(value, bool):
        return "1" if value else ""
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value.value if isinstance(value, Enum) else "" if value is None else value)


def field_docs(of: type) -> dict[str, str]:
    """The text under each field of a class, in one line and without what it says of a value that is Python's."""
    (tree,) = ast.parse(inspect.getsource(of)).body
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                found[name] = re.sub(r"; (?:None|\"\"): [^.]*", "", " ".join(words.split()))
            case _:
                pass
    return found


if __name__ == "__main__":
    print(render(), end="")
