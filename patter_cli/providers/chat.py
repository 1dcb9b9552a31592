"""The Chat Completions wire: messages and tools to JSON, and the JSON of a streamed reply back to words and calls.

Pure. What OpenAI documents, and where the many servers that imitate it differ: see `_call`. Source: OpenAI API
reference, Chat Completions streaming; Groq and Cerebras, their own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from patter_cli.contracts.llm import ChatMessage, Delta, ToolSpec, Usage
from patter_cli.providers.reply import Ending, ErrorInside, Reader, count, sound
from patter_cli.providers.schemas import plain_schema
from patter_cli.providers.thinking import ThinkingFilter
from patter_cli.providers.tool_calls import Call

_ENDINGS = {"length": Ending.LIMIT, "content_filter": Ending.DECLINED}


def render_messages(messages: Sequence[ChatMessage], *, system_role: str) -> list[dict[str, Any]]:
    """The conversation as the wire has it. system_role: "developer", or "system" where that is not known."""
    rendered: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "tool":
            rendered.append({"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text})
        elif message.tool_calls:
            calls = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in message.tool_calls
            ]
            rendered.append({"role": "assistant", "content": message.text or None, "tool_calls": calls})
        else:
            role = system_role if message.role == "system" else message.role
            rendered.append({"role": role, "content": message.text})
    return rendered


def render_tools(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """The tools as the wire has them."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": plain_schema(tool.parameters),
            },
        }
        for tool in tools
    ]


def tool_fields(tools: Sequence[ToolSpec], *, may_call: bool) -> dict[str, Any]:
    """The tools of a request, and whether they may be used; nothing where there are none."""
    if not tools:
        return {}
    return {"tools": render_tools(tools), "tool_choice": None if may_call else "none"}


class ChatReader(Reader):
    """One streamed reply. A compatible server may leave out its end; what it thinks aloud is never spoken."""

    def __init__(self, *, provider: str, model: str, may_call: bool, thinks_aloud: bool, ends: bool) -> None:
        """thinks_aloud: between <think> and </think>."""
        super().__init__(provider=provider, model=model, may_call=may_call)
        self.ends = ends
        self._thinking = ThinkingFilter() if thinks_aloud else None

    def take(self, value: dict[str, Any]) -> list[Delta]:
        """One chunk. Raises BadReply, ErrorInside."""
        groq = value.get("x_groq")
        groq = groq if isinstance(groq, dict) else {}
        if problem := value.get("error") or groq.get("error"):
            raise ErrorInside(problem)
        self.usage = self._read_usage(value.get("usage") or groq.get("usage")) or self.usage
        choices = value.get("choices") or []
        if not isinstance(choices, list):
            raise self._bad("choices that are not a list")
        return self._choice(self._object(choices[0], "a choice")) if choices else []

    def held_back(self) -> list[Delta]:
        return self._heard(self._thinking.end()) if self._thinking else []

    def _choice(self, choice: dict[str, Any]) -> list[Delta]:
        delta = self._object(choice.get("delta") or None, "a delta")
        self._pieces(delta.get("tool_calls"))
        begun = bool(delta.get("content") or delta.get("tool_calls") or delta.get("refusal"))
        if reason := choice.get("finish_reason"):
            self._ended(_ENDINGS.get(str(reason), Ending.WELL), str(reason))
        content = self._content(delta.get("content"))
        if self._thinking:
            content = self._thinking.push(content)
        deltas = [*self._heard(content), *self._heard(self._content(delta.get("refusal")))]
        self.begun = self.begun or begun
        return deltas

    def _content(self, value: Any) -> str:
        if isinstance(value, list):
            parts = [part.get("text") if isinstance(part, dict) else part for part in value]
            value = "".join(part for part in parts if isinstance(part, str))
        return self._text(value)

    def _read_usage(self, value: Any) -> Usage | None:
        if not isinstance(value, dict):
            return None
        details = value.get("prompt_tokens_details")
        details = details if isinstance(details, dict) else {}
        return Usage(
            model=self._model,
            input_tokens=count(value.get("prompt_tokens")),
            output_tokens=count(value.get("completion_tokens")),
            cached_tokens=count(details.get("cached_tokens")),
            written_tokens=count(details.get("cache_write_tokens")),
        )

    def _pieces(self, pieces: Any) -> None:
        if pieces is None:
            return
        if not isinstance(pieces, list):
            raise self.calls.bad("that are not a list")
        for place, piece in enumerate(pieces):
            if not isinstance(piece, dict):
                raise self.calls.bad("that are not objects")
            self._call(place, piece)

    def _call(self, place: int, piece: dict[str, Any]) -> None:
        """One piece of one call.

        By the book, index says which call a piece belongs to, and id and name come with its first. Other servers leave
        the index out (the place in the list stands for it), give every call the index 0 (another id, or another name
        after whole arguments, begins another call), leave the id out (one is made up), or give the arguments as an
        object.
        """
        function = piece.get("function") or {}
        if not isinstance(function, dict):
            raise self.calls.bad("whose function is not an object")
        ident, name = self._string(piece.get("id")), self._string(function.get("name"))
        arguments = function.get("arguments")
        arguments = json.dumps(arguments) if isinstance(arguments, dict) else self._string(arguments)
        given = piece.get("index")
        counted = isinstance(given, int)
        index = given if counted else place
        call = self.calls.known(index)
        if ident and not counted:
            call = self.calls.by_id(ident) or call
        if call is None or _begins_another(call, ident, name, arguments):
            call = self.calls.begin(index, ident, name)
        self.calls.file(index, call)
        call.id = call.id or ident
        call.name = call.name or name
        self.calls.write(call, arguments)

    def _string(self, value: Any) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.calls.bad("with a number or a list where text is due")
        return sound(value)


def _begins_another(call: Call, ident: str, name: str, arguments: str) -> bool:
    if ident and call.id:
        return ident != call.id
    return bool(name and arguments.strip()) and call.whole
