"""A vendor's key is tried by a question that costs nothing, as `patter doctor` does; whatever comes back is one row."""

from __future__ import annotations

import pytest

from patter_cli.doctor.findings import Finding, Status, run_checks
from patter_cli.doctor.vendors import vendor_check
from patter_cli.providers.openai import OpenAILLM
from patter_cli.providers.rules import RulesLLM
from patter_cli.testing.vendors.server import Answer, in_json, serve

KEY = "sk-test-0123456789abcdef"


async def row(recipe: object, key_set: str = "OPENAI_API_KEY") -> Finding:
    check = vendor_check(
        "openai", ["OPENAI_API_KEY"], key_set, lambda: "OPENAI_API_KEY ****cdef, from .env", lambda: recipe
    )
    (found,) = await run_checks([check])
    return found


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (in_json({"id": "m"}), Status.OK, "OPENAI_API_KEY ****cdef, from .env; openai accepts it"),
        (in_json({"error": {"message": f"bad {KEY}"}}, 401), Status.MISSING, "does not accept the key"),
        (in_json({"error": {"message": "no such model"}}, 404), Status.MISSING, "no such model"),
        (in_json({"error": {"code": "insufficient_quota"}}, 429), Status.MISSING, "no credit left"),
        (in_json({}, 500), Status.MISSING, "answered 500"),
    ],
)
async def test_a_key_is_tried(answer: Answer, status: Status, words: str) -> None:
    """The model's description is asked for, with the key; the key is in no row."""
    async with serve([answer]) as vendor:
        found = await row(OpenAILLM(model="a/b", api_key=KEY, base_url=vendor.url))
        (asked,) = vendor.requests
    assert (asked.method, asked.target.endswith("/models/a%2Fb")) == ("GET", True)
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert (found.status, words in found.detail, KEY in found.detail) == (status, True, False), found


async def test_no_key_and_nothing_to_try() -> None:
    """What is not set is off; a recipe that cannot be tried is told so; what cannot be a key is missing."""
    assert (await row(None, key_set="")).status is Status.OFF
    found = await row(RulesLLM(lambda turn: "Hum."))
    assert (found.status, "not tried" in found.detail) == (Status.UNSURE, True)
    assert (await row(OpenAILLM(api_key=""))).status is Status.MISSING
