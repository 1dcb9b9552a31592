"""What can go wrong with any vendor, put on its answers from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from patter_cli.testing.vendors.server import Answer, Cut, Hang, Pause, Request, Step, Talk
from patter_cli.testing.vendors.sockets import LabSocket

GARBAGE = b"\xff\xfe{]\x00 this is no message\n\n"
TRICKLE_BYTES = 1


class Fault(Enum):
    """The first seven are refused in the vendor's own words, the others happen to whatever it says."""

    KEY_REFUSED = "key refused"
    NO_CREDIT = "no credit"
    NOT_FOUND = "not found"
    INVALID = "invalid request"
    RATE_LIMITED = "rate limited"
    OVERLOADED = "overloaded"
    BROKEN = "server error"
    SLOW = "slow"
    """Its first word comes after SLOW_S."""
    HALF_OPEN = "half open"
    """It takes the request, and nothing comes."""
    STALLS = "stalls"
    """Half of what it says comes, then nothing."""
    CUT = "cut"
    """Half of what it says comes, then the connection breaks."""
    LEAVES = "leaves"
    """The same, but the connection is closed politely."""
    GARBAGE = "garbage"
    """In the middle comes what is no message of its."""
    ERROR_INSIDE = "error inside"
    """In the middle it says that it has failed, in its own words."""
    TRICKLE = "trickle"
    """All is well, but it comes byte by byte."""


REFUSED = (
    Fault.KEY_REFUSED,
    Fault.NO_CREDIT,
    Fault.NOT_FOUND,
    Fault.INVALID,
    Fault.RATE_LIMITED,
    Fault.OVERLOADED,
    Fault.BROKEN,
)
SLOW_S = 0.3


class Vendor(Protocol):
    """A scripted vendor: what it answers when all is well, and its words when it is not."""

    def __call__(self, request: Request) -> Answer | Talk:
        """Its answer to a request."""

    def refusal(self, fault: Fault) -> Answer:
        """How it refuses. fault: one of REFUSED."""

    def error_inside(self) -> bytes:
        """A message of its that says that it has failed, in the middle of a reply."""


@dataclass(slots=True)
class Faulty:
    """A vendor with a fault. first: how many requests have it, None for all. asks: which requests it is about; others,
    as those that only open a connection, are answered. after: of a talk, so many messages are sent before."""

    vendor: Vendor
    fault: Fault
    first: int | None = None
    asks: Callable[[Request], bool] = lambda request: request.method != "GET" or request.wants_socket
    met: int = 0
    after: int = 1

    def __call__(self, request: Request) -> Answer | Talk:
        answer = self.vendor(request)
        if not self.asks(request) or (self.first is not None and self.met >= self.first):
            return answer
        self.met += 1
        if self.fault in REFUSED:
            return self.vendor.refusal(self.fault)
        if isinstance(answer, Answer):
            return with_fault(answer, self.fault, self.vendor.error_inside())
        return talk_with_fault(answer, self.fault, self.vendor.error_inside(), after=self.after)


def with_fault(answer: Answer, fault: Fault, error: bytes = b"") -> Answer:
    """An answer to which a fault happens in the middle of its steps."""
    steps, half = answer.steps, len(answer.steps) // 2
    middle: dict[Fault, tuple[Step, ...]] = {
        Fault.STALLS: (Hang(),),
        Fault.CUT: (Cut(),),
        Fault.LEAVES: (Cut(abruptly=False),),
        Fault.GARBAGE: (GARBAGE,),
        Fault.ERROR_INSIDE: (error,),
    }
    match fault:
        case Fault.SLOW:
            return replace(answer, before=(Pause(SLOW_S),))
        case Fault.HALF_OPEN:
            return replace(answer, before=(Hang(),))
        case Fault.TRICKLE:
            return replace(answer, steps=tuple(_trickled(steps)))
        case _:
            return replace(answer, steps=(*steps[:half], *middle[fault], *steps[half:]))


def _trickled(steps: tuple[Step, ...]) -> list[Step]:
    pieces: list[Step] = []
    for step in steps:
        if isinstance(step, bytes):
            pieces += [step[at : at + TRICKLE_BYTES] for at in range(0, len(step), TRICKLE_BYTES)]
        else:
            pieces.append(step)
    return pieces


def talk_with_fault(talk: Talk, fault: Fault, error: bytes = b"", *, after: int = 1) -> Talk:
    """A talk to which a fault happens once it has sent so many messages."""

    async def talk_badly(socket: LabSocket) -> None:
        if fault is Fault.SLOW:
            await asyncio.sleep(SLOW_S)
        if fault is Fault.HALF_OPEN:
            socket.stop_reading()
            await asyncio.Event().wait()
        await talk(_FaultySocket(socket, fault, error, after))

    return talk_badly


class _FaultySocket(LabSocket):
    """The same socket, with the fault in its `send`."""

    def __init__(self, socket: LabSocket, fault: Fault, error: bytes, after: int) -> None:
        super().__init__(socket._reader, socket._writer, socket.gone, socket._protocol)
        self._messages = socket._messages
        self._fault = fault
        self._error = error
        self._left = after

    async def send(self, message: str | bytes) -> None:
        if self._left == 0:
            match self._fault:
                case Fault.STALLS:
                    await asyncio.Event().wait()
                case Fault.CUT:
                    self.cut()
                    await asyncio.Event().wait()
                case Fault.LEAVES:
                    await self.close(1001, "going away")
                    await asyncio.Event().wait()
                case Fault.GARBAGE:
                    await super().send(GARBAGE.decode("latin-1"))
                case Fault.ERROR_INSIDE:
                    await super().send(self._error.decode())
                case _:
                    pass
        self._left -= 1
        await super().send(message)
