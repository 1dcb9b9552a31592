"""An agent resolved for a call: what is filled in, what on_call_start may change, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from patter_cli import (
    Agent,
    AssemblyAISTT,
    DeepgramSTT,
    ElevenLabsTTS,
    LocalTTS,
    OpenAILLM,
    RulesLLM,
    guardrail,
    registry,
    tool,
    wiring,
)
from patter_cli.audio import NlmsEchoCanceller
from patter_cli.contracts.store import CallQuery, StorePlace
from patter_cli.engine.author_model import AuthorModel
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import CallTexts
from patter_cli.engine.respelt import RespeltVoice
from patter_cli.errors import BadSetting, ConfigError, InputError, MissingCredential, UnknownProvider
from patter_cli.registry import Row
from patter_cli.settings import Settings
from patter_cli.stores.nothing import NoStore
from patter_cli.text.preamble import PHONE_PREAMBLE
from patter_cli.text.redact import Redaction
from tests.e2e import acme

MODEL = RulesLLM(lambda turn: "Yes.")
ANSWERS = Hooks(on_message=lambda event: "Yes.")


@tool
def book(day: str) -> str:
    """Book a table."""
    return day


@tool(timeout_s=30)
def cancel(day: str) -> str:
    """Cancel a table."""
    return day


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def at_home(model: RulesLLM) -> AuthorModel:
    """A model of rules as calls use it: on the loop of the author's code."""
    return AuthorModel(inner=model, function=model.rules)


def ready(agent: Agent, hooks: Hooks = Hooks(), **more: Any) -> Any:  # noqa: B008 (frozen)
    return wiring.ready_agent("bistro", agent, hooks, **more)


def test_variables_are_filled_in_everywhere() -> None:
    """Prompt, greeting and voicemail; a call's parameters win over the agent's."""
    agent = Agent("You are {who}.", "Hello {who}!", llm=MODEL, variables={"who": "nobody"})
    call = ready(agent, voicemail_message="Bye {who}.").revise({"variables": {"other": "x"}}, {"who": "Luigi"})
    assert call.plan.system_prompt.endswith("You are Luigi.")
    assert (call.plan.first_message, call.plan.voicemail_message) == ("Hello Luigi!", "Bye Luigi.")


@pytest.mark.parametrize("where", ["system_prompt", "first_message", "voicemail_message"])
def test_a_variable_nobody_fills_is_reported_at_load(where: str) -> None:
    """By its name, with the way to give it."""
    texts = {"system_prompt": "You.", "first_message": "", "voicemail_message": "", where: "Dear {name},"}
    agent = Agent(texts["system_prompt"], texts["first_message"], llm=MODEL)
    with pytest.raises(InputError, match=r"\{name\}") as caught:
        ready(agent, voicemail_message=texts["voicemail_message"])
    assert '"name"' in caught.value.hint


def test_the_prompt_begins_with_phone_manners_unless_told_otherwise() -> None:
    """In every mode."""
    assert ready(Agent("Mine.", llm=MODEL)).plan.system_prompt.startswith(PHONE_PREAMBLE)
    assert ready(Agent("Mine."), ANSWERS).plan.system_prompt.startswith(PHONE_PREAMBLE)
    assert ready(Agent("Mine.", llm=MODEL, disable_phone_preamble=True)).plan.system_prompt == "Mine."


def test_on_call_start_changes_one_call() -> None:
    """Whatever it may change; the agent itself and the next call stay as they were."""
    base = ready(Agent("A {x}.", "Hi.", llm=MODEL, tools=[book], variables={"x": "1"}))
    changes = {
        "system_prompt": "B {x}.",
        "first_message": "Ciao.",
        "language": "it",
        "voice": "jo",
        "variables": {"x": "2"},
        "pronounce": {"Nguyen": "win"},
        "tools": [cancel],
        "guardrails": [guardrail("no", ["lawsuit"])],
        "transfer_numbers": ["+12025550142"],
        "barge_in_threshold_ms": 0,
    }
    call = base.revise(changes, {})
    assert call.plan.system_prompt.endswith("B 2.")
    assert (call.plan.first_message, call.plan.language) == ("Ciao.", "it")
    assert call.tts != base.tts
    assert [(each.name, each.timeout_ms) for each in call.plan.tools] == [("cancel", 30_000)]
    assert [rule.name for rule in call.plan.blocked] == ["no"]
    assert call.plan.transfer_numbers == ("+12025550142",)
    assert call.plan.pace.barge_in_threshold_ms == 0
    assert base.revise({}, {}).plan == base.plan


@pytest.mark.parametrize(
    "bad",
    [
        {"sytem_prompt": "typo"},
        {"system_prompt": ""},
        {"variables": 5},
        {"tools": ["nonsense"]},
        {"transfer_numbers": ["911"]},
        {"barge_in_threshold_ms": -1},
        {"guardrails": [7]},
        {"voice": "nobody"},
        {"pronounce": ["Nguyen"]},
        {"tts": 5},
        {"llm": [MODEL, object()]},
        {"llm": "nobody"},
    ],
)
def test_an_override_that_cannot_be_used_costs_only_itself(
    bad: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of what on_call_start gave holds, and the log says what did not."""
    call = ready(Agent("A.", llm=MODEL)).revise({**bad, "first_message": "Ciao."}, {})
    assert call.plan.first_message == "Ciao."
    assert next(iter(bad)) in caplog.text


def test_the_voice_reads_in_the_agents_language_and_says_words_as_it_is_told() -> None:
    """A voice that reads dates is told whose; respelt words are whatever voice's."""
    british = ready(Agent("A.", llm=MODEL, language="en-GB")).tts
    assert british == LocalTTS(language="en-GB")
    assert ready(Agent("A.", llm=MODEL, language="en-GB", tts=LocalTTS(language="en-US"))).tts == LocalTTS(
        language="en-US"
    )
    told = ready(Agent("A.", llm=MODEL, voice="jo", pronounce={"Nguyen": "win"})).tts
    assert told == RespeltVoice(voice=LocalTTS("jo", language="en"), words=(("Nguyen", "win"),))


def test_what_a_call_cannot_change_is_made_once() -> None:
    """Not with every ring: tools are checked, and a canceller's library is loaded, when the agent is."""
    base = ready(Agent("A.", llm=MODEL, tools=[book], echo_cancellation=True))
    call = base.revise({"first_message": "Ciao."}, {"x": "1"})
    assert call.tools is base.tools
    assert call.echo_canceller is base.echo_canceller


def test_a_model_cannot_replace_on_message_in_the_middle(caplog: pytest.LogCaptureFixture) -> None:
    """Who answers is settled before the call."""
    call = ready(Agent("A."), ANSWERS).revise({"llm": MODEL}, {})
    assert not call.models
    assert "on_message" in caplog.text
    other = RulesLLM(lambda turn: "No.")
    assert ready(Agent("A.", llm=MODEL)).revise({"llm": other}, {}).models == (at_home(other),)


def test_numbers_in_the_prompt_may_be_called_and_those_of_the_caller_not() -> None:
    """The author writes the prompt and its variables; what a call brings along is a stranger's."""
    agent = Agent(
        "Transfer to +1 (202) 555-0142 or {boss}. The caller is {caller_id}. Order +123 and 00+12025550199 are none.",
        llm=MODEL,
        variables={"boss": "+12025550143", "caller_id": ""},
        transfer_numbers=["+12025550144"],
    )
    call = ready(agent).revise({}, {"caller_id": "+19005550100", "boss": "+19005550101"})
    assert set(call.plan.transfer_numbers) == {"+12025550142", "+12025550143", "+12025550144"}


def test_a_model_and_on_message_exclude_each_other() -> None:
    """Both would answer."""
    with pytest.raises(ConfigError, match="both"):
        ready(Agent("A.", llm=MODEL), ANSWERS)


def test_an_agent_that_nothing_can_answer_for_is_refused() -> None:
    """Before the first ring, with what to do."""
    with pytest.raises(ConfigError, match="nothing to answer with") as caught:
        ready(Agent("A."))
    assert "OPENAI_API_KEY" in caught.value.hint


def test_a_key_in_the_environment_chooses_a_model_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage left out is filled from the keys that are set, in one line."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    call = ready(Agent("A.", model="gpt-5.4-mini"))
    assert call.models == (OpenAILLM(model="gpt-5.4-mini"),)
    assert any("OPENAI_API_KEY" in note and "gpt-5.4-mini" in note for note in call.notes.values())
    assert not ready(Agent("A."), ANSWERS).models


def test_a_model_without_its_key_is_refused_before_the_first_ring() -> None:
    """With the command that sets it."""
    with pytest.raises(MissingCredential, match="OPENAI_API_KEY"):
        ready(Agent("A.", llm=OpenAILLM()))


def test_several_models_are_kept_in_order() -> None:
    """The next is asked when one fails."""
    other = RulesLLM(lambda turn: "No.")
    assert ready(Agent("A.", llm=[MODEL, other])).models == (at_home(MODEL), at_home(other))


def test_only_a_models_answers_are_drafted() -> None:
    """on_message may do things in the world, so it runs once a turn is over."""
    assert ready(Agent("A.", llm=MODEL)).plan.drafts
    assert not ready(Agent("A."), ANSWERS).plan.drafts


@pytest.mark.parametrize("choice", [None, True, "webrtc"])
def test_each_call_gets_an_echo_canceller_of_its_own(choice: bool | str | None) -> None:
    """For the line's rate; none if the agent wants none."""
    if choice == "webrtc":
        pytest.importorskip("livekit")
    make = ready(Agent("A.", llm=MODEL, echo_cancellation=choice)).echo_canceller
    assert make(8000, print) is not make(8000, print)
    assert ready(Agent("A.", llm=MODEL, echo_cancellation=False)).echo_canceller is None


@pytest.mark.parametrize("wrong", [{"echo_cancellation": "webtrc"}, {"audio_filter": 5}])
def test_what_cannot_filter_is_refused_at_load(wrong: dict[str, Any]) -> None:
    """Before the first ring."""
    with pytest.raises((InputError, UnknownProvider)):
        ready(Agent("A.", llm=MODEL, **wrong))


def test_without_a_folder_nothing_is_kept() -> None:
    """The store is there all the same, and has nothing."""
    store = wiring.call_store(None)
    assert store.begin("LB1", 0.0) is None
    assert (store.list(CallQuery()), store.get("LB1"), list(store.export(CallQuery()))) == ((), None, [])
    assert (list(store.journal("LB1")), list(store.abandoned()), store.delete("LB1")) == ([], [], False)


def test_a_provider_may_be_given_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made as its class would be without arguments, a model with the agent's."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    by_name = ready(Agent("A.", llm="openai", stt="local", tts="local", model="gpt-5.4-mini"))
    assert by_name.models == (OpenAILLM(model="gpt-5.4-mini"),)
    assert (by_name.stt, by_name.tts) == (wiring.built_in_speech()[0], LocalTTS(language="en"))
    assert ready(Agent("A.", llm=[MODEL, "openai"])).models == (at_home(MODEL), OpenAILLM())
    assert ready(Agent("A.", llm=MODEL)).revise({"llm": "openai"}, {}).models == (OpenAILLM(),)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ({"llm": "opneai"}, "openai"),
        ({"stt": "Local"}, "local"),
        ({"tts": "x"}, "known: "),
        ({"llm": ""}, "known"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong: dict[str, str], near: str) -> None:
    """Before the first ring."""
    with pytest.raises(UnknownProvider) as caught:
        ready(Agent("A.", **{"llm": MODEL, **wrong}))
    assert near in caught.value.hint


def test_carriers_are_those_whose_keys_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in line and the softphone need none; a row more is a carrier more, as soon as its key is there."""
    row = registry.Row(name="acme", kind="carrier", target="tests.e2e.acme:Carrier", keys=("ACME_KEY",))
    monkeypatch.setattr(registry, "ROWS", (*registry.ROWS, row))
    monkeypatch.delenv("ACME_KEY", raising=False)
    assert list(wiring.carriers()) == ["loopback", "browser"]
    monkeypatch.setenv("ACME_KEY", "k")
    assert {name: each.local for name, each in wiring.carriers().items()} == {
        "loopback": True,
        "browser": True,
        "acme": False,
    }


def test_a_secret_is_kept_only_where_something_is_signed_for_others(tmp_path: Path) -> None:
    """With the built-in line alone nothing leaves the process; with a carrier the tickets do."""
    settings = Settings(log_dir=tmp_path)
    local = wiring.carriers()
    assert wiring.signing_secret(settings, local) != wiring.signing_secret(settings, local)
    assert list(tmp_path.iterdir()) == []
    carried = {**local, "acme": acme.Carrier()}
    assert wiring.signing_secret(settings, carried) == wiring.signing_secret(settings, carried)
    assert wiring.signing_secret(Settings(secret_key="sixteen letters!"), local) == b"sixteen letters!"


def test_ears_and_voices_stand_in_for_one_another() -> None:
    """As models do: in their order, by name or as things; a voice that is chosen by name is the first one's."""
    stt, tts = wiring.built_in_speech()
    tts, other = (replace(each, language="en") for each in (tts, wiring.built_in_caller("jo")))
    found = ready(Agent("A.", llm=MODEL, stt=[stt, "local"], tts=[tts, other]))
    assert (found.stt, found.stt_fallbacks) == (stt, (stt,))
    assert (found.tts, found.tts_fallbacks) == (tts, (other,))
    call = found.revise({"voice": "jo"}, {})
    assert (call.tts, call.tts_fallbacks) == (other, (other,))
    assert call.breakers is found.breakers
    with pytest.raises(InputError, match="stt is an empty list"):
        Agent("A.", stt=[])


def test_what_is_no_provider_is_refused_at_load() -> None:
    """With what it lacks, and with what there is; one that lacks its key is refused too, also as a stand-in."""

    class Half:
        rate_hz = 8000

        async def open(self) -> None: ...

    with pytest.raises(InputError, match=r"agent bistro: a Half cannot be its tts, for it lacks warm") as caught:
        ready(Agent("A.", llm=MODEL, tts=[wiring.built_in_caller("jo"), Half()]))
    assert "local" in caught.value.hint
    for wrong in ({"stt": 5}, {"llm": object()}, {"tts": [None]}):
        with pytest.raises(InputError, match="cannot be its"):
            ready(Agent("A.", **{"llm": MODEL, **wrong}))
    with pytest.raises(MissingCredential):
        ready(Agent("A.", llm=[MODEL, OpenAILLM()]))


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_a_tuned_echo_canceller_is_the_model_of_each_calls_own(rate_hz: int) -> None:
    """Given as echo_cancellation it is made anew for each line, its room as long as it was in milliseconds."""
    tuned = NlmsEchoCanceller(sample_rate=16000, filter_taps=1024, step_size=0.3)
    make = ready(Agent("A.", llm=MODEL, echo_cancellation=tuned)).echo_canceller
    first, second = (make(rate_hz, lambda delay_ms: None) for _ in range(2))
    assert first is not second is not tuned
    assert (first._rate_hz, first._taps, first._step) == (rate_hz, 64 * rate_hz // 1000, 0.3)
    usual = NlmsEchoCanceller(step_size=0.3).for_line(rate_hz)
    assert usual._taps == NlmsEchoCanceller(sample_rate=rate_hz)._taps


@pytest.mark.parametrize("given", [NlmsEchoCanceller(), NlmsEchoCanceller])
def test_an_echo_canceller_is_no_audio_filter(given: Any) -> None:
    """It passes for one, and would raise in the call: the hint says where it belongs."""
    with pytest.raises(InputError) as caught:
        ready(Agent("A.", llm=MODEL, audio_filter=given))
    assert "echo_cancellation=" in caught.value.hint


@pytest.mark.parametrize("voice", ["alloy", "Nova", "rachel"])
def test_a_vendors_voice_without_its_key_is_the_built_in_one(voice: str) -> None:
    """One line says so; a voice that nobody has is an error, and one of ours needs no word."""
    call = ready(Agent("A.", llm=MODEL, voice=voice))
    assert call.tts == LocalTTS(language="en")
    assert voice in call.notes["voice"]
    assert "voice" not in ready(Agent("A.", llm=MODEL, voice="jo")).notes
    with pytest.raises(BadSetting):
        ready(Agent("A.", llm=MODEL, voice="aloy"))


async def no_parameter() -> None:
    pass


async def keyword_only(*, event: Any) -> None:
    pass


def two(event: Any, more: Any) -> None:
    pass


async def yields(event: Any) -> Any:
    yield "never"


class OfNothing:
    def __call__(self) -> None:
        pass


@pytest.mark.parametrize("name", ["on_message", "on_call_start", "on_call_end", "on_transcript", "on_metrics"])
@pytest.mark.parametrize("wrong", [no_parameter, keyword_only, two, lambda: None, OfNothing(), 5, "text"])
def test_a_callback_that_cannot_take_its_event_is_refused(name: str, wrong: Any) -> None:
    """Each of them, however it is written; the hint is the right shape."""
    with pytest.raises(InputError) as caught:
        ready(Agent("A.", llm=None if name == "on_message" else MODEL), Hooks(**{name: wrong}))
    assert name in str(caught.value)
    assert f"async def {name}(event)" in caught.value.hint
    if wrong is no_parameter:
        assert "test_wiring.py:" in str(caught.value)


def test_a_callback_that_would_never_run_is_refused() -> None:
    """A yield makes a generator of it; on_message may be one."""
    with pytest.raises(InputError, match="has a yield"):
        ready(Agent("A.", llm=MODEL), Hooks(on_call_end=yields))
    ready(Agent("A."), Hooks(on_message=yields))


@pytest.mark.parametrize("fine", [lambda event: None, lambda *events: None, print, lambda event, more=1: None])
def test_a_callback_may_take_more_than_it_is_given(fine: Any) -> None:
    """Defaults, any number, a function written in C."""
    ready(Agent("A.", llm=MODEL), Hooks(on_call_end=fine))


def test_checks_and_rules_have_a_shape_too() -> None:
    """A guardrail's check takes the clause, the function of RulesLLM the turn."""
    with pytest.raises(InputError, match="guardrail prices"):
        ready(Agent("A.", llm=MODEL, guardrails=[guardrail("prices", check=lambda: True)]))
    with pytest.raises(InputError, match="no_parameter of RulesLLM"):
        ready(Agent("A.", llm=RulesLLM(no_parameter)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", " "])
def test_an_agent_without_a_name_is_refused(name: str) -> None:
    """Nobody could call it."""
    with pytest.raises(InputError, match="needs a name"):
        wiring.ready_agent(name, Agent("A.", llm=MODEL), Hooks())


def test_a_database_is_one_more_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that a package brings is opened with its address; what there is not is named with the nearest."""
    opened: list[StorePlace] = []

    def acme(place: StorePlace) -> NoStore:
        opened.append(place)
        return NoStore()

    monkeypatch.setattr(registry, "installed", lambda: (Row(name="acme", kind="store", target="acme:open"),))
    monkeypatch.setattr(Row, "load", lambda row: acme)
    wiring.kept_calls(Settings(log_dir=tmp_path, store="acme://host/calls", redact=Redaction.CARDS, keep_days=7))
    assert opened == [StorePlace(folder=tmp_path, address="acme://host/calls", redaction=Redaction.CARDS, keep_days=7)]
    with pytest.raises(ConfigError, match="no store of calls is called 'sqlit'") as raised:
        wiring.kept_calls(Settings(log_dir=tmp_path, store="sqlit"))
    assert "sqlite" in raised.value.hint


def test_the_built_in_store_has_no_address(tmp_path: Path) -> None:
    """It is in a folder, which another setting names."""
    with pytest.raises(BadSetting, match="is an address"):
        wiring.kept_calls(Settings(log_dir=tmp_path, store="sqlite://elsewhere"))


def test_an_agent_made_for_one_call_knows_which_vendors_are_in_trouble() -> None:
    """Otherwise every caller of such an agent would wait for the same dead vendor."""
    base = ready(Agent("A.", llm=MODEL))
    call = base.revise({"agent": Agent("B.", llm=[MODEL, OpenAILLM("k")])}, {})
    assert call.plan.system_prompt.endswith("B.")
    assert call.breakers is base.breakers


def test_names_that_a_call_brings_with_it_are_listened_for() -> None:
    """A column of a campaign or a --var is a variable like any other: its names are key terms of that call's ears, in
    each language, and what is no name is not."""
    stt = [DeepgramSTT("k"), AssemblyAISTT("k")]
    agent = Agent("Help {name}.", stt=stt, tts=ElevenLabsTTS("k"), variables={"name": "Ann"}, languages=["en", "es"])
    shop = ready(agent, ANSWERS)
    texts = CallTexts(variables={"name": "Ada Lovelace", "day": "monday", "note": "He said: Call Bob. Or not."})
    for called in (shop.for_call(texts), shop.revise({}, texts.variables)):
        ears: Any = [*called.ears, *(each for spoken in called.spoken.values() for each in spoken.ears)]
        assert len(ears) == 6
        assert {each.keyterms for each in ears} == {("Ada Lovelace",)}
    assert shop.stt.keyterms == ("Ann",)
