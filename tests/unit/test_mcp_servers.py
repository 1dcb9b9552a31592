"""What somebody writes in mcp_servers=[...]: names, and everything that cannot be one; and the page that shows it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from patter_cli import Agent, McpServer
from patter_cli.errors import InputError


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("uvx mcp-server-time", "time"),
        ("npx -y @modelcontextprotocol/server-filesystem /home/me", "filesystem"),
        ("python3.12 tools/crm.py --fast", "crm"),
        ("/usr/bin/python -m acme.crm", "acme_crm"),
        ("'/opt/my tools/desk.sh'", "desk"),
        ("https://mcp.stripe.com", "stripe"),
        ("https://api.example.co/mcp", "example"),
        ("http://127.0.0.1:8000/mcp", "mcp"),
        ("http://localhost:8000/mcp", "mcp"),
    ],
)
def test_a_server_is_named_by_its_address(address: str, name: str) -> None:
    """Without the words that all of them have."""
    assert McpServer(address).name == name


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("uvx mcp-server-time", "mcp_servers is a text, not a list"),
        ([""], "an MCP server cannot be ''"),
        ([7], "an MCP server cannot be 7"),
        (["ftp://example.com"], "is no URL"),
        (["https://"], "is no URL"),
        (["run 'me"], "No closing quotation"),
        (["42"], "cannot be its name"),
        ([{"address": "x", "nmae": "y"}], "has no nmae"),
        ([{"address": "http://example.com/mcp", "token": "secret"}], "unencrypted"),
        ([{"address": "run me", "token": "secret"}], "takes no token"),
        ([{"address": "run me", "timeout_s": 0}], "timeout_s is 0"),
        ([{"address": "run me", "tools": "one"}], "tools is no list"),
        ([{"address": "run me", "env": {"A": 1}}], "env has what is no text"),
        (["uvx mcp-server-time", "uvx mcp-time"], "two MCP servers are called 'time'"),
    ],
)
def test_what_cannot_be_one_is_told_with_a_hint(given: Any, said: str) -> None:
    """When the agent is made."""
    with pytest.raises(InputError) as caught:
        Agent("Hm.", mcp_servers=given)
    assert said in str(caught.value)
    assert caught.value.hint


def test_a_secret_is_not_shown() -> None:
    """Neither the token nor what a command is given."""
    shown = repr(McpServer("https://example.com/mcp", token="s3cret")) + repr(McpServer("run", env={"K": "s3cret"}))
    assert "s3cret" not in shown


def test_the_pages_agent_is_one() -> None:
    """As it is written; its servers are elsewhere, so it is not opened."""
    page = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(block, "mcp.md", "exec"), names)
    assert [each.name for each in names["agent"].mcp_servers] == ["time", "clinic"]
