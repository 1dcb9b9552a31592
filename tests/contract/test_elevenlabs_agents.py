"""ElevenLabs' agents beside the conversation: whose voice speaks, and what the platform's agent must have."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from patter_cli import Agent, wiring
from patter_cli.contracts.llm import ToolSpec
from patter_cli.contracts.s2s import EngineSetup, ToolCalled
from patter_cli.core.plan import CallPlan
from patter_cli.doctor.checks import all_checks
from patter_cli.doctor.findings import Status, run_checks
from patter_cli.engine.call_tools import call_tools
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import BadSetting, ProviderError
from patter_cli.providers.elevenlabs_agent import _LOOKING
from patter_cli.providers.elevenlabs_convai import ElevenLabsConvAI
from patter_cli.settings import DEFAULTS
from patter_cli.testing.speech_peer import Said
from patter_cli.testing.vendors.elevenlabs_convai import EVENTS, ConvAIVendor
from patter_cli.testing.vendors.faults import Fault, Faulty
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


TOOLS = (
    ToolSpec(name="free_slots", description="Times.", parameters={}),
    *call_tools(CallPlan(agent="shop", system_prompt="A.")),
)
NAMES = [each.name for each in TOOLS]


@pytest.mark.parametrize(
    ("tools", "events", "lacking"),
    [
        (NAMES, EVENTS, ""),
        (["free_slots"], EVENTS, "client tools transfer_call, end_call"),
        ([], EVENTS, "client tools free_slots, transfer_call, end_call"),
        (NAMES, EVENTS[:-1], "client events client_tool_call"),
        (["end_call"], ("audio",), "and client events interruption, agent_response, user_transcript, client_tool_call"),
    ],
)
async def test_what_the_platform_s_agent_lacks_is_told_once(
    tools: list[str], events: tuple[str, ...], lacking: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A tool that it does not have, or may not tell of, would just not be called: the first call's log says so."""
    vendor = ConvAIVendor(tools=tools, events=events)
    async with serve(vendor, path="") as lab:
        engine = ElevenLabsConvAI("sk-lab", "agent_lab", base_url=lab.url)
        for _ in range(2):
            session = await engine.open(replace(SETUP, tools=TOOLS))
            await session.aclose()
        await asyncio.gather(*_LOOKING)
    told = [each.message for each in caplog.records if each.levelno >= logging.WARNING]
    assert [lacking in each for each in told] == ([True] if lacking else [])


async def test_an_agent_that_cannot_be_looked_at_harms_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """The conversation goes on; what must be there is said, as nobody knows whether it is."""
    caplog.set_level(logging.INFO)
    for peer in (ConvAIVendor(), Faulty(ConvAIVendor(), Fault.BROKEN, asks=lambda asked: "/agents/" in asked.path)):
        async with serve(peer, path="") as lab:
            session = await ElevenLabsConvAI("sk-lab", "agent_lab", base_url=lab.url).open(replace(SETUP, tools=TOOLS))
            await asyncio.gather(*_LOOKING)
            await session.aclose()
    told = [each.message for each in caplog.records if "free_slots" in each.message]
    assert ["must have" in told[0], "unknown" in told[1]] == [True, True]


async def test_a_tool_that_the_agent_lacks_is_not_called() -> None:
    """The lab's platform is as silent about it as the vendor's."""
    script = [Said(items=("Let me see.",), calls=(("free_slots", "{}"), ("end_call", "{}")))]
    vendor = ConvAIVendor(script, tools=["end_call"])
    async with serve(vendor, path="") as lab:
        session = await ElevenLabsConvAI("sk-lab", "agent_lab", base_url=lab.url).open(SETUP)
        session.type_text("When?")
        async for event in session.events():
            if isinstance(event, ToolCalled):
                assert event.name == "end_call"
                break
        await session.aclose()


@pytest.mark.parametrize(
    ("agent_id", "tools", "status", "words"),
    [
        ("agent_lab", ["end_call"], Status.OK, "elevenlabs_convai accepts it"),
        ("agent_lab", [], Status.UNSURE, "lacks the client tools end_call"),
        ("agent_gone", [], Status.MISSING, "was not found"),
        ("", [], Status.OFF, "ELEVENLABS_AGENT_ID is not set"),
    ],
)
async def test_the_doctor_tries_the_agent(
    agent_id: str, tools: list[str], status: Status, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its id, which is a row beside the key's."""
    async with serve(ConvAIVendor(tools=tools), path="") as lab:
        for name, value in (("API_KEY", "sk-lab"), ("AGENT_ID", agent_id), ("BASE_URL", lab.url)):
            monkeypatch.setenv(f"ELEVENLABS_{name}", value)
        checks = [each for each in all_checks(DEFAULTS, "") if each.name == "keys.elevenlabs_convai"]
        (found,) = await run_checks(checks)
    assert (found.status, words in found.detail) == (status, True), found
