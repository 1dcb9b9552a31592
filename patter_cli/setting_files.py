"""The two files that settings are written in, patter.toml and .env, read so that every value knows its line."""

from __future__ import annotations

import io
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from patter_cli.errors import BadSetting, InputError

Sections = Mapping[tuple[str, ...], frozenset[str]]
"""What a patter.toml may hold: a section's path, () for the top of the file, to the keys it knows, with underscores."""

_NOT_FROM_A_FILE = re.compile(
    r"PATTER_\w*(?:INSECURE|TRUST|SIGNATURE|ALLOW|UNSAFE)\w*|\w*_(?:BASE_URL|API_BASE|ENDPOINT)|(?i:\w*_proxy)"
    r"|SSL_CERT_(?:FILE|DIR)|(?:REQUESTS|CURL)_CA_BUNDLE"
)
"""Names that switch a check off, or decide to whom a caller's words go."""
_BASE_URL = re.compile(r"\w*_(?:BASE_URL|API_BASE|ENDPOINT)")
_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """A patter.toml; without one, nothing is set in it."""

    name: str = "patter.toml"
    table: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    """Section path and key, as written -> line, from 1."""

    def where(self, *path: str) -> str:
        """A key as it is named in messages: file, line, key."""
        return f"{self.name}:{self._line(path)}: {path[-1]}"

    def section(self, path: tuple[str, ...]) -> Mapping[str, Any]:
        """What is set in a section, keys as written; {} without it. Sections inside it are left out.

        Raises BadSetting if the name stands for a value.
        """
        return {key: value for key, value in self._table(path).items() if not isinstance(value, Mapping)}

    def _table(self, path: tuple[str, ...]) -> Mapping[str, Any]:
        table: Any = self.table
        for depth, name in enumerate(path, 1):
            table = table.get(name, {})
            if not isinstance(table, Mapping):
                raise BadSetting(
                    f"{self.where(*path[:depth])} is not a section",
                    hint=f"write [{'.'.join(path[:depth])}] on a line of its own",
                )
        return cast(Mapping[str, Any], table)

    def find(self, path: tuple[str, ...], name: str) -> tuple[str, Any] | None:
        """(key as written, value) of a setting; with dashes or underscores."""
        for key, value in self.section(path).items():
            if key.replace("-", "_") == name:
                return key, value
        return None

    def refuse_unknown(self, known: Sections) -> None:
        """Raises BadSetting for the first section or key that nobody reads, with the nearest that somebody does."""
        for path, key in self._keys((), self.table, known):
            if key.replace("-", "_") in known[path]:
                if isinstance(self._table(path).get(key), Mapping):
                    raise BadSetting(f"{self.where(*path, key)} is no single value", hint=f"write {key} = …")
                continue
            place = f"[{'.'.join(path)}]" if path else "the file's top"
            homes = [each for each, keys in known.items() if key.replace("-", "_") in keys]
            inner = [each[len(path)] for each in known if len(each) > len(path) and each[: len(path)] == path]
            near = get_close_matches(key, [*(_dashed(each) for each in known[path]), *inner], n=1, cutoff=0.5)
            if homes:
                hint = f"it belongs in [{'.'.join(homes[0])}]" if homes[0] else "it belongs above the first section"
            elif near:
                hint = f"did you mean {near[0]}?"
            else:
                hint = f"known there: {', '.join(sorted([*map(_dashed, known[path]), *inner]))}"
            raise BadSetting(f"{self.where(*path, key)} is no setting of {place}", hint=hint)

    def _keys(
        self, path: tuple[str, ...], table: Mapping[str, Any], known: Sections
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        """Every key with its section's path; a section that is not known counts as a key."""
        for key, value in table.items():
            if isinstance(value, Mapping) and (*path, key) in known:
                yield from self._keys((*path, key), value, known)
            elif (*path, key) in known:
                self.section((*path, key))  # raises: it is a value
            else:
                yield path, key

    def _line(self, path: tuple[str, ...]) -> int:
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFile:
    """A .env; without one, nothing is set in it. values and lines: by variable; nothing of it is in the process."""

    name: str = ".env"
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    lines: Mapping[str, int] = field(default_factory=dict)
    world_readable: bool = False

    def where(self, variable: str) -> str:
        """A variable as it is named in messages: file, line, name."""
        return f"{self.name}:{self.lines.get(variable, 1)}: {variable}"


def read_config(path: Path | None) -> ConfigFile:
    """The patter.toml that was named, or the one here if there is one. Raises InputError, BadSetting."""
    place = path or Path("patter.toml")
    hint = "mend it, or name another file with --config"
    text = _text_of(
        place, required=path is not None, missing="leave --config out, or name a file that exists", hint=hint
    )
    if text is None:
        return ConfigFile()
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
        line = (said and said[2]) or str(text.count("\n") + 1)
        raise BadSetting(f"{place}:{line}: this is no TOML: {said[1] if said else error}", hint=hint) from error
    return ConfigFile(name=str(place), table=table, lines=_toml_lines(text))


def read_env_file(path: Path | None) -> EnvFile:
    """The .env that was named, or the one here if there is one; never one further up. Raises InputError, BadSetting.

    A name that would switch a check off or send callers' words elsewhere is refused: the file may have come with a
    project that somebody else wrote.
    """
    place = path or Path(".env")
    hint = "mend it, or name another file with --env-file"
    text = _text_of(place, required=path is not None, missing="name a file that exists with --env-file", hint=hint)
    if text is None:
        return EnvFile()
    from dotenv.parser import parse_stream
    from dotenv.variables import parse_variables

    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    for each in parse_stream(io.StringIO(text)):
        said = each.original.string
        line = each.original.line + said[: len(said) - len(said.lstrip())].count("\n")  # it begins with blank lines
        if each.error:
            raise BadSetting(f"{place}:{line}: this is no NAME=value", hint=hint)
        if each.key is not None and each.value is not None:
            lines[each.key] = line
            # ${NAME} means a line above: what the environment holds must not be sent where a file says.
            values[each.key] = "".join(atom.resolve(values) for atom in parse_variables(each.value))
            if "\0" in each.value:
                raise BadSetting(f"{place}:{line}: {each.key} holds a NUL character", hint=hint)
            if _NOT_FROM_A_FILE.fullmatch(each.key):
                raise BadSetting(
                    f"{place}:{line}: {each.key} is not taken from a file: it decides what is checked, or who gets to "
                    "hear your callers",
                    hint="leave it out; an address belongs into the agent: base_url=…"
                    if _BASE_URL.fullmatch(each.key)
                    else f"leave it out; if you mean it, export {each.key} in your shell",
                )
    mode = place.stat().st_mode
    return EnvFile(
        name=str(place),
        values={name: value for name, value in values.items() if value},
        lines=lines,
        world_readable=stat.S_ISREG(mode) and bool(mode & stat.S_IROTH),
    )


def _text_of(place: Path, *, required: bool, missing: str, hint: str) -> str | None:
    """A file's text; None if it need not be there and is not."""
    if not place.is_file():
        if required:
            raise InputError(f"there is no {place}", hint=missing)
        return None
    try:
        return place.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadSetting(f"{place}:{line}: this is not UTF-8", hint=hint) from error
    except OSError as error:
        raise BadSetting(f"{place} cannot be read: {error.strerror or error}", hint=hint) from error


def _toml_lines(text: str) -> dict[tuple[str, ...], int]:
    """Where keys and sections stand. The text is known to be TOML; what a string of many lines holds is skipped."""
    lines: dict[tuple[str, ...], int] = {}
    section: tuple[str, ...] = ()
    quote = ""
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if header := _HEADER.fullmatch(line):
            section = path = _parts(header[1])
        elif key := _KEY.match(line):
            path = (*section, *_parts(key[1]))
            rest = line[key.end() :]
            opened = [each for each in ('"""', "'''") if rest.lstrip().startswith(each) and rest.count(each) == 1]
            quote = opened[0] if opened else ""
        else:
            continue
        for depth in range(1, len(path) + 1):
            lines.setdefault(path[:depth], number)
    return lines


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(each.strip(" \t\"'") for each in dotted.split("."))


def _dashed(name: str) -> str:
    return name.replace("_", "-")
