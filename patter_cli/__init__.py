"""Patter CLI: agents that answer and make phone calls. Every public name loads on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from patter_cli.agent import Agent, Guardrail, HangUp, Interrupt, Press, Say, TurnPolicy, guardrail
    from patter_cli.call_result import CallResult
    from patter_cli.carriers.asterisk.carrier import Asterisk
    from patter_cli.carriers.telnyx.carrier import Telnyx
    from patter_cli.carriers.twilio.carrier import Twilio
    from patter_cli.contracts.llm import ToolCall
    from patter_cli.embedded import EmbeddedServer
    from patter_cli.engine.answer_service import AnswerService
    from patter_cli.engine.hooks import IncomingMessage
    from patter_cli.engine.webhook import verify_webhook
    from patter_cli.errors import ConfigError, InputError, PatterError
    from patter_cli.local_config import LocalConfig
    from patter_cli.mcp_servers import McpServer
    from patter_cli.opting_out import opt_out
    from patter_cli.phone import Patter
    from patter_cli.placed_call import PlacedCall
    from patter_cli.providers.anthropic import AnthropicLLM
    from patter_cli.providers.assemblyai import AssemblyAISTT
    from patter_cli.providers.cartesia import CartesiaSTT, CartesiaTTS
    from patter_cli.providers.cerebras import CerebrasLLM
    from patter_cli.providers.compatible import OpenAICompatibleLLM
    from patter_cli.providers.deepgram import DeepgramSTT
    from patter_cli.providers.elevenlabs import ElevenLabsTTS
    from patter_cli.providers.elevenlabs_convai import ElevenLabsConvAI
    from patter_cli.providers.gemini_live import GeminiLive
    from patter_cli.providers.google import GoogleLLM
    from patter_cli.providers.groq import GroqLLM
    from patter_cli.providers.lmnt import LMNTTTS
    from patter_cli.providers.local import LocalSTT, LocalTTS
    from patter_cli.providers.openai import OpenAILLM
    from patter_cli.providers.openai_realtime import OpenAIRealtime
    from patter_cli.providers.openai_speech import OpenAITTS, WhisperSTT
    from patter_cli.providers.rime import RimeTTS
    from patter_cli.providers.rules import RulesLLM, Turn, call_tool
    from patter_cli.providers.smart_turn import SmartTurn
    from patter_cli.providers.soniox import SonioxSTT
    from patter_cli.providers.speechmatics import SpeechmaticsSTT
    from patter_cli.providers.ultravox import Ultravox
    from patter_cli.text.clauses import SentenceChunker
    from patter_cli.tools import Tool, ToolContext, tool
    from patter_cli.tunnels.cloudflared import CloudflareTunnel
    from patter_cli.tunnels.ngrok import NgrokTunnel

_HOMES = {
    "Agent": "agent",
    "AnswerService": "engine.answer_service",
    "AnthropicLLM": "providers.anthropic",
    "AssemblyAISTT": "providers.assemblyai",
    "Asterisk": "carriers.asterisk.carrier",
    "CallResult": "call_result",
    "CartesiaSTT": "providers.cartesia",
    "CartesiaTTS": "providers.cartesia",
    "CerebrasLLM": "providers.cerebras",
    "CloudflareTunnel": "tunnels.cloudflared",
    "ConfigError": "errors",
    "DeepgramSTT": "providers.deepgram",
    "ElevenLabsConvAI": "providers.elevenlabs_convai",
    "ElevenLabsTTS": "providers.elevenlabs",
    "EmbeddedServer": "embedded",
    "GoogleLLM": "providers.google",
    "GroqLLM": "providers.groq",
    "Guardrail": "agent",
    "HangUp": "agent",
    "IncomingMessage": "engine.hooks",
    "InputError": "errors",
    "Interrupt": "agent",
    "LMNTTTS": "providers.lmnt",
    "LocalConfig": "local_config",
    "LocalSTT": "providers.local",
    "LocalTTS": "providers.local",
    "McpServer": "mcp_servers",
    "NgrokTunnel": "tunnels.ngrok",
    "OpenAICompatibleLLM": "providers.compatible",
    "OpenAILLM": "providers.openai",
    "GeminiLive": "providers.gemini_live",
    "OpenAIRealtime": "providers.openai_realtime",
    "OpenAITTS": "providers.openai_speech",
    "Patter": "phone",
    "PatterError": "errors",
    "PlacedCall": "placed_call",
    "Press": "agent",
    "RimeTTS": "providers.rime",
    "RulesLLM": "providers.rules",
    "Say": "agent",
    "SentenceChunker": "text.clauses",
    "SmartTurn": "providers.smart_turn",
    "SonioxSTT": "providers.soniox",
    "SpeechmaticsSTT": "providers.speechmatics",
    "Telnyx": "carriers.telnyx.carrier",
    "Tool": "tools",
    "ToolCall": "contracts.llm",
    "ToolContext": "tools",
    "Turn": "providers.rules",
    "TurnPolicy": "agent",
    "Twilio": "carriers.twilio.carrier",
    "Ultravox": "providers.ultravox",
    "WhisperSTT": "providers.openai_speech",
    "call_tool": "providers.rules",
    "guardrail": "agent",
    "opt_out": "opting_out",
    "tool": "tools",
    "verify_webhook": "engine.webhook",
}

__all__ = [
    "LMNTTTS",
    "Agent",
    "AnswerService",
    "AnthropicLLM",
    "AssemblyAISTT",
    "Asterisk",
    "CallResult",
    "CartesiaSTT",
    "CartesiaTTS",
    "CerebrasLLM",
    "CloudflareTunnel",
    "ConfigError",
    "DeepgramSTT",
    "ElevenLabsConvAI",
    "ElevenLabsTTS",
    "EmbeddedServer",
    "GeminiLive",
    "GoogleLLM",
    "GroqLLM",
    "Guardrail",
    "HangUp",
    "IncomingMessage",
    "InputError",
    "Interrupt",
    "LocalConfig",
    "LocalSTT",
    "LocalTTS",
    "McpServer",
    "NgrokTunnel",
    "OpenAICompatibleLLM",
    "OpenAILLM",
    "OpenAIRealtime",
    "OpenAITTS",
    "Patter",
    "PatterError",
    "PlacedCall",
    "Press",
    "RimeTTS",
    "RulesLLM",
    "Say",
    "SentenceChunker",
    "SmartTurn",
    "SonioxSTT",
    "SpeechmaticsSTT",
    "Telnyx",
    "Tool",
    "ToolCall",
    "ToolContext",
    "Turn",
    "TurnPolicy",
    "Twilio",
    "Ultravox",
    "WhisperSTT",
    "call_tool",
    "guardrail",
    "opt_out",
    "tool",
    "verify_webhook",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'patter_cli' has no attribute {name!r}")
    value = getattr(import_module(f"patter_cli.{home}"), name)
    globals()[name] = value
    return value
