"""Parts of one vendor in the lab, behind its one address: each is asked what is its own."""

from __future__ import annotations

from typing import Any

import pytest

from patter_cli import CartesiaSTT, CartesiaTTS, ElevenLabsConvAI, ElevenLabsTTS, OpenAIRealtime, OpenAITTS, WhisperSTT
from patter_cli.audio.frame import ULAW_8K
from patter_cli.contracts.llm import ChatMessage
from patter_cli.contracts.s2s import EngineSetup
from patter_cli.providers.openai import OpenAILLM
from patter_cli.testing.vendors.__main__ import KEY, _made
from patter_cli.testing.vendors.catalogue import TARGETS, Together
from patter_cli.testing.vendors.server import serve

VENDORS = (
    {"cartesia-ears": CartesiaSTT, "cartesia-voice": CartesiaTTS},
    {"elevenlabs": ElevenLabsTTS, "elevenlabs-agents": ElevenLabsConvAI},
    {"openai": OpenAILLM, "openai-ears": WhisperSTT, "openai-realtime": OpenAIRealtime, "openai-voice": OpenAITTS},
)


@pytest.mark.parametrize("recipes", VENDORS, ids=lambda recipes: next(iter(recipes)))
@pytest.mark.parametrize("backwards", [False, True])
async def test_each_part_is_reached(recipes: dict[str, Any], backwards: bool) -> None:
    """Whatever their order; a session with each is opened, and nothing else is asked of it."""
    names = list(recipes)[:: -1 if backwards else 1]
    asked: list[tuple[str, str]] = []

    def noting(name: str) -> Any:
        script = _made(name).script

        def answer(request: Any) -> Any:
            asked.append((name, request.target))
            return script(request)

        return answer

    async with serve(Together({each: noting(each) for each in names}), path="") as lab:
        for name, recipe in recipes.items():
            more = {"agent_id": "agent_lab"} if name == "elevenlabs-agents" else {}
            made = recipe(api_key=KEY, base_url=lab.url, **more)
            if name == "openai":
                assert [each async for each in made.stream([ChatMessage(role="user", text="Hello.")])]
            elif name in ("elevenlabs-agents", "openai-realtime"):
                await (await made.open(EngineSetup(system_prompt="A."))).aclose()
            else:
                session = await made.open_on(ULAW_8K)
                if hasattr(session, "synthesize"):
                    assert [each async for each in session.synthesize("Hello.")]
                await session.aclose()
    for name in names:
        targets = [target for whose, target in asked if whose == name]
        assert any(TARGETS[name] in each for each in targets), asked
        others = [own for other, own in TARGETS.items() if other in names and other != name]
        assert not [each for each in targets if any(own in each for own in others)], asked
