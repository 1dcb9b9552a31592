"""Where a running server is found: a file in the user's run folder, with the control socket's place and its token.

The folder is ours alone, or it is not used: who can put a file into it could send our commands elsewhere. A server that
was killed leaves its file behind; whoever looks next finds that nobody listens at its socket, and takes both away.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from patter_cli.errors import BadSetting, reason

MAX_SOCKET_CHARS: Final = 103
"""Source: sys/un.h, sun_path: 108 bytes on Linux, 104 on macOS, a zero at the end among them."""

_KNOCK_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A server that runs, as it says of itself."""

    pid: int
    port: int
    host: str
    carriers: list[str]
    agents: list[str]
    version: str
    started_at_s: float
    """Unix time."""
    socket: str
    """The control socket's path."""
    token: str
    """What every request to it must bring."""

    def __repr__(self) -> str:
        return f"Registration(pid={self.pid}, port={self.port})"  # never the token


def default_run_folder() -> Path:
    """The user's folder for what lives no longer than its process."""
    from platformdirs import user_runtime_path

    with warnings.catch_warnings():  # that there is no XDG_RUNTIME_DIR is nobody's fault
        warnings.simplefilter("ignore")
        return user_runtime_path("patter")


def private_folder(folder: Path) -> Path:
    """Make the run folder, or check that nobody else can reach into it. Raises BadSetting."""
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found, above = folder.lstat(), folder.parent.stat()
    except OSError as error:
        raise BadSetting(f"{folder} cannot be used: {reason(error)}") from error
    ours = found.st_uid == os.getuid() and above.st_uid in (os.getuid(), 0)
    if not stat.S_ISDIR(found.st_mode) or not ours or found.st_mode & 0o077:
        raise BadSetting(f"{folder} is not ours alone", hint=f"chmod 700 {folder}, or remove it")
    return folder


def register(folder: Path, registration: Registration) -> Path:
    """Write the file, whole or not at all, for our eyes only. Raises OSError."""
    place = _file(folder, registration)
    part = place.with_suffix(".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(registration), file)
    os.replace(part, place)
    return place


def running(folder: Path) -> list[Registration]:
    """The servers that run, oldest first; what those left behind that do not is swept away. Blocks for a moment.

    Raises BadSetting where the folder is not ours alone.
    """
    if not folder.exists():
        return []
    private_folder(folder)
    found = []
    for place in folder.glob("*.json"):
        try:
            each = _read(place.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, RecursionError):
            continue  # gone meanwhile, damaged, or another version's
        if _listens(each.socket):
            found.append(each)
        else:
            place.unlink(missing_ok=True)
            with suppress(OSError):
                Path(each.socket).unlink()
    return sorted(found, key=lambda each: each.started_at_s)


def _read(text: str) -> Registration:
    """Raises ValueError, TypeError, RecursionError for what is none."""
    found = Registration(**json.loads(text))
    texts = (found.host, found.version, found.socket, found.token, *found.carriers, *found.agents)
    if not all(isinstance(each, str) for each in texts) or "\0" in found.socket:
        raise TypeError("a text is none")
    if not all(type(each) is int for each in (found.pid, found.port)) or type(found.started_at_s) is not float:
        raise TypeError("a number is none")
    return found


def _file(folder: Path, registration: Registration) -> Path:
    return folder / f"{registration.pid}-{registration.port}.json"


def _listens(path: str) -> bool:
    """False only if it is certain that nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        knock.settimeout(_KNOCK_S)
        try:
            knock.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # it is busy
    return True
