"""Language model: what the engine relies on from any of them. Messages in, streamed words and tool calls out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from patter_cli.contracts.provider import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as the model sees it. parameters: a JSON Schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model wants a tool to be run. arguments: the text it wrote for a JSON object, which may be malformed.

    seal: what its vendor wants back with it, unread: signatures, what it thought. Another vendor is not given it.
    """

    id: str
    name: str
    arguments: str = "{}"
    seal: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One message of the conversation as a model gets it.

    An assistant's tool_calls are each answered by a "tool" message with its id, before anything else comes.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the reply, any length, never a model's private thinking."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the request took. Tokens; of input_tokens, cached_tokens came from the vendor's cache and written_tokens
    were put into it.

    provider is filled in by whoever asked. estimated: not the vendor's word.
    """

    model: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    written_tokens: int = 0
    provider: str = ""
    estimated: bool = False


Delta: TypeAlias = Text | ToolCall | Usage


class LanguageModel(Provider, Protocol):
    """A recipe: frozen, shared by all calls; connections are pooled behind it."""

    @property
    def model(self) -> str:
        """Which of the vendor's models."""

    async def warm(self) -> None:
        """Open a connection ahead of the first request. Cheap the second time; a failure is not raised."""

    def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        """Ask for one reply: its words as they come, its tool calls each once whole, at the end its usage if known.

        may_call False: the tools are known to the model but it must answer in words. Closing the generator, or
        cancelling its consumer, closes the request at once. Nothing is retried. Raises ProviderError.
        """
