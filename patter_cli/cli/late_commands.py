"""The commands under `patter`, each loaded when it is typed, so that no start pays for the flags of the others.

A command's module has its name. It holds a function of that name and its EXAMPLES, or `app`, a Typer of commands below.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
import typer.core

from patter_cli.cli.mistyped import Commands


class LateCommands(Mapping[str, Any]):
    """Typer's commands by name, each made when somebody asks for it."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._made: dict[str, Any] = dict.fromkeys(names)

    def __getitem__(self, name: str) -> Any:
        if self._made[name] is None:
            self._made[name] = _command(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def late_group(lines: Mapping[str, str]) -> type[Commands]:
    """The class of a root for Typer. lines: what the help says of each command, by name, in the help's order."""

    class Late(Commands):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.commands = LateCommands(lines)  # type: ignore[assignment]  # nobody adds to it

        def list_commands(self, ctx: Any) -> list[str]:
            return list(lines)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            typer.core.TyperGroup.format_help(self._listed(), ctx, formatter)

        def shell_complete(self, ctx: Any, incomplete: str) -> Any:
            return typer.core.TyperGroup.shell_complete(self._listed(), ctx, incomplete)

        def _listed(self) -> Late:
            """Itself, with commands that are names and lines: enough for whoever only wants to see them."""
            listed = copy.copy(self)
            listed.commands = {name: typer.core.TyperCommand(name, help=line) for name, line in lines.items()}
            return listed

    return Late


def _command(name: str) -> Any:
    from patter_cli.cli.general import command

    module = import_module(f"patter_cli.cli.{name}")
    holder = typer.Typer()
    if hasattr(module, "app"):
        holder.add_typer(module.app, name=name)
    else:
        holder.command(name, epilog=module.EXAMPLES)(command(getattr(module, name)))
    return typer.main.get_group(holder).commands[name]
