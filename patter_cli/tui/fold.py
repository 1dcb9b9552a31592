"""Journals in, what the screen shows out: a fold that remembers as much of each call as can be looked at.

The same for a call that is live, one read from its journal, and one in a test. Time is an argument.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from dataclasses import replace
from typing import Any

from patter_cli.core import carrier_events as told
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.commands import Command
from patter_cli.core.events import Event, Ms
from patter_cli.core.journal import Entry
from patter_cli.core.outcome import Direction
from patter_cli.observe.cost import LIST_PRICES, CostFold
from patter_cli.observe.metrics import LatencyFold, TurnLatency
from patter_cli.observe.prices import PriceTable
from patter_cli.text.printable import printable
from patter_cli.text.redact import mask_number
from patter_cli.tui.spoken import SpokenWords
from patter_cli.tui.view import (
    CallDetail,
    CallRow,
    Line,
    ListProgress,
    Money,
    Phase,
    ScreenView,
    ToolView,
    Waits,
    Who,
)

LINES = 300
"""Of a call's transcript that can be looked back on."""
TEXT = 2000
"""Characters of one text: a tool's answer may be long."""
TURNS = 100
TOOLS = 50
ENDED = 50
"""Calls that are over and can still be looked at."""
LIVE = 2000
"""Calls that can be told apart; one whose end was never told makes room for another."""
MEASURED = 1000
"""Turns that p50 and p95 are of: the last ones."""
LOG = 200


class CallFold:
    """One call's entries, in order."""

    def __init__(self, call_id: str, prices: PriceTable = LIST_PRICES) -> None:
        self.call_id = call_id
        self.over = False
        self._agent = self._other = ""
        self._outbound = False
        self._phase = Phase.CONNECTING
        self._at: Ms = 0
        self._ended_at: Ms = 0
        self._outcome = self._reason = ""
        self._lines: deque[Line] = deque(maxlen=LINES)
        self._turns: deque[TurnLatency] = deque(maxlen=TURNS)
        self._answered = 0
        self._tools: OrderedDict[str, ToolView] = OrderedDict()
        self._running: set[str] = set()
        self._troubles = 0
        self._muted = False
        self._caller_speaks = False
        self._partial: tuple[Ms, str] | None = None
        self._spoken = SpokenWords()
        self._latency = LatencyFold()
        self._cost = CostFold(prices)

    def feed(self, entry: Entry) -> TurnLatency | None:
        """Take one entry; the latency of a turn with the entry that completes it."""
        self._at = max(self._at, entry.at)
        self._spoken.take_event(entry.event, entry.at)
        self._take(entry.event, entry.at)
        for command in entry.commands:
            self._spoken.take_command(command, entry.at)
            self._obey(command, entry.at, entry.event)
        self._cost.feed(entry)
        latency = self._latency.feed(entry)
        if latency is not None:
            self._answered += 1
            self._turns.append(latency)
        return latency

    # --- what it shows -----------------------------------------------------------------------------------------

    def row(self, now: Ms | None = None) -> CallRow:
        """The call in the list; now: call time, None: that of the last entry."""
        return CallRow(
            call_id=self.call_id,
            agent=self._agent,
            other=self._other,
            outbound=self._outbound,
            phase=self._phase,
            duration_ms=self._ended_at if self.over else max(self._at, now or 0),
            turns=self._answered,
            cost=self.cost,
            troubles=self._troubles,
            muted=self._muted,
            outcome=self._outcome,
            reason=self._reason,
        )

    def detail(self, now: Ms | None = None) -> CallDetail:
        """The call in full."""
        at = self._at if self.over else max(self._at, now or 0)
        return CallDetail(
            row=self.row(now),
            lines=(*self._lines, *self._growing(at)),
            turns=tuple(self._turns),
            tools=tuple(self._tools.values()),
            waits=waits_of([each.total_ms for each in self._turns]),
            legs=tuple(
                (f"{each['leg']} {each['provider']}", _money(each["usd"])) for each in self._cost.render()["legs"]
            ),
        )

    @property
    def talks(self) -> bool:
        """Somebody has picked up, and it is not over."""
        return self._phase not in (Phase.DIALLING, Phase.RINGING, Phase.OVER)

    @property
    def cost(self) -> Money:
        """So far."""
        usd = self._cost.usd
        return _money(usd) if usd is not None else Money(known=self._cost.render()["known_usd"], whole=False)

    def _growing(self, at: Ms) -> list[Line]:
        """What is being said at this moment, by either."""
        lines = []
        spoken = self._spoken.growing(at)
        if spoken is not None and not self.over:
            began_at, heard, unheard = spoken
            lines.append(Line(who=Who.AGENT, at_ms=began_at, text=_shown(heard), unheard=_shown(unheard), growing=True))
        if self._partial is not None and not self.over:
            began_at, words = self._partial
            lines.append(Line(who=Who.CALLER, at_ms=began_at, text=_shown(words), growing=True))
        return sorted(lines, key=lambda each: each.at_ms)

    # --- what it takes -----------------------------------------------------------------------------------------

    def _take(self, event: Event, at: Ms) -> None:
        match event:
            case told.DialRequested():
                self._agent, self._other, self._outbound = event.plan.agent, _party(event.callee), True
                self._phase = Phase.DIALLING
                self._note(at, f"{event.plan.agent} calls {self._other}")
            case fact.CallConnected():
                if not self._agent:
                    self._agent, self._outbound = event.plan.agent, event.direction is Direction.OUTBOUND
                    self._other = _party(event.callee if self._outbound else event.caller)
                    self._note(at, f"call from {self._other} for {self._agent}")
                self._phase = Phase.CONNECTING
            case fact.CallPrepared():
                self._agent = event.plan.agent
                self._phase = Phase.LISTENING
            case told.Ringing() if self._phase is Phase.DIALLING:
                self._phase = Phase.RINGING
                self._note(at, "it rings")
            case told.Answered() if self._phase in (Phase.DIALLING, Phase.RINGING):
                self._phase = Phase.CONNECTING
                self._note(at, "answered")
            case fact.SpeechStarted():
                self._caller_speaks = True
                self._partial = self._partial or (at, "")
                if self._phase in (Phase.LISTENING, Phase.THINKING):
                    self._phase = Phase.CALLER
            case fact.SpeechEnded():
                self._caller_speaks = False
                if self._phase is Phase.CALLER:
                    self._phase = Phase.LISTENING
            case fact.TranscriptPartial(text=text) | fact.TranscriptFinal(text=text) | fact.EngineTranscript(text=text):
                began_at = at if self._partial is None else self._partial[0]
                self._partial = (began_at, text) if text.strip() else self._partial
            case fact.PlayoutStarted():
                if self._phase is not Phase.ENDING:
                    self._phase = Phase.SPEAKING
            case fact.ToolFinished(tool_call_id=tool_call_id, result=result):
                self._tool_answered(tool_call_id, result, at)
            case told.DtmfSent(tool_call_id=tool_call_id):
                self._tool_answered(tool_call_id, "pressed", at)
            case told.DtmfFailed(tool_call_id=tool_call_id, message=message):
                self._tool_answered(tool_call_id, json.dumps({"ok": False, "error": message}), at)
            case told.TransferRinging():
                self._note(at, "it rings where the caller is put through")
            case fact.TransferFinished():
                self._note(at, "transferred")
            case fact.TransferFailed(message=message, outcome=outcome):
                self._phase = Phase.LISTENING
                self._trouble(at, f"no transfer: {message or outcome}")
            case fact.EchoFound(delay_ms=delay_ms):
                self._note(at, f"the line returns our voice after {delay_ms} ms; it is cancelled from now on")
            case fact.ClauseJudged(rule=rule, replacement=replacement) if replacement is not None:
                self._note(at, f"guardrail {rule}: something else is said")
            case fact.ListenFailed() | fact.ResponseFailed() | fact.SpeakFailed() | fact.EngineLost():
                self._trouble(at, f"{event.provider}: {event.message}")
            case told.RecordingFailed(message=message):
                self._trouble(at, f"not recorded: {message}")
            case _:
                pass

    def _obey(self, command: Command, at: Ms, event: Event) -> None:
        match command:
            case order.ReportTranscript(role="user", text=text):
                said_at = at if self._partial is None else self._partial[0]
                self._partial = (at, "") if self._caller_speaks else None
                self._add(Line(who=Who.CALLER, at_ms=said_at, text=_shown(text)))
            case order.ReportTranscript(role="assistant", text=text, interrupted=interrupted):
                began_at, unheard = self._spoken.report(text)
                line = Line(
                    who=Who.AGENT,
                    at_ms=at if began_at is None else began_at,
                    text=_shown(text),
                    unheard=_shown(unheard) if interrupted else "",
                )
                self._add(line)
                if self._phase in (Phase.SPEAKING, Phase.HELD):
                    self._phase = Phase.CALLER if self._caller_speaks else Phase.LISTENING
            case order.ReportTranscript(role="tool", text=text) if not isinstance(
                event, fact.ToolFinished | told.DtmfSent | told.DtmfFailed
            ):
                name, _, rest = text.partition(" ")
                arguments, _, result = rest.partition(" -> ")
                tool = ToolView(name=_shown(name), arguments=_asked(arguments), at_ms=at)
                self._tool(f"at {at} {text}", replace(tool, result=_told(result), failed=_failed(result)))
            case order.RunTool(tool_call_id=tool_call_id, name=name, arguments=arguments):
                self._running.add(tool_call_id)
                self._tool(tool_call_id, ToolView(name=_shown(name), arguments=_asked(arguments), at_ms=at))
                if self._phase in (Phase.THINKING, Phase.LISTENING):
                    self._phase = Phase.TOOL
            case order.SendDtmf(tool_call_id=tool_call_id, digits=digits):
                self._running.add(tool_call_id)
                self._tool(tool_call_id, ToolView(name="press_keys", arguments=_shown(digits), at_ms=at))
            case (
                order.StartResponse()
                | order.AdoptResponse()
                | order.ContinueResponse()
                | order.ReadOut()
                | order.AskEngine()
                | order.AwaitReply()
                | order.Greet()
            ) if self._phase in (Phase.LISTENING, Phase.CALLER, Phase.TOOL, Phase.CONNECTING):
                self._phase = Phase.THINKING
            case order.PausePlayback() if self._phase is Phase.SPEAKING:
                self._phase = Phase.HELD
            case order.ResumePlayback() if self._phase is Phase.HELD:
                self._phase = Phase.SPEAKING
            case order.CancelResponse() if self._phase in (Phase.THINKING, Phase.TOOL, Phase.SPEAKING, Phase.HELD):
                self._phase = Phase.CALLER if self._caller_speaks else Phase.LISTENING
            case order.Transfer(number=number):
                self._phase = Phase.TRANSFER
                self._note(at, f"puts the caller through to {_party(number)}")
            case order.MuteCaller(muted=muted):
                self._muted = muted
                self._note(at, "the caller is muted: the agent hears silence" if muted else "the caller is heard again")
            case order.PassColleague(passes=passes):
                self._note(at, "a colleague has the call" if passes else "the agent has the call again")
            case order.ReportTranscript(role="colleague", text=text):
                self._note(at, f"colleague: {_shown(text)}")
            case order.TakeFor(answered_by=answered_by, why=why):
                self._note(at, f"taken for a {answered_by}: {_shown(why)}")
            case order.KeepFloor():
                self._trouble(at, "the line interrupts every reply; they are said to their end now")
            case order.HangUp():
                self._phase = Phase.ENDING
            case order.FinishCall(outcome=outcome, reason=reason):
                self._note(at, f"over: {outcome}, {_shown(reason)}")
                self._phase, self.over, self._ended_at = Phase.OVER, True, at
                self._outcome, self._reason = str(outcome), _shown(reason)
            case _:
                pass

    def _tool_answered(self, tool_call_id: str, result: str, at: Ms) -> None:
        self._running.discard(tool_call_id)
        tool = self._tools.get(tool_call_id)
        if tool is not None:
            done = replace(tool, result=_told(result), took_ms=max(0, at - tool.at_ms), failed=_failed(result))
            self._tools[tool_call_id] = done
            self._lines = deque(
                (_tool_line(done) if each == _tool_line(tool) else each for each in self._lines), maxlen=LINES
            )
            self._troubles += done.failed
        if self._phase is Phase.TOOL and not self._running:
            self._phase = Phase.THINKING

    def _tool(self, key: str, tool: ToolView) -> None:
        self._tools[key] = tool
        if len(self._tools) > TOOLS:
            self._tools.popitem(last=False)
        self._troubles += tool.failed
        self._add(_tool_line(tool))

    def _note(self, at: Ms, text: str) -> None:
        self._add(Line(who=Who.NOTE, at_ms=at, text=text))

    def _trouble(self, at: Ms, text: str) -> None:
        self._troubles += 1
        self._add(Line(who=Who.TROUBLE, at_ms=at, text=_shown(text)))

    def _add(self, line: Line) -> None:
        self._lines.append(line)


class ScreenFold:
    """All calls of a process, and what it says of itself. seen_s, now_s: of one monotonic clock."""

    def __init__(self, prices: PriceTable = LIST_PRICES) -> None:
        self._prices = prices
        self._live: OrderedDict[str, CallFold] = OrderedDict()
        self._began_s: dict[str, float] = {}
        """When each call's time was 0."""
        self._ended: OrderedDict[str, CallFold] = OrderedDict()
        self._over = 0
        self._spent = Money()
        """On calls that can no longer be looked at."""
        self._measured: deque[int] = deque(maxlen=MEASURED)
        self._waits = Waits()
        self._log: deque[str] = deque(maxlen=LOG)
        self._listing: ListProgress | None = None

    def feed(self, call_id: str, entry: Entry, seen_s: float) -> None:
        """Take an entry of a call's journal, which was seen at this moment."""
        call = self._live.get(call_id) or self._ended.get(call_id)
        if call is None:
            if isinstance(entry.event, fact.HearingUsed | fact.VoiceUsed | fact.LineUsed):
                return  # the last words of a call that made room
            call = self._live[call_id] = CallFold(call_id, self._prices)
            if len(self._live) > LIVE:
                self._forget(self._live)
        if not call.over:
            # What came with the least delay knows best when the call began.
            began_s = seen_s - entry.at / 1000
            self._began_s[call_id] = min(began_s, self._began_s.get(call_id, began_s))
        latency = call.feed(entry)
        if latency is not None:
            self._measured.append(latency.total_ms)
            self._waits = Waits()
        if call.over and call_id in self._live:
            self._ended[call_id] = self._live.pop(call_id)
            self._began_s.pop(call_id, None)
            self._over += 1
            if len(self._ended) > ENDED:
                self._forget(self._ended)

    def say(self, line: str) -> None:
        """Something that would have been printed."""
        self._log.append(_shown(line))

    def go_on(self, listing: ListProgress) -> None:
        """The list that is rung has come so far. Its name and its outcomes are what is in files of somebody's."""
        outcomes = tuple((_shown(name), count) for name, count in listing.outcomes)
        self._listing = replace(listing, name=_shown(listing.name), outcomes=outcomes)

    @property
    def live(self) -> int:
        """How many calls there are."""
        return len(self._live)

    @property
    def over(self) -> int:
        """How many there were."""
        return self._over

    @property
    def newest(self) -> str:
        """The call that began last and does not only ring, or one that rings, or the last that ended; "" if there was
        none. Where many are rung, there is always one that has just begun to ring, and nothing to see of it."""
        talks = (call_id for call_id, call in reversed(self._live.items()) if call.talks)
        return next(talks, "") or next(reversed(self._live or self._ended), "")

    def view(
        self,
        now_s: float,
        *,
        shown: str = "",
        lag_ms: int | None = None,
        level_db: int | None = None,
        stopping: bool = False,
    ) -> ScreenView:
        """What there is to see. shown: the call to be seen in full; one that is unknown is none."""
        call = self._live.get(shown) or self._ended.get(shown)
        rows = [self._row(each, now_s) for each in self._live.values()]
        rows += [each.row() for each in reversed(self._ended.values())]
        if not self._waits.count and self._measured:
            self._waits = waits_of(self._measured)
        return ScreenView(
            calls=tuple(rows),
            shown=None if call is None else call.detail(self._call_time(call, now_s)),
            live=len(self._live),
            over=self._over,
            waits=self._waits,
            cost=sum((each.cost for each in rows), self._spent),
            lag_ms=lag_ms,
            level_db=level_db,
            listing=self._listing,
            log=tuple(self._log),
            stopping=stopping or (self._listing is not None and self._listing.stopping),
        )

    def _row(self, call: CallFold, now_s: float) -> CallRow:
        return call.row(self._call_time(call, now_s))

    def _call_time(self, call: CallFold, now_s: float) -> Ms | None:
        began_s = self._began_s.get(call.call_id)
        return None if began_s is None else round((now_s - began_s) * 1000)

    def _forget(self, calls: OrderedDict[str, CallFold]) -> None:
        call_id, call = calls.popitem(last=False)
        self._began_s.pop(call_id, None)
        self._spent += call.cost


def waits_of(waits_ms: deque[int] | list[int]) -> Waits:
    """Their middle, and what 19 of 20 do not exceed (nearest rank)."""
    if not waits_ms:
        return Waits()
    ordered = sorted(waits_ms)
    p50, p95 = (ordered[max(0, -(-len(ordered) * share // 100) - 1)] for share in (50, 95))
    return Waits(count=len(ordered), p50_ms=p50, p95_ms=p95)


def _tool_line(tool: ToolView) -> Line:
    text = f"{tool.name}({tool.arguments})"
    if tool.result is not None:
        took = f" ({tool.took_ms} ms)" if tool.took_ms else ""
        text += f" -> {tool.result}{took}"
    return Line(who=Who.TOOL, at_ms=tool.at_ms, text=_shown(text), growing=tool.result is None)


def _asked(arguments: str) -> str:
    """{"day": "Monday", "at": 9} as day=Monday, at=9."""
    value = _value(arguments)
    return _shown(_pairs(value) if isinstance(value, dict) else arguments)


def _told(result: str) -> str:
    """What a tool answered, without its wrapping: {"ok": true, "data": {"free": true}} as free=true."""
    value = _value(result)
    if isinstance(value, dict) and "ok" in value:
        rest = {key: each for key, each in value.items() if key != "ok"}
        inner = next(iter(rest.values())) if len(rest) == 1 else rest
        failed = "failed" if value["ok"] is False else "ok"
        text = inner if isinstance(inner, str) else _pairs(inner) if isinstance(inner, dict) else json.dumps(inner)
        return _shown(f"{failed}: {text}" if failed == "failed" else text or "ok")
    return _shown(_pairs(value) if isinstance(value, dict) else result)


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}={each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)}"
        for key, each in values.items()
    )


def _failed(result: str) -> bool:
    value = _value(result)
    return isinstance(value, dict) and value.get("ok") is False


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _money(usd: float | None) -> Money:
    return Money(whole=False) if usd is None else Money(known=usd)


def _party(number: str) -> str:
    return _shown(mask_number(number))


def _shown(text: str) -> str:
    """One line that a terminal cannot be made to obey, of a length that can be looked at."""
    short = text if len(text) <= TEXT else text[: TEXT - 1] + "…"
    return printable(" ".join(short.split()))
