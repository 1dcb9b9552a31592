"""The messages the model sees: what the caller said and what they heard, in order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One line of the conversation. role: user, assistant or tool. timestamp: Unix seconds."""

    role: str
    text: str
    timestamp: float
    interrupted: bool = False


class Conversation:
    """Grows at its end."""

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: list[Message] = []

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(self._messages)

    def add(self, message: Message) -> None:
        self._messages.append(message)

    def unanswered(self) -> list[str]:
        """The caller's last lines that nothing of the agent's was heard after."""
        lines: list[str] = []
        for message in reversed(self._messages):
            if message.role != "user":
                break
            lines.insert(0, message.text)
        return lines
