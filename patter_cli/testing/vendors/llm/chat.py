"""Chat Completions: OpenAI's, Groq's and Cerebras's, each with its own rules, and a server that only looks like it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from patter_cli.contracts.llm import ToolCall, Usage
from patter_cli.testing.vendors.faults import Fault
from patter_cli.testing.vendors.llm.said import Over
from patter_cli.testing.vendors.llm.vendor import STATUS, LanguageVendor, event, known_fields, require
from patter_cli.testing.vendors.server import Request

_FINISHED = {Over.WELL: "stop", Over.LIMIT: "length", Over.DECLINED: "content_filter"}


class ChatWriter:
    """As OpenAI documents it: arguments in fragments, calls told apart by index, usage last."""

    model = "scripted"

    def __init__(self) -> None:
        self._begun = False
        self._called = False

    def thought(self, words: str) -> tuple[bytes, ...]:
        """In a field of its own, as Groq and Cerebras have it; OpenAI shows none."""
        return (self.delta({"reasoning": words}),)

    def text(self, words: str) -> tuple[bytes, ...]:
        """One delta."""
        return (*self._begin(), self.delta({"content": words}))

    def calls(self, calls: Sequence[ToolCall]) -> tuple[bytes, ...]:
        """Id and name first, then the arguments three letters at a time."""
        pieces = list(self._begin())
        self._called = True
        for index, call in enumerate(calls):
            head = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
            pieces.append(self.delta({"tool_calls": [head]}))
            for start in range(0, len(call.arguments), 3):
                part = {"index": index, "function": {"arguments": call.arguments[start : start + 3]}}
                pieces.append(self.delta({"tool_calls": [part]}))
        return tuple(pieces)

    def end(self, usage: Usage | None, over: Over = Over.WELL) -> tuple[bytes, ...]:
        """The reason, the usage with no choices, [DONE]."""
        reason = "tool_calls" if self._called and over is Over.WELL else _FINISHED[over]
        cost = () if usage is None else (self.chunk(choices=[], usage=spent(usage)),)
        return (*self._begin(), self.delta({}, reason), *cost, b"data: [DONE]\n\n")

    def delta(self, fields: dict[str, Any], reason: str | None = None) -> bytes:
        """A piece of the reply."""
        return self.chunk(choices=[{"index": 0, "delta": fields, "finish_reason": reason}])

    def chunk(self, **fields: Any) -> bytes:
        """Any event."""
        return event(
            {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.model, **fields}
        )

    def _begin(self) -> tuple[bytes, ...]:
        if self._begun:
            return ()
        self._begun = True
        return (self.delta({"role": "assistant", "content": ""}),)


def spent(usage: Usage) -> dict[str, Any]:
    """What a request took."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.written_tokens},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


class GroqWriter(ChatWriter):
    """Calls whole in one delta; the usage stands in Groq's own field, too."""

    def calls(self, calls: Sequence[ToolCall]) -> tuple[bytes, ...]:
        self._called = True
        whole = [
            {
                "index": index,
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for index, call in enumerate(calls)
        ]
        return (*self._begin(), self.delta({"tool_calls": whole}))

    def end(self, usage: Usage | None, over: Over = Over.WELL) -> tuple[bytes, ...]:
        """The last chunk has the reason and what it took."""
        reason = "tool_calls" if self._called and over is Over.WELL else _FINISHED[over]
        given: dict[str, Any] = {} if usage is None else {"x_groq": {"id": "req_1", "usage": spent(usage)}}
        last = self.chunk(choices=[{"index": 0, "delta": {}, "finish_reason": reason}], **given)
        return (*self._begin(), last, b"data: [DONE]\n\n")


class CerebrasWriter(ChatWriter):
    """Every piece of a call has its type, every chunk a fingerprint, and the last how long it all took."""

    def calls(self, calls: Sequence[ToolCall]) -> tuple[bytes, ...]:
        """Name and arguments in two pieces."""
        pieces = list(self._begin())
        self._called = True
        for index, call in enumerate(calls):
            named = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name}}
            written = {"index": index, "type": "function", "function": {"arguments": call.arguments}}
            pieces += [self.delta({"tool_calls": [named]}), self.delta({"tool_calls": [written]})]
        return tuple(pieces)

    def end(self, usage: Usage | None, over: Over = Over.WELL) -> tuple[bytes, ...]:
        """The reason and what it took in one chunk."""
        reason = "tool_calls" if self._called and over is Over.WELL else _FINISHED[over]
        given: dict[str, Any] = {} if usage is None else {"usage": spent(usage), "time_info": {"total_time": 0.1}}
        last = self.chunk(choices=[{"index": 0, "delta": {}, "finish_reason": reason}], **given)
        return (*self._begin(), last, b"data: [DONE]\n\n")

    def chunk(self, **fields: Any) -> bytes:
        return super().chunk(system_fingerprint="fp_1", **fields)


class HomeWriter(ChatWriter):
    """A server of one's own: thinks aloud in its text, gives every call the index 0, and never says [DONE]."""

    def thought(self, words: str) -> tuple[bytes, ...]:
        return (self.delta({"content": "<thi"}), self.delta({"content": f"nk>{words}</think>\n\n"}))

    def calls(self, calls: Sequence[ToolCall]) -> tuple[bytes, ...]:
        self._called = True
        return tuple(
            self.delta(
                {
                    "tool_calls": [
                        {
                            "index": 0,
                            "id": call.id,
                            "type": "function",
                            "function": {"name": call.name, "arguments": call.arguments},
                        }
                    ]
                }
            )
            for call in calls
        )

    def end(self, usage: Usage | None, over: Over = Over.WELL) -> tuple[bytes, ...]:
        """It finishes with "stop" also after calls."""
        fields: dict[str, Any] = {} if usage is None else {"usage": spent(usage)}
        return (self.chunk(choices=[{"index": 0, "delta": {}, "finish_reason": _FINISHED[over]}], **fields),)


class ChatVendor(LanguageVendor):
    """OpenAI, as it was in November 2026."""

    name = "openai"
    path: ClassVar[str] = "/v1/chat/completions"
    fields: ClassVar[str] = (
        "model messages tools tool_choice parallel_tool_calls reasoning_effort verbosity max_completion_tokens stream "
        "stream_options service_tier prompt_cache_key prompt_cache_options safety_identifier temperature top_p stop "
        "max_tokens metadata store seed response_format"
    )
    roles: ClassVar[str] = "developer system user assistant tool"
    status = {**STATUS, Fault.NO_CREDIT: 429}
    kinds: ClassVar[dict[Fault, tuple[str, str]]] = {
        Fault.KEY_REFUSED: ("invalid_request_error", "invalid_api_key"),
        Fault.NO_CREDIT: ("insufficient_quota", "insufficient_quota"),
        Fault.NOT_FOUND: ("invalid_request_error", "model_not_found"),
        Fault.INVALID: ("invalid_request_error", "invalid_value"),
        Fault.RATE_LIMITED: ("requests", "rate_limit_exceeded"),
        Fault.OVERLOADED: ("server_error", "overloaded"),
        Fault.BROKEN: ("server_error", "internal_error"),
    }

    def asks(self, request: Request) -> bool:
        return request.path == self.path

    def writer(self) -> ChatWriter:
        return ChatWriter()

    def failure(self, fault: Fault, words: str) -> dict[str, Any]:
        kind, code = self.kinds[fault]
        return {"error": {"message": words, "type": kind, "param": None, "code": code}}

    def complain(self, body: dict[str, Any], request: Request) -> None:
        known_fields(body, self.fields)
        require(bool(body["messages"]), "messages: too short")
        require(len(body.get("tools", [])) <= 128, "tools: too long")
        for tool in body.get("tools", []):
            check_function(tool["function"])
        check_messages(body["messages"], self.roles)
        self.check_model(body)

    def check_model(self, body: dict[str, Any]) -> None:
        """What this family of models refuses. Raises Complaint."""
        model = body["model"]
        named = re.match(r"gpt-(\d+)(?:\.(\d+))?", model)
        require(named is not None, "The model does not exist")
        assert named is not None
        version, effort = (int(named[1]), int(named[2] or 0)), body.get("reasoning_effort")
        if version < (5, 0):
            require(effort is None, "Unrecognized request argument supplied: reasoning_effort")
            return
        require("max_tokens" not in body, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'")
        require(body.get("temperature", 1) == 1, "temperature: only the default (1) value is supported")
        least = "minimal" if version == (5, 0) else "none"
        require(effort in (None, least, "low", "medium", "high", "xhigh", "max"), "reasoning_effort: not supported")
        if version >= (5, 6) and body.get("tools"):
            require(
                effort == "none",
                "Function tools with reasoning_effort are not supported for this model. Please use /v1/responses or "
                "set reasoning_effort to 'none'.",
            )


class GroqVendor(ChatVendor):
    """Groq."""

    name = "groq"
    path = "/openai/v1/chat/completions"
    fields = (
        "model messages tools tool_choice parallel_tool_calls reasoning_effort include_reasoning reasoning_format "
        "max_completion_tokens stream service_tier temperature top_p stop seed response_format user "
        "disable_tool_validation"
    )
    roles = "system user assistant tool"
    status = STATUS

    def writer(self) -> ChatWriter:
        return GroqWriter()

    def check_model(self, body: dict[str, Any]) -> None:
        effort = body.get("reasoning_effort")
        if "gpt-oss" in body["model"]:
            require(effort in (None, "low", "medium", "high"), "reasoning_effort must be low, medium or high")
        elif "qwen3" in body["model"]:
            require(effort in (None, "none", "default", "low", "medium", "high"), "reasoning_effort is not supported")
        else:
            require(effort is None and "include_reasoning" not in body, "reasoning_effort is not supported")
        require(not ("include_reasoning" in body and "reasoning_format" in body), "give one of both")


class CerebrasVendor(ChatVendor):
    """Cerebras."""

    name = "cerebras"
    fields = (
        "model messages tools tool_choice parallel_tool_calls reasoning_effort reasoning_format max_completion_tokens "
        "stream stream_options service_tier temperature top_p stop seed response_format user prompt_cache_key"
    )
    roles = "system developer user assistant tool"
    status = STATUS

    def writer(self) -> ChatWriter:
        return CerebrasWriter()

    def failure(self, fault: Fault, words: str) -> dict[str, Any]:
        """Without an envelope."""
        kind, code = self.kinds[fault]
        return {"message": words, "type": kind, "param": None, "code": code}

    def error_inside(self) -> bytes:
        return event({"error": self.failure(Fault.OVERLOADED, "overloaded")})

    def check_model(self, body: dict[str, Any]) -> None:
        allowed = (None, "low", "medium", "high") if "gpt-oss" in body["model"] else (None, "none")
        require(body.get("reasoning_effort") in allowed, "reasoning_effort is not supported")
        require(0 <= body.get("temperature", 1) <= 1.5, "temperature must be 0 to 1.5")


class HomeVendor(ChatVendor):
    """A server of one's own: it knows what everybody knows, and refuses the rest."""

    name = "openai-compatible"
    fields = "model messages tools tool_choice max_tokens stream stream_options temperature top_p stop seed"
    roles = "system user assistant tool"

    def writer(self) -> ChatWriter:
        return HomeWriter()

    def check_model(self, body: dict[str, Any]) -> None:
        """Whatever it is called."""


def check_function(function: dict[str, Any]) -> None:
    """A tool as it is declared. Raises Complaint."""
    require(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", function["name"]) is not None, "invalid function name")
    schema = function["parameters"]
    require(schema.get("type") == "object", f"Invalid schema for function: {schema} is not of type object")
    above = {"anyOf", "oneOf", "allOf", "not", "enum"} & set(schema)
    require(not above, f"Invalid schema for function: {above} at the top level")


def check_messages(messages: list[dict[str, Any]], roles: str) -> None:
    """The order of the conversation. Raises Complaint."""
    due: list[str] = []
    for message in messages:
        role = message["role"]
        require(role in roles.split(), f"invalid role: {role}")
        if role == "tool":
            require(message["tool_call_id"] in due, "messages with role 'tool' must be a response to a preceding call")
            due.remove(message["tool_call_id"])
            require(isinstance(message["content"], str), "content must be a string")
            continue
        require(not due, "An assistant message with 'tool_calls' must be followed by tool messages")
        due = [call["id"] for call in message.get("tool_calls", [])]
        require(all(0 < len(each) <= 64 for each in due), "tool_calls: id is too long")
        require(isinstance(message["content"], str) or bool(due), "content must be a string")
        for call in message.get("tool_calls", []):
            require(isinstance(json.dumps(call["function"]["arguments"]), str), "arguments must be a string")
    require(not due, "An assistant message with 'tool_calls' must be followed by tool messages")
