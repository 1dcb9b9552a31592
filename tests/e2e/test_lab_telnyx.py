"""Calls over the lab's Telnyx, from the dial or the ring to the end: our service on one side, people on the other."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from patter_cli import Telnyx, wiring
from patter_cli.audio.frame import Samples
from patter_cli.call_result import CallResult
from patter_cli.contracts.carrier.carrier import CallHandle
from patter_cli.core import events as fact
from patter_cli.destinations import DialRules
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import CallRejected
from patter_cli.server.control_messages import PlaceCall
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.testing.lab.call import By, LabCall
from patter_cli.testing.lab.people import FAX_HZ, HangUp, Listen, Pause, Person, Press, Refusal, Say, Tone
from patter_cli.testing.lab.telnyx.faults import TelnyxFaults
from patter_cli.testing.lab.telnyx.lab import TelnyxLab
from patter_cli.testing.lab.telnyx.rest import Trouble
from tests.e2e.conftest import LOUDNESS, SENTENCES, Log, agent, letters_in, spoken, tone, understood
from tests.lab import until

HOST = "voice.example.com"
HOURS, GOODBYE = "What are your opening hours?", "Goodbye."
ANSWERS = {HOURS: "From nine until six.", GOODBYE: "Bye bye caller."}
CALLEE = "+12125550142"

pytestmark = pytest.mark.usefixtures("quiet_log")


async def voice(text: str) -> Samples:
    """A sentence of SENTENCES as its tone; anything else is nothing but a voice, 40 ms a character, no two alike."""
    if text in SENTENCES:
        return spoken(text)
    return np.concatenate([tone(1500 + 130 * (place * 7 % 11), 40) for place in range(len(text))])


def words(seconds: float) -> str:
    """A text that takes so long to say."""
    return "x" * round(seconds * 25)


def picks_up(*steps: Any, **more: Any) -> Person:
    return Person(**{"name": "somebody", "picks_up_ms": 300, "steps": steps, **more})


HUMAN = picks_up(Pause(200), Say(words(0.4)), Pause(2600), HangUp())
ASKS = picks_up(Listen(quiet_ms=400), Say(HOURS), Listen(quiet_ms=500), Pause(100), HangUp())
SAYS_GOODBYE = picks_up(Listen(quiet_ms=400), Say(GOODBYE), Pause(20_000))


class Telephone:
    """The service, and the lab that carries its calls."""

    def __init__(self, service: Service, carrier: Telnyx, lab: TelnyxLab, log: Log) -> None:
        self.service = service
        self.carrier = carrier
        self.lab = lab
        self.log = log

    def place(self, person: Person, to: str = CALLEE, **more: Any) -> asyncio.Task[CallResult]:
        """Ring somebody, to the end of the call."""
        self.lab.people[to] = person
        given = {"from_number": self.lab.number, "agent": "shop", **more}
        return asyncio.ensure_future(self.service.dial(PlaceCall(to=to, **given)).result())

    async def call(self, person: Person, **more: Any) -> tuple[CallResult, LabCall]:
        result = await asyncio.wait_for(self.place(person, **more), 25.0)
        call = self.lab.calls[result.carrier_call_id]
        await asyncio.wait_for(call.over.wait(), 3.0)
        return result, call

    async def ring(self, person: Person) -> LabCall:
        """Somebody rings us, to the end of the call."""
        call = self.lab.ring(self.lab.number, person)
        await asyncio.wait_for(call.over.wait(), 25.0)
        return call

    def kinds(self, call: LabCall) -> list[str]:
        return [each.kind for each in self.lab.events(call)]


@asynccontextmanager
async def telephone(
    answer: Callable[[Any], str] | None = None,
    *,
    codec: Any = "PCMU",
    faults: TelnyxFaults | None = None,
    hooks: Hooks | None = None,
    **arguments: Any,
) -> AsyncIterator[Telephone]:
    """answer: to what was understood; None: what ANSWERS has. A warning of the lab's is an error at the end."""

    def from_the_table(event: Any) -> str:
        if event.text == GOODBYE:
            event.end_call()
        return ANSWERS.get(event.text, "Hm.")

    faults = faults or TelnyxFaults()
    log = Log()
    async with TelnyxLab(voice=voice, faults=faults) as lab:
        carrier = Telnyx(
            lab.api_key,
            lab.connection_id,
            lab.public_key,
            codec,
            l16_byte_order=faults.l16_byte_order,
            base_url=lab.base_url,
        )
        told = agent(arguments.pop("first_message", "Hello caller."), **arguments)
        shop = wiring.ready_agent("shop", told, hooks or Hooks(on_message=answer or from_the_table))
        service = wiring.service(
            {"shop": shop},
            ServiceSettings(port=0, public_host=HOST, drain_timeout_s=0.0, rules=DialRules(hours=None)),
            observers=(log,),
            voice=LOUDNESS,
            carried_by={"telnyx": carrier},
        )
        await service.start()
        lab.reach[HOST] = service.port
        lab.account.applications[lab.connection_id]["webhook_event_url"] = f"https://{HOST}/webhooks/telnyx/voice"
        try:
            yield Telephone(service, carrier, lab, log)
            await lab.told()
        finally:
            await service.cut()
            service.close()
        assert lab.warnings == []
        assert [each.what for each in lab.api.asked if each.unknown] == []


def heard(call: LabCall) -> str:
    """What the person was played."""
    return letters_in(call.line.heard_audio()) if call.line is not None else ""


# --- heard, both ways ----------------------------------------------------------------------------------------------


WIRES: dict[str, tuple[Any, TelnyxFaults]] = {
    "PCMU": ("PCMU", TelnyxFaults()),
    "PCMU, swapped": ("PCMU", TelnyxFaults(leg_codec="PCMA", swap_every=3)),
    "PCMA": ("PCMA", TelnyxFaults()),
    "L16 little, swapped": ("L16", TelnyxFaults(l16_byte_order="little", swap_every=5)),
    "L16 big": ("L16", TelnyxFaults(l16_byte_order="big")),
}


async def talked(wire: str) -> list[tuple[str, ...]]:
    """What was heard and said on a call that rings us and on one that we make, and how both began."""
    codec, faults = WIRES[wire]
    async with telephone(codec=codec, faults=faults) as here:
        (result, call), rung = await asyncio.gather(here.call(ASKS, detects_machines=False), here.ring(ASKS))
        assert result.outcome == "answered"
        assert call.ended_by is rung.ended_by is By.PERSON
        assert here.lab.leg(rung).asked.count("answer") == 1
        texts = tuple(str(line["text"]) for line in result.history)
        # The stream's end and the report of the call's end may come in either order.
        return [(heard(call), heard(rung)), texts, tuple(here.kinds(call)[:4]), tuple(here.kinds(rung)[:4])]


async def test_both_sides_hear_each_other() -> None:
    """Both ways, in every codec and either byte order, and with frames out of order; all at the same time."""
    whole = "hello caller.from nine until six."
    life = ("call.initiated", "call.answered", "streaming.started", "call.hangup")
    found = dict(zip(WIRES, await asyncio.gather(*map(talked, WIRES)), strict=True))
    expected = [(whole, whole), ("Hello caller.", HOURS, ANSWERS[HOURS]), life, life]
    assert found == dict.fromkeys(WIRES, expected)


# --- who picks up ----------------------------------------------------------------------------------------------------

BEEP_AT_MS = 6000
MACHINE = picks_up(Pause(200), Say(words(4.5)), Pause(800), Tone(ms=400), Pause(4500), HangUp())
NO_BEEP = picks_up(Pause(200), Say(words(4.5)), Pause(9000), HangUp())
FAX = picks_up(Pause(200), Tone(hz=FAX_HZ, ms=2500), Pause(3000), HangUp())
MESSAGE = "Please call ada back."

STORIES: dict[str, tuple[Person, dict[str, Any], tuple[str, str]]] = {
    "human": (HUMAN, {}, ("answered", "human")),
    "silent human": (picks_up(Pause(5000), HangUp()), {}, ("answered", "")),
    "late human": (
        picks_up(Pause(2500), Say(words(0.5)), Pause(2500), HangUp()),
        {},
        ("answered", "human"),
    ),
    "hangs up at once": (picks_up(Pause(300), HangUp()), {}, ("answered", "")),
    "machine with a beep": (MACHINE, {"voicemail_message": MESSAGE}, ("voicemail", "machine")),
    "machine without a beep": (NO_BEEP, {"voicemail_message": MESSAGE}, ("voicemail", "machine")),
    "machine, nothing to say": (MACHINE, {}, ("voicemail", "machine")),
    "fax": (FAX, {"voicemail_message": MESSAGE}, ("failed", "fax")),
    "busy": (picks_up(refuses=Refusal.BUSY), {}, ("busy", "")),
    "turned away": (picks_up(refuses=Refusal.DECLINED), {}, ("busy", "")),
    "unreachable": (picks_up(refuses=Refusal.FAILED), {}, ("failed", "")),
    "nobody": (picks_up(picks_up_ms=None), {"ring_timeout_s": 5}, ("no_answer", "")),
}


async def test_whoever_picks_up() -> None:
    """Twelve calls at once, each with its own end; a message is left once, after the tone, or after the greeting."""
    async with telephone() as here:
        numbers = {name: f"+1212555{1000 + place}" for place, name in enumerate(STORIES)}
        calls = {name: here.place(person, to=numbers[name], **more) for name, (person, more, _) in STORIES.items()}
        results = dict(zip(calls, await asyncio.wait_for(asyncio.gather(*calls.values()), 30.0), strict=True))
        told = {name: (each.outcome.value, str(each.answered_by)) for name, each in results.items()}
        assert told == {name: expected for name, (_, _, expected) in STORIES.items()}
        lab_calls = {name: here.lab.calls[each.carrier_call_id] for name, each in results.items()}
        for name in ("machine with a beep", "machine without a beep"):
            assert heard(lab_calls[name]).count("please call ada back.") == 1
        for name in ("machine, nothing to say", "fax"):
            assert "please" not in heard(lab_calls[name])
        machine = lab_calls["machine with a beep"].line
        assert machine is not None
        (beep,) = [each for each in machine.sounds if each.sort.value == "beep"]
        at = min(at for at, samples in machine.heard if at / 8 > beep.end_ms - 300 and np.abs(samples).max() > 1000)
        assert 0 <= at / 8 - beep.end_ms <= 1000
        assert heard(lab_calls["human"]).startswith("hello caller.")
        for name, result in (("human", "human_residence"), ("machine with a beep", "machine")):
            events = [each for each in here.lab.events(lab_calls[name]) if "premium.detection.ended" in each.kind]
            assert [each.payload["result"] for each in events] == [result]


async def test_a_number_that_is_not_ours_rings_nobody() -> None:
    """Telnyx says so at once, and whoever asked is told in its words."""
    async with telephone() as here:
        call = here.service.dial(PlaceCall(to=CALLEE, from_number="+12025550177", agent="shop"))
        with pytest.raises(CallRejected, match=r"403, 10010.*Unverified origination number"):
            await call.named()
        assert (await call.result()).outcome == "failed"
        assert here.lab.calls == {}


async def test_an_account_that_is_full_ends_the_call() -> None:
    """A new account may make two calls at once; the third is told as failed, and the others go on."""
    async with telephone() as here:
        here.lab.account.max_calls = 1
        first = here.place(HUMAN)
        await asyncio.sleep(0.2)
        second, _ = await here.call(HUMAN, to="+12125550143")
        assert second.outcome == "failed"
        assert (await first).outcome == "answered"


# --- how it ends -----------------------------------------------------------------------------------------------------


async def test_a_goodbye_is_heard_before_we_hang_up() -> None:
    """To its last letter, on a call that we made and on one that rang us; then the request comes, once."""
    async with telephone() as here:
        made, rung = await asyncio.gather(here.call(SAYS_GOODBYE, detects_machines=False), here.ring(SAYS_GOODBYE))
        for call in (made[1], rung):
            assert heard(call) == "hello caller.bye bye caller."
            assert call.ended_by is By.AGENT
            assert call.unplayed_ms == 0
            assert here.lab.leg(call).asked.count("hangup") == 1
        assert made[0].outcome == "answered"


async def test_a_call_is_called_off_while_it_rings() -> None:
    """Telnyx is told, and whoever would have picked up does not."""
    async with telephone() as here:
        here.lab.people[CALLEE] = picks_up(picks_up_ms=None)
        call = here.service.dial(PlaceCall(to=CALLEE, from_number=here.lab.number, agent="shop"))
        rung = here.lab.calls[await call.named()]
        call.cancel()
        assert (await asyncio.wait_for(call.result(), 3.0)).outcome == "canceled"
        await asyncio.wait_for(rung.over.wait(), 3.0)
        assert here.lab.events(rung)[-1].payload["hangup_cause"] == "originator_cancel"


async def test_a_caller_whom_nobody_answers_gives_up() -> None:
    """The application ends a call that gets no command in time; nothing of it reaches an agent."""
    async with telephone() as here:
        application = here.lab.account.applications[here.lab.connection_id]
        application.update(first_command_timeout=True, first_command_timeout_secs=1)
        del here.lab.reach[HOST]
        application["webhook_event_url"] = "http://127.0.0.1:9/"
        call = await here.ring(ASKS)
        assert here.lab.events(call)[-1].payload["hangup_cause"] == "originator_cancel"
        assert here.kinds(call) == ["call.initiated", "call.hangup"]
        await here.lab.told()
        assert here.log.calls == {}
        here.lab.warnings.clear()


async def test_a_caller_presses_keys() -> None:
    """Each comes on the stream and as an event, and is one key to the agent."""
    presses = picks_up(Listen(quiet_ms=300), Press("42#"), Listen(quiet_ms=800, within_ms=4000), HangUp())
    said: list[str] = []

    def answer(event: Any) -> str:
        said.append(event.text)
        return "Thank you."

    async with telephone(answer) as here:
        call = await here.ring(presses)
        assert here.kinds(call).count("call.dtmf.received") == 3
    assert said == ["[DTMF: 42#]"]
    (entries,) = here.log.calls.values()
    assert [each.event.digit for each in entries if isinstance(each.event, fact.DtmfReceived)] == ["4", "2", "#"]


async def test_a_call_whose_stream_cannot_be_opened_is_hung_up() -> None:
    """Telnyx tells that it failed; nobody stays in silence."""
    async with telephone() as here:
        here.service._awaited._wait_s = 0.3
        here.lab.reach[f"{HOST}"] = here.service.port

        async def nowhere(url: str, headers: Any) -> Any:
            raise OSError("no route")

        here.lab.open_stream = nowhere  # type: ignore[method-assign]
        call = await here.ring(ASKS)
        assert "streaming.failed" in here.kinds(call)
        assert call.ended_by is By.AGENT
        here.lab.warnings.clear()


# --- bad days --------------------------------------------------------------------------------------------------------


async def test_events_that_come_twice_and_in_any_order() -> None:
    """One call, one answer, one end; whatever overtakes whatever."""
    async with telephone(faults=TelnyxFaults(report_copies=3, report_delay_s=0.4, seed=7)) as here:
        made, rung = await asyncio.gather(here.call(ASKS, detects_machines=False), here.ring(ASKS))
        assert heard(rung) == heard(made[1]) == "hello caller.from nine until six."
        assert here.lab.leg(rung).asked.count("answer") == 1
        assert here.lab.leg(made[1]).asked.count("streaming_start") == 1
        assert made[0].outcome == "answered"
    assert len(here.log.calls) == 2


async def troubled(trouble: Trouble) -> tuple[str, list[str]]:
    async with telephone() as here:
        here.lab.trouble("answer", trouble)
        here.lab.trouble("hangup", trouble, trouble)
        call = await here.ring(SAYS_GOODBYE)
        return heard(call), here.lab.leg(call).asked


async def test_a_command_that_goes_wrong_is_asked_for_again() -> None:
    """As the same command, so that it happens once, whatever the trouble is; the caller notices nothing."""
    troubles = (Trouble.UNAVAILABLE, Trouble.ANSWER_LOST, Trouble.DONE_AND_500, Trouble.NO_ANSWER)
    found = await asyncio.gather(*map(troubled, troubles))
    assert found == [("hello caller.bye bye caller.", ["answer", "hangup"])] * len(troubles)


async def test_a_call_that_rings_while_we_cannot_be_reached() -> None:
    """Telnyx tells it again, and the caller has only waited a little longer."""
    async with telephone() as here:
        here.lab.reach[HOST], port = 9, here.lab.reach[HOST]
        asyncio.get_running_loop().call_later(0.3, here.lab.reach.update, {HOST: port})
        call = await here.ring(ASKS)
        assert heard(call) == "hello caller.from nine until six."
        first, again, *_ = here.lab.posted
        assert (first.status, again.status) == (0, 200)
        assert json.loads(again.body)["meta"]["attempt"] == 2
        here.lab.warnings.clear()


async def test_a_dial_whose_answer_is_lost_is_not_dialled_again() -> None:
    """It is found among the account's live calls, and held as if nothing had happened."""
    async with telephone() as here:
        here.lab.trouble("/calls", Trouble.ANSWER_LOST)
        result, call = await here.call(HUMAN)
        assert result.outcome == "answered"
        assert heard(call).startswith("hello caller.")
        assert list(here.lab.calls) == [call.call_id]


async def test_a_stranger_who_posts_events_rings_nobody() -> None:
    """Signed with another key, they are all refused."""
    async with telephone(faults=TelnyxFaults(signs_with="a guess")) as here:
        call = here.lab.ring(here.lab.number, ASKS)
        await asyncio.sleep(0.5)
        assert {each.status for each in here.lab.posted} == {403}
        assert here.lab.leg(call).asked == []
    assert here.log.calls == {}


# --- somebody else on the line ---------------------------------------------------------------------------------------

HUMAN_AGENT = "+12125550150"
WANTS_SOMEBODY = picks_up(
    Listen(quiet_ms=400), Say("Can you put me through?"), Listen(quiet_ms=600), Pause(1500), HangUp()
)
ANSWERS_FOR_US = picks_up(Pause(300), Say("okay"), Pause(20_000))


def puts_through(event: Any) -> str:
    event.transfer_call(HUMAN_AGENT)
    return "One moment."


async def test_a_caller_is_put_through() -> None:
    """Human and caller hear each other, and our part is over; when one hangs up, both lines are free."""
    async with telephone(puts_through, transfer_numbers=[HUMAN_AGENT]) as here:
        here.lab.people[HUMAN_AGENT] = ANSWERS_FOR_US
        caller = await here.ring(WANTS_SOMEBODY)
        human = next(each for each in here.lab.calls.values() if each is not caller)
        await asyncio.wait_for(human.over.wait(), 3.0)
        assert caller.line is not None
        assert heard(caller).startswith("hello caller.one moment.")
        assert understood(caller.line.heard_audio()[-8 * 2500 :]) == "okay"
        assert "call.bridged" in here.kinds(caller)
        assert "call.bridged" in here.kinds(human)
        assert here.kinds(human)[-1] == "call.hangup"
        assert caller.ended_by is By.PERSON
        assert "hangup" not in here.lab.leg(caller).asked
    (entries,) = here.log.calls.values()
    assert "TransferFinished" in [type(each.event).__name__ for each in entries]


async def test_a_caller_who_cannot_be_put_through_is_back_with_the_agent() -> None:
    """Busy, and the agent is told so; the line was never taken away."""
    asks_again = picks_up(
        Listen(quiet_ms=400), Say("Can you put me through?"), Listen(quiet_ms=1500), Say(GOODBYE), Pause(20_000)
    )

    def answer(event: Any) -> str:
        if event.text == GOODBYE:
            event.end_call()
            return "Bye bye caller."
        return puts_through(event)

    async with telephone(answer, transfer_numbers=[HUMAN_AGENT]) as here:
        here.lab.people[HUMAN_AGENT] = picks_up(refuses=Refusal.BUSY)
        caller = await here.ring(asks_again)
        assert heard(caller).startswith("hello caller.one moment.")
        assert heard(caller).endswith("bye bye caller.")
        assert caller.ended_by is By.AGENT
    (entries,) = here.log.calls.values()
    assert [type(each.event).__name__ for each in entries].count("TransferFailed") == 1


# --- what else our adapter asks for ----------------------------------------------------------------------------------


async def test_a_live_call_is_acted_on() -> None:
    """Keys are heard at the other end; what is recorded is there afterwards, in two channels, and is told of."""
    async with telephone() as here:
        made = here.place(picks_up(Pause(3000), HangUp()), detects_machines=False)
        await until(lambda: any(each.line is not None for each in here.lab.calls.values()))
        (call,) = here.lab.calls.values()
        control = here.carrier.control(CallHandle(carrier_call_id=call.call_id, callback_url=""))
        await control.start_recording()
        await control.send_digits("1w2#")
        await asyncio.sleep(1.0)
        await control.stop_recording()
        (recording,) = await here.carrier.recordings(call.call_id)
        assert recording.channels == 2
        assert recording.url == f"{here.lab.base_url.removesuffix('/v2')}/signed/{recording.recording_id}.wav"
        with wave.open(io.BytesIO(here.lab.files[recording.recording_id])) as file:
            assert (file.getnchannels(), file.getframerate()) == (2, 8000)
            assert 0.9 < file.getnframes() / 8000 < 1.4
        await made
        assert call.line is not None
        assert call.line.keys_heard == "12#"
        assert "call.recording.saved" in here.kinds(call)
        await control.hang_up()  # it is over already, and that is fine


async def test_a_number_is_pointed_at_us_and_given_back() -> None:
    """A call rings the new address, and after that nobody's."""
    async with telephone() as here:
        lab, old = here.lab, "https://old.example.com/"
        lab.account.applications[lab.connection_id]["webhook_event_url"] = old
        token = await here.carrier.attach(lab.number, f"https://{HOST}/webhooks/telnyx/voice")
        call = await here.ring(ASKS)
        assert heard(call) == "hello caller.from nine until six."
        await here.carrier.restore(token)
        assert lab.account.applications[lab.connection_id]["webhook_event_url"] == old
        with pytest.raises(CallRejected, match="no number of this"):
            await here.carrier.attach("+12025550188", old)


@pytest.mark.slow
async def test_a_machine_that_talks_for_25_s() -> None:
    """Its tone is waited for, and the message is left once, after it."""
    talks = picks_up(Pause(300), Say(words(25.0)), Pause(700), Tone(hz=1400.0, ms=400), Pause(5000), HangUp())
    async with telephone() as here:
        here.lab.people[CALLEE] = talks
        result = await asyncio.wait_for(here.place(talks, voicemail_message=MESSAGE), 60.0)
        call = here.lab.calls[result.carrier_call_id]
        assert (result.outcome, result.answered_by) == ("voicemail", "machine")
        assert heard(call).count("please call ada back.") == 1
