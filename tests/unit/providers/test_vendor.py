"""What recipes of speech vendors have in common: where they are reached, what their models are called today."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest

from patter_cli import (
    AnthropicLLM,
    AssemblyAISTT,
    CartesiaSTT,
    CartesiaTTS,
    CerebrasLLM,
    DeepgramSTT,
    ElevenLabsTTS,
    GeminiLive,
    GoogleLLM,
    GroqLLM,
    OpenAILLM,
    OpenAIRealtime,
    OpenAITTS,
    Patter,
    RimeTTS,
    SonioxSTT,
    WhisperSTT,
    recipes,
)
from patter_cli.agent import Agent
from patter_cli.errors import BadSetting, MissingCredential
from patter_cli.providers.deepgram import DEEPGRAM
from patter_cli.providers.vendor import _TOLD, socket_url


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("https://speech.example/dg/", "https://speech.example/dg"),
        ("wss://speech.example", "https://speech.example"),
        ("ws://127.0.0.1:9", "http://127.0.0.1:9"),
        (None, "https://api.deepgram.com"),
    ],
)
def test_an_address_is_taken_as_people_write_it(given: str | None, found: str) -> None:
    """With ws or http, and sockets are under the same."""
    assert DEEPGRAM.address(given) == found
    server = DEEPGRAM.server("DeepgramSTT", "k", given)
    scheme = "ws" if found.startswith("http:") else "wss"
    query = {"model": "nova-3", "keyterm": ("a b", "c"), "language": ""}
    assert (
        socket_url(server, "/v1", query)
        == f"{scheme}://{found.partition('://')[2]}/v1?model=nova-3&keyterm=a+b&keyterm=c"
    )


def test_an_address_beside_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEEPGRAM_BASE_URL leads all of its recipes elsewhere; what a recipe was given comes first."""
    monkeypatch.setenv("DEEPGRAM_BASE_URL", "http://127.0.0.1:9")
    assert DeepgramSTT("k").server().base_url == "http://127.0.0.1:9"
    assert DeepgramSTT("k", base_url="http://127.0.0.1:8").server().base_url == "http://127.0.0.1:8"


@pytest.mark.parametrize(
    ("make", "variable", "version"),
    [
        (AnthropicLLM, "ANTHROPIC_BASE_URL", "/v1"),
        (CerebrasLLM, "CEREBRAS_BASE_URL", "/v1"),
        (GeminiLive, "GEMINI_BASE_URL", "/v1beta"),
        (GoogleLLM, "GEMINI_BASE_URL", "/v1beta"),
        (GroqLLM, "GROQ_BASE_URL", "/openai/v1"),
        (OpenAILLM, "OPENAI_BASE_URL", "/v1"),
        (OpenAITTS, "OPENAI_BASE_URL", "/v1"),
        (WhisperSTT, "OPENAI_BASE_URL", "/v1"),
    ],
)
def test_a_version_may_be_left_out(make: Any, variable: str, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the vendor's interface, in an address and in the variable, by all of its recipes alike."""
    for given in ("http://127.0.0.1:9", "http://127.0.0.1:9/", "ws://127.0.0.1:9", f"http://127.0.0.1:9{version}"):
        monkeypatch.setenv(variable, given)
        assert make("k").server().base_url == f"http://127.0.0.1:9{version}"
    assert make("k", base_url="http://127.0.0.1:8").server().base_url == f"http://127.0.0.1:8{version}"


def test_a_speech_model_is_under_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ears, mind, voice and engine of one vendor read one variable alike."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    assert OpenAIRealtime("k")._server().base_url == OpenAILLM("k").server().base_url == "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("make", "variable"),
    [
        (AnthropicLLM, "ANTHROPIC_BASE_URL"),
        (DeepgramSTT, "DEEPGRAM_BASE_URL"),
        (ElevenLabsTTS, "ELEVENLABS_BASE_URL"),
        (GeminiLive, "GEMINI_BASE_URL"),
        (OpenAILLM, "OPENAI_BASE_URL"),
        (OpenAIRealtime, "OPENAI_BASE_URL"),
        (OpenAITTS, "OPENAI_BASE_URL"),
    ],
)
@pytest.mark.parametrize("given", ["nowhere", "ftp://gateway", "http://user:secret-word@gateway", "http://gateway?a=1"])
def test_what_is_no_address_is_told_with_where_it_came_from(
    make: Any, variable: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named where it is the variable's; the address itself is not repeated."""
    with pytest.raises(BadSetting, match=r"^base_url must be an address"):
        make("k", base_url=given)
    monkeypatch.setenv(variable, given)
    with pytest.raises(BadSetting, match=f"^{variable} must be an address") as raised:
        make("k")
    assert given not in str(raised.value)


@pytest.mark.parametrize(
    ("make", "old", "new"),
    [
        (AssemblyAISTT, "u3-rt-pro", "universal-3-5-pro"),
        (SonioxSTT, "stt-rt-v3", "stt-rt-v5"),
        (CartesiaTTS, "sonic-2", "sonic-3.5"),
        (RimeTTS, "arcana", "coda"),
        (ElevenLabsTTS, "eleven_turbo_v2_5", "eleven_flash_v2_5"),
    ],
)
def test_a_model_that_is_gone_leads_to_its_successor(
    make: Any, old: str, new: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once."""
    _TOLD.clear()
    assert make("k", model=old).model == make("k", model=old).model == new
    assert [old in each.message and new in each.message for each in caplog.records] == [True]


def test_a_model_that_ends_is_told_so_and_used(caplog: pytest.LogCaptureFixture) -> None:
    """With the day, once."""
    _TOLD.clear()
    with caplog.at_level(logging.WARNING):
        assert WhisperSTT("k", model="whisper-1").model == "whisper-1"
        assert OpenAITTS("k").model == "gpt-4o-mini-tts"
    assert ["2027-02-26" in caplog.records[0].message, "2027-01-06" in caplog.records[1].message] == [True, True]


def test_older_forms_make_today_s_recipes() -> None:
    """Patter.deepgram(...) and its like, and voice_id= beside voice=."""
    assert Patter.deepgram("k", language="de") == DeepgramSTT("k", language="de")
    assert Patter.whisper("k") == WhisperSTT("k", language="en")
    assert Patter.elevenlabs("k", voice="adam") == ElevenLabsTTS("k", voice="adam")
    assert Patter.openai_tts("k") == OpenAITTS("k", voice="alloy")
    assert ElevenLabsTTS("k", voice_id="x1") == ElevenLabsTTS("k", voice="x1")


def test_the_agent_s_terms_and_language_reach_ears_that_have_none() -> None:
    """What a recipe says itself stays."""
    agent = Agent("Help.", keyterms=["Nguyen"], language="es-MX")
    heard: Any = recipes.heard_by(agent, DeepgramSTT("k"))
    assert (heard.keyterms, heard.language) == (("Nguyen",), "es-MX")
    heard = recipes.heard_by(agent, DeepgramSTT("k", language="en", keyterms=("Ann",)))
    assert (heard.keyterms, heard.language) == (("Ann",), "en")
    assert recipes.heard_by(agent, CartesiaSTT("k")).model == "ink-whisper"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "make",
    [
        lambda: DeepgramSTT("k", model=""),
        lambda: DeepgramSTT("k", eot_threshold=2),
        lambda: ElevenLabsTTS("k", voice=" "),
        lambda: ElevenLabsTTS("k", model="eleven_v4", transport="websocket"),
        lambda: SonioxSTT("k", max_endpoint_delay_ms=5),
        lambda: CartesiaTTS("k", speed=9),
    ],
)
def test_what_cannot_be_is_said_when_it_is_written(make: Any) -> None:
    """Before any call."""
    with pytest.raises(BadSetting):
        make()


def test_a_key_is_no_sentence_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing one is a MissingCredential with its variable, one with blanks a BadSetting."""
    monkeypatch.delenv("SONIOX_API_KEY", raising=False)
    with pytest.raises(MissingCredential, match="SONIOX_API_KEY"):
        SonioxSTT().check()
    with pytest.raises(BadSetting):
        SonioxSTT("two words").check()
    assert "sk-secret" not in repr(SonioxSTT("sk-secret"))


def test_importing_a_vendor_is_light() -> None:
    """No vendor's library, and neither httpx nor websockets before a session is opened."""
    code = (
        "import sys, patter_cli; assert not [m for m in sys.modules if m.startswith('patter_cli.providers')];"
        "from patter_cli import DeepgramSTT, ElevenLabsTTS, WhisperSTT, CartesiaTTS, LMNTTTS, RimeTTS, SonioxSTT;"
        "print([m for m in ('httpx', 'websockets', 'deepgram', 'elevenlabs', 'openai') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
