"""What the log says of an agent's own code while a call is held: the errors, with the line of the author's file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from patter_cli.engine.whereabouts import place_of


@contextmanager
def errors_logged(into: list[str]) -> Iterator[None]:
    """Errors that are logged meanwhile, a line each, added to `into` as they come."""
    keeper = _Keeper(into)
    logger = logging.getLogger("patter_cli")
    logger.addHandler(keeper)
    try:
        yield
    finally:
        logger.removeHandler(keeper)


class _Keeper(logging.Handler):
    def __init__(self, into: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            words = f"{words}: {type(error).__name__}: {error} at {place_of(error)}"
        self._into.append(words)
