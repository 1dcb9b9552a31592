"""The wire of OpenAI's Responses: messages and tools to JSON, the events of a reply back to words and calls.

Pure. Nothing is stored at the vendor's: what its model thought goes back with the calls it led to, encrypted, as their
seal. Source: OpenAI API reference, Responses streaming, 2026-11.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from patter_cli.contracts.llm import ChatMessage, Delta, ToolSpec, Usage
from patter_cli.providers.reply import Ending, ErrorInside, Reader, count
from patter_cli.providers.schemas import plain_schema
from patter_cli.providers.tool_calls import sealed, unsealed


def render_input(messages: Sequence[ChatMessage]) -> dict[str, Any]:
    """The conversation: the first system message as instructions, everything else as items in order."""
    instructions: list[str] = []
    items: list[dict[str, Any]] = []
    for message in messages:
        match message.role:
            case "system" if not items:
                instructions.append(message.text)
            case "tool":
                items.append({"type": "function_call_output", "call_id": message.tool_call_id, "output": message.text})
            case role:
                if message.text:
                    items.append({"role": "developer" if role == "system" else role, "content": message.text})
                for call in message.tool_calls:
                    items += unsealed("openai", call.seal) or []
                    items.append(
                        {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
                    )
    return {"instructions": "\n\n".join(instructions) or None, "input": items}


def render_tools(tools: Sequence[ToolSpec], *, may_call: bool) -> dict[str, Any]:
    """The tools of a request, and whether they may be used; nothing where there are none."""
    if not tools:
        return {}
    rendered = [
        {
            "type": "function",
            "name": each.name,
            "description": each.description,
            "parameters": plain_schema(each.parameters),
            "strict": False,
        }
        for each in tools
    ]
    return {"tools": rendered, "tool_choice": None if may_call else "none"}


class ResponsesReader(Reader):
    """One streamed reply."""

    def __init__(self, *, provider: str, model: str, may_call: bool) -> None:
        super().__init__(provider=provider, model=model, may_call=may_call)
        self._thoughts: list[dict[str, Any]] = []

    def take(self, value: dict[str, Any]) -> list[Delta]:
        """One event. Raises BadReply, ErrorInside."""
        match value.get("type"):
            case "response.output_text.delta" | "response.refusal.delta":
                return self._heard(self._text(value.get("delta")))
            case "response.output_item.added":
                self._begin_item(value)
            case "response.function_call_arguments.delta":
                call = self.calls.known(self._key(value))
                if call is not None:
                    self.calls.write(call, self._text(value.get("delta")))
            case "response.output_item.done":
                self._end_item(value)
            case "response.completed" | "response.incomplete" | "response.failed" as kind:
                self._end_response(kind, self._object(value.get("response"), "a response"))
            case "error":
                raise ErrorInside(value.get("error") or value)
            case None:
                if value.get("error"):
                    raise ErrorInside(value["error"])
                raise self._bad("an event without a type")
            case _:
                pass
        return []

    def seal(self) -> str:
        return sealed("openai", self._thoughts)

    def _key(self, value: dict[str, Any]) -> str:
        """What tells one item from another: its place in the output."""
        return str(value.get("output_index"))

    def _begin_item(self, value: dict[str, Any]) -> None:
        item = self._object(value.get("item"), "an item")
        self.begun = True
        if item.get("type") == "function_call":
            self.calls.begin(self._key(value), self._text(item.get("call_id")), self._text(item.get("name")))

    def _end_item(self, value: dict[str, Any]) -> None:
        item = self._object(value.get("item"), "an item")
        if item.get("type") == "reasoning" and item.get("encrypted_content"):
            # As it came, but for its state: a reply's item is one that is over.
            self._thoughts.append({name: each for name, each in item.items() if name != "status" and each is not None})
        if item.get("type") != "function_call":
            return
        key = self._key(value)
        call = self.calls.known(key)
        if call is None:
            call = self.calls.begin(key, self._text(item.get("call_id")), self._text(item.get("name")))
        if not call.arguments:
            self.calls.write(call, self._text(item.get("arguments")))

    def _end_response(self, kind: str, response: dict[str, Any]) -> None:
        self.usage = self._read_usage(response.get("usage")) or self.usage
        self.over = True
        if kind == "response.failed":
            raise ErrorInside(response.get("error") or "it failed")
        details = response.get("incomplete_details")
        reason = str(details.get("reason")) if isinstance(details, dict) else ""
        if kind == "response.incomplete":
            self._ended(Ending.DECLINED if reason == "content_filter" else Ending.LIMIT, reason)
        else:
            self._ended(Ending.WELL, "completed")

    def _read_usage(self, value: Any) -> Usage | None:
        if not isinstance(value, dict):
            return None
        details = value.get("input_tokens_details")
        details = details if isinstance(details, dict) else {}
        return Usage(
            model=self._model,
            input_tokens=count(value.get("input_tokens")),
            output_tokens=count(value.get("output_tokens")),
            cached_tokens=count(details.get("cached_tokens")),
            written_tokens=count(details.get("cache_write_tokens")),
        )
