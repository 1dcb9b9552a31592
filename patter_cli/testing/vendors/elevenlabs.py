"""ElevenLabs, scripted: text-to-speech over sockets and HTTP, and the list of voices.

Source: ElevenLabs API reference, 2026-11.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.testing.vendors.server import Answer, in_json
from patter_cli.testing.vendors.speaking import SpeakingVendor, grown
from patter_cli.testing.vendors.speech import Asked, PeerSocket
from patter_cli.testing.vendors.tones import SpokenWord

ENCODINGS = {"ulaw": Encoding.ULAW, "alaw": Encoding.ALAW, "pcm": Encoding.L16_LE}
CONTEXTS = 5


class ElevenLabsVendor(SpeakingVendor):
    """Its own voices are "Robin" and the stock ones."""

    name = "elevenlabs"
    own_voices = {"Robin": "RobinRobinRobinRobin"}

    def key_of(self, asked: Asked) -> str:
        return asked.headers.get("xi-api-key", "")

    def refusal(self, status: int, words: str) -> Answer:
        return in_json({"detail": {"status": "refused", "message": words}}, status)

    def takes_socket(self, asked: Asked) -> bool:
        return asked.path.endswith("stream-input") and format_of(asked) is not None

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/v2/voices":
            listed = [{"voice_id": id, "name": name} for name, id in self.own_voices.items()]
            return in_json({"voices": listed, "has_more": False, "total_count": len(listed), "next_page_token": None})
        if asked.path == "/v1/models":
            return in_json([])
        format = format_of(asked)
        if not asked.path.startswith("/v1/text-to-speech/") or format is None:
            return self.refusal(404, "no such address")
        sound, words = self.say(asked.json["text"], format)
        headers = (("request-id", "r1"), ("character-cost", str(len(asked.json["text"]))))
        if asked.path.endswith("/with-timestamps"):
            lines = self._lines(sound, words, format)
            return Answer(headers=(*headers, ("content-type", "application/json")), steps=self.steps(lines))
        return Answer(headers=(*headers, ("content-type", "audio/basic")), steps=self.steps(self.pieces(sound)))

    def _lines(self, sound: bytes, words: list[SpokenWord], format: AudioFormat) -> list[bytes]:
        letters = _letters(words)
        told = 0
        at_ms = 0.0
        lines = []
        for piece in self.pieces(sound):
            at_ms += len(piece) / format.bytes_per_ms
            upto = next((n for n, each in enumerate(letters) if each[2] > at_ms), len(letters))
            part, told = letters[told:upto], upto
            alignment = {
                "characters": [each[0] for each in part],
                "character_start_times_seconds": [each[1] / 1000 for each in part],
                "character_end_times_seconds": [each[2] / 1000 for each in part],
            }
            coded = base64.b64encode(piece).decode()
            said = {"audio_base64": coded, "alignment": alignment, "normalized_alignment": None}
            lines.append(json.dumps(said).encode() + b"\n")
        return lines

    def breaths(self) -> list[list[str]]:
        bodies = [asked.json for asked in self.asked if asked.body]
        if bodies:
            return grown([(each.get("previous_text", ""), each["text"]) for each in bodies])
        found: dict[str, list[str]] = {}
        for said in self.heard:
            if isinstance(said, dict) and said.get("text", "").strip():
                found.setdefault(said["context_id"], []).append(said["text"].strip())
        return list(found.values())

    async def report(self, socket: PeerSocket, words: str) -> None:
        await socket.send({"message": words, "error": "system_busy", "code": 1008})
        await socket.close(1008, words)

    async def hold(self, socket: PeerSocket) -> None:
        if socket.asked.path.endswith("/multi-stream-input"):
            await _Contexts(self, socket).run()
        else:
            await _single(self, socket)


class _Contexts:
    """One `multi-stream-input`: contexts speak side by side, each in order."""

    def __init__(self, peer: ElevenLabsVendor, socket: PeerSocket) -> None:
        self._peer = peer
        self._socket = socket
        format = format_of(socket.asked)
        assert format is not None
        self._format = format
        self._texts: dict[str, str] = {}
        self._work: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        try:
            while (message := await self._socket.receive()) is not None:
                said = json.loads(message)
                self._peer.heard.append(said)
                if said.get("close_socket"):
                    break
                if not await self._take(said):
                    break
        finally:
            for task in self._work.values():
                task.cancel()
            await asyncio.gather(*self._work.values(), return_exceptions=True)

    async def _take(self, said: dict[str, Any]) -> bool:
        context = said.get("context_id", "default")
        if context not in self._texts:
            if len(self._texts) >= CONTEXTS:
                await self._socket.send({"message": "too many", "error": "max_active_conversations", "code": 1008})
                await self._socket.close(1008, "max_active_conversations")
                return False
            self._texts[context] = ""
        self._texts[context] += said.get("text", "")
        text = self._texts[context].strip()
        if text and (said.get("flush") or said.get("close_context")):
            self._texts[context] = ""
            self._then(context, partial(self._speak, context, text))
        if said.get("close_context"):
            self._then(context, partial(self._end, context))
        return True

    def _then(self, context: str, work: Callable[[], Awaitable[None]]) -> None:
        before = self._work.get(context)

        async def in_order() -> None:
            if before is not None:
                await before
            await work()

        self._work[context] = asyncio.create_task(in_order())

    async def _speak(self, context: str, text: str) -> None:
        sound, words = self._peer.say(text, self._format)
        letters = _letters(words)
        at_ms, told = 0.0, 0
        for number, piece in enumerate(self._peer.pieces(sound)):
            start_ms = at_ms
            at_ms += len(piece) / self._format.bytes_per_ms
            upto = next((n for n, each in enumerate(letters) if each[2] > at_ms + 1), len(letters))
            part, told = letters[told:upto], upto
            aligned = {
                "chars": [each[0] for each in part],
                "charStartTimesMs": [round(each[1] - start_ms) for each in part],
                "charDurationsMs": [round(each[2] - each[1]) for each in part],
            }
            body = {"audio": base64.b64encode(piece).decode(), "contextId": context}
            await self._socket.send({**body, "alignment": aligned, "normalizedAlignment": aligned})
            if self._peer.gap_s and number:
                await asyncio.sleep(self._peer.gap_s)

    async def _end(self, context: str) -> None:
        self._texts.pop(context, None)
        await self._socket.send({"isFinal": True, "contextId": context})


async def _single(peer: ElevenLabsVendor, socket: PeerSocket) -> None:
    """One `stream-input`: an utterance a socket."""
    format = format_of(socket.asked)
    assert format is not None
    text = ""
    while (message := await socket.receive()) is not None:
        said = json.loads(message)
        peer.heard.append(said)
        text += said.get("text", "")
        if text.strip() and (said.get("flush") or said.get("try_trigger_generation") or said["text"] == ""):
            sound, _ = peer.say(text.strip(), format)
            text = ""
            for piece in peer.pieces(sound):
                await socket.send({"audio": base64.b64encode(piece).decode(), "isFinal": None})
        if said["text"] == "":
            await socket.send({"audio": None, "isFinal": True})
            break


def format_of(asked: Asked) -> AudioFormat | None:
    """What a request wants."""
    name, _, rate = asked.one("output_format").partition("_")
    if name not in ENCODINGS or not rate.isdigit():
        return None
    return AudioFormat(encoding=ENCODINGS[name], rate_hz=int(rate))


def _letters(words: list[SpokenWord]) -> list[tuple[str, float, float]]:
    """(letter, from, to) in ms, blanks among them."""
    found: list[tuple[str, float, float]] = []
    for word in words:
        start_ms, end_ms = word.start_s * 1000, word.end_s * 1000
        step = (end_ms - start_ms) / len(word.text)
        found += [(each, start_ms + n * step, start_ms + (n + 1) * step) for n, each in enumerate(word.text)]
        found.append((" ", end_ms, end_ms))
    return found
