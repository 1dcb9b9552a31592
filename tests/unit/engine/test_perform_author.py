"""What the author's callbacks are told of a call."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from patter_cli.agent import Agent
from patter_cli.core.commands import ReportMachine
from patter_cli.core.outcome import AnsweredBy, Direction
from patter_cli.engine.context import CallContext
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.perform_author import AuthorPerformer
from patter_cli.engine.ready import CallInfo
from patter_cli.wiring import ready_agent

INFO = CallInfo(call_id="c1", caller="+1", callee="+2", direction=Direction.OUTBOUND, carrier="none")


async def settled(within_s: float) -> None:
    """A disk that has everything."""


async def told(hooks: Hooks, *commands: ReportMachine) -> None:
    """Have these carried out for an author with these callbacks, and wait for them."""
    author = AuthorPerformer(CallContext(INFO, ready_agent("shop", Agent("Be brief."), hooks)), settled)
    assert all(author.perform(each) for each in commands)
    await author.finish({})


async def test_who_answered_is_told_as_a_result() -> None:
    """The call's ids, a word that compares with a string, the carrier's own word, and when it was."""
    got: list[Any] = []
    command = ReportMachine(answered_by=AnsweredBy.MACHINE, raw="machine_end_beep")
    await told(Hooks(on_machine_detection=got.append, on_message=lambda event: ""), command)
    (result,) = got
    assert (result.call_id, result.classification, result["raw"]) == ("c1", "machine", "machine_end_beep")
    assert abs(result.detected_at - time.time()) < 5


async def test_an_author_who_does_not_ask_is_told_nothing() -> None:
    """And one whose callback raises harms nobody."""

    def raises(event: Any) -> None:
        raise ValueError(event.classification)

    command = ReportMachine(answered_by=AnsweredBy.UNKNOWN, raw="")
    await asyncio.wait_for(told(Hooks(on_message=lambda event: ""), command), 5)
    await asyncio.wait_for(told(Hooks(on_message=lambda event: "", on_machine_detection=raises), command), 5)
