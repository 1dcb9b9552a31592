"""What a server's calls come to, counted for Prometheus: a fold over all journals, in the bus's own thread.

Names follow Prometheus's rules: base units (seconds, dollars), _total for what only grows. Nothing here has a label
that a caller could choose: agents, carriers, vendors and tools are names of this machine's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Final

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.journal import Entry
from patter_cli.observe.cost import LIST_PRICES, CostFold
from patter_cli.observe.exposition import Counter, Family, Gauge, Histogram, render
from patter_cli.observe.metrics import LatencyFold
from patter_cli.observe.prices import PriceTable
from patter_cli.observe.self_measure import process_families
from patter_cli.version import VERSION

STAGES: Final = ("endpointing", "stt", "llm", "clause", "tts", "handover")
WAITS_S: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
LASTS_S: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
LAGS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class _Call:
    """What is still to be known of one call."""

    def __init__(self, prices: PriceTable) -> None:
        self.agent = self.direction = self.carrier = ""
        self.latency = LatencyFold()
        self.cost = CostFold(prices)
        self.told: dict[tuple[str, str], float] = {}
        """Dollars by leg and provider that were counted."""
        self.tools: dict[str, tuple[str, int]] = {}
        self.has_line = False


class Metering:
    """One server's. An observer of the bus; `render` is a scrape's answer."""

    def __init__(self, prices: PriceTable = LIST_PRICES) -> None:
        self._prices = prices
        self._calls: dict[str, _Call] = {}
        self.counts: Callable[[], tuple[int, int]] = lambda: (len(self._calls), 0)
        """Calls that go on, and those that were not let in since the start; asked at each scrape."""
        self._started = Counter("patter_calls_started_total", "Calls that began.", ("agent", "direction", "carrier"))
        self._ended = Counter("patter_calls_ended_total", "Calls that are over.", ("agent", "direction", "outcome"))
        self._lasted = Histogram("patter_call_duration_seconds", "How long calls lasted.", LASTS_S, ("agent",))
        self._waited = Histogram(
            "patter_turn_wait_seconds", "From the caller's last sound to the agent's first.", WAITS_S, ("agent",)
        )
        self._stages = Histogram(
            "patter_turn_stage_seconds", "Where the time of a turn went.", WAITS_S, ("agent", "stage")
        )
        self._interrupted = Counter("patter_interruptions_total", "Replies that callers broke off.", ("agent",))
        self._errors = Counter("patter_vendor_errors_total", "What went wrong at vendors.", ("leg", "provider"))
        self._tools = Histogram("patter_tool_duration_seconds", "How long tools took.", WAITS_S, ("agent", "tool"))
        self._tools_failed = Counter("patter_tool_failures_total", "Tools that failed.", ("agent", "tool"))
        self._usd = Counter("patter_cost_usd_total", "What calls cost, as far as is known.", ("leg", "provider"))
        self._unpriced = Counter("patter_unpriced_calls_total", "Calls of which some cost is unknown.", ("agent",))
        self._lag = Histogram("patter_loop_lag_seconds", "How late the event loop comes to what is due.", LAGS_S)
        self.more: list[Family] = []
        """What others count."""

    def __call__(self, call_id: str, entry: Entry) -> None:
        """Take what the bus tells."""
        event = entry.event
        call = self._calls.get(call_id)
        if isinstance(event, fact.CallConnected | DialRequested) and call is None:
            call = self._calls[call_id] = _Call(self._prices)
            call.agent, call.carrier = event.plan.agent, event.carrier
            call.direction = event.direction if isinstance(event, fact.CallConnected) else "outbound"
            self._started.add(call.agent, call.direction, call.carrier)
        if call is None:
            return
        call.has_line |= isinstance(event, fact.CallConnected)
        if isinstance(event, fact.CallPrepared):
            call.agent = event.plan.agent
        call.cost.feed(entry)
        latency = call.latency.feed(entry)
        if latency is not None:
            self._waited.observe(latency.total_ms / 1000, call.agent)
            for stage in STAGES:
                self._stages.observe(getattr(latency, f"{stage}_ms") / 1000, call.agent, stage)
        self._count_event(call, entry)
        for command in entry.commands:
            match command:
                case order.ReportTranscript(role="assistant", interrupted=True):
                    self._interrupted.add(call.agent)
                case order.RunTool(tool_call_id=tool_call_id, name=name):
                    call.tools[tool_call_id] = name, entry.at
                case order.FinishCall(outcome=outcome):
                    self._ended.add(call.agent, call.direction, str(outcome))
                    self._lasted.observe(entry.at / 1000, call.agent)
                case _:
                    pass
        self._count_cost(call)
        ends = any(isinstance(each, order.FinishCall) for each in entry.commands)
        if isinstance(event, fact.LineUsed) or (ends and not call.has_line):  # the last that comes of a call
            if call.cost.usd is None:
                self._unpriced.add(call.agent)
            self._calls.pop(call_id, None)

    def note_lag(self, lag_s: float) -> None:
        """The loop came so late to something."""
        self._lag.observe(max(0.0, lag_s))

    def render(self) -> str:
        """The text of a scrape. May be called from any thread."""
        info = Gauge("patter_build_info", "The version that runs.", lambda: {(VERSION,): 1.0}, ("version",))
        here, turned_away = self.counts()
        live = Gauge("patter_calls_live", "Calls that go on or ring.", lambda: {(): here})
        refused = Gauge(
            "patter_calls_refused_total", "Calls that were not let in.", lambda: {(): turned_away}, kind="counter"
        )
        counted = (
            self._started, self._ended, refused, self._lasted, self._waited, self._stages, self._interrupted,
            self._errors, self._tools, self._tools_failed, self._usd, self._unpriced, self._lag,
        )  # fmt: skip
        return render((info, live, *counted, *self.more, *process_families(time.time)))

    def _count_event(self, call: _Call, entry: Entry) -> None:
        match entry.event:
            case fact.ToolFinished(tool_call_id=tool_call_id, result=result) if tool_call_id in call.tools:
                name, began = call.tools.pop(tool_call_id)
                self._tools.observe((entry.at - began) / 1000, call.agent, name)
                if _failed(result):
                    self._tools_failed.add(call.agent, name)
            case fact.ResponseFailed(provider=provider) if provider:
                self._errors.add("llm", provider)
            case fact.SpeakFailed(provider=provider) if provider:
                self._errors.add("tts", provider)
            case fact.ListenFailed(provider=provider) if provider:
                self._errors.add("stt", provider)
            case fact.EngineLost(provider=provider) if provider:
                self._errors.add("engine", provider)
            case _:
                pass

    def _count_cost(self, call: _Call) -> None:
        usd: dict[tuple[str, str], float] = {}
        for use in call.cost.uses:
            key = use.leg, use.provider
            usd[key] = usd.get(key, 0.0) + (use.usd or 0.0)
        for key, known in usd.items():
            before = call.told.get(key, 0.0)
            if known > before:  # a leg that becomes unpriced takes nothing back: a counter only grows
                self._usd.add(*key, by=known - before)
                call.told[key] = known


def _failed(result: str) -> bool:
    try:
        told = json.loads(result)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("ok") is False
