"""How bytes of an MCP server come in: no message longer than MESSAGE_BYTES is kept, and no endless garbage read.

A server that floods would otherwise take memory, and by way of the interpreter's lock the time of every call. Its
command runs in a process group of its own, which is ended whole.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
import httpx2
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

log = logging.getLogger(__name__)

MESSAGE_BYTES: Final = 4 << 20
"""A model gets 16 KB of it."""
GARBAGE_LINES: Final = 100
"""What a start script prints before the server speaks is less."""
GOES_S: Final = 2.0
"""For a command whose input has ended to go by itself, and once more after it was asked to."""
_POLL_S: Final = 0.01

_Closed = (anyio.ClosedResourceError, anyio.BrokenResourceError, ConnectionError)


@asynccontextmanager
async def command_streams(command: Sequence[str], env: Mapping[str, str]) -> AsyncGenerator[tuple[Any, Any]]:
    """Start it: (messages from it, messages to it), as the SDK's client takes them. Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env=get_default_environment() | dict(env), limit=MESSAGE_BYTES, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout
    arrived, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, leaving = anyio.create_memory_object_stream[SessionMessage](0)

    async def read() -> None:
        async with arrived:
            with suppress(*_Closed):
                async for message in _messages(stdout):
                    await arrived.send(message)

    async def write() -> None:
        async with leaving:
            try:
                async for each in leaving:
                    text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                    stdin.write(text.encode("utf-8", "replace") + b"\n")
                    await stdin.drain()
            except _Closed:
                await arrived.aclose()  # whoever waits for an answer learns that none will come

    try:
        async with anyio.create_task_group() as both:
            both.start_soon(read)
            both.start_soon(write)
            try:
                yield incoming, outgoing
            finally:
                both.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)
        for each in (arrived, incoming, outgoing, leaving):
            each.close()


async def _messages(stdout: asyncio.StreamReader) -> AsyncIterator[SessionMessage | Exception]:
    """A line each, until the end, or one that is too long, or too much that is none."""
    garbage = 0
    while garbage < GARBAGE_LINES:
        try:
            line = await stdout.readline()
        except ValueError:
            log.warning("an MCP server sent a message of more than %d MB, and is let go of", MESSAGE_BYTES >> 20)
            return
        if not line:
            return
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            garbage += 1
            continue
        yield SessionMessage(message)
    log.warning("an MCP server sent %d lines that are no MCP, and is let go of", garbage)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Have it go: its input ends, then it is asked to, then made to. What it still writes is read and forgotten."""
    assert process.stdin is not None
    assert process.stdout is not None
    draining = asyncio.create_task(_drain(process.stdout))
    process.stdin.close()
    for sign in ("SIGTERM", "SIGKILL"):
        if await _gone(process):
            break
        _signal(process, sign)
    await _gone(process)
    _signal(process, "SIGKILL")  # what it left in its group
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)


async def _drain(stdout: asyncio.StreamReader) -> None:
    while await stdout.read(1 << 16):
        pass


async def _gone(process: asyncio.subprocess.Process) -> bool:
    """Not wait(): that waits for its pipes as well, which its children may hold."""
    with suppress(TimeoutError):
        async with asyncio.timeout(GOES_S):
            while process.returncode is None:  # noqa: ASYNC110 - nothing tells it without the pipes
                await asyncio.sleep(_POLL_S)
    return process.returncode is not None


def _signal(process: asyncio.subprocess.Process, sign: str) -> None:
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.Signals[sign])


class BoundedHttp(httpx2.AsyncHTTPTransport):
    """Requests whose answers are read up to MESSAGE_BYTES, and then broken off."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        response.stream = _BoundedStream(response.stream)
        return response


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MESSAGE_BYTES
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise httpx2.ReadError(f"an answer of more than {MESSAGE_BYTES >> 20} MB")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
