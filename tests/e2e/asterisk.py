"""A real Asterisk as an ordinary process, in a folder of its own: no port but a control socket, nothing installed used
but its program and modules.

A call is a Local channel with two ends. One end runs the dialplan that docs/asterisk.md shows, which sends it to the
server. The other runs a caller's: what it says and hears goes over a second AudioSocket to the test, which is so the
telephone, and hears what Asterisk has passed on when it was passed on.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from patter_cli.audio.frame import Samples

PROGRAM = shutil.which("asterisk", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
_MODULES = next(
    (
        found.parent
        for root in ("/usr/lib", "/usr/local/lib")
        for found in sorted(Path(root).glob("**/asterisk/modules/app_audiosocket.so"))
    ),
    None,
)
MISSING = (
    "Asterisk is not installed (Debian: asterisk)"
    if PROGRAM is None
    else "this Asterisk was built without AudioSocket"
    if _MODULES is None
    else ""
)
"""Why there is no Asterisk to test with; "" if there is."""

LOADED = (
    "res_timing_timerfd", "format_wav", "format_sln", "format_pcm", "codec_ulaw", "codec_alaw", "codec_resample",
    "bridge_simple", "func_strings", "func_callerid", "func_channel", "func_logic", "func_uuid", "res_audiosocket",
    "app_audiosocket", "chan_audiosocket", "app_dial", "app_chanspy", "func_cut", "func_groupcount", "func_uri",
    "func_periodic_hook", "app_mixmonitor", "app_senddtmf", "pbx_config", "pbx_spool",
)  # fmt: skip
DOCS = Path(__file__).parents[2] / "docs" / "asterisk.md"
STARTS_S = 20.0
FRAME_S = 0.02
CALLER = "+15550100001"
NUMBER = "+15550100002"


def dialplan(port: int, which: str = "") -> str:
    """What docs/asterisk.md tells people to write, with another port. which: "secret" or "wideband"."""
    title = f"; extensions.conf, {which}" if which else "; extensions.conf"
    block = re.search(rf"```ini\n{re.escape(title)}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert block is not None, f"docs/asterisk.md has lost its dialplan {which}"
    assert "127.0.0.1:9092" in block[1]
    return block[1].replace("127.0.0.1:9092", f"127.0.0.1:{port}") if port else block[1]


class Telephone:
    """A caller's end: says what it is told to, and hears everything. Every 20 ms, as long as it lasts."""

    def __init__(self) -> None:
        self.heard = bytearray()
        """Signed 16 bit at 8 kHz, the low byte first."""
        self.arrivals: list[tuple[float, Samples]] = []
        """(seconds on the loop's clock, what came then)."""
        self.over = asyncio.Event()
        self._to_say = bytearray()
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()

    def say(self, samples: Samples) -> float:
        """Say it after what is being said. Returns how long that takes, in seconds."""
        self._to_say += samples.astype("<i2").tobytes()
        return len(self._to_say) / 16_000

    def hang_up(self) -> None:
        """Put the receiver down."""
        assert self._writer is not None
        self._writer.write(b"\x00\x00\x00")

    async def until(self, true: Callable[[], object], within_s: float = 10.0) -> None:
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    @property
    def samples(self) -> Samples:
        return np.frombuffer(bytes(self.heard), "<i2").astype(np.int16)

    def loud_between(self, start_s: float, end_s: float) -> float:
        """When something was heard last between two moments of the loop's clock, in seconds after the first."""
        loud = [when for when, samples in self.arrivals if np.abs(samples.astype(int)).max(initial=0) > 1000]
        return max((each for each in loud if start_s < each < end_s), default=start_s) - start_s

    def voiced(self) -> Samples:
        """What was heard, from its first sound on: a way that resamples is late by a part of a frame."""
        loud = np.flatnonzero(np.abs(self.samples.astype(int)) > 1000)
        return self.samples[loud[0] :] if len(loud) else self.samples[:0]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        speaking = asyncio.create_task(self._speak(writer))
        loop = asyncio.get_running_loop()
        try:
            while True:
                kind, size = (head := await reader.readexactly(3))[0], int.from_bytes(head[1:], "big")
                payload = await reader.readexactly(size)
                if kind == 0x10:
                    self.heard += payload
                    self.arrivals.append((loop.time(), np.frombuffer(payload, "<i2")))
                elif kind == 0x01:
                    self._connected.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            speaking.cancel()
            self.over.set()
            writer.close()

    async def _speak(self, writer: asyncio.StreamWriter) -> None:
        began, sent = time.monotonic(), 0
        while True:
            frame = bytes(self._to_say[:320])
            del self._to_say[:320]
            writer.write(b"\x10\x01\x40" + frame.ljust(320, b"\0"))
            sent += 1
            await asyncio.sleep(max(0.0, began + sent * FRAME_S - time.monotonic()))


class Asterisk:
    """One that runs."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.folder = folder
        self.process = process

    @asynccontextmanager
    async def call(self, *before: str, number: str = NUMBER, caller: str = CALLER) -> AsyncIterator[Telephone]:
        """Dial a number from a telephone. before: lines of the caller's dialplan, ahead of the talking."""
        telephone, at = Telephone(), str(uuid.uuid4())
        server = await asyncio.start_server(telephone.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        lines = [*before, f"AudioSocket({at},127.0.0.1:{port})", "Hangup()"]
        self._write_caller(lines)
        await self.command("dialplan reload")
        call = self.folder / f"{at}.call"
        call.write_text(
            f"Channel: Local/caller@caller\nCallerID: <{caller}>\nContext: lifted\n"
            f"Extension: {number.removeprefix('+')}\nPriority: 1\nMaxRetries: 0\nWaitTime: 5\n"
        )
        call.rename(self.folder / "spool" / "outgoing" / call.name)
        try:
            await asyncio.wait_for(telephone._connected.wait(), 10)
            yield telephone
        finally:
            server.close()

    def _write_caller(self, lines: Sequence[str]) -> None:
        steps = "".join(f" same => n,{line}\n" for line in lines)
        (self.folder / "etc" / "caller.conf").write_text(
            f"[caller]\nexten => caller,1,Answer()\n{steps}"
            # Answer() waits up to 0.5 s for a first sound, which is lost: the telephone is at the ear before ours.
            "[lifted]\nexten => _X.,1,Wait(0.6)\n same => n,Goto(from-phones,${EXTEN},1)\n"
        )

    async def command(self, text: str) -> str:
        """What Asterisk's console answers."""
        assert PROGRAM is not None
        asking = await asyncio.create_subprocess_exec(
            PROGRAM, "-C", str(self.folder / "etc" / "asterisk.conf"), "-rx", text, stdout=-1, stderr=-1
        )
        out, _ = await asyncio.wait_for(asking.communicate(), 10)
        return out.decode(errors="replace")

    async def channels(self) -> int:
        """How many are live."""
        found = re.search(r"(\d+) active channels?", await self.command("core show channels count"))
        assert found is not None
        return int(found[1])

    async def until_no_channels(self) -> None:
        async with asyncio.timeout(10):
            while await self.channels():  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    def log(self) -> str:
        return (self.folder / "log" / "messages").read_text(errors="replace")


@asynccontextmanager
async def running(folder: Path, plan: str) -> AsyncIterator[Asterisk]:
    """An Asterisk with this dialplan, stopped at the end. folder: an empty one of its own."""
    assert PROGRAM is not None
    assert _MODULES is not None
    for name in ("etc", "spool/outgoing", "spool/tmp", "run", "log", "lib", "sounds"):
        (folder / name).mkdir(parents=True)
    data = next((each for each in map(Path, ("/usr/share/asterisk",)) if each.is_dir()), folder / "lib")
    places = {
        "astetcdir": folder / "etc", "astmoddir": _MODULES, "astvarlibdir": folder / "lib", "astdbdir": folder / "lib",
        "astkeydir": folder / "lib", "astdatadir": data, "astagidir": folder / "lib", "astspooldir": folder / "spool",
        "astrundir": folder / "run", "astlogdir": folder / "log",
    }  # fmt: skip
    directories = "".join(f"{name} => {place}\n" for name, place in places.items())
    loads = "".join(f"load = {name}.so\n" for name in LOADED if (_MODULES / f"{name}.so").exists())
    files = {
        "asterisk.conf": f"[directories]\n{directories}\n[options]\nverbose = 3\n",
        "modules.conf": f"[modules]\nautoload = no\n{loads}",
        "logger.conf": "[general]\n[logfiles]\nmessages => notice,warning,error,verbose\n",
        "extensions.conf": f'{plan}\n#include "caller.conf"\n',
        "caller.conf": "[caller]\n",
    }
    for name, text in files.items():
        (folder / "etc" / name).write_text(text)
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "-C", str(folder / "etc" / "asterisk.conf"), "-f", stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    asterisk = Asterisk(folder, process)
    try:
        async with asyncio.timeout(STARTS_S):
            while "fully booted" not in (await asterisk.command("core waitfullybooted")):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        yield asterisk
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
