"""Whether a public address leads to this server: asked through it, over HTTP and over a WebSocket, as a carrier would.

https://HOST/tunnel-check/TOKEN  ->  the answer that only this server knows
wss://HOST/tunnel-check/TOKEN    ->  the same, with what we sent behind it
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

from patter_cli.errors import TunnelDown, reason
from patter_cli.server.addresses import CHECK_PATH
from patter_cli.server.late_names import address_of
from patter_cli.server.proofs import Proof

PROVE_S: Final = 45.0
"""For a new address: its name is known to resolvers some seconds after it is told, sometimes half a minute."""
PAUSE_S: Final = 1.0
"""Between two tries."""
TRY_S: Final = 8.0
_ANSWER_BYTES: Final = 256

NewProof: TypeAlias = Callable[[], Awaitable[Proof | None]]
"""Asks the server for one; None: it is not there. Raises PatterError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How this machine reaches public addresses. proxy: None is what the environment says. tls: whom to trust; None is
    everybody whom the system does."""

    proxy: str | None = None
    tls: ssl.SSLContext | None = None


class NameUnknown(TunnelDown):
    """This machine's resolver does not know the host's name."""


async def prove(host: str, new_proof: NewProof, *, way: Way, within_s: float = PROVE_S) -> str:
    """Try until a round trip comes back. Returns the IP address it went to, "" where this machine resolves the name
    itself. Raises TunnelDown with the last reason and what to do."""
    loop = asyncio.get_running_loop()
    ends_at_s = loop.time() + within_s
    address = ""
    while True:
        try:
            proof = await new_proof()
            if proof is None:
                raise TunnelDown("the server is gone", hint="start it again")
            left_s = min(TRY_S, max(1.0, ends_at_s - loop.time()))
            await round_trip(host, proof, way=way, within_s=left_s, address=address)
            return address
        except TunnelDown as error:
            if isinstance(error, NameUnknown):
                address = await address_of(host.partition(":")[0])
            if loop.time() + PAUSE_S >= ends_at_s:
                raise TunnelDown(f"nothing came back within {within_s:g} s: {error}", hint=error.hint) from error
        await asyncio.sleep(PAUSE_S)


async def round_trip(host: str, proof: Proof, *, way: Way, within_s: float = TRY_S, address: str = "") -> None:
    """One try. address: where the host is; "": it is resolved. Raises TunnelDown."""
    tls = way.tls if way.tls is not None else await asyncio.to_thread(_tls)
    try:
        async with asyncio.timeout(within_s):
            await _over_http(host, address, proof, way.proxy, tls)
            await _over_websocket(host, address, proof, way.proxy, tls)
    except TimeoutError as error:
        raise TunnelDown(f"{host} does not answer within {within_s:g} s", hint=_LOOK) from error


async def _over_http(host: str, address: str, proof: Proof, proxy: str | None, tls: ssl.SSLContext) -> None:
    import httpx

    name, colon, port = host.partition(":")
    try:
        async with (
            httpx.AsyncClient(verify=tls, proxy=proxy, timeout=None) as client,
            client.stream(
                "GET",
                f"https://{address or name}{colon}{port}{CHECK_PATH}/{proof.token}",
                headers={**_HEADERS, "host": host},
                extensions={"sni_hostname": name},
            ) as response,
        ):
            body = b""
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _ANSWER_BYTES:
                    break
    except (httpx.HTTPError, OSError) as error:
        raise _unreachable(host, error) from error
    if response.status_code != 200:
        raise TunnelDown(f"https://{host} answers {response.status_code}{_meaning(response.status_code)}", hint=_LOOK)
    if body != proof.answer.encode():
        raise TunnelDown(f"another server answers at https://{host}", hint="is it the address of this machine?")


async def _over_websocket(host: str, address: str, proof: Proof, proxy: str | None, tls: ssl.SSLContext) -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import InvalidStatus, WebSocketException

    word = secrets.token_hex(8)
    at: dict[str, Any] = {"host": address} if address else {}
    try:
        async with connect(
            f"wss://{host}{CHECK_PATH}/{proof.token}",
            ssl=tls,
            proxy=proxy or True,
            open_timeout=None,
            close_timeout=0.5,
            max_size=_ANSWER_BYTES,
            user_agent_header="patter-cli",
            **at,
        ) as socket:
            await socket.send(word)
            answer = await socket.recv()
    except InvalidStatus as error:
        status = error.response.status_code
        raise TunnelDown(f"{host} lets no WebSocket through: it answers {status}", hint=_UPGRADE) from error
    except (WebSocketException, EOFError) as error:
        raise TunnelDown(f"{host} lets no WebSocket through: {reason(error)}", hint=_UPGRADE) from error
    except OSError as error:
        raise _unreachable(host, error) from error
    if answer != proof.answer + word:
        raise TunnelDown(f"another server answers at wss://{host}", hint="is it the address of this machine?")


def _unreachable(host: str, error: Exception) -> TunnelDown:
    why = reason(error)
    if why == "no such host is known":
        return NameUnknown(f"the name {host} does not resolve: {why}", hint="a new name takes a while: try it again")
    return TunnelDown(f"{host} cannot be reached: {why}", hint=_LOOK)


def _meaning(status: int) -> str:
    """What a tunnel's own statuses say. Source: Cloudflare's 1xxx errors come as 530, ngrok's as 404 and 502."""
    if status in (502, 503, 504, 530):
        return ": the tunnel is there, and nothing behind it"
    if status in (401, 403):
        return ": somebody on the way wants a login"
    return ""


_HEADERS: Final = {"user-agent": "patter-cli", "accept-encoding": "identity", "cache-control": "no-cache"}
_LOOK: Final = "look at what the tunnel says of itself, and whether a firewall or proxy is on the way"
_UPGRADE: Final = "whoever carries the address must pass WebSocket upgrades on"


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes 0.1 s."""
    import httpx

    return httpx.create_ssl_context()
