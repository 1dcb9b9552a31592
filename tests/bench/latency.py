"""What a caller waits for an answer: `python -m tests.bench.latency [-n 12]`.

Calls with n questions to the receptionist and her built-in ears and voice, in a process of its own: one with the
clauses of her voice made anew each time (cold), one in which she has said them all before (warm). Prints TTFA as the
caller measures it on the line, from the last voiced sample to the first agent frame that arrives; what the server
believes, and its parts; and where the two differ:

    caller:   last voiced 20 ms of what was said (30 dB below its loudest) ................ first frame arrives
    server:        end of the last window its detector took for voice ... first frame handed on
              |hear|                                                                       |wire|

`hear` is positive where the detector goes on hearing a voice after the caller's last loud 20 ms: the soft end of a
word, and windows of 32 ms of which a part was voiced. It is a part of what the caller waits, and the server cannot
know it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from patter_cli import wiring
from patter_cli.agent import HangUp
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.observe.metrics import LatencyFold, TurnLatency
from patter_cli.server.run import run
from patter_cli.simulate.caller import Fact, LineCaller
from patter_cli.simulate.playout import AgentStopped
from patter_cli.simulate.script import Play, ScriptStep, hold_conversation, line_voice
from tests.bench.receptionist import (
    Sentence,
    Served,
    line,
    mixed,
    receptionist,
    recorded,
    spoken,
    wall_ms_at_zero,
    wall_ms_now,
)

TARGET_MS = 700
PARTS = ("endpointing", "stt", "llm", "clause", "tts", "handover")


@dataclass(frozen=True, slots=True)
class Measured:
    """The server's own view of one answer; wall times in ms."""

    latency: TurnLatency
    voiced_until: float
    started: float
    hangover_ms: int
    """From the last voiced window to the decision that the voice has stopped."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One turn from both ends."""

    sentence: Sentence
    waited_ms: float
    hear_ms: float
    wire_ms: float
    server: Measured


def measured(entries: Sequence[Entry]) -> list[Measured]:
    """The turns of a journal."""
    zero, fold, found, ended = wall_ms_at_zero(entries), LatencyFold(), [], entries[0]
    for entry in entries:
        latency = fold.feed(entry)
        if latency is not None and isinstance(ended.event, fact.SpeechEnded):
            voiced_until = ended.event.at_ms
            assert latency.total_ms == entry.at - voiced_until, f"turn {latency.turn} does not add up"
            assert min(getattr(latency, f"{part}_ms") for part in PARTS) >= 0, f"turn {latency.turn} goes back in time"
            found.append(Measured(latency, zero + voiced_until, zero + entry.at, ended.at - voiced_until))
        if isinstance(entry.event, fact.SpeechEnded):
            ended = entry
    return found


async def converse(served: Served, turns: Sequence[Sentence], *, cold: bool) -> list[Answered]:
    """Hold one call; what was answered, from both ends."""

    def on_fact(what: Fact) -> None:
        if cold and isinstance(what, AgentStopped):
            served.forget()

    caller = LineCaller(served.url, TwilioLine(), on_fact=on_fact)
    steps: list[ScriptStep] = [*(Play(each.samples, name=each.title) for each in turns), HangUp()]
    done = await hold_conversation(caller, steps, line_voice(wiring.built_in_caller("jo")))
    zero = wall_ms_now(caller.now_ms)
    views = measured(await served.journal())
    found = []
    for sentence, step, answered_ms in zip(turns, done, caller.mouth.answered_ms, strict=False):
        if step.said is None or answered_ms is None:
            print(f"  not answered: {sentence.title} {step.note}")
            continue
        at = zero + answered_ms
        view = min(views, key=lambda each: abs(each.started - at))
        if abs(view.started - at) > 100:
            print(f"  no turn of the server's: {sentence.title}")
            continue
        waited_ms = answered_ms - step.said.last_voiced_ms
        hear_ms = view.voiced_until - zero - step.said.last_voiced_ms
        found.append(Answered(sentence, waited_ms, hear_ms, at - view.started, view))
    return found


def report(title: str, found: Sequence[Answered]) -> None:
    """Print a call's figures."""
    print(f"\n{title}")
    for each in found:
        parts = " ".join(f"{part} {getattr(each.server.latency, f'{part}_ms'):3}" for part in PARTS)
        print(
            f"  {each.waited_ms:5.0f} = hear {each.hear_ms:4.0f} + server {each.server.latency.total_ms:4} "
            f"({parts}) + wire {each.wire_ms:3.0f}   {each.sentence.title}"
        )
    for kind, some in (
        ("all", found),
        ("second voice", [each for each in found if not each.sentence.human]),
        ("recorded humans", [each for each in found if each.sentence.human]),
    ):
        print(line(f"TTFA, caller's side, {kind}", [each.waited_ms for each in some]))
    print(line("TTFA, server's side", [each.server.latency.total_ms for each in found]))
    middles = {part: median(getattr(each.server.latency, f"{part}_ms") for each in found) for part in PARTS}
    print("server's parts, medians: " + ", ".join(f"{part} {value:.0f}" for part, value in middles.items()))
    print("the parts add up to the server's total in every turn")
    print(line("caller's side minus server's: hear", [each.hear_ms for each in found]))
    print(line("caller's side minus server's: wire", [each.wire_ms for each in found]))
    print(line("voice stopped, known after", [each.server.hangover_ms for each in found]))
    middle = median(each.waited_ms for each in found)
    print(f"target: median at most {TARGET_MS} ms: {'met' if middle <= TARGET_MS else 'MISSED'}, {middle:.0f}")


async def _measure(count: int) -> None:
    turns = mixed(await spoken(), recorded(), count)
    with receptionist() as served:
        report(f"{count} turns, cold: her voice makes every clause anew", await converse(served, turns, cold=True))
        await converse(served, turns, cold=False)  # now she has said it all
        report(f"{count} turns, warm: she has said it all before", await converse(served, turns, cold=False))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=12, help="questions a call")
    run(_measure(parser.parse_args().n))


if __name__ == "__main__":
    main()
