"""The lab's vendors of speech by name."""

from __future__ import annotations

from patter_cli.testing.vendors.deepgram import DeepgramVendor
from patter_cli.testing.vendors.elevenlabs import ElevenLabsVendor
from patter_cli.testing.vendors.hearing import HearingVendor
from patter_cli.testing.vendors.speaking import SpeakingVendor

HEARING: dict[str, type[HearingVendor]] = {"deepgram": DeepgramVendor}
SPEAKING: dict[str, type[SpeakingVendor]] = {"elevenlabs": ElevenLabsVendor}
