"""The softphone's calls: who may make one, and what its page is told. The tickets are those of every other call.

A ticket is all that a page needs to call once: whoever is signed in gets one for now, and an invitation is one that
lasts longer. It stands behind the # of a link, so that it comes into no log, no Referer, and is not used up by a
program that looks at links.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Final

from patter_cli.contracts.carrier.carrier import BringsTickets, Carrier
from patter_cli.core.outcome import Direction
from patter_cli.errors import CallRejected, InputError, UnknownAgent
from patter_cli.server.tickets import new_ticket, sign

NOW_S: Final = 60
"""For a page that calls at once, the question for the microphone included."""
MAX_INVITED_S: Final = 7 * 24 * 3600
PAGE: Final = "/call"
"""Where an invitation leads: a page for strangers, with the softphone and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """One call, for whoever has it. ticket: text that is safe in an address."""

    ticket: str
    call_id: str
    """The call's own, once it is made."""
    carrier_call_id: str
    """What the page calls it when it starts."""
    agent: str
    expires_at_s: int
    path: str
    """Of the call's socket."""


class Softphone:
    """One server's."""

    def __init__(
        self,
        *,
        carrier: Carrier | None,
        agents: Container[str],
        secret: bytes,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """carrier: the one whose calls come from pages; None: there is none here. secret: signs tickets."""
        self._carrier = carrier
        self._agents = agents
        self._secret = secret
        self._now_s = now_s

    def invite(self, agent: str, *, life_s: int = NOW_S, caller: str = "browser") -> Invitation:
        """A call to this agent, good once and for so long. caller: who is to be seen as calling. Raises UnknownAgent,
        InputError, CallRejected."""
        if self._carrier is None:
            raise CallRejected("no calls are taken from a browser here")
        if agent not in self._agents:
            raise UnknownAgent(f"no agent {agent[:64]!a} here")
        if not 1 <= life_s <= MAX_INVITED_S:
            raise InputError(f"an invitation cannot last {life_s} s", hint=f"from 1 to {MAX_INVITED_S}")
        ticket = new_ticket(
            carrier=self._carrier.name,
            carrier_call_id=secrets.token_hex(12),
            direction=Direction.INBOUND,
            caller=caller,
            callee=agent,
            agent=agent,
            variables={},
            now_s=self._now_s(),
            life_s=life_s,
        )
        text = sign(ticket, self._secret)
        return Invitation(
            ticket=text,
            call_id=ticket.call_id,
            carrier_call_id=ticket.carrier_call_id,
            agent=agent,
            expires_at_s=ticket.expires_at_s,
            path=f"/ws/{ticket.carrier}/stream/{text}",
        )


def calls_from_pages(carriers: dict[str, Carrier]) -> Carrier | None:
    """The carrier whose calls come from pages of ours."""
    return next((each for each in carriers.values() if isinstance(each, BringsTickets)), None)
