"""What the parts of one call share: whose call it is, the machine to look at, a mailbox to post to, and tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Protocol

from patter_cli.call_event import CallEvent
from patter_cli.core.commands import Command
from patter_cli.core.conversation import Message
from patter_cli.core.events import Event, ListenFailed, LoopHeld
from patter_cli.core.machine import TurnMachine
from patter_cli.core.plan import CallPlan
from patter_cli.engine.clock import CallClock
from patter_cli.engine.mailbox import Mailbox
from patter_cli.engine.ready import CallInfo, ReadyAgent
from patter_cli.engine.watchdog import told_when_held

log = logging.getLogger(__name__)

CURRENT_CALL: ContextVar[str] = ContextVar("patter_call", default="")
"""The id of the call that runs here, for whoever writes a log; "" outside of calls."""


class Performer(Protocol):
    """A part of a call that carries out some of the machine's orders."""

    def perform(self, command: Command) -> bool:
        """Start what is ordered; its answer comes back as an event. False: this order is somebody else's."""


class CallContext:
    """One call's. Parts read the machine through it, and never tell it anything but by `post`."""

    def __init__(self, info: CallInfo, agent: ReadyAgent) -> None:
        self.info = info
        self.agent = agent
        """As on_call_start has changed it, once it has."""
        self.machine = TurnMachine()
        self.clock = CallClock(asyncio.get_running_loop())
        self.mailbox = Mailbox(self.clock)
        self.post: Callable[[Event], None] = self.mailbox.post
        self.tasks: asyncio.TaskGroup | None = None
        """The call's, while it runs."""
        self._left_over: set[asyncio.Task[None]] = set()

    @property
    def plan(self) -> CallPlan:
        return self.machine.plan

    @property
    def history(self) -> tuple[Message, ...]:
        return self.machine.history

    def told_history(self) -> list[dict[str, Any]]:
        """The conversation as callbacks get it."""
        return told(self.machine.history)

    def event(self, **facts: Any) -> CallEvent:
        """What a callback gets: the call's ids, the conversation so far, and these."""
        info = self.info
        ids = {"call_id": info.call_id, "caller": info.caller, "callee": info.callee}
        return CallEvent({**ids, "history": self.told_history(), **facts})

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have something done beside the conversation; it is cancelled when the call is over."""
        assert self.tasks is not None
        task = self.tasks.create_task(work)
        self._left_over.add(task)
        task.add_done_callback(self._left_over.discard)
        return task

    def guard(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run a worker for as long as the call lasts. A bug of ours in it ends this call aloud, and nothing else."""
        assert self.tasks is not None
        return self.tasks.create_task(self._guarded(name, work))

    async def watch_loop(self) -> None:
        """Have the journal know when this loop was held: what came then was late."""
        with told_when_held(self._note_held):
            await asyncio.get_running_loop().create_future()

    def _note_held(self, held_s: float, by: str) -> None:
        now = self.clock.now()
        self.post(LoopHeld(from_ms=max(0, now - round(held_s * 1000)), to_ms=now, by=by))

    def cancel_left_over(self) -> None:
        for task in tuple(self._left_over):
            task.cancel()

    async def _guarded(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except (Exception, SystemExit) as error:  # sys.exit in somebody's ears or voice would end all calls
            log.exception("the %s of call %s broke", name, self.info.call_id)
            self.post(ListenFailed(provider="patter", message=repr(error)))


def told(history: tuple[Message, ...]) -> list[dict[str, Any]]:
    """The conversation as callbacks get it."""
    return [{"role": each.role, "text": each.text, "timestamp": each.timestamp} for each in history]
