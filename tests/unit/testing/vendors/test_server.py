"""The vendor lab's own place: a strange client of each kind gets what the script says, faults and all."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from patter_cli.testing.vendors.faults import Fault, talk_with_fault, with_fault
from patter_cli.testing.vendors.server import Answer, Request, Talk, in_json, serve, streamed
from patter_cli.testing.vendors.sockets import LabSocket
from patter_cli.testing.vendors.tls import lab_tls


async def echo(socket: LabSocket) -> None:
    """Says everything back."""
    async for message in socket:
        await socket.send(message)


def both(request: Request) -> Answer | Talk:
    """Echoes on a socket, tells a visitor what they asked."""
    if request.wants_socket:
        return echo if request.query.get("key") == "good" else in_json({"error": "no"}, 401)
    return in_json({"path": request.path, "query": request.query, "body": request.body.decode()})


async def test_one_port_speaks_both() -> None:
    """A plain request, a socket and a refused socket, as a vendor has them on one host."""
    async with serve(both, path="") as lab, httpx.AsyncClient() as client:
        told = (await client.post(f"{lab.url}/a%20b?x=1", content=b"hello")).json()
        assert told == {"path": "/a b", "query": {"x": "1"}, "body": "hello"}
        wanted = [Subprotocol("token"), Subprotocol("secret")]
        async with connect(f"{lab.socket_url}/listen?key=good", subprotocols=wanted) as socket:
            assert socket.subprotocol == "token"
            for message in ("grüß dich", b"\x00\xff" * 40_000, ""):
                await socket.send(message)
                assert await socket.recv() == message
        with pytest.raises(InvalidStatus):
            await connect(f"{lab.socket_url}/listen?key=bad")
        await asyncio.wait_for(lab.requests[1].gone.wait(), 1)


async def test_a_chunked_body_is_read() -> None:
    """As of a client that does not know how much it will say."""

    async def pieces() -> object:
        yield b"in "
        yield b"pieces"

    async with serve(both, path="") as lab, httpx.AsyncClient() as client:
        assert (await client.post(lab.url, content=pieces())).json()["body"] == "in pieces"  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.LEAVES, Fault.GARBAGE, Fault.ERROR_INSIDE, Fault.STALLS])
async def test_a_socket_goes_wrong_after_its_first_message(fault: Fault) -> None:
    """One message comes through, then what the fault says."""
    async with serve([talk_with_fault(echo, fault, b"failed")]) as lab, connect(lab.socket_url) as socket:
        await socket.send("one")
        await socket.send("two")
        assert await socket.recv() == "one"
        match fault:
            case Fault.STALLS:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(socket.recv(), 0.05)
                socket.transport.abort()
            case Fault.CUT | Fault.LEAVES:
                with pytest.raises(ConnectionClosed):
                    await socket.recv()
            case _:
                assert await socket.recv() not in ("one", "two")
                assert await socket.recv() == "two"


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.LEAVES])
async def test_an_answer_breaks_off_in_the_middle(fault: Fault) -> None:
    """The half comes, and the end does not."""
    answer = with_fault(streamed(b"one", b"two"), fault)
    async with serve([answer]) as lab, httpx.AsyncClient() as client:
        with pytest.raises(httpx.TransportError):
            await client.get(lab.url)


async def test_a_trickle_is_whole() -> None:
    """Byte by byte the same comes."""
    async with serve([with_fault(streamed("Grüße".encode()), Fault.TRICKLE)]) as lab, httpx.AsyncClient() as client:
        assert (await client.get(lab.url)).text == "Grüße"


async def test_it_can_be_met_over_tls(tmp_path: Path) -> None:
    """With a certificate that a client must be told to trust."""
    async with serve(both, path="", tls=lab_tls(tmp_path)) as lab:
        trusting = ssl.create_default_context(cafile=tmp_path / "lab.pem")
        async with httpx.AsyncClient(verify=trusting) as client:
            assert (await client.get(f"{lab.url}/x")).json()["path"] == "/x"
        async with connect(f"{lab.socket_url}/listen?key=good", ssl=trusting) as socket:
            await socket.send("over TLS")
            assert await socket.recv() == "over TLS"
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(lab.url)
