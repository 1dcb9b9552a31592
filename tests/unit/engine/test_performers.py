"""Every order of the machine has exactly one part of a call that takes it."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import get_args

import patter_cli.engine
from patter_cli.core.commands import Command

ENGINE = Path(patter_cli.engine.__path__[0])


def taken(path: Path) -> list[str]:
    """The commands that a file's `perform` methods name in their cases."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == "perform":
            for each in ast.walk(node):
                if isinstance(each, ast.MatchClass) and isinstance(each.cls, ast.Attribute):
                    found.append(each.cls.attr)
    return found


def test_every_command_is_performed_by_one_part() -> None:
    """A new command that nobody takes, and one that two parts take, fail here and not in somebody's call."""
    with_a_line = [path for path in ENGINE.glob("*.py") if path.name != "perform_dial.py"]
    counts = Counter(name for path in with_a_line for name in taken(path))
    assert counts == Counter(each.__name__ for each in get_args(Command) if each.__name__ != "PlaceCall")


def test_a_call_without_a_line_is_placed_and_hung_up() -> None:
    """What its machine may order before there is a line, beside what the author's code does."""
    assert sorted(taken(ENGINE / "perform_dial.py")) == ["HangUp", "PlaceCall"]


def test_the_loop_stays_small() -> None:
    """The session is a loop and its performers: what a call does beside deciding belongs to one of those."""
    assert len((ENGINE / "call.py").read_text().splitlines()) <= 200
