"""What a scripted model is to say, in no vendor's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeAlias

from patter_cli.contracts.llm import ToolCall, Usage


class Over(Enum):
    """Why a reply ends."""

    WELL = "well"
    LIMIT = "limit"
    DECLINED = "declined"


SPENT = Usage(model="", input_tokens=812, output_tokens=31, cached_tokens=768)
"""What a reply takes unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Said:
    """One reply. words: spoken, a piece a blank. thought: what the model thinks before it; never to be spoken."""

    words: str = ""
    calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = SPENT
    over: Over = Over.WELL
    thought: str = ""


Replies: TypeAlias = Sequence[Said] | Callable[[dict[str, Any]], Said]
"""Replies in turn, the last one for ever; or a function of the request's body."""


class Writer(Protocol):
    """One reply on a vendor's wire, an event a piece. It is begun with the first piece that is asked for."""

    def thought(self, words: str) -> tuple[bytes, ...]:
        """What the model thinks."""

    def text(self, words: str) -> tuple[bytes, ...]:
        """The next words."""

    def calls(self, calls: Sequence[ToolCall]) -> tuple[bytes, ...]:
        """Tool calls, in as many pieces as the vendor makes of them."""

    def end(self, usage: Usage | None, over: Over = Over.WELL) -> tuple[bytes, ...]:
        """The end of the reply, and what it took."""


def pieces(writer: Writer, said: Said) -> list[bytes]:
    """A whole reply as this vendor sends it."""
    sent: list[bytes] = []
    if said.thought:
        sent += writer.thought(said.thought)
    for piece in re.findall(r"\S+\s*|\s+", said.words):
        sent += writer.text(piece)
    sent += writer.calls(said.calls) if said.calls else ()
    sent += writer.end(said.usage, said.over)
    return sent
