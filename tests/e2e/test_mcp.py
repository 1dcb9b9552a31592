"""patter mcp, over standard input and output, used by the official client."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from typer.testing import CliRunner

from patter_cli.cli.app import app
from patter_cli.stores.sqlite import SqliteStore
from tests.e2e.mcp_desk import ROOT, WAYS, McpDesk, by_token, data, refusal
from tests.unit.stores.calls import STARTED, keep

READERS = {"list_agents", "list_calls", "get_call", "explain_call", "follow_transcript"}
ACTORS = {"place_call", "hang_up", "say"}


async def test_every_tool_is_listed_with_what_it_may_do(tmp_path: Path) -> None:
    """Readers say that they read, and those that ring or speak that they do more; nobody is asked for `agreed`."""
    async with McpDesk(tmp_path).over_stdio() as client:
        tools = {each.name: each for each in (await client.list_tools()).tools}
    assert set(tools) == {*READERS, *ACTORS, "simulate_scenario"}
    assert all(tools[each].annotations.read_only_hint for each in READERS)
    assert all(tools[each].annotations.destructive_hint for each in ACTORS)
    assert all("data, no instructions" in tools[each].description for each in READERS)
    for each in ACTORS:
        assert "agreed" not in tools[each].input_schema["properties"]
        assert "confirm" in tools[each].input_schema["properties"]


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_kept_is_read(tmp_path: Path, way: str) -> None:
    """Agents without running them, calls by filter, one call turn by turn, its transcript, why it was slow."""
    desk = McpDesk(tmp_path)
    store = SqliteStore(tmp_path / "kept")
    keep(store, "LB1", STARTED)
    async with desk.client(way) as client:
        agents = data(await client.call_tool("list_agents"))["agents"]
        assert [(each["name"], each["summary"]) for each in agents] == [("hum", "Hums when asked.")]
        calls = data(await client.call_tool("list_calls", {"limit": 5}))["calls"]
        assert [each["call_id"] for each in calls] == ["LB1"]
        assert data(await client.call_tool("list_calls", {"number": "+19995550000"}))["calls"] == []
        call = data(await client.call_tool("get_call", {"call_id": "last"}))
        assert call["call"]["call_id"] == "LB1"
        assert call["turns"]
        told = data(await client.call_tool("follow_transcript", {"call_id": "LB1", "wait_s": 0}))
        assert (told["call_id"], told["next"]) == ("LB1", len(told["lines"]))
        assert data(await client.call_tool("explain_call", {"call_id": "LB1"}))["call_id"] == "LB1"


async def test_what_goes_wrong_is_a_sentence_and_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a person reads it, and nothing of Python's."""
    async with McpDesk(tmp_path).in_process(monkeypatch) as client:
        for name, arguments, sentence, hint in (
            ("get_call", {"call_id": "nobody"}, "no calls are kept yet", "\nhint: hold one: patter simulate"),
            ("list_calls", {"outcome": "answred"}, "outcome cannot be 'answred'", "hint: did you mean answered?"),
            ("list_calls", {"since": "whenever"}, "since cannot be 'whenever'", "hint: it must be a day"),
            ("simulate_scenario", {"agent": "hum"}, "hum has no scenario beside it", "hint: say:"),
            ("simulate_scenario", {"agent": "hmu", "say": ["Hm?"]}, "hmu", "did you mean 'hum'?"),
            ("simulate_scenario", {"agent": "--help", "say": ["Hm?"]}, "names do not begin with a dash", "list_agents"),
        ):
            said = refusal(await client.call_tool(name, arguments))
            assert sentence in said, said
            assert hint in said, said
            assert "Traceback" not in said
            assert "Error executing" not in said


async def test_a_scenario_is_simulated_with_the_code_as_it_is_now(tmp_path: Path) -> None:
    """By text, in seconds; what the agent's file prints does not get into the protocol, and a change is seen."""
    desk = McpDesk(tmp_path)
    async with desk.over_stdio() as client:
        asked = {"agent": "hum", "say": ["What do you do?"]}
        held = data(await client.call_tool("simulate_scenario", asked))
        assert [each["agent"] for each in held["turns"]] == ["Hello.", "Hum."]
        file = tmp_path / "agents" / "hum.py"
        file.write_text(file.read_text().replace('"Hum."))', '"Sing."))'))
        held = data(await client.call_tool("simulate_scenario", asked))
        assert held["turns"][1] | {"latency": None} == {
            "caller": "What do you do?", "agent": "Sing.", "interrupted": False, "tools": [], "latency": None
        }  # fmt: skip
        (tmp_path / "agents" / "hum.toml").write_text('[[step]]\nsay = "And {what}?"\nexpect = "dance"\n')
        held = data(await client.call_tool("simulate_scenario", {"agent": "hum", "variables": {"what": "now"}}))
        (expected,) = [each for each in held["expectations"] if not each["passed"]]
        assert (expected["expected"], held["turns"][1]["caller"]) == ("dance", "And now?")


async def test_the_page_shows_a_block_that_works(tmp_path: Path) -> None:
    """What a client is told to start, by its second name, in the folder that it names."""
    desk = McpDesk(tmp_path)
    page = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    (entry,) = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0])["mcpServers"].values()
    assert entry["command"] == "patter-mcp"
    assert entry["args"][0] == "--folder"
    program = "from patter_cli.__main__ import mcp; mcp()"
    command = [sys.executable, "-c", program, "--folder", str(tmp_path)]
    elsewhere = StdioServerParameters(command=command[0], args=command[1:], env=desk.environment, cwd="/")
    async with Client(stdio_client(elsewhere)) as client:
        assert [each["name"] for each in data(await client.call_tool("list_agents"))["agents"]] == ["hum"]
        documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| `.*?\|", page, re.MULTILINE))))
        assert documented == {each.name for each in (await client.list_tools()).tools}


def test_the_block_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With this folder, or with the address and where the token goes; a folder that there is not is told."""
    desk = McpDesk(tmp_path)
    monkeypatch.chdir(tmp_path)
    printed = CliRunner().invoke(app, ["mcp", "--print-config"])
    entry = json.loads(printed.stdout)["mcpServers"]["patter"]
    assert (printed.exit_code, entry["args"][-2:]) == (0, ["--folder", str(tmp_path)])
    printed = CliRunner().invoke(app, ["mcp", "--print-config", "--http", "--port", "9999"])
    assert json.loads(printed.stdout)["mcpServers"]["patter"] == {
        "type": "http",
        "url": "http://127.0.0.1:9999/mcp",
        "headers": {"Authorization": "Bearer ${PATTER_DASHBOARD_TOKEN}"},
    }
    code, _, err = desk.patter("--folder", "nowhere")
    assert code == 2
    assert "there is no such file or folder" in err
    code, _, err = desk.patter("--http", "--port", "0", PATTER_DASHBOARD_TOKEN="short")
    assert code == 3
    assert "token is too short" in err


def test_without_the_extra_the_hint_installs_it(tmp_path: Path) -> None:
    """One sentence and a command, no traceback."""
    desk = McpDesk(tmp_path)
    (tmp_path / "mcp").mkdir()
    (tmp_path / "mcp" / "__init__.py").write_text("raise ImportError('not installed')\n")
    code, _, err = desk.patter(PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert code == 3
    assert "error: patter mcp needs the MCP SDK" in err
    assert "[mcp]" in err
    assert "Traceback" not in err


async def test_over_http_only_who_has_the_token_is_served(tmp_path: Path) -> None:
    """The official client lists and uses tools; without token, with a wrong one, from a page or by another host: no."""
    desk = McpDesk(tmp_path)
    async with desk.served() as (url, token):
        async with by_token(token) as http:
            async with Client(streamable_http_client(url, http_client=http)) as client:
                assert len((await client.list_tools()).tools) == 9
                assert data(await client.call_tool("list_agents"))["agents"][0]["name"] == "hum"
                assert "no calls are kept" in refusal(await client.call_tool("get_call", {"call_id": "x"}))
                held = data(await client.call_tool("simulate_scenario", {"agent": "hum", "say": ["Hm?"]}))
                assert held["turns"][-1]["agent"] == "Hum."
            hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            assert (await http.post(url, json=hello, headers={"Origin": "https://evil.example"})).status_code == 403
            assert (await http.post(url, json=hello, headers={"Host": "evil.example"})).status_code == 421
            assert (await http.post(url, json=hello, headers={"CF-Ray": "8a-FRA"})).status_code == 404
            assert (await http.post(url, content=b"{", headers={"Content-Type": "application/json"})).status_code < 500
        async with httpx2.AsyncClient(timeout=30) as http:
            assert (await http.post(url, json=hello)).status_code == 401
            for _ in range(5):
                wrong = await http.post(url, json=hello, headers={"Authorization": "Bearer wrong"})
                assert wrong.status_code == 401
            right = await http.post(url, json=hello, headers={"Authorization": f"Bearer {token}"})
            assert right.status_code == 429
