"""The small states and their tables."""

from __future__ import annotations

import pytest

from patter_cli.core.floor import (
    AGENT_TABLE,
    CALL_TABLE,
    CALLER_TABLE,
    SCREENING_TABLE,
    AgentState,
    CallState,
    Place,
)
from patter_cli.errors import InvalidTransition


def test_a_place_moves_along_its_table() -> None:
    """Staying is no move; a move the table does not have is our own bug."""
    place = Place(AgentState.IDLE, AGENT_TABLE)
    place.move(AgentState.IDLE)
    place.move(AgentState.THINKING)
    assert place.now is AgentState.THINKING
    place.move(AgentState.IDLE)
    with pytest.raises(InvalidTransition):
        place.move(AgentState.HELD)


def test_every_state_has_a_row_and_only_the_end_is_final() -> None:
    """No state is a trap but ENDED, and ENDED can be reached from every other."""
    for table in (CALL_TABLE, CALLER_TABLE, AGENT_TABLE, SCREENING_TABLE):
        assert set(table) == set(type(next(iter(table))))
    assert [state for state, following in CALL_TABLE.items() if not following] == [CallState.ENDED]
    assert all(CallState.ENDED in following for state, following in CALL_TABLE.items() if following)
