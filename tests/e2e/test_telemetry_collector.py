"""Traces and logs pass a real collector: somebody else's program takes them, reads them, and sends on what it read."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from patter_cli.settings import Settings
from tests.e2e.test_serve import free_port
from tests.e2e.test_telemetry import collecting, hold_a_call


def collector_program() -> Path:
    """Rotel, a collector in Rust, as its package on PyPI brings it; skips where that is not installed."""
    found = importlib.util.find_spec("rotel")
    program = Path(str(found.origin)).with_name("rotel-agent") if found is not None else Path()
    if not os.access(program, os.X_OK) or not program.is_file():
        pytest.skip("no collector is installed: pip install --no-deps rotel==0.0.1a15")
    return program


@asynccontextmanager
async def collector(folder: Path, sends_to: int) -> AsyncIterator[int]:
    """The port on which it takes OTLP over HTTP."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(collector_program(), "start", "--otlp-http-endpoint", f"127.0.0.1:{port}"),
        *("--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}", "--exporter", "otlp", "--batch-timeout", "100ms"),
        *("--otlp-exporter-endpoint", f"http://127.0.0.1:{sends_to}", "--otlp-exporter-protocol", "http"),
        *("--pid-file", folder / "pid", "--log-file", folder / "log"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(20):
            while not listens(int(port)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield int(port)
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


async def test_a_call_passes_a_real_collector(tmp_path: Path) -> None:
    """It finds nothing to refuse, and what it sends on is the whole trace: call, turn, stages, model; and the log."""
    collector_program()
    with collecting() as behind:
        async with collector(tmp_path, behind.port) as port:
            await hold_a_call(Settings(otel_endpoint=f"http://127.0.0.1:{port}"))
            await asyncio.sleep(0.5)  # its own batch
        told = behind.end()
    spans = [each for each in told if each["what"] == "span"]
    (call,) = [each for each in spans if not each["parent"]]
    assert (call["name"], call["service"]) == ("invoke_agent shop", "patter")
    assert call["attributes"]["gen_ai.operation.name"] == "invoke_agent"
    (turn,) = [each for each in spans if each["parent"] == call["id"]]
    assert turn["name"] == "turn 1"
    assert {"endpointing", "chat"} <= {each["name"] for each in spans if each["parent"] == turn["id"]}
    assert {each["trace"] for each in spans} == {call["trace"]}
    (line,) = [each for each in told if each["what"] == "log" and each["body"] == "somebody asks"]
    assert (line["trace"], line["attributes"]["patter.call.id"]) == (
        call["trace"],
        call["attributes"]["patter.call.id"],
    )
