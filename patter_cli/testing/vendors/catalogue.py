"""The lab's vendors by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.testing.vendors.assemblyai import AssemblyAIVendor
from patter_cli.testing.vendors.cartesia import CartesiaHearingVendor, CartesiaSpeakingVendor
from patter_cli.testing.vendors.deepgram import DeepgramVendor
from patter_cli.testing.vendors.elevenlabs import ElevenLabsVendor
from patter_cli.testing.vendors.elevenlabs_convai import ConvAIVendor
from patter_cli.testing.vendors.gemini_live import GeminiVendor
from patter_cli.testing.vendors.hearing import HearingVendor
from patter_cli.testing.vendors.llm.anthropic import AnthropicVendor
from patter_cli.testing.vendors.llm.chat import CerebrasVendor, ChatVendor, GroqVendor
from patter_cli.testing.vendors.llm.google import GoogleVendor
from patter_cli.testing.vendors.llm.vendor import LanguageVendor
from patter_cli.testing.vendors.lmnt import LMNTVendor
from patter_cli.testing.vendors.openai_realtime import RealtimeVendor
from patter_cli.testing.vendors.openai_speech import OpenAIHearingVendor, OpenAISpeakingVendor
from patter_cli.testing.vendors.rime import RimeVendor
from patter_cli.testing.vendors.server import Answer, Request, Talk
from patter_cli.testing.vendors.soniox import SonioxVendor
from patter_cli.testing.vendors.speaking import SpeakingVendor
from patter_cli.testing.vendors.speechmatics import SpeechmaticsVendor
from patter_cli.testing.vendors.ultravox import UltravoxVendor

HEARING: dict[str, type[HearingVendor]] = {
    "assemblyai": AssemblyAIVendor,
    "cartesia-ears": CartesiaHearingVendor,
    "deepgram": DeepgramVendor,
    "openai-ears": OpenAIHearingVendor,
    "soniox": SonioxVendor,
    "speechmatics": SpeechmaticsVendor,
}
SPEAKING: dict[str, type[SpeakingVendor]] = {
    "cartesia-voice": CartesiaSpeakingVendor,
    "elevenlabs": ElevenLabsVendor,
    "lmnt": LMNTVendor,
    "openai-voice": OpenAISpeakingVendor,
    "rime": RimeVendor,
}

THINKING: dict[str, type[LanguageVendor]] = {
    "anthropic": AnthropicVendor,
    "cerebras": CerebrasVendor,
    "google": GoogleVendor,
    "groq": GroqVendor,
    "openai": ChatVendor,
}
"""Over Chat Completions, as long as it does not think: OpenAI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRow:
    """A vendor that hears, thinks and speaks in one.

    make: from its key, its mind, and its ears and voice at 8 kHz. variables: what is set beside its key and address.
    """

    key_variable: str
    make: Callable[[str, Callable[[str], str], Callable[[Samples], str], Callable[[str], Samples]], Any]
    variables: dict[str, str] = field(default_factory=dict)


TARGETS = {
    "cartesia-ears": "/stt/",
    "cartesia-voice": "/tts/",
    "elevenlabs": "/text-to-speech/",
    "elevenlabs-agents": "/convai/",
    "gemini-live": "/ws/",
    "google": "GenerateContent?",
    "openai": "/chat/completions",
    "openai-ears": "/realtime?intent=",
    "openai-realtime": "/realtime?model=",
    "openai-voice": "/audio/speech",
}
"""What of a vendor's one address each of its parts answers, as it stands in the request. What is nobody's own, as the
description of a model, is answered by the first of them that is there."""


@dataclass(frozen=True, slots=True)
class Together:
    """Parts of one vendor behind one address. parts: by their names above."""

    parts: Mapping[str, Any]

    def __call__(self, request: Request) -> Answer | Talk:
        own = (part for name, part in self.parts.items() if TARGETS[name] in request.target)
        answer: Answer | Talk = next(own, next(iter(self.parts.values())))(request)
        return answer


ENGINES: dict[str, EngineRow] = {
    "elevenlabs-agents": EngineRow(
        key_variable="ELEVENLABS_API_KEY",
        make=lambda key, mind, ears, voice: ConvAIVendor(mind, hears=ears, voice=voice, key=key),
        variables={"ELEVENLABS_AGENT_ID": "agent_lab"},
    ),
    "gemini-live": EngineRow(
        key_variable="GEMINI_API_KEY",
        make=lambda key, mind, ears, voice: GeminiVendor(mind, hears=ears, voice=voice, key=key),
    ),
    "openai-realtime": EngineRow(
        key_variable="OPENAI_API_KEY",
        make=lambda key, mind, ears, voice: RealtimeVendor(
            mind,
            hears=lambda sound: ears(decode_ulaw(sound)),
            voice=lambda text: encode_ulaw(voice(text)),
            key=key,
        ),
    ),
    "ultravox": EngineRow(
        key_variable="ULTRAVOX_API_KEY",
        make=lambda key, mind, ears, voice: UltravoxVendor(mind, hears=ears, voice=voice, key=key),
    ),
}
