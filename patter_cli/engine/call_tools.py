"""The two tools that every agent has, as a model gets them: put the caller through, and hang up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from patter_cli.contracts.llm import ToolSpec
from patter_cli.core.tool_calls import END_CALL, TRANSFER_CALL


def call_tools(transfer_numbers: Sequence[str]) -> tuple[ToolSpec, ToolSpec]:
    """Both specs, always in the same order.

    transfer_numbers: those the model may choose from, E.164. A model that writes another one is refused all the same
    (core/tool_calls.py); with none it is told so beforehand.
    """
    number: dict[str, Any] = {"type": "string", "description": "Whom to call, in E.164."}
    if transfer_numbers:
        number["enum"] = list(transfer_numbers)
    whom = "" if transfer_numbers else " There is nobody to connect to at present: offer something else instead."
    return (
        ToolSpec(
            name=TRANSFER_CALL,
            description=f"Connect the caller to a person. Say first that you are putting them through.{whom}",
            parameters={
                "type": "object",
                "properties": {"number": number},
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
