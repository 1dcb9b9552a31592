"""What vendors and carriers charge, as data: list prices in US dollars, pay as you go, without taxes and discounts.

A row holds for a model of its name or, of several, the one whose name is the longest beginning of it; for any, where
the row names none. A later row of the same model holds from its date on. What is not here is unknown, and not free.
Telephone prices are for the United States, with what a media stream adds; unverified where only others quote them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import date

AS_OF = "2026-11-21"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One row. Each figure is in USD for the unit in its name; None: not charged for by this row."""

    leg: str
    """stt, tts, llm, engine or telephony."""
    provider: str
    model: str = ""
    since: date = date.min
    above_tokens: int = 0
    """Holds for requests with more input tokens than this."""
    minute: float | None = None
    started_minute: float | None = None
    """Of the whole line, rounded up."""
    thousand_characters: float | None = None
    million_input: float | None = None
    million_cached: float | None = None
    """Input that came from the vendor's cache; None: as other input."""
    million_written: float | None = None
    """Input that was put into the vendor's cache; None: as other input."""
    million_output: float | None = None
    million_audio_input: float | None = None
    million_audio_cached: float | None = None
    """Sound that came from the vendor's cache; None: as other sound."""
    million_audio_output: float | None = None


def _stt(provider: str, model: str, minute: float) -> Price:
    return Price(leg="stt", provider=provider, model=model, minute=minute)


def _tts(provider: str, model: str, thousand: float, since: date = date.min) -> Price:
    return Price(leg="tts", provider=provider, model=model, thousand_characters=thousand, since=since)


def _llm(
    provider: str,
    model: str,
    given: float,
    cached: float | None,
    answered: float,
    *,
    written: float | None = None,
    above: int = 0,
    since: date = date.min,
) -> Price:
    return Price(
        leg="llm",
        provider=provider,
        model=model,
        million_input=given,
        million_cached=cached,
        million_written=written,
        million_output=answered,
        above_tokens=above,
        since=since,
    )


def _engine(
    model: str,
    text: tuple[float, float, float],
    audio: tuple[float, float],
    provider: str,
    *,
    cached_audio: float | None = None,
) -> Price:
    return Price(
        leg="engine",
        provider=provider,
        model=model,
        million_input=text[0],
        million_cached=text[1],
        million_output=text[2],
        million_audio_input=audio[0],
        million_audio_cached=cached_audio,
        million_audio_output=audio[1],
    )


_GEMINI_3_6 = ("gemini-3.6-flash", "gemini-3.7-flash", "gemini-3.8-flash")
_GEMINI_RISE = date(2027, 1, 1)

PRICES: tuple[Price, ...] = (
    # Built in: this machine's own work.
    Price(leg="stt", provider="moonshine", minute=0.0),
    Price(leg="tts", provider="joe", thousand_characters=0.0),
    Price(leg="telephony", provider="loopback", minute=0.0),
    Price(leg="telephony", provider="browser", minute=0.0),
    Price(leg="llm", provider="rules", million_input=0.0, million_output=0.0),
    Price(leg="telephony", provider="typed", minute=0.0),
    # Speech to text, streaming. Deepgram's are its promotional rates; regular nova-3 0.0077 and 0.0092.
    _stt("deepgram", "nova-3", 0.0048),
    _stt("deepgram", "nova-3-multi", 0.0058),
    _stt("deepgram", "nova-2", 0.0058),
    _stt("deepgram", "flux-general-en", 0.0065),
    _stt("deepgram", "flux-general-multi", 0.0078),
    _stt("openai", "gpt-transcribe", 0.0045),
    _stt("openai", "gpt-live-transcribe", 0.017),
    _stt("openai", "gpt-realtime-whisper", 0.017),
    _stt("openai", "whisper-1", 0.006),
    _stt("openai", "gpt-4o-transcribe", 0.006),
    _stt("openai", "gpt-4o-mini-transcribe", 0.003),
    _stt("assemblyai", "universal-3", 0.45 / 60),
    _stt("assemblyai", "universal-streaming", 0.15 / 60),
    _stt("soniox", "stt-rt", 0.12 / 60),
    # Speechmatics' is an older peer's table; Cartesia charges credits, taken at the smallest plan's 50 USD a million.
    _stt("speechmatics", "", 0.004),
    _stt("cartesia", "ink-2", 0.009),
    _stt("cartesia", "ink-whisper", 0.003),
    _stt("elevenlabs", "scribe_v2", 0.39 / 60),
    _stt("groq", "whisper-large-v3", 0.111 / 60),
    _stt("groq", "whisper-large-v3-turbo", 0.04 / 60),
    # Text to speech.
    _tts("elevenlabs", "eleven_flash_v2", 0.04),
    _tts("elevenlabs", "eleven_turbo_v2", 0.04),
    _tts("elevenlabs", "eleven_v3_conversational", 0.04),
    _tts("elevenlabs", "eleven_v4_turbo", 0.011),
    _tts("elevenlabs", "eleven_v4_turbo", 0.04, since=date(2026, 10, 12)),
    _tts("elevenlabs", "eleven_multilingual_v2", 0.08),
    _tts("elevenlabs", "eleven_v3", 0.08),
    _tts("elevenlabs", "eleven_v4", 0.08),
    _tts("openai", "tts-1", 0.015),
    _tts("openai", "tts-1-hd", 0.030),
    _tts("rime", "mist", 0.030),
    _tts("rime", "coda", 0.050),
    _tts("lmnt", "blizzard", 0.050),
    _tts("cartesia", "sonic", 0.050),
    _tts("deepgram", "aura-2", 0.030),
    _tts("deepgram", "aura", 0.015),
    _tts("inworld", "", 0.025),
    # Language models: input, cached input, output; what is put into the cache, where that has a price of its own.
    _llm("openai", "gpt-6-luna", 0.10, 0.01, 0.50, written=0.125),
    _llm("openai", "gpt-6-luna", 0.20, 0.02, 0.75, written=0.25, above=272_000),
    _llm("openai", "gpt-6.1-terra", 1.00, 0.05, 5.00, written=1.25),
    _llm("openai", "gpt-6.1-sol", 2.00, 0.10, 10.00, written=2.5),
    _llm("openai", "gpt-6-sol", 2.00, 0.20, 10.00, written=2.5),
    _llm("openai", "gpt-5.6-luna", 0.20, 0.02, 1.20, written=0.25),
    _llm("openai", "gpt-5.6-terra", 2.00, 0.20, 12.00, written=2.5),
    _llm("openai", "gpt-5.4-mini", 0.75, 0.075, 4.50),
    _llm("openai", "gpt-5.4-nano", 0.20, 0.02, 1.25),
    _llm("openai", "gpt-4.1-mini", 0.40, 0.10, 1.60),
    _llm("openai", "gpt-4.1", 2.00, 0.50, 8.00),
    _llm("openai", "gpt-4o-mini", 0.15, 0.075, 0.60),
    _llm("openai", "gpt-4o", 2.50, 1.25, 10.00),
    _llm("anthropic", "claude-haiku-5-5", 0.10, 0.01, 0.50, written=0.125),
    _llm("anthropic", "claude-haiku-5-5", 0.50, 0.05, 2.50, written=0.625, above=100_000),
    _llm("anthropic", "claude-haiku-4-5", 1.00, 0.10, 5.00, written=1.25),
    _llm("anthropic", "claude-sonnet-5-5", 2.00, 0.10, 10.00, written=2.5),
    _llm("anthropic", "claude-sonnet-4-6", 3.00, 0.30, 15.00, written=3.75),
    _llm("anthropic", "claude-opus-5-5", 4.00, 0.20, 20.00, written=5),
    *(_llm("google", model, 0.75, 0.075, 3.75) for model in _GEMINI_3_6),
    *(_llm("google", model, 1.50, 0.15, 7.50, since=_GEMINI_RISE) for model in _GEMINI_3_6),
    _llm("google", "gemini-3.5-flash", 1.50, 0.15, 9.00),
    _llm("google", "gemini-3.5-flash-lite", 0.30, 0.03, 2.50),
    _llm("google", "gemini-3.1-flash-lite", 0.25, 0.025, 1.50),
    _llm("google", "gemini-2.5-flash", 0.30, 0.03, 2.50),
    _llm("google", "gemini-2.5-flash-lite", 0.10, 0.01, 0.40),
    _llm("groq", "openai/gpt-oss-120b", 0.15, 0.075, 0.60),
    _llm("groq", "openai/gpt-oss-20b", 0.075, 0.0375, 0.30),
    _llm("groq", "qwen/qwen3.8-27b", 0.80, None, 4.00),
    _llm("cerebras", "gpt-oss-120b", 0.35, None, 0.75),
    _llm("cerebras", "qwen-3.8-27b", 0.99, None, 1.49),
    # Speech to speech: text in, cached, out; audio in, out.
    _engine("gpt-realtime-2", (4.00, 0.40, 24.00), (32.00, 64.00), "openai", cached_audio=0.40),
    _engine("gpt-realtime-2.1-mini", (0.60, 0.06, 2.40), (10.00, 20.00), "openai", cached_audio=0.30),
    _engine("gpt-realtime-mini", (0.60, 0.06, 2.40), (10.00, 20.00), "openai", cached_audio=0.30),
    _engine("gpt-realtime", (4.00, 0.40, 16.00), (32.00, 64.00), "openai", cached_audio=0.40),
    _engine("gemini-3.8-live", (0.75, 0.75, 4.50), (3.00, 12.00), "google"),
    Price(leg="engine", provider="elevenlabs", minute=0.08),
    # Telephony, a leg; unverified.
    Price(leg="telephony", provider="twilio", model="inbound", started_minute=0.0085 + 0.0040),
    Price(leg="telephony", provider="twilio", model="outbound", started_minute=0.0140 + 0.0040),
    Price(leg="telephony", provider="telnyx", model="inbound", started_minute=0.0035 + 0.002 + 0.0035),
    Price(leg="telephony", provider="telnyx", model="outbound", started_minute=0.007 + 0.002 + 0.0035),
    Price(leg="telephony", provider="plivo", model="inbound", started_minute=0.0055),
    Price(leg="telephony", provider="plivo", model="outbound", started_minute=0.0115),
)


class PriceTable:
    """Looks prices up."""

    def __init__(self, rows: Iterable[Price] = PRICES, *, own: Iterable[Price] = (), as_of: str = AS_OF) -> None:
        """own: what is paid in place of the list's rows. as_of: when those were read, ISO date."""
        self._rows = _by_vendor(rows)
        self._own = _by_vendor(own)
        self.as_of = as_of

    def find(self, leg: str, provider: str, model: str, *, day: date, tokens: int = 0) -> Price | None:
        """The row that holds on a day, for a request with so many input tokens; None: the price is unknown."""
        listed = _best(self._rows.get((leg, provider), ()), model, day, tokens)
        own = _best(self._own.get((leg, provider), ()), model, day, tokens)
        if own is None or listed is None:
            return own or listed
        tokens_of = {unit: getattr(own, unit) for unit in _TOKENS}
        if all(rate is None for rate in tokens_of.values()):
            return own
        return replace(own, **{unit: getattr(listed, unit) for unit, rate in tokens_of.items() if rate is None})


_TOKENS = tuple(each.name for each in fields(Price) if each.name.startswith("million_"))


def _by_vendor(rows: Iterable[Price]) -> dict[tuple[str, str], list[Price]]:
    found: dict[tuple[str, str], list[Price]] = {}
    for row in rows:
        found.setdefault((row.leg, row.provider), []).append(row)
    return found


def _best(rows: Iterable[Price], model: str, day: date, tokens: int) -> Price | None:
    fitting = [
        row
        for row in rows
        if model.startswith(row.model) and row.since <= day and (tokens > row.above_tokens or not row.above_tokens)
    ]
    return max(fitting, key=lambda row: (len(row.model), row.since, row.above_tokens), default=None)
