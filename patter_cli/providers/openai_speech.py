"""OpenAI's ears and voice: live transcription over the Realtime socket, and speech over HTTP.

Transcription takes the telephone's own bytes; where an address refuses them, as a gateway may, its next session is
given linear samples. Speech comes as linear samples at 24 kHz, and has no end of life after 2027-01-06.
"""

from __future__ import annotations

import base64
import json
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from patter_cli.audio.frame import ULAW_8K, AudioFormat, Encoding
from patter_cli.errors import BadSetting, Unavailable
from patter_cli.providers.ears_recipe import LiveEars
from patter_cli.providers.http import Server, error_inside
from patter_cli.providers.live_hearing import Flushed, Heard, LiveSession, Manner, Ready, Words
from patter_cli.providers.socket import Message, connect
from patter_cli.providers.speech_formats import ALAW_8K, LINEAR_24K
from patter_cli.providers.spoken_http import HttpVoice, Wanted, warm
from patter_cli.providers.vendor import Vendor, current_model, socket_url
from patter_cli.providers.vendor_keys import try_address
from patter_cli.providers.voice_recipe import LiveVoices
from patter_cli.providers.wire_json import object_of, read_object, text_of

log = logging.getLogger(__name__)

OPENAI = Vendor(name="openai", variable="OPENAI_API_KEY", url="https://api.openai.com/v1", version="v1")

_EARS_END = dict.fromkeys(
    ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe-2025-12-15"),
    "2027-02-26; gpt-live-transcribe takes its place",
)
_EARS_GONE = {"whisper": "gpt-live-transcribe", "gpt-4o-transcribe-latest": "gpt-live-transcribe"}
_VOICES_END = dict.fromkeys(
    ("gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15", "tts-1", "tts-1-hd"),
    "2027-01-06, and names no successor that reads a text; another voice has to be chosen by then",
)
"""Source: OpenAI, deprecations, 2026-11."""
_TYPES = {Encoding.ULAW: "audio/pcmu", Encoding.ALAW: "audio/pcma"}
_LINEAR_ONLY: set[str] = set()
"""Addresses that refused the telephone's bytes."""


@dataclass(frozen=True, slots=True)
class WhisperSTT(LiveEars):
    """OpenAI's transcription. Its key comes from OPENAI_API_KEY when it is used. Raises BadSetting.

    Source: OpenAI, Realtime transcription, 2026-11.
    """

    vendor = OPENAI
    api_key: str | None = field(default=None, repr=False)
    language: str = ""
    """BCP-47; "" is the agent's."""
    model: str = "gpt-live-transcribe"
    base_url: str | None = None
    """https://api.openai.com/v1 unless given."""
    _: KW_ONLY
    keyterms: tuple[str, ...] = ()
    """Names and words to listen for."""

    def __post_init__(self) -> None:
        OPENAI.address(self.base_url)
        object.__setattr__(self, "model", current_model("openai", self.model, _EARS_GONE, _EARS_END))
        object.__setattr__(self, "keyterms", tuple(self.keyterms))

    @property
    def rate_hz(self) -> int:
        """24000: the only rate of linear samples that it takes."""
        return LINEAR_24K.rate_hz

    @property
    def wire_formats(self) -> frozenset[AudioFormat]:
        return frozenset() if OPENAI.address(self.base_url) in _LINEAR_ONLY else frozenset((ULAW_8K, ALAW_8K))

    async def try_key(self) -> None:
        """Ask for the model's description, which costs nothing. Raises ConfigError, ProviderError."""
        server = self.server()
        await try_address(server, f"/models/{self.model}", server.headers)

    async def open(self) -> LiveSession:
        """Begin recognition for one call, with linear samples. Raises ProviderError, ConfigError."""
        return await self._opened(LINEAR_24K)

    async def _opened(self, format: AudioFormat) -> LiveSession:
        """The same for a line of this format."""
        server = self.server()
        socket = await connect(server, socket_url(server, "/realtime", {"intent": "transcription"}), server.headers)
        dialect = TranscriptionDialect(server, self._session(format), coded=format.encoding in _TYPES)
        return LiveSession(socket, dialect, format, provider=self.provider)

    def _session(self, format: AudioFormat) -> dict[str, Any]:
        coded = _TYPES.get(format.encoding)
        transcription: dict[str, Any] = {"model": self.model}
        if self.language:
            transcription["language"] = self.language.split("-")[0]
        if self.keyterms and self.model in ("gpt-live-transcribe", "gpt-transcribe"):
            transcription["keywords"] = list(self.keyterms)
        elif self.keyterms and self.model != "gpt-realtime-whisper":
            transcription["prompt"] = ", ".join(self.keyterms)
        sound = {
            "format": {"type": coded} if coded else {"type": "audio/pcm", "rate": format.rate_hz},
            "noise_reduction": {"type": "near_field"},
            "transcription": transcription,
            "turn_detection": None,
        }
        return {"type": "session.update", "session": {"type": "transcription", "audio": {"input": sound}}}


class TranscriptionDialect:
    """A piece is what we commit: an item of the vendor's. Items may be finished out of their order."""

    manner = Manner(chunk_s=0.06, answer_s=1.5, dead_s=3.0, starts_ready=False, always_answers=True)

    def __init__(self, server: Server, session: dict[str, Any], *, coded: bool) -> None:
        self._server = server
        self._session = session
        self._coded = coded
        self._texts: dict[str, str] = {}
        self._done: set[str] = set()
        self._committed: deque[str] = deque()
        self._count = 0
        self._ready = False

    def opening(self) -> Sequence[Message]:
        return (json.dumps(self._session),)

    def sound(self, payload: bytes) -> Message:
        return '{"type":"input_audio_buffer.append","audio":"' + base64.b64encode(payload).decode() + '"}'

    def finalize(self) -> Sequence[Message]:
        return ('{"type":"input_audio_buffer.commit"}',)

    def commit(self) -> Sequence[Message]:
        return ()

    def keep_alive(self) -> Sequence[Message]:
        return ()

    def closing(self) -> Sequence[Message]:
        return ()

    def receive(self, message: Message) -> list[Heard]:
        said = read_object(self._server, message)
        kind, item = text_of(said, "type"), text_of(said, "item_id")
        match kind:
            case "session.updated" if not self._ready:
                self._ready = True
                return [Ready()]
            case "input_audio_buffer.committed":
                self._piece(item)
                self._committed.append(item)
                return self._finished()
            case "conversation.item.input_audio_transcription.delta":
                text = self._texts.get(item, "") + text_of(said, "delta")
                return [self._words(item, text)]
            case "conversation.item.input_audio_transcription.completed":
                words = self._words(item, text_of(said, "transcript"))
                self._done.add(item)
                return [words, *self._finished()]
            case "conversation.item.input_audio_transcription.failed":
                why = text_of(object_of(said, "error"), "message")
                log.warning("openai could not transcribe a stretch: %s", ascii(why[:200]))
                self._piece(item)
                self._done.add(item)
                return self._finished()
            case "error":
                return self._error(object_of(said, "error"))
            case _:
                return []

    def _error(self, error: dict[str, Any]) -> list[Heard]:
        if "commit_empty" in text_of(error, "code"):
            self._count += 1
            nothing = f"nothing-{self._count}"
            self._committed.append(nothing)
            self._done.add(nothing)
            return self._finished()
        if self._coded and not self._ready and "format" in text_of(error, "param"):
            _LINEAR_ONLY.add(self._server.base_url)
            raise Unavailable(f"{self._server.host} wants linear samples", provider=self._server.provider)
        raise error_inside(self._server, error)

    def _piece(self, item: str) -> int:
        self._texts.setdefault(item, "")
        while len(self._texts) > 64:
            del self._texts[next(iter(self._texts))]
        return hash(item)

    def _words(self, item: str, text: str) -> Words:
        piece = self._piece(item)
        self._texts[item] = text
        return Words(piece, text)

    def _finished(self) -> list[Heard]:
        """Answers, in the order of the questions."""
        found: list[Heard] = []
        while self._committed and self._committed[0] in self._done:
            self._done.discard(self._committed.popleft())
            found.append(Flushed())
        return found


@dataclass(frozen=True, slots=True)
class OpenAITTS(LiveVoices):
    """OpenAI's voices. Its key comes from OPENAI_API_KEY when it is used. Raises BadSetting.

    Source: OpenAI API reference, speech, 2026-11.
    """

    vendor = OPENAI
    api_key: str | None = field(default=None, repr=False)
    voice: str = "coral"
    model: str = "gpt-4o-mini-tts"
    base_url: str | None = None
    """https://api.openai.com/v1 unless given."""
    _: KW_ONLY
    instructions: str = ""
    """How to speak: "warmly, and a little slower than usual". Not for tts-1."""
    speed: float | None = None
    """0.25 to 4."""

    def __post_init__(self) -> None:
        OPENAI.address(self.base_url)
        object.__setattr__(self, "model", current_model("openai", self.model, {}, _VOICES_END))
        if not self.voice.strip():
            raise BadSetting("voice is empty", hint='voice="coral"')
        if self.speed is not None and not 0.25 <= self.speed <= 4:
            raise BadSetting("speed is between 0.25 and 4", hint="leave it out to have the usual one")

    @property
    def rate_hz(self) -> int:
        """24000."""
        return LINEAR_24K.rate_hz

    @property
    def wire_formats(self) -> frozenset[AudioFormat]:
        """None: it has no format of telephones."""
        return frozenset()

    async def try_key(self) -> None:
        """Ask for the model's description, which costs nothing. Raises ConfigError, ProviderError."""
        server = self.server()
        await try_address(server, f"/models/{self.model}", server.headers)

    async def warm(self) -> None:
        """Open a connection ahead of the first clause; a failure is not raised."""
        server = self.server()
        await warm(server, f"/models/{self.model}", server.headers)

    async def _opened(self, asked: AudioFormat, out: AudioFormat | None) -> HttpVoice:
        server = self.server()
        fixed: dict[str, Any] = {"model": self.model, "voice": self.voice, "response_format": "pcm"}
        if self.instructions and not self.model.startswith("tts-1"):
            fixed["instructions"] = self.instructions
        if self.speed is not None:
            fixed["speed"] = self.speed

        def want(text: str, before: str) -> Wanted:
            return Wanted(path="/audio/speech", headers=server.headers, body={**fixed, "input": text})

        return HttpVoice(server, want, asked=LINEAR_24K, out=None, rate_hz=self.rate_hz)
