"""Calls over AudioSocket against a peer that may send any bytes: heard, ended, refused, and nobody else disturbed."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from patter_cli import Asterisk, Patter, wiring
from patter_cli.audio.frame import Samples
from patter_cli.callers import CallerRules
from patter_cli.contracts.carrier.stream import StreamStarted
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import BadSignature, CallRejected, MissingCredential, PortBusy
from patter_cli.server.calls import CallRegistry
from patter_cli.server.control_messages import PlaceCall
from patter_cli.server.direct import DirectPort
from patter_cli.server.limits import Limits
from patter_cli.server.service import ServiceSettings
from patter_cli.server.tickets import CallTicket, new_ticket
from tests.e2e.audiosocket import FROM, NUMBERS, SILENCE, START, TO, connected, shop
from tests.e2e.conftest import SENTENCES, LetterVoice, agent, letters_in, spoken
from tests.e2e.stream_server import EchoCall, Exchange

BUSY_S = 0.15
"""What a frame may be late on a machine that has other things to do."""


async def test_a_call_is_heard_both_ways_and_who_calls_is_known() -> None:
    """The greeting, a question, its answer; the connection's end is the caller's hanging up."""
    async with shop() as here, connected(here.port) as peer:
        peer.send(START)
        peer.talk()
        await peer.until(lambda: letters_in(peer.samples) == "hello there.")
        question = spoken(SENTENCES[0]).astype("<i2").tobytes()
        for at in range(0, len(question), 320):
            peer.send(b"\x10\x01\x40" + question[at : at + 320].ljust(320, b"\0"))
            await asyncio.sleep(0.02)
        await peer.until(lambda: letters_in(peer.samples) == "hello there.from nine until six.")
        (live,) = here.service.live.calls
        assert (live.ticket.caller, live.ticket.callee, live.ticket.carrier) == (FROM, TO, "asterisk")
        peer.finish()
        await here.until(here.ends)
        assert here.ends() == [("answered", "carrier_stop")]
        assert peer.kinds == {0x10}


async def test_the_agents_audio_comes_in_real_time() -> None:
    """Whole frames, at most the lead ahead of their time, and never a gap in the middle of a sentence."""
    greeting = "a" * 100
    async with shop(greeting=greeting) as here, connected(here.port) as peer:
        peer.send(START)
        peer.talk()
        await peer.until(lambda: len(peer.messages) >= len(greeting))
    audio = peer.messages[: len(greeting)]
    assert {len(payload) for _, _, payload in audio} == {320}
    late = [at - audio[0][0] - 0.02 * number for number, (at, _, _) in enumerate(audio)]
    assert min(late) > -0.06
    assert max(late) < BUSY_S


async def test_a_line_on_which_nobody_speaks_is_kept_alive() -> None:
    """Asterisk gives up after 2 s without a word from either side: a frame of silence comes before that."""
    async with shop(greeting="") as here, connected(here.port) as peer:
        peer.send(START)
        await asyncio.sleep(2.3)
        times = [at for at, _, _ in peer.messages]
        assert [payload for _, _, payload in peer.messages] == [bytes(320)] * len(times)
        assert 2 <= len(times) <= 3
        assert not peer.closed.is_set()


async def test_the_agent_hangs_up_with_the_wires_own_word() -> None:
    """After its goodbye has been heard; then the connection is down."""

    def bye(event: Any) -> str:
        event.end_call()
        return "Bye now."

    async with shop(hooks=Hooks(on_message=bye)) as here, connected(here.port) as peer:
        peer.send(START + b"\x03\x00\x01#")
        peer.talk()
        await peer.until(lambda: 0x00 in peer.kinds)
        assert letters_in(peer.samples).endswith("bye now.")
        assert peer.messages[-1][1:] == (0x00, b"")
        await peer.until_closed()
        await here.until(here.ends)
        assert here.ends() == [("answered", "agent")]


async def test_keys_that_are_pressed() -> None:
    """They reach the agent as the caller's turn."""
    heard: list[str] = []
    hooks = Hooks(on_message=lambda event: heard.append(event.text) or "Thanks.")
    async with shop(hooks=hooks) as here, connected(here.port) as peer:
        peer.send(START)
        peer.talk()
        await peer.until(lambda: letters_in(peer.samples) == "hello there.")
        peer.send(b"\x03\x00\x014\x03\x00\x012")
        await peer.until(lambda: heard)
        assert heard == ["[DTMF: 42]"]


async def test_a_connection_that_breaks() -> None:
    """A reset is no hang-up, and the call ends all the same."""
    async with shop() as here, connected(here.port) as peer:
        peer.send(START + SILENCE)
        await here.until(lambda: here.service.live.count)
        await asyncio.sleep(0.05)
        peer.abort()
        await here.until(here.ends)
        assert here.ends() == [("answered", "carrier_close")]
        await here.until(lambda: not here.service.live.count)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", SILENCE, b"\x01\x00\x0f" + bytes(15), bytes(3)]
)
async def test_garbage_is_closed_with_a_line_in_the_log(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever else is on the port's line, no agent is started for it."""
    async with shop() as here, connected(here.port) as peer:
        peer.send(data)
        await peer.until_closed()
        assert here.log.calls == {}
        assert not here.service.live.count
    assert "a call was refused: its stream's 'first message is no UUID but kind" in caplog.text


async def test_rubbish_in_the_middle_of_a_call_changes_nothing() -> None:
    """Unknown kinds, wrong lengths, keys that are none, errors: each is counted, and the caller is still heard."""
    dice = random.Random(5)
    async with shop() as here, connected(here.port) as peer:
        peer.send(START)
        peer.talk()
        for _ in range(40):
            size = dice.choice((0, 1, 7, 400))
            kind = dice.choice((0x01, 0x02, 0x03, 0x11, 0x18, 0x42, 0xFE, 0xFF))
            peer.send(bytes((kind, size >> 8, size & 0xFF)) + dice.randbytes(size))
            await asyncio.sleep(0.01)
        await peer.until(lambda: letters_in(peer.samples) == "hello there.")
        peer.send(b"\x03\x00\x015")
        await peer.until(lambda: letters_in(peer.samples).endswith("six."))


async def test_two_callers_do_not_mix() -> None:
    """One hanging up changes nothing for the other."""
    async with shop() as here, connected(here.port) as one, connected(here.port) as two:
        for peer in (one, two):
            peer.send(START)
            peer.talk()
        await one.until(lambda: letters_in(one.samples) == letters_in(two.samples) == "hello there.")
        one.finish()
        two.send(b"\x03\x00\x015")
        await two.until(lambda: letters_in(two.samples) == "hello there.from nine until six.")
        assert letters_in(one.samples) == "hello there."


async def test_the_called_number_chooses_the_agent() -> None:
    """Where there are several; a number of nobody's is refused, and Asterisk goes on in its dialplan."""
    async with shop(agents=("one", "two"), numbers={TO: "two"}) as here:
        async with connected(here.port) as peer:
            peer.send(START)
            peer.talk()
            await here.until(lambda: here.service.live.calls)
            assert here.service.live.calls[0].ticket.agent == "two"
        async with connected(here.port) as peer:
            peer.send(b"\x01\x00\x10" + bytes(16))
            await peer.until_closed()
            assert peer.kinds == {0x00}


async def test_who_is_blocked_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    """A switch counts its own callers, and our list of the blocked holds all the same; the log says why."""
    for blocked, start in ((FROM, START), ("anonymous", b"\x01\x00\x10" + bytes(16))):
        async with shop(callers=CallerRules(blocked=frozenset({blocked}))) as here:
            async with connected(here.port) as peer:
                peer.send(start)
                await peer.until_closed()
                assert peer.kinds <= {0x00}
            assert here.service.live.count == 0
        assert f"a call was refused: {blocked} is blocked" in caplog.text


async def test_a_number_of_nobodys_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Asterisk goes on in its dialplan, and says nothing of it."""
    async with shop(agents=("one", "two"), numbers={"+12025550199": "two"}) as here, connected(here.port) as peer:
        peer.send(START)
        await peer.until_closed()
    assert f"a call was refused: no agent answers '{TO}'" in caplog.text


async def test_a_server_that_is_full_closes() -> None:
    """There is no word for busy on this wire."""
    async with shop(max_calls=1) as here, connected(here.port) as first:
        first.send(START)
        first.talk()
        await here.until(lambda: here.service.live.count)
        async with connected(here.port) as second:
            await second.until_closed()
        await first.until(lambda: letters_in(first.samples) == "hello there.")


async def test_a_secret() -> None:
    """Without it nobody comes in; with it, the called number is known."""
    secret = "0123456789abcdef"
    async with shop(carrier=Asterisk(port=0, secret=secret)) as here:
        for stranger in (START, b"\x01\x00\x10" + bytes(16)):
            async with connected(here.port) as peer:
                peer.send(stranger)
                await peer.until_closed()
        async with connected(here.port) as peer:
            peer.send(b"\x01\x00\x10" + bytes.fromhex(secret) + NUMBERS[8:])
            peer.talk()
            await peer.until(lambda: letters_in(peer.samples) == "hello there.")
            (live,) = here.service.live.calls
            assert (live.ticket.caller, live.ticket.callee) == ("", TO)
            assert secret not in live.ticket.carrier_call_id


async def test_stopping_ends_the_calls() -> None:
    """A goodbye to who is talking, the wire's word for the end, and nobody is let in any more."""
    async with shop() as here, connected(here.port) as peer, connected(here.port) as waiting:
        peer.send(START)
        peer.talk()
        await peer.until(lambda: letters_in(peer.samples) == "hello there.")
        began = time.monotonic()
        await here.service.shutdown()
        assert time.monotonic() - began < 8
        await peer.until_closed()
        await waiting.until_closed()
        assert 0x00 in peer.kinds
        assert len(letters_in(peer.samples)) > len("hello there.")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", here.port)


class NeverDone(LetterVoice):
    """A voice that does not come to its end with anything but the greeting."""

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        async for samples in super().synthesize(text):
            yield samples
        if text != "Hello there.":
            while True:
                yield samples
                await asyncio.sleep(0)


@pytest.mark.slow
async def test_the_end_of_a_call_that_is_cut_is_told() -> None:
    """A goodbye that does not come to an end is cut off; on_call_end has its time all the same."""
    told: list[str] = []

    async def remember(event: Any) -> None:
        await asyncio.sleep(0.4)
        told.append(event.reason)

    hooks = Hooks(on_message=lambda event: "Hum.", on_call_end=remember)
    async with shop(given=agent("Hello there.", tts=NeverDone()), hooks=hooks) as here, connected(here.port) as peer:
        peer.send(START)
        peer.talk()
        await peer.until(lambda: letters_in(peer.samples) == "hello there.")
        await here.service.shutdown()
        assert told == ["drain"]


async def test_from_python() -> None:
    """Patter(carrier=Asterisk(…)) answers Asterisk's calls, beside those of this machine's own line."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with Patter(carrier=Asterisk(port=port)) as phone:
        speaking = agent("Hello there.")
        serving = asyncio.create_task(phone.serve(speaking, port=0, on_message=lambda event: "Hum."))
        assert (await phone.ready).startswith("127.0.0.1:")
        async with connected(port) as peer:
            peer.send(START)
            peer.talk()
            await peer.until(lambda: letters_in(peer.samples) == "hello there.")
    await serving


def test_it_is_there_for_who_names_it() -> None:
    """No server opens its port unasked; where it is named it is the only one beside this machine's own lines."""
    assert "asterisk" not in wiring.carriers()
    assert list(wiring.carriers("asterisk")) == ["loopback", "browser", "asterisk"]
    assert wiring.carriers("asterisk")["asterisk"] == Asterisk()
    with pytest.raises(MissingCredential, match="TWILIO_ACCOUNT_SID"):
        wiring.carriers("twilio")


async def test_nobody_can_be_rung() -> None:
    """The wire brings calls and makes none, which is said as such."""
    async with shop() as here:
        with pytest.raises(CallRejected, match="asterisk only brings calls here"):
            here.service.dial(PlaceCall(to="+12125550142", from_number="+12025550100", agent="shop", hours="any"))


async def test_a_port_that_is_taken() -> None:
    """Said before the first call, with what to do; the server's own port is let go of."""
    async with shop() as here:
        carried_by = {**wiring.carriers(), "asterisk": Asterisk(port=here.port)}
        ready = wiring.ready_agent("shop", agent(), Hooks(on_message=lambda event: "x"))
        other = wiring.service({"shop": ready}, ServiceSettings(port=0), carried_by=carried_by)
        with pytest.raises(PortBusy, match=str(here.port)) as refused:
            await other.start()
        assert refused.value.hint == "stop it, or choose another: Asterisk(port=…)"
        other.close()


# --- the shell by itself, with deadlines that a test can wait for ----------------------------------------------------


def ticket_of(started: StreamStarted) -> CallTicket:
    if started.call_id.startswith("ffffffff"):
        raise BadSignature("not this one")
    return new_ticket(
        carrier="asterisk", carrier_call_id=started.call_id, direction="inbound", caller="", callee="", agent="echo",
        variables={}, now_s=time.time(),
    )  # fmt: skip


class Echoes:
    """A port whose calls give back what they hear."""

    def __init__(self, limits: Limits) -> None:
        self.exchange = Exchange()
        self.live = CallRegistry(max_calls=100, max_waiting=limits.max_waiting)
        self.port = DirectPort(Asterisk(port=0), ticket_of, self.exchange.open_call, self.live, limits)

    async def __aenter__(self) -> Echoes:
        await self.port.start()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.port.cut()

    @property
    def call(self) -> EchoCall:
        return self.exchange.calls[-1]


async def test_who_says_nothing_is_closed() -> None:
    """Nothing, half a header, or half a UUID: each has the same deadline."""
    async with Echoes(Limits(start_s=0.1)) as here:
        for data in (b"", b"\x01\x00", START[:10]):
            async with connected(here.port.port) as peer:
                peer.send(data)
                await peer.until_closed()
        assert here.exchange.calls == []


async def test_a_line_that_died_is_closed() -> None:
    """Neither audio nor a goodbye: the network is gone."""
    async with Echoes(Limits(media_gap_s=0.2)) as here, connected(here.port.port) as peer:
        peer.send(START)
        await peer.until_closed()
        assert here.call.cause == "media_timeout"


async def test_who_does_not_read_is_hung_up_on() -> None:
    """A caller's machine that hangs takes neither memory nor a place for long."""
    limits = Limits(send_stall_s=0.2, send_queue_s=0.2)
    async with Echoes(limits) as here, connected(here.port.port, deaf=True) as peer:
        peer.send(START)
        await peer.until(lambda: here.exchange.calls)
        async with asyncio.timeout(5):
            while not here.call.cause:
                here.call.sender.media(bytes(3200))
                await asyncio.sleep(0.01)
        assert here.call.cause == "carrier_stalled"
        assert here.call.sender.closed


async def test_a_flood_of_messages_is_not_its_neighbours_trouble() -> None:
    """One peer sends a hundred thousand tiny messages; another is heard within a moment all the while."""
    async with Echoes(Limits()) as here, connected(here.port.port) as flood, connected(here.port.port) as peer:
        flood.send(START + b"\x42\x00\x00" * 100_000)
        peer.send(START)
        worst = 0.0
        for number in range(1, 21):
            sent = time.monotonic()
            peer.send(b"\x10\x01\x40" + bytes([number]) * 320)
            await peer.until(lambda: peer.messages[-1:] and peer.messages[-1][2][0] == number)  # noqa: B023
            worst = max(worst, time.monotonic() - sent)
        assert worst < 0.3
        assert here.live.count == 2


async def test_connections_are_bounded() -> None:
    """Those beyond are closed at once; a place that becomes free is taken again."""
    async with Echoes(replace(Limits(), max_connections=3)) as here:
        async with connected(here.port.port), connected(here.port.port), connected(here.port.port):
            await asyncio.sleep(0.05)
            async with connected(here.port.port) as fourth:
                await fourth.until_closed()
        await asyncio.sleep(0.1)
        async with connected(here.port.port) as peer:
            peer.send(START + SILENCE)
            await peer.until(lambda: here.exchange.calls)


async def test_strangers_in_numbers() -> None:
    """Two thousand connections with random first bytes, one with none: no call, no task left, nothing raised."""
    dice = random.Random(11)
    async with Echoes(Limits(start_s=0.2)) as here:
        for _ in range(40):
            peers = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", here.port.port) for _ in range(50)))
            for _, writer in peers:
                writer.write(dice.randbytes(dice.randrange(40)))
            for _, writer in peers:
                writer.transport.abort()
        async with asyncio.timeout(5):
            while here.port._streams:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert here.exchange.calls == []


async def test_a_bug_in_one_call_ends_it_alone(caplog: pytest.LogCaptureFixture) -> None:
    """It is hung up and logged; the port goes on."""
    caplog.set_level(logging.ERROR)
    async with Echoes(Limits()) as here, connected(here.port.port) as peer:
        peer.send(START)
        await peer.until(lambda: here.exchange.calls)

        def broken(message: object) -> None:
            raise ZeroDivisionError("a bug in a call")

        here.call.on_stream = broken  # type: ignore[method-assign,assignment]
        peer.send(SILENCE)
        await peer.until_closed()
        assert here.call.cause == "internal_error"
        async with connected(here.port.port) as other:
            other.send(START + SILENCE)
            await other.until(lambda: other.messages)
    assert "a bug in a call" in caplog.text


async def test_marks_come_back_when_their_audio_was_played() -> None:
    """In order, not before; those of cleared audio at once."""
    told: list[tuple[float, str]] = []
    async with Echoes(Limits()) as here, connected(here.port.port) as peer:
        peer.send(START)
        await peer.until(lambda: here.exchange.calls)
        loop = asyncio.get_running_loop()
        here.call.on_stream = lambda message: told.append((loop.time(), message.name))  # type: ignore[attr-defined,method-assign,assignment,union-attr]
        began = loop.time()
        here.call.sender.media(b"\1\1" * 800)
        here.call.sender.mark("one")
        here.call.sender.media(b"\1\1" * 80_000)
        here.call.sender.mark("two")
        await peer.until(lambda: told)
        assert told[0][1] == "one"
        assert 0.095 < told[0][0] - began < 0.1 + BUSY_S
        here.call.sender.clear()
        await peer.until(lambda: len(told) == 2)
        assert told[1][1] == "two"
        frames = len(peer.messages)
        await asyncio.sleep(0.15)
        assert len(peer.messages) - frames <= 1
