"""CarrierLab: what every lab carrier has, whichever company it plays: its calls, its reports, its sockets, its port.

A company adds what it is asked (`answer`), what it reports and how it does what a webhook answers. Times are real.

    our REST call --> WebServer --> answer() --> LabCall --on_stage--> post() --> our webhook
                                                    '--> open_stream() --> our media socket
"""

from __future__ import annotations

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect

from patter_cli.testing.lab.call import By, Ending, LabCall, Voice
from patter_cli.testing.lab.faults import NO_FAULTS, Faults
from patter_cli.testing.lab.http import LOST, LabReply, LabRequest, WebServer
from patter_cli.testing.lab.people import PEOPLE, Person, person_at

log = logging.getLogger("patter.lab")

CONNECT_S: Final = 5.0
ANSWER_S: Final = 15.0
"""How long a webhook may take. Source: Twilio docs, webhook connection overrides; Telnyx waits a little less."""
SOCKET_S: Final = 10.0
VOICE: Final = "jo"
"""Which of the built-in voices the people of the lab have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A webhook that the lab has posted. status: of the reply; 0: there was none."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    reply: bytes = field(default=b"", repr=False)
    content_type: str = ""


class CarrierLab(ABC):
    """A telephone company on this machine. `async with` starts and stops it."""

    def __init__(
        self,
        *,
        reach: Mapping[str, int] | None = None,
        people: Mapping[str, Person] | None = None,
        voice: Voice | None = None,
        faults: Faults = NO_FAULTS,
    ) -> None:
        """reach: host names that are a port of this machine: webhooks and streams at https://HOST and wss://HOST go
        there, unsecured. people: at numbers (or last two digits) beside those of the table. voice: theirs; None: the
        built-in one, which takes a moment for each sentence that is new."""
        self.reach = dict(reach or {})
        self.people = {**PEOPLE, **(people or {})}
        self.faults = faults
        self.calls: dict[str, LabCall] = {}
        """By the carrier's id, in the order in which they were made."""
        self.asked: list[LabRequest] = []
        self.posted: list[Posted] = []
        self.warnings: list[str] = []
        """What the carrier's own console would show: what it threw away, and why."""
        self.under_way = 0
        """Requests that are being answered."""
        self._next_answers: deque[LabReply] = deque()
        self._to_lose = 0
        self._voice = voice
        self._spoken: dict[str, asyncio.Future[Any]] = {}
        self._web = WebServer(self._handle)
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failed: list[BaseException] = []
        self._chance = random.Random(faults.seed)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.stop()

    @property
    def base_url(self) -> str:
        """Where its interface is, once started."""
        return f"http://127.0.0.1:{self._web.port}"

    async def start(self) -> None:
        """Listen on a free port of this machine."""
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S), trust_env=False)
        await self._web.start()

    async def stop(self) -> None:
        """End every call without a word and stop. Raises what went wrong in the lab itself."""
        for call in self.calls.values():
            call.end(Ending.FAILED, By.CARRIER)
        while self._tasks:  # a stream that is left takes its leave in a task of its own
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(tuple(self._tasks))
        await self._web.stop()
        if self._client is not None:
            await self._client.aclose()
        if self._failed:
            raise self._failed[0]

    def answer_next(self, *replies: LabReply) -> None:
        """Answer the next requests with these, and do nothing else about them. LOST closes the connection."""
        self._next_answers.extend(replies)

    def lose_answers(self, count: int = 1) -> None:
        """Do what the next requests ask for, and close the connection in place of an answer."""
        self._to_lose += count

    def live(self) -> list[LabCall]:
        """The calls that are not over."""
        return [each for each in self.calls.values() if each.live]

    @property
    def too_many(self) -> bool:
        """More requests are under way than the faults let in."""
        return self.faults.most_requests is not None and self.under_way > self.faults.most_requests

    @abstractmethod
    async def answer(self, request: LabRequest) -> LabReply:
        """Do what the carrier's interface is asked for."""

    @abstractmethod
    def ring(self, number: str, person: Person, *, caller: str = "+12025550199") -> LabCall:
        """Somebody rings a number of ours. Returns at once; what becomes of it is in the call."""

    # --- for the companies ------------------------------------------------------------------------------------

    def person_at(self, number: str) -> Person | None:
        """Who is at a number; None for what is no number."""
        return person_at(number, self.people)

    async def voice(self, text: str) -> Any:
        """A sentence in the lab's voice, made once: int16, 8 kHz."""
        if text not in self._spoken:
            if self._voice is None:
                self._voice = _built_in_voice()
            self._spoken[text] = asyncio.ensure_future(self._voice(text))
        return await asyncio.shield(self._spoken[text])

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let something happen beside everything else, until it is over or the lab stops."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST") -> Posted:
        """Send a webhook, once; a host that is not there, or takes too long, is a status of 0."""
        assert self._client is not None
        address, host = self._reached(url)
        try:
            reply = await self._client.request(method, address, headers={**headers, "host": host}, content=body)
        except httpx.HTTPError as error:
            self.warn(f"{urlsplit(url).path} did not answer: {error!r}")
            posted = Posted(url=url, headers=dict(headers), body=body, status=0)
        else:
            posted = Posted(
                url=url,
                headers=dict(headers),
                body=body,
                status=reply.status_code,
                reply=reply.content,
                content_type=reply.headers.get("content-type", ""),
            )
        self.posted.append(posted)
        return posted

    def report(
        self, send: Callable[[], Coroutine[Any, Any, Any]], after: asyncio.Task[Any] | None = None
    ) -> asyncio.Task[Any]:
        """Post a report, with the lab's faults. after: not before that one, unless faults say otherwise."""

        async def deliver() -> None:
            delay_s = self._chance.uniform(0.0, self.faults.report_delay_s)
            if delay_s:
                await asyncio.sleep(delay_s)
            elif after is not None:
                await asyncio.wait({after})
            for _ in range(self.faults.report_copies):
                await send()

        return self.spawn(deliver())

    async def open_stream(self, url: str, headers: Mapping[str, str]) -> ClientConnection:
        """Open a media socket. Raises OSError or websockets' InvalidHandshake."""
        parts = urlsplit(url)
        port = self.reach.get(parts.hostname or "")
        if port is None:
            return await connect(url, additional_headers=headers, open_timeout=SOCKET_S, compression=None, proxy=None)
        return await connect(
            f"ws{url[len(parts.scheme) :]}",
            additional_headers=headers,
            open_timeout=SOCKET_S,
            compression=None,
            proxy=None,
            host="127.0.0.1",
            port=port,
        )

    def warn(self, what: str) -> None:
        """Note something that the carrier would only tell in its console."""
        log.info("lab: %s", what)
        self.warnings.append(what)

    # --- private ----------------------------------------------------------------------------------------------

    def _reached(self, url: str) -> tuple[str, str]:
        """The address to go to, and the host to name."""
        parts = urlsplit(url)
        port = self.reach.get(parts.hostname or "")
        if port is None:
            return url, parts.netloc
        return parts._replace(scheme="http", netloc=f"127.0.0.1:{port}", fragment="").geturl(), parts.netloc

    async def _handle(self, request: LabRequest) -> LabReply:
        self.asked.append(request)
        self.under_way += 1
        try:
            if self.faults.answer_delay_s:
                await asyncio.sleep(self.faults.answer_delay_s)
            if self._next_answers:
                return self._next_answers.popleft()
            reply = await self.answer(request)
        finally:
            self.under_way -= 1
        if self._to_lose:
            self._to_lose -= 1
            return LOST
        return reply

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the lab itself failed", exc_info=error)
            self._failed.append(error)


def _built_in_voice() -> Voice:
    from patter_cli import wiring
    from patter_cli.simulate.script import line_voice

    return line_voice(wiring.built_in_caller(VOICE))
