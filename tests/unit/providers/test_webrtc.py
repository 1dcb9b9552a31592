"""WebRTC's canceller behind our seam."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from patter_cli.errors import InputError, MissingExtra
from patter_cli.extras import install_command
from patter_cli.providers import webrtc
from tests.bench.echo_scene import Scene, erle_db, make, run

installed = pytest.mark.skipif(find_spec("livekit") is None, reason="needs the extra: pip install 'patter-cli[aec]'")


@installed
@pytest.mark.skipif(find_spec("moonshine_voice") is None, reason="needs recorded speech")
@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_it_takes_the_agents_voice_out(rate_hz: int) -> None:
    """At least 15 dB of it after two seconds."""
    call = make(Scene(rate_hz=rate_hz, agent="two_cities"))
    assert erle_db(call, run(webrtc.EchoCanceller(rate_hz), call)) >= 15.0


@installed
def test_frames_keep_their_shape_and_type() -> None:
    """Also those that are no multiple of 10 ms, and those without a reference that fits."""
    canceller = webrtc.EchoCanceller(8000)
    for count in (0, 1, 79, 80, 160, 161, 500):
        near = np.full(count, 100, np.int16)
        out = canceller.process(near, np.zeros(count, np.int16))
        assert out.dtype == np.int16
        assert out.shape == near.shape
    assert canceller.process(near, np.zeros(3, np.int16)) is near


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found when an agent is made ready, not in a call."""
    monkeypatch.setitem(sys.modules, "livekit", None)
    with pytest.raises(MissingExtra) as caught:
        webrtc.EchoCanceller(8000)
    assert caught.value.hint == install_command("aec")


def test_other_rates_are_refused() -> None:
    """A telephone line has 8 or 16 kHz."""
    with pytest.raises(InputError):
        webrtc.EchoCanceller(44100)
