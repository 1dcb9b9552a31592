"""The Chat Completions wire: messages and tools to JSON, and the JSON of a streamed reply back to words and calls.

Pure. What OpenAI documents is read strictly where a mistake would be spoken or acted on, and leniently where the many
servers that imitate it differ: see ToolCalls. Source: OpenAI API reference, Chat Completions streaming.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from patter_cli.contracts.llm import ChatMessage, Delta, Text, ToolCall, ToolSpec, Usage
from patter_cli.errors import BadReply

MOST_CALLS = 32
"""Tool calls in one reply; nobody waits on the telephone for more."""
ARGUMENT_CHARS = 100_000
"""The most that all arguments of one reply may hold."""

_REASONS_CUT = ("length", "content_filter")


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
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
        }
        for tool in tools
    ]


class ErrorInside(Exception):
    """The stream held an error where a piece of the reply was due. value: that error, as JSON gave it."""

    def __init__(self, value: Any) -> None:
        super().__init__("the stream holds an error")
        self.value = value


class ReplyReader:
    """One streamed reply, from the data of its events to deltas.

    finished: the vendor has said why the reply ended; some never do. begun: something of a reply has come.
    """

    def __init__(self, *, provider: str, model: str, may_call: bool, strip_thinking: bool) -> None:
        self.finished = self.begun = False
        self._provider = provider
        self._model = model
        self._may_call = may_call
        self._thinking = ThinkingFilter() if strip_thinking else None
        self._calls = ToolCalls(provider)
        self._usage: Usage | None = None
        self._reason = ""
        self._spoke = False

    def push(self, data: str) -> list[Delta]:
        """The deltas in one event's data, other than "[DONE]". Raises BadReply, ErrorInside."""
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._bad("something that is not JSON") from error
        if not isinstance(chunk, dict):
            raise self._bad("a chunk that is not an object")
        groq = chunk.get("x_groq")
        groq = groq if isinstance(groq, dict) else {}
        if problem := chunk.get("error") or groq.get("error"):
            raise ErrorInside(problem)
        self._usage = self._read_usage(chunk.get("usage") or groq.get("usage")) or self._usage
        choices = chunk.get("choices") or []
        if not isinstance(choices, list):
            raise self._bad("choices that are not a list")
        return self._read_choice(choices[0]) if choices else []

    def end(self) -> list[Delta]:
        """What was held back until the reply was over: its last words, its calls, its usage. Raises BadReply."""
        if not self._may_call:
            calls = []
        elif (self._reason in _REASONS_CUT or not self.finished) and not self._calls.whole:
            raise self._bad("a tool call that its token limit or a filter cut off", hint="raise max_output_tokens")
        else:
            calls = self._calls.take()
        words = self._words(self._thinking.end()) if self._thinking else []
        if self._reason == "length" and not self._spoke and not calls:
            raise self._bad(
                "nothing but thinking before its token limit", hint="raise max_output_tokens, or switch thinking off"
            )
        return [*words, *calls, *([self._usage] if self._usage else [])]

    def _read_choice(self, choice: Any) -> list[Delta]:
        if not isinstance(choice, dict):
            raise self._bad("a choice that is not an object")
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise self._bad("a delta that is not an object")
        self._calls.push(delta.get("tool_calls"))
        self.begun = self.begun or bool(delta.get("content") or delta.get("tool_calls") or delta.get("refusal"))
        if reason := choice.get("finish_reason"):
            self._reason = str(reason)
            self.finished = True
        content = self._content(delta.get("content"))
        if self._thinking:
            content = self._thinking.push(content)
        return [*self._words(content), *self._words(self._content(delta.get("refusal")))]

    def _content(self, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, list):
            parts = [part.get("text") if isinstance(part, dict) else part for part in value]
            value = "".join(part for part in parts if isinstance(part, str))
        if not isinstance(value, str):
            raise self._bad("content that is not text")
        return sound(value)

    def _words(self, text: str) -> list[Delta]:
        self._spoke = self._spoke or bool(text)
        return [Text(text)] if text else []

    def _read_usage(self, value: Any) -> Usage | None:
        """Only a figure: whatever is not as expected is left out rather than refused."""
        if not isinstance(value, dict):
            return None
        details = value.get("prompt_tokens_details")
        return Usage(
            model=self._model,
            input_tokens=_count(value.get("prompt_tokens")),
            output_tokens=_count(value.get("completion_tokens")),
            cached_tokens=_count(details.get("cached_tokens")) if isinstance(details, dict) else 0,
        )

    def _bad(self, what: str, hint: str = "") -> BadReply:
        return BadReply(f"the reply of {self._provider} holds {what}", provider=self._provider, hint=hint)


@dataclass(slots=True)
class _Call:
    id: str
    name: str
    arguments: str


class ToolCalls:
    """Tool calls put together from their pieces.

    By the book, index says which call a piece belongs to, and id and name come with its first. Other servers leave the
    index out (the place in the list stands for it), give every call the index 0 (another id, or another name after
    whole arguments, begins another call), leave the id out (one is made up), or give the arguments as an object.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._chars = 0

    @property
    def whole(self) -> bool:
        """Whether the arguments of every call are a JSON object."""
        return all(_is_object(call.arguments) for call in self._calls)

    def push(self, pieces: Any) -> None:
        """Take a delta's tool_calls in. Raises BadReply."""
        if pieces is None:
            return
        if not isinstance(pieces, list):
            raise self._bad("that are not a list")
        for place, piece in enumerate(pieces):
            if not isinstance(piece, dict):
                raise self._bad("that are not objects")
            self._push(place, piece)

    def take(self) -> list[ToolCall]:
        """All calls, in the order in which they began. Raises BadReply."""
        if not all(call.name for call in self._calls):
            raise self._bad("without a name")
        return [
            ToolCall(
                id=call.id or f"call_{uuid4().hex}",
                name=call.name,
                arguments=call.arguments if call.arguments.strip() else "{}",
            )
            for call in self._calls
        ]

    def _push(self, place: int, piece: dict[str, Any]) -> None:
        function = piece.get("function") or {}
        if not isinstance(function, dict):
            raise self._bad("whose function is not an object")
        ident, name = self._string(piece.get("id")), self._string(function.get("name"))
        arguments = function.get("arguments")
        arguments = json.dumps(arguments) if isinstance(arguments, dict) else self._string(arguments)
        given = piece.get("index")
        index = given if isinstance(given, int) else place
        call = self._known(index, ident, counted=isinstance(given, int))
        if call is None or _begins_another(call, ident, name, arguments):
            call = _Call(ident, name, "")
            self._calls.append(call)
        self._by_index[index] = call
        call.id = call.id or ident
        call.name = call.name or name
        call.arguments += arguments
        self._chars += len(arguments)
        if len(self._calls) > MOST_CALLS or self._chars > ARGUMENT_CHARS:
            raise self._bad("without end")

    def _known(self, index: int, ident: str, *, counted: bool) -> _Call | None:
        if ident and not counted:
            return next((call for call in self._calls if call.id == ident), self._by_index.get(index))
        return self._by_index.get(index)

    def _string(self, value: Any) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._bad("with a number or a list where text is due")
        return sound(value)

    def _bad(self, what: str) -> BadReply:
        return BadReply(f"the reply of {self._provider} holds tool calls {what}", provider=self._provider)


class ThinkingFilter:
    """Takes <think>...</think> out of a reply, also when the tags are cut, and the blank lines that follow it.

    What is never closed is thinking to the end.
    """

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._after = False

    def push(self, text: str) -> str:
        """What of this and of what was held is sure to be meant for the caller."""
        self._held += text
        said: list[str] = []
        while True:
            tag = _THINK_END if self._inside else _THINK
            found = tag.search(self._held)
            if found is None:
                break
            said.append(self._outside(self._held[: found.start()]))
            self._held = self._held[found.end() :]
            self._after = self._inside
            self._inside = not self._inside
        keep = _tag_begun(self._held)
        said.append(self._outside(self._held[: len(self._held) - keep]))
        self._held = self._held[len(self._held) - keep :]
        return "".join(said)

    def end(self) -> str:
        """What was held because it might have become a tag."""
        held, self._held = self._held, ""
        return self._outside(held)

    def _outside(self, text: str) -> str:
        if self._inside:
            return ""
        if self._after:
            text = text.lstrip()
            self._after = not text
        return text


_THINK = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_THINK_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_TAG_BEGUN = re.compile(r"</?(?:t(?:h(?:i(?:n(?:k(?:i(?:n(?:g)?)?)?)?)?)?)?)?\Z", re.IGNORECASE)


def sound(text: str) -> str:
    """The text with half surrogates, which JSON can bring and nothing can write down, put right or replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _tag_begun(text: str) -> int:
    """How many of the last characters may be the beginning of a tag."""
    begun = _TAG_BEGUN.search(text, max(0, len(text) - len("</thinking")))
    return len(begun.group()) if begun else 0


def _begins_another(call: _Call, ident: str, name: str, arguments: str) -> bool:
    if ident and call.id:
        return ident != call.id
    return bool(name and arguments.strip()) and _is_object(call.arguments)


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), Mapping)
    except (ValueError, RecursionError):
        return False


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
