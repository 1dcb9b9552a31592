"""LocalConfig: what an embedded server is told, checked before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from patter_cli import (
    Agent,
    EmbeddedServer,
    LocalConfig,
    OpenAICompatibleLLM,
    OpenAILLM,
    OpenAIRealtime,
    WhisperSTT,
    recipes,
)
from patter_cli.errors import BadSetting, ConfigError, InputError, MissingCredential, UnknownProvider
from patter_cli.local_config import public_host


def test_the_carrier_is_found_from_the_keys() -> None:
    """None: the built-in line; one carrier's keys: that one; of two it must be said which."""
    twilio = {"twilio_sid": "AC1", "twilio_token": "t"}
    telnyx = {"telnyx_key": "KEY1", "telnyx_connection_id": "1"}
    assert LocalConfig().carrier == ""
    assert LocalConfig(**twilio).carrier == "twilio"
    assert LocalConfig(**telnyx).carrier == "telnyx"
    assert LocalConfig(**twilio).credentials() == {"account_sid": "AC1", "auth_token": "t"}
    assert LocalConfig(**telnyx).credentials() == {"api_key": "KEY1", "connection_id": "1"}
    with pytest.raises(ConfigError, match="twilio and telnyx"):
        LocalConfig(**twilio, **telnyx)
    assert LocalConfig(**twilio, **telnyx, telephony_provider="telnyx").credentials() == {
        "api_key": "KEY1",
        "connection_id": "1",
    }


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"twilio_sid": "AC1"}, MissingCredential, "twilio needs twilio_token too"),
        ({"telnyx_key": "KEY1"}, MissingCredential, "telnyx needs telnyx_connection_id"),
        ({"phone_number": "555-0100"}, InputError, "no phone number"),
        ({"phone_number": "+14155550123\n"}, InputError, "no phone number"),
        ({"mode": "cloud"}, ConfigError, "hosted mode, which comes later"),
        ({"webhook_url": "https://phone.example/voice"}, BadSetting, "no public host"),
    ],
)
def test_what_is_wrong_is_said_at_once(fields: dict[str, Any], error: type[Exception], words: str) -> None:
    """Half a credential, no number, a mode that comes later, an address with a path."""
    with pytest.raises(error, match=words):
        LocalConfig(**fields)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("", ""),
        ("phone.example", "phone.example"),
        ("https://phone.example", "phone.example"),
        ("wss://Phone.Example/", "phone.example"),
        ("a-b.c1.phone.example", "a-b.c1.phone.example"),
    ],
)
def test_a_public_host_as_people_write_it(address: str, host: str) -> None:
    """With or without scheme."""
    assert public_host(address) == host


@pytest.mark.parametrize(
    "address",
    [
        "localhost",
        "phone.example:8000",
        "https://phone.example:443",
        "https://me@phone.example",
        "phone.example/voice",
        "phone.example?x=1",
        "phone.example#x",
        "my_phone.example",
        "-phone.example",
        "phone..example",
        "https://",
        "https://[::1",
        "phone.example\n",
        " phone.example",
        "//phone.example",
        "a" * 64 + ".example",
    ],
)
def test_what_no_carrier_could_reach(address: str) -> None:
    """A path, a port, a name that is none: refused where it is written."""
    with pytest.raises(BadSetting, match="no public host name"):
        public_host(address)


def test_no_key_is_shown() -> None:
    """Whoever prints a configuration prints no secret."""
    secrets = {name: f"hidden-{name}" for name in LocalConfig.__dataclass_fields__ if name.endswith(("_key", "_token"))}
    config = LocalConfig(**{**secrets, "telnyx_public_key": "p"}, twilio_sid="AC1", telephony_provider="twilio")
    assert len(secrets) >= 11
    assert "hidden" not in repr(config).replace("hidden-telnyx_public_key", "")


def test_a_key_that_is_given_comes_before_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the stage left open and for a provider without a key of its own; one that has its own keeps it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    given = LocalConfig(openai_key="sk-given").keys()
    assert given == {"OPENAI_API_KEY": "sk-given"}

    def llm(agent: Agent) -> Any:
        return recipes.with_keys(agent, given).llm

    assert llm(Agent("x", provider="pipeline")) == OpenAILLM(api_key="sk-given")
    assert recipes.with_keys(Agent("x"), given).engine == OpenAIRealtime(api_key="sk-given")
    answered = recipes.with_keys(Agent("x"), given, answered=True)
    assert (answered.engine, answered.llm, answered.stt) == (None, None, WhisperSTT(api_key="sk-given"))
    assert llm(Agent("x", model="gpt-9")) == OpenAILLM(api_key="sk-given", model="gpt-9")
    assert llm(Agent("x", llm="openai")) == OpenAILLM(api_key="sk-given")
    assert llm(Agent("x", llm=OpenAILLM(api_key="sk-own"))) == OpenAILLM(api_key="sk-own")
    local = OpenAICompatibleLLM("http://127.0.0.1:9/v1", "m")
    assert llm(Agent("x", llm=[local, OpenAILLM()])) == [local, OpenAILLM(api_key="sk-given")]
    assert recipes.with_keys(Agent("x"), {}).llm is None


def test_what_cannot_be_served_is_refused_when_it_is_made() -> None:
    """A carrier that is not there, recording without one, an agent that nothing answers for."""
    agent = Agent("You answer.", llm=OpenAICompatibleLLM("http://127.0.0.1:9/v1", "m"))
    with pytest.raises(UnknownProvider, match="no carrier is called 'pigeon'"):
        EmbeddedServer(LocalConfig(telephony_provider="pigeon"), agent)
    with pytest.raises(BadSetting, match="record"):
        EmbeddedServer(LocalConfig(), agent, recording=True)
    with pytest.raises(InputError, match="fills"):
        EmbeddedServer(LocalConfig(), Agent("You answer {name}.", llm=agent.llm))
