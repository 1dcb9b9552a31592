"""Call events wait in files for the next process, and for nobody else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from patter_cli.contracts.outlasting import KEPT_S, MOST_KEPT, LeftBehind
from patter_cli.stores.nothing import NoStore
from patter_cli.stores.outbox import UNSENT, FolderOutbox
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.text.redact import Redaction
from tests.unit.stores.calls import STARTED, keep

URL = "https://example.com/patter"

HOLDER = """
import json, sys, time
from pathlib import Path
from patter_cli.stores.sqlite import SqliteStore
outbox = SqliteStore(Path(sys.argv[1])).outbox(sys.argv[2])
for each in json.loads(sys.argv[3]):
    outbox.put(each)
print("written", flush=True)
time.sleep(60)
"""


def notice(call_id: str = "C1", kind: str = "ended", **more: Any) -> dict[str, Any]:
    call = {"call_id": call_id, "agent": "shop", "caller": "+12025550142"}
    return {"id": f"{call_id}:{kind}", "event": f"call.{kind}", "time": 1.0, "call": call, **more}


def outbox(folder: Path, url: str = URL) -> FolderOutbox:
    return SqliteStore(folder).outbox(url)


def left(folder: Path, url: str = URL) -> list[str]:
    """The ids that a new process finds; it takes none of them along."""
    there = outbox(folder, url)
    found = there.take_over()
    there.close()
    return [each.notice["id"] for each in found.waiting] + [f"{each} goes on" for each in found.calls]


def files(folder: Path) -> list[Path]:
    return sorted((folder / UNSENT).rglob("*.json"))


def test_what_nobody_took_is_there_for_the_next(tmp_path: Path) -> None:
    """Whole, with its age; what was settled is not, and neither is a second one of the same id."""
    first = outbox(tmp_path)
    for each in (notice("C1", "started"), notice("C1"), notice("C2"), notice("C2")):
        first.put(each)
    first.settle("C1:started")
    first.settle("C9:ended")
    assert left(tmp_path) == []  # it is still somebody's
    first.close()
    first.close()
    second = outbox(tmp_path)
    found = second.take_over().waiting
    assert [each.notice for each in found] == [notice("C1"), notice("C2")]
    assert all(0 <= each.age_s < 60 for each in found)
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in files(tmp_path))
    for each in found:
        second.settle(each.notice["id"])
    second.close()
    assert left(tmp_path) == []
    assert not files(tmp_path)


def test_what_a_killed_process_left_is_taken_and_a_live_ones_is_not(tmp_path: Path) -> None:
    """Its lock is gone with it."""
    arguments = [str(tmp_path), URL, json.dumps([notice("C1"), notice("C2")])]
    process = subprocess.Popen([sys.executable, "-c", HOLDER, *arguments], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        assert left(tmp_path) == []
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert left(tmp_path) == ["C1:ended", "C2:ended"]
        assert left(tmp_path) == ["C1:ended", "C2:ended"]  # whoever took them has gone, too
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()  # type: ignore[union-attr]


def test_what_comes_after_the_end_is_for_the_next(tmp_path: Path) -> None:
    """A server that stops while it still reads what another had left: the next one in the same process has it."""
    first = outbox(tmp_path)
    first.close()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(first.put, [notice(f"C{number}") for number in range(20)]))
    first.begin("D")
    assert sorted(left(tmp_path)) == sorted([*(f"C{number}:ended" for number in range(20)), "D goes on"])


def test_many_threads_put_at_once(tmp_path: Path) -> None:
    """And nothing of it is held once it is closed."""
    first = outbox(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(first.put, [notice(f"C{number}") for number in range(100)]))
    assert left(tmp_path) == []
    first.close()
    assert len(left(tmp_path)) == 100


def test_a_call_that_went_on_is_told_of_until_its_end(tmp_path: Path) -> None:
    """One that is over, or was deleted, or began more than a day ago, is not."""
    first = outbox(tmp_path)
    for call_id in ("C1", "C2", "C.3", "C4"):
        first.begin(call_id)
    first.end("C1")
    first.end("C9")
    (old,) = (tmp_path / UNSENT).rglob("C4.live")
    long_ago_s = time.time() - KEPT_S - 1
    os.utime(old, (long_ago_s, long_ago_s))
    first.close()
    assert left(tmp_path) == ["C.3 goes on", "C2 goes on"]
    keep(SqliteStore(tmp_path), "C.3", STARTED)
    assert SqliteStore(tmp_path).delete("C.3")
    assert left(tmp_path) == ["C2 goes on"]


def test_events_for_another_address_are_left_alone(tmp_path: Path) -> None:
    """Two projects of one user do not get each other's calls."""
    first = outbox(tmp_path)
    first.put(notice())
    first.close()
    assert left(tmp_path, "https://elsewhere.example/patter") == []
    assert left(tmp_path) == ["C1:ended"]


def test_no_more_is_kept_than_may_be(tmp_path: Path) -> None:
    """What is older than a day is given up, and of too many the oldest; nobody has to send anything for that."""
    first = outbox(tmp_path)
    for number in range(3):
        first.put(notice(f"C{number}"))
    now_s = time.time()
    for age_s, path in zip((KEPT_S + 60, 120.0, 60.0), files(tmp_path), strict=True):
        os.utime(path, (now_s - age_s, now_s - age_s))
    place = files(tmp_path)[0].parent
    first.close()
    SqliteStore(tmp_path).expire(now_s)
    assert [each.name for each in files(tmp_path)] == ["C1.ended.json", "C2.ended.json"]
    for number in range(MOST_KEPT):
        (place / f"D{number}.ended.json").write_text(json.dumps(notice(f"D{number}")))
    found = left(tmp_path)
    assert len(found) == MOST_KEPT
    assert not {"C1:ended", "C2:ended"} & set(found)


def test_a_call_that_is_deleted_takes_its_events_along(tmp_path: Path) -> None:
    """Nothing of it stays on the disk."""
    store = SqliteStore(tmp_path)
    for call_id in ("LB1", "LB2"):
        keep(store, call_id, STARTED)
    there = store.outbox(URL)
    for each in (notice("LB1"), notice("LB1", "started"), notice("LB2")):
        there.put(each)
    assert store.delete("LB1")
    there.close()
    assert left(tmp_path) == ["LB2:ended"]


def test_what_must_not_be_kept_is_struck_out(tmp_path: Path) -> None:
    """As in calls: words and numbers, and not who spoke or which event it is."""
    there = SqliteStore(tmp_path, redaction=Redaction.WORDS).outbox(URL)
    said = [{"who": "caller", "text": "My card is 4111 1111 1111 1111", "at_ms": 1, "interrupted": False}]
    there.put(notice(transcript=said, outcome="answered"))
    there.close()
    (kept,) = outbox(tmp_path).take_over().waiting
    assert (kept.notice["id"], kept.notice["event"], kept.notice["outcome"]) == ("C1:ended", "call.ended", "answered")
    (line,) = kept.notice["transcript"]
    assert (line["who"], line["at_ms"]) == ("caller", 1)
    assert "4111" not in json.dumps(kept.notice)
    assert kept.notice["call"]["caller"] == "+1***0142"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": 1}', b'{"id": "x"}', b"\xff", b"[" * 100_000])
def test_a_file_of_anything_holds_up_nobody(tmp_path: Path, content: bytes) -> None:
    """It is thrown away, and the others are taken."""
    first = outbox(tmp_path)
    first.put(notice("C1"))
    first.put(notice("C2"))
    files(tmp_path)[0].write_bytes(content)
    first.close()
    assert left(tmp_path) == ["C2:ended"]


def test_a_folder_that_takes_nothing_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Events are sent all the same; the next process finds none."""
    (tmp_path / UNSENT).write_text("no folder")
    there = outbox(tmp_path)
    there.put(notice("C1"))
    there.put(notice("C2"))
    there.settle("C1:ended")
    there.begin("C3")
    there.end("C3")
    assert there.take_over() == LeftBehind(waiting=(), calls=())
    there.close()
    assert [each.getMessage() for each in caplog.records if "are not kept beyond" in each.getMessage()] == [
        caplog.records[0].getMessage()
    ]


def test_where_nothing_is_kept_there_is_none() -> None:
    """Neither events nor keys."""
    assert NoStore().outbox(URL) is None
    assert NoStore().claims("a secret") is None
