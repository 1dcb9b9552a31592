"""What people answer in one to three words: the phrases a recogniser is offered where the sound alone says little.

Half a second of telephone speech fits many spellings ("Two." and "Do."), and a recogniser that has read books takes the
commoner one. On a telephone the short things people say are few: yes and no, numbers, days, times, greetings, and the
names that the agent's author gives as `keyterms`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

_UNITS = "one two three four five six seven eight nine".split()
_HOURS = [*_UNITS, "ten", "eleven", "twelve"]
_TEENS = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth".split()
_DATES = [
    *_ORDINALS,
    *"tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth".split(),
    *("twentieth", *(f"twenty {each}" for each in _ORDINALS), "thirtieth", "thirty first"),
]
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS = "January February March April May June July August September October November December".split()

_PLAIN = """
yes; yes, please; yeah; yep; yup; yes, it is; yes, I do; yes, I am; no; no, thanks; no, thank you; nope; not really;
no, I don't; okay; sure; of course; correct; that's right; that's correct; that's fine; that's it; that's all; right;
exactly; absolutely; definitely; great; perfect; good; fine; all right; sounds good; thanks; thank you; thanks a lot;
please; you're welcome; hello; hi; hi there; hey; good morning; good afternoon; good evening; goodbye; bye; bye bye;
see you; good night; sorry; excuse me; pardon; what; who; why; when; where; how much; how many; how long; stop; wait;
hold on; one moment; just a moment; one second; go on; go ahead; continue; help; cancel; repeat; repeat that;
say again; say that again; not sure; I'm not sure; I don't know; no idea; maybe; maybe later; not now; later; now;
soon; both; neither; either; none; nothing; anything; anyone; anytime; any day; any time; the first one;
the second one; the third one; the last one; this one; that one; the same; the other one; another one; a human;
a person; an agent; a real person; the manager; operator; reception; representative; sales; support; billing;
customer service; technical support; today; tomorrow; tonight; yesterday; this week; next week; this weekend;
next month; weekdays; weekends; not today; tomorrow morning; tomorrow afternoon; tomorrow evening; this morning;
this afternoon; this evening; in the morning; in the afternoon; in the evening; at night; morning; afternoon; evening;
noon; midnight; at noon; around noon; just me; just one; one person; a table; an appointment; a check-up; a cleaning;
a haircut; a reservation; the price; opening hours; the address; parking; insurance; delivery; pickup; refund; cash;
card; by card; credit card; debit card; small; medium; large; single; double; red; blue; black; white; green; yellow;
hot; cold; left; right; up; down; more; less; speak up; louder; slower; English; Spanish; zero; hundred; one hundred;
two hundred; five hundred; a thousand; one thousand; a week; an hour; half an hour; thirty minutes
"""


@cache
def common_answers() -> tuple[str, ...]:
    """Short answers that any agent gets, capitalised as a sentence is and without its full stop."""
    found = [" ".join(each.split()) for each in _PLAIN.split(";")]
    found += [*_HOURS, *_TEENS, *_TENS, *(f"{ten} {unit}" for ten in _TENS for unit in _UNITS)]
    for number in (*_HOURS, "fifteen", "twenty"):
        found += [f"{number} people", f"for {number}", f"{number} of us"]
        found += [f"{number} {unit}" for unit in ("minutes", "hours", "days", "weeks", "dollars")]
    found += ["one hour", "one day", "one week"]
    found += [f"{tens} dollars" for tens in (*_TENS, "a hundred", "one hundred", "two hundred")]
    for hour in _HOURS:
        found += [f"{before} {hour}" for before in ("at", "half past", "quarter past", "quarter to")]
        found += [f"{before} {hour}" for before in ("after", "before", "around")]
        found += [f"{hour} {after}" for after in ("o'clock", "a.m", "p.m", "thirty", "fifteen", "forty five")]
    for day in _DAYS:
        found += [day, f"on {day}", f"next {day}", f"this {day}"]
        found += [f"{day} {part}" for part in ("morning", "afternoon", "evening")]
    found += _MONTHS
    for date in _DATES:
        found += [date, f"the {date}", *(f"{month} {date}" for month in _MONTHS)]
    return tuple(dict.fromkeys(sentence_case(each) for each in found))


def offered(keyterms: Iterable[str]) -> tuple[str, ...]:
    """What is offered to the recogniser of an agent with these key terms."""
    own = (" ".join(each.split()).rstrip(".?!,") for each in keyterms)
    return tuple(dict.fromkeys((*common_answers(), *(sentence_case(each) for each in own if each))))


def sentence_case(phrase: str) -> str:
    """The phrase with its first letter raised, as recognisers write it."""
    return phrase[:1].upper() + phrase[1:]
