"""What files written for the product's older forms rely on, each in the form in which it was documented."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from patter_cli import Agent, OpenAILLM, Patter, RulesLLM, Turn, call_tool, keys, tool, wiring
from patter_cli.contracts.carrier.carrier import CallHandle
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import ConfigError, InputError, MissingCredential, UnknownProvider
from patter_cli.observe.bus import Bus
from patter_cli.observe.journal_writer import JournalWriter
from patter_cli.simulate.typed import TypedCall


async def typed_call(agent: Agent, line: str, **hooks: Any) -> None:
    """A call in which one line is typed."""
    call = TypedCall(
        wiring.ready_agent("shop", agent, Hooks(**hooks)),
        call_id="typed",
        control=wiring.built_in_line().control(CallHandle(carrier_call_id="")),
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
    ready = phone._resolved("shop", phone.agent("Be brief."), Hooks())
    assert ready.models == (OpenAILLM(api_key="sk-given"),)


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
        ({"zzz": 1}, InputError, "no zzz", "it has persist"),
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
    ready = wiring.ready_agent("shop", Agent("Be brief."), Hooks())
    assert [each.provider for each in ready.models] == ["openai"]
    assert "OPENAI_KEY" in ready.notes["llm"]


def test_a_variable_that_never_was_is_not_set(unset: pytest.MonkeyPatch) -> None:
    """Not every key had an older name."""
    assert keys.look_up("CARTESIA_API_KEY") == ""
    assert keys.set_as("OPENAI_API_KEY") == "OPENAI_API_KEY"
