"""Anthropic's language models, over Messages."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from patter_cli.contracts.llm import ChatMessage, Delta, ToolCall, ToolSpec, Usage
from patter_cli.providers.account import Account, VendorModel, family
from patter_cli.providers.alternating import Turn, alternating
from patter_cli.providers.exchange import exchange
from patter_cli.providers.reply import Ending, ErrorInside, Reader, count
from patter_cli.providers.schemas import plain_schema
from patter_cli.providers.tool_calls import arguments_of, sealed, unsealed

ANTHROPIC = Account(
    name="anthropic",
    url="https://api.anthropic.com/v1",
    version="v1",
    keys=("ANTHROPIC_API_KEY",),
    looks_like="sk-ant-",
    key_header="x-api-key",
    fixed=(("anthropic-version", "2023-06-01"),),
)
KEPT = {"type": "ephemeral"}
"""Everything up to here is to be kept in the vendor's cache: for five minutes, and five more whenever it is used."""
_NAME = "claude-(?:[a-z]+-)?"
_ENDINGS = {
    "max_tokens": Ending.LIMIT,
    "model_context_window_exceeded": Ending.LIMIT,
    "refusal": Ending.DECLINED,
}


@dataclass(frozen=True, slots=True)
class AnthropicLLM(VendorModel):
    """Claude. Its key comes from ANTHROPIC_API_KEY when it is used. Raises BadSetting for values out of range.

    Source: Anthropic API reference, Messages, 2026-11.
    """

    api_key: str | None = field(default=None, repr=False)
    model: str = "claude-haiku-5-5"
    base_url: str | None = None
    """https://api.anthropic.com/v1 unless given."""
    _: KW_ONLY
    reasoning_effort: str | None = None
    """"low" to "max"; None: low, for the caller waits. Not sent to models before 5."""
    temperature: float | None = None
    """0 to 1. Not sent to the models that refuse it."""
    max_output_tokens: int = 1024
    """What it thinks counts, too."""

    account: ClassVar[Account] = ANTHROPIC

    def __post_init__(self) -> None:
        self._check_settings(self.temperature, self.max_output_tokens)

    def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        """Ask for one reply, as the contract says. Raises MissingCredential, BadSetting, ProviderError."""
        system, turns = alternating(messages)
        thinks = (family(self.model, _NAME) or (0, 0)) >= (5, 0)
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": self.max_output_tokens,
            "stream": True,
            "system": [{"type": "text", "text": system, "cache_control": KEPT}] if system else None,
            "messages": render_turns(turns),
            **_tool_fields(tools, turns, may_call=may_call),
            # Left to themselves these models think for as long as they like before the first word.
            "thinking": {"type": "adaptive", "display": "omitted"} if thinks else None,
            "output_config": {"effort": self.reasoning_effort or "low"} if thinks else None,
            "temperature": None if thinks else self.temperature,
        }
        reader = MessagesReader(provider="anthropic", model=self.model, may_call=may_call)
        return exchange(self.server(), "/messages", body, reader)


def render_turns(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """The conversation as the wire has it. The cache is to keep all of it: the next request begins with it."""
    rendered = [{"role": "user" if turn.caller else "assistant", "content": _blocks(turn)} for turn in turns]
    last: Any = rendered[-1]["content"]
    last[-1] = {**last[-1], "cache_control": KEPT}
    return rendered


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    """One turn. Results come first, what the model thought stands before the calls it led to."""
    blocks: list[dict[str, Any]] = [
        {"type": "tool_result", "tool_use_id": _id(call), "content": result or "(nothing)"}
        for call, result in turn.results
    ]
    for call in turn.calls:
        blocks += unsealed("anthropic", call.seal) or []
    blocks += [{"type": "text", "text": text} for text in turn.texts]
    blocks += [
        {"type": "tool_use", "id": _id(call), "name": call.name, "input": arguments_of(call)} for call in turn.calls
    ]
    return blocks


def _id(call: ToolCall) -> str:
    """Its id, in the letters that this vendor allows."""
    return re.sub("[^a-zA-Z0-9_-]", "_", call.id) or "_"


def _tool_fields(tools: Sequence[ToolSpec], turns: Sequence[Turn], *, may_call: bool) -> dict[str, Any]:
    rendered = [
        {"name": each.name, "description": each.description, "input_schema": plain_schema(each.parameters)}
        for each in tools
    ]
    if not tools:
        # A conversation with calls in it is refused without tools, also where none may be used any more.
        used = dict.fromkeys(call.name for turn in turns for call in turn.calls)
        rendered = [{"name": name, "description": "", "input_schema": plain_schema({})} for name in used]
    if not rendered:
        return {}
    return {"tools": rendered, "tool_choice": {"type": "auto" if may_call and tools else "none"}}


class MessagesReader(Reader):
    """One streamed reply: blocks of several kinds, one after the other, each with its pieces."""

    def __init__(self, *, provider: str, model: str, may_call: bool) -> None:
        super().__init__(provider=provider, model=model, may_call=may_call)
        self._thoughts: dict[int, dict[str, Any]] = {}
        """What it has thought, by block: it goes back with the calls."""
        self._counted: dict[str, int] = {}

    def take(self, value: dict[str, Any]) -> list[Delta]:
        """One event. Raises BadReply, ErrorInside."""
        match value.get("type"):
            case "message_start":
                self._count(self._object(value.get("message"), "a message").get("usage"))
            case "content_block_start":
                return self._begin(self._index(value), self._object(value.get("content_block"), "a block"))
            case "content_block_delta":
                return self._delta(self._index(value), self._object(value.get("delta"), "a delta"))
            case "message_delta":
                self._count(value.get("usage"))
                if reason := self._object(value.get("delta"), "a delta").get("stop_reason"):
                    self._ended(_ENDINGS.get(str(reason), Ending.WELL), str(reason))
            case "message_stop":
                self.over = True
            case "error":
                raise ErrorInside(value.get("error"))
            case None:
                if value.get("error"):
                    raise ErrorInside(value["error"])
                raise self._bad("an event without a type")
            case _:
                pass
        return []

    def seal(self) -> str:
        return sealed("anthropic", list(self._thoughts.values()))

    def _index(self, value: dict[str, Any]) -> int:
        index = value.get("index")
        if not isinstance(index, int):
            raise self._bad("a block without a number")
        return index

    def _begin(self, index: int, block: dict[str, Any]) -> list[Delta]:
        self.begun = True
        match block.get("type"):
            case "text":
                return self._heard(self._text(block.get("text")))
            case "tool_use":
                self.calls.begin(index, self._text(block.get("id")), self._text(block.get("name")))
            case "thinking":
                words, signature = self._text(block.get("thinking")), self._text(block.get("signature"))
                self._thoughts[index] = {"type": "thinking", "thinking": words, "signature": signature}
            case "redacted_thinking":
                self._thoughts[index] = {"type": "redacted_thinking", "data": self._text(block.get("data"))}
            case _:
                pass
        return []

    def _delta(self, index: int, delta: dict[str, Any]) -> list[Delta]:
        match delta.get("type"):
            case "text_delta":
                return self._heard(self._text(delta.get("text")))
            case "input_json_delta":
                call = self.calls.known(index)
                if call is not None:
                    self.calls.write(call, self._text(delta.get("partial_json")))
            case "thinking_delta":
                self._think(index, "thinking", self._text(delta.get("thinking")))
            case "signature_delta":
                self._think(index, "signature", self._text(delta.get("signature")))
            case _:
                pass
        return []

    def _think(self, index: int, part: str, more: str) -> None:
        thought = self._thoughts.get(index, {})
        if part in thought:
            thought[part] += more

    def _count(self, usage: Any) -> None:
        """What it took so far: the last figure of each kind counts."""
        if not isinstance(usage, dict):
            return
        self._counted.update({name: count(each) for name, each in usage.items() if each is not None})
        if not any(self._counted.values()):
            return
        written, cached = (self._counted.get(f"cache_{kind}_input_tokens", 0) for kind in ("creation", "read"))
        self.usage = Usage(
            model=self._model,
            input_tokens=self._counted.get("input_tokens", 0) + written + cached,
            output_tokens=self._counted.get("output_tokens", 0),
            cached_tokens=cached,
            written_tokens=written,
        )
