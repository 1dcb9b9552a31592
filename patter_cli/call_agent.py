"""Who talks on a call that a program makes: the agent that it names, or the one that it serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from patter_cli.agent import Agent
from patter_cli.engine.hooks import Hook, Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import ConfigError

Resolve = Callable[[str, Agent, Hooks, str], ReadyAgent]
"""(name, agent, callbacks, what a machine is told) to the agent with everything it needs. Raises PatterError."""


@dataclass(frozen=True, slots=True)
class ServedAgent:
    """What `serve` was given, for calls that are made beside it."""

    name: str
    agent: Agent
    hooks: Hooks
    voicemail_message: str


def speaker(
    served: ServedAgent | None, agent: Agent | None, on_machine_detection: Hook | None, resolve: Resolve
) -> tuple[str, ReadyAgent | None]:
    """The agent's name and the agent; None for the one that is served, as it is served. Raises ConfigError where there
    is none, and what `resolve` raises."""
    if agent is None and served is None:
        raise ConfigError("nobody said which agent talks", hint="phone.call(to, agent), or serve one first")
    hooks = served.hooks if served is not None else Hooks()
    if on_machine_detection is not None:
        hooks = replace(hooks, on_machine_detection=on_machine_detection)
    if agent is not None:
        if agent.llm is not None:
            hooks = replace(hooks, on_message=None)  # the served agent's own
        return "agent", resolve("agent", agent, hooks, "")
    assert served is not None
    if on_machine_detection is None:
        return served.name, None
    return served.name, resolve(served.name, served.agent, hooks, served.voicemail_message)
