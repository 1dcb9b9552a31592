"""An end-of-turn model for one call: keeps the end of the caller's turn, asks once a pause, posts the answer.

Nothing depends on it. An answer that fails, comes too late, or that the caller has overtaken by talking on, is not
posted; endpointing then goes by silence and words alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import resample_all
from patter_cli.audio.wire import LineAudio
from patter_cli.contracts.eou import EndOfTurnModel
from patter_cli.core.events import EndOfTurnPredicted, Event

log = logging.getLogger(__name__)

PRE_ROLL_MS = 320
"""Sound before the detector's onset that belongs to the turn. Source: LOCAL-SPEECH 1, as for recognition."""
UNSHOWN_MS = 100
"""The newest sound is left out: asked when the detector has waited 192 ms for more of the voice, the model is shown
half of that. With all of it, it hears an end in every pause: half again to twice as many broken-off sentences pass.
Source: tests/bench/eou.py."""
ANSWER_S = 0.6
"""An answer after this is of no use: asked a quarter of a second into a pause, it would come when even an unfinished
sentence is about to be answered."""


class EndOfTurnDetector:
    """One call's end of the caller's turn.

    model: shared by all calls. line_rate_hz: of the samples pushed. post: called at most once for each `predict`.
    """

    def __init__(self, model: EndOfTurnModel, *, line_rate_hz: int, post: Callable[[Event], None]) -> None:
        self._model = model
        self._rate_hz = line_rate_hz
        self._post = post
        self._unshown = line_rate_hz * UNSHOWN_MS // 1000
        self._ring: Samples = np.zeros(line_rate_hz * model.window_ms // 1000 + self._unshown, np.int16)
        self._heard_samples = 0
        self._turn_start: int | None = None
        """The turn's first sample, counted from the call's first; None before the caller has spoken."""
        self._asking: asyncio.Task[None] | None = None

    def push(self, audio: LineAudio) -> None:
        """Take the next samples of the line."""
        samples = audio.samples
        size = len(self._ring)
        kept = samples[-size:]
        at = (self._heard_samples + len(samples) - len(kept)) % size
        first = min(len(kept), size - at)
        self._ring[at : at + first] = kept[:first]
        self._ring[: len(kept) - first] = kept[first:]
        self._heard_samples += len(samples)

    def speech_started(self, onset_ms: int) -> None:
        """A voice began at this media time: a new turn, or the old one goes on, and what was asked is overtaken."""
        self._drop()
        if self._turn_start is None:
            self._turn_start = max(0, (onset_ms - PRE_ROLL_MS) * self._rate_hz // 1000)

    def speech_ended(self) -> None:
        """Nothing yet: the machine says when to ask."""

    def predict(self, segment: int) -> None:
        """Ask about the turn as it is now. An earlier question still open is dropped."""
        self._drop()
        if self._turn_start is not None:
            self._asking = asyncio.get_running_loop().create_task(self._ask(segment, self._turn(self._turn_start)))

    def commit(self) -> None:
        """The caller's turn is over: the next voice begins another."""
        self._drop()
        self._turn_start = None

    def close(self) -> None:
        """The call is over: nothing is posted any more."""
        self._drop()

    def _drop(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def _turn(self, start: int) -> Samples:
        """A copy of the turn from this sample on, as far back as the ring reaches, without what is not shown."""
        newest_last = np.roll(self._ring, -(self._heard_samples % len(self._ring)))
        shown = newest_last[: len(newest_last) - self._unshown]
        length = max(0, min(self._heard_samples - self._unshown - start, len(shown)))
        return shown[len(shown) - length :]

    async def _ask(self, segment: int, turn: Samples) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                # Here and not in a thread: 2 ms for a turn of 3 s, 5 ms for the whole window.
                heard = resample_all(turn, self._rate_hz, self._model.rate_hz)
                probability = await self._model.finished(heard)
        except TimeoutError:
            log.warning("the end-of-turn model did not answer within %.1f s", ANSWER_S)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the task's end, and the model may be anybody's
            log.warning("the end-of-turn model failed: %s", error)
        else:
            self._post(EndOfTurnPredicted(segment=segment, probability=probability))
