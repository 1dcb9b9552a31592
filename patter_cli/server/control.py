"""The control socket of a running server, for other processes of the same user; and how they ask.

A UNIX socket of mode 0600 in a folder of mode 0700, and a token on top, which only the registration beside it has. One
request a connection, read and answered within a deadline.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from patter_cli.errors import BadSetting, InputError, NotReachable, PatterError, ServerGone, reason
from patter_cli.server.control_messages import (
    MAX_LINE_BYTES,
    Admit,
    AskLink,
    AskProof,
    AskResult,
    BadRequest,
    Cancel,
    Drop,
    HandIn,
    HangUp,
    Mute,
    Ping,
    PlaceCall,
    Request,
    Say,
    Status,
    Stop,
    Tell,
    Unmute,
    read_reply,
    read_request,
    render_reply,
    render_request,
)
from patter_cli.server.proofs import Proof
from patter_cli.server.registration import MAX_SOCKET_CHARS, Registration, private_folder, register
from patter_cli.version import VERSION

log = logging.getLogger("patter.server")

READ_S: Final = 5.0
"""For a request to arrive: it is written in one piece."""
ANSWER_S: Final = 30.0
"""For its answer: a carrier may be asked for it."""
MAX_CONNECTIONS: Final = 32


class Controlled(Protocol):
    """What the control socket speaks for."""

    def status(self) -> Mapping[str, Any]:
        """The live calls, JSON-able."""

    async def place(self, wanted: PlaceCall) -> str:
        """Ring somebody; returns our call id. Raises PatterError."""

    def result(self, call_id: str) -> Mapping[str, Any] | None:
        """What became of a call that was asked for here, JSON-able; None while it lasts. Raises InputError."""

    def cancel(self, call_id: str) -> None:
        """It is no longer wanted. Raises InputError."""

    def is_live(self, call_id: str) -> bool:
        """Whether a call goes on here, or rings."""

    def hang_up(self, call_id: str) -> None:
        """Have a call say goodbye and end; one that is over is fine."""

    def mute(self, call_id: str, muted: bool) -> None:
        """Have a call's agent hear silence, or the caller again; one that is over is fine."""

    def say(self, call_id: str, text: str) -> None:
        """Have a call's agent say this next; one that is over is fine."""

    async def admit(self, address: str) -> None:
        """Requests may name this public host, under the path that follows it. Raises PatterError."""

    async def tell(self, address: str) -> None:
        """Carriers are told it."""

    async def drop(self, host: str) -> None:
        """It is ours no more."""

    async def new_proof(self) -> Proof:
        """What only this server answers."""

    def hand_in(self, wanted: HandIn) -> Mapping[str, Any]:
        """Take a webhook that a carrier could have sent: its answer, JSON-able. Raises PatterError."""

    def link(self) -> str:
        """What signs a browser in to the dashboard, once. Raises ConfigError where there is none."""

    def ask_to_stop(self) -> None:
        """Begin to stop, as on Ctrl-C."""


class ControlSocket:
    """One server's. `start` once the port is known; `close` takes the registration away first."""

    def __init__(self, folder: Path, server: Controlled) -> None:
        """folder: the user's run folder."""
        self._folder = folder
        self._server = server
        self._listener: asyncio.Server | None = None
        self._file: Path | None = None
        self._registration: Registration | None = None
        self._connections = 0

    async def start(self, *, host: str, port: int, carriers: list[str], agents: list[str]) -> None:
        """Listen and register. Raises BadSetting where the folder cannot hold the socket."""
        folder = private_folder(self._folder)
        path = folder / f"{os.getpid()}-{port}.sock"
        if len(os.fsencode(path)) > MAX_SOCKET_CHARS:
            raise BadSetting(f"{folder} is too long a path for a socket", hint="choose a shorter run folder")
        path.unlink(missing_ok=True)  # of an earlier process with our number
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(str(path))
            path.chmod(0o600)
            self._listener = await asyncio.start_unix_server(self._connected, sock=sock, limit=MAX_LINE_BYTES)
            self._registration = Registration(
                pid=os.getpid(),
                port=port,
                host=host,
                carriers=carriers,
                agents=agents,
                version=VERSION,
                started_at_s=time.time(),
                socket=str(path),
                token=secrets.token_urlsafe(32),
            )
            self._file = register(folder, self._registration)
        except OSError as error:
            sock.close()
            path.unlink(missing_ok=True)
            raise BadSetting(f"no control socket in {folder}: {reason(error)}") from error

    def close(self) -> None:
        """Be found no more. Twice is fine."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)
        if self._listener is not None:
            self._listener.close()
        if self._registration is not None:
            with suppress(OSError):
                Path(self._registration.socket).unlink()
        self._file = self._listener = self._registration = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its reply. Its task ends here, so nothing it raises goes further."""
        self._connections += 1
        try:
            if self._connections <= MAX_CONNECTIONS and (registration := self._registration) is not None:
                writer.write(render_reply(await self._reply(reader, registration)))
                async with asyncio.timeout(READ_S):
                    await writer.drain()
        except (OSError, TimeoutError):
            pass  # it is gone, or does not read
        except asyncio.CancelledError:
            pass  # the server goes down
        finally:
            self._connections -= 1
            writer.close()

    async def _reply(
        self, reader: asyncio.StreamReader, registration: Registration
    ) -> Mapping[str, Any] | BadRequest | PatterError:
        try:
            async with asyncio.timeout(READ_S):
                line = await reader.readline()
        except (ValueError, TimeoutError):  # ValueError: no end within MAX_LINE_BYTES
            return BadRequest(code="bad_input", why="a request is one line, sent at once")
        request = read_request(line, registration.token)
        if isinstance(request, BadRequest):
            return request
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._answer(request, registration)
        except PatterError as error:
            return error
        except TimeoutError:
            return NotReachable("the carrier did not answer in time")
        except Exception:
            log.exception("a control request failed")
            return BadRequest(code="internal", why="the server failed; its log says how")

    async def _answer(self, request: Request, registration: Registration) -> Mapping[str, Any]:
        match request:
            case Ping():
                shown = ("pid", "port", "host", "carriers", "agents", "version", "started_at_s")
                return {name: getattr(registration, name) for name in shown}
            case Status():
                return self._server.status()
            case PlaceCall():
                return {"call_id": await self._server.place(request)}
            case AskResult(call_id=call_id):
                return {"result": self._server.result(call_id)}
            case Cancel(call_id=call_id):
                self._server.cancel(call_id)
                return {"canceling": True}
            case HangUp(call_id=call_id):
                self._must_live(call_id)
                self._server.hang_up(call_id)
                return {"hanging_up": True}
            case Mute(call_id=call_id) | Unmute(call_id=call_id):
                self._must_live(call_id)
                self._server.mute(call_id, isinstance(request, Mute))
                return {"muted": isinstance(request, Mute)}
            case Say(call_id=call_id, text=text):
                self._must_live(call_id)
                self._server.say(call_id, text)
                return {"saying": True}
            case Admit(host=host):
                await self._server.admit(host)
                return {"admitted": True}
            case Tell(host=host):
                await self._server.admit(host)
                await self._server.tell(host)
                return {"told": True}
            case Drop(host=host):
                await self._server.drop(host)
                return {"dropped": True}
            case AskProof():
                proof = await self._server.new_proof()
                return {"token": proof.token, "answer": proof.answer}
            case AskLink():
                return {"link": self._server.link()}
            case HandIn():
                return self._server.hand_in(request)
            case Stop():
                self._server.ask_to_stop()
                return {"stopping": True}

    def _must_live(self, call_id: str) -> None:
        if not self._server.is_live(call_id):
            raise InputError(f"no call {call_id[:64]!r} goes on here", hint="patter logs list shows which do")


async def ask(server: Registration, request: Request) -> dict[str, Any]:
    """Ask a running server. Raises NotReachable, ServerGone where it is certain that it was asked for nothing, or the
    error that the server had."""
    asked = False
    try:
        async with asyncio.timeout(ANSWER_S + READ_S):
            reader, writer = await asyncio.open_unix_connection(server.socket, limit=16 * MAX_LINE_BYTES)
            asked = True
            try:
                writer.write(render_request(request, server.token))
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        lost = NotReachable if asked else ServerGone
        raise lost(f"server {server.pid} does not answer", hint="has it just stopped?") from error
    if not line:
        raise NotReachable(f"server {server.pid} is too busy to answer")
    return read_reply(line)
