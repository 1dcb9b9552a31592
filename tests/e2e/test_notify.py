"""Call events reach somebody's own server: signed, once under each id, and again until they are taken."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from patter_cli import wiring
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import RecordingReady
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import Direction
from patter_cli.core.plan import CallPlan
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.webhook import verify_webhook
from patter_cli.errors import BadSetting
from patter_cli.observe.notices import KINDS
from patter_cli.observe.notify import Notifier, NotifySettings
from patter_cli.server.service import ServiceSettings
from patter_cli.settings import Settings
from patter_cli.testing import FarEnd, VirtualCall
from patter_cli.web.call_events import EVENTS
from tests.e2e.conftest import LOUDNESS, Caller, Log, Phone, agent
from tests.e2e.test_webhook_tools import BackEnd, answer, back_end

SECRET = "a shared secret"
PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello.")

pytestmark = pytest.mark.usefixtures("quiet_log")


def notifier(peer: BackEnd, *events: str, **more: Any) -> Notifier:
    url = f"http://127.0.0.1:{peer.port}/patter"
    settings = NotifySettings(url=url, secret=SECRET, events=events or ("started", "ended"), allow_private=True)
    return Notifier(settings, **more)


def entries(call: VirtualCall) -> list[Entry]:
    """Of a call that was run, with the usage that comes last."""
    used = fact.LineUsed(carrier="virtual", direction=Direction.INBOUND, duration_ms=call.now)
    told = [Entry(at=at, event=event, commands=commands) for at, event, commands in call.log]
    return [*told, Entry(at=call.now, event=used, commands=())]


def held() -> list[Entry]:
    call = VirtualCall(PLAN, ("We open at nine.",))
    call.says("When do you open?", at=4000, lasts_ms=1000)
    call.tells(fact.HangUpRequested(), at=12_000)
    call.run()
    return entries(call)


async def told(peer: BackEnd, count: int) -> list[dict[str, Any]]:
    """The bodies of so many requests, as soon as they are there."""
    for _ in range(400):
        if len(peer.asked) >= count:
            break
        await asyncio.sleep(0.02)
    assert len(peer.asked) == count
    return [json.loads(each.body) for each in peer.asked]


async def test_a_served_call_is_told(tmp_path: Path) -> None:
    """That it began, and how it ended: who said what, how long, what it cost; signed, and under an id of its own."""
    async with back_end() as peer:
        settings = Settings(
            notify_url=f"http://127.0.0.1:{peer.port}/patter", notify_private=True, webhook_secret=SECRET,
            notify_events=("started", "answered", "ended"),
        )  # fmt: skip
        log = Log()
        ready = wiring.ready_agent("shop", agent("Hello."), Hooks(on_message=lambda event: "We open at nine."))
        service = wiring.service(
            {"shop": ready}, store=None, observers=(log,), voice=LOUDNESS, notifier=wiring.notifier(settings),
            settings=ServiceSettings(port=0, drain_timeout_s=0.0),
        )  # fmt: skip
        await service.start()
        async with Caller(Phone(service, log), "shop") as caller:
            await caller.until_heard("hello.")
            await caller.say("What are your opening hours?")
            await caller.until_heard("we open at nine.")
        bodies = await told(peer, 3)
        await service.stop()
    by_event = {each["event"]: each for each in bodies}
    assert set(by_event) == {"call.started", "call.answered", "call.ended"}
    ended = by_event["call.ended"]
    assert (ended["call"]["agent"], ended["call"]["direction"]) == ("shop", "inbound")
    assert (ended["outcome"], ended["turns"], ended["known_usd"]) == ("answered", 1, 0.0)
    assert [each["text"] for each in ended["transcript"]][1:2] == ["What are your opening hours?"]
    assert ended["duration_s"] > 0.5
    for asked, body in zip(peer.asked, bodies, strict=True):
        assert verify_webhook(SECRET, asked.headers, asked.body)
        assert asked.headers["idempotency-key"] == body["id"] == f"{body['call']['call_id']}:{body['event'][5:]}"


async def test_what_is_not_taken_is_told_again() -> None:
    """Busy, broken, gone: later, under the same id, with the count of tries; taken once it is taken."""
    async with back_end(answer(503), None, answer(429, b"{}", "text/plain", "Retry-After: 0"), answer()) as peer:
        telling = notifier(peer, "ended", first_pause_s=0.02)
        for entry in held():
            telling("C1", entry)
        bodies = await told(peer, 4)
        assert [each["attempt"] for each in bodies] == [1, 2, 3, 4]
        assert {each["id"] for each in bodies} == {"C1:ended"}
        assert await asyncio.to_thread(telling.close, 2.0) == 0
        assert 'patter_notices_total{event="call.ended",result="taken"} 1' in list(telling.sent.lines())


@pytest.mark.parametrize("status", [400, 401, 404, 410])
async def test_what_is_refused_is_not_told_again(status: int) -> None:
    """Whoever says no means it."""
    async with back_end(answer(status)) as peer:
        telling = notifier(peer, "ended", first_pause_s=0.01)
        for entry in held():
            telling("C1", entry)
        await told(peer, 1)
        assert await asyncio.to_thread(telling.close, 2.0) == 0
        assert 'patter_notices_total{event="call.ended",result="refused"} 1' in list(telling.sent.lines())
        assert len(peer.asked) == 1


async def test_nobody_waits_for_a_server_that_hangs() -> None:
    """The bus is told back at once, and a stop takes no longer than it may; what was not sent is counted."""
    async with back_end(b"silence") as peer:
        telling = notifier(peer)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(50):
            for entry in held()[:3]:
                telling(f"C{number}", entry)
        assert loop.time() - began < 2.0
        await asyncio.wait_for(peer.waiting.wait(), 5)
        assert await asyncio.to_thread(telling.close, 0.2) == 50
        assert await asyncio.to_thread(telling.close, 5.0) == 0  # at once


async def test_every_kind_of_event() -> None:
    """A call that is put through, and one that nobody picks up; a recording is told after the end."""
    async with back_end() as peer:
        telling = notifier(peer, *KINDS)
        call = VirtualCall(PLAN)
        call.tells(fact.PutThroughRequested(number="+15550142"), at=4000)
        call.run()
        recorded = RecordingReady(recording_id="R1", url="https://carrier.example/R1", duration_ms=1000)
        for entry in [*entries(call), Entry(at=call.now, event=recorded, commands=())]:
            telling("C1", entry)
        bodies = {each["event"]: each for each in await told(peer, 5)}
        assert set(bodies) == {f"call.{each}" for each in KINDS} == set(EVENTS)
        for name, body in bodies.items():
            EVENTS[name].model_validate(body, strict=True)  # as docs/openapi.json says
            assert (body["call"]["agent"], body["call"]["call_id"]) == ("shop", "C1")
            assert body["time"] is not None
        assert bodies["call.transferred"]["number"] == "+15550142"
        assert bodies["call.recorded"]["url"] == "https://carrier.example/R1"
        peer.asked.clear()
        telling("C0", Entry(at=1000, event=recorded, commands=()))  # of a call that another process held
        (body,) = await told(peer, 1)
        assert (body["call"], body["time"], body["url"]) == ({"call_id": "C0"}, None, "https://carrier.example/R1")
        EVENTS["call.recorded"].model_validate(body, strict=True)
        peer.asked.clear()
        nobody = VirtualCall(PLAN, far_end=FarEnd(answers_ms=None, ring_timeout_ms=5000))
        nobody.run()
        for at, event, commands in nobody.log:
            telling("C2", Entry(at=at, event=event, commands=commands))
        bodies = {each["event"]: each for each in await told(peer, 2)}
        assert (bodies["call.ended"]["outcome"], bodies["call.ended"]["duration_s"]) == ("no_answer", 0.0)
        assert all(EVENTS[name].model_validate(body) for name, body in bodies.items())
        await asyncio.to_thread(telling.close, 2.0)


async def test_a_name_that_leads_into_our_network_gets_nothing() -> None:
    """The name looks public, and its address is this machine's: nothing is connected to."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with back_end() as peer:
        settings = NotifySettings(url="https://rebind.example.com/x", secret=SECRET)
        telling = Notifier(settings, resolve=resolve, first_pause_s=0.01)
        for entry in held():
            telling("C1", entry)
        await asyncio.sleep(0.2)
        assert await asyncio.to_thread(telling.close, 0.1) == 2
        assert peer.connections == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"notify_url": "http://example.com/x"}, "only https"),
        ({"notify_url": "https://10.0.0.1/x"}, "this machine or its network"),
        ({"notify_url": "https://user:pass@example.com/"}, "names a user"),
        ({"notify_url": "ftp://example.com"}, "not an https address"),
        ({"notify_url": "https://example.com/x", "webhook_secret": ""}, "no secret"),
        ({"notify_url": "https://example.com/x", "notify_events": ("ended", "begun")}, "'begun'"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], said: str) -> None:
    """Are refused before the first call, with what to do."""
    with pytest.raises(BadSetting, match=said) as refused:
        wiring.notifier(Settings(**{"webhook_secret": SECRET, **settings}))
    assert refused.value.hint
    assert "pass" not in str(refused.value)


def test_nobody_is_told_unless_asked_for() -> None:
    """Without an address there is nothing that sends."""
    assert wiring.notifier(Settings(webhook_secret=SECRET)) is None
