"""pricing=: what somebody pays in place of the list's prices."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from patter_cli.errors import InputError
from patter_cli.observe.own_prices import price_table
from patter_cli.observe.prices import Price, PriceTable

DAY = date(2026, 11, 27)


def found(table: PriceTable, leg: str, provider: str, model: str = "") -> Price:
    price = table.find(leg, provider, model, day=DAY)
    assert price is not None
    return price


def test_an_own_price_comes_before_the_lists() -> None:
    """For one direction or for all, for one model or for a vendor's; what is not named keeps the list's."""
    table = price_table({"twilio": {"started_minute": 0.001}, "telnyx/outbound": {"minute": 0.002}})
    listed = price_table(None)
    assert found(table, "telephony", "twilio", "inbound").started_minute == 0.001
    assert found(table, "telephony", "twilio", "outbound").started_minute == 0.001
    outbound = found(table, "telephony", "telnyx", "outbound")
    assert (outbound.minute, outbound.started_minute) == (0.002, None)
    assert found(table, "telephony", "telnyx", "inbound") == found(listed, "telephony", "telnyx", "inbound")
    assert table.as_of == listed.as_of


def test_a_model_whose_tokens_are_partly_priced() -> None:
    """The rest of its tokens cost what they do in the list; another model's all do."""
    table = price_table({"openai/gpt-4.1": {"million_output": 6.0}})
    price = found(table, "llm", "openai", "gpt-4.1-mini")
    assert (price.million_input, price.million_cached, price.million_output) == (0.40, 0.10, 6.0)
    assert found(table, "llm", "openai", "gpt-4o").million_output == 10.0


def test_what_no_list_has_can_be_priced() -> None:
    """A company's own gateway, a carrier that nobody knows, a free test."""
    table = price_table(
        {
            "acme": {"leg": "telephony", "minute": 0.01},
            "gateway/own-model": {"million_input": 1, "million_output": 2},
            "openai/whisper": {"leg": "stt", "minute": 0},
            "voices": {"thousand_characters": 0.5},
        }
    )
    assert found(table, "telephony", "acme", "inbound").minute == 0.01
    assert found(table, "llm", "gateway", "own-model").million_output == 2
    assert found(table, "stt", "openai", "whisper-1").minute == 0
    assert found(table, "tts", "voices", "any").thousand_characters == 0.5


@pytest.mark.parametrize(
    ("units", "leg"),
    [
        ({"thousand_characters": 1}, "tts"),
        ({"million_input": 1}, "llm"),
        ({"million_input": 1, "million_audio_output": 1}, "engine"),
        ({"started_minute": 1}, "telephony"),
    ],
)
def test_the_unit_says_what_is_charged_for(units: dict[str, float], leg: str) -> None:
    """So that nobody has to."""
    assert found(price_table({"x": units}), leg, "x").leg == leg


@pytest.mark.parametrize(
    ("pricing", "said", "hint"),
    [
        ([1], "pricing is list", "pricing="),
        ({"twilio": 0.01}, "no price for 'twilio'", "started_minute"),
        ({"twilio": {}}, "no price for 'twilio'", "pricing="),
        ({"": {"minute": 1}}, "no price for ''", "pricing="),
        ({"twilio": {"minutes": 1}}, "nothing is charged by 'minutes'", "did you mean minute"),
        ({"twilio": {"zzz": 1}}, "nothing is charged by 'zzz'", "units: minute"),
        ({"twilio": {"minute": -1}}, "minute cannot be -1", "0 or more"),
        ({"twilio": {"minute": "1"}}, "minute cannot be '1'", "dollars"),
        ({"twilio": {"minute": True}}, "minute cannot be True", "dollars"),
        ({"twilio": {"minute": float("nan")}}, "minute cannot be nan", "dollars"),
        ({"acme": {"minute": 1}}, "nobody knows for what", '"leg" is one of stt, tts'),
        ({"acme": {"leg": "telefone", "minute": 1}}, "leg cannot be 'telefone'", "telephony"),
        ({"acme": {"leg": "stt"}}, "pricing of 'acme'", "pricing="),
    ],
)
def test_a_price_that_is_none(pricing: Any, said: str, hint: str) -> None:
    """Told when it is written, with what could stand there."""
    with pytest.raises(InputError) as raised:
        price_table(pricing)
    assert said in str(raised.value)
    assert hint in raised.value.hint
