"""Calls run again: the same engine does the same in every kind of call, and what is otherwise is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from patter_cli import wiring
from patter_cli.cli.discovery import load_agent
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry, parse_journal
from patter_cli.core.plan import CallPlan, EnginePlan
from patter_cli.engine.hooks import Hooks
from patter_cli.observe.replayed import described, replay_call
from patter_cli.simulate.scenario import load_scenario
from patter_cli.simulate.virtual.call import play_virtually
from patter_cli.testing import VirtualCall
from patter_cli.testing.far_end import FarEnd
from patter_cli.testing.speech_peer import SpeechPeer

ROOT = Path(__file__).parents[3]
PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello, this is the shop.")


@pytest.mark.parametrize("name", ["receptionist", "orders", "menu", "concierge", "reminder", "survey"])
def test_a_samples_call_goes_the_same_way(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With tools, keys, transfers, interruptions and goodbyes in it."""
    monkeypatch.setenv("PATTER_CALENDAR", str(tmp_path / "calendar.json"))
    loaded = load_agent(name, ROOT)
    agent = wiring.ready_agent(loaded.name, loaded.agent, Hooks(**loaded.hooks))
    result = play_virtually(agent, load_scenario(ROOT / "agents" / f"{name}.toml"))
    found = replay_call(list(result.entries))
    assert found.same, [each.moments for each in found.differing]
    assert found.orders > 20
    assert len(found.turns) > 2


def held() -> list[Entry]:
    call = VirtualCall(PLAN, ["We are open from nine until six."])
    call.says("When do you open?", at=4000)
    call.says("And where is your office?", at=16_000)
    call.run()
    return list(parse_journal(call.journal))


@pytest.mark.parametrize("kind", ["engine", "engine's turns", "dialled", "keys"])
def test_other_kinds_of_calls_go_the_same_way(kind: str) -> None:
    """One of a speech-to-speech engine, of one that decides on turns, one that we made, one with keys."""
    replies = ["We open at nine in the morning and close at six.", "Yes."]
    match kind:
        case "dialled":
            call = VirtualCall(PLAN, replies, far_end=FarEnd())
        case "keys":
            call = VirtualCall(PLAN, replies)
            call.presses("12", at=12_000)
        case _:
            engine = EnginePlan(truncates=True) if kind == "engine" else EnginePlan(server_turns=True)
            call = VirtualCall(replace(PLAN, engine=engine), engine=SpeechPeer(replies))
    call.says("When do you open?", at=20_000)
    call.run()
    entries = list(parse_journal(call.journal))
    assert len(entries) > 15
    found = replay_call(entries)
    assert found.same, found.render()


def test_each_lost_order_is_found_where_it_was() -> None:
    """Whichever it is, in its turn and at its moment, and nowhere else."""
    entries = held()
    for place, entry in enumerate(entries):
        if not entry.commands:
            continue
        changed = [*entries[:place], replace(entry, commands=entry.commands[1:]), *entries[place + 1 :]]
        found = replay_call(changed)
        (turn,) = found.differing
        (moment,) = turn.moments
        assert moment.at == entry.at
        assert moment.event == entry.event
        assert set(moment.now) - set(moment.then) <= {entry.commands[0]}


def test_turns_begin_with_the_voice() -> None:
    """What was ordered when the voice ended belongs to the turn that it led to."""
    found = replay_call([replace(each, commands=()) if _asks_for_words(each) else each for each in held()])
    assert [each.number for each in found.differing] == [1, 2]
    assert [each.words for each in found.turns] == ["", "When do you open?", "And where is your office?"]


def _asks_for_words(entry: Entry) -> bool:
    return any(isinstance(each, order.FinalizeTranscript) for each in entry.commands)


def test_a_loop_that_was_held_explains_a_late_deadline() -> None:
    """Without that, a deadline that is kept so late means that today's engine would have acted before."""
    call = VirtualCall(PLAN, ["We are open from nine until six."])
    end = call.says("When do you open?", at=4000)
    call.run_until(end + 320)
    world = call._world
    world.now = end + 2500
    call.tell(fact.LoopHeld(from_ms=end + 300, to_ms=end + 2500, by="shop.py:7 sleep"))
    call.run()
    entries = list(parse_journal(call.journal))
    assert replay_call(entries).same
    silent = [each for each in entries if not isinstance(each.event, fact.LoopHeld)]
    early = [each for turn in replay_call(silent).turns for each in turn.moments if each.event is None]
    assert early


def test_an_order_is_told_in_words() -> None:
    """Its kind, what it is about, what it says."""
    said = order.Speak(response_id=3, clause=1, text="Hello.")
    assert described(said) == 'Speak reply 3, clause 1: "Hello."'
    assert described(order.CommitTranscript()) == "CommitTranscript"
    assert described(order.Transfer(number="+12025550142")) == "Transfer number +12025550142"
