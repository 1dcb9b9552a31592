"""A scenario written down as the TOML file that `load_scenario` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from patter_cli.agent import HangUp, Interrupt, Press, Say
from patter_cli.simulate.steps import StaySilent, describe
from patter_cli.simulate.written import Scenario, ScenarioStep, WantedTool
from patter_cli.text.printable import printable

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def scenario_text(scenario: Scenario, remarks: tuple[str, ...] = ()) -> str:
    """remarks: lines above it, without their signs. For scenarios of speech, keys, silences and hanging up."""
    lines = [f"# {printable(each)}".rstrip() for each in remarks]
    if scenario.agent:
        lines += ["", f"agent = {_value(scenario.agent)}"] if lines else [f"agent = {_value(scenario.agent)}"]
    for human in scenario.humans:
        lines += ["", "[[human]]", f"number = {_value(human.number)}"]
        lines += [f"refuses = {_value(human.refuses)}"] if human.refuses else [f"says = {_value(list(human.says))}"]
    for step in scenario.steps:
        lines += ["", "[[step]]", *_step(step)]
    expected = scenario.expected
    whole = {
        "outcome": expected.outcome.value if expected.outcome is not None else None,
        "reason": expected.reason or None,
        "transfer": expected.transfer,
        "says": list(expected.says) or None,
    }
    if any(each is not None for each in whole.values()):
        lines += ["", "[expect]", *(f"{key} = {_value(each)}" for key, each in whole.items() if each is not None)]
    return "\n".join(lines) + "\n"


def _step(step: ScenarioStep) -> Iterator[str]:
    match step.does:
        case Say(text):
            yield f"say = {_value(text)}"
        case Interrupt(text, after_words=words) if words:
            yield f"interrupt = {_value(text)}"
            yield f"after_words = {_value(words)}"
        case Interrupt(text, after_ms=after_ms):
            yield f"interrupt = {_value(text)}"
            yield f"after_ms = {after_ms}"
        case Press(digits):
            yield f"press = {_value(digits)}"
        case StaySilent(ms):
            yield f"silent_ms = {ms}"
        case HangUp():
            yield "hang_up = true"
        case other:
            raise AssertionError(describe(other))  # no journal makes one
    if step.expect:
        yield f"expect = {_value(step.expect[0] if len(step.expect) == 1 else list(step.expect))}"
    if step.tools:
        tools = [_tool(each) for each in step.tools]
        yield f"tool = {tools[0]}" if len(tools) == 1 else f"tool = [{', '.join(tools)}]"


def _tool(tool: WantedTool) -> str:
    if not tool.arguments:
        return _value(tool.name)
    return _value({"name": tool.name, "arguments": tool.arguments})


def _value(value: Any) -> str:
    """A TOML value on one line; a list of several texts has a line for each."""
    if isinstance(value, str):
        return json.dumps(printable(value), ensure_ascii=False).replace("\x7f", "")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        if len(value) > 1 and all(isinstance(each, str) for each in value):
            return "[\n" + "".join(f"  {_value(each)},\n" for each in value) + "]"
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(each)} = {_value(inner)}" for each, inner in value.items()) + "}"
    return json.dumps(value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
