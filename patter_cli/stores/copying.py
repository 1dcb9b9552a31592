"""Call folders copied while calls are kept in them: each file whole, or up to the last whole line of a journal."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from patter_cli.errors import InputError, StoreError, reason
from patter_cli.stores.journal import JOURNAL, RECORD


def check_target(folder: Path, target: Path) -> None:
    """Raises InputError for a place that a copy of this folder cannot be in."""
    ours, theirs = folder.resolve(), target.resolve()
    if theirs == ours or ours in theirs.parents or theirs in ours.parents:
        raise InputError(
            f"{target} is where the calls are",
            hint="name a folder of its own, best on another disk: patter logs backup ../backup",
        )
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} is no folder", hint="name one: patter logs backup backup")
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"no copy can be made in {target}: {reason(error)}", hint="name another folder: patter logs backup backup"
        ) from error


def copy_call(source: Path, target: Path) -> bool:
    """Copy a call's folder, unless the copy has it all; whether there was something to copy. Raises StoreError."""
    try:
        if not source.is_dir():
            return False  # deleted meanwhile
        over = (source / RECORD).exists()  # looked for first: the journal is then whole
        if over and _same(source / RECORD, target / RECORD):
            return False
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = [each.name for each in source.iterdir() if each.is_file() and not each.name.endswith(".part")]
        for name in sorted(names, key=lambda name: name == RECORD):  # the record last: it says that all is there
            if name != RECORD or over:
                _copy(source / name, target / name, whole_lines=name == JOURNAL)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(
            f"call {source.name} cannot be copied to {target}: {reason(error)}",
            hint="make room there, or name another folder: patter logs backup backup",
        ) from error
    return True


def _same(source: Path, target: Path) -> bool:
    try:
        there = target.stat()
    except OSError:
        return False
    here = source.stat()
    return there.st_size == here.st_size and there.st_mtime_ns == here.st_mtime_ns


def _copy(source: Path, target: Path, *, whole_lines: bool) -> None:
    """For our eyes only, whole or not at all, with the time it was written."""
    part = target.with_name(f"{target.name}.part")
    written = source.stat()
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        with source.open("rb") as data:
            shutil.copyfileobj(data, file)
        file.flush()
        if whole_lines:
            file.truncate(_whole(part, file.tell()))
    os.utime(part, ns=(written.st_atime_ns, written.st_mtime_ns))
    os.replace(part, target)


def _whole(path: Path, size: int) -> int:
    """Where the last whole line of what was just written ends."""
    with path.open("rb") as file:
        end = size
        while end > 0:
            begin = max(0, end - 65536)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
    return 0
