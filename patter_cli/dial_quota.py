"""How often we ring: a number in a minute and a day, and everybody in a day, whichever process of this user does it.

Theory of operation. A loop, a stolen agent or a wrong list rings thousands before anybody looks at the bill. So every
dial is a line in a file of its day, written before the carrier is asked; what those files hold of the last 24 hours is
what counts. Who looks and who writes does both under one lock, so two processes cannot both take the last call.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from patter_cli.errors import BadSetting, DestinationRefused, reason

DAY_S: Final = 24 * 3600
MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class DialLimits:
    """What may be rung at most, counted back from now."""

    number_a_minute: int = 3
    number_a_day: int = 20
    all_a_day: int = 1000


class DialQuota:
    """One user's, in a folder of text files: lines of Unix seconds and a number. Safe to use from several threads."""

    def __init__(self, folder: Path, limits: DialLimits) -> None:
        """folder: made when it is first needed."""
        self._folder = folder
        self._limits = limits
        self._dials: list[tuple[float, str]] = []
        self._read: dict[Path, int] = {}
        """Bytes of each file that are in `_dials`."""
        self._lock = threading.Lock()

    def refusal(self, number: str, now_s: float) -> str:
        """Why a number, E.164, may not be rung again yet; "" if it may. now_s: Unix time. Raises BadSetting."""
        with self._lock:
            self._look(now_s)
            return self._refusal(number, now_s)

    def left(self, now_s: float) -> int:
        """How many more calls the day has. Raises BadSetting."""
        with self._lock:
            self._look(now_s)
            return max(0, self._limits.all_a_day - len(self._dials))

    def take(self, number: str, now_s: float) -> None:
        """Count a call that is about to be made. Raises DestinationRefused where it is one too many, BadSetting where
        nobody could know."""
        with self._lock:
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with _alone(self._folder / "lock"):
                    self._look(now_s)
                    if why := self._refusal(number, now_s):
                        raise DestinationRefused(f"{number} is not rung: {why}", hint="wait, or raise it under [call]")
                    self._write(number, now_s)
            except OSError as error:
                raise self._uncounted(error) from error

    def _uncounted(self, error: OSError) -> BadSetting:
        return BadSetting(
            f"the calls of the day cannot be counted in {self._folder}: {reason(error)}",
            hint="see what room the disk has, and whose the folder is",
        )

    def _refusal(self, number: str, now_s: float) -> str:
        of_number = [at_s for at_s, each in self._dials if each == number]
        within_minute = sum(at_s > now_s - MINUTE_S for at_s in of_number)
        limits = self._limits
        if within_minute >= limits.number_a_minute:
            return f"it was rung {within_minute} times within a minute (max_per_number_minute)"
        if len(of_number) >= limits.number_a_day:
            return f"it was rung {len(of_number)} times within a day (max_per_number_day)"
        if len(self._dials) >= limits.all_a_day:
            return f"{len(self._dials)} calls were made within a day (max_per_day)"
        return ""

    def _look(self, now_s: float) -> None:
        """Read what has been written since, and forget what is older than a day. Raises BadSetting."""
        days = [self._file(now_s - DAY_S), self._file(now_s)]
        try:
            for path in days:
                with suppress(FileNotFoundError), path.open("rb") as file:
                    file.seek(self._read.get(path, 0))
                    whole = file.read().rpartition(b"\n")[0]
                    self._read[path] = self._read.get(path, 0) + (len(whole) + 1 if whole else 0)
                    self._dials += _dials_in(whole)
        except OSError as error:
            raise self._uncounted(error) from error
        self._read = {path: size for path, size in self._read.items() if path in days}
        self._dials = [each for each in self._dials if each[0] > now_s - DAY_S]

    def _write(self, number: str, now_s: float) -> None:
        path = self._file(now_s)
        new = not path.exists()
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{now_s:.0f} {number}\n".encode())  # survives the process, which is what has to
        finally:
            os.close(handle)
        if new:
            for old in sorted(self._folder.glob("*.txt"))[:-2]:
                old.unlink(missing_ok=True)

    def _file(self, at_s: float) -> Path:
        return self._folder / f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d}.txt"


def _dials_in(lines: bytes) -> Iterator[tuple[float, str]]:
    """A line that a full disk has cut off counts for nothing."""
    for line in lines.decode("ascii", "replace").splitlines():
        at, _, number = line.partition(" ")
        if at.isdecimal() and number:
            yield float(at), number


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Among the processes of this machine, where the system can say so. Raises OSError."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
