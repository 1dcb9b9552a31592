"""One call's plan: what an agent's author wrote, with the blanks of this call filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from patter_cli.agent import E164, Agent, fill
from patter_cli.contracts.s2s import SpeechEngine
from patter_cli.core.phrases import phrases_in
from patter_cli.core.plan import BlockedTerms, CallPlan, PlannedTool, TurnTiming
from patter_cli.engine.converse import engine_plan
from patter_cli.text.preamble import with_preamble
from patter_cli.tools import Tool

MODEL_GIVE_UP_MS = 35_000
"""A model's first word may take 32 s (engine.model.LAST_FIRST_S); the wait is bridged, and its own error ends it."""

_NUMBER = re.compile(r"(?<![0-9+])\+[1-9](?:[ .()-]{0,2}[0-9]){6,14}(?![0-9])")
"""A phone number as people write it into a prompt."""


def plan_of(
    name: str,
    agent: Agent,
    parameters: Mapping[str, str],
    tools: Mapping[str, Tool],
    *,
    drafts: bool = False,
    voicemail_message: str = "",
    screens_machines: bool = False,
) -> CallPlan:
    """One call's plan: variables filled in, the caller's parameters among them."""
    variables = {**agent.variables, **parameters}
    prompt = fill(agent.system_prompt, variables)
    pace = TurnTiming(barge_in_threshold_ms=agent.barge_in_threshold_ms)
    if drafts:
        pace = replace(pace, give_up_ms=MODEL_GIVE_UP_MS)
    turns = agent.turns
    if turns.endpoint_ms is not None:
        pace = replace(pace, endpoint_ms=turns.endpoint_ms)
    if turns.endpoint_unfinished_ms is not None:
        pace = replace(pace, endpoint_unfinished_ms=turns.endpoint_unfinished_ms)
    if turns.idle_ms is not None:
        pace = replace(pace, idle_ms=turns.idle_ms)
    if turns.idle_asks is not None:
        pace = replace(pace, idle_asks=turns.idle_asks)
    return CallPlan(
        agent=name,
        system_prompt=prompt if agent.disable_phone_preamble else with_preamble(prompt, tools=True),
        first_message=fill(agent.first_message, variables),
        language=agent.language,
        languages=tuple(agent.languages) if len(agent.languages) > 1 else (),
        lines=phrases_in(agent.language),
        pace=pace,
        blocked=tuple(
            BlockedTerms(name=rule.name, terms=tuple(rule.blocked_terms), replacement=rule.replacement)
            for rule in agent.guardrails
            if rule.blocked_terms
        ),
        checks=tuple(rule.name for rule in agent.guardrails if rule.check is not None),
        tools=tuple(PlannedTool(name=each.name, timeout_ms=round(each.timeout_s * 1000)) for each in tools.values()),
        transfer_numbers=transfer_numbers(agent),
        drafts=drafts,
        predicts_end_of_turn=turns.end_of_turn is not None,
        engine=None if agent.engine is None else engine_plan(cast(SpeechEngine, agent.engine).abilities),
        voicemail_message=fill(voicemail_message, variables),
        screens_machines=screens_machines,
    )


def transfer_numbers(agent: Agent) -> tuple[str, ...]:
    """Whom a caller may be connected to: the configured numbers, and those the author wrote into the prompt.

    What a call brings with it, its custom parameters, is not the author's word and adds none.
    """
    written = (match[0] for match in _NUMBER.finditer(fill(agent.system_prompt, agent.variables)))
    numbers = ["+" + "".join(ch for ch in each if ch.isdigit()) for each in written]
    return tuple(dict.fromkeys((*(agent.transfer_numbers or ()), *(each for each in numbers if E164.fullmatch(each)))))
