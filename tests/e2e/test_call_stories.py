"""Whoever may pick up, or ring: one table, held over both carriers' wires, all at the same time.

Each story is a person on the lab's line, and what has to come of it: the outcome, who was taken to have answered, who
ended the call, the exit code of `patter call`, what the person was told, and what the record says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patter_cli.call_result import CallResult
from patter_cli.cli.call import exit_code
from patter_cli.contracts.store import CallRecord
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing.lab.call import By, LabCall
from patter_cli.testing.lab.people import (
    FAX_HZ,
    AwaitKey,
    HangUp,
    Listen,
    Pause,
    Person,
    Press,
    Refusal,
    Step,
    TakenFor,
    Tone,
)
from tests.e2e.lab_shop import (
    COMPANIES,
    FRONT_DESK,
    GOODBYE,
    HOURS,
    WANTS_DESK,
    Company,
    Shop,
    heard,
    shop,
    talk,
    voice,
)
from tests.patient_loop import run_patiently

MESSAGE = "Please call ada back."
TOLD = "please call ada back."
GREETED = "hello caller."
LISTEN = Listen(quiet_ms=450)
WAIT = Listen(quiet_ms=1500)
"""For long enough that whoever screens them has made up its mind."""
AT_ONCE = 14
"""Calls of one carrier; the long ones come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One call and its end."""

    person: Person
    outcome: str
    answered_by: str = ""
    ended_by: By
    code: int | None = 0
    """What `patter call` leaves with; None: they ring us."""
    asks: Mapping[str, Any] = field(default_factory=dict)
    """What the call is made with."""
    hears: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    """One of these is in the record; (): any."""

    @property
    def inbound(self) -> bool:
        return self.code is None


def somebody(*steps: Step, picks_up_ms: int | None = 200, **more: Any) -> Person:
    return Person(name="somebody", picks_up_ms=picks_up_ms, steps=steps, **more)


def human(*steps: Step, **more: Any) -> Story:
    """Answered by somebody who was taken for one, and who hangs up."""
    person = {each: more.pop(each) for each in ("picks_up_ms", "taken_for") if each in more}
    given = {"outcome": "answered", "answered_by": "human", "ended_by": By.PERSON, **more}
    return Story(person=somebody(*steps, **person), **given)


def machine(*steps: Step, says: bool = True, **more: Any) -> Story:
    """A machine that is left the message, or is to be left none."""
    given: dict[str, Any] = {"hears": (TOLD,), "reasons": ("message_left",)} if says else {"never": ("please",)}
    taken_for = more.pop("taken_for", None)
    asks = {"voicemail_message": MESSAGE} if says else {}
    given = {"outcome": "voicemail", "answered_by": "machine", "ended_by": By.AGENT, "asks": asks, **given, **more}
    return Story(person=somebody(*steps, taken_for=taken_for), **given)


def nobody(outcome: str, code: int, **more: Any) -> Story:
    """Never answered, and by the carrier's word."""
    asks = more.pop("asks", {})
    return Story(person=somebody(**more), outcome=outcome, ended_by=By.CARRIER, code=code, asks=asks)


def caller(*steps: Step, **more: Any) -> Story:
    """Somebody who rings us, and hangs up in the end."""
    return Story(**{"person": somebody(*steps), "outcome": "answered", "ended_by": By.PERSON, "code": None, **more})


HELLO = (Listen(quiet_ms=200, within_ms=3000), voice("okay", 400))
TAPE = (Listen(quiet_ms=2500, within_ms=7000), HangUp())
BEEP = Tone(ms=400)

STORIES: dict[str, Story] = {
    # --- long ones first
    "a machine that talks for 25 s": machine(Pause(300), talk(25.0), Pause(700), Tone(hz=1400.0, ms=400), *TAPE),
    "a human who is slow": human(Pause(2500), *HELLO, WAIT, voice(HOURS), LISTEN, HangUp(), picks_up_ms=4000),
    "a human who says nothing": human(Pause(6500), HangUp(), answered_by="", hears=(GREETED,)),
    "a human who says nothing, and whom the carrier knows nothing of": human(
        Pause(8000), HangUp(), answered_by="", hears=(GREETED,), taken_for=TakenFor.UNKNOWN
    ),
    "a machine without a beep": machine(Pause(200), talk(8.0), *TAPE),
    "a machine whose beep is late": machine(Pause(200), talk(5.0), Pause(1000), BEEP, *TAPE),
    "a machine that pauses in its greeting": machine(
        Pause(200), talk(3.5), Pause(400), talk(3.0), Pause(500), BEEP, *TAPE
    ),
    # --- somebody
    "a human": human(*HELLO, WAIT, voice(HOURS), LISTEN, HangUp(), hears=(GREETED, "from nine until six.")),
    "a human who speaks at once": human(
        voice("okay", 400), WAIT, voice(HOURS), LISTEN, HangUp(), hears=("from nine until six.",)
    ),
    "a human who is in a hurry": human(*HELLO, Pause(1800), HangUp()),
    "a human whom we hang up on when all is said": human(
        *HELLO, WAIT, voice(GOODBYE), Pause(20_000), ended_by=By.AGENT, hears=(GREETED, "bye bye caller.")
    ),
    "a human whom nobody screens": human(
        Pause(300), voice(HOURS), LISTEN, HangUp(), answered_by="", asks={"detects_machines": False}
    ),
    "a human with words of their own to hear": human(
        *HELLO, WAIT, HangUp(), asks={"first_message": "Good day ada."}, hears=("good day ada.",), never=("hello",)
    ),
    "a human, with a message ready for a machine": human(
        *HELLO, WAIT, HangUp(), asks={"voicemail_message": MESSAGE}, hears=(GREETED,), never=("please",)
    ),
    "a human whom the carrier takes for a machine": human(
        *HELLO,
        WAIT,
        voice(HOURS),
        Listen(quiet_ms=450, within_ms=4000),
        HangUp(),
        asks={"voicemail_message": MESSAGE},
        taken_for=TakenFor.MACHINE,
        hears=("from nine until six.",),
        never=("please",),
    ),
    "a human who asks at once": human(
        Pause(300), voice(HOURS), WAIT, HangUp(), asks={"voicemail_message": MESSAGE}, hears=("from nine until six.",)
    ),
    "a human who waits for a key": human(*HELLO, AwaitKey(within_ms=1500), HangUp()),
    "somebody who hangs up at once": human(Pause(150), HangUp(), answered_by=""),
    "somebody who hangs up in the middle of our greeting": human(Pause(500), HangUp(), answered_by=""),
    # --- a machine
    "a machine with a beep": machine(Pause(200), talk(4.5), Pause(600), BEEP, *TAPE),
    "a machine with a high beep": machine(Pause(200), talk(4.5), Pause(600), Tone(hz=1800.0, ms=250), *TAPE),
    "a machine, and nothing to tell it": machine(
        Pause(200), talk(4.5), Pause(600), BEEP, *TAPE, says=False, reasons=("no_message",)
    ),
    "a machine that the carrier takes for a human": machine(
        Pause(200), talk(8.0), Pause(600), BEEP, *TAPE, taken_for=TakenFor.HUMAN
    ),
    "a machine whose tape is full": machine(
        *(Pause(200), talk(4.5), Pause(600), BEEP, Pause(900), HangUp()),
        asks={"voicemail_message": f"{MESSAGE} She is there from nine until six."},
        ended_by=By.PERSON,
        hears=("please",),
        reasons=(),
    ),
    "a fax": machine(
        Pause(200),
        Tone(hz=FAX_HZ, ms=2800),
        Pause(6000),
        HangUp(),
        outcome="failed",
        answered_by="fax",
        code=4,
        hears=(),
        never=("please",),
        reasons=("fax",),
    ),
    # --- nobody
    "busy": nobody("busy", 1, refuses=Refusal.BUSY),
    "busy after it has rung": nobody("busy", 1, refuses=Refusal.BUSY, picks_up_ms=1500),
    "no answer": nobody("no_answer", 1, picks_up_ms=None, asks={"ring_timeout_s": 5}),
    "failed": nobody("failed", 4, refuses=Refusal.FAILED),
    # --- they ring us
    "a caller who asks": caller(LISTEN, voice(HOURS), LISTEN, HangUp(), hears=(GREETED, "from nine until six.")),
    "a caller whom we hang up on when all is said": caller(
        LISTEN, voice(GOODBYE), Pause(20_000), ended_by=By.AGENT, hears=(GREETED, "bye bye caller.")
    ),
    "a caller who leaves when we have said hello": caller(Listen(quiet_ms=20), HangUp(), hears=(GREETED,)),
    "a caller who says nothing": caller(Pause(3000), HangUp(), hears=(GREETED,)),
    "a caller who presses keys": caller(LISTEN, Press("42#"), LISTEN, HangUp(), hears=(GREETED, "hm.")),
    "a caller who is put through": caller(
        LISTEN, voice(WANTS_DESK), Listen(quiet_ms=600), Pause(1500), HangUp(), hears=(GREETED, "one moment.")
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of a story."""

    call: LabCall
    record: CallRecord
    result: CallResult | None
    """None: they rang us."""


async def held(here: Shop, name: str, place: int) -> Told:
    story = STORIES[name]
    if story.inbound:
        number = f"+1312555{2000 + place}"
        call = await here.is_rung(story.person, number)
        return Told(call=call, record=await here.record(number), result=None)
    number = f"+1212555{1000 + place}"
    result, call = await here.calls(number, story.person, **story.asks)
    return Told(call=call, record=await here.record(number), result=result)


async def all_of(company: Company, folder: Path) -> dict[str, Told | BaseException]:
    """Every story over one carrier."""
    room = asyncio.Semaphore(AT_ONCE)
    front_desk = somebody(Pause(300), voice("okay"), Pause(20_000))

    async def one(here: Shop, place: int, name: str) -> Told:
        async with room:
            return await held(here, name, place)

    async with shop(company, SqliteStore(folder / company)) as here:
        here.lab.people[FRONT_DESK] = front_desk
        found = await asyncio.gather(
            *(one(here, place, name) for place, name in enumerate(STORIES)), return_exceptions=True
        )
    return dict(zip(STORIES, found, strict=True))


async def both(folder: Path) -> dict[tuple[Company, str], Told | BaseException]:
    found = await asyncio.gather(*(all_of(company, folder) for company in COMPANIES))
    return {
        (company, name): told for company, each in zip(COMPANIES, found, strict=True) for name, told in each.items()
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[Company, str], Told | BaseException]]:
    """All of them, held once; as long as the longest takes."""
    logging.disable(logging.CRITICAL)
    try:
        yield run_patiently(both(tmp_path_factory.mktemp("stories")))
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("company", COMPANIES)
def test_story(told: dict[tuple[Company, str], Any], company: Company, name: str) -> None:
    """Outcome, exit code, what the person heard, who ended it, and the record."""
    story, what = STORIES[name], told[company, name]
    if isinstance(what, BaseException):
        raise what
    call, row, facts = what.call, what.record.row, what.record.facts
    words = heard(call)
    if what.result is not None:
        result = what.result
        assert (result.outcome, result.answered_by) == (story.outcome, story.answered_by), (result.reason, words)
        assert exit_code(result) == story.code
        assert [dict(each) for each in result.history] == facts["history"]
        assert row.duration_s is not None
        assert row.duration_s <= call.duration_s + 0.5
    assert (row.outcome, row.direction, row.carrier, row.agent) == (
        story.outcome,
        "inbound" if story.inbound else "outbound",
        company,
        "shop",
    )
    assert call.ended_by is story.ended_by
    assert not story.reasons or row.reason in story.reasons
    for text in story.hears:
        assert text in words
    for text in story.never:
        assert text not in words
    if story.ended_by is By.AGENT:
        assert call.unplayed_ms == 0
    if TOLD in story.hears:
        assert words.count(TOLD) == 1
        assert call.line is not None
        over_ms = call.line.sounds[-1].end_ms
        assert starts_ms(call, TOLD) >= over_ms, "it was begun before the machine had said all"


def starts_ms(call: LabCall, words: str) -> float:
    """When the last of what a person was told began, in ms since the answer."""
    assert call.line is not None
    sound = call.line.heard_audio()
    frames = len(sound) // 160
    loud = [place for place in range(frames) if np.abs(sound[place * 160 : place * 160 + 160].astype(int)).max() > 1000]
    return loud[-len(words.replace(" ", " "))] * 20.0
