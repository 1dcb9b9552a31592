"""An agent of several files, what it prints, how long it takes, and a word that is written wrongly."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from patter_cli.cli.discovery import load_agent
from patter_cli.errors import InputError

AGENT = "from patter_cli import Agent\nagent = Agent('You greet.')\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "agents").mkdir()
    return tmp_path


def write(root: Path, name: str, source: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"agents/prices_b.py": "PRICE = 5"}, "from prices_b import PRICE"),
        ({"agents/prices_c.py": "PRICE = 5"}, "from agents.prices_c import PRICE"),
        ({"shared_d/prices.py": "PRICE = 5"}, "from shared_d.prices import PRICE"),
        ({"agents/pack_e/__init__.py": "", "agents/pack_e/prices.py": "PRICE = 5"}, "from pack_e.prices import PRICE"),
        ({"agents/one_f.py": "from two_f import PRICE", "agents/two_f.py": "PRICE = 5"}, "from one_f import PRICE"),
    ],
)
def test_an_agent_of_several_files(project: Path, files: dict[str, str], line: str) -> None:
    """Files beside it, in its project, in packages there, and what those import in turn."""
    for name, source in files.items():
        write(project, name, source)
    write(project, "agents/bot.py", f"{line}\n{AGENT}def on_message(event):\n    return PRICE\n")
    assert load_agent("bot", project).hooks["on_message"](None) == 5


def test_an_import_in_a_callback_works_as_well(project: Path) -> None:
    """Long after the file was loaded."""
    write(project, "agents/prices_g.py", "PRICE = 5")
    write(project, "agents/bot.py", f"{AGENT}def on_message(event):\n    import prices_g\n    return prices_g.PRICE\n")
    assert load_agent("bot", project).hooks["on_message"](None) == 5


@pytest.mark.parametrize("name", ["json", "csv", "pytest", "httpx"])
def test_no_library_is_shadowed(project: Path, name: str) -> None:
    """A file beside the agent that is called like one stays where it is; sys.path is as it was."""
    before = list(sys.path)
    write(project, f"agents/{name}.py", "raise SystemExit('never')")
    write(project, "agents/bot.py", f"import {name}\n{AGENT}")
    load_agent("bot", project)
    assert sys.path == before


def test_no_library_finds_a_file_of_the_project(project: Path) -> None:
    """Something optional that is not installed is not found in agents/: only the project's own files look there."""
    write(project, "agents/optional_h.py", "raise SystemExit('never')")
    write(project, "agents/bot.py", AGENT)
    load_agent("bot", project)
    with pytest.raises(ModuleNotFoundError):
        __import__("optional_h")


def test_two_projects_have_their_own_files_of_one_name(tmp_path: Path) -> None:
    """The second does not get the first one's prices."""
    for number in (1, 2):
        write(tmp_path, f"{number}/agents/prices_i.py", f"PRICE = {number}")
        source = f"from prices_i import PRICE\n{AGENT}def on_message(event):\n    return PRICE\n"
        write(tmp_path, f"{number}/agents/bot.py", source)
        assert load_agent("bot", tmp_path / str(number)).hooks["on_message"](None) == number


def test_a_fault_in_the_other_file_is_shown_where_it_is(project: Path) -> None:
    """Both lines, the agent's and the one that failed; a syntax error likewise."""
    write(project, "agents/broken_j.py", "x = 1\n1 / 0\n")
    write(project, "agents/bot.py", "import broken_j\n")
    with pytest.raises(InputError) as caught:
        load_agent("bot", project)
    assert str(caught.value).splitlines()[:2] == ["agents/bot.py:1: import broken_j", "agents/broken_j.py:2: 1 / 0"]
    assert "line 2 of agents/broken_j.py" in caught.value.hint
    write(project, "agents/broken_k.py", "def f(:\n")
    write(project, "agents/bot.py", "import broken_k\n")
    with pytest.raises(InputError, match=r"agents/broken_k\.py:1: def f"):
        load_agent("bot", project)


def test_what_an_agent_prints_is_no_data(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is ours, for --json; what is printed on import goes to standard error."""
    write(project, "agents/bot.py", f"print('hello from my agent')\n{AGENT}")
    load_agent("bot", project)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello from my agent\n")


def test_a_slow_start_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After two seconds the line that the file is at is told; a quick one says nothing."""
    write(project, "agents/bot.py", f"import time\n{AGENT}time.sleep(2.2)\n")
    load_agent("bot", project)
    assert "agents/bot.py:4 is still being loaded after 2 s" in capsys.readouterr().err
    write(project, "agents/bot.py", AGENT)
    load_agent("bot", project)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("Agent('x', first_mesage='y')", "Agent knows no first_mesage", "did you mean first_message?"),
        ("Agent('x', turns=p.TurnPolicy(endpoint=5))", "TurnPolicy knows no endpoint", "did you mean endpoint_ms?"),
        ("p.guardrail('x', blocked=['y'])", "guardrail knows no blocked", "did you mean blocked_terms?"),
        ("p.LocalTTS(voise='jo')", "LocalTTS knows no voise", "did you mean voice?"),
        ("Agent('x', zzz=1)", "Agent knows no zzz", "it knows system_prompt, first_message"),
    ],
)
def test_a_misspelt_keyword_gets_the_nearest_right_one(project: Path, line: str, message: str, hint: str) -> None:
    """With its file and line."""
    write(project, "agents/bot.py", f"import patter_cli as p\nfrom patter_cli import Agent\nagent = {line}\n")
    with pytest.raises(InputError) as caught:
        load_agent("bot", project)
    assert f"agents/bot.py:3: agent = {line}" in str(caught.value)
    assert message in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("from patter_cli import Agnt", "patter_cli has no Agnt", "did you mean Agent?"),
        ("from patter_cli import Tol", "patter_cli has no Tol", "did you mean Tool?"),
        ("from json import lods", "json has no lods", "did you mean loads?"),
        ("import patter_cli\npatter_cli.Agnt('x')", "patter_cli has no Agnt", "did you mean Agent?"),
        ("agent = Agnt('x')", "name 'Agnt' is not defined", "did you mean Agent?"),
        ("agent = Agent('x')", "name 'Agent' is not defined", "write above it: from patter_cli import Agent"),
        ("greeting = 'x'\nprint(greting)", "name 'greting' is not defined", "did you mean greeting?"),
        ("pritn('x')", "name 'pritn' is not defined", "did you mean print?"),
        ("from .b import x", "nothing is relative to it", "write: from b import x"),
        ("from . import b", "nothing is relative to it", "write: import b"),
        ("from patter_cli import Agent\nAgent()", "Agent lacks system_prompt", "Agent(system_prompt=…)"),
        ("from patter_cli import Tool\nTool()", "Tool lacks name and description", "Tool(name=…, description=…)"),
        ("from patter_cli import guardrail\nguardrail()", "guardrail lacks name", "guardrail(name=…)"),
        (
            "from patter_cli import Agent\nAgent('x', 'y', 'z')",
            "Agent takes nothing but system_prompt and first_message without its name",
            "write the others as name=…: engine, stt, llm, tts",
        ),
        ("open('/nowhere/x')", "/nowhere/x cannot be used: there is no such file or folder", "line 1 of agents/bot.py"),
        ("open('/')", "/ cannot be used: it is a folder", "line 1 of agents/bot.py"),
        ("b'\\xff'.decode()", "what it reads is not in the encoding", "encoding="),
        ("raise TypeError(None)", "TypeError, and no word of why", "line 1 of agents/bot.py"),
        ("raise ValueError", "ValueError, and no word of why", "line 1 of agents/bot.py"),
        ("raise KeyError('x')", "KeyError: 'x'", "line 1 of agents/bot.py"),
    ],
)
def test_what_python_says_of_a_file_becomes_a_sentence(project: Path, source: str, message: str, hint: str) -> None:
    """Where it is about something of ours, a name nearly right, a file or an encoding; the line is shown as ever."""
    write(project, "agents/bot.py", source)
    with pytest.raises(InputError) as caught:
        load_agent("bot", project)
    assert str(caught.value).startswith("agents/bot.py:")
    assert message in str(caught.value)
    assert hint in caught.value.hint
    for raw in ("Errno", "codec", "None\n", "/patter_cli/"):
        assert raw not in f"{caught.value}\n"


def test_a_file_that_calls_itself_without_end_is_short(project: Path) -> None:
    """Where it began and where it stopped, not a thousand lines."""
    write(project, "agents/bot.py", "def f():\n    f()\n\nf()\n")
    with pytest.raises(InputError) as caught:
        load_agent("bot", project)
    first, left_out, *rest = str(caught.value).splitlines()
    assert (first, left_out) == ("agents/bot.py:4: f()", "…")
    assert rest == [*["agents/bot.py:2: f()"] * 4, "it calls itself without end"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("on_mesage", "on_message"),
        ("on_messages", "on_message"),
        ("onmessage", "on_message"),
        ("on_call_started", "on_call_start"),
        ("on_transcripts", "on_transcript"),
    ],
)
def test_a_misspelt_callback_is_told(project: Path, name: str, meant: str) -> None:
    """It would never be called, and nothing else would say so."""
    write(project, "agents/bot.py", f"{AGENT}def {name}(event):\n    pass\n")
    assert load_agent("bot", project).warnings == (f"nobody calls {name}; did you mean {meant}?",)


@pytest.mark.parametrize(
    "source",
    [
        "def on_message(event): ...\ndef on_messages(event): ...",
        "on_mesage = 5",
        "def on_sale(item): ...",
        "def once(): ...",
    ],
)
def test_what_is_no_misspelt_callback_is_left_alone(project: Path, source: str) -> None:
    """The right one is there as well, or it is no function, or called like nothing of ours."""
    write(project, "agents/bot.py", f"{AGENT}{source}\n")
    assert load_agent("bot", project).warnings == ()
