"""When the caller's turn is over: how much silence its words ask for.

Theory of operation. Three waits, shortest where the words are plainly complete, longest where they plainly are not.
What recognition writes is a guess made before the pause was over, and its punctuation is another: a full stop after
"I can come on Monday or." says nothing, so words come before marks. Unfinished are: a last word after which people
go on; a greeting or an apology alone, which opens a sentence; a stalling phrase; and digits said one by one, as long
as there are too few of them for a telephone number. English; in other languages silence alone decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from patter_cli.core.plan import TurnTiming

_ALWAYS_OPEN = frozenset(
    """and or but so because if whether while whose than the a an my your our their its every
    um uh ah er erm hmm i'm i'd i've i'll we're we'd we'll he's she's they're there's mr mrs ms dr""".split()
)
"""No sentence ends with these, not even a question."""

_MOSTLY_OPEN = frozenset(
    """when who which with without for from to of in on at by about into
    is are was were am be been i we they he she it's
    can could will would should may might must do does did have has had well like also just maybe number
    want need next""".split()
)
"""A statement goes on after these; a question may end with them: "who is it for?", "how are they?"."""

_QUESTION_WORDS = frozenset("what when where who why how which whose can could do does is are will would may".split())

_ASKED_FOR = frozenset("what when where who why how which".split())
"""At the end of a longer question it has only begun: "could you tell me when"."""

_OPENINGS = frozenset(
    (
        "hello,hi,hey,sorry,good morning,good afternoon,good evening,excuse me,pardon me,i'm sorry,hello there,"
        "hi there,oh sorry,oh hello,oh hi,yes hello,yes hi,hello good morning,hi good morning,sorry yes,yes sorry,"
        "no sorry,sorry no,oh,oh yes,oh no,look,listen,actually,anyway,you know"
    ).split(",")
)
"""Alone they only open a sentence. Source: tests/bench/turns.py, pauses after a first word."""

_DANGLING = re.compile(
    r"\b(let me (see|think|check|look)|(just )?(a|one|wait a|give me a) (second|moment|minute|sec)|hold on|hang on|"
    r"how (do|should) i (say|put) (it|this|that)|what was it|(like|want|wanted) to (know|ask|say)( it)?|"
    r"i mean|(and|but) then)$"
)
"""Somebody who says this last is still looking for words. Source: as above; recognition drops the "uh" after it, and
hears "if" before a pause as "it"."""

_COMPLETE = re.compile(
    r"^(yes |no |yeah )?(i|we|it|he|she|they|that) (do|am|is|are|can|could|have|has|will|would|should|did|was|were)$|"
    r"\b(think|hope|guess|suppose|say) so$|"
    r"\b(all|one|what|thing|ones) (that )?(i|you|we|they) (want|need|have|can|do|did)$"
)
"""Complete, though it ends in a word that mostly is not the last: "yes, I do", "that's all I need"."""

_SHORT_ANSWERS = frozenset(
    """yes yeah yep yup no nope okay ok sure correct right exactly great perfect thanks goodbye bye stop
    wait repeat never cancel monday tuesday wednesday thursday friday saturday sunday tomorrow today morning
    afternoon please""".split()
)

_DIGITS = frozenset("oh o zero one two three four five six seven eight nine double".split())

_NUMBER_DIGITS = range(3, 10)
"""More digits than a room's number, fewer than a telephone's."""


class Silence(Enum):
    """Which of the three waits the words ask for."""

    PLAIN = "plain"
    COMPLETE = "complete"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRule:
    """What decides how long the silence must be. why: in words; words: those of the caller's that it goes by."""

    silence: Silence
    why: str
    words: str = ""

    def delay(self, pace: TurnTiming) -> int:
        """Milliseconds of silence."""
        match self.silence:
            case Silence.COMPLETE:
                return pace.endpoint_complete_ms
            case Silence.UNFINISHED:
                return pace.endpoint_unfinished_ms
            case Silence.PLAIN:
                return pace.endpoint_ms


def endpoint_delay(text: str, pace: TurnTiming) -> int:
    """Milliseconds of silence, from the last voiced window on, that end a turn with these words.

    text: what is recognised of the turn so far; empty if nothing is known yet.
    """
    return endpoint_rule(text).delay(pace)


def endpoint_rule(text: str) -> EndpointRule:
    """The rule that such words fall under; text as above."""
    words = [w.strip(".,!?;:\"'").lower() for w in text.split()]
    words = [w for w in words if w]
    if not words:
        return _plain("no words are known")
    stripped, said = text.rstrip(), " ".join(words)
    if complete := _COMPLETE.search(said):
        return _plain("it is complete though its last word mostly is not the last", complete[0])
    if words[-1] in _ALWAYS_OPEN:
        return _unfinished("no sentence ends with its last word", words[-1])
    if stripped.endswith(("...", "…", "-", "—")):
        return _unfinished("its end was heard as a break", words[-1])
    if stripped.endswith("?"):
        return _after_question(words)
    if said.endswith("thank you") or (len(words) <= 3 and all(w in _SHORT_ANSWERS for w in words)):
        return _complete("a short answer", said)
    # Recognition repeats a lonely word in noise: "Hello? Hello. Hello."
    if " ".join(dict.fromkeys(words)) in _OPENINGS:
        return _unfinished("alone it only opens a sentence", said)
    if words[-1] in _MOSTLY_OPEN:
        return _unfinished("people mostly go on after its last word", words[-1])
    if dangling := _DANGLING.search(said):
        return _unfinished("who says this is still looking for words", dangling[0])
    if _open_number(words):
        return _unfinished("more digits of a number are expected", " ".join(words[-4:]))
    return _plain("nothing in its words speaks for more or less")


def _plain(why: str, words: str = "") -> EndpointRule:
    return EndpointRule(silence=Silence.PLAIN, why=why, words=words)


def _complete(why: str, words: str) -> EndpointRule:
    return EndpointRule(silence=Silence.COMPLETE, why=why, words=words)


def _unfinished(why: str, words: str) -> EndpointRule:
    return EndpointRule(silence=Silence.UNFINISHED, why=why, words=words)


def _after_question(words: list[str]) -> EndpointRule:
    if len(words) >= 4 and words[-1] in _ASKED_FOR:
        return _unfinished("its question has only begun", words[-1])
    if len(words) >= 3 and not _QUESTION_WORDS.isdisjoint(words[:-1]):
        return _complete("a whole question", " ".join(words))
    if set(words) <= {"hello"}:
        return _unfinished("alone it only opens a sentence", "hello")
    return _plain("a question without a question word")


def _open_number(words: list[str]) -> bool:
    """Whether it ends in digits of which more will come."""
    digits = spelled = 0
    for word in reversed(words):
        if word in _DIGITS:
            digits += 1
            spelled += 1
        elif (figures := re.sub(r"[-.,()/]", "", word)).isdigit():
            digits += len(figures)
        else:
            break
    return digits in _NUMBER_DIGITS or (digits == 2 and (spelled == 2 or "number" in words))
