"""What a function's docstring tells a model: what the function does, and what each of its parameters is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection

_SECTION = re.compile(r"^(Args|Arguments|Parameters|Params|Returns?|Raises|Yields|Examples?|Notes?):\s*$", re.MULTILINE)
_PARAMETERS = ("Args", "Arguments", "Parameters", "Params")


def read_docstring(doc: str | None, parameters: Collection[str]) -> tuple[str, dict[str, str]]:
    """Take a docstring apart.

    A parameter is described where a line or a sentence begins with its name and a colon, "day: a date such as
    2031-05-07"; what it is goes on to the next parameter, an empty line or the end. Google's "Args:" with
    "day (str): a date" below is understood too, and ends the description as its other sections do.

    Returns the description and what is said of each parameter, on one line each.
    """
    text = inspect.cleandoc(doc or "")
    head, listed = _sections(text)
    said: dict[str, str] = {}
    if parameters:
        names = "|".join(re.escape(name) for name in sorted(parameters, key=len, reverse=True))
        item = re.compile(rf"(?:^[ \t]*|(?<=[.!?])[ \t]+)({names})(?:[ \t]*\([^)\n]*\))?[ \t]*:(?=\s)", re.MULTILINE)
        for block in (head, listed):
            for here in item.finditer(block):
                after = item.search(block, here.end())
                about = block[here.end() : after.start() if after else len(block)]
                said.setdefault(here[1], _line(re.split(r"\n[ \t]*\n", about)[0]))
        first = item.search(head)
        head = head[: first.start()] if first else head
    return _line(head), said


def _sections(text: str) -> tuple[str, str]:
    """What stands before the first section, and what the parameters' section has."""
    parts = _SECTION.split(text)
    named = dict(zip(parts[1::2], parts[2::2], strict=True))
    return parts[0], next((named[title] for title in _PARAMETERS if title in named), "")


def _line(text: str) -> str:
    return " ".join(text.split())
