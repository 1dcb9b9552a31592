"""Calls handed on: in which format, and where to."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from patter_cli.contracts.store import CallQuery, CallRecord, CallStore
from patter_cli.errors import InputError, reason
from patter_cli.observe.export import csv_lines, record_facts
from patter_cli.text.redact import Redaction, mask_number
from patter_cli.text.redacted import redacted_record

FORMATS = ("csv", "jsonl", "json")


def check_format(name: str) -> None:
    """Raises InputError for one that there is not."""
    if name not in FORMATS:
        near = get_close_matches(name, FORMATS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FORMATS)}"
        raise InputError(f"--format cannot be {name!r}", hint=hint)


def exported(store: CallStore, query: CallQuery, format_name: str, *, masked: bool) -> Iterator[str]:
    """The text, piece by piece. Raises StoreError."""
    records: Iterable[CallRecord] = store.export(query)
    if masked:
        records = map(_struck, records)
    if format_name == "csv":
        yield from csv_lines(records)
    elif format_name == "jsonl":
        for each in records:
            yield _json(each) + "\n"
    else:
        yield "["
        for number, each in enumerate(records):
            yield (",\n" if number else "\n") + _json(each)
        yield "\n]\n"


def _json(record: CallRecord) -> str:
    """ASCII, which every reader takes, whatever its strangers said."""
    return json.dumps(record_facts(record))


def _struck(record: CallRecord) -> CallRecord:
    row = record.row
    return CallRecord(
        row=replace(row, caller=mask_number(row.caller), callee=mask_number(row.callee)),
        facts=redacted_record(record.facts, Redaction.NUMBERS),
    )


def _elsewhere(out: Path) -> str:
    return f"mkdir -p {out.parent}" if not out.parent.exists() else "name another file: --out calls.jsonl"


def write_out(pieces: Iterable[str], out: Path | None) -> None:
    """To standard output, or to a file, whole or not at all, for our eyes only. Raises InputError."""
    if out is None:
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
        return
    if out.is_dir():
        raise InputError(f"cannot write {out}: it is a folder", hint=f"name a file: {out / 'calls.csv'}")
    if out.exists() and not out.is_file():  # a device: a file must not take its place
        try:
            with out.open("w", encoding="utf-8", newline="") as file:
                file.writelines(pieces)
        except OSError as error:
            raise InputError(f"cannot write {out}: {reason(error)}", hint=_elsewhere(out)) from error
        return
    part = out.with_name(f"{out.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
        os.replace(part, out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"cannot write {out}: {reason(error)}", hint=_elsewhere(out)) from error
