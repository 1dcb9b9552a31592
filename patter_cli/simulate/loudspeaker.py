"""Play a recording aloud on this machine, and say as it goes on what sounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.errors import ConfigError
from patter_cli.simulate.microphone import miniaudio_library, quiet_stderr

LOOK_S = 0.05
TAIL_S = 0.3
"""What the card still has when all was given to it."""


def play_aloud(sides: Samples, rate_hz: int, on_ms: Callable[[int], None]) -> None:
    """Returns when it is over; Ctrl-C ends it earlier. sides: int16, shape (n, channels). on_ms: told again and again
    how far it has come.

    Raises MissingExtra without miniaudio, ConfigError where there is no loudspeaker.
    """
    miniaudio = miniaudio_library("playing it aloud")
    given = 0

    def samples() -> Generator[bytes, int, None]:
        nonlocal given
        wanted = yield b""
        while True:
            piece = sides[given : given + wanted]
            given += len(piece)
            silence = np.zeros((wanted - len(piece), sides.shape[1]), np.int16)
            wanted = yield np.concatenate([piece, silence]).tobytes()

    with ExitStack() as opened:
        with quiet_stderr():
            try:
                devices = miniaudio.Devices()
                if devices.backend == "Null" or not devices.get_playbacks():
                    raise _nothing_there()
                speaker = miniaudio.PlaybackDevice(
                    output_format=miniaudio.SampleFormat.SIGNED16, nchannels=sides.shape[1], sample_rate=rate_hz,
                    app_name="patter",
                )  # fmt: skip
                opened.callback(speaker.close)
                source = samples()
                next(source)
                speaker.start(source)
            except miniaudio.MiniaudioError as error:
                raise _nothing_there() from error
        while given < len(sides):
            on_ms(given * 1000 // rate_hz)
            time.sleep(LOOK_S)
        on_ms(len(sides) * 1000 // rate_hz)
        time.sleep(TAIL_S)


def _nothing_there() -> ConfigError:
    return ConfigError(
        "no loudspeaker found on this machine",
        hint="patter record get CALL -o call.wav, and play it elsewhere; on Linux, start PulseAudio or PipeWire",
    )
