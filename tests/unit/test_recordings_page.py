"""docs/recordings.md: what it shows is what there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from patter_cli.audio.wav import write_wav
from patter_cli.cli.app import app
from patter_cli.stores.sqlite import SqliteStore
from tests.bench.explain import hold
from tests.unit.stores.calls import STARTED, Kept, record

PAGE = (Path(__file__).parents[2] / "docs" / "recordings.md").read_text()
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
OUTPUTS = {"list": "list", "show": "show last", "get": "get last", "export": "export out", "replay": "replay last"}
OUTPUTS |= {"to-scenario": "to-scenario last", "delete": "delete last --yes"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With one recorded call in it, and an ffmpeg."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATTER_LOG_DIR", str(tmp_path / "kept"))
    kept = Kept(SqliteStore(tmp_path / "kept"), "LB1")
    for line in hold(7, ()).splitlines():
        kept.write(line)
    assert kept.file.sound is not None
    write_wav(kept.file.sound, np.full((8000, 2), 900, np.int16), 8000)
    kept.end(record("LB1", STARTED, recording_path=str(kept.file.sound)))
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nfor last; do :; done\n/usr/bin/head -c 3 > "$last"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_run(command: str) -> None:
    """Each as it is written."""
    words = shlex.split(command)
    assert words[:2] == ["patter", "record"]
    result = CliRunner().invoke(app, words[1:])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("command", OUTPUTS)
def test_its_keys_are_all_of_them(command: str) -> None:
    """Of what is printed as JSON, two levels deep; a call's own are on the page about logs."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{command}` |"))
    result = CliRunner().invoke(app, ["record", *OUTPUTS[command].split(), "--json"])
    told = json.loads(result.stdout)
    inner = [each for value in told.values() if isinstance(value, list) for each in value[:1] if isinstance(each, dict)]
    names = {*told, *(name for each in inner for name in each)}
    if command == "list":
        names -= set(told["recordings"][0]) - {"path", "bytes", "seconds", "carrier_recording"}
    assert {name for name in names if not re.search(rf"[`{{ ,]{name}[`}},]", row)} == set()
