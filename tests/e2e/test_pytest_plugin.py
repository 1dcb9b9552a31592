"""The pytest plugin, as a project uses it: pytest is started in a folder with an agent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
AGENT, TESTS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
SCENARIO = re.findall(r"```toml\n(.*?)```", PAGE, re.S)[0]
INSTALLED = any(each.value == "patter_cli.pytest_plugin" for each in entry_points(group="pytest11"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With the page's agent and its scenario."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "shop.py").write_text(AGENT)
    (tmp_path / "agents" / "shop.toml").write_text(SCENARIO)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    return tmp_path


def run(project: Path, tests: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """pytest in a process of its own."""
    (project / "test_shop.py").write_text(tests)
    plugin = [] if INSTALLED else ["-p", "patter_cli.pytest_plugin"]
    without_keys = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, *flags],
        cwd=project,
        env={**without_keys, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_page_s_tests_pass(project: Path) -> None:
    """Sync and async, an interruption, a silence, and a scenario."""
    done = run(project, TESTS)
    assert "4 passed" in done.stdout, done.stdout + done.stderr


FAILING = """
import time
from patter_cli import Agent

def test_words(patter_call):
    call = patter_call("shop")
    call.say("When do you open?")
    assert "midnight" in call.heard

def test_over(patter_call):
    call = patter_call("shop")
    call.hang_up()
    call.say("Hello?")

def test_its_own_errors(patter_call):
    def on_message(event):
        return event.text / 2
    call = patter_call(Agent("You fail."), on_message=on_message)
    call.say("apples")
    assert not call.errors

def test_keys(patter_call):
    patter_call("shop").press("x")

def test_nobody(patter_call):
    patter_call("shpo")

def test_an_agent_of_its_own(patter_call):
    call = patter_call(Agent("You repeat."), on_message=lambda event: f"You said {event.text}")
    call.say("apples")
    assert call.heard == "You said apples"
    second = patter_call(Agent("You repeat.", "Hello."), on_message=lambda event: "Yes.")
    assert (call.over, second.heard) == (True, "Hello.")

def test_judged(patter_call):
    call = patter_call("shop")
    assert call.judge("It was polite.").passed

def test_scenario(patter_call):
    patter_call.play("agents/bad.toml")

def test_the_clock_is_the_world_s_again():
    assert time.time() > 1_780_000_000
"""


def test_what_fails_says_what_to_mend(project: Path) -> None:
    """What was heard, which call is over, which agents there are; a scenario as the command tells it."""
    (project / "agents" / "bad.toml").write_text(SCENARIO.replace('"nine"', '"nine and close at seven"'))
    done = run(project, FAILING, "-rs")
    told = done.stdout
    assert "6 failed, 2 passed, 1 skipped" in told, told
    for words in (
        "'midnight' in 'We open at nine and close at six.'",
        "the call is over: carrier_stop",
        "TypeError: unsupported operand type(s) for /: 'str' and 'int' at test_shop.py:17 on_message",
        "press('x'): there are no such keys",
        "no agent is called 'shpo'",
        "hint: did you mean 'shop'? agents found: shop",
        "wanted 'nine and close at seven', got 'We open at nine and close at six.'",
        "nine and close at [-seven-] six",
        "at agents/bad.toml:5",
        "no language model is configured here",
    ):
        assert words in told, told
    assert "conversation.py" not in told


def test_it_costs_nothing_where_it_is_not_used() -> None:
    """The plugin alone loads nothing of what a call needs."""
    heavy = {"numpy", "pydantic", "httpx", "websockets", "rich", "typer", "starlette"}
    program = "import sys, pytest; import patter_cli.pytest_plugin; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert not loaded & heavy
    assert {each for each in loaded if each.startswith("patter_cli")} == {"patter_cli", "patter_cli.pytest_plugin"}
