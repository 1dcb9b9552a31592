"""Attended transfers: somebody is rung, told what it is about, and only then connected with the caller who waits.

caller ---- our stream ---- music ..................... \\
                                                         > connected at the carrier; both streams are over
somebody -- our stream ---- told what it is about ..... /

Whoever is rung is a call of ours as any other: who is busy, does not answer or is a machine is known as it is there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Final

from patter_cli.contracts.carrier.control import transfer_target
from patter_cli.core.carrier_events import TransferAnswered, TransferLeftLine
from patter_cli.core.events import Event
from patter_cli.core.outcome import Outcome, TransferOutcome
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import CarrierError
from patter_cli.server.dialled import DialledCall

log = logging.getLogger("patter.server")

RING_S: Final = 25
"""Less than a call waits for it."""
TELLING_MS: Final = 120_000
"""The longest that anybody is told in, a switchboard before them included; the caller has long been taken back."""
TALK_S: Final = 3600
"""How long the two may talk once they are connected: the carrier ends what nobody watches."""
GONE_S: Final = 1.0
"""How soon it is known that whoever could not be connected had hung up."""
PICK_UP: Final = "ww"
"""Half a second each: a switchboard that has just answered does not listen yet."""

RingOut = Callable[[str, ReadyAgent], DialledCall]
"""(number, who talks there) to a call that rings. Raises CallRejected, InputError."""

_MISSED: Final = {
    Outcome.BUSY: TransferOutcome.BUSY,
    Outcome.NO_ANSWER: TransferOutcome.NO_ANSWER,
    Outcome.VOICEMAIL: TransferOutcome.VOICEMAIL,
    Outcome.ANSWERED: TransferOutcome.DECLINED,  # they heard what it is about, and hung up
}


async def attend(
    *,
    target: str,
    about: str,
    agent: ReadyAgent,
    connect: Callable[[str], Coroutine[None, None, None]],
    ring_out: RingOut,
    tell: Callable[[Event], None],
) -> TransferOutcome:
    """Ring somebody, tell them, connect them with the caller. Cancelled, it rings no longer.

    target: as `transfer_target` reads it; with an extension, its keys are pressed once the switchboard has answered,
    and whoever then speaks is told. agent, tell: the caller's, and their call. connect: to the carrier's id of the
    other call; it goes on when this is cancelled meanwhile; raises CarrierError.
    """
    whom = transfer_target(target)
    call = ring_out(whom.number, telling(agent, about, waits=bool(whom.extension)))
    over = asyncio.create_task(call.result())
    connecting: asyncio.Task[None] | None = None
    try:
        if await _first(call.line_up, over):
            tell(TransferAnswered())
            if whom.extension:
                await call.press(f"{PICK_UP}{whom.extension}")
            if await _first(call.handed_over, over):
                tell(TransferLeftLine())
                other = await call.named()
                connecting = asyncio.ensure_future(connect(other))
                try:
                    await asyncio.shield(connecting)  # the caller's line may be gone before the carrier has answered
                except CarrierError:
                    await asyncio.wait({over}, timeout=GONE_S)
                    if over.done():
                        return TransferOutcome.DROPPED
                    raise
                return TransferOutcome.CONNECTED
        result = await over
        if result.reason == "declined":
            return TransferOutcome.DECLINED
        return _MISSED.get(result.outcome, TransferOutcome.FAILED)
    except asyncio.CancelledError:
        if connecting is None:
            call.drop()
        else:  # the caller's line is gone because they talk with each other, or else nobody is to wait for them
            connecting.add_done_callback(partial(_settle, call))
        raise
    except Exception:
        call.drop()
        raise
    finally:
        over.cancel()


def telling(agent: ReadyAgent, about: str, *, waits: bool) -> ReadyAgent:
    """The agent in its other call, where it tells what the call is about, in its own voice, and nothing else. waits:
    for somebody to speak, since a switchboard answers first."""
    lines = agent.plan.lines
    words = " ".join(each.strip() for each in (lines.caller_for_you, about, lines.connecting) if each.strip())
    plan = replace(
        agent.plan,
        first_message="" if waits else words,
        pace=replace(agent.plan.pace, barge_in_threshold_ms=0, max_duration_ms=TELLING_MS, time_warning_ms=TELLING_MS),
        tools=(),
        transfer_numbers=(),
        engine=None,
        drafts=False,
        records=False,
        attends=False,
        hands_over=True,
        screens_machines=not waits,  # a switchboard is a machine
        voicemail_message="",
    )
    told = replace(agent, plan=plan, hooks=Hooks(on_message=lambda event: words), models=(), engine=None, tools={})
    return replace(told, revise=lambda overrides, parameters: told)


def _settle(call: DialledCall, connecting: asyncio.Task[None]) -> None:
    """The caller is gone. Whoever was rung for them and is not connected is not to stay in a room of their own."""
    if not connecting.cancelled() and (error := connecting.exception()) is not None:
        log.warning("call %s was not connected with the caller it was made for: %s", call.ticket.call_id, error)
        call.drop()


async def _first(happens: asyncio.Event, over: asyncio.Task[object]) -> bool:
    """Whether it happens before the call is over."""
    waiting = asyncio.create_task(happens.wait())
    try:
        await asyncio.wait({waiting, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    return happens.is_set()
