"""The lab's vendors of speech by name."""

from __future__ import annotations

from patter_cli.testing.vendors.assemblyai import AssemblyAIVendor
from patter_cli.testing.vendors.cartesia import CartesiaHearingVendor, CartesiaSpeakingVendor
from patter_cli.testing.vendors.deepgram import DeepgramVendor
from patter_cli.testing.vendors.elevenlabs import ElevenLabsVendor
from patter_cli.testing.vendors.hearing import HearingVendor
from patter_cli.testing.vendors.lmnt import LMNTVendor
from patter_cli.testing.vendors.openai_speech import OpenAIHearingVendor, OpenAISpeakingVendor
from patter_cli.testing.vendors.rime import RimeVendor
from patter_cli.testing.vendors.soniox import SonioxVendor
from patter_cli.testing.vendors.speaking import SpeakingVendor
from patter_cli.testing.vendors.speechmatics import SpeechmaticsVendor

HEARING: dict[str, type[HearingVendor]] = {
    "assemblyai": AssemblyAIVendor,
    "cartesia-ears": CartesiaHearingVendor,
    "deepgram": DeepgramVendor,
    "openai-ears": OpenAIHearingVendor,
    "soniox": SonioxVendor,
    "speechmatics": SpeechmaticsVendor,
}
SPEAKING: dict[str, type[SpeakingVendor]] = {
    "cartesia-voice": CartesiaSpeakingVendor,
    "elevenlabs": ElevenLabsVendor,
    "lmnt": LMNTVendor,
    "openai-voice": OpenAISpeakingVendor,
    "rime": RimeVendor,
}
"""A vendor that does both has an address for each, so one of them can be had in a process."""
