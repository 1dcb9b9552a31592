"""Call events that nobody has taken yet, as files: they outlive the process, however it ends.

    unsent/<whose they are for>/<a process>/<call id>.<kind>.json     an event
                                            <call id>.live            a call of which more is to be told

A process holds a lock on its folder as long as it lives, which the operating system takes back when it dies. So a
folder that can be locked is nobody's, and whoever sends to the same address next moves its files into its own. Events
for another address are left alone: two projects of one user share these folders, and neither may get the other's.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from patter_cli.contracts.outlasting import KEPT_S, MOST_KEPT, LeftBehind, Waiting
from patter_cli.errors import reason
from patter_cli.stores.journal import write_whole
from patter_cli.text.redact import Redaction
from patter_cli.text.redacted import redacted_record

log = logging.getLogger(__name__)

UNSENT: Final = "unsent"
LIVE: Final = ".live"
NEW_S: Final = 60.0
"""A folder without files may be one that is being made."""
_FIXED: Final = frozenset({"id", "event"})
"""What of an event's own fields is never anybody's words."""


class FolderOutbox:
    """One process's, for one address."""

    def __init__(
        self, folder: Path, address: str, *, redaction: Redaction, now_s: Callable[[], float] = time.time
    ) -> None:
        """folder: of everything that is kept; nothing is made in it before the first event. redaction: of what is
        written; what is sent by the process that saw the call is whole."""
        self._others = folder / UNSENT / hashlib.sha256(address.encode()).hexdigest()[:16]
        self._place = self._others / f"{os.getpid()}-{secrets.token_hex(4)}"
        self._redaction = redaction
        self._now_s = now_s
        self._lock = threading.Lock()
        """Of `_held`, which is the folder's descriptor, or -1."""
        self._held = -1
        self._closed = False
        self._written: set[str] = set()
        """The ids whose files are there, unless somebody has deleted them."""
        self._complained = False

    def begin(self, call_id: str) -> None:
        """More is to be told of this call."""
        self._write(self._place / f"{call_id}{LIVE}", b"")

    def end(self, call_id: str) -> None:
        """Nothing more is."""
        self._remove(self._place / f"{call_id}{LIVE}")

    def put(self, notice: Mapping[str, Any]) -> None:
        """Keep it until it is settled; also after the end, for whoever comes next."""
        text = json.dumps(_struck(notice, self._redaction), ensure_ascii=False)
        if self._write(self._file(str(notice["id"])), text.encode("utf-8", "backslashreplace")):
            self._written.add(str(notice["id"]))

    def settle(self, notice_id: str) -> None:
        """It waits no more."""
        self._written.discard(notice_id)
        self._remove(self._file(notice_id))

    def is_forgotten(self, notice_id: str) -> bool:
        """Its file was there, and is gone."""
        return notice_id in self._written and self._held >= 0 and not self._file(notice_id).exists()

    def take_over(self) -> LeftBehind:
        """What dead processes left."""
        found = []
        calls = []
        now_s = self._now_s()
        for path in self._left():
            try:
                age_s = now_s - path.stat().st_mtime
                if path.suffix == LIVE and age_s < KEPT_S:
                    calls.append(path.stem)
                    continue
                notice = json.loads(path.read_bytes())
                whole = isinstance(notice["id"], str) and isinstance(notice["event"], str)
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                age_s, whole = 0.0, False
            if whole and age_s < KEPT_S:
                found.append((path, Waiting(notice=notice, age_s=max(0.0, age_s))))
            else:
                with suppress(OSError):
                    path.unlink()
        found.sort(key=lambda each: -each[1].age_s)
        for path, _ in found[:-MOST_KEPT]:
            with suppress(OSError):
                path.unlink()
        if len(found) > MOST_KEPT:
            log.warning("%d call events more than %d waited, and are given up", len(found) - MOST_KEPT, MOST_KEPT)
        waiting = tuple(each for _, each in found[-MOST_KEPT:])
        self._written |= {each.notice["id"] for each in waiting}
        return LeftBehind(waiting=waiting, calls=tuple(calls))

    def close(self) -> None:
        """Whoever comes next may have what is left. Twice is fine."""
        with self._lock:
            descriptor, self._held, self._closed = self._held, -1, True
            if descriptor >= 0:
                with suppress(OSError):
                    self._place.rmdir()  # only where nothing is left
                with suppress(OSError):
                    os.close(descriptor)

    def _remove(self, path: Path) -> None:
        if self._held >= 0:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self._complain(error)

    def _file(self, notice_id: str) -> Path:
        call_id, _, kind = notice_id.rpartition(":")
        return self._place / f"{call_id}.{kind}.json"

    def _write(self, path: Path, data: bytes) -> bool:
        """A file of our folder, which is let go of again after the end; False where the disk refuses."""
        try:
            self._hold()
            write_whole(path, data)
        except OSError as error:
            self._complain(error)
            return False
        finally:
            if self._closed:
                self.close()
        return True

    def _hold(self) -> None:
        """Make our folder, and be seen to have it. Raises OSError."""
        with self._lock:
            if self._held >= 0:
                return
            for folder in (*reversed(self._place.parents[:3]), self._place):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._held = os.open(self._place, os.O_RDONLY)
            _lock(self._held)

    def _left(self) -> list[Path]:
        """The files of processes that are gone, in our folder by now."""
        taken = []
        for place in _folders(self._others):
            if place == self._place:
                continue
            with _free(place) as free:
                if not free:
                    continue
                try:
                    files = sorted(_kept_in(place))
                    if not files and self._now_s() - place.stat().st_mtime < NEW_S:
                        continue
                    for path in files:
                        self._hold()
                        os.replace(path, self._place / path.name)
                        taken.append(self._place / path.name)
                    shutil.rmtree(place)  # halves that a full disk left
                except OSError as error:
                    self._complain(error)
        return taken

    def _complain(self, error: OSError) -> None:
        """Once: they are sent all the same, as long as this process lives."""
        if not self._complained:
            self._complained = True
            log.warning("call events that wait are not kept beyond this process: %s: %s", self._others, reason(error))


def forget_call(folder: Path, call_id: str) -> None:
    """A call was deleted: what waits of it goes too. Never raises. folder: of everything that is kept."""
    for path in _files(folder):
        if (path.stem if path.suffix == LIVE else path.stem.rpartition(".")[0]) == call_id:
            with suppress(OSError):
                path.unlink()


def forget_unsent(folder: Path, now_s: float) -> None:
    """What nobody has sent in time, and nobody may come to send. Never raises."""
    for path in _files(folder):
        with suppress(OSError):
            if now_s - path.stat().st_mtime > KEPT_S:
                path.unlink()


def _files(folder: Path) -> Iterator[Path]:
    for address in _folders(folder / UNSENT):
        for place in _folders(address):
            yield from _kept_in(place)


def _kept_in(place: Path) -> list[Path]:
    """A process's files that are whole."""
    try:
        return [each for each in place.iterdir() if each.suffix in (".json", LIVE)]
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            return sorted(Path(each.path) for each in found if each.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _lock(descriptor: int) -> None:
    """Never raises: where folders cannot be locked, nothing of other processes is taken."""
    try:
        import fcntl
    except ImportError:
        return
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _free(place: Path) -> Iterator[bool]:
    """Whether a process's folder is nobody's; it is ours meanwhile."""
    try:
        import fcntl

        descriptor = os.open(place, os.O_RDONLY)
    except (ImportError, OSError):
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _struck(notice: Mapping[str, Any], level: Redaction) -> Mapping[str, Any]:
    """As calls are kept; who spoke is no word of theirs."""
    if level is Redaction.OFF:
        return notice
    struck = {**redacted_record(notice, level), **{name: notice[name] for name in _FIXED}}
    if "transcript" in notice:
        struck["transcript"] = [{**redacted_record(each, level), "who": each["who"]} for each in notice["transcript"]]
    return struck
