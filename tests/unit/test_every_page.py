"""Every page and the README: commands with their flags exist, Python compiles and finds what it imports, settings are
read without complaint, and links lead somewhere."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import pytest
import typer

from patter_cli.cli.app import app
from patter_cli.cli.general import _sections
from patter_cli.setting_files import read_config

ROOT = Path(__file__).parents[2]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]}
BLOCKS = [
    (page, number, language, block)
    for page, text in PAGES.items()
    for number, (language, block) in enumerate(re.findall(r"```(\w*)\n(.*?)```", text, re.S))
]
NAMES = re.compile(r"\b[A-Z]{2,}\b|…|\.\.\.")
"""What stands for something of one's own."""


def commands(page: str) -> list[str]:
    """What is typed after `patter` on a page, in its blocks and within its text."""
    text = PAGES[page]
    blocks = "\n".join(block for other, _, kind, block in BLOCKS if other == page and kind in ("console", "sh", "bash"))
    spans = re.findall(r"`((?:[A-Z_]+=\S+ )*patter [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    typed = [line.split("  #")[0] for line in [*blocks.splitlines(), *(each.replace("\n", " ") for each in spans)]]
    return [each.strip() for line in typed for each in re.findall(r"(?:^|[\s/])patter ((?:[^|;&]|&(?!&))*)", line)]


@cache
def root() -> typer.core.TyperGroup:
    made = typer.main.get_command(app)
    assert isinstance(made, typer.core.TyperGroup)
    return made


@pytest.mark.parametrize(("page", "line"), [(page, line) for page in PAGES for line in commands(page)])
def test_a_command_exists_with_its_flags(page: str, line: str) -> None:
    """What a page tells people to type is no error of theirs."""
    words = [each for each in shlex.split(line.replace("…", "")) if each]
    command, known = root(), {"--help", "-h", "--version"}
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    known |= {each for one in command.params for each in (*one.opts, *one.secondary_opts)}
    assert {each.split("=")[0] for each in words if re.match(r"--?[a-z]", each)} <= known
    below = getattr(command, "commands", {})
    assert not below or not words or words[0].startswith("-") or NAMES.search(words[0]), f"{words[0]} is no command"


@pytest.mark.parametrize(("page", "number", "block"), [(p, n, b) for p, n, kind, b in BLOCKS if kind == "python"])
def test_python_compiles_and_finds_what_it_imports(page: str, number: int, block: str) -> None:
    """Of ours; whatever a reader has of their own is theirs."""
    tree = ast.parse(block)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("patter_cli"):
            exec(compile(ast.Module([node], []), f"{page} {number}", "exec"), {})
        elif isinstance(node, ast.Import):
            assert all(each.name.split(".")[0] != "patter_cli" or each.name == "patter_cli" for each in node.names)


@pytest.mark.parametrize(("page", "number", "block"), [(p, n, b) for p, n, kind, b in BLOCKS if kind == "toml"])
def test_settings_are_some_that_there_are(page: str, number: int, block: str, tmp_path: Path) -> None:
    """What is no scenario is patter.toml, and every name in it is known."""
    found = tomllib.loads(block)
    if {"step", "agent", "caller", "expect"} & set(found) or page in ("scenarios.md", "fuzz.md"):
        return  # a scenario; tests of its own play it
    path = tmp_path / "patter.toml"
    path.write_text(block, encoding="utf-8")
    read_config(path).refuse_unknown(_sections(root()))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Between pages, to the agents, and to headings within them."""
    here = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (here / path) if path else here / page
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}, target


def test_every_page_is_reached_from_the_readme() -> None:
    """By a way of links, so that nobody has to guess a file's name."""
    reached, waiting = set[str](), ["README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page in PAGES:
            reached.add(page)
            waiting += [Path(each).name for each in re.findall(r"\]\(([^)#\s]+\.md)", PAGES[page])]
    assert set(PAGES) == reached


def test_what_was_measured_can_be_measured_again() -> None:
    """Each figure has a command that is there with its options, and a day."""
    rows = [
        each for each in PAGES["measured.md"].splitlines() if each.startswith("| ") and not each.startswith("| what")
    ]
    assert len(rows) > 20
    command = ""
    for row in rows:
        what, figure, said, when = (each.strip() for each in row.strip("|").split("|"))
        command = command if said == "the same" else said.strip("`")
        assert what
        assert re.search(r"[0-9]|no|all|the same", figure)
        assert re.fullmatch(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]", when)
        words = shlex.split(command)
        assert words[:2] == ["python", "-m"], command
        source = ROOT / (
            f"{words[2].replace('.', '/')}.py"
            if words[2] != "pytest"
            else next(each for each in words if each.startswith("tests/"))
        )
        assert source.exists(), command
        if words[2] != "pytest":
            text = source.read_text(encoding="utf-8")
            assert all(re.search(rf"[\"']{each}[\"']", text) for each in words[3:] if re.match("-+[a-z]", each)), (
                command
            )
