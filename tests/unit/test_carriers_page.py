"""docs/carriers.md: what it shows is what there is."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from pathlib import Path

import patter_cli
from patter_cli import Patter, registry
from patter_cli.call_event import CallEvent
from patter_cli.observe.own_prices import UNITS
from patter_cli.settings import ROWS

PAGE = (Path(__file__).parents[2] / "docs" / "carriers.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_its_variables_are_looked_for() -> None:
    """Each carrier's keys, and those of settings."""
    known = {each for row in registry.rows("carrier") for each in row.keys}
    known |= {name for row in ROWS.values() for name in row.variables}
    named = set(re.findall(r"`((?:TWILIO|TELNYX|PATTER|PHONE|WEBHOOK)_[A-Z_]+)`", PAGE))
    assert len(named) >= 8
    assert named <= known


def test_its_numbers_are_read() -> None:
    """The section that it shows is one."""
    (text,) = blocks("toml")
    assert set(tomllib.loads(text)["numbers"].values()) == {"receptionist", "orders"}


def test_its_programs_are_programs() -> None:
    """They import what is public, pass arguments that exist, and the callback gives what it says."""
    callback, program = blocks("python")
    names: dict[str, object] = {}
    exec(compile(callback, "carriers.md", "exec"), names)
    gold = CallEvent(custom_params={"tier": "gold"}, callee="+1")
    assert names["on_call_start"](gold)["agent"] == "concierge"  # type: ignore[operator]
    assert "+1" in names["on_call_start"](CallEvent(custom_params={}, callee="+1"))["first_message"]  # type: ignore[operator]
    tree = ast.parse(program)
    for each in ast.walk(tree):
        if isinstance(each, ast.ImportFrom):
            assert {name.name for name in each.names} <= set(patter_cli.__all__)
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr in ("call", "serve"):
            known = inspect.signature(getattr(Patter, each.func.attr)).parameters
            assert {keyword.arg for keyword in each.keywords} <= set(known)


def test_its_arguments_and_units_are_there() -> None:
    """The table of phone.call, and the units of pricing."""
    arguments = set(re.findall(r"`(\w+)`", PAGE.partition("Argument of `phone.call`")[2].partition("`outcome` is")[0]))
    known = set(inspect.signature(Patter.call).parameters)
    assert known - {"self", "to"} <= arguments
    assert set(UNITS) <= set(re.findall(r"`(\w+)`", PAGE))
