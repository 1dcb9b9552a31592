"""How well and how fast the built-in ears and voice are, at telephone quality: `python -m tests.bench.stt`.

Everything is heard through 8 kHz mu-law. Humans: the readings inside the moonshine-voice package, and, where Debian's
asterisk-core-sounds-en and -wav are installed, every telephone prompt, the short ones apart. Joe: sentences of an
agent and of callers, spoken, sent down the line and recognised again, for some timbres. Differences of spelling
("checkup", "canceled") and printed prompts that differ from the recording count as errors: upper bounds.

Never take a sentence out because it goes wrong: the lists are what the figures are about.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.resample import resample_all
from patter_cli.audio.wav import read_wav
from patter_cli.contracts.stt import Final
from patter_cli.contracts.tts import WordTimes
from patter_cli.providers import joe, moonshine
from patter_cli.providers.inference import asset
from patter_cli.text.compare import normalised_words, word_errors

READINGS = {
    "beckett": "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better.",
    "two_cities": (
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
        "foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of light, it was "
        "the season of darkness, it was the spring of hope, it was the winter of despair, we had everything before us, "
        "we had nothing before us, we were all going direct to heaven, we were all going direct the other way. In "
        "short, the period was so far like the present period that some of its noisiest authorities insisted on its "
        "being received, for good or for evil, in the superlative degree of comparison only."
    ),
}

PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
PROMPT_TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")

AGENT = (
    "We are open Monday to Friday from nine until half past five today.",
    "Thank you for calling Riverside Dental, how can I help you?",
    "I have booked you in for Tuesday, the third of May, at nine thirty in the morning.",
    "Your total comes to sixty dollars with the discount.",
    "Could you tell me your date of birth?",
    "Sorry, I didn't catch that. Could you say it again?",
    "A check-up is sixty dollars and takes about half an hour.",
    "We are at twelve Mill Street, next to the post office.",
    "Please bring your insurance card and arrive ten minutes early.",
    "Would you like me to put you through to a colleague?",
    "The dentist can see you on Thursday afternoon or on Friday morning.",
    "I am going to transfer you to our front desk now.",
    "There is free parking behind the building if you come by car.",
    "Your appointment has been cancelled and you will not be charged.",
    "Let me check whether we still have something free this week.",
    "What is the best number to reach you on?",
    "If you have any pain, please call us at once and we will find a place for you.",
    "Our weekend emergency line is open around the clock.",
)
FIGURES = (
    "We are open Monday to Friday from nine until five thirty today.",
    "I have booked you in for Tuesday, the third of May, at 9:30 am.",
    "Your total comes to $60, or £12.50 with the discount.",
    "Please call us back on 555-019-8824.",
    "Dr. Smith is away until Nov 21, but Dr. Lee can see you sooner.",
    "The FBI and NASA are not in this building; it's Plan A or nothing.",
    "We are at 12 Mill Street, next to the post office.",
    "Mr. Kowalczyk's prescription is ready for collection.",
    "Yes. Goodbye!",
)
CALLERS = (
    "What are your opening hours?",
    "I would like to book an appointment for next Tuesday.",
    "How much does a check-up cost?",
    "Can I speak to a human, please?",
    "My name is John Carter and my number is five five five, zero one nine eight.",
    "I need to cancel my appointment on Friday.",
    "Do you take new patients?",
    "Is there parking near the office?",
    "I have a terrible toothache, can I come in today?",
    "Could you repeat that, please?",
    "Yes, that works for me.",
    "No, the afternoon would be better.",
    "I'm calling about the invoice you sent me.",
    "What was the address again?",
    "Thank you very much, goodbye.",
)
TIMBRES = (1.0, 1.08, 1.12, 1.15, 1.2, 1.25)


@dataclass(slots=True)
class Tally:
    """Errors and times over some utterances."""

    words: int = 0
    errors: int = 0
    exact: int = 0
    times_ms: list[float] = field(default_factory=list)
    paces: list[float] = field(default_factory=list)
    """Time taken for a second of sound."""

    def add(self, said: str, heard: str, took_s: float, sound_s: float) -> None:
        """Count one utterance."""
        wanted = normalised_words(said)
        wrong = word_errors(wanted, normalised_words(heard))
        self.words += len(wanted)
        self.errors += wrong
        self.exact += wrong == 0
        self.times_ms.append(took_s * 1000)
        self.paces.append(took_s / sound_s)

    def __str__(self) -> str:
        """One line."""
        accuracy = f"WER {100 * self.errors / self.words:.1f} % of {self.words} words, {self.exact} exact"
        speed = f"{median(self.times_ms):.0f} ms an utterance (slowest {max(self.times_ms):.0f})"
        return f"{accuracy} of {len(self.times_ms)}; {speed}, RTF {median(self.paces):.3f}"


def main() -> None:
    """Print the table."""
    asyncio.run(_measure())


async def _measure() -> None:
    started = perf_counter()
    await moonshine.SpeechToText().warm()
    print(f"ears ready in {perf_counter() - started:.2f} s")
    started = perf_counter()
    await joe.TextToSpeech().warm()
    print(f"voice ready in {perf_counter() - started:.2f} s")
    for name, text in READINGS.items():
        samples, rate_hz = read_wav(asset("moonshine_voice", f"assets/{name}.wav"))
        for title, sound in (("wide", resample_all(samples, rate_hz, 16000)), ("phone", telephone(samples, rate_hz))):
            tally = Tally()
            for _ in range(3):
                await _recognise(tally, text, sound)
            print(f"{name}, {title}: {tally}")
    long, short = Tally(), Tally()
    for name, text in prompts().items():
        samples, rate_hz = read_wav(PROMPTS / f"{name}.wav")
        await _recognise(short if len(text.split()) < 4 else long, text, telephone(samples, rate_hz))
    for title, tally in (("four words or more", long), ("one to three words", short)):
        print(f"Allison's prompts, {title}: {tally if tally.words else 'not installed'}")
    for pitch in TIMBRES:
        for title, sentences in (("agent", AGENT), ("figures and names", FIGURES), ("callers", CALLERS)):
            await _round_trip(f"Joe at pitch {pitch:.2f}, {title}", pitch, sentences)


async def _round_trip(title: str, pitch: float, sentences: tuple[str, ...]) -> None:
    voice = await joe.TextToSpeech(pitch=pitch).open()
    joe.clear_cache()
    tally, firsts_ms, paces = Tally(), [], []
    for text in sentences:
        started = perf_counter()
        pieces: list[Samples] = []
        async for piece in voice.synthesize(text):
            if isinstance(piece, WordTimes):
                continue
            if not pieces:
                firsts_ms.append((perf_counter() - started) * 1000)
            pieces.append(piece)
        took_s, spoken = perf_counter() - started, np.concatenate(pieces)
        paces.append(took_s * joe.RATE_HZ / spoken.size)
        await _recognise(tally, text, telephone(spoken, joe.RATE_HZ))
    print(f"{title}: {tally}")
    print(f"  first sound {median(firsts_ms):.0f} ms (slowest {max(firsts_ms):.0f}), voice RTF {median(paces):.3f}")


async def _recognise(tally: Tally, said: str, sound: Samples) -> None:
    """From the last sample to the Final, with nothing read ahead: the slowest it can be."""
    session = await moonshine.SpeechToText().open()
    started = perf_counter()
    session.push(sound)
    session.finalize()
    async for result in session.results():
        if isinstance(result, Final):
            tally.add(said, result.text, perf_counter() - started, sound.size / moonshine.RATE_HZ)
            await session.aclose()


def telephone(samples: Samples, rate_hz: int) -> Samples:
    """What is left of a sound after 8 kHz mu-law, at the ears' rate."""
    line = decode_ulaw(encode_ulaw(resample_all(samples, rate_hz, 8000)))
    return resample_all(line, 8000, moonshine.RATE_HZ)


def prompts() -> dict[str, str]:
    """Asterisk's prompts that are speech, file name -> text; none if not installed."""
    found: dict[str, str] = {}
    if not PROMPT_TEXTS.exists():
        return found
    for line in gzip.decompress(PROMPT_TEXTS.read_bytes()).decode("utf-8", "replace").splitlines():
        name, _, text = line.partition(": ")
        speech = not re.search(r"[\[\]();]", line)
        if speech and normalised_words(text) and (PROMPTS / f"{name}.wav").exists():
            found[name] = text
    return found


if __name__ == "__main__":
    main()
