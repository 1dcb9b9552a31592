"""Asking a language model: deadlines, another try, another model; whatever happens, in time for the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

from patter_cli.contracts.llm import ChatMessage, Delta, LanguageModel, Text, ToolSpec, Usage
from patter_cli.contracts.provider import name_of
from patter_cli.engine.fallback import MIND, Breakers, Chain
from patter_cli.engine.usage import estimated
from patter_cli.errors import BadReply, ConfigError, ProviderError, TimedOut, Unauthorized

FIRST_S = 6.0
"""For the first word or tool call, as long as there is another model to ask. Source: RELIABILITY 3.1."""
LAST_FIRST_S = 30.0
"""The same for the last there is: a slow answer is one, and a local model's first takes as long as loading it."""
NEXT_S = 8.0
"""For the next one: a tool call's arguments come whole, after they have been written."""


async def ask_models(
    models: Sequence[LanguageModel],
    messages: Sequence[ChatMessage],
    tools: Sequence[ToolSpec],
    *,
    may_call: bool,
    breakers: Breakers | None = None,
    broken_off: Callable[[Usage], None] = lambda usage: None,
) -> AsyncGenerator[Delta, None]:
    """One reply, of the first model that gives one. Nothing is asked again once something of a reply has come.

    breakers: what other calls found out about these models. broken_off: told what a request took, by our count, that
    was given up or failed half way: the vendor did not say. Raises ProviderError: the last one's.
    """
    if not models:
        raise ProviderError("the agent has no model", provider="agent")
    loop = asyncio.get_running_loop()
    chain = Chain(models, MIND, breakers or Breakers(), loop.time())
    while True:
        model, begun = chain.recipe, False
        try:
            within_s = LAST_FIRST_S if chain.alone else FIRST_S
            request = _stream(model, messages, tools, may_call=may_call, first_s=within_s, broken_off=broken_off)
            async with request as deltas:
                async for delta in deltas:
                    begun = True
                    yield delta
        except Exception as error:
            wait_s = chain.failed(error, loop.time(), begun=begun)
            if wait_s is None:
                match error:
                    case ProviderError():
                        raise
                    case ConfigError():
                        raise Unauthorized(str(error), provider=name_of(model), hint=error.hint) from error
                    case _:
                        raise BadReply(f"its code raised {error!r}", provider=name_of(model)) from error
        else:
            chain.succeeded()
            return
        await asyncio.sleep(wait_s)


class _stream:
    """A model's reply with deadlines, closed at once when it is left."""

    def __init__(
        self,
        model: LanguageModel,
        messages: Sequence[ChatMessage],
        tools: Sequence[ToolSpec],
        *,
        may_call: bool,
        first_s: float,
        broken_off: Callable[[Usage], None],
    ) -> None:
        self._first_s = first_s
        self._broken_off = broken_off
        self._model = model.model
        self._messages = messages
        self._written = 0
        self._told = False
        """The vendor has said what it took."""
        self._provider = name_of(model)
        self._deltas = model.stream(messages, tools, may_call=may_call)

    async def __aenter__(self) -> AsyncGenerator[Delta, None]:
        return self._timed()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        refused = kind is not None and issubclass(kind, Exception) and not self._written
        if not self._told and not refused:
            self._broken_off(estimated(self._provider, self._model, list(self._messages), self._written))
        await self._deltas.aclose()

    async def _timed(self) -> AsyncGenerator[Delta, None]:
        within_s = self._first_s
        while True:
            try:
                async with asyncio.timeout(within_s):
                    delta = await anext(self._deltas, None)
            except TimeoutError as error:
                raise TimedOut(f"nothing came for {within_s:g} s", provider=self._provider) from error
            if delta is None:
                return
            if isinstance(delta, Usage):
                self._told = True
                delta = replace(delta, provider=self._provider)
            else:
                self._written += len(delta.text if isinstance(delta, Text) else delta.arguments)
            yield delta
            within_s = NEXT_S
