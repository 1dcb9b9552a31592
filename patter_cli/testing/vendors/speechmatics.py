"""Speechmatics, scripted: real-time v2. Source: Speechmatics real-time API reference, 2026-11."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.testing.vendors.hearing import HearingVendor, Session, beat, text_of
from patter_cli.testing.vendors.server import Answer, in_json
from patter_cli.testing.vendors.speech import Asked, PeerSocket
from patter_cli.testing.vendors.tones import SpokenWord

ENCODINGS = {"mulaw": Encoding.ULAW, "pcm_s16le": Encoding.L16_LE}


class SpeechmaticsVendor(HearingVendor):
    """One of its regions."""

    name = "speechmatics"

    def refusal(self, status: int, words: str) -> Answer:
        return in_json({"code": status, "error": words}, status)

    def takes_socket(self, asked: Asked) -> bool:
        return asked.path.rstrip("/") in ("/v2", "/v2/en")

    async def report(self, socket: PeerSocket, words: str) -> None:
        await socket.send({"message": "Error", "type": "job_error", "reason": words, "code": 4013})
        await socket.close(4013, words)

    async def hold(self, socket: PeerSocket) -> None:
        first = await socket.receive()
        if not isinstance(first, str):
            return
        start = json.loads(first)
        self.said.append(start)
        wanted = start["audio_format"]
        encoding = ENCODINGS.get(wanted.get("encoding", ""))
        if start["message"] != "StartRecognition" or encoding is None:
            await socket.send({"message": "Error", "type": "invalid_audio_type", "reason": "?", "code": 4000})
            await socket.close(1003)
            return
        session = Session(self, socket, AudioFormat(encoding=encoding, rate_hz=wanted["sample_rate"]))
        pack = {"word_delimiter": " ", "language_description": "English", "itn": True, "adapted": False}
        began = {"message": "RecognitionStarted", "id": "s1", "orchestrator_version": "2026.1"}
        await session.send({**began, "language_pack_info": {**pack, "writing_direction": "left-to-right"}})
        ears, number, told = session.ears, 0, 0

        async def tell(kind: str, words: list[SpokenWord], **more: Any) -> None:
            text = text_of(words) + (" " if words and kind == "AddTranscript" else "")
            span = {"start_time": words[0].start_s if words else 0.0, "end_time": ears.seconds}
            results = [_result(each) for each in words]
            body = {"message": kind, "format": "2.9", "metadata": {**span, "transcript": text}, "results": results}
            await session.send({**body, **more})

        while (message := await socket.receive()) is not None:
            if isinstance(message, bytes):
                number += 1
                due = session.hear(message)
                await session.send({"message": "AudioAdded", "seq_no": number})
                if due and len(ears.words) > told and not self.thinks_s:
                    await tell("AddPartialTranscript", ears.words[told:])
                if len(ears.words) - told >= 3 and not self.thinks_s:
                    await tell("AddTranscript", ears.words[told:])
                    told = len(ears.words)
                continue
            said = json.loads(message)
            self.said.append(said)
            if said["message"] == "ForceEndOfUtterance":
                await beat()
                await asyncio.sleep(self.thinks_s)
                await ears.settle()
                await tell("AddTranscript", ears.words[told:], forced=True)
                ears.take()
                told = 0
                at = {"start_time": ears.seconds, "end_time": ears.seconds}
                await session.send({"message": "EndOfUtterance", "metadata": at, "forced": True})
            elif said["message"] == "EndOfStream":
                await ears.settle()
                await tell("AddTranscript", ears.words[told:])
                await session.send({"message": "EndOfTranscript"})
                break


def _result(word: SpokenWord) -> dict[str, Any]:
    alternative = {"content": word.text, "confidence": 0.9, "language": "en"}
    return {"type": "word", "start_time": word.start_s, "end_time": word.end_s, "alternatives": [alternative]}
