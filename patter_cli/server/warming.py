"""Before anybody calls: an agent's vendors are asked once, and one that is down stops nobody else's calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from patter_cli.contracts.provider import name_of
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import ConfigError, ProviderError

log = logging.getLogger(__name__)


async def warm_parts(agent: ReadyAgent) -> None:
    """Load what an agent's ears, minds and voices need. Raises ConfigError, ProviderError: what no waiting mends."""
    ears, voices = ({id(each): each for each in kind}.values() for kind in (agent.every_ear, agent.every_voice))
    for parts in ((*ears, *voices), agent.models, () if agent.end_of_turn is None else (agent.end_of_turn,)):
        await asyncio.gather(*(ready_or_down(agent.name, name_of(each), each.warm()) for each in parts))


async def ready_or_down(agent: str, vendor: str, work: Awaitable[object]) -> None:
    """Work that is done ahead of calls. A vendor that is down is told of and left to the calls; one that refuses us, or
    a setting that is wrong, is raised with the agent's and the vendor's name: ConfigError, ProviderError."""
    try:
        await work
    except ProviderError as error:
        if error.retryable:
            log.warning(
                "agent %s: %s is not ready (%s); calls are taken, and it is asked again with each",
                agent,
                error.provider,
                error,
            )
            return
        said = _named(agent, error.provider, error)
        named = type(error)(said, provider=error.provider, hint=error.hint, retry_after_s=error.retry_after_s)
        raise named from error
    except ConfigError as error:
        raise type(error)(_named(agent, vendor, error), hint=error.hint) from error


def _named(agent: str, vendor: str, error: Exception) -> str:
    return f"agent {agent}: {vendor}: {error}"
