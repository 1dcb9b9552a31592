"""patter agents, as a person and a script use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from patter_cli.text.preamble import with_preamble

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; sys.argv[0] = 'patter'; from patter_cli.__main__ import main; main()"

AGENT = '''"""Takes orders for a small kitchen."""
from patter_cli import Agent, guardrail
from patter_cli.tools import Tool, tool

@tool
def menu(day: str) -> str:
    """Say what there is to eat.

    day: a weekday
    """

stock = Tool("stock", "Ask how much is left.", webhook_url="https://kitchen.example/stock?token=hidden")

agent = Agent(
    "You take orders for {shop}.",
    "Hello, this is the automated kitchen of {shop}.",
    tools=[menu, stock],
    guardrails=[guardrail("prices", ["refund"], replacement="Let me connect you.")],
    variables={"shop": "Blue Door"},
    pronounce={"Nguyen": "win"},
    transfer_numbers=["+15550100001"],
)

async def on_message(event):
    yield "One moment."
'''

SECRET = "whsec-0123456789abcdef"


def patter(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with no key in the environment but those given."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_SECRET"))}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=cwd,
        env={**kept, "NO_COLOR": "1", "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one agent whose tools are a function and a webhook."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "kitchen.py").write_text(AGENT)
    return tmp_path


def test_list_reads_without_running(project: Path) -> None:
    """Names and first lines, also of a file that would not run; one that cannot be read says why."""
    loud = '"""Prints."""\nprint("ran")\nagent = 1 / 0\nraise SystemExit(9)\n'
    (project / "agents" / "loud.py").write_text(loud)
    (project / "agents" / "prices.py").write_text('"""For others to import: no agent."""\nPRICE = 5\n')
    (project / "agents" / "torn.py").write_text("agent = (\n")
    done = patter("agents", "list", cwd=project)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == ["kitchen  Takes orders for a small kitchen.", "loud     Prints."]
    assert lines[2].startswith("torn     cannot be read: line 1")
    found = json.loads(patter("agents", "list", "--json", cwd=project).stdout)
    assert [(each["name"], each["error"] is None) for each in found] == [
        ("kitchen", True),
        ("loud", True),
        ("torn", False),
    ]


def test_list_of_nothing(tmp_path: Path) -> None:
    """An empty project has no agents; scripts get an empty array."""
    done = patter("agents", "list", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no agent" in done.stderr
    assert json.loads(patter("agents", "list", "--json", cwd=tmp_path).stdout) == []


def test_show_prints_the_exact_prompt_and_everything_else(project: Path) -> None:
    """The prompt with its preamble ends the page; tools, rules, numbers and providers come before it."""
    done = patter("agents", "show", "kitchen", cwd=project, PATTER_WEBHOOK_SECRET=SECRET)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.endswith("\n" + with_preamble("You take orders for Blue Door.", tools=True) + "\n")
    for words in (
        "stt: moonshine (chosen for you); needs no key",
        "llm: none, on_message answers",
        "callbacks: on_message",
        "guardrail prices: 'refund' becomes 'Let me connect you.'",
        "pronounce: 'Nguyen' as 'win'",
        "tts: joe (chosen for you), length_scale 1.0, pitch 1.0, language en; needs no key",
        "transfer to: +15550100001",
        "greeting: Hello, this is the automated kitchen of Blue Door.",
        "--- tool menu: function, at most 10 s",
        '"day"',
        "--- tool stock: webhook https://kitchen.example/stock, at most 10 s",
        "key ****cdef from PATTER_WEBHOOK_SECRET, set in the environment",
        "--- tool transfer_call: built in",
        "--- tool end_call: built in",
    ):
        assert words in done.stdout
    assert SECRET not in done.stdout
    assert "hidden" not in done.stdout


def test_show_says_which_file_a_key_is_from(project: Path) -> None:
    """A key out of .env, or out of the file named instead, is told from one in the environment."""
    (project / ".env").write_text(f"PATTER_WEBHOOK_SECRET={SECRET}\n")
    (project / "other.env").write_text("PATTER_WEBHOOK_SECRET=t1ny\n")
    shown = json.loads(patter("agents", "show", "kitchen", "--json", cwd=project).stdout)
    assert [tool["key"] for tool in shown["tools"] if tool["name"] == "stock"] == [
        {"origin": ".env", "variable": "PATTER_WEBHOOK_SECRET", "masked": "****cdef"}
    ]
    other = patter("agents", "show", "kitchen", "--env-file", "other.env", cwd=project).stdout
    assert "key **** from PATTER_WEBHOOK_SECRET, set in the .env" in other
    assert "t1ny" not in other


def test_show_of_an_agent_that_cannot_hold_a_call(project: Path) -> None:
    """What is there is shown all the same, and what is wrong is told beside it."""
    place = project / "agents" / "kitchen.py"
    place.write_text(AGENT.replace('variables={"shop": "Blue Door"},', ""))
    done = patter("agents", "show", "kitchen", cwd=project, PATTER_WEBHOOK_SECRET=SECRET)
    assert done.returncode == 0
    assert "nothing fills {shop}" in done.stderr
    assert "You take orders for {shop}." in done.stdout


def test_check_of_a_sound_agent(project: Path) -> None:
    """Exit code 0, and a line that says so."""
    done = patter("agents", "check", "kitchen", cwd=project, PATTER_WEBHOOK_SECRET=SECRET)
    assert (done.returncode, done.stdout, done.stderr) == (0, "kitchen: ok\n", "")


def test_check_tells_errors_from_warnings(project: Path) -> None:
    """Warnings leave the exit code at 0; errors have that of the call they would have spoiled."""
    place = project / "agents" / "kitchen.py"
    place.write_text(AGENT.replace("the automated kitchen", "the kitchen"))
    done = patter("agents", "check", "kitchen", cwd=project, PATTER_WEBHOOK_SECRET=SECRET)
    assert done.returncode == 0
    assert done.stdout.startswith("warning: its greeting does not say that it is an AI")
    assert done.stdout.endswith("kitchen: ok, but 1 to look at\n")
    place.write_text(AGENT.replace("day: str", "day"))
    done = patter("agents", "check", "kitchen", "--json", cwd=project, PATTER_WEBHOOK_SECRET=SECRET)
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert (found["agent"], found["ok"]) == ("kitchen", False)
    assert "'day' has no type" in found["problems"][0]["message"]


def test_check_tells_of_a_missing_secret_and_of_an_unknown_agent(project: Path) -> None:
    """Both with what to type next."""
    done = patter("agents", "check", "kitchen", cwd=project)
    assert done.returncode == 3
    assert "error: tool stock: there is no secret" in done.stdout
    assert "hint: export PATTER_WEBHOOK_SECRET=" in done.stdout
    done = patter("agents", "check", "kitshen", cwd=project)
    assert done.returncode == 2
    assert "did you mean 'kitchen'?" in done.stdout


@pytest.mark.parametrize("line", ["patter agents show kit", "patter agents check kit"])
def test_names_complete(project: Path, line: str) -> None:
    """The shell knows the agents here, too."""
    done = patter(cwd=project, _PATTER_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD="3")
    assert done.stdout.split() == ["kitchen"]


@pytest.mark.parametrize("command", ["list", "show", "check"])
def test_help_has_examples_and_general_flags(command: str) -> None:
    """As every command's."""
    shown = patter("agents", command, "--help").stdout
    for words in ("Examples:", "--json", "--env-file", "--config", "--verbose", "--debug", "--no-color"):
        assert words in shown


def test_the_receptionist_is_shown_and_sound() -> None:
    """The agent we ship shows its prompt, its tools, its number and its voice, and nothing is wrong with it."""
    shown = json.loads(patter("agents", "show", "receptionist", "--json").stdout)
    assert shown["prompt"].startswith(with_preamble("You answer the phone for Bright Smile Dental", tools=True))
    assert {"book_appointment", "free_slots", "transfer_call", "end_call"} <= {tool["name"] for tool in shown["tools"]}
    assert shown["transfer_numbers"] == ["+12025550142"]
    assert [(each["stage"], each["key"]["origin"]) for each in shown["stages"]] == [("stt", "none"), ("tts", "none")]
    assert shown["problems"] == []
