"""What happened on a call, as the model and the log see it: the caller's words, what was heard, what tools answered.

A reply enters the history when it has left the floor, as the words that were heard. If it was broken off, only the
line knows where; so it waits for PlaybackStopped, and whoever goes on waits with it until `stop_by`. After that the
next line of the conversation takes the clock's word.

An engine that hears and speaks by itself may know the words later than the sound: of the caller's turn, and of its own
reply. Such a line has its place from the beginning, and is reported once its words are known. It remembers what it has
heard and said; of what others said on its side, a colleague or our own voice, it is told.
"""

from __future__ import annotations

from collections.abc import Iterable

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.call import Call
from patter_cli.core.conversation import Conversation, Message, ToolUse
from patter_cli.core.events import Ms
from patter_cli.core.reply import Reply

STOP_MS = 100
"""How long the line may take to say where it stopped. It knows at once, and the fact waits behind earlier ones."""


class History:
    """Writes the conversation, and reports each line of it."""

    __slots__ = ("_call", "_late", "_stopping", "conversation", "wall_time")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._stopping: Reply | None = None
        self._late: dict[int, tuple[Reply, int]] = {}
        """Replies that were heard and whose words are still to come, each with its place."""
        self.conversation = Conversation()
        self.wall_time = 0.0
        """Unix seconds at call time 0."""

    @property
    def _timestamp(self) -> float:
        return self.wall_time + self._call.now / 1000

    def resume(self, earlier: Iterable[Message]) -> None:
        """Begin with what was said and reported before."""
        for line in earlier:
            self.conversation.add(line)

    def add_words(self, words: str) -> None:
        """The caller said this."""
        self.stop_waiting()
        self._add("user", words, interrupted=False)

    def add_colleague(self, words: str) -> None:
        """Somebody said this in the agent's place."""
        self._add("colleague", words, interrupted=False)
        self.remind_engine("colleague", words)

    def remind_engine(self, role: str, text: str) -> None:
        """An engine with a memory of its own is to know this; see order.RemindEngine."""
        if self._call.plan.engine is not None:
            self._call.issue(order.RemindEngine(role=role, text=text))

    def add_reply(self, reply: Reply, *, interrupted: bool) -> None:
        """As much of a reply as was heard; nothing if that is nothing."""
        self.stop_waiting()
        heard = reply.ledger.heard_text()
        if heard:
            self._add("assistant", heard, interrupted=interrupted)
            if not reply.by_engine:
                self.remind_engine("assistant", heard)
        elif reply.ledger.words_due:
            self._late[reply.id] = reply, self.reserve("assistant", interrupted=interrupted)

    def add_broken_off(self, reply: Reply) -> None:
        """As much as was heard of a reply that lost the floor, now that it is known where.

        An engine that remembers all of it is told what was not heard.
        """
        engine = self._call.plan.engine
        if engine is not None and engine.truncates:
            for clause, heard_ms in reply.ledger.unheard():
                self._call.issue(order.TruncateSpan(response_id=reply.id, clause=clause, heard_ms=heard_ms))
        self.add_reply(reply, interrupted=True)

    def _add(self, role: str, text: str, *, interrupted: bool) -> None:
        self.conversation.add(Message(role=role, text=text, timestamp=self._timestamp, interrupted=interrupted))
        self._call.issue(order.ReportTranscript(role=role, text=text, interrupted=interrupted, at_ms=self._call.now))

    def correct_tool(self, name: str, result: str) -> None:
        """What the last call of this tool is known to have come to, after what was said before was resumed."""
        if (tool := self.conversation.last_tool(name)) is not None:
            self.finish_tool(tool.id, result)

    # --- words that come late --------------------------------------------------------------------------------

    def reserve(self, role: str, *, interrupted: bool = False) -> int:
        """Somebody spoke, and what they said will be known later. Returns the number of its place."""
        self.stop_waiting()
        return self.conversation.reserve(role, self._timestamp, interrupted=interrupted)

    def fill(self, place: int, text: str) -> None:
        """The words of a place are known: now it is a line."""
        line = self.conversation.fill(place, text)
        now = self._call.now
        self._call.issue(
            order.ReportTranscript(role=line.role, text=line.text, interrupted=line.interrupted, at_ms=now)
        )

    def late_reply(self, response_id: int) -> Reply | None:
        """A reply that has left the floor and whose words are still to come."""
        if self._stopping is not None and self._stopping.id == response_id:
            return self._stopping
        waiting = self._late.get(response_id)
        return None if waiting is None else waiting[0]

    def late_words_came(self, reply: Reply) -> None:
        """Some of its words have come, perhaps the last."""
        if reply.id in self._late and not reply.ledger.words_due:
            _, place = self._late.pop(reply.id)
            if heard := reply.ledger.heard_text():
                self.fill(place, heard)

    # --- a reply that was broken off -------------------------------------------------------------------------

    def add_once_stopped(self, reply: Reply) -> None:
        """This reply lost the floor; what was heard of it is known when its playback has stopped."""
        self.stop_waiting()
        self._stopping = reply

    def playback_stopped(self, event: fact.PlaybackStopped) -> bool:
        """True if the reply that stopped is the one we waited for; it is added."""
        reply = self._stopping
        if reply is None or event.response_id != reply.id:
            return False
        self._stopping = None
        reply.ledger.stopped(event.clause, event.played_ms)
        self.add_broken_off(reply)
        return True

    def stop_waiting(self) -> None:
        """Add the reply that lost the floor by the clock: nobody told us where the ear was."""
        reply, self._stopping = self._stopping, None
        if reply is not None:
            reply.ledger.assume_played(self._call.now if reply.silenced_at is None else reply.silenced_at)
            self.add_broken_off(reply)

    @property
    def stop_by(self) -> Ms | None:
        """By when the line will have said where it stopped; None: nothing of a reply sounded, or nobody will say it."""
        reply = self._stopping
        if reply is None or reply.silenced_at is None or not reply.ledger.sounding:
            return None
        by = reply.silenced_at + STOP_MS
        return by if by > self._call.now else None

    # --- tools -----------------------------------------------------------------------------------------------

    def begin_tool(self, reply: Reply, event: fact.ToolCallRequested) -> None:
        """The model called a tool; its line stands where the call was made."""
        self.stop_waiting()
        step = f"{reply.id}.{reply.steps}"
        tool = ToolUse(id=event.tool_call_id, name=event.name, arguments=event.arguments, step=step, seal=event.seal)
        self.conversation.begin_tool(tool, self._timestamp)

    def finish_tool(self, tool_call_id: str, result: str) -> None:
        """A tool answered, whenever that is; an answer to a call nobody made is dropped."""
        line = self.conversation.finish_tool(tool_call_id, result)
        if line is not None:
            now = self._call.now
            self._call.issue(order.ReportTranscript(role="tool", text=line.text, interrupted=False, at_ms=now))
            if self._call.plan.engine is not None:
                self._call.issue(order.ReturnToolResult(tool_call_id=tool_call_id, result=result))
