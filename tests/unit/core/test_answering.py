"""Stories of who answered, told by voice, words and tones alone."""

from __future__ import annotations

import pytest

from patter_cli.core.answering import (
    ASKED_MS,
    CADENCE_MS,
    ENOUGH,
    HELLO_MS,
    LATE_CADENCE_MS,
    LATE_MS,
    LONG_MS,
    LONG_SILENCE_MS,
    PLAIN_MS,
    TAPE_MS,
    WORDLESS_MS,
    Found,
    Heard,
    SteadyTone,
    WhoAnswered,
)
from patter_cli.core.carrier_events import BeepHeard, MachineDetected
from patter_cli.core.events import EngineTranscript, SpeechEnded, SpeechStarted, TranscriptFinal, TranscriptPartial
from patter_cli.core.greeting_words import Manner, read
from patter_cli.core.outcome import AnsweredBy, VerdictSource

HUMAN, MACHINE, FAX = AnsweredBy.HUMAN, AnsweredBy.MACHINE, AnsweredBy.FAX
BEEP = SteadyTone(hz=1000.0, length_ms=400)


class Line:
    """A far end in virtual time."""

    def __init__(self) -> None:
        self.who = WhoAnswered()
        self.who.line_up(0)
        self.found: list[tuple[int, Found]] = []
        self.segment = 0

    def tell(self, heard: Heard | None, at: int) -> None:
        """Something is heard at this time, after the deadlines before it."""
        while (due := self.who.next_deadline()) is not None and due < at:
            self.found += [(due, each) for each in self.who.handle(None, due)]
            if self.who.next_deadline() == due:
                raise AssertionError(f"asks for {due} again and again")
        self.found += [(at, each) for each in self.who.handle(heard, at)]

    def says(self, text: str, start: int, end: int) -> None:
        """Somebody says this; its words are known soon after."""
        self.tell(SpeechStarted(at_ms=start), start + 100)
        for at in range(start + 900, end, 500):
            share = (at - start) / (end - start)
            self.tell(TranscriptPartial(segment=self.segment, text=text[: int(len(text) * share)]), at)
        self.tell(SpeechEnded(at_ms=end), end + 200)
        self.tell(TranscriptFinal(segment=self.segment, text=text), end + 320)
        self.segment += 1

    def verdicts(self, until: int = 60_000) -> list[AnsweredBy | str]:
        self.tell(None, until)
        return [each.answered_by if isinstance(each, MachineDetected) else "beep" for _, each in self.found]

    @property
    def when(self) -> int:
        return self.found[0][0]

    @property
    def why(self) -> str:
        return self.found[0][1].raw


@pytest.mark.parametrize(
    ("text", "end", "silence_ms"),
    [
        ("Hello?", 900, HELLO_MS),
        ("Yes, hello.", 1100, HELLO_MS),
        ("Anna Miller speaking.", 1700, ASKED_MS),
        ("Who is this?", 1300, ASKED_MS),
        ("Smith Dental, this is Anna, how can I help you?", 3600, ASKED_MS),
        (
            "Thank you for calling Smith Dental Care in Springfield, my name is Anna. How may I help you?",
            6500,
            ASKED_MS,
        ),
        ("You've reached Smith Dental, this is Anna, how may I help you?", 4500, ASKED_MS),
        ("Bob Carter.", 1300, PLAIN_MS),
        ("", 1000, WORDLESS_MS),
    ],
)
def test_a_human_says_little_and_waits(text: str, end: int, silence_ms: int) -> None:
    """The less the words tell, the longer the silence has to be; never more than a second and a half."""
    line = Line()
    line.says(text, 500, end)
    assert line.verdicts() == [HUMAN]
    assert line.when == end + silence_ms <= end + 1500
    assert "of silence" in line.why


@pytest.mark.parametrize(
    "text",
    [
        "He is not available right now, can I take a message?",
        "I'm sorry, she's not in. Would you like to leave a message?",
        "John is not available at the moment, who's calling please?",
        "Mom is not available, she is in the shower.",
        "My husband is not at home right now.",
        "Hold on, he is out, you can leave a message with me.",
        "I will call you back, who is this?",
    ],
)
def test_a_human_who_speaks_of_somebody_else_is_a_human(text: str) -> None:
    """Machines speak for themselves; only humans offer to take a message."""
    line = Line()
    line.says(text, 500, 4000)
    assert line.verdicts() == [HUMAN]


@pytest.mark.parametrize(
    "text",
    [
        "Hi, you've reached Bob. I can't come to the phone right now, so leave a message after the tone.",
        "The person you are calling is not available.",
        "Please record your message. When you are finished, you may hang up.",
        "Hello, this is Bob Carter speaking. I'm not available. Leave your name and number.",
        "Our office is currently closed. Our office hours are nine to five.",
        "Welcome to the voice mailbox of Bob.",
        "For sales press one, for service press two.",
        "The number you have dialed is not in service.",
        "Hey there, this is Tom, do your thing after the beat.",
        "Hello friends, we will be glad to hear what you have to say.",
    ],
)
def test_a_machine_is_known_by_its_words_while_it_speaks(text: str) -> None:
    """The verdict comes before the greeting is over, with the words that gave it away."""
    line = Line()
    line.says(text, 500, 500 + 65 * len(text))
    assert line.verdicts() == [MACHINE]
    assert line.why.startswith("said: ")


@pytest.mark.parametrize("text", ["What are your opening hours?", "Hello, when are your office hours?"])
def test_whoever_asks_for_our_hours_is_no_machine_that_tells_its_own(text: str) -> None:
    """It is what a human may ask first whom an assistant rings."""
    line = Line()
    line.says(text, 500, 1900)
    assert line.verdicts() == [HUMAN]


def test_a_machine_without_known_words_is_known_by_its_cadence() -> None:
    """Nobody says hello for so long; pauses inside sentences change nothing."""
    line = Line()
    for start, end in ((500, 3000), (3300, 6000), (6400, 12_000)):
        line.tell(SpeechStarted(at_ms=start), start + 100)
        line.tell(SpeechEnded(at_ms=end), end + 200)
    assert line.verdicts() == [MACHINE]
    assert line.when == 500 + CADENCE_MS
    assert line.why == "spoke for 6.5 s without a gap"


def test_a_machine_that_pauses_after_hello_is_no_human() -> None:
    """Its pause is shorter than a human's wait."""
    line = Line()
    line.says("Hello.", 500, 1000)
    line.says("You have reached Bob, leave a message.", 1600, 5000)
    assert line.verdicts() == [MACHINE]


def test_a_talkative_human_is_put_right() -> None:
    """Taken for a machine by cadence; the question at the end says otherwise."""
    line = Line()
    line.tell(SpeechStarted(at_ms=500), 600)
    line.tell(SpeechEnded(at_ms=8500), 8700)
    line.tell(TranscriptFinal(segment=0, text="Long welcome to all of you. How may I help you?"), 8800)
    assert line.verdicts() == [MACHINE, HUMAN]


def test_whoever_begins_late_may_be_answering_us() -> None:
    """After our greeting a human may talk for long."""
    line = Line()
    line.tell(SpeechStarted(at_ms=LATE_MS + 500), LATE_MS + 600)
    line.tell(SpeechEnded(at_ms=LATE_MS + 500 + LATE_CADENCE_MS - 1000), LATE_MS + LATE_CADENCE_MS - 300)
    assert line.verdicts() == [HUMAN]


def test_silence_and_clicks_tell_nothing() -> None:
    """A human who says nothing is somebody unknown."""
    line = Line()
    line.tell(SpeechStarted(at_ms=500), 600)
    line.tell(SpeechEnded(at_ms=600), 800)
    assert line.verdicts() == []


def test_a_beep_makes_a_machine_of_a_short_greeting() -> None:
    """The tone comes before the silence was long enough, and says it all."""
    line = Line()
    line.says("This is Bob.", 500, 1500)
    line.tell(BEEP, 2500)
    assert line.verdicts() == ["beep"]
    assert line.why == "1000 Hz for 400 ms"
    assert line.found[0][1] == BeepHeard(source=VerdictSource.OWN, raw=line.why)


def test_a_long_sentence_that_tells_nothing_is_a_humans_soon() -> None:
    """It is not waited for a beep that may follow: only for longer than a pause between two sentences."""
    line = Line()
    line.says("I thought you would never call, we are all sitting here and waiting for you.", 500, 500 + LONG_MS + 200)
    assert line.verdicts() == [HUMAN]
    assert line.when == 500 + LONG_MS + 200 + LONG_SILENCE_MS < 500 + LONG_MS + 200 + 1500
    assert isinstance(line.found[0][1], MachineDetected)
    assert not line.found[0][1].sure


def test_who_talked_for_long_is_listened_to_for_a_beep_for_longer() -> None:
    """The carrier may say that it is a machine, and then its beep is waited for."""
    line = Line()
    line.says("I thought you would never call, we are all sitting here and waiting for you.", 500, 500 + LONG_MS + 200)
    line.tell(BEEP, 12_000)
    assert line.verdicts() == [HUMAN, "beep"]


@pytest.mark.parametrize(
    ("text", "gap_ms", "found"),
    [
        ("Bob Carter.", 1900, [HUMAN, "beep"]),
        ("Bob Carter.", TAPE_MS + 400, [HUMAN]),
        ("Hello?", 1900, [HUMAN]),
        ("Who is this?", 1900, [HUMAN]),
    ],
)
def test_a_tape_that_sounded_like_a_human_is_put_right(text: str, gap_ms: int, found: list[AnsweredBy | str]) -> None:
    """By a beep that begins soon after its words; not whoever said hello or asked who we are, and not later."""
    line = Line()
    line.says(text, 500, 1500)
    line.tell(BEEP, 1500 + gap_ms + BEEP.length_ms + 240)
    assert line.verdicts() == found
    assert line.who.next_deadline() is None


def test_a_beep_that_sounds_when_the_wait_for_it_is_over_counts() -> None:
    """It began in time."""
    line = Line()
    line.says("Bob Carter.", 500, 1500)
    assert line.verdicts(3000) == [HUMAN]
    assert line.who.handle(None, 1500 + TAPE_MS, tone_sounds=True) == []
    long_beep = SteadyTone(hz=1000.0, length_ms=1500)
    (found,) = line.who.handle(long_beep, 1500 + TAPE_MS - 100 + 1500 + 240)
    assert isinstance(found, BeepHeard)


def test_nobody_is_taken_for_a_human_while_a_tone_sounds() -> None:
    """It may be the beep after a short tape; when it was none, the human is found at once."""
    line = Line()
    line.says("This is Bob.", 500, 1500)
    assert line.who.handle(None, 1500 + PLAIN_MS, tone_sounds=True) == []
    assert line.verdicts() == [HUMAN]


def test_a_human_stays_one() -> None:
    """Whatever beeps or is said later."""
    line = Line()
    line.says("Hello?", 500, 900)
    line.tell(BEEP, 4000)
    line.says("I got your message after the beep on my voicemail.", 5000, 9000)
    assert line.verdicts() == [HUMAN]
    assert line.who.next_deadline() is None


def test_tones_of_exchanges_are_no_beep() -> None:
    """Ringing that follows an answer is believed only of a machine that has spoken as one."""
    ringing = SteadyTone(hz=425.0, length_ms=1000)
    line = Line()
    line.says("Bob Carter.", 500, 1200)
    line.tell(ringing, 2000)
    assert line.verdicts(2100) == []
    line = Line()
    line.says("Leave a message.", 500, 2000)
    line.tell(ringing, 3000)
    assert line.verdicts() == [MACHINE, "beep"]


def test_a_tone_of_the_connection_is_no_beep() -> None:
    """Before anybody spoke, short or at once."""
    line = Line()
    line.tell(SteadyTone(hz=1400.0, length_ms=300), 500)
    line.tell(SteadyTone(hz=1400.0, length_ms=100), 3000)
    assert line.verdicts() == []
    line.tell(SteadyTone(hz=1400.0, length_ms=300), 65_000)
    assert line.verdicts(70_000) == ["beep"]


def test_a_fax_is_known_by_its_tones() -> None:
    """By the answer while it lasts, by the calling tone when it comes again."""
    line = Line()
    line.tell(SteadyTone(hz=2100.0, length_ms=1000, answers_fax=True), 1500)
    assert line.verdicts() == [FAX]
    calling = SteadyTone(hz=1100.0, length_ms=500)
    line = Line()
    line.tell(calling, 1500)
    assert line.verdicts(4000) == []
    line.tell(calling, 5000)
    assert line.verdicts() == [FAX]
    assert line.why == "a fax calls: 1100 Hz for 500 ms, twice"


def test_an_engine_s_words_count_too() -> None:
    """Where an engine hears the caller, its transcript is read."""
    line = Line()
    line.tell(SpeechStarted(at_ms=500), 600)
    line.tell(EngineTranscript(item="a", text="so leave a message", final=False), 2500)
    assert line.verdicts(2600) == []
    line.tell(EngineTranscript(item="a", text="so leave a message after the beep", final=True), 3000)
    assert line.verdicts() == [MACHINE]


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "’’", "0", "\x00"])
def test_words_that_are_none_tell_nothing_of_machines(text: str) -> None:
    """Whatever a recogniser writes can be read."""
    assert read(text).score < ENOUGH
    assert isinstance(read(text).manner, Manner)
