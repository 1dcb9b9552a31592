"""docs/speech.md holds what it shows: its agents are agents, and its tables know every vendor of ears and voices."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from patter_cli import Agent, registry
from patter_cli.errors import InputError
from patter_cli.providers.elevenlabs_voices import STOCK

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
    assert second.languages == {"en": "rachel", "es": "lily"}


def test_every_account_has_the_voices_that_are_shown() -> None:
    """What the page and an Agent's own refusal show of ElevenLabs are stock voices, found by name with any key."""
    with pytest.raises(InputError) as refused:
        Agent("A.", languages="en")
    shown = [*re.findall(r'ElevenLabsTTS\(voice="(\w+)"', PAGE)]
    for text in (PAGE, refused.value.hint, Agent.__doc__ or ""):
        ((english, spanish),) = re.findall(r'\{"en": "(\w+)", "es": "(\w+)"\}', text)
        shown += [english, spanish]
    assert set(shown) <= set(STOCK)
    assert len(shown) == 7


@pytest.mark.parametrize("row", [each for each in registry.ROWS if each.kind in ("stt", "tts") and each.keys])
def test_every_vendor_has_its_row(row: registry.Row) -> None:
    """With its key."""
    assert re.search(rf"\| `{row.target.partition(':')[2]}` \| `{row.keys[0]}`", PAGE)
