"""What a TwiML document has done to a call, verb by verb, in real time.

A document ends the call when it has come to its end; a stream holds it until our server closes the socket, and then
the verbs after it follow. Cancelled, it leaves its stream with a `stop`. Source: Twilio docs, TwiML for voice.
"""

from __future__ import annotations

import asyncio
import io
import wave
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from patter_cli.audio import tone
from patter_cli.audio.frame import Samples
from patter_cli.testing.lab.call import By, Ending
from patter_cli.testing.lab.line import RATE_HZ, Line
from patter_cli.testing.lab.twilio.dial import dial, number_of
from patter_cli.testing.lab.twilio.forms import Form
from patter_cli.testing.lab.twilio.signing import HEADER, sign
from patter_cli.testing.lab.twilio.twiml import (
    MAX_PARAMETER_CHARS,
    MAX_SAY_CHARS,
    WAITS_WITH,
    DocumentError,
    Verb,
    read_reply,
)
from patter_cli.testing.lab.twilio.wire import StreamWire

if TYPE_CHECKING:
    from patter_cli.testing.lab.twilio.session import TwilioCall

APPLICATION_ERROR: Final = "We are sorry, an application error has occurred. Goodbye."
REDIRECTS: Final = 50
"""A document that only ever leads to another one is an error in the end."""
CLOSE_S: Final = 2.0
MUSIC_MS: Final = 16_000


class Execution:
    """One document, and those that it leads to, on one call."""

    def __init__(self, session: TwilioCall) -> None:
        self._session = session
        self._lab = session.lab
        self._call = session.call

    async def run(self, verbs: tuple[Verb, ...] | None, *, hangs_up: bool = True) -> None:
        """Do it. None: there was no document to be had, and the caller hears of that. hangs_up: when it is done."""
        try:
            if verbs is None:
                await self._say(APPLICATION_ERROR)
            for _ in range(REDIRECTS):
                if verbs is None:
                    break
                verbs = await self._do(verbs)
            else:
                raise DocumentError(11204, "one document leads to another without end")
        except DocumentError as error:
            self._lab.warn(str(error))
            await self._say(APPLICATION_ERROR)
        if hangs_up:
            self._call.end(Ending.COMPLETED, By.CARRIER)

    async def _do(self, verbs: tuple[Verb, ...]) -> tuple[Verb, ...] | None:
        """A document's verbs; returns the one that follows it, None at the end."""
        for verb in verbs:
            match verb.name:
                case "Say":
                    for _ in range(max(1, round(number_of(verb, "loop", 1)))):
                        await self._say(verb.text[:MAX_SAY_CHARS])
                case "Play":
                    await self._play(verb)
                case "Pause":
                    await self._line.until(lambda: False, number_of(verb, "length", 1) * 1000)
                case "Hangup" | "Reject":
                    return None
                case "Redirect":
                    return await self._fetch(verb.text, verb.get("method", "POST"), [])
                case "Connect":
                    await self._stream(verb.inside[0] if verb.inside else Verb("Stream", {}, ""))
                    if verb.get("action"):
                        return await self._fetch(verb.get("action"), verb.get("method", "POST"), [])
                case "Dial":
                    told = await dial(self._session, verb, self._obey, self._wait)
                    if verb.get("action"):
                        return await self._fetch(verb.get("action"), verb.get("method", "POST"), told)
                case "Start":
                    self._start(verb)
                case _:
                    self._lab.warn(f"the lab does not do <{verb.name}>, and goes on")
            if not self._call.live:
                return None
        return None

    @property
    def _line(self) -> Line:
        assert self._call.line is not None
        return self._call.line

    async def _obey(self, other: TwilioCall, url: str, method: str) -> None:
        """Do what a webhook has for another call, which is not over then."""
        await Execution(other).run(await other.fetch(url, method), hangs_up=False)

    async def _wait(self, noun: Verb) -> None:
        """What whoever waits for a conference hears, once."""
        if "waitUrl" not in noun.attributes:
            await self._line.play(hold_music())
            return
        posted = await self._session.post(noun.get("waitUrl"), noun.get("waitMethod", "POST"), self._session.fields())
        sound = _wav(posted.reply) if posted.status == 200 else None
        if sound is not None:
            await self._line.play(sound)
            return
        verbs: tuple[Verb, ...] | None = read_reply(posted.reply, posted.content_type, self._lab.warnings)
        while verbs:
            for each in verbs:
                if each.name not in WAITS_WITH:
                    raise DocumentError(13238, f"<{each.name}> is not for those who wait")
            verbs = await self._do(verbs)

    async def _fetch(self, url: str, method: str, extra: list[tuple[str, str]]) -> tuple[Verb, ...]:
        if urlsplit(url).scheme not in ("http", "https"):
            raise DocumentError(15004, f"{url!r} is no absolute address")
        return await self._session.fetch(url, method, extra)

    # --- sound ------------------------------------------------------------------------------------------------

    async def _say(self, text: str) -> None:
        if text and self._call.live:
            await self._line.play(await self._lab.voice(text))

    async def _play(self, verb: Verb) -> None:
        digits = verb.get("digits")
        if digits:
            for each in digits:
                pause_ms = {"w": 500, "W": 1000}.get(each, 0)
                await self._line.play(
                    np.zeros(pause_ms * RATE_HZ // 1000, np.int16) if pause_ms else tone.dtmf(each, RATE_HZ)
                )
            return
        posted = await self._session.post(verb.text, "GET", [])
        sound = _wav(posted.reply) if posted.status == 200 else None
        if sound is None:
            self._lab.warn(f"13224: there is no sound at {verb.text}")
        else:
            await self._line.play(sound)

    def _start(self, verb: Verb) -> None:
        for each in verb.inside:
            if each.name == "Recording":
                names = ("recordingStatusCallback", "recordingStatusCallbackMethod", "recordingStatusCallbackEvent")
                pairs = [(f"R{name[1:]}", each.get(name)) for name in names if each.get(name)]
                pairs.append(("RecordingTrack", each.get("track", "both")))
                self._session.record(
                    Form(pairs), source="StartCallRecordingTwiML", channels=each.get("channels", "dual")
                )
            else:
                self._lab.warn("the lab does not do <Start><Stream>, and goes on")

    # --- the media stream -------------------------------------------------------------------------------------

    async def _stream(self, verb: Verb) -> None:
        """Until our server closes it, or the call has other things to do."""
        url = verb.get("url")
        parts = urlsplit(url)
        if parts.scheme != "wss" or not parts.hostname:
            raise DocumentError(31941, f"a stream goes to wss://, not to {url!r}")
        if parts.query:
            self._lab.warn("31920: a stream's address has no query, so it is dropped")
            url = parts._replace(query="").geturl()
        parameters = {}
        for each in verb.inside:
            name, value = each.get("name"), each.get("value")
            if len(name) + len(value) > MAX_PARAMETER_CHARS:
                self._lab.warn(f"parameter {name} is longer than {MAX_PARAMETER_CHARS} characters, so it is dropped")
            else:
                parameters[name] = value
        stream_sid = self._lab.new_sid("MZ")
        token = self._lab.faults.signs_with or self._lab.auth_token
        try:
            socket = await self._lab.open_stream(url, {HEADER.lower(): sign(url, (), token)})
        except (OSError, InvalidHandshake, InvalidURI) as error:
            self._lab.warn(f"31920: the stream was not opened: {error}")
            self._tell_stream(verb, stream_sid, "stream-error", str(error))
            return
        self._tell_stream(verb, stream_sid, "stream-started")
        try:
            await self._converse(socket, stream_sid, parameters)
        finally:
            self._tell_stream(verb, stream_sid, "stream-stopped")

    async def _converse(self, socket: ClientConnection, stream_sid: str, parameters: dict[str, str]) -> None:
        waiting: asyncio.Queue[str] = asyncio.Queue()

        def send(text: str) -> int:
            waiting.put_nowait(text)
            return waiting.qsize()

        wire = StreamWire(
            account_sid=self._lab.account_sid,
            call_sid=self._session.sid,
            stream_sid=stream_sid,
            send=send,
            warn=self._lab.warn,
        )
        wire.begin(parameters)
        source = self._line.attach(wire)
        writing = asyncio.create_task(_write(socket, waiting))
        closed = False
        try:
            while True:
                message = wire.read(await socket.recv())
                if message is not None:
                    self._line.take(source, message)
        except ConnectionClosed as error:
            closed = True
            self._lab.warn("31921: the server has closed the stream" if error.rcvd else "31903: the server is gone")
        finally:
            self._line.detach(source)
            writing.cancel()
            if not closed:
                wire.stop()
            self._lab.spawn(_take_leave(socket, waiting))

    def _tell_stream(self, verb: Verb, stream_sid: str, event: str, error: str = "") -> None:
        url = verb.get("statusCallback")
        if not url:
            return
        fields = [
            ("AccountSid", self._lab.account_sid),
            ("CallSid", self._session.sid),
            ("StreamSid", stream_sid),
            ("StreamName", verb.get("name", stream_sid)),
            ("StreamEvent", event),
            ("Timestamp", datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")),
        ]
        fields += [("StreamError", error)] if error else []
        method = verb.get("statusCallbackMethod", "POST")
        self._lab.report(lambda: self._session.post(url, method, fields))


async def _write(socket: ClientConnection, waiting: asyncio.Queue[str]) -> None:
    with suppress(ConnectionClosed):
        while True:
            await socket.send(await waiting.get())


async def _take_leave(socket: ClientConnection, waiting: asyncio.Queue[str]) -> None:
    """Send what waits and close."""
    try:
        with suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                while not waiting.empty():
                    await socket.send(waiting.get_nowait())
                await socket.close()
    finally:
        socket.transport.abort()


@cache
def hold_music() -> Samples:
    """What Twilio plays to whoever waits, if nothing else is said: int16, 8 kHz."""
    return tone.hold_music(MUSIC_MS, RATE_HZ)


def _wav(content: bytes) -> Samples | None:
    """The first channel of a WAV of 16 bits at 8 kHz, which is all that the lab plays."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            if file.getsampwidth() != 2 or file.getframerate() != RATE_HZ:
                return None
            frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
            return frames[:: file.getnchannels()]
    except (wave.Error, EOFError):
        return None
