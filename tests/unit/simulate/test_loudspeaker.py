"""A recording is played to a sound card that only counts, and what sounds is told as it goes on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from patter_cli.errors import ConfigError, MissingExtra
from patter_cli.simulate.loudspeaker import play_aloud


class CardError(Exception):
    pass


class Card:
    """Takes samples from a thread of its own, faster than they sound."""

    heard = b""

    def __init__(self, *, nchannels: int, sample_rate: int, **rest: Any) -> None:
        self.channels = nchannels
        self.open = True

    def start(self, source: Generator[bytes, int, None]) -> None:
        def work() -> None:
            while self.open and len(Card.heard) < 100_000:
                Card.heard += source.send(160)

        threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        self.open = False


def library(backend: str = "Pulse", playbacks: tuple[str, ...] = ("card",)) -> Any:
    devices = SimpleNamespace(backend=backend, get_playbacks=lambda: playbacks)
    return SimpleNamespace(
        Devices=lambda: devices,
        PlaybackDevice=lambda output_format, **more: Card(**more),
        SampleFormat=SimpleNamespace(SIGNED16="s16"),
        MiniaudioError=CardError,
    )


def test_all_of_it_is_played_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last sample, then silence; the times that are told end with the recording's."""
    monkeypatch.setitem(sys.modules, "miniaudio", library())
    sides = np.arange(2 * 4000, dtype=np.int16).reshape(-1, 2)
    Card.heard = b""
    told: list[int] = []
    play_aloud(sides, 8000, told.append)
    assert Card.heard.startswith(sides.tobytes())
    assert not any(Card.heard[len(sides.tobytes()) :])
    assert told[-1] == 500


@pytest.mark.parametrize("there", [library(backend="Null"), library(playbacks=())])
def test_a_machine_without_a_loudspeaker(there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the library makes of it, it is said in a sentence."""
    monkeypatch.setitem(sys.modules, "miniaudio", there)
    with pytest.raises(ConfigError, match="no loudspeaker found"):
        play_aloud(np.zeros((10, 1), np.int16), 8000, lambda ms: None)


def test_a_card_that_somebody_else_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, and cannot be opened."""

    def refuse(**more: Any) -> None:
        raise CardError("busy")

    there = library()
    there.PlaybackDevice = refuse
    monkeypatch.setitem(sys.modules, "miniaudio", there)
    with pytest.raises(ConfigError, match="no loudspeaker found"):
        play_aloud(np.zeros((10, 1), np.int16), 8000, lambda ms: None)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """How to get it."""
    monkeypatch.setitem(sys.modules, "miniaudio", None)
    with pytest.raises(MissingExtra, match="playing it aloud needs miniaudio"):
        play_aloud(np.zeros((10, 1), np.int16), 8000, lambda ms: None)
