"""A run of the fuzzer in several processes finds what one process finds, in the same order and the same bytes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from patter_cli.cli.fuzz_processes import MOST, processes_for
from patter_cli.cli.fuzzing import FuzzRun
from patter_cli.errors import InputError
from patter_cli.settings import DEFAULTS
from patter_cli.simulate.fuzz.keep import scenario_text

AGENT = '''"""A shop."""

from patter_cli import Agent, RulesLLM


def answer(turn):
    print("somebody said", turn.text)
    {defect}
    return f"You said {{len(turn.text)}} letters. What else can I do for you?"


agent = Agent("You help.", first_message="Hello, how can I help?", llm=RulesLLM(answer))
'''
RAISES = 'if "price" in turn.text: raise ValueError("no price")'


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "shop.py"
    path.write_text(AGENT.format(defect=RAISES))
    path.with_suffix(".toml").write_text('[[step]]\nsay = "What is the price?"\n')
    return path


def findings(shop: Path, processes: int) -> tuple[int, int, Mapping[tuple[str, str], int], list[str]]:
    """Calls, talk in ms, how often each defect was met, and the files of a run."""
    run = FuzzRun.of(str(shop), DEFAULTS)
    files = [scenario_text(each.case, "shop", each.fault, "it.toml") for each in run.finds(3, 10, processes)]
    return run.found.calls, run.found.talked_ms, run.found.again, files


def test_two_processes_find_what_one_finds(shop: Path) -> None:
    """The same calls, as many of them, the same defects, the same shortest calls."""
    alone = findings(shop, 1)

    assert alone[3]
    assert findings(shop, 2) == alone


def test_a_call_that_takes_its_process_down_is_told(shop: Path) -> None:
    """Nobody can finish such a run: one sentence says why, and what to look for."""
    shop.write_text(AGENT.format(defect="import os; os._exit(1)"))
    run = FuzzRun.of(str(shop), DEFAULTS)

    with pytest.raises(InputError, match="ends the whole program") as told:
        list(run.finds(1, 20, 2))
    assert "os._exit" in told.value.hint


def test_a_short_run_begins_no_process() -> None:
    """One costs about a second: it must have something to do, and there are never more than are of use."""
    assert processes_for(1) == 1
    assert 1 <= processes_for(1_000_000) <= MOST


def test_what_the_agent_prints_in_another_process_is_no_data(shop: Path) -> None:
    """Standard output has the run's JSON alone, whoever held the calls."""
    program = """
from patter_cli.cli import fuzz_processes
from patter_cli.cli.app import main
fuzz_processes.WORTH_MINUTES = 4.0
main(["fuzz", "shop.py", "--minutes", "8", "--json"])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)

    assert ran.returncode == 1, ran.stderr
    assert ran.stdout.startswith("{")
    assert "somebody said" not in ran.stdout
    assert "somebody said" in ran.stderr
