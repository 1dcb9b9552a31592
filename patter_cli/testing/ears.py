"""The scripted caller and what the call hears of them: speech edges, transcripts, keys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from patter_cli.core import events as fact
from patter_cli.core.events import Ms
from patter_cli.testing.world import Fault, World


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of the caller's voice. words: each with the time of its last letter."""

    start: Ms
    end: Ms
    words: tuple[tuple[Ms, str], ...]


class Ears:
    """A detector and a recogniser, as quick as Latency says."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._segment = 0
        self._segment_since: Ms = -1
        self.utterances: list[Utterance] = []
        self.keys: list[Ms] = []
        """When one was pressed."""

    def hear(self, text: str, start: Ms, length_ms: int) -> Utterance:
        """The caller says this, evenly over length_ms."""
        world, latency = self._world, self._world.latency
        words: list[tuple[Ms, str]] = []
        position = 0
        for word in text.split():
            position = text.index(word, position) + len(word)
            words.append((start + length_ms * position // len(text), word))
        utterance = Utterance(start, start + length_ms, tuple(words))
        self.utterances.append(utterance)
        if length_ms >= latency.onset_ms:
            world.at(start + latency.onset_ms, lambda: world.tell(fact.SpeechStarted(at_ms=start)))
            world.at(utterance.end + latency.hangover_ms, lambda: self._voice_ends(utterance))
        for when, _ in words:
            world.at(when + latency.partial_ms, self._partial)
        return utterance

    def press(self, keys: str, start: Ms, every_ms: int) -> None:
        for index, digit in enumerate(keys):
            self._world.at(start + index * every_ms, partial(self._press, digit))

    def _press(self, digit: str) -> None:
        self.keys.append(self._world.now)
        self._world.tell(fact.DtmfReceived(digit=digit))

    def _voice_ends(self, utterance: Utterance) -> None:
        if not any(each.start <= self._world.now and each.end > utterance.end for each in self.utterances):
            self._world.tell(fact.SpeechEnded(at_ms=utterance.end))

    def words(self, until: Ms) -> str:
        """What was said since the segment began."""
        said = sorted(each for utterance in self.utterances for each in utterance.words)
        return " ".join(word for when, word in said if self._segment_since < when <= until)

    def _partial(self) -> None:
        deaf = {Fault.EARS_HANG, Fault.EARS_LATE, Fault.EARS_EMPTY} & self._world.faults
        words = self.words(self._world.now - self._world.latency.partial_ms)
        if words and not deaf:
            self._world.tell(fact.TranscriptPartial(segment=self._segment, text=words))

    def finalize(self) -> None:
        """FinalizeTranscript: the words so far, for good."""
        world = self._world
        if Fault.EARS_HANG in world.faults:
            return
        text = "" if Fault.EARS_EMPTY in world.faults else self.words(world.now)
        late = 3000 if Fault.EARS_LATE in world.faults else 0
        world.after(world.latency.final_ms + late, fact.TranscriptFinal(segment=self._segment, text=text))

    def commit(self) -> None:
        """CommitTranscript: the next words are another segment's."""
        self._segment += 1
        self._segment_since = self._world.now
