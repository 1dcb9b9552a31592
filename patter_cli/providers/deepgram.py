"""Deepgram's recognisers: nova-3, whose turns are ours, and Flux, which hears the end of a turn by itself.

Both take what a telephone line speaks. Nova is told to flush when the voice pauses. Flux has no such wish: it says all
the time how far its words reach and how sure it is that the caller has finished, and is told when a turn is over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.contracts.keyterms import KeytermBudget
from patter_cli.errors import BadSetting
from patter_cli.providers.ears_recipe import LiveEars
from patter_cli.providers.heard_words import told_spans
from patter_cli.providers.http import Server, error_inside
from patter_cli.providers.languages import model_for
from patter_cli.providers.live_hearing import Flushed, Heard, LiveSession, Manner, TurnOver, Words
from patter_cli.providers.socket import Message, connect
from patter_cli.providers.vendor import Vendor, current_model, socket_url
from patter_cli.providers.vendor_keys import try_address
from patter_cli.providers.wire_json import list_of, number_of, object_of, read_object, text_of

DEEPGRAM = Vendor(name="deepgram", variable="DEEPGRAM_API_KEY", url="https://api.deepgram.com")

RETIRED = {"nova": "nova-3", "nova-general": "nova-3", "nova-phonecall": "nova-3", "flux": "flux-general-en"}
"""Source: Deepgram, models and languages, 2026-11."""
_ENGLISH = {"flux-general-en": "flux-general-multi"}
"""Source: Deepgram, Flux, 2026-11."""
ENDPOINTING_MS = 300
"""Silence after which nova settles what it has. It is told when the voice pauses, so this is for the voice that we did
not hear; a shorter one would cut sentences into pieces that are understood worse."""
_ENCODINGS = {Encoding.ULAW: "mulaw", Encoding.ALAW: "alaw", Encoding.L16_LE: "linear16"}
_STATUSES = {1008: 400}
"""Sound that is not what was promised."""


@dataclass(frozen=True, slots=True)
class DeepgramSTT(LiveEars):
    """Deepgram. Its key comes from DEEPGRAM_API_KEY when it is used. Raises BadSetting.

    Source: Deepgram API reference, listen v1 and v2, 2026-11.
    """

    vendor = DEEPGRAM
    api_key: str | None = field(default=None, repr=False)
    language: str = ""
    """BCP-47, or "multi"; "" is the agent's. flux-general-en hears English alone: for others flux-general-multi is
    taken."""
    model: str = "nova-3"
    base_url: str | None = None
    """https://api.deepgram.com unless given."""
    _: KW_ONLY
    keyterms: tuple[str, ...] = ()
    """Names and words to listen for. nova-3 and Flux; 500 tokens in all."""
    eot_threshold: float | None = None
    """Flux, 0.5 to 1: how sure it must be that a turn is over. None: 0.7."""

    def __post_init__(self) -> None:
        DEEPGRAM.address(self.base_url)
        model = current_model("deepgram", self.model, RETIRED)
        object.__setattr__(self, "model", model_for("deepgram", model, self.language, _ENGLISH))
        object.__setattr__(self, "keyterms", tuple(self.keyterms))
        if self.eot_threshold is not None and not 0.5 <= self.eot_threshold <= 1:
            raise BadSetting("eot_threshold is between 0.5 and 1", hint="leave it out to have Deepgram's own")

    @property
    def keyterm_budget(self) -> KeytermBudget:
        """500 tokens. Source: Deepgram, keyterm prompting, 2026-11."""
        return KeytermBudget(tokens=500)

    @property
    def is_flux(self) -> bool:
        """Whether the model hears turns."""
        return self.model.startswith("flux")

    async def try_key(self) -> None:
        """Ask which projects the key is for, which costs nothing. Raises ConfigError, ProviderError."""
        server = self.server()
        await try_address(server, "/v1/projects", _headers(server))

    async def _opened(self, format: AudioFormat) -> LiveSession:
        """The same for a line of this format."""
        server = self.server()
        flux = self.is_flux
        url = socket_url(server, "/v2/listen" if flux else "/v1/listen", self._query(format))
        socket = await connect(server, url, _headers(server), statuses=_STATUSES)
        dialect = FluxDialect(server) if flux else NovaDialect(server)
        return LiveSession(socket, dialect, format, provider=self.provider)

    def _query(self, format: AudioFormat) -> dict[str, str | tuple[str, ...]]:
        both: dict[str, str | tuple[str, ...]] = {
            "model": self.model,
            "encoding": _ENCODINGS[format.encoding],
            "sample_rate": str(format.rate_hz),
            "keyterm": self.keyterms if self.is_flux or self.model.startswith("nova-3") else (),
        }
        language = self.language.split("-")[0]
        if self.is_flux:
            hint = language if self.model.endswith("multi") and language not in ("", "multi") else ""
            sure = "" if self.eot_threshold is None else f"{self.eot_threshold:g}"
            return {**both, "language_hint": hint, "eot_threshold": sure}
        return {
            **both,
            "keywords": () if self.model.startswith("nova-3") else self.keyterms,
            "language": self.language or "en",
            "channels": "1",
            "interim_results": "true",
            "smart_format": "true",
            "endpointing": str(ENDPOINTING_MS),
        }


def _headers(server: Server) -> dict[str, str]:
    return {"authorization": f"Token {server.key}"}


class NovaDialect:
    """`/v1/listen`: a piece is what comes up to a final, settled by silence or because we asked."""

    manner = Manner(chunk_s=0.04, answer_s=0.5)

    def __init__(self, server: Server) -> None:
        self._server = server
        self._piece = 0

    def opening(self) -> Sequence[Message]:
        return ()

    def sound(self, payload: bytes) -> Message:
        return payload

    def finalize(self) -> Sequence[Message]:
        return ('{"type":"Finalize"}',)

    def commit(self) -> Sequence[Message]:
        return ()

    def keep_alive(self) -> Sequence[Message]:
        return ('{"type":"KeepAlive"}',)

    def closing(self) -> Sequence[Message]:
        return ('{"type":"CloseStream"}',)

    def receive(self, message: Message) -> list[Heard]:
        said = read_object(self._server, message)
        if said.get("type") == "Error":
            raise error_inside(self._server, _described(said))
        if said.get("type") != "Results":
            return []
        alternatives = list_of(object_of(said, "channel"), "alternatives")
        text = text_of(alternatives[0], "transcript") if alternatives else ""
        until_s = number_of(said, "start") + number_of(said, "duration")
        words = list_of(alternatives[0], "words") if alternatives else []
        heard: list[Heard] = [Words(self._piece, text, spans=told_spans(words, text, unit_ms=1000))]
        if said.get("is_final") is True:
            self._piece += 1
            heard.append(Flushed(until_s))
        return heard


class FluxDialect:
    """`/v2/listen`: a piece is a turn of Flux's; its words reach as far as its window does."""

    manner = Manner(chunk_s=0.08, answer_s=0.4, dead_s=None, idle_silence=True)

    def __init__(self, server: Server) -> None:
        self._server = server
        self._open = False

    def opening(self) -> Sequence[Message]:
        return ()

    def sound(self, payload: bytes) -> Message:
        return payload

    def finalize(self) -> Sequence[Message]:
        return ()

    def commit(self) -> Sequence[Message]:
        return ('{"type":"ForceEndTurn"}',) if self._open else ()

    def keep_alive(self) -> Sequence[Message]:
        return ()  # there is none: the pings of the connection are enough

    def closing(self) -> Sequence[Message]:
        return ('{"type":"CloseStream"}',)

    def receive(self, message: Message) -> list[Heard]:
        said = read_object(self._server, message)
        if said.get("type") == "Error":
            raise error_inside(self._server, _described(said))
        if said.get("type") != "TurnInfo":
            return []
        event, turn = text_of(said, "event"), int(number_of(said, "turn_index"))
        text = text_of(said, "transcript")
        spans = told_spans(list_of(said, "words"), text, unit_ms=1000)
        heard: list[Heard] = [Words(turn, text, number_of(said, "audio_window_end"), spans)]
        self._open = event != "EndOfTurn" and bool(text)
        if event == "EndOfTurn":
            if said.get("trigger") != "manual":
                heard.append(TurnOver())
        elif event == "TurnResumed":
            heard.append(TurnOver(0.5))
        return heard


def _described(said: dict[str, object]) -> str:
    """An error's words, from where Deepgram puts them."""
    words = [each for name in ("code", "variant", "description") if (each := text_of(said, name))]
    return json.dumps(" ".join(words))[1:-1] if words else "an error without words"
