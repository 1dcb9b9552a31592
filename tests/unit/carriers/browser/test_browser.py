"""The softphone's wire, from both ends, and what cannot be asked of a page."""

from __future__ import annotations

import json

import pytest

from patter_cli.carriers.browser.carrier import Carrier
from patter_cli.carriers.browser.control import BrowserControl
from patter_cli.carriers.browser.stream import FORMAT, BrowserLine, BrowserStream
from patter_cli.contracts.carrier.stream import (
    ClearOut,
    DtmfIn,
    Ignored,
    MarkIn,
    MarkOut,
    MediaIn,
    MediaOut,
    Refused,
    StartRefused,
    StreamStarted,
    StreamStopped,
)
from patter_cli.errors import CallRejected, InternalError

SOUND = bytes(range(256)) * 2


def started() -> tuple[BrowserStream, BrowserLine]:
    """Both ends of a call that has begun."""
    stream, line = BrowserStream(), BrowserLine()
    stream.receive(line.start(call_id="abc", parameters={}))
    return stream, line


def test_what_a_page_sends_is_read_as_it_was_meant() -> None:
    """Sound with its place, marks, keys and the end."""
    stream, line = BrowserStream(), BrowserLine()
    assert stream.receive(line.start(call_id="abc", parameters={})) == StreamStarted(
        stream_id="abc", call_id="abc", format=FORMAT
    )
    assert stream.receive(line.media(SOUND, 40)) == MediaIn(SOUND, 40, 1)
    assert stream.receive(line.mark("7.0")) == MarkIn(name="7.0")
    assert stream.receive(line.dtmf("#")) == DtmfIn(digit="#")
    assert stream.receive(line.stop()) == StreamStopped()


def test_sound_written_another_way_is_the_same_sound() -> None:
    """The quick way of reading it and the thorough one agree."""
    stream, line = started()
    text = line.media(SOUND, 40)
    assert stream.receive(json.dumps(json.loads(text), indent=1)) == stream.receive(text)


def test_what_we_send_arrives_at_the_page() -> None:
    """Sound, a mark behind it, and to forget both."""
    stream, line = started()
    assert line.receive(stream.media(SOUND)) == MediaOut(SOUND)
    assert line.receive(stream.mark('1"0')) == MarkOut(name='1"0')
    assert line.receive(stream.clear()) == ClearOut()


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "nonsense", "{}", '{"event":1}', "[" * 60_000, '{"event":"key","digit":"A"}', '{"event":"key"}',
        '{"event":"mark","name":""}', '{"event":"media","seq":1,"at":0,"payload":""}',
        '{"event":"media","seq":1,"at":0,"payload":"abc"}', '{"event":"media","seq":-1,"at":0,"payload":"AAAA"}',
        '{"event":"media","seq":true,"at":0,"payload":"AAAA"}', '{"event":"media","at":0,"payload":"AAAA"}',
        '{"event":"media","seq":1,"at":99999999999999999999,"payload":"AAAA"}', '{"event":"start","call":"again"}',
        '{"event":"media","seq":1,"at":0,"payload":"' + "A" * 70_000 + '"}',
    ],
)  # fmt: skip
def test_rubbish_is_refused_and_the_call_goes_on(text: str) -> None:
    """Whatever a stranger's script sends."""
    stream, line = started()
    assert isinstance(stream.receive(text), Refused)
    assert isinstance(stream.receive(line.media(SOUND, 0)), MediaIn)


@pytest.mark.parametrize("call", [None, 1, "", "a b", "x" * 65, "<img>"])
def test_a_start_without_its_call_is_no_start(call: object) -> None:
    """And nothing can be sent then."""
    stream = BrowserStream()
    assert isinstance(stream.receive(json.dumps({"event": "start", "call": call})), StartRefused)
    with pytest.raises(InternalError):
        stream.media(SOUND)


def test_messages_of_a_later_page_are_passed_over() -> None:
    """A page that was loaded before an update may know other words."""
    assert started()[0].receive('{"event":"wave"}') == Ignored(event="wave")


async def test_a_page_can_be_asked_for_nothing_but_to_hang_up() -> None:
    """Each refusal says why; the call goes on."""
    control = BrowserControl()
    await control.hang_up()
    await control.stop_recording()
    for asked in (control.transfer("+12025550142"), control.send_digits("1"), control.start_recording()):
        with pytest.raises(CallRejected):
            await asked
    with pytest.raises(CallRejected):
        await Carrier().attach("+12025550142", "https://example.com")
