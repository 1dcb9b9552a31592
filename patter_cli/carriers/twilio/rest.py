"""Twilio's REST API: one request, tried again only where that cannot do a thing twice.

    refused before it was processed (429), or never sent       tried again, whatever it is
    no answer, a broken one, 5xx                                tried again if it may be done twice, else AnswerLost
    4xx                                                         a Reply that says so, for the asker to judge

Source: Twilio docs, REST API and its error reference.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from math import isfinite
from typing import Any, Final
from urllib.parse import quote, urlencode

from patter_cli.errors import AnswerLost, CallRejected, CarrierError, reason

BASE_URL: Final = "https://api.twilio.com"
VERSION: Final = "2010-04-01"
UNREACHABLE: Final = "see whether this machine is on the network: patter doctor"

CONNECT_S: Final = 3.0
ANSWER_S: Final = 4.0
TRIES: Final = 3
PAUSE_S: Final = 0.25
"""Before the second try; twice that before the third. A caller may be waiting."""
LONGEST_PAUSE_S: Final = 5.0
REPLY_BYTES: Final = 2 << 20
"""A page of a thousand calls is about 1 MiB."""
WORDS: Final = 300
"""The most of Twilio's own words that is passed on, in characters."""

NOT_FOUND: Final = 404
CALL_IS_OVER: Final = 21220
"""The call is in no state in which this can be done to it."""

Form = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What Twilio answered: a success, or a refusal (4xx)."""

    status: int
    body: Mapping[str, Any]
    at_s: float | None = None
    """By Twilio's own clock, Unix time in whole seconds."""

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def code(self) -> int:
        """Twilio's number for the refusal, which is at https://www.twilio.com/docs/errors/CODE; 0 if it gave none."""
        code = self.body.get("code")
        return code if isinstance(code, int) else 0

    def text(self, name: str) -> str:
        """A field of the body; "" if it is missing, null or of another type."""
        value = self.body.get(name)
        return value if isinstance(value, str) else ""

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        """The objects of a list in the body."""
        value = self.body.get(name)
        return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom we ask as."""

    account_sid: str
    auth_token: str = field(repr=False)
    base_url: str = BASE_URL

    def url(self, *path: str) -> str:
        """The address of something of the account's; every part is escaped."""
        parts = (VERSION, "Accounts", self.account_sid, *path)
        return f"{self.base_url}/{'/'.join(quote(each, safe='') for each in parts)}"

    def headers(self, *, form: bool) -> dict[str, str]:
        """What goes with each request beside the credentials. form: it has a body."""
        headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "patter-cli"}
        return {**headers, "content-type": "application/x-www-form-urlencoded"} if form else headers

    async def about(self) -> Reply:
        """Read the account itself. Raises CarrierError when there is no answer."""
        return await self._ask("GET", f"{self.url()}.json", None, repeatable=True)

    async def get(self, *path: str, query: Form = ()) -> Reply:
        """Read something. Raises CarrierError when there is no answer."""
        address = self.url(*path)
        return await self._ask("GET", f"{address}?{urlencode(query)}" if query else address, None, repeatable=True)

    async def post(self, *path: str, form: Form, repeatable: bool) -> Reply:
        """Make or change something. repeatable: doing it twice is as doing it once.

        Raises AnswerLost where it may have been done, CarrierError where it was not.
        """
        return await self._ask("POST", self.url(*path), urlencode(form), repeatable=repeatable)

    async def delete(self, *path: str) -> Reply:
        """Have something gone; a second time it is not found. Raises CarrierError when there is no answer."""
        return await self._ask("DELETE", self.url(*path), None, repeatable=True)

    def refused(self, reply: Reply, what: str) -> CallRejected:
        """The error that a refusal stands for. what: has not been done, as in "ring +1555…"."""
        if reply.status in (401, 403) and reply.code in (0, 20003, 20005):
            return CallRejected(
                f"Twilio would not {what}: it does not accept the account's credentials ({reply.status})",
                hint="check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
            )
        words = reply.text("message") or reply.text("detail") or reply.text("title")
        said = " ".join("".join(each if each.isprintable() else " " for each in words).split())
        said = said.replace(self.auth_token, "****")[:WORDS]
        hint = f"https://www.twilio.com/docs/errors/{reply.code}" if reply.code else ""
        return CallRejected(
            f"Twilio would not {what} ({reply.status}{f', {reply.code}' if reply.code else ''})"
            + (f": {said}" if said else ""),
            hint=hint,
        )

    async def _ask(self, method: str, url: str, content: str | None, *, repeatable: bool) -> Reply:
        for again in range(TRIES):
            last = again == TRIES - 1
            try:
                reply, retry_after_s = await self._exchange(method, url, content)
            except _NotSent as error:
                if last:
                    raise CarrierError(f"Twilio cannot be reached: {error}", hint=UNREACHABLE) from error
                retry_after_s = None
            except _NoAnswer as error:
                if not repeatable:
                    raise AnswerLost(f"Twilio may or may not have done it: {error}") from error
                if last:
                    raise CarrierError(f"Twilio does not answer: {error}", hint=UNREACHABLE) from error
                retry_after_s = None
            else:
                if reply.status != 429 or last:
                    return reply
            pause_s = PAUSE_S * 2**again * random.uniform(1.0, 1.5) if retry_after_s is None else retry_after_s
            await asyncio.sleep(min(pause_s, LONGEST_PAUSE_S))
        raise AssertionError("unreachable: the last try returns or raises")

    async def _exchange(self, method: str, url: str, content: str | None) -> tuple[Reply, float | None]:
        """One try: the reply, and when to come back if that was said. Raises _NotSent, _NoAnswer."""
        import httpx

        headers = self.headers(form=content is not None)
        try:
            # Reading the certificates takes 0.1 s, which other calls' frames must not wait for.
            tls = await asyncio.to_thread(_tls)
            async with (
                httpx.AsyncClient(verify=tls, timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S)) as client,
                client.stream(
                    method, url, content=content, headers=headers, auth=(self.account_sid, self.auth_token)
                ) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > REPLY_BYTES:
                        raise _NoAnswer(f"{response.status_code} with a body that has no end")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, ssl.SSLError) as error:
            raise _NotSent(reason(error)) from error
        except (httpx.HTTPError, OSError) as error:
            raise _NoAnswer(reason(error)) from error
        status = response.status_code
        read = _object(bytes(body))
        if status >= 500 or 300 <= status < 400 or status < 200:
            raise _NoAnswer(f"it answered {status}")
        if read is None and status < 300 and status != 204:
            raise _NoAnswer(f"it answered {status} with something that is not JSON")
        reply = Reply(status=status, body=read or {}, at_s=_date(response.headers.get("date", "")))
        return reply, _retry_after_s(response.headers.get("retry-after", ""))


class _NotSent(Exception):
    """The request has not left this machine."""


class _NoAnswer(Exception):
    """The request may have been done: nothing, or nothing of use, came back."""


def _object(body: bytes) -> dict[str, Any] | None:
    """A JSON object; None for everything else, such as a gateway's HTML."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def read_date(value: object) -> float | None:
    """A moment as the API writes it ("Sat, 21 Nov 2026 12:00:00 +0000"), in Unix time."""
    return _date(value) if isinstance(value, str) else None


def _retry_after_s(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if isfinite(seconds) and seconds >= 0 else None


@cache
def _tls() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()
