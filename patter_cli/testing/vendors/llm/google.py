"""Google's generateContent."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from patter_cli.contracts.llm import ToolCall, Usage
from patter_cli.testing.vendors.faults import Fault
from patter_cli.testing.vendors.llm.said import Over
from patter_cli.testing.vendors.llm.vendor import STATUS, LanguageVendor, event, known_fields, require
from patter_cli.testing.vendors.server import Answer, Request, in_json

SIGNED = "Q2lnbmVk-"
UNSIGNED = "skip_thought_signature_validator"
_FINISHED = {Over.WELL: "STOP", Over.LIMIT: "MAX_TOKENS", Over.DECLINED: "SAFETY"}


class ContentWriter:
    """Every event a whole response with a part of the reply; the end of the stream ends it."""

    def __init__(self) -> None:
        self._thought = ""

    def thought(self, words: str) -> tuple[bytes, ...]:
        """A summary, marked as one."""
        self._thought = words
        return (self._event({"text": words, "thought": True}),)

    def text(self, words: str) -> tuple[bytes, ...]:
        return (self._event({"text": words}),)

    def calls(self, calls: Sequence[ToolCall]) -> tuple[bytes, ...]:
        """Whole, all in one event; only the first is signed."""
        parts: list[dict[str, Any]] = []
        for call in calls:
            called = {"id": call.id, "name": call.name, "args": json.loads(call.arguments)}
            signature = {} if parts else {"thoughtSignature": f"{SIGNED}{call.id}"}
            parts.append({"functionCall": called, **signature})
        return (self._event(*parts),)

    def end(self, usage: Usage | None, over: Over = Over.WELL) -> tuple[bytes, ...]:
        """An event without words."""
        spent: dict[str, Any] = {}
        if usage is not None:
            spent = {
                "promptTokenCount": usage.input_tokens,
                "candidatesTokenCount": usage.output_tokens - 1,
                "thoughtsTokenCount": 1,
                "cachedContentTokenCount": usage.cached_tokens,
                "totalTokenCount": usage.input_tokens + usage.output_tokens,
            }
        return (self._event({"text": ""}, reason=_FINISHED[over], usage=spent),)

    @staticmethod
    def _event(*parts: dict[str, Any], reason: str = "", usage: dict[str, Any] | None = None) -> bytes:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
        if reason:
            candidate["finishReason"] = reason
        counted = {"usageMetadata": usage} if usage else {}
        value = {"candidates": [candidate], **counted, "modelVersion": "scripted", "responseId": "r1"}
        return event(value).replace(b"\n", b"\r\n")


class GoogleVendor(LanguageVendor):
    """Google, as it was in November 2026."""

    name = "google"
    key_header = "x-goog-api-key"
    status = {**STATUS, Fault.KEY_REFUSED: 400, Fault.NO_CREDIT: 429}
    kinds = {
        Fault.KEY_REFUSED: "INVALID_ARGUMENT",
        Fault.NO_CREDIT: "RESOURCE_EXHAUSTED",
        Fault.NOT_FOUND: "NOT_FOUND",
        Fault.INVALID: "INVALID_ARGUMENT",
        Fault.RATE_LIMITED: "RESOURCE_EXHAUSTED",
        Fault.OVERLOADED: "UNAVAILABLE",
        Fault.BROKEN: "INTERNAL",
    }

    def asks(self, request: Request) -> bool:
        path = re.fullmatch(r"/v1(?:beta)?/models/([a-z0-9.-]+):streamGenerateContent", request.path)
        return path is not None and request.query.get("alt") == "sse"

    def writer(self) -> ContentWriter:
        return ContentWriter()

    def failure(self, fault: Fault, words: str) -> dict[str, Any]:
        details: list[dict[str, Any]] = []
        if fault is Fault.KEY_REFUSED:
            details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
        if fault is Fault.RATE_LIMITED:
            details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]
        status = self.status[fault]
        return {"error": {"code": status, "message": words, "status": self.kinds[fault], "details": details}}

    def refusal(self, fault: Fault, words: str = "") -> Answer:
        """When to come back is said in the body alone."""
        return in_json(self.failure(fault, words or fault.value), self.status[fault])

    def models(self, request: Request) -> Answer:
        return in_json({"models": []})

    def complain(self, body: dict[str, Any], request: Request) -> None:
        known_fields(body, "systemInstruction contents tools toolConfig generationConfig safetySettings cachedContent")
        model = re.sub(r".*/models/|:.*", "", request.path)
        named = re.match(r"gemini-(\d+)(?:\.(\d+))?", model)
        require(named is not None, f"models/{model} is not found")
        assert named is not None
        version = (int(named[1]), int(named[2] or 0))
        settings = body.get("generationConfig", {})
        known_fields(
            settings, "maxOutputTokens thinkingConfig temperature topP topK stopSequences responseMimeType seed"
        )
        thinking = settings.get("thinkingConfig", {})
        require(not {"thinkingBudget", "thinkingLevel"} <= set(thinking), "give only one of level and budget")
        require(version < (3, 0) or "thinkingBudget" not in thinking, "thinking_budget is not supported")
        require(version >= (3, 0) or "thinkingLevel" not in thinking, "thinking_level is not supported")
        require((model, thinking.get("thinkingLevel")) != ("gemini-3.8-flash", "minimal"), "minimal is not supported")
        for tool in body.get("tools", []):
            for each in tool["functionDeclarations"]:
                require(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}", each["name"]) is not None, "invalid name")
                require(not {"parameters", "parametersJsonSchema"} <= set(each), "give only one schema")
        self._check_contents(body["contents"], signs=version >= (3, 0))

    def _check_contents(self, contents: list[dict[str, Any]], *, signs: bool) -> None:
        require(contents[-1]["role"] == "user", "the last turn must be the user's")
        due: list[tuple[str, str]] = []
        before = ""
        for content in contents:
            role, parts = content["role"], content["parts"]
            require(role in ("user", "model"), "Please use a valid role: user, model.")
            require(role != before and bool(parts), "turns must alternate, and have parts")
            before = role
            for part in parts:
                known_fields(part, "text functionCall functionResponse thoughtSignature thought inlineData")
            calls = [each for each in parts if "functionCall" in each]
            answers = [each["functionResponse"] for each in parts if "functionResponse" in each]
            require(
                [(each.get("id", ""), each["name"]) for each in answers] == due,
                "the number of function response parts must be equal to those of the function call turn",
            )
            require(all(isinstance(each["response"], dict) for each in answers), "response must be a Struct")
            due = [(each["functionCall"].get("id", ""), each["functionCall"]["name"]) for each in calls]
            require(all(isinstance(each["functionCall"]["args"], dict) for each in calls), "args must be a Struct")
            if calls and signs:
                signature = calls[0].get("thoughtSignature", "")
                require(
                    signature == UNSIGNED or signature.startswith(SIGNED),
                    "Function call is missing a thought_signature in functionCall parts",
                )
