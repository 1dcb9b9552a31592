"""What was typed and is no command, no flag or no value of one: one sentence, and what is right, as of any other error.

Typer finds these before a command begins and has words of its own for them, which speak of inputs and of parsing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import typer
import typer.core

from patter_cli.cli.told import tell
from patter_cli.errors import InputError, PatterError

_UsageError = cast(type[Exception], typer.BadParameter.__mro__[1])
"""The root of what Typer finds wrong with words on a command line; it is not exported."""
_NUMBERS = (
    (r"valid integer", "a whole number"),
    (r"valid number|valid float", "a number"),
    (r"valid boolean", "true or false"),
    (r"greater than or equal to (\S+)", r"\1 or more"),
    (r"greater than (\S+)", r"more than \1"),
    (r"less than or equal to (\S+)", r"at most \1"),
    (r"in the range x>=(\S+?)\.?$", r"\1 or more"),
    (r"in the range (\S+?)<=x<=(\S+?)\.?$", r"\1 to \2"),
)
"""What is said of a value that cannot be, and what is meant. Sources: pydantic's error messages, click.types."""


WORDS = "patter_cli.words"
"""Where the words of the line are kept: with --json among them what goes wrong is told as an object, too."""


class Commands(typer.core.TyperGroup):
    """The root of all commands: what was mistyped on their line is told by us."""

    def make_context(self, info_name: Any, args: list[str], parent: Any = None, **extra: Any) -> Any:
        words = tuple(args)  # what is read is taken from the list
        with _told(self, words):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[WORDS] = words
        return context

    def invoke(self, ctx: Any) -> Any:
        with _told(self, ctx.meta[WORDS]):
            return super().invoke(ctx)


def wanted(error: Exception) -> str:
    """What a value that Typer refuses must be: "a whole number, 1 or more"."""
    said = str(getattr(error, "message", error))
    found = ((re.search(pattern, said), words) for pattern, words in _NUMBERS)
    return next((match.expand(words) for match, words in found if match), said)


@contextmanager
def _told(root: Any, words: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except (PatterError, _UsageError) as error:  # the first of a flag that is looked at before the command begins
        from patter_cli.cli.next_command import typed_line

        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        refused = error if isinstance(error, PatterError) else mistyped(error)
        tell(refused, as_json="--json" in words, typed=typed_line(root, words))
        raise typer.Exit(refused.exit_code) from None


def mistyped(error: Any) -> InputError:
    """What is wrong with a command line, and what would be right. error: Typer's usage error."""
    context = error.ctx
    command = _path(context)
    usage = f"{command} --help shows what there is"
    said = str(error.message)
    quoted = re.search(r"'([^']*)'", said)
    match type(error).__name__:
        case "NoSuchOption":
            near = " or ".join(sorted(error.possibilities or (), reverse=True))
            return InputError(f"there is no flag {error.option_name}", hint=f"did you mean {near}?" if near else usage)
        case "MissingParameter":
            name = _name(error)
            return InputError(f"{name} is missing", hint=f"{command} {name}")
        case "BadOptionUsage" if "not take a value" in said:
            return InputError(f"{error.option_name} takes no value", hint=f"write {error.option_name} alone")
        case "BadOptionUsage":
            return InputError(f"{error.option_name} wants a value after it", hint=f"{error.option_name} VALUE")
        case "BadParameter":
            name, value = _name(error), _value(error)
            cannot = f"cannot be {value}" if value else "cannot be that"
            return InputError(f"{name} {cannot}", hint=f"it must be {_of_setting(error, value) or wanted(error)}")
        case _ if said.startswith("No such command") and quoted:
            near = ", ".join(re.findall(r"'([^']*)'", said.partition("mean")[2]))
            known = ", ".join(context.command.commands) if context is not None else ""
            hint = f"did you mean {near}?" if near else f"there are: {known}"
            return InputError(f"there is no command {quoted[1]!r}", hint=hint)
        case _ if found := re.search(r"unexpected extra arguments?(?:\(s\))? \((.*)\)", said):
            return InputError(
                f"{command} has no use for {found[1]!r}", hint=f"words that belong together stand in quotes; {usage}"
            )
        case _:
            return InputError(said[:1].lower() + said[1:].rstrip("."), hint=usage)


def _path(context: Any) -> str:
    """The command as it is typed: "patter agents show"."""
    names: list[str] = []
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(["patter", *names])


def _name(error: Any) -> str:
    """The flag, or the argument's name in the help."""
    parameter = error.param
    if parameter is None:
        return "what was typed"
    flags: Sequence[str] = [each for each in parameter.opts if each.startswith("--")]
    return flags[0] if flags else str(parameter.metavar or parameter.name).strip("[]")


def _value(error: Any) -> str:
    """What was given, quoted; "" where that is not known."""
    found = getattr(error.__cause__, "errors", None)
    if found is not None:
        return repr(found()[0]["input"])
    quoted = re.match(r"('[^']*'|\S+) is not", str(error.message))
    return quoted[1] if quoted else ""


def _of_setting(error: Any, value: str) -> str:
    """What a flag that is a setting takes: its range too."""
    from patter_cli.settings import ROWS

    for row in ROWS.values():
        if error.param is not None and row.flag == error.param.name:
            try:
                row.read(value.strip("'"))
            except ValueError as wrong:
                return str(wrong)
    return ""
