"""Which agent answers which of our numbers: the section [numbers] of patter.toml, with every mistake at its line.

    [numbers]
    "+14155550123" = "receptionist"        # agents/receptionist.py

What is written is read with the other settings. Which agents there are is known later, to whoever serves them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from patter_cli.destinations import E164
from patter_cli.errors import BadSetting
from patter_cli.setting_files import ConfigFile

SECTION: Final = ("numbers",)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRoute:
    """One line of the section."""

    number: str
    """E.164."""
    agent: str
    """Its name."""
    where: str
    """As one would look for it: "patter.toml:7: +14155550123"."""


def read_routes(config: ConfigFile) -> tuple[NumberRoute, ...]:
    """What the file says, in its order. Raises BadSetting for a number that is none, with the one that was meant as far
    as that can be told, and for an agent that is no name."""
    routes = []
    config.section(SECTION)  # raises: it is a value
    for number, agent in config.table.get(SECTION[0], {}).items():
        where = config.where(*SECTION, number)
        if not E164.fullmatch(number):
            raise BadSetting(f"{where} is no phone number", hint=_as_meant(number))
        if not isinstance(agent, str) or not agent.strip():
            shown = "a section of its own" if isinstance(agent, Mapping) else repr(agent)
            raise BadSetting(f"{where} cannot be {shown}", hint=f'it must be an agent: "{number}" = "receptionist"')
        routes.append(NumberRoute(number=number, agent=agent.strip(), where=where))
    return tuple(routes)


def by_number(routes: Iterable[NumberRoute], agents: Collection[str]) -> dict[str, str]:
    """Which agent answers which number. agents: those that are served, by name.

    Raises BadSetting for an agent that there is not, with the nearest there is.
    """
    for each in routes:
        if each.agent not in agents:
            near = get_close_matches(each.agent, agents, n=1, cutoff=0.5)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise BadSetting(
                f"{each.where}: no agent is called {each.agent!r}", hint=f"{meant}there are: {', '.join(agents)}"
            )
    return {each.number: each.agent for each in routes}


def _as_meant(written: str) -> str:
    """What to write in place of a number that is none."""
    digits = "".join(ch for ch in written if ch in "0123456789")
    meant = "+" + (digits[2:] if written.lstrip().startswith("00") else digits)
    whole = written.lstrip().startswith(("+", "00")) or len(digits) > 10
    if whole and E164.fullmatch(meant) and meant != written and not any(map(str.isalpha, written)):
        return f'did you mean "{meant}"?'
    return 'write it with the country\'s code and nothing else: "+14155550123" = "receptionist"'
