"""Names become things, late: the only file that reaches vendors and carriers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from patter_cli.agent import Agent, Guardrail, fill
from patter_cli.contracts.carrier import CallControl, LineCodec, StreamCodec
from patter_cli.contracts.stt import SpeechToText
from patter_cli.contracts.tts import TextToSpeech
from patter_cli.contracts.vad import VoiceModel
from patter_cli.core.plan import BlockedTerms, CallPlan, Pace
from patter_cli.engine.call import ReadyAgent
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import ConfigError, InputError, UnknownProvider

OVERRIDES = ("system_prompt", "first_message", "language", "variables")
"""What on_call_start may change for one call."""


def voice_model() -> VoiceModel:
    """The voice detector's model, loaded once per process. Raises MissingExtra."""
    from patter_cli.providers import silero

    return silero.VoiceModel()


def stream_codec(carrier: str) -> StreamCodec:
    """A new call's end of a carrier's media stream."""
    if carrier in ("twilio", "loopback"):
        from patter_cli.carriers.twilio import TwilioStream

        return TwilioStream()
    raise UnknownProvider(f"no carrier is called {carrier!r}", hint="known: twilio")


def line_codec(carrier: str) -> LineCodec:
    """The carrier's end of the same, for a caller of our own."""
    if carrier == "twilio":
        from patter_cli.carriers.twilio import TwilioLine

        return TwilioLine()
    raise UnknownProvider(f"no carrier is called {carrier!r}", hint="known: twilio")


def call_control(carrier: str) -> CallControl:
    """What can be asked of the carrier about one call."""
    if carrier == "loopback":
        from patter_cli.carriers.loopback import LoopbackControl

        return LoopbackControl()
    raise UnknownProvider(f"no carrier is called {carrier!r}", hint="known: loopback")


def built_in_speech() -> tuple[SpeechToText, TextToSpeech]:
    """Recognition and voice that need no account."""
    from patter_cli.providers.local import LocalSTT, LocalTTS

    return LocalSTT(), LocalTTS()


def built_in_caller(voice: str) -> TextToSpeech:
    """Another built-in voice, for a caller of our own."""
    from patter_cli.providers.local import LocalTTS

    return LocalTTS(voice)


def ready_agent(name: str, agent: Agent, hooks: Hooks) -> ReadyAgent:
    """Resolve what the agent left open and check that it can hold a call. Raises PatterError."""
    unknown = agent.unknown_variables()
    if unknown:
        raise InputError(
            f"agent {name}: nothing fills {', '.join('{' + each + '}' for each in unknown)}",
            hint='give it in Agent(variables={"' + unknown[0] + '": "…"})',
        )
    if hooks.on_message is None:
        raise ConfigError(
            f"agent {name} has nothing to answer with",
            hint="define on_message: async def on_message(event): yield 'You said ' + event.text",
        )
    stt, tts = agent.stt, agent.tts
    if stt is None or tts is None:
        local_stt, local_tts = built_in_speech()
        stt, tts = stt or local_stt, tts or local_tts

    def revise(overrides: Mapping[str, Any], parameters: Mapping[str, str]) -> CallPlan:
        return plan_of(name, agent, overrides, parameters)

    checks = {rule.name: _check(rule) for rule in agent.guardrails if rule.check is not None}
    return ReadyAgent(name=name, plan=revise({}, {}), stt=stt, tts=tts, hooks=hooks, checks=checks, revise=revise)


def plan_of(name: str, agent: Agent, overrides: Mapping[str, Any], parameters: Mapping[str, str]) -> CallPlan:
    """One call's plan: the agent, what on_call_start changed, variables filled in. Raises InputError."""
    unknown = sorted(set(overrides) - set(OVERRIDES))
    if unknown:
        raise InputError(f"on_call_start cannot change {', '.join(unknown)}", hint=f"it may change {OVERRIDES}")
    variables = {**agent.variables, **parameters, **dict(overrides.get("variables") or {})}
    pace = Pace(barge_in_threshold_ms=agent.barge_in_threshold_ms)
    turns = agent.turns
    if turns.endpoint_ms is not None:
        pace = replace(pace, endpoint_ms=turns.endpoint_ms)
    if turns.idle_ms is not None:
        pace = replace(pace, idle_ms=turns.idle_ms)
    if turns.idle_asks is not None:
        pace = replace(pace, idle_asks=turns.idle_asks)
    return CallPlan(
        agent=name,
        system_prompt=fill(str(overrides.get("system_prompt", agent.system_prompt)), variables),
        first_message=fill(str(overrides.get("first_message", agent.first_message)), variables),
        language=str(overrides.get("language", agent.language)),
        pace=pace,
        blocked=tuple(
            BlockedTerms(name=rule.name, terms=tuple(rule.blocked_terms), replacement=rule.replacement)
            for rule in agent.guardrails
            if rule.blocked_terms
        ),
        checks=tuple(rule.name for rule in agent.guardrails if rule.check is not None),
    )


def _check(rule: Guardrail) -> Callable[[str], str | None]:
    check = rule.check
    assert check is not None

    def judge(clause: str) -> str | None:
        return rule.replacement if check(clause) else None

    return judge
