"""ElevenLabs' own SDK holds a conversation with our stand-in of its agents: the stand-in speaks as the vendor does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from patter_cli.audio.g711 import encode_ulaw
from patter_cli.contracts.s2s import EngineSetup
from patter_cli.providers.elevenlabs_convai import ElevenLabsConvAI
from patter_cli.testing.speech_peer import Said
from patter_cli.testing.vendors.elevenlabs_convai import ConvAIVendor, tone_of
from patter_cli.testing.vendors.server import serve

pytestmark = pytest.mark.sdk

SCRIPT = ("We open at nine.", Said(items=("Let me see.",), calls=(("book", '{"people": 2}'),)), "It is booked.")
VOICE = encode_ulaw(np.full(4000, 3000, np.int16)) + encode_ulaw(np.zeros(6000, np.int16))
"""A voice of half a second, and the silence that ends it."""


class Conversation:
    """What the SDK was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.heard: list[str] = []
        self.booked: list[dict[str, Any]] = []
        self.sound = b""
        self.interrupted = 0

    async def hold(self, url: str) -> None:
        """Two turns, a tool, an interruption. On a loop of its own: the SDK blocks while it asks for an address."""
        from elevenlabs import ElevenLabs
        from elevenlabs.conversational_ai.conversation import (
            AsyncAudioInterface,
            AsyncConversation,
            ClientTools,
            ConversationInitiationData,
        )

        told = self

        class Telephone(AsyncAudioInterface):  # type: ignore[misc]
            async def start(self, input_callback: Callable[[bytes], Awaitable[None]]) -> None:
                self.speak = input_callback

            async def stop(self) -> None:
                pass

            async def output(self, audio: bytes) -> None:
                told.sound += audio

            async def interrupt(self) -> None:
                told.interrupted += 1

        async def book(parameters: dict[str, Any]) -> str:
            self.booked.append(parameters)
            return "done"

        async def agent_said(text: str) -> None:
            self.said.append(text)

        async def caller_said(text: str) -> None:
            self.heard.append(text)

        tools = ClientTools(loop=asyncio.get_running_loop())
        tools.register("book", book, is_async=True)
        telephone = Telephone()
        conversation = AsyncConversation(
            ElevenLabs(api_key="sk-lab", base_url=url),
            "agent_lab",
            requires_auth=True,
            audio_interface=telephone,
            client_tools=tools,
            config=ConversationInitiationData(
                conversation_config_override=ElevenLabsConvAI("sk", "a").initiation(
                    EngineSetup(system_prompt="Be brief.", first_message="Hello.")
                )["conversation_config_override"]
            ),
            callback_agent_response=agent_said,
            callback_user_transcript=caller_said,
        )
        await conversation.start_session()
        await self._until(lambda: "Hello." in self.said)
        await telephone.speak(VOICE)
        await self._until(lambda: "We open at nine." in self.said)
        await telephone.speak(VOICE)
        await self._until(lambda: "It is booked." in self.said)
        await conversation.end_session()
        await conversation.wait_for_session_end()

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(8):
            while not condition():  # noqa: ASYNC110 (the SDK has no event for it)
                await asyncio.sleep(0.02)


async def test_the_sdk_holds_a_conversation_with_the_stand_in() -> None:
    """Our overrides are taken, a voice is a turn, its sound is whole, a tool is called and its answer used."""
    vendor = ConvAIVendor(SCRIPT)
    conversation = Conversation()
    async with serve(vendor, path="") as lab:
        await asyncio.to_thread(lambda: asyncio.run(conversation.hold(lab.url)))
    assert conversation.said == ["Hello.", "We open at nine.", "Let me see.", "It is booked."]
    assert conversation.heard == ["When do you open?"] * 2
    assert [each["people"] for each in conversation.booked] == [2]
    assert conversation.sound.startswith(encode_ulaw(tone_of("Hello.")))
    (talk,) = vendor.conversations
    assert talk.initiation["conversation_config_override"]["agent"]["first_message"] == "Hello."
    assert "pong" in [each["type"] for each in talk.messages]
