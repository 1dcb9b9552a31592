"""A telephone at the lab: an address on the built-in line's wire; whoever calls it is somebody who rings our number.

So a scripted caller, a microphone or a bad line are at the far end of a real carrier's call without knowing it: what
they say goes to the lab as its person's voice, and what its person is played comes back to them, a little later.

    LineCaller --built-in wire--> LabTelephone --person's voice--> lab call --the carrier's own wire--> our server
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Self

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from patter_cli import wiring
from patter_cli.audio.frame import FRAME_MS
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.contracts.carrier.stream import DtmfIn, MediaIn, StreamCodec, StreamStarted, StreamStopped
from patter_cli.testing.lab.call import By, Ending, LabCall
from patter_cli.testing.lab.line import Line
from patter_cli.testing.lab.people import Person
from patter_cli.testing.lab.server import CarrierLab

LEAD_S: Final = 0.06
"""How much of what begins to sound is held back, so that it does not stop and go when a frame comes late."""


class LabTelephone:
    """`async with` plugs it in."""

    def __init__(self, lab: CarrierLab, number: str) -> None:
        """number: of ours, that each call to this telephone rings."""
        self._lab = lab
        self._number = number
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(self._take, "127.0.0.1", 0, compression=None)
        return self

    async def __aexit__(self, *failure: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where to call it, once plugged in."""
        assert self._server is not None
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/"

    async def _take(self, socket: ServerConnection) -> None:
        codec = wiring.built_in_line().codec()
        call: LabCall | None = None
        playing: asyncio.Task[None] | None = None
        try:
            async for text in socket:
                message = codec.receive(text if isinstance(text, str) else "")
                line = call.line if call is not None else None
                match message:
                    case StreamStarted():
                        call = self._lab.ring(self._number, Person(name="caller"))
                        playing = asyncio.create_task(_play(socket, codec, call))
                    case MediaIn(payload) if line is not None:
                        samples = decode_ulaw(payload)
                        if np.any(samples):
                            line.speak(samples)
                    case DtmfIn(digit=digit) if line is not None:
                        line.press(digit)
                    case StreamStopped():
                        break
                    case _:
                        pass
        except ConnectionClosed:
            pass
        finally:
            if call is not None:
                call.end(Ending.COMPLETED, By.PERSON)
            if playing is not None:
                await playing


async def _play(socket: ServerConnection, codec: StreamCodec, call: LabCall) -> None:
    """Send what the call's person is played, until the call is over; then hang up."""
    with suppress(ConnectionClosed):
        await call.settled.wait()
        if call.line is not None:
            await _send_heard(socket, codec, call, call.line)
        await socket.close()


async def _send_heard(socket: ServerConnection, codec: StreamCodec, call: LabCall, line: Line) -> None:
    loop = asyncio.get_running_loop()
    sent, last_s = 0, 0.0
    while call.live or sent < len(line.heard):
        if sent < len(line.heard):
            if loop.time() - last_s > LEAD_S:
                await asyncio.sleep(LEAD_S)
            for _, samples in line.heard[sent:]:
                sent += 1
                if np.any(samples):  # of a line that is connected to another one, silence comes as sound
                    await socket.send(codec.media(encode_ulaw(samples)))
            last_s = loop.time()
        await asyncio.sleep(FRAME_MS / 2000)
