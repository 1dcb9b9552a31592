"""What this user's servers sign with: made once, and kept where nobody else can read it."""

from __future__ import annotations

import hmac
import logging
import os
import secrets
from pathlib import Path
from typing import Final

from patter_cli.errors import BadSetting, reason

log = logging.getLogger(__name__)

SECRET_BYTES: Final = 32
MIN_SECRET_CHARS: Final = 16
"""A shorter one can be guessed by whoever has a ticket."""


def signing_secret(given: str, folder: Path, *, named: str = "PATTER_SECRET_KEY") -> bytes:
    """The secret that was given, or the one kept in the folder, made when it is not there.

    named: what the given one is called where it stands.

    Where nothing can be kept it is good for this process only. Raises BadSetting for one that is too short.
    """
    if given:
        if len(given) < MIN_SECRET_CHARS:
            raise BadSetting(
                f"{named} is too short: {MIN_SECRET_CHARS} characters at least",
                hint="openssl rand -hex 32 makes a good one",
            )
        return given.encode("utf-8", "surrogateescape")
    place = folder / "secret.key"
    try:
        return _kept(place) or _made(place)
    except OSError as error:
        log.warning("no secret can be kept in %s, so it is good for this process only: %s", folder, reason(error))
        return secrets.token_bytes(SECRET_BYTES)


def kept_path(secret: bytes) -> str:
    """What nobody without the secret can guess, as new_path makes it: the same each time, for a name that stays."""
    return f"/{hmac.new(secret, b'where carriers ask', 'sha256').hexdigest()[:16]}"


def _kept(place: Path) -> bytes:
    """b"" where there is none, or a piece of one."""
    try:
        secret = place.read_bytes()
    except FileNotFoundError:
        return b""
    return secret if len(secret) == SECRET_BYTES else b""


def _made(place: Path) -> bytes:
    """Make one; of two processes that do so at once, both get the same. Raises OSError."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.{os.getpid()}-{secrets.token_hex(4)}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(SECRET_BYTES))
    try:
        os.link(part, place)  # fails if it is there: whoever came first has made it
    except FileExistsError:
        if not _kept(place):  # a piece of one, of a full disk
            os.replace(part, place)
    finally:
        part.unlink(missing_ok=True)
    return place.read_bytes()
