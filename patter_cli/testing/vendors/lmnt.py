"""LMNT, scripted: `/v1/ai/speech/stream`. Source: LMNT API reference, 2026-11."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.testing.vendors.server import Answer, in_json
from patter_cli.testing.vendors.speaking import SpeakingVendor
from patter_cli.testing.vendors.speech import Asked, PeerSocket


class LMNTVendor(SpeakingVendor):
    """Version 1.2."""

    name = "lmnt"

    def key_of(self, asked: Asked) -> str:
        """It is in the first message, so any will do for the handshake."""
        return self.key

    def refusal(self, status: int, words: str) -> Answer:
        return in_json({"type": "error", "error": {"type": "refused", "message": words}, "request_id": "r"}, status)

    def answer(self, asked: Asked) -> Answer:
        return in_json({"plan": {}, "usage": {}})

    def takes_socket(self, asked: Asked) -> bool:
        return asked.path == "/v1/ai/speech/stream"

    async def report(self, socket: PeerSocket, words: str) -> None:
        error = {"type": "internal_server_error", "message": words}
        await socket.send({"type": "error", "request_id": "r", "error": error})

    async def hold(self, socket: PeerSocket) -> None:
        first = await socket.receive()
        if not isinstance(first, str):
            return
        init = json.loads(first)
        self.heard.append(init)
        refused = "this lab speaks pcm_s16le" if init.get("format") != "pcm_s16le" else ""
        kind = "invalid_request_error"
        if self.key and init.get("X-API-Key") != self.key:
            kind, refused = "authentication_error", "that key is not known"
        if refused:
            await socket.send({"type": "error", "request_id": "r", "error": {"type": kind, "message": refused}})
            return
        format = AudioFormat(encoding=Encoding.L16_LE, rate_hz=init["sample_rate"])
        await socket.send({"type": "ready", "request_id": "r"})
        text = ""
        work: asyncio.Queue[tuple[str, int, str]] = asyncio.Queue()
        speaking = asyncio.create_task(self._speak(socket, format, work))
        try:
            while (message := await socket.receive()) is not None:
                said: dict[str, Any] = json.loads(message)
                self.heard.append(said)
                if said["type"] == "text":
                    text += said["text"]
                elif said["type"] == "flush":
                    work.put_nowait(("flush", said["nonce"], text))
                    text = ""
                elif said["type"] == "reset":
                    text = ""
                    work.put_nowait(("reset", said["nonce"], ""))
                elif said["type"] == "finish":
                    break
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    async def _speak(self, socket: PeerSocket, format: AudioFormat, work: asyncio.Queue[tuple[str, int, str]]) -> None:
        while True:
            what, nonce, text = await work.get()
            if what == "reset":
                await socket.send({"type": "reset_complete", "nonce": nonce})
                continue
            sound, words = self.say(text.strip(), format) if text.strip() else (b"", [])
            told = [{"text": w.text, "start": w.start_s, "duration": w.end_s - w.start_s} for w in words]
            await socket.send({"type": "timestamps", "timestamps": told})
            for piece in self.pieces(sound):
                await socket.send(piece)
                if self.gap_s:
                    await asyncio.sleep(self.gap_s)
            await socket.send({"type": "flush_complete", "nonce": nonce})
