"""Patter CLI: agents that answer and make phone calls. Every public name loads on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from patter_cli.agent import Agent, Guardrail, HangUp, Interrupt, Press, Say, Tool, TurnPolicy, guardrail, tool
    from patter_cli.errors import ConfigError, InputError, PatterError
    from patter_cli.phone import Patter
    from patter_cli.providers.local import LocalSTT, LocalTTS

_HOMES = {
    "Agent": "agent",
    "ConfigError": "errors",
    "Guardrail": "agent",
    "HangUp": "agent",
    "InputError": "errors",
    "Interrupt": "agent",
    "LocalSTT": "providers.local",
    "LocalTTS": "providers.local",
    "Patter": "phone",
    "PatterError": "errors",
    "Press": "agent",
    "Say": "agent",
    "Tool": "agent",
    "TurnPolicy": "agent",
    "guardrail": "agent",
    "tool": "agent",
}

__all__ = [
    "Agent",
    "ConfigError",
    "Guardrail",
    "HangUp",
    "InputError",
    "Interrupt",
    "LocalSTT",
    "LocalTTS",
    "Patter",
    "PatterError",
    "Press",
    "Say",
    "Tool",
    "TurnPolicy",
    "guardrail",
    "tool",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'patter_cli' has no attribute {name!r}")
    value = getattr(import_module(f"patter_cli.{home}"), name)
    globals()[name] = value
    return value
