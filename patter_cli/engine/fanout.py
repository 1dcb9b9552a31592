"""Several who hear the caller: recognition, and a model that listens for the end of a turn."""

from __future__ import annotations

from patter_cli.audio.frame import Samples
from patter_cli.engine.eou import EndOfTurnDetector
from patter_cli.engine.inbound import AudioSink


class AudioFanout:
    """Hands the caller's samples and speech edges to both, in this order."""

    def __init__(self, listener: AudioSink, turn_ear: EndOfTurnDetector) -> None:
        self._listener = listener
        self._turn_ear = turn_ear

    def push(self, samples: Samples) -> None:
        self._listener.push(samples)
        self._turn_ear.push(samples)

    def speech_started(self, onset_ms: int) -> None:
        self._listener.speech_started(onset_ms)
        self._turn_ear.speech_started(onset_ms)

    def speech_ended(self) -> None:
        self._listener.speech_ended()
