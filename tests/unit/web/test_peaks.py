"""The shape of a recording that its call's end left none of: worked out once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from patter_cli.stores.sqlite import SqliteStore
from patter_cli.web.endpoint import Asked, NotFound
from patter_cli.web.peaks import RecordingShapes
from tests.unit.audio.test_peaks import sound
from tests.unit.stores.calls import STARTED, Kept, first_line, record


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
