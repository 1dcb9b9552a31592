"""Keys that are pressed as sound."""

from __future__ import annotations

import numpy as np

from patter_cli.audio import tone
from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.testing.lab.keys import KeyEar


def keys_in(samples: Samples) -> str:
    ear = KeyEar()
    return "".join(ear.hear(samples[at : at + 160]) for at in range(0, len(samples), 160))


def test_every_key_is_heard_once() -> None:
    """Also one that is pressed twice, through mu-law and wherever the frames begin."""
    sound = decode_ulaw(encode_ulaw(tone.dtmf("0123456789*#ABCD11", 8000)))
    for offset in (0, 37, 111):
        assert keys_in(np.concatenate([np.zeros(offset, np.int16), sound])) == "0123456789*#ABCD11"


def test_other_tones_are_no_keys() -> None:
    """Beeps, ringing, music and noise."""
    for sound in (
        tone.beep(1000, 400, 8000),
        tone.ringback(3000, 8000),
        tone.busy(2000, 8000),
        tone.hold_music(4000, 8000),
        tone.white_noise(2000, 8000, seed=1, level_db=-12),
    ):
        assert keys_in(sound) == ""
