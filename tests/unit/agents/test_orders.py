"""The order desk: when its rules call which tool, what the tools refuse, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from patter_cli import OpenAILLM
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.tools import ToolRunner, ready_tools
from patter_cli.tools import ToolContext
from patter_cli.wiring import ready_agent
from tests.unit.agents.rehearse import CALLER, Talk

COLLEAGUE = "transferred +12025550144"
TO_OXFORD = {"number": "1234", "address": {"street": "24 Green Street", "town": "Oxford"}}


@pytest.mark.parametrize("number", ["[DTMF: 4711]", "It is forty seven eleven.", "My order number is 4 7 1 1."])
def test_an_order_is_found_once_its_number_is_known(number: str) -> None:
    """It is asked for first; said or pressed, it reaches the tool as four digits."""
    talk = Talk("orders")
    assert "What is your order number?" in talk.say("I would like to know where my order is.")
    assert "a green teapot, and it has been sent. Shall I ask the carrier" in talk.say(number)
    assert talk.asked == [("find_order", {"number": "4711"})]


def test_a_number_given_at_once_is_not_asked_for() -> None:
    """And it counts for later questions as well, until there is another."""
    talk = Talk("orders")
    assert "two cups. It is packed" in talk.say("Where is order twelve thirty four?")
    talk.say("And my other order, 4711?")
    assert [arguments["number"] for _, arguments in talk.asked] == ["1234", "4711"]


def test_an_order_nobody_knows_is_asked_for_again() -> None:
    """With the question that the next turn answers."""
    talk = Talk("orders")
    assert "I can't find that order. What is your order number?" in talk.say("Where is order 9999?")
    assert "two cups" in talk.say("Sorry, 1234.")


def test_the_carrier_is_asked_only_if_the_caller_wants_it() -> None:
    """A yes to that question, and to no other."""
    talk = Talk("orders")
    talk.say("Where is order 4711?")
    assert talk.say("No, thanks.")
    assert talk.say("Yes.")
    assert [name for name, _ in talk.asked] == ["find_order"]


def test_the_carriers_answer_is_passed_on() -> None:
    """And a carrier that did not answer is admitted."""
    report = Talk("orders").module.report
    assert report("track_parcel", "It is in the van.").startswith("It is in the van.")
    assert "did not work" in report("track_parcel", None)


@pytest.mark.parametrize(
    "turns",
    [
        ("Please change the address of order 1234.", "My new address is twenty four Green Street, Oxford."),
        ("I have a new address.", "My order number is 1234.", "It's 24 Green Street in Oxford."),
    ],
)
def test_an_address_is_read_back_before_it_is_changed(turns: tuple[str, ...]) -> None:
    """Only after a yes to it the tool is called, with the address taken apart."""
    talk = Talk("orders")
    assert "1 2 3 4 to 24 Green Street in Oxford. Is that right?" in talk.say(*turns)
    assert not talk.asked
    assert "Done" in talk.say("Yes, that's right.")
    assert talk.asked == [("change_address", TO_OXFORD)]
    assert talk.module.ORDERS["1234"]["address"] == TO_OXFORD["address"]


@pytest.mark.parametrize("said", ["No.", "No, please don't.", "That's not right.", "Okay, wait."])
def test_a_no_changes_nothing(said: str) -> None:
    """Also one with a yes in it."""
    talk = Talk("orders")
    talk.say("Change the address of order 1234.", "24 Green Street, Oxford.", said)
    assert not talk.asked


async def test_the_tools_do_not_rely_on_who_calls_them() -> None:
    """Arguments that are not right are refused, and so is an address for what has been sent."""
    agent = Talk("orders").agent
    runner = ToolRunner(ready_tools(agent.tools), lambda: ToolContext(call_id="c", caller=CALLER, callee=""))

    async def run(name: str, **arguments: object) -> dict[str, object]:
        return json.loads((await runner.run("1", name, json.dumps(arguments))).text)  # type: ignore[no-any-return]

    assert not (await run("change_address", number="1234"))["ok"]
    assert not (await run("change_address", number="1234", address="Oxford"))["ok"]
    assert not (await run("call_back", about="x" * 201))["ok"]
    sent = await run("change_address", number="4711", address=TO_OXFORD["address"])
    assert sent["data"] == {"changed": False, "because": "the order is sent"}


def test_a_model_gets_the_same_tools() -> None:
    """What the docstring says to change is enough to make it a vendor's model's desk."""
    ready = ready_agent("orders", replace(Talk("orders").agent, llm=OpenAILLM("sk-test")), Hooks())
    assert [each.provider for each in ready.models] == ["openai"]
    assert [each.name for each in ready.plan.tools] == ["find_order", "track_parcel", "change_address", "call_back"]
    assert ready.plan.transfer_numbers == (COLLEAGUE.split()[1],)


def test_a_call_back_goes_to_who_is_calling() -> None:
    """The number is the call's, not one that was said."""
    talk = Talk("orders")
    assert "will call you back" in talk.say("Could somebody call me back? I'm on 202 555 0100.")
    assert [each["caller"] for each in talk.module.call_backs] == [CALLER]


@pytest.mark.parametrize("said", ["I want to talk to a real person.", "Human!", "Put me through to a colleague."])
def test_a_person_is_never_withheld(said: str) -> None:
    """Whatever is being asked."""
    talk = Talk("orders")
    assert "putting you through" in talk.say("Where is my order?", said)
    assert talk.done == [COLLEAGUE]


def test_goodbye_ends_the_call() -> None:
    """With words first."""
    talk = Talk("orders")
    assert talk.say("Thank you, that is all.") == "Thank you for calling. Goodbye!"
    assert talk.done == ["ended"]
