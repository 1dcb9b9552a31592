"""A number of ours, pointed at this server while it serves: what it had before is kept on disk, and given back.

    point(url)   what an earlier server left behind is given back -> read, kept, set, read back (the carrier's leaf)
    restore()    given back, if it still is what we made it; the file goes

The file lies in the user's data, not in the run folder: a machine that lost its power is a crash, too. A server holds a
lock beside it, which the system takes away when the process is gone, so of two servers the second is told.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from pathlib import Path
from typing import IO, Final

from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.errors import BadSetting, CarrierError, ConfigError, InputError, PatterError, reason

log = logging.getLogger("patter.server")

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


class NumberSetup:
    """One number at one carrier."""

    def __init__(self, carrier: Carrier, number: str, folder: Path) -> None:
        """number: E.164. folder: where it is kept what numbers had before. Raises InputError."""
        if not _E164.fullmatch(number):
            raise InputError(f"{number[:32]!r} is no phone number", hint="write it as +14155550123")
        self.number = number
        self._carrier = carrier
        self._file = folder / f"{carrier.name}{number}.json"
        self._lock: IO[str] | None = None
        self._url = ""

    @property
    def carrier(self) -> str:
        """Its name."""
        return self._carrier.name

    async def point(self, url: str) -> None:
        """Have its calls sent to a webhook of ours. Raises CarrierError, ConfigError; it is then as it was."""
        if url == self._url:
            return
        self._take_lock()
        await self._give_back()
        try:
            await self._carrier.attach(self.number, url, self._keep)
        except BaseException:
            with contextlib.suppress(PatterError):
                await self._give_back()
            raise
        self._url = url

    async def restore(self) -> None:
        """Give it back. Where that fails it is logged, and the next server does it. Twice is fine."""
        if self._lock is None:
            return
        try:
            await self._give_back()
        except (PatterError, OSError) as error:
            log.error("%s still points here: %s; the next patter serve gives it back", self.number, error)
        finally:
            self._lock.close()
            self._lock = None

    async def _give_back(self) -> None:
        """Undo what the file says. Raises CarrierError, ConfigError."""
        self._url = ""
        try:
            written = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except OSError as error:
            raise BadSetting(f"{self._file} cannot be read: {reason(error)}") from error
        token = _read(written)
        if token:
            try:
                await self._carrier.restore(token)
            except CarrierError as error:
                raise CarrierError(
                    f"{self.number} cannot be given back what it had before: {error}",
                    hint=f"try again, or set it by hand and remove {self._file}",
                ) from error
        self._file.unlink(missing_ok=True)

    def _keep(self, token: str) -> None:
        """Raises ConfigError: without it nothing is changed."""
        part = self._file.with_suffix(".part")
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump({"number": self.number, "carrier": self._carrier.name, "token": token}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, self._file)
        except OSError as error:
            raise BadSetting(
                f"what {self.number} has now cannot be kept in {self._file}: {reason(error)}", hint="nothing is changed"
            ) from error

    def _take_lock(self) -> None:
        """Raises ConfigError where another server has the number."""
        if self._lock is not None:
            return
        place = self._file.with_suffix(".lock")
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = open(os.open(place, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise BadSetting(f"{place} cannot be used: {reason(error)}") from error
        if os.name == "posix":
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                owner = lock.read(16).strip()
                lock.close()
                by = f" (process {owner})" if owner.isdecimal() else ""
                raise ConfigError(
                    f"{self.number} is pointed at another server of yours{by}", hint="stop that one first"
                ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock


def _read(written: str) -> str:
    """The token of a file; "" if there is none, as in a piece of a file."""
    try:
        told = json.loads(written)
        token = told["token"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return token if isinstance(token, str) else ""
