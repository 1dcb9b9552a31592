"""docs/openapi.json says what the API is, and is current."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from patter_cli.web.openapi import document

FILE = Path(__file__).parents[3] / "docs" / "openapi.json"
API: dict[str, Any] = json.loads(FILE.read_text())


def refs(value: Any) -> set[str]:
    """Every schema that is named in it."""
    if isinstance(value, dict):
        own = {str(value["$ref"])} if "$ref" in value else set()
        return own.union(*(refs(each) for each in value.values()))
    return set().union(*(refs(each) for each in value)) if isinstance(value, list) else set()


def test_the_file_is_current() -> None:
    """`python -m patter_cli.web.openapi > docs/openapi.json` writes it again."""
    assert FILE.read_text() == document()


def test_it_refers_to_nothing_that_is_not_there() -> None:
    """Every schema that is named is defined, and every one that is defined is named."""
    named = {each.removeprefix("#/components/schemas/") for each in refs(API)}
    assert named == set(API["components"]["schemas"])


def test_every_operation_says_what_can_go_wrong() -> None:
    """With our error in it, under a name that no other operation has."""
    operations = [each for path in API["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(names) == len(set(names))
    for each in operations:
        faults = [told for status, told in each["responses"].items() if status >= "400"]
        assert {"400", "401", "429"} <= each["responses"].keys()
        assert all(told["content"]["application/json"]["schema"]["$ref"].endswith("/Fault") for told in faults)
