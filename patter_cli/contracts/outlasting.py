"""What outlives a server: call events that nobody has taken yet, and requests that must not be carried out twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

KEPT_S: Final = 86_400.0
"""So long at most, of either."""
MOST_KEPT: Final = 10_000
"""So many at most, of either; of call events by each process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A call event that a process did not get rid of."""

    notice: Mapping[str, Any]
    """JSON values, as Notices has them; struck out as calls are where they are kept."""
    age_s: float
    """Since it was put there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """What processes that are gone left for an address."""

    waiting: tuple[Waiting, ...]
    """The oldest first, at most MOST_KEPT."""
    calls: tuple[str, ...]
    """Ids of calls of which not everything was told."""


class Outbox(Protocol):
    """Where one server's call events for one address wait. Any thread may ask; it may block, and never raises: what
    cannot be written is said once, and lives no longer than its process."""

    def begin(self, call_id: str) -> None:
        """This call goes on, and its events are for this address."""

    def end(self, call_id: str) -> None:
        """Its last event was put, or there is none; one that did not begin is fine."""

    def put(self, notice: Mapping[str, Any]) -> None:
        """Keep it until it is settled, also beyond this process. The same id again changes nothing."""

    def settle(self, notice_id: str) -> None:
        """It was taken, or nobody will ever take it; one that is not there is fine."""

    def is_forgotten(self, notice_id: str) -> bool:
        """It was put, and somebody has deleted its call meanwhile."""

    def take_over(self) -> LeftBehind:
        """What processes that are gone left for this address; it is ours from now on."""

    def close(self) -> None:
        """Whoever comes next may have what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A request that was carried out under a key, or began to be."""

    body: str
    """What tells it from another, as it was given."""
    call_id: str
    """"" where nobody knows what came of it."""


class Claims(Protocol):
    """Which requests with a key were carried out. Any thread may ask; it may block, and never raises: where nothing can
    be written, no process knows of another's."""

    def claim(self, key: str, body: str) -> Claim | None:
        """Who has this key; None: nobody had, and now it is ours."""

    def settle(self, key: str, claim: Claim) -> None:
        """What came of our request."""

    def withdraw(self, key: str) -> None:
        """Nothing was done: the key is anybody's."""
