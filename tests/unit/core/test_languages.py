"""A call that goes on in another language, and one that may cost no more: what the machine makes of either."""

from __future__ import annotations

import pytest

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import parse_entry, render_entry, replay
from patter_cli.core.phrases import ENGLISH, PHRASES, in_language, language_among, phrases_in
from patter_cli.core.plan import CallPlan, EnginePlan, SystemPhrases
from patter_cli.core.tool_calls import SWITCH_LANGUAGE, Answer, Run, decide
from patter_cli.testing import Answer as Reply
from patter_cli.testing import SpeechPeer, VirtualCall, VirtualTool

BOTH = CallPlan(agent="desk", system_prompt="", languages=("en", "es-MX"))
SPANISH = Reply(calls=((SWITCH_LANGUAGE, '{"language": "es"}'),))


def orders(call: VirtualCall, kind: type) -> list[order.Command]:
    return [command for _, command in call.orders(kind)]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("es", "es-MX"), ("ES-mx", "es-MX"), ("es_MX", "es-MX"), ("en-GB", "en"), ("fr", ""), ("", ""), ("-", "")],
)
def test_a_language_is_found_by_its_name(asked: str, meant: str) -> None:
    """Written as models write it: another region of the same language will do."""
    assert language_among(BOTH.languages, asked) == meant


@pytest.mark.parametrize("arguments", ["", "{}", '{"language": 5}', '{"language": "fr"}', "[", '{"language": ""}'])
def test_a_language_that_it_does_not_speak_is_refused(arguments: str) -> None:
    """The model is told which there are, and nothing changes."""
    decision = decide(SWITCH_LANGUAGE, arguments, BOTH, 0)
    assert isinstance(decision, Answer)
    assert (decision.language, "en, es-MX" in decision.result) == ("", True)


def test_without_languages_it_is_no_tool_of_ours() -> None:
    """An author's tool of that name runs, and one that is there comes before ours."""
    assert isinstance(decide(SWITCH_LANGUAGE, "{}", CallPlan(agent="a", system_prompt=""), 0), Run)


def test_the_call_goes_on_in_the_other_language() -> None:
    """Ears and voice are changed before the model goes on; our own lines are in that language from there on."""
    call = VirtualCall(BOTH, [SPANISH, "Claro, abrimos a las nueve.", "De nada."])
    call.says("Habla español?", at=0)
    call.run_until(8000)
    assert orders(call, order.SwitchLanguage) == [order.SwitchLanguage(language="es-MX")]
    assert call.heard == "Claro, abrimos a las nueve."
    assert (call.machine.plan.language, call.machine.plan.lines) == ("es-MX", PHRASES["es"])
    sequence = [type(command) for _, _, commands in call.log for command in commands]
    assert sequence.index(order.SwitchLanguage) < sequence.index(order.ContinueResponse)
    call.tells(fact.DrainRequested())
    call.run_until(16_000)
    assert PHRASES["es"].drain_goodbye in call.heard


def test_the_language_that_is_spoken_already_changes_nothing() -> None:
    """The model is told so, and answers."""
    call = VirtualCall(BOTH, [Reply(calls=((SWITCH_LANGUAGE, '{"language": "en"}'),)), "At nine."])
    call.says("When do you open?", at=0)
    call.run_until(8000)
    assert (orders(call, order.SwitchLanguage), call.heard) == ([], "At nine.")


def test_a_call_with_a_switch_replays_to_the_same_orders() -> None:
    """Its journal has all that is needed."""
    call = VirtualCall(BOTH, [SPANISH, "Claro."])
    call.says("Habla español?", at=0)
    call.tells(fact.CostReached(percent=80), at=6000)
    call.tells(fact.CostReached(percent=100), at=12_000)
    call.run_until(20_000)
    entries = [parse_entry(render_entry(*each)) for each in call.log]
    assert list(replay(entries)) == entries


@pytest.mark.parametrize("language", PHRASES)
def test_every_line_is_there_in_every_language(language: str) -> None:
    """And none of them is the English one, which somebody forgot to translate."""
    lines = phrases_in(f"{language}-XX")
    assert lines is PHRASES[language]
    for name in SystemPhrases.__dataclass_fields__:
        text = getattr(lines, name)
        assert text.strip()
        assert language == "en" or text != getattr(ENGLISH, name)
    assert lines.told_of_recording("Hola.") == f"{lines.recording_notice} Hola."
    assert lines.told_of_recording(lines.recording_notice) == lines.recording_notice
    assert in_language(BOTH, language).lines is lines


def test_most_of_the_money_is_spent() -> None:
    """The model is told to come to an end, and the caller so too once nobody speaks; once."""
    call = VirtualCall(BOTH, ["We open at nine, and close at five.", "Goodbye."])
    call.says("When do you open?", at=0)
    call.tells(fact.CostReached(percent=80), at=2500)
    call.tells(fact.CostReached(percent=80), at=2600)
    call.run_until(9000)
    assert call.heard == f"We open at nine, and close at five. {ENGLISH.cost_warning}"
    assert call.machine.plan.wraps_up
    assert len(orders(call, order.Instruct)) == 1


@pytest.mark.parametrize("engine", [False, True])
def test_all_of_the_money_is_spent(engine: bool) -> None:
    """Whatever is being said, last words come and the call ends: no further reply is paid for."""
    plan = CallPlan(agent="desk", system_prompt="", engine=EnginePlan(truncates=True) if engine else None)
    peer = SpeechPeer(["Let me tell you all about our opening hours, day by day."]) if engine else None
    call = VirtualCall(plan, ["Let me tell you all about our opening hours, day by day."], engine=peer)
    call.says("When do you open?", at=0)
    call.tells(fact.CostReached(percent=100), at=3000)
    call.run_until(14_000)
    assert ENGLISH.cost_goodbye in call.heard
    assert call.machine.ended
    (finish,) = orders(call, order.FinishCall)
    assert isinstance(finish, order.FinishCall)
    assert finish.reason == "max_cost"


def test_a_tool_in_the_same_step_runs_as_well() -> None:
    """Switching is answered by us, and the step goes on once the author's tool has answered."""
    both = Reply(calls=((SWITCH_LANGUAGE, '{"language": "es"}'), ("book", "{}")))
    call = VirtualCall(BOTH, [both, "Hecho."], tools={"book": VirtualTool('{"ok": true}', 400)})
    call.says("Reserve, por favor.", at=0)
    call.run_until(8000)
    assert call.heard == "Hecho."
