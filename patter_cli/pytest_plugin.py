"""For pytest: the fixture patter_call, a caller for the agents of a project. See docs/scenarios.md.

pytest loads this module at every start, in projects that never use it as well: it imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from patter_cli.cli.pytest_calls import PatterCall


@pytest.fixture
def patter_call() -> Iterator[PatterCall]:
    """Call an agent, by text and on virtual time: no key, no account, no network, no waiting.

    call = patter_call("receptionist"); call.say("When do you open?"); assert "nine" in call.heard

    In an async test each of these is awaited. The call ends with the test.
    """
    from patter_cli.cli.pytest_calls import PatterCall

    calls = PatterCall()
    try:
        yield calls
    finally:
        calls.close()
