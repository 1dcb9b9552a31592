"""Our own ear for who answered an outbound call: hears what recognition hears, and posts verdicts and beeps.

It exists on calls that screen machines, and stands in two places: beside the others who are given the caller's sound,
and between those who report voice and words and the mailbox. What a fact means is decided in core.answering.
"""

from __future__ import annotations

from collections.abc import Callable

from patter_cli.audio.beep import ToneDetector
from patter_cli.audio.frame import FRAME_MS
from patter_cli.audio.wire import LineAudio
from patter_cli.core.answering import Heard, SteadyTone, WhoAnswered
from patter_cli.core.events import Event, Ms
from patter_cli.engine.clock import CallAlarm, CallClock


class ScreeningEar:
    """One call's. line_rate_hz: of the samples pushed."""

    def __init__(self, *, post: Callable[[Event], None], clock: CallClock, line_rate_hz: int) -> None:
        self._post = post
        self._clock = clock
        self._alarm = CallAlarm(clock)
        self._tones = ToneDetector(line_rate_hz)
        self._who = WhoAnswered()
        self._due: Ms | None = None

    def post(self, event: Event) -> None:
        """Hand an event on, and make of it what can be made."""
        self._post(event)
        self._tell(event)

    def push(self, audio: LineAudio) -> None:
        """Take the next samples of the line; nothing once it is known that a human has it."""
        if self._who.settled:
            return
        self._who.line_up(self._clock.now())
        for tone in self._tones.push(audio.samples):
            self._tell(SteadyTone(hz=tone.hz, length_ms=tone.length_ms, answers_fax=tone.answers_fax))

    def speech_started(self, onset_ms: int) -> None:
        """Nothing: the event says it, in call time."""

    def speech_ended(self) -> None:
        """Nothing: the event says it, in call time."""

    def _tell(self, heard: Heard | None) -> None:
        now = self._clock.now()
        for found in self._who.handle(heard, now, tone_sounds=self._tones.sounding):
            self._post(found)
        due = self._who.next_deadline()
        if due is not None and due <= now:
            due = now + FRAME_MS  # a tone sounds, and it will soon be known which
        if due is None:
            self._alarm.cancel()
        elif due != self._due:
            self._alarm.set(due, self._time_passed)
        self._due = due

    def _time_passed(self) -> None:
        self._due = None
        self._tell(None)
