"""Everything an author's code can do wrong, in every form it can be written in, next to a call that must not notice.

The server has the main thread, as in `patter serve`. The callers live in a thread with a loop of their own, so that
what would hold the server's loop could not hold the clock that it is measured by.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest

from patter_cli import RulesLLM, Tool, Turn, call_tool
from patter_cli.agent import Agent
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.watchdog import interrupting, times_held
from patter_cli.server.run import SWITCH_S
from tests.e2e.conftest import SENTENCES, Caller, Phone, agent, answering

QUESTION, PRICE = SENTENCES[0], SENTENCES[5]
REPLY = "We are open from nine to six."
ANSWER, FILLER, APOLOGY, REPEAT = "nine to six", "one moment", "something went wrong", "no answer to that"
LATE_MS = 200
"""How late audio may come at a neighbour's ear, with all of this on two cores."""
QUIET_MS = 4500
"""Four seconds, and what a busy machine may add; in virtual time the four are exact (tests/fuzz)."""

HANG = threading.Event()
"""What hangs waits for this; it is set when the test is over."""

Act = Callable[[], Any]


class Unspeakable(Exception):
    """An error that cannot even be printed."""

    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __str__


def exits() -> Any:
    sys.exit(3)


def interrupts() -> Any:
    raise KeyboardInterrupt


def cancels_itself() -> Any:
    raise asyncio.CancelledError


def raises() -> Any:
    raise ValueError("a bug in the author's code")


def raises_the_unspeakable() -> Any:
    raise Unspeakable


def recurses() -> Any:
    return recurses()


def spins() -> Any:
    until = time.monotonic() + 1
    while time.monotonic() < until and not HANG.is_set():
        pass
    return REPLY


def hangs() -> Any:
    HANG.wait(30)
    return REPLY


def sleeps() -> Any:
    time.sleep(0.5)
    return REPLY


WRONG: dict[str, tuple[Act, str]] = {
    act.__name__: (act, APOLOGY)
    for act in (raises, raises_the_unspeakable, exits, interrupts, cancels_itself, recurses)
}
NONSENSE: dict[str, tuple[Act, str]] = {
    "an int": (lambda: 42, APOLOGY),
    "a dict": (lambda: {"text": REPLY}, APOLOGY),
    "bytes": (lambda: b"We are open", APOLOGY),
    "a megabyte": (lambda: "well " * 200_000, "well well well"),
    "a megabyte without a space": (lambda: "w" * 1_000_000, "wwwwwwwwww"),
    "empty": (lambda: "", REPEAT),
}
SLOW: dict[str, tuple[Act, str]] = {"sleeps": (sleeps, ANSWER), "hangs": (hangs, FILLER), "spins": (spins, ANSWER)}
"""For code that is not on the loop."""


# --- the forms of on_message -----------------------------------------------------------------------------------


def as_function(act: Act) -> Callable[..., Any]:
    def on_message(event: Any) -> Any:
        return act()

    return on_message


def as_coroutine(act: Act) -> Callable[..., Any]:
    async def on_message(event: Any) -> Any:
        return act()

    return on_message


def as_async_generator(act: Act) -> Callable[..., Any]:
    async def on_message(event: Any) -> AsyncIterator[Any]:
        yield act()

    return on_message


def as_generator(act: Act) -> Callable[..., Any]:
    def on_message(event: Any) -> Iterator[Any]:
        yield act()

    return on_message


async def awaits_for_ever(event: Any) -> Any:
    await asyncio.Event().wait()


async def awaits_a_while(event: Any) -> Any:
    await asyncio.sleep(0.5)
    return REPLY


async def will_not_go(event: Any) -> Any:
    while not HANG.is_set():
        try:
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            pass


async def pieces_for_ever(event: Any) -> AsyncIterator[str]:
    while True:
        yield "well "


async def empty_pieces_for_ever(event: Any) -> AsyncIterator[str]:
    while not HANG.is_set():
        yield ""


async def pieces_then_hangs(event: Any) -> AsyncIterator[str]:
    yield "We are open from nine to six. "
    await asyncio.Event().wait()


async def pieces_that_will_not_go(event: Any) -> AsyncIterator[str]:
    while not HANG.is_set():
        try:
            await asyncio.sleep(0.2)
        except asyncio.CancelledError:
            pass
        yield ""


async def gives_none(event: Any) -> AsyncIterator[Any]:
    yield None


def steps_for_ever(event: Any) -> Iterator[str]:
    while True:
        yield "well "


def empty_steps_for_ever(event: Any) -> Iterator[str]:
    while not HANG.is_set():
        yield ""


def steps_then_hangs(event: Any) -> Iterator[str]:
    yield "We are open from nine to six. "
    HANG.wait(30)


def will_not_be_closed(event: Any) -> Iterator[str]:
    while not HANG.is_set():
        try:
            yield "well, "
        except GeneratorExit:
            HANG.wait(30)


def _in_form(form: Callable[[Act], Callable[..., Any]], acts: Mapping[str, tuple[Act, str]]) -> Any:
    return {name: (form(act), words) for name, (act, words) in acts.items()}


ON_MESSAGE: dict[str, dict[str, tuple[Callable[..., Any], str]]] = {
    "function": _in_form(as_function, WRONG | NONSENSE | SLOW),
    "coroutine": _in_form(as_coroutine, WRONG | NONSENSE)
    | {
        "awaits for ever": (awaits_for_ever, FILLER),
        "awaits a while": (awaits_a_while, ANSWER),
        "will not go": (will_not_go, FILLER),
    },
    "async generator": _in_form(as_async_generator, WRONG | NONSENSE)
    | {
        "for ever": (pieces_for_ever, "well well well"),
        "empty for ever": (empty_pieces_for_ever, FILLER),
        "then hangs": (pieces_then_hangs, FILLER),
        "will not go": (pieces_that_will_not_go, FILLER),
        "gives None": (gives_none, APOLOGY),
    },
    "generator": _in_form(as_generator, WRONG | NONSENSE | SLOW)
    | {
        "for ever": (steps_for_ever, "well well well"),
        "empty for ever": (empty_steps_for_ever, FILLER),
        "then hangs": (steps_then_hangs, FILLER),
        "will not be closed": (will_not_be_closed, "well, well, well"),
    },
}


# --- the other callbacks ---------------------------------------------------------------------------------------

STARTS: dict[str, Act] = {
    "an int": lambda: 42,
    "a str": lambda: "Hello.",
    "a set": lambda: {"first_message"},
    "unknown keys": lambda: {"colour": "red"},
    "keys that are no str": lambda: {1: 2, None: 3},
    "variables that are none": lambda: {"variables": 42},
    "a language that is none": lambda: {"language": object()},
    "a first message that is none": lambda: {"first_message": [1, 2]},
    "a megabyte to say": lambda: {"first_message": "well " * 200_000},
    "a language of a megabyte": lambda: {"language": "x" * 1_000_000},
    "hangs": hangs,
    "spins": spins,
    **{name: act for name, (act, _) in WRONG.items()},
}
REPORTS: dict[str, Act] = {
    "hangs": hangs,
    "spins": spins,
    "nonsense": lambda: b"nobody asked",
    **{name: act for name, (act, _) in WRONG.items()},
}


def _others() -> dict[str, dict[str, tuple[dict[str, Callable[..., Any]], str]]]:
    """Groups of victims: the callback with its fault, and what the caller hears all the same."""
    groups = {
        f"on_call_start {form.__name__}": {
            name: ({"on_call_start": form(act)}, "")
            for name, act in STARTS.items()
            if not (form is as_coroutine and act in (hangs, spins))
        }
        for form in (as_function, as_coroutine)
    }
    for hooks in (("on_transcript",), ("on_metrics", "on_call_end")):
        groups[" and ".join(hooks)] = {
            f"{hook} {name}": case for hook in hooks for name, case in _reports(hook).items()
        }
    return groups


def _reports(hook: str) -> dict[str, tuple[dict[str, Callable[..., Any]], str]]:
    """A callback whose answer nobody needs, with each of its faults."""
    return {name: ({hook: as_function(act)}, ANSWER) for name, act in REPORTS.items()} | {
        "hangs, async": ({hook: awaits_for_ever}, ANSWER),
        "will not go, async": ({hook: will_not_go}, ANSWER),
        "raises, async": ({hook: as_coroutine(raises)}, ANSWER),
        "exits, async": ({hook: as_coroutine(exits)}, ANSWER),
    }


Victims = Mapping[str, tuple[Mapping[str, Callable[..., Any]], str]]
GROUPS: dict[str, Victims] = {
    **{
        f"on_message as {form}": {name: ({"on_message": hook}, words) for name, (hook, words) in cases.items()}
        for form, cases in ON_MESSAGE.items()
    },
    **_others(),
}

CANARY = (
    agent("This is the quiet line next door, and it has no break in it. How can I help?"),
    Hooks(on_message=lambda event: f"You said {event.text} This is my answer."),
)


@pytest.fixture
async def at_work(quiet_log: None) -> AsyncIterator[None]:
    """The author's code is let go when the test is over."""
    HANG.clear()
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)  # as `run` does
    with interrupting():
        yield
    sys.setswitchinterval(before)
    HANG.set()


async def canary_call(phone: Phone, number: str = "canary") -> Caller:
    """The neighbour: listens, asks, gets an answer."""
    async with Caller(phone, "canary", number) as caller:
        await caller.until_heard("how can i help?", 12)
        await caller.say(PRICE)
        await caller.until_heard("how much is a cleaning?this is my answer.")
    return caller


async def victim_call(phone: Phone, name: str, words: str) -> Caller:
    """One question to an agent that is broken on purpose."""
    async with Caller(phone, name) as caller:
        await caller.line.wait_for(lambda: caller.line.quiet_ms > 300, 0.4)
        await caller.say(QUESTION)
        await caller.until(lambda: re.search(words or ANSWER, caller.ear.text))
        await caller.line.wait_for(lambda: caller.line.quiet_ms > 200, 1)
    await _until(lambda: caller.over() is not None)
    return caller


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(8):
        while not condition():  # noqa: ASYNC110 (the server is in another thread)
            await asyncio.sleep(0.02)


async def in_their_own_thread(calls: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await calls()

    return await asyncio.to_thread(asyncio.run, main())


def agents_of(victims: Victims) -> dict[str, tuple[Agent, Hooks]]:
    served = {
        name: (agent(), Hooks(**{"on_message": as_function(lambda: REPLY), **hooks}))
        for name, (hooks, _) in victims.items()
    }
    return {"canary": CANARY, **served}


def assert_ended_once(caller: Caller) -> None:
    ends = [each for entry in caller.entries for each in entry.commands if isinstance(each, order.FinishCall)]
    assert len(ends) == 1, f"{caller.name}: {ends}"


@pytest.mark.parametrize("group", GROUPS)
async def test_broken_code_harms_only_its_own_call(group: str, at_work: None) -> None:
    """Each victim hears something within four seconds and ends once; the canary's audio is never late."""
    victims = GROUPS[group]
    await assert_unharmed(group, agents_of(victims), {name: words for name, (_, words) in victims.items()})


async def assert_unharmed(group: str, served: dict[str, tuple[Agent, Hooks]], words: dict[str, str]) -> None:
    """A late canary is listened to once more: what the machine did comes once, what the broken code does comes again.

    words: what each victim hears, a pattern.
    """
    for _ in range(2):
        async with answering(served) as phone:

            async def calls() -> list[Any]:
                talks = [victim_call(phone, name, pattern) for name, pattern in words.items()]
                return list(await asyncio.gather(canary_call(phone), *talks, return_exceptions=True))

            late = lateness(group, await in_their_own_thread(calls))
        if late < LATE_MS:
            return
    pytest.fail(f"{group}: the canary was {late:.0f} ms late, twice")


def lateness(group: str, results: list[Any]) -> float:
    """By how many ms the canary's audio was late at worst, nothing else being wrong. results: it, then the victims."""
    assert [each for each in results if not isinstance(each, Caller)] == []
    canary, *callers = results
    late = canary.tap.worst_gap_ms()
    print(f"{group}: {len(callers)} victims, the canary {late:.0f} ms late at worst")
    assert {each.name: each.longest_wait_ms() for each in callers if each.longest_wait_ms() > QUIET_MS} == {}
    for each in results:
        assert_ended_once(each)
    assert canary.tap.clears == []
    return late


# --- tools -----------------------------------------------------------------------------------------------------


def rules(turn: Turn) -> Any:
    """A model that asks the tool first, and then says whether it worked."""
    if not turn.called("look_up"):
        return call_tool("look_up")
    return REPLY if turn.result("look_up") is not None else "The tool is broken."


def broken_tool(act: Act, *, in_coroutine: bool) -> Tool:
    def function(arguments: Any) -> Any:
        return act()

    async def coroutine(arguments: Any) -> Any:
        return act()

    handler = coroutine if in_coroutine else function
    return Tool("look_up", "Looks something up.", handler=handler, timeout_s=1.5)


async def waits(arguments: Any) -> Any:
    await asyncio.Event().wait()


async def will_not_stop(arguments: Any) -> Any:
    await will_not_go(arguments)


BROKEN_TOOL, FOUND = "the tool is broken", ANSWER
TOOLS: dict[str, tuple[Tool, str]] = {
    **{f"{name} sync": (broken_tool(act, in_coroutine=False), BROKEN_TOOL) for name, (act, _) in WRONG.items()},
    **{f"{name} async": (broken_tool(act, in_coroutine=True), BROKEN_TOOL) for name, (act, _) in WRONG.items()},
    "hangs sync": (broken_tool(hangs, in_coroutine=False), BROKEN_TOOL),
    "spins sync": (broken_tool(spins, in_coroutine=False), FOUND),
    "hangs async": (Tool("look_up", "Looks something up.", handler=waits, timeout_s=1.5), BROKEN_TOOL),
    "will not go": (Tool("look_up", "Looks something up.", handler=will_not_stop, timeout_s=1.5), BROKEN_TOOL),
    "bytes": (broken_tool(lambda: b"x", in_coroutine=False), ""),
    "an object": (broken_tool(object, in_coroutine=True), ""),
    "not a number": (broken_tool(lambda: float("nan"), in_coroutine=True), ""),
    "ten megabytes": (broken_tool(lambda: "x" * 10_000_000, in_coroutine=False), ""),
    "one that cannot be shown": (broken_tool(Unspeakable, in_coroutine=True), ""),
}


async def test_a_broken_tool_harms_only_its_own_call(at_work: None) -> None:
    """Its model is told and says so; whatever a tool gives back, the caller hears an answer."""
    served = {name: (agent(llm=RulesLLM(rules), tools=[each]), Hooks()) for name, (each, _) in TOOLS.items()}
    words = {name: words or "the tool is|nine to six" for name, (_, words) in TOOLS.items()}
    await assert_unharmed("tools", {"canary": CANARY, **served}, words)


# --- code that holds the loop itself ---------------------------------------------------------------------------


def holding(form: Callable[[Act], Callable[..., Any]], name: str, *, busy: bool = False) -> Callable[..., Any]:
    """A coroutine or async generator that blocks for five seconds."""

    def hold() -> str:
        until = time.monotonic() + 5
        while time.monotonic() < until and not HANG.is_set():
            time.sleep(0 if busy else 5)
        return REPLY

    hook = form(hold)
    hook.__name__ = name
    return hook


async def canary_beside(phone: Phone, *numbers: str) -> tuple[Caller, list[Caller]]:
    """A canary's call, and in the middle of what it hears these callers all call the victim."""

    def canary_hears() -> bool:
        return any(isinstance(each.event, fact.PlayoutStarted) for each in phone.log.of(f"beside {numbers}"))

    async def ask(number: str) -> Caller:
        await _until(canary_hears)
        async with Caller(phone, "victim", number) as caller:
            await caller.say(QUESTION)
            await caller.until(lambda: re.search(f"{ANSWER}|{FILLER}|{APOLOGY}|{BROKEN_TOOL}", caller.ear.text))
        await _until(lambda: caller.over() is not None)
        return caller

    async def calls() -> list[Caller]:
        return await asyncio.gather(canary_call(phone, f"beside {numbers}"), *map(ask, numbers))

    canary, *victims = await in_their_own_thread(calls)
    return canary, victims


@pytest.mark.parametrize(
    ("hook", "form"),
    [
        ("on_message", as_async_generator),
        ("on_call_start", as_coroutine),
        ("tool", as_coroutine),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_a_coroutine_that_holds_its_loop_is_not_heard_next_door(
    hook: str, form: Callable[[Act], Callable[..., Any]], at_work: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names it; whoever calls it waits for it or hears an apology; no other line is late, not even once."""
    logging.disable(logging.NOTSET)
    name = f"{hook}_{form.__name__}"
    broken = holding(form, name, busy=form is as_async_generator)
    if hook == "tool":
        tool = Tool("look_up", "Looks something up.", handler=broken)
        victim = agent(llm=RulesLLM(rules), tools=[tool]), Hooks()
    else:
        victim = agent(), Hooks(**{"on_message": as_function(lambda: REPLY), hook: broken})
    served = {"victim": victim, "canary": CANARY}
    with caplog.at_level(logging.ERROR, "patter_cli.engine.watchdog"):
        async with answering(served) as phone:
            first, victims = await canary_beside(phone, "1")
            told = [each.getMessage() for each in caplog.records if name in each.getMessage()]
            again, more = await canary_beside(phone, "2", "3", "4")
            if again.tap.worst_gap_ms() >= LATE_MS:  # once may be the machine
                again, more = await canary_beside(phone, "5", "6", "7")
    logging.disable(logging.CRITICAL)
    print(f"{name}: first {first.tap.worst_gap_ms():.0f} ms, then {again.tap.worst_gap_ms():.0f} ms; {told}")
    assert re.search(rf"test_author_code.py:\d+ {name} has held the event loop for (2|3)\d\d ms", told[0])
    assert times_held()[name] == 1
    assert first.tap.worst_gap_ms() < LATE_MS
    assert again.tap.worst_gap_ms() < LATE_MS
    for caller in (first, again, *victims, *more):
        assert caller.longest_wait_ms() < QUIET_MS
        assert_ended_once(caller)
