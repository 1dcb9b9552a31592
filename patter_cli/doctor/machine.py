"""This machine: the port, the folder for calls, the tunnel's program, the sound card, the built-in models."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from patter_cli.doctor.findings import Check, Finding, in_thread, missing, off, ok
from patter_cli.errors import MissingExtra, PatterError, PortBusy, reason
from patter_cli.extras import install_command
from patter_cli.server.port import bind_port
from patter_cli.server.registration import Registration

LITTLE_ROOM_BYTES: Final = 1 << 30
"""A day of one line, recorded on both sides, takes 1.4 GB."""


def machine_checks(
    *,
    host: str,
    port: int,
    servers: Callable[[], list[Registration]],
    folder: Path,
    tunnel_program: Callable[[], str],
    keep: Callable[[Path], None],
    models: Mapping[str, Callable[[], str]],
    needed_models: frozenset[str],
) -> list[Check]:
    """servers: those that run. folder: for calls. tunnel_program: which there is, "" for none; raises
    ConfigError for one that cannot be used. keep: raises
    BadSetting where nothing can be kept in a folder. models: by name, what looks at its files and says which they are,
    or raises MissingExtra. needed_models: those without which no agent talks."""

    async def look_at_port() -> list[Finding]:
        return [await in_thread(lambda: _port(host, port, servers))]

    async def look_at_folder() -> list[Finding]:
        return [await in_thread(lambda: _folder(folder, keep))]

    async def look_at_tunnel() -> list[Finding]:
        return [await in_thread(lambda: _tunnel(tunnel_program))]

    async def look_at_sound() -> list[Finding]:
        return [await in_thread(_sound)]

    def look_at_model(name: str, files: Callable[[], str]) -> Check:
        async def look() -> list[Finding]:
            return [await in_thread(lambda: _model(name, files, needed=name in needed_models))]

        return Check(name=f"models.{name}", look=look)

    return [
        Check(name="machine.port", look=look_at_port),
        Check(name="machine.calls_folder", look=look_at_folder),
        Check(name="machine.cloudflared", look=look_at_tunnel),
        Check(name="machine.audio", look=look_at_sound),
        *(look_at_model(name, files) for name, files in models.items()),
    ]


def _port(host: str, port: int, servers: Callable[[], list[Registration]]) -> Finding:
    name = "machine.port"
    if port == 0:
        return ok(name, "any that is free")
    try:
        bind_port(host, port, send_buffer_bytes=1 << 16).close()
    except PortBusy as error:
        ours = next((each for each in servers() if each.port == port), None)
        if ours is not None:
            return ok(name, f"{port}: patter serves {', '.join(ours.agents)} there (pid {ours.pid})")
        return missing(name, str(error), error.hint)
    return ok(name, f"{port} on {host} is free")


def _folder(folder: Path, keep: Callable[[Path], None]) -> Finding:
    name = "machine.calls_folder"
    keep(folder)
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return missing(name, f"{folder}: {reason(error)}", "name another folder: PATTER_LOG_DIR")
    room = f"{free / (1 << 30):.1f} GB free"
    if free < LITTLE_ROOM_BYTES:
        return missing(name, f"{folder}: only {room}", "free some space, or name another folder: PATTER_LOG_DIR")
    return ok(name, f"{folder}, {room}")


def _tunnel(program: Callable[[], str]) -> Finding:
    """Only looked for: it is `patter serve --tunnel` that fetches one."""
    name = "machine.cloudflared"
    about = program()
    if not about:
        return off(
            name, "not on PATH: patter serve --tunnel fetches it", "https://github.com/cloudflare/cloudflared has it"
        )
    return ok(name, about)


def _sound() -> Finding:
    from patter_cli.simulate.microphone import has_microphone, sound_devices, sound_library

    name = "machine.audio"
    try:
        library = sound_library()
    except MissingExtra as error:
        return off(name, "no microphone: what speaks to the sound card is not installed", error.hint)
    if not has_microphone():
        return off(
            name,
            f"{library} finds no microphone with a loudspeaker",
            "patter simulate AGENT plays its scenario, --text takes typed lines",
        )
    microphones, loudspeakers = (", ".join(each) for each in sound_devices())
    return ok(name, f"{library} finds the microphones {microphones}; the loudspeakers {loudspeakers}")


def _model(name: str, files: Callable[[], str], *, needed: bool) -> Finding:
    name = f"models.{name}"
    try:
        return ok(name, files())
    except PatterError as error:
        return (missing if needed else off)(name, str(error), error.hint or install_command("local"))
