"""docs/ci.md and its workflow: the steps are run here as the runner of a CI system runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from junitparser import Failure, JUnitXml

from tests.e2e.test_pytest_plugin import INSTALLED, ROOT, TESTS, project
from tests.unit.simulate.test_junit import strictly_read

__all__ = ["project"]

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
WORKFLOW = (ROOT / "docs" / "github-actions.yml").read_text(encoding="utf-8")
STEPS = dict(re.findall(r"- name: (.+)\n {8}run: (.+)\n", WORKFLOW))


def run(step: str, project: Path) -> subprocess.CompletedProcess[str]:
    """A step of the workflow, in a shell that stops at the first error. The packages are there already."""
    programs = project / ".bin"
    programs.mkdir(exist_ok=True)
    for name, arguments in (("patter", "-m patter_cli"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (programs / name).chmod(0o755)
    (programs / "pip").write_text('#!/bin/sh\necho pip "$@"\n')
    (programs / "pip").chmod(0o755)
    if not INSTALLED:
        (project / "conftest.py").write_text('pytest_plugins = ["patter_cli.pytest_plugin"]\n')
    without_keys = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return subprocess.run(
        ["bash", "-e", "-c", STEPS[step]],
        cwd=project,
        env={**without_keys, "PYTHONPATH": str(ROOT), "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_page_has_the_workflow_s_commands() -> None:
    """The same ones, in their order."""
    block = re.search(r"```console\n(.*?)```", PAGE, re.S)
    assert block is not None
    assert block[1].splitlines() == list(STEPS.values())


def test_the_steps_pass(project: Path) -> None:
    """All but the one with sound, which takes its time."""
    (project / "test_shop.py").write_text(TESTS)
    for step in STEPS:
        if "sound" not in step:
            done = run(step, project)
            assert done.returncode == 0, (step, done.stdout, done.stderr)
    (suite,) = JUnitXml.fromfile(str(project / "scenarios.xml"))
    assert (suite.tests, suite.failures, suite.errors) == (3, 0, 0)
    assert (project / "tests.xml").is_file()


@pytest.mark.slow
def test_the_step_with_sound_passes(project: Path) -> None:
    """With the built-in ears and voice."""
    done = run("The same, with their sound", project)
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_a_failing_scenario_ends_the_step_with_1_and_says_what_to_mend(project: Path) -> None:
    """On the terminal and in a file that the strictest reader takes: the line of the file, wanted, heard."""
    agent = project / "agents" / "shop.py"
    agent.write_text(agent.read_text().replace("We open at nine", "We open at ten"))
    done = run("Every scenario, by text", project)
    assert done.returncode == 1, done.stderr
    (shown,) = (each for each in re.findall(r"```\n(FAILED.*?)```", PAGE, re.S))
    for line in shown.splitlines()[1:4]:
        assert line in done.stdout
    assert re.search(r"1 scenario, 3 calls each: 1 failed in [\d.]+ s", done.stdout)
    written = (project / "scenarios.xml").read_bytes()
    strictly_read(written)
    (suite,) = JUnitXml.fromstring(written)
    assert (suite.name, suite.tests, suite.failures) == ("agents/shop.toml", 3, 3)
    for case in suite:
        (failure,) = case.result
        assert isinstance(failure, Failure)
        assert failure.message == (
            'agents/shop.toml:5: step 1, say "When do you open?": '
            "wanted 'nine', got 'We open at ten and close at six.'"
        )
        assert "caller: When do you open?" in failure.text
