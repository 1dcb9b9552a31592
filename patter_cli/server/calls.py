"""The calls that are live: who may come in, and how they leave when the server stops."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from patter_cli.contracts.carrier.control import CallLine
from patter_cli.contracts.carrier.stream import AudioLine, StreamMessage, StreamStarted
from patter_cli.core.events import Event
from patter_cli.engine.line_parts import LineParts
from patter_cli.engine.onlooking import Onlooking
from patter_cli.engine.overheard import OnlookersEar
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import KeyRefused, NoRoom, Stopping, VendorsDown
from patter_cli.server.admission import Admission
from patter_cli.server.limits import Limits
from patter_cli.server.tickets import CallTicket

REMEMBERED: Final = 10_000
"""Calls that are known to have ended. A carrier asks about one within seconds, if it does."""
log = logging.getLogger("patter.server")

TELL_S: Final = 10.0
"""Between two lines about callers that were refused."""


class Sender(CallLine, AudioLine, Protocol):
    """The way to the caller."""

    @property
    def closed(self) -> bool:
        """The caller is gone or the call is over: nothing that is sent arrives."""


class Call(Protocol):
    """One live call, made when its stream's `start` arrived."""

    def on_stream(self, message: StreamMessage) -> None:
        """Take one inbound message. Called for each, so it must be cheap."""

    def on_fact(self, event: Event) -> None:
        """The carrier reports something of the call beside its stream."""

    @property
    def line(self) -> LineParts | None:
        """What there is of it once somebody can be heard."""

    def on_closed(self, cause: str) -> None:
        """The stream is over; `run` should return within a second.

        cause: carrier_stop, carrier_close, carrier_stalled, media_timeout, protocol, internal_error (our own bug in
        this call) or server_stopped (cut off at the end of a drain).
        """

    async def run(self) -> None:
        """Hold the call until it is over; then the socket is closed."""

    def begin_goodbye(self, reason: str) -> None:
        """Say goodbye and end soon: the server is about to stop."""


OpenCall: TypeAlias = Callable[[CallTicket, StreamStarted, Sender], Call]
"""(ticket, started, sender) to a call. Raises CallRejected where there is no such agent or no room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCall:
    """A call that is live. began_s: by the event loop's clock."""

    ticket: CallTicket
    began_s: float


class OpenStream(Protocol):
    """A media socket, as the registry of live calls sees it."""

    def begin_goodbye(self, reason: str) -> None:
        """Ask its call to end."""

    def reject(self, reason: str) -> None:
        """Close it at once: it has no call."""

    def on_fact(self, event: Event) -> None:
        """Tell its call what the carrier reports beside the stream."""

    def let_in(self, ear: OnlookersEar, *, talks: bool) -> Onlooking | None:
        """Let somebody hear its call."""

    def hung_up(self) -> None:
        """The carrier says, elsewhere than on the socket, that the call is over."""


class Unanswered(Protocol):
    """A call of ours that nobody has picked up yet."""

    @property
    def ticket(self) -> CallTicket: ...

    @property
    def began_s(self) -> float: ...

    def begin_goodbye(self, reason: str) -> None: ...

    def on_fact(self, event: Event) -> None: ...


class CallRegistry:
    """Sockets that wait for `start`, and calls.

    Waiting takes no call's place, or idle sockets could shut callers out.
    """

    def __init__(
        self,
        *,
        max_calls: int | None = None,
        max_waiting: int = Limits().max_waiting,
        admission: Admission | None = None,
    ) -> None:
        """max_calls: so many at most. admission: decides; None: by max_calls alone."""
        self.admission = admission or Admission(max_calls=max_calls)
        self._max_waiting = max_waiting
        self._waiting: set[OpenStream] = set()
        self._live: dict[OpenStream, LiveCall] = {}
        self._cut_off: set[OpenStream] = set()
        """Of the live ones, those whose stream is gone: they are taking a last moment, and no other call's place."""
        self._unanswered: dict[str, Unanswered] = {}
        """By call id: they have a place already."""
        self._finished: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._passed_on: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._ours: OrderedDict[tuple[str, str], str] = OrderedDict()
        """Our ids of calls, by the carriers'."""
        self._empty = asyncio.Event()
        self._empty.set()
        self.draining = False
        self.refused = 0
        """Calls that were not let in."""
        self._told = 0
        """How many of them the log knows of."""
        self._tell_at_s = 0.0

    @property
    def count(self) -> int:
        """Calls that are live, and those that ring."""
        return len(self._live) + len(self._unanswered)

    @property
    def calls(self) -> tuple[LiveCall, ...]:
        """The same; of each kind the oldest first."""
        ringing = (LiveCall(ticket=each.ticket, began_s=each.began_s) for each in self._unanswered.values())
        return (*self._live.values(), *ringing)

    def dial(self, call: Unanswered) -> None:
        """Somebody is rung: the call has its place from now on."""
        self._unanswered[call.ticket.call_id] = call
        self._empty.clear()

    def dialled(self, call_id: str) -> None:
        """A call that rang is over. One that was answered, or is not here, is fine."""
        self._unanswered.pop(call_id, None)
        self._look_empty()

    def admit(self, stream: OpenStream, agent: str = "") -> None:
        """Let a socket in that will bring a call, of this agent where that is known already.

        Raises CallRejected; ask before the socket is accepted.
        """
        if self.draining or not self._unanswered:  # a call of ours that was answered has its place
            self.check_room(agent)
        if len(self._waiting) >= self._max_waiting:
            why = "too many sockets wait for their call to start"
            self._tell(why, asyncio.get_running_loop().time())
            raise NoRoom(why)
        self._waiting.add(stream)
        self._empty.clear()

    def begin(self, stream: OpenStream, call: LiveCall) -> None:
        """Its call starts. Raises CallRejected if the room went to others meanwhile."""
        if self._unanswered.pop(call.ticket.call_id, None) is None:
            self.check_room(call.ticket.agent)
        self._waiting.discard(stream)
        self._live[stream] = call
        self._ours[call.ticket.carrier, call.ticket.carrier_call_id] = call.ticket.call_id
        if len(self._ours) > REMEMBERED:
            self._ours.popitem(last=False)

    def leave(self, stream: OpenStream) -> None:
        """The socket is closed, whatever it was. Twice is fine."""
        self._waiting.discard(stream)
        self._live.pop(stream, None)
        self._cut_off.discard(stream)
        self._look_empty()

    def _look_empty(self) -> None:
        if not self._waiting and not self._live and not self._unanswered:
            self._empty.set()

    def finish(self, stream: OpenStream) -> None:
        """Its call has come to its end here: whatever the carrier asks about it afterwards, it does not go on."""
        call = self._live.get(stream)
        if call is not None:
            _remember(self._finished, (call.ticket.carrier, call.ticket.carrier_call_id))

    def has_finished(self, carrier: str, carrier_call_id: str) -> bool:
        """Whether a call, by the carrier's id, has come to its end, as far as this process knows."""
        return (carrier, carrier_call_id) in self._finished

    def pass_on(self, carrier: str, carrier_call_id: str) -> None:
        """Somebody else talks with the caller now; the call is no longer ours, though it goes on."""
        _remember(self._passed_on, (carrier, carrier_call_id))

    def take_back(self, carrier: str, carrier_call_id: str) -> None:
        """It is ours after all; one that was never passed on is fine."""
        self._passed_on.pop((carrier, carrier_call_id), None)

    def was_passed_on(self, carrier: str, carrier_call_id: str) -> bool:
        """Whether somebody else has it, as far as this process knows."""
        return (carrier, carrier_call_id) in self._passed_on

    def drain(self) -> None:
        """From now on nobody is let in, who has no call yet goes at once, and nobody rings any more."""
        self.draining = True
        for call in list(self._unanswered.values()):
            call.begin_goodbye("server_stopping")
        for stream in list(self._waiting):
            stream.reject("server is stopping")

    def say_goodbye(self, reason: str) -> None:
        """Ask every live call to end."""
        for stream in list(self._live):
            stream.begin_goodbye(reason)

    def hung_up(self, carrier: str, carrier_call_id: str) -> None:
        """A carrier reports the end of a call; one that is not here is fine."""
        _remember(self._finished, (carrier, carrier_call_id))
        self.cut_off(carrier, carrier_call_id)

    def cut_off(self, carrier: str, carrier_call_id: str) -> None:
        """The stream of a call is gone, though the call is not, and its socket may not have noticed."""
        for stream in self._of(carrier, carrier_call_id):
            self._cut_off.add(stream)
            stream.hung_up()

    def tell(self, carrier: str, carrier_call_id: str, event: Event) -> bool:
        """A carrier reports something else of a call. False: it is not live here."""
        streams = self._of(carrier, carrier_call_id)
        for stream in streams:
            stream.on_fact(event)
        return bool(streams)

    def tell_call(self, call_id: str, event: Event) -> bool:
        """Somebody who looks on tells a call something, by our own id. False: it is not live here."""
        streams = [stream for stream, call in self._live.items() if call.ticket.call_id == call_id]
        unanswered = self._unanswered.get(call_id)
        if unanswered is not None:
            unanswered.on_fact(event)
        for stream in streams:
            stream.on_fact(event)
        return bool(streams) or unanswered is not None

    def let_in(self, call_id: str, ear: OnlookersEar, *, talks: bool) -> Onlooking | None:
        """Somebody hears a call, by our own id, from now on, and has it if they talk; None: it is not live here."""
        for stream, call in self._live.items():
            if call.ticket.call_id == call_id:
                return stream.let_in(ear, talks=talks)
        return None

    def call_id(self, carrier: str, carrier_call_id: str) -> str:
        """Our id of the last call that this one of the carrier's was here; "" if it was none."""
        return self._ours.get((carrier, carrier_call_id), "")

    def _of(self, carrier: str, carrier_call_id: str) -> list[OpenStream]:
        wanted = carrier, carrier_call_id
        return [
            stream
            for stream, call in self._live.items()
            if (call.ticket.carrier, call.ticket.carrier_call_id) == wanted
        ]

    async def wait_empty(self, timeout_s: float) -> bool:
        """Wait until the last one has left. False: some are still here."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        return self._empty.is_set()

    def check_room(self, agent: str = "") -> None:
        """Raises CallRejected while another call, of this agent, cannot begin."""
        if self.draining:
            raise Stopping("the server is stopping")
        now_s = asyncio.get_running_loop().time()
        here = [call.ticket.agent for stream, call in self._live.items() if stream not in self._cut_off]
        here += [each.ticket.agent for each in self._unanswered.values()]
        why = self.admission.refusal(here, agent, now_s)
        if why:
            self._tell(why, now_s)
            raise NoRoom(why)

    def check_vendors(self, agent: ReadyAgent, *, rung: bool) -> None:
        """Raises VendorsDown, or KeyRefused, while a new call would find nobody to hear, think or speak for it. rung:
        we make it."""
        now_s = asyncio.get_running_loop().time()
        if (found := agent.hindrance(now_s, rung=rung)) is not None:
            self._tell(found.why, now_s)
            raise (KeyRefused if found.refused else VendorsDown)(found.why, hint="patter doctor asks every vendor")

    def _tell(self, why: str, now_s: float) -> None:
        """A line in the log, and not one for each of a crowd."""
        self.refused += 1
        if now_s >= self._tell_at_s:
            log.warning("%d refused: %s", self.refused - self._told, why)
            self._told, self._tell_at_s = self.refused, now_s + TELL_S


def _remember(calls: OrderedDict[tuple[str, str], None], call: tuple[str, str]) -> None:
    calls[call] = None
    if len(calls) > REMEMBERED:
        calls.popitem(last=False)
