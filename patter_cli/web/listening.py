"""A call as a page hears it, and as somebody talks into it: one WebSocket for whoever looks on, both sides as tracks.

    page -> server   {"event":"media","seq":…,"at":…,"payload":"…"}        of whoever has taken the call over
    server -> page   {"event":"joined","talks":true}      false: it only listens, for somebody else has the call
                     {"event":"media","track":"caller"|"agent","payload":"…"}   {"event":"clear","track":"agent"}
                     {"event":"unheard"}                  it sent no sound, and no longer has the call

16 kHz, low byte first, in base64, as the softphone has it. To be gone, or to send no sound, is to give the call back. A
page that does not read misses what it would have heard: nothing is kept for it.
"""

from __future__ import annotations

import json
import logging
from binascii import a2b_base64, b2a_base64
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from urllib.parse import parse_qs

import numpy as np
from starlette.routing import BaseRoute, WebSocketRoute

from patter_cli.audio.frame import Samples
from patter_cli.engine.onlooking import Onlooking
from patter_cli.engine.overheard import OnlookersEar
from patter_cli.server.frames import NORMAL
from patter_cli.server.guard import Receive, Scope, Send
from patter_cli.server.media import refuse_upgrade
from patter_cli.server.wire import SOCKET, CloseCause, WebSocketStream, Wire

log = logging.getLogger("patter.web")

MOST_BYTES: Final = 32 * 200
"""Of one message: 0.2 s of sound; a page sends 20 ms."""


class LetsListen(Protocol):
    """A server whose calls can be listened to."""

    def let_in(self, call_id: str, ear: OnlookersEar, *, talks: bool) -> Onlooking | None:
        """None: there is no such call, or it has no line."""


class PageEar:
    """One page's socket."""

    def __init__(self) -> None:
        self._wire: Wire | None = None
        self._onlooking: Onlooking | None = None

    def begin(self, wire: Wire, onlooking: Onlooking) -> None:
        """It is open, and the call is heard."""
        self._wire, self._onlooking = wire, onlooking
        self._send(f'{{"event":"joined","talks":{"true" if onlooking.talks else "false"}}}')

    # --- what the call says --------------------------------------------------------------------------------------

    def caller(self, samples: Samples) -> None:
        self._media("caller", samples)

    def agent(self, samples: Samples) -> None:
        self._media("agent", samples)

    def cut(self) -> None:
        self._send('{"event":"clear","track":"agent"}')

    def over(self) -> None:
        if self._wire is not None:
            self._wire.close(NORMAL, "nothing more is to be heard")

    def unheard(self) -> None:
        self._send('{"event":"unheard"}')
        self.over()

    # --- what the page says --------------------------------------------------------------------------------------

    def on_text(self, text: str) -> None:
        samples = _sound(text)
        if samples is not None and self._onlooking is not None:
            self._onlooking.speak(samples)

    def on_binary(self, data: bytes) -> None:
        """It has no such messages."""

    def on_blocked(self) -> None:
        """What comes meanwhile is missed."""

    def on_writable(self) -> None:
        """It goes on with what comes now."""

    def on_gone(self, how: CloseCause) -> None:
        if self._onlooking is not None:
            self._onlooking.leave(lost=how is not CloseCause.CLOSED)

    def _media(self, track: str, samples: Samples) -> None:
        payload = b2a_base64(samples.astype("<i2").tobytes(), newline=False).decode("ascii")
        self._send(f'{{"event":"media","track":"{track}","payload":"{payload}"}}')

    def _send(self, text: str) -> None:
        if self._wire is not None and self._wire.writable:
            self._wire.write(text)


def listening_routes(served: Callable[[], LetsListen | None]) -> list[BaseRoute]:
    """/dashboard/listen/{call_id}, and ?talk=1 to take the call over; for whoever has signed in."""

    async def listen(scope: Scope, send: Send) -> None:
        server = served()
        talks = parse_qs(scope["query_string"].decode("latin-1")).get("talk") == ["1"]
        ear = PageEar()
        onlooking = None if server is None else server.let_in(scope["path_params"]["call_id"], ear, talks=talks)
        if onlooking is None:
            await refuse_upgrade(send, 404, "no such call goes on here")
            return
        try:
            request: WebSocketStream = scope["state"][SOCKET]
            wire = await request.accept(ear)
            ear.begin(wire, onlooking)
            await wire.wait_lost()
        except ConnectionError:
            pass  # it went away before we had answered
        finally:
            onlooking.leave()

    return [WebSocketRoute("/dashboard/listen/{call_id}", _Plain(listen))]


class _Plain:
    """An ASGI application, which Starlette tells from an endpoint by not being a function."""

    def __init__(self, listen: Callable[[Scope, Send], Awaitable[None]]) -> None:
        self._listen = listen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._listen(scope, send)


def _sound(text: str) -> Samples | None:
    """A message's samples; None for any other message, and for rubbish."""
    try:
        message = json.loads(text)
        if not isinstance(message, dict) or message.get("event") != "media":
            return None
        payload = a2b_base64(message["payload"], strict_mode=True)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not 0 < len(payload) <= MOST_BYTES or len(payload) % 2:
        return None
    return np.frombuffer(payload, "<i2").astype(np.int16)
