"""The tools of a call at work: whatever is inside, the model gets JSON and the call goes on."""

from __future__ import annotations

import asyncio
import enum
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.engine.tools import RESERVED, ToolOutcome, ToolRunner, parse_arguments, ready_tools
from patter_cli.errors import BadArguments, InputError, MissingCredential
from patter_cli.tools import Tool, ToolContext, tool

DSN = "postgres://admin:hunter2@db.internal/prod"
CTX = ToolContext(
    call_id="c1", caller="+12025550101", callee="+12025550102", history=[{"role": "user", "text": "Hello"}]
)
release = threading.Event()
"""Lets what hangs in these tests go."""


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    release.clear()
    yield
    release.set()


def runner(*tools: Any) -> ToolRunner:
    return ToolRunner(ready_tools(tools, webhook_secret="s"), lambda: CTX)


async def outcome(made: Any, arguments: Any = None) -> tuple[bool, Any]:
    """Run one tool. Returns ok, and its data or its error."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    result = await runner(made).run("t1", made.name if isinstance(made, Tool) else made["name"], text)
    answer = json.loads(result.text)
    assert answer["ok"] is result.ok
    return result.ok, answer["data" if result.ok else "error"]


class Size(enum.Enum):
    SMALL = "small"


@tool
def order(dish: str, count: int = 1, size: Size = Size.SMALL, ctx: Any = None) -> dict[str, Any]:
    """Order a dish."""
    return {"dish": dish, "count": count, "size": size, "for": ctx.caller, "thread": threading.get_ident()}


@tool
async def slots(day: str) -> list[str]:
    """List free times."""
    await asyncio.sleep(0)
    return [f"{day} 10:00"]


def test_the_model_gets_every_tool() -> None:
    """In the order in which they were given."""
    first, second = runner(order, slots).specs()
    assert (first.name, first.description, second.name) == ("order", "Order a dish.", "slots")
    assert first.parameters["required"] == ["dish"]


async def test_a_sync_tool_runs_beside_the_loop() -> None:
    """With its arguments typed and its context; its result is data."""
    ok, data = await outcome(order, {"dish": "soup", "count": "2", "size": "small"})
    assert ok
    assert data.pop("thread") != threading.get_ident()
    assert data == {"dish": "soup", "count": 2, "size": "small", "for": "+12025550101"}


async def test_every_form_of_tool_runs() -> None:
    """Async functions, handlers with and without the context, dicts, objects that can be called."""

    class CallFactory:
        async def __call__(self, args: dict[str, Any], ctx: ToolContext) -> Any:
            return [args, ctx.history[0]["text"]]

    schema = {"type": "object", "properties": {"day": {"type": "string"}}}
    assert await outcome(slots, {"day": "Monday"}) == (True, ["Monday 10:00"])
    assert await outcome(Tool("a", "", schema, handler=lambda args: args), {"day": "1"}) == (True, {"day": "1"})
    assert await outcome(Tool("b", "", schema, handler=CallFactory()), {"day": "1"}) == (True, [{"day": "1"}, "Hello"])
    assert await outcome({"name": "c", "description": "", "handler": lambda args: None}) == (True, None)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{", "the arguments are not a JSON object: Expecting"),
        ("[1]", "not a JSON object"),
        ('"soup"', "not a JSON object"),
        ('{"dish": NaN}', "not a JSON object"),
        ("[" * 60_000, "not a JSON object"),
        ('{"n": ' + "1" * 5000 + "}", "not a JSON object"),
        ('{"dish": "' + "x" * 70_000 + '"}', "too long"),
        ("", "dish: it is missing"),
        ("null", "dish: it is missing"),
        ('{"dish": ["soup"]}', "dish: Input should be a valid string"),
        ('{"dish": "soup", "salt": 1}', "salt: there is no such argument"),
        ('{"dish": "soup", "size": "huge"}', "size: Input should be 'small'"),
    ],
    ids=lambda text: text[:20],
)
async def test_arguments_that_do_not_fit_are_told_to_the_model(written: str, told: str) -> None:
    """Shortly, and the tool is not run."""
    ok, error = await outcome(order, written)
    assert not ok
    assert told in error
    assert len(error) < 300


@pytest.mark.parametrize("written", ["", " ", "null", "{}", '"{}"'])
def test_nothing_is_no_arguments(written: str) -> None:
    """However a model writes that there are none, also encoded twice."""
    assert parse_arguments(written) == {}
    assert parse_arguments('"{\\"a\\": 1}"') == {"a": 1}


@given(st.text() | st.text(alphabet='{}[]":,0 a'))
def test_any_text_is_arguments_or_one_error(written: str) -> None:
    """Garbage from a model never gets further than this."""
    try:
        assert isinstance(parse_arguments(written), dict)
    except BadArguments:
        return


async def test_an_unknown_tool_is_told_which_there_are() -> None:
    """So that the model can choose again."""
    result = await runner(order, slots).run("t1", "ordr" * 100, "{}")
    assert not result.ok
    assert "there are: order, slots" in result.text
    assert len(result.text) < 200


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def fails() -> NoReturn:
        raise error

    return fails


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(DSN),
        BadArguments(DSN),
        TimeoutError(DSN),
        SystemExit(DSN),
        KeyboardInterrupt(DSN),
        GeneratorExit(DSN),
        StopIteration(DSN),
        asyncio.CancelledError(DSN),
        RecursionError(DSN),
        type("Own", (BaseException,), {})(DSN),
        ExceptionGroup(DSN, [ValueError(DSN)]),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_a_tool_raises_stays_in_our_log(error: BaseException, kind: str, caplog: Any) -> None:
    """The model learns that it failed, the log why and in which tool call; nothing else happens."""
    fails = raising(error)

    async def fails_later() -> None:
        fails()

    ok, said = await outcome(tool(name="book")(fails if kind == "sync" else fails_later))
    assert not ok
    assert "hunter2" not in said
    assert "book" in said
    logged = next(each for each in caplog.records if "t1" in each.getMessage())
    assert logged.levelno == logging.ERROR
    assert not asyncio.current_task().cancelling()  # type: ignore[union-attr]


async def test_a_tool_that_calls_exit_ends_nothing() -> None:
    """Nor does one that recurses without end."""

    def leaves(args: Any) -> None:
        sys.exit(1)

    def deep(args: Any) -> Any:
        return deep(args)

    assert (await outcome(Tool("leaves", "", handler=leaves)))[0] is False
    assert (await outcome(Tool("deep", "", handler=deep)))[0] is False


async def hangs(args: Any) -> None:
    await asyncio.Event().wait()


async def refuses(args: Any) -> None:
    while not release.is_set():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0.001)


def blocks(args: Any) -> None:
    release.wait()


class Slow:
    def __str__(self) -> str:
        release.wait()
        return "late"


@pytest.mark.parametrize("handler", [hangs, refuses, blocks, lambda args: Slow()])
async def test_a_deadline_is_kept_whatever_the_tool_does(handler: Any, caplog: Any) -> None:
    """Hanging, refusing to be cancelled, blocking, or blocking only when its result is read."""
    ok, error = await outcome(Tool("book", "", handler=handler, timeout_s=0.05))
    assert not ok
    assert error == "book took too long; it may or may not have done what it was asked"
    assert "book (t1) did not finish" in caplog.text
    release.set()


async def test_a_check_of_the_authors_has_the_same_deadline() -> None:
    """A dataclass that blocks as it is made holds nobody up."""
    ok, error = await outcome(tool(timeout_s=0.05)(seat), {"guest": {"name": "Anna"}})
    assert not ok
    assert "took too long" in error


@dataclass
class Guest:
    name: str

    def __post_init__(self) -> None:
        release.wait()


def seat(guest: Guest) -> None: ...


async def test_a_tool_is_run_once() -> None:
    """One that fails after its effect has had its effect once."""
    effects: list[int] = []

    def book(args: Any) -> None:
        effects.append(1)
        raise ConnectionError("after the effect")

    await outcome(Tool("book", "", handler=book, idempotent=True))
    assert effects == [1]


class Evil:
    def __str__(self) -> str:
        raise RuntimeError(DSN)

    __repr__ = __str__


class Liar(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError(DSN)


@pytest.mark.parametrize("value", [Evil(), [Evil()], {"a": Evil()}, Liar(a=1)], ids=["str", "item", "member", "items"])
async def test_a_result_that_cannot_be_read_is_a_failure(value: Any) -> None:
    """And says no more than that."""
    ok, error = await outcome(Tool("book", "", handler=lambda args: value))
    assert not ok
    assert "hunter2" not in error


async def test_a_huge_result_does_not_get_through() -> None:
    """10 MB and results that hold themselves are cut to 16 KB."""
    itself: list[Any] = []
    itself.append(itself)
    for value in ("x" * 10_000_000, [{"n": n} for n in range(100_000)], itself):
        result = await runner(Tool("a", "", handler=lambda args, value=value: value)).run("t1", "a", "{}")
        assert result.ok
        assert len(result.text.encode()) <= 16 << 10
        assert "cut" in json.loads(result.text)


async def test_cancelling_a_run_cancels_the_tool() -> None:
    """At once, and it is a cancellation that comes out."""
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def waits(args: Any) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(runner(Tool("a", "", handler=waits)).run("t1", "a", "{}"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await cancelled.wait()


async def test_tools_run_side_by_side() -> None:
    """Several calls of one step do not wait for each other."""
    both = threading.Barrier(2)
    made = runner(Tool("a", "", handler=lambda args: both.wait()))
    results = await asyncio.gather(made.run("t1", "a", ""), made.run("t2", "a", ""))
    assert sorted(result.text for result in results) == ['{"ok": true, "data": 0}', '{"ok": true, "data": 1}']


async def test_even_a_fault_of_ours_is_an_outcome() -> None:
    """If the call cannot say who is calling, the tool fails and the call goes on."""

    def lost() -> ToolContext:
        raise LookupError(DSN)

    result = await ToolRunner(ready_tools([order]), lost).run("t1", "order", '{"dish": "soup"}')
    assert result == ToolOutcome(ok=False, text='{"ok": false, "error": "the tool failed"}')


@pytest.mark.parametrize("name", RESERVED)
def test_names_that_every_agent_has_are_taken(name: str) -> None:
    """An author's tool cannot stand in for hanging up."""
    with pytest.raises(InputError, match=name):
        ready_tools([Tool(name, "", handler=dict)])


def test_two_tools_of_one_name_are_refused() -> None:
    """Also when one is a dict."""
    with pytest.raises(InputError, match="two tools are called order"):
        ready_tools([order, {"name": "order", "description": "", "handler": dict}])


def test_types_are_looked_at_before_the_first_ring() -> None:
    """A signature that no model can call is found when the tools are made ready, not on a call."""

    @tool
    def lock(door: memoryview) -> None: ...

    with pytest.raises(InputError, match="tool lock: a model cannot write parameter 'door'"):
        ready_tools([lock])


def test_a_webhook_needs_a_secret() -> None:
    """Its own, or the one for all; its own counts."""
    hook = Tool("hook", "", webhook_url="https://example.com/hook")
    with pytest.raises(MissingCredential) as caught:
        ready_tools([hook])
    assert "export PATTER_WEBHOOK_SECRET" in caught.value.hint
    assert ready_tools([hook], webhook_secret="shared")["hook"].secret == "shared"
    own = Tool("own", "", webhook_url="https://example.com/hook", secret="own")
    assert ready_tools([own], webhook_secret="given")["own"].secret == "own"


def test_a_webhook_on_this_machine_is_refused_before_the_first_ring() -> None:
    """As far as its address shows it."""
    with pytest.raises(InputError, match=r"127\.0\.0\.1"):
        ready_tools([Tool("hook", "", webhook_url="https://127.0.0.1/", secret="s")])
