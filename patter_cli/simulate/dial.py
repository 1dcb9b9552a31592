"""Open a media socket the way a carrier opens it, and say clearly what is wrong when it does not open."""

from __future__ import annotations

import socket
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from patter_cli.errors import CallRejected, InputError, NotReachable

CONGESTED_BYTES: Final = 32 * 1024
"""Two seconds of audio that the kernel has not taken: from here on frames are lost, as with a carrier.
Source: 20 ms of mu-law take some 300 characters; Twilio error 31930."""

_KERNEL_BYTES: Final = 32 * 1024
"""The kernel's part of what waits; left to itself it grows to minutes of speech."""

_OPEN_S: Final = 10.0
CLOSE_S: Final = 2.0
_MAX_MESSAGE_BYTES: Final = 1024 * 1024


async def open_line(url: str) -> ClientConnection:
    """A WebSocket without compression, pings or proxy.

    Raises InputError for a bad URL, NotReachable when nothing takes the call, CallRejected with the server's words
    when it refuses the upgrade.
    """
    # The path may hold a token, so only the host is ever shown.
    where = urlsplit(url).netloc.rpartition("@")[2]
    try:
        opened = await connect(
            url,
            compression=None,
            proxy=None,
            ping_interval=None,
            open_timeout=_OPEN_S,
            close_timeout=CLOSE_S,
            max_size=_MAX_MESSAGE_BYTES,
            # A send must never wait for the server: the caller counts what is congested by itself.
            write_limit=8 * CONGESTED_BYTES,
        )
    except InvalidURI as error:
        raise InputError(f"{where or url!r} is not a WebSocket address", hint="use ws://HOST:PORT/PATH") from error
    except InvalidStatus as error:
        words = (error.response.body or b"").decode(errors="replace").strip()[:200]
        status = error.response.status_code
        raise CallRejected(f"{where} refused the call: {words or 'no reason given'} (HTTP {status})") from error
    except InvalidHandshake as error:
        raise NotReachable(f"{where} answers, but not as a media socket", hint="is it another program?") from error
    except (OSError, TimeoutError) as error:
        raise NotReachable(f"nothing takes calls at {where}", hint="start it first: patter serve AGENT") from error
    raw = opened.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)
    return opened
