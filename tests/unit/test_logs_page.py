"""docs/logs.md: what it shows is what there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from patter_cli.cli.app import app
from patter_cli.stores.sqlite import SqliteStore
from tests.bench.explain import Delay, hold
from tests.unit.stores.calls import STARTED, Kept, record

PAGE = (Path(__file__).parents[2] / "docs" / "logs.md").read_text()
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With one call in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATTER_LOG_DIR", str(tmp_path / "kept"))
    kept = Kept(SqliteStore(tmp_path / "kept"), "LB1")
    for line in hold(7, (Delay(turn=2, stage="llm", ms=900),)).splitlines():
        kept.write(line)
    kept.end(record("LB1", STARTED))
    return tmp_path


@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.endswith("tail")])
def test_its_commands_run(folder: Path, command: str) -> None:
    """Each as it is written, but for where the copy lies."""
    words = shlex.split(command.replace("/mnt/backup", str(folder)))
    environment = dict(word.split("=", 1) for word in words if word.startswith("PATTER_"))
    result = CliRunner(env=environment).invoke(app, words[words.index("patter") + 1 :])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("command", ["list", "show LB1", "stats"])
def test_its_keys_are_all_of_them(folder: Path, command: str) -> None:
    """Of what is printed as JSON, two levels deep."""
    told = json.loads(CliRunner().invoke(app, ["logs", *command.split(), "--json"]).stdout)
    inner = [each for value in told.values() if isinstance(value, list) for each in value[:1]]
    names = {*told, *(name for each in inner for name in each)} - {"outcomes"}
    assert {name for name in names if not re.search(rf"[`{{ ,]{name}[`}},]", PAGE)} == set()
