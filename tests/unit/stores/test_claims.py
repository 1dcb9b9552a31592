"""A request with a key is carried out once, by whichever process is first."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from patter_cli.contracts.outlasting import KEPT_S, MOST_KEPT, Claim
from patter_cli.stores.claims import PLACED, FolderClaims, forget_claims
from patter_cli.stores.sqlite import SqliteStore

SCOPE = "a secret"
DONE = Claim(body="b1", call_id="C1")


def claims(folder: Path, scope: str = SCOPE) -> FolderClaims:
    return SqliteStore(folder).claims(scope)


def test_who_is_first_has_it_and_everybody_knows_the_answer(tmp_path: Path) -> None:
    """While it is carried out, others know that nobody can tell what came of it."""
    assert claims(tmp_path).claim("order-1", "b1") is None
    assert claims(tmp_path).claim("order-1", "b1") == Claim(body="b1", call_id="")
    claims(tmp_path).settle("order-1", DONE)
    assert claims(tmp_path).claim("order-1", "b2") == DONE
    assert claims(tmp_path).claim("order-2", "b1") is None


def test_only_one_of_many_is_first(tmp_path: Path) -> None:
    """However close they come."""
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: claims(tmp_path).claim("order-1", "b1"), range(64)))
    assert found.count(None) == 1


def test_what_rang_nobody_may_be_asked_again(tmp_path: Path) -> None:
    """A key that was withdrawn is anybody's; one that is not there is fine."""
    assert claims(tmp_path).claim("order-1", "b1") is None
    claims(tmp_path).withdraw("order-1")
    claims(tmp_path).withdraw("order-1")
    assert claims(tmp_path).claim("order-1", "b2") is None


def test_other_secrets_see_other_keys(tmp_path: Path) -> None:
    """Two projects of one user may both have an order-1, and no file says what the key was."""
    assert claims(tmp_path).claim("order-1", "b1") is None
    assert claims(tmp_path, "another").claim("order-1", "b1") is None
    assert len(list((tmp_path / PLACED).iterdir())) == 2
    assert not [each for each in (tmp_path / PLACED).iterdir() if "order" in each.name]


def test_a_day_later_a_key_is_new(tmp_path: Path) -> None:
    """And of too many the oldest are forgotten, without anybody asking."""
    assert claims(tmp_path).claim("order-1", "b1") is None
    (path,) = (tmp_path / PLACED).iterdir()
    long_ago_s = time.time() - KEPT_S - 1
    os.utime(path, (long_ago_s, long_ago_s))
    assert claims(tmp_path).claim("order-1", "b1") is None
    for number in range(MOST_KEPT):
        (tmp_path / PLACED / f"{number}.json").touch()
    os.utime(path, (time.time() - 60, time.time() - 60))
    SqliteStore(tmp_path).expire(time.time())
    assert not path.exists()
    assert len(list((tmp_path / PLACED).iterdir())) == MOST_KEPT


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"body": "b1"}', b"\xff"])
def test_a_file_of_anything_is_a_request_of_which_nothing_is_known(tmp_path: Path, content: bytes) -> None:
    """So nobody is rung twice because of it."""
    assert claims(tmp_path).claim("order-1", "b1") is None
    (path,) = (tmp_path / PLACED).iterdir()
    path.write_bytes(content)
    assert claims(tmp_path).claim("order-1", "b1") == Claim(body="b1", call_id="")


def test_a_folder_that_takes_nothing_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Calls are placed all the same: this process remembers by itself."""
    (tmp_path / PLACED).write_text("no folder")
    there = claims(tmp_path)
    assert there.claim("order-1", "b1") is None
    there.settle("order-1", DONE)
    there.withdraw("order-1")
    assert len([each for each in caplog.records if "is not kept" in each.getMessage()]) == 1
    forget_claims(tmp_path, time.time())
