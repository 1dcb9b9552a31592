"""Whole calls through the lab's Twilio: our server on one side, and whoever picks up on the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from patter_cli import Twilio, wiring
from patter_cli.audio.frame import Samples
from patter_cli.audio.wav import read_channel
from patter_cli.call_result import CallResult
from patter_cli.callers import CallerRules
from patter_cli.cli.lab_telephone import LabTelephone
from patter_cli.contracts.store import CallStore
from patter_cli.destinations import DialRules
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import CallRejected
from patter_cli.server.control_messages import PlaceCall
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.simulate.caller import LineCaller
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.testing.lab import people
from patter_cli.testing.lab.call import By, Ending, LabCall
from patter_cli.testing.lab.faults import NO_FAULTS, Faults
from patter_cli.testing.lab.people import HangUp, Listen, Pause, Person, Play, Press, Tone
from patter_cli.testing.lab.twilio.lab import NUMBER, TwilioLab
from tests.e2e.conftest import LOUDNESS, Earpiece, Log, agent, letters_in, spoken, tone
from tests.lab import HOST, hum, until

TO = "+12025550101"
HOURS = "What are your opening hours?"

pytestmark = pytest.mark.usefixtures("quiet_log")


def voice(sentence: str, ms: int = 500) -> Play:
    """A caller's sentence; beside its tone there is another one, or it would pass for a machine's beep."""
    return Play(spoken(sentence, ms) + tone(330, ms, 5000))


LISTEN = Listen(quiet_ms=450)
HUMAN = Person(
    name="human",
    picks_up_ms=100,
    steps=(Pause(300), voice("okay", 400), LISTEN, voice(HOURS), LISTEN, HangUp()),
)
"""Says hello, listens, asks, listens and leaves."""
MACHINE = Person(
    name="machine",
    picks_up_ms=100,
    steps=(
        Pause(200),
        Play(tone(300, 3400)),
        Pause(500),
        Tone(ms=400),
        Listen(quiet_ms=2500, within_ms=6000),
        HangUp(),
    ),
)
POLITE = replace(HUMAN, steps=(Pause(300), voice("okay", 400), LISTEN, voice("Goodbye.")))
"""Says goodbye, and waits for us to hang up."""


@dataclass
class Shop:
    """Our side and theirs."""

    service: Service
    lab: TwilioLab
    log: Log
    asked: list[Any] = field(default_factory=list)
    """What the agent was asked for an answer to."""

    async def calls(self, to: str = TO, **more: Any) -> tuple[CallResult, LabCall]:
        """Ring somebody, to the end; and what the lab knows of it."""
        call = self.service.dial(PlaceCall(to=to, from_number=NUMBER, agent="shop", **more))
        name = await call.named()
        result = await asyncio.wait_for(call.result(), 60.0)
        return result, self.lab.calls[name]

    def heard(self, call: LabCall) -> str:
        """What somebody was told, letter by letter."""
        return letters_in(sound(call))


def sound(call: LabCall) -> Samples:
    assert call.line is not None
    return call.line.heard_audio()


@asynccontextmanager
async def shop(
    *somebody: Person,
    store: CallStore | None = None,
    faults: Faults = NO_FAULTS,
    hooks: Hooks | None = None,
    **more: Any,
) -> AsyncIterator[Shop]:
    """A server with one agent, and a lab with these people from TO on."""
    asked: list[Any] = []

    def answer(event: Any) -> str:
        asked.append(event)
        if event.text == "Goodbye.":
            event.end_call()
        return "Yes."

    numbers = {f"+120255501{1 + place:02}": each for place, each in enumerate(somebody)}
    async with TwilioLab(people=numbers, voice=hum, faults=faults) as lab:
        carrier = Twilio(lab.account_sid, lab.auth_token, base_url=lab.base_url)
        log = Log()
        ready = wiring.ready_agent(
            "shop",
            agent("Hello {tier} caller.", variables={"tier": "plain"}),
            Hooks(on_message=answer),
        )
        settings = ServiceSettings(port=0, public_host=HOST, rules=DialRules(hours=None), drain_timeout_s=0.0, **more)
        service = wiring.service(
            {"shop": ready}, settings, store=store, observers=(log,), voice=LOUDNESS, carried_by={"twilio": carrier}
        )
        await service.start()
        lab.reach[HOST] = service.port
        try:
            yield Shop(service, lab, log, asked)
        finally:
            await service.cut()
            service.close()


# --- we ring ------------------------------------------------------------------------------------------------------


async def test_a_human_is_talked_to() -> None:
    """Each hears the other; they hang up; every webhook that the lab sent was taken."""
    async with shop(HUMAN) as here:
        result, call = await here.calls(variables={"tier": "gold"})
        assert (result.outcome, result.answered_by) == ("answered", "human")
        assert "hello gold caller." in here.heard(call)
        assert "yes." in here.heard(call)
        assert [each.text for each in here.asked][-1] == HOURS
        assert call.ended_by is By.PERSON
        await until(lambda: len(here.lab.posted) >= 5)
        assert {each.status for each in here.lab.posted} == {200}
        assert result.duration == pytest.approx(call.duration_s, abs=1.0)


@pytest.mark.parametrize(
    ("person", "outcome", "ending"),
    [
        (people.BUSY, "busy", Ending.BUSY),
        (people.TURNS_AWAY, "busy", Ending.DECLINED),
        (people.NOBODY, "no_answer", Ending.NO_ANSWER),
        (people.UNREACHABLE, "failed", Ending.FAILED),
    ],
)
async def test_nobody_picks_up(person: Person, outcome: str, ending: Ending) -> None:
    """The carrier's word is the outcome."""
    async with shop(person) as here:
        result, call = await here.calls(ring_timeout_s=1)
        assert (result.outcome, result.duration, call.ending) == (outcome, 0, ending)


async def test_a_machine_is_left_a_message_after_its_beep() -> None:
    """Once, all of it, and not a moment before."""
    async with shop(MACHINE) as here:
        result, call = await here.calls(voicemail_message="Please call ada.")
        assert (result.outcome, result.answered_by) == ("voicemail", "machine")
        assert here.heard(call).count("please") == 1
        assert left_after_its_last_sound(call)


async def test_a_machine_without_a_message_is_hung_up_on() -> None:
    """Nothing is left on it."""
    async with shop(replace(MACHINE, steps=(Pause(200), Play(tone(300, 4500)), *MACHINE.steps[2:]))) as here:
        result, call = await here.calls()
        assert (result.outcome, call.ended_by) == ("voicemail", By.AGENT)


async def test_whoever_hangs_up_at_once_was_there() -> None:
    """And the call is over on both sides."""
    async with shop(replace(people.HANGS_UP, picks_up_ms=50)) as here:
        result, call = await here.calls()
        assert result.outcome in ("answered", "no_answer", "canceled", "failed")
        assert call.ended_by is By.PERSON
        await until(lambda: not here.service.live.count)


async def test_we_hang_up_when_all_has_been_said() -> None:
    """The last word is heard to its end before the request that ends the call arrives."""
    async with shop(POLITE) as here:
        result, call = await here.calls()
        assert (result.outcome, call.ended_by, call.unplayed_ms) == ("answered", By.AGENT, 0)
        assert here.heard(call).endswith("yes.")
        asked = [each.body for each in here.lab.asked if each.path.endswith(f"{call.call_id}.json")]
        assert asked[:1] == [b"Status=completed"]


async def test_reports_that_are_doubled_and_mixed_up_change_nothing() -> None:
    """The outcome of three calls is the one that they had."""
    faults = Faults(report_copies=2, report_delay_s=0.4)
    async with shop(HUMAN, replace(people.BUSY, picks_up_ms=50), POLITE, faults=faults) as here:
        results = await asyncio.gather(*(here.calls(f"+1202555010{each}") for each in (1, 2, 3)))
        assert [result.outcome for result, _ in results] == ["answered", "busy", "answered"]


async def test_a_dial_whose_answer_is_lost_rings_once() -> None:
    """It is found again in the carrier's list."""
    async with shop(POLITE) as here:
        here.lab.lose_answers()
        result, call = await here.calls()
        assert result.outcome == "answered"
        assert list(here.lab.calls) == [call.call_id]


async def test_what_twilio_refuses_is_said() -> None:
    """A number that is not the account's: with Twilio's number for it."""
    async with shop(HUMAN) as here:
        call = here.service.dial(PlaceCall(to=TO, from_number="+12025550188", agent="shop"))
        with pytest.raises(CallRejected, match="21210"):
            await call.named()
        assert here.lab.calls == {}


async def test_two_calls_never_mix() -> None:
    """Other words and variables; each hears its own."""
    async with shop(HUMAN, POLITE) as here:
        (one, first), (other, second) = await asyncio.gather(
            here.calls(variables={"tier": "one"}), here.calls("+12025550102", variables={"tier": "other"})
        )
        assert (one.outcome, other.outcome) == ("answered", "answered")
        assert "hello one caller." in here.heard(first)
        assert "hello other caller." in here.heard(second)
        assert "other" not in here.heard(first)


async def talk(text: str) -> Samples:
    """As long as a person takes to say it, no single tone, and no sentence: the louder one is none."""
    ms = 55 * len(text)
    return tone(300, ms, 7000) + tone(457, ms, 4500)


@pytest.mark.slow
async def test_everybody_of_the_lab_at_once() -> None:
    """Fourteen calls at the same time, each to its own end."""
    async with shop() as here:
        here.lab._voice = talk
        ends = list(people.PEOPLE)
        results = await asyncio.gather(
            *(here.calls(f"+120255501{each}", voicemail_message="Please call ada.") for each in ends)
        )
        told = {
            end: (result.outcome, result.answered_by, call.ended_by)
            for end, (result, call) in zip(ends, results, strict=True)
        }
        assert told == {
            "01": ("answered", "human", By.PERSON),
            "02": ("voicemail", "machine", By.AGENT),
            "03": ("voicemail", "machine", By.AGENT),
            "04": ("voicemail", "machine", By.AGENT),
            "05": ("answered", "human", By.PERSON),
            "06": ("answered", "", By.PERSON),
            "07": ("failed", "fax", By.AGENT),
            "08": ("busy", "", By.CARRIER),
            "09": ("no_answer", "", By.CARRIER),
            "10": ("failed", "", By.CARRIER),
            "11": ("answered", "", By.PERSON),
            "12": ("answered", "", By.PERSON),
            "13": ("answered", "human", By.AGENT),
            "14": ("answered", "human", By.PERSON),
        }
        for _, machine in results[1:4]:
            assert here.heard(machine).count("please call ada.") == 1
            assert left_after_its_last_sound(machine)


def left_after_its_last_sound(call: LabCall) -> bool:
    """Whether the message began when a machine had said all that it says."""
    assert call.line is not None
    over = round(call.line.sounds[-1].end_ms) * 8 // 160 * 160
    return letters_in(sound(call)[over:]).count("please call ada.") == 1 and call.unplayed_ms == 0


# --- somebody rings us --------------------------------------------------------------------------------------------


async def test_a_call_comes_in() -> None:
    """By the webhook that we gave the number; keys reach the agent; the number gets its old webhook back."""
    asks = Person(name="caller", steps=(LISTEN, voice(HOURS), LISTEN, Press("5#"), LISTEN, HangUp()))
    async with shop() as here:
        carrier = Twilio(here.lab.account_sid, here.lab.auth_token, base_url=here.lab.base_url)
        token = await carrier.attach(NUMBER, f"https://{HOST}/webhooks/twilio/voice?tier=gold")
        call = here.lab.ring(NUMBER, asks)
        await asyncio.wait_for(call.over.wait(), 20.0)
        assert call.ended_by is By.PERSON
        assert "hello gold caller." in here.heard(call)
        assert here.asked[0].text == HOURS
        assert any("5" in each.text for each in here.asked[1:])
        await carrier.restore(token)
        (number,) = here.lab.numbers.values()
        assert number["voice_url"] == ""
        await until(lambda: not here.service.live.count)


async def test_a_telephone_of_ours_is_plugged_into_the_lab() -> None:
    """Whoever calls it has a call at the carrier: both hear each other, keys go through, and it ends with ours."""
    async with shop() as here:
        (number,) = here.lab.numbers.values()
        number["voice_url"] = f"https://{HOST}/webhooks/twilio/voice"
        async with LabTelephone(here.lab, NUMBER) as telephone:
            ear = Earpiece()
            async with LineCaller(telephone.url, wiring.built_in_line().line(), handset=ear) as line:
                assert await line.wait_for(lambda: ear.has_heard("hello plain caller."), 6.0)
                said = voice(HOURS).samples
                line.say(said)
                assert await line.wait_for(lambda: ear.has_heard("yes."), 6.0)
                line.press("5")
                assert await line.wait_for(lambda: len(here.asked) == 2, 6.0)
                await asyncio.sleep(0.5)
                line.say(voice("Goodbye.").samples)
                assert await line.wait_for(lambda: line.ended is not None, 10.0)
        (call,) = here.lab.calls.values()
        assert (call.ended_by, call.line is not None and call.line.keys_pressed) == (By.AGENT, "5")
        assert ear.text.endswith("yes.")


@pytest.mark.parametrize(("words", "ending"), [("", Ending.BUSY), ("Later, please.", Ending.COMPLETED)])
async def test_a_call_that_cannot_be_taken_hears_why_or_a_busy_line(words: str, ending: Ending) -> None:
    """A busy line costs nothing, a sentence is a call; and who calls a number without a webhook gets nowhere."""
    async with shop(max_calls=1, callers=CallerRules(busy_message=words)) as here:
        (number,) = here.lab.numbers.values()
        nowhere = here.lab.ring(NUMBER, people.CALLER)
        await asyncio.wait_for(nowhere.over.wait(), 5.0)
        assert nowhere.ending is Ending.FAILED
        number["voice_url"] = f"https://{HOST}/webhooks/twilio/voice"
        first = here.lab.ring(NUMBER, people.CALLER)
        await until(lambda: first.line is not None and "hello" in here.heard(first))
        second = here.lab.ring(NUMBER, people.CALLER)
        await asyncio.wait_for(second.over.wait(), 5.0)
        assert (second.ending, second.line is None) == (ending, not words)
        assert first.live


async def test_an_impostor_brings_no_call() -> None:
    """A lab that signs with another token: every webhook is forbidden, and the caller hears an apology."""
    async with shop(faults=Faults(signs_with="guessed")) as here:
        (number,) = here.lab.numbers.values()
        number["voice_url"] = f"https://{HOST}/webhooks/twilio/voice"
        call = here.lab.ring(NUMBER, people.CALLER)
        await asyncio.wait_for(call.over.wait(), 10.0)
        assert [each.status for each in here.lab.posted] == [403]
        assert here.service.live.count == 0


async def test_a_server_that_dies_is_an_apology_and_then_the_same_agent(tmp_path: Path) -> None:
    """The caller stays on the line; the next server has the call, and knows what was said."""
    kept: dict[str, Any] = {"store": SqliteStore(tmp_path), "secret": b"s" * 32}
    steps = (LISTEN, voice(HOURS), Listen(quiet_ms=3500), voice("Goodbye."))
    async with shop(**kept) as here:
        (number,) = here.lab.numbers.values()
        number["voice_url"] = f"https://{HOST}/webhooks/twilio/voice"
        call = here.lab.ring(NUMBER, Person(name="caller", steps=steps))
        await until(lambda: call.line is not None and "yes." in here.heard(call), 12.0)
        async with shop(store=SqliteStore(tmp_path), secret=b"s" * 32) as there:
            here.lab.reach[HOST] = there.service.port
            await here.service.cut()
            await asyncio.wait_for(call.over.wait(), 25.0)
            assert "i'm back." in here.heard(call)
            assert [(each["role"], each["text"]) for each in there.asked[0].history][:3] == [
                ("assistant", "Hello plain caller."),
                ("user", HOURS),
                ("assistant", "Yes."),
            ]


async def test_the_carrier_records_what_both_said(tmp_path: Path) -> None:
    """The human in one channel and the agent in the other; fetched with the account's credentials alone."""
    async with shop(HUMAN) as here:
        dialled = here.service.dial(PlaceCall(to=TO, from_number=NUMBER, agent="shop"))
        name = await dialled.named()
        await until(lambda: here.lab.calls[name].line is not None)
        account = f"{here.lab.base_url}/2010-04-01/Accounts/{here.lab.account_sid}"
        async with httpx.AsyncClient(auth=(here.lab.account_sid, here.lab.auth_token)) as client:
            started = await client.post(f"{account}/Calls/{name}/Recordings.json", data={"RecordingChannels": "dual"})
            assert started.status_code == 201
            assert (await client.get(f"{account}/Recordings/{started.json()['sid']}.wav")).status_code == 404
            await asyncio.wait_for(dialled.result(), 20.0)
            fetched = await client.get(f"{account}/Recordings/{started.json()['sid']}.wav")
            assert (await httpx.AsyncClient().get(str(fetched.url))).status_code == 401
        (tmp_path / "call.wav").write_bytes(fetched.content)
        human, _ = read_channel(tmp_path / "call.wav", 0)
        ours, _ = read_channel(tmp_path / "call.wav", 1)
        assert abs(int(human.max())) > 5000
        assert "hello" in letters_in(sound(here.lab.calls[name]))
        assert abs(int(ours.max())) > 5000
