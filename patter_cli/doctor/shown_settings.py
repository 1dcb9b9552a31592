"""What is set, as `patter doctor` shows it: each value with where it comes from, and no secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from patter_cli.doctor.findings import masked
from patter_cli.settings import ROWS, Settings, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSetting:
    """One of them. name: its key in patter.toml, with its section. where: "patter.toml:3: port"; "" for a default."""

    name: str
    value: str
    source: Source
    where: str = ""


def shown_settings(settings: Settings) -> Sequence[ShownSetting]:
    """All of them in the order of the sections, then which agent answers which number."""
    shown = []
    for field, row in ROWS.items():
        origin, value = settings.origin(field), getattr(settings, field)
        secret = row.section is None
        name = row.variable if secret else ".".join((*(row.section or ()), row.flag))
        text = (masked(value) if value else "not set") if secret else _text(value)
        shown.append(ShownSetting(name=name, value=text, source=origin.source, where=origin.where))
    for route in settings.numbers:
        name = f"numbers.{route.number}"
        shown.append(ShownSetting(name=name, value=route.agent, source="patter.toml", where=route.where))
    return sorted(shown, key=lambda each: ("." in each.name, each.name))


def _text(value: Any) -> str:
    match value:
        case None | "" | ():
            return "not set"
        case bool():
            return "yes" if value else "no"
        case Enum():
            return str(value.value)
        case float():
            return f"{value:g}"
        case tuple():
            return ", ".join(value)
        case _:
            return str(value)
