"""One expectation held against what there was: words, tools, keys. Pure; a Check says what to look at if it fails."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from patter_cli.simulate.difference import word_difference
from patter_cli.simulate.played import UsedTool
from patter_cli.simulate.written import WantedTool, WantedWords
from patter_cli.text.compare import has_words, normalised_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """key: of the scenario file. expected, heard: both in words. differs: where exactly, if that can be told."""

    key: str
    expected: str
    heard: str
    passed: bool
    differs: str = ""


def check_words(wanted: WantedWords, heard: str, *, key: str = "says") -> Iterator[Check]:
    """Words against what was heard. key: of words in a row, which a step calls otherwise."""
    for words in wanted.says:
        passed = has_words(heard, words)
        differs = "" if passed else word_difference(words, heard)
        yield Check(key=key, expected=words, heard=heard, passed=passed, differs=differs)
    if wanted.exactly:
        passed = any(normalised_words(each) == normalised_words(heard) for each in wanted.exactly)
        differs = "" if passed else word_difference(wanted.exactly[0], heard, whole=True)
        expected = f"exactly: {' / '.join(wanted.exactly)}"
        yield Check(key="exactly", expected=expected, heard=heard, passed=passed, differs=differs)
    for pattern in wanted.matches:
        passed = re.search(pattern, heard, re.IGNORECASE) is not None
        yield Check(key="matches", expected=f"matches: {pattern}", heard=heard, passed=passed)
    for words in wanted.never:
        passed = not has_words(heard, words)
        yield Check(key="never", expected=f"never: {words}", heard=heard, passed=passed)


def check_tools(wanted: Sequence[WantedTool], used: Sequence[UsedTool]) -> Iterator[Check]:
    """Tools against those that were called."""
    for each in wanted:
        called = [tool for tool in used if tool.name == each.name]
        fitting = [tool for tool in called if not _faults(each, tool)]
        passed = bool(fitting) if each.times is None else len(fitting) == each.times
        differs = ""
        if not passed and not fitting and called:
            differs = min((_faults(each, tool) for tool in called), key=len)[0]
        elif not passed and fitting:
            differs = f"it was called {_times(len(fitting))}"
        heard = "; ".join(_called(tool) for tool in (called or used)) or "no tool was called"
        yield Check(key="tool", expected=f"tool {_wanted(each)}", heard=heard, passed=passed, differs=differs)


def check_keys(wanted: str, pressed: str) -> Iterator[Check]:
    """Keys, all of them in their order, without the pauses between them."""
    if wanted:
        plain = pressed.replace("w", "")
        yield Check(key="keys", expected=f"keys {wanted}", heard=plain or "no key was pressed", passed=wanted == plain)


def percentile(values: Sequence[int], share: float) -> int:
    """The smallest of the values that is not below so many of them. share: 0 to 1. values: not empty."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def alike(wanted: Any, given: Any) -> bool:
    """Whether a value is the wanted one: texts by their words, tables by the keys that are wanted."""
    if isinstance(wanted, str) and isinstance(given, str):
        return wanted == given or (normalised_words(wanted) == normalised_words(given) != [])
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        return all(key in given and alike(value, given[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(given, list):
        return len(wanted) == len(given) and all(map(alike, wanted, given))
    return bool(wanted == given) and isinstance(wanted, bool) == isinstance(given, bool)


def _faults(wanted: WantedTool, used: UsedTool) -> list[str]:
    """In what a call is not the wanted one."""
    faults = [
        f"{key} is {used.arguments[key]!r}, not {value!r}" if key in used.arguments else f"{key} is not given"
        for key, value in wanted.arguments.items()
        if key not in used.arguments or not alike(value, used.arguments[key])
    ]
    if wanted.result and not has_words(used.result or "", wanted.result):
        faults.append(f"it answered {used.result!r}" if used.result is not None else "it did not answer")
    return faults


def _wanted(tool: WantedTool) -> str:
    times = "" if tool.times is None else ", never" if tool.times == 0 else f", {_times(tool.times)}"
    result = f" answering {tool.result!r}" if tool.result else ""
    return f"{tool.name}({_named(tool.arguments)}){result}{times}"


def _called(tool: UsedTool) -> str:
    return f"{tool.name}({_named(tool.arguments)})"


def _named(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" if key else repr(value) for key, value in arguments.items())


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
