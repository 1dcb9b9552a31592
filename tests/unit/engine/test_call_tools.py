"""The tools that every agent has: what a model is told of them."""

from __future__ import annotations

from patter_cli.engine.call_tools import call_tools
from patter_cli.engine.tools import RESERVED


def test_both_are_always_there() -> None:
    """Under the names that no tool of an author may have, with and without anybody to transfer to."""
    for numbers in ((), ("+15550100001",)):
        assert tuple(spec.name for spec in call_tools(numbers)) == RESERVED
        assert all(spec.parameters["type"] == "object" and spec.description for spec in call_tools(numbers))


def test_the_model_chooses_from_the_numbers_there_are() -> None:
    """The schema has them as its only values; where there are none, it is told so."""
    transfer, _ = call_tools(["+15550100001", "+15550100002"])
    assert transfer.parameters["properties"]["number"]["enum"] == ["+15550100001", "+15550100002"]
    assert "nobody" not in transfer.description
    transfer, _ = call_tools([])
    assert "enum" not in transfer.parameters["properties"]["number"]
    assert "nobody" in transfer.description
