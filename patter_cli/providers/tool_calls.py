"""Tool calls put together from their pieces, and what their vendors want back with them. Pure."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from patter_cli.contracts.llm import ToolCall
from patter_cli.errors import BadReply

MOST_CALLS = 32
"""Tool calls in one reply; nobody waits on the telephone for more."""
ARGUMENT_CHARS = 100_000
"""The most that all arguments of one reply may hold."""
SEAL_CHARS = 200_000
"""The most that a vendor may want back with a reply's calls; more is left out."""


@dataclass(slots=True)
class Call:
    """One call under way."""

    id: str
    name: str
    arguments: str = ""
    seal: str = ""

    @property
    def whole(self) -> bool:
        """Whether its arguments are a JSON object."""
        return is_object(self.arguments)


class ToolCalls:
    """The calls of one reply. A key tells one from another while they are written: an index, an id."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._calls: list[Call] = []
        self._by_key: dict[Hashable, Call] = {}
        self._chars = 0

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def whole(self) -> bool:
        """Whether the arguments of every call are a JSON object."""
        return all(call.whole for call in self._calls)

    def known(self, key: Hashable) -> Call | None:
        """The call under this key, None if there is none yet."""
        return self._by_key.get(key)

    def by_id(self, ident: str) -> Call | None:
        """The call with this id of its vendor's."""
        return next((call for call in self._calls if call.id == ident), None)

    def begin(self, key: Hashable, ident: str, name: str) -> Call:
        """Another call. Raises BadReply if there are too many."""
        call = Call(ident, name)
        self._calls.append(call)
        self._by_key[key] = call
        if len(self._calls) > MOST_CALLS:
            raise self.bad("without end")
        return call

    def file(self, key: Hashable, call: Call) -> None:
        """This call goes by this key from now on."""
        self._by_key[key] = call

    def write(self, call: Call, arguments: str) -> None:
        """More of its arguments. Raises BadReply if there is no end of them."""
        call.arguments += arguments
        self._chars += len(arguments)
        if self._chars > ARGUMENT_CHARS:
            raise self.bad("without end")

    def take(self, *, seal: str = "") -> list[ToolCall]:
        """All calls, in the order in which they began. seal: of all of them, kept with the first. Raises BadReply."""
        if not all(call.name for call in self._calls):
            raise self.bad("without a name")
        if self._calls and seal:
            self._calls[0].seal = seal
        return [
            ToolCall(
                id=call.id or f"call_{uuid4().hex}",
                name=call.name,
                arguments=call.arguments if call.arguments.strip() else "{}",
                seal=call.seal if len(call.seal) <= SEAL_CHARS else "",
            )
            for call in self._calls
        ]

    def bad(self, what: str) -> BadReply:
        """The error for calls of this kind."""
        return BadReply(f"the reply of {self._provider} holds tool calls {what}", provider=self._provider)


def sealed(provider: str, value: Any) -> str:
    """What a vendor wants back with a call, as a text that nobody else opens. value: of JSON; "" for an empty one."""
    try:
        return json.dumps([provider, value], separators=(",", ":")) if value else ""
    except RecursionError:  # it could just be read, and is too deep to be written again
        return ""


def unsealed(provider: str, seal: str) -> Any:
    """The value again; None if it is not this vendor's."""
    try:
        read = json.loads(seal) if seal else None
    except (ValueError, RecursionError):
        return None
    return read[1] if isinstance(read, list) and len(read) == 2 and read[0] == provider else None


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """Its arguments as an object, for vendors that take nothing else; an empty one for what cannot be read: the call's
    result says that it was malformed."""
    try:
        value = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def is_object(arguments: str) -> bool:
    """Whether a text is a JSON object."""
    try:
        return isinstance(json.loads(arguments), Mapping)
    except (ValueError, RecursionError):
        return False
