"""The model's tool calls: which one runs, which we answer ourselves, which are still out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from patter_cli.core.phrases import language_among
from patter_cli.core.plan import CallPlan

END_CALL = "end_call"
TRANSFER_CALL = "transfer_call"
PRESS_KEYS = "press_keys"
SWITCH_LANGUAGE = "switch_language"
MAX_STEPS = 5
"""Steps of a turn in which the model may ask for tools; then it must answer in words. Source: RELIABILITY T22."""
MAX_CALLS = 30
"""Tool calls of one call: a model in a loop must not run up somebody's bill. Source: RELIABILITY T22."""

MAX_ABOUT_CHARS = 400
"""About half a minute: the caller waits meanwhile."""

KEYS_MS = 5000
KEY_MS = 500
"""How long the carrier may take to press keys, and for each of them."""
_KEYS = re.compile("[0-9*#A-Dw]{1,32}")


@dataclass(frozen=True, slots=True)
class Run:
    """The tool is the author's: have it run."""

    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """We know the answer ourselves. ends: the agent wants to hang up. transfer: it wants to connect the caller; about:
    whoever answers is told this first. language: the call goes on in this one."""

    result: str
    ends: bool = False
    language: str = ""
    transfer: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Press:
    """Have these keys pressed."""

    digits: str
    timeout_ms: int


def decide(name: str, arguments: str, plan: CallPlan, calls: int) -> Run | Answer | Press:
    """What becomes of a tool call. calls: how many this call has made before."""
    if name == END_CALL:
        return Answer(succeeded("the call ends when the caller has heard your last words; say goodbye"), ends=True)
    if name == TRANSFER_CALL:
        number = allowed_number(_text_in(arguments, "number"), plan)
        if number is None:
            return Answer(failed("this number is not one you may transfer to; say so, and offer something else"))
        about = about_in(_text_in(arguments, "about"), plan)
        told = "the caller is connected when they have heard your last words"
        return Answer(succeeded(told), transfer=number, about=about)
    if name == SWITCH_LANGUAGE and plan.languages and all(tool.name != SWITCH_LANGUAGE for tool in plan.tools):
        return _switch(_text_in(arguments, "language"), plan)
    if calls >= MAX_CALLS:
        return Answer(failed("no more tools can be used on this call"))
    if name == PRESS_KEYS and all(tool.name != PRESS_KEYS for tool in plan.tools):
        digits = "".join(_text_in(arguments, "keys").split())
        if not _KEYS.fullmatch(digits):
            return Answer(failed("not pressed: keys are 0-9, *, #, A-D and w for a pause, 32 at most"))
        return Press(digits, KEYS_MS + KEY_MS * len(digits))
    return Run(next((tool.timeout_ms for tool in plan.tools if tool.name == name), 0))


def _switch(wanted: str, plan: CallPlan) -> Answer:
    language = language_among(plan.languages, wanted)
    if not language:
        return Answer(failed(f"you speak {', '.join(plan.languages)} and no other language; say so"))
    if language == plan.language:
        return Answer(succeeded(f"you speak {language} already; go on"))
    return Answer(succeeded(f"from now on you speak {language}; go on in it"), language=language)


def allowed_number(number: str, plan: CallPlan) -> str | None:
    """The configured number that this is, written with or without the usual separators; None for any other."""
    digits = number.translate({ord(ch): None for ch in " -.()"})
    return digits if digits in plan.transfer_numbers else None


def about_in(text: str, plan: CallPlan) -> str:
    """What whoever answers a transfer is told first; "" where that cannot be done."""
    return " ".join(text.split())[:MAX_ABOUT_CHARS] if plan.attends else ""


def succeeded(data: str) -> str:
    """A tool's result as the model gets it."""
    return json.dumps({"ok": True, "data": data})


def failed(error: str) -> str:
    """A tool's failure as the model gets it."""
    return json.dumps({"ok": False, "error": error})


def _text_in(arguments: str, name: str) -> str:
    """An argument, if it is a text."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return ""
    text = value.get(name) if isinstance(value, dict) else None
    return text if isinstance(text, str) else ""
