"""Sessions opened while the phone rings, kept for the call that is about to begin."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Hashable
from typing import Protocol, TypeVar

from patter_cli.errors import PatterError

log = logging.getLogger(__name__)

KEPT_S = 30.0
"""The longest that a phone rings, and a little more: a call that nobody takes needs no session."""
MOST = 8
"""Of one kind at once: more phones than this do not ring in the same moment."""


class Parkable(Protocol):
    """A session that may wait."""

    @property
    def usable(self) -> bool:
        """Whether it is as good as one that is opened now."""

    async def aclose(self) -> None: ...


class _Opening:
    """One that is under way, until somebody leaves it."""

    wanted = True


Session = TypeVar("Session", bound=Parkable)
_PARKED: dict[tuple[asyncio.AbstractEventLoop, Hashable], list[tuple[Parkable, asyncio.TimerHandle]]] = {}
_OPENING: dict[tuple[asyncio.AbstractEventLoop, Hashable], list[_Opening]] = {}
_CLOSING: set[asyncio.Task[None]] = set()


async def park(kind: Hashable, opening: Awaitable[Parkable]) -> None:
    """Keep a session of this kind for whoever asks next. A failure is not raised: the call's own opening will tell."""
    loop = asyncio.get_running_loop()
    mine = _Opening()
    under_way = _OPENING.setdefault((loop, kind), [])
    under_way.append(mine)
    try:
        session = await opening
    except PatterError as error:
        log.info("no session ahead of the call: %s", error)
        return
    finally:
        under_way.remove(mine)
        if not under_way:
            _OPENING.pop((loop, kind), None)
    if not mine.wanted:
        _close(session)
        return
    waiting = _PARKED.setdefault((loop, kind), [])
    timer = loop.call_later(KEPT_S, _let_go, loop, kind, session)
    waiting.append((session, timer))
    if len(waiting) > MOST:
        _let_go(loop, kind, waiting[0][0])


def taken(kind: Hashable) -> Parkable | None:
    """A session of this kind that is as good as new; None if none waits."""
    loop = asyncio.get_running_loop()
    waiting = _PARKED.get((loop, kind), [])
    while waiting:
        session, timer = waiting.pop()
        timer.cancel()
        if session.usable:
            return session
        _close(session)
    _PARKED.pop((loop, kind), None)
    return None


def leave(kind: Hashable) -> None:
    """Close a session of this kind, also one that is still being opened: its call has begun, and with another kind."""
    loop = asyncio.get_running_loop()
    if waiting := _PARKED.get((loop, kind)):
        _let_go(loop, kind, waiting[0][0])
        return
    for each in _OPENING.get((loop, kind), []):
        if each.wanted:
            each.wanted = False
            return


def _let_go(loop: asyncio.AbstractEventLoop, kind: Hashable, session: Parkable) -> None:
    waiting = _PARKED.get((loop, kind), [])
    for each in [each for each in waiting if each[0] is session]:
        each[1].cancel()
        waiting.remove(each)
        _close(session)
    if not waiting:
        _PARKED.pop((loop, kind), None)


def _close(session: Parkable) -> None:
    task = asyncio.get_running_loop().create_task(session.aclose())
    _CLOSING.add(task)
    task.add_done_callback(_CLOSING.discard)
