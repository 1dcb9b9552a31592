"""Which scenarios somebody means: a file, a folder, a pattern, or the one beside an agent."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from patter_cli.errors import InputError
from patter_cli.toml_text import TomlMistakeError, read_toml

_OURS: Final = ("step", "caller", "human", "expect")
"""A TOML file with one of these is a scenario, or was meant to be."""


def scenario_files(named: Sequence[str]) -> list[Path]:
    """Each file once, in the order they were named, those of a folder or a pattern by name. A folder's are all its TOML
    files that look like scenarios, below it as well. Raises InputError where nothing is found."""
    found: list[Path] = []
    for each in named:
        found += _files(each)
    return list(dict.fromkeys(found))


def is_several(named: Sequence[str]) -> bool:
    """Whether more than one file is meant, or may be."""
    return len(named) > 1 or any(glob.has_magic(each) or Path(each).is_dir() for each in named)


def written_variables(given: Sequence[str]) -> Mapping[str, str]:
    """--set NAME=VALUE, as often as somebody likes. Raises InputError."""
    filled: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name.strip().isidentifier():
            raise InputError(f"--set {each!r} names no variable", hint="--set name='Anna Brown'")
        filled[name.strip()] = value
    return filled


def _files(named: str) -> list[Path]:
    path = Path(named)
    if path.is_dir():
        below = sorted(path.rglob("*.toml"))
        files = [each for each in below if not _hidden(each.relative_to(path)) and _looks_like_one(each)]
        if not files:
            raise InputError(f"there is no scenario in {named}", hint="patter agents new NAME writes one")
        return files
    if glob.has_magic(named) and not path.exists():
        files = sorted(Path(each) for each in glob.glob(named, recursive=True) if each.endswith(".toml"))
        if not files:
            raise InputError(f"no scenario file matches {named}", hint="put it in quotes: --scenario 'agents/*.toml'")
        return files
    return [path]


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _looks_like_one(path: Path) -> bool:
    """One that cannot be read is shown, and not passed over."""
    try:
        table = read_toml(path.read_bytes()).table
    except (OSError, TomlMistakeError):
        return True
    return any(each in table for each in _OURS)
