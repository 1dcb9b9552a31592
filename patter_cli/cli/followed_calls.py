"""Calls that a running server makes for a command, as this one sees and steers them: by what the server writes of them,
and by what it can be asked to do.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import OrderedDict
from types import TracebackType
from typing import Final

from patter_cli.contracts.store import CallStore
from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.commands import FinishCall
from patter_cli.core.journal import Entry, parse_entry
from patter_cli.errors import InputError, PatterError
from patter_cli.observe.bus import Observer
from patter_cli.server.control import ask
from patter_cli.server.control_messages import HangUp, Mute, Unmute
from patter_cli.server.registration import Registration
from patter_cli.text.printable import printable_lines

LOOK_S: Final = 0.2
"""Between two looks at what was written."""
LAST_S: Final = 1.0
"""For the end of a call to be written, once its result is known."""
NOT_KEPT_S: Final = 3.0
"""A call of which nothing was written until then is kept elsewhere, or nowhere."""
WAITING: Final = 256
"""Calls that somebody has asked for, of which it is not known yet whether it was us."""


class FollowedCalls:
    """With it, observers see what happens on calls that were asked for, in a thread that is theirs."""

    def __init__(self, store: CallStore, *observers: Observer) -> None:
        """store: where the server keeps its calls, if it is the same as ours."""
        self._follow = store.follow()
        self._observers = observers
        self._wanted: dict[str, float] = {}
        """Since when; by the id of a call."""
        self._waiting: OrderedDict[str, list[Entry]] = OrderedDict()
        self._seen: set[str] = set()
        self._over: set[str] = set()
        self._said = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="patter-followed")

    def __enter__(self) -> FollowedCalls:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(2 * LAST_S)

    def want(self, call_id: str) -> None:
        """This one was asked for here. From any thread."""
        self._wanted[call_id] = time.monotonic()

    def _run(self) -> None:
        while not self._closing.wait(LOOK_S):
            self._look()
        until = time.monotonic() + LAST_S
        while self._seen - self._over and time.monotonic() < until:
            self._look()
            time.sleep(LOOK_S / 4)
        self._look()

    def _look(self) -> None:
        for call_id, line in self._follow.lines():
            try:
                entry = parse_entry(line)
            except InputError:
                continue  # damaged, or a newer version's
            if call_id in self._wanted:
                self._tell_waiting(call_id)
                self._tell(call_id, entry)
            elif call_id in self._waiting:
                self._waiting[call_id].append(entry)
            elif isinstance(entry.event, DialRequested):
                self._waiting[call_id] = [entry]
                if len(self._waiting) > WAITING:
                    self._waiting.popitem(last=False)
        for call_id in [each for each in self._waiting if each in self._wanted]:
            self._tell_waiting(call_id)
        self._say_if_unseen()

    def _tell_waiting(self, call_id: str) -> None:
        for entry in self._waiting.pop(call_id, ()):
            self._tell(call_id, entry)

    def _tell(self, call_id: str, entry: Entry) -> None:
        self._seen.add(call_id)
        if any(isinstance(each, FinishCall) for each in entry.commands):
            self._over.add(call_id)
        for observer in self._observers:
            observer(call_id, entry)

    def _say_if_unseen(self) -> None:
        """Once: why there is nothing to see."""
        before_s = time.monotonic() - NOT_KEPT_S
        if not self._said and not self._seen and any(since < before_s for since in tuple(self._wanted.values())):
            self._said = True
            print("the server keeps its calls elsewhere: its own screen shows them", file=sys.stderr, flush=True)


class ServerBoard:
    """What keys on our screen ask of the server that has the calls. On the loop."""

    stopping = False

    def __init__(self, server: Registration) -> None:
        self._server = server
        self._asked: set[asyncio.Task[None]] = set()

    def hang_up(self, call_id: str) -> None:
        self._ask(HangUp(call_id=call_id))

    def mute(self, call_id: str, muted: bool) -> None:
        self._ask(Mute(call_id=call_id) if muted else Unmute(call_id=call_id))

    def _ask(self, request: HangUp | Mute | Unmute) -> None:
        task = asyncio.create_task(self._asks(request))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _asks(self, request: HangUp | Mute | Unmute) -> None:
        try:
            await ask(self._server, request)
        except PatterError as error:
            print(f"error: {printable_lines(str(error))}", file=sys.stderr, flush=True)
