"""Several who hear the caller: recognition, a model that listens for the end of a turn, an ear for machines."""

from __future__ import annotations

from patter_cli.audio.wire import LineAudio
from patter_cli.engine.inbound import AudioSink


class AudioFanout:
    """Hands the caller's samples and speech edges to all, in this order."""

    def __init__(self, *sinks: AudioSink) -> None:
        self._sinks = sinks

    def push(self, audio: LineAudio) -> None:
        for sink in self._sinks:
            sink.push(audio)

    def speech_started(self, onset_ms: int) -> None:
        for sink in self._sinks:
            sink.speech_started(onset_ms)

    def speech_ended(self) -> None:
        for sink in self._sinks:
            sink.speech_ended()
