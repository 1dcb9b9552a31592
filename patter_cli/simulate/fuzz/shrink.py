"""The shortest call that still fails in the same way: steps are left out, then what is left is made plain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Final

from patter_cli.agent import Interrupt, Press, Say
from patter_cli.simulate.fuzz.case import FuzzCase
from patter_cli.simulate.steps import ScriptStep
from patter_cli.simulate.virtual.steps import Blurt, Frame, Poke, Wait
from patter_cli.simulate.virtual.world import Pace

TRIES: Final = 400
"""Calls at most that are held to make one shorter."""


def shrink(case: FuzzCase, fails: Callable[[FuzzCase], bool], tries: int = TRIES) -> FuzzCase:
    """fails: whether a call still has the fault. `case` has it."""
    left = tries

    def still(other: FuzzCase) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and fails(other)

    while True:
        before = case
        case = _fewer_steps(case, still)
        for simpler in _plain_world(case):
            if still(simpler):
                case = simpler
                break
        case = _plainer_steps(case, still)
        if case == before or left <= 0:
            return case


def _fewer_steps(case: FuzzCase, still: Callable[[FuzzCase], bool]) -> FuzzCase:
    """Leave out what is not needed: long stretches first, then one step after the other, from the end."""
    size = max(1, len(case.steps) // 2)
    while size:
        at = len(case.steps) - size
        while at >= 0:
            shorter = replace(case, steps=(*case.steps[:at], *case.steps[at + size :]))
            if shorter.steps and still(shorter):
                case = shorter
            at -= size if at >= size or not at else at
        size //= 2
    return case


def _plain_world(case: FuzzCase) -> Iterator[FuzzCase]:
    """The same in a world that is as usual, or nearly."""
    usual = Pace()
    if case.pace != usual:
        yield replace(case, pace=usual)
        for field in fields(Pace):
            if getattr(case.pace, field.name) != getattr(usual, field.name):
                yield replace(case, pace=replace(case.pace, **{field.name: getattr(usual, field.name)}))
    if case.humans:
        yield replace(case, humans=())
    if case.seed != 1:
        yield replace(case, seed=1)


def _plainer_steps(case: FuzzCase, still: Callable[[FuzzCase], bool]) -> FuzzCase:
    for at in range(len(case.steps)):
        for plainer in _plainer(case.steps[at]):
            changed = replace(case, steps=(*case.steps[:at], plainer, *case.steps[at + 1 :]))
            if still(changed):
                case = changed
                break
    return case


def _plainer(step: ScriptStep) -> Iterator[ScriptStep]:
    """What says less and might do the same, the plainest first."""
    match step:
        case Say(text):
            yield from (Say(each) for each in _shorter(text))
        case Interrupt(text, after_ms=after_ms):
            yield Say(text)
            yield from (Interrupt(each, after_ms=after_ms) for each in _shorter(text))
        case Blurt(text, lasts_ms=lasts_ms) if text:
            yield Say(text)
            yield from (Blurt(each, lasts_ms) for each in _shorter(text))
        case Poke(digits):
            yield Press(digits)
            if len(digits) > 1:
                yield Poke(digits[:1])
        case Press(digits) if len(digits) > 1:
            yield Press(digits[:1])
        case Wait(ms) if ms > 100:
            yield from (Wait(each) for each in (ms // 4 // 100 * 100, ms // 2 // 100 * 100) if each)
        case Frame(text) if len(text) > 2:
            yield Frame(text[: len(text) // 2])
        case _:
            return


def _shorter(text: str) -> Iterator[str]:
    words = text.split()
    if text != "Hello.":
        yield "Hello."
    if len(words) > 1:
        yield from words[:6]
        half = len(words) // 2
        yield " ".join(words[:half])
        yield " ".join(words[half:])
    elif len(text) > 20:
        yield text[: len(text) // 2]
