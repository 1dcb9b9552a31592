"""Whether the author's functions can be called as they will be: found before the first ring, with file and line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from patter_cli.engine.answer_service import AnswerService
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.whereabouts import shown
from patter_cli.errors import InputError, a_kind


def check_hooks(hooks: Hooks) -> None:
    """Raises InputError: a callback that is no function, does not take its event, or whose body would never run."""
    for each in fields(hooks):
        name, hook = each.name, getattr(hooks, each.name)
        if hook is None or isinstance(hook, AnswerService):
            continue
        if name == "expect":
            check_shape(name, hook, "def expect(call): assert …")
            if inspect.iscoroutinefunction(hook):
                raise InputError(f"{_where(hook)}expect is async, and nobody awaits it", hint="def expect(call): …")
        else:
            check_shape(name, hook, f"async def {name}(event): …")
        if name != "on_message" and (inspect.isgeneratorfunction(hook) or inspect.isasyncgenfunction(hook)):
            raise InputError(
                f"{_where(hook)}{name} has a yield, so nothing of it would run", hint="only on_message gives pieces"
            )


def check_shape(what: str, function: Callable[..., Any], example: str) -> None:
    """Raises InputError if the function cannot be called with one argument."""
    if not callable(function):
        raise InputError(f"{what} is {a_kind(function)}, not a function", hint=f"write: {example}")
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # it is written in C
        return
    try:
        signature.bind(None)
    except TypeError as error:
        takes = str(signature)
        raise InputError(
            f"{_where(function)}{what}{takes} cannot take its one argument", hint=f"write: {example}"
        ) from error


def _where(function: Callable[..., Any]) -> str:
    """ "agents/x.py:12: ", or nothing."""
    function = inspect.unwrap(function)
    if not inspect.isfunction(function):
        return ""
    return f"{shown(function.__code__.co_filename)}:{function.__code__.co_firstlineno}: "
