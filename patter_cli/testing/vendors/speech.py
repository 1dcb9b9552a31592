"""Vendors of ears and voices in the lab: what each of them is, whatever its messages are, and what goes wrong with it.

A `SpeechVendor` answers requests and holds sockets; a Trouble decides what happens instead. Beside `faults`, which is
for answers made of steps, because a session of sound goes on while both sides talk.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from enum import Enum
from typing import Any
from urllib.parse import parse_qs, urlsplit

from patter_cli.testing.vendors.server import Answer, Cut, Hang, LabServer, Pause, Request, Talk, in_json, serve
from patter_cli.testing.vendors.sockets import LabSocket


class Trouble(Enum):
    """What can be wrong with a vendor."""

    NONE = "nothing"
    BAD_KEY = "no key is good"
    NO_CREDIT = "the account is empty"
    BUSY = "there are too many of us"
    DOWN = "it answers 503"
    NO_MODEL = "it knows no such model"
    HANGS = "it accepts and says nothing"
    GARBAGE = "it sends what nobody can read"
    BREAKS = "it breaks the connection after it has begun"
    SLOW = "everything takes its time"
    HALF_OPEN = "it falls silent with the connection open, once it has begun"
    ERROR = "it reports an error after it has begun"


STATUSES = {
    Trouble.BAD_KEY: 401,
    Trouble.NO_CREDIT: 402,
    Trouble.BUSY: 429,
    Trouble.DOWN: 503,
    Trouble.NO_MODEL: 404,
}
SLOW_S = 0.3
BEGUN_S = 0.1
"""From a session's beginning to what happens to it."""


class Asked:
    """A request, or the handshake of a socket."""

    def __init__(self, request: Request) -> None:
        self.method = request.method
        self.path = request.path
        self.headers = request.headers
        self.body = request.body
        self.query = parse_qs(urlsplit(request.target).query, keep_blank_values=True)

    def one(self, name: str, default: str = "") -> str:
        """A value of the query."""
        return self.query.get(name, [default])[0]

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class PeerSocket:
    """The vendor's end of one session."""

    def __init__(self, socket: LabSocket, asked: Asked) -> None:
        self._socket = socket
        self.asked = asked
        self.silent = False
        """What it says is lost."""
        self.open = True

    async def receive(self) -> str | bytes | None:
        """The next message; None once the client has gone."""
        message = await self._socket.receive()
        self.open = self.open and message is not None
        return message

    async def send(self, message: str | bytes | Mapping[str, Any]) -> None:
        """Send a message; a mapping goes as JSON."""
        if not self.silent:
            await self._socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def close(self, code: int = 1000, why: str = "") -> None:
        """Say goodbye."""
        if not self.silent:
            await self._socket.close(code, why)

    @property
    def gone(self) -> asyncio.Event:
        """The client has closed, or its side broke."""
        return self._socket.gone

    def cut(self) -> None:
        """Break the connection."""
        self._socket.cut()

    def freeze(self) -> None:
        """Say nothing any more, and take nothing either."""
        self.silent = True
        self._socket.stop_reading()

    async def garbage(self) -> None:
        """What is no WebSocket."""
        await self._socket.send_raw(b"\xff\xfe garbage \x00\x00" * 20)


class SpeechVendor:
    """One vendor. `async with` it: it listens at `url`."""

    name = "vendor"

    def __init__(self, *, key: str = "", trouble: Trouble = Trouble.NONE) -> None:
        """key: the only one that is good; "": any is."""
        self.key = key
        self.trouble = trouble
        self.troubled = 0
        """How many requests or sockets have met the trouble."""
        self.heals_after: int | None = None
        """After so many the trouble is over; None: never."""
        self.asked: list[Asked] = []
        self.sockets: list[PeerSocket] = []
        self.lab: LabServer | None = None
        self._open = AsyncExitStack()

    @property
    def url(self) -> str:
        """Its base address."""
        assert self.lab is not None
        return self.lab.url

    # --- what a vendor says of itself ------------------------------------------------------------------------

    def key_of(self, asked: Asked) -> str:
        """Where its key is in a request."""
        return asked.headers.get("authorization", "").removeprefix("Bearer ")

    def refusal(self, status: int, words: str) -> Answer:
        """How it says no."""
        return in_json({"error": {"message": words}}, status)

    def answer(self, asked: Asked) -> Answer:
        """A request."""
        return self.refusal(404, "no such address")

    async def prepare(self, asked: Asked) -> None:
        """What has to be waited for before a request is answered."""

    async def hold(self, socket: PeerSocket) -> None:
        """A socket, until it is over."""

    def takes_socket(self, asked: Asked) -> bool:
        """Whether there is a socket at this address."""
        return True

    async def report(self, socket: PeerSocket, words: str) -> None:
        """An error in the middle of a session."""
        await socket.send({"type": "error", "error": {"message": words}})
        await socket.close(1011, words)

    # --- the lab ---------------------------------------------------------------------------------------------

    async def __aenter__(self) -> SpeechVendor:
        self.lab = await self._open.enter_async_context(serve(self, path=""))
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._open.aclose()

    def __call__(self, request: Request) -> Answer | Talk:
        asked = Asked(request)
        self.asked.append(asked)
        trouble = self._trouble_now()
        if trouble is Trouble.HANGS:
            return Answer(before=(Hang(),))
        refused = self._turned_away(asked, trouble)
        if request.wants_socket:
            if refused is None and not self.takes_socket(asked):
                refused = self.refusal(404, "there is no socket here")
            return refused or (lambda socket: self._session(PeerSocket(socket, asked), trouble))
        answer = refused or self.answer(asked)
        half = len(answer.steps) // 2 + 1
        match trouble:
            case Trouble.GARBAGE:
                return Answer(before=(b"\x00\xffSMTP ready\r\n\r\n", Cut(abruptly=False)))
            case Trouble.SLOW:
                return _with(answer, before=(Pause(SLOW_S),))
            case Trouble.BREAKS:
                return _with(answer, steps=(*answer.steps[:half], Pause(0.02), Cut()))
            case Trouble.HALF_OPEN:
                return _with(answer, steps=(*answer.steps[:half], Hang()))
            case _:
                return answer

    def _trouble_now(self) -> Trouble:
        healed = self.heals_after is not None and self.troubled >= self.heals_after
        if self.trouble is Trouble.NONE or healed:
            return Trouble.NONE
        self.troubled += 1
        return self.trouble

    def _turned_away(self, asked: Asked, trouble: Trouble) -> Answer | None:
        if trouble in STATUSES:
            return self.refusal(STATUSES[trouble], trouble.value)
        if self.key and self.key_of(asked) != self.key:
            return self.refusal(401, "that key is not known")
        return None

    async def _session(self, socket: PeerSocket, trouble: Trouble) -> None:
        self.sockets.append(socket)
        if trouble is Trouble.GARBAGE:
            await socket.garbage()
            return
        spoiler = asyncio.create_task(self._spoil(socket, trouble))
        try:
            if trouble is Trouble.SLOW:
                await asyncio.sleep(SLOW_S)
            await self.hold(socket)
        finally:
            spoiler.cancel()
            await asyncio.gather(spoiler, return_exceptions=True)

    async def _spoil(self, socket: PeerSocket, trouble: Trouble) -> None:
        """What goes wrong once a session has begun."""
        if trouble is Trouble.HALF_OPEN:
            socket.freeze()
        elif trouble is Trouble.BREAKS:
            await asyncio.sleep(BEGUN_S)
            socket.cut()
        elif trouble is Trouble.ERROR:
            await asyncio.sleep(BEGUN_S)
            await self.report(socket, "the lab breaks off here")


def _with(answer: Answer, *, steps: tuple[Any, ...] | None = None, before: tuple[Any, ...] = ()) -> Answer:
    return Answer(
        status=answer.status,
        headers=answer.headers,
        steps=answer.steps if steps is None else steps,
        chunked=answer.chunked,
        before=before,
    )
