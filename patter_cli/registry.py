"""Who can do what: a row for each vendor and carrier. A new one is a file and a row, here or in somebody's package.

A package adds its rows by an entry point, `[project.entry-points."patter_cli.vendors"] acme = "acme_patter:ROWS"`, or
`patter_cli.carriers` for a carrier: one Row or several. Ours are looked at first, so that no package can pass for one
of them. Nothing is imported before it is wanted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import Any, Literal, get_args

from patter_cli import keys
from patter_cli.errors import ConfigError, MissingExtra, UnknownProvider
from patter_cli.extras import install_command

log = logging.getLogger(__name__)

Kind = Literal["engine", "stt", "llm", "tts", "vad", "eou", "echo", "carrier", "tunnel", "store"]

_WORDS: dict[Kind, str] = {
    "engine": "speech-to-speech engine",
    "stt": "speech-to-text provider",
    "llm": "language model provider",
    "tts": "voice",
    "vad": "voice detector",
    "eou": "end-of-turn model",
    "echo": "echo canceller",
    "carrier": "carrier",
    "tunnel": "tunnel",
    "store": "store of calls",
}
VENDORS = "patter_cli.vendors"
CARRIERS = "patter_cli.carriers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One vendor's part of one kind.

    name: what an author writes, as in stt="acme". target: "package.module:Class", made without arguments if only its
    name is given. keys: environment variables that its key is looked for in, the current name first; () if it needs
    none. needs: a variable beside them, which says what of the vendor's is used and is no secret. extra: of our
    pyproject.toml, if it needs packages that not everybody has. on_request: it is used only where somebody names it.
    """

    name: str
    kind: Kind
    target: str
    keys: tuple[str, ...] = ()
    needs: str = ""
    extra: str = ""
    on_request: bool = False

    def load(self) -> Any:
        """The class, or function, that makes one. Raises MissingExtra, ConfigError."""
        module, _, attribute = self.target.partition(":")
        try:
            return attrgetter(attribute)(import_module(module))
        except (ImportError, AttributeError, ValueError) as error:
            what = f"the {_WORDS[self.kind]} {self.name}"
            if self.extra and isinstance(error, ImportError):
                missing = f"{what} needs packages that are not installed"
                raise MissingExtra(missing, hint=install_command(self.extra)) from error
            raise ConfigError(
                f"{what} cannot be loaded from {self.target}: {error}", hint="its package is broken, or not whole"
            ) from error

    def makes(self, provider: object) -> bool:
        """Whether this is one of its class."""
        return self.target == f"{type(provider).__module__}:{type(provider).__qualname__}"

    def key_set(self) -> str:
        """The name under which the first of its variables holds a key; "" if none does."""
        return next((keys.set_as(each) for each in self.keys if keys.look_up(each)), "")


ROWS: tuple[Row, ...] = (
    Row(
        name="openai_realtime",
        kind="engine",
        target="patter_cli.providers.openai_realtime:OpenAIRealtime",
        keys=("OPENAI_API_KEY",),
    ),
    Row(
        name="elevenlabs_convai",
        kind="engine",
        target="patter_cli.providers.elevenlabs_convai:ElevenLabsConvAI",
        keys=("ELEVENLABS_API_KEY",),
        needs="ELEVENLABS_AGENT_ID",
    ),
    Row(
        name="gemini_live",
        kind="engine",
        target="patter_cli.providers.gemini_live:GeminiLive",
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    ),
    Row(name="ultravox", kind="engine", target="patter_cli.providers.ultravox:Ultravox", keys=("ULTRAVOX_API_KEY",)),
    Row(name="local", kind="stt", target="patter_cli.providers.local:LocalSTT", extra="local"),
    Row(name="openai", kind="llm", target="patter_cli.providers.openai:OpenAILLM", keys=("OPENAI_API_KEY",)),
    Row(
        name="anthropic", kind="llm", target="patter_cli.providers.anthropic:AnthropicLLM", keys=("ANTHROPIC_API_KEY",)
    ),
    Row(
        name="google",
        kind="llm",
        target="patter_cli.providers.google:GoogleLLM",
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    ),
    Row(name="groq", kind="llm", target="patter_cli.providers.groq:GroqLLM", keys=("GROQ_API_KEY",)),
    Row(name="cerebras", kind="llm", target="patter_cli.providers.cerebras:CerebrasLLM", keys=("CEREBRAS_API_KEY",)),
    Row(
        name="deepgram",
        kind="stt",
        target="patter_cli.providers.deepgram:DeepgramSTT",
        keys=("DEEPGRAM_API_KEY",),
    ),
    Row(
        name="assemblyai",
        kind="stt",
        target="patter_cli.providers.assemblyai:AssemblyAISTT",
        keys=("ASSEMBLYAI_API_KEY",),
    ),
    Row(
        name="soniox",
        kind="stt",
        target="patter_cli.providers.soniox:SonioxSTT",
        keys=("SONIOX_API_KEY",),
    ),
    Row(
        name="speechmatics",
        kind="stt",
        target="patter_cli.providers.speechmatics:SpeechmaticsSTT",
        keys=("SPEECHMATICS_API_KEY",),
    ),
    Row(
        name="cartesia",
        kind="stt",
        target="patter_cli.providers.cartesia:CartesiaSTT",
        keys=("CARTESIA_API_KEY",),
    ),
    Row(
        name="openai",
        kind="stt",
        target="patter_cli.providers.openai_speech:WhisperSTT",
        keys=("OPENAI_API_KEY",),
    ),
    Row(
        name="elevenlabs",
        kind="tts",
        target="patter_cli.providers.elevenlabs:ElevenLabsTTS",
        keys=("ELEVENLABS_API_KEY",),
    ),
    Row(
        name="cartesia",
        kind="tts",
        target="patter_cli.providers.cartesia:CartesiaTTS",
        keys=("CARTESIA_API_KEY",),
    ),
    Row(
        name="rime",
        kind="tts",
        target="patter_cli.providers.rime:RimeTTS",
        keys=("RIME_API_KEY",),
    ),
    Row(
        name="lmnt",
        kind="tts",
        target="patter_cli.providers.lmnt:LMNTTTS",
        keys=("LMNT_API_KEY",),
    ),
    Row(
        name="openai",
        kind="tts",
        target="patter_cli.providers.openai_speech:OpenAITTS",
        keys=("OPENAI_API_KEY",),
        on_request=True,  # it has an end: 2027-01-06
    ),
    Row(name="local", kind="tts", target="patter_cli.providers.local:LocalTTS", extra="local"),
    Row(name="silero", kind="vad", target="patter_cli.providers.silero:VoiceModel", extra="local"),
    Row(name="smart-turn", kind="eou", target="patter_cli.providers.smart_turn:SmartTurn", extra="turns"),
    Row(name="webrtc", kind="echo", target="patter_cli.providers.webrtc:EchoCanceller", extra="aec"),
    Row(name="loopback", kind="carrier", target="patter_cli.carriers.loopback.carrier:Carrier"),
    Row(name="browser", kind="carrier", target="patter_cli.carriers.browser.carrier:Carrier"),
    Row(name="asterisk", kind="carrier", target="patter_cli.carriers.asterisk.carrier:Asterisk", on_request=True),
    Row(
        name="telnyx",
        kind="carrier",
        target="patter_cli.carriers.telnyx.carrier:Telnyx",
        keys=("TELNYX_API_KEY", "TELNYX_CONNECTION_ID", "TELNYX_PUBLIC_KEY"),
    ),
    Row(
        name="twilio",
        kind="carrier",
        target="patter_cli.carriers.twilio.carrier:Twilio",
        keys=("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"),
    ),
    Row(name="cloudflared", kind="tunnel", target="patter_cli.tunnels.cloudflared:CloudflareTunnel"),
    Row(name="ngrok", kind="tunnel", target="patter_cli.tunnels.ngrok:NgrokTunnel"),
    Row(name="fixed", kind="tunnel", target="patter_cli.tunnels.fixed:FixedAddress"),
    Row(name="sqlite", kind="store", target="patter_cli.stores.sqlite:SqliteStore.open"),
)
"""Ours. Of several that could fill a stage which an author left open, the first is taken."""


def rows(kind: Kind) -> Iterator[Row]:
    """All of a kind, ours first; packages are only looked into when ours are used up."""
    yield from (each for each in ROWS if each.kind == kind)
    yield from (each for each in installed() if each.kind == kind)


def find(kind: Kind, name: str) -> Row:
    """The one that an author named. Raises UnknownProvider with the nearest there is."""
    known = []
    for each in rows(kind):
        if each.name == name:
            return each
        known.append(each.name)
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    raise UnknownProvider(f"no {_WORDS[kind]} is called {name!r}", hint=hint)


def with_key(kind: Kind) -> Row | None:
    """The first of a kind whose key is set."""
    return next((each for each in rows(kind) if each.key_set() and not each.on_request), None)


def keyless(kind: Kind) -> Row:
    """The first of a kind that needs no key: what everybody has. Raises UnknownProvider if there is none."""
    found = next((each for each in rows(kind) if not (each.keys or each.on_request)), None)
    if found is None:
        raise UnknownProvider(f"no {_WORDS[kind]} works without a key", hint="name one, and set its key")
    return found


@cache
def installed() -> tuple[Row, ...]:
    """What the packages of this Python add. One that cannot be used is logged and left out."""
    from importlib.metadata import entry_points

    found: list[Row] = []
    for group in (VENDORS, CARRIERS):
        for point in entry_points(group=group):
            whose = f"{point.name} of {point.dist.name if point.dist else 'a package'}"
            try:
                given = point.load()
                listed = [given] if isinstance(given, Row) else list(given)
            except Exception as error:  # noqa: BLE001 - it is somebody else's module
                log.warning("%s cannot be loaded, so it is left out: %r", whose, error)
                continue
            found += _usable(listed, whose, group, [*ROWS, *found])
    return tuple(found)


def _usable(listed: Iterable[Any], whose: str, group: str, before: list[Row]) -> Iterator[Row]:
    for each in listed:
        if not isinstance(each, Row) or each.kind not in get_args(Kind):
            log.warning("%s gave %r, which is no Row, so it is left out", whose, each)
        elif (each.kind == "carrier") != (group == CARRIERS):
            other = CARRIERS if each.kind == "carrier" else VENDORS
            log.warning("%s is left out: a %s belongs in the entry points %s", whose, _WORDS[each.kind], other)
        elif any((each.kind, each.name) == (row.kind, row.name) for row in before):
            log.warning("%s is left out: there is a %s called %r already", whose, _WORDS[each.kind], each.name)
        else:
            yield each
