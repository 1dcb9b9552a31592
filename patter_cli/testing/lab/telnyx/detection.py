"""Telnyx's answering-machine detection: which events a leg's setting brings, and when.

    disabled                                none
    detect                                  detection.ended
    detect_words, greeting_end              detection.ended; of a machine, greeting.ended
    detect_beep                             detection.ended; of a machine, greeting.ended if it beeps
    premium…                                premium.detection.started, .ended; of a machine, premium.greeting.ended

With `premium` a beep that comes before the verdict is told alone. Source: Telnyx docs, answering machine detection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from patter_cli.testing.lab.line import Line
from patter_cli.testing.lab.people import TakenFor
from patter_cli.testing.lab.verdict import GreetingEnd, Sort, Thresholds, greeting_end, who

THRESHOLDS: Final = Thresholds(speech_ms=3500, speech_end_ms=1000, silence_ms=3500, give_up_ms=30_000)
"""Source: telnyx-python, the defaults of answering_machine_detection_config, rounded."""

_PREMIUM: Final = {
    TakenFor.HUMAN: "human_residence",
    TakenFor.MACHINE: "machine",
    TakenFor.FAX: "fax_detected",
    TakenFor.UNKNOWN: "not_sure",
}
_PLAIN: Final = {
    TakenFor.HUMAN: "human",
    TakenFor.MACHINE: "machine",
    TakenFor.FAX: "machine",
    TakenFor.UNKNOWN: "not_sure",
}
_PREMIUM_ENDS: Final = {
    GreetingEnd.BEEP: "beep_detected",
    GreetingEnd.SILENCE: "no_beep_detected",
    GreetingEnd.UNKNOWN: "no_beep_detected",
}
_PLAIN_ENDS: Final = {
    GreetingEnd.BEEP: "beep_detected",
    GreetingEnd.SILENCE: "ended",
    GreetingEnd.UNKNOWN: "not_sure",
}


async def detect(
    mode: str, line: Line, taken_for: TakenFor | None, tell: Callable[[str, dict[str, str]], None]
) -> None:
    """Listen to whoever picked up, and tell (an event's kind, what its payload adds). mode: as the dial asked for it.

    taken_for: what the verdict will be, right or wrong; None: it goes by what is heard. Returns when all is told.
    """
    if mode == "disabled":
        return
    premium = mode.startswith("premium")
    prefix = "call.machine.premium" if premium else "call.machine"
    if premium:
        tell(f"{prefix}.detection.started", {})
    found: list[TakenFor] = []

    def decided() -> bool:
        verdict = who(line.sounds, line.now_ms, THRESHOLDS, taken_for)
        found[:] = [verdict] if verdict is not None else []
        return bool(found)

    if not await line.until(decided):
        return
    beeped = any(each.sort is Sort.BEEP and each.end_ms <= line.now_ms for each in line.sounds)
    if premium and beeped:
        tell(f"{prefix}.greeting.ended", {"result": "beep_detected"})
        return
    result = (_PREMIUM if premium else _PLAIN)[found[0]]
    if premium and found[0] is TakenFor.UNKNOWN and not line.sounds:
        result = "silence"
    tell(f"{prefix}.detection.ended", {"result": result})
    if found[0] is TakenFor.MACHINE and mode != "detect":
        await _await_greeting_end(mode, line, prefix, premium, tell)


async def _await_greeting_end(
    mode: str, line: Line, prefix: str, premium: bool, tell: Callable[[str, dict[str, str]], None]
) -> None:
    ended: list[GreetingEnd] = []

    def over() -> bool:
        end = greeting_end(line.sounds, line.now_ms, THRESHOLDS)
        ended[:] = [end] if end is not None else []
        return bool(ended)

    if not await line.until(over):
        return
    if mode == "detect_beep" and ended[0] is not GreetingEnd.BEEP:
        return
    tell(f"{prefix}.greeting.ended", {"result": (_PREMIUM_ENDS if premium else _PLAIN_ENDS)[ended[0]]})
