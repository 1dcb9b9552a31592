"""The schema of a tool's arguments, and the check of what a model wrote."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, Optional, TypedDict, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from patter_cli.errors import BadArguments, InputError
from patter_cli.schema import Arguments, arguments_by, arguments_of
from patter_cli.tools import ToolContext

if TYPE_CHECKING:
    from decimal import Decimal as Unseen


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Guest(TypedDict):
    name: str
    age: NotRequired[int]


class Wish(TypedDict, total=False):
    text: str


@dataclass
class Dish:
    title: str
    size: Size = Size.SMALL
    extras: list[str] = field(default_factory=list)


@dataclass
class Box:
    label: str
    boxes: list[Box] = field(default_factory=list)


@dataclass
class Secretive:
    name: str

    def __post_init__(self) -> None:
        raise ValueError("postgres://admin:hunter2@db")


def read(function: Callable[..., Any]) -> Arguments:
    return arguments_of("order", function, context=ToolContext)


def of(annotation: Any) -> Arguments:
    def order(x: Any) -> None: ...

    order.__annotations__["x"] = annotation
    return read(order)


STRING = {"type": "string"}
NO_JSON = object()
GUEST = {
    "type": "object",
    "properties": {"name": STRING, "age": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("annotation", "schema", "written", "got"),
    [
        (str, STRING, "a", "a"),
        (str, STRING, 5, "5"),
        (int, {"type": "integer"}, "3", 3),
        (float, {"type": "number"}, 3, 3.0),
        (bool, {"type": "boolean"}, "true", True),
        (Optional[int], {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None, None),  # noqa: UP045
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}, 4, 4),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, "b", "b"),
        (Size, {"type": "string", "enum": ["small", "large"]}, "large", Size.LARGE),
        (list[int], {"type": "array", "items": {"type": "integer"}}, [1, "2"], [1, 2]),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}, {"a": 1}, {"a": 1}),
        (dt.date, {"type": "string", "format": "date"}, "2031-05-07", dt.date(2031, 5, 7)),
        (Guest, GUEST, {"name": "Anna"}, {"name": "Anna"}),
        (list[Guest], {"type": "array", "items": GUEST}, [{"name": "A", "age": "5"}], [{"name": "A", "age": 5}]),
        (
            Union[Guest, None],  # noqa: UP007
            {"anyOf": [GUEST, {"type": "null"}]},
            {"name": "Anna"},
            {"name": "Anna"},
        ),
        (
            Annotated[Wish | None, "what they wish"],
            {
                "description": "what they wish",
                "anyOf": [
                    {"type": "object", "properties": {"text": STRING}, "additionalProperties": False},
                    {"type": "null"},
                ],
            },
            {},
            {},
        ),
        (
            Dish,
            {
                "type": "object",
                "properties": {
                    "title": STRING,
                    "size": {"type": "string", "enum": ["small", "large"], "default": "small"},
                    "extras": {"type": "array", "items": STRING},
                },
                "required": ["title"],
                "additionalProperties": False,
            },
            {"title": "Soup", "size": "large"},
            Dish("Soup", Size.LARGE),
        ),
    ],
)
def test_a_type_is_what_the_model_sees_and_what_the_function_gets(
    annotation: Any, schema: dict[str, Any], written: Any, got: Any
) -> None:
    """The model gets a schema without references or titles; the function gets what it annotated."""
    arguments = of(annotation)
    assert arguments.schema == {
        "type": "object",
        "properties": {"x": schema},
        "required": ["x"],
        "additionalProperties": False,
    }
    assert arguments.check({"x": written}) == {"x": got}
    assert type(arguments.check({"x": written})["x"]) is type(got)


def test_a_default_need_not_be_given() -> None:
    """It is in the schema, and the function's own default counts; one that JSON cannot say is not shown."""

    def order(
        dish: str, count: int = 2, size: Size = Size.LARGE, other: Any = NO_JSON, note: str | None = None
    ) -> None:
        """Order. dish: what.

        count: how many
        """

    arguments = read(order)
    properties = arguments.schema["properties"]
    assert arguments.schema["required"] == ["dish"]
    assert properties["dish"] == {"type": "string", "description": "what."}
    assert properties["count"] == {"type": "integer", "default": 2, "description": "how many"}
    assert properties["size"]["default"] == "large"
    assert "default" not in properties["other"]
    assert "default" not in properties["note"]
    assert arguments.check({"dish": "soup"}) == {"dish": "soup"}


def test_the_context_is_not_the_models() -> None:
    """ctx is neither in the schema nor accepted, and no other name may take it."""

    def order(dish: str, ctx: Unseen) -> None: ...

    def sneaky(dish: str, who: ToolContext) -> None: ...

    assert set(read(order).schema["properties"]) == {"dish"}
    with pytest.raises(BadArguments, match="ctx: there is no such argument"):
        read(order).check({"dish": "soup", "ctx": {}})
    with pytest.raises(InputError, match="'who' would be the model's"):
        read(sneaky)


def test_a_type_that_holds_itself_is_written_once() -> None:
    """Only then does a schema refer to a part of itself, and it is a schema all the same."""
    schema = of(Box).schema
    Draft202012Validator.check_schema(dict(schema))
    assert Draft202012Validator(dict(schema)).is_valid({"x": {"label": "a", "boxes": [{"label": "b"}]}})
    assert "title" not in json.dumps(schema)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({}, "x: it is missing"),
        ({"x": {"title": "Soup"}, "y": 1}, "y: there is no such argument"),
        ({"x": "Soup"}, "x: Input should be"),
        ({"x": {"title": ["Soup"]}}, "x.title: Input should be a valid string"),
        ({"x": {"title": "Soup", "size": "huge"}}, "x.size: Input should be 'small' or 'large'"),
        ({"x": {"title": "Soup", "salt": 1}}, "x.salt: there is no such argument"),
    ],
)
def test_a_fault_says_where_and_what(written: dict[str, Any], told: str) -> None:
    """In so few words that a model can correct itself."""
    with pytest.raises(BadArguments) as caught:
        of(Dish).check(written)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_the_authors_check_raises_stays_with_the_author() -> None:
    """The model learns which argument is wrong, and no word of the exception."""
    with pytest.raises(BadArguments) as caught:
        of(Secretive).check({"x": {"name": "Anna"}})
    assert str(caught.value) == "x: it is not valid"


def test_a_thousand_faults_are_not_all_told() -> None:
    """A few are enough to begin with."""
    with pytest.raises(BadArguments) as caught:
        of(list[int]).check({"x": ["no"] * 1000})
    assert len(str(caught.value)) < 1000


def several(*args: str) -> None: ...
def named(**kwargs: str) -> None: ...
def by_place(day: str, /) -> None: ...
def untyped(day) -> None: ...  # type: ignore[no-untyped-def]
def unknown(day: Unseen) -> None: ...
def misspelt(day: "dt.dat") -> None: ...  # type: ignore[name-defined]  # noqa: UP037
def callback(day: Callable[[], None]) -> None: ...
def stream(day: memoryview) -> None: ...
def handle(day: threading_lock) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "parameter"),
    [
        (several, "args"),
        (named, "kwargs"),
        *((each, "day") for each in (by_place, untyped, unknown, misspelt, callback, stream, handle)),
    ],
)
def test_what_a_model_cannot_call_is_refused(function: Callable[..., Any], parameter: str) -> None:
    """The error names the function and the parameter, and says what to do."""
    with pytest.raises(InputError) as caught:
        arguments_of(function.__name__, function, context=ToolContext)
    assert f"tool {function.__name__}" in str(caught.value)
    assert repr(parameter) in str(caught.value)
    assert caught.value.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["dish", "count", "guests", "x", "ctx"]), JSON))
def test_whatever_a_model_writes_is_typed_or_told(written: dict[str, Any]) -> None:
    """Every JSON object either becomes the annotated types or one BadArguments."""
    try:
        checked = ORDER.check(written)
    except BadArguments:
        return
    assert isinstance(checked["dish"], Dish)
    assert isinstance(checked.get("count", 1), int)


def _order(dish: Dish, count: int = 1, guests: list[Guest] | None = None) -> None: ...


ORDER = read(_order)


def test_a_schema_by_hand_is_kept_and_closed() -> None:
    """Its own properties are all there are; the author's dict stays as it was."""
    own = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    arguments = arguments_by("weather", own)
    assert arguments.schema == {**own, "additionalProperties": False}
    assert "additionalProperties" not in own
    assert arguments.check({"city": "Rome"}) == {"city": "Rome"}
    for written, told in [
        ({}, "'city' is a required property"),
        ({"city": 5}, "city: 5 is not of type 'string'"),
        ({"city": "Rome", "land": "it"}, "'land' was unexpected"),
    ]:
        with pytest.raises(BadArguments, match=told):
            arguments.check(written)


def test_a_schema_that_allows_more_stays_open() -> None:
    """Only what the author left unsaid is decided for them."""
    open_one = {"type": "object", "additionalProperties": True}
    assert arguments_by("note", open_one).check({"anything": 1}) == {"anything": 1}
    within = {"type": "object", "$defs": {"n": {"type": "integer"}}, "properties": {"n": {"$ref": "#/$defs/n"}}}
    with pytest.raises(BadArguments):
        arguments_by("note", within).check({"n": "one"})


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array"},
        {"city": {"type": "string"}},
        {"type": "object", "properties": {"city": {"type": "text"}}},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"city": {"$ref": "https://example.com/city.json"}}},
        {"type": "object", "default": object()},
        [],
    ],
)
def test_a_schema_that_is_none_is_refused(schema: Any) -> None:
    """Before the first ring, and nothing it refers to is ever fetched."""
    with pytest.raises(InputError, match="tool weather"):
        arguments_by("weather", schema)
