"""The tools that we answer ourselves, as a model gets them: put the caller through, hang up, press keys in a menu,
speak another language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from patter_cli.contracts.llm import ToolSpec
from patter_cli.core.outcome import Direction
from patter_cli.core.plan import CallPlan
from patter_cli.core.tool_calls import END_CALL, MAX_ABOUT_CHARS, PRESS_KEYS, SWITCH_LANGUAGE, TRANSFER_CALL


def call_tools(plan: CallPlan) -> tuple[ToolSpec, ...]:
    """What every call has, always in the same order.

    The plan's transfer numbers are those the model may choose from. A model that writes another one is refused all the
    same (core/tool_calls.py); with none it is told so beforehand. Languages are offered where there are several.
    """
    both = _leaving(plan.transfer_numbers, attends=plan.attends)
    return (*both, _switch_language(plan.languages)) if len(plan.languages) > 1 else both


def _leaving(transfer_numbers: Sequence[str], *, attends: bool) -> tuple[ToolSpec, ToolSpec]:
    """attends: whoever answers can be told what it is about."""
    number: dict[str, Any] = {"type": "string", "description": "Whom to call, in E.164."}
    properties = {"number": number}
    if attends:
        properties["about"] = {
            "type": "string",
            "maxLength": MAX_ABOUT_CHARS,
            "description": "Who is calling and what about, in a sentence. It is said to whoever answers before they are"
            " connected, while the caller hears music. Leave it out to connect at once.",
        }
    if transfer_numbers:
        number["enum"] = list(transfer_numbers)
    whom = "" if transfer_numbers else " There is nobody to connect to at present: offer something else instead."
    return (
        ToolSpec(
            name=TRANSFER_CALL,
            description=f"Connect the caller to a person. Say first that you are putting them through.{whom}",
            parameters={
                "type": "object",
                "properties": properties,
                "required": ["number"],
                "additionalProperties": False,
            },
        ),
        ToolSpec(
            name=END_CALL,
            description="Hang up, once the caller has nothing more to ask. Say goodbye first: it is still heard.",
            parameters={"type": "object", "properties": {}, "additionalProperties": False},
        ),
    )


def offered_tools(own: Sequence[ToolSpec], plan: CallPlan, direction: Direction) -> tuple[ToolSpec, ...]:
    """All that a model may call: the agent's own, and those above; in a call that we made, keys too, since a company's
    menu may pick up. An agent's own tool of that name takes its place."""
    tools = (*own, *(each for each in call_tools(plan) if each.name not in {tool.name for tool in own}))
    if direction is Direction.INBOUND or any(each.name == PRESS_KEYS for each in own):
        return tools
    return (*tools, _press_keys())


def _switch_language(languages: Sequence[str]) -> ToolSpec:
    return ToolSpec(
        name=SWITCH_LANGUAGE,
        description="Go on in another language, as soon as the caller speaks it or asks for it. Say nothing with it.",
        parameters={
            "type": "object",
            "properties": {"language": {"type": "string", "enum": list(languages)}},
            "required": ["language"],
            "additionalProperties": False,
        },
    )


def _press_keys() -> ToolSpec:
    which = "Any of 0-9, * and #, in order; w waits for half a second."
    keys = {"type": "string", "description": which, "maxLength": 32}
    return ToolSpec(
        name=PRESS_KEYS,
        description="Press keys on the telephone, when a menu asks for them. Say nothing with it: no person listens.",
        parameters={
            "type": "object",
            "properties": {"keys": keys},
            "required": ["keys"],
            "additionalProperties": False,
        },
    )
