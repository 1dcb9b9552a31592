"""Twenty agents and engines with one planted defect each: what the fuzzer must find. Nothing else is wrong with them.

The engines are ours with one method exchanged, for a flaw that telephone agents are known for. The agents are files
as people write them, with one mistake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from patter_cli import wiring
from patter_cli.agent import Agent
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core import machine
from patter_cli.core.caller_turn import CallerTurn
from patter_cli.core.deadlines import Timer
from patter_cli.core.delivery import Delivery
from patter_cli.core.playback import Span
from patter_cli.core.turns import Turns
from patter_cli.engine.hooks import Hook, Hooks
from patter_cli.engine.listen import Listener
from patter_cli.engine.perform_author import AuthorPerformer
from patter_cli.engine.perform_media import MediaPerformer
from patter_cli.engine.speak import Speaker
from patter_cli.providers.rules import RulesLLM, Turn, call_tool
from patter_cli.simulate.fuzz.generate import Subject
from patter_cli.simulate.fuzz.run import Fuzzer
from patter_cli.testbench.virtual import virtual_codec
from patter_cli.tools import tool

NUMBER = "+12025550142"
GREETING = "Hello, this is the shop. You can book a table or ask for the price."


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One defect. rules: those of the fuzzer's that may find it. engine: exchanges a method; agent: has the mistake."""

    name: str
    rules: tuple[str, ...]
    engine: tuple[type, str, Callable[..., Any]] | None = None
    agent: Callable[[], Agent] | None = None
    hooks: Callable[[], Hooks] = Hooks
    expect: Hook | None = None


def sound_agent(rules: Callable[[Turn], Any] | None = None, **more: Any) -> Agent:
    """An agent without a mistake: a tool, a transfer, a goodbye, a guardrail."""

    @tool
    def book(people: int) -> str:
        """Book a table. people: how many come."""
        return "booked"

    given: dict[str, Any] = {"tools": [book], "transfer_numbers": [NUMBER]}
    return Agent(
        "You take bookings.", first_message=GREETING, llm=RulesLLM(rules or talk), **{**given, **more}
    )  # fmt: skip


def talk(turn: Turn) -> Any:
    """What that agent says."""
    text = turn.text.lower()
    if turn.results:
        return "Your table is booked for tonight. Is there anything else that I can do for you?"
    if "bye" in text:
        return ["Thank you very much for calling us today. Goodbye!", call_tool("end_call")]
    if "human" in text or "person" in text:
        return ["I am going to put you through to a colleague now.", call_tool("transfer_call", number=NUMBER)]
    if "table" in text or "book" in text:
        return call_tool("book", people=2)
    if "price" in text:
        return "The menu of the day comes to about twenty a person. Would you like to book a table for tonight?"
    return "You can book a table for tonight, or ask me for the price, or talk to a person. What would you like?"


SUBJECT = Subject(
    phrases=("a table", "book a table", "the price", "what is the price", "a human, please", "goodbye", "for two"),
    words=("table", "price", "person", "book", "tonight", "like"),
    numbers=(NUMBER,),
    silent_ms=88_000,
    has_model=True,
    takes_keys=True,
)


@contextmanager
def planted(plant: Plant) -> Iterator[Fuzzer]:
    """The fuzzer that calls it, while the defect is there."""
    make = plant.agent or sound_agent

    fuzzer = Fuzzer(
        fresh=lambda: wiring.ready_agent("shop", make(), replace(plant.hooks(), expect=plant.expect)),
        codec=virtual_codec,
        subject=SUBJECT,
    )
    if plant.engine is None:
        yield fuzzer
        return
    owner, name, instead = plant.engine
    before = getattr(owner, name)
    with _exchanged(owner, name, before, instead(before)):
        yield fuzzer


@contextmanager
def _exchanged(owner: type, name: str, before: Any, after: Any) -> Iterator[None]:
    """A method, also where the machine has it in its tables of who takes what."""
    tables: list[dict[Any, Any]] = [machine._TAKEN, machine._DUE]
    places = [(table, key) for table in tables for key, (_, act) in table.items() if act is before]
    setattr(owner, name, after)
    for table, key in places:
        table[key] = owner, after
    try:
        yield
    finally:
        setattr(owner, name, before)
        for table, key in places:
            table[key] = owner, before


# --- engines -------------------------------------------------------------------------------------------------------


def _all_is_heard(before: Any) -> Any:
    return lambda self: self.text.strip()


def _nobody_is_asked(before: Any) -> Any:
    def idle_due(self: Turns) -> None:
        self._call.deadlines.set(Timer.IDLE, self._call.now + 10_000)

    return idle_due


def _ears_stay_broken(before: Any) -> Any:
    async def run(self: Listener) -> None:
        try:
            async for result in self._session_of(self._recipe):
                self._take(result)
        except Exception:  # noqa: BLE001 (the defect)
            await asyncio.get_running_loop().create_future()

    return run


def _talks_on(before: Any) -> Any:
    def perform(self: MediaPerformer, command: Any) -> bool:
        return isinstance(command, order.PausePlayback | order.ClearPlayback) or before(self, command)

    return perform


def _runs_twice(before: Any) -> Any:
    async def run_tool(self: AuthorPerformer, command: order.RunTool) -> None:
        await self._tools.run(command.tool_call_id, command.name, command.arguments)
        await before(self, command)

    return run_tool


def _hangs_up_at_once(before: Any) -> Any:
    def decide(self: Delivery, event: fact.ToolCallRequested) -> None:
        if event.name == "end_call":
            self._call.issue(order.HangUp(reason="agent"))
        before(self, event)

    return decide


def _no_fillers(before: Any) -> Any:
    return lambda self: None


def _keys_are_lost(before: Any) -> Any:
    from patter_cli.contracts.carrier.stream import DtmfIn

    def receive(self: MediaPerformer, message: Any) -> None:
        if not isinstance(message, DtmfIn):
            before(self, message)

    return receive


def _late_words_are_dropped(before: Any) -> Any:
    def final(self: CallerTurn, event: fact.TranscriptFinal) -> None:
        before(self, fact.TranscriptFinal(segment=event.segment, text=" ".join(event.text.split()[:2])))

    return final


def _says_it_twice(before: Any) -> Any:
    def speak(self: Speaker, clause: order.Speak) -> None:
        before(self, clause)
        before(self, clause)

    return speak


def _voice_is_not_asked_again(before: Any) -> Any:
    return lambda self, clause, error: None


def _waits_for_marks(before: Any) -> Any:
    return lambda self, name: None


def _cut_words_are_forgotten(before: Any) -> Any:
    return lambda self, reply: None


def _engines() -> Iterator[Plant]:
    from patter_cli.core.history import History
    from patter_cli.core.playout import Playout
    from patter_cli.core.transfers import Transfers

    yield Plant(name="history that nobody heard", rules=("history",), engine=(Span, "heard_text", _all_is_heard))
    yield Plant(name="a call without an end", rules=("end",), engine=(Turns, "idle_due", _nobody_is_asked))
    yield Plant(
        name="deaf after the ears broke off", rules=("silence", "lost words", "end"),
        engine=(Listener, "run", _ears_stay_broken),
    )  # fmt: skip
    yield Plant(name="talks on when interrupted", rules=("barge-in",), engine=(MediaPerformer, "perform", _talks_on))
    yield Plant(name="a tool runs twice", rules=("tool",), engine=(AuthorPerformer, "_run_tool", _runs_twice))
    yield Plant(
        name="the goodbye is cut", rules=("goodbye",), engine=(Delivery, "tool_call_requested", _hangs_up_at_once)
    )
    yield Plant(name="a slow model is dead air", rules=("silence",), engine=(Delivery, "filler_due", _no_fillers))
    yield Plant(name="keys are lost", rules=("silence",), engine=(MediaPerformer, "receive", _keys_are_lost))
    yield Plant(
        name="the end of a sentence is lost", rules=("lost words",),
        engine=(CallerTurn, "transcript_final", _late_words_are_dropped),
    )  # fmt: skip
    yield Plant(name="sentences come twice", rules=("twice", "history"), engine=(Speaker, "speak", _says_it_twice))
    yield Plant(
        name="silent after the voice failed", rules=("silence", "end"),
        engine=(Speaker, "_fail", _voice_is_not_asked_again),
    )  # fmt: skip
    yield Plant(
        name="interrupted words are in no history", rules=("history",),
        engine=(History, "add_broken_off", _cut_words_are_forgotten),
    )  # fmt: skip
    yield Plant(
        name="a transfer that fails is silent", rules=("silence", "end"),
        engine=(Transfers, "failed", lambda before: lambda self, event: None),
    )  # fmt: skip
    yield Plant(
        name="a failed clause is waited for", rules=("silence",),
        engine=(Playout, "speak_failed", lambda before: lambda self, event: None),
    )  # fmt: skip


# --- agents --------------------------------------------------------------------------------------------------------


def _wrong_arguments(turn: Turn) -> Any:
    if not turn.results and "table" in turn.text.lower():
        return call_tool("book", people="a few")
    return talk(turn)


def _asks_again(turn: Turn) -> Any:
    if turn.results and len(turn.results) < 3:
        return call_tool("book", people=2)
    return talk(turn)


def _raises(turn: Turn) -> Any:
    if any(each.isdigit() for each in turn.text):
        return f"For {int(turn.text)} people, is that right? I am asking because the house is nearly full."
    return talk(turn)


def _says_nothing(turn: Turn) -> Any:
    return "" if turn.text.strip(" .!?").lower() in ("no", "no, thank you", "nothing") else talk(turn)


def _wrong_number(turn: Turn) -> Any:
    if "human" in turn.text.lower():
        return ["I am putting you through to a colleague.", call_tool("transfer_call", number="+19995550000")]
    return talk(turn)


async def _slow_reply(event: Any) -> str:
    if "price" in event.text.lower():
        raise RuntimeError("the price list is gone")
    return "You can book a table for tonight, or ask me for the price. What would you like?"


def _promises(turn: Turn) -> Any:
    return "It is guaranteed to be twenty euros." if "price" in turn.text.lower() else talk(turn)


def _no_promise(call: Any) -> None:
    assert "guaranteed" not in call.said, "it promised something"


def _agents() -> Iterator[Plant]:
    yield Plant(name="wrong arguments", rules=("tool",), agent=lambda: sound_agent(_wrong_arguments))
    yield Plant(name="the same tool again and again", rules=("tool",), agent=lambda: sound_agent(_asks_again))
    yield Plant(name="rules that raise", rules=("code",), agent=lambda: sound_agent(_raises))
    yield Plant(name="no words for a no", rules=("answer",), agent=lambda: sound_agent(_says_nothing))
    yield Plant(
        name="on_message that raises", rules=("code",),
        agent=lambda: Agent("You help.", first_message=GREETING), hooks=lambda: Hooks(on_message=_slow_reply),
    )  # fmt: skip
    yield Plant(name="a promise", rules=("expect",), agent=lambda: sound_agent(_promises), expect=_no_promise)


PLANTS: tuple[Plant, ...] = (*_engines(), *_agents())

__all__ = ["PLANTS", "Plant", "planted", "sound_agent"]
