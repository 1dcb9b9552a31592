"""Where cloudflared is: on PATH, in our data folder, or fetched into it.

pycloudflared knows which file fits this machine. It takes Cloudflare's latest with no checksum; so what we fetch is
kept with its SHA-256, told with it each time it runs, and not run any more once it is another file than we fetched.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import platform
import select
import shutil
import subprocess
import tarfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from patter_cli.errors import ConfigError, TunnelDown, reason

log = logging.getLogger("patter.tunnel")

VERSION_S: Final = 3.0
"""What it gets to say which version it is."""
_VERSION_BYTES: Final = 200
FETCH_S: Final = 30.0
"""Without a byte."""
MOST_BYTES: Final = 200 << 20
_BY_HAND: Final = "install it from https://github.com/cloudflare/cloudflared, or take --webhook-url HOST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """One cloudflared. version: its own word, "" if it says none."""

    path: Path
    version: str
    sha256: str

    @property
    def about(self) -> str:
        return f"{self.path}, {self.version or 'version unknown'}, sha256 {self.sha256}"


async def found_cloudflared(program: Path | None, folder: Path | None) -> Binary:
    """`find_cloudflared`, in a thread that nobody has to wait for: a download may take minutes."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Binary] = loop.create_future()

    def tell(binary: Binary | None, error: BaseException | None) -> None:
        if not found.done():
            found.set_exception(error) if error is not None else found.set_result(cast(Binary, binary))

    def find() -> None:
        binary, failed = None, None
        try:
            binary = find_cloudflared(program, folder)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            failed = error
        with suppress(RuntimeError):  # the loop is gone
            loop.call_soon_threadsafe(tell, binary, failed)

    threading.Thread(target=find, daemon=True, name="patter-cloudflared-binary").start()
    return await found


def find_cloudflared(program: Path | None, folder: Path | None) -> Binary:
    """The one that was named, or the first that there is; blocks, up to minutes if it has to be fetched. Raises
    TunnelDown, ConfigError, with what to do."""
    program = program or _on_path()
    return _looked_at(program, kept=False) if program is not None else _looked_at(_kept(folder), kept=True)


def present_cloudflared(folder: Path | None) -> Binary | None:
    """The first that there is, without fetching one; blocks for some seconds. Raises ConfigError for one that would
    not be run."""
    program = _on_path()
    kept = _place(folder)
    if program is None and not kept.exists():
        return None
    found = _looked_at(program or kept, kept=program is None)
    if not found.version:
        raise ConfigError(f"{found.path} does not say which version it is", hint=f"remove it, or {_BY_HAND}")
    return found


def _on_path() -> Path | None:
    found = shutil.which("cloudflared")
    return Path(found) if found else None


def _looked_at(program: Path, *, kept: bool) -> Binary:
    try:
        sha256 = _sha256(program)
    except OSError as error:
        raise ConfigError(f"{program} cannot be read: {reason(error)}", hint=_BY_HAND) from error
    if kept:
        _check(program, sha256)
    return Binary(path=program, version=_version(program), sha256=sha256)


def fetch(url: str, place: Path) -> None:
    """Fetch cloudflared to a file, or its archive's only file; whole or not at all, and its SHA-256 beside it. Raises
    TunnelDown, ConfigError."""
    import httpx

    part = place.with_suffix(".part")
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            httpx.stream("GET", url, follow_redirects=True, timeout=FETCH_S) as response,
            open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o700), "wb") as file,
        ):
            if response.status_code != 200:
                raise TunnelDown(f"cloudflared cannot be fetched: {url} answered {response.status_code}", hint=_BY_HAND)
            for chunk in response.iter_bytes():
                file.write(chunk)
                if file.tell() > MOST_BYTES:
                    raise TunnelDown(f"cloudflared cannot be had: {url} has no end", hint=_BY_HAND)
        if url.endswith(".tgz"):
            _unpack(part)
        _beside(place).write_text(_sha256(part), encoding="ascii")
        os.replace(part, place)
    except OSError as error:
        raise ConfigError(f"cloudflared cannot be kept in {place}: {reason(error)}", hint=_BY_HAND) from error
    except (httpx.HTTPError, tarfile.TarError) as error:
        raise TunnelDown(f"cloudflared cannot be had from {url}: {reason(error)}", hint=_BY_HAND) from error
    finally:
        part.unlink(missing_ok=True)


def _place(folder: Path | None) -> Path:
    """Where ours is kept."""
    from platformdirs import user_data_path

    return (folder or user_data_path("patter") / "bin") / ("cloudflared.exe" if os.name == "nt" else "cloudflared")


def _kept(folder: Path | None) -> Path:
    place = _place(folder)
    if not place.exists():
        from pycloudflared.util import Info

        machine = platform.machine()
        try:
            url = Info(platform.system(), "arm64" if machine == "aarch64" else machine).url
        except RuntimeError as error:
            raise ConfigError(f"there is no cloudflared here, and none to fetch: {error}", hint=_BY_HAND) from error
        log.warning("there is no cloudflared here: it is fetched from %s, once", url)
        fetch(url, place)
    return place


def _check(program: Path, sha256: str) -> None:
    try:
        fetched = _beside(program).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        fetched = ""
    if fetched != sha256:
        raise ConfigError(
            f"{program} is not the file that was fetched: its sha256 is {sha256}",
            hint=f"remove {program}, and it is fetched again",
        )


def _beside(program: Path) -> Path:
    return program.with_suffix(".sha256")


def _unpack(archive: Path) -> None:
    """Put the program in the place of its archive. Raises OSError, TarError."""
    program = archive.with_suffix(".program")
    try:
        with tarfile.open(archive) as packed:
            held = packed.extractfile("cloudflared")
            if held is None:
                raise tarfile.TarError("no cloudflared is in it")
            with open(os.open(program, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o700), "wb") as file:
                shutil.copyfileobj(held, file)
        os.replace(program, archive)
    except KeyError as error:
        raise tarfile.TarError("no cloudflared is in it") from error
    finally:
        program.unlink(missing_ok=True)


def _sha256(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(program: Path) -> str:
    """The first line that it prints about itself; "" if it prints none, fails, or does not end. Blocks."""
    try:
        process = subprocess.Popen(
            [program, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return ""
    said, until_s = b"", time.monotonic() + VERSION_S
    try:
        assert process.stdout is not None
        with process.stdout as out:  # closed early, it stops whoever floods us
            while len(said) < _VERSION_BYTES and select.select([out], [], [], max(0.0, until_s - time.monotonic()))[0]:
                chunk = os.read(out.fileno(), _VERSION_BYTES)
                if not chunk:
                    break
                said += chunk
        failed = process.wait(max(0.0, until_s - time.monotonic())) != 0
    except subprocess.TimeoutExpired:
        return ""
    finally:
        process.kill()
        process.wait()
    lines = said.decode("utf-8", "replace").splitlines()
    return lines[0].strip() if lines and not failed else ""
