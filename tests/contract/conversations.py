"""A conversation as calls are: the agent speaks first, tools run side by side, the caller falls silent."""

from __future__ import annotations

from patter_cli.contracts.llm import ChatMessage, ToolCall, ToolSpec
from patter_cli.testing.vendors.llm.said import Said

CALLS = (
    ToolCall(id="toolu_1", name="book", arguments='{"at": "18:00"}'),
    ToolCall(id="toolu_2", name="look_up", arguments="{}"),
)
ASKS = Said("One moment. ", calls=CALLS, thought="They want a table.")
DONE = Said("Your table is booked for six.")
BOOK = ToolSpec(
    name="book",
    description="Book a table",
    parameters={"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
)
LOOK_UP = ToolSpec(
    name="look_up",
    description="Look a guest up",
    parameters={
        "type": "object",
        "properties": {"name": {"type": "string"}, "phone": {"type": "string"}},
        "anyOf": [{"required": ["name"]}, {"required": ["phone"]}],
    },
)
TOOLS = (BOOK, LOOK_UP)
PROMPT = "You take bookings."
GREETED = (
    ChatMessage(role="system", text=PROMPT),
    ChatMessage(role="assistant", text="Hello, this is Vale's. How can I help?"),
    ChatMessage(role="user", text="A table for six, please."),
)


def answered(calls: tuple[ToolCall, ...]) -> tuple[ChatMessage, ...]:
    """The step with these calls, as the engine has it: with ids of its own."""
    ours = tuple(
        ToolCall(id=f"tool_{number}", name=call.name, arguments=call.arguments, seal=call.seal)
        for number, call in enumerate(calls, 1)
    )
    results = ('{"ok": true, "data": "booked"}', "nobody is known")
    return (
        ChatMessage(role="assistant", text="One moment.", tool_calls=ours),
        *(ChatMessage(role="tool", text=text, tool_call_id=call.id) for call, text in zip(ours, results, strict=True)),
    )


LATER = (
    ChatMessage(role="assistant", text="Your table is booked"),
    ChatMessage(role="user", text="[DTMF: 5]"),
    ChatMessage(role="user", text="Thanks"),
    ChatMessage(role="assistant", text="Anything else?"),
)
"""The reply was broken off, keys were pressed, words came, and the last that was said is the agent's."""
