"""Speechmatics' recogniser, real-time v2: it listens once it has said so, and is told when the voice pauses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from patter_cli.audio.frame import ULAW_8K, AudioFormat, Encoding
from patter_cli.contracts.stt import WordSpans
from patter_cli.errors import BadSetting
from patter_cli.providers.ears_recipe import LiveEars
from patter_cli.providers.heard_words import told_spans
from patter_cli.providers.http import Server, refusal
from patter_cli.providers.live_hearing import Flushed, Heard, LiveSession, Manner, Ready, Words
from patter_cli.providers.socket import Message, connect
from patter_cli.providers.speech_formats import LINEAR_8K, LINEAR_16K
from patter_cli.providers.vendor import Vendor, current_model, socket_url
from patter_cli.providers.wire_json import list_of, object_of, read_object, text_of

SPEECHMATICS = Vendor(name="speechmatics", variable="SPEECHMATICS_API_KEY", url="https://eu2.rt.speechmatics.com")

_STATUSES = {1003: 400, 4001: 401, 4003: 403, 4004: 404, 4005: 429, 4006: 402, 4013: 503}
"""Source: Speechmatics, real-time close codes."""
_KINDS = {
    "not_authorised": 401,
    "not_allowed": 403,
    "invalid_model": 404,
    "quota_exceeded": 429,
    "timelimit_exceeded": 402,
    "job_error": 503,
    "idle_timeout": 503,
    "session_timeout": 503,
    "unknown_error": 500,
}
"""The same by name; any other is our mistake."""


@dataclass(frozen=True, slots=True)
class SpeechmaticsSTT(LiveEars):
    """Speechmatics. Its key comes from SPEECHMATICS_API_KEY when it is used. Raises BadSetting.

    Source: Speechmatics real-time API reference, v2, 2026-11.
    """

    vendor = SPEECHMATICS
    api_key: str | None = field(default=None, repr=False)
    language: str = ""
    """A code of Speechmatics'; "" is the agent's."""
    model: str = "enhanced"
    base_url: str | None = None
    """https://eu2.rt.speechmatics.com unless given."""
    _: KW_ONLY
    keyterms: tuple[str, ...] = ()
    """Names and words to listen for."""
    max_delay_s: float = 1.0
    """0.7 to 4: the longest that it thinks about a word."""

    def __post_init__(self) -> None:
        SPEECHMATICS.address(self.base_url)
        object.__setattr__(self, "model", current_model("speechmatics", self.model, {}))
        object.__setattr__(self, "keyterms", tuple(self.keyterms))
        if not 0.7 <= self.max_delay_s <= 4:
            raise BadSetting("max_delay_s is between 0.7 and 4", hint="max_delay_s=1.0")

    @property
    def wire_formats(self) -> frozenset[AudioFormat]:
        return frozenset((ULAW_8K, LINEAR_8K, LINEAR_16K))

    async def _opened(self, format: AudioFormat) -> LiveSession:
        """Begin recognition for a line of this format. Raises ProviderError, ConfigError."""
        server = self.server()
        config: dict[str, Any] = {
            "language": self.language.split("-")[0] or "en",
            "model": self.model,
            "enable_partials": True,
            "max_delay": self.max_delay_s,
            "max_delay_mode": "flexible",
        }
        if self.keyterms:
            config["additional_vocab"] = [{"content": each} for each in self.keyterms]
        start = {
            "message": "StartRecognition",
            "audio_format": {
                "type": "raw",
                "encoding": "mulaw" if format.encoding is Encoding.ULAW else "pcm_s16le",
                "sample_rate": format.rate_hz,
            },
            "transcription_config": config,
        }
        socket = await connect(server, socket_url(server, "/v2"), server.headers, statuses=_STATUSES)
        return LiveSession(socket, UtterancesDialect(server, start), format, provider=self.provider)


class UtterancesDialect:
    """`/v2`: a piece is what comes up to the end of an utterance that we asked for; partials are its tail."""

    manner = Manner(chunk_s=0.06, answer_s=0.9, starts_ready=False, always_answers=True)

    def __init__(self, server: Server, start: dict[str, Any]) -> None:
        self._server = server
        self._start = start
        self._piece = 0
        self._settled = ""
        self._spans: WordSpans = ()
        """Of the words that are settled."""
        self._sent = 0

    def opening(self) -> Sequence[Message]:
        return (json.dumps(self._start),)

    def sound(self, payload: bytes) -> Message:
        self._sent += 1
        return payload

    def finalize(self) -> Sequence[Message]:
        return ('{"message":"ForceEndOfUtterance"}',)

    def commit(self) -> Sequence[Message]:
        return ()

    def keep_alive(self) -> Sequence[Message]:
        return ()  # the pings of the connection are enough

    def closing(self) -> Sequence[Message]:
        return (json.dumps({"message": "EndOfStream", "last_seq_no": self._sent}),)

    def receive(self, message: Message) -> list[Heard]:
        said = read_object(self._server, message)
        text = text_of(object_of(said, "metadata"), "transcript")
        told = told_spans(_spoken(said), text, start="start_time", end="end_time", unit_ms=1000)
        match said.get("message"):
            case "RecognitionStarted":
                return [Ready()]
            case "AddPartialTranscript":
                return [Words(self._piece, self._settled + text, spans=(*self._spans, *told))]
            case "AddTranscript":
                self._settled += text
                self._spans = (*self._spans, *told)
                return [Words(self._piece, self._settled, spans=self._spans)]
            case "EndOfUtterance":
                self._piece += 1
                self._settled, self._spans = "", ()
                return [Flushed()]
            case "Error":
                status = _KINDS.get(text_of(said, "type"), 400)
                raise refusal(self._server, status, {}, json.dumps({"message": text_of(said, "reason")}).encode())
            case _:
                return []


def _spoken(said: Any) -> list[Any]:
    """Its results that are words, and not marks that stand at one."""
    return [each for each in list_of(said, "results") if text_of(each, "type") != "punctuation"]
