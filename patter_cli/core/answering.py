"""Who answered, by what the line brings: how long somebody speaks before they wait, their words, and tones.

Theory of operation. Humans say little and wait for an answer; machines say much and wait for nobody. So a voice that
falls silent after a few words is a human, a voice that goes on without a gap a machine, and words tell sooner and
better: nobody but a machine says "after the tone", nobody but a human "who is calling?". The less the words tell, the
longer the silence has to be. "He is not available" is said by humans of others; machines speak for themselves.

    voice   short, then silence                     human
            CADENCE_MS and more without a gap       machine, unless its words say human
    words   a sum of phrases reaches ENOUGH         machine, at once
            a question or an offer to us            human, after a short silence
    tone    single, steady                          a beep
            1100 Hz again and again, or 2100 Hz     fax

A machine is a verdict that a human's question puts right, and a beep is told whenever it comes after that. A human is
one that words do not put right any more, for what is said next is a conversation; but who neither said hello nor asked
anything may have been a tape that begins to run. So for TAPE_MS from the end of the voice a beep makes a machine of
them still, and the silence after a voice need not outlast the wait for a beep, only a pause between two sentences. Who
spoke for long and said nothing that tells is a human without certainty: the carrier may know better, so for DOUBT_MS
beeps go on being told.

Nothing here knows of sound or clocks: events and time in, facts out, each with its reason as `raw`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from patter_cli.core.carrier_events import BeepHeard, MachineDetected
from patter_cli.core.events import (
    EngineTranscript,
    Event,
    Ms,
    SpeechEnded,
    SpeechStarted,
    TranscriptFinal,
    TranscriptPartial,
)
from patter_cli.core.greeting_words import Manner, Reading, read
from patter_cli.core.outcome import AnsweredBy, VerdictSource

ENOUGH = 2
"""What the phrases of machines must add up to."""
HELLO_MS = 750
"""Silence after nothing but a hello."""
ASKED_MS = 500
"""Silence after a question or an offer to us: who asks waits for the answer."""
PLAIN_MS = 1050
"""Silence after other words; machines pause for less between sentences. Source: tests/bench/greetings.py."""
WORDLESS_MS = 1250
"""Silence after a voice whose words are not known."""
DOUBTFUL_MS = 2600
"""Silence after a phrase that machines use more than humans do."""
LONG_MS = 4000
"""A voice that was longer than most hellos."""
LONG_SILENCE_MS = 1150
"""Silence after such a voice, with words that tell nothing; DOUBTFUL_MS if there are none."""
TAPE_MS = 2600
"""How soon after a greeting its beep begins, as far as it makes a machine of who was taken for a human."""
DOUBT_MS = 30_000
"""The same for one whom the carrier may take for a machine: as long as a greeting may go on."""
TOLD_MS = 300
"""A tone is told so long after its end at most: it is waited for another one. Source: audio/beep.py."""
SHORTEST_VOICE_MS = 160
"""A shorter voice without words is a click."""
GAP_MS = 500
"""A shorter silence is none: a voice goes on without a gap."""
CADENCE_MS = 6500
"""No hello takes so long."""
LATE_MS = 4000
"""Who begins to speak later than this after the line was up may be answering us: see LATE_CADENCE_MS."""
LATE_CADENCE_MS = 14_000
EARLY_TONE_MS = 700
"""A tone sooner than this, before any voice, belongs to the connection."""
LONE_TONE_MS = 150
"""A shorter one without any voice before it is a click of the network."""
CNG_HZ = (1062.0, 1138.0)
CNG_MS = (400, 600)
"""A fax that calls, or thinks it does. Source: ITU-T T.30, 1100 Hz +- 38, half a second every 3.5 s."""
PROGRESS_HZ = (340.0, 490.0)
"""Where the tones of exchanges lie, ringing, busy and call waiting; a beep there is believed after machine's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyTone:
    """A single tone was on the line; it ended a moment ago, unless it is a fax's answer and goes on."""

    hz: float
    length_ms: int
    answers_fax: bool = False


Heard: TypeAlias = Event | SteadyTone
Found: TypeAlias = MachineDetected | BeepHeard


@dataclass(slots=True)
class WhoAnswered:
    """One outbound call's far end. `handle` each event and each tone, and come back at `next_deadline`."""

    settled: bool = False
    """Nothing will be found any more."""
    _began: Ms | None = None
    """When the line was up, as far as we know."""
    _speaking: bool = False
    _first_voice: Ms | None = None
    _stretch_start: Ms = 0
    """Where the voice began that has no gap up to now."""
    _voiced_until: Ms = 0
    _words: dict[int | str, str] = field(default_factory=dict)
    _reading: Reading = field(default_factory=lambda: Reading(Manner.NOTHING))
    _verdict: AnsweredBy | None = None
    _calling_tones: int = 0
    _tape_until: Ms = 0
    """Who was taken for a human is a tape all the same, if a beep begins before then."""

    def handle(self, event: Heard | None, now: Ms, *, tone_sounds: bool = False) -> list[Found]:
        """Take what the line brought, None if it is only time that passed; what that leads to.

        tone_sounds: one does now that may turn out to be a beep; nobody is taken for a human before that is known.
        """
        if self.settled:
            return []
        if self._began is None:
            self._began = now
        if self._verdict is AnsweredBy.HUMAN:
            return self._still_human(event, now, tone_sounds)
        match event:
            case SpeechStarted(at_ms=at):
                self._voice_begins(min(at, now))
            case SpeechEnded(at_ms=at):
                self._speaking = False
                self._voiced_until = max(self._stretch_start, min(at, now))
            case TranscriptPartial(segment=key, text=text):
                self._read(key, text, goes_on=self._speaking)
            case TranscriptFinal(segment=key, text=text):
                self._read(key, text)
            case EngineTranscript(item=item, text=text, final=final):
                self._read(item, text, goes_on=not final)
            case SteadyTone():
                return self._tone(event, now)
            case _:
                pass
        return self._judged(now, tone_sounds)

    def next_deadline(self) -> Ms | None:
        """When time alone tells something."""
        if self.settled or self._first_voice is None:
            return None
        if self._verdict is AnsweredBy.HUMAN:
            return self._tape_until
        human = None if self._speaking else self._human_at()
        if self._verdict is AnsweredBy.MACHINE:
            return human
        return self._stretch_start + self._cadence_ms if self._speaking else human

    def line_up(self, now: Ms) -> None:
        """Sound comes from now on."""
        self._began = now if self._began is None else self._began

    def _voice_begins(self, at: Ms) -> None:
        if self._first_voice is None:
            self._first_voice = self._stretch_start = at
        elif not self._speaking and at - self._voiced_until >= GAP_MS:
            self._stretch_start = at
        self._speaking = True

    def _read(self, key: int | str, text: str, *, goes_on: bool = False) -> None:
        if text.strip() or key in self._words:
            self._words[key] = text
            self._reading = read(" ".join(self._words.values()), goes_on=goes_on)

    @property
    def _cadence_ms(self) -> int:
        late = (self._first_voice or 0) - (self._began or 0) > LATE_MS
        return LATE_CADENCE_MS if late else CADENCE_MS

    def _human_at(self) -> Ms | None:
        """When the silence will have lasted long enough for a human; None if no silence is."""
        voiced_ms = self._voiced_until - self._stretch_start
        manner = self._reading.manner
        if self._reading.score >= ENOUGH:
            return None
        if self._verdict is AnsweredBy.MACHINE:
            return self._voiced_until + ASKED_MS if manner is Manner.ASKS else None
        match manner:
            case Manner.ASKS:
                silence_ms = ASKED_MS
            case Manner.HELLO:
                silence_ms = HELLO_MS
            case Manner.DOUBTFUL:
                silence_ms = DOUBTFUL_MS
            case Manner.NOTHING if voiced_ms < SHORTEST_VOICE_MS:
                return None
            case Manner.NOTHING:
                silence_ms = WORDLESS_MS if voiced_ms < LONG_MS else DOUBTFUL_MS
            case _:
                silence_ms = PLAIN_MS if voiced_ms < LONG_MS else LONG_SILENCE_MS
        return self._voiced_until + silence_ms

    def _judged(self, now: Ms, tone_sounds: bool) -> list[Found]:
        if self._first_voice is None:
            return []
        reading = self._reading
        if reading.score >= ENOUGH:
            return self._is_machine("said: " + ", ".join(reading.phrases))
        if self._speaking:
            talks_ms = now - self._stretch_start
            if talks_ms >= self._cadence_ms and reading.manner is not Manner.ASKS:
                return self._is_machine(f"spoke for {talks_ms / 1000:.1f} s without a gap")
            return []
        human_at = self._human_at()
        if human_at is None or now < human_at or tone_sounds:
            return []
        voiced_s, silent_s = (self._voiced_until - self._stretch_start) / 1000, (now - self._voiced_until) / 1000
        self._verdict = AnsweredBy.HUMAN
        sure = reading.manner in (Manner.ASKS, Manner.HELLO) or voiced_s * 1000 < LONG_MS
        self._tape_until = self._voiced_until + (TAPE_MS if sure else DOUBT_MS)
        self.settled = reading.manner in (Manner.ASKS, Manner.HELLO) or now >= self._tape_until
        why = f"{reading.manner.value}, {voiced_s:.1f} s of voice, then {silent_s:.1f} s of silence"
        return [MachineDetected(answered_by=AnsweredBy.HUMAN, source=VerdictSource.OWN, raw=why, sure=sure)]

    def _is_machine(self, why: str) -> list[Found]:
        if self._verdict is AnsweredBy.MACHINE:
            return []
        self._verdict = AnsweredBy.MACHINE
        return [MachineDetected(answered_by=AnsweredBy.MACHINE, source=VerdictSource.OWN, raw=why)]

    def _still_human(self, event: Heard | None, now: Ms, tone_sounds: bool) -> list[Found]:
        """A beep alone puts it right now, one that began in time."""
        if isinstance(event, SteadyTone):
            return self._tone(event, now) if now - event.length_ms < self._tape_until + TOLD_MS else []
        self.settled = now >= self._tape_until and not tone_sounds
        return []

    def _tone(self, tone: SteadyTone, now: Ms) -> list[Found]:
        what = f"{tone.hz:.0f} Hz for {tone.length_ms} ms"
        if tone.answers_fax:
            return self._is_fax(f"a fax answers: {what}")
        unspoken = self._first_voice is None
        if unspoken and CNG_HZ[0] <= tone.hz <= CNG_HZ[1] and CNG_MS[0] <= tone.length_ms <= CNG_MS[1]:
            self._calling_tones += 1
            return self._is_fax(f"a fax calls: {what}, twice") if self._calling_tones == 2 else []
        like_machine = self._verdict is AnsweredBy.MACHINE or self._reading.score > 0
        if PROGRESS_HZ[0] <= tone.hz <= PROGRESS_HZ[1] and not like_machine:
            return []
        early = now - tone.length_ms - (self._began or 0) < EARLY_TONE_MS
        if unspoken and (early or tone.length_ms < LONE_TONE_MS):
            return []
        self._verdict = AnsweredBy.MACHINE
        return [BeepHeard(source=VerdictSource.OWN, raw=what)]

    def _is_fax(self, why: str) -> list[Found]:
        self.settled, self._verdict = True, AnsweredBy.FAX
        return [MachineDetected(answered_by=AnsweredBy.FAX, source=VerdictSource.OWN, raw=why)]
