"""The shape of a recording: as long as it is, as loud as it is, of any WAV, a piece at a time."""

from __future__ import annotations

import wave
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patter_cli.audio import peaks
from patter_cli.audio.peaks import STEPS, peaks_of
from patter_cli.errors import InputError
from patter_cli.web.peaks import Peaks


def sound(path: Path, *sides: np.ndarray[Any, Any], width: int = 2) -> Path:
    """A WAV of these sides at 8 kHz; of another width, its samples' upper bytes are these."""
    frames = np.stack(sides, axis=1).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(sides))
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(frames.tobytes() if width == 2 else (frames.astype("<i4") << 16).tobytes())
    return path


@pytest.mark.parametrize("width", [2, 4])
def test_each_side_has_its_shape(tmp_path: Path, width: int) -> None:
    """The caller is loud in the first half, the agent in the second; between 0 and 255, the most for full scale."""
    half, silent = np.full(8000, -32768), np.zeros(8000)
    sides = np.concatenate([half, silent]), np.concatenate([silent, half])
    found = peaks_of(sound(tmp_path / "a.wav", *sides, width=width))
    Peaks.model_validate(asdict(found))
    caller, agent = found.tracks
    assert (found.seconds, len(caller)) == (2.0, STEPS)
    assert caller == (255,) * (STEPS // 2) + (0,) * (STEPS // 2) == agent[::-1]


@pytest.mark.parametrize("count", [0, 1, 7, STEPS + 1])
def test_a_recording_may_be_short(tmp_path: Path, count: int) -> None:
    """Down to nothing, as a call that broke at once leaves it; with one side, two, or more than are looked at."""
    for sides in (1, 2, 3):
        found = peaks_of(sound(tmp_path / "a.wav", *[np.full(count, 1000)] * sides))
        Peaks.model_validate(asdict(found))
        assert len(found.tracks) == min(2, sides)
        assert len(found.tracks[0]) == max(1, min(count, STEPS))


@pytest.mark.parametrize("piece", [1, 37, 1000, 100_000])
def test_pieces_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """A long recording is never in memory as a whole; where it is cut does not show."""
    random = np.random.default_rng(1)
    sides = [random.integers(-32768, 32767, 1237) for _ in range(2)]
    path = sound(tmp_path / "a.wav", *sides)
    whole = peaks_of(path, 50)
    edges = np.linspace(0, 1237, 51).astype(int)[:-1]
    expected = [np.maximum.reduceat(np.abs(each), edges) for each in sides]
    assert [list(each) for each in whole.tracks] == [
        np.round(np.sqrt(each / 32768) * 255).astype(int).tolist() for each in expected
    ]
    monkeypatch.setattr(peaks, "_PIECE", piece)
    assert peaks_of(path, 50) == whole


def test_a_recording_that_was_cut_short(tmp_path: Path) -> None:
    """As far as it goes, as a killed recorder leaves it; its header says more."""
    path = sound(tmp_path / "a.wav", np.full(8000, 9000), np.full(8000, 9000))
    path.write_bytes(path.read_bytes()[: 44 + 4 * 4000 + 3])
    found = peaks_of(path)
    assert found.seconds == 0.5
    assert min(found.tracks[0]) > 100


@pytest.mark.parametrize("content", [b"", b"not a recording", b"RIFF\x04\0\0\0WAVE"])
def test_what_is_no_recording_is_said(tmp_path: Path, content: bytes) -> None:
    """Nor is a folder, or nothing."""
    (tmp_path / "a.wav").write_bytes(content)
    for path in (tmp_path / "a.wav", tmp_path, tmp_path / "none.wav"):
        with pytest.raises(InputError, match="cannot read"):
            peaks_of(path)
