"""The part of the API that does something: ring somebody, and step into a call that goes on.

Ringing somebody twice by accident is worse than not ringing them: a request with an Idempotency-Key is carried out
once, and whoever sends it again, because the answer did not arrive, gets the first one's answer: for a day, and from
the next server too, where calls are kept.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import BaseModel

from patter_cli.contracts.outlasting import Claim, Claims
from patter_cli.errors import AnswerLost, InputError, NotReachable, PatterError
from patter_cli.server.control_messages import PlaceCall
from patter_cli.web import shapes
from patter_cli.web.endpoint import Asked, Conflict, Endpoint, Facts, NotFound, Prompt

KEYS: Final = 10_000
"""Requests whose answer this process remembers."""
KEY_CHARS: Final = 200


class Obeys(Protocol):
    """A server that holds calls, as far as it is told something."""

    @property
    def agent_names(self) -> list[str]: ...

    async def place(self, wanted: PlaceCall) -> str:
        """Ring somebody; returns our call id. Raises PatterError."""

    def is_live(self, call_id: str) -> bool: ...

    def hang_up(self, call_id: str) -> None: ...

    def mute(self, call_id: str, muted: bool) -> None: ...

    def say(self, call_id: str, text: str) -> None: ...

    def put_through(self, call_id: str, number: str) -> None:
        """Raises PatterError for a number that must not be rung."""


class _Elsewhere(AnswerLost):
    """Another process was asked, which may know more later."""


@dataclass(slots=True)
class _Placed:
    """A request that was carried out, or is being. body: its hash."""

    body: str
    call_id: asyncio.Task[str]


class Orders:
    """One server's."""

    def __init__(self, served: Callable[[], Obeys | None], *, number: str, claims: Claims | None = None) -> None:
        """served: None where only stored calls are looked at. number: of ours, that calls are made from unless a
        request names another; "": none is set. claims: what other processes know of keys, too."""
        self._served = served
        self._number = number
        self._claims = claims
        self._placed: OrderedDict[str, _Placed] = OrderedDict()

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What can be asked."""
        return (
            Endpoint(
                method="POST", path="/calls", name="placeCall",
                summary="Ring somebody with an agent; answered once the carrier has the call.",
                body=shapes.NewCall, reply=shapes.Accepted, status=202, faults=(403, 404, 409, 502, 503),
                headers={"Idempotency-Key": "Of your choice: the same again rings nobody, and gets the same answer."},
                act=self.place,
            ),
            _into_call(
                "hangup", "hangUp", shapes.Nothing, self.hang_up,
                "Have a call say goodbye and end; one that rings stops ringing.",
            ),
            _into_call(
                "transfer", "transferCall", shapes.PutThrough, self.transfer,
                "Connect the caller to a number, by the same rules as numbers are rung.",
            ),
            _into_call(
                "say", "say", shapes.Line, self.say,
                "Have the agent say this next: what it is saying yields, a caller who speaks is let finish.",
            ),
            _into_call(
                "mute", "mute", shapes.Mute, self.mute,
                "Have the agent hear silence in place of the caller, or the caller again.",
            ),
        )  # fmt: skip

    # --- ringing somebody --------------------------------------------------------------------------------------------

    async def place(self, asked: Asked) -> Facts:
        served = self._must_serve()
        wanted = self._wanted(asked.body, served.agent_names)
        key = asked.headers.get("idempotency-key", "")
        if not key:
            return _accepted(await served.place(wanted))
        if len(key) > KEY_CHARS or not key.isprintable():
            raise InputError(f"an Idempotency-Key has {KEY_CHARS} printable characters at most")
        body = hashlib.sha256(asked.body.model_dump_json().encode()).hexdigest()
        known = self._placed.get(key)
        if known is None:
            known = self._placed[key] = _Placed(body, asyncio.ensure_future(self._once(served, wanted, key, body)))
            known.call_id.add_done_callback(lambda done: self._forget_refused(key, done))
            if len(self._placed) > KEYS:
                self._placed.popitem(last=False)
        elif known.body != body:
            raise _used()
        # Shielded: whoever asked may be gone, and the call is being made all the same.
        return _accepted(await asyncio.shield(known.call_id))

    async def _once(self, served: Obeys, wanted: PlaceCall, key: str, body: str) -> str:
        """Ring somebody, unless a process before this one did so under this key. Raises PatterError."""
        claims = self._claims
        if claims is None:
            return await served.place(wanted)
        known = await asyncio.to_thread(claims.claim, key, body)
        if known is not None:
            return _answered(known, body)
        try:
            call_id = await served.place(wanted)
        except PatterError as error:
            if _rang_nobody(error):
                await asyncio.to_thread(claims.withdraw, key)
            raise
        await asyncio.to_thread(claims.settle, key, Claim(body=body, call_id=call_id))
        return call_id

    def _forget_refused(self, key: str, done: asyncio.Task[str]) -> None:
        """What certainly rang nobody may be asked for again."""
        if done.cancelled() or _rang_nobody(done.exception()):
            self._placed.pop(key, None)

    def _wanted(self, call: shapes.NewCall, agents: list[str]) -> PlaceCall:
        from_number = call.from_number or self._number
        if not from_number:
            raise InputError("nobody said which number to call from", hint="from_number, or PHONE_NUMBER")
        if not call.agent and len(agents) != 1:
            raise InputError("nobody said which agent talks", hint=f"agent: one of {', '.join(agents)}")
        return PlaceCall(
            to=call.to,
            from_number=from_number,
            agent=call.agent or agents[0],
            variables=call.variables,
            ring_timeout_s=call.ring_timeout_s,
            detects_machines=call.machine_detection,
            first_message=call.first_message,
            voicemail_message=call.voicemail_message,
        )

    # --- into a call that goes on ------------------------------------------------------------------------------------

    async def hang_up(self, asked: Asked) -> Facts:
        return self._tell(asked.path, lambda served, call_id: served.hang_up(call_id))

    async def transfer(self, asked: Asked) -> Facts:
        return self._tell(asked.path, lambda served, call_id: served.put_through(call_id, asked.body.to))

    async def say(self, asked: Asked) -> Facts:
        return self._tell(asked.path, lambda served, call_id: served.say(call_id, asked.body.text))

    async def mute(self, asked: Asked) -> Facts:
        return self._tell(asked.path, lambda served, call_id: served.mute(call_id, asked.body.muted))

    def _tell(self, path: Mapping[str, str], order: Callable[[Obeys, str], Any]) -> Facts:
        served, call_id = self._must_serve(), path["call_id"]
        if not served.is_live(call_id):
            raise NotFound(f"no call {call_id[:64]!r} goes on here", hint="GET /api/v1/calls/active")
        order(served, call_id)
        return _accepted(call_id)

    def _must_serve(self) -> Obeys:
        served = self._served()
        if served is None:
            raise Conflict("only stored calls are looked at here", hint="patter serve holds calls")
        return served


def _into_call(path: str, name: str, body: type[BaseModel], act: Prompt, summary: str) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/calls/{{call_id}}/{path}",
        name=name,
        summary=summary,
        body=body,
        reply=shapes.Accepted,
        status=202,
        faults=(403, 404, 409),
        act=act,
    )


def _answered(known: Claim, body: str) -> str:
    """What another process answered under a key. Raises Conflict, AnswerLost."""
    if known.body != body:
        raise _used()
    if not known.call_id:
        raise _Elsewhere(
            "a server was asked for this call and is gone, or still at it: nobody knows whether it rang",
            hint="look for it in GET /api/v1/calls, and use a new Idempotency-Key if it is not there",
        )
    return known.call_id


def _used() -> Conflict:
    return Conflict("this Idempotency-Key was used for another call", hint="use a new one for each call")


def _rang_nobody(error: BaseException | None) -> bool:
    """And if another process may have, it is asked."""
    sure = not isinstance(error, AnswerLost | NotReachable) or isinstance(error, _Elsewhere)
    return isinstance(error, PatterError) and sure


def _accepted(call_id: str) -> Facts:
    return {"call_id": call_id}
