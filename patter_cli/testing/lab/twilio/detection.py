"""Twilio's detection of machines: its words for what the lab's ear finds out, by the form a call was made with."""

from __future__ import annotations

from typing import Final

from patter_cli.testing.lab.call import LabCall
from patter_cli.testing.lab.people import TakenFor
from patter_cli.testing.lab.twilio.forms import Form
from patter_cli.testing.lab.verdict import GreetingEnd, Thresholds, greeting_end, who

_GREETING_ENDS: Final = {
    GreetingEnd.BEEP: "machine_end_beep",
    GreetingEnd.SILENCE: "machine_end_silence",
    GreetingEnd.UNKNOWN: "unknown",
}


async def find_who(call: LabCall, wanted: Form) -> tuple[str, int] | None:
    """AnsweredBy, and after how many ms that is known; None: the call ended before."""
    line = call.line
    if line is None:
        return None
    limits = Thresholds(
        speech_ms=wanted.number("MachineDetectionSpeechThreshold", 2400),
        speech_end_ms=wanted.number("MachineDetectionSpeechEndThreshold", 1200),
        silence_ms=wanted.number("MachineDetectionSilenceTimeout", 5000),
        give_up_ms=wanted.number("MachineDetectionTimeout", 30) * 1000,
    )

    def found() -> str:
        taken = who(line.sounds, line.now_ms, limits, call.person.taken_for)
        if taken is None:
            return ""
        if taken is not TakenFor.MACHINE:
            return taken.value
        if wanted.get("MachineDetection") == "Enable":
            return "machine_start"
        end = greeting_end(line.sounds, line.now_ms, limits)
        return "" if end is None else _GREETING_ENDS[end]

    return (found(), round(line.now_ms)) if await line.until(lambda: bool(found())) else None
