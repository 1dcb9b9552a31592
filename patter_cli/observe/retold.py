"""A stored call, told again from what was written down of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from patter_cli.contracts.store import CallRecord, CallRow, CallStore
from patter_cli.observe.story import CallStory, Spoken, StoryTurn
from patter_cli.text.redact import Redaction, mask_number
from patter_cli.text.redacted import redacted_line, redacted_record


def retell(store: CallStore, call_id: str, level: Redaction = Redaction.OFF) -> tuple[CallRow, CallStory] | None:
    """The call as a list has it, and how it went; None if it is not kept. level: what is struck out of both.

    Of a call whose journal is lost, its record tells what was said. Raises StoreError.
    """
    record = store.get(call_id)
    if record is None:
        return None
    row, facts = record.row, record.facts
    lines = store.journal(call_id)
    if level is not Redaction.OFF:
        row = replace(row, caller=mask_number(row.caller), callee=mask_number(row.callee))
        facts = redacted_record(facts, level)
        lines = (redacted_line(each.encode(), level).decode() for each in lines)
    return row, tell(replace(record, facts=facts), lines)


def tell(record: CallRecord, lines: Iterable[str]) -> CallStory:
    """How a call went, by its journal's lines, or else by its record."""
    story = CallStory().read(lines, goes_on=record.row.outcome is None)
    if not story.turns:
        _from_record(story, record.facts, record.row.started_at)
    return story


def _from_record(story: CallStory, facts: Mapping[str, object], started_at: float) -> None:
    """The turns by what the record says was said."""
    history = facts.get("history")
    for each in history if isinstance(history, list) else ():
        if not isinstance(each, dict) or not isinstance(each.get("text"), str):
            continue
        said_at = each.get("timestamp")
        at = round((said_at - started_at) * 1000) if isinstance(said_at, int | float) else 0
        if each.get("role") == "user":
            number = story.turns[-1].number + 1 if story.turns else 1
            story.turns.append(StoryTurn(number=number, at=at, caller=each["text"]))
        elif each.get("role") == "assistant":
            if not story.turns:
                story.turns.append(StoryTurn(number=0, at=at, caller=None))
            story.turns[-1].agent.append(Spoken(at=at, heard=each["text"]))
        elif each.get("role") == "colleague" and story.turns:
            story.turns[-1].colleague.append((at, each["text"]))
