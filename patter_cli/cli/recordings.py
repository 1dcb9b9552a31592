"""The recordings of kept calls: those made here, and those that carriers keep; read, written elsewhere, deleted."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import read_sides, write_wav
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.contracts.carrier.kept import KeepsRecordings
from patter_cli.contracts.store import CallQuery, CallRecord, CallStore
from patter_cli.core import commands as order
from patter_cli.core.events import Ms
from patter_cli.core.journal import read_entries
from patter_cli.errors import InputError, PatterError, StoreError, reason
from patter_cli.observe.export import row_facts
from patter_cli.observe.utterances import Utterance, utterances

CHANNELS: Final = {"caller": 0, "agent": 1, "both": None}
FORMATS: Final = ("wav", "mp3")
HEADER_BYTES: Final = 44

FindCarrier: TypeAlias = Callable[[str], Carrier]
"""Name to carrier. Raises PatterError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A recording, read. sides: int16, shape (n, 1 or 2), the caller first. begun: call time of the first sample."""

    sides: Samples
    rate_hz: int
    begun: Ms
    said: tuple[Utterance, ...]

    @property
    def seconds(self) -> float:
        return len(self.sides) / self.rate_hz


def chosen(word: str, known: Mapping[str, object] | tuple[str, ...], flag: str) -> str:
    """Raises InputError for a value that a flag cannot have."""
    if word not in known:
        near = get_close_matches(word, list(known), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise InputError(f"{flag} cannot be {word!r}", hint=hint)
    return word


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


def read_recording(record: CallRecord, path: Path) -> tuple[Samples, int]:
    """A recording's sides and rate. Raises InputError for a file that is none, naming its call."""
    call_id = record.row.call_id
    try:
        sides, rate_hz = read_sides(path)
    except InputError as error:
        why = str(error).removeprefix(f"cannot read {path}: ")
        raise InputError(
            f"the recording of call {call_id} cannot be read: {why}",
            hint=f"what was said is in its journal: patter logs show {call_id}",
        ) from error
    return sides[:, :2], rate_hz


def read_sound(store: CallStore, record: CallRecord, path: Path, *, carried: bool) -> Sound:
    """A recording with what was said in it. carried: the carrier's, which begins when it was asked for. Raises
    InputError for a file that is none."""
    sides, rate_hz = read_recording(record, path)
    entries, _ = read_entries(store.journal(record.row.call_id))
    fold = utterances(entries)
    asked = (each.at for each in entries if any(isinstance(order_, order.StartRecording) for order_ in each.commands))
    begun = next(asked, fold.connected) if carried else fold.connected
    said = sorted(fold.found, key=lambda each: each.begin)
    return Sound(sides=sides, rate_hz=rate_hz, begun=begun, said=tuple(said))


def channel_of(sound: Samples, channels: str) -> Samples:
    """One side, or all there is. Raises InputError for a recording that has both sides in one."""
    side = CHANNELS[channels]
    if side is None:
        return sound
    if sound.shape[1] == 1:
        raise InputError("this recording has both sides in one channel", hint="--channels both")
    return np.ascontiguousarray(sound[:, side : side + 1])


# --- elsewhere ---------------------------------------------------------------------------------------------------


def check_format(format_name: str) -> None:
    """Raises InputError for a format that cannot be written here."""
    chosen(format_name, FORMATS, "--format")
    if format_name == "mp3" and shutil.which("ffmpeg") is None:
        raise InputError("mp3 needs ffmpeg, which is not on this machine", hint="install ffmpeg, or --format wav")


def write_sound(samples: Samples, rate_hz: int, out: Path, format_name: str) -> None:
    """To a file, whole or not at all. Raises InputError."""
    if out.is_dir():
        raise InputError(f"cannot write {out}: it is a folder", hint=f"name a file: {out / 'call.wav'}")
    if not out.parent.is_dir():
        raise InputError(f"cannot write {out}: there is no folder {out.parent}", hint=f"mkdir -p {out.parent}")
    part = out.with_name(f"{out.name}.part")
    try:
        if format_name == "wav":
            write_wav(part, samples, rate_hz)
        else:
            _write_mp3(part, samples, rate_hz)
        part.replace(out)
    except OSError as error:
        raise InputError(f"cannot write {out}: {reason(error)}", hint="name another file") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _write_mp3(part: Path, samples: Samples, rate_hz: int) -> None:
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y"]
    command += ["-f", "s16le", "-ar", str(rate_hz), "-ac", str(samples.shape[1]), "-i", "-", "-f", "mp3", str(part)]
    done = subprocess.run(command, input=samples.astype("<i2").tobytes(), capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise InputError(f"ffmpeg could not write it: {said[-1][:200]}", hint="--format wav needs no ffmpeg")


def export_all(
    store: CallStore, query: CallQuery, folder: Path, find: FindCarrier | None, *, channels: str, format_name: str
) -> Iterator[tuple[str, Path | None, str]]:
    """(call id, its file, "" or why there is none) of each call that fits and is recorded. find: as `wav_of`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {reason(error)}", hint="name another folder") from error
    for record in store.export(query):
        if (carriers_facts(record) if find is not None else local_path(store, record)) is None:
            continue
        out = folder / f"{record.row.call_id}.{format_name}"
        try:
            with wav_of(store, record, find) as path:
                sides, rate_hz = read_recording(record, path)
                write_sound(channel_of(sides, channels), rate_hz, out, format_name)
        except PatterError as error:
            yield record.row.call_id, None, str(error)
        else:
            yield record.row.call_id, out, ""


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
