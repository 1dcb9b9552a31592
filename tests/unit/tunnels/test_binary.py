"""Which cloudflared there is, without fetching one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from patter_cli.errors import ConfigError
from patter_cli.tunnels.binary import present_cloudflared

pytestmark = pytest.mark.skipif(os.name == "nt", reason="scripts of a shell")


@pytest.fixture(autouse=True)
def nothing_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


def put(place: Path, script: str) -> Path:
    place.write_text(f"#!/bin/sh\nPATH=/bin:/usr/bin\n{script}\n")
    place.chmod(0o700)
    return place


def test_there_is_none(tmp_path: Path) -> None:
    """And none is fetched."""
    assert present_cloudflared(tmp_path) is None
    assert [each.name for each in tmp_path.iterdir()] == ["path"]


def test_the_one_on_path_comes_first(tmp_path: Path) -> None:
    """Its first line is its version; ours is run only while it is the file that was fetched."""
    ours = put(tmp_path / "cloudflared", "echo ours")
    with pytest.raises(ConfigError, match="is not the file that was fetched"):
        present_cloudflared(tmp_path)
    ours.with_suffix(".sha256").write_text(hashlib.sha256(ours.read_bytes()).hexdigest())
    found = present_cloudflared(tmp_path)
    assert found is not None
    assert (found.version, found.path) == ("ours", ours)
    put(tmp_path / "path" / "cloudflared", "echo cloudflared version 2026.11.0; echo more")
    found = present_cloudflared(tmp_path)
    assert found is not None
    assert found.version == "cloudflared version 2026.11.0"


@pytest.mark.parametrize("script", ["exit 3", "echo broken; exit 3", "exec yes", "echo version 1; exec sleep 30"])
def test_a_program_that_does_not_say_its_version(tmp_path: Path, script: str) -> None:
    """It fails, floods or hangs: told within seconds, and nothing of it goes on."""
    put(tmp_path / "path" / "cloudflared", script)
    with pytest.raises(ConfigError, match="does not say which version"):
        present_cloudflared(tmp_path)
