"""What became of the corpus in the calls of tests.bench.turns, judged by what was heard; and whether history agrees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

import numpy as np

from patter_cli import wiring
from patter_cli.audio.frame import FRAME_MS, Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.resample import resample_all
from patter_cli.contracts.tts import whole_clause
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.journal import Entry
from patter_cli.core.playback import heard_prefix
from patter_cli.simulate.caller import RATE_HZ
from patter_cli.simulate.overheard import overhear
from patter_cli.simulate.playout import VOICED_PEAK
from patter_cli.text.compare import normalised_words, word_errors
from tests.bench.barge_in import ALLOWED_MS, THRESHOLD_MS
from tests.bench.calls import GAP_MS, Call, Happened
from tests.bench.corpus import Group, Item
from tests.bench.receptionist import wall_ms_at_zero

Spans: TypeAlias = list[tuple[int, int]]
"""(start, end) of each word, ms."""

HESITATION_MS = 700
"""A hold that ends sooner is heard as a hesitation, a longer one as somebody who has lost the thread."""
STOPPED_BEFORE = "stopped before"
"""What is wrong where the line's noise had taken the floor already: a false barge-in, and nothing left to interrupt."""
AT_ONSET_MS = 400
"""The agent was speaking if it was heard so shortly before; longer pauses it does not make."""
LIMIT_MS = THRESHOLD_MS + ALLOWED_MS
"""From the onset of an interruption to silence at the ear."""


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What became of an item."""

    item: Item
    call: str
    wrong: str = ""
    """In words; empty if nothing is."""
    hesitation: bool = False
    latency_ms: float | None = None
    silence_ms: float | None = None
    """From the onset of an interruption to the last agent audio at the ear."""
    note: str = ""
    words: str = ""
    """What was recognised."""


def judge(call: Call) -> list[Verdict]:
    """Judge a call's items."""
    offset = wall_ms_at_zero(call.entries) - call.zero
    voiced = voiced_frames(call.agent)
    found = []
    for each in call.happened:
        window = [entry for entry in call.entries if each.start_ms <= entry.at + offset <= each.until_ms]
        verdict = Verdict(item=each.item, call=call.name, words=_words(window))
        if each.item.group in (Group.TURN, Group.PAUSE):
            _judge_turn(verdict, each, voiced, window, offset)
        elif each.item.group is Group.INTERRUPTION:
            _judge_interruption(verdict, each, voiced, call.cleared_ms, window)
        else:
            _judge_nothing(verdict, window)
        found.append(verdict)
    return found


def voiced_frames(agent: Samples) -> np.ndarray:
    """Call times, ms, of the 20 ms frames in which the agent is heard."""
    frames = agent[: len(agent) // 160 * 160].reshape(-1, 160)
    return np.flatnonzero(np.abs(frames.astype(np.int32)).max(axis=1, initial=0) >= VOICED_PEAK) * FRAME_MS


def _words(window: Sequence[Entry]) -> str:
    finals = [each.event.text for each in window if isinstance(each.event, fact.TranscriptFinal)]
    return " | ".join(finals)


def _judge_turn(verdict: Verdict, each: Happened, voiced: np.ndarray, window: Sequence[Entry], offset: float) -> None:
    inside = voiced[(voiced > each.first_ms) & (voiced < each.last_ms - GAP_MS)]
    starts = [
        entry
        for entry in window
        if any(isinstance(c, (order.StartResponse, order.AdoptResponse)) for c in entry.commands)
    ]
    if len(inside):
        verdict.wrong = f"cut off {each.last_ms - inside[0]:.0f} ms before its end"
    elif each.answered_ms is None:
        verdict.wrong = "not answered"
    else:
        verdict.latency_ms = each.answered_ms - each.last_ms
    if any(entry.at + offset < each.last_ms for entry in starts):
        verdict.note = "an answer was begun inside it"


def _judge_nothing(verdict: Verdict, window: Sequence[Entry]) -> None:
    paused: int | None = None
    for entry in window:
        for each in entry.commands:
            match each:
                case order.PausePlayback():
                    paused = entry.at
                case order.ResumePlayback():
                    verdict.hesitation = True
                    if paused is not None and entry.at - paused > HESITATION_MS:
                        verdict.wrong = f"silent for {entry.at - paused} ms"
                case order.ClearPlayback():
                    verdict.wrong = "took the floor"
                case order.StartResponse() | order.AdoptResponse() if not verdict.wrong:
                    verdict.wrong = "was answered"
                case _:
                    pass
    if verdict.wrong:
        verdict.hesitation = False


def _judge_interruption(
    verdict: Verdict, each: Happened, voiced: np.ndarray, cleared_ms: Sequence[float], window: Sequence[Entry]
) -> None:
    ordered = [command for entry in window for command in entry.commands]
    at_onset = (voiced >= each.first_ms - AT_ONSET_MS) & (voiced <= each.first_ms + THRESHOLD_MS)
    if not at_onset.any():
        verdict.wrong = STOPPED_BEFORE
        return
    cleared = next((at for at in cleared_ms if at >= each.first_ms), None)
    if cleared is None or cleared > each.until_ms:
        verdict.wrong = "missed: the agent went on"
        return
    old = voiced[(voiced >= each.first_ms) & (voiced <= cleared)]
    verdict.silence_ms = float(old[-1]) + FRAME_MS - each.first_ms if len(old) else 0.0
    if verdict.silence_ms > THRESHOLD_MS + HESITATION_MS:
        verdict.wrong = f"missed: the agent went on for {verdict.silence_ms:.0f} ms"
    elif not any(isinstance(command, order.ClearPlayback) for command in ordered):
        verdict.wrong = "missed: the agent resumed"
    elif any(isinstance(command, order.ResumePlayback) for command in ordered):
        verdict.note = "resumed, then stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A reply that was cut short: its words in the history, and those the ear got."""

    call: str
    history: str
    by_clock: str
    """By how much of the last clause's audio the ear got, and the times of the words in it."""
    at_least: int
    at_most: int
    """How many words it would be a frame earlier, and a frame later: what the line itself leaves open."""
    by_ear: int
    """How many words a recogniser finds in that audio."""
    server_off_ms: float
    """The server's idea of how far the ear was, minus the truth."""

    @property
    def words(self) -> int:
        return len(normalised_words(self.history))

    @property
    def off_clock(self) -> int:
        return self.words - len(normalised_words(self.by_clock))

    @property
    def exact(self) -> bool:
        """To the word, as far as a frame of 20 ms can tell."""
        return self.at_least <= self.words <= self.at_most

    @property
    def off_ear(self) -> int:
        return self.words - self.by_ear


class Historian:
    """Compares histories with what was heard. Knows the clauses' audio, which is the same in every process."""

    def __init__(self) -> None:
        self._ears, self._voice = wiring.built_in_speech()
        self._clauses: dict[str, tuple[Samples, Spans]] = {}
        self.lost = 0
        """Cuts whose place could not be found."""

    async def clause(self, text: str) -> tuple[Samples, Spans]:
        """A clause as the line plays it, and when each of its words is said."""
        if text not in self._clauses:
            session = await self._voice.open()
            samples, times = await whole_clause(session, text)
            await session.aclose()
            audio = decode_ulaw(encode_ulaw(resample_all(samples, self._voice.rate_hz, RATE_HZ)))
            self._clauses[text] = audio, list(zip(times.starts_ms, times.ends_ms, strict=True))
        return self._clauses[text]

    async def cuts(self, call: Call) -> list[Cut]:
        """Every reply of the call that lost the floor after something of it was heard."""
        offset = wall_ms_at_zero(call.entries) - call.zero
        clauses: dict[int, list[str]] = defaultdict(list)
        stops: dict[int, tuple[int, int, float]] = {}
        audible = 0
        found = []
        for entry in call.entries:
            if isinstance(entry.event, fact.PlayoutStarted):
                audible = entry.event.response_id
            if isinstance(entry.event, fact.PlaybackStopped):
                stops[entry.event.response_id] = entry.event.clause, entry.event.played_ms, entry.at + offset
            for each in entry.commands:
                if isinstance(each, order.Speak):
                    clauses[each.response_id].append(each.text)
                elif _cut_short(each) and audible in stops:
                    cut = await self._cut(call, each.text, clauses[audible], stops[audible])
                    found += [cut] if cut else []
                    self.lost += cut is None
        return found

    async def _cut(self, call: Call, history: str, clauses: Sequence[str], stop: tuple[int, int, float]) -> Cut | None:
        clause, server_ms, at_ms = stop
        # The clear arrives within a frame or two, and the frame on its way is heard to its end.
        end = next((at for at in call.cleared_ms if at >= at_ms - FRAME_MS), at_ms)
        until = int((end // FRAME_MS + 1) * FRAME_MS) * 8
        for back in range(0, 10 * 160, 160):
            snippet = call.agent[until - back - 320 : until - back]
            if len(snippet) < 320 or np.abs(snippet).max() < VOICED_PEAK:
                continue
            for number in (clause, clause - 1, clause + 1):
                if not 0 <= number < len(clauses):
                    continue
                audio, _ = await self.clause(clauses[number])
                place = audio.tobytes().find(snippet.tobytes())
                if place >= 0:
                    heard = place // 2 + 320 + back
                    return await self._measured(call, history, clauses, number, heard, server_ms, clause)
        return None

    async def _measured(
        self, call: Call, history: str, clauses: Sequence[str], number: int, heard: int, server_ms: int, clause: int
    ) -> Cut:
        (audio, spans), before = await self.clause(clauses[number]), list(clauses[:number])
        true_ms = min(heard, len(audio)) / 8
        earlier, part, later = (
            heard_prefix(clauses[number], int(true_ms) + off, len(audio) // 8, spans)
            for off in (-FRAME_MS, 0, FRAME_MS)
        )
        whole = len(normalised_words(" ".join(before)))
        (overheard,) = await overhear(self._ears, audio[:heard], 8000, [(0, int(true_ms))])
        wanted, got = normalised_words(clauses[number]), normalised_words(overheard.text)
        words = min(range(len(wanted) + 1), key=lambda count: word_errors(wanted[:count], got))
        return Cut(
            call=call.name,
            history=history,
            by_clock=" ".join([*before, part]),
            at_least=whole + len(normalised_words(earlier)),
            at_most=whole + len(normalised_words(later)),
            by_ear=whole + words,
            server_off_ms=server_ms - true_ms if number == clause else float("nan"),
        )


def _cut_short(command: order.Command) -> TypeGuard[order.ReportTranscript]:
    return isinstance(command, order.ReportTranscript) and command.role == "assistant" and command.interrupted
