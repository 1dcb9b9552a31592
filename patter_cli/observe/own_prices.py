"""Prices that somebody pays in place of the list's: pricing={"twilio": {"started_minute": 0.01}}.

"twilio", "openai/gpt-4.1"     whose, and of which models: those whose names begin so; without one, of all
minute, started_minute, thousand_characters, million_input, million_cached, million_written, million_output,
million_audio_input, million_audio_output
                               USD for so much; tokens that are not named cost what they cost in the list
leg                            stt, tts, llm, engine or telephony, where the unit alone could mean several
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Final

from patter_cli.errors import InputError
from patter_cli.observe.prices import PRICES, Price, PriceTable

LEGS: Final = ("stt", "tts", "llm", "engine", "telephony")
UNITS: Final = tuple(each.name for each in fields(Price) if each.type == "float | None")
_EXAMPLE: Final = 'pricing={"twilio": {"started_minute": 0.01}, "openai/gpt-4.1": {"million_output": 6.0}}'


def price_table(pricing: Mapping[str, Mapping[str, Any]] | None) -> PriceTable:
    """The list with somebody's own prices before it; None: the list. Raises InputError."""
    if pricing is None:
        return PriceTable()
    if not isinstance(pricing, Mapping):
        raise InputError(f"pricing is {type(pricing).__name__}, not a dict of prices", hint=_EXAMPLE)
    return PriceTable(own=[_row(name, rates) for name, rates in pricing.items()])


def _row(name: Any, rates: Any) -> Price:
    if not isinstance(name, str) or not name or not isinstance(rates, Mapping) or not rates:
        raise InputError(f"pricing has no price for {name!r}", hint=_EXAMPLE)
    provider, _, model = name.partition("/")
    usd: dict[str, Any] = {}
    for unit, rate in rates.items():
        if unit == "leg":
            continue
        if unit not in UNITS:
            near = get_close_matches(str(unit), UNITS, n=1, cutoff=0.5)
            raise InputError(
                f"pricing of {name!r}: nothing is charged by {unit!r}",
                hint=f"did you mean {near[0]}?" if near else f"units: {', '.join(UNITS)}",
            )
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < math.inf:
            raise InputError(f"pricing of {name!r}: {unit} cannot be {rate!r}", hint="it must be US dollars, 0 or more")
        usd[unit] = float(rate)
    leg = rates.get("leg") or _leg(provider, usd)
    if leg not in LEGS or not usd:
        said = f"leg cannot be {leg!r}" if leg else "nobody knows for what" if usd else "there is no price"
        raise InputError(f"pricing of {name!r}: {said}", hint=f'"leg" is one of {", ".join(LEGS)}; {_EXAMPLE}')
    return Price(leg=leg, provider=provider, model=model, **usd)


def _leg(provider: str, usd: Mapping[str, float]) -> str:
    """What is charged by these units; "" where it could be several things."""
    if "thousand_characters" in usd:
        return "tts"
    if "million_audio_input" in usd or "million_audio_output" in usd:
        return "engine"
    if any(unit.startswith("million_") for unit in usd):
        return "llm"
    if "started_minute" in usd:
        return "telephony"
    by_minute = {
        each.leg for each in PRICES if each.provider == provider and each.leg in ("stt", "engine", "telephony")
    }
    return by_minute.pop() if len(by_minute) == 1 else ""
