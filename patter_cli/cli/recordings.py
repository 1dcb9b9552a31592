"""The recordings of kept calls: those made here, and those that carriers keep; found, listed, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from patter_cli.contracts.store import CallQuery, CallRecord, CallStore
from patter_cli.errors import InputError, StoreError, reason
from patter_cli.observe.export import row_facts

HEADER_BYTES: Final = 44


def local_path(store: CallStore, record: CallRecord) -> Path | None:
    """A call's own recording; a copy of its folder has its own."""
    found = store.sound(record.row.call_id)
    if found is not None:
        return found
    named = record.facts.get("recording_path")
    return Path(named) if isinstance(named, str) and "\0" not in named and Path(named).is_file() else None


def carriers_facts(record: CallRecord) -> Mapping[str, Any] | None:
    """What is known of a recording that the carrier keeps; None if nothing is."""
    known = record.facts.get("recording")
    return known if isinstance(known, dict) else None


def listed(store: CallStore, query: CallQuery, limit: int) -> tuple[list[dict[str, Any]], bool]:
    """The calls that are recorded, the youngest first, and whether there are more than the limit.

    Each is a row's facts with path, bytes and seconds (null where nothing was recorded here), carrier_recording
    ({recording_id, url, duration_ms}, null where the carrier has told of none).
    """
    found: list[dict[str, Any]] = []
    for record in store.export(query):
        path, carried = local_path(store, record), carriers_facts(record)
        if path is None and carried is None:
            continue
        if len(found) == limit:
            return found, True
        size = _size(path)
        found.append(
            {
                **row_facts(record.row),
                "path": None if path is None else str(path),
                "bytes": size,
                "seconds": None if path is None else _seconds(path, size),
                "carrier_recording": carried,
            }
        )
    return found, False


def _size(path: Path | None) -> int | None:
    try:
        return None if path is None else path.stat().st_size
    except OSError:
        return None


def _seconds(path: Path, size: int | None) -> float | None:
    """By the header's rate and the file's size: nothing else of it is read."""
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError:
        return None
    rate = int.from_bytes(header[28:32], "little")
    return round(max(0, (size or 0) - HEADER_BYTES) / rate, 2) if len(header) == HEADER_BYTES and rate else None


# --- one call's ------------------------------------------------------------------------------------------------------


def kept_record(store: CallStore, call_id: str) -> CallRecord:
    """Raises InputError for a call that was deleted just now."""
    record = store.get(call_id)
    if record is None:
        raise InputError(f"call {call_id} was deleted just now", hint="patter record list")
    return record


def delete_local(store: CallStore, record: CallRecord) -> bool:
    """Remove a call's own recording, and note that it is gone; False if there is none. Raises InputError while the
    call lasts, StoreError."""
    path = local_path(store, record)
    if path is None:
        return False
    if record.row.outcome is None:
        raise InputError(f"call {record.row.call_id} is still going on", hint="delete it when it is over")
    try:
        path.unlink()
        store.add(record.row.call_id, {"recording_path": None})
    except OSError as error:
        raise StoreError(f"the recording {path} cannot be deleted: {reason(error)}") from error
    return True
