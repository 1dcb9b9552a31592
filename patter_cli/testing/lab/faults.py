"""What can be wrong with the lab's carrier: slow, forgetful, doubling and mixing up what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How the lab behaves badly. The defaults are a carrier on a good day."""

    answer_delay_s: float = 0.0
    """Before each answer of its interface."""
    most_requests: int | None = None
    """More at the same time are refused; None: as many as come."""
    report_copies: int = 1
    """So many times each report is posted; 0: reports get lost. A call that waits for its answer is asked for once."""
    report_delay_s: float = 0.0
    """The longest that a report is held back, by a chance of its own: later ones overtake it."""
    signs_with: str = ""
    """Another secret than the account's, as somebody who is not the carrier has it."""
    detects_machines: bool = True
    """False: its detection never comes to a verdict."""
    queue_s: float = 0.0
    """How long a call is queued before it rings."""
    seed: int = 1
    """Of chance: the same seed, the same delays."""


NO_FAULTS: Final = Faults()
"""A good day."""
