"""Asking a language model: deadlines, another try, another model; whatever happens, in time for the caller."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Sequence

from patter_cli.contracts.llm import ChatMessage, Delta, LanguageModel, ToolSpec
from patter_cli.errors import ConfigError, ProviderError, TimedOut, Unauthorized

log = logging.getLogger(__name__)

FIRST_S = 6.0
"""For the first word or tool call, as long as there is another model to ask. Source: RELIABILITY 3.1."""
LAST_FIRST_S = 30.0
"""The same for the last there is: a slow answer is one, and a local model's first takes as long as loading it."""
NEXT_S = 8.0
"""For the next one: a tool call's arguments come whole, after they have been written."""
TRIES = 2
"""A model is asked so often, as long as nothing of its reply has come; then the next one is."""
BACKOFF_S = 0.4
LONGEST_WAIT_S = 2.0
"""What a vendor's "come back later" may cost the caller; a longer one sends us to the next model."""


async def ask_models(
    models: Sequence[LanguageModel],
    messages: Sequence[ChatMessage],
    tools: Sequence[ToolSpec],
    *,
    may_call: bool,
) -> AsyncGenerator[Delta, None]:
    """One reply, of the first model that gives one. Nothing is asked again once something of a reply has come.

    Raises ProviderError: the last one's.
    """
    failure: ProviderError | None = None
    for model in models:
        for attempt in range(1, TRIES + 1):
            begun = False
            try:
                within_s = LAST_FIRST_S if model is models[-1] else FIRST_S
                async with _stream(model, messages, tools, may_call=may_call, first_s=within_s) as deltas:
                    async for delta in deltas:
                        begun = True
                        yield delta
                return
            except ConfigError as error:
                failure = Unauthorized(str(error), provider=model.provider, hint=error.hint)
            except ProviderError as error:
                failure = error
            if begun:
                raise failure
            log.warning("%s %s failed (%d of %d): %s", model.provider, model.model, attempt, TRIES, failure)
            wait_s = _wait_s(failure, attempt)
            if wait_s is None or attempt == TRIES:
                break
            await asyncio.sleep(wait_s)
    raise failure or ProviderError("the agent has no model", provider="agent")


def _wait_s(error: ProviderError, attempt: int) -> float | None:
    """How long to wait before the same model is asked again; None: do not."""
    if isinstance(error, TimedOut) or not error.retryable:
        return None  # who did not answer in time has used up what the caller will wait
    if error.retry_after_s is not None:
        return error.retry_after_s if error.retry_after_s <= LONGEST_WAIT_S else None
    return BACKOFF_S * attempt * random.uniform(0.5, 1.0)


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
    ) -> None:
        self._first_s = first_s
        self._provider = model.provider
        self._deltas = model.stream(messages, tools, may_call=may_call)

    async def __aenter__(self) -> AsyncGenerator[Delta, None]:
        return self._timed()

    async def __aexit__(self, *_: object) -> None:
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
            yield delta
            within_s = NEXT_S
