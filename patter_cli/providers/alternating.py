"""A conversation for vendors that want it strictly in turns: the caller first and last, and nobody twice running. Pure.

An agent's call is nothing like that: the agent speaks first, the caller may be silent, and two lines of one side may
follow one another. Where a turn is missing, words in brackets stand for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from patter_cli.contracts.llm import ChatMessage, ToolCall

CONNECTED = "(The call is connected.)"
SILENT = "(The caller says nothing.)"


@dataclass(slots=True)
class Turn:
    """What one side does until the other does something. results: (call, what it came to), always before texts."""

    caller: bool
    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: list[tuple[ToolCall, str]] = field(default_factory=list)


def alternating(messages: Sequence[ChatMessage]) -> tuple[str, list[Turn]]:
    """The system's words, and the conversation in turns: the first and the last are the caller's.

    A call and its result stand in turns that follow each other; one without the other is left out.
    """
    system = "\n\n".join(each.text for each in messages if each.role == "system" and each.text)
    answered = {each.tool_call_id for each in messages if each.role == "tool"}
    made: dict[str, ToolCall] = {}
    turns = [Turn(caller=True)]
    for message in messages:
        calls = [each for each in message.tool_calls if each.id in answered]
        answers = message.role == "tool" and message.tool_call_id in made
        words = message.text.strip() and message.role in ("user", "assistant")
        if not (calls or answers or words):
            continue
        caller = message.role != "assistant"
        if turns[-1].caller != caller:
            turns.append(Turn(caller=caller))
        turn = turns[-1]
        if answers:
            turn.results.append((made.pop(message.tool_call_id), message.text))
        else:
            turn.texts += [message.text] if words else []
            turn.calls += calls
            made.update({each.id: each for each in calls})
    if not turns[0].texts:
        turns[0].texts.append(CONNECTED)
    if not turns[-1].caller:
        turns.append(Turn(caller=True, texts=[SILENT]))
    return system, turns
