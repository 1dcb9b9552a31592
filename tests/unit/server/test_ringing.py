"""While a phone rings, connections are opened: once for many calls, again when they are old, never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest

from patter_cli import Agent
from patter_cli.contracts.llm import ChatMessage, Delta, Text, ToolSpec
from patter_cli.contracts.provider import Keyless
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import Unavailable
from patter_cli.server.ringing import AGAIN_S, Ringing
from patter_cli.wiring import ready_agent


class Warmed(Keyless):
    """A model that counts how often it was warmed, and fails at it or hangs if told to."""

    def __init__(self, error: Exception | None = None, hangs: bool = False) -> None:
        self.warmed = 0
        self.left = 0
        self.model = "m"
        self._error = error
        self._hangs = hangs

    async def warm(self) -> None:
        self.warmed += 1
        if self._error is not None:
            raise self._error
        try:
            await asyncio.sleep(60 if self._hangs else 0)
        except asyncio.CancelledError:
            self.left += 1
            raise

    async def stream(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = (), *, may_call: bool = True
    ) -> AsyncGenerator[Delta, None]:
        yield Text("Yes.")


def test_many_calls_open_them_once() -> None:
    """Of a list, those of the model that will be asked; and again when nobody is sure that they are still there."""
    model, spare, now_s = Warmed(), Warmed(), [0.0]
    agent = ready_agent("a", Agent("A.", llm=[model, spare]), Hooks())

    async def story() -> None:
        ringing = Ringing(lambda: now_s[0])
        for at_s in (0.0, 1.0, AGAIN_S - 1, AGAIN_S, AGAIN_S + 1):
            now_s[0] = at_s
            ringing.ring(replace(agent, stt=model, tts=model))  # type: ignore[arg-type]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        ringing.ring(replace(agent, name="b", stt=model, tts=model))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)

    asyncio.run(story())
    assert (model.warmed, spare.warmed) == (9, 0)


@pytest.mark.parametrize("error", [Unavailable("down", provider="acme"), ZeroDivisionError("a bug")])
def test_what_cannot_be_opened_harms_nothing(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """It is told in the log; and who stops serving does not wait for what hangs."""
    failing, hanging = Warmed(error), Warmed(hangs=True)
    agent = replace(ready_agent("a", Agent("A.", llm=failing), Hooks()), stt=hanging, tts=Warmed())  # type: ignore[arg-type]

    async def story() -> None:
        ringing = Ringing(lambda: 0.0)
        ringing.ring(replace(agent, stt=Warmed()))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        ringing.ring(replace(agent, name="b"))
        await asyncio.sleep(0.01)
        ringing.close()
        await asyncio.sleep(0.01)

    asyncio.run(story())
    assert hanging.left == 1
    assert "ahead of a call" in caplog.text
