"""Rime, scripted: `/ws3`. Source: Rime API reference, 2026-11."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.testing.vendors.server import Answer
from patter_cli.testing.vendors.speaking import SpeakingVendor
from patter_cli.testing.vendors.speech import Asked, PeerSocket

ENCODINGS = {"mulaw": Encoding.ULAW, "pcm": Encoding.L16_LE}


class RimeVendor(SpeakingVendor):
    """segment=never: a flush speaks what has been gathered."""

    name = "rime"

    def refusal(self, status: int, words: str) -> Answer:
        return Answer(status=status, headers=(("content-type", "text/plain"),), steps=(words.encode(),))

    def takes_socket(self, asked: Asked) -> bool:
        return asked.path == "/ws3" and bool(asked.one("speaker")) and asked.one("audioFormat") in ENCODINGS

    async def report(self, socket: PeerSocket, words: str) -> None:
        await socket.close(1011, f"500: {words}")

    async def hold(self, socket: PeerSocket) -> None:
        encoding = ENCODINGS[socket.asked.one("audioFormat")]
        format = AudioFormat(encoding=encoding, rate_hz=int(socket.asked.one("samplingRate")))
        text, context = "", ""
        work: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        speaking = asyncio.create_task(self._speak(socket, format, work))
        try:
            while (message := await socket.receive()) is not None:
                said = json.loads(message)
                self.heard.append(said)
                if "text" in said:
                    text, context = text + said["text"], said.get("contextId", "")
                elif said.get("operation") == "flush":
                    work.put_nowait((text, context))
                    text = ""
                elif said.get("operation") == "clear":
                    text = ""
                elif said.get("operation") == "eos":
                    break
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    async def _speak(self, socket: PeerSocket, format: AudioFormat, work: asyncio.Queue[tuple[str, str]]) -> None:
        while True:
            text, context = await work.get()
            sound, words = self.say(text.strip(), format)
            named: dict[str, Any] = {"contextId": context}
            times = {
                "words": [each.text for each in words],
                "start": [each.start_s for each in words],
                "end": [each.end_s for each in words],
            }
            await socket.send({"type": "timestamps", "word_timestamps": times, **named})
            for piece in self.pieces(sound):
                await socket.send({"type": "chunk", "data": base64.b64encode(piece).decode(), **named})
                if self.gap_s:
                    await asyncio.sleep(self.gap_s)
            await socket.send({"type": "done", **named})
