"""ElevenLabs' voices: over one WebSocket a call where the model has it, over HTTP otherwise.

The socket takes several contexts; a reply is one, so that its clauses are spoken in one breath. Both ways tell when
each letter is spoken, and both make what the telephone line speaks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.errors import BadReply, BadSetting, ProviderError
from patter_cli.providers.elevenlabs_voices import ELEVENLABS, named_voice
from patter_cli.providers.http import Server, error_inside, refusal
from patter_cli.providers.languages import model_for
from patter_cli.providers.live_voice import Broken, ContextOver, LiveVoice, Said, Sound, Told, VoiceManner
from patter_cli.providers.socket import Message, Socket, connect
from patter_cli.providers.spoken_http import HttpVoice, Piece, Wanted, warm
from patter_cli.providers.vendor import current_model, socket_url
from patter_cli.providers.vendor_keys import try_address
from patter_cli.providers.voice_recipe import LiveVoices
from patter_cli.providers.wire_json import numbers_of, object_of, read_object, sound_of, text_of, texts_of

RETIRED = {
    "eleven_monolingual_v1": "eleven_flash_v2",
    "eleven_multilingual_v1": "eleven_multilingual_v2",
    "eleven_turbo_v2": "eleven_flash_v2",
    "eleven_turbo_v2_5": "eleven_flash_v2_5",
}
"""Source: ElevenLabs, models, 2026-11: turbo is superseded by flash at the same price."""
_NO_SOCKET = re.compile("eleven_(v3|v4)")
"""Models that the text-to-speech sockets refuse."""
_ONE_LANGUAGE = re.compile("eleven_(multilingual_v2|flash_v2$|turbo_v2$)")
"""Models that refuse a language, or have one alone."""
_ENGLISH = {"eleven_flash_v2": "eleven_flash_v2_5"}
LINE_BYTES = 1 << 20
"""More than this in one line of an answer is none of theirs."""
IDLE_S = 180
"""The longest that a socket may be silent, which its sessions ask for; a caller may think for a while."""
_STATUSES = {1008: 400, 3000: 401}
_KINDS = {"invalid_api_key": 401, "authentication_required": 401, "quota_exceeded": 402, "voice_id_does_not_exist": 404}
"""What the socket's errors are called."""


@dataclass(frozen=True, slots=True)
class ElevenLabsTTS(LiveVoices):
    """ElevenLabs. Its key comes from ELEVENLABS_API_KEY when it is used. Raises BadSetting.

    Source: ElevenLabs API reference, text-to-speech, multi-stream-input, 2026-11.
    """

    vendor = ELEVENLABS
    api_key: str | None = field(default=None, repr=False)
    voice: str = "rachel"
    """A stock voice's name, one of your own voices' by name, or any voice's id."""
    model: str = "eleven_flash_v2_5"
    base_url: str | None = None
    """https://api.elevenlabs.io unless given."""
    _: KW_ONLY
    language: str = ""
    """BCP-47; "" is the agent's."""
    stability: float | None = None
    similarity_boost: float | None = None
    speed: float | None = None
    """0.7 to 1.2."""
    voice_id: str = ""
    """The older name of `voice`, which it takes the place of."""
    transport: str = ""
    """ "websocket" or "http"; "": the socket where the model has one."""

    def __post_init__(self) -> None:
        ELEVENLABS.address(self.base_url)
        model = current_model("elevenlabs", self.model, RETIRED)
        object.__setattr__(self, "model", model_for("elevenlabs", model, self.language, _ENGLISH))
        if self.voice_id:
            object.__setattr__(self, "voice", self.voice_id)
            object.__setattr__(self, "voice_id", "")  # so that a call's own voice can replace it
        if not self.voice.strip():
            raise BadSetting("voice is empty", hint='voice="rachel", or the id of one')
        for name, least, most in (("stability", 0, 1), ("similarity_boost", 0, 1), ("speed", 0.7, 1.2)):
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise BadSetting(f"{name} is between {least} and {most}", hint=f"{name}={most}")
        if self.transport not in ("", "websocket", "http"):
            raise BadSetting(f"transport cannot be {self.transport!r}", hint='"websocket", "http", or leave it out')
        if self.transport == "websocket" and _NO_SOCKET.match(self.model):
            raise BadSetting(f"{self.model} has no socket", hint='leave transport out, or "http"')

    async def try_key(self) -> None:
        """Ask for the models, which costs nothing. Raises ConfigError, ProviderError."""
        server = self.server()
        await try_address(server, "/v1/models", _headers(server))

    async def warm(self) -> None:
        """Find the voice's id, if it is called by a name of its own, and open a connection for models without a socket.
        Raises ConfigError where there is no such voice."""
        server = self.server()
        try:
            await named_voice(server, self.voice, _headers(server))
        except ProviderError:
            return  # the first request will tell, and has others to stand in
        if not self._by_socket:
            await warm(server, "/v1/models", _headers(server))

    @property
    def _by_socket(self) -> bool:
        return self.transport != "http" and not _NO_SOCKET.match(self.model)

    async def _opened(self, asked: AudioFormat, out: AudioFormat | None) -> LiveVoice | HttpVoice:
        server = self.server()
        headers = _headers(server)
        voice = await named_voice(server, self.voice, headers)
        rate_hz = self.rate_hz
        if not self._by_socket:
            want = self._want(voice, asked, headers, server)
            return HttpVoice(server, want, asked=asked, out=out, rate_hz=rate_hz)
        query = {
            "model_id": self.model,
            "output_format": _format_name(asked),
            "language_code": self._language,
            "auto_mode": "true",
            "sync_alignment": "true",
            "inactivity_timeout": str(IDLE_S),
        }
        url = socket_url(server, f"/v1/text-to-speech/{voice}/multi-stream-input", query)

        async def opened() -> Socket:
            return await connect(server, url, headers, statuses=_STATUSES)

        settings = self._settings
        session = LiveVoice(
            server, opened, lambda: ElevenLabsDialect(server, settings), asked=asked, out=out, rate_hz=rate_hz
        )
        await session.open_ahead()
        return session

    def _want(
        self, voice: str, asked: AudioFormat, headers: dict[str, str], server: Server
    ) -> Callable[[str, str], Wanted]:
        path = f"/v1/text-to-speech/{voice}/stream/with-timestamps?output_format={_format_name(asked)}"

        def want(text: str, before: str) -> Wanted:
            body: dict[str, Any] = {"text": text, "model_id": self.model}
            if self._settings:
                body["voice_settings"] = self._settings
            if self._language:
                body["language_code"] = self._language
            if before and not _NO_SOCKET.match(self.model):
                body["previous_text"] = before
            return Wanted(path=path, headers=headers, body=body, read=lambda: LineReader(server).push)

        return want

    @property
    def _language(self) -> str:
        return "" if _ONE_LANGUAGE.match(self.model) else self.language.split("-")[0]

    @property
    def _settings(self) -> dict[str, float]:
        named = {"stability": self.stability, "similarity_boost": self.similarity_boost, "speed": self.speed}
        return {name: value for name, value in named.items() if value is not None}


def _headers(server: Server) -> dict[str, str]:
    return {"xi-api-key": server.key}


def _format_name(format: AudioFormat) -> str:
    name = {Encoding.ULAW: "ulaw", Encoding.ALAW: "alaw"}.get(format.encoding, "pcm")
    return f"{name}_{format.rate_hz}"


class ElevenLabsDialect:
    """`multi-stream-input`."""

    manner = VoiceManner(tells_end=False, contexts=5)

    def __init__(self, server: Server, settings: dict[str, float]) -> None:
        self._server = server
        self._settings = settings

    def opening(self) -> Sequence[Message]:
        return ()

    def begin(self, context: str) -> Sequence[Message]:
        first: dict[str, Any] = {"text": " ", "context_id": context}
        if self._settings:
            first["voice_settings"] = self._settings
        return (json.dumps(first),)

    def speak(self, context: str, text: str) -> Sequence[Message]:
        return (
            json.dumps({"text": text, "context_id": context}),
            json.dumps({"context_id": context, "flush": True}),
        )

    def leave(self, context: str, *, cut: bool) -> Sequence[Message]:
        return (json.dumps({"context_id": context, "close_context": True}),)

    def closing(self) -> Sequence[Message]:
        return ('{"close_socket":true}',)

    def receive(self, message: Message) -> list[Told]:
        said = read_object(self._server, message)
        context = text_of(said, "contextId") or text_of(said, "context_id")
        if said.get("error"):
            return [Broken(context, _error(self._server, said))]
        told: list[Told] = []
        sound = sound_of(self._server, said, "audio")
        if sound:
            told.append(Sound(context, sound))
        alignment = object_of(said, "alignment")
        if alignment:
            told.append(_aligned(context, alignment))
        if said.get("isFinal") is True or said.get("is_final") is True:
            told.append(ContextOver(context))
        return told


class LineReader:
    """`stream/with-timestamps`: an object a line."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._rest = b""

    def push(self, chunk: bytes) -> Iterable[Piece]:
        """What the lines say that this completes. Raises BadReply."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            raise BadReply(f"{self._server.host} sent a line without an end", provider=self._server.provider)
        for line in lines:
            if not line.strip():
                continue
            said = read_object(self._server, line)
            if said.get("detail") or said.get("error"):
                raise refusal(self._server, 500, {}, line)
            sound = sound_of(self._server, said, "audio_base64")
            alignment = object_of(said, "alignment")
            if alignment:
                starts = [each * 1000 for each in numbers_of(alignment, "character_start_times_seconds")]
                ends = [each * 1000 for each in numbers_of(alignment, "character_end_times_seconds")]
                yield Said("", tuple(texts_of(alignment, "characters")), tuple(starts), tuple(ends), "clause")
            if sound:
                yield Sound("", sound)


def _aligned(context: str, alignment: dict[str, Any]) -> Said:
    starts = numbers_of(alignment, "charStartTimesMs")
    lengths = numbers_of(alignment, "charDurationsMs") or numbers_of(alignment, "charsDurationsMs")
    ends = [start + length for start, length in zip(starts, lengths, strict=False)]
    return Said(context, tuple(texts_of(alignment, "chars")), tuple(starts), tuple(ends), "chunk")


def _error(server: Server, said: dict[str, Any]) -> ProviderError:
    kind, words = text_of(said, "error"), text_of(said, "message")
    status = _KINDS.get(kind)
    if status is None:
        return error_inside(server, {"type": kind, "message": words or kind, "code": None})
    return refusal(server, status, {}, json.dumps({"message": words or kind, "code": kind}).encode())
