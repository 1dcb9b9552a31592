"""What files written for the product's older forms rely on, each in the form in which it was documented."""

from __future__ import annotations

import asyncio
import io
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from patter_cli import (
    Agent,
    DeepgramSTT,
    ElevenLabsTTS,
    EmbeddedServer,
    LocalConfig,
    OpenAILLM,
    OpenAIRealtime,
    OpenAITTS,
    Patter,
    RulesLLM,
    SentenceChunker,
    Telnyx,
    Turn,
    Twilio,
    WhisperSTT,
    call_tool,
    keys,
    tool,
    wiring,
)
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import BadSetting, ConfigError, InputError, MissingCredential, UnknownProvider
from patter_cli.local_config import GUIDE, HOSTED, REPLACED
from patter_cli.observe.bus import Bus
from patter_cli.observe.journal_writer import JournalWriter
from patter_cli.settings import load_settings
from patter_cli.simulate.typed import TypedCall, TypedControl
from patter_cli.testing import SpeechPeer


async def typed_call(agent: Agent, line: str, **hooks: Any) -> None:
    """A call in which one line is typed."""
    call = TypedCall(
        wiring.ready_agent("shop", agent, Hooks(**hooks)),
        call_id="typed",
        control=TypedControl((), lambda human: None),
        journal=JournalWriter(Bus()).open("typed", None),
    )
    running = asyncio.create_task(call.run())
    await call.until_quiet()
    call.type(line)
    await call.until_quiet()
    call.hang_up()
    await running


async def test_every_event_has_the_history_and_the_end_has_a_transcript() -> None:
    """A list of {role, text, timestamp}: empty when a call begins, whole when it ends."""
    told: dict[str, Any] = {}

    def keep(name: str) -> Any:
        return lambda event: told.setdefault(name, []).append(event)

    names = ("on_call_start", "on_transcript", "on_metrics", "on_call_end")
    await typed_call(
        Agent("Be brief.", "Hello."),
        "When do you open?",
        on_message=lambda event: "At nine.",
        **{name: keep(name) for name in names},
    )
    assert set(told) == set(names)
    (start,) = told["on_call_start"]
    assert start["history"] == start.history == []
    assert all(isinstance(each.history, list) for events in told.values() for each in events)
    (end,) = told["on_call_end"]
    said = [(each["role"], each["text"]) for each in end["transcript"]]
    assert said == [("assistant", "Hello."), ("user", "When do you open?"), ("assistant", "At nine.")]
    assert all(set(each) == {"role", "text", "timestamp"} for each in end.transcript)
    assert all(isinstance(each["timestamp"], float) for each in end.transcript)
    assert end["history"] == end["transcript"]


async def test_a_tools_ctx_is_a_mapping_with_attributes() -> None:
    """ctx["caller"] and ctx.caller are the same, and the history is in it."""
    seen: list[Any] = []

    @tool
    def hours(ctx: Any) -> str:
        """Say when the shop is open."""
        seen.append(ctx)
        return "nine"

    def rules(turn: Turn) -> Any:
        return "At nine." if turn.results else call_tool("hours")

    await typed_call(Agent("Be brief.", llm=RulesLLM(rules), tools=[hours]), "When do you open?")
    (ctx,) = seen
    assert ctx["call_id"] == ctx.call_id == "typed"
    assert ctx["caller"] == ctx.caller == "keyboard"
    assert {**ctx}["history"][0]["text"] == "When do you open?"
    assert ctx.get("callee") == "shop"


def test_the_keys_of_a_constructor_come_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Patter(mode="local", openai_key=…) works, and one line says what replaces each keyword; no key is in it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    with caplog.at_level(logging.WARNING):
        phone = Patter(mode="local", openai_key="sk-given", deepgram_key="dg-given", phone_number="+14155550123")
    (line,) = [each.getMessage() for each in caplog.records]
    for word in ("openai_key by OPENAI_API_KEY", "deepgram_key by DEEPGRAM_API_KEY", "docs/migrating.md"):
        assert word in line
    assert "given" not in line
    assert "phone_number" not in line
    assert phone._resolved("shop", phone.agent("Be brief."), Hooks()).engine == OpenAIRealtime(api_key="sk-given")
    ready = phone._resolved("shop", phone.agent("Be brief.", provider="pipeline"), Hooks())
    assert (ready.models, ready.stt) == (
        (OpenAILLM(api_key="sk-given"),),
        DeepgramSTT(api_key="dg-given", language="en"),
    )


CARRIERS_KEYS = {
    "twilio_sid": {"twilio_sid": "AC1", "twilio_token": "given"},
    "twilio_token": {"twilio_sid": "AC1", "twilio_token": "given"},
    "telnyx_key": {"telnyx_key": "given", "telnyx_connection_id": "1"},
    "telnyx_connection_id": {"telnyx_key": "given", "telnyx_connection_id": "1"},
    "telnyx_public_key": {"telnyx_key": "given", "telnyx_connection_id": "1", "telnyx_public_key": "p"},
}


@pytest.mark.parametrize(
    "keyword",
    [
        *("mode", "twilio_sid", "twilio_token", "telnyx_key", "telnyx_connection_id", "telnyx_public_key"),
        *("openai_key", "deepgram_key", "elevenlabs_key", "cartesia_key", "rime_key", "lmnt_key", "soniox_key"),
        *("speechmatics_key", "assemblyai_key"),
    ],
)
def test_every_older_keyword_is_taken_and_its_successor_named(keyword: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each one that was documented, in Patter(...) and as a field of LocalConfig; what it holds is in no log."""
    given = CARRIERS_KEYS.get(keyword) or {keyword: "local" if keyword == "mode" else "given"}
    with caplog.at_level(logging.WARNING):
        Patter(**given, persist=False)
    (line,) = [each.getMessage() for each in caplog.records]
    assert f"{keyword} by {REPLACED[keyword]}" in line
    assert "given" not in line
    assert getattr(LocalConfig(**given), keyword) == given[keyword]


def test_a_carriers_older_keys_make_the_carrier() -> None:
    """It is found from them, and each comes before the environment's."""
    twilio = Patter(
        mode="local", twilio_sid="AC1", twilio_token="t", phone_number="+14155550123", webhook_url="a.example"
    )
    assert twilio._carriers is not None
    assert twilio._carriers["twilio"] == Twilio("AC1", "t")
    telnyx = Patter(telnyx_key="KEY1", telnyx_connection_id="1", telnyx_public_key="p")
    assert telnyx._carriers is not None
    assert telnyx._carriers["telnyx"] == Telnyx("KEY1", "1", "p")


def test_the_fields_of_a_local_config() -> None:
    """As they were documented, with what they are when nobody says anything."""
    config = LocalConfig()
    assert (config.mode, config.telephony_provider, config.phone_number, config.webhook_url) == ("local", "", "", "")
    assert config.require_signature is True
    assert config.persist_root is None
    assert EmbeddedServer(config, Agent("Be brief.", llm=RulesLLM(lambda turn: "Yes.")), recording=False)


@pytest.mark.parametrize("variable", ["PHONE_NUMBER", "PATTER_PHONE_NUMBER"])
def test_number_and_address_from_the_environment(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that says neither has them from there; one that does comes first."""
    monkeypatch.setenv("WEBHOOK_URL", "https://phone.example")
    monkeypatch.setenv(variable, "+14155550123")
    assert load_settings().phone_number == "+14155550123"
    assert Patter()._public_host == "phone.example"
    assert Patter(webhook_url="other.example")._public_host == "other.example"
    monkeypatch.setenv(variable, "555")
    with pytest.raises(BadSetting, match=f"{variable} cannot be '555'"):
        Patter()


async def test_a_call_without_an_agent() -> None:
    """The one that is served talks; where none is, it is said before anybody is rung."""
    with pytest.raises(ConfigError, match="nobody said which agent talks") as raised:
        await Patter(phone_number="+14155550123").call(to="+12125550142")
    assert "serve one first" in raised.value.hint


def test_what_is_not_older_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A program in today's form is not told to change."""
    with caplog.at_level(logging.INFO):
        Patter(phone_number="+14155550123", persist=False)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("keywords", "error", "words", "hint"),
    [
        ({"api_key": "pt_123"}, ConfigError, "api_key belongs to the hosted mode, which comes later", "migrating"),
        ({"backend_url": "wss://x.example"}, ConfigError, "hosted mode", "migrating"),
        ({"rest_url": "https://x.example", "api_key": "pt_1"}, ConfigError, "api_key and rest_url belong to", ""),
        ({"mode": "cloud"}, ConfigError, "hosted mode, which comes later", "migrating"),
        ({"mode": "lokal"}, ConfigError, "is not there", "local"),
        ({"opnai_key": "sk-1"}, InputError, "no opnai_key", "did you mean openai_key"),
        ({"zzz": 1}, InputError, "no zzz", "it has carrier, phone_number"),
        ({"twilio_sid": "AC1"}, MissingCredential, "twilio_token", ""),
        ({"phone_number": "555-0100"}, InputError, "no phone number", ""),
        ({"telephony_provider": "pigeon"}, UnknownProvider, "pigeon", ""),
    ],
)
def test_what_cannot_be_is_said_when_it_is_written(
    keywords: dict[str, Any], error: type[ConfigError], words: str, hint: str
) -> None:
    """The hosted mode, a misspelt keyword, half a credential: told by the constructor, with the way out."""
    with pytest.raises(error, match=words) as raised:
        Patter(**keywords)
    assert hint in raised.value.hint
    assert "pt_1" not in str(raised.value)


async def test_connect_belongs_to_the_hosted_mode() -> None:
    """And it says what to call instead."""
    with pytest.raises(ConfigError, match="hosted mode, which comes later") as raised:
        await Patter().connect(on_message=print)
    assert "serve" in raised.value.hint


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any of the names, in a process that has told nobody yet."""
    for name in (*keys.OLDER, *keys.OLDER.values()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(keys, "_TOLD", set())
    return monkeypatch


@pytest.mark.parametrize(
    ("older", "current"),
    [
        ("TWILIO_SID", "TWILIO_ACCOUNT_SID"),
        ("TWILIO_TOKEN", "TWILIO_AUTH_TOKEN"),
        ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("DEEPGRAM_KEY", "DEEPGRAM_API_KEY"),
        ("ELEVENLABS_KEY", "ELEVENLABS_API_KEY"),
    ],
)
def test_an_older_variable_is_read_and_the_current_one_named_once(
    unset: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, older: str, current: str
) -> None:
    """In one line, without the key; the current name comes first, and then nothing is said."""
    unset.setenv(older, "a-secret")
    assert keys.look_up(current) == keys.look_up(current) == "a-secret"
    (line,) = [each.getMessage() for each in caplog.records]
    assert older in line
    assert current in line
    assert "a-secret" not in line
    unset.setenv(current, "newer")
    assert keys.look_up(current) == "newer"
    assert keys.set_as(current) == current


def test_an_older_variable_chooses_a_provider(unset: pytest.MonkeyPatch) -> None:
    """An agent that left its model open gets the one whose key is there, and is told under which name."""
    unset.setenv("OPENAI_KEY", "sk-older")
    ready = wiring.ready_agent("shop", Agent("Be brief.", provider="pipeline"), Hooks())
    assert [each.provider for each in ready.models] == ["openai"]
    assert "OPENAI_KEY" in ready.notes["llm"]
    assert isinstance(wiring.ready_agent("shop", Agent("Be brief."), Hooks()).engine, OpenAIRealtime)


def test_a_variable_that_never_was_is_not_set(unset: pytest.MonkeyPatch) -> None:
    """Not every key had an older name."""
    assert keys.look_up("CARTESIA_API_KEY") == ""
    assert keys.set_as("OPENAI_API_KEY") == "OPENAI_API_KEY"


async def test_a_typed_call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`await phone.test(agent)` takes the caller's words from the keyboard and prints both sides."""
    monkeypatch.setattr("sys.stdin", io.StringIO("When do you open?\n\nGoodbye.\nNobody hears this.\n"))
    ends: list[Any] = []

    def answers(event: Any) -> str:
        if "bye" in event.text:
            event.end_call()
            return "Goodbye!"
        return "We open at nine."

    phone = Patter(persist=False)
    agent = phone.agent("Be brief.", first_message="Hello, the shop.")
    await asyncio.wait_for(phone.test(agent, on_message=answers, on_call_end=ends.append), 20)
    printed = capsys.readouterr().out
    for words in ("Hello, the shop.", "When do you open?", "We open at nine.", "Goodbye!"):
        assert words in printed
    assert "Nobody hears this." not in printed
    assert [each.reason for each in ends] == ["agent"]


async def test_a_typed_call_of_an_agent_that_nothing_answers_for() -> None:
    """It is refused before anything is asked."""
    with pytest.raises(InputError, match="fills"):
        await Patter().test(Agent("You answer {name}."), on_message=lambda event: "Yes.")


def test_on_message_and_an_engine_exclude_each_other() -> None:
    """The engine answers by itself; the error says both ways out."""
    ready = wiring.ready_agent("shop", Agent("Be brief."), Hooks(on_message=lambda event: "Yes."))
    with pytest.raises(ConfigError, match="both an engine and on_message") as raised:
        replace(ready, engine=SpeechPeer([]))
    assert "leave on_message out" in raised.value.hint
    assert "leave engine out" in raised.value.hint


@pytest.mark.parametrize("mark", "؛；༏")
@pytest.mark.parametrize("step", [1, 100])
def test_marks_that_end_a_sentence_in_other_scripts(mark: str, step: int) -> None:
    """Also without white space behind them, and however the text is cut."""
    text = f"ka kha{mark}ga nga"
    chunker = SentenceChunker()
    pieces = [each for at in range(0, len(text), step) for each in chunker.push(text[at : at + step])]
    assert [*pieces, *chunker.flush()] == [f"ka kha{mark}", "ga nga"]


@pytest.mark.parametrize("mark", "՜՞؏")
def test_marks_inside_words_and_verses_end_nothing(mark: str) -> None:
    """Armenian tone marks stand inside the word, and the Arabic verse sign beside a quotation."""
    text = f"ka kh{mark}a ga{mark} nga"
    chunker = SentenceChunker()
    assert [*chunker.push(text), *chunker.flush()] == [text]
    assert mark in (SentenceChunker.__doc__ or "")


@pytest.mark.parametrize(
    ("made", "provider"),
    [
        (Patter.deepgram("k", language="it"), DeepgramSTT("k", "it")),
        (Patter.whisper("k", language="it"), WhisperSTT("k", "it")),
        (Patter.elevenlabs("k", voice="adam"), ElevenLabsTTS("k", "adam")),
        (Patter.openai_tts("k", voice="nova"), OpenAITTS("k", "nova")),
        (Patter.deepgram("k"), DeepgramSTT("k", language="en")),
        (Patter.whisper("k"), WhisperSTT("k", language="en")),
        (Patter.elevenlabs("k"), ElevenLabsTTS("k", voice="rachel")),
        (Patter.openai_tts("k"), OpenAITTS("k", voice="alloy")),
    ],
)
def test_the_constructors_static_helpers(made: object, provider: object) -> None:
    """Each gives the provider that it is the older form of, in its documented order of arguments."""
    assert made == provider


def test_voice_id_is_voice() -> None:
    """ElevenLabsTTS(voice_id="…")."""
    assert ElevenLabsTTS("k", voice_id="abc").voice == "abc"


def test_every_older_name_has_its_line_in_the_guide() -> None:
    """Errors and log lines point to docs/migrating.md, and there it stands beside what replaces it."""
    guide = (Path(__file__).parents[2] / GUIDE).read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in guide.splitlines() if line.startswith("| ")]
    older = {
        **{f"Patter({name}=": new for name, new in REPLACED.items()},
        **{old: new for new, old in keys.OLDER.items()},
    }
    for name, new in older.items():
        (today,) = [today for old, today in rows if f"`{name}" in old and "cloud" not in old]
        assert new.startswith("nothing") or new.rstrip("=") in today, name
    (hosted,) = [old for old, today in rows if "hosted mode" in today]
    assert all(name in hosted for name in (*HOSTED, "connect", 'mode="cloud"'))
