"""docs/api.md and docs/metrics.md: what they show runs, and what they name is there."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from patter_cli.cli.app import app
from patter_cli.engine.webhook import signed_headers
from patter_cli.observe import happenings
from patter_cli.observe.metering import Metering
from patter_cli.setting_files import ConfigFile
from patter_cli.settings import ROWS
from patter_cli.web import pulse
from tests.e2e.site import TOKEN
from tests.e2e.test_carriers import company
from tests.e2e.test_site_orders import site_over
from tests.unit.stores.calls import fill

DOCS = Path(__file__).parents[2] / "docs"
API, METRICS = ((DOCS / name).read_text() for name in ("api.md", "metrics.md"))
PATHS: dict[str, Any] = json.loads((DOCS / "openapi.json").read_text())["paths"]

pytestmark = pytest.mark.usefixtures("quiet_log")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


async def test_the_python_of_the_api_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, as one program beside a server: calls are listed, somebody is rung, an event is read."""
    store, site = site_over(tmp_path)
    fill(store, 60)
    reader, ringer, listener, checker = blocks(API, "python")
    async with company(store=store, site=site) as here:
        monkeypatch.setenv("PATTER_URL", f"http://127.0.0.1:{here.service.port}")
        monkeypatch.setenv("PATTER_DASHBOARD_TOKEN", TOKEN)
        names: dict[str, Any] = {}
        await asyncio.to_thread(exec, compile(reader, "api.md", "exec"), names)
        assert (len(names["page"]["calls"]), names["page"]["next"]) == (10, None)
        ringer = ringer.replace("receptionist", "shop")
        listening = asyncio.create_task(asyncio.to_thread(exec, compile(listener, "api.md", "exec"), names))
        for _ in range(100):
            if site.feed.readers:
                break
            await asyncio.sleep(0.02)
        await asyncio.to_thread(exec, compile(ringer, "api.md", "exec"), names)
        assert names["rung"].status_code == 202
        await asyncio.wait_for(listening, 10)
        assert json.loads(names["line"][6:])["what"] == "started"
    exec(compile(checker, "api.md", "exec"), names)
    body = b'{"event": "call.ended"}'
    assert names["take"]("s", signed_headers("s", "C1:ended", body), body) == 200
    assert names["take"]("other", signed_headers("s", "C1:ended", body), body) == 401


def test_every_path_is_on_the_page() -> None:
    """And none that there is not."""
    shown = set(re.findall(r"`(?:GET|POST|DELETE) (/api/v1/[^`]*)`", API)) | {
        f"/api/v1/calls/{{call_id}}/{each}" for each in ("transfer", "hangup", "mute")
    }
    shown |= {"/api/v1/analytics/costs"}
    assert shown == set(PATHS)
    listing = next(each for path, each in PATHS.items() if path == "/api/v1/calls")["get"]
    for parameter in listing["parameters"]:
        assert f"`{parameter['name']}`" in API


def test_every_event_is_on_the_page() -> None:
    """By its name."""
    sources = "".join(inspect.getsource(each) for each in (happenings, pulse))
    told = set(re.findall(r"""yield \(?\s*"(\w+)",""", sources))
    assert len(told) > 15
    listed = API.partition("and by `what`:")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == told


@pytest.mark.parametrize("line", [line for page in (API, METRICS) for each in blocks(page, "console")
                                  for line in each.splitlines() if line.startswith("patter ")])  # fmt: skip
def test_their_commands_are_there(line: str) -> None:
    """Each as it is written."""
    _, command, *_ = shlex.split(line.partition("#")[0])
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_their_settings_are_there() -> None:
    """Every key of the patter.toml that is shown, and every variable."""
    for block in blocks(API, "toml"):
        table = tomllib.loads(block)
        assert isinstance(ConfigFile(table=table).find(("serve",), "notify_url"), tuple)
        flags = {row.flag for row in ROWS.values() if row.section == ("serve",)}
        assert set(table["serve"]) <= flags
    variables = {row.variable for row in ROWS.values()}
    named = set(re.findall(r"\b(?:PATTER|OTEL)_[A-Z_]+\b", API + METRICS)) - {"PATTER_URL"}
    assert named <= variables
    assert "`otel_endpoint`" in METRICS


def test_every_metric_is_on_the_page() -> None:
    """With none that there is not."""
    told = set(re.findall(r"^# TYPE (patter_\w+)", Metering().render(), re.MULTILINE))
    told |= {"patter_event_readers", "patter_notices_total"}
    assert set(re.findall(r"`(patter_[a-z_]+)`", METRICS)) == told


def test_the_python_of_the_metrics_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """A call's trace, from its id."""
    (block,) = blocks(METRICS, "python")
    exec(compile(block, "metrics.md", "exec"), {})
    assert re.fullmatch(r"[0-9a-f]{32}\n", capsys.readouterr().out)
