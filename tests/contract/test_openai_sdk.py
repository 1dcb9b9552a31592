"""The vendor's own library as a referee: it reads our scripted vendor, and its types accept what we send."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from patter_cli.contracts.llm import ChatMessage, Text, ToolCall, ToolSpec, Usage
from patter_cli.providers.openai import OpenAILLM
from patter_cli.testing.vendors.llm.chat import ChatWriter
from patter_cli.testing.vendors.server import serve, streamed
from tests.contract.rows import KEY

sdk = pytest.importorskip("openai", reason="needs the openai package")
pydantic = pytest.importorskip("pydantic")

CALLS = (ToolCall(id="c1", name="book", arguments='{"at": "18:00"}'), ToolCall(id="c2", name="book"))
HISTORY = (
    ChatMessage(role="system", text="You are kind."),
    ChatMessage(role="user", text="Book me a table"),
    ChatMessage(role="assistant", text="One moment.", tool_calls=CALLS),
    ChatMessage(role="tool", text="booked", tool_call_id="c1"),
    ChatMessage(role="tool", text="booked", tool_call_id="c2"),
    ChatMessage(role="assistant", tool_calls=(ToolCall(id="c3", name="book"),)),
    ChatMessage(role="tool", text="", tool_call_id="c3"),
    ChatMessage(role="assistant", text="Done."),
    ChatMessage(role="user", text="Thanks"),
)
BOOK = ToolSpec(
    name="book",
    description="Book a table",
    parameters={"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
)
WIRE = ChatWriter()
REPLY = streamed(
    *WIRE.text("One "),
    *WIRE.text("moment."),
    *WIRE.calls(CALLS),
    *WIRE.end(Usage(model="gpt-6-luna", input_tokens=812, output_tokens=31, cached_tokens=768)),
)


async def test_both_read_the_same_reply() -> None:
    """Words, calls and cost are the same, whoever reads the stream."""
    async with serve([REPLY, REPLY]) as vendor:
        ours = [each async for each in OpenAILLM(KEY, base_url=vendor.url).stream(HISTORY, [BOOK])]
        body = vendor.requests[0].json
        words, calls, cost = "", {}, None
        async with sdk.AsyncOpenAI(base_url=vendor.url, api_key=KEY, max_retries=0) as client:
            async for chunk in await client.chat.completions.create(**body):
                cost = chunk.usage or cost
                for choice in chunk.choices:
                    words += choice.delta.content or ""
                    for piece in choice.delta.tool_calls or []:
                        call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                        call["id"] += piece.id or ""
                        call["name"] += piece.function.name or ""
                        call["arguments"] += piece.function.arguments or ""
        assert vendor.requests[1].json == body
    assert words == "".join(each.text for each in ours if isinstance(each, Text))
    assert [ToolCall(**call) for call in calls.values()] == [each for each in ours if isinstance(each, ToolCall)]
    assert cost is not None
    assert [each for each in ours if isinstance(each, Usage)] == [
        Usage(
            model="gpt-6-luna",
            input_tokens=cost.prompt_tokens,
            output_tokens=cost.completion_tokens,
            cached_tokens=cost.prompt_tokens_details.cached_tokens,
        )
    ]


@pytest.mark.parametrize(
    ("model", "may_call"),
    [
        (OpenAILLM(KEY), True),
        (OpenAILLM(KEY), False),
        (OpenAILLM(KEY, model="gpt-5-mini", prompt_cache_key="agent-42"), True),
        (OpenAILLM(KEY, model="gpt-4.1-mini", temperature=0.3), True),
        (OpenAILLM(KEY, model="gpt-5.4-mini", reasoning_effort="low"), True),
    ],
)
async def test_its_types_accept_our_request(model: OpenAILLM, may_call: bool) -> None:
    """Every field is one that the library knows, with a value that it allows."""
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

    async with serve([REPLY]) as vendor:
        here = replace(model, base_url=vendor.url)
        assert [each async for each in here.stream(HISTORY, [BOOK], may_call=may_call)]
        body = vendor.requests[0].json
    checked: Any = pydantic.TypeAdapter(CompletionCreateParamsStreaming).validate_python(body)
    assert set(body) <= set(checked)
    messages = [dict(message) for message in checked["messages"]]
    for message, sent in zip(messages, body["messages"], strict=True):
        assert set(message) == set(sent)
        assert [dict(call) for call in message.get("tool_calls", [])] == sent.get("tool_calls", [])
    assert [dict(tool) for tool in checked["tools"]] == body["tools"]
