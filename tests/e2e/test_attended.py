"""Attended transfers on both carriers' labs: somebody is told what it is about, and only then has the caller.

Whoever is asked to take the caller is at DESK; the caller rings us, asks to be put through, and stays on the line.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

from patter_cli import Telnyx, Twilio, wiring
from patter_cli.contracts.store import CallQuery, CallStore
from patter_cli.core.commands import FinishCall
from patter_cli.core.events import TransferFailed
from patter_cli.core.outcome import TransferOutcome
from patter_cli.destinations import DialRules
from patter_cli.dial_quota import DialLimits, DialQuota
from patter_cli.engine.hooks import Hooks
from patter_cli.server import dialler
from patter_cli.server.attended import TALK_S
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing.lab import people
from patter_cli.testing.lab.call import By, Ending, LabCall, Stage
from patter_cli.testing.lab.people import AwaitKey, HangUp, Listen, Pause, Person, Play, Tone
from patter_cli.testing.lab.telnyx.lab import TelnyxLab
from patter_cli.testing.lab.twilio.lab import NUMBER, TwilioLab
from tests.e2e.conftest import LOUDNESS, Log, agent, letters_in, spoken, tone, understood
from tests.lab import HOST, hum, until

DESK = "+12025550177"
THROUGH, HOURS = "Can you put me through?", "What are your opening hours?"
ABOUT = "A guest wants a refund."
TOLD = "hello, i have a caller for you.a guest wants a refund.i'll connect you now."
SORRY = "i'm sorry, i couldn't put you through."
CARRIERS = ("twilio", "telnyx")
RULES = DialRules(hours=None)

pytestmark = pytest.mark.usefixtures("quiet_log")


def voice(sentence: str, ms: int = 500) -> Play:
    """A sentence; beside its tone there is another one, or it would pass for a machine's beep."""
    return Play(spoken(sentence, ms) + tone(330, ms, 5000))


LISTEN = Listen(quiet_ms=450)
WAITS = Person(name="caller", steps=(LISTEN, voice(THROUGH), Pause(40_000)))
"""Asks to be put through, and waits."""
ASKS_ON = Person(
    name="caller who is back",
    steps=(LISTEN, voice(THROUGH), Listen(quiet_ms=900, longest_ms=15_000), voice(HOURS), LISTEN, HangUp()),
)
TAKES = Person(
    name="desk",
    picks_up_ms=300,
    steps=(Pause(200), voice("okay", 300), Listen(quiet_ms=900), voice("okay"), Pause(600)),
)
"""Says hello, is told what it is about, and greets the caller."""


@dataclass
class Desk:
    """Our service between a caller and a desk."""

    service: Service
    lab: TwilioLab | TelnyxLab
    log: Log
    number: str
    asked: list[Any] = field(default_factory=list)

    def ring(self, person: Person) -> LabCall:
        return self.lab.ring(self.number, person)

    @property
    def desk(self) -> LabCall:
        """The call to whoever is asked to take the caller."""
        return next(each for each in self.lab.calls.values() if each.theirs == DESK)

    def events(self, kind: type[Any]) -> list[Any]:
        return [each.event for entries in self.log.calls.values() for each in entries if isinstance(each.event, kind)]

    def ends(self) -> list[str]:
        """Why our calls were over, in the order in which they began."""
        journals = [[each for entry in entries for each in entry.commands] for entries in self.log.calls.values()]
        return [each.reason for commands in journals for each in commands if isinstance(each, FinishCall)]


@asynccontextmanager
async def reception(
    carrier: str,
    at_desk: Person,
    *,
    about: str = ABOUT,
    extension: str = "",
    rules: DialRules = RULES,
    store: CallStore | None = None,
) -> AsyncIterator[Desk]:
    """An agent who puts callers through to the desk, on this carrier's lab; the lab warns of nothing. about: "": the
    desk is told nothing before it has them. extension: of the desk, behind a switchboard."""
    target = f"{DESK};ext={extension}" if extension else DESK
    asked: list[Any] = []

    def answer(event: Any) -> str:
        asked.append(event)
        if event.text == THROUGH:
            event.transfer_call(target, about=about)
            return "One moment."
        return "From nine until six."

    lab: Any = {"twilio": TwilioLab, "telnyx": TelnyxLab}[carrier](voice=hum, people={DESK: at_desk})
    async with lab:
        account: Any
        if isinstance(lab, TwilioLab):
            account, number = Twilio(lab.account_sid, lab.auth_token, base_url=lab.base_url), NUMBER
        else:
            account = Telnyx(lab.api_key, lab.connection_id, lab.public_key, base_url=lab.base_url)
            number = lab.number
        log = Log()
        shop = wiring.ready_agent("shop", agent("Hello caller.", transfer_numbers=[target]), Hooks(on_message=answer))
        settings = ServiceSettings(port=0, public_host=HOST, drain_timeout_s=0.0, rules=rules)
        service = wiring.service(
            {"shop": shop}, settings, store=store, observers=(log,), voice=LOUDNESS, carried_by={carrier: account}
        )
        await service.start()
        lab.reach[HOST] = service.port
        url = f"https://{HOST}/webhooks/{carrier}/voice"
        if isinstance(lab, TwilioLab):
            next(iter(lab.numbers.values()))["voice_url"] = url
        else:
            lab.account.applications[lab.connection_id]["webhook_event_url"] = url
        try:
            yield Desk(service, lab, log, number, asked)
            if isinstance(lab, TelnyxLab):
                await lab.told()
            assert [each for each in lab.warnings if not each.startswith("31921")] == []
        finally:
            await service.cut()
            service.close()


def heard(call: LabCall) -> str:
    return letters_in(call.line.heard_audio()) if call.line is not None else ""


def said_at(call: LabCall, words: str) -> int:
    """Where these words end in what a call was played, in samples."""
    assert call.line is not None
    sound = call.line.heard_audio()
    letters = ""
    for at in range(0, len(sound), 160):
        letters += letters_in(sound[at : at + 160])
        if words in letters:
            return at
    raise AssertionError(f"{words!r} is not in {letters!r}")


def limit_s(here: Desk) -> int:
    """The carrier's own limit on the call to the desk."""
    (dial,) = [each for each in here.lab.asked if each.method == "POST" and DESK[1:] in each.body.decode()]
    if isinstance(here.lab, TwilioLab):
        return int(parse_qs(dial.body.decode())["TimeLimit"][0])
    return int(json.loads(dial.body)["time_limit_secs"])


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_the_desk_is_told_and_has_the_caller(carrier: str) -> None:
    """The caller hears music while it rings and while the desk is told; then the two hear each other, and nothing of
    ours is on either line. They may talk for longer than the agent may. When the desk hangs up, both lines are free."""
    async with reception(carrier, TAKES) as here:
        caller = here.ring(WAITS)
        await until(lambda: len(here.lab.calls) == 2 and TOLD in heard(here.desk), 15.0)
        desk = here.desk
        assert limit_s(here) == TALK_S + dialler.MARGIN_S
        await until(lambda: sorted(here.ends()) == ["handed_over", "transferred"], 15.0)
        await until(
            lambda: caller.line is not None and "okay" in understood(caller.line.heard_audio()[-8 * 3000 :]), 15.0
        )
        assert caller.line is not None
        assert desk.line is not None
        music = caller.line.heard_audio()[said_at(caller, "one moment.") + 8000 :][: 8 * 1500]
        assert np.abs(music.astype(int)).max() > 300, "the caller hears nothing meanwhile"
        await until(lambda: here.service.live.count == 0)
        caller.line.speak(spoken(HOURS) + tone(330, 500, 5000))
        await until(lambda: HOURS in understood(desk.line.heard_audio()[-8 * 3000 :]) if desk.line else False, 15.0)
        desk.end(Ending.COMPLETED, By.PERSON)
        await asyncio.wait_for(caller.over.wait(), 5.0)
        assert caller.ended_by is By.CARRIER
        assert [each.text for each in here.asked] == [THROUGH]


NOT_TAKEN = {
    "busy": (people.BUSY, TransferOutcome.BUSY),
    "no answer": (people.NOBODY, TransferOutcome.NO_ANSWER),
    "failed": (people.UNREACHABLE, TransferOutcome.FAILED),
    "turned away": (people.TURNS_AWAY, TransferOutcome.DECLINED),
    "declined": (
        Person(name="declines", picks_up_ms=200, steps=(Pause(200), voice("okay", 300), Pause(500), HangUp())),
        TransferOutcome.DECLINED,
    ),
    "voicemail": (
        Person(name="tape", picks_up_ms=200, steps=(Pause(900), Tone(ms=400), Pause(20_000))),
        TransferOutcome.VOICEMAIL,
    ),
}


def is_with_the_agent_again(caller: LabCall) -> None:
    """They were told that nobody took them, asked on, and were answered."""
    assert SORRY in heard(caller), heard(caller)
    assert heard(caller).endswith("from nine until six."), heard(caller)
    assert caller.ended_by is By.PERSON


async def not_taken(carrier: str, at_desk: Person, outcome: TransferOutcome) -> None:
    """The same line, the same agent, who knows why; nobody stays on the other line."""
    async with reception(carrier, at_desk) as here:
        caller = here.ring(ASKS_ON)
        await asyncio.wait_for(caller.over.wait(), 30.0)
        (failed,) = here.events(TransferFailed)
        assert failed.outcome is outcome
        is_with_the_agent_again(caller)
        await until(lambda: not here.desk.live)


async def rung_too_often(carrier: str, folder: Path) -> None:
    """The desk's call counts as any that we make: nobody's telephone rings."""
    quota = DialQuota(folder, DialLimits(number_a_day=1))
    quota.take(DESK, time.time())
    async with reception(carrier, TAKES, rules=replace(RULES, quota=quota)) as here:
        caller = here.ring(ASKS_ON)
        await asyncio.wait_for(caller.over.wait(), 30.0)
        (failed,) = here.events(TransferFailed)
        assert "within a day" in failed.message
        assert list(here.lab.calls.values()) == [caller]
        is_with_the_agent_again(caller)


async def gone_at_once(here: Desk, caller: LabCall, moment: Callable[[], bool]) -> None:
    """The desk hangs up at a moment of its being connected, which takes its time."""
    await until(lambda: len(here.lab.calls) == 2 and TOLD[:-10] in heard(here.desk), 15.0)
    here.lab.faults = replace(here.lab.faults, answer_delay_s=0.3)
    await until(moment)
    here.desk.end(Ending.COMPLETED, By.PERSON)
    await asyncio.wait_for(caller.over.wait(), 30.0)


async def dropped(carrier: str) -> None:
    """The desk hangs up before the carrier could connect it: the caller has never left the line."""
    async with reception(carrier, TAKES) as here:
        caller = here.ring(ASKS_ON)
        connects = ("Conference", "bridge")
        await gone_at_once(here, caller, lambda: any(each in f"{here.lab.asked[-1]}" for each in connects))
        (failed,) = here.events(TransferFailed)
        assert failed.outcome is TransferOutcome.DROPPED
        is_with_the_agent_again(caller)


async def alone_in_the_room() -> None:
    """The desk was in Twilio's room and is gone before the caller is: they come back on a stream of their own, and the
    agent knows the conversation."""
    async with reception("twilio", TAKES) as here:
        assert isinstance(here.lab, TwilioLab)
        rooms = here.lab.conferences
        caller = here.ring(ASKS_ON)
        await gone_at_once(here, caller, lambda: bool(rooms))
        assert here.ends()[0] == "transferred"
        is_with_the_agent_again(caller)
        assert [each["text"] for each in here.asked[-1].history][:2] == ["Hello caller.", THROUGH]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_whoever_is_not_taken_stays_with_the_agent(
    carrier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Busy, no answer, failed, declined, a machine, gone as they were connected, rung too often: the caller is told,
    and the agent goes on answering. All at the same time, each on a lab of its own."""
    monkeypatch.setattr(dialler, "RING_S", 2)
    stories = {name: not_taken(carrier, *each) for name, each in NOT_TAKEN.items()}
    stories |= {"too often": rung_too_often(carrier, tmp_path), "dropped": dropped(carrier)}
    if carrier == "twilio":
        stories["alone"] = alone_in_the_room()
    results = await asyncio.gather(*stories.values(), return_exceptions=True)
    assert {name: result for name, result in zip(stories, results, strict=True) if result is not None} == {}


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_a_caller_who_is_just_put_through_was_transferred(carrier: str, tmp_path: Path) -> None:
    """So the record of the call says, on Twilio also if its answer was lost and the stream is over all the same."""
    store = SqliteStore(tmp_path)
    async with reception(carrier, TAKES, about="", store=store) as here:
        caller = here.ring(WAITS)
        await until(lambda: THROUGH in [each.text for each in here.asked], 15.0)
        if carrier == "twilio":
            here.lab.lose_answers()
        await until(lambda: here.ends() != [], 10.0)
        await until(lambda: "okay" in understood(caller.line.heard_audio()) if caller.line else False, 15.0)
    (record,) = store.list(CallQuery())
    assert (record.outcome, record.reason) == ("answered", "transferred")


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_behind_a_switchboard_whoever_speaks_is_told(carrier: str) -> None:
    """Its keys are pressed first, and it is told nothing; the two are connected as ever."""
    switchboard = Person(
        name="switchboard",
        picks_up_ms=300,
        steps=(
            AwaitKey(),
            Pause(1500),
            voice("okay", 400),
            Listen(quiet_ms=900),
            voice("okay"),
            Pause(30_000),
        ),
    )
    async with reception(carrier, switchboard, extension="12") as here:
        caller = here.ring(WAITS)
        await until(lambda: sorted(here.ends()) == ["handed_over", "transferred"], 20.0)
        await until(
            lambda: "okay" in understood(caller.line.heard_audio()[-8 * 3000 :]) if caller.line else False, 15.0
        )
        assert here.desk.line is not None
        assert here.desk.line.keys_heard == "12"
        assert TOLD in heard(here.desk)


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_nobody_stays_on_the_line_for_a_caller_who_hangs_up(carrier: str) -> None:
    """While it rings the ringing stops; while the desk is told, its call ends too."""

    async def story(at_desk: Person, moment: Callable[[Desk], bool]) -> None:
        async with reception(carrier, at_desk) as here:
            caller = here.ring(WAITS)
            await until(lambda: len(here.lab.calls) == 2 and moment(here), 15.0)
            caller.end(Ending.COMPLETED, By.PERSON)
            await asyncio.wait_for(here.desk.over.wait(), 15.0)
            assert here.desk.ended_by is By.AGENT
            await until(lambda: here.service.live.count == 0)

    await asyncio.gather(
        story(replace(TAKES, picks_up_ms=20_000), lambda here: here.desk.stage is Stage.RINGING),
        story(TAKES, lambda here: "hello, i have" in heard(here.desk)),
    )
