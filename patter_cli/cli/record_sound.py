"""A recording read, with what was said in it, and written elsewhere: one side or both, as WAV or as MP3."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import read_sides, write_wav
from patter_cli.cli.record_carried import FindCarrier, wav_of
from patter_cli.cli.recordings import carriers_facts, local_path
from patter_cli.contracts.store import CallQuery, CallRecord, CallStore
from patter_cli.core import commands as order
from patter_cli.core.events import Ms
from patter_cli.core.journal import read_entries
from patter_cli.errors import InputError, PatterError, reason
from patter_cli.observe.utterances import Utterance, utterances

CHANNELS: Final = {"caller": 0, "agent": 1, "both": None}
FORMATS: Final = ("wav", "mp3")


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
        raise InputError("mp3 needs ffmpeg, which is not on this machine", hint="install it, or: --format wav")


def write_sound(samples: Samples, rate_hz: int, out: Path, format_name: str) -> None:
    """To a file, whole or not at all. Raises InputError."""
    if out.is_dir():
        raise InputError(f"cannot write {out}: it is a folder", hint=f"name a file: {out / 'call.wav'}")
    if not out.parent.is_dir():
        raise InputError(f"cannot write {out}: there is no folder {out.parent}", hint=f"mkdir -p {out.parent}")
    device = out.exists() and not out.is_file()  # a file must not take its place
    part = out if device else out.with_name(f"{out.name}.part")
    try:
        if format_name == "wav":
            write_wav(part, samples, rate_hz)
        else:
            _write_mp3(part, samples, rate_hz)
        if not device:
            part.replace(out)
    except InputError as error:
        raise InputError(str(error).replace(str(part), str(out), 1), hint=error.hint) from error
    except OSError as error:
        raise InputError(f"cannot write {out}: {reason(error)}", hint="name another file: --out call.wav") from error
    finally:
        if not device:
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
        hint = "name another: patter record export recordings"
        raise InputError(f"cannot write into {folder}: {reason(error)}", hint=hint) from error
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
