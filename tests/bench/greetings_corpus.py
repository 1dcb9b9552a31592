"""Who answers, spoken: humans and machines of many kinds, for tests.bench.greetings. All of it is made here.

Never take one out because it goes wrong: the lists are what the figures are about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import resample_all
from patter_cli.audio.wav import read_wav
from patter_cli.core.outcome import AnsweredBy
from patter_cli.providers.joe import TextToSpeech
from patter_cli.simulate.line import QUALITIES
from patter_cli.simulate.mouth import voiced_span
from patter_cli.simulate.script import line_voice
from tests.bench.stt import PROMPTS

RATE_HZ = 8000

HUMANS = (
    "Hello?",
    "Hello.",
    "Hi.",
    "Yes?",
    "Yeah, hello?",
    "Hello, who is this?",
    "Good morning.",
    "Carter.",
    "Bob Carter.",
    "Anna Miller speaking.",
    "Hi, this is Anna.",
    "Hello, hello?",
    "Hello? | 900 | Hello?",
    "Yes, this is he.",
    "I'm driving right now, what is it?",
    "Hold on a second, please.",
    "Hello, this is Peter, sorry, I was just in the garden with the kids, who is calling please?",
    "Hey, I thought you would never call, we are all sitting here and waiting for you.",
    "Smith Dental, this is Anna, how can I help you?",
    "Thank you for calling Luigi's, how may I help you?",
    "Good afternoon, Riverside Hotel, you are speaking with Martin, what can I do for you?",
    "Thank you for calling Green Valley Veterinary Clinic on Oak Street, this is Sandra speaking, how may I help you?",
    "You've reached the front desk, how can I help you?",
    "Accounts department, Julia speaking.",
    "He is not available right now, can I take a message?",
    "Miller residence, she's not in at the moment, who's calling?",
    "I'm sorry, John is not here right now, would you like to leave a message?",
    "",
    "Hello, Peter here.",
    "Yep.",
    "Hi there, what's up?",
    "Hello, can you hear me?",
    "Good evening, this is the Carter family.",
    "Lopez and Partners, Maria speaking, what can I do for you today?",
    "Thanks for calling the city library, my name is Tom. Which book are you looking for?",
    "Sorry, who is it? I can hardly hear you.",
    "Mom is not available, she is in the shower.",
    "Is that you, Sandra? I have been trying to call you all day.",
    "Yes, good morning, I was just about to leave the house, so please be quick.",
    "Well hello, we were talking about you only yesterday, how nice that you call.",
    "Sorry for the noise, we have the builders here since seven in the morning.",
    "Hello, yes, I know, I have not paid it yet, but the money is on its way.",
    "Oh it's you, listen, the train is late again and I am still at the station.",
    "Hello, Carter and Sons, garage and car rental, you are talking to Bob himself.",
)
"""A bar: a pause of so many ms. Nothing: somebody who says nothing."""

SLOW_HUMANS = (
    (2500, "Hello? Who is this?"),
    (3800, "Hello?"),
    (5500, "Yes, hello? Carter."),
    (8000, "Is anybody there?"),
)
"""Who says nothing for so many ms first."""

MACHINES = (
    "Hi, you've reached Bob. I can't come to the phone right now, so please leave a message after the tone.",
    "You have reached the voice mailbox of Anna Miller. Please leave your message after the tone.",
    "The person you have called is not available right now. Please leave a message after the tone.",
    "Your call has been forwarded to an automatic voice message system. At the tone, please record your message. "
    "When you have finished recording, you may hang up.",
    "Hello. | 600 | You have reached the Millers. We are not home right now. Leave your name and number.",
    "Hi, this is Bob. | 700 | I'm not here at the moment, leave me a message and I will call you back.",
    "This is Bob Carter. Leave a message.",
    "Bob Carter.",
    "Hi, it's Anna, you know what to do.",
    "Thank you for calling Smith Dental. Our office is currently closed. Our office hours are nine to five, Monday to "
    "Friday. If this is an emergency, please hang up and call the hospital. Otherwise leave a message after the beep.",
    "Thank you for calling Riverside Hotel. For reservations press one, for the restaurant press two, or hold on.",
    "We can't take your call right now, but your call is important to us. Please leave your name, number and a brief "
    "message, and we will get back to you as soon as possible.",
    "Hey, it's Mike, I'm probably out on the lake again with the boat and the dog, so tell me what you want and maybe "
    "I will think about it when I am back in town, and if it is about the motorcycle, it is sold, have a nice day.",
    "Sorry I missed you. Please leave a message and I'll return your call.",
    "Hello, this is the answering machine of the Carter family. | 800 | Please speak after the tone.",
    "Hello, you have reached the mobile phone of Doctor Sandra Lopez. I am with patients until the evening, and I "
    "listen to my messages twice a day. If you would like an appointment, please call my practice, the number is "
    "on our web site. If you are calling about a prescription, say your name, your date of birth and the "
    "medicine. For everything else I am glad to hear from you. Please speak slowly, and do not forget to leave "
    "your telephone number. I will call you back as soon as I can. Thank you very much, and goodbye.",
    "The customer you are trying to reach is unavailable. Please try again later.",
    "At the tone please record your message.",
    "Hello? | 500 | Just kidding, I'm not here, leave a message.",
    "You've reached Anna's voicemail. I'm on vacation until Monday. Send me an email.",
    "Hey there, this is Tom. I'm busy or asleep. Do your thing after the beep.",
    "You've got the Wilsons. Nobody is home, so talk to the machine.",
    "The T-Mobile subscriber you have dialed cannot be reached at this time.",
    "This mailbox is full and cannot accept any messages at this time. Goodbye.",
    "Greetings. | 700 | You have called Peter. I am either on the other line or away from my desk.",
    "Thank you for calling the city library. We are open from ten to six. Our catalogue is on our web site. To renew "
    "your books, please have your card ready.",
    "It's Maria. Drop me a line and I will ring you later.",
    "Hello, our lines are open from eight to five. Please call back tomorrow.",
    "Hello, this is Sandra and Martin, we are in the mountains and come home on Sunday.",
    "Hey, it's Tom, I never look at this telephone, so you had better write to me.",
    "This is the private line of Doctor Carter, please tell me who you are and what it is about.",
    "Hello friends, we are out, and we will be glad to hear what you have to say.",
    "You've got Julia, I am probably driving, talk to me and I will listen to it tonight.",
    "Martin and Anna Lopez. | 800 | Say what you have to say, and say it slowly.",
)
RECORDED = ("vm-intro", "vm-isunavail vm-intro", "ss-noservice", "vm-goodbye vm-intro")
"""Prompts of a woman's voice from Debian's asterisk-core-sounds-en-wav, where it is installed."""

BEEPS: tuple[tuple[int, int, int, int], ...] = (
    (1000, 300, 600, 1),
    (1400, 500, 300, 1),
    (800, 150, 900, 1),
    (440, 700, 500, 1),
    (2000, 100, 400, 1),
    (1000, 180, 600, 2),
    (620, 1000, 200, 1),
    (1633, 80, 1100, 1),
    (0, 0, 0, 0),
    (950, 1500, 1700, 1),
    (2400, 250, 50, 1),
)
"""(Hz, ms, silence before it, how often); 0: none."""

VOICES = (
    TextToSpeech(),
    TextToSpeech(pitch=1.12),
    TextToSpeech(pitch=1.2, length_scale=0.9),
    TextToSpeech(length_scale=1.25),
    TextToSpeech(pitch=0.9),
    TextToSpeech(pitch=1.12, length_scale=0.8),
    TextToSpeech(pitch=1.28, length_scale=1.1),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Greeting:
    """Somebody or something that answers. sound: int16, 8 kHz, from the moment the line is up. Times are ms in it."""

    text: str
    truth: AnsweredBy
    sound: Samples
    hello_end_ms: int = 0
    """Where the first utterance ends."""
    beep_ms: int = 0
    """Where the beep begins; 0: there is none."""
    beep_end_ms: int = 0
    line: str = "clean"


async def greetings(lines: Sequence[str] = tuple(QUALITIES), *, every: int = 1) -> list[Greeting]:
    """All of them on each of these lines, each time in another voice; every: only each so-many-th."""
    made = []
    for row, line in enumerate(lines):
        for number, text in enumerate(HUMANS):
            if (number + row) % every == 0:
                made.append(replace(await _human(text, number + 3 * row), line=line))
        for number, (lead_ms, text) in enumerate(SLOW_HUMANS):
            if (number + row) % every == 0:
                made.append(replace(await _human(text, number + 3 * row, lead_ms), line=line))
        for number, text in enumerate(MACHINES):
            if (number + row) % every == 0:
                spoken, _ = await _spoken(text, VOICES[(number + 2 * row) % len(VOICES)])
                made.append(replace(_machine(text, spoken, number + 5 * row), line=line))
        for number, names in enumerate(RECORDED if PROMPTS.exists() else ()):
            if (number + row) % every == 0:
                made.append(replace(_machine(names, _recorded(names), number + 3 * row), line=line))
        if every == 1 or row == 0:
            made += [replace(each, line=line) for each in (_fax("answers"), _fax("calls"))]
    return made


async def _human(text: str, number: int, lead_ms: int | None = None) -> Greeting:
    lead_ms = lead_ms or (300, 700, 1100, 1600, 500)[number % 5]
    spoken, hello_ms = await _spoken(text, VOICES[number % len(VOICES)])
    sound = np.concatenate([silence(lead_ms), spoken, silence(4500)])
    return Greeting(text=text, truth=AnsweredBy.HUMAN, sound=sound, hello_end_ms=lead_ms + hello_ms)


def _machine(text: str, spoken: Samples, number: int) -> Greeting:
    lead_ms = (600, 1200, 300, 1800)[number % 4]
    hz, ms, gap_ms, times = BEEPS[number % len(BEEPS)]
    before = np.concatenate([silence(lead_ms), spoken, silence(gap_ms)])
    beep = np.concatenate([tone(hz, ms), *([silence(120), tone(hz, ms)] * (times - 1))]) if times else silence(0)
    start_ms = len(before) // 8
    return Greeting(
        text=text,
        truth=AnsweredBy.MACHINE,
        sound=np.concatenate([before, beep, silence(6000)]),
        beep_ms=start_ms if times else 0,
        beep_end_ms=start_ms + len(beep) // 8 if times else 0,
    )


def _fax(what: str) -> Greeting:
    sounds = [silence(1500), tone(2100, 3000)] if what == "answers" else [silence(900), tone(1100, 500)]
    sounds += [silence(3000), tone(1100, 500)] if what == "calls" else []
    return Greeting(text=f"a fax {what}", truth=AnsweredBy.FAX, sound=np.concatenate([*sounds, silence(2000)]))


async def _spoken(text: str, voice: TextToSpeech) -> tuple[Samples, int]:
    """The sound of a text, and where its first part ends, ms."""
    speak, parts, first_ms = line_voice(voice), [], 0
    for part in filter(None, (each.strip() for each in text.split("|"))):
        if part.isdigit():
            parts.append(silence(int(part)))
            continue
        said = await speak(part)
        start, end = voiced_span(said)
        parts.append(said[start:end])
        first_ms = first_ms or (end - start) // 8
    return np.concatenate([*parts, silence(0)]), first_ms


def _recorded(names: str) -> Samples:
    parts = []
    for name in names.split():
        samples, rate_hz = read_wav(PROMPTS / f"{name}.wav")
        parts.append(resample_all(samples, rate_hz, RATE_HZ))
    return np.concatenate(parts)


def tone(hz: int, ms: int, *, level_db: float = -14.0) -> Samples:
    """A tone with slopes of 4 ms."""
    seconds = np.arange(ms * RATE_HZ // 1000) / RATE_HZ
    slope = np.minimum(1.0, np.minimum(seconds, seconds[::-1]) / 0.004)
    return np.rint(32767 * 10 ** (level_db / 20) * np.sin(2 * np.pi * hz * seconds) * slope).astype(np.int16)


def silence(ms: int) -> Samples:
    """Nothing, for so long."""
    return np.zeros(ms * RATE_HZ // 1000, np.int16)
