"""The public address: whether a request comes back from it, and whether it takes what the carrier signs and no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from patter_cli.contracts.carrier.carrier import Carrier, CarrierRequest
from patter_cli.contracts.carrier.examined import SignsAlike
from patter_cli.doctor.carriers import report
from patter_cli.doctor.findings import Check, Finding, in_thread, missing, off, ok
from patter_cli.errors import reason
from patter_cli.server.addresses import CHECK_PATH
from patter_cli.server.control import ask
from patter_cli.server.control_messages import AskProof
from patter_cli.server.proofs import Proof
from patter_cli.server.registration import Registration

if TYPE_CHECKING:
    import httpx

ANSWER_S: Final = 4.0
_MOST_BYTES: Final = 1 << 16


async def proof_of(server: Registration) -> Proof:
    """What only this server can answer. Raises NotReachable."""
    reply = await ask(server, AskProof())
    return Proof(token=str(reply["token"]), answer=str(reply["answer"]))


def public_address_check(
    address: str,
    carriers: Mapping[str, Carrier],
    servers: Callable[[], list[Registration]],
    *,
    base: str = "",
    new_proof: Callable[[Registration], Awaitable[Proof]] = proof_of,
) -> Check:
    """address: where carriers reach us, a host and the path under it; "": nowhere. servers: those that run. base: what
    is asked instead, "" is https:// and the address."""
    name = "webhook.address"
    base = base or f"https://{address}"

    async def look() -> list[Finding]:
        if not address:
            fix = "patter serve --tunnel, or an address of your own: WEBHOOK_URL=https://…"
            return [off(name, "none is set: only this machine reaches a server here", fix)]
        running = await in_thread(servers)
        try:
            async with _client() as client:
                found = await _round_trip(client, name, base, running, new_proof)
                if found.status.value != "ok":
                    return [found]
                return [found, *[await _webhook(client, base, each) for each in carriers.values() if not each.local]]
        except Exception as error:
            if not _is_http(error):
                raise
            return [missing(name, f"{base} cannot be reached: {reason(error)}", "look at its DNS, proxy or tunnel")]

    return Check(name=name, look=look)


async def _round_trip(
    client: httpx.AsyncClient,
    name: str,
    base: str,
    running: list[Registration],
    new_proof: Callable[[Registration], Awaitable[Proof]],
) -> Finding:
    """Ask for what only a server of ours can answer: whatever else a host shows may be anybody's."""
    for server in running:
        proof = await new_proof(server)
        status, told = await _asked(client, "GET", f"{base}{CHECK_PATH}/{proof.token}")
        if status == 200 and told.decode(errors="replace").strip() == proof.answer:
            return ok(name, f"{base} leads to the server on port {server.port}")
    if not running:
        status, _ = await _asked(client, "GET", f"{base}{CHECK_PATH}/nobody")
        return off(name, f"{base} answers {status}; no server of yours runs here that it could lead to", "patter serve")
    return missing(
        name,
        f"{base} answers {status}, which is not what the server here would",
        "lead it to the port that patter serve listens on",
    )


async def _webhook(client: httpx.AsyncClient, base: str, carrier: Carrier) -> Finding:
    """Post a report about no call: unsigned, then signed where we can sign as the carrier does."""
    name = f"webhook.{carrier.name}"
    request = report(carrier.name, base)
    status, _ = await _posted(client, request)
    if status == 404:
        return missing(name, "the server there does not know this carrier", "start it with the carrier's keys set")
    if status == 503:
        return missing(name, "the server there has no keys to check signatures with", "start it with all of them set")
    if status != 403:
        return missing(name, f"what nobody signed is answered {status}, not 403", "serve with signatures required")
    if not isinstance(carrier, SignsAlike):
        return ok(name, "what nobody signed is refused")
    signed = replace(request, headers={**request.headers, **carrier.sign(request)})
    status, _ = await _posted(client, signed)
    if status == 403:
        return missing(
            name,
            f"what is signed for {base} is refused: the server there has another secret, or knows itself by another "
            "address",
            f"start it with the keys that are set here, and WEBHOOK_URL={base}",
        )
    if status != 200:
        return missing(name, f"what is signed is answered {status}", "look into the server's log")
    return ok(name, "what is signed is taken, what nobody signed is refused")


async def _posted(client: httpx.AsyncClient, request: CarrierRequest) -> tuple[int, bytes]:
    return await _asked(client, request.method, request.url, content=request.body, headers=dict(request.headers))


async def _asked(client: httpx.AsyncClient, method: str, url: str, **more: Any) -> tuple[int, bytes]:
    """The status, and the beginning of what is said."""
    async with client.stream(method, url, **more) as response:
        said = bytearray()
        async for chunk in response.aiter_raw():
            said += chunk
            if len(said) > _MOST_BYTES:
                break
    return response.status_code, bytes(said)


def _client() -> httpx.AsyncClient:
    import httpx

    return httpx.AsyncClient(timeout=ANSWER_S, headers={"accept-encoding": "identity", "user-agent": "patter-cli"})


def _is_http(error: Exception) -> bool:
    import httpx

    return isinstance(error, httpx.HTTPError)
