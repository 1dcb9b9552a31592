"""The journal gives back what was written, the same bytes each time, and refuses everything else in one way."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patter_cli.core import commands, events
from patter_cli.core.journal import Entry, parse_entry, parse_journal, render_entry, replay
from patter_cli.core.outcome import Outcome
from patter_cli.core.plan import CallPlan, TurnTiming
from patter_cli.errors import InputError
from patter_cli.testing import Answer, VirtualCall

EVENTS = get_args(events.Event)
COMMANDS = get_args(commands.Command)
PLAIN = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])

st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(TurnTiming, st.builds(TurnTiming, endpoint_ms=st.integers(), goodbye_ms=st.integers()))


@pytest.fixture(scope="module")
def call() -> VirtualCall:
    """A call with a bit of everything."""
    plan = CallPlan(agent="luigi", system_prompt="Be brief.", first_message="Buongiorno, è Luigi.", checks=("polite",))
    call = VirtualCall(plan, ["We open at nine. And we close at ten.", Answer(clauses=("Ciao.",), hang_up=True)])
    call.says("When do you open?", at=3000)
    call.makes_noise(6500, lasts_ms=600)
    call.presses("12#", at=9000)
    call.run()
    return call


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: str(kind.__name__))
@PLAIN
@given(data=st.data())
def test_every_event_comes_back(kind: Any, data: st.DataObject) -> None:
    """What is written of an event is read as the same event, whatever it carries."""
    entry = Entry(at=data.draw(st.integers()), event=data.draw(st.from_type(kind)), commands=())
    line = render_entry(entry.at, entry.event, entry.commands)
    assert parse_entry(line) == entry
    assert "\n" not in line
    line.encode()


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: str(kind.__name__))
@PLAIN
@given(data=st.data())
def test_every_command_comes_back(kind: Any, data: st.DataObject) -> None:
    """What is written of a command is read as the same command."""
    ordered = tuple(data.draw(st.lists(st.from_type(kind), min_size=1, max_size=3)))
    entry = Entry(at=0, event=events.Tick(), commands=ordered)
    assert parse_entry(render_entry(0, entry.event, ordered)) == entry


def test_a_choice_is_written_as_its_word() -> None:
    """A journal is JSON that anybody can read, and lines from before there were choices are read as choices."""
    line = '{"v":1,"at":7,"event":{"type":"Tick"},"commands":[{"type":"FinishCall","outcome":"failed","reason":"x"}]}'
    (finish,) = parse_entry(line).commands
    assert isinstance(finish, commands.FinishCall)
    assert finish.outcome is Outcome.FAILED
    assert render_entry(7, events.Tick(), [finish]) == line


def test_half_a_character_can_be_written() -> None:
    """A surrogate that a vendor's stream cut in two still makes a line that has bytes, and comes back."""
    event = events.ClauseReady(response_id=1, text="good \ud83d")
    line = render_entry(5, event, ())
    assert parse_entry(line.encode().decode()).event == event


def test_a_replay_is_the_call_to_the_byte(call: VirtualCall) -> None:
    """One journal, one list of commands, a hundred times over."""
    written = call.journal
    assert written.count("\n") > 50
    for _ in range(100):
        again = replay(parse_journal(written))
        assert "".join(render_entry(each.at, each.event, each.commands) + "\n" for each in again) == written


@pytest.mark.parametrize(
    "changed", [{}, {"first_message": "Good evening."}, {"system_prompt": "You sell boats."}, {"system_prompt": ""}]
)
def test_a_prompt_is_written_once(changed: dict[str, Any]) -> None:
    """Unless on_call_start made another of it; the plan that holds is whole, also when it is read back."""
    plan = CallPlan(agent="a", system_prompt="You sell cars.", first_message="Hello.")
    call = VirtualCall(plan, prepared=replace(plan, **changed))
    call.run_until(1000)
    assert call.machine.plan == replace(plan, **changed)
    assert call.journal.count("You sell cars.") == 1
    assert "".join(f"{render_entry(e.at, e.event, e.commands)}\n" for e in replay(parse_journal(call.journal))) == (
        call.journal
    )


def test_a_journal_that_holds_it_twice_is_read_too() -> None:
    """Older ones do."""
    plan = CallPlan(agent="a", system_prompt="You sell cars.")
    line = render_entry(5, events.CallPrepared(plan=plan), []).replace(',"same_prompt":false', "")
    event = parse_entry(line).event
    assert isinstance(event, events.CallPrepared)
    assert event.plan_after(replace(plan, system_prompt="Another.")) == plan


def test_a_torn_last_line_is_left_out(call: VirtualCall) -> None:
    """A journal that was cut anywhere in its last line is the journal without that line."""
    lines = call.journal.splitlines(keepends=True)
    whole, last = "".join(lines[:-1]), lines[-1].rstrip("\n")
    expected = list(parse_journal(whole))
    for cut in range(len(last)):
        assert list(parse_journal(whole + last[:cut])) == expected
    assert len(list(parse_journal(whole + last))) == len(expected) + 1


def test_a_torn_line_in_the_middle_is_refused(call: VirtualCall) -> None:
    """Only a crash tears a line, and only the last one."""
    first, *rest = call.journal.splitlines(keepends=True)
    with pytest.raises(InputError):
        list(parse_journal(first[:40] + "\n" + "".join(rest)))
    assert len(list(parse_journal("\n" + first))) == 1


@given(st.text())
def test_garbage_is_refused(text: str) -> None:
    """Text that is no journal line raises InputError and nothing else."""
    with pytest.raises(InputError):
        parse_entry(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([kind.__name__ for kind in (*EVENTS, *COMMANDS)])
FIELDS = st.sampled_from(sorted({each.name for kind in (*EVENTS, *COMMANDS) for each in fields(kind)}))
THINGS = st.builds(lambda kind, given: {**given, "type": kind}, NAMES, st.dictionaries(FIELDS, JSON, max_size=4))


@given(st.fixed_dictionaries({"v": st.just(1), "at": st.just(0), "event": THINGS | JSON, "commands": JSON}))
def test_json_that_is_nearly_a_line_is_refused_or_read(line: dict[str, Any]) -> None:
    """A line of the right shape and the wrong content raises InputError or is an entry that can be written again."""
    try:
        entry = parse_entry(json.dumps(line))
    except InputError:
        return
    assert parse_entry(render_entry(entry.at, entry.event, entry.commands)) == entry


@pytest.mark.parametrize(
    "line",
    [
        '{"v":2,"at":0,"event":{"type":"Tick"},"commands":[]}',
        '{"v":1,"at":0.5,"event":{"type":"Tick"},"commands":[]}',
        '{"v":1,"at":0,"event":{"type":"FinishCall","outcome":"","reason":""},"commands":[]}',
        '{"v":1,"at":0,"event":{"type":"Tick"},"commands":[{"type":"Tick"}]}',
        '{"v":1,"at":0,"event":{"type":"Tick"},"commands":[{"type":"FinishCall","outcome":"won","reason":""}]}',
        '{"v":1,"at":0,"event":{"type":"Tick"},"commands":[{"type":"FinishCall","outcome":["failed"],"reason":""}]}',
        '{"v":1,"at":0,"event":{"type":"DtmfReceived","digit":5},"commands":[]}',
        '{"v":1,"at":0,"event":{"type":"DtmfReceived"},"commands":[]}',
        '{"v":1,"at":0,"event":{"type":["Tick"]},"commands":[]}',
        "[" * 100_000,
        '{"v":1,"at":' + "9" * 5000 + "}",
        '{"v":1,"at":0,"event":{"type":"CallConnected","wall_time":' + "9" * 400 + "}}",
    ],
)
def test_a_line_of_another_kind_is_refused(line: str) -> None:
    """Another version, another type, a missing field, numbers and depths past all reason."""
    with pytest.raises(InputError):
        parse_entry(line)
