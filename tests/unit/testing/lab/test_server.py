"""What every lab carrier has: its port, its webhooks, its faults."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve

from patter_cli.testing.lab.call import LabCall
from patter_cli.testing.lab.faults import Faults
from patter_cli.testing.lab.http import LOST, LabReply, LabRequest, WebServer, json_reply
from patter_cli.testing.lab.people import Person
from patter_cli.testing.lab.server import CarrierLab


class Echo(CarrierLab):
    """A carrier that answers with what it was asked."""

    async def answer(self, request: LabRequest) -> LabReply:
        if request.path == "/oops":
            raise ValueError("a bug")
        return json_reply(200, [request.method, request.path, request.query, request.body.decode()])

    def ring(self, number: str, person: Person, *, caller: str = "") -> LabCall:
        raise NotImplementedError


class Office:
    """A web server of ours at phone.example."""

    def __init__(self) -> None:
        self.got: list[LabRequest] = []
        self.web = WebServer(self._take)

    async def _take(self, request: LabRequest) -> LabReply:
        self.got.append(request)
        return LabReply(body=b"thanks", headers={"content-type": "text/plain"})

    async def __aenter__(self) -> Office:
        await self.web.start()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.web.stop()


async def test_it_is_asked_over_http() -> None:
    """One connection for several requests; escapes are undone in the path alone; everything is written down."""
    async with Echo() as lab, httpx.AsyncClient(base_url=lab.base_url) as client:
        for _ in range(3):
            reply = await client.post("/a%20b?x=%2B1&y=", content=b"To=%2B1")
        assert reply.json() == ["POST", "/a b", "x=%2B1&y=", "To=%2B1"]
        assert (await client.head("/")).content == b""
        assert [each.method for each in lab.asked] == ["POST", "POST", "POST", "HEAD"]
        assert (await client.get("/oops")).status_code == 500


async def test_garbage_ends_a_connection_and_nothing_else() -> None:
    """Whoever connects, and whatever they send."""
    async with Echo() as lab:
        for garbage in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n", b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(lab.base_url.rpartition(":")[2]))
            writer.write(garbage)
            writer.write_eof()
            assert not (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
        async with httpx.AsyncClient() as client:
            assert (await client.get(lab.base_url)).status_code == 200


async def test_answers_get_lost_and_replaced() -> None:
    """Before anything is done, with answer_next; after it was, with lose_answers."""
    async with Echo() as lab, httpx.AsyncClient(base_url=lab.base_url) as client:
        lab.answer_next(json_reply(503, {}), LOST)
        assert (await client.get("/")).status_code == 503
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get("/")
            lab.lose_answers()
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/")
        assert (await client.get("/")).status_code == 200


async def test_webhooks_go_where_a_host_really_is() -> None:
    """By its public name in the request; one that is nowhere is a status of 0, and is told."""
    async with Office() as office, Echo(reach={"phone.example": office.web.port, "gone.example": 1}) as lab:
        posted = await lab.post("https://phone.example/hook?a=1#rc=2", {"x-signed": "yes"}, b"a=b")
        assert (posted.status, posted.reply, posted.content_type) == (200, b"thanks", "text/plain")
        (got,) = office.got
        assert (got.path, got.query, got.body) == ("/hook", "a=1", b"a=b")
        assert (got.headers["host"], got.headers["x-signed"]) == ("phone.example", "yes")
        assert (await lab.post("https://gone.example/", {}, b"")).status == 0
        assert len(lab.warnings) == 1


async def test_reports_are_doubled_mixed_up_and_lost() -> None:
    """As the faults say; on a good day they come once each and in order."""

    async def order(faults: Faults) -> list[str]:
        async with Office() as office, Echo(reach={"phone.example": office.web.port}, faults=faults) as lab:
            task: asyncio.Task[Any] | None = None
            tasks = []
            for number in range(6):
                body = str(number).encode()
                task = lab.report(lambda body=body: lab.post("https://phone.example/", {}, body), task)  # type: ignore[misc]
                tasks.append(task)
            await asyncio.wait(tasks)
            return [each.body.decode() for each in office.got]

    assert await order(Faults()) == list("012345")
    assert await order(Faults(report_copies=2)) == list("001122334455")
    assert await order(Faults(report_copies=0)) == []
    mixed = await order(Faults(report_delay_s=0.1))
    assert mixed != list("012345")
    assert sorted(mixed) == list("012345")


async def test_a_media_socket_is_opened_by_its_public_name() -> None:
    """Also a wss:// one of a host that is a port of this machine."""
    seen: list[tuple[str, str, str]] = []

    async def take(socket: ServerConnection) -> None:
        request = socket.request
        assert request is not None
        seen.append((request.path, request.headers["host"], request.headers["x-signed"]))

    async with serve(take, "127.0.0.1", 0) as server, Echo() as lab:
        lab.reach["phone.example"] = next(iter(server.sockets)).getsockname()[1]
        async with await lab.open_stream("wss://phone.example/ws/token", {"x-signed": "yes"}) as socket:
            await socket.wait_closed()
    assert seen == [("/ws/token", "phone.example", "yes")]


async def test_a_bug_of_the_lab_is_told() -> None:
    """When it stops, to whoever runs it."""

    async def bug() -> None:
        raise ZeroDivisionError

    lab = Echo()
    await lab.start()
    lab.spawn(bug())
    await asyncio.sleep(0.01)
    with pytest.raises(ZeroDivisionError):
        await lab.stop()
