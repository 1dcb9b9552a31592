"""The two files that settings are written in, patter.toml and .env, read so that every value knows its line."""

from __future__ import annotations

import io
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from patter_cli.errors import BadSetting, InputError, reason

if TYPE_CHECKING:
    from patter_cli.toml_text import Place

Sections = Mapping[tuple[str, ...], frozenset[str] | None]
"""What a patter.toml may hold: a section's path, () for the top of the file, to the keys it knows, with underscores;
None: its keys are what somebody names, and are looked at by whoever reads them."""

_NOT_FROM_A_FILE = re.compile(
    r"PATTER_\w*(?:INSECURE|TRUST|SIGNATURE|ALLOW|UNSAFE|NOTIFY)\w*|\w*_(?:BASE_URL|API_BASE|ENDPOINT)|(?i:\w*_proxy)"
    r"|SSL_CERT_(?:FILE|DIR)|(?:REQUESTS|CURL)_CA_BUNDLE"
)
"""Names that switch a check off, or decide to whom a caller's words go."""
_BASE_URL = re.compile(r"\w*_(?:BASE_URL|API_BASE|ENDPOINT)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """A patter.toml; without one, nothing is set in it."""

    name: str = "patter.toml"
    table: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[Place, int] = field(default_factory=dict)
    """Section path and key, as written -> line, from 1."""

    def where(self, *path: str) -> str:
        """A key as it is named in messages: file, line, key."""
        from patter_cli.toml_text import nearest_line

        return f"{self.name}:{nearest_line(self.lines, path) or 1}: {path[-1]}"

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
            here = known[path]
            if here is None:
                continue
            if key.replace("-", "_") in here:
                if isinstance(self._table(path).get(key), Mapping):
                    raise BadSetting(f"{self.where(*path, key)} is no single value", hint=f"write {key} = …")
                continue
            place = f"[{'.'.join(path)}]" if path else "the file's top"
            homes = [each for each, keys in known.items() if keys is not None and key.replace("-", "_") in keys]
            inner = [each[len(path)] for each in known if len(each) > len(path) and each[: len(path)] == path]
            near = get_close_matches(key, [*(_dashed(each) for each in here), *inner], n=1, cutoff=0.5)
            if homes:
                hint = f"it belongs in [{'.'.join(homes[0])}]" if homes[0] else "it belongs above the first section"
            elif near:
                hint = f"did you mean {near[0]}?"
            else:
                hint = f"known there: {', '.join(sorted([*map(_dashed, here), *inner]))}"
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
    content = _content_of(
        place, required=path is not None, missing="leave --config out, or name a file that exists", hint=hint
    )
    if content is None:
        return ConfigFile()
    from patter_cli.toml_text import TomlMistakeError, read_toml

    try:
        written = read_toml(content)
    except TomlMistakeError as error:
        raise BadSetting(f"{place}:{error.line}: {error}", hint=hint) from error
    return ConfigFile(name=str(place), table=written.table, lines=written.lines)


def read_env_file(path: Path | None) -> EnvFile:
    """The .env that was named, or the one here if there is one; never one further up. Raises InputError, BadSetting.

    A name that would switch a check off or send callers' words elsewhere is refused: the file may have come with a
    project that somebody else wrote.
    """
    place = path or Path(".env")
    hint = "mend it, or name another file with --env-file"
    content = _content_of(
        place, required=path is not None, missing="leave --env-file out, or name a file that exists", hint=hint
    )
    if content is None:
        return EnvFile()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadSetting(f"{place}:{line}: this is not UTF-8", hint=hint) from error
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


def _content_of(place: Path, *, required: bool, missing: str, hint: str) -> bytes | None:
    """A file's content; None if it need not be there and is not. A folder of that name is no file."""
    try:
        if place.is_dir():
            if required:
                raise InputError(f"{place} is a folder", hint=missing)
            return None
        return place.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        if required:
            raise InputError(f"there is no {place}", hint=missing) from error
        return None
    except OSError as error:
        raise BadSetting(f"{place} cannot be read: {reason(error)}", hint=hint) from error


def _dashed(name: str) -> str:
    return name.replace("_", "-")
