"""A call told again: what was heard and what was not, tools, waits, costs, and journals that are damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from patter_cli.core import events as fact
from patter_cli.core.plan import CallPlan, PlannedTool
from patter_cli.observe.retold import retell
from patter_cli.observe.story import CallStory
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing import VirtualCall
from patter_cli.testing.brain import Answer, VirtualTool
from patter_cli.text.redact import Redaction
from tests.unit.stores.calls import STARTED, Kept, record

PLAN = CallPlan(agent="shop", system_prompt="", first_message="Hello, this is the shop.")
LONG = "We open at nine. And we close at six, every day of the week but Sunday."


def told(call: VirtualCall) -> CallStory:
    return CallStory().read(call.journal.splitlines())


def test_a_turn_has_its_words_and_its_wait() -> None:
    """Number 0 is the greeting; the wait adds up."""
    call = VirtualCall(PLAN, [LONG])
    call.says("When do you open?", at=4500)
    call.run()
    greeting, turn = told(call).turns[:2]
    assert (greeting.number, greeting.caller, greeting.agent[0].heard) == (0, None, PLAN.first_message)
    assert (turn.number, turn.caller, turn.agent[0].heard) == (1, "When do you open?", LONG)
    assert turn.latency is not None
    assert turn.latency.llm_ms > 0


def test_what_was_not_heard_is_told_apart() -> None:
    """Heard and unheard together are what was voiced, to the word."""
    call = VirtualCall(PLAN, [LONG, "Goodbye."])
    end = call.says("When do you open?", at=4500)
    call.says("Stop, I have to go now please.", at=end + 3000)
    call.run()
    cut = told(call).turns[1].agent[0]
    assert cut.interrupted
    assert cut.heard
    assert cut.unheard
    assert f"{cut.heard} {cut.unheard}".split() == LONG.split()


def test_a_tool_has_its_arguments_and_its_answer() -> None:
    """And how long it took."""
    plan = replace(PLAN, tools=(PlannedTool(name="book", timeout_ms=5000),))
    answers = [Answer(calls=(("book", '{"day": "Monday"}'),)), "All booked."]
    call = VirtualCall(plan, answers, tools={"book": VirtualTool('{"ok": true}', after_ms=700)})
    call.says("Book a table please.", at=4500)
    call.run()
    tools = [tool for turn in told(call).turns for tool in turn.tools]
    assert [(each.name, each.took_ms) for each in tools] == [("book", 700)]
    assert (tools[0].arguments, tools[0].result) == ('{"day": "Monday"}', '{"ok": true}')


def test_a_damaged_journal_tells_the_rest(tmp_path: Path) -> None:
    """Lines that cannot be read are counted; with none that can, the record says what was said."""
    store = SqliteStore(tmp_path)
    call = VirtualCall(PLAN, [LONG])
    call.says("When do you open?", at=4500)
    call.run()
    lines = call.journal.splitlines()
    kept = Kept(store, "LB1")
    for number, line in enumerate(lines):
        kept.write("\x00garbage" if number == 5 else line)
    kept.end(record("LB1", STARTED))
    found = retell(store, "LB1")
    assert found is not None
    assert found[1].unreadable == 1
    assert found[1].turns[1].caller == "When do you open?"
    kept = Kept(store, "LB2")
    kept.write("{}")
    kept.end(record("LB2", STARTED))
    found = retell(store, "LB2")
    assert found is not None
    assert [(each.number, each.caller) for each in found[1].turns] == [(0, None), (1, "When do you open?")]
    assert retell(store, "LB3") is None


def test_it_can_be_told_without_numbers(tmp_path: Path) -> None:
    """Of the parties and in what was said."""
    store = SqliteStore(tmp_path)
    call = VirtualCall(PLAN, ["Call +15550100199 please."])
    call.says("Whom can I call?", at=4500)
    call.run()
    kept = Kept(store, "LB1")
    for line in call.journal.splitlines():
        kept.write(line)
    kept.end(record("LB1", STARTED, caller="+15550100199"))
    found = retell(store, "LB1", Redaction.NUMBERS)
    assert found is not None
    assert found[0].caller == "+1***0199"
    assert found[1].turns[1].agent[0].heard == "Call *** please."


def test_what_a_colleague_said_stands_in_its_turn() -> None:
    """Who took the call over spoke in the agent's place, and is told apart from it."""
    call = VirtualCall(CallPlan(agent="shop", system_prompt="", first_message="Hello."), ("We open at nine.",))
    call.tells(fact.TakeOverRequested(taken=True), at=2000)
    call.tells(fact.ColleagueSaid(text="Mia here."), at=3000)
    call.says("Hello Mia.", at=4000)
    call.tells(fact.ColleagueSaid(text="Come at ten."), at=8000)
    call.tells(fact.TakeOverRequested(taken=False), at=9000)
    call.run_until(9500)
    story = CallStory().read(call.journal.splitlines())
    assert [(turn.caller, [text for _, text in turn.colleague]) for turn in story.turns] == [
        (None, ["Mia here."]), ("Hello Mia.", ["Come at ten."])
    ]  # fmt: skip
    assert story.render()["turns"][1]["colleague"] == [{"at_ms": 8000, "text": "Come at ten."}]


def test_what_is_being_said_is_not_unheard() -> None:
    """While a call goes on, the reply under way is still to be heard; of one that was cut off, nobody heard it."""
    call = VirtualCall(CallPlan(agent="shop", system_prompt="", first_message="Hello."), (LONG,))
    call.says("When do you open?", at=3000)
    call.run_until(6000)
    lines = call.journal.splitlines()
    assert CallStory().read(lines, goes_on=True).turns[-1].agent == []
    assert [(each.heard, each.unheard) for each in CallStory().read(lines).turns[-1].agent] == [("", LONG)]
