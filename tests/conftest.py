"""What holds for all tests."""

from __future__ import annotations

import pytest

SLOW_S = 3600.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that is long on purpose has an hour, and not the time that pyproject.toml gives each."""
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.timeout(SLOW_S))
