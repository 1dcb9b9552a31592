"""docs/speech.md holds what it shows: its agents are agents, and its tables know every vendor of ears and voices."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from patter_cli import Agent, registry

PAGE = (Path(__file__).parents[2] / "docs" / "speech.md").read_text(encoding="utf-8")


def test_its_agents_are_agents() -> None:
    """The code runs as it stands, from top to bottom."""
    names: dict[str, object] = {}
    found = []
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
        found.append(names["agent"])
    first, second = found
    assert isinstance(first, Agent)
    assert isinstance(second, Agent)
    assert first.keyterms == ("Bright Smile", "Dr. Nguyen")
    assert second.languages == {"en": "rachel", "es": "mateo"}


@pytest.mark.parametrize("row", [each for each in registry.ROWS if each.kind in ("stt", "tts") and each.keys])
def test_every_vendor_has_its_row(row: registry.Row) -> None:
    """With its key."""
    assert re.search(rf"\| `{row.target.partition(':')[2]}` \| `{row.keys[0]}`", PAGE)
