"""Whatever a stranger writes is read or refused: nothing else is ever raised, nothing forged is believed, and a long
input takes no longer than it is long. Some 20 s together; `python -m tests.fuzz.decoders all 300` takes its time."""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Iterator

import pytest

from tests.fuzz.decoders import NESTED, TARGETS, run
from tests.fuzz.engines import ENGINES
from tests.fuzz.speech import HEARING, SPEAKING
from tests.fuzz.vendors import READERS


def _one_event_each(streams: tuple[str, ...]) -> tuple[str, ...]:
    events = [each for stream in streams for each in re.split(r"(?:\r?\n){2}", stream) if "{" in each]
    shapes = {re.sub(r'(?<=: )("[^"]*"|[0-9]+)', "", each): each for each in events}
    return tuple(f"{each}\n\n" for each in shapes.values())


COUNTS = {
    "twilio-webhook": 15_000,
    "telnyx-webhook": 25_000,
    "loopback": 60_000,
    "llm-chat": 5_000,
    "llm-responses": 4_000,
    "llm-anthropic": 8_000,
    "llm-google": 15_000,
    **dict.fromkeys((*HEARING, *SPEAKING, *ENGINES, "tts-lines"), 12_000),
    "tts-sound": 8_000,
    "config": 1_000,
    "env": 2_000,
    "agents": 1_500,
    "journal": 250,
}
"""About 1.5 s each."""


SHORT = {name: _one_event_each(TARGETS[name].samples) for name in READERS}
"""Whole streams have too many fields for that: one event of each shape stands for them."""


@pytest.fixture(autouse=True)
def nothing_is_logged() -> Iterator[None]:
    """What strangers write may hold halves of characters, and a report with such a log cannot be sent to whoever runs
    the tests. What is printed of a log is made printable: see cli/general.py."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", TARGETS)
def test_mutations(name: str) -> None:
    """Cut, doubled, replaced, nested thousands deep; the same ones each time."""
    seen = run(name, random.Random(2026), lambda count: count < COUNTS.get(name, 100_000))
    assert len(seen) > 1 or name == "ticket"


@pytest.mark.parametrize("name", TARGETS)
def test_every_field_nested_as_deep_as_can_be_read(name: str) -> None:
    """Where reading it just succeeds, looking into it must not fail."""
    target, dice = TARGETS[name], random.Random(1)
    for sample in SHORT.get(name, target.samples):
        for depth in (*NESTED, *range(940, 1001, 7)):
            for deep in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
                for place in range(sample.count(":") + 1):
                    head, *rest = sample.split(":")
                    parts = [head, *rest]
                    if place + 1 < len(parts):
                        _, comma, after = parts[place + 1].partition(",")
                        parts[place + 1] = deep + comma + after
                    target.new(dice)(":".join(parts))
