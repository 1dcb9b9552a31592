"""Telnyx's API v2: one request, tried again only where that cannot do a thing twice.

    never sent, or refused before it was processed (429)    tried again, whatever it is
    no answer, a broken one, 5xx                            tried again if it may be done twice, else AnswerLost
    4xx                                                     a Reply that says so, for the asker to judge

A command to a call carries a `command_id`, and Telnyx does the same id for the same call once; so a command may be
tried again, and soon: somebody is waiting on the line.
Source: Telnyx docs, command retries, rate limiting and API errors, 2026-11.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from math import isfinite
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import NAMESPACE_URL, uuid4, uuid5

from patter_cli.carriers.telnyx.stream import CALL_ID
from patter_cli.errors import AnswerLost, CallRejected, CarrierError, reason

BASE_URL: Final = "https://api.telnyx.com/v2"
DIAL_ADDRESS: Final = "/calls"

UNREACHABLE: Final = "see whether this machine is on the network: patter doctor"
CONNECT_S: Final = 3.0
ANSWER_S: Final = 4.0
COMMAND_S: Final = 1.2
"""Telnyx asks for another try after 0.5 s; three of these fit into what a call waits for."""
TRIES: Final = 3
PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
"""Who is told to come back later than this is refused: the caller would have hung up."""
REPLY_BYTES: Final = 2 << 20
WORDS: Final = 300
"""The most of Telnyx's own words that is passed on, in characters."""

CALL_IS_OVER: Final = "90018"
NOT_ANSWERED_YET: Final = "90034"
_CODE: Final = re.compile(r"[0-9A-Za-z_.-]{1,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What Telnyx answered: a success, or a refusal (4xx)."""

    status: int
    body: Mapping[str, Any]
    at_s: float | None = None
    """By Telnyx's own clock, Unix time in whole seconds."""

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def data(self) -> Mapping[str, Any]:
        """The object of a success; empty where there is none."""
        value = self.body.get("data")
        return value if isinstance(value, dict) else {}

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The objects of a list."""
        value = self.body.get("data")
        return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    @property
    def errors(self) -> list[Mapping[str, Any]]:
        """What a refusal gives as its reasons."""
        value = self.body.get("errors")
        return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

    def says(self, code: str) -> bool:
        """Whether one of the reasons is this one."""
        return any(str(each.get("code")) == code for each in self.errors)

    def text(self, name: str) -> str:
        """A field of the data; "" if it is missing, null or of another type."""
        value = self.data.get(name)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom we ask as."""

    api_key: str = field(repr=False)
    base_url: str = BASE_URL

    def headers(self, *, json: bool) -> dict[str, str]:
        """What goes with each request beside the key. json: it has a body."""
        headers = {"user-agent": "patter-cli", "accept-encoding": "identity"}
        return {**headers, "content-type": "application/json"} if json else headers

    async def get(self, *path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Read something. Raises CarrierError when there is no answer."""
        return await self._ask("GET", _address(path, query), None, repeatable=True, answer_s=ANSWER_S)

    async def patch(self, *path: str, body: Mapping[str, Any]) -> Reply:
        """Set something; doing it twice is as doing it once. Raises CarrierError when there is no answer."""
        return await self._ask("PATCH", _address(path), body, repeatable=True, answer_s=ANSWER_S)

    async def delete(self, *path: str) -> Reply:
        """Have something gone; a second time it is not found. Raises CarrierError when there is no answer."""
        return await self._ask("DELETE", _address(path), None, repeatable=True, answer_s=ANSWER_S)

    async def dial(self, body: Mapping[str, Any]) -> Reply:
        """Make a call. Raises AnswerLost where it may have been made, CarrierError where it was not."""
        return await self._ask("POST", DIAL_ADDRESS, body, repeatable=False, answer_s=ANSWER_S)

    async def command(self, call_id: str, verb: str, body: Mapping[str, Any], *, once: str = "") -> Reply:
        """Have something done to a call. once: what it is, where the call needs that once in all, whichever process of
        ours asks; "": each asking is another. Raises CallRejected for what is no call, CarrierError without an answer.
        """
        path = ("calls", checked_call_id(call_id), "actions", verb)
        command_id = str(uuid5(NAMESPACE_URL, f"{call_id}/{once}") if once else uuid4())
        given = {**body, "command_id": command_id}
        return await self._ask("POST", _address(path), given, repeatable=True, answer_s=COMMAND_S)

    def refused(self, reply: Reply, what: str) -> CallRejected:
        """The error that a refusal stands for. what: has not been done, as in "ring +1555…"."""
        if reply.status == 401 or reply.says("10009"):
            return CallRejected(
                f"Telnyx would not {what}: it does not accept the key ({reply.status})", hint="check TELNYX_API_KEY"
            )
        allowed = "see in the portal whether the key in TELNYX_API_KEY may do this, and whether the number is yours"
        first = next(iter(reply.errors), {})
        words = f"{first.get('title') or ''} {first.get('detail') or ''}"
        said = " ".join("".join(each if each.isprintable() else " " for each in words).split())
        said = said.replace(self.api_key, "****")[:WORDS]
        given = first.get("code")
        code = f", {given}" if isinstance(given, str | int) and _CODE.fullmatch(str(given)) else ""
        told = f"Telnyx would not {what} ({reply.status}{code})" + (f": {said}" if said else "")
        return CallRejected(told, hint=allowed if reply.status == 403 else "")

    async def _ask(
        self, method: str, address: str, body: Mapping[str, Any] | None, *, repeatable: bool, answer_s: float
    ) -> Reply:
        pause_s = PAUSE_S
        for left in reversed(range(TRIES)):
            try:
                reply, wait_s = await self._exchange(method, address, body, answer_s)
            except _NotSent as error:
                if not left:
                    raise CarrierError(f"Telnyx cannot be reached: {error}", hint=UNREACHABLE) from error
            except _NoAnswer as error:
                if not repeatable:
                    raise AnswerLost(f"Telnyx may or may not have done it: {error}") from error
                if not left:
                    raise CarrierError(f"Telnyx does not answer: {error}", hint=UNREACHABLE) from error
            else:
                if reply.status != 429 or not left or wait_s > LONGEST_PAUSE_S:
                    return reply
                pause_s = max(pause_s, wait_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        raise AssertionError("unreachable: the last try returns or raises")

    async def _exchange(
        self, method: str, address: str, body: Mapping[str, Any] | None, answer_s: float
    ) -> tuple[Reply, float]:
        """One try: the reply, and when to come back, in seconds. Raises _NotSent, _NoAnswer."""
        import httpx

        # Importing httpx and reading the certificates takes 0.1 s, which other calls' frames must not wait for.
        tls = await asyncio.to_thread(_tls)
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {**self.headers(json=body is not None), "authorization": f"Bearer {self.api_key}"}
        timeout = httpx.Timeout(answer_s, connect=CONNECT_S)
        try:
            async with (
                asyncio.timeout(CONNECT_S + answer_s),
                httpx.AsyncClient(verify=tls, timeout=timeout) as client,
                client.stream(method, self.base_url + address, content=content, headers=headers) as response,
            ):
                said = bytearray()
                async for chunk in response.aiter_raw():
                    said += chunk
                    if len(said) > REPLY_BYTES:
                        raise _NoAnswer("a reply without end")
                reply = _read(response.status_code, bytes(said), _date(response.headers.get("date", "")))
                return reply, _seconds(response.headers.get("x-ratelimit-reset"))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _NotSent(reason(error)) from error
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            raise _NoAnswer(reason(error)) from error


class _NotSent(Exception):
    """The request has not left us."""


class _NoAnswer(Exception):
    """It may have been processed."""


def checked_call_id(call_id: str) -> str:
    """Raises CallRejected for what cannot be a call_control_id: it is about to stand in a path."""
    if not CALL_ID.fullmatch(call_id):
        raise CallRejected(f"{call_id[:64]!a} is no call of Telnyx's")
    return call_id


def _address(path: tuple[str, ...], query: Mapping[str, str] | None = None) -> str:
    """Every part is escaped, the colon of a call_control_id too."""
    escaped = "".join(f"/{quote(each, safe='')}" for each in path)
    return f"{escaped}?{urlencode(query)}" if query else escaped


def _read(status: int, said: bytes, at_s: float | None) -> Reply:
    if status >= 500 or status == 408 or 300 <= status < 400:
        raise _NoAnswer(f"it answered {status}")
    try:
        body = json.loads(said) if said else {}
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        if status < 300:
            raise _NoAnswer("its answer is no JSON object")
        body = {}
    return Reply(status=status, body=body, at_s=at_s)


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _seconds(text: str | None) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if isfinite(value) and value > 0 else 0.0


@cache
def _tls() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()
