"""What was opened while the phone rang, and which of it a call leaves that on_call_start gave other ears or voices."""

from __future__ import annotations

from typing import Final

from patter_cli.audio.frame import ULAW_8K, AudioFormat
from patter_cli.contracts.provider import ConnectsAhead
from patter_cli.engine.ready import ReadyAgent

FORMAT: Final[AudioFormat] = ULAW_8K
"""Of most lines; which one it will be is not known before."""


def opened_for(agent: ReadyAgent) -> tuple[object, ...]:
    """Whose sessions are opened before a call of this agent begins."""
    return (agent.tts,) if agent.engine is not None else (agent.stt, agent.tts)


def leave_unused(before: ReadyAgent, now: ReadyAgent, *, listens: bool) -> None:
    """Close what was opened for the agent as it was and no longer has. listens: its ears have been opened already; a
    voice is opened with its first words."""
    for each in opened_for(before):
        taken = listens and each is before.stt
        if isinstance(each, ConnectsAhead) and not taken and each not in opened_for(now):
            each.leave_ahead(FORMAT)
