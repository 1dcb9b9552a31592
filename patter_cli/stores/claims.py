"""Which requests with a key were carried out, as files, so that the next process knows it too.

    placed/<what only who knows the secret can make of the key>.json     {"body": ..., "call_id": ...}

A file is made before anything is done, by whoever is first: two processes that get the same request do it once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from patter_cli.contracts.outlasting import KEPT_S, MOST_KEPT, Claim
from patter_cli.errors import reason
from patter_cli.stores.journal import write_whole

log = logging.getLogger(__name__)

PLACED: Final = "placed"
SWEEP: Final = 1000
"""After so many new ones it is looked how many there are."""


class FolderClaims:
    """Those of whoever knows one secret."""

    def __init__(self, folder: Path, scope: str, *, now_s: Callable[[], float] = time.time) -> None:
        """folder: of everything that is kept. scope: the secret; other keys than its own are not seen."""
        self._folder = folder
        self._scope = scope.encode("utf-8", "replace")
        self._now_s = now_s
        self._made = 0
        self._complained = False

    def claim(self, key: str, body: str) -> Claim | None:
        """Who has this key; None: it is ours now."""
        path = self._file(key)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._made % SWEEP == 0:
                forget_claims(self._folder, self._now_s())
            self._made += 1
            with suppress(FileNotFoundError):
                if self._now_s() - path.stat().st_mtime > KEPT_S:
                    path.unlink()
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                return _read(path, body)
            with open(descriptor, "wb") as file:
                file.write(_text(Claim(body=body, call_id="")))
        except OSError as error:
            self._complain(error)
        return None

    def settle(self, key: str, claim: Claim) -> None:
        """What came of our request."""
        try:
            write_whole(self._file(key), _text(claim))
        except OSError as error:
            self._complain(error)

    def withdraw(self, key: str) -> None:
        """Nothing was done."""
        try:
            self._file(key).unlink(missing_ok=True)
        except OSError as error:
            self._complain(error)

    def _file(self, key: str) -> Path:
        name = hmac.new(self._scope, key.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
        return self._folder / PLACED / f"{name}.json"

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            log.warning("which calls were asked for is not kept: %s: %s", self._folder / PLACED, reason(error))


def forget_claims(folder: Path, now_s: float) -> None:
    """What was kept for long enough, and the oldest of too many. Never raises. folder: of everything that is kept."""
    found = []
    with suppress(OSError), os.scandir(folder / PLACED) as files:
        for each in files:
            with suppress(OSError):
                found.append((each.stat().st_mtime, each.path))
    found.sort()
    for number, (at_s, path) in enumerate(found):
        if now_s - at_s > KEPT_S or number < len(found) - MOST_KEPT:
            with suppress(OSError):
                os.unlink(path)


def _text(claim: Claim) -> bytes:
    return json.dumps({"body": claim.body, "call_id": claim.call_id}).encode()


def _read(path: Path, body: str) -> Claim:
    """What is damaged, or being written, is a request of which nobody knows what came of it."""
    try:
        found = json.loads(path.read_bytes())
        return Claim(body=str(found["body"]), call_id=str(found["call_id"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Claim(body=body, call_id="")
