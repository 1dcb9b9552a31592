"""What can be wrong with the lab's Telnyx beyond what can be wrong with every carrier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from patter_cli.testing.lab.faults import Faults


@dataclass(frozen=True, slots=True, kw_only=True)
class TelnyxFaults(Faults):
    """The first three are no faults where Telnyx leaves it open, but what a server has to live with."""

    leg_codec: Literal["PCMU", "PCMA"] = "PCMU"
    """What the telephone side speaks, and so what comes where no stream_codec was asked for."""
    l16_byte_order: Literal["little", "big"] = "little"
    """Of L16, both ways. Telnyx does not say; live calls report "little"."""
    swap_every: int = 0
    """So many media messages apart, two arrive in the wrong order; 0: none do."""
