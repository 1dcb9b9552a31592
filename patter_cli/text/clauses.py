"""Cut a model's stream of tokens into sentences, each as early as it is certain.

Theory of operation. The buffer always begins at a sentence's first character. Marks that might end it (a run
of terminators, a line break, for a hurried first clause a comma or dash) are judged from left to right, and
each judgement is CUT, KEEP or WAIT. It is WAIT whenever one more character could change it: a full stop with
nothing behind it may yet be a decimal point, "U.S." needs the whole next word. So a judgement other than WAIT
holds for every way the text may go on, the cuts depend on the text alone, and it does not matter where its
tokens fell.

A full stop after an abbreviation is the hard case. Some abbreviations are always followed by their noun
("Dr.") and never end a sentence. Others may ("etc.", "p.m.", "St."): they do so only before a capitalised
word that hardly ever is a name ("We", "The"). Joining two sentences costs a little time; cutting "St. James"
is heard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from unicodedata import combining, normalize

FIRST_CLAUSE_CHARS = 40
"""How long a hurried first clause must be: about two seconds of speech, long enough to hide the next one."""


class SentenceChunker:
    """Turns pieces of text, cut anywhere, into whole sentences to speak.

    language: BCP-47; English rules unless it is Italian. aggressive_first_flush: let the first clause of a
    reply go at a comma, semicolon or dash once it has FIRST_CLAUSE_CHARS; never in Italian, whose commas bind
    closer.
    Sentences also end at ؛ ； ༏; not at ՜ ՞ (Armenian tone marks, set inside the word that is called or asked) nor at
    ؏ (Arabic, set beside a verse that is quoted). The sentences, joined, are the text: only white space between them
    is lost.
    """

    def __init__(self, language: str = "en", aggressive_first_flush: bool = False) -> None:
        italian = re.split("[-_]", language.lower())[0] == "it"
        self._words = _ITALIAN if italian else _ENGLISH
        self._hurried = aggressive_first_flush and not italian
        self._text = ""
        self._judged = 0
        """Everything before this index has been judged and kept."""
        self._first = True

    def push(self, text: str) -> list[str]:
        """Take the next piece of the reply; returns the sentences that are now certain, oldest first."""
        self._text = (self._text + text).lstrip()
        return self._take_sentences(final=False)

    def flush(self) -> list[str]:
        """The reply is complete: returns what is left, also if unfinished, and begins a new reply."""
        sentences = self._take_sentences(final=True)
        if rest := self._text.strip():
            sentences.append(rest)
        self.reset()
        return sentences

    def reset(self) -> None:
        """Forget what was pushed and begin a new reply."""
        self._text = ""
        self._judged = 0
        self._first = True

    def _take_sentences(self, *, final: bool) -> list[str]:
        sentences: list[str] = []
        while (cut := self._find_cut(final=final)) is not None:
            sentences.append(self._text[:cut].rstrip())
            self._text = self._text[cut:]
            self._judged = 0
            self._first = False
        return sentences

    def _find_cut(self, *, final: bool) -> int | None:
        """Where the next sentence begins, or None when the text so far does not say."""
        marks = _MARKS_OR_PAUSES if self._hurried and self._first else _MARKS
        while mark := marks.search(self._text, self._judged):
            verdict, at = self._judge(mark.start(), final=final)
            if verdict is _Verdict.CUT:
                return at
            if verdict is _Verdict.WAIT:
                self._judged = mark.start()
                return None
            self._judged = at
        self._judged = len(self._text)
        return None

    def _judge(self, at: int, *, final: bool) -> _Judgement:
        """Judge the mark at an index; returned with the next sentence's start, or where to look on."""
        if self._text[at] == "\n":
            return self._judge_line_break(at, final=final)
        if self._text[at] in _TERMINATORS:
            return self._judge_terminator(at, final=final)
        return self._judge_pause(at)

    def _judge_terminator(self, at: int, *, final: bool) -> _Judgement:
        text = self._text
        end = _span(text, at, _ENDING)
        while True:
            start = _span(text, end, _SPACE)
            if start == len(text):
                return _Verdict.WAIT, at
            if start == end and not _HARD.search(text, at, end):
                return _Verdict.KEEP, end
            if text[start] not in _TERMINATORS:
                break
            again = _span(text, start, _ENDING)
            if again == len(text):
                return _Verdict.WAIT, at
            if not text[again].isspace() and not _HARD.search(text, start, again):
                break  # ".NET": the dot belongs to the next word
            end = again  # ". . ." or a second shad: still the same ending
        if not _WORDS.search(text, 0, at):
            return _Verdict.KEEP, end
        if _HARD.search(text, at, end):
            decimal = text[end - 1] == "．" and text[start].isdigit()
            return (_Verdict.KEEP, end) if decimal else (_Verdict.CUT, start)
        if text.count("\n", end, start) > 1:
            return _Verdict.CUT, start
        word = _span(text, start, _OPENING)
        if word == len(text):
            return _Verdict.WAIT, at
        marks = text[at:end].rstrip(_CLOSERS)
        quoted = len(marks) < end - at
        if text[word].islower() and (quoted or marks[-1] in "…‥" or marks.endswith("..")):
            return _Verdict.KEEP, end
        if marks != ".":
            return _Verdict.CUT, start
        return self._judge_full_stop(at, end, start, word, final=final)

    def _judge_full_stop(self, at: int, end: int, start: int, word: int, *, final: bool) -> _Judgement:
        """One full stop before white space. at: the stop; start: the next token; word: its first letter."""
        before = self._text[max(0, at - _LONGEST_LOOK_BACK) : at]
        kind = self._words.kind(before, before_digit=self._text[word].isdigit())
        if kind is _Kind.NEVER_ENDS:
            return _Verdict.KEEP, end
        if kind is _Kind.ORDINARY:
            return _Verdict.CUT, start
        stop = word
        while stop < len(self._text) and (self._text[stop].isalnum() or combining(self._text[stop])):
            stop += 1
        if stop == len(self._text) and not final:
            return _Verdict.WAIT, at
        following = normalize("NFC", self._text[word:stop])
        initial = len(following) == 1 and self._text[stop : stop + 1] == "."  # "J. A. Smith"
        begins = following[:1].isupper() and following.lower() in self._words.starters and not initial
        return (_Verdict.CUT, start) if begins else (_Verdict.KEEP, end)

    def _judge_line_break(self, at: int, *, final: bool) -> _Judgement:
        """A blank line ends a sentence, and so does a line that is followed by a list item or a heading."""
        text = self._text
        start = _span(text, at, _SPACE)
        if start == len(text):
            return _Verdict.WAIT, at
        if not _WORDS.search(text, 0, at):
            return _Verdict.KEEP, start
        if text.count("\n", at, start) > 1:
            return _Verdict.CUT, start
        stop = start
        while stop < len(text) and not text[stop].isspace() and stop - start < _LONGEST_BULLET:
            stop += 1
        if stop == len(text) and not final:
            return _Verdict.WAIT, at
        item = stop < len(text) and text[stop].isspace() and _BULLET.fullmatch(text, start, stop)
        return (_Verdict.CUT, start) if item else (_Verdict.KEEP, start)

    def _judge_pause(self, at: int) -> _Judgement:
        """A comma, semicolon or dash: the end of a reply's first clause, if that is long enough."""
        text = self._text
        if at + 1 < FIRST_CLAUSE_CHARS:
            return _Verdict.KEEP, at + 1
        marks = _span(text, at, _DASHES) if text[at] in _DASH else at + 1
        end = _span(text, marks, _CLOSING)
        start = _span(text, end, _SPACE)
        if start == len(text):
            return _Verdict.WAIT, at
        if "—" not in text[at:marks] and text[at] in _DASH and not (text[at - 1].isspace() and start > end):
            return _Verdict.KEEP, end  # a hyphen or a range
        if text[at] in ",;" and start == end:
            return _Verdict.KEEP, end
        if text[at - 1].isdigit() and text[start].isdigit():  # "May 5, 2031"
            return _Verdict.KEEP, end
        return _Verdict.CUT, start


class _Verdict(Enum):
    CUT = auto()
    KEEP = auto()
    WAIT = auto()


_Judgement = tuple[_Verdict, int]


class _Kind(Enum):
    """What a full stop after a word means."""

    ORDINARY = auto()
    MAY_END = auto()
    NEVER_ENDS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """One language's abbreviations, without their last full stop, and the words that begin sentences."""

    never_ends: frozenset[str]
    """Lower case: titles and the like, always followed by what they belong to."""
    may_end: frozenset[str]
    """As written: a month is "Jan", never "jan"."""
    before_digit: frozenset[str]
    """Lower case: abbreviations only in front of a number ("No. 5")."""
    after_digit: frozenset[str]
    """Lower case: measures, abbreviations only behind a number ("6 in.")."""
    starters: frozenset[str]

    def kind(self, before: str, *, before_digit: bool) -> _Kind:
        """Judge the last word of a sentence's text up to, not including, a full stop."""
        words = before.split()
        if not words:
            return _Kind.ORDINARY  # nothing but white space as far as we look
        word = re.split(r"[-–—/]|['’](?=\w[\w.])", words[-1])[-1].lstrip(_OPENERS)
        listed = len(words) == 1 or words[-2].endswith(":")
        if listed and word.isdigit() and len(word) <= 3:
            return _Kind.NEVER_ENDS  # "1. Brush your teeth": the number of a list item
        if word.lower() in self.never_ends or (before_digit and word.lower() in self.before_digit):
            return _Kind.NEVER_ENDS
        measured = words[-2][-1:] if len(words) > 1 and word == words[-1] else ""
        measure = word.lstrip("0123456789.,")
        if measure.lower() in self.after_digit and (measure != word or measured.isdigit()):
            return _Kind.MAY_END
        if word in self.may_end or _INITIALS.fullmatch(word):
            return _Kind.MAY_END
        return _Kind.ORDINARY


def _span(text: str, at: int, run: re.Pattern[str]) -> int:
    """The end of the run that begins at an index."""
    found = run.match(text, at)
    return found.end() if found else at


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Latin marks end a sentence only before white space ("3.50", "a.b/c?d"); the others do so by themselves.
# In order: CJK, Devanagari, Arabic, Urdu, Armenian, Ethiopic, Khmer, Burmese, Tibetan. The Arabic ؛ and the wide ； are
# among them, which part whole statements where the Latin semicolon parts clauses.
_SOFT_MARKS = ".!?…‥‼⁇⁈⁉‽"
_HARD_MARKS = "。｡．！？；।॥؟؛۔։።፧፨។៕။།༎༏"
_TERMINATORS = _SOFT_MARKS + _HARD_MARKS
_CLOSERS = "\"'”’»›)]}」』】）〉》*_`~"
_OPENERS = "\"'“‘„«‹([{「『【（〈《*_`~#-–—•¿¡"
_DASH = "-–—"
_PAUSES = ",;，、،፣၊" + _DASH


def _any_of(characters: str, times: str = "") -> re.Pattern[str]:
    return re.compile(f"[{re.escape(characters)}]{times}")


_HARD = _any_of(_HARD_MARKS)
_MARKS = _any_of(_TERMINATORS + "\n")
_MARKS_OR_PAUSES = _any_of(_TERMINATORS + "\n" + _PAUSES)
_ENDING = _any_of(_TERMINATORS + _CLOSERS, "*")
_CLOSING = _any_of(_CLOSERS, "*")
_OPENING = _any_of(_OPENERS, "*")
_DASHES = _any_of(_DASH, "*")
_SPACE = re.compile(r"\s*")
_WORDS = re.compile(r"[^\W_]")
_BULLET = re.compile(r"[-*+•–]|#{1,6}|\d{1,3}[.)]")
_LONGEST_BULLET = 7
_LONGEST_LOOK_BACK = 80
"""Characters before a full stop that decide what it means: two words, and no abbreviation is longer."""
_INITIALS = re.compile(r"[^\W\d_]|(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
"""A single letter, or an initialism: "J", "U.S", "a.m", "Ph.D", "S.p.A"."""

_ENGLISH = _Words(
    never_ends=_set(
        "mr mrs ms mx messrs mmes dr drs prof profs hon rev fr gen sen rep gov pres capt cpt lt col sgt cmdr supt mt "
        "vs viz cf e.g i.e"
    ),
    may_end=_set(
        "Jr jr Sr sr St st Ave Blvd Rd Ln Sq Ct Hwy Apt Ste Bldg etc al Inc Ltd Co Corp Bros Dept Univ Assn "
        "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thurs Fri Sat Sun approx est "
        "appt min max temp tel ft Ft"
    ),
    before_digit=_set("no nos p pp vol fig ch sec art ext tel par rm apt approx c ca"),
    after_digit=_set(
        "in ft yd mi mm cm m km sq oz lb lbs g mg kg ml cl l pt qt gal tsp tbsp hr hrs h min mins sec secs "
        "s mph kph yr yrs mo mos wk wks"
    ),
    starters=_set(
        "a an the this that these those there here he she it we they you i my our your his her its their "
        "what when where who whose why how which is are was were am do does did have has had can could will "
        "would shall should must let please thanks thank yes no not and but so or also then however if "
        "although because for to at on in with after before once now just all some any each every both "
        "another next sorry okay ok well sure great perfect unfortunately otherwise alternatively"
    ),
)

_ITALIAN = _Words(
    never_ends=_set(
        "sig sigg sig.ra sig.na sig.ri sig.re sgr sgra dott dr dott.ssa dott.ri dott.sse prof proff prof.ssa avv ing "
        "geom rag arch on egr spett "
        "gent ill mons cav comm card sen gen col cap ten p.es es cfr vs"
    ),
    may_end=_set(
        "ecc Ecc etc S s Jr Inc Ltd spa SpA Spa srl Srl sas snc gen feb mar apr mag giu lug ago set sett ott nov dic "
        "tel min max"
    ),
    before_digit=_set("n nr num p pag pagg art fig cap vol int tel"),
    after_digit=_set("mm cm m km mq g mg kg q t ml cl l h min sec s"),
    starters=_set(
        "il lo la i gli le l un una uno io tu lei lui noi voi loro questo questa questi queste quello "
        "quella che chi cosa come quando dove perché quanto quale quali è sono siamo ha ho hanno abbiamo "
        "può posso possiamo vuole vorrei e ma o se però poi allora anche non sì no per con in a da di al "
        "alla nel nella dal del della grazie prego certo bene mi ci vi si purtroppo ecco ora adesso oggi "
        "domani"
    ),
)
