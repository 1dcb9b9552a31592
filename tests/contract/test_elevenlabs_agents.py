"""ElevenLabs' agents beside the conversation: whose voice speaks, and what the platform's agent must have."""

from __future__ import annotations

from typing import Any

import pytest

from patter_cli import Agent, wiring
from patter_cli.contracts.s2s import EngineSetup
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import BadSetting, ProviderError
from patter_cli.providers.elevenlabs_convai import ElevenLabsConvAI
from patter_cli.testing.vendors.elevenlabs_convai import ConvAIVendor
from patter_cli.testing.vendors.server import serve

SETUP = EngineSetup(system_prompt="Be brief.")
RACHEL, ROBIN = "21m00Tcm4TlvDq8ikWAM", "RobinRobinRobinRobin"


@pytest.mark.parametrize(
    ("chosen", "sent"),
    [
        ({"voice": "rachel"}, RACHEL),
        ({"voice": "Robin"}, ROBIN),
        ({"voice": RACHEL}, RACHEL),
        ({"voice_id": ROBIN}, ROBIN),
        ({"voice": "rachel", "overrides": False}, None),
        ({}, None),
    ],
)
async def test_a_voice_is_sent_by_its_id(chosen: dict[str, Any], sent: str | None) -> None:
    """A stock voice's name, one's own voice's, an id, and the older voice_id=; without any, the platform's speaks."""
    vendor = ConvAIVendor()
    async with serve(vendor, path="") as lab:
        await (await ElevenLabsConvAI("sk-lab", "agent_lab", base_url=lab.url, **chosen).open(SETUP)).aclose()
    over = vendor.conversations[0].initiation.get("conversation_config_override", {})
    assert over.get("tts", {}).get("voice_id") == sent


async def test_the_older_form_of_an_agent_has_its_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agent(provider="elevenlabs_convai", voice="rachel") speaks as Rachel."""
    vendor = ConvAIVendor()
    async with serve(vendor, path="") as lab:
        for name, value in (("API_KEY", "sk-lab"), ("AGENT_ID", "agent_lab"), ("BASE_URL", lab.url)):
            monkeypatch.setenv(f"ELEVENLABS_{name}", value)
        ready = wiring.ready_agent("shop", Agent("A.", provider="elevenlabs_convai", voice="rachel"), Hooks())
        assert ready.engine is not None
        await (await ready.engine.open(SETUP)).aclose()
    assert vendor.conversations[0].initiation["conversation_config_override"]["tts"] == {"voice_id": RACHEL}


async def test_a_voice_that_nobody_has() -> None:
    """By name, it is said before the conversation is asked for; by an id, the platform says so."""
    async with serve(ConvAIVendor(), path="") as lab:
        with pytest.raises(BadSetting, match="no voice 'nobody'"):
            await ElevenLabsConvAI("sk-lab", "agent_lab", "nobody", lab.url).open(SETUP)
        with pytest.raises(ProviderError, match="was not found"):
            await ElevenLabsConvAI("sk-lab", "agent_lab", "x" * 20, lab.url).open(SETUP)
