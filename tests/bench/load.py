"""A hundred calls on one core: frame lateness, memory, where the time goes.

    python -m tests.bench.load [--calls 100] [--seconds 30] [--write-ms 200] [--unread]

The server runs in a process of its own, held to one core, with the real socket, media path, voice detection, machine,
journals and transcript, and stand-ins for recognition, thinking and voice. The callers are another process on another
core; they speak the Twilio wire over real sockets with recorded speech, in real time.

Lateness of an outgoing frame: when it arrived, against when the ear needs it by the first frame of its utterance;
a frame that came ahead of that counts as 0. A reply's wait is counted from the caller's last voiced frame, as it was
due by the schedule, to the first frame of the answer: with few calls it is endpointing and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from patter_cli.audio.frame import Samples

FRAME_S = 0.02
SPEECH_S = 1.6
"""A caller's sentence, then silence until the next."""
PERIOD_S = 6.0
REPLY_S = 2.5


def recorded(name: str, from_s: float, seconds: float) -> Samples:
    """A stretch of a packaged human recording, at 8 kHz."""
    from importlib.util import find_spec

    from patter_cli.audio.resample import resample_all
    from patter_cli.audio.wav import read_wav

    spec = find_spec("moonshine_voice")
    assert spec is not None
    assert spec.origin is not None
    samples, rate_hz = read_wav(next(Path(spec.origin).parent.rglob(name)))
    begin = int(from_s * rate_hz)
    stretch = samples[begin : begin + int((seconds + 1) * rate_hz)]
    return resample_all(stretch, rate_hz, 8000)[: int(seconds * 8000)]


def caller_speech() -> bytes:
    """Mu-law speech, SPEECH_S long, and silence up to PERIOD_S."""
    from patter_cli.audio.g711 import encode_ulaw

    speech = recorded("beckett.wav", 1.0, SPEECH_S)
    whole = np.zeros(int(PERIOD_S * 8000), np.int16)
    whole[: len(speech)] = speech
    return encode_ulaw(whole)


# --- the server ------------------------------------------------------------------------------------------------


def slow_disk(write_s: float) -> None:
    """From now on each write to a file takes so long in this process, and so does giving one its name."""
    write, replace = os.write, os.replace

    def slow_write(descriptor: int, data: bytes) -> int:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            time.sleep(write_s)
        return write(descriptor, data)

    def slow_replace(old: str, new: str) -> None:
        time.sleep(write_s)
        replace(old, new)

    os.write, os.replace = slow_write, slow_replace  # type: ignore[assignment]


def serve_here(core: int, *, profile: bool, write_ms: float, unread: bool, token: str = "") -> None:
    """Be the server; standard output is for figures, so the transcript has a terminal of its own."""
    import uvloop

    from patter_cli.cli.terminal import Terminal

    figures = sys.stdout
    sys.stdout = os.fdopen(os.pipe()[1] if unread else os.open(os.devnull, os.O_WRONLY), "w")
    if write_ms:
        slow_disk(write_ms / 1000)
    with tempfile.TemporaryDirectory() as folder, Terminal():
        tell = lambda facts: print(json.dumps(facts), file=figures, flush=True)  # noqa: E731
        uvloop.run(serve(core, profile, Path(folder), tell, token))
    os._exit(0)  # nobody reads what Python would still like to say


async def serve(core: int, profile: bool, folder: Path, tell: Callable[[object], None], token: str = "") -> None:
    """Serve until standard input closes; tells its port, then its figures. token: opens the dashboard; "": there is
    none."""
    os.sched_setaffinity(0, {core})
    import psutil

    from patter_cli import wiring
    from patter_cli.agent import Agent
    from patter_cli.contracts.stt import Final, Recognised
    from patter_cli.engine.hooks import Hooks
    from patter_cli.observe.lines import TranscriptLines
    from patter_cli.server.service import ServiceSettings
    from patter_cli.settings import Settings
    from patter_cli.stores.sqlite import SqliteStore

    class QuickSession:
        """Answers every finalize at once."""

        def __init__(self) -> None:
            self.segment = 0
            self.results_due: asyncio.Queue[Recognised] = asyncio.Queue()

        def push(self, samples: Samples) -> None:
            pass

        def finalize(self) -> None:
            self.results_due.put_nowait(Final(segment=self.segment, text="What are your opening hours?"))

        def commit(self) -> None:
            self.segment += 1

        async def results(self) -> AsyncIterator[Recognised]:
            while True:
                yield await self.results_due.get()

        async def aclose(self) -> None:
            pass

    class QuickRecogniser:
        rate_hz = 8000
        speech_only = True

        async def warm(self) -> None:
            pass

        async def open(self) -> QuickSession:
            return QuickSession()

    reply = recorded("two_cities.wav", 2.0, REPLY_S / 2)

    class QuickVoice:
        rate_hz = 8000

        async def warm(self) -> None:
            pass

        async def open(self) -> QuickVoice:
            return self

        async def synthesize(self, text: str) -> AsyncIterator[Samples]:
            for start in range(0, len(reply), 1600):
                yield reply[start : start + 1600]
                await asyncio.sleep(0)

        async def aclose(self) -> None:
            pass

    async def on_message(event: object) -> AsyncIterator[str]:
        yield "We are open from nine to five. "
        yield "Is there anything else?"

    agent = Agent("Load.", stt=QuickRecogniser(), tts=QuickVoice())
    ready = wiring.ready_agent("load", agent, Hooks(on_message=on_message))
    lines, store = TranscriptLines(named=True), SqliteStore(folder)
    settings = ServiceSettings(port=0, max_calls=1000)
    site = wiring.site(Settings(dashboard_token=token), store) if token else None
    service = wiring.service({"load": ready}, settings, store=store, observers=(lines,), site=site)
    await service.start()
    await asyncio.sleep(1)
    process = psutil.Process()
    loop = asyncio.get_running_loop()
    idle_rss = process.memory_info().rss
    tell({"port": service.port})

    lags: list[float] = []
    cpu_before, began = sum(process.cpu_times()[:2]), time.monotonic()
    peak = idle_rss
    profiler = None
    if profile:
        import cProfile

        profiler = cProfile.Profile()
        profiler.enable()
    closed = loop.run_in_executor(None, sys.stdin.readline)
    while not closed.done():
        before = loop.time()
        await asyncio.sleep(0.01)
        lags.append((loop.time() - before - 0.01) * 1000)
        if len(lags) % 50 == 0:
            peak = max(peak, process.memory_info().rss)
    if profiler is not None:
        import pstats

        profiler.disable()
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(45)
    cpu = (sum(process.cpu_times()[:2]) - cpu_before) / (time.monotonic() - began)
    room = service._calls._room
    figures = {
        "cpu": cpu,
        "idle_mb": idle_rss / 1e6,
        "peak_mb": peak / 1e6,
        "lag_p50_ms": float(np.percentile(lags, 50)),
        "lag_p99_ms": float(np.percentile(lags, 99)),
        "lag_max_ms": max(lags),
        "windows_a_batch": room.windows / max(1, room.batches),
        "windows": room.windows,
    }
    tell(figures)
    await service.cut()
    service.close()


# --- the callers -----------------------------------------------------------------------------------------------


@dataclass
class Caller:
    """One call as the generator sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sid: str
    lateness_ms: list[float] = field(default_factory=list)
    frames: int = 0
    replies: int = 0
    lost: bool = False
    play_from: float = 0.0
    played_s: float = 0.0
    waits_ms: list[float] = field(default_factory=list)
    spoke_until: float | None = None
    """When the caller's last sentence ended, until it is answered."""
    silenced: bool = False
    """The server cleared: what comes next is another utterance."""

    def send(self, text: str) -> None:
        if self.writer.is_closing():
            return
        data = text.encode()
        head = b"\x81" + (bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data)))
        self.writer.write(head + b"\0\0\0\0" + data)

    async def listen(self) -> None:
        """Read what the server sends; frames it does not fragment."""
        try:
            while True:
                first, second = await self.reader.readexactly(2)
                length = second & 127
                if length == 126:
                    (length,) = struct.unpack(">H", await self.reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
                data = await self.reader.readexactly(length)
                if first & 15 == 1:
                    self.take(data.decode())
        except (asyncio.IncompleteReadError, ConnectionError):
            self.lost = True

    def take(self, text: str) -> None:
        now = time.monotonic()
        if '"media"' in text:
            audio = len(json.loads(text)["media"]["payload"]) * 3 // 4 / 8000
            if self.silenced or now > self.play_from + self.played_s + 0.5:
                self.play_from, self.played_s, self.silenced = now, 0.0, False
                self.replies += 1
                if self.spoke_until is not None:
                    self.waits_ms.append((now - self.spoke_until) * 1000)
                    self.spoke_until = None
            for _ in range(max(1, round(audio / FRAME_S))):
                self.lateness_ms.append(max(0.0, (now - self.play_from - self.played_s) * 1000))
                self.played_s += FRAME_S
                self.frames += 1
        elif '"clear"' in text:
            self.silenced = True
        elif '"mark"' in text:
            name = json.loads(text)["mark"]["name"]
            wait = max(0.0, self.play_from + self.played_s - now)
            mark = json.dumps({"event": "mark", "sequenceNumber": "1", "streamSid": self.sid, "mark": {"name": name}})
            asyncio.get_running_loop().call_later(wait, self.send, mark)


async def call(port: int, number: int) -> Caller:
    """Open one call by hand, so that the generator costs little."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /ws/loopback/load HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in answer, answer
    caller = Caller(reader, writer, f"MZ{number:032x}")
    start = {
        "accountSid": "AC" + "0" * 32,
        "streamSid": caller.sid,
        "callSid": f"CA{number:032x}",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    }
    caller.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
    caller.send(json.dumps({"event": "start", "sequenceNumber": "1", "start": start, "streamSid": caller.sid}))
    return caller


async def speak(caller: Caller, payloads: list[str], last_voiced: int, phase: int, until: float) -> None:
    """Send a frame every 20 ms by an absolute schedule. last_voiced: which of the payloads ends the sentence."""
    begin = time.monotonic()
    count = 0
    head = '{"event":"media","sequenceNumber":"'
    while (now := time.monotonic()) < until and not caller.lost:
        while begin + count * FRAME_S <= now:
            place = (count + phase) % len(payloads)
            payload = payloads[place]
            if place == last_voiced:
                caller.spoke_until = begin + count * FRAME_S
            elif place == 0:
                caller.spoke_until = None
            caller.send(
                f'{head}{count + 2}","media":{{"track":"inbound","chunk":"{count + 1}","timestamp":"{count * 20}",'
                f'"payload":"{payload}"}},"streamSid":"{caller.sid}"}}'
            )
            count += 1
        await asyncio.sleep(max(0.0, begin + count * FRAME_S - time.monotonic()))


async def generate(port: int, calls: int, seconds: float) -> list[Caller]:
    """Hold all calls for so long."""
    from patter_cli.audio.g711 import decode_ulaw

    speech = caller_speech()
    loud = np.abs(decode_ulaw(speech).astype(int)).reshape(-1, 160).max(axis=1) > 300
    last_voiced = int(np.flatnonzero(loud)[-1])
    payloads = [base64.b64encode(speech[at : at + 160]).decode() for at in range(0, len(speech), 160)]
    callers = []
    for number in range(calls):
        callers.append(await call(port, number))
        await asyncio.sleep(0.01)
    until = time.monotonic() + seconds
    ears = [asyncio.create_task(each.listen()) for each in callers]
    await asyncio.gather(
        *(speak(each, payloads, last_voiced, 20 + number * 37, until) for number, each in enumerate(callers))
    )
    lost = sum(each.lost for each in callers)
    for ear in ears:
        ear.cancel()
    for each in callers:
        each.writer.close()
    print(f"calls lost: {lost} of {calls}")
    return callers


def main() -> None:
    """Run server and callers, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--write-ms", type=float, default=0, help="what each write to the disk takes")
    parser.add_argument("--unread", action="store_true", help="let nobody read the server's transcript")
    parser.add_argument("--profile", action="store_true", help="print where the server's time goes")
    parser.add_argument("--server", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--token", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    import uvloop

    if arguments.server is not None:
        write_ms, unread = arguments.write_ms, arguments.unread
        token = arguments.token
        serve_here(arguments.server, profile=arguments.profile, write_ms=write_ms, unread=unread, token=token)
        return
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "tests.bench.load", "--server", str(cores[0])]
    command += ["--write-ms", str(arguments.write_ms)]
    command += [flag for flag, given in (("--profile", arguments.profile), ("--unread", arguments.unread)) if given]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        port = json.loads(server.stdout.readline())["port"]
        os.sched_setaffinity(0, {cores[-1]})
        callers = uvloop.run(generate(port, arguments.calls, arguments.seconds))
        print(file=server.stdin, flush=True)
        figures = json.loads(server.stdout.readline())
    finally:
        server.terminate()
        server.wait(10)
    lateness = np.array([late for each in callers for late in each.lateness_ms])
    p50, p99, p999 = np.percentile(lateness, [50, 99, 99.9])
    print(f"{arguments.calls} calls, {arguments.seconds:.0f} s, server on one core, {len(lateness)} frames out")
    print(f"frame lateness ms: p50 {p50:.2f}  p99 {p99:.2f}  p99.9 {p999:.2f}  max {lateness.max():.1f}")
    waits = np.array([wait for each in callers for wait in each.waits_ms])
    w50, w99 = np.percentile(waits, [50, 99])
    print(
        f"reply after the caller's last sound ms: p50 {w50:.0f}  p99 {w99:.0f}  max {waits.max():.0f}  ({len(waits)})"
    )
    print(
        f"replies heard: {sum(each.replies for each in callers)}, fewest a call {min(each.replies for each in callers)}"
    )
    print(
        f"memory: {figures['idle_mb']:.0f} MB idle, {figures['peak_mb']:.0f} MB at the peak, "
        f"{(figures['peak_mb'] - figures['idle_mb']) / arguments.calls:.2f} MB a call"
    )
    print(f"one core busy: {figures['cpu'] * 100:.0f} %, {figures['cpu'] * 100 / arguments.calls:.2f} % a call")
    print(
        "loop lag ms: "
        f"p50 {figures['lag_p50_ms']:.2f}  p99 {figures['lag_p99_ms']:.2f}  max {figures['lag_max_ms']:.1f}"
    )
    print(f"voice windows scored: {figures['windows']}, {figures['windows_a_batch']:.1f} in one inference")


if __name__ == "__main__":
    main()
