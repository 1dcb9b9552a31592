"""Models that know few languages: another of the same vendor's for the rest, or a refusal that says what to write."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from patter_cli import (
    Agent,
    AssemblyAISTT,
    CartesiaSTT,
    DeepgramSTT,
    ElevenLabsTTS,
    RimeTTS,
    RulesLLM,
    wiring,
)
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import BadSetting
from patter_cli.providers import languages

EARS = DeepgramSTT("k")
MODEL = RulesLLM(lambda turn: "Yes.")


@pytest.fixture(autouse=True)
def _nothing_told(caplog: pytest.LogCaptureFixture) -> None:
    languages._TOLD.clear()
    caplog.set_level(logging.WARNING)


@pytest.mark.parametrize(
    ("make", "english", "several"),
    [
        (DeepgramSTT, "flux-general-en", "flux-general-multi"),
        (DeepgramSTT, "flux", "flux-general-multi"),
        (AssemblyAISTT, "universal-streaming-english", "universal-streaming-multilingual"),
        (AssemblyAISTT, "universal-streaming", "universal-streaming-multilingual"),
        (CartesiaSTT, "ink-2", "ink-whisper"),
    ],
)
def test_ears_of_one_language_leave_the_others_to_their_vendors_own(
    make: Any, english: str, several: str, caplog: pytest.LogCaptureFixture
) -> None:
    """English is heard by the model that was named; another language by that of several, which is told once."""
    agent = Agent("A.", stt=make("k", model=english), tts=ElevenLabsTTS("k"), llm=MODEL, languages=["en", "es-MX"])
    for _ in range(2):
        ready = wiring.ready_agent("a", agent, Hooks())
        heard: dict[str, Any] = {language: who.ears[0] for language, who in ready.spoken.items()}
        assert (heard["en"].model, heard["es-MX"].model) == (make("k", model=english).model, several)
        assert heard["es-MX"].language == "es-MX"
    assert [several in each.message for each in caplog.records if "English alone" in each.message] == [True]
    assert make("k", model=english, language="EN-gb").model == make("k", model=english).model


def test_a_voice_of_one_language_leaves_the_others_to_its_vendors_own() -> None:
    """Also where the agent speaks that language alone; a model of several languages stays what it is."""
    agent = Agent("A.", stt=EARS, tts=ElevenLabsTTS("k", model="eleven_flash_v2"), llm=MODEL, languages=["en", "es"])
    spoken = wiring.ready_agent("a", agent, Hooks()).spoken
    said: dict[str, Any] = {language: who.voices[0] for language, who in spoken.items()}
    assert (said["en"].model, said["es"].model) == ("eleven_flash_v2", "eleven_flash_v2_5")
    alone = Agent("A.", tts=ElevenLabsTTS("k", model="eleven_turbo_v2"), llm=MODEL, language="de")
    ready: Any = wiring.ready_agent("a", alone, Hooks())
    assert ready.tts.model == "eleven_flash_v2_5"
    assert ElevenLabsTTS("k", model="eleven_multilingual_v2", language="es").model == "eleven_multilingual_v2"


@pytest.mark.parametrize(
    ("model", "language", "hint"),
    [
        ("coda", "it", "give the agent another vendor's tts"),
        ("mistv3", "it-IT", "give the agent another vendor's tts"),
        ("mistv3", "pt-BR", 'model="coda", and one of its voices'),
        ("mist", "ja", 'model="coda", and one of its voices'),
    ],
)
def test_a_language_that_no_model_speaks_is_refused_before_the_first_ring(model: str, language: str, hint: str) -> None:
    """Rime's voices belong to their model, so that another one is the author's to choose."""
    for agent in (
        Agent("A.", stt=EARS, tts=RimeTTS("k", model=model), llm=MODEL, languages=["en", language]),
        Agent("A.", stt=EARS, tts=RimeTTS("k", model=model), llm=MODEL, language=language),
    ):
        with pytest.raises(BadSetting, match="does not speak") as found:
            wiring.ready_agent("a", agent, Hooks())
        assert found.value.hint == hint
    assert RimeTTS("k", language="hi").language == "hi"
    assert RimeTTS("k", model="mistv3", language="FR").language == "FR"
    assert RimeTTS("k", model="mistv2", language="it").model == "mistv2"  # of which nobody says what it speaks
