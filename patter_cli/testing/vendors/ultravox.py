"""Ultravox as the vendor lab has it: a call that is made, an address to join it at once, turns of its own.

It hears loudness, as the lab's other engines do. What the caller said is written down while it answers already, its own
words come in pieces and once more as a whole, and its sound is cut in the middle of a sample.

Source: Ultravox, WebSocket integration and data messages, 2026-11.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.resample import resample_all
from patter_cli.testing.speech_peer import Said, Script
from patter_cli.testing.vendors.elevenlabs_convai import tone_of
from patter_cli.testing.vendors.faults import Fault
from patter_cli.testing.vendors.server import Answer, Request, Talk, in_json
from patter_cli.testing.vendors.sockets import LabSocket
from patter_cli.testing.vendors.voice_gate import VoiceGate

RATE_HZ = 8000
CHUNK_S = 0.2
_WANTED = {"systemPrompt", "model", "voice", "temperature", "firstSpeakerSettings", "medium", "selectedTools",
           "maxDuration", "metadata", "joinTimeout", "languageHint"}  # fmt: skip
_STATUS = {
    Fault.KEY_REFUSED: (401, "Invalid API key."),
    Fault.NO_CREDIT: (402, "Your account has no credit left."),
    Fault.NOT_FOUND: (404, "Not found."),
    Fault.INVALID: (400, "Invalid request."),
    Fault.RATE_LIMITED: (429, "Too many concurrent calls."),
    Fault.OVERLOADED: (503, "We are busy."),
    Fault.BROKEN: (500, "Server error."),
}


class UltravoxVendor:
    """The vendor. script: its replies. hears: what was said in so much sound at 8 kHz. speak_s: between two pieces of
    sound. late_words: what the caller said is told after the reply has begun."""

    def __init__(
        self,
        script: Script = ("All right.",),
        *,
        hears: Callable[[Samples], str] = lambda sound: "When do you open?",
        voice: Callable[[str], Samples] = tone_of,
        speak_s: float = 0.002,
        late_words: bool = False,
        key: str = "sk-lab",
    ) -> None:
        self.script = script
        self.hears = hears
        self.voice = voice
        self.speak_s = speak_s
        self.late_words = late_words
        self.key = key
        self.calls: list[UltravoxTalk] = []
        """Those that were joined."""
        self.asked: list[str] = []
        self._made: dict[str, dict[str, Any]] = {}

    def __call__(self, request: Request) -> Answer | Talk:
        if request.wants_socket:
            wanted = self._made.pop(request.path.rpartition("/")[2], None)
            if wanted is None:
                return self.refusal(Fault.NOT_FOUND)
            talk = UltravoxTalk(self, wanted)
            self.calls.append(talk)
            return talk
        if request.headers.get("x-api-key") != self.key:
            return self.refusal(Fault.KEY_REFUSED)
        if request.path != "/api/calls":
            return self.refusal(Fault.NOT_FOUND)
        if request.method == "GET":
            return in_json({"results": [], "total": 0})
        wanted = request.json
        tools = [each.get("temporaryTool") for each in wanted.get("selectedTools", [])]
        if set(wanted) - _WANTED or not all(tool and "client" in tool for tool in tools):
            return self.refusal(Fault.INVALID)
        call = f"call{len(self._made) + len(self.calls)}"
        self._made[call] = wanted
        joined = {"callId": call, "joinUrl": f"ws://{request.headers['host']}/calls/{call}"}
        return in_json({**wanted, **joined}, status=201)

    def refusal(self, fault: Fault) -> Answer:
        status, words = _STATUS[fault]
        return in_json({"detail": words}, status=status)

    def error_inside(self) -> bytes:
        return b'{"type":"debug","message":"internal error"}'

    def next(self, heard: str) -> Said:
        """What is said to this."""
        self.asked.append(heard)
        script = self.script
        said = script(heard) if callable(script) else script[min(len(self.asked), len(script)) - 1]
        return Said(items=(said,)) if isinstance(said, str) else said


class UltravoxTalk:
    """One call that was joined, and the record of it. wanted: what it was made with."""

    def __init__(self, vendor: UltravoxVendor, wanted: dict[str, Any]) -> None:
        self._vendor = vendor
        self.wanted = wanted
        self.messages: list[dict[str, Any]] = []
        """What the client sent, sound left out."""
        self.told: list[str] = []
        """Texts that ask for no answer."""
        medium = wanted["medium"]["serverWebSocket"]
        self._in_hz = int(medium["inputSampleRate"])
        self._out_hz = int(medium.get("outputSampleRate", self._in_hz))
        self._gate = VoiceGate()
        self._ordinal = 0
        self._due: set[str] = set()
        self._speaking: asyncio.Task[None] | None = None
        self._spoken_until = 0.0
        self._socket: LabSocket | None = None

    async def __call__(self, socket: LabSocket) -> None:
        self._socket = socket
        try:
            await self._send("call_started", callId="call")
            greeting = self.wanted.get("firstSpeakerSettings", {}).get("agent", {}).get("text", "")
            if greeting:
                self._begin(Said(items=(greeting,)))
            else:
                await self._send("state", state="listening")
            async for message in socket:
                if isinstance(message, bytes):
                    sound = np.frombuffer(message, "<i2").astype(np.int16)
                    await self._hear(resample_all(sound, self._in_hz, RATE_HZ))
                else:
                    await self._take(json.loads(message))
        finally:
            if self._speaking is not None:
                self._speaking.cancel()

    async def _send(self, kind: str, **fields: Any) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def _take(self, value: dict[str, Any]) -> None:
        assert self._socket is not None
        self.messages.append(value)
        match value.get("type"):
            case "user_text_message" if value.get("urgency") == "later":
                self.told.append(value["text"])
            case "user_text_message":
                await self._line("user", value["text"], medium="text")
                self._begin(self._vendor.next(value["text"]))
            case "client_tool_result":
                if value["invocationId"] not in self._due or not isinstance(value["result"], str):
                    await self._socket.close(1008, "no such invocation")
                    return
                self._due.discard(value["invocationId"])
                if not self._due:
                    self._begin(self._vendor.next(""))
            case "ping":
                await self._send("pong", timestamp=value["timestamp"])
            case _:
                await self._socket.close(1008, "unknown message")

    async def _line(self, role: str, text: str, *, medium: str = "voice") -> None:
        self._ordinal += 1
        await self._send("transcript", role=role, medium=medium, text=text, final=True, ordinal=self._ordinal)

    # --- what it hears -------------------------------------------------------------------------------------------

    async def _hear(self, samples: Samples) -> None:
        for said in self._gate.hear(samples):
            if said is None:
                await self._interrupt()
            else:
                words = self._vendor.hears(said)
                await self._turn(words)

    async def _interrupt(self) -> None:
        loop = asyncio.get_running_loop()
        making = self._speaking is not None and not self._speaking.done()
        if self._speaking is not None and (making or loop.time() < self._spoken_until):
            self._speaking.cancel()
            self._spoken_until = 0.0
            await self._send("playback_clear_buffer")
            await self._send("state", state="listening")

    async def _turn(self, words: str) -> None:
        await self._send("state", state="thinking")
        if self._vendor.late_words:
            self._begin(self._vendor.next(words), heard=words)
        else:
            await self._line("user", words)
            self._begin(self._vendor.next(words))

    # --- what it says --------------------------------------------------------------------------------------------

    def _begin(self, said: Said, *, heard: str = "") -> None:
        self._speaking = asyncio.create_task(self._say(said, heard))

    async def _say(self, said: Said, heard: str) -> None:
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        await self._send("state", state="speaking")
        for text in said.items:
            sound = resample_all(self._vendor.voice(text), RATE_HZ, self._out_hz).astype("<i2").tobytes()
            step = int(CHUNK_S * self._out_hz) * 2 + 1
            pieces = [sound[at : at + step] for at in range(0, len(sound), step)]
            ordinal = 0
            for number, piece in enumerate(pieces):
                self._spoken_until = max(self._spoken_until, loop.time()) + len(piece) / self._out_hz / 2
                await self._socket.send(piece)
                if heard:
                    await self._line("user", heard)
                    heard = ""
                if not ordinal:
                    self._ordinal += 1
                    ordinal = self._ordinal
                part = text[len(text) * number // len(pieces) : len(text) * (number + 1) // len(pieces)]
                line = {"role": "agent", "medium": "voice", "ordinal": ordinal}
                await self._send("transcript", **line, delta=part, final=False)
                await asyncio.sleep(self._vendor.speak_s)
            await self._send("transcript", role="agent", medium="voice", ordinal=ordinal, text=text, final=True)
        for number, (name, arguments) in enumerate(said.calls):
            call = f"call_{self._ordinal}_{number}"
            self._due.add(call)
            invocation = {"toolName": name, "invocationId": call, "parameters": json.loads(arguments)}
            await self._send("client_tool_invocation", **invocation)
        if said.leaves:
            await self._socket.close(1000, "")
        elif not said.calls:
            await self._send("state", state="listening")
