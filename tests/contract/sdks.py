"""The vendors' own libraries, each through the same two steps: it asks, is asked for two tools, gets its answer."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from patter_cli.contracts.llm import ToolSpec
from patter_cli.providers.schemas import plain_schema
from tests.contract.conversations import PROMPT, TOOLS
from tests.contract.rows import KEY

QUESTION = "A table for six, please."
RESULTS = ("booked", "nobody is known")


@dataclass(slots=True)
class Seen:
    """What the library made of the two replies."""

    words: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tokens: list[tuple[int, int]] = field(default_factory=list)
    """(in, out) of each."""


Session = Callable[[str], Awaitable[Seen]]


def installed(package: str) -> bool:
    """Whether a vendor's library is here; "" is nobody's."""
    try:
        return bool(package) and importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _function(tool: ToolSpec) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": plain_schema(tool.parameters)}


async def _chat(client: Any, model: str, **more: Any) -> Seen:
    seen = Seen()
    messages: list[Any] = [{"role": "system", "content": PROMPT}, {"role": "user", "content": QUESTION}]
    tools = [{"type": "function", "function": _function(each)} for each in TOOLS]
    for _ in range(2):
        words, calls = "", {}
        stream = await client.chat.completions.create(model=model, messages=messages, tools=tools, stream=True, **more)
        async for chunk in stream:
            usage = chunk.usage or getattr(getattr(chunk, "x_groq", None), "usage", None)
            if usage:
                seen.tokens.append((usage.prompt_tokens, usage.completion_tokens))
            for choice in chunk.choices or []:
                words += choice.delta.content or ""
                for piece in choice.delta.tool_calls or []:
                    call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                    call["id"] += piece.id or ""
                    call["name"] += piece.function.name or ""
                    call["arguments"] += piece.function.arguments or ""
        seen.words.append(words)
        if calls:
            made = [
                {"id": each["id"], "type": "function", "function": {k: each[k] for k in ("name", "arguments")}}
                for each in calls.values()
            ]
            seen.calls += [(each["name"], json.loads(each["arguments"])) for each in calls.values()]
            messages.append({"role": "assistant", "content": words, "tool_calls": made})
            messages += [
                {"role": "tool", "tool_call_id": each["id"], "content": result}
                for each, result in zip(calls.values(), RESULTS, strict=True)
            ]
    return seen


async def openai(url: str) -> Seen:
    """Chat Completions."""
    library = importlib.import_module("openai")
    async with library.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        options = {"stream_options": {"include_usage": True}, "reasoning_effort": "none"}
        return await _chat(client, "gpt-6-luna", **options)


async def responses(url: str) -> Seen:
    """Responses."""
    library = importlib.import_module("openai")
    seen = Seen()
    items: list[Any] = [{"role": "user", "content": QUESTION}]
    async with library.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        for _ in range(2):
            async with client.responses.stream(
                model="gpt-6-luna",
                instructions=PROMPT,
                input=items,
                tools=[{"type": "function", **_function(each), "strict": False} for each in TOOLS],
                reasoning={"effort": "low"},
                include=["reasoning.encrypted_content"],
                store=False,
            ) as stream:
                async for _event in stream:
                    pass
                whole = await stream.get_final_response()
            seen.words.append(whole.output_text)
            seen.tokens.append((whole.usage.input_tokens, whole.usage.output_tokens))
            called = [each for each in whole.output if each.type == "function_call"]
            seen.calls += [(each.name, json.loads(each.arguments)) for each in called]
            if called:
                # What was said beside the calls is left out: our own history has it elsewhere.
                items += [_sent_back(each) for each in whole.output if each.type != "message"]
                items += [
                    {"type": "function_call_output", "call_id": each.call_id, "output": result}
                    for each, result in zip(called, RESULTS, strict=True)
                ]
    return seen


def _sent_back(item: Any) -> dict[str, Any]:
    return {name: each for name, each in item.to_dict().items() if name not in ("parsed_arguments", "status")}


async def anthropic(url: str) -> Seen:
    """Messages."""
    library = importlib.import_module("anthropic")
    seen = Seen()
    messages: list[Any] = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
    tools = [
        {"name": each.name, "description": each.description, "input_schema": plain_schema(each.parameters)}
        for each in TOOLS
    ]
    async with library.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        for _ in range(2):
            system = [{"type": "text", "text": PROMPT}]
            async with client.messages.stream(
                model="claude-haiku-5-5", max_tokens=1024, system=system, messages=messages, tools=tools
            ) as stream:
                whole = await stream.get_final_message()
            seen.words.append("".join(each.text for each in whole.content if each.type == "text"))
            usage = whole.usage
            cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
            seen.tokens.append((usage.input_tokens + cached, usage.output_tokens))
            called = [each for each in whole.content if each.type == "tool_use"]
            seen.calls += [(each.name, dict(each.input)) for each in called]
            if called:
                content = [each.model_dump(exclude_none=True) for each in whole.content]
                messages.append({"role": "assistant", "content": content})
                results = [
                    {"type": "tool_result", "tool_use_id": each.id, "content": result}
                    for each, result in zip(called, RESULTS, strict=True)
                ]
                messages.append({"role": "user", "content": results})
    return seen


async def google(url: str) -> Seen:
    """generateContent."""
    library = importlib.import_module("google.genai")
    types = library.types
    seen = Seen()
    contents = [types.Content(role="user", parts=[types.Part(text=QUESTION)])]
    declared = [
        types.FunctionDeclaration(
            name=each.name, description=each.description, parameters_json_schema=plain_schema(each.parameters)
        )
        for each in TOOLS
    ]
    config = types.GenerateContentConfig(
        system_instruction=PROMPT,
        tools=[types.Tool(function_declarations=declared)],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    client = library.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url))
    try:
        for _ in range(2):
            words, parts, usage = "", [], None
            stream = await client.aio.models.generate_content_stream(
                model="gemini-3.8-flash", contents=contents, config=config
            )
            async for chunk in stream:
                usage = chunk.usage_metadata or usage
                for part in chunk.candidates[0].content.parts:
                    parts.append(part)
                    words += part.text if part.text and not part.thought else ""
            seen.words.append(words)
            assert usage is not None
            seen.tokens.append((usage.prompt_token_count, usage.candidates_token_count + usage.thoughts_token_count))
            called = [part.function_call for part in parts if part.function_call]
            seen.calls += [(each.name, dict(each.args)) for each in called]
            if called:
                contents.append(types.Content(role="model", parts=[each for each in parts if not each.thought]))
                results = [
                    types.Part(
                        function_response=types.FunctionResponse(
                            id=each.id, name=each.name, response={"output": result}
                        )
                    )
                    for each, result in zip(called, RESULTS, strict=True)
                ]
                contents.append(types.Content(role="user", parts=results))
    finally:
        await client.aio.aclose()
    return seen


async def groq(url: str) -> Seen:
    """Chat Completions at Groq."""
    library = importlib.import_module("groq")
    async with library.AsyncGroq(base_url=url, api_key=KEY, max_retries=0) as client:
        return await _chat(client, "openai/gpt-oss-20b")


async def cerebras(url: str) -> Seen:
    """Chat Completions at Cerebras."""
    library = importlib.import_module("cerebras.cloud.sdk")
    async with library.AsyncCerebras(base_url=url, api_key=KEY, max_retries=0) as client:
        return await _chat(client, "gpt-oss-120b")


SESSIONS: dict[str, Session] = {
    "openai": openai,
    "openai-responses": responses,
    "anthropic": anthropic,
    "google": google,
    "groq": groq,
    "cerebras": cerebras,
}


def types_of(name: str) -> Any:
    """The type that a request to this vendor has in its library; a module for Google, whose types are several."""

    def within(module: str) -> ModuleType:
        return importlib.import_module(module)

    match name:
        case "openai":
            return within("openai.types.chat.completion_create_params").CompletionCreateParamsStreaming
        case "openai-responses":
            return within("openai.types.responses.response_create_params").ResponseCreateParamsStreaming
        case "anthropic":
            return within("anthropic.types.message_create_params").MessageCreateParamsStreaming
        case "groq":
            return within("groq.types.chat.completion_create_params").CompletionCreateParams
        case "cerebras":
            return within("cerebras.cloud.sdk.types.chat.completion_create_params").CompletionCreateParams
        case _:
            return within("google.genai.types")
