"""CallTicket: who is on the phone, signed by us, and the only way from a media socket to a call.

Whoever lets a call in (the answered webhook, the local line's route) makes its ticket. On a carrier's wire it travels
as a segment of the stream's address, so any worker that shares the secret can take the call, and what a stranger writes
into a stream's `start` counts for nothing.

    text = base64url(JSON of the ticket) "." base64url(HMAC-SHA256 of what stands before the dot)

The signature is compared as text: a second way to write the same bytes is another text, and refused. A ticket is used
once. Workers agree on that through a folder in which a file of the ticket's name can be made by one of them only.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from patter_cli.core.outcome import Direction
from patter_cli.errors import BadSignature, InputError

LIFE_S: Final = 60
"""A carrier opens the stream within seconds of our answer."""

RESUME_S: Final = 4 * 3600
"""How long a call may have lasted when its stream breaks off. Source: Twilio's longest call, unless it is told more."""

MAX_TICKET_CHARS: Final = 8 * 1024
"""Half of what a request's headers may be."""

_TOKEN: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTicket:
    """One call that may begin, and everything that is known of it."""

    token: str
    """32 hexadecimal digits, this ticket's alone: what is remembered once it is used."""
    call_id: str
    """Ours: it names files and log lines."""
    carrier: str
    carrier_call_id: str
    """"" while the carrier has not said: such a ticket opens no stream."""
    direction: Direction
    caller: str
    callee: str
    agent: str
    variables: Mapping[str, str] = field(default_factory=dict)
    expires_at_s: int
    """Unix time."""
    resumes: str = ""
    """The call of ours that goes on with this one: its stream broke off, or a transfer failed; "": it begins."""
    returned: str = ""
    """The TransferOutcome of what the caller comes back from."""


def new_ticket(
    *,
    carrier: str,
    carrier_call_id: str,
    direction: Direction,
    caller: str,
    callee: str,
    agent: str,
    variables: Mapping[str, str],
    now_s: float,
    life_s: int = LIFE_S,
    resumes: str = "",
    returned: str = "",
) -> CallTicket:
    """A ticket with a token and a call id of its own, good for life_s from now_s (Unix time)."""
    return CallTicket(
        token=secrets.token_hex(16),
        # Never what a stranger calls the call: this becomes a file's name.
        call_id=f"C{time.strftime('%Y%m%d%H%M%S', time.gmtime(now_s))}{secrets.token_hex(4)}",
        carrier=carrier,
        carrier_call_id=carrier_call_id,
        direction=direction,
        caller=caller,
        callee=callee,
        agent=agent,
        variables=dict(variables),
        expires_at_s=int(now_s) + life_s,
        resumes=resumes,
        returned=returned,
    )


def resume_ticket(ticket: CallTicket, now_s: float) -> CallTicket:
    """What a call that has this ticket's stream is asked for again with, should the stream break off or a transfer
    fail; and what is reported of it later. It opens no stream."""
    return replace(
        ticket,
        token=secrets.token_hex(16),
        carrier_call_id="",
        expires_at_s=int(now_s) + RESUME_S,
        resumes=ticket.call_id,
    )


def stream_ticket(dialled: CallTicket, carrier_call_id: str, now_s: float) -> CallTicket:
    """The ticket for the stream of a call that we made and that has been answered. dialled: made when it was dialled,
    when the carrier had no id for it yet."""
    return replace(
        dialled, token=secrets.token_hex(16), carrier_call_id=carrier_call_id, expires_at_s=int(now_s) + LIFE_S
    )


def sign(ticket: CallTicket, secret: bytes) -> str:
    """The ticket as text that is safe in a path. Raises InputError where its variables are too long for one."""
    body = _encode(json.dumps(asdict(ticket), separators=(",", ":")).encode())
    text = f"{body}.{_signature(body, secret)}"
    if len(text) > MAX_TICKET_CHARS:
        raise InputError("what the call brings along is too long", hint=f"a ticket holds {MAX_TICKET_CHARS} characters")
    return text


def check(text: str, secret: bytes, now_s: float) -> CallTicket:
    """Read a ticket back. Raises BadSignature for anything that `sign` did not make with this secret, and for a ticket
    whose time is over; nothing of an unsigned text is looked at."""
    body, dot, signature = text.partition(".")
    if not dot or len(text) > MAX_TICKET_CHARS or not text.isascii():
        raise BadSignature("it is no ticket")
    if not hmac.compare_digest(signature, _signature(body, secret)):
        raise BadSignature("the ticket is not signed by us")
    try:
        ticket = _read(json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    except (ValueError, TypeError, KeyError) as error:  # another version of ours made it
        raise BadSignature("the ticket cannot be read") from error
    if now_s >= ticket.expires_at_s:
        raise BadSignature("the ticket's time is over")
    return ticket


class UsedTickets:
    """Which tickets are used, among all that share the folder."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: shared by the workers, made when it is first needed; None: this process is the only one."""
        self._folder = folder
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()
        self._swept_at_s = 0.0

    def use(self, ticket: CallTicket, now_s: float) -> bool:
        """Take a ticket. False: somebody has taken it. Writes a file, so keep it off the event loop. Raises OSError
        where the folder cannot be written: then nobody knows, and the ticket must not be taken."""
        if now_s - self._swept_at_s >= LIFE_S:
            self._swept_at_s = now_s
            self._sweep(now_s)
        if self._folder is None:
            with self._lock:
                first = ticket.token not in self._used
                self._used[ticket.token] = ticket.expires_at_s
            return first
        name = self._folder / f"{ticket.expires_at_s}-{ticket.token}"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True

    def _sweep(self, now_s: float) -> None:
        """Forget those whose time is over: `check` refuses them anyway."""
        with self._lock:
            self._used = {token: expires_at_s for token, expires_at_s in self._used.items() if expires_at_s > now_s}
        if self._folder is not None:
            with suppress(OSError):
                for used in self._folder.iterdir():
                    expires_at, dash, _ = used.name.partition("-")
                    if dash and expires_at.isdecimal() and int(expires_at) <= now_s:
                        used.unlink(missing_ok=True)


def _read(facts: dict[str, Any]) -> CallTicket:
    """Raises TypeError or ValueError for facts that are not a ticket's."""
    ticket = CallTicket(**facts)
    texts = [getattr(ticket, each.name) for each in fields(CallTicket) if each.type in ("str", "Direction")]
    if type(ticket.variables) is not dict or type(ticket.expires_at_s) is not int:
        raise TypeError("a field of another type")
    if not all(isinstance(each, str) for each in (*texts, *ticket.variables, *ticket.variables.values())):
        raise TypeError("a text of another type")
    if not _TOKEN.fullmatch(ticket.token):
        raise ValueError("no token")
    return replace(ticket, direction=Direction(ticket.direction))


def _signature(body: str, secret: bytes) -> str:
    return _encode(hmac.digest(secret, b"patter call ticket\n" + body.encode(), hashlib.sha256))


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
