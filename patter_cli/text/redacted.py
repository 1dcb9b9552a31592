"""What is written down of a call, with what must not be kept struck out.

Facts of ours stay: kinds, ids, times, names of agents and tools, the author's fixed lines and limits. Everything else
is taken for something that somebody said, typed or gave, also what is not known yet. A redacted journal tells what
happened; replayed, it need not lead to the same commands, since decisions were made about the words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from patter_cli.text.redact import Redaction, mask_number, redact

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

OURS = frozenset(
    """type call_id tool_call_id carrier_call_id recording_id agent carrier direction language model provider role rule
    name outcome returned reason cause source answered_by raw url pace lines blocked checks tools line metrics cost
    recording_path""".split()
)
"""Fields whose value, and all below it, nobody on the phone has made."""

PARTIES = frozenset({"caller", "callee", "number", "transfer_numbers"})
"""They keep their last digits at every level: a list can still be searched for a number."""

GIVEN = frozenset({"parameters"})
"""What the call brought with it, under names of its own; they may read like ours."""

JSON_TEXTS = frozenset({"arguments", "result"})
"""The same, as a model or a tool wrote it."""

IN_PIECES = frozenset({"TranscriptPartial", "DraftResponse"})
"""A number that is not yet whole is none yet, and would tell what the whole one hides."""


PRESSED = frozenset({"DtmfReceived"})
"""Each key by itself tells nothing, and all of them a PIN."""

STRUCK_KEY = "*"


def redacted_line(line: bytes, level: Redaction) -> bytes:
    """A journal line, UTF-8, without its newline; one that cannot be read is struck out as the text it is."""
    try:
        struck = json.dumps(_walk(json.loads(line), level), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        struck = redact(line.decode("utf-8", "replace"), level)
    return struck.encode("utf-8", "replace")


def redacted_record(summary: Mapping[str, Any], level: Redaction) -> Mapping[str, Any]:
    """A call's record."""
    if level is Redaction.OFF:
        return summary
    return {key: _field(key, value, level) for key, value in summary.items()}


def _walk(value: JsonValue, level: Redaction) -> JsonValue:
    if isinstance(value, str):
        return redact(value, level)
    if isinstance(value, list):
        return [_walk(each, level) for each in value]
    if isinstance(value, dict):
        kind = str(value.get("type"))  # a file that is damaged may hold anything there
        if level in (Redaction.CARDS, Redaction.NUMBERS) and kind in IN_PIECES:
            level = Redaction.DIGITS
        if kind in PRESSED and level is not Redaction.OFF:
            return {key: STRUCK_KEY if key == "digit" else each for key, each in value.items()}
        return {key: _field(key, each, level) for key, each in value.items()}
    return value  # times and counts


def _field(key: str, value: JsonValue, level: Redaction) -> JsonValue:
    if key in OURS:
        return value
    if key in PARTIES:
        return _parties(value)
    if key in JSON_TEXTS and isinstance(value, str):
        return _json_text(value, level)
    if key in GIVEN:
        return _given(value, level)
    return _walk(value, level)


def _parties(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_parties(each) for each in value]
    return mask_number(value) if isinstance(value, str) else value


def _json_text(text: str, level: Redaction) -> str:
    """Stays JSON, so that it can be read: its numbers become texts where they are struck out."""
    try:
        return json.dumps(_given(json.loads(text), level), ensure_ascii=False)
    except (ValueError, RecursionError):
        return redact(text, level)


def _given(value: JsonValue, level: Redaction) -> JsonValue:
    """Names of fields are the author's; no value is."""
    if isinstance(value, dict):
        return {key: _given(each, level) for key, each in value.items()}
    if isinstance(value, list):
        return [_given(each, level) for each in value]
    if value is None or isinstance(value, bool):
        return value
    struck = redact(str(value), level)
    return value if struck == str(value) else struck
