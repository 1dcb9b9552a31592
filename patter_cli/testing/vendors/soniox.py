"""Soniox, scripted: `/transcribe-websocket`. Source: Soniox real-time API, 2026-11."""

from __future__ import annotations

import json
from typing import Any

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.testing.vendors.hearing import HearingVendor, Session, beat
from patter_cli.testing.vendors.server import Answer, in_json
from patter_cli.testing.vendors.speech import Asked, PeerSocket
from patter_cli.testing.vendors.tones import SpokenWord

ENCODINGS = {"mulaw": Encoding.ULAW, "alaw": Encoding.ALAW, "pcm_s16le": Encoding.L16_LE}
TURN_S = 0.5


class SonioxVendor(HearingVendor):
    """Its v5."""

    name = "soniox"

    def refusal(self, status: int, words: str) -> Answer:
        return in_json(_error(status, words), status)

    def takes_socket(self, asked: Asked) -> bool:
        return asked.path == "/transcribe-websocket"

    async def report(self, socket: PeerSocket, words: str) -> None:
        await socket.send(_error(503, words))
        await socket.close(1011, words)

    async def hold(self, socket: PeerSocket) -> None:
        first = await socket.receive()
        if not isinstance(first, str):
            return
        config = json.loads(first)
        self.said.append(config)
        encoding = ENCODINGS.get(config.get("audio_format", ""))
        if encoding is None or not config.get("num_channels") or not str(config.get("model")).startswith("stt-rt-v5"):
            await socket.send(_error(400, "bad configuration"))
            await socket.close(1000)
            return
        session = Session(self, socket, AudioFormat(encoding=encoding, rate_hz=config["sample_rate"]))
        ears, settled = session.ears, 0

        async def tell(mark: str = "") -> None:
            nonlocal settled
            words = ears.words
            final = len(words) if mark else max(settled, len(words) - 1)
            tokens = [_token(each, number < final) for number, each in enumerate(words) if number >= settled]
            settled = final
            if mark:
                tokens.append({"text": mark, "is_final": True, "confidence": 1.0, "start_ms": 0, "end_ms": 0})
                ears.take()
                settled = 0
            at_ms = round(ears.seconds * 1000)
            await session.send({"tokens": tokens, "final_audio_proc_ms": at_ms, "total_audio_proc_ms": at_ms})

        while (message := await socket.receive()) is not None:
            if not message:
                await ears.settle()
                await session.send({"tokens": [], "finished": True, "final_audio_proc_ms": 0, "total_audio_proc_ms": 0})
                break
            if isinstance(message, bytes):
                due = session.hear(message)
                if ears.words and ears.silent_s >= TURN_S:
                    await tell("<end>")
                elif due:
                    await tell()
                continue
            said = json.loads(message)
            self.said.append(said)
            if said["type"] == "finalize":
                await beat()
                await ears.settle()
                await tell("<fin>")


def _token(word: SpokenWord, final: bool) -> dict[str, Any]:
    span = {"start_ms": round(word.start_s * 1000), "end_ms": round(word.end_s * 1000)}
    return {"text": f" {word.text}", **span, "confidence": 0.97, "is_final": final, "language": "en"}


def _error(code: int, words: str) -> dict[str, Any]:
    return {"error_code": code, "error_type": "refused", "error_message": words, "request_id": "r1", "tokens": []}
