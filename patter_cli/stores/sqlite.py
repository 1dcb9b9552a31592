"""Call folders with an index beside them: what is kept is in the folders, what is looked for is found in the index.

A call is never kept waiting by the index, and never fails because of it: a thread of its own reads again what has
changed in the folders. Whatever is wrong with the index, a list is right all the same:

    missing, incomplete     brought up to date by the first list (what other processes wrote while it was out of reach)
    damaged                 set aside as calls.sqlite3.corrupt, and made anew from the folders
    locked, read-only,      left alone; the list is made from the folders, which takes longer. What was not written
    a full disk, newer      is brought in later
"""

from __future__ import annotations

import atexit
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from patter_cli.contracts.store import AbandonedCall, CallQuery, CallRecord, CallRow, CallStats, StorePlace
from patter_cli.errors import BadSetting, InputError, StoreError, reason
from patter_cli.stores.claims import FolderClaims, forget_claims
from patter_cli.stores.folder import CallFolders
from patter_cli.stores.index import BUSY_S, CallIndex, NewerIndex, is_damage, set_aside
from patter_cli.stores.indexed import IndexedCall
from patter_cli.stores.journal import FolderFile
from patter_cli.stores.outbox import FolderOutbox, forget_call, forget_unsent
from patter_cli.text.redact import Redaction

if TYPE_CHECKING:
    from patter_cli.stores.following import FolderFollow

log = logging.getLogger(__name__)

INDEX = "calls.sqlite3"
DAY_S = 86_400

Result = TypeVar("Result")


class SqliteStore:
    """The calls below one folder, and their index in it. Holds no file open between two uses."""

    def __init__(self, folder: Path, *, redaction: Redaction = Redaction.OFF, keep_days: int | None = None) -> None:
        """folder: made when the first call is kept. redaction: of what is written from now on, files and index.
        keep_days: how long `expire` lets a call be kept; None: for ever.
        """
        self._keep_days = keep_days
        self._redaction = redaction
        self.folder = folder
        self._path = folder / INDEX
        self._folders = CallFolders(folder, redaction=redaction, on_change=self._changed)
        self._lock = threading.Lock()
        self._places: dict[str, None] = {}
        """Where something has changed that the index does not know yet."""
        self._thread: threading.Thread | None = None
        self._complete = False
        """The index has everything that was there before us, and nothing of ours was lost on the way to it."""
        self._told = ""
        """The trouble with the index that was last logged."""

    @classmethod
    def open(cls, place: StorePlace) -> SqliteStore:
        """The store of a folder. Raises BadSetting for an address, which it has no use for."""
        if place.address:
            raise BadSetting(
                f"calls in {INDEX} are kept in a folder, and {place.address!r} is an address",
                hint='store = "sqlite", and log-dir for the folder',
            )
        return cls(place.folder, redaction=place.redaction, keep_days=place.keep_days)

    # --- writing ---------------------------------------------------------------------------------------------

    def begin(self, call_id: str, started_at: float) -> FolderFile:
        """Keep a call from now on."""
        return self._folders.begin(call_id, started_at)

    def abandoned(self) -> Iterator[AbandonedCall]:
        """The calls that dead processes left open."""
        return self._folders.abandoned()

    def add(self, call_id: str, facts: Mapping[str, Any]) -> bool:
        """Write more into a call's record; False while it has none. Raises OSError."""
        place = self._folders.find(call_id)
        return place is not None and self._folders.add(place, facts)

    def delete(self, call_id: str) -> bool:
        """Forget a call with all its files; False if it is not kept. Raises InputError, StoreError."""
        place = self._folders.find(call_id)
        if place is None:
            return False
        self._folders.delete(place)
        forget_call(self.folder, call_id)
        return True

    def expire(self, now: float) -> int:
        """Forget what was kept for longer than is wished; how many calls. What cannot be deleted is logged."""
        forget_unsent(self.folder, now)
        forget_claims(self.folder, now)
        if self._keep_days is None:
            return 0
        gone = 0
        try:
            for row in self.list(CallQuery(until=now - self._keep_days * DAY_S, limit=None)):
                if row.outcome is not None:
                    gone += self.delete(row.call_id)
        except (StoreError, InputError) as error:
            log.warning("calls older than %d days are not all deleted: %s", self._keep_days, error)
        if gone:
            log.info("%d calls older than %d days were deleted", gone, self._keep_days)
        return gone

    def outbox(self, address: str) -> FolderOutbox:
        """Where this process's call events for an address wait."""
        return FolderOutbox(self.folder, address, redaction=self._redaction)

    def claims(self, scope: str) -> FolderClaims:
        """Which requests with a key were carried out for those who know this secret."""
        return FolderClaims(self.folder, scope)

    def backup(self, target: Path) -> int:
        """Copy all that is kept, index included, into another folder. Raises InputError, StoreError."""
        copied = self._folders.copy_to(target)
        if not copied and not target.exists():
            return 0
        place = target / INDEX
        part = target / f"{INDEX}.part"
        try:
            self._with_index(lambda index: index.copy_to(part))
            for beside in ("-wal", "-shm"):  # of the copy that is replaced
                place.with_name(f"{INDEX}{beside}").unlink(missing_ok=True)
            part.replace(place)
        except (sqlite3.Error, OSError, NewerIndex) as error:
            part.unlink(missing_ok=True)
            log.warning("the index is not in the copy, which makes its own: %s", _words(error))
        return copied

    def reindex(self) -> int:
        """Make the index anew from the folders; how many calls it has. Raises StoreError."""
        try:
            return self._with_index(self._rebuild)
        except (sqlite3.Error, OSError, NewerIndex) as error:
            hint = "a newer version of this program wrote it: update this one, or remove the file"
            raise StoreError(
                f"the index {self._path} cannot be written: {_words(error)}",
                hint=hint if isinstance(error, NewerIndex) else "see who else uses it, and what room the disk has",
            ) from error

    # --- reading ---------------------------------------------------------------------------------------------

    def list(self, query: CallQuery) -> tuple[CallRow, ...]:
        """The calls that fit, the youngest first. Calls of this process are in it at once."""
        return tuple(row for _, row in self._select(query))

    def find(self, text: str, limit: int = 10) -> tuple[str, ...]:
        """The ids that begin or end with this, the youngest call's first."""
        return self._ask(lambda index: index.find(text, limit)) or ()

    def stats(self, query: CallQuery) -> CallStats:
        """What the calls that fit come to."""
        return self._ask(lambda index: index.stats(query)) or CallStats()

    def get(self, call_id: str) -> CallRecord | None:
        """One call; None if it is not kept."""
        place = self._folders.find(call_id)
        return None if place is None else self._read(place)

    def sound(self, call_id: str) -> Path | None:
        """A call's own recording; None if there is none."""
        place = self._folders.find(call_id)
        return None if place is None else self._folders.sound(place)

    def journal(self, call_id: str) -> Iterator[str]:
        """The whole lines of a call's journal so far; none if it is not kept."""
        place = self._folders.find(call_id)
        return iter(()) if place is None else self._folders.lines(place)

    def follow(self) -> FolderFollow:
        """Look on from now: at calls that last, from their beginning, and at all that come."""
        return self._folders.follow()

    def export(self, query: CallQuery) -> Iterator[CallRecord]:
        """As `list`, with all that was written down. A call that is deleted meanwhile is left out."""
        for place, _ in self._select(query):
            if (record := self._read(place)) is not None:
                yield record

    def _read(self, place: str) -> CallRecord | None:
        row = self._folders.row(place)
        return None if row is None else CallRecord(row=row, facts=self._folders.record(place))

    # --- the index -------------------------------------------------------------------------------------------

    def _select(self, query: CallQuery) -> Sequence[tuple[str, CallRow]]:
        return self._ask(lambda index: index.select(query)) or ()

    def _ask(self, question: Callable[[CallIndex], Result]) -> Result | None:
        """Of an index that has everything; None where nothing was ever kept. Raises StoreError."""
        self._settle()
        if not self._folders.exist():
            return None

        def ask(index: CallIndex) -> Result:
            if not self._complete:
                self._bring_in(index)
            return question(index)

        try:
            return self._with_index(ask)
        except (sqlite3.Error, OSError, NewerIndex) as error:
            self._tell(error)
        with CallIndex(None) as index:
            index.put(self._calls(self._folders.places()))
            return question(index)

    def _with_index(self, work: Callable[[CallIndex], Result]) -> Result:
        """Do this with the index; a damaged one is replaced first. Raises sqlite3.Error, OSError, NewerIndex."""
        try:
            with CallIndex(self._path) as index:
                return work(index)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            self._complete = False
            if set_aside(self._path):
                log.warning("the index %s was damaged (%s); it is made anew from the folders", self._path, error)
        with CallIndex(self._path) as index:
            return work(index)

    def _bring_in(self, index: CallIndex) -> None:
        """What the folders have and the index has not, and the other way round."""
        known = index.places()  # before the folders are listed: what comes in between has its folder
        kept = set(self._folders.places())
        new = kept - known.keys()
        ended = {place for place, over in known.items() if not over and self._folders.is_over(place)}
        gone = known.keys() - kept
        calls = tuple(self._calls(new | ended))
        if calls or gone:  # who only looks waits for no lock
            index.put(calls, gone=gone)
        self._complete = True

    def _rebuild(self, index: CallIndex) -> int:
        known = index.places()
        calls = dict(self._calls(self._folders.places()))
        index.put(calls.items(), gone=known.keys() - calls.keys(), anew=True)
        self._bring_in(index)  # what has changed in the meantime
        return len(index.places())

    def _calls(self, places: Iterable[str]) -> Iterator[tuple[str, IndexedCall]]:
        for place in places:
            if (call := self._folders.indexed(place)) is not None:
                yield place, call

    def _changed(self, place: str) -> None:
        """Have the index know of it soon. Never raises, never waits for a disk."""
        with self._lock:
            self._places[place] = None
            if self._thread is None:
                thread = threading.Thread(target=self._follow, name="call-index", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # no thread to be had, or the interpreter is leaving
                    log.debug("the index is not told of %s: %s", place, error)
                    self._complete = False
                else:
                    self._thread = thread
                    atexit.register(self._settle)  # a disk that hangs must not keep the process

    def _follow(self) -> None:
        """The thread: bring in what has changed until nothing has."""
        while True:
            with self._lock:
                places, self._places = tuple(self._places), {}
                if not places:
                    self._thread = None
                    atexit.unregister(self._settle)
                    return
            try:
                self._with_index(partial(self._update, places))
            except (sqlite3.Error, OSError, NewerIndex) as error:
                self._complete = False
                self._tell(error)
            except Exception:
                self._complete = False
                log.exception("the index %s could not be brought up to date", self._path)

    def _update(self, places: tuple[str, ...], index: CallIndex) -> None:
        calls = dict(self._calls(set(places)))
        index.put(calls.items(), gone=set(places) - calls.keys())

    def _settle(self) -> None:
        """Wait until the index knows of what this process did; not for ever, if somebody keeps it locked."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(2 * BUSY_S)

    def _tell(self, error: Exception) -> None:
        """Say once what is wrong."""
        words = _words(error)
        if words != self._told:
            self._told = words
            log.warning("the index %s cannot be used: %s; calls are kept all the same", self._path, words)


def _words(error: Exception) -> str:
    return reason(error)
