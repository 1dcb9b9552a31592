"""A call's recording as a file, also where a carrier has it: fetched for as long as it is needed, and deleted there."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from patter_cli.cli.recordings import carriers_facts, local_path
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.contracts.carrier.kept import KeepsRecordings
from patter_cli.contracts.store import CallRecord, CallStore
from patter_cli.errors import InputError, StoreError, reason

FindCarrier: TypeAlias = Callable[[str], Carrier]
"""Name to carrier. Raises PatterError."""


@contextmanager
def wav_of(store: CallStore, record: CallRecord, find: FindCarrier | None) -> Iterator[Path]:
    """A call's recording as a file. find: of the carrier, fetched for as long as this lasts; None: the one made here.

    Raises InputError where there is none, and what the carrier raises.
    """
    call_id = record.row.call_id
    if find is None:
        path = local_path(store, record)
        if path is None:
            raise InputError(f"call {call_id} was not recorded here", hint=_otherwise(record))
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{call_id}.wav"
        asyncio.run(_fetch(record, find, path))
        yield path


def _otherwise(record: CallRecord) -> str:
    if carriers_facts(record) is not None:
        return f"{record.row.carrier} has a recording: add --from-carrier"
    return "record calls: patter serve --record"


async def _fetch(record: CallRecord, find: FindCarrier, path: Path) -> None:
    """The longest of the call's recordings. Raises PatterError."""
    carrier, carrier_call_id = _at_carrier(record, find)
    found = await carrier.recordings(carrier_call_id)
    if not found:
        raise InputError(
            f"{carrier.name} has no recording of call {record.row.call_id}, or none that is ready",
            hint="have calls recorded: patter serve --recording; one is ready some seconds after its call",
        )
    assert isinstance(carrier, KeepsRecordings)
    try:
        with path.open("wb") as file:
            await carrier.fetch_recording(max(found, key=lambda each: each.duration_s), file.write)
    except OSError as error:
        raise InputError(f"there is no room for the recording: {reason(error)}", hint="export TMPDIR=…") from error


def _at_carrier(record: CallRecord, find: FindCarrier) -> tuple[Carrier, str]:
    """Raises InputError for a call that no carrier has recorded, PatterError."""
    row = record.row
    carrier_call_id = record.facts.get("carrier_call_id")
    carrier = find(row.carrier)
    if carrier.local or not isinstance(carrier, KeepsRecordings):
        raise InputError(
            f"call {row.call_id} came over {row.carrier or 'no carrier'}, which keeps no recordings",
            hint="leave --from-carrier out",
        )
    if not isinstance(carrier_call_id, str) or not carrier_call_id:
        raise InputError(
            f"nobody knows what {row.carrier} calls call {row.call_id}",
            hint="it is known once a call is over: patter logs list" if row.outcome is None else "patter logs show",
        )
    return carrier, carrier_call_id


async def delete_carried(store: CallStore, record: CallRecord, find: FindCarrier) -> int:
    """Have the carrier delete what it recorded of a call; how many recordings. Raises PatterError."""
    carrier, carrier_call_id = _at_carrier(record, find)
    assert isinstance(carrier, KeepsRecordings)
    found = await carrier.recordings(carrier_call_id)
    for each in found:
        await carrier.delete_recording(each.recording_id)
    try:
        store.add(record.row.call_id, {"recording": None})
    except OSError as error:
        raise StoreError(f"{carrier.name} has deleted it, and the record still has it: {reason(error)}") from error
    return len(found)
