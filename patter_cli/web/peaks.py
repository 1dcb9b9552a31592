"""The shape of a recording, for a page to draw and to click into: made when the call was over, or now."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import Field, ValidationError

from patter_cli.audio.peaks import peaks_of
from patter_cli.contracts.store import CallStore
from patter_cli.errors import InputError
from patter_cli.web.endpoint import Asked, Endpoint, Facts, NotFound
from patter_cli.web.shapes import Shape


class Peaks(Shape):
    """The loudest sample of each step, 0 to 255; of a recording with two sides, the caller's and then the agent's."""

    seconds: float
    tracks: list[list[int]] = Field(min_length=1, max_length=2)


class RecordingShapes:
    """Of the calls of one store. A call's end leaves it in its record; where it did not, of a call that was interrupted
    or a recording that came from elsewhere, it is worked out when it is first asked for, and kept there."""

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
            found = Peaks.model_validate(asdict(peaks_of(Path(place)))).model_dump()
        except InputError as error:
            raise NotFound(str(error)) from error
        with suppress(OSError):  # a disk that takes nothing only costs the work again
            self._store.add(call_id, {"peaks": found})
        return found
