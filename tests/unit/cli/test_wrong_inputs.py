"""What people type wrong, over all commands: each is told in one sentence, with the next command to type."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main
from typer.testing import CliRunner

from patter_cli.cli.app import app
from patter_cli.cli.next_command import command_in
from patter_cli.cli.templates import new_agent
from patter_cli.stores.sqlite import SqliteStore
from tests.unit.stores.calls import STARTED, Kept, record

FILES: Final = {
    "people.csv": "name\nAnna\n",
    "good.csv": "number,name\n+12025550101,Anna\n",
    "_syntax.py": "agent = Agent(\n",
    "_import.py": "import no_such_module\n",
    "_none.py": "x = 1\n",
    "typo.toml": '[[step]]\nsya = "Hello."\n',
    "empty.toml": 'agent = "front_desk"\n',
    "names.toml": '[variables]\npeople = "4"\n[[step]]\nsay = "For {poeple}."\n',
    "wrong.toml": "[serve]\nprot = 8000\n",
    "wrong.env": "PATTER_PORT=abc\n",
    "agents/vendor.py": 'from patter_cli import Agent, OpenAILLM\nagent = Agent("Hi.", "Hi.", llm=OpenAILLM())\n',
}
JARGON: Final = re.compile(
    r"Traceback \(|Errno|Exception|NoneType|<class |0x[0-9a-f]{6}|\bparse|argv|stderr|site-packages|asyncio",
    re.I,
)
OTHER_PROGRAMS: Final = ("export", "unset", "mkdir", "ls", "ffmpeg", "pip")


TABLE: Final = Path(__file__).parents[2] / "data" / "wrong_lines.txt"
ROW: Final = re.compile(r"^\$ (.+)\n(\d+) (.+)\n> (.+)$", re.MULTILINE)
ROWS: Final = [(line, int(code), error, command) for line, code, error, command in ROW.findall(TABLE.read_text())]
"""What is typed, the exit code, the sentence, and the next command; "again": the same line, once a file is mended."""


def make_project(folder: Path) -> None:
    """Two agents, files with a fault each, and one call that is kept and was not recorded."""
    new_agent("front_desk", "starter", folder)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    kept = Kept(SqliteStore(folder / "kept"), "LB1", STARTED)
    kept.end(record("LB1", STARTED))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    make_project(folder)
    return folder


@pytest.fixture
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, with no other program on the machine, no server and no key."""
    monkeypatch.chdir(project)
    for name, value in (("PATH", "/nowhere"), ("PATTER_LOG_DIR", str(project / "kept")), ("COLUMNS", "200")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(project / "run"))
    for name in ("TWILIO_ACCOUNT_SID", "TELNYX_API_KEY", "OPENAI_API_KEY", "PHONE_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    return project


@pytest.mark.parametrize(("line", "code", "error", "command"), ROWS, ids=[row[0] for row in ROWS])
def test_what_is_typed_wrong(
    line: str, code: int, error: str, command: str, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, a command that there is, no words of the program's own insides, and nothing left behind."""
    before = files_in(inside)
    typed, environment = words_of(line)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, typed)
    assert "error: " in done.stderr, (done.output, done.exc_info)
    told = done.stderr[done.stderr.index("error: ") :].splitlines()
    said = {kind: words for kind, _, words in (each.partition(": ") for each in told)}
    assert (done.exit_code, said["error"]) == (code, error)
    assert said["hint"]
    assert not JARGON.search(done.output), done.output
    wanted = shlex.join(["patter", *typed]) if command == "again" else command
    found = said.get("then") or said.get("try") or command_in(said["hint"])
    assert found == wanted
    if found.startswith("patter "):
        assert_is_command(found)
    else:
        assert found.split()[0] in OTHER_PROGRAMS
    assert files_in(inside) == before


def test_the_table_is_over_all_commands() -> None:
    """Whoever adds a command adds what can be typed wrong of it."""
    groups = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    typed = {tuple(words_of(row[0])[0][:2]) for row in ROWS}
    for name, command in groups.items():
        assert any(words and words[0] == name for words in typed), name
        if name in ("logs", "record"):
            missing = {each for each in command.commands if (name, each) not in typed} - {"tail", "reindex", "stats"}
            assert not missing, missing


def test_with_json_the_same_is_an_object(inside: Path) -> None:
    """For a program, the next command is a field."""
    done = CliRunner().invoke(app, ["simulate", "front_desk", "--line", "awful", "--json"])
    assert '"command": "patter simulate front_desk --json --line clean"' in done.stdout or (
        '"command": "patter simulate front_desk --line clean --json"' in done.stdout
    )


def test_what_only_its_owner_may_see_is_not_printed_again(inside: Path) -> None:
    """A line that is shown mended may be read over a shoulder, and is in a CI system's log."""
    done = CliRunner().invoke(
        app, ["serve", "front_desk", "--dashboard-token", "not-for-you-0123456789", "--prot", "1"]
    )
    assert "not-for-you" not in done.output
    assert "--dashboard-token … --port 1" in done.stderr


def test_a_line_that_nobody_would_copy_is_not_printed_again(inside: Path) -> None:
    """The help is shorter."""
    done = CliRunner().invoke(app, ["simulate", "front_desk", "--line", "awful", "--say", "Hello. " * 40])
    assert "try: patter simulate --help" in done.stderr


def words_of(line: str) -> tuple[list[str], dict[str, str]]:
    """The words after `patter`, and the variables in front of it."""
    words = shlex.split(line)
    place = words.index("patter")
    environment = dict(each.split("=", 1) for each in words[:place])
    return words[place + 1 :], environment


def files_in(folder: Path) -> set[str]:
    kept = {"kept", "run", "__pycache__"}
    return {str(each) for each in folder.rglob("*") if not kept & set(each.relative_to(folder).parts)}


def assert_is_command(line: str) -> None:
    """A command that there is, with flags that it has."""
    command: Any = typer.main.get_command(app)
    _, *words = shlex.split(line)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    flags = {name for each in command.params for name in each.opts} | {"--help"}
    assert {each for each in words if each.startswith("--")} <= flags
    assert not hasattr(command, "commands") or words in ([], ["--help"], ["--version"])
