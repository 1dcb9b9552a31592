"""patter dashboard: a link to the server that runs, or kept calls shown until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from patter_cli.stores.sqlite import SqliteStore
from tests.e2e.test_control import Served
from tests.unit.stores.calls import STARTED, keep


def dashboard(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "patter_cli", "dashboard"],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_server_that_runs_is_found(tmp_path: Path) -> None:
    """A new link signs in where the calls are; the server's own stands on its screen."""
    served = Served(tmp_path)
    try:
        found = served.until_found()
        asked = dashboard(tmp_path, served.environment)
        said, why = asked.communicate(timeout=60)
        assert asked.returncode == 0, why
        link = said.strip()
        assert link.startswith(f"http://127.0.0.1:{found.port}/dashboard/sign-in?code=")
        with httpx.Client(trust_env=False) as http:
            assert http.get(link).status_code == 303
            agents = http.get(f"http://127.0.0.1:{found.port}/api/v1/calls/active").json()["agents"]
            assert agents == ["hum"]
    finally:
        served.process.kill()
        _, said = served.process.communicate()
    assert "signs one browser in" in said
    assert link not in said


def test_without_a_server_kept_calls_are_shown(tmp_path: Path) -> None:
    """On a port of its own, until somebody ends it."""
    (tmp_path / "r").mkdir(mode=0o700)
    keep(SqliteStore(tmp_path / "kept"), "LB1", STARTED)
    environment = {
        **os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "r"), "PATTER_LOG_DIR": str(tmp_path / "kept"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    shown = dashboard(tmp_path, environment)
    try:
        assert shown.stdout is not None
        link = shown.stdout.readline().strip()
        with httpx.Client(trust_env=False) as http:
            assert http.get(link).status_code == 303
            base = link.partition("/dashboard")[0]
            told = http.get(f"{base}/api/v1/calls").json()
            assert [each["call_id"] for each in told["calls"]] == ["LB1"]
        shown.send_signal(signal.SIGINT)
        _, said = shown.communicate(timeout=60)
    finally:
        shown.kill()
    assert "Traceback" not in said
