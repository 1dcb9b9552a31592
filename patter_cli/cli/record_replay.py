"""A call through the engine of today, for a reader: a difference is shown as a diff, turn by turn."""

from __future__ import annotations

import re
from collections.abc import Iterator

from patter_cli.cli.ink import Ink, cut, wrapped
from patter_cli.contracts.store import CallStore
from patter_cli.core.journal import read_entries
from patter_cli.errors import InputError
from patter_cli.observe.replayed import Moment, Replay, ReplayedTurn, described, replay_call
from patter_cli.text.printable import printable
from patter_cli.text.redact import STRUCK

_STRUCK = re.compile(r"[x\W]*x[x\W]*")
"""Words of which only their length was kept."""
SHOWN = 12
"""Places of a turn where the two differ; --json has all."""


def replayed(store: CallStore, call_id: str) -> tuple[Replay, int]:
    """The run, and how many lines of the journal are damaged. Raises InputError where there is nothing to run."""
    entries, unreadable = read_entries(store.journal(call_id))
    if not entries:
        raise InputError(
            f"the journal of call {call_id} cannot be read, so nothing can be run again",
            hint=f"patter logs show {call_id} tells what its record has",
        )
    return replay_call(entries), unreadable


def replay_lines(call_id: str, replay: Replay, unreadable: int, ink: Ink) -> Iterator[str]:
    """What differs."""
    turns, many = len(replay.turns) - 1, len(replay.differing)
    if replay.same:
        yield f"no difference: today's engine gives call {call_id} the same {replay.orders} orders in {turns} turns"
    for turn in replay.differing:
        yield from _turn(turn, ink)
    if many:
        first = replay.differing[0]
        yield f"{many} of {turns + 1} turns differ, the first at {_at(first.moments[0])} in turn {first.number}; " + (
            "what comes after it may only follow from it" if many > 1 else "the others are as they were"
        )
    if many and any(STRUCK in each.words or _STRUCK.fullmatch(each.words) for each in replay.turns):
        yield ink.yellow("its words were struck out when it was kept (redact), and decisions were made about the words")
    if unreadable:
        yield ink.yellow(f"{unreadable} lines of its journal cannot be read; what follows the first of them is not run")


def _turn(turn: ReplayedTurn, ink: Ink) -> Iterator[str]:
    room = 70 if ink.width is None else max(20, ink.width - 12)
    words = f'  "{cut(printable(turn.words), room)}"' if turn.words else "  before the caller's first words"
    yield ink.bold(f"turn {turn.number}") + words
    for moment in turn.moments[:SHOWN]:
        what = "only today: its time has come" if moment.event is None else type(moment.event).__name__
        yield ink.dim(f"  {_at(moment)}  {what}")
        gone = [each for each in moment.then if each not in moment.now]
        new = [each for each in moment.now if each not in moment.then]
        if not (gone or new):
            gone, new = list(moment.then), list(moment.now)  # the same in another order
        for sign, orders, paint in (("- then", gone, ink.red), ("+ now ", new, ink.green)):
            for each in orders:
                lines = wrapped(printable(described(each)), None if ink.width is None else max(20, ink.width - 13))
                for number, line in enumerate(lines):
                    yield paint(f"    {sign if not number else ' ' * 6}  {line}")
    if len(turn.moments) > SHOWN:
        yield ink.dim(f"    … and {len(turn.moments) - SHOWN} more; --json has all")
    yield ""


def _at(moment: Moment) -> str:
    seconds = moment.at / 1000
    return f"{int(seconds // 60)}:{seconds % 60:06.3f}"
