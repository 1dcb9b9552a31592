"""What has become of a call that was made, for whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from patter_cli.core.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """A call that is over, answered or not."""

    call_id: str
    """Ours: `patter logs show` takes it."""
    carrier_call_id: str
    """"" where the carrier never named it."""
    agent: str
    caller: str
    callee: str
    outcome: Outcome
    reason: str
    """Why it ended: the carrier's word, or ours."""
    answered_by: str
    """human, machine, fax or unknown; "" where nobody asked or nobody picked up."""
    duration: float
    """Seconds from the answer to the end; 0 where nobody picked up."""
    history: tuple[Mapping[str, Any], ...]
    """Of {role, text, timestamp}; the assistant's lines are what was heard."""

    def render(self) -> dict[str, Any]:
        """JSON values, by the names of the fields."""
        return {**asdict(self), "outcome": self.outcome.value, "history": [dict(each) for each in self.history]}


def read_result(facts: Mapping[str, Any]) -> CallResult:
    """The result that `render` wrote down. Raises TypeError, ValueError or KeyError for what it did not."""
    known = {**facts, "outcome": Outcome(facts["outcome"]), "history": tuple(facts["history"])}
    return CallResult(**known)
