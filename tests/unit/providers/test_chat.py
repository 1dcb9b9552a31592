"""The Chat Completions wire, as OpenAI documents it and as everybody else writes it."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.contracts.llm import Delta, Text, ToolCall, Usage
from patter_cli.errors import BadReply
from patter_cli.providers.chat import ChatReader
from patter_cli.providers.reply import ErrorInside
from patter_cli.providers.sse import EventDecoder
from patter_cli.providers.thinking import ThinkingFilter


def reader(*, may_call: bool = True) -> ChatReader:
    """A reply about to come."""
    return ChatReader(provider="acme", model="m", may_call=may_call, thinks_aloud=True, ends=False)


def read(*chunks: Any) -> list[Delta]:
    """The deltas of a whole reply."""
    reply = reader()
    return [delta for chunk in chunks for delta in reply.push(json.dumps(chunk))] + reply.end()


def piece(reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}


def call(name: str | None = None, arguments: Any = None, **fields: Any) -> dict[str, Any]:
    """One entry of tool_calls."""
    return {**fields, "function": {"name": name, "arguments": arguments}}


def calls_of(*pieces: list[dict[str, Any]], reason: str = "tool_calls") -> list[tuple[str, str, str]]:
    """Id, name and arguments of the calls in a reply; each argument is the tool_calls of one delta."""
    deltas = read(*(piece(tool_calls=entries) for entries in pieces), piece(reason))
    return [(each.id, each.name, each.arguments) for each in deltas if isinstance(each, ToolCall)]


WHOLE = {"at": "18:00", "note": 'a "quoted" word, 東京'}
STREAM = b"".join(
    b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\r\n\r\n"
    for chunk in (
        piece(role="assistant", content=""),
        piece(content="Grüße, <thi"),
        piece(content="nk>not this</th"),
        piece(content="ink>\n\n東京 👋"),
        piece(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "book", "arguments": '{"at": "18:'}}]),
        piece(tool_calls=[{"index": 0, "function": {"arguments": '00", "note": "é"}'}}]),
        piece("tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 8}},
    )
)


@given(st.lists(st.integers(0, len(STREAM))))
def test_cutting_the_bytes_changes_nothing(places: list[int]) -> None:
    """From bytes to deltas, the transport's chunks do not show."""
    edges = [0, *sorted(places), len(STREAM)]
    decoder, reply = EventDecoder(), reader()
    deltas: list[Delta] = []
    for start, end in itertools.pairwise(edges):
        for event in decoder.push(STREAM[start:end]):
            deltas += reply.push(event.data)
    assert deltas + reply.end() == [
        Text("Grüße, "),
        Text("東京 👋"),
        ToolCall(id="c1", name="book", arguments='{"at": "18:00", "note": "é"}'),
        Usage(model="m", input_tokens=9, output_tokens=8),
    ]


@given(st.text(alphabet="a< /think>\n", max_size=60), st.lists(st.integers(0, 60)))
def test_cutting_the_words_does_not_change_what_is_thinking(inside: str, places: list[int]) -> None:
    """Tags are found across pieces, and what only looks like the beginning of one is spoken."""
    text = f"<think>{inside}</think> {inside} <THINKING>x</thinking>\n\n{inside}"
    edges = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    cut, whole = ThinkingFilter(), ThinkingFilter()
    heard = "".join(cut.push(text[start:end]) for start, end in itertools.pairwise(edges)) + cut.end()
    assert heard == whole.push(text) + whole.end()


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("<think>hm</think>\n\nYes.", "Yes."),
        ("Yes. <think>hm</think> No.", "Yes. No."),
        ("<THINK>hm</Think>Yes", "Yes"),
        ("<think>hm", ""),
        ("a < b, a <thin line", "a < b, a <thin line"),
        ("2 <", "2 <"),
        ("</think>", "</think>"),
        ("<think></think><think>x</think>", ""),
    ],
)
def test_thinking_is_not_spoken(text: str, heard: str) -> None:
    """What is between the tags goes, with the blank lines after it."""
    thinking = ThinkingFilter()
    assert thinking.push(text) + thinking.end() == heard


def test_thinking_aside_is_not_spoken() -> None:
    """The fields that servers have for it are passed over."""
    assert read(piece(reasoning="hm"), piece(reasoning_content="hm"), piece("stop", content="Yes.")) == [Text("Yes.")]


@pytest.mark.parametrize(
    ("content", "heard"),
    [
        (None, []),
        ("", []),
        ([{"type": "text", "text": "Yes"}, {"type": "other"}, "."], [Text("Yes.")]),
        ("\ud83d\udc4b \ud83d", [Text("👋 �")]),
    ],
)
def test_content_has_many_forms(content: Any, heard: list[Delta]) -> None:
    """Nothing, parts, and letters that are only half there."""
    assert read(piece("stop", content=content)) == heard


def test_a_refusal_is_spoken() -> None:
    """It is meant for the caller."""
    assert read(piece("stop", refusal="I cannot.")) == [Text("I cannot.")]


@pytest.mark.parametrize(
    "chunk",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [{}]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"tool_calls": None}}]},
        {"choices": [{"delta": {"tool_calls": []}}]},
        {"object": "something.else"},
        {"usage": 7},
    ],
)
def test_an_empty_chunk_says_nothing(chunk: Any) -> None:
    """Every part of it may be missing."""
    assert read(chunk) == []


def test_calls_by_the_book() -> None:
    """Index tells calls apart, though their fragments come mixed."""
    assert calls_of(
        [call("a", "", index=0, id="c1"), call("b", "", index=1, id="c2")],
        [call(None, '{"x"', index=0)],
        [call(None, '{"y": 1}', index=1)],
        [call(None, ": 2}", index=0)],
    ) == [("c1", "a", '{"x": 2}'), ("c2", "b", '{"y": 1}')]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    """However they are left out."""
    for nothing in ("", "  ", None):
        assert calls_of([call("a", nothing, index=0, id="c1")]) == [("c1", "a", "{}")]


def test_arguments_may_be_an_object() -> None:
    """Not by the book, but clear enough."""
    ((_, name, arguments),) = calls_of([call("a", WHOLE, id="c1")])
    assert (name, json.loads(arguments)) == ("a", WHOLE)


def test_calls_without_an_index() -> None:
    """The place in the list stands for it, and an id finds its call wherever it is."""
    assert calls_of(
        [call("a", '{"x"', id="c1"), call("b", "{", id="c2")], [call(None, "}", id="c2")], [call(None, ": 1}", id="c1")]
    ) == [("c1", "a", '{"x": 1}'), ("c2", "b", "{}")]


def test_every_call_with_the_index_zero() -> None:
    """Another id is another call."""
    assert calls_of([call("a", "{}", index=0, id="c1")], [call("a", '{"x": 1}', index=0, id="c2")]) == [
        ("c1", "a", "{}"),
        ("c2", "a", '{"x": 1}'),
    ]


def test_calls_without_an_id() -> None:
    """Each gets one of its own; a name after whole arguments begins another."""
    (first, a, one), (second, b, two) = calls_of(
        [
            call("a", '{"x"'),
        ],
        [call(None, ": 1}")],
        [call("b", '{"y": 2}')],
    )
    assert (a, one, b, two) == ("a", '{"x": 1}', "b", '{"y": 2}')
    assert first.startswith("call_")
    assert second.startswith("call_")
    assert first != second


def test_a_name_that_is_repeated_is_the_same_call() -> None:
    """Some servers send it with every fragment."""
    assert calls_of([call("a", '{"x"', index=0, id="c1")], [call("a", ": 1}", index=0, id="c1")]) == [
        ("c1", "a", '{"x": 1}')
    ]


def test_calls_count_whatever_the_reason_says() -> None:
    """Servers say "stop" when they mean "tool_calls"."""
    assert calls_of([call("a", "{}", id="c1")], reason="stop") == [("c1", "a", "{}")]


@pytest.mark.parametrize("arguments", ['{"at": "18', "", "7"])
@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_call_cut_by_a_limit_is_refused(reason: str, arguments: str) -> None:
    """Half a tool call could do half of the wrong thing."""
    with pytest.raises(BadReply, match="cut off") as raised:
        calls_of([call("book", arguments, id="c1")], reason=reason)
    assert "max_output_tokens" in raised.value.hint


def test_words_cut_by_a_limit_are_words() -> None:
    """The caller hears them."""
    assert read(piece(content="So then"), piece("length")) == [Text("So then")]


def test_an_allowance_spent_on_thinking_is_named() -> None:
    """An empty reply would leave everybody guessing."""
    with pytest.raises(BadReply, match="thinking"):
        read(piece(content="<think>hm, hm"), piece("length"))


@pytest.mark.parametrize(
    "entries",
    [
        [call(None, "{}", id="c1")],
        [call("a", "{}", id=f"c{number}") for number in range(33)],
        [call("a", "x" * 100_001, id="c1")],
    ],
    ids=["no name", "too many", "too long"],
)
def test_calls_that_make_no_sense_are_refused(entries: list[dict[str, Any]]) -> None:
    """Before anything is run."""
    with pytest.raises(BadReply):
        calls_of(entries)


@pytest.mark.parametrize(
    "chunk",
    [
        7,
        [],
        None,
        {"choices": 7},
        {"choices": [7]},
        {"choices": [{"delta": "x"}]},
        piece(content=7),
        piece(refusal={"a": 1}),
        piece(tool_calls=7),
        piece(tool_calls=[7]),
        piece(tool_calls=[{"function": 7}]),
        piece(tool_calls=[call(7)]),
        piece(tool_calls=[call("a", 7)]),
        piece(tool_calls=[call("a", "{}", id=7)]),
    ],
    ids=str,
)
def test_a_wrong_type_is_refused(chunk: Any) -> None:
    """By name, before it is spoken or run."""
    with pytest.raises(BadReply, match="acme"):
        reader().push(json.dumps(chunk))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "choices delta content tool_calls function name arguments index id usage error x_groq refusal "
                "finish_reason prompt_tokens prompt_tokens_details".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=4))
def test_any_json_is_read_or_refused(chunks: list[Any]) -> None:
    """And what comes out can be written down."""
    reply = reader()
    try:
        deltas = [delta for chunk in chunks for delta in reply.push(json.dumps(chunk))] + reply.end()
    except (BadReply, ErrorInside):
        return
    for delta in deltas:
        match delta:
            case Text(text):
                assert text.encode()
            case ToolCall():
                assert delta.name.encode()
                assert delta.id.encode()
            case Usage():
                assert min(delta.input_tokens, delta.output_tokens, delta.cached_tokens) >= 0


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2}, Usage(model="m", input_tokens=5, output_tokens=2)),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
            Usage(model="m", input_tokens=5, output_tokens=2, cached_tokens=4),
        ),
        (
            {"prompt_tokens": "5", "completion_tokens": -2, "prompt_tokens_details": []},
            Usage(model="m", input_tokens=0, output_tokens=0),
        ),
    ],
)
def test_usage_is_given_once_whatever_it_is_like(usage: dict[str, Any], expected: Usage) -> None:
    """With every chunk, or in a corner of the last: the last one counts, at the end."""
    early = {"usage": {"prompt_tokens": 1}, **piece(content="Yes")}
    assert read(early, {"choices": [], "usage": usage}) == [Text("Yes"), expected]
    assert read(piece("stop", content="Yes"), {"x_groq": {"usage": usage}}) == [Text("Yes"), expected]


@pytest.mark.parametrize("error", ["overloaded", {"message": "overloaded", "code": 503}])
def test_an_error_inside_is_handed_on(error: Any) -> None:
    """As it is, for whoever knows the classes of errors."""
    for chunk in ({"error": error}, {"x_groq": {"error": error}}):
        with pytest.raises(ErrorInside) as raised:
            reader().push(json.dumps(chunk))
        assert raised.value.value == error
