"""Prometheus itself scrapes a server as docs/metrics.md says, and answers what docs/grafana.json asks it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from patter_cli import wiring
from patter_cli.engine.hooks import Hooks
from patter_cli.settings import Settings
from patter_cli.stores.sqlite import SqliteStore
from tests.e2e.conftest import Caller, agent, answering
from tests.e2e.site import BEARER, TOKEN
from tests.e2e.test_serve import free_port

DOCS = Path(__file__).parents[2] / "docs"
PROGRAMS = [shutil.which(each) for each in ("prometheus", "promtool")]

pytestmark = [
    pytest.mark.usefixtures("quiet_log"),
    pytest.mark.skipif(None in PROGRAMS, reason="Prometheus is not installed: apt-get install prometheus"),
]


async def promtool(*arguments: str | Path, given: bytes = b"") -> str:
    """What it says, of which nothing may be wrong."""
    process = await asyncio.create_subprocess_exec(
        str(PROGRAMS[1]), *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(given), 30)
    assert process.returncode == 0, said.decode()
    return said.decode()


def configuration(folder: Path, port: int) -> Path:
    """That of the page, for this server, looked at more often."""
    (text,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "metrics.md").read_text(), re.DOTALL)
    token = folder / "patter.token"
    token.write_text(TOKEN)
    assert "127.0.0.1:8000" in text
    assert "/etc/prometheus/patter.token" in text
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace("/etc/prometheus/patter.token", str(token))
    file = folder / "prometheus.yml"
    file.write_text(f"global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n{text}")
    return file


@asynccontextmanager
async def prometheus(folder: Path, config: Path) -> AsyncIterator[httpx.AsyncClient]:
    """One that scrapes, and who asks it."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(str(PROGRAMS[0]), f"--config.file={config}", f"--storage.tsdb.path={folder / 'kept'}"),
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as http:
            yield http
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def value(http: httpx.AsyncClient, query: str) -> float | None:
    """Of the one series that this gives; None for none."""
    try:
        reply = await http.get("/query", params={"query": query})
    except httpx.TransportError:
        return None  # it is not up yet
    assert reply.status_code == 200, reply.text
    found = reply.json()["data"]["result"]
    return float(found[0]["value"][1]) if found else None


async def test_prometheus_reads_a_server(tmp_path: Path) -> None:
    """promtool finds nothing in configuration and page, the call is counted there, and every panel's question can be
    asked."""
    site = wiring.site(Settings(dashboard_token=TOKEN), SqliteStore(tmp_path / "calls"))
    hooks = Hooks(on_message=lambda event: "We open at nine.")
    async with answering({"shop": (agent("Hello."), hooks)}, site=site) as phone:
        port = phone.server.port
        config = configuration(tmp_path, port)
        assert "SUCCESS" in await promtool("check", "config", config)
        async with prometheus(tmp_path, config) as http:
            async with Caller(phone, "shop") as caller:
                await caller.until_heard("hello.")
                await caller.say("What are your opening hours?")
                await caller.until_heard("we open at nine.")
            async with asyncio.timeout(20):
                while await value(http, 'sum(patter_calls_ended_total{agent="shop"})') != 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            assert await value(http, 'up{job="patter"}') == 1
            assert await value(http, "patter_turn_wait_seconds_count") == 1
            board = json.loads((DOCS / "grafana.json").read_text())
            for panel in board["panels"]:
                for target in panel["targets"]:
                    asked = target["expr"].replace("$agent", ".*").replace("$__rate_interval", "1m")
                    reply = await http.get("/query", params={"query": asked})
                    assert reply.json()["status"] == "success", (panel["title"], reply.text)
        async with httpx.AsyncClient(headers=BEARER, trust_env=False) as own:
            page = (await own.get(f"http://127.0.0.1:{port}/metrics")).content
        assert await promtool("check", "metrics", given=page) == ""
    site.close()
