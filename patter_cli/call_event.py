"""What an author's functions are told of a call: a mapping whose keys are attributes too."""

from __future__ import annotations

from typing import Any


class CallEvent(dict[str, Any]):
    """What a callback gets. Every one has call_id, caller, callee and history, a list of {role, text, timestamp}."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"this event has no {name!r}; it has {', '.join(sorted(self))}") from None
