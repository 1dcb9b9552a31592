"""A call as JSON lines, each an event with its time and the commands it led to; `replay` feeds the events back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from patter_cli.core import commands, events
from patter_cli.core.commands import Command
from patter_cli.core.events import Event, Ms
from patter_cli.core.machine import TurnMachine
from patter_cli.errors import InputError

VERSION = 1
"""Of the line format; a reader refuses a newer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line: what happened at call time `at`, and what was ordered because of it."""

    at: Ms
    event: Event
    commands: tuple[Command, ...]


@lru_cache(maxsize=256)
def _field_names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def plain_value(value: Any) -> Any:
    """A frozen dataclass tree as JSON values; tuples become lists, a choice its word."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain_value(getattr(value, name)) for name in _field_names(type(value))}
    if isinstance(value, (tuple, list)):
        return [plain_value(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain_value(each) for key, each in value.items()}
    return value.value if isinstance(value, Enum) else value


def _tagged(value: Event | Command) -> dict[str, Any]:
    return {"type": type(value).__name__, **plain_value(value)}


def render_entry(at: Ms, event: Event, ordered: Iterable[Command]) -> str:
    """One journal line, without its newline. The same entry always gives the same bytes."""
    line = {"v": VERSION, "at": at, "event": _tagged(event), "commands": [_tagged(each) for each in ordered]}
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as a model's stream may cut it, has no bytes of its own
        return json.dumps(line, separators=(",", ":"))
    return text


_EVENTS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(events.Event)}
_COMMANDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(commands.Command)}


@lru_cache(maxsize=256)
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: Any, value: Any) -> Any:
    """A JSON value as the annotated type. Raises TypeError or ValueError for one that does not fit."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in get_args(kind):
            return None
        return _build(next(each for each in get_args(kind) if each is not NoneType), value)
    if origin is tuple and isinstance(value, list):
        return tuple(_build(get_args(kind)[0], each) for each in value)
    if origin is dict and isinstance(value, dict):
        return {str(key): _build(get_args(kind)[1], each) for key, each in value.items()}
    if is_dataclass(kind) and isinstance(value, dict):
        hints = _hints(kind)  # type: ignore[arg-type]
        known = {name: _build(hints[name], value[name]) for name in hints if name in value}
        return kind(**known)  # type: ignore[operator]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise TypeError(f"{value!r} is no {kind}")


def _untagged(table: dict[str, type[Any]], value: Any) -> Any:
    if not isinstance(value, dict) or value.get("type") not in table:
        raise TypeError(f"unknown kind {value!r}")
    return _build(table[value["type"]], {k: v for k, v in value.items() if k != "type"})


def parse_entry(line: str) -> Entry:
    """Read one journal line. Raises InputError for anything that render_entry did not write."""
    try:
        raw = json.loads(line)
        if not isinstance(raw, dict) or raw.get("v") != VERSION or type(raw.get("at")) is not int:
            raise TypeError("not a journal line of this version")
        event = _untagged(_EVENTS, raw.get("event"))
        ordered = tuple(_untagged(_COMMANDS, each) for each in raw.get("commands") or ())
        return Entry(at=raw["at"], event=event, commands=ordered)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"unreadable journal line: {error}") from error


def read_entries(lines: Iterable[str]) -> tuple[list[Entry], int]:
    """What is whole of a journal, up to where it is damaged; how many of its lines are not."""
    entries: list[Entry] = []
    unreadable = 0
    for line in lines:
        try:
            entry = parse_entry(line)
        except InputError:
            unreadable += 1
        else:
            if not unreadable:
                entries.append(entry)
    return entries, unreadable


def parse_journal(text: str) -> Iterator[Entry]:
    """Read a whole journal. A last line that was cut off by a crash is left out, any other bad line raises."""
    lines = text.split("\n")
    whole, rest = lines[:-1], lines[-1]
    for line in whole:
        if line:
            yield parse_entry(line)
    if rest:
        try:
            yield parse_entry(rest)
        except InputError:
            return


def replay(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Feed the events back into a new machine; yields what it orders now, entry by entry."""
    machine = TurnMachine()
    for entry in entries:
        yield Entry(at=entry.at, event=entry.event, commands=tuple(machine.handle(entry.event, entry.at)))
