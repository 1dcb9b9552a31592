"""MCP servers whose tools an agent may use: a command that is started, or a URL. The engine connects to them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import urlsplit

from patter_cli.errors import InputError, a_kind
from patter_cli.tools import TIMEOUT_S

NAME_CHARS: Final = 24
"""A tool's own name needs the rest of what models take."""
_NAME: Final = re.compile(rf"[a-zA-Z][a-zA-Z0-9_]{{0,{NAME_CHARS - 1}}}")
_RUNNERS: Final = frozenset({"uvx", "uv", "npx", "bunx", "pipx", "run", "node", "bun", "deno", "docker", "exec", "env"})
_PYTHON: Final = re.compile(r"python[0-9.]*(\.exe)?")
_COMMON: Final = re.compile(r"^((mcp|server)[_-]+)+|([_-]+(mcp|server))+$")


@dataclass(frozen=True)
class McpServer:
    """One server. Agents that name the same one share it.

    address: a command line, "uvx mcp-server-time", or a URL. name: goes before the names of its tools, "time"; "": by
    the address. token: sent to a URL as Authorization: Bearer. env: variables of a command, beside PATH, HOME and the
    like; nothing else of this process's environment reaches it. timeout_s: of one tool call. tools: those that the
    agent may use, by the server's own names; (): all. Raises InputError.
    """

    address: str
    name: str = field(default="", kw_only=True)
    token: str = field(default="", kw_only=True, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, kw_only=True, repr=False, hash=False)
    timeout_s: float = field(default=TIMEOUT_S, kw_only=True)
    tools: Sequence[str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.address, str) or not self.address.strip():
            raise InputError(f"an MCP server cannot be {self.address!r}", hint='"uvx mcp-server-time", or a URL')
        if not isinstance(self.timeout_s, int | float) or not 0 < self.timeout_s <= 300:
            raise InputError(
                f"MCP server {self.address}: timeout_s is {self.timeout_s!r}", hint="seconds, from 0 to 300"
            )
        if isinstance(self.tools, str) or not all(isinstance(each, str) for each in self.tools):
            raise InputError(f"MCP server {self.address}: tools is no list of names", hint='tools=["get_time"]')
        if not all(isinstance(each, str) for pair in self.env.items() for each in pair):
            raise InputError(f"MCP server {self.address}: env has what is no text", hint='env={"TZ": "UTC"}')
        object.__setattr__(self, "tools", tuple(self.tools))
        object.__setattr__(self, "env", dict(self.env))
        usual = self._name_of_url() if self.is_url else self._name_of_command()
        object.__setattr__(self, "name", self.name or usual)
        if not _NAME.fullmatch(self.name):
            hint = f"name=…, up to {NAME_CHARS} letters, digits and _, beginning with a letter"
            raise InputError(f"MCP server {self.address}: {self.name!r} cannot be its name", hint=hint)

    @property
    def is_url(self) -> bool:
        return bool(re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", self.address))

    @property
    def command(self) -> list[str]:
        """Its words. Raises ValueError for quotes that do not close."""
        return shlex.split(self.address)

    def _name_of_url(self) -> str:
        try:
            parts = urlsplit(self.address)
            host = parts.hostname or ""
        except ValueError:
            host = ""
        if parts.scheme not in ("http", "https") or not host:
            raise InputError(f"MCP server {self.address} is no URL", hint="https://mcp.example.com/mcp")
        if self.token and parts.scheme == "http" and not _is_here(host):
            raise InputError(f"MCP server {self.address} would get its token unencrypted", hint="https://…")
        labels = host.split(".")
        return _plain(labels[-2]) if len(labels) > 1 and not _is_address(host) else "mcp"

    def _name_of_command(self) -> str:
        try:
            words = self.command
        except ValueError as error:
            raise InputError(f"MCP server {self.address}: {error}", hint="close the quotes") from error
        if self.token:
            raise InputError(f"MCP server {self.address} is a command, and takes no token", hint='env={"API_KEY": …}')
        own = [each for each in words if not each.startswith("-") and PurePath(each).name not in _RUNNERS]
        own = [each for each in own if not _PYTHON.fullmatch(PurePath(each).name)] or words
        path = PurePath(own[0])
        return _plain(path.stem if path.suffix in (".py", ".js", ".ts", ".sh", ".exe") else path.name)


def as_mcp_servers(values: Any) -> tuple[McpServer, ...]:
    """McpServers from a list of addresses, McpServers, dicts of their arguments. Raises InputError."""
    if isinstance(values, str | bytes | Mapping | McpServer) or not isinstance(values, Sequence):
        raise InputError(f"mcp_servers is {a_kind(values)}, not a list", hint='mcp_servers=["uvx mcp-server-time"]')
    servers = tuple(map(_as_one, values))
    names = [each.name for each in servers]
    if twice := {each for each in names if names.count(each) > 1}:
        raise InputError(f"two MCP servers are called {min(twice)!r}", hint='McpServer("…", name="…")')
    return servers


def _as_one(value: Any) -> McpServer:
    if isinstance(value, McpServer):
        return value
    if isinstance(value, Mapping):
        known = [each.name for each in fields(McpServer)]
        if unknown := sorted(map(str, value.keys() - set(known))):
            near = get_close_matches(unknown[0], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
            raise InputError(f"an MCP server has no {', '.join(unknown)}", hint=hint)
        return McpServer(**{"address": "", **value})
    return McpServer(value)


def _plain(written: str) -> str:
    """What a name can be made of."""
    short = _COMMON.sub("", written)
    return re.sub(r"[^a-zA-Z0-9_]", "_", short or written).strip("_")[:NAME_CHARS]


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_here(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)
