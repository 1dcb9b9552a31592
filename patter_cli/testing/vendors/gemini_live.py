"""Google's Live API as the vendor lab has it: a setup that is checked, and a conversation whose turns are its own.

It hears loudness, as the lab's other engines do. Its messages are JSON in binary frames, as Google's may be; it tells
the end of a turn only when it thinks that all was heard, and waits for its tools before it goes on.

Source: Gemini API, Live API reference, 2026-11.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import Resampler, resample_all
from patter_cli.testing.speech_peer import Said, Script
from patter_cli.testing.vendors.elevenlabs_convai import tone_of
from patter_cli.testing.vendors.faults import Fault
from patter_cli.testing.vendors.server import Answer, Request, Talk, in_json
from patter_cli.testing.vendors.sockets import LabSocket
from patter_cli.testing.vendors.voice_gate import VoiceGate

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
RATE_HZ, IN_HZ, OUT_HZ = 8000, 16_000, 24_000
CHUNK = OUT_HZ // 5 + 1
"""Bytes of sound in a message: odd, so that samples are cut in half."""
_SETUP = {
    "model", "generationConfig", "systemInstruction", "tools", "toolConfig", "realtimeInputConfig", "sessionResumption",
    "inputAudioTranscription", "outputAudioTranscription", "contextWindowCompression", "historyConfig", "proactivity",
}  # fmt: skip
_STATUS = {
    Fault.KEY_REFUSED: (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    Fault.NO_CREDIT: (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota"),
    Fault.NOT_FOUND: (404, "NOT_FOUND", "The model is not found"),
    Fault.INVALID: (400, "INVALID_ARGUMENT", "Invalid request"),
    Fault.RATE_LIMITED: (429, "RESOURCE_EXHAUSTED", "Too many sessions"),
    Fault.OVERLOADED: (503, "UNAVAILABLE", "The model is overloaded"),
    Fault.BROKEN: (500, "INTERNAL", "An internal error has occurred"),
}


class GeminiVendor:
    """The vendor. script: its replies. hears: what was said in so much sound at 8 kHz. speak_s: between two pieces."""

    def __init__(
        self,
        script: Script = ("All right.",),
        *,
        hears: Callable[[Samples], str] = lambda sound: "When do you open?",
        voice: Callable[[str], Samples] = tone_of,
        speak_s: float = 0.002,
        key: str = "sk-lab",
    ) -> None:
        self.script = script
        self.hears = hears
        self.voice = voice
        self.speak_s = speak_s
        self.key = key
        self.sessions: list[GeminiTalk] = []
        self.asked: list[str] = []

    def __call__(self, request: Request) -> Answer | Talk:
        key = request.headers.get("x-goog-api-key") or request.query.get("key", "")
        if key != self.key:
            return self.refusal(Fault.KEY_REFUSED)
        if not request.wants_socket:
            return in_json({"name": request.path.removeprefix("/v1beta/")})
        if request.path != PATH:
            return self.refusal(Fault.NOT_FOUND)
        talk = GeminiTalk(self)
        self.sessions.append(talk)
        return talk

    def refusal(self, fault: Fault) -> Answer:
        status, name, message = _STATUS[fault]
        return in_json({"error": {"code": status, "message": message, "status": name}}, status=status)

    def error_inside(self) -> bytes:
        return b'{"goAway":{"timeLeft":"0s"}}'

    def next(self, heard: str) -> Said:
        """What is said to this."""
        self.asked.append(heard)
        script = self.script
        said = script(heard) if callable(script) else script[min(len(self.asked), len(script)) - 1]
        return Said(items=(said,)) if isinstance(said, str) else said


class GeminiTalk:
    """One session, and the record of it."""

    def __init__(self, vendor: GeminiVendor) -> None:
        self._vendor = vendor
        self.setup: dict[str, Any] = {}
        self.messages: list[dict[str, Any]] = []
        """What the client sent, sound left out."""
        self._to_line = Resampler(IN_HZ, RATE_HZ)
        self._gate = VoiceGate()
        self._due: set[str] = set()
        self._calls = 0
        self._history_over = False
        self._speaking: asyncio.Task[None] | None = None
        self._spoken_until = 0.0
        self._socket: LabSocket | None = None

    async def __call__(self, socket: LabSocket) -> None:
        self._socket = socket
        try:
            first = json.loads(await socket.receive() or "{}")
            self.setup = _camel(first.get("setup") or {})
            unknown = set(self.setup) - _SETUP
            if not self.setup or unknown or not str(self.setup.get("model", "")).startswith("models/"):
                await socket.close(1007, f"Request contains an invalid argument. {', '.join(sorted(unknown))}")
                return
            await self._send({"setupComplete": {}})
            async for message in socket:
                await self._take(_camel(json.loads(message)))
        finally:
            if self._speaking is not None:
                self._speaking.cancel()

    async def _send(self, message: dict[str, Any]) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps(message).encode())

    async def _take(self, value: dict[str, Any]) -> None:
        sound = (value.get("realtimeInput") or {}).get("audio")
        if sound is not None:
            samples = np.frombuffer(base64.b64decode(sound["data"], validate=True), "<i2").astype(np.int16)
            await self._hear(self._to_line.process(samples))
            return
        self.messages.append(value)
        if content := value.get("clientContent"):
            if "/gemini-3.1-" in self.setup["model"]:
                await self._take_history(content)
            elif content.get("turnComplete"):
                self._begin(_wished(content["turns"][-1]["parts"][0]["text"]) or self._vendor.next(""))
        elif typed := (value.get("realtimeInput") or {}).get("text"):
            self._begin(_wished(typed) or self._vendor.next(typed))
        elif answered := value.get("toolResponse"):
            for each in answered["functionResponses"]:
                if each["id"] not in self._due or not isinstance(each["response"], dict):
                    assert self._socket is not None
                    await self._socket.close(1007, "no such call")
                    return
                self._due.discard(each["id"])
            if not self._due:
                self._begin(self._vendor.next(""))

    async def _take_history(self, content: dict[str, Any]) -> None:
        """Of a model that takes content only as announced history, until that is said to be over."""
        announced = self.setup.get("historyConfig", {}).get("initialHistoryInClientContent")
        if not announced or self._history_over:
            assert self._socket is not None
            await self._socket.close(1007, "Request contains an invalid argument.")
        self._history_over = bool(content.get("turnComplete"))

    # --- what it hears -------------------------------------------------------------------------------------------

    async def _hear(self, samples: Samples) -> None:
        for said in self._gate.hear(samples):
            if said is None:
                await self._interrupt()
            else:
                words = self._vendor.hears(said)
                half = len(words) // 2
                for piece in (words[:half], words[half:]):
                    await self._send({"serverContent": {"inputTranscription": {"text": piece}}})
                self._begin(self._vendor.next(words))

    async def _interrupt(self) -> None:
        loop = asyncio.get_running_loop()
        making = self._speaking is not None and not self._speaking.done()
        if self._speaking is not None and (making or loop.time() < self._spoken_until):
            self._speaking.cancel()
            self._spoken_until = 0.0
            due, self._due = sorted(self._due), set()
            if due:
                await self._send({"toolCallCancellation": {"ids": due}})
            await self._send({"serverContent": {"interrupted": True, "turnComplete": True}})

    # --- what it says --------------------------------------------------------------------------------------------

    def _begin(self, said: Said) -> None:
        self._speaking = asyncio.create_task(self._say(said))

    async def _say(self, said: Said) -> None:
        loop = asyncio.get_running_loop()
        for text in said.items:
            sound = resample_all(self._vendor.voice(text), RATE_HZ, OUT_HZ).astype("<i2").tobytes()
            pieces = [sound[at : at + CHUNK] for at in range(0, len(sound), CHUNK)] or [b""]
            words = [
                text[len(text) * at // len(pieces) : len(text) * (at + 1) // len(pieces)] for at in range(len(pieces))
            ]
            for piece, part in zip(pieces, words, strict=True):
                data = {"mimeType": f"audio/pcm;rate={OUT_HZ}", "data": base64.b64encode(piece).decode()}
                content: dict[str, Any] = {"modelTurn": {"parts": [{"inlineData": data}]}}
                if part:
                    content["outputTranscription"] = {"text": part}
                self._spoken_until = max(self._spoken_until, loop.time()) + len(piece) / OUT_HZ / 2
                await self._send({"serverContent": content})
                await asyncio.sleep(self._vendor.speak_s)
        if said.calls:
            calls = []
            for name, arguments in said.calls:
                self._calls += 1
                self._due.add(f"call_{self._calls}")
                calls.append({"id": f"call_{self._calls}", "name": name, "args": json.loads(arguments)})
            await self._send({"toolCall": {"functionCalls": calls}})
            return
        used = {
            "promptTokenCount": 25,
            "responseTokenCount": 30,
            "totalTokenCount": 55,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}, {"modality": "AUDIO", "tokenCount": 15}],
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 30}],
        }
        await self._send({"serverContent": {"generationComplete": True}, "usageMetadata": used})
        await asyncio.sleep(max(0.0, self._spoken_until - loop.time()))
        await self._send({"serverContent": {"turnComplete": True}})
        if said.leaves:
            assert self._socket is not None
            await self._socket.close(1000, "")


def _camel(value: Any) -> Any:
    """The same with the names of fields as they are written in the reference: both ways of writing them are taken."""
    if isinstance(value, list):
        return [_camel(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): each for name, each in value.items()}
    return {name: each if name in ("args", "response", "parameters") else _camel(each) for name, each in named.items()}


def _wished(text: str) -> Said | None:
    """The words of a wish for exact ones, which stands behind what it is told besides."""
    head, _, words = text.rpartition("\n")[2].partition("and nothing else: ")
    return Said(items=(json.loads(words),)) if head.startswith("Say exactly") else None
