"""Reminds people of an appointment: says who calls and why, and takes a yes, a no or a message, by voice or by key.

    patter simulate reminder         hear it, with the person of reminder.toml who picks up: no account, no key

{name}, {day} and {time} are those of the call: whatever places it hands them over as its custom parameters. The ones
below are for rehearsals. What somebody answers is kept at once, a line of JSON each, in reminders.jsonl.
"""

import datetime as dt
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from patter_cli import Agent
from patter_cli.text.spoken import normal

WHO = "This is the automated assistant of Bright Smile Dental."
WHY = "You have an appointment on {day} at {time}."
CHOICES = "To confirm it, press one or say yes. To cancel it, press two or say cancel. For another time, press three."

# What we listen for, in normal text: lower case, "dtmf 1" for a key. Where several fit, the conversation decides.
YES = r"dtmf 1\b|\b(yes|yeah|yep|yup|sure|confirm|okay|ok|fine|correct|right|will be there|i'll be there)\b"
NO = r"dtmf 2\b|\bcancel|\b(no|nope|not|can't|cannot|won't)\b"
OTHER_TIME = r"dtmf 3\b|\b(another|other|different) (time|day|date)|\b(move|change|later|earlier)\b|resched|postpone"
QUESTION = r"\bwh(o|y|ere)\b|what (is|was|time|day)|what's|pardon|repeat|again|robot|computer|real person"
WRONG_NUMBER = r"wrong (number|person)|nobody (called|by)|don't know (her|him|them)|no longer|moved away"
BYE = r"good ?by|\bbye\b|thank"


@dataclass(slots=True)
class Call:
    """One call so far. told: what is in the braces; folder: where its answer is kept."""

    told: Mapping[str, str]
    folder: Path
    asked: str = ""  # "cancel?", "when?", or nothing but the choices
    misses: int = 0


calls: dict[str, Call] = {}
rehearsals = tempfile.TemporaryDirectory(prefix="reminder-")


def on_call_start(event: Any) -> None:
    """Take note of whom we call. A call from this machine is a rehearsal: its answer is thrown away."""
    rehearsed = event.carrier in ("loopback", "typed")
    folder = Path(rehearsals.name) if rehearsed else user_data_path("patter")
    told = {key: event.custom_params.get(key, value) for key, value in agent.variables.items()}
    calls[event.call_id] = Call(told, folder)


def on_message(event: Any) -> str:
    """Answer what was said or pressed. A plain function runs in a thread: the file it writes keeps nobody waiting."""
    call, text = calls[event.call_id], normal(event.text)
    reply, over = answer(call, event.text, text)
    if over:
        event.end_call()  # once the reply was heard; who interrupts it stays on the line
    return reply


def on_call_end(event: Any) -> None:
    """Forget the call."""
    calls.pop(event.call_id, None)


def answer(call: Call, said: str, text: str) -> tuple[str, bool]:
    """The reply, and whether the call is over with it. The order of the rules is their rank."""
    asked, call.asked = call.asked, ""
    if asked == "when?" and "dtmf" not in text:
        keep(call, "another time", said)
        return "Thank you. The front desk will call you back about that. Goodbye!", True
    if re.search(WRONG_NUMBER, text):
        keep(call, "wrong number", said)
        return "I'm sorry to have troubled you. We won't call this number again. Goodbye!", True
    if re.search(OTHER_TIME, text):
        call.asked = "when?"
        return "Of course. When would suit you, and when can the front desk call you back?", False
    if re.search(QUESTION, text):
        return f"{WHO} {WHY} {CHOICES}".format(**call.told), False
    if asked == "cancel?":
        if re.search(r"\b(no|nope|not|don't|keep|wait)\b", text):
            return f"All right, it is not cancelled. {CHOICES}", False
        if re.search(rf"{YES}|{NO}", text):
            keep(call, "cancelled")
            return f"Your appointment on {call.told['day']} is cancelled. Thank you for telling us. Goodbye!", True
    elif re.search(NO, text):
        call.asked = "cancel?"
        return f"Shall I cancel your appointment on {call.told['day']}? Press two again, or say yes.", False
    elif re.search(YES, text):
        keep(call, "confirmed")
        return f"Thank you, {call.told['name']}. We look forward to seeing you on {call.told['day']}. Goodbye!", True
    if re.search(BYE, text):
        return "Thank you. Goodbye!", True
    call.asked, call.misses = asked, call.misses + 1
    if call.misses > 2:
        keep(call, "not understood", said)
        return "I'm sorry, I don't understand. Somebody from the front desk will call you. Goodbye!", True
    return f"I'm sorry, I didn't get that. {CHOICES}", False


def keep(call: Call, outcome: str, said: str = "") -> None:
    """Write down what was answered; the last line of a person counts."""
    line = {"at": f"{dt.datetime.now():%Y-%m-%dT%H:%M}", **call.told, "outcome": outcome, "said": said}
    call.folder.mkdir(parents=True, exist_ok=True)
    with (call.folder / "reminders.jsonl").open("a", encoding="utf-8") as answers:
        answers.write(json.dumps(line, ensure_ascii=False) + "\n")


agent = Agent(
    system_prompt="You remind people of their appointments at Bright Smile Dental.",
    first_message=f"Hello {{name}}. {WHO} {WHY} {CHOICES}",
    variables={"name": "Anna Brown", "day": "Thursday", "time": "half past nine"},
)
