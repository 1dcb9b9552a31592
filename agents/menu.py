"""The telephone menu of a museum: keys, one menu inside another, a word for who has no keys, an operator.

    patter simulate menu             hear it, with the caller of menu.toml: no account, no key
    patter serve menu                put it on your phone number

The whole menu is the table below; the rest of the file walks through it. A key pressed while it talks interrupts it,
so whoever knows the way need not listen. Somebody who does nothing is asked twice, then the call ends: `turns`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from patter_cli import Agent, TurnPolicy
from patter_cli.text.spoken import normal

OPERATOR = "+12025550143"
Menu: TypeAlias = "Mapping[str, tuple[str, str | Menu]]"
"""Key -> what it is for, and what is said then, or the menu that it opens."""

MAIN: Menu = {
    "1": ("opening hours", "We are open from ten to six, every day but Monday."),
    "2": (
        "tickets",
        {
            "1": ("prices", "A ticket is twelve dollars. Children under fourteen come in free."),
            "2": ("groups", "Groups of ten or more pay nine dollars each. Please book two days ahead."),
            "3": ("a lost ticket", "Show us the receipt at the entrance, and we will print your ticket again."),
        },
    ),
    "3": ("the way to the museum", "We are at the old harbour. Tram number four stops at the door."),
}
GO_ON = "To hear that again, press pound. To go back, press star."
CONNECTING = "One moment, I'm connecting you to an operator."


@dataclass(slots=True)
class Place:
    """Where a caller is. path: the keys that led to this menu; told: they have just heard one of its answers.

    said: what pound repeats. wrong: wrong keys in a row.
    """

    path: str = ""
    told: bool = False
    said: str = ""
    wrong: int = 0


places: dict[str, Place] = {}


def read(menu: Menu) -> str:
    """A menu as it is read out."""
    last = "For an operator, press zero." if menu is MAIN else "To go back, press star."
    return " ".join([*(f"For {title}, press {key}." for key, (title, _) in menu.items()), last])


def on_message(event: Any) -> str:
    """Do what was pressed or said, key by key: who is quick presses two before they hear anything."""
    place = places.setdefault(event.call_id, Place(said=f"{WELCOME} {read(MAIN)}"))
    for key in "".join(re.findall(r"\[DTMF: ([\d*#]+)\]", event.text)) or key_for(place, normal(event.text)):
        place.said = press(place, key)
    if place.said == CONNECTING:
        event.transfer_call(OPERATOR)  # if nobody can be reached, the caller is where they were
    return place.said


def on_call_end(event: Any) -> None:
    """Forget the call."""
    places.pop(event.call_id, None)


def here(place: Place) -> Menu:
    """The menu that the caller is in."""
    menu = MAIN
    for key in place.path:
        inner = menu[key][1]
        assert not isinstance(inner, str)
        menu = inner
    return menu


def press(place: Place, key: str) -> str:
    """What one key leads to."""
    if key == "#":
        return place.said
    menu, told, place.told = here(place), place.told, False
    if key == "*":
        place.path = place.path if told else place.path[:-1]
        return read(here(place))
    if key not in menu and key != "0":
        place.wrong += 1
        if place.wrong < 3:
            return f"I'm sorry, that is not in this menu. {read(menu)}"
    place.wrong = 0
    if key not in menu:
        return CONNECTING
    _, leads_to = menu[key]
    if isinstance(leads_to, str):
        place.told = True
        return f"{leads_to} {GO_ON}"
    place.path += key
    return read(leads_to)


def key_for(place: Place, text: str) -> str:
    """The key for what somebody said instead of pressing one; one that is nowhere if we do not know."""
    if re.search(r"operator|human|person|somebody|help", text):
        return "0"
    if re.search(r"repeat|again|pardon", text):
        return "#"
    if re.search(r"\bback\b|main menu", text):
        return "*"
    said = {word.rstrip("s") for word in text.split()}
    for key, (title, _) in here(place).items():
        if said & {word.rstrip("s") for word in title.split() if len(word) > 3} or key in said:
            return key
    return "?"


WELCOME = "Welcome to the Harbour Museum. This is an automated menu."

agent = Agent(
    system_prompt="You are the telephone menu of the Harbour Museum.",
    first_message=f"{WELCOME} {read(MAIN)}",
    transfer_numbers=[OPERATOR],
    turns=TurnPolicy(idle_ms=8000),
)
