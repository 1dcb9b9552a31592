"""LMNT's voices over its socket: one stream of text, a numbered flush for each clause, bare samples back.

Its mu-law comes with a file's header, so samples are asked for at the line's rate, and encoded here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from patter_cli.audio.frame import AudioFormat
from patter_cli.errors import BadSetting
from patter_cli.providers.http import Server, refusal
from patter_cli.providers.live_voice import (
    Broken,
    ClauseOver,
    Listening,
    LiveVoice,
    Said,
    Sound,
    Told,
    VoiceManner,
)
from patter_cli.providers.socket import Message, Socket, connect
from patter_cli.providers.speech_formats import LINEAR_8K, LINEAR_16K
from patter_cli.providers.vendor import Vendor, current_model, socket_url
from patter_cli.providers.vendor_keys import try_address
from patter_cli.providers.voice_recipe import LiveVoices
from patter_cli.providers.wire_json import list_of, number_of, object_of, read_object, text_of

LMNT = Vendor(name="lmnt", variable="LMNT_API_KEY", url="https://api.lmnt.com")

VERSION = "1.2"
_GONE = {"aurora": "blizzard"}
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "payment_required_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
}
"""Source: LMNT API reference, errors."""


@dataclass(frozen=True, slots=True)
class LMNTTTS(LiveVoices):
    """LMNT. Its key comes from LMNT_API_KEY when it is used. Raises BadSetting.

    Source: LMNT API reference, speech sessions, 2026-11.
    """

    vendor = LMNT
    api_key: str | None = field(default=None, repr=False)
    voice: str = "leah"
    model: str = "blizzard"
    base_url: str | None = None
    """https://api.lmnt.com unless given."""
    _: KW_ONLY
    language: str = ""
    """BCP-47; "" is the agent's. Always told, for finding it out takes time."""

    def __post_init__(self) -> None:
        LMNT.address(self.base_url)
        object.__setattr__(self, "model", current_model("lmnt", self.model, _GONE))
        if not self.voice.strip():
            raise BadSetting("voice is empty", hint='voice="leah"')

    async def try_key(self) -> None:
        """Ask for the account, which costs nothing. Raises ConfigError, ProviderError."""
        server = self.server()
        await try_address(server, "/v1/account", {"x-api-key": server.key, "lmnt-version": VERSION})

    async def _opened(self, asked: AudioFormat, out: AudioFormat | None) -> LiveVoice:
        server = self.server()
        linear = LINEAR_8K if asked.rate_hz == LINEAR_8K.rate_hz else LINEAR_16K
        first = {
            "type": "init",
            "X-API-Key": server.key,
            "lmnt-version": VERSION,
            "voice": self.voice,
            "format": "pcm_s16le",
            "sample_rate": linear.rate_hz,
            "language": self.language.split("-")[0] or "en",
            "return_timestamps": True,
        }

        async def opened() -> Socket:
            return await connect(server, socket_url(server, "/v1/ai/speech/stream"), {})

        session = LiveVoice(
            server, opened, lambda: LmntDialect(server, first), asked=linear, out=out, rate_hz=self.rate_hz
        )
        await session.open_ahead()
        return session


class LmntDialect:
    """`/v1/ai/speech/stream`. Sound carries no name: what comes between a reset and its answer is the old clause's."""

    manner = VoiceManner(contexts=0, starts_ready=False)

    def __init__(self, server: Server, first: dict[str, Any]) -> None:
        self._server = server
        self._first = first
        self._number = 0
        self._flushed = 0
        """The number of the newest flush."""
        self._dropped = 0
        """The number of the reset that is not answered; 0: none."""

    def opening(self) -> Sequence[Message]:
        return (json.dumps(self._first),)

    def begin(self, context: str) -> Sequence[Message]:
        return ()

    def speak(self, context: str, text: str) -> Sequence[Message]:
        self._number += 1
        self._flushed = self._number
        return (json.dumps({"type": "text", "text": text}), json.dumps({"type": "flush", "nonce": self._number}))

    def leave(self, context: str, *, cut: bool) -> Sequence[Message]:
        if not cut:
            return ()
        self._number += 1
        self._dropped = self._number
        return (json.dumps({"type": "reset", "nonce": self._number}),)

    def closing(self) -> Sequence[Message]:
        return ('{"type":"finish"}',)

    def receive(self, message: Message) -> list[Told]:
        if isinstance(message, bytes):
            return [Sound("", message)] if message and not self._dropped else []
        said = read_object(self._server, message)
        nonce = int(number_of(said, "nonce", -1))
        match said.get("type"):
            case "ready":
                return [Listening()]
            case "timestamps" if not self._dropped:
                told = list_of(said, "timestamps")
                starts = tuple(number_of(each, "start") * 1000 for each in told)
                ends = tuple((number_of(each, "start") + number_of(each, "duration")) * 1000 for each in told)
                return [Said("", tuple(text_of(each, "text") for each in told), starts, ends, "clause")]
            case "flush_complete" if nonce == self._flushed and not self._dropped:
                return [ClauseOver("")]
            case "reset_complete" if nonce == self._dropped:
                self._dropped = 0
                return []
            case "error":
                error = object_of(said, "error")
                status = _STATUSES.get(text_of(error, "type"), 500)
                body = json.dumps({"message": text_of(error, "message")}).encode()
                return [Broken("", refusal(self._server, status, {}, body))]
            case _:
                return []
