"""The front desk of a dental practice: answers questions, books, moves and cancels, takes messages, transfers.

    patter simulate receptionist     hear it talk with the caller of receptionist.toml: no account, no key
    patter serve receptionist        put it on your phone number

Read it from the top: the practice, its calendar, the tools, the conversation. The conversation is `on_message`,
plain rules, so that it works without a language model. With a model, leave `on_message` out: the prompt and the
tools at the end do the same work.
"""

import datetime as dt
import difflib
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from patter_cli import Agent, tool
from patter_cli.text.spoken import find_day, find_name, find_phone_number, find_time, normal, say_day, say_time

# --- The practice -----------------------------------------------------------------------------------------------

rehearsals = tempfile.TemporaryDirectory(prefix="receptionist-")
FRONT_DESK = "+12025550142"
HOURS = {weekday: (dt.time(9), dt.time(17, 30)) for weekday in range(5)} | {5: (dt.time(9), dt.time(13))}
EMERGENCIES = dt.time(15)  # kept free every day for people in pain
OPENING_HOURS = "We are open Monday to Friday from nine until five thirty, and on Saturday from nine until one."
GREETING = "Thank you for calling Bright Smile Dental. This is the automated assistant. How can I help you?"
TREATMENTS = {  # how we say it, its price, how callers ask for it, misheard ("claiming") or not
    "check-up": ("a check-up", "sixty dollars", r"check ?up|\bexam|\bchecked"),
    "cleaning": ("a cleaning", "eighty dollars", r"\bcl(ean|aim)|hygien|polish"),
    "filling": ("a filling", "one hundred and fifty dollars", r"\bfilling|\bcavity"),
    "crown": ("a crown", "nine hundred dollars", r"\bcrown"),
    "whitening": ("a whitening", "two hundred and fifty dollars", r"\bwhit(en|er)"),
    "emergency": ("an emergency visit", "ninety five dollars", r"emergenc|urgent"),
}
FACTS = [  # the first pattern that a caller's words match has the answer
    (
        r"(are you|is this|am i (talking|speaking)).*(robot|human|person|real|machine|computer|bot|ai\b)",
        "I am a computer, the practice's automated assistant. If you would rather talk to a person, just say so.",
    ),
    (r"how are you|how's it going", "I'm doing well, thank you for asking. How can I help you?"),
    (r"your name|who (are you|is this)", "This is the automated assistant of Bright Smile Dental."),
    (r"(does|will|is) .*(hurt|pain)", "Most people feel very little. The dentist numbs the tooth first."),
    (r"insur|\bcover(s|ed|age)?\b|dental plan", "We take most dental insurance. Please bring your card with you."),
    (r"\bpark", "There is free parking behind the building, on the left."),
    (r"\bpay\b|payment|credit card|\bcash\b", "You can pay by card or in cash, at the visit or in three payments."),
    (
        r"address|where (are|is|do|exactly)|locat|direction|(find|get to|reach) (you|there)|what street|\bbus\b",
        "We are at fourteen Mill Lane, next to the library. The number nine bus stops outside.",
    ),
    (r"new patient", "Yes, we welcome new patients. A check-up is the best way to begin."),
    (r"children|\bkids\b", "Yes, we see children from the age of three."),
    (r"(what|which) (services|treatments)", "We do check-ups, cleanings, fillings, crowns and whitening."),
]


def now() -> dt.datetime:
    """The practice's wall clock: nothing else here asks what time it is."""
    return dt.datetime.now()


# --- The calendar -----------------------------------------------------------------------------------------------


@contextmanager
def calendar() -> Iterator[dict[str, Any]]:
    """The calendar file, ours alone until the block ends. If changed, it is written whole or not at all."""
    home = user_data_path("patter") / "receptionist-calendar.json"
    path = Path(os.environ.get("PATTER_CALENDAR") or home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "a", encoding="utf-8") as lock:  # the system lets go of it even if we crash
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        before = path.read_text(encoding="utf-8") if path.exists() else '{"appointments": {}, "messages": []}'
        book = json.loads(before)
        yield book
        after = json.dumps(book, indent=1)
        if after != before:
            draft = Path(f"{path}.new")
            draft.write_text(after, encoding="utf-8")
            draft.replace(path)


def key(start: dt.datetime) -> str:
    return start.isoformat(timespec="minutes")


def free(day: dt.date, taken: Container[str], urgent: bool = False) -> list[dt.datetime]:
    """The half hours of a day that can still be booked, in order. taken: the keys of appointments."""
    opens, closes = HOURS.get(day.weekday(), (dt.time(0), dt.time(0)))
    starts = [dt.datetime.combine(day, dt.time(hour, minute)) for hour in range(24) for minute in (0, 30)]
    ours = [start for start in starts if opens <= start.time() < closes and (urgent or start.time() != EMERGENCIES)]
    return [start for start in ours if start > now() and key(start) not in taken]


def taken() -> set[str]:
    with calendar() as book:
        return set(book["appointments"])


def nearest(start: dt.datetime, urgent: bool = False) -> list[dt.datetime]:
    """The two bookable times nearest to one that is not, in order: that day's, or the next day's that has any."""
    busy = taken()
    found = sorted(free(start.date(), busy, urgent), key=lambda other: abs(other - start))[:2]
    for days in range(1, 60):
        found = found or free(max(start, now()).date() + dt.timedelta(days=days), busy, urgent)[:2]
    return sorted(found)


def reserve(start: dt.datetime, name: str, reason: str, instead_of: str = "") -> bool:
    """Enter an appointment and give up another for it; False, and nothing done, when the time is not to be had."""
    with calendar() as book:
        if start not in free(start.date(), book["appointments"].keys() - {instead_of}, reason == "emergency"):
            return False
        book["appointments"].pop(instead_of, None)
        book["appointments"][key(start)] = {"name": name, "reason": reason}
        return True


def appointment_of(name: str, day: dt.date | None = None) -> tuple[dt.datetime, str] | None:
    """Somebody's next appointment and its reason; a misheard letter in the name is forgiven."""
    with calendar() as book:
        for start, entry in sorted(book["appointments"].items()):
            alike = difflib.SequenceMatcher(None, entry["name"].lower(), name.lower()).ratio()
            if alike >= 0.8 and start > key(now()) and (day is None or start.startswith(day.isoformat())):
                return dt.datetime.fromisoformat(start), entry["reason"]
    return None


def release(start: dt.datetime) -> None:
    """Give an appointment back; twice is as good as once."""
    with calendar() as book:
        book["appointments"].pop(key(start), None)


# --- The tools: what a language model may do. The rules below use them too ----------------------------------------


@tool
def opening_hours() -> str:
    """Say when the practice is open."""
    return OPENING_HOURS


@tool
def prices(treatment: str) -> str:
    """Say what a treatment costs. treatment: check-up, cleaning, filling, crown, whitening or emergency."""
    for said, price, heard in TREATMENTS.values():
        if re.search(heard, normal(treatment)):
            return f"{said[0].upper()}{said[1:]} is {price}."
    return "A check-up is sixty dollars, a cleaning eighty, and a filling one hundred and fifty."


@tool
def free_slots(day: str) -> str:
    """List the free times of a day. day: a date such as 2031-05-07, or "tomorrow", or "Wednesday"."""
    date, _ = find_day(normal(day), now().date())
    starts = free(date, taken()) if date else []
    return f"Free {choice(starts)}." if starts else "Nothing is free that day."


@tool
def book_appointment(name: str, day: str, time: str, reason: str) -> str:
    """Book an appointment, after the caller has heard name, day, time and reason and has agreed to them.

    The answer begins with "Booked", or says why not and what to offer instead.
    """
    date, clock = find_day(normal(day), now().date())[0], find_time(normal(time), expected=True)
    if not (name.strip() and date and clock):
        return "Not booked: ask for the name, the day and the time again."
    start = dt.datetime.combine(date, clock)
    if reserve(start, name.strip(), treatment_in(normal(reason)) or reason):
        return f"Booked for {name.strip()}, {moment(start)}."
    return f"Not booked: that time is not free. The nearest are {choice(nearest(start))}."


@tool
def cancel_appointment(name: str, day: str = "") -> str:
    """Cancel a caller's next appointment, or the one on a certain day, once the caller has agreed to it."""
    if found := appointment_of(name, find_day(normal(day), now().date())[0]):
        release(found[0])
        return f"Cancelled: {moment(found[0])}."
    return f"There is no appointment for {name}."


@tool
def take_message(name: str, text: str, number: str) -> str:
    """Leave a message for the staff. number: where they can call back."""
    with calendar() as book:
        book["messages"].append({"at": key(now()), "name": name, "text": text, "number": number})
    return "Noted."


# --- The conversation ---------------------------------------------------------------------------------------------

YES = r"\b(yes|yeah|yep|yup|sure|correct|right|ok|okay|fine|perfect|great|exactly|please|absolutely|go ahead|works)\b"
NO = r"\b(no|nope|nah|not|don't|wrong|incorrect)\b(?!.*\b(problem|right|fine|correct)\b)"
DONE = r"^(no|nope|nah)( (thanks?|thank you|that('s| is) (all|it|everything|fine)|i'm (fine|good|done)))*$"
AGAIN = r"\b(say|repeat) (that|it)\b|\brepeat\b|\bpardon|come again|what was that|did you say|didn't (hear|catch)"
BYE = r"good ?by|\bbye\b|hang up"
HUMAN = r"\bhuman|operator|representative|real person|front desk|transfer|put me through|(speak|talk) (to|with)"
HURTS = r"\bpain|hurt|ache\b|aching|swollen|bleed|emergency|urgent|(broke|chip|knock|crack|lost).*(tooth|teeth|filling)"
BOOK = r"\bbook|appointment|schedule|come in|see (the|a) dentist|reserve|\bslots?\b|availab|\bfree\b|fit me in"
MOVE = r"reschedul|postpone|\b(move|change|push) .*(appointment|booking|visit)"
QUESTIONS = {  # everything we ask
    "": "You can ask about hours, prices or directions, or say: book an appointment.",
    "reason": "What is it for: a check-up, a cleaning, a filling, or something else?",
    "day": "Which day suits you?",
    "time": "What time suits you?",
    "offer": "Which would you like?",
    "take it": "Would you like that?",
    "name": "May I have your name, please?",
    "confirm": "Shall I book it?",
    "change": "What should I change: the day, the time, or the name?",
    "cancel": "Shall I cancel it?",
    "note": "What is the message?",
    "number": "Which number can we call you back on?",
    "more": "Is there anything else I can do for you?",
}


@dataclass(slots=True)
class Call:
    """What one caller has told us so far."""

    task: str = ""  # "book", "move", "cancel", "message", or none
    asked: str = ""  # the last question, a key of QUESTIONS
    reason: str = ""
    interest: str = ""  # the treatment whose price was asked
    day: dt.date | None = None
    time: dt.time | None = None
    name: str = ""
    offers: list[dt.datetime] = field(default_factory=list)
    held: dt.datetime | None = None  # the appointment to cancel, or to give up for the new one
    note: str = ""
    reply: str = GREETING
    misses: int = 0  # how often in a row we did not understand
    then: Callable[[], object] | None = None  # what to do after the reply

    def ask(self, about: str, before: str = "") -> str:
        self.asked = about
        return f"{before} {QUESTIONS[about]}".strip()

    def begin(self, task: str) -> None:
        self.task, self.asked, self.reason, self.day, self.time = task, "", "", None, None
        self.offers, self.held = [], None


calls: dict[str, Call] = {}


def on_call_start(event: Any) -> dict[str, Any]:
    """Tell the prompt which day it is. A call from this machine is a rehearsal: it books in a calendar of its own."""
    if event.carrier in ("loopback", "typed"):
        os.environ.setdefault("PATTER_CALENDAR", f"{rehearsals.name}/calendar.json")
    return {"variables": {"today": f"{now():%A, %B %d %Y}"}}


async def on_message(event: Any) -> AsyncIterator[str]:
    """Answer one turn of the caller, sentence by sentence.

    Nothing is awaited before the whole reply is known. So an interruption, which cancels us at a `yield`, finds a
    booking made and remembered, or not begun; never half of it.
    """
    call = calls.setdefault(event.call_id, Call())
    call.then = None
    reply = answer(call, event, normal(event.text))
    call.misses = 0 if reply else call.misses + 1
    if call.misses > 1:
        reply = "I'm sorry, I have trouble understanding you. Shall I take a message for the front desk?"
    reply = reply or call.ask(call.asked, "Sorry, I didn't quite catch that.")
    call.reply = reply[0].upper() + reply[1:]
    for sentence in re.split(r"(?<=[.?!]) ", call.reply):
        yield f"{sentence} "
    if call.then:
        call.then()


def on_call_end(event: Any) -> None:
    """Forget the call."""
    calls.pop(event.call_id, None)


def answer(call: Call, event: Any, text: str) -> str:
    """The reply to what a caller said, or "" when no rule knows one. The order of the rules is their rank."""
    if keys := re.search(r"dtmf (\d+)", text):
        if call.asked != "number":
            text = {"1": "opening hours", "2": "book", "0": "human"}.get(keys[1], "")
    elif call.asked == "note" and not re.search(rf"^({BYE}|never ?mind|forget it)", text):
        call.note = event.text.strip()
        return call.ask("number", "Got it.")
    if re.search(AGAIN, text):
        return call.reply
    if re.search(BYE, text) or (
        not call.task and re.search(rf"that('s| is) (all|it|everything)\b|nothing else|{DONE}", text)
    ):
        call.then = event.end_call
        return f"{'Nothing is booked, then. ' if call.task == 'book' else ''}Thank you for calling. Goodbye!"
    named = call.asked == "name" and find_name(event.text, expected=True)
    if not named and (fact := fact_in(text, call.reason)):
        call.interest = treatment_in(text) or call.interest
        return call.ask(call.asked, fact) if call.task else fact
    if re.search(HUMAN, text):
        call.then = lambda: event.transfer_call(FRONT_DESK)
        return "Of course. I'm putting you through to the front desk now."
    hurts = re.search(HURTS, text) or ("tooth" in text and not treatment_in(text))
    if hurts and not named and call.reason != "emergency":
        return urgent(call)
    if re.search(r"never ?mind|forget", text) or (call.task == "book" and text == "cancel"):
        call.begin("")
        return call.ask("more", "No problem.")
    if ("cancel" in text and call.task != "cancel") or (call.task != "book" and re.search(MOVE, text)):
        call.begin("cancel" if "cancel" in text else "move")
        learn(call, event.text, text)
        return look_up(call)
    offered = call.misses > 1 and not named  # to take a message
    if re.search(r"\bmessage\b|call(ing)? (me )?back", text) or (offered and re.search(YES, text)):
        call.begin("message")
        return call.ask("note") if call.name else call.ask("name", "I'll take a message.")
    if offered and re.search(NO, text):
        return call.ask(call.asked, "All right.")
    if call.task:
        return {"book": booking, "message": message}.get(call.task, finding)(call, event, text)
    if re.search(BOOK, text) or treatment_in(text) or find_day(text, now().date())[0]:
        call.begin("book")
        call.reason = call.interest
        learn(call, event.text, text)
        return next_step(call) if call.day else f"Certainly. {next_step(call)}"
    if re.search(r"\bthank|cheers", text):
        return call.ask("more", "You're welcome.")
    if re.search(r"^(hello|hi|hey|good (morning|afternoon|evening))\b", text):
        return "Hello! How can I help you?"
    return "What can I do for you?" if call.asked == "more" and re.search(YES, text) else ""


def booking(call: Call, event: Any, text: str) -> str:
    """Something said while booking: news goes into the form, "yes" books, "no" asks what to change."""
    before = (call.reason, call.day, call.time, call.name)
    learn(call, event.text, text)
    if before != (call.reason, call.day, call.time, call.name):
        return next_step(call)
    no = re.search(NO, text)
    if call.asked == "confirm" and re.search(YES, text) and not no:
        return book(call)
    if call.asked in ("confirm", "change"):
        if wrong := next((slot for slot in ("day", "time", "name", "reason") if slot in text), ""):
            setattr(call, wrong, getattr(Call(), wrong))
            return next_step(call)
        return call.ask("change") if no else ""
    if call.asked in ("offer", "take it") and no:
        call.day = None
        return call.ask("day", "No problem.")
    return ""


def learn(call: Call, said: str, text: str) -> None:
    """Fill the form with whatever a sentence has for it."""
    day, rest = find_day(text, now().date())
    asked_when = call.asked in ("time", "offer", "take it", "confirm", "change")
    time = find_time(rest, expected=asked_when or day is not None)
    call.reason = treatment_in(text) or call.reason
    call.day, call.time = day or call.day, time or call.time
    call.name = find_name(said, expected=call.asked == "name") or call.name
    if call.offers and call.asked in ("offer", "take it") and not (day or time):
        picked = re.search(rf"\b(second|last|later|other)\b|first|earl|either|\bany|{YES}", text)
        if picked and (picked[1] or not re.search(NO, text)):
            start = call.offers[-1 if picked[1] else 0]
            call.day, call.time = start.date(), start.time()
        return
    part = re.search(r"(morning)|(afternoon)|\bfirst\b|earliest|soon|\bany|whenever", rest)
    if part and not time and (day or call.asked in ("day", "time")):
        starts = free(call.day, taken()) if call.day else nearest(now())
        fit = [start for start in starts if (start.hour < 12 or not part[1]) and (start.hour >= 12 or not part[2])]
        if fit:
            call.day, call.time = fit[0].date(), fit[0].time()


def next_step(call: Call) -> str:
    """Check the form and ask for what it still lacks; when it is complete, read it back."""
    if not call.reason:
        return call.ask("reason")
    if not call.day:
        return call.ask("day")
    if call.day < now().date() or call.day.weekday() not in HOURS:
        why = "That day has passed." if call.day < now().date() else f"We are closed on {call.day:%A}s."
        call.day = None
        return call.ask("day", why)
    starts = free(call.day, taken() - ({key(call.held)} if call.held else set()), call.reason == "emergency")
    if not call.time and starts:
        return call.ask("time", f"I'll look {say_day(call.day, now().date())}.")
    start = dt.datetime.combine(call.day, call.time or dt.time(12))
    if start not in starts:
        return offer(call, start)
    if not call.name:
        return call.ask("name", f"{moment(start)} is free.")
    return call.ask("confirm", f"That is {spoken(call.reason)} for {call.name}, at {moment(start)}.")


def offer(call: Call, start: dt.datetime) -> str:
    """Say why a time cannot be had, and offer the nearest that can."""
    opens, closes = HOURS[start.weekday()]
    if start <= now():
        why = "has already passed"
    elif not opens <= start.time() < closes:
        why = "is outside our hours"
    elif start.minute % 30:
        why = "is between our appointments"
    else:
        why = "is taken" if call.time else "is fully booked"
    call.offers, call.time = nearest(start, call.reason == "emergency"), None
    return call.ask("offer", f"I'm sorry, {moment(start)} {why}. I have {choice(call.offers, start.date())}.")


def book(call: Call) -> str:
    """The caller said yes: book it now, or hear that somebody was quicker."""
    assert call.day
    assert call.time
    start = dt.datetime.combine(call.day, call.time)
    if not reserve(start, call.name, call.reason, key(call.held) if call.held else ""):
        return offer(call, start)
    call.begin("")
    return call.ask("more", f"You are booked for {moment(start)}.")


def urgent(call: Call) -> str:
    """Somebody is in pain: say what cannot wait for us, and offer the very next time."""
    call.begin("book")
    call.reason, call.offers = "emergency", nearest(now(), urgent=True)[:1]
    advice = "If your face is swelling or you have trouble breathing, hang up and go to the emergency room now."
    return call.ask("take it", f"I'm sorry to hear that. {advice} I can see you at {moment(call.offers[0])}.")


def look_up(call: Call) -> str:
    """Find the appointment to cancel or to move, by name."""
    if not call.name:
        return call.ask("name", "Certainly.")
    found = appointment_of(call.name, call.day if call.task == "cancel" else None)
    if not found:
        name, call.name = call.name, ""
        return call.ask("name", f"I can't find an appointment for {name}.")
    call.held, call.reason = found
    if call.task == "cancel":
        return call.ask("cancel", f"You have {spoken(call.reason)} at {moment(call.held)}.")
    call.task = "book"
    return next_step(call)


def finding(call: Call, event: Any, text: str) -> str:
    """Something said while cancelling or moving."""
    if call.asked == "name":
        learn(call, event.text, text)
        return look_up(call) if call.name else ""
    no = re.search(NO, text)
    if not (call.held and (no or re.search(rf"{YES}|cancel", text))):
        return ""
    if not no:
        release(call.held)
    call.begin("")
    return call.ask("more", "All right, it stays as it is." if no else "It is cancelled.")


def message(call: Call, event: Any, text: str) -> str:
    """Something said while leaving a message: first the name, then the words, then the number."""
    if call.asked == "name":
        call.name = find_name(event.text, expected=True)
        return call.ask("note", f"Thank you, {call.name}.") if call.name else ""
    same = re.search(rf"this|same|calling from|{YES}", text)
    number = find_phone_number(text) or (event.caller if same else "")
    if not number:
        return ""
    take_message(call.name, call.note, number)
    call.begin("")
    return call.ask("more", "Thank you, I have passed that on.")


def treatment_in(text: str) -> str:
    return next((name for name, (_, _, heard) in TREATMENTS.items() if re.search(heard, text)), "")


def fact_in(text: str, reason: str) -> str:
    if re.search(r"how much|\bpric|\bcost|charge|\bfees?\b", text):
        return str(prices(treatment_in(text) or reason))
    if re.search(r"\bhours\b|\bopen\b|opening|\bclos(e|ed|ing)\b|what time do you", text):
        day, _ = find_day(text, now().date())
        return f"{f'We are closed on {day:%A}s. ' if day and day.weekday() not in HOURS else ''}{OPENING_HOURS}"
    return next((fact for heard, fact in FACTS if re.search(heard, text)), "")


def spoken(reason: str) -> str:
    return TREATMENTS[reason][0] if reason in TREATMENTS else reason


def moment(start: dt.datetime) -> str:
    return f"{say_time(start.time())} {say_day(start.date(), now().date())}"


def choice(starts: list[dt.datetime], asked: dt.date | None = None) -> str:
    """Times to choose from, with their day unless it is the one that was asked for."""
    if not starts:
        return "nothing in the next weeks"
    times = " or ".join(say_time(start.time()) for start in starts)
    return times if starts[0].date() == asked else f"{times} {say_day(starts[0].date(), now().date())}"


# --- The agent ------------------------------------------------------------------------------------------------------

agent = Agent(
    system_prompt=f"""You answer the phone for Bright Smile Dental, a dental practice at fourteen Mill Lane, next to
the library. Today is {{today}}. Be warm and brief: one or two short sentences a turn, one question at a time.

What you know: {OPENING_HOURS} {" ".join(fact for _, fact in FACTS[4:])}

Booking: find out the reason, the day, the time and the name, in any order. Offer only times that free_slots has
given you. Read all four back and wait for a yes; then call book_appointment once. If the time is gone, offer the
nearest ones it names. Cancel only after a yes, too. Never invent a price, a time or an appointment.

Pain, swelling or bleeding: if breathing or swallowing is hard, send the caller to the emergency room at once;
otherwise offer today's first free time. If somebody asks for a person, or you failed to understand twice, offer to
transfer the call to {FRONT_DESK} or to take a message. If asked, say that you are an automated assistant.""",
    first_message=GREETING,
    tools=[opening_hours, prices, free_slots, book_appointment, cancel_appointment, take_message],
    variables={"today": f"{now():%A}"},
    transfer_numbers=[FRONT_DESK],
)
