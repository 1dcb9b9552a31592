"""Cartesia's ears (Ink) and voice (Sonic), both on the telephone's own bytes.

Ink is told to flush when the voice pauses; with turns=True it hears the end of a turn by itself instead, and cannot be
told. Sonic speaks a reply in one context, whose clauses end with a flush each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.contracts.keyterms import KeytermBudget
from patter_cli.contracts.stt import WordSpans
from patter_cli.errors import BadSetting, ProviderError
from patter_cli.providers.ears_recipe import LiveEars
from patter_cli.providers.heard_words import told_spans
from patter_cli.providers.http import Server, refusal
from patter_cli.providers.languages import model_for
from patter_cli.providers.live_hearing import Flushed, Heard, LiveSession, Manner, TurnOver, Words
from patter_cli.providers.live_voice import Broken, ClauseOver, ContextOver, LiveVoice, Said, Sound, Told, VoiceManner
from patter_cli.providers.socket import Message, Socket, connect
from patter_cli.providers.vendor import Vendor, current_model, socket_url
from patter_cli.providers.vendor_keys import try_address
from patter_cli.providers.voice_recipe import LiveVoices
from patter_cli.providers.wire_json import (
    list_of,
    number_of,
    numbers_of,
    object_of,
    read_object,
    sound_of,
    text_of,
    texts_of,
)

CARTESIA = Vendor(name="cartesia", variable="CARTESIA_API_KEY", url="https://api.cartesia.ai")
VERSION = "2026-08-14"
"""Of the interface."""

_EARS_GONE = {"ink": "ink-2", "ink-1": "ink-whisper"}
_VOICES_GONE = dict.fromkeys(
    ("sonic", "sonic-english", "sonic-multilingual", "sonic-turbo", "sonic-2", "sonic-2024-10-19"), "sonic-3.5"
)
"""Source: Cartesia, models, 2026-11."""
_ENGLISH = {"ink-2": "ink-whisper"}
"""Source: Cartesia, STT models, 2026-11."""
VOICES = {"katie": "f786b574-daa5-4673-aa0c-cbe3e8534c02", "kiefer": "228fca29-3a0a-435c-8728-5cb483251068"}
_ENCODINGS = {Encoding.ULAW: "pcm_mulaw", Encoding.ALAW: "pcm_alaw", Encoding.L16_LE: "pcm_s16le"}
LINGERS_S = 0.8
"""A context is gone a second after its last sound. Source: Cartesia, contexts."""


def _headers(server: Server) -> dict[str, str]:
    return {"x-api-key": server.key, "cartesia-version": VERSION}


def _error(server: Server, said: dict[str, Any]) -> ProviderError:
    status = int(number_of(said, "status_code", 500))
    words = text_of(said, "message") or text_of(said, "error") or text_of(said, "title")
    body = json.dumps({"message": words, "code": text_of(said, "error_code")}).encode()
    return refusal(server, status if 400 <= status < 600 else 500, {}, body)


@dataclass(frozen=True, slots=True)
class CartesiaSTT(LiveEars):
    """Ink. Its key comes from CARTESIA_API_KEY when it is used. Raises BadSetting.

    Source: Cartesia API reference, STT websocket and turns, 2026-11.
    """

    vendor = CARTESIA
    api_key: str | None = field(default=None, repr=False)
    language: str = ""
    """BCP-47; "" is the agent's. ink-2 hears English alone: for others ink-whisper is taken."""
    model: str = "ink-2"
    base_url: str | None = None
    """https://api.cartesia.ai unless given."""
    _: KW_ONLY
    keyterms: tuple[str, ...] = ()
    """Names and words to listen for, 100 at most and 1200 characters of them. ink-2."""
    turns: bool = False
    """Ink-2 hears the end of a turn by itself."""

    def __post_init__(self) -> None:
        CARTESIA.address(self.base_url)
        model = current_model("cartesia", self.model, _EARS_GONE)
        model = model_for("cartesia", model, self.language, _ENGLISH)
        if self.turns and model != "ink-2":
            raise BadSetting(f"{model} hears no turns", hint="leave turns out")
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "keyterms", tuple(self.keyterms))

    @property
    def keyterm_budget(self) -> KeytermBudget:
        """Source: Cartesia, STT websocket, 2026-11."""
        return KeytermBudget(terms=100, characters=1200)

    async def try_key(self) -> None:
        """Ask for a voice, which costs nothing. Raises ConfigError, ProviderError."""
        server = self.server()
        await try_address(server, "/voices?limit=1", _headers(server))

    async def _opened(self, format: AudioFormat) -> LiveSession:
        """Begin recognition for a line of this format. Raises ProviderError, ConfigError."""
        server = self.server()
        query: dict[str, str | tuple[str, ...]] = {
            "model": self.model,
            "encoding": _ENCODINGS[format.encoding],
            "sample_rate": str(format.rate_hz),
            "keyterm": self.keyterms if self.model == "ink-2" else (),
        }
        if not self.turns:
            query["language"] = self.language.split("-")[0] or "en"
        url = socket_url(server, "/stt/turns/websocket" if self.turns else "/stt/websocket", query)
        socket = await connect(server, url, _headers(server))
        dialect = InkTurnsDialect(server) if self.turns else InkDialect(server)
        return LiveSession(socket, dialect, format, provider=self.provider)


class InkDialect:
    """`/stt/websocket`: words are added to what was final, to the letter; a piece ends with a flush."""

    manner = Manner(chunk_s=0.06, answer_s=0.8, always_answers=True)

    def __init__(self, server: Server) -> None:
        self._server = server
        self._piece = 0
        self._settled = ""
        self._spans: WordSpans = ()
        """Of the words that are settled."""

    def opening(self) -> Sequence[Message]:
        return ()

    def sound(self, payload: bytes) -> Message:
        return payload

    def finalize(self) -> Sequence[Message]:
        return ("finalize",)

    def commit(self) -> Sequence[Message]:
        return ()

    def keep_alive(self) -> Sequence[Message]:
        return ()

    def closing(self) -> Sequence[Message]:
        return ("close",)

    def receive(self, message: Message) -> list[Heard]:
        said = read_object(self._server, message)
        match said.get("type"):
            case "transcript":
                added = text_of(said, "text")
                text = self._settled + added
                spans = (*self._spans, *told_spans(list_of(said, "words"), added, unit_ms=1000))
                if said.get("is_final") is True:
                    self._settled, self._spans = text, spans
                return [Words(self._piece, text, spans=spans)]
            case "flush_done":
                self._piece += 1
                self._settled, self._spans = "", ()
                return [Flushed()]
            case "error":
                raise _error(self._server, said)
            case _:
                return []


class InkTurnsDialect:
    """`/stt/turns/websocket`: a piece is a turn of the vendor's."""

    manner = Manner(chunk_s=0.1, answer_s=0.35, dead_s=None, idle_silence=True)

    def __init__(self, server: Server) -> None:
        self._server = server
        self._turn = 0

    def opening(self) -> Sequence[Message]:
        return ()

    def sound(self, payload: bytes) -> Message:
        return payload

    def finalize(self) -> Sequence[Message]:
        return ()

    def commit(self) -> Sequence[Message]:
        return ()

    def keep_alive(self) -> Sequence[Message]:
        return ()

    def closing(self) -> Sequence[Message]:
        return ('{"type":"close"}',)

    def receive(self, message: Message) -> list[Heard]:
        said = read_object(self._server, message)
        words = Words(self._turn, text_of(said, "transcript"))
        match said.get("type"):
            case "turn.update" | "turn.eager_end":
                return [words]
            case "turn.resume":
                return [TurnOver(0.5)]
            case "turn.end":
                self._turn += 1
                return [words, TurnOver(), Flushed(1e9)]
            case "error":
                raise _error(self._server, said)
            case _:
                return []


@dataclass(frozen=True, slots=True)
class CartesiaTTS(LiveVoices):
    """Sonic. Its key comes from CARTESIA_API_KEY when it is used. Raises BadSetting.

    Source: Cartesia API reference, TTS websocket, 2026-11.
    """

    vendor = CARTESIA
    api_key: str | None = field(default=None, repr=False)
    voice: str = "katie"
    """katie, kiefer, or any voice's id."""
    model: str = "sonic-3.5"
    base_url: str | None = None
    """https://api.cartesia.ai unless given."""
    _: KW_ONLY
    language: str = ""
    """BCP-47; "" is the agent's."""
    speed: float | None = None
    """0.6 to 1.5."""

    def __post_init__(self) -> None:
        CARTESIA.address(self.base_url)
        object.__setattr__(self, "model", current_model("cartesia", self.model, _VOICES_GONE))
        if not self.voice.strip():
            raise BadSetting("voice is empty", hint='voice="katie", or the id of one')
        if self.speed is not None and not 0.6 <= self.speed <= 1.5:
            raise BadSetting("speed is between 0.6 and 1.5", hint="leave it out to have the usual one")

    async def try_key(self) -> None:
        """Ask for a voice, which costs nothing. Raises ConfigError, ProviderError."""
        server = self.server()
        await try_address(server, "/voices?limit=1", _headers(server))

    async def _opened(self, asked: AudioFormat, out: AudioFormat | None) -> LiveVoice:
        server = self.server()
        fixed: dict[str, Any] = {
            "model_id": self.model,
            "voice": {"mode": "id", "id": VOICES.get(self.voice.lower(), self.voice)},
            "language": self.language.split("-")[0] or "en",
            "output_format": {
                "container": "raw",
                "encoding": _ENCODINGS[asked.encoding],
                "sample_rate": asked.rate_hz,
            },
            "add_timestamps": True,
            "max_buffer_delay_ms": 0,
        }
        if self.speed is not None:
            fixed["generation_config"] = {"speed": self.speed}

        async def opened() -> Socket:
            return await connect(server, socket_url(server, "/tts/websocket"), _headers(server))

        session = LiveVoice(
            server, opened, lambda: SonicDialect(server, fixed), asked=asked, out=out, rate_hz=self.rate_hz
        )
        await session.open_ahead()
        return session


class SonicDialect:
    """`/tts/websocket`."""

    manner = VoiceManner(contexts=6, lingers_s=LINGERS_S)

    def __init__(self, server: Server, fixed: dict[str, Any]) -> None:
        self._server = server
        self._fixed = fixed

    def opening(self) -> Sequence[Message]:
        return ()

    def begin(self, context: str) -> Sequence[Message]:
        return ()

    def speak(self, context: str, text: str) -> Sequence[Message]:
        return (
            self._input(context, transcript=text, **{"continue": True}),
            self._input(context, transcript="", **{"continue": True, "flush": True}),
        )

    def leave(self, context: str, *, cut: bool) -> Sequence[Message]:
        if cut:
            return (json.dumps({"context_id": context, "cancel": True}),)
        return (self._input(context, transcript="", **{"continue": False}),)

    def closing(self) -> Sequence[Message]:
        return ()

    def receive(self, message: Message) -> list[Told]:
        said = read_object(self._server, message)
        context = text_of(said, "context_id")
        match said.get("type"):
            case "chunk":
                sound = sound_of(self._server, said, "data")
                return [Sound(context, sound)] if sound else []
            case "timestamps":
                words = object_of(said, "word_timestamps")
                starts = tuple(each * 1000 for each in numbers_of(words, "start"))
                ends = tuple(each * 1000 for each in numbers_of(words, "end"))
                return [Said(context, tuple(texts_of(words, "words")), starts, ends, "context")]
            case "flush_done":
                return [ClauseOver(context)]
            case "done":
                return [ContextOver(context)]
            case "error":
                return [Broken(context, _error(self._server, said))]
            case _:
                return []

    def _input(self, context: str, **fields: Any) -> str:
        return json.dumps({"context_id": context, **self._fixed, **fields})
