"""The page about language models says what is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import patter_cli
from patter_cli import Agent, registry
from patter_cli.contracts.llm import Text
from patter_cli.engine.model import ask_models

PAGE = (Path(__file__).parents[2] / "docs" / "llm.md").read_text()


def test_every_vendor_is_in_the_table_with_its_keys_and_model() -> None:
    """In the order in which they are chosen."""
    told = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+?) \| `(.+?)` \|$", PAGE, re.MULTILINE)
    rows = [row for row in registry.ROWS if row.kind == "llm"]
    assert [name for name, *_ in told] == [row.name for row in rows]
    for (_, kind, keys, model), row in zip(told, rows, strict=True):
        made = row.load()
        assert getattr(patter_cli, kind) is made
        assert tuple(re.findall("[A-Z_]+", keys)) == row.keys
        assert made().model == model


def test_its_first_example_is_an_agent() -> None:
    """As it stands there."""
    first = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    names: dict[str, object] = {}
    exec(first, names)
    agent = names["agent"]
    assert isinstance(agent, Agent)
    assert [each.provider for each in agent.llm] == ["anthropic", "google"]


async def test_its_lab_example_runs() -> None:
    """With a question put to the model: it is refused once, as the example says, and answered then."""
    second = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    imports, _, rest = second.partition("vendor = ")
    lines = [f"    {line}" for line in f"vendor = {rest}".splitlines()]
    asking = "        return [each async for each in ask_models([model], [], [], may_call=True)]"
    names: dict[str, Any] = {"ask_models": ask_models}
    exec("\n".join([imports, "async def example():", *lines, asking]), names)
    assert Text("nine.") in await names["example"]()
