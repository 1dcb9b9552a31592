"""A disk that takes no more: what was written can be read, how much is lost is said, and nothing lies about."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from patter_cli.audio.tape import Tape
from patter_cli.audio.wav import read_channel, write_wav
from patter_cli.errors import InputError

SECOND = np.full(8000, 1000, np.int16)


@contextmanager
def room(size_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond this, as on a disk that is full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_whole_recording_has_failed_nowhere(tmp_path: Path) -> None:
    """Nothing is said of it."""
    tape = Tape(tmp_path / "call.wav", 8000)
    tape.caller(0, SECOND)
    tape.close()
    assert tape.failed == ""


def test_a_disk_that_fills_up_in_the_call(tmp_path: Path) -> None:
    """The first seconds can be heard, and the rest is counted; whoever goes on writing is not disturbed."""
    tape = Tape(tmp_path / "call.wav", 8000)
    with room(100_000):
        for second in range(10):
            tape.caller(second * 8000, SECOND)
            tape.agent(second * 8000, SECOND)
        tape.close()
        tape.close()
    kept_s = len(read_channel(tmp_path / "call.wav", 0)[0]) / 8000
    assert 1 <= kept_s < 4
    assert tape.failed == f"it is too large for that disk; {10 - kept_s:.1f} of 10.0 s are lost"


def test_a_disk_that_is_full_before_the_call(tmp_path: Path) -> None:
    """No empty file is left."""
    with room(8), pytest.raises(InputError, match=r"cannot write .*call\.wav: it is too large"):
        Tape(tmp_path / "call.wav", 8000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size_bytes", [0, 20, 8000])
def test_a_reply_that_does_not_fit(tmp_path: Path, size_bytes: int) -> None:
    """Half a file is none; how long it would have been is said."""
    with room(size_bytes), pytest.raises(InputError, match=r"reply\.wav: .*; 1\.0 s of sound are lost"):
        write_wav(tmp_path / "reply.wav", SECOND, 8000)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_is_not_removed(tmp_path: Path) -> None:
    """It is somebody's, even if it could not be written."""
    (tmp_path / "reply.wav").write_bytes(b"")
    with room(20), pytest.raises(InputError):
        write_wav(tmp_path / "reply.wav", SECOND, 8000)
    assert (tmp_path / "reply.wav").exists()
