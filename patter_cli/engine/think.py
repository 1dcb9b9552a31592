"""The reply being made: the agent's own code or a model streamed, cut into clauses, posted as events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from patter_cli.contracts.llm import Delta, Text, ToolCall, Usage
from patter_cli.core.conversation import Message
from patter_cli.core.events import (
    ClauseReady,
    Event,
    FirstToken,
    ModelUsed,
    ResponseFailed,
    ResponseFinished,
    ToolCallRequested,
)
from patter_cli.engine.model import Rewind
from patter_cli.errors import ProviderError, Unauthorized
from patter_cli.text.clauses import SentenceChunker
from patter_cli.text.speakable import speakable

log = logging.getLogger(__name__)

PIECE_S = 35.0
"""Longest wait for the next piece of a reply; the machine bridges and gives up earlier."""
REPLY_CHARS = 4000
"""A reply is cut off here: nobody listens to five minutes."""
MODEL_CHARS = 600
"""A model's reply stops at the end of a clause after so much, and asks whether to go on. Source: RELIABILITY 3.1."""
SLOW_S = 2.0
"""Words that have waited so long for the end of their sentence are spoken without it: a slow model is heard too."""
BEGINNING_CHARS = 200
"""Of a reply, for the log, in case nothing of it can be spoken."""
_ENDS = tuple(".!?…。！？।؟")
CALLS = 16
"""Tool calls taken from one step of a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is to be answered.

    text: the caller's words. drafted: the history does not hold them yet. said: what this reply has said before its
    tools answered, None for its first step. may_call: whether it may ask for tools. history: the conversation when it
    was asked; what happens while the model writes does not change what it was told. spoken: what of this step has been
    passed on to be said by now.
    """

    response_id: int
    text: str = ""
    drafted: bool = False
    said: str | None = None
    may_call: bool = True
    history: tuple[Message, ...] = ()
    spoken: Callable[[], str] = str


Brain: TypeAlias = Callable[[Ask], AsyncGenerator[Delta | Rewind, None]]
"""Makes a reply, or one step of it. Raises ProviderError."""


class Thinker:
    """Runs one reply at a time, in a task that the call does not depend on: the agent's code may refuse to end."""

    def __init__(
        self,
        brain: Brain | None,
        *,
        language: str,
        post: Callable[[Event], None],
        aggressive_first_flush: bool = False,
        go_on: str | None = None,
    ) -> None:
        """go_on: what a reply that grows too long ends with, after MODEL_CHARS; None: it ends after REPLY_CHARS."""
        self._brain = brain
        self._language = language
        self._post = post
        self._aggressive = aggressive_first_flush
        self._go_on = go_on
        self._running: dict[int, asyncio.Task[None]] = {}
        self._calls = 0

    def use(self, language: str, *, aggressive_first_flush: bool, go_on: str | None) -> None:
        """Cut the replies from now on by these rules."""
        self._language = language
        self._aggressive = aggressive_first_flush
        self._go_on = go_on

    def start(self, ask: Ask) -> None:
        """Have the agent answer, or go on with an answer."""
        task = asyncio.create_task(self._run(ask))
        self._running[ask.response_id] = task
        task.add_done_callback(lambda done: self._forget(ask.response_id, done))

    def read_out(self, response_id: int, text: str) -> None:
        """Deliver a fixed text, at once."""
        chunker = SentenceChunker(self._language)
        for clause in (*chunker.push(text[:REPLY_CHARS]), *chunker.flush()):
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

    def _forget(self, response_id: int, task: asyncio.Task[None]) -> None:
        if self._running.get(response_id) is task:
            del self._running[response_id]

    async def _run(self, ask: Ask) -> None:
        response_id = ask.response_id
        try:
            await self._stream(ask)
        except ProviderError as error:
            log.warning("no reply from %s: %s", error.provider, error)
            self._post(
                ResponseFailed(
                    response_id=response_id,
                    provider=error.provider,
                    message=str(error),
                    hopeless=isinstance(error, Unauthorized),
                )
            )
        except (Exception, SystemExit) as error:  # sys.exit in somebody's model would end all calls
            log.exception("on_message raised")
            self._post(ResponseFailed(response_id=response_id, provider="on_message", message=repr(error)))
        else:
            self._post(ResponseFinished(response_id=response_id))

    async def _stream(self, ask: Ask) -> None:
        if self._brain is None:
            raise ProviderError("the agent has neither on_message nor a model", provider="agent")
        step = _Step(ask, SentenceChunker(self._language, aggressive_first_flush=self._aggressive and not ask.said))
        limit = step.limit = REPLY_CHARS if self._go_on is None else MODEL_CHARS - len(ask.said or "")
        loop = asyncio.get_running_loop()
        step.heard_at = loop.time()
        deltas = self._brain(replace(ask, spoken=lambda: " ".join(step.spoken)))
        try:
            while step.chars < limit:
                async with asyncio.timeout(PIECE_S):
                    delta = await anext(deltas, None)
                if delta is None:
                    break
                if isinstance(delta, Rewind):
                    self._rewind(step)
                    continue
                self._hurry(step, delta, loop.time())
                self._take(step, delta)
            else:
                self._cut_short(step)
        except Exception:
            # An apology follows.
            self._deliver_whole(step)
            raise
        finally:
            await deltas.aclose()
        self._deliver(step, step.chunker.flush())
        if not step.delivered and not step.calls:
            log.warning("a reply had nothing that can be spoken: %s", ascii(step.beginning))

    def _hurry(self, step: _Step, delta: Delta, now: float) -> None:
        """Speak what has waited too long for the rest of its sentence, up to the last whole word."""
        if step.delivered_before != step.delivered:
            step.delivered_before, step.heard_at = step.delivered, now
        between_words = isinstance(delta, Text) and (step.ends_blank or delta.text[:1].isspace())
        if between_words and now - step.heard_at >= SLOW_S:
            self._deliver(step, step.chunker.flush())
            step.delivered_before, step.heard_at = step.delivered, now

    def _take(self, step: _Step, delta: Delta) -> None:
        response_id = step.ask.response_id
        if isinstance(delta, Usage):
            self._post(model_used(response_id, delta))
            return
        if not step.begun and (isinstance(delta, ToolCall) or delta.text):
            step.begun = True
            step.heard_at = asyncio.get_running_loop().time()
            self._post(FirstToken(response_id=response_id))
        if isinstance(delta, Text):
            text = delta.text[: max(0, step.limit - step.chars)]
            step.chars += len(text)
            step.ends_blank = text[-1:].isspace() if text else step.ends_blank
            step.beginning += text[: BEGINNING_CHARS - len(step.beginning)]
            self._deliver(step, step.chunker.push(text))
        elif step.calls < CALLS:
            step.calls += 1
            self._calls += 1
            self._deliver(step, step.chunker.flush())
            # Ids are ours: some servers begin at call_0 with every request, and ours must be the only one of its kind.
            self._post(
                ToolCallRequested(
                    response_id=response_id,
                    tool_call_id=f"tool_{self._calls}",
                    name=delta.name,
                    arguments=delta.arguments,
                    seal=delta.seal,
                )
            )

    def _cut_short(self, step: _Step) -> None:
        if self._go_on is not None and step.delivered:
            step.chunker.reset()
            self._deliver(step, [self._go_on])

    def _rewind(self, step: _Step) -> None:
        """Somebody goes on with a reply that broke off; should they begin it again, it is not said again."""
        self._deliver_whole(step)
        step.repeated = {_bare(each) for each in step.spoken}
        step.chunker.reset()

    def _deliver_whole(self, step: _Step) -> None:
        """What is whole is said, half a sentence is not."""
        rest = step.chunker.flush()
        self._deliver(step, [each for each in rest if each.rstrip().endswith(_ENDS)])

    def _deliver(self, step: _Step, clauses: list[str]) -> None:
        for clause in clauses:
            plain = speakable(clause)
            if plain and _bare(plain) not in step.repeated:
                step.delivered += 1
                step.spoken.append(plain)
                self._post(ClauseReady(response_id=step.ask.response_id, text=plain))


def model_used(response_id: int, usage: Usage) -> ModelUsed:
    """The event of what a request took."""
    return ModelUsed(
        response_id=response_id,
        model=usage.model,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        written_tokens=usage.written_tokens,
        provider=usage.provider,
        estimated=usage.estimated,
    )


def _bare(clause: str) -> str:
    """A clause without what makes it look different and sound the same."""
    return "".join(each for each in clause.casefold() if each.isalnum())


@dataclass(slots=True)
class _Step:
    """One step of a reply under way."""

    ask: Ask
    chunker: SentenceChunker
    chars: int = 0
    calls: int = 0
    limit: int = REPLY_CHARS
    delivered: int = 0
    delivered_before: int = 0
    """How many clauses there were when words were last counted as progress, and when that was."""
    heard_at: float = 0.0
    spoken: list[str] = field(default_factory=list)
    repeated: set[str] = field(default_factory=set)
    """What was said before the reply broke off, without its signs."""
    ends_blank: bool = False
    """The last of its text was a blank: some models write it before a word, some behind."""
    beginning: str = ""
    begun: bool = False
