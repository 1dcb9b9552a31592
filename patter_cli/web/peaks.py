"""The shape of a recording: how loud each side was, in a few hundred steps, for a page to draw and to click into."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field, ValidationError

from patter_cli.audio.wav import read_channels
from patter_cli.contracts.store import CallStore
from patter_cli.errors import InputError
from patter_cli.web.endpoint import Asked, Endpoint, Facts, NotFound
from patter_cli.web.shapes import Shape

STEPS: Final = 500
"""About as many as a page has points for them."""
_LOUDEST: Final = 255


class Peaks(Shape):
    """The loudest sample of each step, 0 to 255; of a recording with two sides, the caller's and then the agent's."""

    seconds: float
    tracks: list[list[int]] = Field(min_length=1, max_length=2)


class RecordingShapes:
    """Of the calls of one store. Worked out when it is first asked for, and kept in the call's record."""

    def __init__(self, store: CallStore) -> None:
        self._store = store

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What can be asked."""
        return (
            Endpoint(
                method="GET", path="/calls/{call_id}/peaks", name="getPeaks",
                summary="The shape of a call's recording, for a waveform.",
                reply=Peaks, faults=(404,), read=self.peaks,
            ),
        )  # fmt: skip

    def peaks(self, asked: Asked) -> Facts:
        """Raises NotFound."""
        call_id = asked.path["call_id"]
        record = self._store.get(call_id)
        place = None if record is None else record.facts.get("recording_path")
        if record is None or not isinstance(place, str) or not place:
            raise NotFound("this call's sound is not kept here")
        with suppress(ValidationError):  # none yet, or not as we write them
            return Peaks.model_validate(record.facts.get("peaks")).model_dump()
        try:
            found = peaks_of(Path(place))
        except InputError as error:
            raise NotFound(str(error)) from error
        with suppress(OSError):  # a disk that takes nothing only costs the work again
            self._store.add(call_id, {"peaks": found})
        return found


def peaks_of(path: Path) -> Facts:
    """As Peaks has them. Raises InputError for a file that is no WAV. Blocks."""
    sides, rate_hz = read_channels(path)
    count = len(sides)
    edges = np.linspace(0, count, min(STEPS, max(1, count)) + 1).astype(int)[:-1]
    loudest = np.maximum.reduceat(np.abs(sides.astype(np.int32)), edges, axis=0) if count else np.zeros((1, 1))
    scaled = np.round(np.sqrt(np.minimum(loudest / 32768, 1.0)) * _LOUDEST).astype(int)
    return {"seconds": round(count / rate_hz, 3), "tracks": scaled[:, :2].T.tolist()}
