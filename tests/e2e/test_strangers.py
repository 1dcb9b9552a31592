"""Whoever finds the public host: no agent starts for them, no vendor hears of them, and calls go on meanwhile."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from patter_cli.carriers.telnyx import webhook as telnyx_webhook
from patter_cli.carriers.twilio.webhook import signature
from tests.contract.twilio_api import TOKEN
from tests.e2e.two_carriers import (
    FORM,
    HOST,
    TELNYX_VOICE,
    TWILIO_VOICE,
    Front,
    front,
    incoming_on_telnyx,
    incoming_on_twilio,
    telnyx_post,
    telnyx_signed,
    twilio_post,
)
from tests.memory import kept_bytes

REFUSED = {403, 404, 421, 431}

pytestmark = pytest.mark.usefixtures("quiet_log")


def signed_stream(path: str, token: str = TOKEN) -> dict[str, str]:
    return {"x-twilio-signature": signature(f"wss://{HOST}{path}", token)}


def forgeries(twilio: str, telnyx: str, used: str, foreign: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Upgrades that must all fail, for ever: path and headers. The paths given are of streams that wait for their
    carrier, of one that has begun, and of another server."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    where = 0
    while True:
        where += 7
        for path in (twilio, telnyx):
            at = len("/ws/twilio/stream/") + where % (len(path) - len("/ws/twilio/stream/"))
            altered = path[:at] + letters[(letters.index(path[at]) + 1 + where % 60) % len(letters)] + path[at + 1 :]
            if altered != path:
                yield altered, signed_stream(altered)
            yield path[:at], signed_stream(path[:at])
            yield path + letters[where % len(letters)], signed_stream(path)
        yield twilio, {}
        yield twilio, signed_stream(twilio, "guessed")
        yield twilio, signed_stream(telnyx)
        yield twilio.replace("twilio", "telnyx"), {}
        yield telnyx.replace("telnyx", "twilio"), signed_stream(telnyx.replace("telnyx", "twilio"))
        yield telnyx, {"origin": "https://evil.example"}
        yield telnyx, {"host": "evil.example"}
        yield telnyx, {"host": f"evil@{HOST}"}
        yield used, signed_stream(used)
        yield foreign, signed_stream(foreign)
        yield f"/ws/telnyx/stream/{'A' * (where % 9000)}", {}
        yield f"/ws/telnyx/stream/x?token={telnyx.rpartition('/')[2]}", {}
        yield telnyx.replace("/stream/", "/stream/%2e%2e/"), {}
        yield telnyx.replace("/stream/", "//stream/"), {}
        yield "/ws/loopback/shop", {}
        yield "/ws/loopback/shop", {"host": "localhost"}


async def crowd(here: Front, tries: Iterator[tuple[str, dict[str, str]]], count: int) -> set[int]:
    """So many upgrades, twenty at a time; returns how they were answered."""
    statuses: list[int] = []

    async def stranger() -> None:
        while len(statuses) < count:
            statuses.append(await here.upgrade(*next(tries)))

    await asyncio.gather(*(stranger() for _ in range(20)))
    return set(statuses)


async def test_ten_thousand_upgrades_of_strangers() -> None:
    """No, old, altered, used and borrowed tickets, with every signature but the right one: not one agent is started,
    no vendor and no carrier contacted, nothing kept of them, and a caller talks meanwhile."""
    async with front() as elsewhere:
        foreign = await elsewhere.twilio_stream(1)
    async with front() as here:
        used = await here.twilio_stream(2)
        async with here.twilio_line(used, 2) as line:
            assert await line.wait_for(lambda: line._handset.has_heard("hello caller."), 8.0)  # type: ignore[union-attr]
            tries = forgeries(await here.twilio_stream(3), await here.telnyx_stream(4), used, foreign)
            assert await crowd(here, tries, 500) <= REFUSED
            before = here.contacts
            size = kept_bytes()
            assert await crowd(here, tries, 9_500) <= REFUSED
            assert kept_bytes() - size < 10 << 20
            assert here.contacts == before
            # A slow machine's crowd takes longer than we wait for a carrier's own stream: that call is hung up then.
            assert set(here.telnyx_api.verbs) <= {"answer", "hangup"}
            assert len(here.log.calls) == here.service.live.count == 1
            assert line.ended is None


async def test_a_ticket_that_strangers_tried_is_as_good_as_before() -> None:
    """Whatever was wrong with their upgrade, they have not used it up for its carrier."""
    async with front() as here:
        twilio, telnyx = await here.twilio_stream(3), await here.telnyx_stream(4)
        assert (
            await crowd(here, forgeries(twilio, telnyx, "/ws/twilio/stream/x", "/ws/telnyx/stream/y"), 200) <= REFUSED
        )
        async with here.twilio_line(twilio, 3) as line, here.telnyx_line(telnyx, 4):
            assert await line.wait_for(lambda: here.service.live.count == 2, 5.0)


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_webhook_that_comes_a_hundred_times_at_once(carrier: str) -> None:
    """One call, equal bytes back; and the same again when that call has long begun, with no second one."""
    async with front() as here:

        async def post() -> tuple[int, bytes]:
            if carrier == "twilio":
                return await here.twilio(incoming_on_twilio(7))
            return await here.telnyx("call.initiated", **incoming_on_telnyx(7))

        replies = await asyncio.gather(*(post() for _ in range(100)))
        assert len(set(replies)) == 1
        assert replies[0][0] == 200
        if carrier == "twilio":
            path = await here.twilio_stream(7)
            line = here.twilio_line(path, 7)
        else:
            path = await here.telnyx_stream(7)
            line = here.telnyx_line(path, 7)
        async with line:
            assert await line.wait_for(lambda: line._handset.has_heard("hello caller."), 8.0)  # type: ignore[union-attr]
            assert set(await asyncio.gather(*(post() for _ in range(20)))) == {replies[0]}
            assert here.service.live.count == len(here.log.calls) == 1
            assert [asked.path.rpartition("/")[2] for asked in here.telnyx_api.asked] == (
                [] if carrier == "twilio" else ["answer"]
            )


GOOD_TWILIO, GOOD_BODY = twilio_post(incoming_on_twilio(9))
MANY = "&".join(f"f{n}=" for n in range(20_000)).encode()
NESTED = b'{"data":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
LONG = json.dumps({"data": {"event_type": "call.initiated", "payload": {"from": "x" * 65_000}}}).encode()

Row = tuple[str, str, dict[str, str], bytes, set[int]]
WRONG: dict[str, Row] = {
    # What is not there.
    "the root": ("GET", "/", {}, b"", {404}),
    "documents": ("GET", "/docs", {}, b"", {404}),
    "a schema": ("GET", "/openapi.json", {}, b"", {404}),
    "a dashboard": ("GET", "/dashboard", {}, b"", {404}),
    "calls": ("GET", "/api/v1/calls", {}, b"", {404}),
    "metrics": ("GET", "/metrics", {}, b"", {404}),
    "secrets": ("GET", "/.env", {}, b"", {404}),
    "up the tree": ("GET", "/webhooks/../../etc/passwd", {}, b"", {404}),
    "up the tree, escaped": ("GET", "/webhooks/%2e%2e/%2e%2e/etc/passwd", {}, b"", {404, 405}),
    "a zero in the path": ("POST", "/webhooks/twilio/voice%00", GOOD_TWILIO, GOOD_BODY, {403}),
    "no carrier's": ("POST", "/webhooks/nobody/voice", GOOD_TWILIO, GOOD_BODY, {404}),
    "the built-in line's": ("POST", "/webhooks/loopback/voice", GOOD_TWILIO, GOOD_BODY, {404}),
    "a deeper path": ("POST", f"{TWILIO_VOICE}/x", GOOD_TWILIO, GOOD_BODY, {404}),
    "two slashes": ("POST", "/webhooks//twilio/voice", GOOD_TWILIO, GOOD_BODY, {404}),
    "the stream without an upgrade": ("GET", "/ws/twilio/stream/x", {}, b"", {404}),
    # Methods and hosts.
    "GET": ("GET", TWILIO_VOICE, GOOD_TWILIO, b"", {405}),
    "PUT": ("PUT", TWILIO_VOICE, GOOD_TWILIO, GOOD_BODY, {405}),
    "DELETE": ("DELETE", TWILIO_VOICE, GOOD_TWILIO, b"", {405}),
    "OPTIONS": ("OPTIONS", TWILIO_VOICE, {"origin": "https://evil.example"}, b"", {405}),
    "TRACE": ("TRACE", TWILIO_VOICE, {}, b"", {405}),
    "a method of somebody's own": ("BREW", TWILIO_VOICE, {}, b"", {405}),
    "another override of the method": ("GET", TWILIO_VOICE, {"x-http-method-override": "POST"}, b"", {405}),
    "another host": ("POST", TWILIO_VOICE, {**GOOD_TWILIO, "host": "evil.example"}, GOOD_BODY, {421}),
    "another host before the proxy": (
        "POST",
        f"{TWILIO_VOICE}?x=1",
        {**GOOD_TWILIO, "x-forwarded-host": HOST, "x-original-url": TWILIO_VOICE},
        GOOD_BODY,
        {403},
    ),
    # Signatures.
    "no signature": ("POST", TWILIO_VOICE, {"content-type": FORM}, GOOD_BODY, {403}),
    "another kind's path": ("POST", "/webhooks/twilio/status", GOOD_TWILIO, GOOD_BODY, {403}),
    "a query beside it": ("POST", f"{TWILIO_VOICE}?call=x", GOOD_TWILIO, GOOD_BODY, {403}),
    "one field more": ("POST", TWILIO_VOICE, GOOD_TWILIO, GOOD_BODY + b"&Digits=1", {403}),
    "a field twice": ("POST", TWILIO_VOICE, GOOD_TWILIO, GOOD_BODY + b"&CallSid=CA2", {403}),
    "Twilio's at Telnyx's": ("POST", TELNYX_VOICE, GOOD_TWILIO, GOOD_BODY, {403}),
    "not signed by Telnyx": ("POST", TELNYX_VOICE, {"content-type": "application/json"}, LONG[:500], {403}),
    # Bodies, all of them signed as well as they can be.
    "another type": ("POST", TWILIO_VOICE, {**GOOD_TWILIO, "content-type": "text/plain"}, GOOD_BODY, {403}),
    "JSON for a form": ("POST", TWILIO_VOICE, {**GOOD_TWILIO, "content-type": "application/json"}, b"{}", {403}),
    "parts for a form": (
        "POST",
        TWILIO_VOICE,
        {**GOOD_TWILIO, "content-type": "multipart/form-data; boundary=x"},
        b'--x\r\nContent-Disposition: form-data; name="CallSid"\r\n\r\nCA1\r\n--x--',
        {403},
    ),
    "a compressed form": (
        "POST",
        TWILIO_VOICE,
        {**GOOD_TWILIO, "content-encoding": "gzip"},
        gzip.compress(GOOD_BODY),
        {403},
    ),
    "a bomb": ("POST", TWILIO_VOICE, {**GOOD_TWILIO, "content-encoding": "gzip"}, gzip.compress(bytes(10**7)), {403}),
    "not UTF-8": ("POST", TWILIO_VOICE, GOOD_TWILIO, b"CallSid=%ff%fe", {403}),
    "raw bytes": ("POST", TWILIO_VOICE, GOOD_TWILIO, bytes(range(256)), {403}),
    "too many fields": ("POST", TWILIO_VOICE, GOOD_TWILIO, MANY[:65_000], {403}),
    "nothing": ("POST", TWILIO_VOICE, GOOD_TWILIO, b"", {403}),
    "nothing from Telnyx": ("POST", TELNYX_VOICE, telnyx_signed(b""), b"", {400}),
    "a list": ("POST", TELNYX_VOICE, telnyx_signed(b"[1]"), b"[1]", {400}),
    "deeply nested": ("POST", TELNYX_VOICE, telnyx_signed(NESTED), NESTED, {400}),
    "not JSON": ("POST", TELNYX_VOICE, telnyx_signed(b"\xff{"), b"\xff{", {400}),
    "a number beyond all": (
        "POST",
        TELNYX_VOICE,
        telnyx_signed(b'{"data":' + b"9" * 5000 + b"}"),
        b'{"data":' + b"9" * 5000 + b"}",
        {400},
    ),
    "too big": ("POST", TELNYX_VOICE, telnyx_signed(LONG + b" " * 1000), LONG + b" " * 1000, {413}),
    # HTTP itself.
    "two lengths": ("POST", TWILIO_VOICE, {**GOOD_TWILIO, "Content-Length": "3"}, GOOD_BODY, {400}),
    "a length and chunks": ("POST", TWILIO_VOICE, {**GOOD_TWILIO, "transfer-encoding": "chunked"}, b"0\r\n\r\n", {400}),
    "a negative length": ("POST", TWILIO_VOICE, {**GOOD_TWILIO, "content-length": "-1"}, b"", {400}),
    "a length that is none": ("POST", TWILIO_VOICE, {**GOOD_TWILIO, "content-length": "1e3"}, b"", {400}),
    "headers without end": ("POST", TWILIO_VOICE, {**GOOD_TWILIO, "x-long": "y" * 20_000}, b"", {431}),
    "another coding of the transfer": ("POST", TWILIO_VOICE, {"transfer-encoding": "gzip"}, b"", {400, 501}),
}


async def test_what_the_public_host_refuses() -> None:
    """Paths, methods, hosts, signatures, bodies and HTTP as nobody should send them: each has its status, nothing is
    told of why, no call comes of any, and a real webhook is answered right after it."""
    async with front() as here:
        got: dict[str, int] = {}
        for name, (method, path, headers, body, wanted) in WRONG.items():
            if telnyx_webhook.SIGNATURE in headers:  # what was signed when the tests were gathered is too old by now
                headers = {**headers, **telnyx_signed(body)}
            status, said = await here.ask(method, path, headers, body)
            if status not in wanted:
                got[name] = status
            assert len(said) < 100, name
            assert b"Traceback" not in said, name
        assert got == {}
        assert here.contacts == (0, 0)
        assert here.log.calls == {}
        assert here.telnyx_api.asked == []
        assert (await here.twilio(incoming_on_twilio(9)))[0] == 200
        assert (await here.telnyx("call.initiated", **incoming_on_telnyx(9)))[0] == 200


async def test_health_is_for_this_machine() -> None:
    """Under the public host nobody is told how many calls there are."""
    async with front() as here:
        assert (await here.ask("GET", "/health"))[0] == 404


async def test_a_webhook_that_trickles_in_holds_nobody_up() -> None:
    """A hundred bodies that never arrive; a real call is answered meanwhile."""
    async with front() as here:
        slow: list[Any] = []
        for _ in range(100):
            reader, writer = await asyncio.open_connection("127.0.0.1", here.service.port)
            writer.write(f"POST {TWILIO_VOICE} HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 1000\r\n\r\nC".encode())
            slow.append((reader, writer))
        path = await asyncio.wait_for(here.twilio_stream(5), 2.0)
        async with here.twilio_line(path, 5) as line:
            assert await line.wait_for(lambda: here.service.live.count == 1, 5.0)
        for _, writer in slow:
            writer.transport.abort()


@pytest.mark.parametrize(("ago_s", "said"), [(310, "+310 s old"), (-310, "-310 s old")])
async def test_a_webhook_of_another_time(ago_s: int, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """Signed, and recorded five minutes ago or not due yet: refused. Our log says by how much and to look at the clock,
    the sender is told nothing."""
    logging.disable(logging.NOTSET)
    _, body = telnyx_post("call.initiated", **incoming_on_telnyx(6))
    async with front() as here:
        reply = await here.ask("POST", TELNYX_VOICE, telnyx_signed(body, ago_s), body)
        assert reply == (403, b"forbidden")
        assert here.telnyx_api.asked == []
    (line,) = [each.getMessage() for each in caplog.records if "webhook was refused" in each.getMessage()]
    assert said in line or said.replace("310", "311") in line or said.replace("310", "309") in line
    assert "look at the clock" in line
