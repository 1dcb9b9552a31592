"""The scripted telephone against a small server of our own, over real sockets and in real time."""

from __future__ import annotations

import asyncio
import socket
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.server import Request, Response, Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from patter_cli.agent import HangUp, Interrupt, Press, Say
from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.tone import dtmf
from patter_cli.carriers.twilio.stream import TwilioLine, TwilioStream
from patter_cli.contracts.carrier.stream import (
    DtmfIn,
    MarkIn,
    MediaIn,
    StreamConnected,
    StreamMessage,
    StreamStarted,
    StreamStopped,
)
from patter_cli.errors import CallRejected, InputError, NotReachable, TimedOut
from patter_cli.simulate.caller import Cleared, EndCause, Fact, LineCaller, LineEnded
from patter_cli.simulate.line import BAD, LineFilter
from patter_cli.simulate.playout import AgentStarted, AgentStopped
from patter_cli.simulate.script import Play, hold_conversation

SPEECH = dtmf("5", 8000, tone_ms=500, gap_ms=0)
"""Half a second of something loud."""

SPEECH_ULAW = encode_ulaw(SPEECH)

SLACK_MS = 100.0
"""What a busy machine may add to a moment."""


class Agent:
    """The server's end of one call: what it heard, and how it answers."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.codec = TwilioStream()
        self.messages: list[StreamMessage] = []

    async def next(self) -> StreamMessage:
        message = self.codec.receive(str(await self.connection.recv()))
        self.messages.append(message)
        return message

    async def until(self, kind: type[StreamMessage]) -> StreamMessage:
        while not isinstance(message := await self.next(), kind):
            pass
        return message

    async def rest(self) -> None:
        """Listen until the caller is gone."""
        try:
            while True:
                await self.next()
        except ConnectionClosed:
            pass

    async def play(self, *parts: bytes | str) -> None:
        """Audio as bytes, marks as names."""
        for part in parts:
            await self.connection.send(self.codec.media(part) if isinstance(part, bytes) else self.codec.mark(part))

    async def clear(self) -> None:
        await self.connection.send(self.codec.clear())

    def kinds(self) -> list[type[StreamMessage]]:
        return [type(message) for message in self.messages if not isinstance(message, MediaIn)]

    def media(self) -> list[MediaIn]:
        return [message for message in self.messages if isinstance(message, MediaIn)]

    def marks(self) -> list[str]:
        return [message.name for message in self.messages if isinstance(message, MarkIn)]


Behaviour = Callable[[Agent], Awaitable[None]]


class Calls:
    """A server, its address, and the agents that answered."""

    def __init__(self) -> None:
        self.url = ""
        self.agents: list[Agent] = []
        self.facts: list[Fact] = []
        self._over = asyncio.Event()

    def caller(self, record_to: Path | None = None) -> LineCaller:
        return LineCaller(self.url, TwilioLine(), record_to=record_to, on_fact=self.facts.append)

    async def agent(self) -> Agent:
        """The agent of the one call, when it is over."""
        async with asyncio.timeout(5):
            await self._over.wait()
        return self.agents[0]

    def told(self, kind: type[Fact]) -> list[Fact]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    async def answer(self, connection: ServerConnection, behaviour: Behaviour) -> None:
        agent = Agent(connection)
        self.agents.append(agent)
        try:
            await behaviour(agent)
        finally:
            self._over.set()


@asynccontextmanager
async def server(
    behaviour: Behaviour,
    *,
    process_request: Callable[[ServerConnection, Request], Response | None] | None = None,
    receive_bytes: int | None = None,
) -> AsyncIterator[Calls]:
    """A server that answers each call like this, on a free port. receive_bytes: the kernel's buffer."""
    calls = Calls()
    listening = socket.socket()
    if receive_bytes is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    listening.bind(("127.0.0.1", 0))
    running: Server
    async with serve(
        lambda connection: calls.answer(connection, behaviour),
        sock=listening,
        compression=None,
        ping_interval=None,
        close_timeout=1,
        process_request=process_request,
    ) as running:
        calls.url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/line"
        yield calls


async def listen(agent: Agent) -> None:
    """An agent that never says a word."""
    await agent.rest()


async def greet(agent: Agent) -> None:
    """An agent that speaks for half a second, faster than real time, and then listens."""
    await agent.until(StreamStarted)
    await agent.play(SPEECH_ULAW[:1000], SPEECH_ULAW[1000:], "greeted")
    await agent.rest()


class Conversation:
    """An agent that greets, answers each utterance after a pause, and stops talking when it is spoken over."""

    def __init__(self, answers: int = 99, *, answer_ms: int = 500) -> None:
        self.answers = answers
        self.answer = encode_ulaw(dtmf("8", 8000, tone_ms=answer_ms, gap_ms=0))

    async def __call__(self, agent: Agent) -> None:
        await agent.until(StreamStarted)
        await agent.play(self.answer, "greeting")
        playing, loud, quiet = True, 0, 0
        try:
            while True:
                message = await agent.next()
                if isinstance(message, MarkIn):
                    playing = False
                elif isinstance(message, DtmfIn):
                    await agent.play(self.answer, "key")
                    playing = True
                elif isinstance(message, MediaIn):
                    voiced = int(np.abs(decode_ulaw(message.payload).astype(int)).max()) > 1000
                    loud, quiet = (loud + 1, 0) if voiced else (loud, quiet + 1)
                    if loud == 5 and playing:
                        await agent.clear()
                        playing = False
                    if loud and quiet == 10:
                        loud = 0
                        if self.answers == 0:
                            await agent.connection.close()
                        elif self.answers > 0:
                            await agent.play(self.answer, "answer")
                            playing = True
                        self.answers -= 1
        except ConnectionClosed:
            pass


async def voice(text: str) -> Samples:
    """A tenth of a second a word."""
    return dtmf("2", 8000, tone_ms=100 * len(text.split()), gap_ms=0)


async def test_a_stream_opens_and_ends_as_a_carriers_does() -> None:
    """connected, start with the call's id and parameters, media, stop, close."""
    async with server(listen) as calls:
        caller = LineCaller(calls.url, TwilioLine(), call_id="CA7", parameters={"agent": "demo"})
        async with caller:
            await caller.wait_for(lambda: caller.now_ms >= 100)
        agent = await calls.agent()
    assert agent.kinds() == [StreamConnected, StreamStarted, StreamStopped]
    started = agent.messages[1]
    assert isinstance(started, StreamStarted)
    assert (started.call_id, started.parameters) == ("CA7", {"agent": "demo"})
    assert isinstance(agent.messages[-1], StreamStopped)
    assert agent.connection.close_code == 1000
    assert caller.ended is not None
    assert caller.ended.cause is EndCause.HUNG_UP


async def test_frames_come_every_20_ms_and_hold_what_was_said() -> None:
    """Timestamps count from zero without a hole, no frame before its time, and speech is where `say` promised."""
    async with server(listen) as calls, calls.caller() as caller:
        await caller.wait_for(lambda: caller.now_ms >= 200)
        said = caller.say(SPEECH)
        await caller.wait_for(lambda: caller.now_ms >= 1000)
        sent = caller.now_ms // 20
        await caller.hang_up()
        media = (await calls.agent()).media()
    assert [message.timestamp_ms for message in media] == [20 * count for count in range(len(media))]
    assert sent - SLACK_MS / 20 <= len(media) <= sent
    heard = b"".join(message.payload for message in media)
    place = round(said.start_ms * 8)
    assert heard[place : place + len(SPEECH)] == SPEECH_ULAW
    assert set(heard[:place] + heard[place + len(SPEECH) :]) == {0xFF}
    assert (said.first_voiced_ms, said.last_voiced_ms) == (said.start_ms, said.end_ms)
    assert caller.lost_frames == 0


async def test_the_agent_is_heard_in_real_time_and_its_mark_comes_back_then() -> None:
    """Audio sent in one go takes its half second; facts say when it was heard."""
    async with server(greet) as calls, calls.caller() as caller:
        await caller.wait_for(lambda: bool(calls.told(AgentStopped)), 5)
        await caller.hang_up()
        agent = await calls.agent()
    started, stopped = calls.facts[:2]
    assert isinstance(started, AgentStarted)
    assert stopped == AgentStopped(at_ms=started.at_ms + 500)
    assert agent.marks() == ["greeted"]
    before = agent.media()[
        : [*filter(lambda m: isinstance(m, MediaIn | MarkIn), agent.messages)].index(MarkIn(name="greeted"))
    ]
    assert stopped.at_ms - 40 <= before[-1].timestamp_ms + 20 <= stopped.at_ms + SLACK_MS
    assert caller.heard_bytes == 4000


async def test_clear_takes_back_what_was_not_heard(tmp_path: Path) -> None:
    """Its mark comes back at once, the fact says how much was lost, and the recording holds only what was heard."""

    async def change_of_mind(agent: Agent) -> None:
        await agent.until(StreamStarted)
        await agent.play(SPEECH_ULAW * 4, "never heard")
        while not agent.media() or agent.media()[-1].timestamp_ms < 400:
            await agent.next()
        await agent.clear()
        await agent.until(MarkIn)
        await agent.rest()

    path = tmp_path / "call.wav"
    async with server(change_of_mind) as calls, calls.caller(path) as caller:
        await caller.wait_for(lambda: bool(calls.told(Cleared)), 5)
        await caller.wait_for(lambda: caller.now_ms >= 700)
        said = caller.say(SPEECH)
        await caller.wait_for(lambda: caller.now_ms >= said.end_ms + 50)
        await caller.hang_up()
        agent = await calls.agent()
    (cleared,) = calls.told(Cleared)
    assert isinstance(cleared, Cleared)
    heard_ms = caller.heard_bytes / 8
    assert heard_ms + cleared.unheard_ms == 2000
    assert caller.unheard_ms == cleared.unheard_ms
    assert caller.cleared_ms == cleared.at_ms
    assert 400 - SLACK_MS <= heard_ms <= 400 + SLACK_MS
    assert agent.marks() == ["never heard"]
    with wave.open(str(path)) as file:
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    started = calls.facts[0]
    assert isinstance(started, AgentStarted)
    first = started.at_ms * 8
    played = decode_ulaw(SPEECH_ULAW * 4)[: caller.heard_bytes]
    assert both[first : first + len(played), 1].tolist() == played.tolist()
    assert not both[first + len(played) :, 1].any()
    place = round(said.start_ms * 8)
    assert both[place : place + len(SPEECH), 0].tolist() == decode_ulaw(SPEECH_ULAW).tolist()
    assert not both[:place, 0].any()


async def test_keys_are_sent() -> None:
    """Each key is a message of its own, in order."""
    async with server(listen) as calls:
        async with calls.caller() as caller:
            caller.press("4")
            caller.press("#")
            await caller.wait_for(lambda: caller.now_ms >= 60)
        agent = await calls.agent()
    assert [message for message in agent.messages if isinstance(message, DtmfIn)] == [
        DtmfIn(digit="4"),
        DtmfIn(digit="#"),
    ]


async def test_a_dropped_line_says_nothing() -> None:
    """No stop and no closing handshake: the server sees the connection die."""
    async with server(listen) as calls:
        async with calls.caller() as caller:
            await caller.wait_for(lambda: caller.now_ms >= 60)
            await caller.drop()
        agent = await calls.agent()
    assert StreamStopped not in agent.kinds()
    assert agent.connection.close_code == 1006
    assert [fact.cause for fact in calls.facts if isinstance(fact, LineEnded)] == [EndCause.DROPPED]


async def test_the_server_may_end_the_call() -> None:
    """Its reason is told, whoever waits wakes up, and hanging up afterwards is nothing."""

    async def not_now(agent: Agent) -> None:
        await agent.until(StreamStarted)
        await agent.connection.close(1013, "all agents are busy")

    async with server(not_now) as calls, calls.caller() as caller:
        assert not await caller.wait_for(lambda: False, 5)
        await caller.hang_up()
    assert caller.ended is not None
    assert caller.ended.cause is EndCause.SERVER_CLOSED
    assert caller.ended.words == "1013 all agents are busy"


async def test_a_server_that_dies_is_noticed() -> None:
    """A connection that breaks is a lost line, not an error."""

    async def die(agent: Agent) -> None:
        await agent.until(MediaIn)
        agent.connection.transport.abort()

    async with server(die) as calls, calls.caller() as caller:
        await caller.wait_for(lambda: False, 5)
    assert [fact.cause for fact in calls.facts if isinstance(fact, LineEnded)] == [EndCause.LOST]


async def test_a_slow_server_does_not_shift_time() -> None:
    """While the server does not read, the call goes on: what it sent is heard on time and no frame is missing."""

    async def sleepy(agent: Agent) -> None:
        await agent.until(StreamStarted)
        await agent.play(SPEECH_ULAW, "heard")
        agent.connection.transport.pause_reading()
        await asyncio.sleep(0.8)
        agent.connection.transport.resume_reading()
        await agent.rest()

    async with server(sleepy) as calls, calls.caller() as caller:
        await caller.wait_for(lambda: caller.now_ms >= 1000)
        await caller.hang_up()
        agent = await calls.agent()
    started, stopped = calls.facts[:2]
    assert isinstance(started, AgentStarted)
    assert stopped == AgentStopped(at_ms=started.at_ms + 500)
    stamps = [message.timestamp_ms for message in agent.media()]
    assert stamps == [20 * count for count in range(len(stamps))]
    assert len(stamps) >= (1000 - SLACK_MS) / 20
    assert caller.lost_frames == 0


async def test_a_seed_gives_the_same_line_whatever_the_agent_does() -> None:
    """What is lost, what is late and what sounds around the caller follow the line's own clock: an agent that speaks at
    once, one that speaks later and one that freezes the whole process get the same frames in the same order."""

    async def at_once(agent: Agent) -> None:
        await agent.until(StreamStarted)
        await agent.play(SPEECH_ULAW)
        await agent.rest()

    async def later(agent: Agent) -> None:
        for _ in range(20):
            await agent.next()
        await agent.play(SPEECH_ULAW, "said", SPEECH_ULAW)
        await agent.rest()

    async def freezing(agent: Agent) -> None:
        for _ in range(10):
            await agent.next()
        time.sleep(0.25)
        await agent.play(SPEECH_ULAW)
        await agent.rest()

    brought = []
    for behaviour in (at_once, later, freezing):
        async with server(behaviour) as calls:
            quality = replace(BAD, loss=0.1, echo_db=None)  # an echo is the agent's own doing
            caller = LineCaller(calls.url, TwilioLine(), line=LineFilter(quality, seed=5), on_fact=calls.facts.append)
            async with caller:
                await caller.wait_for(lambda caller=caller: caller.now_ms >= 1500, 3.0)
            agent = await calls.agent()
            brought.append([(each.timestamp_ms, each.payload) for each in agent.media()])
    count = min(map(len, brought))
    assert count > 60
    assert brought[0][:count] == brought[1][:count] == brought[2][:count]
    stamps = [at_ms for at_ms, _ in brought[0]]
    assert stamps != sorted(stamps)
    assert len(set(range(0, max(stamps), 20)) - set(stamps)) >= 2


@pytest.mark.slow
async def test_a_server_that_never_reads_loses_frames_and_harms_nobody() -> None:
    """As with a carrier: what does not fit is lost and counted, the clock goes on, and hanging up is prompt."""

    async def deaf(agent: Agent) -> None:
        await agent.until(StreamStarted)
        agent.connection.transport.pause_reading()
        await agent.connection.wait_closed()

    async with server(deaf, receive_bytes=4096) as calls:
        async with calls.caller() as caller:
            assert await caller.wait_for(lambda: caller.lost_frames > 50, 19)
            assert caller.mouth.next_frame_ms >= caller.now_ms - SLACK_MS
            async with asyncio.timeout(6):
                await caller.hang_up()
        calls.agents[0].connection.transport.abort()
    assert caller.ended is not None


async def test_what_a_carrier_would_drop_is_told() -> None:
    """Binary frames, foreign stream ids and rubbish change nothing and are listed."""

    async def clumsy(agent: Agent) -> None:
        await agent.until(StreamStarted)
        for rubbish in ("{", b"\x00", '{"event":"clear","stream_sid":"MZ1"}'):
            await agent.connection.send(rubbish)
        await agent.play("fine")
        await agent.until(MarkIn)
        await agent.rest()

    async with server(clumsy) as calls, calls.caller() as caller:
        await caller.wait_for(lambda: caller.now_ms >= 100)
        await caller.hang_up()
        assert (await calls.agent()).marks() == ["fine"]
    assert len(caller.refused) == 3


async def test_a_refused_upgrade_gives_the_servers_words() -> None:
    """HTTP 503 or 403 before the socket opens is a rejected call."""

    def full(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "the server is draining\n")

    async with server(listen, process_request=full) as calls:
        with pytest.raises(CallRejected, match=r"the server is draining \(HTTP 503\)"):
            await calls.caller().dial()


async def test_nobody_there() -> None:
    """A closed port, and a program that does not speak WebSocket, are not reachable; the hint says what to start."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    listening.close()
    with pytest.raises(NotReachable, match="nothing takes calls") as raised:
        await LineCaller(f"ws://127.0.0.1:{port}/secret", TwilioLine()).dial()
    assert "patter serve" in raised.value.hint
    assert "secret" not in str(raised.value)

    async def mumble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"220 mail.example.com\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(mumble, "127.0.0.1", 0) as other:
        with pytest.raises(NotReachable, match="not as a media socket"):
            await LineCaller(f"ws://127.0.0.1:{other.sockets[0].getsockname()[1]}/", TwilioLine()).dial()


@pytest.mark.parametrize("url", ["no address", "http://127.0.0.1:1/", "ws://"])
async def test_a_bad_address(url: str) -> None:
    """What is not a WebSocket URL is an input error."""
    with pytest.raises(InputError):
        await LineCaller(url, TwilioLine()).dial()


async def test_a_recording_that_cannot_be_written(tmp_path: Path) -> None:
    """It is found when the call begins, and the line is closed."""
    async with server(listen) as calls:
        with pytest.raises(InputError, match="cannot write"):
            await calls.caller(tmp_path / "missing" / "call.wav").dial()
        await calls.agent()


async def test_a_bug_in_a_listener_of_facts_ends_the_call_and_is_raised() -> None:
    """Nobody waits for a line whose tasks have died."""

    def bug(fact: Fact) -> None:
        if isinstance(fact, AgentStarted):
            raise ZeroDivisionError

    async with server(greet) as calls:
        caller = LineCaller(calls.url, TwilioLine(), on_fact=bug)
        await caller.dial()
        assert not await caller.wait_for(lambda: False, 5)
        with pytest.raises(ZeroDivisionError):
            await caller.hang_up()


async def test_the_answer_is_timed_from_the_last_voiced_sample() -> None:
    """Every utterance gets its own answer; the greeting is nobody's."""
    async with server(Conversation()) as calls, calls.caller() as caller:
        for count in (1, 2):
            await caller.wait_for(lambda count=count: len(calls.told(AgentStopped)) == count, 5)
            caller.say(SPEECH[:1600])
        await caller.wait_for(lambda: caller.mouth.answered_ms[-1] is not None, 5)
    for said, answered_ms in zip(caller.mouth.said, caller.mouth.answered_ms, strict=True):
        assert answered_ms is not None
        assert 200 <= answered_ms - said.last_voiced_ms <= 220 + SLACK_MS


async def test_a_conversation_takes_turns() -> None:
    """Each line is said once the agent has answered and has been quiet; then the call is hung up."""
    async with server(Conversation()) as calls:
        steps = [Say("hello there"), Press("12"), Play(SPEECH[:800])]
        done = await hold_conversation(calls.caller(), steps, voice, settle_ms=400)
        agent = await calls.agent()
    assert [step.step for step in done] == [*steps, HangUp()]
    assert not any(step.note for step in done)
    stops = [fact.at_ms for fact in calls.told(AgentStopped) if isinstance(fact, AgentStopped)]
    hello, keys, played, _ = done
    assert hello.said is not None
    assert 400 <= hello.said.start_ms - stops[0] <= 420 + SLACK_MS
    assert keys.said is None
    assert played.said is not None
    assert 400 <= played.said.start_ms - stops[2] <= 420 + SLACK_MS
    assert [message.digit for message in agent.messages if isinstance(message, DtmfIn)] == ["1", "2"]
    assert isinstance(agent.messages[-1], StreamStopped)


async def test_an_interruption_comes_while_the_agent_talks() -> None:
    """After so much of its audio; the agent's answer to it is waited for, not the tail of what it was saying."""
    async with server(Conversation(answer_ms=1500)) as calls:
        steps = [Interrupt("wait a moment please", after_ms=500)]
        done = await hold_conversation(calls.caller(), steps, voice, settle_ms=400)
    cut_in, _ = done
    started = [fact.at_ms for fact in calls.told(AgentStarted) if isinstance(fact, AgentStarted)]
    assert cut_in.said is not None
    assert cut_in.note == ""
    assert 500 <= cut_in.said.start_ms - started[0] <= 540 + SLACK_MS
    assert len(calls.told(Cleared)) == 1
    assert len(started) == 2


async def test_an_interruption_of_a_short_reply_is_noted() -> None:
    """The agent stopped before: it is said at once, and the note says so."""
    async with server(Conversation()) as calls:
        done = await hold_conversation(calls.caller(), [Interrupt("wait", after_ms=3000)], voice, settle_ms=400)
    assert done[0].note == "the agent spoke for only 500 ms"
    stopped = calls.told(AgentStopped)[0]
    assert isinstance(stopped, AgentStopped)
    assert done[0].said is not None
    assert 300 <= done[0].said.start_ms - stopped.at_ms <= 340 + SLACK_MS


async def test_an_agent_that_never_answers_is_hung_up_on() -> None:
    """Silence where it is the agent's turn is an error, and the call does not stay open."""
    async with server(greet) as calls:
        caller = calls.caller()
        with pytest.raises(TimedOut, match=r"said nothing for 0\.5 s"):
            await hold_conversation(caller, [Say("hello")], voice, settle_ms=100, patience_s=0.5)
        agent = await calls.agent()
    assert isinstance(agent.messages[-1], StreamStopped)
    assert caller.ended is not None


async def test_an_agent_that_never_stops_is_hung_up_on() -> None:
    """One that leaves the caller no moment, as one does that answers its own echo, is an error too."""

    async def monologue(agent: Agent) -> None:
        await agent.until(StreamStarted)
        await agent.play(SPEECH_ULAW * 20)
        await agent.rest()

    async with server(monologue) as calls:
        caller = calls.caller()
        with pytest.raises(TimedOut, match="no moment to speak"):
            await hold_conversation(caller, [Say("hello")], voice, longest_s=1.0)
    assert caller.ended is not None


async def test_an_agent_that_hangs_up_first_is_noted() -> None:
    """The steps that were left are returned with a note; the caller's own hanging up needs none."""
    async with server(Conversation(answers=0)) as calls:
        done = await hold_conversation(calls.caller(), [Say("hello"), Say("are you there")], voice, settle_ms=100)
    assert [step.note for step in done] == ["", "the agent had ended the call", ""]
    assert done[1].said is None


@pytest.mark.parametrize(
    ("steps", "cause"), [([], EndCause.SERVER_CLOSED), ([HangUp()], EndCause.HUNG_UP)], ids=["unwritten", "written"]
)
async def test_who_has_nothing_more_to_say_lets_the_agent_hang_up(steps: list[HangUp], cause: EndCause) -> None:
    """An agent that has said goodbye listens for a moment first; a hang-up that is written does not wait for that."""

    async def part(agent: Agent) -> None:
        await agent.until(StreamStarted)
        await agent.play(SPEECH_ULAW, "goodbye")
        await agent.until(MarkIn)
        await asyncio.sleep(1.0)

    async with server(part) as calls:
        await hold_conversation(caller := calls.caller(), steps, voice, settle_ms=300)
    assert caller.ended is not None
    assert caller.ended.cause is cause


@pytest.mark.slow
async def test_a_caller_whom_nobody_greets_speaks_first() -> None:
    """After four seconds."""
    async with server(Conversation(answer_ms=0)) as calls:
        with pytest.raises(TimedOut):
            await hold_conversation(caller := calls.caller(), [Say("hello")], voice, patience_s=0.5)
    assert 4000 <= caller.mouth.said[0].start_ms <= 4040 + SLACK_MS


async def test_a_handset_speaks_and_hears() -> None:
    """The microphone's frames go out, what is played comes to the loudspeaker, and a clear silences it."""

    class Echo:
        heard = np.zeros(0, np.int16)
        clears = 0

        def take(self) -> Samples:
            return SPEECH[:160].copy()

        def play(self, samples: Samples) -> None:
            self.heard = np.concatenate((self.heard, samples))

        def clear(self) -> None:
            self.clears += 1

    async def greet_and_clear(agent: Agent) -> None:
        await agent.until(StreamStarted)
        await agent.play(SPEECH_ULAW, "end")
        await agent.until(MarkIn)
        await agent.clear()
        await agent.rest()

    handset = Echo()
    async with server(greet_and_clear) as calls:
        async with LineCaller(calls.url, TwilioLine(), handset=handset) as caller:
            await caller.wait_for(lambda: handset.clears > 0, 5)
        agent = await calls.agent()
    assert handset.heard.tolist() == decode_ulaw(SPEECH_ULAW).tolist()
    assert {message.payload for message in agent.media()} == {SPEECH_ULAW[:160]}
