"""Opening a media socket: what is wrong with the other side is said in words, and nothing of it obeys the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from patter_cli.errors import CallRejected, InputError, NotReachable
from patter_cli.simulate.dial import open_line


@asynccontextmanager
async def answering(reply: bytes | None) -> AsyncIterator[str]:
    """A server that answers every request with these bytes, or never; its host and port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if reply is None:
            await reader.read(1)
        else:
            writer.write(reply)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize(
    "body", [b"\x1b]0;owned\x07no", b"\x1b[31mred", b"a\rb", b"\xe2\x80\xaetxt", b"\x9b1mred", b"one\ntwo"]
)
async def test_a_refusal_is_text(body: bytes) -> None:
    """Escape codes, bidi overrides and line feeds of a stranger's server are shown, never obeyed."""
    async with answering(http("503 Busy", body)) as where:
        with pytest.raises(CallRejected) as caught:
            await open_line(f"ws://{where}/")
    assert str(caught.value).isprintable()
    assert "HTTP 503" in str(caught.value)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_no_redirect_to_another_host_is_followed(status: str) -> None:
    """What it leads to would hear the caller: it is named, and not connected to."""
    visited = []

    async def trap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visited.append(True)
        writer.close()

    other = await asyncio.start_server(trap, "127.0.0.1", 0)
    elsewhere = f"127.0.0.1:{other.sockets[0].getsockname()[1]}"
    async with other, answering(http(status, b"", f"Location: ws://{elsewhere}/x")) as where:
        with pytest.raises(NotReachable, match=elsewhere):
            await open_line(f"ws://{where}/")
    assert not visited


async def test_a_silent_server_is_not_nothing() -> None:
    """It takes the connection and says nothing: that is told, not that nothing is there."""
    async with answering(None) as where:
        with pytest.raises(NotReachable, match="did not answer within"):
            await open_line(f"ws://{where}/", open_s=0.2)


@pytest.mark.parametrize(
    "url",
    [
        *("", "ws://", "http://127.0.0.1/", "127.0.0.1:80", "ws://127.0.0.1:99999/", "ws://127.0.0.1:abc/"),
        *("ws://[::1/", "ws://two words/", "ws://127.0.0.1:0/", "ws://a\x1b[31m/"),
    ],
)
async def test_an_address_that_is_none(url: str) -> None:
    """It is the caller's mistake, not a bug of ours and not a server that is down."""
    with pytest.raises(InputError, match="is not a WebSocket address") as caught:
        await open_line(url)
    assert str(caught.value).isprintable()


async def test_a_host_that_nobody_knows() -> None:
    """Told in words."""
    with pytest.raises(NotReachable, match="no such host is known"):
        await open_line("ws://nosuch.invalid/")


async def test_nothing_there() -> None:
    """A closed port is told as such, with the command that opens one."""
    async with answering(b"") as where:
        pass
    with pytest.raises(NotReachable, match="nothing takes calls") as caught:
        await open_line(f"ws://{where}/")
    assert "patter serve" in caught.value.hint
