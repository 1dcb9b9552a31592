"""A call as a trace: what lies in what, for how long, and under the names that OpenTelemetry gives such things."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.core.plan import CallPlan
from patter_cli.observe.spans import CallSpans, Span
from patter_cli.testing import FarEnd, VirtualCall
from tests.unit.observe.test_metering import held


def all_of(span: Span) -> Iterator[Span]:
    yield span
    for child in span.children:
        yield from all_of(child)


def traced(entries: list[Entry]) -> tuple[Span, list[Span]]:
    """(the call, its turns)."""
    spans = CallSpans("C1")
    turns = [turn for entry in entries for turn in spans.feed(entry)]
    assert spans.over
    return spans.call, turns


def test_a_call_is_a_span_with_its_turns() -> None:
    """Turns lie in the call, one after the other; what each waited for lies in it, and adds up."""
    call, turns = traced(held())
    assert (call.name, call.kind) == ("invoke_agent shop", "server")
    assert call.attributes["gen_ai.conversation.id"] == call.attributes["patter.call.id"] == "C1"
    assert call.attributes["patter.call.outcome"] == "answered"
    assert (call.attributes["patter.call.turns"], call.attributes["patter.call.interruptions"]) == (2, 1)
    assert [each.name for each in turns] == ["turn 1", "turn 2"]
    assert call.from_ms <= turns[0].from_ms < turns[0].to_ms <= turns[1].to_ms <= call.to_ms
    for turn in turns:
        stages = [each for each in turn.children if "patter.stage" in each.attributes]
        assert sum(each.to_ms - each.from_ms for each in stages) == turn.attributes["patter.turn.wait_ms"]
        assert [each.to_ms for each in stages[:-1]] == [each.from_ms for each in stages[1:]]
        assert all(turn.from_ms <= each.from_ms <= each.to_ms for each in all_of(turn))


def test_a_tool_and_its_failure() -> None:
    """It is a span of its own with its name, and failed where it says so; the model was asked before and after."""
    _, turns = traced(held())
    (tool,) = [each for each in turns[0].children if each.name == "execute_tool book"]
    assert tool.to_ms - tool.from_ms == 700
    assert tool.error == "tool_failed"
    assert tool.attributes["gen_ai.operation.name"] == "execute_tool"
    asked = [each for each in turns[0].children if each.attributes.get("gen_ai.operation.name") == "chat"]
    assert len(asked) == 2
    assert asked[0].from_ms <= tool.from_ms <= tool.to_ms <= asked[1].from_ms


def test_a_request_to_a_model_has_its_tokens() -> None:
    """Under the names of the conventions; how long the first of it took, in seconds."""
    entries = []
    for entry in held():
        entries.append(entry)
        if isinstance(entry.event, fact.ResponseFinished) and entry.event.response_id > 1:
            used = fact.ModelUsed(
                response_id=entry.event.response_id, provider="google", model="gemini-3", input_tokens=100,
                output_tokens=20, cached_tokens=50,
            )  # fmt: skip
            entries.append(Entry(at=entry.at, event=used, commands=()))
    _, turns = traced(entries)
    asked = [each for turn in turns for each in turn.children if each.name == "chat gemini-3"]
    assert asked
    assert asked[0].attributes["gen_ai.provider.name"] == "gcp.gemini"
    assert asked[0].attributes["gen_ai.usage.input_tokens"] == 100
    assert asked[0].attributes["gen_ai.usage.cache_read.input_tokens"] == 50
    assert 0 < float(asked[0].attributes["gen_ai.response.time_to_first_chunk"]) < 5


def test_nothing_that_anybody_said_leaves() -> None:
    """Neither words nor numbers nor what a tool was asked: only names, times and counts."""
    call, turns = traced(held())
    told = repr([*all_of(call), *(each for turn in turns for each in all_of(turn))])
    for secret in ("table", "Stop", "Hello", "full", "+15550100", "+15550101"):
        assert secret not in told


def test_what_fails_is_an_error() -> None:
    """A vendor's failure is an event in its turn, which counts as failed; and so does a call that comes to nothing."""
    call = VirtualCall(CallPlan(agent="shop", system_prompt="", first_message="Hello."), ("Yes.",))
    call.says("Are you there?", at=4000, lasts_ms=800)
    call.tells(fact.ListenFailed(provider="deepgram", message="gone"), at=6500)
    call.run()
    entries = [Entry(at=at, event=event, commands=commands) for at, event, commands in call.log]
    used = fact.LineUsed(carrier="virtual", direction="inbound", duration_ms=call.now)  # type: ignore[arg-type]
    root, turns = traced([*entries, Entry(at=call.now, event=used, commands=())])
    events = [each for span in (root, *turns) for each in span.events]
    assert [(name, told["gen_ai.provider.name"]) for _, name, told in events] == [("exception", "deepgram")]
    assert root.error == "listen_failed"


def test_a_call_that_nobody_picks_up() -> None:
    """Is a span without turns, from the wish to the end."""
    call = VirtualCall(
        CallPlan(agent="shop", system_prompt="", first_message="Hello."),
        far_end=FarEnd(answers_ms=None, ring_timeout_ms=5000),
    )
    call.run()
    root, turns = traced([Entry(at=at, event=event, commands=commands) for at, event, commands in call.log])
    assert (root.kind, turns) == ("client", [])
    assert root.attributes["patter.call.outcome"] == "no_answer"


def test_the_names_are_those_of_the_conventions() -> None:
    """Every gen_ai attribute and operation that we write is one that the package of conventions has."""
    names = pytest.importorskip("opentelemetry.semconv._incubating.attributes.gen_ai_attributes")
    known = {value for name, value in vars(names).items() if name.startswith("GEN_AI_")}
    operations = {each.value for each in names.GenAiOperationNameValues}
    call, turns = traced(held())
    spans = [*all_of(call), *(each for turn in turns for each in all_of(turn))]
    written = {name for each in spans for name in each.attributes if name.startswith("gen_ai.")}
    assert len(written) >= 7
    assert written <= known
    done = {
        str(each.attributes["gen_ai.operation.name"]) for each in spans if "gen_ai.operation.name" in each.attributes
    }
    assert done == {"invoke_agent", "chat", "execute_tool"} <= operations
