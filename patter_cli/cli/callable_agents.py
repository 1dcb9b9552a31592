"""Whom a simulation calls and what its caller does: agents by name, their scenarios, words from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from patter_cli import wiring
from patter_cli.agent import PIPELINE
from patter_cli.cli.choosing import choose, somebody_here
from patter_cli.cli.discovery import find_agents, load_agent
from patter_cli.cli.general import warn
from patter_cli.cli.templates import DEMO, template, template_files
from patter_cli.contracts.llm import LanguageModel
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import InputError
from patter_cli.settings import Settings
from patter_cli.simulate.scenario import Scenario, load_scenario
from patter_cli.simulate.script import play_wav, say_texts
from patter_cli.simulate.written import ScenarioStep, WrittenHuman
from patter_cli.testbench.models import configured_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A scenario with the agent that it calls. model: plays its caller and judges, if there is one."""

    scenario: Scenario
    agent: ReadyAgent | None
    model: LanguageModel | None
    again: Callable[[], ReadyAgent | None]
    """The same agent, knowing nothing of the calls that another one held."""


class CallableAgents:
    """The agents of one command."""

    def __init__(self, settings: Settings, *, local: bool = False, text: bool = False) -> None:
        """local: with the built-in ears and voice, whatever keys are set. text: for calls without sound."""
        self._settings = settings
        self._local = local
        self._text = text
        self._warned: set[str] = set()

    def find(self, spec: str) -> tuple[ReadyAgent, Path]:
        """The agent that somebody named, and its file, which is loaded anew each time: an agent does not know of calls
        that another one held. Raises PatterError."""
        loaded = load_agent(spec)
        if spec not in self._warned:
            self._warned.add(spec)
            warn(loaded.warnings)
        speaking = loaded.agent
        if self._local:
            ears, voice = wiring.built_in_speech()
            speaking = replace(speaking, engine=None, provider="", stt=ears, tts=voice)
        elif self._text and speaking.engine is None:
            speaking = replace(speaking, provider=PIPELINE)  # what is typed is no voice, and an engine wants one
        return wiring.ready_agent(loaded.name, speaking, Hooks(**loaded.hooks), self._settings), loaded.path

    def scenario_beside(self, spec: str, variables: Mapping[str, str]) -> Scenario:
        """The scenario that lies beside an agent, an empty one if there is none. Raises PatterError."""
        _, path = self.find(spec)
        beside = path.with_suffix(".toml")
        return load_scenario(beside, variables) if beside.is_file() else Scenario()

    def planned(self, spec: str | None, scenario: Scenario) -> Planned:
        """A scenario with whom it calls, found once so that what is wrong with them is told. spec: None for an agent
        of somebody else's server. Raises PatterError."""
        agent = None if spec is None else self.find(spec)[0]
        model = configured_model(agent) if scenario.caller is not None or scenario.questions else None
        return Planned(
            scenario=scenario, agent=agent, model=model, again=lambda: None if spec is None else self.find(spec)[0]
        )


def only_agent(command: str = "patter simulate") -> str:
    """Who is meant where nobody was named; at a terminal one of several is chosen. command: what to type with a name.
    Raises InputError.
    """
    files = find_agents(Path.cwd())
    found = [each.name for each in files if each.error is None]
    if not found and not Path("agents").is_dir() and DEMO in template_files():
        print(
            f"there is no agent here yet, so the demo agent {DEMO} answers; one of your own: patter agents new NAME",
            file=sys.stderr,
        )
        return str(template(DEMO))
    if not found and files:
        return files[0].name  # loading it says what is wrong with it
    if not found:
        raise InputError("there is no agent in agents/", hint="make one: patter agents new NAME")
    if len(found) > 1:
        otherwise = f"{command} {found[0]}"
        if not somebody_here():
            raise InputError(f"which agent? there are {', '.join(found)}", hint=otherwise)
        return choose({each.name: each.summary for each in files if each.name in found}, otherwise=otherwise)
    return found[0]


def typed_scenario(say: Sequence[str], wav: Sequence[Path]) -> Scenario:
    """The caller's words from the command line. Raises InputError."""
    steps = [*say_texts(say), *(play_wav(each) for each in wav)]
    return Scenario(steps=tuple(ScenarioStep(does=each) for each in steps))


def reachable(written: Sequence[WrittenHuman], more: Sequence[WrittenHuman]) -> tuple[WrittenHuman, ...]:
    """Who can be reached by a transfer: of two with one number, the one of more."""
    numbers = {each.number for each in more}
    return (*(each for each in written if each.number not in numbers), *more)
