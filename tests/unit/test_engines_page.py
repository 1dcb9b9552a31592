"""docs/engines.md holds what it shows: its agent is one, and its table knows every engine there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from patter_cli import Agent, OpenAIRealtime, registry

PAGE = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")


def test_its_agent_is_one() -> None:
    """The code runs as it stands."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    agent = names["agent"]
    assert isinstance(agent, Agent)
    assert isinstance(agent.engine, OpenAIRealtime)
    assert [each.name for each in agent.tools] == ["free_slots"]


@pytest.mark.parametrize("row", [each for each in registry.ROWS if each.kind == "engine"], ids=lambda row: row.name)
def test_every_engine_has_its_row(row: registry.Row) -> None:
    """With its key, and the name that makes it."""
    assert re.search(rf"\| `{row.target.partition(':')[2]}` \| `{row.keys[0]}`", PAGE)
    assert f'"{row.name}"`' in PAGE
