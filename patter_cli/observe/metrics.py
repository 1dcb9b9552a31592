"""Where the time of a turn went: a fold over a call's journal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.events import Event, Ms
from patter_cli.core.history import STOP_MS
from patter_cli.core.journal import Entry
from patter_cli.observe.cost import LIST_PRICES, CostFold
from patter_cli.observe.prices import PriceTable


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLatency:
    """From the caller's last voiced sample to the agent's first frame on the wire, in ms; the parts add up to it.

    endpointing: waiting to be sure that the turn was over (recognition runs inside it). stt: waiting past that for
    the words. llm: to the reply's first words, nothing if they were drafted before. clause: to its first speakable
    stretch. tts: to the first samples. handover: to the first frame at the carrier. With a speech-to-speech engine llm
    is the time until it opens its reply, clause that until its first sound.
    """

    turn: int
    endpointing_ms: int
    stt_ms: int
    llm_ms: int
    clause_ms: int
    tts_ms: int
    handover_ms: int

    @property
    def total_ms(self) -> int:
        """What the caller waited: TTFA."""
        return self.endpointing_ms + self.stt_ms + self.llm_ms + self.clause_ms + self.tts_ms + self.handover_ms

    def render(self) -> dict[str, int]:
        """JSON values: the parts by name, turn, and total_ms."""
        return {**asdict(self), "total_ms": self.total_ms}


class CallMeasure:
    """A new call's: feed it the entries; it gives each turn's rendered latency, and what the call costs so far."""

    def __init__(self, prices: PriceTable = LIST_PRICES) -> None:
        self._latency = LatencyFold()
        self._cost = CostFold(prices)

    def feed(self, entry: Entry) -> dict[str, int] | None:
        """Take one entry; a turn's latency with the entry that completes it."""
        self._cost.feed(entry)
        latency = self._latency.feed(entry)
        return None if latency is None else latency.render()

    def spent_usd(self, *running: Event) -> float:
        """What is known of the cost so far, with these uses as if they ended now."""
        return self._cost.known_usd + sum(self._cost.price_of(each) or 0.0 for each in running)

    def cost(self) -> dict[str, Any]:
        """See observe.cost.CostFold.render."""
        return self._cost.render()


class LatencyFold:
    """Feed it a call's entries in order; it gives a turn's latency when the reply becomes audible."""

    def __init__(self) -> None:
        self._turns = 0
        self._voiced_until: Ms | None = None
        """End of the last voice that has not been answered."""
        self._turn_voiced_until: Ms = 0
        self._ended_by_words_after: Ms | None = None
        self._endpoint_at: Ms = 0
        self._words_by: Ms = 0
        """Until then the line says where a reply stopped that the caller's words have cut, and the turn ends there."""
        self._response_id: int | None = None
        self._marks: list[Ms] = []

    def feed(self, entry: Entry) -> TurnLatency | None:
        """Take one entry; the latency of a turn with the entry that completes it."""
        match entry.event:
            case fact.SpeechEnded(at_ms=at_ms):
                self._voiced_until = at_ms
                self._endpoint_at = entry.at
            case fact.TranscriptFinal():
                self._words_by = entry.at + STOP_MS
            case fact.DtmfReceived():
                self._voiced_until = None  # what is answered now was not said
            case fact.FirstToken(response_id=response_id) if response_id == self._response_id:
                self._mark(1, entry.at)
            case fact.FirstAudio(response_id=response_id) if response_id == self._response_id:
                self._mark(3, entry.at)
            case fact.PlayoutStarted(response_id=response_id) if response_id == self._response_id:
                return self._complete(entry.at)
            case _:
                pass
        for command in entry.commands:
            match command:
                case (
                    order.StartResponse(response_id=response_id)
                    | order.AdoptResponse(response_id=response_id)
                    | order.AskEngine(response_id=response_id, continues=False)
                    | order.AwaitReply(response_id=response_id)
                ) if self._voiced_until is not None:
                    self._response_id = response_id
                    self._turn_voiced_until = self._voiced_until
                    self._marks = [entry.at]
                    cut = isinstance(entry.event, fact.PlaybackStopped) and entry.at <= self._words_by
                    late = cut or isinstance(entry.event, fact.TranscriptFinal)
                    self._ended_by_words_after = self._endpoint_at if late else None
                case (
                    order.StartResponse()
                    | order.AdoptResponse()
                    | order.AskEngine(continues=False)
                    | order.AwaitReply()
                ):
                    self._response_id = None
                case order.AcceptReply(response_id=response_id) if response_id == self._response_id:
                    self._mark(1, entry.at)
                case order.Speak(response_id=response_id) | order.AcceptSpan(response_id=response_id) if (
                    response_id == self._response_id
                ):
                    self._mark(2, entry.at)
                case _:
                    pass
        return None

    def _mark(self, index: int, at: Ms) -> None:
        """Note a stage's end once; a stage that was skipped took no time."""
        while len(self._marks) <= index:
            self._marks.append(at)

    def _complete(self, at: Ms) -> TurnLatency:
        self._mark(3, at)
        turn_ended, token, clause, audio = self._marks[:4]
        waited_from = self._ended_by_words_after if self._ended_by_words_after is not None else turn_ended
        self._turns += 1
        latency = TurnLatency(
            turn=self._turns,
            endpointing_ms=waited_from - self._turn_voiced_until,
            stt_ms=turn_ended - waited_from,
            llm_ms=token - turn_ended,
            clause_ms=clause - token,
            tts_ms=audio - clause,
            handover_ms=at - audio,
        )
        self._response_id = None
        if self._voiced_until == self._turn_voiced_until:
            self._voiced_until = None
        return latency
