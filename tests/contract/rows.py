"""The vendors that the contract suites run over: how to make each, and how each would say a thing on its wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from patter_cli.contracts.llm import LanguageModel, ToolCall, Usage
from patter_cli.providers.openai import OpenAICompatibleLLM, OpenAILLM

KEY = "sk-contract-4711"


class ModelWire(Protocol):
    """A language model vendor's side of the wire, an event a piece."""

    def text(self, words: str) -> bytes:
        """The next words of the reply."""

    def calls(self, calls: Sequence[ToolCall]) -> tuple[bytes, ...]:
        """Tool calls, in as many pieces as the vendor makes of them."""

    def end(self, usage: Usage | None) -> tuple[bytes, ...]:
        """The end of the reply, and what it cost."""

    def error(self, words: str) -> bytes:
        """A failure in the middle of the stream."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One adapter. make: from the peer's address. asks_at: the path of a request for a reply."""

    name: str
    make: Callable[[str], LanguageModel]
    wire: ModelWire
    asks_at: str = "/v1/chat/completions"


def event(value: Any) -> bytes:
    """A JSON value as a server-sent event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def delta(fields: dict[str, Any], reason: str | None = None) -> bytes:
    """A piece of a reply as Chat Completions has it."""
    return event(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "scripted",
            "choices": [{"index": 0, "delta": fields, "finish_reason": reason}],
        }
    )


class ChatWire:
    """As OpenAI documents it: arguments in fragments, calls told apart by index, usage last."""

    def text(self, words: str) -> bytes:
        """One delta."""
        return delta({"content": words})

    def calls(self, calls: Sequence[ToolCall]) -> tuple[bytes, ...]:
        """Id and name first, then the arguments three letters at a time."""
        pieces: list[bytes] = []
        for index, call in enumerate(calls):
            head = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
            pieces.append(delta({"tool_calls": [head]}))
            for start in range(0, len(call.arguments), 3):
                part = {"index": index, "function": {"arguments": call.arguments[start : start + 3]}}
                pieces.append(delta({"tool_calls": [part]}))
        return tuple(pieces)

    def end(self, usage: Usage | None) -> tuple[bytes, ...]:
        """The reason, the usage with no choices, [DONE]."""
        cost = (
            ()
            if usage is None
            else (
                event(
                    {
                        "id": "chatcmpl-1",
                        "object": "chat.completion.chunk",
                        "created": 1,
                        "model": "scripted",
                        "choices": [],
                        "usage": {
                            "prompt_tokens": usage.input_tokens,
                            "completion_tokens": usage.output_tokens,
                            "total_tokens": usage.input_tokens + usage.output_tokens,
                            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
                        },
                    }
                ),
            )
        )
        return (delta({}, "stop"), *cost, b"data: [DONE]\n\n")

    def error(self, words: str) -> bytes:
        """An object where a chunk was due."""
        return event({"error": {"message": words, "type": "server_error", "code": None}})


MODELS = (
    ModelRow("openai", lambda url: OpenAILLM(KEY, base_url=url), ChatWire()),
    ModelRow("openai-compatible", lambda url: OpenAICompatibleLLM(url, "scripted", api_key=KEY), ChatWire()),
)
