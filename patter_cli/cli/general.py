"""What every command takes: where settings come from, how much is told, and how errors end a command."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from patter_cli.errors import BadSetting, InputError, PatterError

_PANEL = "General"

EnvFile = Annotated[
    Path | None,
    typer.Option(
        "--env-file",
        help="File with environment variables.",
        show_default=".env, if there is one",
        rich_help_panel=_PANEL,
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="File with settings, a section for each command.",
        show_default="patter.toml, if there is one",
        rich_help_panel=_PANEL,
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more.", rich_help_panel=_PANEL)]
Debug = Annotated[bool, typer.Option("--debug", help="Tell everything, tracebacks too.", rich_help_panel=_PANEL)]
NoColor = Annotated[
    bool, typer.Option("--no-color", help="Plain text; NO_COLOR does the same.", rich_help_panel=_PANEL)
]


def complete_agent(incomplete: str) -> list[str]:
    """The names in agents/ that begin like this, for the shell."""
    from patter_cli.cli.discovery import find_agents

    return [each.name for each in find_agents(Path.cwd()) if each.name.startswith(incomplete)]


AgentName = Annotated[
    str | None,
    typer.Argument(
        metavar="[AGENT]",
        help="A name in agents/, a path, or path.py:name.",
        autocompletion=complete_agent,
        show_default=False,
    ),
]

_GENERAL = {
    "env_file": (EnvFile, None),
    "config": (ConfigFile, None),
    "verbose": (Verbose, False),
    "debug": (Debug, False),
    "no_color": (NoColor, False),
}


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the general flags, and turn what it raises into `error:`, `hint:` and an exit code."""
    signature = inspect.signature(function, eval_str=True)
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _GENERAL.items()
    ]

    @functools.wraps(function)
    def run(**arguments: Any) -> None:
        general = {name: arguments.pop(name) for name in _GENERAL}
        try:
            _set_up(**general)
            function(**arguments)
        except PatterError as error:
            if general["debug"]:
                raise
            show_error(error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in signature.parameters.values()]
    run.__signature__ = signature.replace(parameters=parameters + extra)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*parameters, *extra)}
    return run


def show_error(error: PatterError) -> None:
    """One sentence of what happened, and the next thing to type."""
    print(f"error: {error}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)


def settings_of(section: str, path: Path | None) -> dict[str, Any]:
    """A section of patter.toml; {} without the file. Raises InputError, BadSetting."""
    place = path or Path("patter.toml")
    if not place.is_file():
        if path is not None:
            raise InputError(f"there is no {path}", hint="leave --config out, or name a file that exists")
        return {}
    try:
        content = tomllib.loads(place.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BadSetting(f"{place}: {error}", hint="mend the line, or name another file with --config") from error
    chosen = content.get(section, {})
    if not isinstance(chosen, dict):
        raise BadSetting(f"{place}: {section} is not a section", hint=f"write [{section}] on a line of its own")
    return {key.replace("-", "_"): value for key, value in chosen.items()}


def load_settings(context: typer.Context) -> None:
    """Let .env stand behind the environment, and patter.toml behind both, for the command about to run.

    Its flags are not parsed yet: they look into the environment themselves. Raises InputError, BadSetting.
    """
    name = context.invoked_subcommand
    if name:
        _load_environment(_given("--env-file"))
        context.default_map = {name: settings_of(name, _given("--config"))}


def _given(flag: str) -> Path | None:
    """The file that the command line names with this flag."""
    path = None
    for each, following in zip(sys.argv[1:], [*sys.argv[2:], None], strict=True):
        if each == flag and following is not None:
            path = Path(following)
        elif each.startswith(f"{flag}="):
            path = Path(each.removeprefix(f"{flag}="))
    return path


def _load_environment(path: Path | None) -> None:
    if path is not None and not path.is_file():
        raise InputError(f"there is no {path}", hint="name a file that exists with --env-file")
    place = path or Path(".env")
    if place.is_file():
        from dotenv import load_dotenv

        try:
            load_dotenv(place)
        except (OSError, ValueError) as error:  # no permission, not UTF-8, a NUL in a value
            raise BadSetting(f"{place}: {error}", hint="mend it, or name another file with --env-file") from error


def _set_up(env_file: Path | None, config: Path | None, verbose: bool, debug: bool, no_color: bool) -> None:
    if no_color:
        os.environ["NO_COLOR"] = "1"
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request to a model
