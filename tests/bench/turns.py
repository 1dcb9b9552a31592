"""The conversation bench: who speaks when, over real calls: `python -m tests.bench.turns [--quick] [--json]`.

A server in a process of its own, with the built-in ears and voice, answers callers on the real wire, a few at a time.
The callers play the corpus (tests.bench.corpus), whose every sound is labelled to the sample, over lines of several
qualities. What is judged is what was heard: the recording of both sides, the carrier's playout as the line models it,
and the journal for who meant what. Item by item:

- a turn or a pause inside one: how long until the answer (TTFA as the caller has it); whether the agent was audible
  before the sentence was over (a cut-off);
- something over the agent that takes nothing (a backchannel, a noise, the agent's own echo): whether the agent lost
  the floor or words, or stopped for longer than HESITATION_MS (a false barge-in); a shorter hold is a hesitation;
- an interruption: how long from its onset until the ear had the last of the old reply; whether it was missed;
- and for every reply whose history was cut: how many words the history is off, against the audio the ear got, by the
  voice's own word times, and against a recogniser, which misreads the end of one cut clause in thirty by itself.

What fails is tried once more, alone, because a busy machine fails too: both figures are printed. `--only NAME` plays
the items whose name holds NAME alone, and `--keep DIR` leaves a stereo recording of every call.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np

from patter_cli import wiring
from patter_cli.audio.frame import FRAME_MS
from patter_cli.engine.hooks import IncomingMessage
from patter_cli.server.run import run
from patter_cli.simulate.script import line_voice
from tests.bench.calls import CANCELLING, PLAIN, SPEECHES, calls_of, hold, read_back
from tests.bench.corpus import LINES, Group, make
from tests.bench.receptionist import line
from tests.bench.verdicts import HESITATION_MS, LIMIT_MS, STOPPED_BEFORE, Cut, Historian, Verdict, judge, voiced_frames

AT_ONCE = 4
RETRIED = 30
"""Items that are tried once more at most: with more, it is not the machine that is busy."""


def _answer_with() -> Callable[[IncomingMessage], AsyncIterator[str]]:
    """The bench's agent: a speech when a key was pressed, else a short answer that its voice has never said before."""
    said = 0

    async def on_message(event: IncomingMessage) -> AsyncIterator[str]:
        nonlocal said
        said += 1
        key = re.search(r"\[DTMF: (\d)\]", event.text)
        if key:
            yield SPEECHES[int(key[1]) % len(SPEECHES)]
        else:
            yield f"Number {said} is on my list now, thank you very much."

    return on_message


async def _serve(keep: Path) -> None:
    """Serve until standard input closes."""
    from patter_cli.agent import Agent, TurnPolicy
    from patter_cli.engine.hooks import Hooks
    from patter_cli.server.service import ServiceSettings
    from patter_cli.stores.sqlite import SqliteStore

    hooks = Hooks(on_message=_answer_with())
    agents = {}
    for name, cancels in ((PLAIN, False), (CANCELLING, True)):
        agent = Agent("The bench.", turns=TurnPolicy(idle_ms=600_000), echo_cancellation=cancels)
        agents[name] = wiring.ready_agent(name, agent, hooks)
    service = wiring.service(agents, ServiceSettings(port=0, drain_timeout_s=1.0), store=SqliteStore(keep))
    await service.warm()
    _, voice = wiring.built_in_speech()
    say = line_voice(voice)
    for text in SPEECHES:
        await say(text)  # into the voice's cache
    await service.start()
    print(json.dumps({name: service.media_url(name) for name in agents}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await service.stop()


@contextmanager
def served(folder: Path) -> Iterator[dict[str, str]]:
    """Serve in a process of its own until the block ends; yields the agents' media sockets."""
    command = [sys.executable, "-m", "tests.bench.turns", "--serve", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(30)


def percent(part: int, whole: int) -> str:
    """A rate with its figures."""
    return f"{100 * part / whole:.1f} % ({part} of {whole})" if whole else "none"


def report(first: Sequence[Verdict], again: Sequence[Verdict], cuts: Sequence[Cut]) -> dict[str, object]:
    """Print the figures; returns them for --json."""
    second = {each.item.name: each for each in again}
    settled = [second.get(each.item.name, each) for each in first]
    figures: dict[str, object] = {}
    for group in Group:
        of_group = [each for each in first if each.item.group is group]
        if not of_group:
            continue
        alone = [each for each in settled if each.item.group is group]
        wrong, still = sum(bool(each.wrong) for each in of_group), sum(bool(each.wrong) for each in alone)
        print(f"{group.value}: wrong {percent(wrong, len(of_group))}, tried again alone {percent(still, len(alone))}")
        hesitations = sum(each.hesitation for each in of_group)
        if hesitations:
            print(f"  hesitations (a hold that resumed within {HESITATION_MS} ms): {hesitations}")
        for kind in sorted({each.item.kind for each in of_group}):
            some = [each for each in alone if each.item.kind == kind]
            count = sum(bool(each.wrong) for each in some)
            if count:
                print(f"  {kind}: {count} of {len(some)}")
        if group in (Group.TURN, Group.PAUSE):
            latencies = [each.latency_ms for each in alone if each.latency_ms is not None]
            print(line(f"  response latency, {group.value}", latencies))
            figures[f"{group.name.lower()}_latency_ms"] = _middles(latencies)
            begun = sum(bool(each.note) for each in alone)
            print(f"  an answer begun inside the sentence and taken back unheard: {begun}") if begun else None
        if group is Group.INTERRUPTION:
            for title, some in (("as run", of_group), ("slow ones alone", alone)):
                print(line(f"  onset to silence at the ear, {title}", _silences(some)))
            figures["ear_silence_ms"] = _middles(_silences(alone))
        figures[f"{group.name.lower()}_wrong"] = [still, len(alone)]
        figures[f"{group.name.lower()}_wrong_as_run"] = [wrong, len(of_group)]
        figures[f"{group.name.lower()}_hesitations"] = hesitations
    if cuts:
        for title, off in (
            ("the audio the ear got", [c.off_clock for c in cuts]),
            ("a recogniser of it", [c.off_ear for c in cuts]),
        ):
            near = sum(abs(each) <= 1 for each in off)
            exact = sum(each == 0 for each in off)
            print(
                f"words of a cut reply's history against {title}: {exact} of {len(off)} exact, {near} within one, "
                f"from {min(off):+} to {max(off):+}"
            )
        told = percent(sum(cut.exact for cut in cuts), len(cuts))
        print(f"words of a cut reply's history exact, give or take a frame of the line: {told}")
        places = [abs(cut.server_off_ms) for cut in cuts if not np.isnan(cut.server_off_ms)]
        print(line("the server's idea of where the ear was is off by", places))
        figures["history_off_by_clock"] = [cut.off_clock for cut in cuts]
        figures["history_off_by_ear"] = [cut.off_ear for cut in cuts]
    _targets(settled, cuts)
    return figures


def _targets(settled: Sequence[Verdict], cuts: Sequence[Cut]) -> None:
    def false_rate(*groups: Group) -> float:
        before = [each for each in settled if each.wrong == STOPPED_BEFORE]
        some = [each for each in settled if each.item.group in groups]
        return 100 * (len(before) + sum(bool(each.wrong) for each in some)) / max(1, len(before) + len(some))

    interrupted = [each for each in settled if each.item.group is Group.INTERRUPTION and each.wrong != STOPPED_BEFORE]
    missed_rate = 100 * sum(bool(each.wrong) for each in interrupted) / max(1, len(interrupted))
    cut_offs = [each for each in settled if each.item.group in (Group.TURN, Group.PAUSE)]
    cut_rate = 100 * sum(each.wrong.startswith("cut off") for each in cut_offs) / max(1, len(cut_offs))
    silences = _silences([each for each in settled if each.item.group is Group.INTERRUPTION])
    lines = [
        ("cut-offs", cut_rate, 3.0, "%"),
        ("false barge-ins", false_rate(Group.BACKCHANNEL, Group.NOISE, Group.ECHO), 2.0, "%"),
        ("false barge-ins, echo left aside", false_rate(Group.BACKCHANNEL, Group.NOISE), 2.0, "%"),
        ("missed barge-ins", missed_rate, 2.0, "%"),
        ("onset to silence, p95", float(np.percentile(silences, 95)) if silences else 0.0, float(LIMIT_MS), "ms"),
        ("histories a word off", 100 * sum(not cut.exact for cut in cuts) / max(1, len(cuts)), 0.0, "%"),
    ]
    for title, value, most, unit in lines:
        print(f"target {title}: {value:.1f} {unit}, at most {most:g} {unit}: {'met' if value <= most else 'MISSED'}")


def _silences(some: Sequence[Verdict]) -> list[float]:
    return [each.silence_ms for each in some if each.silence_ms is not None]


def _middles(values: Sequence[float]) -> list[float]:
    return [round(float(each)) for each in np.percentile(values, [50, 95])] if values else []


def worst(verdicts: Sequence[Verdict], cuts: Sequence[Cut]) -> None:
    """Print by name what went wrong, and what was slowest."""
    for each in verdicts:
        slow = each.silence_ms is not None and each.silence_ms > LIMIT_MS
        if each.wrong or slow or each.note:
            told = "; ".join(
                filter(None, (each.wrong, f"silent after {each.silence_ms:.0f} ms" if slow else "", each.note))
            )
            print(f"  {each.item.name}: {told}; heard as {each.words!r} in {each.call}")
    for each in sorted((v for v in verdicts if v.latency_ms), key=lambda v: -(v.latency_ms or 0))[:6]:
        print(f"  {each.item.name}: answered after {each.latency_ms:.0f} ms; heard as {each.words!r} in {each.call}")
    for cut in cuts:
        if not cut.exact or abs(cut.off_ear) > 1:
            print(
                f"  {cut.call}: history {cut.off_clock:+} by the clock, {cut.off_ear:+} by ear: ...{cut.history[-60:]}"
            )


def _suspect(each: Verdict) -> bool:
    slow = each.silence_ms is not None and each.silence_ms > LIMIT_MS
    return bool(each.wrong) or slow


async def _measure(options: argparse.Namespace) -> None:
    began = time.monotonic()
    items = await make(options.count, LINES if options.lines is None else options.lines.split(","))
    if options.only:
        items = [each for each in items if any(name in each.name for name in options.only.split("|"))]
    print(f"{len(items)} items, {options.at_once} calls at a time", file=sys.stderr)
    historian = Historian()
    speech_ms = [len(voiced_frames((await historian.clause(text))[0])) * FRAME_MS for text in SPEECHES]
    with tempfile.TemporaryDirectory() as temporary:
        place = options.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        with served(place) as urls:
            calls = calls_of(items, place)
            await hold(calls, urls, speech_ms, at_once=options.at_once)
            await read_back(calls, place)
            first = [verdict for call in calls for verdict in judge(call)]
            suspects = [each.item for each in first if _suspect(each)]
            print(f"{time.monotonic() - began:.0f} s; {len(suspects)} items once more, alone", file=sys.stderr)
            alone = calls_of(suspects[:RETRIED] if options.again else [], place, items_a_call=1)
            for call in alone:
                call.name += "-alone"
                call.recording = place / f"{call.name}.wav"
            await hold(alone, urls, speech_ms, at_once=1)
            await read_back(alone, place)
        again = [verdict for call in alone for verdict in judge(call)]
        cuts = [cut for call in calls for cut in await historian.cuts(call)]
        with redirect_stdout(sys.stderr if options.json else sys.stdout):
            figures = report(first, again, cuts)
            print("worst, as run:")
            worst(first, cuts)
            print("once more, alone:")
            worst(again, [])
            print(f"cut replies whose place was not found: {historian.lost}; took {time.monotonic() - began:.0f} s")
        if options.json:
            print(json.dumps(figures, indent=1))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", dest="count", action="store_const", const=8, default=42, help="8 items a class")
    parser.add_argument("-n", dest="count", type=int, help="items a class")
    parser.add_argument("--only", help="items whose name holds this, or one of these with | between")
    parser.add_argument("--lines", help="of the line's qualities, only these")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="calls at the same time")
    parser.add_argument("--once", dest="again", action="store_false", help="do not try again what failed")
    parser.add_argument("--keep", type=Path, help="leave recordings and journals here")
    parser.add_argument("--json", action="store_true", help="the figures as JSON, the words to standard error")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    run(_serve(options.serve) if options.serve else _measure(options))


if __name__ == "__main__":
    main()
