"""AssemblyAI, scripted: `/v3/ws`. Source: AssemblyAI streaming API, v3, 2026-11."""

from __future__ import annotations

import json

from patter_cli.audio.frame import Encoding
from patter_cli.testing.vendors.hearing import HearingVendor, Session, beat, format_named, text_of
from patter_cli.testing.vendors.server import Answer, in_json
from patter_cli.testing.vendors.speech import Asked, PeerSocket

ENCODINGS = {"pcm_mulaw": Encoding.ULAW, "pcm_s16le": Encoding.L16_LE}
LEAST_MS, MOST_MS = 50, 1000
TURN_S = 0.4
"""Silence that ends a turn."""


class AssemblyAIVendor(HearingVendor):
    """Its universal-3 family."""

    name = "assemblyai"

    def key_of(self, asked: Asked) -> str:
        return asked.headers.get("authorization", "")

    def refusal(self, status: int, words: str) -> Answer:
        return in_json({"error": words}, status)

    def answer(self, asked: Asked) -> Answer:
        return in_json({"token": "t", "expires_in_seconds": 60})

    def takes_socket(self, asked: Asked) -> bool:
        return asked.path == "/v3/ws"

    async def report(self, socket: PeerSocket, words: str) -> None:
        await socket.send({"type": "Error", "error_code": 3005, "error": words})
        await socket.close(3005, words)

    async def hold(self, socket: PeerSocket) -> None:
        asked = socket.asked
        format = format_named(asked.one("encoding", "pcm_s16le"), asked.one("sample_rate"), ENCODINGS)
        if format is None:
            await socket.close(3006, "bad parameter")
            return
        session = Session(self, socket, format)
        ears, turn = session.ears, 0
        begin = {"type": "Begin", "id": "00000000-0000-0000-0000-000000000001", "expires_at": 1795300000}
        await session.send({**begin, "configuration": {"model": asked.one("speech_model"), "mode": "balanced"}})

        async def tell(over: bool) -> None:
            words = [
                {
                    "text": each.text,
                    "start": round(each.start_s * 1000),
                    "end": round(each.end_s * 1000),
                    "confidence": 0.96,
                    "word_is_final": True,
                }
                for each in ears.words
            ]
            body = {"type": "Turn", "turn_order": turn, "turn_is_formatted": over, "end_of_turn": over}
            sure = {"end_of_turn_confidence": float(over), "transcript": text_of(ears.words), "utterance": ""}
            await session.send({**body, **sure, "words": words})

        while (message := await socket.receive()) is not None:
            if isinstance(message, bytes):
                if not LEAST_MS <= len(message) / format.bytes_per_ms <= MOST_MS:
                    await socket.close(3007, "Input duration violation")
                    return
                due = session.hear(message)
                if ears.words and ears.silent_s >= TURN_S:
                    await tell(True)
                    ears.take()
                    turn += 1
                elif ears.words and due:
                    await tell(False)
                continue
            said = json.loads(message)
            self.said.append(said)
            if said["type"] == "ForceEndpoint":
                await beat()
                await ears.settle()
                if ears.words:
                    await tell(True)
                    ears.take()
                    turn += 1
            elif said["type"] == "Terminate":
                seconds = round(ears.seconds)
                over = {"audio_duration_seconds": seconds, "session_duration_seconds": seconds}
                await session.send({"type": "Termination", **over})
                break
