"""Whom `patter serve` puts on the phone: the agent that was named, or all of the project, and who has which number."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from patter_cli import wiring
from patter_cli.cli.discovery import find_agents, load_agent
from patter_cli.cli.general import warn
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import BadSetting, InputError
from patter_cli.number_routes import by_number
from patter_cli.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedAgents:
    """Agents by name, and which of them answers which number; one alone answers every number unless some are given."""

    agents: Mapping[str, ReadyAgent]
    specs: Mapping[str, str] = field(default_factory=dict)
    """As each was named, by its name."""
    numbers: Mapping[str, str] = field(default_factory=dict)
    """E.164 -> agent."""
    since_ns: int = 0
    """Unix time at which their files began to be read."""

    def numbers_of(self, agent: str) -> list[str]:
        """Those that lead to the agent."""
        return [number for number, each in self.numbers.items() if each == agent]

    def unreached(self) -> str:
        """What to see to where a carrier's calls could lead to nobody; "" where they do not."""
        if self.numbers or len(self.agents) == 1:
            return ""
        return f'no number leads to an agent: in patter.toml, [numbers], "+14155550123" = "{next(iter(self.agents))}"'


def load_agents(spec: str | None, settings: Settings) -> ServedAgents:
    """Run the agents' files. spec: the one that was named; None: all in agents/, and those that cannot be read are left
    out with a warning, unless a number leads to them. Raises PatterError."""
    since_ns = time.time_ns()
    if spec is not None:
        name, ready = _load(spec, settings)
        return ServedAgents(agents={name: ready}, specs={name: spec}, since_ns=since_ns)
    found = find_agents(Path.cwd())
    broken = {
        each.name: f"agents/{each.name}.py cannot be read: {each.error}" for each in found if each.error is not None
    }
    names = [each.name for each in found if each.error is None]
    if not names and broken:
        raise InputError(next(iter(broken.values())), hint="patter agents list shows all of them")
    if not names:
        raise InputError("there is no agent in agents/", hint="make one: patter agents new NAME")
    for each in settings.numbers:
        if each.agent in broken:
            raise BadSetting(
                f"{each.where}: {broken[each.agent]}", hint="correct the file, or let another agent answer"
            )
    numbers = by_number(settings.numbers, names)
    warn(f"{said}, so it is left out" for said in broken.values())
    agents = dict(_load(each, settings) for each in names)
    return ServedAgents(agents=agents, specs={each: each for each in names}, numbers=numbers, since_ns=since_ns)


def _load(spec: str, settings: Settings) -> tuple[str, ReadyAgent]:
    loaded = load_agent(spec)
    warn(loaded.warnings)
    return loaded.name, wiring.ready_agent(loaded.name, loaded.agent, Hooks(**loaded.hooks), settings)
