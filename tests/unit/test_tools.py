"""What an author writes: tools in all their forms."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from patter_cli.errors import InputError
from patter_cli.tools import Tool, ToolContext, as_tool, tool

CTX = ToolContext(call_id="c1", caller="+12025550101", callee="+12025550102")


@tool
def prices(treatment: str, country: str = "us") -> str:
    """Say what a treatment costs. treatment: a check-up or a filling."""
    return f"{treatment} in {country}"


@tool(name="book-now", timeout_s=3)
async def book(day: str, ctx: ToolContext) -> str:
    """Book a day.

    It answers with the number to call back.

    Args:
        day: which
    """
    return f"{day} {ctx.caller}"


def test_a_decorated_function_is_a_tool() -> None:
    """Name, description, schema and deadline come from it or from the decorator."""
    assert (prices.name, prices.description, prices.timeout_s) == ("prices", "Say what a treatment costs.", 10)
    assert prices.accepts.schema["properties"]["treatment"]["description"] == "a check-up or a filling."
    assert (book.name, book.timeout_s) == ("book-now", 3)
    assert book.description == "Book a day. It answers with the number to call back."


async def test_a_decorated_function_stays_a_function() -> None:
    """An agent's own rules call it as before, sync or async."""
    assert prices("filling", country="uk") == "filling in uk"
    assert await book("Monday", CTX) == "Monday +12025550101"
    assert prices.__name__ == "prices"
    assert (prices.__doc__ or "").startswith("Say what")
    assert list(inspect.signature(prices).parameters) == ["treatment", "country"]


async def test_arguments_are_bound_the_way_the_handler_takes_them() -> None:
    """By name for a function; as one dict, with the context if there is room for it, for Tool(handler=)."""

    def alone(args: dict[str, Any]) -> Any:
        return args

    def both(args: dict[str, Any], ctx: ToolContext) -> Any:
        return args, ctx

    given = {"treatment": "crown"}
    assert prices.bind(given, CTX)() == "crown in us"
    assert await book.bind({"day": "Monday"}, CTX)() == "Monday +12025550101"
    assert Tool("a", "", handler=alone).bind(given, CTX)() == given
    assert Tool("b", "", handler=both).bind(given, CTX)() == (given, CTX)
    assert Tool("c", "", handler=dict).bind(given, CTX)() == given
    assert Tool("d", "", handler=lambda args, limit=3: limit).bind(given, CTX)() == 3
    assert Tool("e", "", handler=lambda args, ctx=None: ctx).bind(given, CTX)() is CTX
    assert Tool("f", "", handler=lambda *args: args).bind(given, CTX)() == (given, CTX)


def test_the_context_comes_from_the_call_whatever_the_model_says() -> None:
    """A parameter named ctx needs no annotation, and arguments cannot stand in for it."""

    @tool
    def who(ctx) -> str:  # type: ignore[no-untyped-def]
        return str(ctx.caller)

    assert who.accepts.schema["properties"] == {}
    assert who.bind({}, CTX)() == "+12025550101"


def test_a_method_of_an_object_is_a_tool_too() -> None:
    """Its self is bound already."""

    class CallFactory:
        def open(self, door: int) -> int:
            """Open a door."""
            return door

    opened = tool(CallFactory().open)
    assert opened.accepts.schema["required"] == ["door"]
    assert opened.bind({"door": 2}, CTX)() == 2


def test_a_dict_of_the_same_keys_is_a_tool() -> None:
    """A Tool stays what it is."""
    made = as_tool({"name": "weather", "description": "Say it.", "handler": lambda args: args, "timeout_s": 2})
    assert isinstance(made, Tool)
    assert made.timeout_s == 2
    assert as_tool(made) is made


def test_no_parameters_means_no_arguments() -> None:
    """A tool without a schema takes none."""
    assert Tool("now", "Say the time.", handler=lambda args: 1).accepts.schema == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }


def test_a_secret_is_not_shown() -> None:
    """Neither in repr nor in str."""
    made = Tool("hook", "", webhook_url="https://example.com", secret="hunter2")
    assert "hunter2" not in f"{made!r} {made}"


def plain(day: str) -> str:
    return day


async def pieces(args: dict[str, Any]) -> Any:
    yield 1


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"name": "2fast"}, "2fast"),
        ({"name": "a b"}, "cannot be the name"),
        ({"name": "a" * 65}, "cannot be the name"),
        ({"name": "naïve"}, "cannot be the name"),
        ({"name": 5}, "cannot be the name"),
        ({"description": None}, "not a text"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"timeout_s": "10"}, "timeout_s"),
        ({"handler": None}, "needs a handler or a webhook_url"),
        ({"webhook_url": "https://example.com"}, "not both"),
        ({"handler": "book"}, "cannot be called"),
        ({"handler": lambda: 1}, "takes no arguments"),
        ({"handler": pieces}, "yields"),
        ({"url": "https://example.com"}, "has no url"),
        ({"by_name": True}, "has no by_name"),
    ],
)
def test_a_tool_that_cannot_work_is_refused(keys: dict[str, Any], told: str) -> None:
    """When it is written, with the reason."""
    with pytest.raises(InputError, match=told):
        as_tool({"name": "book", "description": "Book.", "handler": lambda args: args, **keys})


@pytest.mark.parametrize("value", [plain, 5, "book", None, {}, {"name": "book"}, object()])
def test_what_is_no_tool_is_refused(value: Any) -> None:
    """A bare function too, with the hint to decorate it."""
    with pytest.raises(InputError) as caught:
        as_tool(value)
    assert caught.value.hint


@pytest.mark.parametrize("value", [int, object(), "book", type("CallFactory", (), {"__call__": plain})()])
def test_only_a_function_can_be_decorated(value: Any) -> None:
    """For everything else there is Tool(...)."""
    with pytest.raises(InputError, match="@tool stands above a function"):
        tool(value)
