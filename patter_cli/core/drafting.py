"""Answers begun early: while the caller pauses, the one that is due if they say no more is already being made."""

from __future__ import annotations

from patter_cli.core import commands as order
from patter_cli.core.call import Call
from patter_cli.core.draft import MAX_DRAFTS, Draft, draft_words
from patter_cli.core.events import (
    ClauseReady,
    EndRequested,
    Event,
    FirstToken,
    ModelUsed,
    ResponseFailed,
    ResponseFinished,
    ToolCallRequested,
    TransferRequested,
)
from patter_cli.core.floor import AgentState, CallState
from patter_cli.core.history import History

OF_A_RESPONSE = (
    FirstToken,
    ClauseReady,
    ToolCallRequested,
    ModelUsed,
    EndRequested,
    TransferRequested,
    ResponseFinished,
    ResponseFailed,
)
"""What a reply brings while it is only a draft."""


class Drafting:
    """Begins, keeps and drops the one draft there may be."""

    __slots__ = ("_begun", "_call", "_draft", "_history", "adopted")

    def __init__(self, call: Call, history: History) -> None:
        self._call = call
        self._history = history
        self._draft: Draft | None = None
        self._begun = 0
        self.adopted: list[Event] = []
        """What the adopted draft had come to before; it is still to be handled, as if it happened now."""

    def begin(self) -> None:
        """The caller pauses and their words are known."""
        call = self._call
        text = f"{call.said.turns} {call.said.words}".strip()
        words = draft_words(text)
        idle = call.state.now is CallState.ACTIVE and call.agent.now is AgentState.IDLE and not call.taken
        if not (call.plan.drafts and words and idle) or call.said.keys or self._history.stop_by is not None:
            return
        if self._draft is not None and self._draft.words == words:
            return
        self.drop()
        if self._begun >= MAX_DRAFTS:
            return
        self._begun += 1
        self._history.stop_waiting()
        call.replies += 1
        self._draft = Draft(call.replies, words)
        call.issue(order.DraftResponse(response_id=self._draft.id, text=text))

    def keep(self, event: Event) -> bool:
        """Keep what the draft brings; False for anything else, which is to be handled at once."""
        draft = self._draft
        if draft is None or not isinstance(event, OF_A_RESPONSE) or event.response_id != draft.id:
            return False
        draft.events.append(event)
        return True

    def drop(self) -> None:
        draft, self._draft = self._draft, None
        if draft is not None:
            self._call.issue(order.CancelResponse(response_id=draft.id))

    def adopt(self, words: str) -> int | None:
        """Take the draft as the answer if it answers just these words; its number, or None."""
        draft = self._draft
        if draft is None or draft.failed or draft.words != draft_words(words):
            return None
        self._draft = None
        self.adopted = draft.events
        return draft.id

    def turn_closed(self) -> None:
        """The next turn has its own drafts."""
        self._begun = 0
