"""The softphone's socket: a ticket lets one page call once, and no more than that."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from patter_cli.audio.resample import Resampler
from patter_cli.audio.wire import wire_codec
from patter_cli.carriers.browser.stream import FORMAT, BrowserLine
from patter_cli.contracts.carrier.stream import MarkOut, MediaOut
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import InputError, UnknownAgent
from patter_cli.server.softphone import Invitation
from tests.e2e.conftest import Phone, agent, answering, letters_in
from tests.e2e.site import BEARER
from tests.e2e.test_site_orders import served, site_over

SILENCE = bytes(640)
ANSWERS = Hooks(on_message=lambda event: "Yes.")


async def call(phone: Phone, invitation: Invitation, **headers: str) -> ClientConnection:
    """Open a call's socket as a page does, and start."""
    url = f"ws://127.0.0.1:{phone.server.port}{invitation.path}"
    socket = await connect(url, additional_headers=headers)
    await socket.send(BrowserLine().start(call_id=invitation.carrier_call_id, parameters={}))
    return socket


async def listen(socket: ClientConnection, long_ms: int, within_s: float = 5.0) -> bytes:
    """Play what comes, marks included, until there was so much of it."""
    line, sound = BrowserLine(), b""
    async with asyncio.timeout(within_s):
        async for text in socket:
            message = line.receive(str(text))
            if isinstance(message, MediaOut):
                sound += message.payload
                await socket.send(line.media(SILENCE, len(sound) // 32))
            elif isinstance(message, MarkOut):
                await socket.send(line.mark(message.name))
            if len(sound) >= long_ms * 32:
                return sound
    raise AssertionError("it ended before")


async def test_a_page_hears_the_agent() -> None:
    """The whole greeting at 16 kHz; the call has the softphone as its carrier."""
    async with answering({"shop": (agent("Hello there."), ANSWERS)}) as phone:
        socket = await call(phone, phone.server.softphone.invite("shop"))
        sound = wire_codec(FORMAT).decode(await listen(socket, 20 * len("Hello there.")))
        assert letters_in(Resampler(16_000, 8_000).process(sound))[:5] == "hello"
        (begun,) = phone.server.live.calls
        assert (begun.ticket.carrier, begun.ticket.caller, begun.ticket.agent) == ("browser", "browser", "shop")
        await socket.send(BrowserLine().stop())
        async with asyncio.timeout(3):
            async for _ in socket:  # until it is closed
                pass


async def test_an_invitation_is_good_once() -> None:
    """Whoever comes later is refused, whether the first call lasts or is over."""
    async with answering({"shop": (agent("Hello."), ANSWERS)}) as phone:
        invitation = phone.server.softphone.invite("shop", life_s=3600)
        socket = await call(phone, invitation)
        with pytest.raises(InvalidStatus) as refused:
            await call(phone, invitation)
        assert refused.value.response.status_code == 403
        await socket.close()
        with pytest.raises(InvalidStatus):
            await call(phone, invitation)


async def test_a_page_of_somebody_else_cannot_use_a_ticket() -> None:
    """A ticket that was seen is still no use to a foreign page, and a changed one to nobody."""
    async with answering({"shop": (agent("Hello."), ANSWERS)}) as phone:
        invitation = phone.server.softphone.invite("shop")
        with pytest.raises(InvalidStatus) as refused:
            await call(phone, invitation, Origin="https://evil.example")
        assert refused.value.response.status_code == 403
        changed = f"/ws/browser/stream/{invitation.ticket[:-1]}{'A' if invitation.ticket[-1] != 'A' else 'B'}"
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{phone.server.port}{changed}")
        await (await call(phone, invitation)).close()


async def test_nobody_is_invited_to_an_agent_that_is_not_here_or_for_ever() -> None:
    """Each is said when it is asked for."""
    async with answering({"shop": (agent("Hello."), ANSWERS)}) as phone:
        with pytest.raises(UnknownAgent):
            phone.server.softphone.invite("bank")
        for life_s in (0, -1, 8 * 24 * 3600):
            with pytest.raises(InputError):
                phone.server.softphone.invite("shop", life_s=life_s)


async def test_an_invitation_works_from_outside_without_any_carrier(tmp_path: Path) -> None:
    """Under a public host its page and its call are there, and nothing of the house; the link says that host."""
    async with served(tmp_path) as (phone, http):
        await phone.server.admit("calls.example")
        await phone.server.tell("calls.example")
        made = await http.post("/api/v1/softphone/invitations", json={"agent": "shop", "minutes": 15})
        assert made.status_code == 201
        assert (made.json()["reaches_outside"], made.json()["link"][:27]) == (True, "https://calls.example/call#")
        outside = {"host": "calls.example"}
        for path, status in {
            "/call": 200, "/assets/guest.js": 200, "/assets/../site.py": 404, "/assets/vendor": 404, "/dashboard": 404,
            "/api/v1/calls": 404, "/ws/loopback/shop": 404,
        }.items():  # fmt: skip
            assert (await http.get(path, headers=outside)).status_code == status, path
        ticket = made.json()["link"].partition("#")[2]
        socket = await connect(
            f"ws://calls.example/ws/browser/stream/{ticket}",
            host="127.0.0.1",
            port=phone.server.port,
            additional_headers={"Origin": "https://calls.example"},
        )
        await socket.close()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("calls", {"agent": "bank"}, 404),
        ("calls", {}, 400),
        ("calls", {"agent": ""}, 400),
        ("invitations", {"agent": "shop", "minutes": 0}, 400),
        ("invitations", {"agent": "shop", "minutes": 20_000}, 400),
        ("invitations", {"agent": "shop", "for": "ever"}, 400),
    ],
)
async def test_a_wish_that_cannot_be_granted(tmp_path: Path, path: str, body: dict[str, object], status: int) -> None:
    """Each is refused with a word for it."""
    async with served(tmp_path) as (_, http):
        refused = await http.post(f"/api/v1/softphone/{path}", json=body)
        assert refused.status_code == status
        assert refused.json()["message"]


async def test_an_agent_with_a_long_name_is_called_too(tmp_path: Path) -> None:
    """Whatever is served can be called from a page: a name may be as long as a file's."""
    name = "an-agent-of-" + "x" * 188
    store, site = site_over(tmp_path)
    async with answering({name: (agent("Hello."), ANSWERS)}, store=store, site=site) as phone:
        base = f"http://127.0.0.1:{phone.server.port}/api/v1"
        async with httpx.AsyncClient(headers={**BEARER, "x-patter": "1"}, trust_env=False) as http:
            for path in ("softphone/calls", "softphone/invitations"):
                made = await http.post(f"{base}/{path}", json={"agent": name})
                assert (made.status_code, made.json().get("agent")) == (201, name)
            assert (await http.post(f"{base}/softphone/calls", json={"agent": "x" * 256})).status_code == 400
            assert (await http.get(f"{base}/calls", params={"agent": name})).status_code == 200
    site.close()
