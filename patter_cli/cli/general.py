"""What every command takes: where settings come from, how much is told, and how errors end a command."""

from __future__ import annotations

import copy
import functools
import inspect
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args

import typer

from patter_cli import keys
from patter_cli.cli.mistyped import WORDS, wanted
from patter_cli.cli.told import tell
from patter_cli.errors import BadSetting, ConfigError, InputError, PatterError, reason
from patter_cli.number_routes import SECTION as NUMBERS
from patter_cli.setting_files import ConfigFile as Config
from patter_cli.setting_files import Sections, read_config, read_env_file
from patter_cli.settings import ROWS, Settings, as_written, load_settings
from patter_cli.text.printable import printable_lines

_PANEL = "General"


def _use_config(context: typer.Context, path: Path | None) -> Path | None:
    """Let the command's section of the settings file stand behind its flags; called before any other is read."""
    if not context.resilient_parsing:
        try:
            config = context.meta[_CONFIG] = read_config(path)
            config.refuse_unknown(_sections(context.find_root().command))
            context.default_map = _written(context, config)
        except PatterError as error:
            _end(error, context, debug=False)
    return path


def _use_no_color(no_color: bool) -> bool:
    """What is wrong with the flags that follow is told without colour, too."""
    if no_color:
        import typer.rich_utils

        typer.rich_utils.COLOR_SYSTEM = None
    return no_color


def _written(context: typer.Context, config: Config) -> dict[str, Any]:
    """A command's section by parameter, as texts, since each is read as if it had been typed. Raises BadSetting."""
    path = _path_of(context)
    written: dict[str, Any] = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        found = None if name in _FLAGS else config.find(path, name)
        if found is None:
            continue
        key, value = found
        many, flag = (getattr(parameter, each, False) for each in ("multiple", "is_flag"))  # an argument has neither
        if isinstance(value, list) and not many:
            raise BadSetting(f"{config.where(*path, key)} is a list", hint="it must be one value")
        texts = [str(each) for each in (value if isinstance(value, list) else [value])]
        written[name] = texts if many else value if flag and isinstance(value, bool) else texts[0]
        if not flag:
            context.meta.setdefault(_UNTYPED, []).extend((config.where(*path, key), each) for each in texts)
        try:
            parameter.process_value(context, written[name])
        except typer.BadParameter as error:
            raise BadSetting(
                f"{config.where(*path, key)} cannot be {as_written(value)}", hint=f"it must be {wanted(error)}"
            ) from error
    return written


def _path_of(context: Any) -> tuple[str, ...]:
    """A command's words after `patter`: its section."""
    return () if context.parent is None else (*_path_of(context.parent), context.info_name)


def _sections(root: Any, path: tuple[str, ...] = ()) -> Sections:
    """What a settings file may hold: a section for each command, the settings where each has its home, our numbers."""
    own = {each.name for each in root.params} - {"env_file", "config", "help", "version", *_FLAGS}
    homes = {row.flag for row in ROWS.values() if row.section == path}
    below = getattr(root, "commands", {})
    sections: dict[tuple[str, ...], frozenset[str] | None] = {path: frozenset(homes if path == () else own | homes)}
    if path == ():
        sections[NUMBERS] = None
    for name, each in below.items():
        sections |= _sections(each, (*path, name))
    return sections


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
        callback=_use_config,
        is_eager=True,
        help="File with settings, a section for each command.",
        show_default="patter.toml, if there is one",
        rich_help_panel=_PANEL,
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more.", rich_help_panel=_PANEL)]
Debug = Annotated[bool, typer.Option("--debug", help="Tell everything, tracebacks too.", rich_help_panel=_PANEL)]
NoColor = Annotated[
    bool,
    typer.Option(
        "--no-color",
        callback=_use_no_color,
        is_eager=True,
        help="Plain text; NO_COLOR does the same.",
        rich_help_panel=_PANEL,
    ),
]


def complete_agent(incomplete: str) -> list[str]:
    """The names in agents/ that begin like this, for the shell."""
    from patter_cli.cli.discovery import find_agents

    try:
        return [each.name for each in find_agents(Path.cwd()) if each.name.startswith(incomplete)]
    except (PatterError, OSError):
        return []


def complete_scenario(incomplete: str) -> list[str]:
    """The scenario files of the project that begin like this, for the shell; it knows the other files itself."""
    try:
        found = sorted(Path("agents").glob("*.toml"))
    except OSError:
        return []
    return [str(each) for each in found if str(each).startswith(incomplete)]


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
_FLAGS = {row.flag: name for name, row in ROWS.items()}
"""Parameter of a command -> field of Settings."""
_MARKUP = re.compile(r"\[(?=[a-z#/@])")
"""What Rich would take for the name of a style, and leave out of the help: [numbers]."""
_CONFIG = "patter_cli.config"
"""Where the settings file is kept between the reading of flags and the command."""
_UNTYPED = "patter_cli.untyped"
"""Where the values that nobody typed are kept with where they stand, in case a command finds one wrong."""


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the general flags and the settings, and turn what it raises into `error:`, `hint:`, an exit code.

    A parameter called settings gets the Settings. A flag that nobody gave has what the command's section of the
    settings file says, one that is a setting also what environment and .env say.
    """
    signature = inspect.signature(function, eval_str=True)
    wants_settings = "settings" in signature.parameters
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _GENERAL.items()
    ]

    @functools.wraps(function)
    def run(context: typer.Context, **arguments: Any) -> None:
        debug = arguments["debug"]
        try:
            _check_folder()
            settings = _set_up(context, arguments)
            arguments |= {flag: getattr(settings, name) for flag, name in _FLAGS.items() if flag in arguments}
            arguments = {name: value for name, value in arguments.items() if name not in _GENERAL}
            function(**arguments, **({"settings": settings} if wants_settings else {}))
        except PatterError as error:
            _end(error, context, debug=debug, blamed=_blamed(error, context))
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):  # the last: whoever read us has seen enough
            raise
        except OSError as error:
            if error.filename is None:
                _end_as_bug(error, context, debug=debug)
            # A file or folder that somebody named, or stands in: whose it is and what it is, they decide.
            refused = InputError(f"{error.filename} cannot be used: {reason(error)}")
            _end(refused, context, debug=debug, blamed=_blamed(refused, context))
        except Exception as error:  # noqa: BLE001 - where a command ends, and it may be anything
            _end_as_bug(error, context, debug=debug)

    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    own = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=_with_variable(each))
        for each in signature.parameters.values()
        if each.name != "settings"
    ]
    run.__signature__ = signature.replace(parameters=[context, *own, *extra])  # type: ignore[attr-defined]
    run.__doc__ = _MARKUP.sub(r"\\[", _filled(inspect.getdoc(function) or ""))
    run.__annotations__ = {each.name: each.annotation for each in (context, *own, *extra)}
    return run


def _with_variable(parameter: inspect.Parameter) -> Any:
    """A flag's annotation; its help tells the environment variable, if it has one."""
    row = ROWS.get(_FLAGS.get(parameter.name, ""))
    if row is None or not row.variable:
        return parameter.annotation
    kind, info = get_args(parameter.annotation)
    info = copy.copy(info)
    info.help = f"{info.help} ({row.variable})"
    return Annotated[kind, info]


def _check_folder() -> None:
    """Raises InputError where somebody has taken away the folder that we were started in."""
    try:
        Path.cwd()
    except OSError as error:
        raise InputError(
            f"the folder you are in cannot be used: {reason(error)}", hint="go into your project: cd PROJECT"
        ) from error


def _set_up(context: typer.Context, arguments: Mapping[str, Any]) -> Settings:
    """Gather the settings, and let logs, warnings and the look-up of keys go by them. Raises PatterError."""
    given = [name for name in arguments if _given(context, name)]
    settings = load_settings(
        flags={name: arguments[name] for name in given if name in _FLAGS},
        env_file=read_env_file(arguments["env_file"]),
        config=context.meta.get(_CONFIG),
    )
    context.meta.setdefault(_UNTYPED, []).extend(
        (origin.where, str(getattr(settings, name)))
        for name, origin in settings.origins.items()
        if origin.source != "flag" and ROWS[name].section is not None
    )
    verbose, debug = arguments["verbose"], arguments["debug"]
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    logging.raiseExceptions = debug  # somebody's code may have closed standard error: no call ends for it
    told = logging.StreamHandler(sys.stderr)
    told.setFormatter(_PlainFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[told])
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request to a model
    warn(settings.warnings)
    keys.stand_behind(settings.keys)
    return settings


class _PlainFormatter(logging.Formatter):
    """What is logged may be a stranger's: a terminal must not obey it."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


def _given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _blamed(error: PatterError, context: typer.Context) -> str:
    """Where the value stands that a command complains of, if nobody typed it: "patter.toml:2: line"; "" if they did."""
    if isinstance(error, InputError | ConfigError):
        for where, value in context.meta.get(_UNTYPED, ()):
            if where not in str(error) and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", str(error)):
                return str(where)
    return ""


def _end(error: PatterError, context: typer.Context, *, debug: bool, blamed: str = "") -> NoReturn:
    if debug:
        traceback.print_exception(error)
    if blamed and isinstance(error, InputError):
        # What nobody typed is a setting, whatever it is the value of.
        error = BadSetting(str(error), hint=error.hint)
    _tell(error, context, blamed)
    raise typer.Exit(error.exit_code) from None


def _end_as_bug(error: Exception, context: typer.Context, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    again = "report it" if debug else "run it again with --debug and report what it prints"
    _tell(PatterError(f"this is a bug of ours: {error!r}", hint=again), context)
    raise typer.Exit(PatterError.exit_code) from None


def _tell(error: PatterError, context: typer.Context, blamed: str = "") -> None:
    from patter_cli.cli.next_command import typed_line

    words = context.meta.get(WORDS, ())
    tell(error, as_json="--json" in words, blamed=blamed, typed=typed_line(context.find_root().command, words))


def warn(sentences: Iterable[str]) -> None:
    """Say what works and is hardly meant."""
    for each in sentences:
        print(f"warning: {printable_lines(each)}", file=sys.stderr)


def _filled(words: str) -> str:
    """A docstring whose paragraphs are a line each, so that --help fills the terminal with them."""
    return "\n\n".join(" ".join(each.split()) for each in words.split("\n\n"))
