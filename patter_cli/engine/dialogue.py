"""The conversation as a model gets it: the history's lines become messages, in the order every vendor accepts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from patter_cli.contracts.llm import ChatMessage, ToolCall
from patter_cli.core.conversation import Message, ToolUse
from patter_cli.core.plan import CallPlan
from patter_cli.core.tool_calls import succeeded
from patter_cli.text.preamble import WRAP_UP, spoken_in


def told_prompt(plan: CallPlan) -> str:
    """The system prompt as a model is told it now: the agent's, the language that is spoken, and whether it ends."""
    notes = (spoken_in(plan.language, plan.languages), WRAP_UP if plan.wraps_up else "")
    return "\n\n".join((plan.system_prompt, *(each for each in notes if each)))


COLLEAGUE = "[a colleague, in your place] "
"""Before what the agent did not say itself."""
RUNNING = succeeded("it is still at work; its result will follow")
"""Stands for the result of a tool that the caller has overtaken by talking on."""


def chat_messages(
    system_prompt: str, history: Iterable[Message], *, drafted: str = "", said: str = ""
) -> list[ChatMessage]:
    """The messages of one request.

    drafted: words of the caller that the history does not hold yet. said: what the reply under way has said before
    its latest tool calls; the history will hold it once it was heard. Calls of one step are one assistant message,
    each call answered right behind it, as the vendors demand; so are the caller's lines without an answer one message.
    """
    messages = [ChatMessage(role="system", text=system_prompt)]
    lines = list(history)
    if drafted:
        lines.append(Message(role="user", text=drafted, timestamp=0.0))
    under_way = _first_step_under_way(lines) if said else ""
    for (role, step), group in groupby(lines, key=lambda line: (_role(line), line.tool.step if line.tool else "")):
        if role == "tool":
            uses = [line.tool for line in group if line.tool is not None]
            messages += _step(uses, said if step == under_way else "")
        else:
            text = "\n".join(COLLEAGUE + line.text if line.role == "colleague" else line.text for line in group)
            messages.append(ChatMessage(role="user" if role == "user" else "assistant", text=text))
    return messages


def told_line(role: str, text: str) -> ChatMessage:
    """A line that an engine with a memory of its own is told; roles as in order.RemindEngine."""
    if role == "system":
        return ChatMessage(role="system", text=text)
    return ChatMessage(role="assistant", text=COLLEAGUE + text if role == "colleague" else text)


def _role(line: Message) -> str:
    """A colleague speaks for the agent's side."""
    return "assistant" if line.role == "colleague" else line.role


def _first_step_under_way(lines: Sequence[Message]) -> str:
    """The first of the steps at the history's end, which are those of the reply under way."""
    first = ""
    for line in reversed(lines):
        if line.tool is None:
            break
        first = line.tool.step
    return first


def _step(uses: Sequence[ToolUse], said: str) -> list[ChatMessage]:
    calls = tuple(ToolCall(id=use.id, name=use.name, arguments=use.arguments or "{}", seal=use.seal) for use in uses)
    answers = [
        ChatMessage(role="tool", text=RUNNING if use.result is None else use.result, tool_call_id=use.id)
        for use in uses
    ]
    return [ChatMessage(role="assistant", text=said, tool_calls=calls), *answers]
