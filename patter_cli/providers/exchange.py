"""One request to a language model's server and its streamed reply, from the socket to deltas. The same for all."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from patter_cli.contracts.llm import Delta
from patter_cli.errors import BadReply, PatterError, ProviderError, TimedOut, Unavailable
from patter_cli.providers.http import ERROR_BYTES, Server, error_inside, pooled_client, refusal, start_of, translated
from patter_cli.providers.reply import ErrorInside, Reader
from patter_cli.providers.sse import EventDecoder, EventTooLong, ServerEvent

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

TOTAL_S = 60.0
"""A whole reply; the engine gives up on a silent one long before."""
AFTERWARDS_S = 0.5
"""When the reply is over: for its usage and the end of the body, without which the connection is not used again."""
ERROR_BODY_S = 2.0
"""For the words of an error; the status alone says enough."""
WARM_S = 5.0
MODELS_BYTES = 1 << 20
"""The most that is read of the list of models: all of it, so that the connection stays open."""


async def warm(server: Server, path: str = "/models") -> None:
    """Open a connection and leave it in the pool. Nothing is raised: the first request will tell."""
    try:
        client = await pooled_client()
        with translated(server):
            async with (
                asyncio.timeout(WARM_S),
                client.stream("GET", f"{server.base_url}{path}", headers=server.headers) as response,
            ):
                await start_of(response.aiter_raw(), MODELS_BYTES)
    except PatterError as error:
        log.info("no connection ahead of the first call: %s", error)


async def ask(server: Server, path: str) -> None:
    """A question that costs nothing, and is refused without a good key. Raises ProviderError."""
    client = await pooled_client()
    with translated(server):
        async with (
            asyncio.timeout(WARM_S),
            client.stream("GET", f"{server.base_url}{path}", headers=server.headers) as response,
        ):
            said = await start_of(response.aiter_raw(), ERROR_BYTES)
    if response.status_code != 200:
        raise refusal(server, response.status_code, dict(response.headers), said)


async def exchange(server: Server, path: str, body: Mapping[str, Any], reader: Reader) -> AsyncGenerator[Delta, None]:
    """Send the body, read the reply. The response is closed at once, whichever way this ends. Raises ProviderError.

    path: behind the server's base address. body: of it, what is None is not sent.
    """
    client = await pooled_client()
    clock = asyncio.get_running_loop().time
    deadline = clock() + TOTAL_S
    response = await _post(client, server, path, body, deadline)
    try:
        await _require_stream(server, response)
        chunks = response.aiter_raw()
        decoder = EventDecoder()
        done = half = False
        while not done:
            if reader.finished:
                deadline = min(deadline, clock() + AFTERWARDS_S)
            try:
                chunk = await _next_chunk(server, chunks, deadline)
            except (TimedOut, Unavailable):
                if reader.finished:
                    break
                raise
            for event in _events(server, decoder, chunk):
                try:
                    deltas = reader.push(event.data)
                except ErrorInside as error:
                    raise error_inside(server, error.value) from None
                except BadReply:
                    if chunk is not None:
                        raise
                    half = True
                    break  # half an event before the end of the body: not nonsense, but cut off
                for delta in deltas:
                    yield delta
                if reader.over:
                    break
            done = reader.over or chunk is None
        if not reader.finished and (half or reader.ends or not reader.begun):
            raise Unavailable(f"{server.host} broke its reply off", provider=server.provider)
        for delta in reader.end():
            yield delta
        deadline = min(deadline, clock() + AFTERWARDS_S)
        try:
            while await _next_chunk(server, chunks, deadline):
                pass
        except (TimedOut, Unavailable):
            pass
    finally:
        await response.aclose()


async def _post(
    client: httpx.AsyncClient, server: Server, path: str, body: Mapping[str, Any], deadline: float
) -> httpx.Response:
    given = {name: value for name, value in body.items() if value is not None}
    content = json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    headers = {**server.headers, "content-type": "application/json", "accept": "text/event-stream"}
    with translated(server):
        request = client.build_request("POST", f"{server.base_url}{path}", content=content, headers=headers)
        async with asyncio.timeout_at(deadline):
            return await client.send(request, stream=True)


async def _require_stream(server: Server, response: httpx.Response) -> None:
    """Raise what the response stands for, unless it is a stream of events."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    packed = response.headers.get("content-encoding", "identity").lower() != "identity"
    if response.status_code == 200 and kind not in ("application/json", "text/html") and not packed:
        return
    said = b""
    try:
        with translated(server):
            async with asyncio.timeout(ERROR_BODY_S):
                said = await start_of(response.aiter_raw(), ERROR_BYTES)
    except ProviderError:
        pass
    if response.status_code != 200:
        raise refusal(server, response.status_code, response.headers, said)
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and answer.get("error"):
        raise error_inside(server, answer["error"])
    raise BadReply(
        f"{server.host} answered with {'packed ' if packed else ''}{kind or 'something'} instead of a stream",
        provider=server.provider,
        hint="check the base_url: it usually ends in /v1",
    )


async def _next_chunk(server: Server, chunks: AsyncIterator[bytes], deadline: float) -> bytes | None:
    """The next bytes of the body, None at its end."""
    with translated(server):
        async with asyncio.timeout_at(deadline):
            return await anext(chunks, None)


def _events(server: Server, decoder: EventDecoder, chunk: bytes | None) -> list[ServerEvent]:
    try:
        return decoder.end() if chunk is None else decoder.push(chunk)
    except EventTooLong as error:
        raise BadReply(f"{server.host} sent {error}", provider=server.provider) from error
