"""Call events outlive the server: what nobody took before it stopped, or was killed, is sent by the next one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from patter_cli.core.journal import render_entry
from patter_cli.engine.webhook import verify_webhook
from patter_cli.observe.notices import Notices
from patter_cli.observe.notify import Notifier, NotifySettings
from patter_cli.stores.sqlite import SqliteStore
from tests.e2e.test_notify import SECRET, held, told
from tests.e2e.test_serve import free_port, project, serving
from tests.e2e.test_webhook_tools import BackEnd, answer, back_end
from tests.lab import until
from tests.unit.stores.calls import STARTED, keep

pytestmark = pytest.mark.usefixtures("quiet_log")


def notifier(peer: BackEnd, folder: Path, **more: Any) -> Notifier:
    """What a server that keeps its calls in this folder tells with."""
    url = f"http://127.0.0.1:{peer.port}/patter"
    settings = NotifySettings(url=url, secret=SECRET, allow_private=True)
    return Notifier(settings, outbox=SqliteStore(folder).outbox(url), **more)


def kept(folder: Path) -> list[Path]:
    """What waits for a server."""
    return sorted(each for each in (folder / "unsent").rglob("*") if each.is_file())


def nothing(call_id: str) -> list[str]:
    raise AssertionError(call_id)


async def test_what_nobody_took_is_sent_by_the_next_server(tmp_path: Path) -> None:
    """The same events under the same ids, once each; then nothing is left on the disk."""
    async with back_end(answer(503), answer(503), answer()) as peer:
        first = notifier(peer, tmp_path, first_pause_s=60.0)
        for entry in held():
            first("C1", entry)
        refused = await told(peer, 2)
        assert await asyncio.to_thread(first.close, 0.1) == 2
        assert len(kept(tmp_path)) == 2

        second = notifier(peer, tmp_path)
        second.take_up(nothing)
        taken = (await told(peer, 4))[2:]
        by_id = {each["id"]: each for each in refused}
        assert {each["id"]: {**each, "attempt": 1} for each in taken} == by_id
        assert all(verify_webhook(SECRET, each.headers, each.body) for each in peer.asked)
        assert await asyncio.to_thread(second.close, 2.0) == 0
        assert not kept(tmp_path)

        third = notifier(peer, tmp_path)
        third.take_up(nothing)
        await asyncio.sleep(0.2)
        assert await asyncio.to_thread(third.close, 2.0) == 0
        assert len(peer.asked) == 4


async def test_what_is_settled_is_not_sent_again(tmp_path: Path) -> None:
    """Taken, or refused for good."""
    async with back_end(answer(), answer(410)) as peer:
        telling = notifier(peer, tmp_path)
        for entry in held():
            telling("C1", entry)
        await told(peer, 2)
        assert await asyncio.to_thread(telling.close, 2.0) == 0
        assert not kept(tmp_path)


def left_by_a_killed_server(peer: BackEnd, folder: Path, *call_ids: str) -> None:
    """It has told that they began, and nobody has taken that."""
    outbox = SqliteStore(folder).outbox(f"http://127.0.0.1:{peer.port}/patter")
    for call_id in call_ids:
        outbox.begin(call_id)
        outbox.put(next(Notices(call_id).feed(held()[0])))
    outbox.close()


async def test_a_call_that_was_live_when_its_server_was_killed_is_told_to_its_end(tmp_path: Path) -> None:
    """Under the ids that it has: interrupted, how long, what was said until then; what waits already is sent once."""
    lines = [render_entry(each.at, each.event, each.commands) for each in held() if each.at < 8000]
    async with back_end() as peer:
        left_by_a_killed_server(peer, tmp_path, "C1")
        second = notifier(peer, tmp_path)
        second.take_up({"C1": lines}.__getitem__)
        bodies = {each["event"]: each for each in await told(peer, 2)}
        ended = bodies["call.ended"]
        assert set(bodies) == {"call.started", "call.ended"}
        assert (ended["id"], ended["outcome"], ended["reason"]) == ("C1:ended", "interrupted", "process_killed")
        assert 5 < ended["duration_s"] < 8
        assert "When do you open?" in [each["text"] for each in ended["transcript"]]
        assert ended["known_usd"] == 0.0
        assert await asyncio.to_thread(second.close, 2.0) == 0
        assert len(peer.asked) == 2
        assert not kept(tmp_path)


async def test_a_call_whose_end_was_not_told_in_time_is_told_as_it_ended(tmp_path: Path) -> None:
    """Its server was killed, or had no time, between the last line of the journal and the event."""
    lines = [render_entry(each.at, each.event, each.commands) for each in held()]
    async with back_end() as peer:
        left_by_a_killed_server(peer, tmp_path, "C1")
        second = notifier(peer, tmp_path)
        second.take_up({"C1": lines}.__getitem__)
        bodies = {each["event"]: each for each in await told(peer, 2)}
        assert bodies["call.ended"]["outcome"] == "answered"
        await asyncio.to_thread(second.close, 2.0)


async def test_a_journal_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    """It is logged and tried again by the next server; a journal that is torn, or gone, has no end to tell."""
    lines = [render_entry(each.at, each.event, each.commands) for each in held()]

    def journal(call_id: str) -> list[str]:
        if call_id == "C1":
            raise OSError("the disk is gone")
        return {"C2": [], "C3": ["{torn"], "C4": lines}[call_id]

    async with back_end() as peer:
        left_by_a_killed_server(peer, tmp_path, "C1", "C2", "C3", "C4")
        telling = notifier(peer, tmp_path)
        telling.take_up(journal)
        ids = [each["id"] for each in await told(peer, 5)]
        assert sorted(ids) == ["C1:started", "C2:started", "C3:started", "C4:ended", "C4:started"]
        assert await asyncio.to_thread(telling.close, 2.0) == 0
        assert [each.name for each in kept(tmp_path)] == ["C1.live"]


async def test_calls_of_another_project_are_not_told(tmp_path: Path) -> None:
    """Whoever starts first after a power cut: each server tells of its own calls, to its own address."""
    async with back_end() as ours, back_end() as theirs:
        left_by_a_killed_server(theirs, tmp_path, "C1")
        telling = notifier(ours, tmp_path)
        telling.take_up(lambda call_id: [render_entry(each.at, each.event, each.commands) for each in held()])
        await asyncio.sleep(0.3)
        assert await asyncio.to_thread(telling.close, 1.0) == 0
        assert not ours.asked
        assert len(kept(tmp_path)) == 2


async def test_a_call_that_is_deleted_is_not_told_any_more(tmp_path: Path) -> None:
    """Whoever had it forgotten does not want its words sent an hour later."""
    store = SqliteStore(tmp_path)
    keep(store, "C1", STARTED)
    async with back_end(answer(503)) as peer:
        telling = notifier(peer, tmp_path, first_pause_s=0.3)
        for entry in held():
            telling("C1", entry)
        await told(peer, 2)
        assert store.delete("C1")
        assert await asyncio.to_thread(telling.close, 5.0) == 0
        assert len(peer.asked) == 2
        assert 'patter_notices_total{event="call.ended",result="forgotten"} 1' in list(telling.sent.lines())


async def test_kill_9_loses_no_event(tmp_path: Path) -> None:
    """`patter serve`, killed with a call on the line and an event that nobody took; the next one tells both."""
    async with back_end(answer(503), answer()) as peer:
        folder = project(tmp_path)
        (folder / "patter.toml").write_text(
            f'[serve]\nnotify_url = "http://127.0.0.1:{peer.port}/patter"\nnotify_private = true\n'
        )
        (folder / ".env").write_text(f"PATTER_WEBHOOK_SECRET={SECRET}\n")
        async with serving(folder, "--port", free_port()) as server:
            caller, ear = server.caller()
            async with caller:
                assert await caller.wait_for(lambda: ear.text == "hello.", 10)
                assert await caller.wait_for(lambda: caller.quiet_ms > 400, 10)
                assert [each["event"] for each in await told(peer, 1)] == ["call.started"]
                server.process.kill()
                await server.process.wait()
        assert [each.suffix for each in kept(folder / "kept")] == [".live", ".json"]
        async with serving(folder, "--port", free_port()):
            bodies = {each["event"]: each for each in (await told(peer, 3))[1:]}
            await until(lambda: not kept(folder / "kept"))
        assert set(bodies) == {"call.started", "call.ended"}
        assert bodies["call.ended"]["outcome"] == "interrupted"
        assert [each["text"] for each in bodies["call.ended"]["transcript"]] == ["Hello."]
    assert json.loads(peer.asked[0].body)["id"] == bodies["call.started"]["id"]
