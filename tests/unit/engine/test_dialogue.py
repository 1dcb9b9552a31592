"""The history as messages for a model: every order that can arise is one that every vendor accepts."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from patter_cli.contracts.llm import ChatMessage
from patter_cli.core.conversation import Message, ToolUse
from patter_cli.engine.dialogue import RUNNING, chat_messages

PROMPT = "You are a clinic."


def line(role: str, text: str = "words", *, step: str = "", number: int = 0, result: str | None = "{}") -> Message:
    tool = ToolUse(id=f"tool_{number}", name="book", arguments="{}", step=step, result=result) if step else None
    return Message(role=role, text=text, timestamp=0.0, tool=tool)


def check_order(messages: list[ChatMessage]) -> None:
    """Each tool call is answered right behind the message that made it, and nothing else is answered."""
    open_calls: list[str] = []
    for message in messages:
        if message.role == "tool":
            assert message.tool_call_id == open_calls.pop(0)
            continue
        assert not open_calls
        open_calls = [call.id for call in message.tool_calls]
    assert not open_calls


def test_a_plain_conversation_is_what_was_said_and_heard() -> None:
    """System, then the lines in order; the caller's lines without an answer are one message."""
    history = [line("assistant", "Hello."), line("user", "Hi."), line("user", "Are you open?")]
    assert [(each.role, each.text) for each in chat_messages(PROMPT, history)] == [
        ("system", PROMPT),
        ("assistant", "Hello."),
        ("user", "Hi.\nAre you open?"),
    ]


def test_calls_of_one_step_are_one_message() -> None:
    """Two tools asked for together are answered together; those of the next step come after."""
    history = [
        line("user"),
        line("tool", step="1.0", number=1, result='{"ok": true}'),
        line("tool", step="1.0", number=2, result=None),
        line("tool", step="1.1", number=3),
    ]
    messages = chat_messages(PROMPT, history, said="Let me look.")
    check_order(messages)
    assert [each.role for each in messages[2:]] == ["assistant", "tool", "tool", "assistant", "tool"]
    assert messages[2].text == "Let me look."
    assert messages[5].text == ""
    assert messages[4].text == RUNNING


def test_what_a_draft_answers_is_the_last_message() -> None:
    """Words that the history does not hold yet."""
    messages = chat_messages(PROMPT, [line("assistant", "Hello.")], drafted="Are you open?")
    assert messages[-1] == ChatMessage(role="user", text="Are you open?")


@given(
    st.lists(st.tuples(st.sampled_from(("user", "assistant", "tool")), st.integers(0, 3)), max_size=20), st.booleans()
)
def test_any_history_is_acceptable(shape: list[tuple[str, int]], drafted: bool) -> None:
    """However often the caller cut in between a call and its answer."""
    history = [
        line(role, step=f"{step}.0" if role == "tool" else "", number=number, result=None if step == 2 else "{}")
        for number, (role, step) in enumerate(shape)
    ]
    messages = chat_messages(PROMPT, history, drafted="words" if drafted else "", said="so far")
    check_order(messages)
    assert messages[0].role == "system"
    for one, two in pairwise(messages):
        assert (one.role, two.role) != ("user", "user")
