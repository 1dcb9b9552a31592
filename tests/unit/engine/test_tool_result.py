"""What a model gets of a tool's result."""

from __future__ import annotations

import datetime as dt
import enum
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.engine.tool_result import RESULT_BYTES, render_error, render_result


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Slot:
    day: dt.date
    colour: Colour = Colour.RED


class Mute:
    def __str__(self) -> str:
        return "a thing"


def around(depth: int) -> Any:
    value: Any = "core"
    for _ in range(depth):
        value = [value]
    return value


itself: list[Any] = [1]
itself.append(itself)
mirror: dict[str, Any] = {"a": 1}
mirror["mirror"] = mirror


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, None),
        (True, True),
        ("Booked.", "Booked."),
        (0.5, 0.5),
        (float("nan"), None),
        ([float("inf"), 1], [None, 1]),
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (b"caf\xc3\xa9 \xff", "café �"),
        ({1: "x", Colour.RED: "y"}, {"1": "x", "red": "y"}),
        (Slot(dt.date(2031, 5, 7)), {"day": "2031-05-07", "colour": "red"}),
        (Mute(), "a thing"),
        ("\ud800", "?"),
        (10**3000, "a number of 9966 bits"),
    ],
)
def test_a_result_becomes_json(value: Any, data: Any) -> None:
    """Whatever it is, the model gets it as data."""
    assert json.loads(render_result(value)) == {"ok": True, "data": data}


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10_000_000,
        "\x00" * 20_000,
        "ü" * 10_000,
        b"\xff" * 10_000_000,
        list(range(1_000_000)),
        [[]] * 100_000,
        [(None, float("inf"))] * 1169,
        [float("nan")] * 100_000,
        {str(n): n for n in range(100_000)},
        {"x" * 100_000: 1},
        range(10**9),
        itself,
        mirror,
        around(500),
        ["a" * 9000, "b" * 9000, "c"],
        [10**300] * 1000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_too_long_is_cut(value: Any) -> None:
    """Never more than 16 KB, still whole JSON, and it says that it was cut; a range is written as one."""
    text = render_result(value)
    answer = json.loads(text)
    assert len(text.encode()) <= RESULT_BYTES
    assert answer["ok"] is True
    assert ("cut" in answer) is not isinstance(value, range)


def test_the_beginning_is_what_is_kept() -> None:
    """A cut result is used up to the cut, not thrown away."""
    answer = json.loads(render_result(["a" * 9000, "b" * 9000, "c"]))
    assert answer["data"][0] == "a" * 9000
    assert set(answer["data"][1]) == {"b"}
    assert len(answer["data"]) == 2
    assert len(render_result("x" * 20_000)) > RESULT_BYTES - 300


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
)


@given(VALUES, st.integers(1, 3000))
def test_every_result_is_short_whole_json(value: Any, times: int) -> None:
    """Of any nesting and any length."""
    text = render_result([value] * times)
    assert len(text.encode()) <= RESULT_BYTES
    assert json.loads(text)["ok"] is True


def test_a_short_result_is_all_there() -> None:
    """Nothing below the limit is cut."""
    value = [{"name": f"guest {n}", "at": n / 2, "here": n % 2 == 0} for n in range(150)]
    assert json.loads(render_result(value)) == {"ok": True, "data": value}


def test_an_error_is_json_too() -> None:
    """Also one that quotes something long."""
    assert json.loads(render_error("no such tool")) == {"ok": False, "error": "no such tool"}
    assert len(render_error("x" * 100_000).encode()) <= RESULT_BYTES
