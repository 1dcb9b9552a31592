"""The vendors of ears and voices that the contract suites run over: how to make each, and its scripted twin."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from patter_cli.contracts.stt import SpeechToText
from patter_cli.contracts.tts import TextToSpeech
from patter_cli.providers.assemblyai import AssemblyAISTT
from patter_cli.providers.cartesia import CartesiaSTT, CartesiaTTS
from patter_cli.providers.deepgram import DeepgramSTT
from patter_cli.providers.elevenlabs import ElevenLabsTTS
from patter_cli.providers.lmnt import LMNTTTS
from patter_cli.providers.openai_speech import OpenAITTS, WhisperSTT
from patter_cli.providers.rime import RimeTTS
from patter_cli.providers.soniox import SonioxSTT
from patter_cli.providers.speechmatics import SpeechmaticsSTT
from patter_cli.testing.vendors.assemblyai import AssemblyAIVendor
from patter_cli.testing.vendors.cartesia import CartesiaHearingVendor, CartesiaSpeakingVendor
from patter_cli.testing.vendors.deepgram import DeepgramVendor
from patter_cli.testing.vendors.elevenlabs import ElevenLabsVendor
from patter_cli.testing.vendors.hearing import HearingVendor
from patter_cli.testing.vendors.lmnt import LMNTVendor
from patter_cli.testing.vendors.openai_speech import OpenAIHearingVendor, OpenAISpeakingVendor
from patter_cli.testing.vendors.rime import RimeVendor
from patter_cli.testing.vendors.soniox import SonioxVendor
from patter_cli.testing.vendors.speaking import SpeakingVendor
from patter_cli.testing.vendors.speechmatics import SpeechmaticsVendor

KEY = "sk-contract-4711"


@dataclass(frozen=True, slots=True, kw_only=True)
class EarsRow:
    """One recogniser. make: from its twin's address, with more of its fields.

    ends_turns: it says when the caller has finished. timed: and when each word was said.
    dies: its silence after a final was asked for breaks the session.
    keyterms: where they are in what it was asked, given that and what its sessions were told.
    """

    name: str
    vendor: Callable[..., HearingVendor]
    make: Callable[..., SpeechToText]
    ends_turns: bool = False
    timed: bool = True
    dies: bool = True
    live_pace: bool = False
    mulaw: bool = True
    sdk: str = ""
    keyterms: Callable[[Any, list[Any]], list[str]] | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceRow:
    """One voice. make: as above. by_socket: over a WebSocket. breath: clauses of a reply are one context, or know what
    was said before. timed: it tells when words are spoken."""

    name: str
    vendor: Callable[..., SpeakingVendor]
    make: Callable[..., TextToSpeech]
    by_socket: bool
    breath: bool = True
    timed: bool = True
    mulaw: bool = True
    """It comes as the line speaks."""
    native: bool = True
    """Because the vendor makes it so; else it is encoded here."""
    sdk: str = ""


def _asked_keyterms(asked: Any, told: list[Any]) -> list[str]:
    return list(asked.query.get("keyterm", []))


EARS = (
    EarsRow(
        name="deepgram nova-3",
        vendor=DeepgramVendor,
        make=lambda url, **more: DeepgramSTT(KEY, base_url=url, **more),
        sdk="deepgram-sdk",
        keyterms=_asked_keyterms,
    ),
    EarsRow(
        name="deepgram flux",
        vendor=DeepgramVendor,
        make=lambda url, **more: DeepgramSTT(KEY, base_url=url, model="flux-general-en", **more),
        ends_turns=True,
        dies=False,
        sdk="deepgram-sdk",
        keyterms=_asked_keyterms,
    ),
    EarsRow(
        name="openai",
        timed=False,
        vendor=OpenAIHearingVendor,
        make=lambda url, **more: WhisperSTT(KEY, base_url=f"{url}/v1" if url.startswith("http") else url, **more),
        sdk="openai",
        keyterms=lambda asked, told: told[0]["session"]["audio"]["input"]["transcription"]["keywords"],
    ),
    EarsRow(
        name="cartesia ink",
        vendor=CartesiaHearingVendor,
        make=lambda url, **more: CartesiaSTT(KEY, base_url=url, **more),
        sdk="cartesia",
        keyterms=_asked_keyterms,
    ),
    EarsRow(
        name="cartesia turns",
        timed=False,
        vendor=CartesiaHearingVendor,
        make=lambda url, **more: CartesiaSTT(KEY, base_url=url, turns=True, **more),
        ends_turns=True,
        dies=False,
        sdk="cartesia",
        keyterms=_asked_keyterms,
    ),
    EarsRow(
        name="assemblyai",
        vendor=AssemblyAIVendor,
        make=lambda url, **more: AssemblyAISTT(KEY, base_url=url, **more),
        ends_turns=True,
        dies=False,
        live_pace=True,
        sdk="assemblyai",
        keyterms=lambda asked, told: json.loads(asked.one("keyterms_prompt")),
    ),
    EarsRow(
        name="soniox",
        vendor=SonioxVendor,
        make=lambda url, **more: SonioxSTT(KEY, base_url=url, **more),
        ends_turns=True,
        live_pace=True,
        sdk="soniox",
        keyterms=lambda asked, told: told[0]["context"]["terms"],
    ),
    EarsRow(
        name="speechmatics",
        vendor=SpeechmaticsVendor,
        make=lambda url, **more: SpeechmaticsSTT(KEY, base_url=url, **more),
        sdk="speechmatics-rt",
        keyterms=lambda asked, told: [each["content"] for each in told[0]["transcription_config"]["additional_vocab"]],
    ),
)

VOICES = (
    VoiceRow(
        name="elevenlabs socket",
        vendor=ElevenLabsVendor,
        make=lambda url, **more: ElevenLabsTTS(KEY, base_url=url, **more),
        by_socket=True,
        sdk="elevenlabs",
    ),
    VoiceRow(
        name="elevenlabs http",
        vendor=ElevenLabsVendor,
        make=lambda url, **more: ElevenLabsTTS(KEY, base_url=url, transport="http", **more),
        by_socket=False,
        sdk="elevenlabs",
    ),
    VoiceRow(
        name="openai",
        native=False,
        vendor=OpenAISpeakingVendor,
        make=lambda url, **more: OpenAITTS(KEY, base_url=f"{url}/v1" if url.startswith("http") else url, **more),
        by_socket=False,
        breath=False,
        timed=False,
        mulaw=False,
        sdk="openai",
    ),
    VoiceRow(
        name="cartesia sonic",
        vendor=CartesiaSpeakingVendor,
        make=lambda url, **more: CartesiaTTS(KEY, base_url=url, **more),
        by_socket=True,
        sdk="cartesia",
    ),
    VoiceRow(
        name="rime",
        vendor=RimeVendor,
        make=lambda url, **more: RimeTTS(KEY, base_url=url, **more),
        by_socket=True,
        breath=False,
    ),
    VoiceRow(
        name="lmnt",
        native=False,
        vendor=LMNTVendor,
        make=lambda url, **more: LMNTTTS(KEY, base_url=url, **more),
        by_socket=True,
        breath=False,
        sdk="lmnt",
    ),
)


def ours(tasks: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Those of our clients, and of the library under them: the lab has its own."""
    places = ("/patter_cli/providers/", "/websockets/asyncio/", "/httpcore/")
    return {each for each in tasks if any(place in _file(each) for place in places)}


def _file(task: asyncio.Task[Any]) -> str:
    return str(getattr(getattr(task.get_coro(), "cr_code", None), "co_filename", ""))


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """Columns as wide as they have to be; True and False as yes and -."""
    shown = {True: "yes", False: "-"}
    texts = [head, *(tuple(shown[each] if isinstance(each, bool) else str(each) for each in row) for row in rows)]
    widths = [max(len(row[at]) for row in texts) for at in range(len(head))]
    return "\n".join("  ".join(each.ljust(width) for each, width in zip(row, widths, strict=True)) for row in texts)
