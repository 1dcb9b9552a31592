"""What callers do on the telephone, labelled to the sample: the corpus of tests.bench.turns.

All of it is made here, the same on every run: the two local voices at several timbres and paces, human recordings out
of packages (Moonshine's reading, Debian's asterisk-core-sounds-en-wav where it is installed), and noise that is
synthesised. A pause inside a sentence is made of two halves with silence between them, so its place is known exactly;
a voice's halves end as the words ask for, without the fall of a last word where there is no full stop.

Never take an item out because it goes wrong: the lists are what the figures are about.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

import numpy as np

from patter_cli.audio.frame import FRAME_MS, FloatSamples, Samples
from patter_cli.audio.resample import resample_all
from patter_cli.audio.wav import read_wav
from patter_cli.providers.inference import asset
from patter_cli.providers.joe import TextToSpeech
from patter_cli.simulate.mouth import voiced_span
from patter_cli.simulate.script import line_voice
from tests.bench.noises import babble, breath, cough, hum, keyboard, ring, slam, throat
from tests.bench.stt import PROMPTS, prompts

RATE_HZ = 8000

Kind = TypeVar("Kind")


class Group(Enum):
    """The classes of the corpus."""

    TURN = "clean turns"
    PAUSE = "pauses inside a sentence"
    BACKCHANNEL = "backchannels over the agent"
    NOISE = "noises over the agent"
    ECHO = "the agent's own echo, cancelled"
    BARE_ECHO = "the agent's own echo, not cancelled"
    INTERRUPTION = "real interruptions"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """Something that happens on the caller's side."""

    name: str
    """Unique, and says what it is: group, kind, words, line."""
    group: Group
    kind: str
    sound: Samples
    """int16, 8 kHz, begins and ends with the sound itself but for what a recording brings."""
    text: str = ""
    after_ms: int = 0
    """How much of the agent's answer is heard before it, where it comes over the agent."""
    line: str = "clean"
    """The quality of the line."""
    echo_delay_ms: int = 0
    echo_db: float = 0.0
    """Of the agent's voice in the caller's microphone; 0: none."""
    cancelled: bool = False
    """The agent that answers cancels echo."""


@dataclass(frozen=True, slots=True)
class Timbre:
    """One of our callers: the local voice's settings, and how loud they are on the line."""

    name: str
    pitch: float
    length_scale: float
    gain_db: float


TIMBRES = (
    Timbre("jo", 1.12, 1.0, 0.0),
    Timbre("joe", 1.0, 1.0, -4.0),
    Timbre("high", 1.2, 0.9, -2.0),
    Timbre("slow", 1.0, 1.25, 0.0),
    Timbre("quick", 1.12, 0.8, -8.0),
    Timbre("loud", 1.08, 1.0, 5.0),
)

TURNS = {
    "statement": (
        "I would like to book an appointment for next Tuesday.",
        "I'm calling about the invoice you sent me.",
        "I have a terrible toothache since last night.",
        "We need a table for four people.",
        "My name is John Carter.",
        "I want to speak to somebody about my bill.",
        "The afternoon would be better for me.",
        "It was delivered to the wrong address.",
        "I can't come on Friday.",
        "She told me to call you back today.",
        "The washing machine does not start any more.",
        "I would rather pay by card.",
    ),
    "question": (
        "What are your opening hours?",
        "How much does a check-up cost?",
        "Is there parking near the office?",
        "Do you take new patients?",
        "Can I pay by credit card?",
        "Where are you located?",
        "When will it be ready?",
        "Could you repeat that, please?",
        "Are you open on Saturday?",
        "Do you have anything earlier?",
        "Who am I speaking to?",
        "Can you send me a copy by email?",
    ),
    "short answer": (
        "Yes.",
        "No.",
        "Yes, please.",
        "No, thank you.",
        "That's right.",
        "On Monday.",
        "Next week.",
        "In the morning.",
        "Two people.",
        "Yes, that works for me.",
        "I don't know.",
        "Okay, thank you.",
    ),
    "number": (
        "My number is five five five, zero one nine, eight eight two four.",
        "It is twenty five Mill Street.",
        "At half past nine.",
        "The code is four two seven one nine three.",
        "It costs sixty dollars.",
        "On the third of May at ten thirty.",
        "Room two hundred and twelve.",
        "Nineteen eighty four.",
    ),
}

PAUSES = {
    "conjunction": (
        ("I would like to book an appointment and", "I also have a question about the price."),
        ("I can come on Monday or", "on Wednesday afternoon."),
        ("I called you yesterday because", "my order has not arrived."),
        ("I want to come in but", "I only have time in the evening."),
        ("I would like to know if", "you are open on Sunday."),
        ("We are four people with", "two small children."),
        ("I need the invoice for", "the second week of April."),
        ("Could you tell me when", "the doctor is back?"),
    ),
    "filler": (
        ("I would like to, um,", "change my appointment."),
        ("My name is, uh,", "Peter Johnson."),
        ("Well,", "I am not sure about that."),
        ("I think it was, um,", "last Thursday."),
        ("Let me see, uh,", "it says four hundred and ten."),
        ("Um,", "can I speak to the manager?"),
    ),
    "number": (
        ("My number is five five five", "zero one nine eight eight two four."),
        ("It is five five five, zero one nine", "eight eight two four."),
        ("You can reach me on zero one seven", "two two five one nine."),
        ("The order number is four two", "seven one nine three."),
        ("My card ends in three eight", "one six."),
        ("Five five five", "zero one nine eight."),
    ),
    "first word": (
        ("Hello.", "I would like to book a table."),
        ("Sorry,", "could you say that again?"),
        ("Hi.", "I have a question about my bill."),
        ("Good morning.", "My name is Anna Miller."),
        ("Excuse me,", "is this the dentist?"),
        ("Good afternoon,", "I am calling about my order."),
        ("Hello,", "can you hear me?"),
        ("Sorry.", "I did not understand the last part."),
    ),
    "answer word": (
        ("Yes,", "I would like to come on Tuesday."),
        ("No,", "I meant the other one."),
        ("Okay.", "And how much is it?"),
    ),
}
PAUSE_MS = (300, 450, 600, 750, 900)
ANSWER_PAUSE_MS = (300, 375, 450)
"""After an answer that is complete in itself a person would take the floor as well if it were longer."""

BACKCHANNELS = (
    "Okay.",
    "Yeah.",
    "Uh-huh.",
    "Right.",
    "I see.",
    "Sure.",
    "Yes.",
    "Got it.",
    "Oh, okay.",
    "Alright.",
    "Yeah, yeah.",
    "Oh.",
    "Great.",
)
"""Without "mm-hm" and "hm", of which a voice that reads makes letters: those are hummed (noises.py)."""

INTERRUPTIONS = (
    "Wait, stop.",
    "No, I meant Tuesday.",
    "Hold on a second.",
    "Excuse me, how much is it?",
    "Sorry, can I ask something?",
    "That is not what I asked.",
    "Stop, please.",
    "Can you speak more slowly?",
    "What about Saturday?",
    "No no no, that's wrong.",
    "Actually, I would like to cancel.",
    "I already know that.",
    "Could I speak to a person?",
    "Wait.",
    "But I have already paid for that.",
)
HUMAN_TURNS = ("hours", "location", "please-try-again", "check-number-dial-again", "pls-try-call-later", "im-sorry")
BECKETT_S = ((0.25, 1.55), (1.65, 2.9), (3.45, 4.75))

ECHO_DELAYS_MS = (20, 40, 60, 90, 120, 160, 200)
ECHO_DB = (-8.0, -12.0, -16.0, -20.0)

EDGE_MS = 60
"""What is left of the silence around a voice."""

LINES = ("clean", "mobile", "noisy")
SPEAKERPHONE = "speakerphone"
"""Where people interrupt through the agent's echo; the agent cancels it."""


async def make(count: int, lines: Sequence[str] = LINES) -> list[Item]:
    """At least `count` items a class, spread over the qualities of the line."""
    voices = _Voices()
    items: list[Item] = []
    for maker in (_turns, _pauses, _backchannels, _noises, _interruptions):
        made = await maker(voices, count)
        its = (*lines, SPEAKERPHONE) if maker is _interruptions else lines
        items += [_named(item, its[(index + index // len(its)) % len(its)]) for index, item in enumerate(made)]
    return items + [_named(item, "clean") for item in (*_echoes(count), *_echoes(count // 4, cancelled=False))]


def _named(item: Item, line: str) -> Item:
    cancelled = item.cancelled or line == SPEAKERPHONE
    return replace(item, name=f"{item.group.name.lower()}/{item.name}/{line}", line=line, cancelled=cancelled)


class _Voices:
    """The callers' voices, and what they have said before."""

    def __init__(self) -> None:
        self._voices: dict[Timbre, Callable[[str], Awaitable[Samples]]] = {}

    async def __call__(self, timbre: Timbre, text: str) -> Samples:
        voice = self._voices.get(timbre)
        if voice is None:
            voice = line_voice(TextToSpeech(pitch=timbre.pitch, length_scale=timbre.length_scale))
            self._voices[timbre] = voice
        return louder(trimmed(await voice(text)), timbre.gain_db)


async def _turns(voices: _Voices, count: int) -> list[Item]:
    texts = _woven([(kind, text) for text in of_kind] for kind, of_kind in TURNS.items())
    found = []
    for index in range(count - count // 6):
        kind, text = texts[index % len(texts)]
        timbre = TIMBRES[(index + index // len(texts)) % len(TIMBRES)]
        sound = await voices(timbre, text)
        found.append(Item(name=f"{text} ({timbre.name})", group=Group.TURN, kind=kind, sound=sound, text=text))
    return found + _human_turns(count // 6)


def _human_turns(count: int) -> list[Item]:
    texts = prompts()
    pieces = [(name, texts.get(name, ""), _prompt(name)) for name in HUMAN_TURNS if (PROMPTS / f"{name}.wav").exists()]
    samples, rate_hz = read_wav(asset("moonshine_voice", "assets/beckett.wav"))
    reading = resample_all(samples, rate_hz, RATE_HZ)
    pieces += [(f"beckett {begin} s", "", reading[int(begin * 8000) : int(end * 8000)]) for begin, end in BECKETT_S]
    return [
        Item(name=f"({title}) {index // len(pieces)}", group=Group.TURN, kind="human", sound=trimmed(sound), text=text)
        for index in range(count)
        for title, text, sound in [pieces[index % len(pieces)]]
    ]


def _prompt(name: str) -> Samples:
    samples, rate_hz = read_wav(PROMPTS / f"{name}.wav")
    return resample_all(samples, rate_hz, RATE_HZ)


def trimmed(sound: Samples) -> Samples:
    """A recording without its silent ends, but for EDGE_MS of them: soft consonants are not silence."""
    first, last = voiced_span(np.concatenate([sound, silence(FRAME_MS)]))
    edge = EDGE_MS * RATE_HZ // 1000
    return sound[max(0, first - edge) : last + edge]


def with_pause(before: Samples, pause_ms: int, after: Samples) -> Samples:
    """Two trimmed halves with so much silence from the last voiced frame of the one to the first of the other."""
    held_ms = (len(before) - voiced_span(before)[1] + voiced_span(after)[0]) * 1000 // RATE_HZ
    return np.concatenate([before, silence(max(0, pause_ms - held_ms)), after])


async def _pauses(voices: _Voices, count: int) -> list[Item]:
    texts = _woven([(kind, *halves) for halves in of_kind] for kind, of_kind in PAUSES.items())
    found = []
    for index in range(count):
        kind, before, after = texts[index % len(texts)]
        timbre = TIMBRES[(index + index // len(texts)) % len(TIMBRES)]
        pauses_ms = ANSWER_PAUSE_MS if kind == "answer word" else PAUSE_MS
        pause_ms = pauses_ms[(index // len(PAUSES) + index) % len(pauses_ms)]
        halves = await voices(timbre, before), await voices(timbre, after)
        sound = with_pause(halves[0], pause_ms, halves[1])
        name = f"{before} [{pause_ms} ms] {after} ({timbre.name})"
        found.append(Item(name=name, group=Group.PAUSE, kind=kind, sound=sound, text=f"{before} {after}"))
    return found


async def _backchannels(voices: _Voices, count: int) -> list[Item]:
    found = []
    for index in range(count):
        rng = _rng(f"backchannel {index}")
        after_ms = int(rng.integers(900, 2400))
        if index % 5 == 4:
            name, text, sound = f"hummed mm-hm {index}", "mm-hm", _whole(hum(rng))
        else:
            at = index - index // 5
            text, timbre = BACKCHANNELS[at % len(BACKCHANNELS)], TIMBRES[(at + at // len(BACKCHANNELS)) % len(TIMBRES)]
            name, sound = f"{text} ({timbre.name} {index})", await voices(timbre, text)
        found.append(Item(name=name, group=Group.BACKCHANNEL, kind=text, sound=sound, text=text, after_ms=after_ms))
    return found


async def _interruptions(voices: _Voices, count: int) -> list[Item]:
    found = []
    for index in range(count):
        rng = _rng(f"interruption {index}")
        text = INTERRUPTIONS[index % len(INTERRUPTIONS)]
        timbre = TIMBRES[(index + index // len(INTERRUPTIONS)) % len(TIMBRES)]
        # Not always at the same place between two frames of the line.
        sound = np.concatenate([silence(index * 7 % 20), await voices(timbre, text)])
        name = f"{text} ({timbre.name} {index})"
        after_ms = int(rng.integers(700, 6000))
        found.append(Item(name=name, group=Group.INTERRUPTION, kind="words", sound=sound, text=text, after_ms=after_ms))
    return found


async def _noises(voices: _Voices, count: int) -> list[Item]:
    makers: tuple[tuple[str, Callable[[np.random.Generator], FloatSamples]], ...] = (
        ("cough", cough),
        ("keyboard", keyboard),
        ("door slam", slam),
        ("breath", breath),
        ("throat", throat),
        ("ring", ring),
    )
    talkers = [await voices(timbre, text) for timbre in TIMBRES[:4] for text in TURNS["statement"][:3]]
    found = []
    for index in range(count):
        rng = _rng(f"noise {index}")
        if index % 7 == 6:
            kind, sound = "babble", _whole(babble(rng, talkers))
        else:
            kind, maker = makers[index % 7]
            sound = _whole(maker(rng))
        name, after_ms = f"{kind} {index}", int(rng.integers(900, 2400))
        found.append(Item(name=name, group=Group.NOISE, kind=kind, sound=sound, after_ms=after_ms))
    return found


def _echoes(count: int, *, cancelled: bool = True) -> list[Item]:
    found = []
    for index in range(count):
        delay_ms = ECHO_DELAYS_MS[index % len(ECHO_DELAYS_MS)]
        echo_db = ECHO_DB[(index + index // len(ECHO_DELAYS_MS)) % len(ECHO_DB)]
        name = f"{delay_ms} ms {echo_db:.0f} dB {index}"
        found.append(
            Item(
                name=name,
                group=Group.ECHO if cancelled else Group.BARE_ECHO,
                kind=f"{echo_db:.0f} dB",
                sound=silence(6000),
                echo_delay_ms=delay_ms,
                echo_db=echo_db,
                cancelled=cancelled,
            )
        )
    return found


def _woven(kinds: Iterable[Sequence[Kind]]) -> list[Kind]:
    """One of each in turn, round and round until the longest list is used up."""
    columns = list(kinds)
    return [column[row] for row in range(max(map(len, columns))) for column in columns if row < len(column)]


def silence(ms: int) -> Samples:
    """Nothing at all."""
    return np.zeros(ms * RATE_HZ // 1000, np.int16)


def louder(samples: Samples, gain_db: float) -> Samples:
    """Another level, clipped as a line would."""
    return _whole(samples.astype(np.float32) * np.float32(10 ** (gain_db / 20) / 32768))


def _whole(sound: FloatSamples) -> Samples:
    return (np.clip(sound, -1.0, 1.0) * 32767).astype(np.int16)


def _rng(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))
