"""What can be set, and where each value came from: flags > environment > .env > patter.toml > defaults.

One frozen Settings is made by whoever starts (a command, or Patter in somebody's program) and handed down. Nobody
else reads the environment, but for the look-up of vendors' keys (keys.py). A .env is read as a file and never put into
the process, so that one which came with a project cannot redirect what we talk to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from patter_cli import registry
from patter_cli.callers import CallerRules, read_blocked
from patter_cli.destinations import E164, CallingHours, read_allow
from patter_cli.dial_quota import DialLimits
from patter_cli.errors import BadSetting, InputError
from patter_cli.number_routes import NumberRoute, read_routes
from patter_cli.setting_files import ConfigFile, EnvFile
from patter_cli.text.redact import Redaction

MAX_SPOKEN_CHARS = 500
"""Of what a caller is told before the line goes dead: half a minute of speech."""
_HOST = re.compile(r"(?:https?://|wss?://)?([A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})(?::[0-9]{1,5})?)/?")

Source = Literal["flag", "environment", ".env", "patter.toml", "default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value came from. where: as one would look for it, "patter.toml:3: port"; "" for a default."""

    source: Source
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How a setting is called outside, and how its value is read.

    flag: the parameter of the commands that take it, and its key in patter.toml. variable: "" if there is none; also:
    another name of it, which is looked for after it.
    section: where it stands in patter.toml, () for its top; None: nowhere, for it is a secret. read: raises ValueError
    with what is wanted instead.
    """

    flag: str
    variable: str = ""
    also: str = ""
    section: tuple[str, ...] | None = ()
    read: Callable[[Any], Any]

    @property
    def variables(self) -> tuple[str, ...]:
        """All its names in the environment, the one to use first."""
        return tuple(each for each in (self.variable, self.also) if each)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("a text that is not empty")
    return value


def _spoken(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value or len(value) > MAX_SPOKEN_CHARS:
        raise ValueError(f"a text of {MAX_SPOKEN_CHARS} characters at most")
    return value.strip()


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("a path")
    return Path(value)


def _media_url(value: Any) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) and value.isprintable() and " " not in value else None
        usable = parts is not None and parts.scheme in ("ws", "wss") and parts.hostname and parts.port != 0
        usable = usable and "@" not in value.partition("://")[2].partition("/")[0]  # whoever answers needs no password
    except ValueError:  # no port, or brackets that are no IPv6 address
        usable = False
    if not usable or "#" in value:
        raise ValueError("an address like ws://HOST:PORT/PATH")
    return str(value)


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _switch(value: Any) -> bool:
    """NO_COLOR is on whatever it holds, so a text is. Source: no-color.org."""
    if not isinstance(value, bool | str):
        raise ValueError("true or false")
    return bool(value)


def _redaction(value: Any) -> Redaction:
    try:
        return Redaction(value)
    except ValueError as error:
        raise ValueError("one of " + ", ".join(each.value for each in Redaction)) from error


def _number(value: Any) -> str:
    if not isinstance(value, str) or not E164.fullmatch(value):
        raise ValueError("a number like +14155550123")
    return value


def _host(value: Any) -> str:
    found = _HOST.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("a host name like phone.example.com, without a path")
    return found[1].lower()


def _words(value: Any) -> tuple[str, ...]:
    """A list of texts, or one with commas; what is neither comes out as a word that means nothing."""
    words = value.split(",") if isinstance(value, str) else value
    return tuple(words) if isinstance(words, list | tuple) and all(isinstance(each, str) for each in words) else ("?",)


def _allow(value: Any) -> tuple[str, ...]:
    return tuple(sorted(read_allow(_words(value))))


def _blocked(value: Any) -> tuple[str, ...]:
    return tuple(sorted(read_blocked(_words(value))))


def _hours(value: Any) -> CallingHours | None:
    return CallingHours.parse(value if isinstance(value, str) else "")


def _whole(least: int, most: int | None = None) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        try:
            number = int(value) if isinstance(value, str) and value.isascii() else value
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int) or number < least or number > (most or number):
            raise ValueError(f"a whole number from {least}" + (f" to {most}" if most else ""))
        return number

    return read


def _seconds(value: Any) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError("a number of seconds, 0 or more")
    return number


def _dollars(value: Any) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise ValueError("a number of dollars above 0")
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is set for one run of the program."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8000
    """Port to listen on; 0: any that is free."""
    max_calls: int | None = None
    """Calls at the same time; None: as many as this machine carries."""
    drain_timeout_s: float = 30.0
    """What live calls get to end when the server stops."""
    recording: bool = False
    """Whether carriers record calls."""
    record: bool = False
    """Whether calls are recorded here, each into a file beside its journal."""
    url: str | None = None
    """A server that `patter simulate` calls instead of one of its own."""
    log_dir: Path | None = None
    """Where calls are kept; None: nobody said."""
    store: str = "sqlite"
    """What keeps calls: sqlite, or the address of a database that a package brings, NAME://ADDRESS."""
    redact: Redaction = Redaction.OFF
    """What is struck out of calls as they are kept."""
    keep_days: int | None = None
    """How many days calls are kept, recordings too; None: for ever."""
    phone_number: str = ""
    """The number of ours that calls are made from."""
    public_host: str = ""
    """The host name under which carriers reach us; "": nobody does."""
    numbers: tuple[NumberRoute, ...] = ()
    """Which agent answers which of our numbers, of [numbers] in patter.toml."""
    allow: tuple[str, ...] = ()
    """Which countries and kinds of numbers may be rung beside the own country's ordinary ones."""
    hours: CallingHours | None = field(default_factory=CallingHours)
    """When people may be rung, by the clock where they are; None: at any time."""
    do_not_call: Path | None = None
    """The file of numbers that want no calls; None: the one in the user's data folder."""
    max_per_number_minute: int = DialLimits().number_a_minute
    """How often one number may be rung within a minute."""
    max_per_number_day: int = DialLimits().number_a_day
    """How often one number may be rung within 24 hours."""
    max_per_day: int = DialLimits().all_a_day
    """How many calls may be made within 24 hours."""
    max_spend_per_day: float | None = None
    """What calls may cost within 24 hours, in dollars, before no new one is begun; None: whatever they cost."""
    max_per_caller: int = CallerRules().at_once
    """How many calls one number may have here at the same time."""
    max_per_caller_hour: int = CallerRules().an_hour
    """How often one number may call within an hour."""
    blocked: tuple[str, ...] = ()
    """Who may not call: numbers, beginnings like +4479*, and anonymous."""
    busy_message: str = CallerRules().busy_message
    """What a caller hears who is not let in; "": a busy line."""
    dashboard: bool = True
    """Whether a server shows its calls to whoever signs in."""
    dashboard_token: str = field(default="", repr=False)
    """What they sign in with; "": one is made at each start, and links alone lead in."""
    expose_dashboard: bool = False
    """Whether a tunnel may bring them there, too."""
    notify_url: str = ""
    """Where call events are posted; "": nowhere."""
    notify_events: tuple[str, ...] = ("started", "ended")
    """Which: see observe/notices.py."""
    notify_private: bool = False
    """That address is on this machine or its network."""
    otel_endpoint: str = ""
    """Where traces and logs are sent, an OTLP/HTTP collector; "": nowhere."""
    otel_headers: str = field(default="", repr=False)
    """What that wants to be shown with them: headers, with commas between."""
    no_color: bool = False
    """Whether what is printed is plain text."""
    secret_key: str = field(default="", repr=False)
    """Signs what the server signs; "": one is made and kept."""
    webhook_secret: str = field(default="", repr=False)
    """Signs the requests of webhook tools that have no secret of their own."""

    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What .env holds beside settings, by name: where vendors' keys are looked for after the environment."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Who set a variable before any agent's file ran: name -> "environment" or ".env"."""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """Field -> where its value came from; a field that is not in it has its default."""
    warnings: tuple[str, ...] = ()
    """What to see to: a sentence each."""

    def origin(self, name: str) -> Origin:
        """Where the value of a field came from."""
        return self.origins.get(name, Origin(source="default"))


DEFAULTS = Settings()
"""What holds where nobody said anything."""
ROWS: Mapping[str, Row] = {
    "host": Row(flag="host", variable="PATTER_HOST", section=("serve",), read=_text),
    "port": Row(flag="port", variable="PATTER_PORT", section=("serve",), read=_whole(0, 65535)),
    "max_calls": Row(flag="max_calls", section=("serve",), read=_whole(1)),
    "drain_timeout_s": Row(flag="drain_timeout", section=("serve",), read=_seconds),
    "recording": Row(flag="recording", section=("serve",), read=_yes_or_no),
    "record": Row(flag="record", section=("serve",), read=_yes_or_no),
    "url": Row(flag="url", variable="PATTER_URL", section=("simulate",), read=_media_url),
    "log_dir": Row(flag="log_dir", variable="PATTER_LOG_DIR", read=_path),
    "store": Row(flag="store", variable="PATTER_STORE", read=_text),
    "redact": Row(flag="redact", variable="PATTER_REDACT", read=_redaction),
    "keep_days": Row(flag="keep_days", variable="PATTER_KEEP_DAYS", read=_whole(1)),
    "phone_number": Row(flag="phone_number", variable="PHONE_NUMBER", also="PATTER_PHONE_NUMBER", read=_number),
    "public_host": Row(flag="webhook_url", variable="WEBHOOK_URL", section=("serve",), read=_host),
    "allow": Row(flag="allow", variable="PATTER_ALLOW", section=("call",), read=_allow),
    "hours": Row(flag="hours", variable="PATTER_CALLING_HOURS", section=("call",), read=_hours),
    "do_not_call": Row(flag="do_not_call", variable="PATTER_DO_NOT_CALL", section=("call",), read=_path),
    "max_per_number_minute": Row(flag="max_per_number_minute", section=("call",), read=_whole(1)),
    "max_per_number_day": Row(flag="max_per_number_day", section=("call",), read=_whole(1)),
    "max_per_day": Row(flag="max_per_day", variable="PATTER_MAX_PER_DAY", section=("call",), read=_whole(1)),
    "max_spend_per_day": Row(flag="max_spend_per_day", variable="PATTER_MAX_SPEND_PER_DAY", read=_dollars),
    "max_per_caller": Row(flag="max_per_caller", section=("serve",), read=_whole(1)),
    "max_per_caller_hour": Row(flag="max_per_caller_hour", section=("serve",), read=_whole(1)),
    "blocked": Row(flag="blocked", variable="PATTER_BLOCKED", section=("serve",), read=_blocked),
    "busy_message": Row(flag="busy_message", section=("serve",), read=_spoken),
    "dashboard": Row(flag="dashboard", section=("serve",), read=_yes_or_no),
    "dashboard_token": Row(flag="dashboard_token", variable="PATTER_DASHBOARD_TOKEN", section=None, read=_text),
    "expose_dashboard": Row(flag="expose_dashboard", section=("serve",), read=_yes_or_no),
    "notify_url": Row(flag="notify_url", variable="PATTER_NOTIFY_URL", section=("serve",), read=_text),
    "notify_events": Row(flag="notify_events", section=("serve",), read=_words),
    "notify_private": Row(flag="notify_private", section=("serve",), read=_yes_or_no),
    "otel_endpoint": Row(flag="otel_endpoint", variable="OTEL_EXPORTER_OTLP_ENDPOINT", section=("serve",), read=_text),
    "otel_headers": Row(flag="", variable="OTEL_EXPORTER_OTLP_HEADERS", section=None, read=_text),
    "no_color": Row(flag="no_color", variable="NO_COLOR", read=_switch),
    "secret_key": Row(flag="", variable="PATTER_SECRET_KEY", section=None, read=_text),
    "webhook_secret": Row(flag="", variable="PATTER_WEBHOOK_SECRET", section=None, read=_text),
}
"""Field -> how it is called outside."""


def load_settings(
    *,
    flags: Mapping[str, Any] | None = None,
    env_file: EnvFile | None = None,
    config: ConfigFile | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Put together what was said, the nearest word first; a variable that is empty says nothing.

    flags: what the command line gave, by flag. env_file, config: without them, as from a program, nothing stands behind
    the environment. environment: this process's, unless given. Raises InputError for a flag, BadSetting for the rest,
    each naming the place where the value stands.
    """
    environment = os.environ if environment is None else environment
    env_file, config = env_file or EnvFile(), config or ConfigFile()
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for name, row in ROWS.items():
        found = _found(row, flags or {}, environment, env_file, config)
        if found is not None:
            values[name], origins[name] = _read(row, *found), found[1]
    ours = {name for row in ROWS.values() for name in row.variables}
    return Settings(
        **values,
        numbers=read_routes(config),
        keys={name: value for name, value in env_file.values.items() if name not in ours},
        variables={**dict.fromkeys(env_file.values, ".env"), **dict.fromkeys(_set(environment), "environment")},
        origins=origins,
        warnings=tuple(_warnings(env_file, environment, ours)),
    )


def _found(
    row: Row, flags: Mapping[str, Any], environment: Mapping[str, str], env_file: EnvFile, config: ConfigFile
) -> tuple[Any, Origin] | None:
    if row.flag in flags:
        return flags[row.flag], Origin(source="flag", where=f"--{row.flag.replace('_', '-')}")
    for variable in row.variables:
        if environment.get(variable):
            return environment[variable], Origin(source="environment", where=variable)
    for variable in row.variables:
        if variable in env_file.values:
            return env_file.values[variable], Origin(source=".env", where=env_file.where(variable))
    written = None if row.section is None else config.find(row.section, row.flag)
    if row.section is None or written is None:
        return None
    return written[1], Origin(source="patter.toml", where=config.where(*row.section, written[0]))


def _read(row: Row, value: Any, origin: Origin) -> Any:
    try:
        return row.read(value)
    except ValueError as error:
        shown = as_written(value) if row.section is not None else "what it is"
        kind = InputError if origin.source == "flag" else BadSetting
        raise kind(f"{origin.where} cannot be {shown}", hint=f"it must be {error}") from error


def as_written(value: Any) -> str:
    """A value as one would look for it in a file or on a command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(as_written, value)) or "an empty list"
    return repr(value) if isinstance(value, str) else str(value)


def _set(environment: Mapping[str, str]) -> list[str]:
    return [name for name, value in environment.items() if value]


def _warnings(env_file: EnvFile, environment: Mapping[str, str], ours: set[str]) -> list[str]:
    """Names that are nearly right while the right one is not set, and secrets that others can read."""
    vendors = {key for row in registry.ROWS for key in row.keys}
    there = {**env_file.values, **environment}
    written = {name: env_file.where(name) for name in env_file.values}
    written |= {name: name for name in _set(environment) if name.startswith("PATTER_")}
    said = []
    for name, where in written.items():
        near = get_close_matches(name, ours | vendors, n=1, cutoff=0.85) if name not in ours | vendors else []
        if near and not there.get(near[0]):
            said.append(f"{where} is no setting of ours; did you mean {near[0]}?")
    secrets = [name for name in env_file.values if name.endswith(("_KEY", "_SECRET", "_TOKEN"))]
    if env_file.world_readable and secrets:
        said.append(
            f"everybody on this machine can read {secrets[0]} in {env_file.name}; chmod 600 {env_file.name} ends that"
        )
    return said
