"""How well the built-in ears hear answers of one to three words: `python -m tests.bench.short_answers [--every 3]`.

Two hundred answers (tests/data/short_answers.txt) in three timbres, and, where Debian's asterisk-core-sounds-en and
-wav are installed, those of its recorded prompts that are among the answers every agent is offered. All go down four
lines, without echo, and are cut out by the real voice detector as a call cuts them. What the detector misses counts
as unheard. Two columns: what the model writes by itself, and with the answers on offer. Below, sentences of two to
six words that are on no list, which must not be turned into answers.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import resample_all
from patter_cli.audio.vad import VoiceDetector, VoiceEdge, VoiceStarted
from patter_cli.audio.wav import read_wav
from patter_cli.engine.listen import PRE_ROLL_MS
from patter_cli.providers import joe, moonshine, silero
from patter_cli.providers.moonshine_model import Model, Offer
from patter_cli.providers.short_answers import offered
from patter_cli.simulate.line import QUALITIES
from patter_cli.text.compare import normalised_words, word_errors
from tests.bench.onsets import play, score
from tests.bench.stt import CALLERS, PROMPTS, prompts

ANSWERS = tuple(Path(__file__).parent.parent.joinpath("data/short_answers.txt").read_text().splitlines())
NAMES = ANSWERS[140:160]
"""Of people and places: an agent's own, which it gives as key terms."""
TIMBRES = (1.0, 1.12, 1.22)
OTHERS = (
    "It hurts.", "My tooth broke.", "The blue folder.", "Send it again.", "I lost it.", "Two of them fell.",
    "He is my father.", "That was last year.", "Near the station.", "I already paid.", "The wrong size.",
    "My mother's name.", "Under the desk.", "We met before.", "A new contract.", "It is raining.", "The left knee.",
    "Call my husband.", "Press the button.", "It never came.",
    *(each for each in CALLERS if len(each.split()) <= 6),
)  # fmt: skip
LONGEST_S = 2.0


@dataclass(frozen=True, slots=True)
class Utterance:
    """One answer as the recogniser gets it. sound: 16 kHz; None: the voice detector did not find it."""

    text: str
    human: bool
    line: str
    sound: Samples | None


async def spoken(texts: Sequence[str], pitch: float) -> list[tuple[str, Samples]]:
    """Texts in the built-in voice, at 8 kHz."""
    voice = await joe.TextToSpeech(pitch=pitch).open()
    out = []
    for text in texts:
        pieces = [each async for each in voice.synthesize(text) if isinstance(each, np.ndarray)]
        out.append((text, resample_all(np.concatenate(pieces), joe.RATE_HZ, 8000)))
    return out


def recorded() -> list[tuple[str, Samples]]:
    """Telephone prompts by a human voice that are answers too."""
    answers = {" ".join(normalised_words(each)) for each in offered(())}
    out = []
    for name, text in prompts().items():
        if " ".join(normalised_words(text)) in answers:
            samples, rate_hz = read_wav(PROMPTS / f"{name}.wav")
            out.append((text, resample_all(samples, rate_hz, 8000)))
    return [each for each in out if len(each[1]) < LONGEST_S * 8000]


def heard_on(line: str, sounds: Sequence[tuple[str, Samples]], *, human: bool) -> Iterator[Utterance]:
    """What reaches the recogniser of each, on a line of this name."""
    model = silero.VoiceModel()
    for first in range(0, len(sounds), 40):
        group = sounds[first : first + 40]
        call = play([sound for _, sound in group], line, replace(QUALITIES[line], echo_db=None), 1.5, first)
        audio = np.concatenate([np.rint(window.samples * 32768).astype(np.int16) for window, _ in call.windows])
        detector, edges = VoiceDetector(), list[tuple[VoiceEdge, int]]()
        for (window, _), probability in zip(call.windows, score([call], model)[0], strict=True):
            detector.windows(np.rint(window.samples * 32768).astype(np.int16))
            edge = detector.decide(probability, window.end_ms)
            if edge is not None:
                edges.append((edge, window.end_ms))
        for (text, _), (begin, end) in zip(group, call.words, strict=True):
            starts = [e.onset_ms for e, _ in edges if isinstance(e, VoiceStarted) and begin - 300 <= e.onset_ms <= end]
            stops = [at for e, at in edges if not isinstance(e, VoiceStarted) and begin <= at <= end + 900]
            if not starts:
                yield Utterance(text, human, line, None)
                continue
            cut = audio[max(0, starts[0] - PRE_ROLL_MS) * 8 : (max(stops) if stops else int(end) + 300) * 8]
            yield Utterance(text, human, line, resample_all(cut, 8000, moonshine.RATE_HZ))


def errors(utterances: Sequence[Utterance], model: Model, offer: Offer | None) -> tuple[int, int, int]:
    """(words wrong, words said, utterances exact)."""
    wrong = said = exact = 0
    transcribe: moonshine.Transcribe = partial(model.transcribe, offer=offer)
    for each in utterances:
        text = "" if each.sound is None else moonshine._text(transcribe, each.sound, lambda: False)
        wanted = normalised_words(each.text)
        missed = word_errors(wanted, normalised_words(text))
        wrong, said, exact = wrong + missed, said + len(wanted), exact + (missed == 0)
    return wrong, said, exact


async def collect(every: int) -> list[Utterance]:
    """All utterances, of the spoken ones each `every`th."""
    out: list[Utterance] = []
    people = recorded()
    for number, pitch in enumerate(TIMBRES):
        sounds = await spoken(ANSWERS[number % every :: every], pitch)
        for line in QUALITIES:
            out += heard_on(line, sounds, human=False)
            if not number:
                out += heard_on(line, people, human=True)
    return out


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="only each so many of the answers in each timbre")
    every = parser.parse_args().every
    utterances = asyncio.run(collect(every))
    model = Model()
    offer = model.offer(offered(NAMES))

    def show(title: str, chosen: Callable[[Utterance], bool], of: Sequence[Utterance]) -> None:
        some = [each for each in of if chosen(each)]
        if not some:
            print(f"{title:24} not installed")
            return
        alone, with_offer = errors(some, model, None), errors(some, model, offer)
        print(
            f"{title:24} {len(some):5} {100 * alone[0] / alone[1]:8.1f} % {100 * with_offer[0] / with_offer[1]:8.1f} %"
            f"   exact {alone[2]:4} -> {with_offer[2]}"
        )

    print(f"{'word errors':24} {'':5} {'alone':>10} {'offered':>10}")
    for line in QUALITIES:
        show(f"built-in voice, {line}", lambda each, line=line: not each.human and each.line == line, utterances)  # type: ignore[misc]
    for line in QUALITIES:
        show(f"human, {line}", lambda each, line=line: each.human and each.line == line, utterances)  # type: ignore[misc]
    show("all", lambda each: True, utterances)
    others = asyncio.run(spoken(OTHERS, TIMBRES[0]))
    elsewhere = [each for line in QUALITIES for each in heard_on(line, others, human=False)]
    show("on no list", lambda each: True, elsewhere)


if __name__ == "__main__":
    main()
