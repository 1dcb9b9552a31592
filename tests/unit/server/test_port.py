"""Who listens, read from a copy of /proc."""

from __future__ import annotations

from pathlib import Path

import pytest

from patter_cli.errors import BadSetting
from patter_cli.server.port import bind_port, who_listens

TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0
"""


def proc(root: Path, state: str) -> Path:
    (root / "net").mkdir()
    (root / "net" / "tcp").write_text(TABLE.format(state=state))
    (root / "12" / "fd").mkdir(parents=True)
    (root / "12" / "comm").write_text("python3\n")
    (root / "12" / "fd" / "3").symlink_to("socket:[4711]")
    return root


def test_the_listener_is_named(tmp_path: Path) -> None:
    """Name and process id of who has the port."""
    assert who_listens(8000, proc(tmp_path, "0A")) == "python3 (pid 12)"


def test_only_listeners_count(tmp_path: Path) -> None:
    """An open connection from that port is nobody who listens."""
    assert who_listens(8000, proc(tmp_path, "01")) == ""


def test_no_proc(tmp_path: Path) -> None:
    """A system without /proc names nobody."""
    assert who_listens(8000, tmp_path) == ""


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("not a host", 0)])
def test_addresses_that_make_no_sense(host: str, port: int) -> None:
    """They are a wrong setting, not our bug."""
    with pytest.raises(BadSetting):
        bind_port(host, port, send_buffer_bytes=4096)
