"""What breaks in one call, vendors, callbacks or socket, is told to its caller and not noticed in any other."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
import pytest

from patter_cli.audio.frame import Samples
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.contracts.stt import Partial, Recognised
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import ProviderError, Unavailable
from tests.e2e.conftest import (
    SENTENCES,
    Caller,
    LetterVoice,
    Phone,
    ToneEars,
    ToneSession,
    agent,
    and_tidy,
    answering,
)
from tests.e2e.stream_server import TEXT, frame

QUESTION, STOP, GOODBYE, _, _, PRICE = SENTENCES
REPLY = "We are open from nine to six."
HOOKS = ("on_call_start", "on_transcript", "on_message", "on_metrics", "on_call_end")


# --- vendors ---------------------------------------------------------------------------------------------------


class BrokenSession(ToneSession):
    """Listens as its fault says."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def push(self, samples: Samples) -> None:
        if self.fault != "never answers":
            super().push(samples)

    def finalize(self) -> None:
        if self.fault == "empty":
            self.words = ""
        if self.fault != "never answers":
            super().finalize()

    async def results(self) -> AsyncIterator[Recognised]:
        if self.fault == "ends":
            return
        async for result in super().results():
            if self.fault == "breaks" and isinstance(result, Partial):
                raise Unavailable("the socket broke", provider="test")
            if self.fault == "has a bug":
                raise ZeroDivisionError("a bug in an adapter")
            yield result


class BrokenEars(ToneEars):
    """A recogniser with a fault in its first `faulty` sessions."""

    def __init__(self, fault: str, faulty: int = 99) -> None:
        self.fault = fault
        self.faulty = faulty

    async def open(self) -> ToneSession:
        self.faulty -= 1
        if self.faulty < 0:
            return ToneSession()
        if self.fault == "refuses":
            raise Unavailable("refused", provider="test")
        if self.fault == "os error":
            raise ConnectionRefusedError("refused")
        if self.fault == "never opens":
            await asyncio.sleep(3600)
        return BrokenSession(self.fault)


class BrokenVoice(LetterVoice):
    """A voice that is well until the lines for trouble are ready (one session), and then has its fault."""

    def __init__(self, fault: str, well: int = 1) -> None:
        self.fault = fault
        self.well = well

    async def open(self) -> LetterVoice:
        self.well -= 1
        if self.well >= 0:
            return LetterVoice()
        if self.fault == "refuses":
            raise Unavailable("refused", provider="test")
        if self.fault == "never opens":
            await asyncio.sleep(3600)
        if self.fault == "breaks once" and self.well < -1:
            return LetterVoice()
        return BrokenVoiceSession(self.fault)


class BrokenVoiceSession(LetterVoice):
    def __init__(self, fault: str) -> None:
        self.fault = fault

    async def synthesize(self, text: str) -> AsyncIterator[Samples]:
        if self.fault == "breaks once":
            raise Unavailable("the socket broke", provider="test")
        if self.fault == "has a bug":
            raise ZeroDivisionError("a bug in an adapter")
        if self.fault == "never begins":
            await asyncio.sleep(3600)
        if self.fault == "nothing":
            return
        count = 0
        async for piece in super().synthesize(text):
            count += 1
            if self.fault == "breaks off" and count > 8:
                raise ProviderError("gone", provider="test")
            if self.fault == "stalls" and count > 8:
                await asyncio.sleep(3600)
            yield piece


TROUBLE = "i'm having technical trouble and have to end the call."
WENT_WRONG = "something went wrong on my side."
REPEAT = "i didn't catch that."

EAR_FAULTS = {
    "refuses": (TROUBLE, True),
    "os error": (TROUBLE, True),
    "never opens": (REPEAT, False),
    "ends": (TROUBLE, True),
    "has a bug": (TROUBLE, True),
    "never answers": (REPEAT, False),
    "empty": (REPEAT, False),
}
"""Each with what the caller hears, and whether that is the end of the call."""

VOICE_FAULTS = {
    "refuses": WENT_WRONG,
    "never opens": WENT_WRONG,
    "has a bug": WENT_WRONG,
    "never begins": WENT_WRONG,
    "nothing": "no answer to that.",
    "breaks off": WENT_WRONG,
    "stalls": WENT_WRONG,
}


async def test_a_vendor_that_fails_is_never_met_with_silence(quiet_log: None) -> None:
    """Ears or voice that refuse, hang, break or give nothing: within 4 s the caller hears of it; nothing is left."""
    hooks = Hooks(on_message=lambda event: REPLY)
    agents = {f"ears {fault}": (agent("Hello.", stt=BrokenEars(fault)), hooks) for fault in EAR_FAULTS}
    agents |= {f"voice {fault}": (agent(tts=BrokenVoice(fault)), hooks) for fault in VOICE_FAULTS}
    waits: dict[str, float] = {}

    async def talk(phone: Phone, name: str, expected: str, *, ends: bool) -> None:
        async with Caller(phone, name) as caller:
            if name.startswith("ears"):
                await caller.until_heard("hello.")
            await caller.say(QUESTION, 1000)
            await caller.until_heard(expected)
            if ends:
                await caller.until_over()
        waits[name] = caller.longest_wait_ms()

    async def all_of_them() -> None:
        async with answering(agents) as phone:
            ears = [talk(phone, f"ears {fault}", text, ends=end) for fault, (text, end) in EAR_FAULTS.items()]
            voices = [talk(phone, f"voice {fault}", text, ends=False) for fault, text in VOICE_FAULTS.items()]
            await asyncio.gather(*ears, *voices)

    loose = await and_tidy(all_of_them())
    assert {name: wait for name, wait in waits.items() if wait > 4000} == {}
    assert loose.tasks == []
    assert loose.reported == []


async def test_with_a_stand_in_the_caller_notices_nothing(quiet_log: None) -> None:
    """Ears and voices of which the first refuse, hang or break: the question is answered by those behind them."""
    hooks = Hooks(on_message=lambda event: REPLY)
    ears = ("refuses", "os error", "ends", "has a bug", "never opens")
    voices = ("refuses", "has a bug", "never begins")
    agents = {f"ears {each}": (agent("Hello.", stt=[BrokenEars(each), ToneEars()]), hooks) for each in ears}
    agents |= {f"voice {each}": (agent(tts=[BrokenVoice(each), LetterVoice()]), hooks) for each in voices}

    async def talk(phone: Phone, name: str) -> None:
        async with Caller(phone, name) as caller:
            if name.startswith("ears"):
                await caller.until_heard("hello.")
                await asyncio.sleep(3.5 if name.endswith("opens") else 0.5)
            await caller.say(QUESTION, 1000)
            await caller.until_heard(REPLY.lower())
        assert WENT_WRONG not in caller.ear.text
        assert REPEAT not in caller.ear.text

    async with answering(agents) as phone:
        await asyncio.gather(*(talk(phone, name) for name in agents))


async def test_ears_that_never_answer_are_replaced_within_the_call(quiet_log: None) -> None:
    """Once the caller is asked to say it again; then the other ears hear it."""
    hooks = Hooks(on_message=lambda event: REPLY)
    who = agent("Hello.", stt=[BrokenEars("never answers"), ToneEars()])
    async with answering({"a": (who, hooks)}) as phone, Caller(phone, "a") as caller:
        await caller.until_heard("hello.")
        await caller.say(QUESTION, 1000)
        await caller.until_heard(REPEAT)
        await caller.until(lambda: caller.line.quiet_ms > 400)
        await caller.say(PRICE, 1000)
        await caller.until_heard(REPLY.lower())


async def test_a_voice_that_is_gone_for_good_ends_the_call_aloud(quiet_log: None) -> None:
    """When the second reply fails too, the prepared last words are heard and the line is closed."""
    hooks = Hooks(on_message=lambda event: REPLY)
    async with answering({"a": (agent(tts=BrokenVoice("refuses")), hooks)}) as phone, Caller(phone, "a") as caller:
        await caller.say(QUESTION)
        await caller.until_heard("could you say that again?")
        await caller.until(lambda: caller.line.quiet_ms > 400)
        await caller.say(PRICE)
        await caller.until_over()
    assert caller.ear.text.endswith("please try again later.")
    assert caller.over() is not None


async def test_a_voice_that_never_worked_ends_the_call(quiet_log: None) -> None:
    """Without a single line to say there is nothing to wait for: the call is over soon, and nothing is left."""
    hooks = Hooks(on_message=lambda event: REPLY)

    async def calls() -> None:
        agents = {fault: (agent(tts=BrokenVoice(fault, well=0)), hooks) for fault in ("refuses", "has a bug")}
        async with answering(agents) as phone:

            async def ask(name: str) -> None:
                async with Caller(phone, name) as caller:
                    await caller.say(QUESTION)
                    await caller.until_over(8)

            await asyncio.gather(*map(ask, agents))

    loose = await and_tidy(calls())
    assert loose.tasks == []
    assert loose.reported == []


async def test_a_session_that_broke_is_opened_again(quiet_log: None) -> None:
    """Ears that break in a sentence hear its end with the next session; a voice that breaks says its reply again."""
    hooks = Hooks(on_message=lambda event: f"You said {event.text}")
    agents = {
        "ears": (agent(stt=BrokenEars("breaks", faulty=1)), hooks),
        "voice": (agent(tts=BrokenVoice("breaks once")), hooks),
    }
    async with answering(agents) as phone, Caller(phone, "ears") as deaf, Caller(phone, "voice") as hoarse:

        async def ask(caller: Caller) -> None:
            await caller.say(PRICE, 1200)
            await caller.until_heard("you said how much is a cleaning?")

        await asyncio.gather(ask(deaf), ask(hoarse))
    assert hoarse.spoken() == ["You said How much is a cleaning?"]


# --- neighbours ------------------------------------------------------------------------------------------------


class RawCaller:
    """A socket that does as it likes, in a thread of its own."""

    def __init__(self, phone: Phone, name: str, behave: Callable[[socket.socket, threading.Event], None]) -> None:
        self._address = ("127.0.0.1", phone.server.port)
        self._name = name
        self._behave = behave
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._socket: socket.socket | None = None

    def __enter__(self) -> RawCaller:
        self._thread.start()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._stop.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _run(self) -> None:
        with suppress(OSError), socket.create_connection(self._address) as sock:
            self._socket = sock
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            key = base64.b64encode(os.urandom(16)).decode()
            sock.sendall(
                f"GET /ws/loopback/{self._name} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            assert b" 101 " in sock.recv(1024)
            self._behave(sock, self._stop)


def _text(message: str) -> bytes:
    return frame(TEXT, message.encode())


def flood(sock: socket.socket, stop: threading.Event) -> None:
    """Media as fast as the socket takes it."""
    line = TwilioLine("MZflood")
    sock.sendall(_text(line.start(call_id="CAflood", parameters={})))
    burst = b"".join(_text(line.media(b"\x00" * 160, 20 * number)) for number in range(500))
    while not stop.is_set():
        sock.sendall(burst)


def garbage(sock: socket.socket, stop: threading.Event) -> None:
    """Messages that are none, in a call that has started."""
    line = TwilioLine("MZgarbage")
    sock.sendall(_text(line.start(call_id="CAgarbage", parameters={})))
    dice = random.Random(5)
    media = line.media(b"\x00" * 160, 0)
    rubbish = ["", "null", "[" * 5000, '{"event":7}', '{"event":"media","media":{}}', "\x00", "9" * 4000, "🂡" * 100]
    while not stop.wait(0.01):
        cut = dice.randrange(len(media))
        for each in (*rubbish, media[:cut] + dice.choice(rubbish)[:50] + media[cut:]):
            sock.sendall(_text(each))


def never_reads(sock: socket.socket, stop: threading.Event) -> None:
    """A call whose agent talks without end to somebody who takes nothing."""
    line = TwilioLine("MZdeaf")
    sock.sendall(_text(line.start(call_id="CAdeaf", parameters={})))
    sent = 0
    while not stop.wait(0.02):
        sock.sendall(_text(line.media(b"\xff" * 160, 20 * sent)))
        sent += 1


def raises(event: Any) -> Any:
    raise ValueError("a bug in a callback")


async def raises_async(event: Any) -> Any:
    raise ValueError("a bug in a callback")


def blocks(event: Any) -> Any:
    time.sleep(5)


def _hooks_with(name: str, hook: Callable[..., Any]) -> Hooks:
    return Hooks(**{"on_message": lambda event: REPLY, name: hook})


CALM = (
    agent("Good day, this is the quiet line next door, how can I help?"),
    Hooks(on_message=lambda event: f"You said {event.text} That is a good question, and this is my answer."),
)
TALKER = (agent("I talk and talk and talk. " * 60), Hooks(on_message=lambda event: REPLY))


async def calm_call(phone: Phone) -> Caller:
    """The neighbour: the same call every time."""
    async with Caller(phone, "calm") as caller:
        await caller.until_heard("how can i help?")
        await caller.say(PRICE)
        await caller.until_heard("this is my answer.")
    return caller


@cache
def calm_audio() -> bytes:
    """What the neighbour is sent when there is nobody else."""

    async def alone() -> bytes:
        async with answering({"calm": CALM}) as phone:
            return (await calm_call(phone)).tap.audio

    heard: list[bytes] = []
    thread = threading.Thread(target=lambda: heard.append(asyncio.run(alone())))
    thread.start()
    thread.join()
    return heard[0]


async def noisy_call(phone: Phone, name: str) -> None:
    """A call that talks to a broken agent for as long as it lasts."""
    with suppress(AssertionError):
        async with Caller(phone, name) as caller:
            await caller.until(lambda: caller.line.quiet_ms > 200, 2)
            await caller.say(QUESTION)
            await caller.until(lambda: False, 2)


async def hang_ups(phone: Phone, name: str) -> None:
    """Calls that vanish in the middle of everything."""
    for after_s in (0.0, 0.1, 0.3, 0.5, 0.7):
        async with Caller(phone, name) as caller:
            caller.line.say(np.full(8000, 8000, np.int16))
            await caller.line.wait_for(lambda: False, after_s)
            await caller.line.drop()


def _same_and_in_time(calm: Caller) -> None:
    audio = calm.tap.audio
    frames = [audio[at : at + 160] for at in range(0, len(audio), 160)]
    alone = calm_audio()
    assert frames == [alone[at : at + 160] for at in range(0, len(alone), 160)]
    assert calm.tap.clears == []
    print(f"the neighbour's audio was {calm.tap.worst_gap_ms():.0f} ms late at worst")
    assert calm.tap.worst_gap_ms() < 60


@pytest.mark.parametrize("hook", [raises, raises_async, blocks], ids=lambda hook: str(hook.__name__))
async def test_callbacks_that_fail_do_not_touch_the_other_call(hook: Callable[..., Any], quiet_log: None) -> None:
    """Every callback raising, sync or async, or blocking for 5 s, in five calls at once: the next call is untouched."""
    calm_audio()
    agents = {name: (agent("Hello."), _hooks_with(name, hook)) for name in HOOKS}
    async with answering({"calm": CALM, **agents}) as phone:
        noise = [asyncio.create_task(noisy_call(phone, name)) for name in HOOKS]
        calm = await calm_call(phone)
        await asyncio.gather(*noise)
    _same_and_in_time(calm)


async def test_a_caller_who_vanishes_does_not_touch_the_other_call(quiet_log: None) -> None:
    """Calls that drop without a word, at any moment: the next call is untouched."""
    calm_audio()
    async with answering({"calm": CALM, "talker": TALKER}) as phone:
        calm, _ = await asyncio.gather(calm_call(phone), hang_ups(phone, "talker"))
    _same_and_in_time(calm)


@pytest.mark.parametrize("behave", [flood, garbage, never_reads], ids=lambda behave: str(behave.__name__))
async def test_a_hostile_socket_does_not_touch_the_other_call(
    behave: Callable[[socket.socket, threading.Event], None], quiet_log: None
) -> None:
    """A socket that floods, sends rubbish or never reads: the next call is untouched."""
    calm_audio()
    async with answering({"calm": CALM, "talker": TALKER}) as phone:
        with RawCaller(phone, "talker", behave):
            calm = await calm_call(phone)
    _same_and_in_time(calm)
