"""Soniox's recogniser: words come as tokens, the final ones once and for all, the others anew in every message.

It hears the end of a turn by itself, and is told to finish where it has not after a moment: asked too often it hangs
up. What it is sent comes no faster than it was spoken.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.contracts.stt import WordSpans
from patter_cli.errors import BadSetting
from patter_cli.providers.ears_recipe import LiveEars
from patter_cli.providers.heard_words import whole_spans
from patter_cli.providers.http import Server, refusal
from patter_cli.providers.live_hearing import Flushed, Heard, LiveSession, Manner, TurnOver, Words
from patter_cli.providers.socket import Message, connect
from patter_cli.providers.vendor import Vendor, current_model, socket_url
from patter_cli.providers.wire_json import list_of, number_of, read_object, text_of

SONIOX = Vendor(name="soniox", variable="SONIOX_API_KEY", url="https://stt-rt.soniox.com")

_GONE = dict.fromkeys(
    ("stt-rt-preview", "stt-rt-preview-v2", "stt-rt-v3", "stt-rt-v3-preview", "stt-rt-v4"), "stt-rt-v5"
)
"""Source: Soniox, models, 2026-11."""
_ENCODINGS = {Encoding.ULAW: "mulaw", Encoding.ALAW: "alaw", Encoding.L16_LE: "pcm_s16le"}


@dataclass(frozen=True, slots=True)
class SonioxSTT(LiveEars):
    """Soniox. Its key comes from SONIOX_API_KEY when it is used. Raises BadSetting.

    Source: Soniox real-time API, 2026-11.
    """

    vendor = SONIOX
    api_key: str | None = field(default=None, repr=False)
    language: str = ""
    """BCP-47, a hint: it hears sixty languages; "" is the agent's."""
    model: str = "stt-rt-v5"
    base_url: str | None = None
    """https://stt-rt.soniox.com unless given."""
    _: KW_ONLY
    keyterms: tuple[str, ...] = ()
    """Names and words to listen for."""
    max_endpoint_delay_ms: int = 1000
    """500 to 3000: the longest that it waits in a pause before it calls the turn over."""

    def __post_init__(self) -> None:
        SONIOX.address(self.base_url)
        object.__setattr__(self, "model", current_model("soniox", self.model, _GONE))
        object.__setattr__(self, "keyterms", tuple(self.keyterms))
        if not 500 <= self.max_endpoint_delay_ms <= 3000:
            raise BadSetting("max_endpoint_delay_ms is between 500 and 3000", hint="max_endpoint_delay_ms=1000")

    async def _opened(self, format: AudioFormat) -> LiveSession:
        """Begin recognition for a line of this format. Raises ProviderError, ConfigError."""
        server = self.server()
        config: dict[str, Any] = {
            "model": self.model,
            "audio_format": _ENCODINGS[format.encoding],
            "sample_rate": format.rate_hz,
            "num_channels": 1,
            "enable_endpoint_detection": True,
            "max_endpoint_delay_ms": self.max_endpoint_delay_ms,
        }
        if self.language:
            config["language_hints"] = [self.language.split("-")[0]]
        if self.keyterms:
            config["context"] = {"terms": list(self.keyterms)}
        socket = await connect(server, socket_url(server, "/transcribe-websocket"), server.headers)
        return LiveSession(socket, TokensDialect(server, config), format, provider=self.provider)


class TokensDialect:
    """`/transcribe-websocket`: a piece is what comes up to a mark, `<end>` or `<fin>`."""

    manner = Manner(chunk_s=0.06, answer_s=0.6, hold_s=0.2, live_pace=True, always_answers=True)

    def __init__(self, server: Server, config: dict[str, Any]) -> None:
        self._server = server
        self._config = config
        self._piece = 0
        self._settled = ""
        self._tokens: list[Any] = []
        """Those that are settled."""

    def opening(self) -> Sequence[Message]:
        return (json.dumps(self._config),)

    def sound(self, payload: bytes) -> Message:
        return payload

    def finalize(self) -> Sequence[Message]:
        return ('{"type":"finalize"}',)

    def commit(self) -> Sequence[Message]:
        return ()

    def keep_alive(self) -> Sequence[Message]:
        return ('{"type":"keepalive"}',)

    def closing(self) -> Sequence[Message]:
        return ("",)

    def receive(self, message: Message) -> list[Heard]:
        said = read_object(self._server, message)
        if said.get("error_code") is not None:
            status = int(number_of(said, "error_code", 500))
            body = {"message": text_of(said, "error_message"), "code": text_of(said, "error_type")}
            raise refusal(self._server, status if 400 <= status < 600 else 500, {}, json.dumps(body).encode())
        heard: list[Heard] = []
        tail = ""
        later: list[Any] = []
        until_s = number_of(said, "total_audio_proc_ms") / 1000
        changed = False
        for token in list_of(said, "tokens"):
            if not isinstance(token, dict):
                continue
            text = text_of(token, "text")
            if text in ("<end>", "<fin>"):
                spans = _spans(self._tokens)
                heard += [Words(self._piece, self._settled, spans=spans), Flushed(until_s)]
                if text == "<end>":
                    heard.append(TurnOver())
                self._piece += 1
                self._settled = tail = ""
                self._tokens, later = [], []
                changed = False
            elif token.get("is_final") is True:
                self._settled += text
                self._tokens.append(token)
                changed = True
            else:
                tail += text
                later.append(token)
                changed = True
        if changed:
            spans = _spans([*self._tokens, *later])
            heard.append(Words(self._piece, self._settled + tail, spans=spans))
        return heard


def _spans(tokens: Sequence[Any]) -> WordSpans:
    """Of words that come as tokens, each with its text and its times in ms; a blank before one begins a word."""
    found: list[tuple[float, float]] = []
    open_word = False
    for token in tokens:
        text = text_of(token, "text")
        span = number_of(token, "start_ms", -1), number_of(token, "end_ms", -1)
        if not text.strip():
            open_word = False
        elif open_word and not text[0].isspace():
            found[-1] = found[-1][0], max(found[-1][1], span[1])
        else:
            found.append(span)
            open_word = True
    return whole_spans(found)
