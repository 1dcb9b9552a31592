"""One of several agents, chosen at a real terminal; and a run of several scenarios that Ctrl-C ends."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from junitparser import JUnitXml, Skipped

from tests.e2e.test_cli import AGENT as HUM
from tests.e2e.test_cli import PROGRAM, start
from tests.unit.simulate.test_junit import strictly_read

WAIT_S = 30.0


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._master, end = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=folder,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100", "PATTER_LOG_DIR": str(folder / "kept")},
            stdin=end,
            stdout=end,
            stderr=end,
            start_new_session=True,
        )
        os.close(end)
        self.shown = ""

    def until(self, words: str) -> str:
        """Read until they are there, all that was shown."""
        deadline_s = time.monotonic() + WAIT_S
        while words not in self.shown and time.monotonic() < deadline_s:
            if not select.select([self._master], [], [], 0.2)[0]:
                continue
            try:
                self.shown += os.read(self._master, 4096).decode(errors="replace")
            except OSError:  # the program has gone
                break
        assert words in self.shown, self.shown
        return self.shown

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@contextmanager
def terminal(folder: Path, *arguments: str) -> Iterator[Terminal]:
    opened = Terminal(folder, *arguments)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three agents, one of them not readable as Python."""
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "hum.py").write_text(HUM)
    shop = HUM.partition("\n")[2].replace('"Hum."', '"Books!"')
    (agents / "shop.py").write_text(f'"""Sells books."""\n{shop}')
    (agents / "odd.py").write_text("def\n")
    return tmp_path


def test_at_a_terminal_one_of_several_is_chosen(project: Path) -> None:
    """They are listed with what they say of themselves; a number that is none is asked again, then a name will do."""
    with terminal(project, "simulate", "--text") as shown:
        listed = shown.until("Which one? [1] ")
        assert "1  hum" in listed
        assert "2  shop  Sells books." in listed
        assert "odd" not in listed
        shown.type("9\n")
        shown.until("there is no '9': a number from 1 to 2, or a name")
        shown.type("sh\n")
        shown.until("Books!")
        shown.type("\x04")
        shown.process.wait(WAIT_S)
        assert shown.process.returncode == 0


def test_a_closed_keyboard_chooses_none(project: Path) -> None:
    """And is told what to type."""
    with terminal(project, "simulate", "--text") as shown:
        shown.until("Which one? [1] ")
        shown.type("\x04")
        shown.until("hint: patter simulate hum")
        assert shown.process.wait(WAIT_S) == 2


@pytest.mark.parametrize("command", ["simulate", "fuzz"])
def test_a_script_is_not_asked(project: Path, command: str) -> None:
    """It gets the names, and the command with one."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, command], cwd=project, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2
    assert done.stderr == f"error: which agent? there are hum, shop\nhint: patter {command} hum\n"


def test_ctrl_c_leaves_what_was_held_until_then(project: Path) -> None:
    """The report has the call that was over, the other counts as skipped; 130 says that the run is not whole."""
    (project / "quick.toml").write_text('agent = "hum"\n[[step]]\npress = "1"\n[[step]]\nhang_up = true\n')
    (project / "long.toml").write_text('agent = "hum"\n[[step]]\npress = "1"\n[[step]]\nwait_ms = 60000\n')
    scenarios = ("--scenario", "quick.toml", "--scenario", "long.toml")
    run = start("simulate", *scenarios, "--jobs", "2", "--junit", "report.xml", cwd=project)
    try:
        assert run.stderr is not None
        assert "ok      quick.toml" in run.stderr.readline()
        run.send_signal(signal.SIGINT)
        out, _ = run.communicate(timeout=WAIT_S)
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 130
    assert "skipped long.toml: it was not held to its end: the run was stopped" in out
    assert "2 scenarios: 1 passed, 1 skipped in" in out
    written = (project / "report.xml").read_bytes()
    strictly_read(written)
    endings = {
        suite.name: [type(each) for case in suite for each in case.result] for suite in JUnitXml.fromstring(written)
    }
    assert endings == {"quick.toml": [], "long.toml": [Skipped]}
