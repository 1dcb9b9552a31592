"""OpenAI's speech, scripted: Realtime transcription over a socket, and `/audio/speech`. Source: OpenAI, 2026-11."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.testing.vendors.hearing import HearingVendor, Session, text_of
from patter_cli.testing.vendors.server import Answer, in_json
from patter_cli.testing.vendors.speaking import SpeakingVendor
from patter_cli.testing.vendors.speech import Asked, PeerSocket

FORMATS = {"audio/pcmu": Encoding.ULAW, "audio/pcma": Encoding.ALAW, "audio/pcm": Encoding.L16_LE}
LEAST_MS = 100
"""Of sound that can be committed."""
MODELS = {"gpt-live-transcribe", "gpt-transcribe", "gpt-realtime-whisper", "gpt-4o-transcribe", "whisper-1"}


def _refusal(status: int, words: str) -> Answer:
    kind = "insufficient_quota" if status == 402 else None
    body = {"error": {"message": words, "type": "invalid_request_error", "param": None, "code": kind}}
    return in_json(body, 429 if status == 402 else status)


class OpenAIHearingVendor(HearingVendor):
    """`/realtime?intent=transcription`. linear_only: it refuses the telephone's bytes."""

    name = "openai"
    linear_only = False

    def refusal(self, status: int, words: str) -> Answer:
        return _refusal(status, words)

    def takes_socket(self, asked: Asked) -> bool:
        return asked.path.endswith("/realtime") and asked.one("intent") == "transcription"

    def answer(self, asked: Asked) -> Answer:
        return in_json({"id": asked.path.rpartition("/")[2], "object": "model"})

    async def report(self, socket: PeerSocket, words: str) -> None:
        await socket.send(_error("server_error", words))

    async def hold(self, socket: PeerSocket) -> None:
        await socket.send({"type": "session.created", "event_id": "e0", "session": {"type": "transcription"}})
        session: Session | None = None
        item, pending = 0, 0
        heard = ""
        while (message := await socket.receive()) is not None:
            said = json.loads(message)
            match said["type"]:
                case "session.update":
                    self.said.append(said)
                    sound = said["session"]["audio"]["input"]
                    kind = sound["format"]["type"]
                    if sound["transcription"]["model"] not in MODELS:
                        await socket.send(_error("invalid_value", "no such model", "session.audio.input.transcription"))
                    elif kind not in FORMATS or (self.linear_only and kind != "audio/pcm"):
                        await socket.send(_error("invalid_value", "no such format", "session.audio.input.format"))
                    else:
                        rate_hz = sound["format"].get("rate", 8000)
                        session = Session(self, socket, AudioFormat(encoding=FORMATS[kind], rate_hz=rate_hz))
                        updated = {"type": "session.updated", "event_id": "e1", "session": said["session"]}
                        await session.send(updated)
                case "input_audio_buffer.append" if session is not None:
                    payload = base64.b64decode(said["audio"], validate=True)
                    pending += len(payload)
                    session.hear(payload)
                    now = text_of(session.ears.words)
                    if now != heard:
                        more = now[len(heard) :] if now.startswith(heard) else now
                        heard = now
                        await session.send(_said("delta", item, delta=more))
                case "input_audio_buffer.commit" if session is not None:
                    self.said.append(said)
                    if session.ears.seconds * 1000 < LEAST_MS or not pending:
                        await session.send(_error("input_audio_buffer_commit_empty", "buffer too small"))
                        continue
                    committed = {"type": "input_audio_buffer.committed", "item_id": f"item_{item}"}
                    await session.send({**committed, "event_id": "e2", "previous_item_id": None})
                    await asyncio.sleep(0.01)
                    await session.ears.settle()
                    usage = {"type": "duration", "seconds": 1}
                    await session.send(_said("completed", item, transcript=text_of(session.ears.take()), usage=usage))
                    item, pending, heard = item + 1, 0, ""
                case _:
                    await socket.send(_error("unknown_event", said["type"]))


def _said(what: str, item: int, **fields: Any) -> dict[str, Any]:
    kind = f"conversation.item.input_audio_transcription.{what}"
    return {"type": kind, "event_id": "e3", "item_id": f"item_{item}", "content_index": 0, **fields}


def _error(code: str, words: str, param: str | None = None) -> dict[str, Any]:
    error = {"type": "invalid_request_error", "code": code, "message": words, "param": param, "event_id": None}
    return {"type": "error", "event_id": "e9", "error": error}


class OpenAISpeakingVendor(SpeakingVendor):
    """`/audio/speech`: bare samples at 24 kHz."""

    name = "openai"

    def refusal(self, status: int, words: str) -> Answer:
        return _refusal(status, words)

    def answer(self, asked: Asked) -> Answer:
        if not asked.path.endswith("/audio/speech"):
            return in_json({"id": "model", "object": "model"})
        body = asked.json
        if body.get("response_format") != "pcm" or len(body["input"]) > 4096:
            return self.refusal(400, "this lab speaks pcm")
        sound, _ = self.say(body["input"], AudioFormat(encoding=Encoding.L16_LE, rate_hz=24000))
        return Answer(headers=(("content-type", "audio/pcm"),), steps=self.steps(self.pieces(sound)))
