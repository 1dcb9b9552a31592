"""The vendors' own libraries as referees: they hold a session with our scripted vendors, and their types take what we
send. Then our own client holds the same session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from typing import Any

import pydantic
import pytest

from patter_cli.contracts.llm import ChatMessage, LanguageModel, Text, ToolCall, Usage
from patter_cli.providers.anthropic import AnthropicLLM
from patter_cli.providers.cerebras import CerebrasLLM
from patter_cli.providers.google import GoogleLLM
from patter_cli.providers.groq import GroqLLM
from patter_cli.providers.openai import OpenAILLM
from patter_cli.testing.vendors.faults import Fault, Faulty
from patter_cli.testing.vendors.llm.vendor import LanguageVendor
from patter_cli.testing.vendors.server import Answer, Await, serve
from tests.contract.conversations import ASKS, CALLS, DONE, GREETED, LATER, TOOLS, answered
from tests.contract.rows import KEY, MODELS, ModelRow
from tests.contract.sdks import SESSIONS, installed, types_of

pytestmark = pytest.mark.sdk

PROVEN = [each for each in MODELS if installed(each.sdk)]
by_vendor = pytest.mark.parametrize("row", PROVEN, ids=lambda row: row.name)


def asked_for() -> list[tuple[str, dict[str, Any]]]:
    """The tools that the scripted model wants."""
    return [("book", {"at": "18:00"}), ("look_up", {})]


@by_vendor
async def test_the_vendors_library_holds_a_session(row: ModelRow) -> None:
    """It understands every word of our vendor's, and our vendor finds nothing wrong with what it sends."""
    vendor = row.vendor([ASKS, DONE], key=KEY)
    async with serve(vendor, path="") as lab:
        seen = await SESSIONS[row.name](lab.url)
    assert vendor.refused == []
    assert [each.strip() for each in seen.words] == ["One moment.", DONE.words]
    assert seen.calls == asked_for()
    assert seen.tokens == [(812, 31), (812, 31)]


RAISES = {
    Fault.KEY_REFUSED: ("AuthenticationError", "ClientError"),
    Fault.NOT_FOUND: ("NotFoundError", "ClientError"),
    Fault.INVALID: ("BadRequestError", "ClientError"),
    Fault.RATE_LIMITED: ("RateLimitError", "ClientError"),
    Fault.OVERLOADED: ("InternalServerError", "OverloadedError", "ServiceUnavailableError", "ServerError"),
    Fault.BROKEN: ("InternalServerError", "ServerError"),
    Fault.ERROR_INSIDE: ("APIError", "APIStatusError", "OverloadedError", "InternalServerError", "ServerError"),
}
"""What the libraries call them; Google's has two names for all."""


@by_vendor
@pytest.mark.parametrize("fault", RAISES, ids=lambda fault: fault.value)
async def test_the_vendors_library_knows_a_refusal_for_what_it_is(row: ModelRow, fault: Fault) -> None:
    """Status, headers and body of each are those that the library has a name for."""
    if (row.name, fault) == ("openai-responses", Fault.ERROR_INSIDE):
        pytest.skip("this library passes an error on as an event like any other")
    vendor = row.vendor([DONE], key=KEY)
    async with serve(Faulty(vendor, fault), path="") as lab:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - its class is the library's
            await SESSIONS[row.name](lab.url)
    assert type(raised.value).__name__ in RAISES[fault], repr(raised.value)


async def held_session(model: LanguageModel, vendor: LanguageVendor) -> list[Any]:
    """Our client's own session with it, and what the vendor was sent."""
    first = [each async for each in model.stream(GREETED, TOOLS)]
    calls = tuple(each for each in first if isinstance(each, ToolCall))
    step = (*GREETED, *answered(calls))
    second = [each async for each in model.stream(step, TOOLS)]
    third = [each async for each in model.stream((*step, *LATER), TOOLS, may_call=False)]
    fourth = [each async for each in model.stream((*step, *LATER))]
    assert vendor.refused == []
    for reply, words in ((first, "One moment. "), (second, DONE.words), (third, DONE.words), (fourth, DONE.words)):
        assert "".join(each.text for each in reply if isinstance(each, Text)) == words
        (usage,) = (each for each in reply if isinstance(each, Usage))
        assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (812, 31, 768)
    assert [(each.name, each.arguments) for each in calls] == [(each.name, each.arguments) for each in CALLS]
    return vendor.prompts


@by_vendor
async def test_its_types_accept_what_we_send(row: ModelRow) -> None:
    """The same session by our client; every field is one that the library knows, with a value that it allows."""
    vendor = row.vendor([ASKS, DONE], key=KEY)
    async with serve(vendor, path="") as lab:
        bodies = await held_session(row.make(f"{lab.url}"), vendor)
    assert len(bodies) == 4
    for body in bodies:
        accept(row.name, body)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("openai", lambda url: OpenAILLM(KEY, "gpt-5-mini", url, prompt_cache_key="agent-42")),
        ("openai", lambda url: OpenAILLM(KEY, "gpt-4.1-mini", url, temperature=0.3)),
        ("openai", lambda url: OpenAILLM(KEY, "gpt-5.4-mini", url, reasoning_effort="low")),
        (
            "openai-responses",
            lambda url: OpenAILLM(KEY, "gpt-6.1-terra", url, reasoning_effort="high", api="responses"),
        ),
        ("anthropic", lambda url: AnthropicLLM(KEY, "claude-haiku-4-5", url)),
        ("anthropic", lambda url: AnthropicLLM(KEY, "claude-opus-5-5", url, reasoning_effort="max")),
        ("google", lambda url: GoogleLLM(KEY, "gemini-2.5-flash", url, temperature=0.3)),
        ("google", lambda url: GoogleLLM(KEY, "gemini-3.1-flash-lite", url)),
        ("groq", lambda url: GroqLLM(KEY, "qwen/qwen3.8-27b", url, temperature=0)),
        ("cerebras", lambda url: CerebrasLLM(KEY, "qwen-3.8-27b", url, temperature=1.5)),
    ],
)
async def test_its_types_accept_other_models_too(name: str, make: Any) -> None:
    """Each family has its own idea of what it takes, and the strict vendor knows it."""
    row = next(each for each in MODELS if each.name == name)
    if not installed(row.sdk):
        pytest.skip(f"needs {row.sdk}")
    vendor = row.vendor([ASKS, DONE], key=KEY)
    async with serve(vendor, path="") as lab:
        for body in await held_session(make(f"{lab.url}/v1" if row.sdk == "openai" else lab.url), vendor):
            accept(name, body)


@pytest.mark.parametrize("other", MODELS, ids=lambda row: row.name)
@pytest.mark.parametrize("row", MODELS, ids=lambda row: row.name)
async def test_one_vendor_goes_on_with_anothers_calls(row: ModelRow, other: ModelRow) -> None:
    """A fallback takes over in the middle of a conversation: what the first one sealed is not given to the second."""
    first, second = other.vendor([ASKS], key=KEY), row.vendor([DONE], key=KEY)
    async with serve(first, path="") as one, serve(second, path="") as two:
        calls = [each async for each in other.make(one.url).stream(GREETED, TOOLS) if isinstance(each, ToolCall)]
        step = (*GREETED, *answered(tuple(calls)), ChatMessage(role="user", text="And?"))
        assert [each async for each in row.make(two.url).stream(step, TOOLS)]
    assert second.refused == []


async def test_what_each_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Tried out, and printed as a table: patter's language models, one a line."""
    lines = [
        f"{'language model':18}{'stream':8}{'tools':7}{'cancel':8}{'usage':7}{'seals':7}{'cache':11}{'SDK-proven'}"
    ]
    for row in MODELS:
        vendor = row.vendor([ASKS, DONE], key=KEY)
        hangs = Answer(steps=(*row.writer().text("I was"), Await(asyncio.Event())))
        async with serve(vendor, path="") as lab, serve([hangs], path="") as other:
            deltas = [each async for each in row.make(lab.url).stream(GREETED, TOOLS)]
            stream = row.make(other.url).stream(GREETED)
            streams = await anext(stream) == Text("I was")
            await stream.aclose()
            async with asyncio.timeout(1):
                await other.requests[0].gone.wait()
        proven = "-"
        if installed(row.sdk):
            async with serve(row.vendor([ASKS, DONE], key=KEY), path="") as lab:
                proven = row.sdk if (await SESSIONS[row.name](lab.url)).calls else "no"
        tools = "both" if len([each for each in deltas if isinstance(each, ToolCall)]) == 2 else "no"
        cells = (f"{'yes' if streams else 'no':8}", f"{tools:7}", f"{'at once':8}")
        more = (
            f"{'yes' if isinstance(deltas[-1], Usage) else 'no':7}",
            f"{'yes' if row.seals else '-':7}",
            f"{row.cache:11}",
            proven,
        )
        lines.append(f"{row.name:18}{''.join((*cells, *more))}")
    with capsys.disabled():
        print(os.linesep.join(("", *lines)))
    assert len(lines) == len(MODELS) + 1
    assert not [line for line in lines if " no " in line]


def accept(name: str, body: dict[str, Any]) -> None:
    """Fails unless the library's types take all of this."""
    kind = types_of(name)
    if name != "google":
        adapter = pydantic.TypeAdapter(kind)  # kept, for what it gives back is checked by it as it is looked at
        kept(body, adapter.validate_python(body), "body")
        return
    for content in (*body["contents"], body["systemInstruction"]):
        kind.Content.model_validate(content)
    for each in body.get("tools", []):
        kind.Tool.model_validate(each)
    kind.ToolConfig.model_validate(body.get("toolConfig", {}))
    kind.GenerationConfig.model_validate(body["generationConfig"])
    assert set(body) <= {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}


def kept(sent: Any, checked: Any, where: str) -> None:
    """Nothing that was sent is unknown to the type, however deep."""
    if isinstance(sent, Mapping):
        assert isinstance(checked, Mapping), where
        for name, value in sent.items():
            assert name in checked, f"{where}.{name}"
            kept(value, checked[name], f"{where}.{name}")
    elif isinstance(sent, list):
        assert isinstance(checked, Iterable), where
        for place, (one, other) in enumerate(zip(sent, checked, strict=True)):
            kept(one, other, f"{where}[{place}]")
    else:
        assert sent == checked, where
