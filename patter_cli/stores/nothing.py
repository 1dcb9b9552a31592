"""A store that keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from patter_cli.contracts.store import AbandonedCall, CallQuery, CallRecord, CallRow, CallStats


class NoStore:
    """What a call is given where nothing shall be kept."""

    def begin(self, call_id: str, started_at: float) -> None:
        return None

    def abandoned(self) -> Iterator[AbandonedCall]:
        return iter(())

    def list(self, query: CallQuery) -> tuple[CallRow, ...]:
        return ()

    def find(self, text: str, limit: int = 10) -> tuple[str, ...]:
        return ()

    def stats(self, query: CallQuery) -> CallStats:
        return CallStats()

    def get(self, call_id: str) -> CallRecord | None:
        return None

    def sound(self, call_id: str) -> Path | None:
        return None

    def journal(self, call_id: str) -> Iterator[str]:
        return iter(())

    def follow(self) -> NoStore:
        return self

    def lines(self) -> Iterator[tuple[str, str]]:
        return iter(())

    def expire(self, now: float) -> int:
        return 0

    def outbox(self, address: str) -> None:
        return None

    def claims(self, scope: str) -> None:
        return None

    def backup(self, target: Path) -> int:
        return 0

    def export(self, query: CallQuery) -> Iterator[CallRecord]:
        return iter(())

    def reindex(self) -> int:
        return 0

    def add(self, call_id: str, facts: Mapping[str, Any]) -> bool:
        return False

    def delete(self, call_id: str) -> bool:
        return False
