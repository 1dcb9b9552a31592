"""What a call costs: a fold over its journal's usage, leg by leg, by a dated table of list prices.

What is not in the table is unknown, and so is a sum that it belongs to: None, never nothing. What is known of such a
sum stands beside it. Minutes and tokens are what we sent and were told; the vendor's bill may round differently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.journal import Entry
from patter_cli.observe.prices import Price, PriceTable

MILLION = 1_000_000
LIST_PRICES = PriceTable()


@dataclass(slots=True, kw_only=True)
class LegUse:
    """What was used of one model, or of one line, so far, and what that costs."""

    leg: str
    provider: str
    model: str
    amounts: dict[str, int] = field(default_factory=dict)
    """By unit: audio_ms, characters, input_tokens, ..."""
    estimated: bool = False
    """Some of it was counted by us, because the vendor did not say."""
    usd: float | None = 0.0

    def add(self, amounts: dict[str, int], usd: float | None) -> None:
        """Count a use. usd None: nobody knows what it cost."""
        for unit, amount in amounts.items():
            self.amounts[unit] = self.amounts.get(unit, 0) + amount
        self.usd = None if usd is None or self.usd is None else self.usd + usd

    def render(self) -> dict[str, Any]:
        """JSON values."""
        usd = None if self.usd is None else round(self.usd, 6)
        facts: dict[str, Any] = {"leg": self.leg, "provider": self.provider, "model": self.model, **self.amounts}
        return {**facts, "estimated": True, "usd": usd} if self.estimated else {**facts, "usd": usd}


class CostFold:
    """Feed it a call's entries in order; `render` is its cost so far."""

    def __init__(self, prices: PriceTable = LIST_PRICES) -> None:
        self._prices = prices
        self._day = date.min
        self._uses: dict[tuple[str, str, str], LegUse] = {}

    def feed(self, entry: Entry) -> None:
        """Take one journal entry."""
        event = entry.event
        if isinstance(event, fact.CallConnected | DialRequested):
            self._day = datetime.fromtimestamp(event.wall_time, UTC).date()
            return
        use = self._use_of(event)
        if use is None:
            return
        leg, provider, model, amounts = use
        self._count(leg, provider, model, amounts).estimated |= isinstance(event, fact.ModelUsed) and event.estimated

    def price_of(self, event: fact.Event) -> float | None:
        """What a use costs that is not counted; None if nobody knows, or if it is none."""
        use = self._use_of(event)
        return None if use is None else self._priced(*use)

    def _use_of(self, event: fact.Event) -> tuple[str, str, str, dict[str, int]] | None:
        """(leg, provider, model, amounts by unit) that an event tells of."""
        match event:
            case fact.HearingUsed(provider=provider, model=model, audio_ms=audio_ms):
                return "stt", provider, model, {"audio_ms": audio_ms}
            case fact.VoiceUsed(provider=provider, model=model, characters=characters):
                return "tts", provider, model, {"characters": characters}
            case fact.ModelUsed(provider=provider, model=model):
                amounts = {
                    "input_tokens": event.input_tokens,
                    "cached_tokens": event.cached_tokens,
                    "written_tokens": event.written_tokens,
                    "output_tokens": event.output_tokens,
                }
                return "llm", provider, model, amounts
            case fact.EngineUsed(provider=provider, model=model, session_ms=session_ms):
                amounts = {
                    "input_tokens": event.input_tokens,
                    "cached_tokens": event.cached_tokens,
                    "output_tokens": event.output_tokens,
                    "audio_input_tokens": event.audio_input_tokens,
                    "cached_audio_tokens": event.cached_audio_tokens,
                    "audio_output_tokens": event.audio_output_tokens,
                }
                counted = any(amounts.values()) or any(leg == "engine" for leg, _, _ in self._uses)
                return "engine", provider, model, {**(amounts if counted else {}), "audio_ms": session_ms}
            case fact.LineUsed(carrier=carrier, direction=direction, duration_ms=duration_ms):
                return "telephony", carrier, direction, {"audio_ms": duration_ms}
            case _:
                return None

    @property
    def uses(self) -> tuple[LegUse, ...]:
        """What was used so far, leg by leg."""
        return tuple(self._uses.values())

    @property
    def usd(self) -> float | None:
        """All of it; None if some of it is unknown."""
        known = [each.usd for each in self._uses.values() if each.usd is not None]
        return sum(known) if len(known) == len(self._uses) else None

    @property
    def known_usd(self) -> float:
        """What is known of it."""
        return sum(each.usd or 0.0 for each in self._uses.values())

    def render(self) -> dict[str, Any]:
        """JSON values: {usd, known_usd, legs: [{leg, provider, model, <amounts>, usd}], prices}.

        usd: null if the price of any leg is unknown, as that leg's is; known_usd is the sum of the others. prices: the
        day the price table is of.
        """
        legs = [each.render() for each in self._uses.values()]
        usd = None if self.usd is None else round(self.usd, 6)
        return {"usd": usd, "known_usd": round(self.known_usd, 6), "legs": legs, "prices": self._prices.as_of}

    def _count(self, leg: str, provider: str, model: str, amounts: dict[str, int]) -> LegUse:
        key = (leg, provider, model)
        use = self._uses.get(key)
        if use is None:
            use = self._uses[key] = LegUse(leg=leg, provider=provider, model=model)
        use.add(
            {unit: amount for unit, amount in amounts.items() if amount}, self._priced(leg, provider, model, amounts)
        )
        return use

    def _priced(self, leg: str, provider: str, model: str, amounts: dict[str, int]) -> float | None:
        price = self._prices.find(leg, provider, model, day=self._day, tokens=amounts.get("input_tokens", 0))
        return None if price is None else _usd(price, amounts)


def _usd(price: Price, amounts: dict[str, int]) -> float | None:
    """What amounts cost; None if the row has no price for one of them."""
    minutes = amounts.get("audio_ms", 0) / 60_000
    if price.minute is None and price.started_minute is None and set(amounts) == {"audio_ms"}:
        return None  # charged for by something that nobody has counted
    cached = amounts.get("cached_tokens", 0)
    cached_rate = price.million_input if price.million_cached is None else price.million_cached
    written = amounts.get("written_tokens", 0)
    written_rate = price.million_input if price.million_written is None else price.million_written
    cached_audio = amounts.get("cached_audio_tokens", 0)
    cached_audio_rate = price.million_audio_input if price.million_audio_cached is None else price.million_audio_cached
    charges: list[tuple[float, float | None]] = [
        (amounts.get("characters", 0) / 1000, price.thousand_characters),
        ((amounts.get("input_tokens", 0) - cached - written) / MILLION, price.million_input),
        (cached / MILLION, cached_rate),
        (written / MILLION, written_rate),
        (amounts.get("output_tokens", 0) / MILLION, price.million_output),
        ((amounts.get("audio_input_tokens", 0) - cached_audio) / MILLION, price.million_audio_input),
        (cached_audio / MILLION, cached_audio_rate),
        (amounts.get("audio_output_tokens", 0) / MILLION, price.million_audio_output),
    ]
    if price.started_minute is not None:
        charges.append((math.ceil(minutes), price.started_minute))
    elif price.minute is not None:
        charges.append((minutes, price.minute))
    total = 0.0
    for amount, rate in charges:
        if amount and rate is None:
            return None
        total += amount * (rate or 0.0)
    return total
