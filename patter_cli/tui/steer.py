"""Keys to what the screen shows and what is to be done: pure, so that a test presses them as well as a person."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TypeAlias

from patter_cli.tui.view import ScreenView

PAGE = 10
"""Rows that a press scrolls."""

_NAMED = {
    b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[B": "down", b"\x1bOB": "down", b"\x1b[5~": "page up",
    b"\x1b[6~": "page down", b"\x1b[F": "end", b"\x1bOF": "end", b"\x1b[4~": "end", b"\x1b": "escape",
    b"\r": "enter", b"\n": "enter",
}  # fmt: skip
_KEYS = re.compile(rb"\x1b(?:\[[0-9;?]*[A-Za-z~]|O[A-Z])?|[^\x1b]", re.DOTALL)
_WORDS = {"k": "up", "j": "down", "u": "page up", "d": "page down", "G": "end"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """Let this call say goodbye and end."""

    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """Let its agent hear silence, or the caller again."""

    call_id: str
    muted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quit:
    """As Ctrl-C."""


Action: TypeAlias = HangUp | Mute | Quit


@dataclass(frozen=True, slots=True, kw_only=True)
class Steering:
    """What whoever looks on has chosen."""

    call_id: str = ""
    """The call that is followed; "": whichever began last."""
    scrolled: int = 0
    """Rows back from the transcript's end."""
    help: bool = False
    asks: str = ""
    """The call that may be hung up if they say yes."""

    def shown(self, newest: str) -> str:
        """The call to be seen in full."""
        return self.call_id or newest


def read_keys(data: bytes) -> list[str]:
    """What was pressed: names of keys, or single characters; of what is no key, nothing."""
    keys = []
    for found in _KEYS.findall(data):
        key = _NAMED.get(found) or (found.decode("ascii", "ignore") if len(found) == 1 else "")
        if key and (len(key) > 1 or key.isprintable()):
            keys.append(key)
    return keys


def press(steering: Steering, key: str, view: ScreenView) -> tuple[Steering, Action | None]:
    """One key. view: what they see."""
    if steering.asks:
        agreed = HangUp(call_id=steering.asks) if key in ("y", "Y") else None
        return replace(steering, asks=""), agreed
    if steering.help:
        return replace(steering, help=False), None
    match _WORDS.get(key, key):
        case "up":
            return _choose(steering, view, -1), None
        case "down":
            return _choose(steering, view, +1), None
        case "page up":
            return replace(steering, scrolled=steering.scrolled + PAGE), None
        case "page down":
            return replace(steering, scrolled=max(0, steering.scrolled - PAGE)), None
        case "end" | "escape" if steering.scrolled:
            return replace(steering, scrolled=0), None
        case "f" | "escape":
            there = view.shown.row.call_id if view.shown is not None else ""
            return Steering(call_id="" if steering.call_id else there), None
        case "?":
            return replace(steering, help=True), None
        case "q":
            return steering, Quit()
        case "h" | "x" if view.shown is not None and view.shown.row.live:
            return replace(steering, asks=view.shown.row.call_id), None
        case "m" if view.shown is not None and view.shown.row.live:
            return steering, Mute(call_id=view.shown.row.call_id, muted=not view.shown.row.muted)
        case digit if digit.isdigit() and digit != "0" and int(digit) <= len(view.calls):
            return Steering(call_id=view.calls[int(digit) - 1].call_id), None
        case _:
            return steering, None


def _choose(steering: Steering, view: ScreenView, step: int) -> Steering:
    """The call above or below the one that is shown."""
    if not view.calls:
        return steering
    here = view.number_of(view.shown.row.call_id) if view.shown is not None else None
    place = 0 if here is None else min(max(here + step, 0), len(view.calls) - 1)
    return Steering(call_id=view.calls[place].call_id)
