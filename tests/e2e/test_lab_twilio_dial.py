"""A second leg at the lab's Twilio: who is rung by a document, what the two hear of each other, what is told of it."""

from __future__ import annotations

import asyncio

import pytest

from patter_cli.testing.lab import people
from patter_cli.testing.lab.call import By, LabCall
from patter_cli.testing.lab.people import HangUp, Listen, Pause, Person, Play, Press
from patter_cli.testing.lab.twilio.lab import NUMBER, TwilioLab
from tests.e2e.conftest import letters_in, tone
from tests.lab import Office, quick, until

OTHER = "+12025550142"
CALLER = Person(name="caller", steps=(Pause(1200), Play(tone(700, 400)), Press("5"), Pause(60_000)))
TAKES_IT = Person(
    name="front desk", picks_up_ms=500, steps=(Pause(300), Play(tone(1150, 400)), Listen(quiet_ms=300), HangUp())
)
"""What the caller says are letters d, and what the front desk says are letters j, in the test's alphabet."""


async def ends(lab: TwilioLab, office: Office, document: str) -> LabCall:
    """Somebody rings us, this is what becomes of it, and it has come to its end."""
    office.says("/voice", f"<Response>{document}</Response>")
    (number,) = lab.numbers.values()
    number["voice_url"] = "https://phone.example/voice"
    call = lab.ring(NUMBER, CALLER)
    await asyncio.wait_for(call.over.wait(), 10.0)
    return call


async def test_the_two_hear_each_other() -> None:
    """The action is told how it ended, and says what comes then; keys go across."""
    async with Office() as office, quick(TwilioLab, office.port, people={OTHER: TAKES_IT}) as lab:
        office.says("/after", "<Response><Say>Bye.</Say></Response>")
        noun = f"<Number>{OTHER}</Number>"
        call = await ends(lab, office, f"<Dial action='https://phone.example/after'>{noun}</Dial>")
        _, other = lab.calls.values()
        assert call.line is not None
        assert other.line is not None
        assert "jjj" in letters_in(call.line.heard_audio())
        assert "ddd" in letters_in(other.line.heard_audio())
        assert other.line.keys_heard == "5"
        (told,) = office.posted("/after")
        assert (told["DialCallStatus"], told["DialBridged"], told["DialCallSid"]) == (
            "completed",
            "true",
            other.call_id,
        )
        assert (other.ended_by, call.ended_by) == (By.PERSON, By.CARRIER)


@pytest.mark.parametrize(
    ("person", "status"), [(people.BUSY, "busy"), (people.NOBODY, "no-answer"), (people.UNREACHABLE, "failed")]
)
async def test_whoever_is_not_there_is_told(person: Person, status: str) -> None:
    """And the first call goes on with what the action answers."""
    async with Office() as office, quick(TwilioLab, office.port, people={OTHER: person}) as lab:
        office.says("/after", "<Response><Hangup/></Response>")
        await ends(lab, office, f"<Dial timeout='1' action='https://phone.example/after'>{OTHER}</Dial>")
        (told,) = office.posted("/after")
        assert (told["DialCallStatus"], told["DialBridged"]) == (status, "false")


async def test_what_is_no_number_is_not_dialled() -> None:
    """The document goes on; so it does after verbs that the lab does not do."""
    async with Office() as office, quick(TwilioLab, office.port) as lab:
        await ends(lab, office, "<Dial>front desk</Dial><Record/><Say>Hm</Say>")
        assert len(lab.calls) == 1
        assert [each.split()[0] for each in lab.warnings] == ["13223:", "the"]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("<Shout>Hello</Shout>", "12200"),
        ("<Connect><Stream url='ws://phone.example/ws'/></Connect>", "31941"),
        ("<Redirect>after</Redirect>", "15004"),
        ("<Redirect>https://phone.example/voice</Redirect>", "11204"),
        ("<Redirect>https://phone.example/nothing</Redirect>", "12300"),
        ("<Say>A & B</Say>", "12100"),
    ],
)
async def test_a_wrong_document_is_an_application_error(document: str, code: str) -> None:
    """The caller hears an apology, and the call is over."""
    async with Office() as office, quick(TwilioLab, office.port) as lab:
        call = await ends(lab, office, document)
        assert [each.partition(":")[0] for each in lab.warnings] == [code]
        assert call.line is not None
        assert len(call.line.heard_audio()) > 8 * 400
        assert call.ended_by is By.CARRIER


async def test_a_live_call_leaves_its_stream_for_other_instructions() -> None:
    """A document that is put in its place by the interface; the pause of the first is not waited for."""
    async with Office() as office, quick(TwilioLab, office.port) as lab:
        office.says("/voice", "<Response><Pause length='60'/></Response>")
        (number,) = lab.numbers.values()
        number["voice_url"] = "https://phone.example/voice"
        call = lab.ring(NUMBER, CALLER)
        await until(lambda: call.line is not None)
        session = lab.sessions[call.call_id]
        office.says("/other", "<Response><Play digits='w12'/><Hangup/></Response>")
        session.instruct_from("https://phone.example/other", "GET")
        await asyncio.wait_for(call.over.wait(), 5.0)
        assert call.line is not None
        assert call.line.keys_heard == "12"
