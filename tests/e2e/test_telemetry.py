"""Traces and logs arrive at a collector, a process of its own; one that is not there costs a call nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from patter_cli import wiring
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import BadSetting
from patter_cli.server.service import ServiceSettings
from patter_cli.settings import Settings
from tests.e2e.conftest import LOUDNESS, Caller, Log, Phone, agent

ROOT = Path(__file__).parents[2]
log = logging.getLogger("shop")

pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")


@dataclass
class Collector:
    """A process that was sent something."""

    process: subprocess.Popen[str]
    port: int

    def end(self) -> list[dict[str, Any]]:
        """What it was sent, in the order of arrival."""
        self.process.terminate()
        said, _ = self.process.communicate(timeout=10)
        return [json.loads(line) for line in said.splitlines()]


@contextmanager
def collecting() -> Iterator[Collector]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.otlp_receiver"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Collector(process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


async def hold_a_call(settings: Settings) -> None:
    def answer(event: Any) -> str:
        log.warning("somebody asks")
        return "We open at nine."

    seen = Log()
    ready = wiring.ready_agent("shop", agent("Hello."), Hooks(on_message=answer))
    service = wiring.service(
        {"shop": ready}, ServiceSettings(port=0, drain_timeout_s=0.0), store=None, observers=(seen,), voice=LOUDNESS,
        telemetry=wiring.telemetry(settings),
    )  # fmt: skip
    await service.start()
    async with Caller(Phone(service, seen), "shop", caller="+12025550142") as caller:
        await caller.until_heard("hello.")
        await caller.say("What are your opening hours?")
        await caller.until_heard("we open at nine.")
    await asyncio.sleep(0.2)
    await service.stop()


async def test_a_call_arrives_as_a_trace(tmp_path: Path) -> None:
    """One trace: the call, its turn below it, and below that where the time went; the log's line has the same trace
    and names the call; the collector is shown what it wants to see; nothing that was said is in it."""
    with collecting() as collector:
        settings = Settings(otel_endpoint=f"http://127.0.0.1:{collector.port}", otel_headers="x-token=s3cret")
        await hold_a_call(settings)
        told = collector.end()
    spans = [each for each in told if each["what"] == "span"]
    (call,) = [each for each in spans if not each["parent"]]
    assert call["name"] == "invoke_agent shop"
    assert (call["service"], call["token"]) == ("patter", "s3cret")
    (turn,) = [each for each in spans if each["parent"] == call["id"]]
    assert turn["name"] == "turn 1"
    below = [each["name"] for each in spans if each["parent"] == turn["id"]]
    assert "endpointing" in below
    assert "chat" in below
    assert {each["trace"] for each in spans} == {call["trace"]}
    assert call["from_ns"] <= turn["from_ns"] < turn["to_ns"] <= call["to_ns"]
    (line,) = [each for each in told if each["what"] == "log" and each["body"] == "somebody asks"]
    assert line["trace"] == call["trace"]
    assert line["attributes"]["patter.call.id"] == call["attributes"]["patter.call.id"]
    said = json.dumps(spans).lower()
    assert not any(each in said for each in ("opening hours", "we open", "2025550142"))


async def test_a_collector_that_is_not_there_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The call is held, and the server stops in its time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await hold_a_call(Settings(otel_endpoint="http://127.0.0.1:9"))
    assert loop.time() - began < 25


def test_without_an_address_nothing_is_sent() -> None:
    """There is no telemetry by default."""
    assert wiring.telemetry(Settings()) is None


@pytest.mark.parametrize(
    "settings", [{"otel_endpoint": "localhost:4318"}, {"otel_endpoint": "http://x:1", "otel_headers": "token"}]
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    """Are refused before the first call."""
    with pytest.raises(BadSetting):
        wiring.telemetry(Settings(**settings))
