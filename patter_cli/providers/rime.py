"""Rime's voices over its JSON socket: one stream of text, a flush for each clause, what a line speaks as it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field

from patter_cli.audio.frame import ULAW_8K, AudioFormat, Encoding
from patter_cli.errors import BadSetting
from patter_cli.providers.http import Server, refusal
from patter_cli.providers.languages import speaks
from patter_cli.providers.live_voice import Broken, ClauseOver, LiveVoice, Said, Sound, Told, VoiceManner
from patter_cli.providers.socket import Message, Socket, connect
from patter_cli.providers.speech_formats import LINEAR_8K, LINEAR_16K
from patter_cli.providers.vendor import Vendor, current_model, socket_url
from patter_cli.providers.voice_recipe import LiveVoices
from patter_cli.providers.wire_json import numbers_of, object_of, read_object, sound_of, text_of, texts_of

RIME = Vendor(name="rime", variable="RIME_API_KEY", url="https://users-ws.rime.ai")

_GONE = {**dict.fromkeys(("arcana", "arcanav2", "arcanav3"), "coda"), "mist": "mistv3", "v1": "mistv3"}
"""Source: Rime, changelog, 2026-08-15."""
_LANGUAGES = {"en": "eng", "es": "spa", "fr": "fra", "de": "ger", "pt": "por", "ja": "jpn", "ar": "ara", "hi": "hin"}

_SPEAKS = {"coda": frozenset(_LANGUAGES), "mistv3": frozenset(("en", "es", "fr", "de"))}
"""By model. Source: Rime, models, 2026-11."""


@dataclass(frozen=True, slots=True)
class RimeTTS(LiveVoices):
    """Rime. Its key comes from RIME_API_KEY when it is used. Raises BadSetting.

    Source: Rime API reference, websockets JSON (ws3), 2026-11.
    """

    vendor = RIME
    api_key: str | None = field(default=None, repr=False)
    voice: str = "astra"
    """A speaker of the model's."""
    model: str = "coda"
    """ "coda" for the fullest voice, "mistv3" for the quickest."""
    base_url: str | None = None
    """https://users-ws.rime.ai unless given; https://users-east-ws.rime.ai for carriers of the American east."""
    _: KW_ONLY
    language: str = ""
    """BCP-47; "" is the agent's."""

    def __post_init__(self) -> None:
        RIME.address(self.base_url)
        object.__setattr__(self, "model", current_model("rime", self.model, _GONE))
        if not self.voice.strip():
            raise BadSetting("voice is empty", hint='voice="astra"')
        language, known = speaks(self.language) or "en", _SPEAKS.get(self.model)
        if known is not None and language not in known:
            others = [model for model, its in _SPEAKS.items() if language in its]
            raise BadSetting(
                f"Rime's {self.model} does not speak {language!r}",
                hint=f'model="{others[0]}", and one of its voices' if others else "give the agent another vendor's tts",
            )

    @property
    def wire_formats(self) -> frozenset[AudioFormat]:
        return frozenset((ULAW_8K, LINEAR_8K, LINEAR_16K))

    async def _opened(self, asked: AudioFormat, out: AudioFormat | None) -> LiveVoice:
        server = self.server()
        language = speaks(self.language) or "en"
        query = {
            "speaker": self.voice,
            "modelId": self.model,
            "audioFormat": "mulaw" if asked.encoding is Encoding.ULAW else "pcm",
            "samplingRate": str(asked.rate_hz),
            "lang": _LANGUAGES.get(language, language),
            "segment": "never",
        }

        async def opened() -> Socket:
            return await connect(server, socket_url(server, "/ws3", query), server.headers)

        session = LiveVoice(server, opened, lambda: RimeDialect(server), asked=asked, out=out, rate_hz=self.rate_hz)
        await session.open_ahead()
        return session


class RimeDialect:
    """`/ws3`."""

    manner = VoiceManner(contexts=0)

    def __init__(self, server: Server) -> None:
        self._server = server

    def opening(self) -> Sequence[Message]:
        return ()

    def begin(self, context: str) -> Sequence[Message]:
        return ()

    def speak(self, context: str, text: str) -> Sequence[Message]:
        return (json.dumps({"text": text, "contextId": context}), '{"operation":"flush"}')

    def leave(self, context: str, *, cut: bool) -> Sequence[Message]:
        return ('{"operation":"clear"}',) if cut else ()

    def closing(self) -> Sequence[Message]:
        return ('{"operation":"eos"}',)

    def receive(self, message: Message) -> list[Told]:
        said = read_object(self._server, message)
        context = text_of(said, "contextId")
        match said.get("type"):
            case "chunk":
                sound = sound_of(self._server, said, "data")
                return [Sound(context, sound)] if sound else []
            case "timestamps":
                words = object_of(said, "word_timestamps")
                starts = tuple(each * 1000 for each in numbers_of(words, "start"))
                ends = tuple(each * 1000 for each in numbers_of(words, "end"))
                return [Said(context, tuple(texts_of(words, "words")), starts, ends, "clause")]
            case "done":
                return [ClauseOver(context)]
            case "error":
                words_said = json.dumps({"message": text_of(said, "message")}).encode()
                return [Broken(context, refusal(self._server, 500, {}, words_said))]
            case _:
                return []
