"""A language model that is the author's function: it writes where their other code runs, and can hurt only its call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from patter_cli.contracts.llm import ChatMessage, Delta, LanguageModel, ToolSpec
from patter_cli.engine.author_run import author_pieces
from patter_cli.engine.model import GO_ON
from patter_cli.errors import BadReply, PatterError


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorModel:
    """The same model. function: what the log and the watchdog call it by."""

    inner: LanguageModel
    function: Callable[..., Any]

    @property
    def provider(self) -> str:
        return self.inner.provider

    @property
    def model(self) -> str:
        return self.inner.model

    @property
    def key_variable(self) -> str:
        return self.inner.key_variable

    def check(self) -> None:
        self.inner.check()

    async def warm(self) -> None:
        await self.inner.warm()

    async def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        """One reply. Raises BadReply, also for what would end the process.

        Asked to go on with somebody else's reply, a function answers anew: what was said of it is not said again.
        """
        if messages and messages[-1].role == "user" and messages[-1].text == GO_ON:
            messages = messages[:-2]
        pieces = author_pieces(partial(self.inner.stream, messages, tools, may_call=may_call), self.function)
        try:
            async for delta in pieces:
                yield delta
        except PatterError:
            raise
        except Exception as error:
            raise BadReply(f"{self.model} failed: {error}", provider=self.provider) from error
        finally:
            await pieces.aclose()
