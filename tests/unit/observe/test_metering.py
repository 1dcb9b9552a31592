"""Calls, counted for Prometheus: the figures are right, and promtool would have nothing to say."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.core.plan import CallPlan, PlannedTool
from patter_cli.observe.exposition import MOST_SERIES, Counter, Gauge, Histogram, render
from patter_cli.observe.metering import Metering
from patter_cli.testing import Answer, FarEnd, VirtualCall, VirtualTool
from tests.promlint import problems

PLAN = CallPlan(
    agent="shop", system_prompt="", first_message="Hello.", tools=(PlannedTool(name="book", timeout_ms=4000),)
)


def entries(call: VirtualCall) -> list[Entry]:
    return [Entry(at=at, event=event, commands=commands) for at, event, commands in call.log]


def held() -> list[Entry]:
    """A call with a question, a tool that fails, an answer that is broken off, and its usage."""
    asks = Answer(calls=(("book", "{}"),))
    answers: list[str | Answer] = [asks, "We have a table at eight, and another one at nine, and many more at ten."]
    call = VirtualCall(PLAN, answers, tools={"book": VirtualTool('{"ok": false, "error": "full"}', 700)})
    call.says("Do you have a table?", at=4000, lasts_ms=1000)
    call.says("Stop, I want something else please.", at=9500, lasts_ms=1500)
    call.tells(fact.HangUpRequested(), at=20_000)
    call.run()
    used: tuple[fact.Event, ...] = (
        fact.ModelUsed(
            response_id=1,
            provider="openai",
            model="gpt-4o-mini",
            input_tokens=10_000,
            output_tokens=1000,
            cached_tokens=0,
        ),
        fact.HearingUsed(provider="nobody", model="?", audio_ms=1000),
        fact.SpeakFailed(response_id=9, clause=0, provider="cartesia", message="gone"),
        fact.LineUsed(carrier="loopback", direction="inbound", duration_ms=20_000),  # type: ignore[arg-type]
    )
    return [*entries(call), *(Entry(at=call.now, event=each, commands=()) for each in used)]


def samples(text: str) -> dict[str, float]:
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line[:1] not in ("#", "")
    }


def test_a_call_is_counted() -> None:
    """Its beginning and end, its turns stage by stage, the tool, what was broken off, what failed, and what it cost."""
    metering = Metering()
    for entry in held():
        metering("C1", entry)
    metering.note_lag(0.004)
    found = samples(metering.render())
    assert found['patter_calls_started_total{agent="shop",direction="inbound",carrier="virtual"}'] == 1
    assert found['patter_calls_ended_total{agent="shop",direction="inbound",outcome="answered"}'] == 1
    assert found["patter_calls_live"] == 0
    turns = found['patter_turn_wait_seconds_count{agent="shop"}']
    assert turns == 2
    whole = found['patter_turn_wait_seconds_sum{agent="shop"}']
    stages = [value for name, value in found.items() if name.startswith("patter_turn_stage_seconds_sum")]
    assert sum(stages) == pytest.approx(whole)
    assert found['patter_interruptions_total{agent="shop"}'] == 1
    assert found['patter_tool_duration_seconds_sum{agent="shop",tool="book"}'] == pytest.approx(0.7)
    assert found['patter_tool_failures_total{agent="shop",tool="book"}'] == 1
    assert found['patter_vendor_errors_total{leg="tts",provider="cartesia"}'] == 1
    assert found['patter_cost_usd_total{leg="llm",provider="openai"}'] > 0
    assert found['patter_unpriced_calls_total{agent="shop"}'] == 1
    assert found['patter_loop_lag_seconds_bucket{le="0.005"}'] == 1


def test_a_call_that_goes_on_is_live() -> None:
    """Until its end; one that was never picked up is over then as well."""
    metering = Metering()
    first, *rest = held()
    metering("C1", first)
    assert samples(metering.render())["patter_calls_live"] == 1
    for entry in rest:
        metering("C1", entry)
    call = VirtualCall(PLAN, far_end=FarEnd(ring_timeout_ms=5000, answers_ms=None))
    call.run()
    for entry in entries(call):
        metering("C2", entry)
    found = samples(metering.render())
    assert found["patter_calls_live"] == 0
    assert found['patter_calls_ended_total{agent="shop",direction="outbound",outcome="no_answer"}'] == 1


def test_promtool_has_nothing_to_say() -> None:
    """Of a server that has held calls, of a new one, and of names that hold what the format escapes."""
    metering = Metering()
    assert problems(metering.render()) == []
    odd = replace(PLAN, agent='a"b\\c\nd{}')
    for plan in (PLAN, odd):
        call = VirtualCall(plan)
        call.says("Hello?", at=4000, lasts_ms=500)
        call.run()
        for entry in entries(call):
            metering(plan.agent, entry)
    text = metering.render()
    assert problems(text) == []
    assert 'agent="a\\"b\\\\c\\nd{}"' in text


def test_prometheus_own_client_reads_it() -> None:
    """The library that others parse such pages with finds the same families and values."""
    parser = pytest.importorskip("prometheus_client.parser")
    metering = Metering()
    for entry in held():
        metering("C1", entry)
    families: dict[str, Any] = {each.name: each for each in parser.text_string_to_metric_families(metering.render())}
    assert families["patter_turn_wait_seconds"].type == "histogram"
    assert families["patter_calls_started"].samples[0].labels["agent"] == "shop"
    assert {"patter_build_info", "process_cpu_seconds", "patter_calls_live"} <= families.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1\n", "no base unit"),
        ("# HELP a x\n# TYPE a counter\na 1\n", "ends in _total"),
        ("# HELP a_total x\n# TYPE a_total counter\na_total -1\n", "below zero"),
        ("# HELP a x\n# TYPE a gauge\na 1\na 2\n", "comes twice"),
        ("# HELP a \n# TYPE a gauge\na 1\n", "no help"),
        ('# HELP a x\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\n', "do not rise"),
        ('# HELP a x\n# TYPE a gauge\na{b="c\n', "cannot be read"),
        ("# HELP a x\n# TYPE a gauge\na 1", "no end"),
    ],
)
def test_the_check_finds_what_is_wrong(text: str, said: str) -> None:
    """Or it would prove nothing."""
    assert any(said in each for each in problems(text))


def test_a_label_that_grows_without_end_is_cut() -> None:
    """What comes after so many series is counted together."""
    counter = Counter("many_total", "Many.", ("name",))
    for number in range(MOST_SERIES + 10):
        counter.add(str(number))
    found = samples(render([counter]))
    assert len(found) == MOST_SERIES + 1
    assert found['many_total{name="other"}'] == 10


def test_figures_that_are_none_are_left_out() -> None:
    """Neither what is no number nor a counter's step back."""
    counter, histogram = Counter("a_total", "A."), Histogram("b_seconds", "B.", (1.0,))
    for odd in (float("nan"), float("inf"), -1.0):
        counter.add(by=odd)
    for odd in (float("nan"), float("inf")):
        histogram.observe(odd)
    gauge = Gauge("c", "C.", lambda: {(): float("-inf")})
    assert samples(render([counter, histogram, gauge])) == {"a_total": 0.0, "c": float("-inf")}


def test_it_is_read_while_it_counts() -> None:
    """From another thread, without a word lost."""
    metering, call = Metering(), held()

    def count() -> None:
        for number in range(30):
            for entry in call:
                metering(f"C{number}", entry)

    counting = threading.Thread(target=count)
    counting.start()
    while counting.is_alive():
        assert problems(metering.render()) == []
    counting.join()
    assert (
        samples(metering.render())['patter_calls_ended_total{agent="shop",direction="inbound",outcome="answered"}']
        == 30
    )


def test_the_dashboard_asks_for_what_there_is() -> None:
    """docs/grafana.json: every metric and label that its panels name is one that a server tells of."""
    board = json.loads((Path(__file__).parents[3] / "docs" / "grafana.json").read_text())
    metering = Metering()
    for entry in held():
        metering("C1", entry)
    metering.note_lag(0.001)
    text = metering.render()
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    names = {name for each in asked for name in re.findall(r"\b(?:patter|process)_[a-z_]+", each)}
    assert len(names) >= 12
    for name in names:
        assert re.search(rf"^{name}[ {{]", text, re.MULTILINE), name
    labels = {label for each in asked for group in re.findall(r"by \(([^)]*)\)", each) for label in group.split(", ")}
    assert all(f'{label}="' in text for label in labels)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
