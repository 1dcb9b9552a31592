"""The messages the model sees: what the caller said, what they heard, what its tools answered, in order."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """One tool call of the model. step: names the step it belongs to; its calls were asked for together.

    result None: not yet known. seal: what the model's vendor wants back with the call, unread.
    """

    id: str
    name: str
    arguments: str
    step: str
    result: str | None = None
    seal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One line of the conversation. role: user, assistant, tool, or colleague, who spoke in the agent's place.
    timestamp: Unix seconds."""

    role: str
    text: str
    timestamp: float
    interrupted: bool = False
    tool: ToolUse | None = None
    """Of a line whose role is tool."""


class Conversation:
    """Grows at its end; a tool's line changes once more, when its result is in, and a place kept gets its words."""

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: list[Message] = []

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(each for each in self._messages if each.text)

    def add(self, message: Message) -> None:
        self._messages.append(message)

    def reserve(self, role: str, timestamp: float, *, interrupted: bool = False) -> int:
        """Keep a place for words that will be known later; until then nobody sees it. Returns its number."""
        self.add(Message(role=role, text="", timestamp=timestamp, interrupted=interrupted))
        return len(self._messages) - 1

    def fill(self, place: int, text: str) -> Message:
        """The words of a place are known."""
        self._messages[place] = replace(self._messages[place], text=text)
        return self._messages[place]

    def begin_tool(self, tool: ToolUse, timestamp: float) -> None:
        """Note a tool call where it was made: whatever is said before its answer comes after it."""
        self.add(Message(role="tool", text=_line(tool), timestamp=timestamp, tool=tool))

    def finish_tool(self, tool_call_id: str, result: str) -> Message | None:
        """Note a tool's answer, or a better one; the line, None for a call nobody made."""
        for index in range(len(self._messages) - 1, -1, -1):
            message = self._messages[index]
            if message.tool is not None and message.tool.id == tool_call_id:
                tool = replace(message.tool, result=result)
                self._messages[index] = replace(message, text=_line(tool), tool=tool)
                return self._messages[index]
        return None

    def last_tool(self, name: str) -> ToolUse | None:
        """The last call of a tool; None if it was never called."""
        return next((m.tool for m in reversed(self._messages) if m.tool is not None and m.tool.name == name), None)

    def unanswered(self) -> list[str]:
        """The caller's last lines that nothing of the agent's, or of a colleague's, was heard after."""
        lines: list[str] = []
        for message in reversed(self.messages):
            if message.role in ("assistant", "colleague"):
                break
            if message.role == "user":
                lines.insert(0, message.text)
        return lines


def _line(tool: ToolUse) -> str:
    return f"{tool.name} {tool.arguments} -> {'…' if tool.result is None else tool.result}"
