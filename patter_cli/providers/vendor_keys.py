"""A key tried, and a connection opened, by a question that costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from patter_cli.providers.http import ERROR_BYTES, Server, pooled_client, refusal, start_of, translated

TRY_S = 5.0


async def try_address(server: Server, path: str, headers: Mapping[str, str]) -> None:
    """GET an address that wants the key. Raises ProviderError."""
    await answer_of(server, path, headers, ERROR_BYTES)


async def answer_of(server: Server, path: str, headers: Mapping[str, str], limit: int) -> bytes:
    """The same, and the first `limit` bytes of what it says. Raises ProviderError."""
    client = await pooled_client()
    with translated(server):
        async with (
            asyncio.timeout(TRY_S),
            client.stream("GET", server.base_url + path, headers=dict(headers)) as response,
        ):
            said = await start_of(response.aiter_raw(), limit if response.status_code == 200 else ERROR_BYTES)
    if response.status_code != 200:
        raise refusal(server, response.status_code, dict(response.headers), said)
    return said
