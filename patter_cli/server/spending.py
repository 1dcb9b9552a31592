"""What calls have cost within a day, so that new ones stop before they cost too much, whichever process has them.

Theory of operation. Each process writes what its calls have cost into a file of the day: a line for each at its end,
and while it lasts whenever it has cost a little more. The last line of a call counts, so what a process that was killed
had on the line counts as well, and who looks reads only what was written since. What the store knows beside that is
counted from when a server starts: the folder may be younger than the calls.

It is the list's prices times what was used: what has no price counts for nothing, and the bill may say another thing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from patter_cli.contracts.store import CallQuery, CallStore
from patter_cli.errors import CallRejected, StoreError, reason

log = logging.getLogger("patter.server")

DAY_S: Final = 24 * 3600
NOTE_S: Final = 5.0
"""How often it should be looked whether live calls have cost more."""
STEP_USD: Final = 0.01
"""So much more, and others are told."""


class DailySpending:
    """One server's view of what all of this user's have spent."""

    def __init__(self, most_usd: float | None, folder: Path | None = None) -> None:
        """most_usd: within 24 hours; None: whatever it costs. folder: made when it is first needed; None: this process
        is the only one."""
        self._most_usd = most_usd
        self._folder = folder if most_usd is not None else None
        self._calls: dict[str, tuple[float, float]] = {}
        """When each was last heard of, and what it had cost by then."""
        self._live: dict[str, Callable[[], float]] = {}
        self._told: dict[str, float] = {}
        """What others know of the live ones."""
        self._read: dict[Path, int] = {}
        """Bytes of each file that are in `_calls`."""
        self._complained = False

    def load(self, store: CallStore, now_s: float) -> None:
        """Count what was kept of the last day. Reads files, so keep it off the event loop; never raises."""
        if self._most_usd is None:
            return
        try:
            for record in store.export(CallQuery(since=now_s - DAY_S, limit=None)):
                cost = record.facts.get("cost")
                usd = cost.get("known_usd") if isinstance(cost, dict) else None
                if isinstance(usd, int | float):
                    ended_s = record.row.started_at + (record.row.duration_s or 0.0)
                    self._calls.setdefault(record.row.call_id, (ended_s, float(usd)))
        except (StoreError, OSError) as error:
            log.warning("what the calls of the last day cost cannot be read: %s", error)

    def began(self, call_id: str, usd: Callable[[], float]) -> None:
        """A call goes on. usd: what it has cost so far."""
        self._live[call_id] = usd

    def ended(self, call_id: str, now_s: float) -> None:
        """It is over. One that never began is fine."""
        usd = self._live.pop(call_id, None)
        self._told.pop(call_id, None)
        if usd is not None:
            self._calls[call_id] = now_s, usd()
            self._write([(call_id, usd())], now_s)

    def note(self, now_s: float) -> None:
        """Tell other processes what live calls have cost meanwhile."""
        costs = {call_id: usd() for call_id, usd in self._live.items()}
        more = [(each, usd) for each, usd in costs.items() if usd >= self._told.get(each, 0.0) + STEP_USD]
        self._told |= more
        self._write(more, now_s)

    async def keep_noting(self) -> None:
        """For as long as the server serves."""
        while self._folder is not None:
            await asyncio.sleep(NOTE_S)
            self.note(time.time())

    def usd(self, now_s: float) -> float:
        """Of the last 24 hours."""
        self._look(now_s)
        self._calls = {each: known for each, known in self._calls.items() if known[0] > now_s - DAY_S}
        over = sum(usd for call_id, (_, usd) in self._calls.items() if call_id not in self._live)
        return over + sum(usd() for usd in self._live.values())

    def check(self, now_s: float) -> None:
        """Whether one more call may be begun. Raises CallRejected."""
        if self._most_usd is not None and (usd := self.usd(now_s)) >= self._most_usd:
            raise CallRejected(
                f"the calls of the last 24 hours have cost ${usd:.2f}, and ${self._most_usd:.2f} is the most",
                hint="wait, or raise max_spend_per_day",
            )

    # --- what processes know of each other -------------------------------------------------------------------------

    def _look(self, now_s: float) -> None:
        if self._folder is None:
            return
        days = [self._file(self._folder, now_s - DAY_S), self._file(self._folder, now_s)]
        try:
            for path in days:
                with suppress(FileNotFoundError), path.open("rb") as file:
                    file.seek(self._read.get(path, 0))
                    whole = file.read().rpartition(b"\n")[0]
                    self._read[path] = self._read.get(path, 0) + (len(whole) + 1 if whole else 0)
                    self._calls |= _calls_in(whole)
        except OSError as error:
            self._complain(error)
        self._read = {path: size for path, size in self._read.items() if path in days}

    def _write(self, calls: list[tuple[str, float]], now_s: float) -> None:
        if self._folder is None or not calls:
            return
        path = self._file(self._folder, now_s)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = not path.exists()
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, "".join(f"{now_s:.0f} {each} {usd:.6f}\n" for each, usd in calls).encode())
            finally:
                os.close(handle)
            for old in sorted(self._folder.glob("*.txt"))[:-2] if new else ():
                old.unlink(missing_ok=True)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        """Once: calls go on, and what this process spends counts."""
        if not self._complained:
            self._complained = True
            log.warning("what other processes spend is not known: %s: %s", self._folder, reason(error))

    def _file(self, folder: Path, at_s: float) -> Path:
        return folder / f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d}.txt"


def _calls_in(lines: bytes) -> Iterator[tuple[str, tuple[float, float]]]:
    """A line that a full disk has cut off counts for nothing."""
    for line in lines.decode("ascii", "replace").splitlines():
        parts = line.split(" ")
        if len(parts) == 3 and parts[0].isdecimal() and parts[2].replace(".", "", 1).isdecimal():
            yield parts[1], (float(parts[0]), float(parts[2]))
