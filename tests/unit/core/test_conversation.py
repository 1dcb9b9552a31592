"""The messages the model sees."""

from __future__ import annotations

from patter_cli.core.conversation import Conversation, Message


def test_the_last_lines_of_the_caller_are_unanswered() -> None:
    """Everything since the agent was last heard, in order."""
    conversation = Conversation()
    assert conversation.unanswered() == []
    for role, text in (("user", "A"), ("assistant", "B"), ("user", "C"), ("user", "D")):
        conversation.add(Message(role=role, text=text, timestamp=0.0))
    assert conversation.unanswered() == ["C", "D"]
    assert [each.text for each in conversation.messages] == ["A", "B", "C", "D"]
