"""The reply being made: the agent's own code (a model later) streamed, cut into clauses, posted as events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from patter_cli.core.events import ClauseReady, Event, FirstToken, ResponseFailed, ResponseFinished
from patter_cli.errors import ProviderError
from patter_cli.text.clauses import SentenceChunker
from patter_cli.text.speakable import speakable

log = logging.getLogger(__name__)

PIECE_S = 20.0
"""Longest wait for the next piece of a reply; the machine bridges and gives up earlier."""
REPLY_CHARS = 4000
"""A reply is cut off here: nobody listens to five minutes."""

Brain = Callable[[int, str], AsyncIterator[str]]
"""(response_id, the caller's words) to the pieces of a reply."""


class Thinker:
    """Runs one reply at a time, in a task that the call does not depend on: the agent's code may refuse to end."""

    def __init__(self, brain: Brain | None, *, language: str, post: Callable[[Event], None]) -> None:
        self._brain = brain
        self._language = language
        self._post = post
        self._running: dict[int, asyncio.Task[None]] = {}

    def start(self, response_id: int, text: str) -> None:
        """Have the agent answer."""
        task = asyncio.create_task(self._run(response_id, text))
        self._running[response_id] = task
        task.add_done_callback(lambda _: self._running.pop(response_id, None))

    def read_out(self, response_id: int, text: str) -> None:
        """Deliver a fixed text, at once."""
        chunker = SentenceChunker(self._language)
        for clause in (*chunker.push(text), *chunker.flush()):
            self._post(ClauseReady(response_id=response_id, text=clause))
        self._post(ResponseFinished(response_id=response_id))

    def cancel(self, response_id: int) -> None:
        """Stop a reply; fine if it is over."""
        task = self._running.get(response_id)
        if task is not None:
            task.cancel()

    def stop(self) -> None:
        """Stop whatever still runs."""
        for task in self._running.values():
            task.cancel()

    async def _run(self, response_id: int, text: str) -> None:
        try:
            await self._stream(response_id, text)
        except ProviderError as error:
            log.warning("no reply from %s: %s", error.provider, error)
            self._post(ResponseFailed(response_id=response_id, provider=error.provider, message=str(error)))
        except Exception as error:
            log.exception("on_message raised")
            self._post(ResponseFailed(response_id=response_id, provider="on_message", message=repr(error)))
        else:
            self._post(ResponseFinished(response_id=response_id))

    async def _stream(self, response_id: int, text: str) -> None:
        if self._brain is None:
            raise ProviderError("the agent has neither on_message nor a model", provider="agent")
        chunker = SentenceChunker(self._language)
        said = 0
        pieces = self._brain(response_id, text)
        try:
            while said < REPLY_CHARS:
                async with asyncio.timeout(PIECE_S):
                    piece = await anext(pieces, None)
                if piece is None:
                    break
                if not said and piece:
                    self._post(FirstToken(response_id=response_id))
                piece = piece[: REPLY_CHARS - said]
                said += len(piece)
                self._deliver(response_id, chunker.push(piece))
        except Exception:
            self._deliver(response_id, chunker.flush())
            raise
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()
        self._deliver(response_id, chunker.flush())

    def _deliver(self, response_id: int, clauses: list[str]) -> None:
        for clause in clauses:
            plain = speakable(clause)
            if plain:
                self._post(ClauseReady(response_id=response_id, text=plain))
