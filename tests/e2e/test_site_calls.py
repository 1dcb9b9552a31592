"""What the API tells of kept calls and of those that go on; whatever strangers said in them is text."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import parse_entry, render_entry
from patter_cli.web import alone, shapes
from patter_cli.web.feed import READERS, ROOM, LiveFeed
from tests.e2e.conftest import Caller
from tests.e2e.site import BEARER, Shown, shown
from tests.e2e.test_site_orders import live_call, served
from tests.promlint import problems
from tests.unit.stores.calls import AGENTS, DAY_S, STARTED, Kept, begin, fill, first_line, keep, record

PAYLOADS = (Path(__file__).parents[1] / "data" / "xss.txt").read_text().splitlines()

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Shown]:
    """Nothing is kept yet."""
    async with shown(tmp_path) as each:
        each.http.headers.update(BEARER)
        yield each


async def told(there: Shown, path: str, **query: Any) -> Any:
    reply = await there.http.get(f"/api/v1{path}", params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_calls_come_in_pages(there: Shown) -> None:
    """Each page says where the next begins, until there is none; every call comes once, the youngest first."""
    ids = fill(there.store, 30)
    found, after = [], None
    while True:
        page = await told(there, "/calls", limit=7, **({"after": after} if after else {}))
        shapes.CallsPage.model_validate(page)
        found += [each["call_id"] for each in page["calls"]]
        after = page["next"]
        if after is None:
            break
    assert found == ids


async def test_calls_are_filtered(there: Shown) -> None:
    """By agent, outcome, number, words, time and length, as `patter logs list` does."""
    fill(there.store, 30)
    for query, fits in (
        ({"agent": "desk"}, lambda each: each["agent"] == AGENTS[1]),
        ({"outcome": "failed"}, lambda each: each["outcome"] == "failed"),
        ({"number": "+1 555 0103"}, lambda each: each["caller"] == "+15550103"),
        ({"text": "WHEN do you"}, lambda each: True),
        ({"since": str(STARTED + 3 * DAY_S)}, lambda each: each["started_at"] >= STARTED + 3 * DAY_S),
        ({"until": "2025-06-16T00:00:00Z"}, lambda each: each["started_at"] < 1_750_032_000),
    ):
        calls = (await told(there, "/calls", limit=500, **query))["calls"]
        everything = (await told(there, "/calls", limit=500))["calls"]
        assert calls == [each for each in everything if fits(each)]
        assert calls
    for query in ({"text": "nobody said this"}, {"min_duration_s": 60}, {"min_usd": 1}):
        assert (await told(there, "/calls", **query))["calls"] == []


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"outcome": "won"}, "outcome"),
        ({"since": "soon"}, "since"),
        ({"after": "../../etc"}, "after"),
        ({"text": ""}, "text"),
        ({"min_usd": "-1"}, "min_usd"),
        ({"sort": "agent"}, "sort"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "until"),
    ],
)
async def test_a_question_that_cannot_be_answered(there: Shown, query: dict[str, str], named: str) -> None:
    """Is refused with the name of what is wrong."""
    reply = await there.http.get("/api/v1/calls", params=query)
    assert (reply.status_code, reply.json()["code"]) == (400, "bad_input")
    assert reply.json()["message"].startswith(named)


async def test_a_call_is_told_whole(there: Shown) -> None:
    """Turns, tools, what was not heard, where the time went, its record; and the journal line by line."""
    call = Kept(there.store, "LB1")
    lines = [first_line("LB1", STARTED), *conversation("When do you open?", "We open at nine.", "hours", "{}", "[]")]
    for line in lines:
        call.write(line)
    call.end(record("LB1", STARTED, outcome="answered"))
    page = await told(there, "/calls/LB1")
    shapes.CallPage.model_validate(page)
    (turn,) = page["turns"]
    assert (turn["number"], turn["caller"], turn["tools"][0]["took_ms"]) == (1, "When do you open?", 250)
    assert (turn["agent"][0]["heard"], turn["agent"][0]["unheard"]) == ("We open", "at nine.")
    (stages,) = page["waterfall"]
    assert (stages["from_ms"], stages["to_ms"]) == (1000, 2000)
    assert sum(each["to_ms"] - each["from_ms"] for each in stages["stages"]) == turn["latency"]["total_ms"] == 1000
    assert page["record"]["outcome"] == "answered"
    journal = await there.http.get("/api/v1/calls/LB1/journal")
    assert journal.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(each) for each in journal.text.splitlines()] == [json.loads(each) for each in lines]


async def test_a_call_that_lasts_or_is_damaged_is_told_as_far_as_it_goes(there: Shown) -> None:
    """Without its end; with a count of lines that cannot be read."""
    lasting = begin(there.store, "LB1")
    lasting.write("not a journal line")
    page = await told(there, "/calls/LB1")
    shapes.CallPage.model_validate(page)
    assert (page["call"]["outcome"], page["record"], page["unreadable"]) == (None, {}, 1)
    lasting.die()


@pytest.mark.parametrize("call_id", ["LB9", "..", "%2e%2e", "a/b", "%00", "x" * 500, "ü", "LB1 "])
async def test_a_call_that_is_not_there(there: Shown, call_id: str) -> None:
    """Whatever is asked for in its place."""
    keep(there.store, "LB1", STARTED)
    for path in ("", "/journal", "/recording"):
        assert (await there.http.get(f"/api/v1/calls/{call_id}{path}")).status_code in (404, 400)


async def test_figures_add_up(there: Shown) -> None:
    """What many calls come to, all of them and some."""
    fill(there.store, 30)
    overview, costs = await told(there, "/analytics/overview"), await told(there, "/analytics/costs")
    shapes.Overview.model_validate(overview)
    shapes.Costs.model_validate(costs)
    assert overview["calls"] == costs["calls"] == 30
    assert sum(overview["outcomes"].values()) == 30
    assert sum(each["calls"] for each in overview["days"]) == sum(each["calls"] for each in overview["agents"]) == 30
    assert (await told(there, "/analytics/overview", agent="desk"))["calls"] == 10


async def test_a_recording_is_sent_in_parts(there: Shown, tmp_path: Path) -> None:
    """As a browser asks for it, to begin anywhere; a part that is not there is refused."""
    place = tmp_path / "LB1.wav"
    place.write_bytes(bytes(range(256)) * 1000)
    keep(there.store, "LB1", STARTED, recording_path=str(place))
    path = "/api/v1/calls/LB1/recording"
    whole = await there.http.get(path)
    assert (whole.headers["content-type"], len(whole.content)) == ("audio/wav", 256_000)
    for wanted, part in (
        ("bytes=0-9", slice(0, 10)),
        ("bytes=255990-", slice(255_990, None)),
        ("bytes=-4", slice(-4, None)),
        ("bytes=250000-999999", slice(250_000, None)),
    ):
        reply = await there.http.get(path, headers={"range": wanted})
        assert (reply.status_code, reply.content) == (206, whole.content[part])
    beyond = await there.http.get(path, headers={"range": "bytes=256000-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */256000")
    place.unlink()
    assert (await there.http.get(path)).status_code == 404


async def test_a_record_names_no_file_that_is_none_of_ours(there: Shown) -> None:
    """A record that somebody has changed leads to no other file: only sound is sent."""
    keep(there.store, "LB1", STARTED, recording_path="/etc/passwd")
    assert (await there.http.get("/api/v1/calls/LB1/recording")).status_code == 404


async def test_all_calls_are_taken_along(there: Shown) -> None:
    """As JSON lines and as CSV, in which no cell is a formula."""
    keep(there.store, "LB1", STARTED, reason="=HYPERLINK(0)")
    lines = await there.http.get("/api/v1/calls/export")
    assert "attachment" in lines.headers["content-disposition"]
    assert json.loads(lines.text)["record"]["reason"] == "=HYPERLINK(0)"
    csv = await there.http.get("/api/v1/calls/export", params={"format": "csv"})
    assert csv.headers["content-type"].startswith("text/csv")
    assert ",'=HYPERLINK(0)," in csv.text


def conversation(caller: str, agent: str, tool: str, arguments: str, result: str) -> list[str]:
    """A turn that is answered, with a tool, and broken off after its second word."""
    happened: list[tuple[int, Any, list[Any]]] = [
        (1200, fact.SpeechEnded(at_ms=1000), []),
        (
            1300,
            fact.TranscriptFinal(segment=0, text=caller),
            [
                order.ReportTranscript(role="user", text=caller, interrupted=False, at_ms=1300),
                order.StartResponse(response_id=2, text=caller),
            ],
        ),
        (
            1350,
            fact.ToolCallRequested(response_id=2, tool_call_id="t1", name=tool, arguments=arguments),
            [order.RunTool(response_id=2, tool_call_id="t1", name=tool, arguments=arguments, timeout_ms=1000)],
        ),
        (1600, fact.ToolFinished(response_id=2, tool_call_id="t1", result=result), []),
        (1700, fact.FirstToken(response_id=2), []),
        (1750, fact.ClauseReady(response_id=2, text=agent), [order.Speak(response_id=2, clause=0, text=agent)]),
        (1900, fact.FirstAudio(response_id=2, clause=0), []),
        (2000, fact.PlayoutStarted(response_id=2, clause=0), []),
        (
            2500,
            fact.PlaybackStopped(response_id=2, clause=0, played_ms=500),
            [order.ReportTranscript(role="assistant", text=" ".join(agent.split()[:2]), interrupted=True, at_ms=2500)],
        ),
        (2600, fact.ResponseFailed(response_id=3, provider=tool, message=result), []),
    ]
    return [render_entry(*each) for each in happened]


def texts(value: Any) -> set[str]:
    """Every text in JSON values, keys included."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set(value).union(*(texts(each) for each in value.values()))
    return set().union(*(texts(each) for each in value)) if isinstance(value, list) else set()


async def test_what_a_stranger_wrote_is_text(there: Shown) -> None:
    """60 texts that a careless page would run, in every field that a stranger can write: they come back letter by
    letter in JSON, as JSON that no browser takes for anything else, and holding no markup even as bytes."""
    assert len(PAYLOADS) == 60
    for number, payload in enumerate(PAYLOADS):
        call_id = f"LB{number:05}"
        call = Kept(there.store, call_id)
        call.write(first_line(call_id, STARTED + number, agent=payload, caller=payload))
        for line in conversation(payload, payload, payload, payload, payload):
            call.write(line)
        said = [{"role": role, "text": payload, "timestamp": STARTED} for role in ("user", "assistant", "tool")]
        call.end(
            record(
                call_id, STARTED + number, agent=payload, caller=payload, callee=payload, reason=payload,
                carrier=payload, history=said, transcript=said, custom_params={payload: payload},
                recording={"recording_id": payload, "url": payload, "duration_ms": 1},
            )
        )  # fmt: skip
    paths = [("/calls", PAYLOADS[-20:])]
    for number, payload in enumerate(PAYLOADS):
        paths += [(f"/calls/LB{number:05}{part}", [payload]) for part in ("", "/journal")]
    paths += [("/analytics/overview", PAYLOADS), ("/analytics/costs", PAYLOADS), ("/calls/export", PAYLOADS)]
    for path, payloads in paths:
        reply = await there.http.get(f"/api/v1{path}")
        assert reply.status_code == 200
        assert reply.headers["content-type"] in ("application/json", "application/x-ndjson")
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert not any(each in reply.content for each in (b"<", b">", b"&"))
        found: set[str] = set().union(*(texts(json.loads(each)) for each in reply.text.splitlines()))
        assert set(payloads) <= found, path
    for payload in PAYLOADS:  # what is asked comes back in what is refused
        refused = await there.http.get("/api/v1/calls", params={"outcome": payload, payload: payload})
        assert (refused.status_code, refused.headers["content-type"]) == (400, "application/json")
        assert b"<" not in refused.content
        there.site._access._wrong.clear()
        page = await there.http.get("/dashboard/sign-in", params={"code": payload})
        assert payload not in page.text


async def test_half_a_character_breaks_nothing(there: Shown) -> None:
    """A model's stream may cut one in two; it is told as it was kept."""
    call = Kept(there.store, "LB1")
    call.write(first_line("LB1", STARTED))
    for line in conversation("Hello", "Hi \ud83d there", "t", "{}", "[]"):
        call.write(line)
    call.end(record("LB1", STARTED))
    assert (await told(there, "/calls/LB1"))["turns"][0]["agent"][0]["heard"] == "Hi \ud83d"


# --- what happens ------------------------------------------------------------------------------------------------


async def events_until(http: httpx.AsyncClient, what: str, after: str = "") -> list[dict[str, Any]]:
    """The events' data up to the first of this kind, each with its id."""
    found: list[dict[str, Any]] = []
    headers = {"last-event-id": after} if after else {}
    async with asyncio.timeout(10), http.stream("GET", "/api/v1/events", headers=headers) as reply:
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        event_id = ""
        async for line in reply.aiter_lines():
            if line.startswith("id: "):
                event_id = line[4:]
            elif line.startswith("data: "):
                found.append({**json.loads(line[6:]), "id": event_id})
                if found[-1].get("what") == what:
                    return found
    raise AssertionError(f"no {what}")


async def test_what_happens_is_told_as_it_happens(tmp_path: Path) -> None:
    """A call from its beginning to its end, words before they are final; and again for who comes late with the id of
    the last event that was seen."""
    async with served(tmp_path) as (phone, http):
        empty = (await http.get("/api/v1/calls/active")).json()
        shapes.LiveCalls.model_validate(empty)
        assert (empty["calls"], empty["serving"], empty["agents"]) == ([], True, ["shop"])
        watching = asyncio.create_task(events_until(http, "ended"))
        async with Caller(phone, "shop") as caller:
            await caller.until_heard("hello.")
            await caller.say("What are your opening hours?")
            await caller.until_heard("we open at nine.")
            await live_call(http)
            active = (await http.get("/api/v1/calls/active")).json()
            shapes.LiveCalls.model_validate(active)
            (call,) = active["calls"]
            assert (call["state"], call["turns"]) == ("active", 1)
            assert call["last_caller"] == "What are your opening hours?"
        seen = await watching
        whats = [each["what"] for each in seen]
        assert whats[0] == "started"
        for what in ("state", "saying", "sounding", "voice", "said", "hearing", "waited", "ended"):
            assert what in whats, whats
        assert whats.index("hearing") < whats.index("waited")
        page = await http.get("/metrics")
        assert page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert problems(page.text) == []
        assert 'patter_turn_wait_seconds_count{agent="shop"} 1' in page.text
        assert "patter_loop_lag_seconds_count" in page.text
        again = await events_until(http, "ended", after=empty["last_event"])
        assert again == seen
        rest = await events_until(http, "ended", after=seen[3]["id"])
        assert rest == seen[4:]


async def test_stored_calls_alone_are_seen_live_too(there: Shown) -> None:
    """What another process writes of a call is told here as well."""
    watching = asyncio.create_task(events_until(there.http, "ended"))
    await asyncio.sleep(0.3)
    call = Kept(there.store, "LB1")
    call.write(first_line("LB1", STARTED))
    for line in conversation("Hello?", "Good morning to you.", "t", "{}", "[]"):
        call.write(line)
    (live,) = [await live_call(there.http)]
    assert (live["call_id"], live["agent"], live["turns"]) == ("LB1", "shop", 1)
    call.write(render_entry(3000, fact.LineClosed(cause="x"), [order.FinishCall(outcome="answered", reason="x")]))  # type: ignore[arg-type]
    call.end(record("LB1", STARTED))
    assert [each["what"] for each in await watching][-1] == "ended"


async def deaf(port: int) -> socket.socket:
    """Somebody who asks for events and never reads."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", port))
    request = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {BEARER['authorization']}\r\n\r\n"
    await loop.sock_sendall(sock, request.encode())
    return sock


async def test_who_looks_on_holds_up_no_stop(tmp_path: Path) -> None:
    """Twenty readers, half of whom never read: the server stops as quickly as without them."""
    async with served(tmp_path) as (phone, http):
        watching = [asyncio.create_task(events_until(http, "nothing")) for _ in range(10)]
        sockets = [await deaf(phone.server.port) for _ in range(10)]
        async with Caller(phone, "shop") as caller:
            await caller.until_heard("hello.")
        assert "patter_event_readers 20" in (await http.get("/metrics")).text
        loop = asyncio.get_running_loop()
        began = loop.time()
        await phone.server.stop()
        assert loop.time() - began < 2.5
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        for sock in sockets:
            sock.close()


async def test_who_is_slow_is_told_what_it_missed() -> None:
    """The ring keeps the last events: whoever comes later is told how many are gone, and goes on with what there is."""
    feed = LiveFeed()
    for number in range(2 * ROOM + 100):
        entry = parse_entry(first_line(f"C{number}", STARTED))
        feed(f"C{number}", entry)
    start = feed.last_event.partition("-")[0]
    body, place, missed = feed.take(feed.place(f"{start}-0"))
    assert missed > ROOM
    assert body.count(b"event: started") == 2 * ROOM + 100 - missed
    assert feed.take(place) == (b"", place, 0)
    assert feed.place("another-5") == feed.place("rubbish") == place
    assert feed.place(f"{start}-99999999") == place
    only, _, _ = feed.take(place - 10, call_id=f"C{2 * ROOM + 99}")
    assert only.count(b"event: ") == 1


async def test_whoever_comes_back_to_another_server_is_told(there: Shown) -> None:
    """The number of an event means nothing to it: something may have been missed, and nobody knows how much."""
    async with there.http.stream("GET", "/api/v1/events", params={"after": "another-5"}) as told:
        lines = told.aiter_lines()
        async with asyncio.timeout(5):
            found = [await anext(lines) for _ in range(4)]
    assert found[2:] == ["event: missed", 'data: {"count": null}']


async def test_a_call_whose_process_died_is_over(there: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its journal never says so. Once another process has written its record, whoever looks on is told."""
    monkeypatch.setattr(alone, "GONE_S", 0.2)
    call = begin(there.store, "LB1")
    watching = asyncio.create_task(events_until(there.http, "ended"))
    async with asyncio.timeout(5):
        while not (await told(there, "/calls/active"))["calls"]:  # noqa: ASYNC110 - it is read by a thread
            await asyncio.sleep(0.05)
        call.end(record("LB1", STARTED, outcome="interrupted", reason="process_died"))
        over = (await watching)[-1]
    assert (over["call_id"], over["outcome"], over["reason"]) == ("LB1", "interrupted", "process_died")
    assert (await told(there, "/calls/active"))["calls"] == []


async def test_there_are_not_more_readers_than_may_be(tmp_path: Path) -> None:
    """The next one is sent away, and the others go on."""
    async with shown(tmp_path) as there:
        there.site.feed.readers = READERS
        refused = await there.http.get("/api/v1/events", headers=BEARER)
        assert (refused.status_code, refused.json()["code"]) == (503, "no_room")
