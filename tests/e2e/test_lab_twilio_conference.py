"""Conferences at the lab's Twilio: who waits, who hears whom, who ends it, and what is wrong with a room."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from patter_cli.audio.frame import Samples
from patter_cli.testing.lab.call import By, Ending, LabCall
from patter_cli.testing.lab.people import Pause, Person
from patter_cli.testing.lab.twilio.lab import NUMBER, TwilioLab
from tests.e2e.conftest import letters_in, tone
from tests.lab import Office, quick, until

STAYS = Person(name="caller", steps=(Pause(60_000),))
LOW, MIDDLE, HIGH = tone(700, 300), tone(1150, 300), tone(1900, 300)
"""Letters d, j and t of the test's alphabet."""


@asynccontextmanager
async def room() -> AsyncIterator[tuple[TwilioLab, Office]]:
    async with Office() as office, quick(TwilioLab, office.port) as lab:
        (number,) = lab.numbers.values()
        number["voice_url"] = "https://phone.example/voice"
        office.says("/after", "<Response><Pause length='30'/></Response>")
        yield lab, office


async def enters(
    lab: TwilioLab, office: Office, attributes: str = "waitUrl='' beep='false'", name: str = "desk"
) -> LabCall:
    """Somebody rings us and is sent to a room; the action's document keeps them on the line afterwards."""
    noun = f"<Conference {attributes}>{name}</Conference>"
    office.says("/voice", f"<Response><Dial action='https://phone.example/after'>{noun}</Dial></Response>")
    before = len(office.posted("/voice"))
    call = lab.ring(NUMBER, STAYS)
    await until(lambda: len(office.posted("/voice")) > before and call.line is not None)
    await asyncio.sleep(0.06)
    return call


def ear(call: LabCall) -> Samples:
    assert call.line is not None
    return call.line.heard_audio()


def heard(call: LabCall) -> str:
    return "".join(dict.fromkeys(letters_in(ear(call))))


def tones(call: LabCall) -> set[int]:
    """Which of these a call was played, at the same time or not."""
    sound = ear(call).astype(float)
    size = np.abs(np.fft.rfft(sound, 8000 * 8))
    return {hz for hz in (700, 1150, 1900, 2500) if size[hz * 8 - 8 : hz * 8 + 8].max() > 0.3 * size.max()}


async def test_two_hear_each_other_and_nobody_themselves() -> None:
    """It begins with the second. When one is gone the other stays, alone, until they leave too."""
    async with room() as (lab, office):
        first, second = await enters(lab, office), await enters(lab, office)
        (conference,) = lab.conferences.values()
        assert (conference.name, conference.status) == ("desk", "in-progress")
        assert first.line is not None
        assert second.line is not None
        first.line.speak(LOW)
        second.line.speak(HIGH)
        first.line.press("5")
        await until(lambda: "t" in heard(first) and "d" in heard(second))
        await asyncio.sleep(0.4)
        assert (heard(first), heard(second), second.line.keys_heard) == ("t", "d", "5")
        first.end(Ending.COMPLETED, By.PERSON)
        await asyncio.sleep(0.1)
        assert (conference.status, second.live, office.posted("/after")) == ("in-progress", True, [])
        second.end(Ending.COMPLETED, By.PERSON)
        await until(lambda: conference.status == "completed")
        assert (conference.why_ended, conference.ended_by) == ("last-participant-left", second.call_id)


async def test_whoever_leaves_may_end_it_for_all() -> None:
    """Then the others' documents go on, and are told that they were in a conference. The next room is a new one."""
    async with room() as (lab, office):
        first = await enters(lab, office, "beep='false' endConferenceOnExit='true'")
        second = await enters(lab, office)
        first.end(Ending.COMPLETED, By.PERSON)
        await until(lambda: office.posted("/after"))
        (told,) = office.posted("/after")
        assert (told["CallSid"], told["DialCallStatus"], told["DialBridged"]) == (second.call_id, "answered", "true")
        assert "DialCallSid" not in told
        (conference,) = lab.conferences.values()
        assert conference.why_ended == "participant-with-end-conference-on-exit-left"
        assert second.live
        await enters(lab, office)
        assert [each.status for each in lab.conferences.values()] == ["completed", "init"]


async def test_three_hear_the_sum_of_the_others_and_the_muted_only_listen() -> None:
    """Each hears both others at once; who is muted is heard by nobody."""
    async with room() as (lab, office):
        calls = [await enters(lab, office) for _ in range(3)]
        muted = await enters(lab, office, "waitUrl='' beep='false' muted='true'")
        for call, sound in zip([*calls, muted], (LOW, MIDDLE, HIGH, tone(2500, 300)), strict=True):
            assert call.line is not None
            call.line.speak(sound)
        await until(lambda: all(len(ear(each)) > 8 * 350 for each in calls))
        await asyncio.sleep(0.3)
        assert [tones(each) for each in calls] == [{1150, 1900}, {700, 1900}, {700, 1150}]
        assert tones(muted) == {700, 1150, 1900}


async def test_whoever_waits_hears_what_the_document_has_for_them() -> None:
    """Twilio's music, nothing, a sound, or a document of a few verbs; one with others is an error, and silence."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(MIDDLE.tobytes())
    async with room() as (lab, office):
        office.says("/sound", out.getvalue(), kind="audio/wav")
        office.says("/words", "<Response><Say>Please wait for us.</Say><Pause length='1'/></Response>")
        office.says("/wrong", "<Response><Say>Hm.</Say><Hangup/></Response>")
        waits = {
            "music": await enters(lab, office, "", "music"),
            "nothing": await enters(lab, office, "waitUrl=''", "nothing"),
            "sound": await enters(lab, office, "waitUrl='https://phone.example/sound' waitMethod='GET'", "sound"),
            "words": await enters(lab, office, "waitUrl='https://phone.example/words'", "words"),
            "wrong": await enters(lab, office, "waitUrl='https://phone.example/wrong'", "wrong"),
        }
        await asyncio.sleep(0.6)
        loud = {name: int(np.abs(ear(call).astype(int)).max(initial=0)) > 300 for name, call in waits.items()}
        assert loud == {"music": True, "nothing": False, "sound": True, "words": True, "wrong": False}
        assert "j" in heard(waits["sound"])
        assert [each.partition(":")[0] for each in lab.warnings] == ["13238"]
        assert all(call.live for call in waits.values())
        assert {each["CallSid"] for each in office.posted("/words")} == {waits["words"].call_id}


async def test_nobody_begins_it_who_may_not() -> None:
    """Two who wait for a host do not hear each other; the host begins it for all, and their coming is heard."""
    async with room() as (lab, office):
        guests = [await enters(lab, office, "waitUrl='' startConferenceOnEnter='false'") for _ in range(2)]
        (conference,) = lab.conferences.values()
        assert conference.status == "init"
        host = await enters(lab, office, "waitUrl=''")
        assert conference.status == "in-progress"
        await until(lambda: all(len(ear(each)) > 800 for each in guests))
        assert heard(host) == ""


async def test_a_time_limit_takes_who_talks_out_of_it() -> None:
    """It is the call's own; the others stay."""
    async with room() as (lab, office):
        stays = await enters(lab, office)
        noun = "<Conference waitUrl='' beep='false'>desk</Conference>"
        action = "action='https://phone.example/after' timeLimit='1'"
        office.says("/voice", f"<Response><Dial {action}>{noun}</Dial></Response>")
        goes = lab.ring(NUMBER, STAYS)
        await until(lambda: office.posted("/after"))
        assert [each["CallSid"] for each in office.posted("/after")] == [goes.call_id]
        (conference,) = lab.conferences.values()
        assert [each.session.call for each in conference.participants] == [stays]


@pytest.mark.parametrize(
    ("attributes", "name", "code", "goes_in"),
    [
        ("muted='yes'", "desk", "13230", True),
        ("endConferenceOnExit='1'", "desk", "13231", True),
        ("startConferenceOnEnter='True'", "desk", "13232", True),
        ("waitUrl='music.wav'", "desk", "13233", True),
        ("waitUrl='' waitMethod='PUT'", "desk", "13234", True),
        ("beep='loud'", "desk", "13235", True),
        ("waiturl=''", "desk", "12200", True),
        ("", "x" * 129, "13237", False),
        ("", "", "13237", False),
        ("maxParticipants='0'", "desk", "16020", False),
    ],
)
async def test_what_is_wrong_with_a_room_is_told(attributes: str, name: str, code: str, goes_in: bool) -> None:
    """A wrong attribute is as if it were not there; who cannot be let in goes on with what follows. Source: Twilio
    docs, the errors of these numbers."""
    async with room() as (lab, office):
        call = await enters(lab, office, attributes, name)
        await until(lambda: lab.warnings)
        assert [each.partition(":")[0] for each in lab.warnings] == [code]
        await until(lambda: bool(lab.conferences) if goes_in else bool(office.posted("/after")))
        assert [each["DialCallStatus"] for each in office.posted("/after")] == ([] if goes_in else ["failed"])
        assert call.live


async def test_a_name_of_somebody_is_theirs_alone() -> None:
    """16025: the second with the same label is not let in. And a room is the only one of its <Dial>: 13000."""
    async with room() as (lab, office):
        await enters(lab, office, "waitUrl='' participantLabel='ann'")
        await enters(lab, office, "waitUrl='' participantLabel='ann'")
        await until(lambda: office.posted("/after"))
        office.says("/voice", f"<Response><Dial><Conference>a</Conference><Number>{NUMBER}</Number></Dial></Response>")
        lab.ring(NUMBER, STAYS)
        await until(lambda: len(lab.conferences) == 2)
        assert [each.partition(":")[0] for each in lab.warnings] == ["16025", "13000"]
        assert len(lab.calls) == 3
