"""A call that was told of a moment ago is found, though it is not written down yet; and nobody else waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette

from patter_cli.web.endpoint import Asked, Endpoint, Facts, NotFound, Threads, route


@pytest.fixture
async def asking() -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """A client of endpoints."""
    threads = Threads()
    yield lambda *endpoints: httpx.AsyncClient(
        transport=httpx.ASGITransport(app=Starlette(routes=[route(each, threads) for each in endpoints])),
        base_url="http://here/api/v1",
    )
    threads.close()


class Disk:
    """written_after: so many questions later it has the call."""

    def __init__(self, written_after: int) -> None:
        self.asked = 0
        self.written_after = written_after

    def read(self, asked: Asked) -> Facts:
        self.asked += 1
        if self.asked <= self.written_after:
            raise NotFound("there is no such call")
        return {"found": True}

    def endpoint(self, path: str = "/young", *, young: bool = True) -> Endpoint:
        return Endpoint(method="GET", path=path, name=path, summary="", read=self.read, young=young)


@pytest.mark.parametrize(
    ("written_after", "young", "status", "asked"),
    [(0, True, 200, 1), (1, True, 200, 2), (9, True, 404, 2), (1, False, 404, 1)],
)
async def test_what_is_not_found_is_looked_for_once_more(
    asking: Callable[..., httpx.AsyncClient], written_after: int, young: bool, status: int, asked: int
) -> None:
    """Where it may be young, and not for ever."""
    disk = Disk(written_after)
    async with asking(disk.endpoint(young=young)) as http:
        assert (await http.get("/young")).status_code == status
    assert disk.asked == asked


async def test_nobody_else_waits_for_it(asking: Callable[..., httpx.AsyncClient]) -> None:
    """Many who ask for calls that there are not hold up no question that has an answer."""
    nothing, kept = Disk(1000), Disk(0)
    done: list[str] = []
    async with asking(nothing.endpoint("/nothing"), kept.endpoint("/kept")) as http:

        async def ask(path: str) -> None:
            await http.get(path)
            done.append(path)

        await asyncio.gather(*(ask("/nothing") for _ in range(12)), ask("/kept"))
    assert done[0] == "/kept"
