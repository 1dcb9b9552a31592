"""The pages as a real terminal shows them: what it is sent is captured from tmux."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from patter_cli.tui.live import rendered
from patter_cli.tui.tty import BEGIN, END, ENTER
from tests.unit.tui.stored import LISTING, MOMENTS, golden, page

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux")
SIZES = ((60, 20), (80, 24), (200, 60))


class Tmux:
    """One terminal, on a server of its own."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux")
        self._folder = folder

    def run(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-S", self._socket, "-f", "/dev/null", *arguments]
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
        return done.stdout

    def shows(self, data: bytes, width: int, height: int, expected: str) -> str:
        """What is to be seen once these bytes were sent; as soon as it is what is expected."""
        path = self._folder / "sent"
        path.write_bytes(data)
        self.run("new-session", "-d", "-x", str(width), "-y", str(height), f"cat '{path}'; sleep 60")
        seen, until = "", time.monotonic() + 15
        while seen != expected and time.monotonic() < until:
            time.sleep(0.05)
            seen = "\n".join(each.rstrip() for each in self.run("capture-pane", "-p").splitlines())
        return seen


@pytest.fixture
def tmux(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tmux]:
    """A terminal that is gone afterwards."""
    made = Tmux(tmp_path_factory.mktemp("t"))
    yield made
    made.run("kill-server")


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("moment", ["growing", "list"])
def test_a_terminal_shows_the_page_that_is_kept(tmux: Tmux, moment: str, width: int, height: int) -> None:
    """Sign by sign, also where the page before it was another's: only the rows that differ are sent."""
    listing = LISTING if moment == "list" else None
    frame = page(MOMENTS.get(moment, MOMENTS["growing"]), width, height, listing=listing)
    before = page(MOMENTS["cut-off"], width, height, coloured=True)
    told = f"{rendered(before, None)}{rendered(frame, before)}".encode()
    kept = golden(moment, width, height).read_text("utf-8").rstrip("\n")
    assert tmux.shows(ENTER + BEGIN + told + END, width, height, kept) == kept
