"""The concierge of a hotel, on a language model: the weather, a table for dinner, the house, the reception.

    patter simulate concierge        hear it, with the guest of concierge.toml: no account, no key
    patter serve concierge           put it on your phone number

With OPENAI_API_KEY set, a model of OpenAI's answers; without it a few rules do, so that you can try the rest: the
tools, the transfer, and a guardrail that keeps prices off the telephone whatever the one who answers would say.
"""

import datetime as dt
import os
import re
from collections.abc import Iterable
from typing import Any, Literal

from patter_cli import Agent, OpenAILLM, RulesLLM, ToolCall, Turn, call_tool, guardrail, tool
from patter_cli.text.spoken import find_time, normal, say_time

RECEPTION = "+12025550145"
HOUSE = {  # what it is about, and what is so: the model reads all of it, the rules pick what was asked for
    r"breakfast": "Breakfast is from seven to half past ten, in the garden room.",
    r"check ?out|leave": "Check-out is until eleven, and the reception keeps your bags.",
    r"pool|swim|sauna": "The pool on the top floor is open from eight to eight.",
    r"\bwi ?fi|internet|password": "The internet is free, and its password is on your key card.",
}
WEATHER = {"today": "Sunny, up to twenty two degrees.", "tomorrow": "Showers from noon on, up to sixteen degrees."}
SEATS = {dt.time(18): 10, dt.time(19): 6, dt.time(20): 4, dt.time(21): 10}  # what is left tonight


@tool
def weather(day: Literal["today", "tomorrow"]) -> str:
    """Say what the weather will be like at the hotel."""
    return WEATHER[day]


@tool
def book_table(people: int, time: dt.time) -> dict[str, Any]:
    """Book a table for dinner tonight. people: how many come. time: a full hour from 18:00 to 21:00."""
    if SEATS.get(time, 0) >= people > 0:
        SEATS[time] -= people
        return {"booked": True, "people": people, "time": time}
    return {"booked": False, "possible": [each for each, left in SEATS.items() if left >= people]}


def quotes_a_price(clause: str) -> bool:
    """Whether an amount of money is about to be said that names no currency, such as "two hundred a night"."""
    return bool(re.search(r"[$€£]|\b(hundred|thousand|\d+) (a|per|each|for a|for the) (night|room|person)", clause))


no_prices = guardrail(
    "no prices",
    blocked_terms=["dollar", "dollars", "euro", "euros", "pound", "pounds", "bucks"],
    check=quotes_a_price,
    replacement="I may not quote prices on the telephone, but the reception will gladly tell you.",
)


TABLE = "For how many people, and at what time?"


def rules(turn: Turn) -> str | ToolCall | Iterable[str | ToolCall]:
    """Stand in for the model: the same tools, the same limits, far fewer words understood."""
    if turn.results:
        return report(turn.results[-1][1])
    text, asked = normal(turn.text), "".join(turn.agent_said[-1:])
    if re.search(r"good ?by|\bbye\b|that('s| is) (all|it|everything)", text):
        return ["It was a pleasure. Goodbye!", call_tool("end_call")]
    if re.search(r"reception|human|person|somebody", text):
        return ["Certainly, I'm putting you through to the reception.", call_tool("transfer_call", number=RECEPTION)]
    if re.search(r"weather|\brain|umbrella|sunny|outside", text):
        return call_tool("weather", day="tomorrow" if "tomorrow" in text else "today")
    if re.search(r"how much|\bprice|\bcost|\brate", text):
        return "A room with a view is two hundred dollars a night."  # models get carried away; the guardrail does not
    for about, fact in HOUSE.items():
        if re.search(about, text):
            return fact
    if re.search(r"\btable\b|dinner|restaurant", text) or TABLE in asked:
        people = re.search(r"\b(?:for|of) (\d+)\b(?! o'clock)|(\d+) (?:people|of us|guests)", text)
        time = find_time(text.replace(people[0], "") if people else text, expected=True)
        if not (people and time):
            return TABLE
        evening = time.replace(hour=time.hour % 12 + 12)  # nobody dines at eight in the morning
        return call_tool("book_table", people=int(people[1] or people[2]), time=evening)
    return "I can tell you about the weather and the house, book a table, or put you through to the reception."


def report(data: Any) -> str:
    """What to say to a tool's answer; one that failed has None."""
    match data:
        case str():
            return data
        case {"booked": True, "people": people, "time": time}:
            return f"Your table for {people} at {say_time(dt.time.fromisoformat(time))} is booked. Enjoy your dinner."
        case {"possible": [first, *_]}:
            return f"I'm sorry, nothing is free then. How about {say_time(dt.time.fromisoformat(first))}? {TABLE}"
        case {"possible": []}:
            return "I'm sorry, we have no table for so many tonight."
    return "I'm sorry, that did not work just now. The reception can help you."


agent = Agent(
    system_prompt=(
        "You are the concierge of the Lakeside Hotel, warm and brief. Use a tool for the weather and for tables, and "
        "never guess either. Prices are not yours to give: offer the reception. What you know of the house: "
        + " ".join(HOUSE.values())
    ),
    first_message="Lakeside Hotel, good day. I am the automated concierge. What can I do for you?",
    llm=OpenAILLM() if os.environ.get("OPENAI_API_KEY") else RulesLLM(rules),
    tools=[weather, book_table],
    guardrails=[no_prices],
    transfer_numbers=[RECEPTION],
    aggressive_first_flush=True,  # its voice begins at the first comma, while the model is still writing
)
