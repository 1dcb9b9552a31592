"""Call folders, the source of everything that is known of calls: `calls/<day>/<call id>/` with journal and record."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from patter_cli.contracts.store import AbandonedCall, CallRow
from patter_cli.errors import BadSetting, InputError, StoreError, reason
from patter_cli.stores.indexed import IndexedCall, indexed, priced, waited
from patter_cli.stores.journal import JOURNAL, RECORD, SOUND, FolderFile, taken, write_record
from patter_cli.text.redact import Redaction
from patter_cli.text.redacted import redacted_record

if TYPE_CHECKING:
    from patter_cli.stores.following import FolderFollow

_ELSEWHERE = "name another folder: export PATTER_LOG_DIR=calls"
UNKNOWN = "unknown"
"""The outcome of a call whose record cannot be read."""


def check_folder(folder: Path) -> None:
    """Make a folder for calls, and see that something can be kept in it. Raises BadSetting."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError as error:
        raise BadSetting(f"calls cannot be kept in {folder}: it is no folder", hint=_ELSEWHERE) from error
    except OSError as error:
        hint = f"free some space, or {_ELSEWHERE}" if error.errno == errno.ENOSPC else _ELSEWHERE
        raise BadSetting(f"calls cannot be kept in {folder}: {reason(error)}", hint=hint) from error


class CallFolders:
    """The folders below one folder, readable by their owner only. A *place* is a call's folder: "<day>/<call id>"."""

    def __init__(
        self,
        folder: Path,
        *,
        redaction: Redaction = Redaction.OFF,
        on_change: Callable[[str], None] = lambda place: None,
    ) -> None:
        """redaction: of what is written from now on. on_change: told of a place where `row` would now say something
        else; must be quick.
        """
        self._redaction = redaction
        self._calls = folder / "calls"
        self._on_change = on_change

    # --- writing ---------------------------------------------------------------------------------------------

    def begin(self, call_id: str, started_at: float) -> FolderFile:
        """Where a new call is kept. call_id must be safe as a file name; started_at in Unix seconds."""
        place = f"{time.strftime('%Y-%m-%d', time.gmtime(started_at))}/{call_id}"
        return FolderFile(self._calls / place, redaction=self._redaction, on_change=lambda: self._on_change(place))

    def abandoned(self) -> Iterator[AbandonedCall]:
        """The calls without record that nobody holds. Folders that cannot be read are passed over."""
        for place in self.places():
            if self.is_over(place):
                continue
            with taken(self._calls / place) as journal:
                if journal is not None and not self.is_over(place):
                    yield AbandonedCall(
                        call_id=_name(place),
                        lines=[each.decode("utf-8", "replace") for each in journal],
                        finish=lambda record, place=place: self._finish(place, record),  # type: ignore[misc]
                        sound=self.sound(place),
                    )

    def _finish(self, place: str, record: Mapping[str, Any]) -> None:
        write_record(self._calls / place, redacted_record(record, self._redaction))
        self._on_change(place)

    def add(self, place: str, facts: Mapping[str, Any]) -> bool:
        """Write more into a call's record; False while it has none that can be read. Raises OSError."""
        record = _object(self._calls / place / RECORD)
        if record is None:
            return False
        write_record(self._calls / place, {**record, **redacted_record(facts, self._redaction)})
        self._on_change(place)
        return True

    def delete(self, place: str) -> None:
        """Remove a call's folder. Raises InputError while the call lasts, StoreError if the disk refuses."""
        folder = self._calls / place
        with taken(folder) as journal:
            if journal is None and not self.is_over(place) and (folder / JOURNAL).exists():
                raise InputError(f"call {_name(place)} is still going on", hint="delete it when it is over")
            recording = _object(folder / RECORD) or {}
            try:
                _remove_recording(recording.get("recording_path"))
                shutil.rmtree(folder)
            except OSError as error:
                raise StoreError(f"call {_name(place)} cannot be deleted: {reason(error)}") from error
        self._on_change(place)

    def follow(self) -> FolderFollow:
        """Look on from now."""
        from patter_cli.stores.following import FolderFollow

        return FolderFollow(self._calls)

    def copy_to(self, target: Path) -> int:
        """Copy what is kept into another such folder; how many calls it had not. Raises InputError, StoreError."""
        from patter_cli.stores.copying import check_target, copy_call

        check_target(self._calls.parent, target)
        return sum(copy_call(self._calls / place, target / "calls" / place) for place in sorted(self.places()))

    # --- reading ---------------------------------------------------------------------------------------------

    def exist(self) -> bool:
        """Whether anything was ever kept. Raises StoreError if that cannot be seen."""
        try:
            os.scandir(self._calls).close()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StoreError(f"the calls in {self._calls} cannot be read: {reason(error)}") from error
        return True

    def places(self) -> Iterator[str]:
        """Every call that is kept, in no order. A folder that cannot be read has none."""
        for day in _folders(self._calls):
            for name in _folders(self._calls / day):
                yield f"{day}/{name}"

    def find(self, call_id: str) -> str | None:
        """A call's place. call_id: anything, from anybody."""
        if call_id in ("", ".", "..") or any(each in call_id for each in "/\\\0"):
            return None
        try:
            return next((f"{day}/{call_id}" for day in _folders(self._calls) if self._holds(day, call_id)), None)
        except OSError:  # a name too long for a file
            return None

    def _holds(self, day: str, call_id: str) -> bool:
        return (self._calls / day / call_id).is_dir()

    def sound(self, place: str) -> Path | None:
        """A call's own recording, None if there is none."""
        path = self._calls / place / SOUND
        return path if path.is_file() else None

    def is_over(self, place: str) -> bool:
        """Whether the call has its record."""
        return (self._calls / place / RECORD).exists()

    def record(self, place: str) -> Mapping[str, object]:
        """A call's record; empty where there is none that can be read."""
        return _object(self._calls / place / RECORD) or {}

    def lines(self, place: str) -> Iterator[str]:
        """The whole lines of a call's journal so far."""
        try:
            with (self._calls / place / JOURNAL).open("rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield line[:-1].decode("utf-8", "replace")
        except OSError:
            return

    def row(self, place: str) -> CallRow | None:
        """The call as a list shows it, by its record, or its first line while it has none; None if there is neither."""
        found = self._read(place)
        return None if found is None else found[0]

    def indexed(self, place: str) -> IndexedCall | None:
        """The same with what an index knows beside it."""
        found = self._read(place)
        return None if found is None else indexed(*found)

    def _read(self, place: str) -> tuple[CallRow, Mapping[str, object]] | None:
        record = _object(self._calls / place / RECORD)
        if record is not None:
            return _row(place, record, str(record.get("outcome") or UNKNOWN)), record
        over = self.is_over(place)
        if not over and not (self._calls / place / JOURNAL).exists():
            return None
        return _row(place, self._connected(place), UNKNOWN if over else None), {}

    def _connected(self, place: str) -> Mapping[str, object]:
        """What the first line of a journal knows, under the record's names."""
        try:
            raw = json.loads(next(self.lines(place), ""))
            event = raw["event"]
            facts = {**event, "agent": event["plan"]["agent"], "started_at": event["wall_time"]}
            return facts | ({"direction": "outbound"} if event["type"] == "DialRequested" else {})
        except (ValueError, KeyError, TypeError, RecursionError):
            return {}


def _row(place: str, facts: Mapping[str, object], outcome: str | None) -> CallRow:
    """Whatever the files hold, a row that can be shown: what is not as we write it counts as unknown."""
    history = facts.get("history")
    over = outcome is not None
    usd, known_usd = priced(facts)
    return CallRow(
        call_id=_name(place),
        started_at=_seconds(facts.get("started_at"), _midnight(place)),
        agent=_text(facts.get("agent")),
        caller=_text(facts.get("caller")),
        callee=_text(facts.get("callee")),
        direction=_text(facts.get("direction")),
        carrier=_text(facts.get("carrier")),
        outcome=_text(outcome) if over else None,
        reason=_text(facts.get("reason")),
        duration_s=_seconds(facts.get("duration"), 0.0) if over else None,
        turns=sum(isinstance(each, dict) and each.get("role") == "user" for each in history)
        if isinstance(history, list)
        else 0,
        waited_ms=waited(facts),
        usd=usd,
        known_usd=known_usd,
    )


def _remove_recording(path: object) -> None:
    """A call's own recording, wherever the record says that it is. Raises OSError."""
    if isinstance(path, str) and path.lower().endswith(".wav") and "\0" not in path:
        Path(path).unlink(missing_ok=True)


def _name(place: str) -> str:
    return place.rpartition("/")[2]


def _folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, those that can be written down."""
    try:
        with os.scandir(folder) as found:
            return [each.name for each in found if each.is_dir() and _text(each.name) == each.name]
    except OSError:
        return []


def _object(path: Path) -> Mapping[str, object] | None:
    """A file's JSON object; None if there is none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(value: object) -> str:
    """Half a surrogate pair, which no index takes, becomes a question mark."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _seconds(value: object, otherwise: float) -> float:
    try:
        number = float(value) if isinstance(value, (int, float)) else otherwise
    except OverflowError:
        return otherwise
    return number if math.isfinite(number) else otherwise


def _midnight(place: str) -> float:
    try:
        return datetime.fromisoformat(f"{place.partition('/')[0]}T00:00+00:00").timestamp()
    except ValueError:
        return 0.0
