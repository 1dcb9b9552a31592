"""patter simulate with several scenarios, or one several times: what is printed, counted and refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from junitparser import Error, JUnitXml, Skipped
from typer.testing import CliRunner

from patter_cli.cli.app import app
from tests.e2e.test_cli import AGENT as HUM
from tests.e2e.test_cli import patter
from tests.e2e.test_pytest_plugin import PAGE, SCENARIO, project
from tests.unit.simulate.test_junit import strictly_read

__all__ = ["project"]

WRONG = SCENARIO.replace('"nine"', '"ten"')


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project is where commands are typed, and nobody has a key."""
    monkeypatch.chdir(project)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return project


def simulate(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    done = CliRunner().invoke(app, ["simulate", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_each_scenario_has_a_line_and_what_failed_below_it(here: Path) -> None:
    """A folder's scenarios in their order, the counts at the end, exit 1 when one failed."""
    (here / "agents" / "wrong.toml").write_text(WRONG)
    (here / "agents" / "_draft.toml").write_text("not even toml")
    (here / "agents" / "other.toml").write_text("[tool]\nname = 1\n")
    code, out, _ = simulate("--scenario", "agents", "--text")
    assert code == 1
    lines = out.splitlines()
    assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == [
        "ok      agents/shop.toml",
        "FAILED  agents/wrong.toml",
        "2 scenarios",
    ]
    assert "          wanted 'ten', got 'We open at nine and close at six.'" in lines
    assert "          at agents/wrong.toml:5" in lines
    assert re.fullmatch(r"2 scenarios: 1 passed, 1 failed in [\d.]+ s", lines[-1])


def test_files_may_be_named_matched_and_repeated(here: Path) -> None:
    """A file that is named twice is held once; a pattern has its files by name."""
    (here / "agents" / "b.toml").write_text(SCENARIO)
    _, out, err = simulate("--scenario", "agents/shop.toml", "--scenario", "agents/*.toml", "--text", "-n", "2")
    named = [line.split()[1] for line in out.splitlines() if line.startswith("ok")]
    assert named == ["agents/shop.toml:", "agents/b.toml:"]
    assert "2 of 2 passed" in out
    assert err == ""
    code, out, _ = simulate("shop", "--text", "-n", "3", "--json")
    assert code == 0
    assert json.loads(out)["scenarios"][0]["runs"] == 3


def keys(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(keys, value))
    return {*value, *(name for each in value.values() for name in keys(each))} if isinstance(value, dict) else set()


def test_the_object_has_the_keys_of_the_page(here: Path) -> None:
    """And the spread of the waits, of all calls together."""
    (here / "agents" / "wrong.toml").write_text(WRONG)
    code, out, err = simulate("--scenario", "agents", "--text", "-n", "2", "--json")
    assert (code, err) == (1, "")
    run = json.loads(out)
    assert (run["passed"], run["failed"], run["skipped"]) == (1, 1, 0)
    shop, wrong = run["scenarios"]
    assert (shop["passed"], wrong["passed"], wrong["failed"]) == (2, 0, 2)
    waits = [each for call in shop["calls"] for each in call["caller_waited_ms"]]
    assert shop["waited_ms"]["min"] == min(waits) <= shop["waited_ms"]["p50"] <= max(waits) == shop["waited_ms"]["max"]
    (failed,) = [each for each in wrong["calls"][0]["expectations"] if not each["passed"]]
    assert (failed["step"], failed["expected"], failed["line"]) == (1, "ten", 5)
    told = PAGE[PAGE.index("## Many at once") :]
    own = {name for each in run["scenarios"] for name in each} | set(run)
    assert {name for name in own | {"p50", "min", "max"} if f"`{name}`" not in told} == set()


def test_what_could_not_be_held_is_an_error_and_what_nobody_can_play_is_skipped(here: Path) -> None:
    """Neither keeps the others from being held; only the error is a failure."""
    from patter_cli.audio.tone import dtmf
    from patter_cli.audio.wav import write_wav

    write_wav(here / "a.wav", dtmf("5", 8000), 8000)
    (here / "sound.toml").write_text('agent = "shop"\n[[step]]\nwav = "a.wav"\n')
    (here / "played.toml").write_text('agent = "shop"\n[caller]\npersona = "Anna"\ngoal = "a table"\n')
    (here / "judged.toml").write_text('agent = "shop"\n[[step]]\nsay = "Hello."\njudge = "polite?"\n')
    code, out, _ = simulate("--scenario", "*.toml", "--text", "--junit", "r.xml")
    assert code == 1
    assert "FAILED  sound.toml" in out
    assert "a.wav is a recording, and nobody hears it here; leave --text out" in out
    played = "its caller is played by a language model, and no language model is configured here"
    assert f"skipped played.toml: {played}" in out
    assert "ok      judged.toml" in out
    assert "        skipped: judge: polite?: no language model is configured here" in out
    assert "3 scenarios: 1 passed, 1 failed, 1 skipped in" in out
    written = (here / "r.xml").read_bytes()
    strictly_read(written)
    by_name = {
        suite.name: [type(each) for case in suite for each in case.result] for suite in JUnitXml.fromstring(written)
    }
    assert by_name == {"judged.toml": [], "played.toml": [Skipped], "sound.toml": [Error]}
    assert simulate("--scenario", "played.toml", "--scenario", "judged.toml", "--text")[0] == 0
    assert simulate("--scenario", "played.toml", "--text")[0] == 3


@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        ("--scenario nowhere/", "cannot read nowhere", "name a scenario file"),
        ("--scenario *.tmol", "no scenario file matches *.tmol", "put it in quotes"),
        ("--scenario empty", "there is no scenario in empty", "patter agents new NAME"),
        ("--scenario agents --out x.wav", "--out is for one call, and several are wanted", "leave --out out"),
        ("shop -n 2 --stereo x.wav", "--stereo is for one call", "leave --stereo out"),
        ("shop -n 2 --mic", "--mic is for one call", "leave --mic out"),
        ("shop --junit no/x.xml", "cannot write no/x.xml: there is no folder no", "mkdir -p no"),
        ("shop --junit empty", "cannot write empty: it is a folder", "empty/report.xml"),
        ("shop --set people", "--set 'people' names no variable", "--set name='Anna Brown'"),
        ("shop --text --scenario agents/shop.toml --line bad", "--text has no audio", "--line"),
        ("--scenario agents --scenario bad.toml", "bad.toml:2: [[step]] 1: 'sya' is not a key here", "'say'"),
        ("--scenario agents --scenario nobody.toml", "no agent is called 'shpo'", "'shop'"),
        ("--scenario agents -n 0", "--repeat cannot be '0'", "it must be 1 or more"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_before_the_first_call(here: Path, arguments: str, says: str, hint: str) -> None:
    """One sentence, and what to do instead."""
    (here / "empty").mkdir()
    (here / "bad.toml").write_text('[[step]]\nsya = "Hello."\n')
    (here / "nobody.toml").write_text('agent = "shpo"\n[[step]]\nsay = "Hello."\n')
    code, out, err = simulate(*arguments.split())
    assert (code, out) == (2, ""), err
    assert says in err
    assert hint in err
    assert "FAILED" not in err


def test_calls_with_sound_are_held_side_by_side(here: Path) -> None:
    """Two at once take little longer than one; each is told with the spread of its waits."""
    (here / "agents" / "hum.py").write_text(HUM)
    (here / "keys.toml").write_text(
        'agent = "hum"\n[line]\nquality = "mobile"\n[[step]]\npress = "1"\nexpect = "hum"\n[[step]]\nhang_up = true\n'
    )
    done = patter("simulate", "--scenario", "keys.toml", "-n", "4", "--jobs", "4", "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    (scenario,) = run["scenarios"]
    assert scenario["passed"] == 4
    lengths = [each["duration_ms"] for each in scenario["calls"]]
    assert scenario["duration_ms"]["max"] == max(lengths)
    assert run["took_s"] * 1000 < sum(lengths)
    assert done.stderr == ""
