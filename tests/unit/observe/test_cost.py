"""What a call costs: by leg, by the day's prices, and never nothing where nobody knows."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from patter_cli.core import events as fact
from patter_cli.core.events import Event
from patter_cli.core.journal import Entry, parse_entry, render_entry
from patter_cli.core.outcome import Direction
from patter_cli.core.plan import CallPlan
from patter_cli.observe.cost import CostFold
from patter_cli.observe.prices import PRICES, Price, PriceTable
from patter_cli.observe.summary import CallSummary

PLAN = CallPlan(agent="a", system_prompt="")


def connected(day: date = date(2026, 11, 27)) -> Event:
    wall_time = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    return fact.CallConnected(
        call_id="c",
        caller="+1",
        callee="+2",
        direction=Direction.INBOUND,
        carrier="twilio",
        plan=PLAN,
        wall_time=wall_time,
    )


def model(provider: str, name: str, given: int, written: int, cached: int = 0, *, estimated: bool = False) -> Event:
    return fact.ModelUsed(
        response_id=1,
        provider=provider,
        model=name,
        input_tokens=given,
        output_tokens=written,
        cached_tokens=cached,
        estimated=estimated,
    )


def cost(*events: Event, day: date = date(2026, 11, 27)) -> CostFold:
    fold = CostFold()
    for at, event in enumerate((connected(day), *events)):
        fold.feed(Entry(at=at, event=event, commands=()))
    return fold


def test_a_call_is_the_sum_of_its_legs() -> None:
    """Minutes of recognition, characters of voice, tokens of the model, begun minutes of the line."""
    fold = cost(
        fact.HearingUsed(provider="deepgram", model="nova-3", audio_ms=30_000),
        fact.HearingUsed(provider="deepgram", model="nova-3", audio_ms=30_000),
        fact.VoiceUsed(provider="elevenlabs", model="eleven_flash_v2_5", characters=450),
        model("openai", "gpt-6-luna", 10_000, 500, cached=6_000),
        fact.LineUsed(carrier="twilio", direction=Direction.INBOUND, duration_ms=61_000),
    )
    legs = {each["leg"]: each for each in fold.render()["legs"]}
    assert legs["stt"] == {
        "leg": "stt",
        "provider": "deepgram",
        "model": "nova-3",
        "audio_ms": 60_000,
        "usd": 0.0048,
    }
    assert legs["tts"]["usd"] == pytest.approx(0.018)
    assert legs["llm"]["usd"] == pytest.approx((4_000 * 0.10 + 6_000 * 0.01 + 500 * 0.50) / 1e6)
    assert legs["telephony"]["usd"] == pytest.approx(2 * 0.0125)
    assert fold.usd == pytest.approx(sum(each["usd"] for each in legs.values()))
    assert fold.render()["usd"] == fold.render()["known_usd"]
    assert fold.render()["prices"] == "2026-11-21"


def test_a_price_that_nobody_knows_is_unknown_and_so_is_the_sum() -> None:
    """None, not zero; what is known stands beside it."""
    fold = cost(
        fact.HearingUsed(provider="acme", model="ears-1", audio_ms=60_000),
        fact.VoiceUsed(provider="deepgram", model="aura-2-thalia-en", characters=1000),
        model("openai-compatible", "qwen", 10, 10),
    )
    facts = fold.render()
    assert facts["usd"] is None
    assert facts["known_usd"] == pytest.approx(0.03)
    assert [each["usd"] for each in facts["legs"]] == [None, 0.03, None]
    assert fold.usd is None


def test_what_runs_here_is_free_and_that_is_known() -> None:
    """The built-in ears and voice on the built-in line."""
    fold = cost(
        fact.HearingUsed(provider="moonshine", model="", audio_ms=60_000),
        fact.VoiceUsed(provider="joe", model="", characters=1000),
        fact.LineUsed(carrier="loopback", direction=Direction.INBOUND, duration_ms=60_000),
    )
    assert fold.usd == 0.0


def test_an_engine_without_a_price_makes_the_sum_unknown() -> None:
    """Ultravox charges by the minute, and nobody here knows how much: what is known besides stands beside it."""
    fold = cost(
        fact.EngineUsed(provider="ultravox", model="ultravox", session_ms=60_000),
        fact.VoiceUsed(provider="elevenlabs", model="eleven_flash_v2_5", characters=1000),
    )
    assert fold.usd is None
    assert fold.known_usd > 0


@pytest.mark.parametrize(
    ("day", "usd"), [(date(2026, 12, 31), 0.75), (date(2027, 1, 1), 1.50), (date(2027, 6, 1), 1.50)]
)
def test_a_price_holds_from_its_day_on(day: date, usd: float) -> None:
    """The call's own day counts."""
    assert cost(model("google", "gemini-3.8-flash", 1_000_000, 0), day=day).usd == pytest.approx(usd)


@pytest.mark.parametrize(("tokens", "usd"), [(100_000, 0.10), (100_001, 0.50)])
def test_a_long_prompt_has_its_own_price(tokens: int, usd: float) -> None:
    """Each request by its own length."""
    assert cost(model("anthropic", "claude-haiku-5-5", tokens, 0)).usd == pytest.approx(tokens * usd / 1e6)


@pytest.mark.parametrize(
    ("leg", "provider", "name", "found"),
    [
        ("llm", "openai", "gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("llm", "openai", "gpt-4.1", "gpt-4.1"),
        ("llm", "openai", "gpt-7", None),
        ("llm", "openai", "", None),
        ("tts", "deepgram", "aura-asteria-en", "aura"),
        ("tts", "deepgram", "aura-2-thalia-en", "aura-2"),
        ("tts", "inworld", "anything", ""),
        ("stt", "inworld", "anything", None),
        ("telephony", "twilio", "outbound", "outbound"),
        ("telephony", "acme", "inbound", None),
    ],
)
def test_a_model_is_found_by_the_longest_beginning_of_its_name(
    leg: str, provider: str, name: str, found: str | None
) -> None:
    """Dated and regional names are the model's; another model is not."""
    price = PriceTable().find(leg, provider, name, day=date(2026, 11, 27))
    assert (price.model if price else None) == found


def test_what_a_row_has_no_price_for_is_unknown() -> None:
    """A text price says nothing of sound."""
    table = PriceTable([Price(leg="engine", provider="x", million_input=1.0)])
    fold = CostFold(table)
    fold.feed(Entry(at=0, event=connected(), commands=()))
    fold.feed(Entry(at=1, event=fact.EngineUsed(provider="x", model="m", audio_input_tokens=5), commands=()))
    assert fold.usd is None


def test_an_engine_is_charged_for_text_and_sound() -> None:
    """Each kind of token by its own price."""
    used = fact.EngineUsed(
        provider="openai",
        model="gpt-realtime-2.1",
        session_ms=60_000,
        input_tokens=1000,
        cached_tokens=400,
        output_tokens=100,
        audio_input_tokens=600,
        audio_output_tokens=1200,
    )
    assert cost(used).usd == pytest.approx((600 * 4 + 400 * 0.4 + 100 * 24 + 600 * 32 + 1200 * 64) / 1e6)


def test_an_engine_that_says_nothing_of_its_tokens_is_unknown() -> None:
    """How long it was there does not tell, unless that is what it charges for; the session's end adds nothing else."""
    session = fact.EngineUsed(provider="openai", model="gpt-realtime-2.1", session_ms=60_000)
    assert cost(session).usd is None
    tokens = fact.EngineUsed(provider="openai", model="gpt-realtime-2.1", audio_input_tokens=1000)
    assert cost(tokens, session).usd == pytest.approx(0.032)
    assert cost(fact.EngineUsed(provider="elevenlabs", model="", session_ms=60_000)).usd == pytest.approx(0.08)


def test_what_we_counted_ourselves_is_marked() -> None:
    """A request that was broken off."""
    (leg,) = cost(model("openai", "gpt-6-luna", 400, 10, estimated=True)).render()["legs"]
    assert leg["estimated"] is True


def test_every_price_is_a_price() -> None:
    """Of a known leg, not negative, with something to charge for."""
    for row in PRICES:
        figures = [getattr(row, each) for each in Price.__dataclass_fields__ if each.split("_")[0] in UNITS]
        assert row.leg in {"stt", "tts", "llm", "engine", "telephony"}
        given = [each for each in figures if each is not None]
        assert given, row
        assert min(given) >= 0, row


UNITS = ("minute", "started", "thousand", "million")


def test_usage_survives_the_journal_and_is_in_the_summary() -> None:
    """Read back it costs the same."""
    used = fact.VoiceUsed(provider="rime", model="mistv3", characters=500)
    entry = Entry(at=5, event=used, commands=())
    again = parse_entry(render_entry(entry.at, entry.event, entry.commands))
    summary = CallSummary()
    for each in (Entry(at=0, event=connected(), commands=()), again):
        summary.feed(each)
    assert summary.render()["cost"]["usd"] == pytest.approx(0.015)


def test_a_journal_from_before_prices_were_counted_is_read() -> None:
    """Its models have no provider: unknown."""
    line = '{"v":1,"at":3,"event":{"type":"ModelUsed","response_id":1,"model":"m","input_tokens":1,"output_tokens":1,'
    fold = CostFold()
    fold.feed(parse_entry(line + '"cached_tokens":0},"commands":[]}'))
    assert fold.usd is None
