"""Open a media socket the way a carrier opens it, and say clearly what is wrong when it does not open."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from patter_cli.errors import CallRejected, InputError, NotReachable, reason
from patter_cli.text.printable import printable

CONGESTED_BYTES: Final = 32 * 1024
"""Two seconds of audio that the kernel has not taken: from here on frames are lost, as with a carrier.
Source: 20 ms of mu-law take some 300 characters; Twilio error 31930."""

_KERNEL_BYTES: Final = 32 * 1024
"""The kernel's part of what waits; left to itself it grows to minutes of speech."""

_OPEN_S: Final = 10.0
CLOSE_S: Final = 2.0
_MAX_MESSAGE_BYTES: Final = 1024 * 1024


class _ElsewhereError(Exception):
    """A redirect to another host."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class _Dial(connect):
    """A redirect is followed on the same host only: what it leads to would hear the caller."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        here = urlsplit(self.uri).netloc
        there = super().process_redirect(exc)
        if isinstance(there, str) and (host := urlsplit(there).netloc) != here:
            raise _ElsewhereError(host)
        return there


def _told(body: bytes | bytearray) -> str:
    """What a stranger wrote, without what a terminal would obey."""
    return printable(body.decode(errors="replace").strip()[:200])


def _host_of(url: str) -> str:
    """Host and port. Raises InputError."""
    try:
        parts = urlsplit(url)
        if parts.port == 0 or not url.isprintable() or " " in parts.netloc:
            raise _no_address(url)
    except ValueError as error:
        raise _no_address(url) from error
    return parts.netloc.rpartition("@")[2]


def _no_address(shown: str) -> InputError:
    return InputError(f"{shown!r} is not a WebSocket address", hint="use ws://HOST:PORT/PATH")


async def open_line(url: str, *, headers: Mapping[str, str] | None = None, open_s: float = _OPEN_S) -> ClientConnection:
    """A WebSocket without compression, pings or proxy. headers: what a carrier adds to the upgrade.

    Raises InputError for a bad URL, NotReachable when nothing takes the call, CallRejected with the server's words
    when it refuses the upgrade.
    """
    # The path may hold a token, so only the host is ever shown.
    where = _host_of(url)
    try:
        opened = await _Dial(
            url,
            additional_headers=headers,
            compression=None,
            proxy=None,
            ping_interval=None,
            open_timeout=open_s,
            close_timeout=CLOSE_S,
            max_size=_MAX_MESSAGE_BYTES,
            # A send must never wait for the server: the caller counts what is congested by itself.
            write_limit=8 * CONGESTED_BYTES,
        )
    except InvalidURI as error:
        raise _no_address(where or url) from error
    except InvalidStatus as error:
        words = _told(error.response.body or b"")
        status = error.response.status_code
        raise CallRejected(
            f"{where} refused the call: {words or 'no reason given'} (HTTP {status})",
            hint="it is busy: try again later" if status == 503 else "call the address that patter serve printed",
        ) from error
    except _ElsewhereError as error:
        raise NotReachable(
            f"{where} sends calls on to {_told(error.host.encode())}, which nobody asked for",
            hint="name that address with --url if it is yours",
        ) from error
    except TimeoutError as error:
        raise NotReachable(
            f"{where} did not answer within {open_s:g} s", hint="is it another program, or stuck?"
        ) from error
    except InvalidHandshake as error:
        raise NotReachable(f"{where} answers, but not as a media socket", hint="is it another program?") from error
    except OSError as error:
        raise NotReachable(
            f"nothing takes calls at {where}: {reason(error)}", hint="start it first: patter serve AGENT"
        ) from error
    raw = opened.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
    return opened
