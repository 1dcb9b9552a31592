"""Google's language models, over generateContent."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar
from urllib.parse import quote

from patter_cli.contracts.llm import ChatMessage, Delta, ToolCall, ToolSpec, Usage
from patter_cli.providers.account import Account, VendorModel, family
from patter_cli.providers.alternating import Turn, alternating
from patter_cli.providers.exchange import exchange
from patter_cli.providers.google_account import GOOGLE, NAME, thinking_config
from patter_cli.providers.reply import Ending, ErrorInside, Reader, count
from patter_cli.providers.schemas import plain_schema
from patter_cli.providers.tool_calls import arguments_of, sealed, unsealed

UNSIGNED = "skip_thought_signature_validator"
"""In place of a signature, for a call that another vendor's model made: without one, Gemini 3 refuses the request."""
_LIMIT = ("MAX_TOKENS",)
_MISFIRED = (
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
)


@dataclass(frozen=True, slots=True)
class GoogleLLM(VendorModel):
    """Gemini. Its key comes from GEMINI_API_KEY or GOOGLE_API_KEY when it is used. Raises BadSetting.

    Source: Gemini API reference, generateContent, 2026-11.
    """

    api_key: str | None = field(default=None, repr=False)
    model: str = "gemini-3.8-flash"
    base_url: str | None = None
    """https://generativelanguage.googleapis.com/v1beta unless given."""
    _: KW_ONLY
    reasoning_effort: str | None = None
    """"minimal" to "high"; None: the least that the model has, for the caller waits. Models before 3 do not take it."""
    temperature: float | None = None
    """0 to 2. Not sent to the models that ignore it."""
    max_output_tokens: int = 1024
    """What it thinks counts, too."""

    account: ClassVar[Account] = GOOGLE

    def __post_init__(self) -> None:
        self._check_settings(self.temperature, self.max_output_tokens)

    def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        """Ask for one reply, as the contract says. Raises MissingCredential, BadSetting, ProviderError."""
        system, turns = alternating(messages)
        version = family(self.model, NAME) or (0, 0)
        settings: dict[str, Any] = {"maxOutputTokens": self.max_output_tokens}
        if thinking := thinking_config(self.model, self.reasoning_effort):
            settings["thinkingConfig"] = thinking
        if self.temperature is not None and version < (3, 5):
            settings["temperature"] = self.temperature
        body: dict[str, Any] = {
            "systemInstruction": {"parts": [{"text": system}]} if system else None,
            "contents": [_content(turn, signs=version >= (3, 0)) for turn in turns],
            **_tool_fields(tools, may_call=may_call),
            "generationConfig": settings,
        }
        path = f"/models/{quote(self.model.removeprefix('models/'), safe='')}:streamGenerateContent?alt=sse"
        return exchange(
            self.server(), path, body, ContentReader(provider="google", model=self.model, may_call=may_call)
        )


def _content(turn: Turn, *, signs: bool) -> dict[str, Any]:
    """One turn. signs: its model wants the first call of each step signed."""
    parts: list[dict[str, Any]] = [_result(call, result) for call, result in turn.results]
    parts += [{"text": text} for text in turn.texts]
    for place, call in enumerate(turn.calls):
        ident, signature = _seal_of(call)
        called: dict[str, Any] = {"name": call.name, "args": arguments_of(call)}
        part: dict[str, Any] = {"functionCall": {"id": ident, **called} if ident else called}
        if signature := signature or (UNSIGNED if signs and place == 0 else ""):
            part["thoughtSignature"] = signature
        parts.append(part)
    return {"role": "user" if turn.caller else "model", "parts": parts}


def _result(call: ToolCall, result: str) -> dict[str, Any]:
    """What a call came to. Only an id that the vendor gave is given back."""
    try:
        value = json.loads(result)
    except (ValueError, RecursionError):
        value = result
    ident, _ = _seal_of(call)
    answered: dict[str, Any] = {"name": call.name, "response": {"output": value}}
    return {"functionResponse": {"id": ident, **answered} if ident else answered}


def _seal_of(call: ToolCall) -> tuple[str, str]:
    """The id and the signature that the vendor gave a call; "" for what it did not give."""
    kept = unsealed("google", call.seal)
    if not isinstance(kept, dict):
        return "", ""
    return str(kept.get("id") or ""), str(kept.get("signature") or "")


def _tool_fields(tools: Sequence[ToolSpec], *, may_call: bool) -> dict[str, Any]:
    if not tools:
        return {}
    declared = [
        {"name": each.name, "description": each.description, "parametersJsonSchema": plain_schema(each.parameters)}
        for each in tools
    ]
    mode = {"functionCallingConfig": {"mode": "AUTO" if may_call else "NONE"}}
    return {"tools": [{"functionDeclarations": declared}], "toolConfig": mode}


class ContentReader(Reader):
    """One streamed reply. Each event is a whole response with a part of it; the stream's end is the connection's."""

    def take(self, value: dict[str, Any]) -> list[Delta]:
        """One event. Raises BadReply, ErrorInside."""
        if problem := value.get("error"):
            raise ErrorInside(problem)
        self.usage = self._read_usage(value.get("usageMetadata")) or self.usage
        blocked = self._object(value.get("promptFeedback"), "feedback").get("blockReason")
        if blocked:
            self._ended(Ending.DECLINED, str(blocked))
        candidates = value.get("candidates") or []
        if not isinstance(candidates, list):
            raise self._bad("candidates that are not a list")
        return self._candidate(self._object(candidates[0], "a candidate")) if candidates else []

    def _candidate(self, candidate: dict[str, Any]) -> list[Delta]:
        parts = self._object(candidate.get("content"), "content").get("parts") or []
        if not isinstance(parts, list):
            raise self._bad("parts that are not a list")
        deltas: list[Delta] = []
        for part in parts:
            deltas += self._part(self._object(part, "a part"))
        if reason := candidate.get("finishReason"):
            self._finish(str(reason))
        return deltas

    def _part(self, part: dict[str, Any]) -> list[Delta]:
        self.begun = True
        if part.get("functionCall") is not None:
            called = self._object(part["functionCall"], "a call")
            ident, arguments = self._text(called.get("id")), self._object(called.get("args"), "arguments")
            call = self.calls.begin(len(self.calls), ident, self._text(called.get("name")))
            self.calls.write(call, json.dumps(arguments))
            given = {"id": ident, "signature": self._text(part.get("thoughtSignature"))}
            call.seal = sealed("google", {name: each for name, each in given.items() if each})
            return []
        return [] if part.get("thought") else self._heard(self._text(part.get("text")))

    def _finish(self, reason: str) -> None:
        if reason in ("STOP", "FINISH_REASON_UNSPECIFIED"):
            self._ended(Ending.WELL, reason)
        elif reason in _LIMIT:
            self._ended(Ending.LIMIT, reason)
        else:
            self._ended(Ending.MISFIRED if reason in _MISFIRED else Ending.DECLINED, reason)

    def _read_usage(self, value: Any) -> Usage | None:
        if not isinstance(value, dict):
            return None
        return Usage(
            model=self._model,
            input_tokens=count(value.get("promptTokenCount")) + count(value.get("toolUsePromptTokenCount")),
            output_tokens=count(value.get("candidatesTokenCount")) + count(value.get("thoughtsTokenCount")),
            cached_tokens=count(value.get("cachedContentTokenCount")),
        )
