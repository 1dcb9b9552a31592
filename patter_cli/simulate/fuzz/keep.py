"""A fuzzed call as a scenario's file: `patter simulate --scenario FILE` holds it again, and fails as it did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields

from patter_cli.agent import HangUp, Interrupt, Press, Say
from patter_cli.simulate.fuzz.case import Fault, FuzzCase
from patter_cli.simulate.steps import Play, ScriptStep, StaySilent, WaitFor
from patter_cli.simulate.virtual.in_file import write_step
from patter_cli.simulate.virtual.world import Pace


def scenario_text(case: FuzzCase, agent: str, fault: Fault, path: str) -> str:
    """The file's content. agent: as one names it; path: where the file will be."""
    return "\n".join(_lines(case, agent, fault, path)) + "\n"


def _lines(case: FuzzCase, agent: str, fault: Fault, path: str) -> Iterator[str]:
    yield f"# {fault.rule}: {_comment(fault.what)}"
    yield f"# Hold it again: patter simulate --scenario {path}"
    yield f"agent = {_toml(agent)}"
    yield from ("", "[virtual]", f"seed = {case.seed}")
    usual = Pace()
    for each in fields(Pace):
        value = getattr(case.pace, each.name)
        if value != getattr(usual, each.name):
            yield f"{each.name} = {value}"
    for human in case.humans:
        yield from ("", "[[human]]", f"number = {_toml(human.number)}")
        yield f"refuses = {_toml(human.refuses)}" if human.refuses else f"says = {_toml(list(human.says))}"
    for step in case.steps:
        yield from ("", "[[step]]")
        yield from (f"{key} = {_toml(value)}" for key, value in _keys(step))
    yield from ("", "[expect]", "always = true")


def _keys(step: ScriptStep) -> Iterator[tuple[str, str | int | bool]]:
    match step:
        case Say(text):
            yield "say", text
        case Interrupt(text, after_ms=after_ms):
            yield "interrupt", text
            yield "after_ms", after_ms
        case Press(digits):
            yield "press", digits
        case HangUp():
            yield "hang_up", True
        case Play() | StaySilent() | WaitFor():
            raise AssertionError("no fuzzed call has one")
        case other:
            yield from write_step(other)


def _toml(value: str | int | bool | list[str]) -> str:
    """TOML's basic strings are JSON's, but for one character that JSON leaves as it is."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")


def _comment(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
