"""Where running servers are found, and that nobody else can stand in for one."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from patter_cli.errors import BadSetting
from patter_cli.server.registration import Registration, private_folder, register, running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return private_folder(tmp_path / "run")


@pytest.fixture
def open_sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def server(folder: Path, pid: int = 7, port: int = 8000) -> Registration:
    return Registration(
        pid=pid,
        port=port,
        host="127.0.0.1",
        carriers=["loopback"],
        agents=["shop"],
        version="1",
        started_at_s=1_750_000_000.0 + pid,
        socket=str(folder / f"{pid}-{port}.sock"),
        token="a secret",
    )


def listen(path: str, stack: ExitStack) -> None:
    sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    sock.bind(path)
    sock.listen()


def test_who_runs_is_found(folder: Path, open_sockets: ExitStack) -> None:
    """All of them, oldest first, by whoever may read the files: the owner."""
    late, early = server(folder, 9), server(folder, 8, 8001)
    for each in (late, early):
        listen(each.socket, open_sockets)
        assert register(folder, each).stat().st_mode & 0o777 == 0o600
    assert running(folder) == [early, late]
    assert "secret" not in repr(early)


def test_who_was_killed_is_swept_away(folder: Path, open_sockets: ExitStack) -> None:
    """A file whose socket nobody listens at, or that is gone, goes with it; a live one stays."""
    live, dead, gone = server(folder, 8), server(folder, 9), server(folder, 10)
    listen(live.socket, open_sockets)
    with ExitStack() as process:
        listen(dead.socket, process)
    for each in (live, dead, gone):
        register(folder, each)
    assert running(folder) == [live]
    assert sorted(each.name for each in folder.iterdir()) == ["8-8000.json", "8-8000.sock"]


@pytest.mark.parametrize("text", ["", "{}", "[]", "not json", '{"pid": 1}'])
def test_a_file_that_cannot_be_read_is_passed_over(text: str, folder: Path) -> None:
    """Another version of ours may have written it."""
    (folder / "1-1.json").write_text(text)
    assert running(folder) == []


def test_a_folder_that_others_can_reach_is_not_used(tmp_path: Path) -> None:
    """Open to others, a link elsewhere, a file: each is refused, to read from as well as to write to."""
    loose = tmp_path / "loose"
    loose.mkdir(mode=0o755)
    loose.chmod(0o755)
    link = tmp_path / "link"
    link.symlink_to(private_folder(tmp_path / "good"))
    file = tmp_path / "file"
    file.touch()
    for wrong in (loose, link, file):
        for use in (private_folder, running):
            with pytest.raises(BadSetting):
                use(wrong)
    assert running(tmp_path / "nowhere") == []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_is_not_used(tmp_path: Path) -> None:
    """Nor one that lies in another user's: they could exchange it."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    (theirs / "run").mkdir(mode=0o700)
    os.chown(theirs, 12345, 12345)
    for wrong in (theirs, theirs / "run"):
        with pytest.raises(BadSetting, match="not ours alone"):
            private_folder(wrong)


def test_a_server_takes_its_own_name_again(folder: Path, open_sockets: ExitStack) -> None:
    """The file of an earlier process with the same number is replaced, whole."""
    old = server(folder)
    register(folder, replace(old, token="old", agents=["x" * 1000]))
    listen(old.socket, open_sockets)
    register(folder, old)
    assert running(folder) == [old]


@pytest.mark.parametrize(
    "wrong",
    [
        {"started_at_s": "yesterday"},
        {"port": "8000"},
        {"pid": None},
        {"carriers": 5},
        {"agents": [7]},
        {"socket": None},
        {"socket": "a\0b"},
        {"token": 1},
        {"more": 1},
    ],
)
def test_what_is_no_registration_is_passed_over(
    folder: Path, open_sockets: ExitStack, wrong: dict[str, object]
) -> None:
    """Damaged, or another version's: the servers beside it are found all the same."""
    good = server(folder)
    listen(good.socket, open_sockets)
    place = register(folder, good)
    (folder / "8-8001.json").write_text(json.dumps({**json.loads(place.read_text()), **wrong}))
    (folder / "9-8001.json").write_text("[" * 100_000)
    assert running(folder) == [good]
