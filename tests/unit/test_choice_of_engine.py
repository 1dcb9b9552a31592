"""Who answers for an agent that leaves it open, or says it in a word: chosen by the keys that are set, and told."""

from __future__ import annotations

from typing import Any

import pytest

from patter_cli import (
    Agent,
    ElevenLabsConvAI,
    ElevenLabsTTS,
    OpenAILLM,
    OpenAIRealtime,
    Patter,
    RulesLLM,
    keys,
    registry,
    wiring,
)
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import BadSetting, ConfigError, InputError, MissingCredential


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any vendor's key."""
    for row in registry.ROWS:
        for name in row.keys:
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(keys.OLDER.get(name, name), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("word", "engine"), [("openai_realtime", OpenAIRealtime), ("elevenlabs_convai", ElevenLabsConvAI)]
)
def test_an_engine_chosen_by_a_word(unset: pytest.MonkeyPatch, word: str, engine: type) -> None:
    """Agent(provider="openai_realtime") is Agent(engine=OpenAIRealtime()), with the agent's voice and model."""
    unset.setenv("OPENAI_API_KEY", "sk-1")
    unset.setenv("ELEVENLABS_API_KEY", "sk-1")
    unset.setenv("ELEVENLABS_AGENT_ID", "agent_1")
    phone = Patter()
    chosen = phone.agent("Be brief.", provider=word, voice="alloy")
    assert chosen == phone.agent("Be brief.", provider=word, voice="alloy", engine=word)
    ready = phone._resolved("shop", chosen, Hooks())
    assert ready.engine == engine(voice="alloy")
    assert phone._resolved("shop", Agent("A.", provider="openai_realtime", model="gpt-realtime-2"), Hooks()).engine == (
        OpenAIRealtime(model="gpt-realtime-2")
    )


def test_an_agents_pipeline_leaves_the_engine_out(unset: pytest.MonkeyPatch) -> None:
    """provider="pipeline": ears, mind and voice are chosen by the keys that are set, each in a line."""
    unset.setenv("OPENAI_API_KEY", "sk-1")
    unset.setenv("ELEVENLABS_API_KEY", "sk-1")
    ready = wiring.ready_agent("shop", Agent("Be brief.", provider="pipeline"), Hooks())
    assert ready.engine is None
    assert (ready.stt.provider, ready.models[0].provider, ready.tts.provider) == ("openai", "openai", "elevenlabs")
    assert set(ready.notes) == {"stt", "llm", "tts"}


def test_nothing_chosen_is_openai_realtime_where_its_key_is_set(unset: pytest.MonkeyPatch) -> None:
    """Else the built-in speech; either is said in one line. A voice of another vendor's is told, and not asked for."""
    assert wiring.ready_agent("shop", Agent("A.", voice="rachel"), Hooks(on_message=str)).notes.keys() == {
        "speech",
        "voice",
    }
    unset.setenv("OPENAI_API_KEY", "sk-1")
    ready = wiring.ready_agent("shop", Agent("A."), Hooks())
    assert ready.engine == OpenAIRealtime()
    assert ready.notes == {
        "engine": "engine: openai_realtime gpt-realtime-2.1, because OPENAI_API_KEY is set and nothing else was chosen"
    }
    assert wiring.ready_agent("shop", Agent("A.", voice="coral"), Hooks()).engine == OpenAIRealtime(voice="coral")
    other = wiring.ready_agent("shop", Agent("A.", voice="rachel"), Hooks())
    assert other.engine == OpenAIRealtime()
    assert other.notes["voice"] == "voice rachel: another vendor's; marin speaks instead"
    assert wiring.ready_agent("shop", Agent("A."), Hooks(on_message=str)).engine is None
    assert wiring.ready_agent("shop", Agent("A.", tts=ElevenLabsTTS("k")), Hooks()).engine is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"provider": "openai"}, "provider cannot be 'openai'"),
        ({"provider": "pipeline", "engine": OpenAIRealtime("k")}, "two answers to one question"),
        ({"provider": "elevenlabs_convai", "engine": "openai_realtime"}, "two answers"),
        ({"provider": "openai_realtime", "llm": OpenAILLM("k")}, "llm would do it again"),
    ],
)
def test_a_word_that_contradicts_the_rest_is_refused(wrong: dict[str, Any], words: str) -> None:
    """When it is written."""
    with pytest.raises(InputError, match=words):
        Agent("A.", **wrong)


async def test_nothing_can_be_typed_to_an_engine(unset: pytest.MonkeyPatch) -> None:
    """It is said before the call; an agent that chose nothing is typed to by way of its language model."""
    with pytest.raises(InputError, match="wants to hear a voice"):
        await Patter(persist=False).test(Agent("A.", engine=OpenAIRealtime("k")))


def test_elevenlabs_agents_need_an_agent(unset: pytest.MonkeyPatch) -> None:
    """ElevenLabsConvAI() without an agent's id is told which step is missing, before the first ring."""
    unset.delenv("ELEVENLABS_AGENT_ID", raising=False)
    with pytest.raises(ConfigError, match="ELEVENLABS_AGENT_ID is not set") as raised:
        wiring.ready_agent("shop", Agent("A.", engine=ElevenLabsConvAI("k")), Hooks())
    assert "make one at elevenlabs.io" in raised.value.hint


@pytest.mark.parametrize(
    "row", [each for each in registry.ROWS if each.keys and each.kind in ("engine", "stt", "llm", "tts")]
)
def test_a_missing_key_is_found_before_the_first_ring(unset: pytest.MonkeyPatch, row: registry.Row) -> None:
    """Of every vendor, and the error says which variable."""
    for each in row.keys:
        unset.delenv(each, raising=False)
    rest: dict[str, Any] = {} if row.kind in ("engine", "llm") else {"llm": RulesLLM(lambda turn: "Yes.")}
    with pytest.raises(MissingCredential, match=row.keys[0]):
        wiring.ready_agent("shop", Agent("A.", **{row.kind: row.name}, **rest), Hooks())


@pytest.mark.parametrize(
    ("variable", "stage"), [("DEEPGRAM_API_KEY", "stt"), ("ELEVENLABS_API_KEY", "tts"), ("OPENAI_API_KEY", "llm")]
)
@pytest.mark.parametrize("wrong", ["two words", "schlüssel", "k\x07ey"])
def test_a_key_that_cannot_be_one_is_found_where_nobody_named_its_vendor(
    unset: pytest.MonkeyPatch, variable: str, stage: str, wrong: str
) -> None:
    """A stage that the environment fills is examined before the first ring, as one is that the author filled."""
    unset.setenv(variable, wrong)
    hooks = Hooks() if stage == "llm" else Hooks(on_message=str)
    with pytest.raises(BadSetting, match=f"{variable} holds characters that no key has"):
        wiring.ready_agent("shop", Agent("A.", provider="pipeline"), hooks)


@pytest.mark.parametrize("blank", ["", "   ", "\t\n"])
def test_a_blank_key_is_not_set(unset: pytest.MonkeyPatch, blank: str) -> None:
    """The next vendor with a real key is chosen, its older name counts, and without any the built-in part serves."""
    unset.setenv("DEEPGRAM_API_KEY", blank)
    unset.setenv("ELEVENLABS_API_KEY", blank)
    ready = wiring.ready_agent("shop", Agent("A."), Hooks(on_message=str))
    assert set(ready.notes) == {"speech"}
    unset.setenv("ASSEMBLYAI_API_KEY", " key-1\n")
    unset.setenv("CARTESIA_API_KEY", "key-2")
    ready = wiring.ready_agent("shop", Agent("A."), Hooks(on_message=str))
    assert (ready.stt.provider, ready.tts.provider) == ("assemblyai", "cartesia")
    unset.setenv("DEEPGRAM_KEY", "key-3")
    assert registry.find("stt", "deepgram").key_set() == "DEEPGRAM_KEY"
    assert keys.look_up("ASSEMBLYAI_API_KEY") == "key-1"


def test_a_blank_key_leaves_what_was_named_without_one(unset: pytest.MonkeyPatch) -> None:
    """Whoever names the vendor is told before the first ring."""
    unset.setenv("DEEPGRAM_API_KEY", "   ")
    with pytest.raises(MissingCredential, match="DEEPGRAM_API_KEY is not set"):
        wiring.ready_agent("shop", Agent("A.", stt="deepgram"), Hooks(on_message=str))


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-6.1-terra", "gpt-live-1", "gpt-realtime-whisper"])
def test_a_model_that_holds_no_conversation_is_no_engines(unset: pytest.MonkeyPatch, model: str) -> None:
    """At the vendor's own addresses, before the first ring; a server of somebody's own names its models as it likes."""
    unset.setenv("OPENAI_API_KEY", "sk-1")
    unset.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(BadSetting, match="cannot hear and speak by itself") as found:
        wiring.ready_agent("shop", Agent("A.", engine="openai_realtime", model=model), Hooks())
    assert found.value.hint.startswith('model="gpt-realtime-2.1"')
    unset.setenv("OPENAI_BASE_URL", "https://eu.api.openai.com/v1")
    with pytest.raises(BadSetting):
        wiring.ready_agent("shop", Agent("A.", engine=OpenAIRealtime(model=model)), Hooks())
    unset.setenv("OPENAI_BASE_URL", "https://shop.openai.azure.com/openai/v1")
    ready: Any = wiring.ready_agent("shop", Agent("A.", engine=OpenAIRealtime(model=model)), Hooks())
    assert ready.engine.model == model


@pytest.mark.parametrize(
    "model", ["gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-1.5", "gpt-4o-realtime-preview-2024-12-17"]
)
def test_a_model_that_holds_a_conversation_is_an_engines(unset: pytest.MonkeyPatch, model: str) -> None:
    """Those that there are, and the retired ones, which lead to a successor."""
    unset.setenv("OPENAI_API_KEY", "sk-1")
    unset.delenv("OPENAI_BASE_URL", raising=False)
    ready: Any = wiring.ready_agent("shop", Agent("A.", engine=OpenAIRealtime(model=model)), Hooks())
    assert "realtime" in ready.engine.model
