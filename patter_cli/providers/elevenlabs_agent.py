"""ElevenLabs' agent as it is set up on the platform: what our calls need there, and what of it is missing.

The platform's agent calls a tool only where it has a tool of type "client" by that name, and tells us of the call only
where `client_tool_call` is among its client events. Where either is missing, nothing is said: the tool is not used.

Source: ElevenLabs, agents, 2026-11.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from patter_cli.errors import PatterError
from patter_cli.providers.http import Server
from patter_cli.providers.vendor_keys import answer_of
from patter_cli.providers.wire_json import list_of, object_of, read_object, text_of

log = logging.getLogger(__name__)

TOOL_EVENT = "client_tool_call"
EVENTS = ("audio", "interruption", "agent_response", "user_transcript", TOOL_EVENT)
"""What a call is held with. All but the last are there unless somebody took them out."""
_AGENT_BYTES = 1 << 20
_LOOKED: set[tuple[str, str, tuple[str, ...]]] = set()
_LOOKING: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, slots=True)
class PlatformAgent:
    """events, client_tools: None where the platform does not tell."""

    events: tuple[str, ...] | None
    client_tools: tuple[str, ...] | None

    def lacks(self, tools: Sequence[str]) -> str:
        """What it should have and has not, as a clause; "" where nothing is known to be missing."""
        events = [] if self.events is None else [each for each in EVENTS if each not in self.events]
        named = [] if self.client_tools is None else [each for each in tools if each not in self.client_tools]
        parts = [f"client tools {', '.join(named)}"] if named else []
        parts += [f"client events {', '.join(events)}"] if events else []
        return " and ".join(parts)


async def platform_agent(server: Server, agent: str, headers: dict[str, str]) -> PlatformAgent:
    """Ask for it, which costs nothing. Raises ProviderError, ConfigError."""
    path = f"/v1/convai/agents/{quote(agent, safe='')}"
    settings = object_of(
        read_object(server, await answer_of(server, path, headers, _AGENT_BYTES)), "conversation_config"
    )
    conversation = object_of(settings, "conversation")
    events = tuple(list_of(conversation, "client_events")) if "client_events" in conversation else None
    return PlatformAgent(events, _client_tools(object_of(object_of(settings, "agent"), "prompt")))


def look_once(server: Server, agent: str, headers: dict[str, str], tools: tuple[str, ...]) -> None:
    """Tell in the log what an agent lacks for these tools: beside its first call, and once. Returns at once."""
    known = (server.base_url, agent, tools)
    if known in _LOOKED:
        return
    _LOOKED.add(known)
    task = asyncio.create_task(_look(server, agent, headers, tools))
    _LOOKING.add(task)
    task.add_done_callback(_LOOKING.discard)


async def _look(server: Server, agent: str, headers: dict[str, str], tools: tuple[str, ...]) -> None:
    try:
        found = await platform_agent(server, agent, headers)
    except PatterError as error:
        log.info("whether ElevenLabs' agent %s has the client tools %s is unknown: %s", agent, ", ".join(tools), error)
        return
    if lacking := found.lacks(tools):
        log.warning("ElevenLabs' agent %s lacks the %s: create them there, see docs/engines.md", agent, lacking)
    elif found.client_tools is None:
        log.info("ElevenLabs' agent %s must have the client tools %s", agent, ", ".join(tools))


def _client_tools(prompt: dict[str, Any]) -> tuple[str, ...] | None:
    """The names of its tools of type "client".

    UNVERIFIED: that the platform's answer spells its tools out under `tools`, with `type` and `name`. That it names
    them in `tool_ids` is documented, and without any there is none.
    """
    told = [each for each in list_of(prompt, "tools") if isinstance(each, dict)]
    if told:
        return tuple(text_of(each, "name") for each in told if text_of(each, "type") == "client")
    return () if prompt.get("tool_ids") == [] else None
