"""patter fuzz as one sees it: what is told of a defect, and the folder that it goes into."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from patter_cli.cli.app import app

ODD = '''"""Takes orders, and cannot take large ones."""

from patter_cli import Agent, RulesLLM, call_tool, tool


@tool
def book(people: int) -> str:
    """Book a table."""
    if people > 3:
        raise RuntimeError("no table is so large")
    return "booked"


def rules(turn):
    if turn.results:
        return "It is booked."
    if "party" in turn.text.lower():
        return call_tool("book", people=9)
    return "Say party, or anything else."


agent = Agent("You book tables.", "Hello, a table?", llm=RulesLLM(rules), tools=[book])
'''


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "odd.py").write_text(ODD)
    return tmp_path


def test_a_defect_is_told_with_the_line_of_the_authors_file(here: Path) -> None:
    """The rule, the shortest call, what was raised and where, and how to hold it again, which fails."""
    done = CliRunner().invoke(app, ["fuzz", "odd", "--minutes", "4"])
    assert done.exit_code == 1
    told = done.stderr.splitlines()
    at = told.index("FAILED code: tool book (tool_1) raised")
    assert told[at + 1 : at + 4] == [
        '       say "party"',
        "       log: tool book (tool_1) raised: RuntimeError: no table is so large at agents/odd.py:10 book",
        "       again: patter simulate --scenario fuzz/odd-code.toml",
    ]
    assert CliRunner().invoke(app, ["simulate", "--scenario", "fuzz/odd-code.toml"]).exit_code == 1


def test_a_folder_that_takes_nothing_is_told_before_the_first_call(here: Path) -> None:
    """And one in which nothing was put is not left behind."""
    (here / "file").write_text("x")
    for out, says in (("file", "file is a file"), ("file/below", "cannot write into file/below")):
        done = CliRunner().invoke(app, ["fuzz", "odd", "--minutes", "300", "--out", out])
        assert (done.exit_code, says in done.stderr) == (2, True), done.stderr
        assert "try: patter fuzz odd --minutes 300 --out fuzz" in done.stderr
    (here / "agents" / "odd.py").write_text(ODD.replace("people=9", "people=2"))
    assert CliRunner().invoke(app, ["fuzz", "odd", "--minutes", "1", "--out", "new/fuzz"]).exit_code == 0
    assert not (here / "new").exists()
