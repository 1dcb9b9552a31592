"""Deepgram, scripted: `/v1/listen` (nova) and `/v2/listen` (Flux). Source: Deepgram API reference, 2026-11."""

from __future__ import annotations

import json
from typing import Any

from patter_cli.audio.frame import Encoding
from patter_cli.testing.vendors.hearing import HearingVendor, Session, beat, format_named, text_of
from patter_cli.testing.vendors.server import Answer, in_json
from patter_cli.testing.vendors.speech import Asked, PeerSocket
from patter_cli.testing.vendors.tones import SpokenWord

ENCODINGS = {"mulaw": Encoding.ULAW, "alaw": Encoding.ALAW, "linear16": Encoding.L16_LE}
REQUEST_ID = "8b0b1f7e-1c5c-4a2d-9a57-0c6a4f2f6a11"
_NOVA = {
    "model", "version", "language", "encoding", "sample_rate", "channels", "interim_results", "endpointing",
    "utterance_end_ms", "vad_events", "punctuate", "smart_format", "numerals", "keyterm", "keywords", "tag",
    "mip_opt_out", "diarize_model", "redact", "no_delay", "filler_words", "language_hint", "multichannel",
}  # fmt: skip
_FLUX = {
    "model", "encoding", "sample_rate", "eot_threshold", "eager_eot_threshold", "eot_timeout_ms", "keyterm",
    "language_hint", "numerals", "profanity_filter", "redact", "tag", "mip_opt_out",
}  # fmt: skip


class DeepgramVendor(HearingVendor):
    """Both of its addresses."""

    name = "deepgram"

    def key_of(self, asked: Asked) -> str:
        return asked.headers.get("authorization", "").removeprefix("Token ")

    def refusal(self, status: int, words: str) -> Answer:
        body = {"err_code": "REFUSED", "err_msg": words, "request_id": REQUEST_ID}
        return in_json(body, status, dg_error=words, dg_request_id=REQUEST_ID)

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/v1/projects":
            return in_json({"projects": []})
        if asked.path in ("/v1/listen", "/v2/listen"):
            return self.refusal(400, "a parameter that this model does not know")
        return self.refusal(404, "no such address")

    def takes_socket(self, asked: Asked) -> bool:
        known = {"/v1/listen": _NOVA, "/v2/listen": _FLUX}.get(asked.path, set())
        return set(asked.query) <= known and bool(asked.one("model"))

    async def report(self, socket: PeerSocket, words: str) -> None:
        if socket.asked.path == "/v2/listen":
            await socket.send(
                {"type": "Error", "code": "INTERNAL_SERVER_ERROR", "description": words, "sequence_id": 9}
            )
        else:
            await socket.send({"type": "Error", "variant": "Internal", "description": words, "message": ""})
        await socket.close(1011, "NET-0000")

    async def hold(self, socket: PeerSocket) -> None:
        asked = socket.asked
        format = format_named(asked.one("encoding"), asked.one("sample_rate"), ENCODINGS)
        if format is None:
            await socket.close(1008, "DATA-0000")
            return
        session = Session(self, socket, format)
        await (_flux(self, session) if asked.path == "/v2/listen" else _nova(self, session))


async def _nova(peer: DeepgramVendor, session: Session) -> None:
    ears, socket = session.ears, session.socket
    pause_s = int(socket.asked.one("endpointing", "10")) / 1000
    since_s = 0.0

    async def result(final: bool, *, over: bool = False, flush: bool = False) -> None:
        nonlocal since_s
        words = ears.take() if final else ears.words
        body = _results(words, since_s, ears.seconds - since_s, final, over, flush)
        since_s = ears.seconds if final else since_s
        await session.send(body)

    while (message := await socket.receive()) is not None:
        if isinstance(message, bytes):
            if not message:
                break
            due = session.hear(message)
            if ears.words and ears.silent_s >= pause_s:
                await ears.settle()
                await result(True, over=True)
            elif due:
                await result(False)
            continue
        said = json.loads(message)
        peer.said.append(said)
        if said["type"] == "Finalize":
            await beat()
            await ears.settle()
            await result(True, flush=True)
        elif said["type"] == "CloseStream":
            await ears.settle()
            await result(True)
            metadata = {"type": "Metadata", "request_id": REQUEST_ID, "created": "2026-11-21T00:00:00Z"}
            shape = {"transaction_key": "deprecated", "sha256": "0" * 64, "duration": ears.seconds, "channels": 1}
            await session.send({**metadata, **shape})
            break
        elif said["type"] != "KeepAlive":
            await session.send({"type": "Error", "variant": "SchemaError", "description": "?", "message": message})


def _results(
    words: list[SpokenWord], start_s: float, length_s: float, final: bool, over: bool, flush: bool
) -> dict[str, Any]:
    spelt = [
        {"word": each.text, "start": each.start_s, "end": each.end_s, "confidence": 0.99, "punctuated_word": each.text}
        for each in words
    ]
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": length_s,
        "start": start_s,
        "is_final": final,
        "speech_final": over,
        "channel": {"alternatives": [{"transcript": text_of(words), "confidence": 0.98, "words": spelt}]},
        "metadata": {
            "request_id": REQUEST_ID,
            "model_uuid": REQUEST_ID,
            "model_info": {"name": "general-nova-3", "version": "2025-04-17.21547", "arch": "nova-3"},
        },
        "from_finalize": flush,
    }


async def _flux(peer: DeepgramVendor, session: Session) -> None:
    """A turn is over after 0.4 s of silence."""
    ears, socket = session.ears, session.socket
    number = turn = 0
    since_s = 0.0
    started = False

    async def tell(event: str, **more: Any) -> None:
        nonlocal number
        words = [
            {"word": each.text, "confidence": 0.99, "start": each.start_s, "end": each.end_s} for each in ears.words
        ]
        body = {"type": "TurnInfo", "request_id": REQUEST_ID, "sequence_id": number, "event": event, "turn_index": turn}
        window = {"audio_window_start": since_s, "audio_window_end": ears.seconds}
        said = {
            "transcript": text_of(ears.words),
            "words": words,
            "end_of_turn_confidence": min(1.0, ears.silent_s * 2),
        }
        number += 1
        await session.send({**body, **window, **said, **more})

    async def over(trigger: str) -> None:
        nonlocal turn, since_s, started
        await tell("EndOfTurn", trigger=trigger)
        ears.take()
        turn, since_s, started = turn + 1, ears.seconds, False

    await session.send({"type": "Connected", "request_id": REQUEST_ID, "sequence_id": number})
    number += 1
    while (message := await socket.receive()) is not None:
        if isinstance(message, bytes):
            due = session.hear(message)
            if ears.words and not started:
                started = True
                await tell("StartOfTurn")
            elif started and ears.silent_s >= 0.4:
                await over("model")
            elif due:
                await tell("Update")
            continue
        said = json.loads(message)
        peer.said.append(said)
        if said["type"] == "ForceEndTurn" and started:
            await over("manual")
        elif said["type"] == "CloseStream":
            break
