"""Anthropic's Messages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from patter_cli.contracts.llm import ToolCall, Usage
from patter_cli.testing.vendors.faults import Fault
from patter_cli.testing.vendors.llm.said import Over
from patter_cli.testing.vendors.llm.vendor import STATUS, LanguageVendor, event, known_fields, require
from patter_cli.testing.vendors.server import Request

VERSIONS = ("2023-06-01", "2026-10-21")
"""Of the interface: the one that its pages show, and the one that its library sends."""
SIGNED = "EqQB-signed-"
_STOPPED = {Over.WELL: "end_turn", Over.LIMIT: "max_tokens", Over.DECLINED: "refusal"}
_FIELDS = (
    "model max_tokens stream system messages tools tool_choice thinking output_config temperature top_p top_k "
    "stop_sequences metadata service_tier cache_control"
)


class MessagesWriter:
    """Blocks one after the other, each begun, written and ended; a ping between them."""

    def __init__(self) -> None:
        self._begun = False
        self._index = -1
        self._open = ""
        self._called = False

    def thought(self, words: str) -> tuple[bytes, ...]:
        """A block that is not shown, only signed."""
        block = {"type": "thinking", "thinking": "", "signature": ""}
        signed = {"type": "signature_delta", "signature": SIGNED + words}
        return (*self._block("thinking", block), self._delta(signed))

    def text(self, words: str) -> tuple[bytes, ...]:
        opened = () if self._open == "text" else self._block("text", {"type": "text", "text": ""})
        return (*opened, self._delta({"type": "text_delta", "text": words}))

    def calls(self, calls: Sequence[ToolCall]) -> tuple[bytes, ...]:
        """The first fragment is empty, and for a call without arguments the only one."""
        sent: list[bytes] = []
        self._called = True
        for call in calls:
            sent += self._block("tool_use", {"type": "tool_use", "id": call.id, "name": call.name, "input": {}})
            arguments = "" if call.arguments == "{}" else call.arguments
            for start in range(-3, len(arguments), 3):
                piece = arguments[start : start + 3] if start >= 0 else ""
                sent.append(self._delta({"type": "input_json_delta", "partial_json": piece}))
        return tuple(sent)

    def end(self, usage: Usage | None, over: Over = Over.WELL) -> tuple[bytes, ...]:
        """Why it stopped; the usage there is what it has come to."""
        reason = "tool_use" if self._called and over is Over.WELL else _STOPPED[over]
        counted: dict[str, Any] = {"output_tokens": usage.output_tokens if usage else 0}
        if usage is not None:
            counted |= {
                "input_tokens": usage.input_tokens - usage.cached_tokens - usage.written_tokens,
                "cache_read_input_tokens": usage.cached_tokens,
                "cache_creation_input_tokens": usage.written_tokens,
            }
        delta = {"stop_reason": reason, "stop_sequence": None}
        return (
            *self._begin(),
            *self._close(),
            self._event("message_delta", delta=delta, usage=counted),
            self._event("message_stop"),
        )

    def _begin(self) -> tuple[bytes, ...]:
        if self._begun:
            return ()
        self._begun = True
        message: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "scripted",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return (self._event("message_start", message=message), self._event("ping"))

    def _block(self, kind: str, block: dict[str, Any]) -> tuple[bytes, ...]:
        closed = (*self._begin(), *self._close())
        self._open = kind
        self._index += 1
        return (*closed, self._event("content_block_start", index=self._index, content_block=block))

    def _close(self) -> tuple[bytes, ...]:
        if not self._open:
            return ()
        self._open = ""
        return (self._event("content_block_stop", index=self._index),)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._event("content_block_delta", index=self._index, delta=delta)

    @staticmethod
    def _event(kind: str, **fields: Any) -> bytes:
        return event({"type": kind, **fields}, kind)


class AnthropicVendor(LanguageVendor):
    """Anthropic, as it was in November 2026."""

    name = "anthropic"
    key_header = "x-api-key"
    status = {**STATUS, Fault.OVERLOADED: 529}
    kinds = {
        Fault.KEY_REFUSED: "authentication_error",
        Fault.NO_CREDIT: "billing_error",
        Fault.NOT_FOUND: "not_found_error",
        Fault.INVALID: "invalid_request_error",
        Fault.RATE_LIMITED: "rate_limit_error",
        Fault.OVERLOADED: "overloaded_error",
        Fault.BROKEN: "api_error",
    }

    def asks(self, request: Request) -> bool:
        return request.path == "/v1/messages"

    def writer(self) -> MessagesWriter:
        return MessagesWriter()

    def failure(self, fault: Fault, words: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": self.kinds[fault], "message": words}, "request_id": "req_1"}

    def error_inside(self) -> bytes:
        return event(self.failure(Fault.OVERLOADED, "overloaded"), "error")

    def complain(self, body: dict[str, Any], request: Request) -> None:
        require(request.headers.get("anthropic-version") in VERSIONS, "anthropic-version: header is required")
        known_fields(body, _FIELDS)
        require(body["max_tokens"] >= 1, "max_tokens: must be at least 1")
        named = re.match(r"claude-[a-z]+-(\d+)", body["model"])
        new = named is not None and int(named[1]) >= 5
        if new:
            require(body.get("temperature", 1) == 1, "`temperature` is not supported for this model")
            require((body.get("thinking") or {}).get("type") != "enabled", "thinking: use adaptive")
        else:
            require("output_config" not in body, "output_config.effort is not supported for this model")
        marked = sum("cache_control" in each for each in _blocks_of(body))
        require(marked <= 4, "A maximum of 4 blocks with cache_control may be provided")
        for block in body.get("system", []):
            require(block["text"].strip() != "", "system: text content blocks must contain non-whitespace text")
        for tool in body.get("tools", []):
            require(re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool["name"]) is not None, "tools.0.name: invalid")
            schema = tool["input_schema"]
            require(schema.get("type") == "object", "input_schema.type: must be object")
            require(not {"anyOf", "oneOf", "allOf"} & set(schema), "input_schema does not support anyOf at the top")
        self._check_messages(body, new=new)

    def _check_messages(self, body: dict[str, Any], *, new: bool) -> None:
        messages = body["messages"]
        require(messages[0]["role"] == "user", "messages: first message must use the user role")
        require(not new or messages[-1]["role"] == "user", "This model does not support assistant message prefill")
        due: list[str] = []
        for message in messages:
            require(message["role"] in ("user", "assistant"), "messages: unexpected role")
            blocks = message["content"]
            require(bool(blocks), "messages: content must be non-empty")
            answered = [each["tool_use_id"] for each in blocks if each["type"] == "tool_result"]
            kinds = [each["type"] for each in blocks]
            require(
                kinds[: len(answered)] == ["tool_result"] * len(answered) and sorted(answered) == sorted(due),
                "`tool_use` ids were found without `tool_result` blocks immediately after",
            )
            due = [each["id"] for each in blocks if each["type"] == "tool_use"]
            require(all(re.fullmatch("[a-zA-Z0-9_-]+", each) for each in due), "tool_use.id: invalid")
            require(len(set(due)) == len(due), "`tool_use` ids must be unique")
            for block in blocks:
                match block["type"]:
                    case "text":
                        require(block["text"].strip() != "", "text content blocks must be non-empty")
                    case "tool_use":
                        require(isinstance(block["input"], dict), "tool_use.input: must be an object")
                        require(bool(body.get("tools")), "Requests with tool_use blocks must define tools")
                    case "thinking":
                        require(block["signature"].startswith(SIGNED), "Invalid `signature` in `thinking` block")
                    case _:
                        pass


def _blocks_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that could be marked for the cache."""
    said = [block for message in body["messages"] for block in message["content"]]
    return [*body.get("system", []), *body.get("tools", []), *said]
