"""The secret that servers sign with: given, or made once and kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from patter_cli.errors import BadSetting
from patter_cli.server.secret import signing_secret


def test_a_secret_that_is_given_is_used(tmp_path: Path) -> None:
    """And none is made; one that could be guessed is refused."""
    assert signing_secret("sixteen letters!", tmp_path) == b"sixteen letters!"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BadSetting, match="too short"):
        signing_secret("fifteen letters", tmp_path)


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    """Whoever comes first, all twenty have the same; only its owner can read it, and nothing else is left."""
    folder = tmp_path / "kept"
    with ThreadPoolExecutor(20) as pool:
        made = set(pool.map(lambda _: signing_secret("", folder), range(20)))
    assert len(made) == 1
    assert len(made.pop()) == 32
    (file,) = folder.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("secret.key", 0o600)
    assert signing_secret("", tmp_path / "other") != signing_secret("", folder)


def test_a_piece_of_one_is_replaced(tmp_path: Path) -> None:
    """A disk that was full while it was written."""
    (tmp_path / "secret.key").write_bytes(b"half")
    made = signing_secret("", tmp_path)
    assert len(made) == 32
    assert signing_secret("", tmp_path) == made
    assert [each.name for each in tmp_path.iterdir()] == ["secret.key"]


def test_where_nothing_can_be_kept_there_is_one_all_the_same(tmp_path: Path) -> None:
    """Good for the process only, which is another each time."""
    (tmp_path / "file").touch()
    one, other = (signing_secret("", tmp_path / "file") for _ in range(2))
    assert len(one) == len(other) == 32
    assert one != other
