"""The shape of a recording: as long as it is, as loud as it is, and worked out once."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patter_cli.errors import InputError
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.web.endpoint import Asked, NotFound
from patter_cli.web.peaks import STEPS, Peaks, RecordingShapes, peaks_of
from tests.unit.stores.calls import STARTED, Kept, first_line, record


def sound(path: Path, *sides: np.ndarray[Any, Any]) -> Path:
    """A WAV of these sides at 8 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(sides))
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.stack(sides, axis=1).astype("<i2").tobytes())
    return path


def test_each_side_has_its_shape(tmp_path: Path) -> None:
    """The caller is loud in the first half, the agent in the second; between 0 and 255, the most for full scale."""
    half, silent = np.full(8000, -32768), np.zeros(8000)
    found = peaks_of(sound(tmp_path / "a.wav", np.concatenate([half, silent]), np.concatenate([silent, half])))
    Peaks.model_validate(found)
    caller, agent = found["tracks"]
    assert (found["seconds"], len(caller)) == (2.0, STEPS)
    assert caller == [255] * (STEPS // 2) + [0] * (STEPS // 2) == agent[::-1]


@pytest.mark.parametrize("count", [0, 1, 7, STEPS + 1])
def test_a_recording_may_be_short(tmp_path: Path, count: int) -> None:
    """Down to nothing, as a call that broke at once leaves it; with one side or two."""
    for sides in (1, 2):
        found = peaks_of(sound(tmp_path / "a.wav", *[np.full(count, 1000)] * sides))
        Peaks.model_validate(found)
        assert len(found["tracks"][0]) == max(1, min(count, STEPS))


def test_it_is_worked_out_once(tmp_path: Path) -> None:
    """It is in the call's record then, and goes with it; a record that somebody has spoilt does no harm."""
    store = SqliteStore(tmp_path)
    path = sound(tmp_path / "a.wav", np.full(800, 9000))
    call = Kept(store, "LB1")
    call.write(first_line("LB1", STARTED))
    call.end(record("LB1", STARTED, recording_path=str(path), peaks={"tracks": "none"}))
    shapes = RecordingShapes(store)
    found = shapes.peaks(Asked(path={"call_id": "LB1"}))
    path.unlink()
    assert shapes.peaks(Asked(path={"call_id": "LB1"})) == found


def test_there_may_be_no_sound(tmp_path: Path) -> None:
    """No call, no recording, or a file that is none: each is said."""
    store = SqliteStore(tmp_path)
    (tmp_path / "a.wav").write_text("not a recording")
    for call_id, facts in (("LB1", {}), ("LB2", {"recording_path": str(tmp_path / "a.wav")})):
        call = Kept(store, call_id)
        call.write(first_line(call_id, STARTED))
        call.end(record(call_id, STARTED, **facts))
    for call_id in ("LB1", "LB2", "LB3"):
        with pytest.raises(NotFound):
            RecordingShapes(store).peaks(Asked(path={"call_id": call_id}))
    with pytest.raises(InputError):
        peaks_of(tmp_path / "a.wav")
