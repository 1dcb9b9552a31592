"""Asks three questions after a visit and keeps the answers: numbers by voice or by key, the last in their own words.

    patter simulate survey           hear it, with the patient of survey.toml: no account, no key

Every answer is kept as soon as it is given, a line of JSON in survey.jsonl: who hangs up early has still told us
something. A correction ("No, I said five") is a later line for the same question.
"""

import datetime as dt
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from patter_cli import Agent, TurnPolicy
from patter_cli.text.spoken import normal

QUESTIONS = {  # the name it is kept under, and how it is asked; the last is answered in words
    "satisfied": "How satisfied were you with your visit, from one to five?",
    "welcome": "How welcome did we make you feel, from one to five?",
    "better": "And what is the one thing that we could do better?",
}
WORDS = ["", "One", "Two", "Three", "Four", "Five"]
GREETING = (
    "Hello, this is the automated assistant of Bright Smile Dental, with three short questions about your visit. "
    "One means not at all, five means very much. You can say the number or press its key."
)

# What we listen for, in normal text: lower case, numbers as digits, "dtmf 4" for a key.
MISHEARD = {"to": 2, "too": 2, "tree": 3, "free": 3, "for": 4, "fore": 4, "or": 4}  # a short word says little
AGAIN = r"\b(say|repeat|ask) (that|it|the question)\b|\bpardon|what was (that|the question)|didn't (hear|catch)"
CORRECTED = r"\bi (said|meant)\b|\bwrong\b|\bcorrect"
SKIP = r"\bskip\b|next question|rather not|no idea|(don't|do not) know"
STOP = r"good ?by|\bbye\b|^(please )?stop|have no time|not now|hang up|not interested"


@dataclass(slots=True)
class Call:
    """One call so far. at: the question that is open; misses: how often its answer was not understood."""

    folder: Path
    at: int = 0
    misses: int = 0


calls: dict[str, Call] = {}
rehearsals = tempfile.TemporaryDirectory(prefix="survey-")


def on_call_start(event: Any) -> None:
    """A call from this machine is a rehearsal: its answers are thrown away."""
    rehearsed = event.carrier in ("loopback", "typed")
    calls[event.call_id] = Call(Path(rehearsals.name) if rehearsed else user_data_path("patter"))


def on_message(event: Any) -> str:
    """Take an answer and ask the next question, or the same one again."""
    call = calls[event.call_id]
    reply = answer(call, event.call_id, event.text)
    if call.at == len(QUESTIONS):
        event.end_call()
    return reply


def on_call_end(event: Any) -> None:
    """Forget the call."""
    calls.pop(event.call_id, None)


def answer(call: Call, call_id: str, said: str) -> str:
    """The reply to what was said or pressed. The order of the rules is their rank."""
    text = normal(said)
    if call.at == len(QUESTIONS):
        return "Thank you. Goodbye!"
    if re.search(STOP, text):
        call.at = len(QUESTIONS)
        return "That is fine, thank you all the same. Goodbye!"
    if re.search(CORRECTED, text) and rating(text) and len(text.split()) < 7:
        call.at = max(call.at - 1, 0)
    if re.search(AGAIN, text):
        return ask(call, "Of course.")
    if re.search(SKIP, text):
        return ask_next(call, "All right.")
    name = question(call)[0]
    if name == "better" and "dtmf" not in text:
        keep(call, call_id, said.strip())
        return ask_next(call, "I have written that down.")
    if name != "better" and (number := rating(text)):
        keep(call, call_id, number)
        return ask_next(call, f"{WORDS[number]}, thank you.")
    call.misses += 1
    if call.misses > 2:
        return ask_next(call, "Never mind.")
    how = "Please just tell me." if name == "better" else "Please say a number from one to five, or press its key."
    return ask(call, f"I'm sorry, I didn't get that. {how}")


def question(call: Call) -> tuple[str, str]:
    """The open one: its name and its words."""
    return list(QUESTIONS.items())[call.at]


def ask(call: Call, before: str) -> str:
    return f"{before} {question(call)[1]}"


def ask_next(call: Call, before: str) -> str:
    """Go on, or say goodbye after the last question."""
    call.at, call.misses = call.at + 1, 0
    if call.at == len(QUESTIONS):
        return f"{before} That was my last question. Thank you very much for your time. Goodbye!"
    return ask(call, before)


def rating(text: str) -> int:
    """The number from one to five in normal text; 0 for none, or for several that differ."""
    numbers = set(re.findall(r"\d+", re.sub(r"\b(out )?of 5$", "", text)))
    if not numbers and text and text.split()[-1] in MISHEARD:
        return MISHEARD[text.split()[-1]]
    number = int(numbers.pop()) if len(numbers) == 1 else 0
    return number if number <= 5 else 0


def keep(call: Call, call_id: str, given: int | str) -> None:
    """Write an answer down."""
    line = {
        "at": f"{dt.datetime.now():%Y-%m-%dT%H:%M}",
        "call": call_id,
        "question": question(call)[0],
        "answer": given,
    }
    call.folder.mkdir(parents=True, exist_ok=True)
    with (call.folder / "survey.jsonl").open("a", encoding="utf-8") as answers:
        answers.write(json.dumps(line, ensure_ascii=False) + "\n")


agent = Agent(
    system_prompt="You ask patients of Bright Smile Dental three questions after their visit.",
    first_message=f"{GREETING} {QUESTIONS['satisfied']}",
    turns=TurnPolicy(endpoint_ms=600),  # people think while they judge
)
