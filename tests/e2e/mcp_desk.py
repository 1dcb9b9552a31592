"""A folder with agents and kept calls, and `patter mcp` over it as a process, for the official client."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from patter_cli.settings import Settings

WAYS: Final = ("stdio", "http")
ROOT = Path(__file__).parents[2]
OURS = "+12025550100"
AGENT = '''"""Hums when asked."""
print("this is no data")
from patter_cli import Agent
from patter_cli.providers.rules import RulesLLM

agent = Agent("Hum.", "Hello.", llm=RulesLLM(lambda turn: "Hum."))
'''


class McpDesk:
    """folder: where it all is; agents/hum.py is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "agents").mkdir()
        (folder / "agents" / "hum.py").write_text(AGENT)
        (folder / "r").mkdir(mode=0o700)
        self.environment = {
            **os.environ, "XDG_RUNTIME_DIR": str(folder / "r"), "PATTER_LOG_DIR": str(folder / "kept"),
            "PHONE_NUMBER": OURS, "PYTHONPATH": str(ROOT),
        }  # fmt: skip

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """`patter mcp` with these arguments. more: environment."""
        return subprocess.Popen(
            [sys.executable, "-m", "patter_cli", "mcp", *arguments],
            cwd=self.folder, env={**self.environment, **more},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def patter(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        """The same to its end: (exit code, stdout, stderr)."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    @asynccontextmanager
    async def served(self) -> AsyncIterator[tuple[str, str]]:
        """Over HTTP, with a token of its own: (URL, token)."""
        process = await asyncio.to_thread(self.start, "--http", "--port", "0")
        try:
            assert process.stdout is not None
            url = (await asyncio.to_thread(process.stdout.readline)).strip()
            token = (await asyncio.to_thread(process.stdout.readline)).strip().rpartition(" ")[2]
            yield url, token
            process.send_signal(signal.SIGINT)
            _, err = await asyncio.to_thread(process.communicate, timeout=20)
            assert process.returncode == 0, err
            assert "Traceback" not in err
        finally:
            process.kill()
            process.communicate()

    @asynccontextmanager
    async def client(self, way: str) -> AsyncIterator[Client]:
        """The official client over "stdio" or "http"."""
        if way == "stdio":
            async with self.over_stdio() as client:
                yield client
            return
        async with (
            self.served() as (url, token),
            by_token(token) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            yield client

    def in_process(self, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Client:
        """The official client on a server of this process, in this folder: no pipe, and no second start."""
        from patter_cli.cli.mcp_server import mcp_server
        from patter_cli.kept_calls import kept_calls

        monkeypatch.chdir(self.folder)
        monkeypatch.setenv("XDG_RUNTIME_DIR", self.environment["XDG_RUNTIME_DIR"])
        settings = Settings(phone_number=OURS, log_dir=self.folder / "kept")
        return Client(mcp_server(settings, kept_calls(settings)), **more)

    def over_stdio(self, **more: Any) -> Client:
        """The official client, on a server that it starts."""
        started = StdioServerParameters(
            command=sys.executable, args=["-m", "patter_cli", "mcp"], env=self.environment, cwd=self.folder
        )
        return Client(stdio_client(started), **more)


def free_port() -> int:
    """One that nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def by_token(token: str) -> httpx2.AsyncClient:
    """What sends the token with each request."""
    return httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=90)


def data(result: Any) -> Mapping[str, Any]:
    """What a tool returned, which is no error."""
    assert not result.is_error, result.content
    facts: Mapping[str, Any] = result.structured_content
    return facts


def refusal(result: Any) -> str:
    """What a tool said that went wrong."""
    assert result.is_error, result
    return str(result.content[0].text)
