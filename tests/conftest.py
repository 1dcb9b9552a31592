"""What holds for all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

SLOW_S = 3600.0
ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that is long on purpose has an hour, and not the time that pyproject.toml gives each."""
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.timeout(SLOW_S))


@pytest.fixture(autouse=True)
def what_ends_a_program_ends_it_again() -> Iterator[None]:
    """A command that was run in this process has set its signals for the rest of its life; a program that a later test
    starts would inherit that a closed terminal is no end."""
    before = {each: signal.getsignal(each) for each in ENDINGS}
    yield
    for each, handler in before.items():
        if signal.getsignal(each) is not handler:
            signal.signal(each, handler)
