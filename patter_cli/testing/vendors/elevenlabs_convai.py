"""ElevenLabs' agents as the vendor lab has them: a signed address, one conversation, turns of its own.

It hears loudness, as the lab's other speech engine does. It says what it intends at the beginning of a reply, sends its
sound faster than it is heard, and stops for a voice as long as it thinks that it is still heard.

Source: ElevenLabs, agents WebSocket, 2026-11.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.resample import resample_all
from patter_cli.testing.speech_peer import Said, Script
from patter_cli.testing.vendors.faults import Fault
from patter_cli.testing.vendors.server import Answer, Request, Talk, in_json
from patter_cli.testing.vendors.sockets import LabSocket
from patter_cli.testing.vendors.voice_gate import VoiceGate

RATE_HZ = 8000
CHUNK_S = 0.2
"""Sound in one message."""
OVERRIDES = {"agent": {"prompt", "first_message", "language"}, "tts": {"voice_id", "stability", "speed"}}
"""What the agent's security settings allow to be put over."""
EVENTS = (
    "audio",
    "interruption",
    "agent_response",
    "agent_response_correction",
    "user_transcript",
    "tentative_user_transcript",
    "conversation_initiation_metadata",
    "ping",
    "client_tool_call",
)
"""What an agent tells that was set up for calls of ours."""
STOCK_VOICES = frozenset({"21m00Tcm4TlvDq8ikWAM", "pNInz6obpgDQGcFmaJgB", "cjVigY5qzO86Huf0OWal"})
"""Rachel, Adam and Eric. Source: ElevenLabs, default voices."""
OWN_VOICES = {"Robin": "RobinRobinRobinRobin"}
"""The account's own, by name."""
_STATUS = {
    Fault.KEY_REFUSED: (401, "invalid_api_key", "Invalid API key"),
    Fault.NO_CREDIT: (402, "quota_exceeded", "This request exceeds your quota"),
    Fault.NOT_FOUND: (404, "agent_not_found", "The agent was not found"),
    Fault.INVALID: (422, "validation_error", "Invalid request"),
    Fault.RATE_LIMITED: (429, "too_many_concurrent_requests", "Too many conversations"),
    Fault.OVERLOADED: (503, "system_busy", "We are busy"),
    Fault.BROKEN: (500, "internal_error", "Something went wrong"),
}


def tone_of(text: str) -> Samples:
    """A voice without words: 8 kHz, 40 ms for each letter."""
    tone: Samples = (3000 * np.sin(np.arange(len(text) * 320) * 0.4)).astype(np.int16)
    return tone


class ConvAIVendor:
    """The vendor. script: its replies. hears: what was said in so much sound at 8 kHz. formats: what the agent hears
    and speaks. speak_s: between two pieces of sound. tools: what its agent has; None: whatever the script calls.
    events: what its agent tells. A call of a tool that it lacks, or must not tell of, is just not made."""

    def __init__(
        self,
        script: Script = ("All right.",),
        *,
        hears: Callable[[Samples], str] = lambda sound: "When do you open?",
        voice: Callable[[str], Samples] = tone_of,
        formats: tuple[str, str] = ("ulaw_8000", "ulaw_8000"),
        speak_s: float = 0.002,
        key: str = "sk-lab",
        agent_id: str = "agent_lab",
        tools: Sequence[str] | None = None,
        events: Sequence[str] = EVENTS,
    ) -> None:
        self.script = script
        self.hears = hears
        self.voice = voice
        self.formats = formats
        self.speak_s = speak_s
        self.key = key
        self.agent_id = agent_id
        self.tools = tools
        self.events = tuple(events)
        self.conversations: list[ConvAITalk] = []
        self.asked: list[str] = []
        self._tokens: set[str] = set()

    def __call__(self, request: Request) -> Answer | Talk:
        if request.wants_socket:
            token = request.query.get("conversation_signature", "")
            if token not in self._tokens:
                return self.refusal(Fault.KEY_REFUSED)
            self._tokens.discard(token)
            talk = ConvAITalk(self)
            self.conversations.append(talk)
            return talk
        if request.headers.get("xi-api-key") != self.key:
            return self.refusal(Fault.KEY_REFUSED)
        if request.path.endswith("/v2/voices"):
            return in_json({"voices": [{"voice_id": id, "name": name} for name, id in OWN_VOICES.items()]})
        if request.path.startswith("/v1/convai/agents/"):
            known = request.path.endswith(f"/{self.agent_id}")
            return in_json(self._agent()) if known else self.refusal(Fault.NOT_FOUND)
        if request.query.get("agent_id") != self.agent_id:
            return self.refusal(Fault.NOT_FOUND)
        token = f"token{len(self._tokens) + len(self.conversations)}"
        self._tokens.add(token)
        host = request.headers["host"]
        query = f"agent_id={self.agent_id}&conversation_signature={token}"
        return in_json({"signed_url": f"ws://{host}/v1/convai/conversation?{query}"})

    def _agent(self) -> dict[str, Any]:
        """How it is set up."""
        prompt: dict[str, Any] = {"prompt": "You answer the phone.", "tool_ids": ["tool_1"]}
        if self.tools is not None:
            prompt["tool_ids"] = [f"tool_{index}" for index, _ in enumerate(self.tools)]
            prompt["tools"] = [{"type": "client", "name": each, "expects_response": True} for each in self.tools]
        settings = {"agent": {"prompt": prompt}, "conversation": {"client_events": list(self.events)}}
        return {"agent_id": self.agent_id, "conversation_config": settings}

    def calls(self, tool: str) -> bool:
        """Whether its agent can call it, and tells."""
        return "client_tool_call" in self.events and (self.tools is None or tool in self.tools)

    def refusal(self, fault: Fault) -> Answer:
        status, code, message = _STATUS[fault]
        return in_json({"detail": {"status": code, "message": message}}, status=status)

    def error_inside(self) -> bytes:
        error = {"code": 1011, "message": "The conversation crashed", "error_type": "unknown_websocket_crash"}
        return json.dumps({"type": "error", "error_event": error}).encode()

    def next(self, heard: str) -> Said:
        """What is said to this."""
        self.asked.append(heard)
        script = self.script
        said = script(heard) if callable(script) else script[min(len(self.asked), len(script)) - 1]
        return Said(items=(said,)) if isinstance(said, str) else said


class ConvAITalk:
    """One conversation, and the record of it."""

    def __init__(self, vendor: ConvAIVendor) -> None:
        self._vendor = vendor
        self.initiation: dict[str, Any] = {}
        self.messages: list[dict[str, Any]] = []
        """What the client sent, sound left out."""
        self.heard_samples = 0
        self._gate = VoiceGate()
        self._event = 0
        self._speaking: asyncio.Task[None] | None = None
        self._spoken_until = 0.0
        self._saying = ""
        self._due: dict[str, Said] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: LabSocket | None = None

    async def __call__(self, socket: LabSocket) -> None:
        self._socket = socket
        try:
            first = json.loads(await socket.receive() or "{}")
            if first.get("type") != "conversation_initiation_client_data":
                await self._refuse("invalid_message", "the conversation must be initiated first")
                return
            self.initiation = first
            for part, fields in (first.get("conversation_config_override") or {}).items():
                for name in fields:
                    if name not in OVERRIDES.get(part, set()):
                        await self._refuse("override_error", f"Override for field '{name}' is not allowed")
                        return
            voice = (first.get("conversation_config_override") or {}).get("tts", {}).get("voice_id")
            if voice is not None and voice not in STOCK_VOICES and voice not in OWN_VOICES.values():
                await self._refuse("value_error", f"A voice with voice_id '{voice}' was not found")
                return
            told = {
                "conversation_id": "conv_lab",
                "user_input_audio_format": self._vendor.formats[0],
                "agent_output_audio_format": self._vendor.formats[1],
            }
            await self._send("conversation_initiation_metadata", "conversation_initiation_metadata_event", told)
            await self._send("ping", "ping_event", {"event_id": 1, "ping_ms": None})
            greeting = (first.get("conversation_config_override") or {}).get("agent", {}).get("first_message", "")
            if greeting:
                self._begin(Said(items=(greeting,)))
            async for message in socket:
                await self._take(json.loads(message))
        finally:
            for task in self._tasks:
                task.cancel()

    async def _send(self, kind: str, key: str, event: dict[str, Any]) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps({"type": kind, key: event}))

    async def _refuse(self, kind: str, message: str) -> None:
        assert self._socket is not None
        await self._send("error", "error_event", {"code": 1008, "message": message, "error_type": kind})
        await self._socket.close(1008, message)

    async def _take(self, value: dict[str, Any]) -> None:
        if "user_audio_chunk" in value:
            await self._hear(self._decoded(base64.b64decode(value["user_audio_chunk"], validate=True)))
            return
        self.messages.append(value)
        match value.get("type"):
            case "user_message":
                await self._turn(value["text"])
            case "client_tool_result":
                if not isinstance(value["result"], str) or value["tool_call_id"] not in self._due:
                    await self._refuse("invalid_message", "no such tool call")
                    return
                self._due.pop(value["tool_call_id"])
                self._begin(self._vendor.next(""))
            case "pong" | "user_activity" | "contextual_update" | "feedback":
                pass
            case _:
                await self._refuse("invalid_message", "unknown message")

    # --- what it hears -------------------------------------------------------------------------------------------

    def _decoded(self, sound: bytes) -> Samples:
        encoding, _, rate = self._vendor.formats[0].partition("_")
        if encoding == "ulaw":
            return decode_ulaw(sound)
        return resample_all(np.frombuffer(sound, "<i2").astype(np.int16), int(rate), RATE_HZ)

    async def _hear(self, samples: Samples) -> None:
        self.heard_samples += len(samples)
        for said in self._gate.hear(samples):
            if said is None:
                await self._interrupt()
            else:
                words = self._vendor.hears(said)
                await self._turn(words)

    async def _interrupt(self) -> None:
        """A voice: what it is saying, as far as it thinks that it is heard, is given up."""
        loop = asyncio.get_running_loop()
        making = self._speaking is not None and not self._speaking.done()
        if self._speaking is not None and (making or loop.time() < self._spoken_until):
            self._speaking.cancel()
            self._spoken_until = 0.0
            await self._send("interruption", "interruption_event", {"event_id": self._event})
            corrected = {"original_agent_response": self._saying, "corrected_agent_response": f"{self._saying[:9]}..."}
            await self._send("agent_response_correction", "agent_response_correction_event", corrected)

    async def _turn(self, words: str) -> None:
        self._event += 1
        event = {"user_transcript": words, "event_id": self._event}
        await self._send("tentative_user_transcript", "tentative_user_transcription_event", event)
        await self._send("user_transcript", "user_transcription_event", event)
        self._begin(self._vendor.next(words))

    # --- what it says --------------------------------------------------------------------------------------------

    def _begin(self, said: Said) -> None:
        self._speaking = self._spawn(self._say(said))

    async def _say(self, said: Said) -> None:
        loop = asyncio.get_running_loop()
        for text in said.items:
            self._event += 1
            event = {"agent_response": text, "event_id": self._event}
            await self._send("agent_response", "agent_response_event", event)
            samples, step = self._vendor.voice(text), int(CHUNK_S * RATE_HZ)
            self._saying = text
            for at in range(0, len(samples), step):
                self._event += 1
                piece = base64.b64encode(self._encoded(samples[at : at + step])).decode()
                self._spoken_until = max(self._spoken_until, loop.time()) + CHUNK_S
                aligned = _aligned(text, len(samples), at, step)
                event = {"audio_base_64": piece, "event_id": self._event, "alignment": aligned}
                await self._send("audio", "audio_event", event)
                await asyncio.sleep(self._vendor.speak_s)
        for name, arguments in said.calls:
            if not self._vendor.calls(name):
                continue
            self._event += 1
            call = f"call_{self._event}"
            self._due[call] = said
            event = {"tool_name": name, "tool_call_id": call, "parameters": json.loads(arguments)}
            await self._send("client_tool_call", "client_tool_call", {**event, "event_id": self._event})
        if said.leaves:
            assert self._socket is not None
            await self._socket.close(1000, "")

    def _encoded(self, samples: Samples) -> bytes:
        encoding, _, rate = self._vendor.formats[1].partition("_")
        if encoding == "ulaw":
            return encode_ulaw(samples)
        return resample_all(samples, RATE_HZ, int(rate)).astype("<i2").tobytes()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _aligned(text: str, whole: int, at: int, step: int) -> dict[str, Any]:
    """The letters that begin in a piece of the sound, spoken one as long as the other, and when in it."""
    letter_ms = whole * 1000 / RATE_HZ / max(1, len(text))
    from_ms, to_ms = at * 1000 / RATE_HZ, (at + step) * 1000 / RATE_HZ
    told = [index for index in range(len(text)) if from_ms <= index * letter_ms < to_ms]
    return {
        "chars": [text[index] for index in told],
        "char_start_times_ms": [round(index * letter_ms - from_ms) for index in told],
        "char_durations_ms": [round(letter_ms) for _ in told],
    }
