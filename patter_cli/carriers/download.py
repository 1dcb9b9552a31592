"""A file of a carrier's, streamed: large, perhaps somewhere else than its interface, and with its key or without."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import cache
from typing import Final

from patter_cli.errors import CarrierError

CONNECT_S: Final = 5.0
READ_S: Final = 30.0
"""From one piece to the next."""
LARGEST_BYTES: Final = 1 << 30
REDIRECTS: Final = 3


async def download(
    url: str, write: Callable[[bytes], object], *, carrier: str, basic: tuple[str, str] | None = None
) -> int:
    """Hand over what is there, if there is something. basic: name and password, which no other host is given.

    Returns the HTTP status: nothing was written unless it is 200. Raises CarrierError where there is no answer, or the
    connection broke in the middle; what `write` raises.
    """
    import httpx

    try:
        tls = await asyncio.to_thread(_tls)  # takes 0.1 s
        async with (
            httpx.AsyncClient(
                verify=tls,
                timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
                follow_redirects=True,
                max_redirects=REDIRECTS,
            ) as client,
            client.stream("GET", url, headers={"user-agent": "patter-cli"}, auth=basic) as response,
        ):
            if response.status_code != 200:
                return response.status_code
            taken = 0
            async for piece in response.aiter_bytes():
                taken += len(piece)
                if taken > LARGEST_BYTES:
                    raise CarrierError(f"{carrier}'s recording has more than {LARGEST_BYTES >> 30} GB")
                write(piece)
            return 200
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
        raise CarrierError(
            f"{carrier} does not hand the recording over: {str(error) or type(error).__name__}",
            hint="try it again; it is still there",
        ) from error


@cache
def _tls() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()
