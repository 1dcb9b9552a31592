"""A resolver's reply: the first address in it, whatever else it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patter_cli.server.late_names import read_address


@pytest.mark.parametrize(
    ("reply", "address"),
    [
        ({"Status": 0, "Answer": [{"type": 5, "data": "x."}, {"type": 1, "data": "104.16.230.132"}]}, "104.16.230.132"),
        ({"Status": 3}, ""),
        ({"Status": 0, "Answer": []}, ""),
        ({"Answer": [{"type": 1, "data": "evil.example"}]}, ""),
        ({"Answer": [{"type": 28, "data": "2606:4700::1"}]}, ""),
        ([], ""),
    ],
)
def test_an_address_or_none(reply: object, address: str) -> None:
    """An alias on the way is passed over; no answer is no address."""
    assert read_address(json.dumps(reply).encode()) == address


@given(st.binary())
def test_any_bytes_are_read(reply: bytes) -> None:
    """They come from the network."""
    read_address(reply)
