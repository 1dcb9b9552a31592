"""The store: what is kept is found again, and whatever becomes of the index, a list is right."""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from patter_cli.contracts.store import CallQuery
from patter_cli.core.plan import CallPlan
from patter_cli.errors import InputError, StoreError
from patter_cli.observe.interrupted import close_abandoned
from patter_cli.stores import index as index_file
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing import FarEnd, VirtualCall
from tests.unit.stores.calls import DAY_S, STARTED, Kept, begin, fill, keep, record

ALL = CallQuery(limit=None)


def ids(store: SqliteStore, query: CallQuery = ALL) -> list[str]:
    return [row.call_id for row in store.list(query)]


def database(store: SqliteStore) -> Path:
    return store.folder / "calls.sqlite3"


def test_a_call_is_in_the_list_while_it_lasts_and_with_its_end(tmp_path: Path) -> None:
    """First without an outcome, then with all that its record says; its lines can be read all along."""
    store = SqliteStore(tmp_path)
    journal = begin(store, "LB1", caller="+15550123")
    (row,) = store.list(CallQuery())
    assert (row.call_id, row.agent, row.caller, row.started_at) == ("LB1", "shop", "+15550123", STARTED)
    assert (row.outcome, row.duration_s, row.turns) == (None, None, 0)
    journal.write("second")
    assert [line[:10] for line in store.journal("LB1")] == ['{"v":1,"at', "second"]
    live = store.get("LB1")
    assert live is not None
    assert (live.row, live.facts) == (row, {})
    facts = record("LB1", STARTED, caller="+15550123")
    journal.end(facts)
    (row,) = store.list(CallQuery())
    assert (row.outcome, row.reason, row.duration_s, row.turns) == ("answered", "caller_hung_up", 12.5, 1)
    over = store.get("LB1")
    assert over is not None
    assert (over.row, over.facts) == (row, facts)


def test_a_call_that_still_rings_is_in_the_list(tmp_path: Path) -> None:
    """An outbound one begins with whom we ring, long before there is a line."""
    call = VirtualCall(CallPlan(agent="shop", system_prompt=""), far_end=FarEnd())
    call.run_until(1000)
    store = SqliteStore(tmp_path)
    kept = Kept(store, "LB1")
    for line in call.journal.splitlines():
        kept.write(line)
    (row,) = store.list(CallQuery())
    assert (row.direction, row.callee, row.agent, row.outcome) == ("outbound", "+15550101", "shop", None)


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        (CallQuery(), lambda n: True),
        (CallQuery(since=STARTED + 5 * DAY_S), lambda n: n >= 20),
        (CallQuery(until=STARTED + 5 * DAY_S), lambda n: n < 20),
        (CallQuery(since=STARTED + DAY_S, until=STARTED + 2 * DAY_S), lambda n: 4 <= n < 8),
        (CallQuery(agent="desk"), lambda n: n % 3 == 1),
        (CallQuery(outcome="failed"), lambda n: n % 2 == 1),
        (CallQuery(agent="shop", outcome="answered"), lambda n: n % 6 == 0),
        (CallQuery(number="+15550103"), lambda n: n % 10 == 3),
        (CallQuery(number="+1 (555) 01-03"), lambda n: n % 10 == 3),
        (CallQuery(number="+15550199"), lambda n: True),
        (CallQuery(number="+1555"), lambda n: False),
        (CallQuery(number="'; DROP TABLE calls; --"), lambda n: False),
        (CallQuery(agent="\udcff"), lambda n: False),
        (CallQuery(since=float("nan")), lambda n: False),
        (CallQuery(since=float("inf")), lambda n: False),
        (CallQuery(limit=3), lambda n: n >= 27),
        (CallQuery(limit=10**30), lambda n: True),
        (CallQuery(after="LB00004"), lambda n: n < 4),
        (CallQuery(after="LB00020", limit=2, agent="shop"), lambda n: n in (18, 15)),
        (CallQuery(after="stranger"), lambda n: False),
    ],
)
def test_a_query_finds_what_fits_the_youngest_first(
    tmp_path: Path, query: CallQuery, fits: Callable[[int], bool]
) -> None:
    """Each condition alone, some together, and what nobody has."""
    store = SqliteStore(tmp_path)
    kept = fill(store)
    assert ids(store, query) == [each for each in kept if fits(int(each[2:]))]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_list_of_nothing_is_not_asked_for(limit: int) -> None:
    """The limit is a number from 1 up."""
    with pytest.raises(InputError):
        CallQuery(limit=limit)


def test_pages_follow_each_other(tmp_path: Path) -> None:
    """Also where calls began at the same moment; together they are the whole list."""
    store = SqliteStore(tmp_path)
    for number in range(10):
        keep(store, f"LB{number}", STARTED + number // 5)
    pages: list[str] = []
    while page := ids(store, CallQuery(limit=3, after=pages[-1] if pages else None)):
        pages += page
    assert pages == [f"LB{number}" for number in reversed(range(10))]


def test_everything_can_be_exported(tmp_path: Path) -> None:
    """Records as they were written, in the list's order; a call that is deleted meanwhile is left out."""
    store = SqliteStore(tmp_path)
    kept = fill(store, 6)
    exported = store.export(CallQuery(agent="shop", limit=None))
    assert next(exported).facts["reason"] == "ünï"
    store.delete("LB00000")
    assert list(exported) == []
    assert [each.row.call_id for each in store.export(ALL)] == kept[:-1]


def test_a_deleted_call_is_gone_with_its_files(tmp_path: Path) -> None:
    """From the list, from the folder, for ever; and only that one."""
    store = SqliteStore(tmp_path)
    fill(store, 3)
    assert store.delete("LB00001")
    assert ids(store) == ["LB00002", "LB00000"]
    assert not list(tmp_path.rglob("LB00001"))
    assert (store.delete("LB00001"), store.get("LB00001"), list(store.journal("LB00001"))) == (False, None, [])
    assert store.reindex() == 2


def test_a_live_call_is_not_deleted(tmp_path: Path) -> None:
    """Not by another store either; once it is over it can be."""
    journal = begin(SqliteStore(tmp_path), "LB1")
    with pytest.raises(InputError, match="still going on"):
        SqliteStore(tmp_path).delete("LB1")
    journal.end(record("LB1", STARTED))
    assert SqliteStore(tmp_path).delete("LB1")


@pytest.mark.parametrize(
    "call_id", ["", ".", "..", "../LB1", "2025-06-15/LB1", "a\0b", "x" * 5000, "\\", "LB1 ", "\udc80"]
)
def test_an_id_that_is_none_finds_nothing(tmp_path: Path, call_id: str) -> None:
    """It may come from anybody, and must not lead out of the folder."""
    store = SqliteStore(tmp_path)
    keep(store, "LB1")
    assert (store.get(call_id), list(store.journal(call_id)), store.delete(call_id)) == (None, [], False)
    assert ids(store) == ["LB1"]


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """Where nothing was ever kept there is nothing afterwards; a file in the way has no calls either."""
    store = SqliteStore(tmp_path / "none")
    assert (ids(store), store.get("LB1")) == ([], None)
    assert not (tmp_path / "none").exists()
    (tmp_path / "calls").write_text("a file")
    assert ids(SqliteStore(tmp_path)) == []


def test_only_the_owner_reads_the_index(tmp_path: Path) -> None:
    """The file and what SQLite puts beside it."""
    store = SqliteStore(tmp_path)
    keep(store, "LB1")
    ids(store)
    with closing(sqlite3.connect(database(store))) as reader:
        reader.execute("SELECT * FROM calls").fetchone()
        modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir() if each.is_file()}
    assert set(modes) == {"calls.sqlite3", "calls.sqlite3-wal", "calls.sqlite3-shm"}
    assert set(modes.values()) == {0o600}


# --- the index is a copy of the folders ------------------------------------------------------------------------


def hostile(store: SqliteStore) -> None:
    """Folders as no program of ours leaves them, and some as it does when things go wrong."""
    calls = store.folder / "calls"
    for number, text in enumerate(("", "{", "[]", '{"outcome": 7}', "\x00", '{"a":' * 10_000, "{}")):
        place = calls / "2025-06-20" / f"odd{number}"
        place.mkdir(parents=True)
        (place / "record.json").write_text(text)
    wild = {"agent": "a\ud83db", "caller": None, "started_at": 1e999, "duration": 10**400, "history": [1, {"role": []}]}
    begin(store, "wild").end(record("wild", STARTED, outcome=["x"]) | wild)
    (calls / "not a day" / "LBx").mkdir(parents=True)
    (calls / "not a day" / "LBx" / "journal.jsonl").write_text("no json\n")
    (calls / "2025-06-21").write_text("a file")
    (calls / "2025-06-15" / "empty").mkdir()


def test_an_index_made_anew_is_equal(tmp_path: Path) -> None:
    """From the folders alone: whole calls, a live one, one that was interrupted, folders full of nonsense."""
    store = SqliteStore(tmp_path)
    fill(store, 12)
    live = begin(store, "live", STARTED + 5)
    dead = begin(store, "dead", STARTED + 7)
    dead.die()
    assert close_abandoned(store) == 1
    hostile(store)
    before = SqliteStore(tmp_path).list(ALL)
    assert len(before) == 12 + 2 + 7 + 2
    assert {row.call_id: row.outcome for row in before}["dead"] == "interrupted"
    assert store.reindex() == len(before)
    assert SqliteStore(tmp_path).list(ALL) == before
    database(store).unlink()
    assert SqliteStore(tmp_path).list(ALL) == before
    live.end(record("live", STARTED + 5))
    assert len(store.list(CallQuery(outcome="answered", limit=None))) == 7


def test_reindex_mends_what_the_index_has_wrong(tmp_path: Path) -> None:
    """Also a call that it takes for over, and one that it alone knows."""
    store = SqliteStore(tmp_path)
    fill(store, 4)
    right = store.list(ALL)
    with closing(sqlite3.connect(database(store))) as other, other:
        other.execute("UPDATE calls SET outcome = 'nonsense', agent = 'x'")
        other.execute("UPDATE calls SET place = 'nowhere/x' WHERE call_id = 'LB00001'")
    assert SqliteStore(tmp_path).list(ALL) != right
    assert store.reindex() == 4
    assert store.list(ALL) == right


def test_what_happened_without_the_index_is_brought_in(tmp_path: Path) -> None:
    """Folders that came, ended or went while nothing followed them."""
    fill(SqliteStore(tmp_path), 4)
    store = SqliteStore(tmp_path)
    open_call = begin(store, "LB9", STARTED - 5)
    assert ids(store) == ["LB00003", "LB00002", "LB00001", "LB00000", "LB9"]
    shutil.rmtree(next(tmp_path.rglob("LB00001")))
    shutil.copytree(next(tmp_path.rglob("LB00000")), tmp_path / "calls" / "2025-06-14" / "copied")
    place = next(tmp_path.rglob("LB9"))
    (place / "record.json").write_text(json.dumps(record("LB9", STARTED - 5)))
    rows = SqliteStore(tmp_path).list(ALL)
    assert [row.call_id for row in rows] == ["LB00003", "LB00002", "copied", "LB00000", "LB9"]
    assert rows[-1].outcome == "answered"
    open_call.end(record("LB9", STARTED - 5))


# --- whatever is wrong with the index --------------------------------------------------------------------------


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwritten(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


def somebody_elses(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE calls (id)")
        other.execute("PRAGMA user_version = 1")


@pytest.mark.parametrize("damage", [garbage, torn, overwritten, somebody_elses])
def test_a_damaged_index_is_set_aside_and_made_anew(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Found by a reader or by a call; the list is right, the damaged file is kept, and it is said once."""
    store = SqliteStore(tmp_path)
    kept = fill(store)
    assert ids(store) == kept
    for suffix in ("-wal", "-shm"):
        assert not Path(f"{database(store)}{suffix}").exists()
    damage(database(store))
    keep(store, "LB99999", STARTED + 100 * DAY_S)
    assert ids(store) == ["LB99999", *kept]
    assert (tmp_path / "calls.sqlite3.corrupt").is_file()
    assert [each.levelname for each in caplog.records] == ["WARNING"]
    caplog.clear()
    damage(database(store))
    assert ids(SqliteStore(tmp_path)) == ["LB99999", *kept]
    assert ids(store) == ["LB99999", *kept]
    assert len(caplog.records) == 1


def test_an_empty_file_is_an_index_without_calls(tmp_path: Path) -> None:
    """As a power cut may leave it."""
    store = SqliteStore(tmp_path)
    kept = fill(store, 3)
    ids(store)
    database(store).write_bytes(b"")
    assert ids(SqliteStore(tmp_path)) == kept
    assert not (tmp_path / "calls.sqlite3.corrupt").exists()


def test_a_locked_index_costs_calls_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The list is right meanwhile, and the index when the lock is gone."""
    store = SqliteStore(tmp_path)
    fill(store, 3)
    ids(store)
    monkeypatch.setattr(index_file, "BUSY_S", 0.3)
    with closing(sqlite3.connect(database(store), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        keep(store, "LB9", STARTED - 5)
        assert time.monotonic() - began < 0.2
        assert ids(store) == ["LB00002", "LB00001", "LB00000", "LB9"]
        with pytest.raises(StoreError, match="locked"):
            store.reindex()
        other.execute("ROLLBACK")
        assert len(other.execute("SELECT * FROM calls").fetchall()) == 3
    assert "cannot be used: database is locked" in caplog.text
    assert len(caplog.records) == 1
    assert len(ids(store)) == 4
    with closing(sqlite3.connect(database(store))) as other:
        assert len(other.execute("SELECT * FROM calls").fetchall()) == 4


def test_an_index_of_a_newer_version_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It may know more than we do. Calls are kept, and lists are right."""
    store = SqliteStore(tmp_path)
    kept = fill(store, 3)
    ids(store)
    with closing(sqlite3.connect(database(store))) as newer, newer:
        newer.execute("ALTER TABLE calls RENAME TO calls_2")
        newer.execute("PRAGMA user_version = 99")
    before = database(store).read_bytes()
    keep(store, "LB9", STARTED - 5)
    assert ids(store) == [*kept, "LB9"]
    assert database(store).read_bytes() == before
    assert "version 99" in caplog.text
    with pytest.raises(StoreError) as refused:
        store.reindex()
    assert "newer version" in refused.value.hint


def test_something_else_under_its_name(tmp_path: Path) -> None:
    """A folder cannot be an index."""
    store = SqliteStore(tmp_path)
    database(store).mkdir()
    assert ids(store) == []
    assert fill(store, 3) == ids(store)
    with pytest.raises(StoreError):
        store.reindex()


WORK = """
import sys
from pathlib import Path
from patter_cli.contracts.store import CallQuery
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing import FarEnd, VirtualCall
from tests.unit.stores.calls import keep
folder, prefix, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = SqliteStore(folder)
for number in range(count):
    keep(store, f"{prefix}{number}")
print(len(store.list(CallQuery(limit=None))))
"""


def working(folder: Path, prefix: str, count: int, **options: Any) -> subprocess.Popen[str]:
    """Another process that keeps so many calls, and prints how many it sees then."""
    command = [sys.executable, "-c", WORK, str(folder), prefix, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_several_processes_share_a_folder(tmp_path: Path) -> None:
    """Begun at once in an empty one: each sees its own calls, the index has all, nothing is damaged."""
    others = [working(tmp_path, f"p{number}-", 25) for number in range(4)]
    said = [each.communicate(timeout=60) for each in others]
    assert [error for _, error in said] == [""] * 4
    assert all(25 <= int(seen) <= 100 for seen, _ in said)
    with closing(sqlite3.connect(tmp_path / "calls.sqlite3")) as reader:
        assert reader.execute("SELECT count(*) FROM calls WHERE outcome = 'answered'").fetchone() == (100,)
    assert not list(tmp_path.glob("*.corrupt*"))


def test_a_full_disk_takes_calls_before_the_index(tmp_path: Path) -> None:
    """No file may grow beyond 4 KiB: too little for an index, enough for a call."""

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    seen, said = working(tmp_path, "LB", 3, preexec_fn=small_files).communicate(timeout=60)
    assert seen == "3\n", said
    assert said.count("cannot be used") == 1
    assert ids(SqliteStore(tmp_path)) == ["LB2", "LB1", "LB0"]


@pytest.fixture
def readable(tmp_path: Path) -> Iterator[Path]:
    """A folder with calls that a process which is not root may read and not write."""
    store = SqliteStore(tmp_path)
    fill(store, 3)
    ids(store)
    every = [tmp_path, *tmp_path.rglob("*")]
    for each in every:
        each.chmod(0o555 if each.is_dir() else 0o444)
    yield tmp_path
    for each in every:
        if each.exists():
            each.chmod(0o700)


READ = """
import sys
from pathlib import Path
import os
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
from patter_cli.contracts.store import CallQuery
from patter_cli.errors import StoreError
from patter_cli.stores.sqlite import SqliteStore
store = SqliteStore(Path("."))
try:
    print(len(store.list(CallQuery())), len(list(store.export(CallQuery()))))
    try:
        store.begin("LB9", 0.0).append(b"line")
    except OSError as error:
        print(error)
    store.delete("LB00000")
except StoreError as error:
    print(error)
"""


def reading(folder: Path) -> subprocess.CompletedProcess[str]:
    """What a process without the right to write says of a folder."""
    # It is begun in the folder: it may have no right to the way there.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", f"import patter_cli.stores.sqlite, patter_cli.errors\n{READ}"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_folder_that_is_only_read(readable: Path) -> None:
    """Its calls are listed and exported; none is kept or deleted, and both are said."""
    done = reading(readable)
    assert done.stdout[:4] == "3 3\n", done.stderr
    assert "LB00000 cannot be deleted" in done.stdout
    assert "cannot be used" in done.stderr
    assert "calls/1970-01-01" in done.stdout


def test_a_folder_that_cannot_be_read(readable: Path) -> None:
    """That is no empty list."""
    (readable / "calls").chmod(0o000)
    done = reading(readable)
    (readable / "calls").chmod(0o700)
    assert "cannot be read" in done.stdout, done.stderr


def test_no_thread_is_left_when_nothing_happens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor an open file: the store need not be closed."""
    caplog.set_level(logging.DEBUG)
    store = SqliteStore(tmp_path)
    fill(store, 3)
    ids(store)
    assert store._thread is None
    opened = [file.path for file in psutil.Process().open_files()]
    assert not [each for each in opened if each.startswith(str(tmp_path))]
