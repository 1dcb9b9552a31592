"""A streamed reply being read, whatever vendor's: what all of them have in common once their events are taken apart.

Pure. A vendor's reader says what an event's data holds; when the reply is over, this decides what it was: words, tool
calls, a refusal, or nothing that anybody could use. What a vendor documents is read strictly where a mistake would be
spoken or acted on; a figure that is not as expected is left out.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

from patter_cli.contracts.llm import Delta, Text, ToolCall, Usage
from patter_cli.errors import BadReply, ProviderError, Unavailable
from patter_cli.providers.tool_calls import ToolCalls


class ErrorInside(Exception):
    """The stream held an error where a piece of the reply was due. value: that error, as JSON gave it."""

    def __init__(self, value: Any) -> None:
        super().__init__("the stream holds an error")
        self.value = value


class Ending(Enum):
    """Why a reply is over, by the vendor's word."""

    WELL = "well"
    LIMIT = "limit"
    """It came to the most tokens that it may have."""
    DECLINED = "declined"
    """The model, or a filter of the vendor's, will not say this."""
    MISFIRED = "misfired"
    """The model wrote a tool call that its vendor could not read, or nothing at all; it may do better next time."""


class Reader:
    """One reply. A vendor's own has `take`, and tells `_heard`, `calls`, `usage` and `_ended` what it finds.

    finished: the vendor has said why the reply ended; some never do. begun: something of a reply has come. over:
    nothing more will come. ends: every reply of this vendor's has an end, so that one without is broken off.
    """

    ends = True

    def __init__(self, *, provider: str, model: str, may_call: bool) -> None:
        self.finished = self.begun = self.over = False
        self.usage: Usage | None = None
        self.calls = ToolCalls(provider)
        self._provider = provider
        self._model = model
        self._may_call = may_call
        self._ending = Ending.WELL
        self._reason = ""
        self._spoke = False

    def push(self, data: str) -> list[Delta]:
        """The deltas in one event's data. Raises BadReply, ErrorInside."""
        if data.strip() == "[DONE]":
            self.finished = self.over = True
            return []
        try:
            value = json.loads(data)
            if isinstance(value, dict):
                return self.take(value)
        except (ValueError, RecursionError) as error:  # what can just be read may be too deep to be written again
            raise self._bad("something that is not JSON") from error
        raise self._bad("a chunk that is not an object")

    def take(self, value: dict[str, Any]) -> list[Delta]:
        """The deltas in one event. Raises BadReply, ErrorInside."""
        raise NotImplementedError

    def held_back(self) -> list[Delta]:
        """Words that were kept until it was sure that they are some."""
        return []

    def seal(self) -> str:
        """What the vendor wants back with the first of the calls, beside what each has of its own."""
        return ""

    def end(self) -> list[Delta]:
        """What was held back until the reply was over: its last words, its calls, its usage. Raises ProviderError."""
        cut = self._ending is not Ending.WELL or not self.finished
        calls: list[ToolCall] = []
        if self._may_call:
            if cut and not self.calls.whole:
                raise self._bad("a tool call that its token limit or a filter cut off", hint="raise max_output_tokens")
            calls = self.calls.take(seal=self.seal())
        words = self.held_back()
        if not (self._spoke or calls):
            self._require_something()
        return [*words, *calls, *([self.usage] if self.usage else [])]

    def _require_something(self) -> None:
        match self._ending:
            case Ending.LIMIT:
                raise self._bad(
                    "nothing but thinking before its token limit", hint="raise max_output_tokens, or think less"
                )
            case Ending.DECLINED:
                raise self._bad(f"no answer: it was declined ({self._reason})")
            case Ending.MISFIRED:
                raise self._failed(f"{self._provider}'s model misfired ({self._reason})")
            case _:
                pass

    def _ended(self, ending: Ending, reason: str) -> None:
        """The vendor said so, in these words."""
        self._ending, self._reason, self.finished = ending, reason[:100], True

    def _heard(self, text: str) -> list[Delta]:
        """Words for the caller."""
        self._spoke = self._spoke or bool(text)
        self.begun = self.begun or self._spoke
        return [Text(text)] if text else []

    def _text(self, value: Any) -> str:
        """A text, "" for none. Raises BadReply."""
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._bad("content that is not text")
        return sound(value)

    def _object(self, value: Any, what: str) -> dict[str, Any]:
        """An object, an empty one for none. Raises BadReply."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._bad(f"{what} that is not an object")
        return value

    def _bad(self, what: str, hint: str = "") -> BadReply:
        return BadReply(f"the reply of {self._provider} holds {what}", provider=self._provider, hint=hint)

    def _failed(self, what: str) -> ProviderError:
        return Unavailable(what, provider=self._provider)


def sound(text: str) -> str:
    """The text with half surrogates, which JSON can bring and nothing can write down, put right or replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def count(value: Any) -> int:
    """A number of tokens; 0 for what is none."""
    return value if isinstance(value, int) and value > 0 else 0
