"""The softphone's part of the API: a ticket for a call now, a link for somebody else's, and what a page reads along."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, Protocol

from pydantic import Field

from patter_cli.errors import ConfigError
from patter_cli.server.addresses import Addresses
from patter_cli.server.calls import Sender
from patter_cli.server.softphone import PAGE, Softphone
from patter_cli.server.tickets import CallTicket
from patter_cli.web.endpoint import Asked, Endpoint, Facts
from patter_cli.web.feed import PACE_S, LiveFeed
from patter_cli.web.shapes import NAME_CHARS, Shape

SHOWN: Final = frozenset(
    {"started", "said", "waited", "ended", "state", "voice", "hearing", "saying", "sounding", "words", "silenced"}
)
"""What whoever calls may read along: not what tools were asked, what it costs, or what went wrong at a vendor."""
_OWN: Final = ("caller", "callee", "direction", "carrier")
LOOK_S: Final = 15.0


class AgentToCall(Shape):
    """Whom the page calls."""

    agent: str = Field(min_length=1, max_length=NAME_CHARS)


class Guest(AgentToCall):
    """Whom somebody may call, and for how long the link is good."""

    minutes: int = Field(60, ge=1, le=7 * 24 * 60)


class PageCall(Shape):
    """`path`: of the WebSocket, good for a minute and once. `start`: what its start names the call."""

    call_id: str
    agent: str
    path: str
    start: str
    expires_at: int = Field(description="Unix seconds.")


class Link(Shape):
    """`reaches_outside`: others reach this server, through a tunnel or under its own name."""

    link: str
    agent: str
    expires_at: int = Field(description="Unix seconds.")
    reaches_outside: bool


class TakesPageCalls(Protocol):
    """A server that takes calls from pages."""

    @property
    def softphone(self) -> Softphone: ...

    @property
    def addresses(self) -> Addresses: ...


class SoftphoneCalls:
    """One site's."""

    def __init__(self, served: Callable[[], TakesPageCalls | None]) -> None:
        self._served = served

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What can be asked."""
        return (
            Endpoint(
                method="POST", path="/softphone/calls", name="callFromPage",
                summary="Let a page call an agent with the browser's microphone, now and once.",
                body=AgentToCall, reply=PageCall, status=201, faults=(404, 409), act=self.call,
            ),
            Endpoint(
                method="POST", path="/softphone/invitations", name="invite",
                summary="Make a link with which anybody may call an agent from a browser, once.",
                body=Guest, reply=Link, status=201, faults=(404, 409), act=self.invite,
            ),
        )  # fmt: skip

    async def call(self, asked: Asked) -> Facts:
        made = self._server().softphone.invite(asked.body.agent)
        return {
            "call_id": made.call_id,
            "agent": made.agent,
            "path": made.path,
            "start": made.carrier_call_id,
            "expires_at": made.expires_at_s,
        }

    async def invite(self, asked: Asked) -> Facts:
        served = self._server()
        made = served.softphone.invite(asked.body.agent, life_s=asked.body.minutes * 60, caller="guest")
        return {
            "link": f"{served.addresses.base('http')}{PAGE}#{made.ticket}",
            "agent": made.agent,
            "expires_at": made.expires_at_s,
            "reaches_outside": bool(served.addresses.public_host),
        }

    def _server(self) -> TakesPageCalls:
        served = self._served()
        if served is None:
            raise ConfigError("only stored calls are shown here", hint="patter serve AGENT takes calls")
        return served


class Captions:
    """Tells the pages that call what is said on their own calls."""

    def __init__(self, feed: LiveFeed) -> None:
        self._feed = feed
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, ticket: CallTicket, sender: Sender) -> None:
        """Tell this call's page, until the call is over or the page is gone."""
        task = asyncio.get_running_loop().create_task(self._tell(ticket.call_id, sender))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, call_id: str, sender: Sender) -> None:
        place = self._feed.place("")
        while not sender.closed:
            if not await self._feed.wait(place, LOOK_S):
                continue
            body, place, _ = self._feed.take(place, call_id)
            told = [each for each in map(_for_guest, _facts(body)) if each is not None]
            if told:
                sender.send(json.dumps({"event": "told", "facts": told}, separators=(",", ":")))
            if any(each["what"] == "ended" for each in told):
                return
            await asyncio.sleep(PACE_S)


def _facts(body: bytes) -> list[Facts]:
    """What a piece of the feed says."""
    head = b"data: "
    return [json.loads(line[len(head) :]) for line in body.split(b"\n") if line.startswith(head)]


def _for_guest(told: Facts) -> dict[str, Any] | None:
    """A fact as whoever calls may read it; None for one that is not theirs."""
    if told["what"] not in SHOWN or (told["what"] == "said" and told["who"] not in ("caller", "agent")):
        return None
    return {name: value for name, value in told.items() if name not in _OWN}
