"""Vendors by rows: ours, and those that a package brings along."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from patter_cli import Agent, registry, wiring
from patter_cli.cli.agent_report import portray
from patter_cli.cli.discovery import load_agent
from patter_cli.contracts.eou import EndOfTurnModel
from patter_cli.contracts.llm import LanguageModel
from patter_cli.contracts.provider import Provider, missing_members
from patter_cli.contracts.stt import SpeechToText
from patter_cli.contracts.tts import TextToSpeech
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import ConfigError, MissingExtra, UnknownProvider
from patter_cli.registry import Row
from patter_cli.settings import load_settings

CONTRACTS = {"stt": SpeechToText, "tts": TextToSpeech, "llm": LanguageModel, "eou": EndOfTurnModel}
ROOT = Path(__file__).parents[2]
TOY = '''
"""A model that repeats, as a vendor's file would be."""

from dataclasses import dataclass

from patter_cli.contracts.llm import Text
from patter_cli.registry import Row

ROW = Row(name="toy", kind="llm", target="toy_vendor:ToyLLM", keys=("TOY_API_KEY",))
MIXED = [ROW, "nonsense", Row(name="openai", kind="llm", target="toy_vendor:ToyLLM"),
         Row(name="pigeon", kind="carrier", target="toy_vendor:Pigeon")]


@dataclass(frozen=True)
class ToyLLM:
    model: str = "echo-1"
    provider = "toy"
    key_variable = "TOY_API_KEY"

    def check(self): pass

    async def warm(self): pass

    async def stream(self, messages, tools=(), *, may_call=True):
        yield Text(f"You said {messages[-1].text}.")


class Pigeon:
    name = "pigeon"
'''
AGENT = '''
"""Repeats."""
from patter_cli import Agent
agent = Agent("Repeat.", "Hello, I am an AI.", llm="toy")
'''

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a package with these entry points into the path, as pip would: group=what, or nothing but its module."""
    (tmp_path / "toy_vendor.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    for variable in ("TOY_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)

    def install(**groups: str) -> None:
        place = tmp_path / "toy_vendor-1.0.dist-info"
        place.mkdir()
        (place / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-vendor\nVersion: 1.0\n")
        points = "".join(f"[patter_cli.{group}]\ntoy = {target}\n" for group, target in groups.items())
        (place / "entry_points.txt").write_text(points)
        registry.installed.cache_clear()

    yield install
    registry.installed.cache_clear()
    sys.modules.pop("toy_vendor", None)


def test_a_vendor_is_one_file_and_one_row(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it can be named, and is taken for a stage left open when its key is set and nobody's before it."""
    row = Row(name="toy", kind="llm", target="toy_vendor:ToyLLM", keys=("TOY_API_KEY",))
    monkeypatch.setattr(registry, "ROWS", (*registry.ROWS, row))
    (named,) = wiring.ready_agent("a", Agent("A.", llm="toy", model="echo-2"), Hooks()).models
    assert (named.provider, named.model) == ("toy", "echo-2")
    with pytest.raises(ConfigError, match="nothing to answer with"):
        wiring.ready_agent("a", Agent("A."), Hooks())
    monkeypatch.setenv("TOY_API_KEY", "k")
    left_open = wiring.ready_agent("a", Agent("A."), Hooks())
    assert left_open.models[0].provider == "toy"
    assert left_open.notes["llm"] == "language model: toy echo-1, because TOY_API_KEY is set"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert wiring.ready_agent("a", Agent("A.", provider="pipeline"), Hooks()).models[0].provider == "openai"


def test_a_package_adds_a_vendor(install: Install, tmp_path: Path) -> None:
    """By an entry point: its model answers a call, and `agents show` knows it as it knows ours."""
    install(vendors="toy_vendor:ROW")
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "parrot.py").write_text(AGENT)
    shown = portray(load_agent("parrot", tmp_path), load_settings(environment={}))
    (mind,) = [each for each in shown.stages if each.stage == "llm"]
    assert (mind.provider, mind.settings, mind.key.variable) == ("ToyLLM", {"model": "echo-1"}, "TOY_API_KEY")
    done = subprocess.run(
        [sys.executable, "-m", "patter_cli", "simulate", "parrot", "--text"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        input="good morning\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "You said good morning." in done.stdout, done.stderr


def test_a_package_adds_a_carrier_by_its_own_group(install: Install) -> None:
    """What is in the wrong group, no row, or called as one of ours is left out and logged; the rest is used."""
    install(carriers="toy_vendor:MIXED")
    assert registry.find("carrier", "pigeon").load().name == "pigeon"
    assert [each.name for each in registry.installed()] == ["pigeon"]


def test_what_a_package_brings_must_be_usable(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    """Each reason is told with the package's name."""
    install(vendors="toy_vendor:MIXED")
    assert [each.name for each in registry.installed()] == ["toy"]
    for words in ("toy of toy-vendor gave 'nonsense'", "called 'openai' already", "patter_cli.carriers"):
        assert words in caplog.text


@pytest.mark.parametrize("target", ["toy_vendor:NOTHING", "no_such_module:ROW"])
def test_a_broken_package_costs_only_itself(install: Install, target: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is named, and everything else works."""
    install(vendors=target)
    with pytest.raises(UnknownProvider):
        registry.find("llm", "toy")
    assert "toy of toy-vendor cannot be loaded" in caplog.text


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """Of its kind only; or with all there are."""
    with pytest.raises(UnknownProvider, match="no language model provider is called 'Open-AI'") as caught:
        registry.find("llm", "Open-AI")
    assert caught.value.hint == "did you mean 'openai'?"
    with pytest.raises(UnknownProvider) as caught:
        registry.find("echo", "zzz")
    assert "webrtc" in caught.value.hint


@pytest.mark.parametrize("row", registry.ROWS, ids=lambda row: f"{row.kind}-{row.name}")
def test_each_of_our_rows_can_be_loaded(row: Row) -> None:
    """A misspelt target would only be found on somebody's call."""
    assert callable(row.load())


@pytest.mark.parametrize("row", [each for each in registry.ROWS if each.kind in CONTRACTS], ids=lambda row: row.name)
def test_each_of_our_recipes_keeps_its_contract(row: Row) -> None:
    """Also the part that all share: a name for errors, the variable of its key, a check before the first ring."""
    recipe = row.load()()
    assert isinstance(recipe, Provider)
    assert missing_members(recipe, CONTRACTS[row.kind]) == []
    assert recipe.provider == recipe.provider.lower()
    assert recipe.key_variable == (row.keys[0] if row.keys else "")
    if not row.keys:
        recipe.check()


def test_what_cannot_be_loaded_says_why() -> None:
    """A missing extra by the command that installs it, a wrong target as a broken package."""
    row = Row(name="toy", kind="stt", target="no_such_package.x:Y", extra="local")
    with pytest.raises(MissingExtra) as missing:
        row.load()
    assert "pip install" in missing.value.hint
    for target in ("no_such_package.x:Y", "json:NoSuch", "json", ""):
        with pytest.raises(ConfigError, match="speech-to-text provider toy"):
            replace(row, target=target, extra="").load()


def test_a_vendor_that_needs_arguments_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name alone is not enough."""
    row = Row(name="own", kind="llm", target="patter_cli.providers.compatible:OpenAICompatibleLLM")
    monkeypatch.setattr(registry, "ROWS", (row,))
    with pytest.raises(ConfigError, match="cannot be made from its name alone"):
        wiring.ready_agent("a", Agent("A.", llm="own"), Hooks())
