"""The model's tool calls: which one runs, which we answer ourselves, which are still out."""

from __future__ import annotations

import json
from dataclasses import dataclass

from patter_cli.core.plan import CallPlan

END_CALL = "end_call"
TRANSFER_CALL = "transfer_call"
MAX_STEPS = 5
"""Steps of a turn in which the model may ask for tools; then it must answer in words. Source: RELIABILITY T22."""
MAX_CALLS = 30
"""Tool calls of one call: a model in a loop must not run up somebody's bill. Source: RELIABILITY T22."""


@dataclass(frozen=True, slots=True)
class Run:
    """The tool is the author's: have it run."""

    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """We know the answer ourselves. ends: the agent wants to hang up. transfer: it wants to connect the caller."""

    result: str
    ends: bool = False
    transfer: str = ""


def decide(name: str, arguments: str, plan: CallPlan, calls: int) -> Run | Answer:
    """What becomes of a tool call. calls: how many this call has made before."""
    if name == END_CALL:
        return Answer(succeeded("the call ends when the caller has heard your last words; say goodbye"), ends=True)
    if name == TRANSFER_CALL:
        number = allowed_number(_number_in(arguments), plan)
        if number is None:
            return Answer(failed("this number is not one you may transfer to; say so, and offer something else"))
        return Answer(succeeded("the caller is connected when they have heard your last words"), transfer=number)
    if calls >= MAX_CALLS:
        return Answer(failed("no more tools can be used on this call"))
    return Run(next((tool.timeout_ms for tool in plan.tools if tool.name == name), 0))


def allowed_number(number: str, plan: CallPlan) -> str | None:
    """The configured number that this is, written with or without the usual separators; None for any other."""
    digits = number.translate({ord(ch): None for ch in " -.()"})
    return digits if digits in plan.transfer_numbers else None


def succeeded(data: str) -> str:
    """A tool's result as the model gets it."""
    return json.dumps({"ok": True, "data": data})


def failed(error: str) -> str:
    """A tool's failure as the model gets it."""
    return json.dumps({"ok": False, "error": error})


def _number_in(arguments: str) -> str:
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return ""
    number = value.get("number") if isinstance(value, dict) else None
    return number if isinstance(number, str) else ""
