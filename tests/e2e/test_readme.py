"""The README is true: its Python runs, its commands exist, its agent answers."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.simulate.caller import LineCaller
from patter_cli.simulate.scenario import load_scenario

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.S)
TOML = re.findall(r"```toml\n(.*?)```", README, re.S)
CONSOLE = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", README, re.S)
    for line in block.splitlines()
]
PATTER = [line[line.index("patter ") :] for line in CONSOLE if re.search(r"(^|/)patter ", line)]


def patter(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as a person does."""
    program = f"import sys; sys.argv[0] = 'patter'; sys.path.insert(0, {str(ROOT)!r})"
    command = [sys.executable, "-c", f"{program}; from patter_cli.__main__ import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def test_there_is_something_to_check() -> None:
    """Snippets of Python, and commands."""
    assert len(PYTHON) == 3
    assert len(PATTER) >= 11


@pytest.mark.parametrize("line", PATTER)
def test_its_commands_exist(line: str) -> None:
    """Every flag that the README shows is one that the command's help knows."""
    _, command, *arguments = shlex.split(line)
    if command.startswith("-"):
        command, arguments = "", [command, *arguments]
    shown = patter(*filter(None, [command]), "--help", cwd=ROOT)
    assert shown.returncode == 0
    for flag in (each for each in arguments if each.startswith("--")):
        assert flag in shown.stdout


def test_its_agent_answers(tmp_path: Path) -> None:
    """The file to write oneself, saved where the README says, holds a conversation."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "bookshop.py").write_text(PYTHON[0])
    done = patter("simulate", "bookshop", "--text", cwd=tmp_path, stdin="When are you open?\nBye\n")
    assert done.returncode == 0, done.stderr
    assert "Paper Moon Books, hello!" in done.stdout
    assert "We open at nine and close at six." in done.stdout
    assert "Goodbye!" in done.stdout


def test_its_agent_with_a_model_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key it is checked and shown, tool and transfer number included; without one the hint says what to set."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "bookshop.py").write_text(PYTHON[1])
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secretive-1234")
    shown = patter("agents", "show", "bookshop", "--json", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    for part in ("in_stock", "as the caller said it", "+12025550142", "OPENAI_API_KEY", "no prices"):
        assert part in shown.stdout
    assert "secretive" not in shown.stdout
    assert patter("agents", "check", "bookshop", cwd=tmp_path).returncode == 0
    monkeypatch.delenv("OPENAI_API_KEY")
    without = patter("simulate", "bookshop", "--text", cwd=tmp_path)
    assert without.returncode == 3
    assert "export OPENAI_API_KEY" in without.stderr


def test_its_scenario_is_one(tmp_path: Path) -> None:
    """It is read without complaint."""
    (scenario,) = TOML
    path = tmp_path / "bookshop.toml"
    path.write_text(scenario)
    assert len(load_scenario(path).steps) == 3


def _keys(value: object) -> set[str]:
    """The names in a JSON value, but for those of tools' own arguments and results, and of a cost's legs."""
    if isinstance(value, list):
        return set().union(*map(_keys, value))
    if not isinstance(value, dict):
        return set()
    inner = [each for name, each in value.items() if name not in ("arguments", "result", "legs")]
    return set(value).union(*map(_keys, inner))


def test_its_keys_are_the_ones_that_json_has() -> None:
    """Of a call with tools, of agents that are listed and checked: nothing is there that the README does not name."""
    told = README[README.index("## What a call tells a program") : README.index("## Settings")]
    named = set(re.findall(r"`([a-z_]+)`", told))
    done = patter(
        *("simulate", "orders", "--text", "--json"),
        cwd=ROOT,
        stdin="I would like to know where my order is.\n4711\nYes, please find it.\n",
    )
    call = json.loads(done.stdout)
    tools = [tool for turn in call["turns"] for tool in turn["tools"]]
    assert tools
    assert all(isinstance(tool["arguments"], dict) for tool in tools)
    assert {turn["latency"] for turn in call["turns"]} == {None}
    listed = json.loads(patter("agents", "list", "--json", cwd=ROOT).stdout)
    checked = json.loads(patter("agents", "check", "nobody", "--json", cwd=ROOT).stdout)
    assert checked["problems"]
    found = _keys(call) | _keys(listed) | _keys(checked)
    assert found <= named
    split = {"turn", "total_ms"} | {f"{part}_ms" for part in ("endpointing", "stt", "llm", "clause", "tts", "handover")}
    foreign = {"url", "at_ms", "text"}
    whole = {"step", "expected", "heard", "passed", "skipped", "differs", "line"}
    assert named - found - split - foreign - whole <= {"answered", "failed"}


async def test_its_server_takes_a_call(tmp_path: Path) -> None:
    """The program that serves from Python answers on its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = tmp_path / "shop.py"
    program.write_text(PYTHON[2].replace("port=8000", f"port={port}"))
    process = await asyncio.create_subprocess_exec(sys.executable, str(program), cwd=ROOT)
    try:
        url = f"ws://127.0.0.1:{port}/ws/loopback/agent"
        async with asyncio.timeout(40):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    assert process.returncode is None
                    await asyncio.sleep(0.1)
                else:
                    writer.close()
                    break
        async with LineCaller(url, TwilioLine()) as caller:
            assert await caller.wait_for(lambda: caller.ear.voiced_ms >= 200, 10)
    finally:
        process.terminate()
        await process.wait()


def test_its_test_command_is_the_one_that_lands_changes() -> None:
    """.ci/run takes the README's own line."""
    (line,) = [each for each in CONSOLE if each.endswith("-m pytest")]
    assert line.startswith("python3 -m venv .venv && ")
    assert "README.md" in (ROOT / ".ci" / "run").read_text()
