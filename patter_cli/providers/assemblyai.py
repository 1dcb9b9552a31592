"""AssemblyAI's streaming recogniser: it hears the end of a turn by itself, and is only pressed when it takes its time.

What it is sent must come in pieces of 50 to 1000 ms and no faster than it was spoken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field

from patter_cli.audio.frame import ULAW_8K, AudioFormat, Encoding
from patter_cli.errors import BadSetting
from patter_cli.providers.ears_recipe import LiveEars
from patter_cli.providers.heard_words import told_spans
from patter_cli.providers.http import Server, refusal
from patter_cli.providers.languages import model_for
from patter_cli.providers.live_hearing import Flushed, Heard, LiveSession, Manner, TurnOver, Words
from patter_cli.providers.socket import Message, connect
from patter_cli.providers.speech_formats import LINEAR_8K, LINEAR_16K
from patter_cli.providers.vendor import Vendor, current_model, socket_url
from patter_cli.providers.vendor_keys import try_address
from patter_cli.providers.wire_json import list_of, number_of, read_object, text_of

ASSEMBLYAI = Vendor(name="assemblyai", variable="ASSEMBLYAI_API_KEY", url="https://streaming.assemblyai.com")

_GONE = {
    "u3-pro": "universal-3-5-pro",
    "u3-rt-pro": "universal-3-5-pro",
    "universal-streaming": "universal-streaming-english",
}
"""Source: AssemblyAI, models, 2026-09-02."""
_ENGLISH = {"universal-streaming-english": "universal-streaming-multilingual"}
VERSION = "2025-05-12"
_STATUSES = {3005: 503, 3006: 400, 3007: 400, 3008: 503, 3009: 429, 1013: 503}
"""Source: AssemblyAI, common errors of streaming."""
NEVER_S = 1e9
"""Farther than any question reaches: a turn that is over answers all of them."""


@dataclass(frozen=True, slots=True)
class AssemblyAISTT(LiveEars):
    """AssemblyAI. Its key comes from ASSEMBLYAI_API_KEY when it is used. Raises BadSetting.

    Source: AssemblyAI streaming API, v3, 2026-11.
    """

    vendor = ASSEMBLYAI
    api_key: str | None = field(default=None, repr=False)
    language: str = ""
    """BCP-47; "" is the agent's."""
    model: str = "universal-3-6-pro"
    base_url: str | None = None
    """https://streaming.assemblyai.com unless given."""
    _: KW_ONLY
    keyterms: tuple[str, ...] = ()
    """Names and words to listen for."""
    max_turn_silence_ms: int | None = None
    """Silence that ends any turn; None: AssemblyAI's own."""

    def __post_init__(self) -> None:
        ASSEMBLYAI.address(self.base_url)
        model = current_model("assemblyai", self.model, _GONE)
        object.__setattr__(self, "model", model_for("assemblyai", model, self.language, _ENGLISH))
        object.__setattr__(self, "keyterms", tuple(self.keyterms))
        if self.max_turn_silence_ms is not None and self.max_turn_silence_ms < 50:
            raise BadSetting("max_turn_silence_ms is 50 or more", hint="leave it out to have AssemblyAI's own")

    @property
    def wire_formats(self) -> frozenset[AudioFormat]:
        return frozenset((ULAW_8K, LINEAR_8K, LINEAR_16K))

    async def try_key(self) -> None:
        """Ask for a token, which costs nothing. Raises ConfigError, ProviderError."""
        server = self.server()
        await try_address(server, "/v3/token?expires_in_seconds=60", _headers(server))

    async def _opened(self, format: AudioFormat) -> LiveSession:
        """Begin recognition for a line of this format. Raises ProviderError, ConfigError."""
        server = self.server()
        language = self.language.split("-")[0]
        universal_3 = self.model.startswith("universal-3")
        query = {
            "speech_model": self.model,
            "encoding": "pcm_mulaw" if format.encoding is Encoding.ULAW else "pcm_s16le",
            "sample_rate": str(format.rate_hz),
            "keyterms_prompt": json.dumps(list(self.keyterms)) if self.keyterms else "",
            "language_codes": json.dumps([language]) if universal_3 and language not in ("", "en") else "",
            "max_turn_silence": "" if self.max_turn_silence_ms is None else str(self.max_turn_silence_ms),
        }
        socket = await connect(server, socket_url(server, "/v3/ws", query), _headers(server), statuses=_status_of)
        return LiveSession(socket, TurnsDialect(server), format, provider=self.provider)


def _status_of(code: int, words: str) -> int | None:
    """1008 is for the key, the balance and too many new sessions alike; only its words tell."""
    if code != 1008:
        return _STATUSES.get(code)
    if re.search(r"concurrent|too many|\brate\b", words, re.IGNORECASE):
        return 429
    return 402 if re.search("balance|credit|fund", words, re.IGNORECASE) else 403


def _headers(server: Server) -> dict[str, str]:
    return {"authorization": server.key, "assemblyai-version": VERSION}


class TurnsDialect:
    """`/v3/ws`: a piece is a turn of the vendor's, whose words replace each other."""

    manner = Manner(chunk_s=0.06, answer_s=0.6, hold_s=0.15, dead_s=None, live_pace=True)

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pressed = False

    def opening(self) -> Sequence[Message]:
        return ()

    def sound(self, payload: bytes) -> Message:
        return payload

    def finalize(self) -> Sequence[Message]:
        self._pressed = True
        return ('{"type":"ForceEndpoint"}',)

    def commit(self) -> Sequence[Message]:
        return ()

    def keep_alive(self) -> Sequence[Message]:
        return ('{"type":"KeepAlive"}',)

    def closing(self) -> Sequence[Message]:
        return ('{"type":"Terminate"}',)

    def receive(self, message: Message) -> list[Heard]:
        said = read_object(self._server, message)
        match said.get("type"):
            case "Turn":
                text = text_of(said, "transcript")
                spans = told_spans(list_of(said, "words"), text, unit_ms=1)
                words = Words(int(number_of(said, "turn_order")), text, spans=spans)
                if said.get("end_of_turn") is not True:
                    return [words]
                pressed, self._pressed = self._pressed, False
                return [words, Flushed(NEVER_S)] if pressed else [words, TurnOver(), Flushed(NEVER_S)]
            case "Error":
                status = _status_of(int(number_of(said, "error_code")), text_of(said, "error")) or 500
                raise refusal(self._server, status, {}, json.dumps({"message": text_of(said, "error")}).encode())
            case _:
                return []
