"""Finding agents runs nobody's code; loading runs one file and says clearly what is wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from patter_cli.cli.discovery import find_agents, load_agent
from patter_cli.errors import InputError

GOOD = '''"""A greeter.

More about it.
"""
from patter_cli import Agent

agent = Agent(system_prompt="You greet.")
other: Agent = Agent(system_prompt="You part.")

def on_call_end(event):
    return event

async def on_message(event):
    yield "hi"
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "agents").mkdir()
    write(tmp_path, "greeter", GOOD)
    return tmp_path


def write(root: Path, name: str, source: str) -> Path:
    path = root / "agents" / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    return path


def test_agents_are_found_without_running_them(project: Path) -> None:
    """A file that would leave a trace when imported leaves none when listed."""
    canary = project / "canary"
    write(project, "evil", f"open({str(canary)!r}, 'w').close()\nimport patter_cli as p\nagent = p.Agent('x')\n")
    write(project, "_hidden", "agent = Agent('x')")
    found = find_agents(project)
    assert [(each.name, each.summary, each.variables, each.error) for each in found] == [
        ("evil", "", ("agent",), None),
        ("greeter", "A greeter.", ("agent", "other"), None),
    ]
    assert not canary.exists()


def test_a_file_that_others_import_is_no_agent(project: Path) -> None:
    """Only what makes an Agent, or calls something `agent`, is listed, and served when all are."""
    write(project, "prices", "PRICE = 5\n")
    write(project, "made", "from prices import make\nagent = make()\n")
    write(project, "lent", "from prices import bot as agent\n")
    assert [each.name for each in find_agents(project)] == ["greeter", "lent", "made"]


@pytest.mark.parametrize("source", ["agent = Agent(\n", "x = '\x00'", "b = '\udcff'"])
def test_a_file_that_does_not_parse_is_listed_with_its_error(project: Path, source: str) -> None:
    """Garbage is named, and does not hide the others."""
    (project / "agents" / "broken.py").write_bytes(source.encode("utf-8", "surrogateescape"))
    broken, good = find_agents(project)
    assert broken.name == "broken"
    assert broken.error
    assert good.error is None


def test_a_project_without_agents_lists_none(tmp_path: Path) -> None:
    """No folder is no error when listing."""
    assert find_agents(tmp_path) == []


@pytest.mark.parametrize("spec", ["greeter", "agents/greeter.py", "./agents/greeter.py", "agents/greeter.py:agent"])
def test_an_agent_is_loaded_by_stem_or_path(project: Path, spec: str) -> None:
    """Stem, path and path with a variable's name lead to the same agent, with its hooks."""
    loaded = load_agent(spec, project)
    assert (loaded.name, loaded.path) == ("greeter", (project / "agents" / "greeter.py").resolve())
    assert loaded.agent.system_prompt == "You greet."
    assert sorted(loaded.hooks) == ["on_call_end", "on_message"]


def test_a_path_may_name_the_variable(project: Path) -> None:
    """`path.py:name` takes another agent of the file; an absolute path needs no root."""
    path = project / "agents" / "greeter.py"
    assert load_agent(f"{path}:other").agent.system_prompt == "You part."


def test_only_the_chosen_file_runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neighbours stay unread, a local json.py shadows no library, and sys.path is as it was."""
    canary = project / "canary"
    evil = f"open({str(canary)!r}, 'w').close()\n"
    for path in (project / "json.py", project / "tabnanny.py", project / "agents" / "tabnanny.py"):
        path.write_text(evil, encoding="utf-8")
    write(project, "evil", evil)
    write(project, "ok", "import json, tabnanny\nfrom patter_cli import Agent\nagent = Agent('x')\n")
    monkeypatch.chdir(project)
    monkeypatch.delitem(sys.modules, "tabnanny", raising=False)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(project))])
    before = list(sys.path)
    assert load_agent("ok").agent.system_prompt == "x"
    assert sys.path == before
    assert not canary.exists()


def test_an_unknown_name_gets_the_nearest_one(project: Path) -> None:
    """A slip of the finger is answered with the name that was meant."""
    with pytest.raises(InputError, match="no agent is called 'greter'") as caught:
        load_agent("greter", project)
    assert caught.value.hint == "did you mean 'greeter'? agents found: greeter"


def test_without_an_agents_folder_the_hint_says_how_to_begin(tmp_path: Path) -> None:
    """A wrong directory is explained."""
    with pytest.raises(InputError) as caught:
        load_agent("greeter", tmp_path)
    assert "no agents folder" in caught.value.hint
    assert "patter agents new" in caught.value.hint


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("agents/none.py", "does not exist"),
        ("agents/", "is a folder"),
        ("agents/notes.txt/x", "does not exist"),
        ("", "the agent's name is empty"),
        (" ", "the agent's name is empty"),
        ("\t\n", "the agent's name is empty"),
        (":agent", "no agent is called ':agent'"),
        ("\u3000", "the agent's name is empty"),
        ("..", "no agent"),
        ("greeter:", "no agent"),
    ],
)
def test_a_bad_path_is_an_input_error(project: Path, spec: str, message: str) -> None:
    """Whatever is typed, the answer is one sentence."""
    with pytest.raises(InputError, match=message):
        load_agent(spec, project)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("x = 1\nagent = Agent(\n", ["agents/bad.py:2: agent = Agent(", "was never closed"]),
        ("import sys\nsys.exit(3)\n", ["agents/bad.py:2: sys.exit(3)", "SystemExit: 3"]),
        ("def f():\n    return 1 / 0\n\nf()\n", ["agents/bad.py:4: f()", "agents/bad.py:2: return 1 / 0", "ZeroDiv"]),
        ("from patter_cli import Agent\nagent = Agent('')\n", ["agents/bad.py:2: agent = Agent('')", "system_prompt"]),
        ("import json\njson.loads('{')\n", ["agents/bad.py:2: json.loads('{')", "JSONDecodeError"]),
        ("import no_such_module_x\n", ["agents/bad.py:1: import no_such_module_x", "ModuleNotFoundError"]),
    ],
)
def test_a_failing_file_shows_its_own_lines_only(project: Path, source: str, lines: list[str]) -> None:
    """The person's file, line and text are in the message, the library's frames are not."""
    write(project, "bad", source)
    with pytest.raises(InputError) as caught:
        load_agent("bad", project)
    shown = str(caught.value).splitlines()
    assert len(shown) == len(lines)
    assert all(part in line for part, line in zip(lines, shown, strict=True))
    assert caught.value.hint
    assert not [name for name in sys.modules if name.startswith("patter_agent_bad")]


def test_a_missing_module_comes_with_the_command_that_installs_it(project: Path) -> None:
    """The hint is exact, and different for what belongs to the project and is not there."""
    write(project, "bad", "import no_such_module_x.part\n")
    with pytest.raises(InputError) as caught:
        load_agent("bad", project)
    assert caught.value.hint.endswith("-m pip install no_such_module_x")
    write(project, "bad", "from agents.prices_x import price\n")
    with pytest.raises(InputError) as caught:
        load_agent("bad", project)
    assert "there is no agents/prices_x.py in" in caught.value.hint


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("x = 1", "`agent` is missing", "agent = Agent("),
        ("agent = 5", "`agent` is a number, not an Agent", "agent = Agent("),
        ("agent = None", "`agent` is None, not an Agent", "agent = Agent("),
        ("agent = {}", "`agent` is a dict, not an Agent", "agent = Agent("),
        ("from patter_cli import Agent\nagent = Agent", "`agent` is the class Agent, not an Agent", "agent = Agent("),
        ("from patter_cli import Agent\nbot = Agent('x')", "`agent` is missing", "patter simulate agents/bad.py:bot"),
        ("from patter_cli import Agent\nagent = Agent('x')\non_message = 5", "`on_message` is a number", "async def"),
    ],
)
def test_a_file_without_a_proper_agent_is_explained(project: Path, source: str, message: str, hint: str) -> None:
    """What is missing or of the wrong kind is named, with what to write instead."""
    write(project, "bad", source)
    with pytest.raises(InputError) as caught:
        load_agent("bad", project)
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_files_of_one_name_do_not_mix(tmp_path: Path) -> None:
    """Two projects' agents of one name are two modules, and their hooks are read-only."""
    for each in ("a", "b"):
        (tmp_path / each / "agents").mkdir(parents=True)
        write(tmp_path / each, "same", f"from patter_cli import Agent\nagent = Agent('{each}')\n")
    first, second = (load_agent("same", tmp_path / each) for each in ("a", "b"))
    assert (first.agent.system_prompt, second.agent.system_prompt) == ("a", "b")
    assert not isinstance(first.hooks, dict)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('"""Größe."""\nagent = Agent("x")\n'.encode("latin-1"), "this is not UTF-8"),
        (b'\xff\xfe"\x00"\x00', "NUL"),
        (b"# coding: klingon\nagent = 1\n", "unknown encoding: klingon"),
        (b"agent = 1\0\n", "NUL"),
        (b"agent = " + b"(" * 5000 + b")" * 5000, "too many"),
        (b"agent = (\n", "line 1: "),
    ],
)
def test_a_file_that_is_no_python_is_listed_with_why(tmp_path: Path, content: bytes, why: str) -> None:
    """In words, and not in those of a decoder."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "odd.py").write_bytes(content)
    (found,) = find_agents(tmp_path)
    assert found.error is not None
    assert why in found.error
    assert "codec" not in found.error
    assert "recursion" not in found.error


def test_a_folder_named_like_an_agent_is_none(tmp_path: Path) -> None:
    """Nor is a file where the folder should be."""
    (tmp_path / "agents" / "odd.py").mkdir(parents=True)
    assert find_agents(tmp_path) == []
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "agents").write_text("")
    assert find_agents(tmp_path / "other") == []
