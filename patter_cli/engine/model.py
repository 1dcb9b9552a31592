"""Asking a language model: deadlines, another try, another model; whatever happens, in time for the caller.

Theory of operation. As long as nothing of a reply has come, somebody else may give it. Once words have come, whoever is
asked next goes on with them: the thinker drops the half sentence that nobody has heard (a Rewind tells it to), says
what it has passed on, and the next model gets that as the assistant's words, with the request to go on from there. Once
a tool call has come, nobody is asked again: a tool must not run twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace

from patter_cli.contracts.llm import ChatMessage, Delta, LanguageModel, Text, ToolCall, ToolSpec, Usage
from patter_cli.contracts.provider import name_of
from patter_cli.engine.fallback import MIND, Breakers, Chain
from patter_cli.engine.usage import estimated
from patter_cli.errors import BadReply, ConfigError, ProviderError, TimedOut, Unauthorized

FIRST_S = 6.0
"""For the first word or tool call, as long as there is another model to ask. Source: RELIABILITY 3.1."""
LAST_FIRST_S = 32.0
"""The same for the last there is: a slow answer is one, and a local model's first takes as long as loading it. Half a
minute is the promise; what arrives right then is still taken."""
NEXT_S = 8.0
"""For the next one: a tool call's arguments come whole, after they have been written."""
NEXT_OF_SEVERAL_S = 4.0
"""The same as long as there is another model to ask. Source: RELIABILITY, no silence of more than four seconds."""
GO_ON = "(Your reply broke off after these words. Go on right behind them, in the same language, and repeat nothing.)"
"""To a model that takes over in the middle of a reply."""


@dataclass(frozen=True, slots=True)
class Rewind:
    """The reply broke off and somebody goes on with it: what of it is no whole sentence yet is not to be said."""


async def ask_models(
    models: Sequence[LanguageModel],
    messages: Sequence[ChatMessage],
    tools: Sequence[ToolSpec],
    *,
    may_call: bool,
    breakers: Breakers | None = None,
    broken_off: Callable[[Usage], None] = lambda usage: None,
    spoken: Callable[[], str] | None = None,
    may_be_silent: bool = False,
) -> AsyncGenerator[Delta | Rewind, None]:
    """One reply, of the first model that gives one.

    breakers: what other calls found out about these models. broken_off: told what a request took, by our count, that
    was given up or failed half way: the vendor did not say. spoken: what of this reply has been passed on to be said,
    after a Rewind; None: nobody can go on with a reply that has begun. may_be_silent: a reply without a word or a call
    is one; otherwise somebody is asked once more. Raises ProviderError: the last one's.
    """
    if not models:
        raise ProviderError("the agent has no model", provider="agent")
    loop = asyncio.get_running_loop()
    chain = Chain(models, MIND, breakers or Breakers(), loop.time())
    asked = messages
    worded = False
    """Words of this reply have come, from whomever."""
    while True:
        model, begun = chain.recipe, False
        try:
            within_s = (LAST_FIRST_S, NEXT_S) if chain.alone else (FIRST_S, NEXT_OF_SEVERAL_S)
            request = _stream(model, asked, tools, may_call=may_call, within_s=within_s, broken_off=broken_off)
            async with request as deltas:
                async for delta in deltas:
                    if isinstance(delta, Text):
                        worded = worded or bool(delta.text)
                        begun = begun or (worded and spoken is None)
                    else:
                        begun = begun or isinstance(delta, ToolCall)
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
            if worded and spoken is not None:
                yield Rewind()
                asked = _going_on(messages, spoken())
        else:
            chain.succeeded()
            if worded or begun or may_be_silent:
                return
            may_be_silent, wait_s = True, 0.0
            chain.silent()
        await asyncio.sleep(wait_s)


def _going_on(messages: Sequence[ChatMessage], spoken: str) -> Sequence[ChatMessage]:
    """The request for the rest of a reply; for all of it where nothing of it has been passed on."""
    if not spoken:
        return messages
    return (*messages, ChatMessage(role="assistant", text=spoken), ChatMessage(role="user", text=GO_ON))


class _stream:
    """A model's reply with deadlines, closed at once when it is left."""

    def __init__(
        self,
        model: LanguageModel,
        messages: Sequence[ChatMessage],
        tools: Sequence[ToolSpec],
        *,
        may_call: bool,
        within_s: tuple[float, float],
        broken_off: Callable[[Usage], None],
    ) -> None:
        """within_s: for the first delta, and for each after it."""
        self._within_s = within_s
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
        within_s, next_s = self._within_s
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
            within_s = next_s
