"""OpenAI's Realtime API as the vendor lab has it: what it takes and refuses, in its own messages.

It hears loudness: with turns of its own, a voice is what is loud, and half a second of quiet ends it. What was said is
for `hears` to know. Its replies come from a script and are spoken by `voice`, much faster than they are heard.

Source: OpenAI Realtime API, the GA interface, 2026-11.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.testing.speech_peer import Said, Script
from patter_cli.testing.vendors.faults import Fault
from patter_cli.testing.vendors.server import Answer, Request, Talk, in_json
from patter_cli.testing.vendors.sockets import LabSocket

MODELS = ("gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-2", "gpt-realtime-1.5", "gpt-realtime")
VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
CHUNK = 1600
"""Bytes of mu-law in one delta."""
FRAME = 160
QUIET_FRAMES = 25
LOUD = 500
LEAST_BYTES = 800
"""An item of less is refused."""
_STATUS = {
    Fault.KEY_REFUSED: (401, "invalid_api_key", "Incorrect API key provided"),
    Fault.NO_CREDIT: (429, "insufficient_quota", "You exceeded your current quota"),
    Fault.NOT_FOUND: (404, "model_not_found", "The model does not exist"),
    Fault.INVALID: (400, "invalid_value", "Invalid value"),
    Fault.RATE_LIMITED: (429, "rate_limit_exceeded", "Rate limit reached"),
    Fault.OVERLOADED: (503, "server_error", "The server is overloaded"),
    Fault.BROKEN: (500, "server_error", "The server had an error"),
}
_SESSION = {
    "type": {},
    "model": {},
    "instructions": {},
    "output_modalities": {},
    "audio": {
        "input": {
            "format": {"type": {}, "rate": {}},
            "transcription": {"model": {}, "language": {}, "prompt": {}, "languages": {}, "keywords": {}, "delay": {}},
            "noise_reduction": {"type": {}, "strength": {}},
            "turn_detection": {
                "type": {},
                "threshold": {},
                "prefix_padding_ms": {},
                "silence_duration_ms": {},
                "create_response": {},
                "interrupt_response": {},
                "idle_timeout_ms": {},
                "eagerness": {},
            },
        },
        "output": {"format": {"type": {}, "rate": {}}, "voice": {}, "speed": {}},
    },
    "tools": {},
    "tool_choice": {},
    "parallel_tool_calls": {},
    "reasoning": {"effort": {}},
    "max_output_tokens": {},
    "truncation": {},
    "prompt": {},
    "tracing": {},
    "include": {},
}
"""Every field that a session may have; one more, and the whole update is refused."""
_CONTENT = {"user": ("input_text", "input_audio"), "assistant": ("output_text",), "system": ("input_text",)}
_RESPONSE = {
    "instructions",
    "output_modalities",
    "audio",
    "tools",
    "tool_choice",
    "conversation",
    "input",
    "metadata",
    "max_output_tokens",
    "prompt",
    "reasoning",
    "parallel_tool_calls",
}


def tone_of(text: str) -> bytes:
    """A voice without words: mu-law, 40 ms for each letter."""
    return encode_ulaw((3000 * np.sin(np.arange(len(text) * 320) * 0.4)).astype(np.int16))


class RealtimeVendor:
    """The vendor. script: its replies. hears: what was said in so much mu-law. speak_s: between two pieces of sound."""

    def __init__(
        self,
        script: Script = ("All right.",),
        *,
        hears: Callable[[bytes], str] = lambda sound: "When do you open?",
        voice: Callable[[str], bytes] = tone_of,
        speak_s: float = 0.002,
        key: str = "sk-lab",
    ) -> None:
        self.script = script
        self.hears = hears
        self.voice = voice
        self.speak_s = speak_s
        self.key = key
        self.sessions: list[RealtimeTalk] = []
        self.asked: list[str] = []
        """What had been heard before each of its replies."""
        self.fails: list[tuple[str, str]] = []
        """(code, message) of the replies that fail before they bring anything, the next one first."""

    def __call__(self, request: Request) -> Answer | Talk:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.refusal(Fault.KEY_REFUSED)
        model = request.query.get("model", "") if request.wants_socket else request.path.rpartition("/")[2]
        if model not in MODELS:
            return self.refusal(Fault.NOT_FOUND)
        if not request.wants_socket:
            return in_json({"id": model, "object": "model"})
        if not request.path.endswith("/realtime"):
            return in_json({"error": {"message": "Invalid URL"}}, status=404)
        talk = RealtimeTalk(self, model, beta="openai-beta" in request.headers)
        self.sessions.append(talk)
        return talk

    def refusal(self, fault: Fault) -> Answer:
        status, code, message = _STATUS[fault]
        return in_json({"error": {"message": message, "type": "invalid_request_error", "code": code}}, status=status)

    def error_inside(self) -> bytes:
        error = {"type": "server_error", "code": "session_expired", "message": "Your session is over.", "param": None}
        return json.dumps({"type": "error", "event_id": "event_x", "error": error}).encode()

    def next(self, heard: str) -> Said:
        """What is said to this."""
        self.asked.append(heard)
        script = self.script
        said = script(heard) if callable(script) else script[min(len(self.asked), len(script)) - 1]
        return Said(items=(said,)) if isinstance(said, str) else said


class _Refused(Exception):
    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


@dataclass(slots=True)
class _Response:
    """One reply under way."""

    id: str
    asked: dict[str, Any]
    task: asyncio.Task[None] | None = None
    output: list[dict[str, Any]] = field(default_factory=list)


class RealtimeTalk:
    """One session, and the record of it."""

    def __init__(self, vendor: RealtimeVendor, model: str, *, beta: bool) -> None:
        self._vendor = vendor
        self._beta = beta
        self.session: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": "sess_lab",
            "model": model,
            "instructions": "",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "turn_detection": {"type": "server_vad", "create_response": True, "interrupt_response": True},
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
            },
            "tools": [],
            "tool_choice": "auto",
        }
        self.items: list[dict[str, Any]] = []
        """The conversation as it knows it."""
        self.truncated: list[tuple[str, int]] = []
        self.deleted: list[str] = []
        self.messages: list[dict[str, Any]] = []
        """What the client sent, sound left out."""
        self.heard_bytes = 0
        self._buffer = bytearray()
        self._looked = 0
        self._quiet = 0
        self._voice = False
        self._answering = ""
        self._response: _Response | None = None
        self._lengths: dict[str, int] = {}
        """Of the items that it said, ms."""
        self._calls: set[str] = set()
        self._count = 0
        self._socket: LabSocket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, socket: LabSocket) -> None:
        self._socket = socket
        if self._beta:
            await self._send("error", error={"type": "invalid_request_error", "code": "beta_api_shape_disabled"})
            await socket.close(4000, "beta")
            return
        await self._send("session.created", session=self.session)
        try:
            async for message in socket:
                await self._take(message)
        finally:
            for task in self._tasks:
                task.cancel()

    async def _send(self, kind: str, **fields: Any) -> None:
        assert self._socket is not None
        self._count += 1
        await self._socket.send(json.dumps({"type": kind, "event_id": f"event_{self._count}", **fields}))

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{what}_{self._count}"

    async def _take(self, message: str | bytes) -> None:
        value: dict[str, Any] = {}
        try:
            value = json.loads(message)
            if value["type"] != "input_audio_buffer.append":
                self.messages.append(value)
            await self._obey(value)
        except (ValueError, TypeError, KeyError) as error:
            await self._refuse(_Refused("invalid_request", f"cannot be read: {error!r}"), value)
        except _Refused as refused:
            await self._refuse(refused, value)

    async def _refuse(self, refused: _Refused, value: Any) -> None:
        event = value.get("event_id") if isinstance(value, dict) else None
        error = {"type": "invalid_request_error", "code": refused.code, "message": str(refused)}
        await self._send("error", error={**error, "param": refused.param, "event_id": event})

    async def _obey(self, value: dict[str, Any]) -> None:
        match value["type"]:
            case "session.update":
                await self._update(value["session"])
            case "input_audio_buffer.append":
                await self._hear(base64.b64decode(value["audio"], validate=True))
            case "input_audio_buffer.commit":
                await self._commit()
            case "input_audio_buffer.clear":
                self._buffer.clear()
                self._looked = 0
                await self._send("input_audio_buffer.cleared")
            case "conversation.item.create":
                await self._create(value["item"])
            case "conversation.item.truncate":
                await self._truncate(value["item_id"], value["content_index"], value["audio_end_ms"])
            case "conversation.item.delete":
                await self._delete(value["item_id"])
            case "response.create":
                await self._respond(value.get("response") or {})
            case "response.cancel":
                await self._cancel(value.get("response_id"), "client_cancelled")
            case kind:
                raise _Refused("invalid_value", f"Invalid value: '{kind}'", "type")

    # --- the session ---------------------------------------------------------------------------------------------

    async def _update(self, given: dict[str, Any]) -> None:
        if given.get("type") != "realtime":
            raise _Refused("missing_required_parameter", "Missing required parameter: 'session.type'", "session.type")
        _check_fields(given, _SESSION, "session")
        if given.get("model", self.session["model"]) != self.session["model"]:
            raise _Refused("invalid_value", "The model cannot be changed", "session.model")
        if given.get("reasoning") and not str(self.session["model"]).startswith("gpt-realtime-2"):
            raise _Refused("unknown_parameter", "This model does not reason", "session.reasoning")
        audio = given.get("audio") or {}
        for way in ("input", "output"):
            _check_format((audio.get(way) or {}).get("format"), way)
        voice = (audio.get("output") or {}).get("voice")
        own = isinstance(voice, dict) and str(voice.get("id", "")).startswith("voice_")
        if voice is not None and not own and voice not in VOICES:
            raise _Refused("invalid_value", f"Invalid value: '{voice}'", "session.audio.output.voice")
        if voice is not None and self._lengths and voice != self.session["audio"]["output"]["voice"]:
            raise _Refused("cannot_update_voice", "The voice cannot be changed any more", "session.audio.output.voice")
        for tool in given.get("tools") or ():
            if tool.get("type") != "function" or "function" in tool or not tool.get("name"):
                raise _Refused("invalid_value", "Invalid tool", "session.tools")
        for name, change in given.items():
            if name == "audio":
                for way, fields in change.items():
                    self.session["audio"][way] = {**self.session["audio"][way], **fields}
            else:
                self.session[name] = change
        await self._send("session.updated", session=self.session)

    @property
    def _turns(self) -> dict[str, Any] | None:
        turns: dict[str, Any] | None = self.session["audio"]["input"].get("turn_detection")
        return turns

    # --- what it hears -------------------------------------------------------------------------------------------

    async def _hear(self, sound: bytes) -> None:
        self._buffer += sound
        self.heard_bytes += len(sound)
        turns = self._turns
        while turns is not None and len(self._buffer) - self._looked >= FRAME:
            frame = decode_ulaw(bytes(self._buffer[self._looked : self._looked + FRAME]))
            self._looked += FRAME
            if int(np.abs(frame.astype(int)).max()) > LOUD:
                self._quiet = 0
                if not self._voice:
                    self._voice = True
                    await self._send("input_audio_buffer.speech_started", audio_start_ms=self.heard_bytes // 8)
                    if turns.get("interrupt_response", True):
                        with suppress(_Refused):
                            await self._cancel(None, "turn_detected")
            elif self._voice:
                self._quiet += 1
                if self._quiet >= QUIET_FRAMES:
                    self._voice, self._quiet = False, 0
                    await self._send("input_audio_buffer.speech_stopped", audio_end_ms=self.heard_bytes // 8)
                    await self._commit()
                    if turns.get("create_response", True):
                        await self._respond({})

    async def _commit(self) -> None:
        sound = bytes(self._buffer)
        if len(sound) < LEAST_BYTES:
            raise _Refused("input_audio_buffer_commit_empty", "Error committing input audio buffer: buffer too small")
        self._buffer.clear()
        self._looked = 0
        words, item = self._vendor.hears(sound), self._name("item")
        self._answering = f"{self._answering} {words}".strip()
        before = self.items[-1]["id"] if self.items else None
        content = [{"type": "input_audio", "transcript": None}]
        heard = {"id": item, "type": "message", "role": "user", "status": "completed", "content": content}
        self.items.append(heard)
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=before)
        await self._send("conversation.item.added", item=heard, previous_item_id=before)
        await self._send("conversation.item.done", item=heard, previous_item_id=before)
        if self.session["audio"]["input"].get("transcription"):
            self._spawn(self._transcribe(item, words))

    async def _transcribe(self, item: str, words: str) -> None:
        kind = "conversation.item.input_audio_transcription"
        await asyncio.sleep(0.01)
        await self._send(f"{kind}.delta", item_id=item, content_index=0, delta=words)
        usage = {"type": "duration", "seconds": 1}
        await self._send(f"{kind}.completed", item_id=item, content_index=0, transcript=words, usage=usage)

    # --- its memory ----------------------------------------------------------------------------------------------

    async def _create(self, given: dict[str, Any]) -> None:
        match given.get("type"):
            case "message":
                allowed = {
                    "user": ("input_text", "input_audio"),
                    "assistant": ("output_text",),
                    "system": ("input_text",),
                }
                kinds = allowed.get(str(given.get("role")), ())
                if any(part.get("type") not in kinds for part in given["content"]):
                    raise _Refused("invalid_value", "Invalid content for this role", "item.content")
                if given["role"] == "user":
                    said = " ".join(part.get("text", "") for part in given["content"])
                    self._answering = f"{self._answering} {said}".strip()
            case "function_call_output":
                if given["call_id"] not in self._calls:
                    raise _Refused("invalid_value", f"Tool call ID '{given['call_id']}' not found", "item.call_id")
                if not isinstance(given["output"], str):
                    raise _Refused("invalid_type", "output must be a string", "item.output")
                self._calls.discard(given["call_id"])
            case kind:
                raise _Refused("invalid_value", f"Invalid value: '{kind}'", "item.type")
        item = {"id": self._name("item"), "status": "completed", **given}
        before = self.items[-1]["id"] if self.items else None
        self.items.append(item)
        await self._send("conversation.item.added", item=item, previous_item_id=before)
        await self._send("conversation.item.done", item=item, previous_item_id=before)

    def _find(self, item: str) -> dict[str, Any]:
        found = next((each for each in self.items if each["id"] == item), None)
        if found is None:
            raise _Refused("item_not_found", f"Item with item_id '{item}' not found", "item_id")
        return found

    async def _truncate(self, item: str, content: int, end_ms: int) -> None:
        found = self._find(item)
        if found.get("role") != "assistant" or content != 0:
            raise _Refused("invalid_value", "Only assistant audio can be truncated", "item_id")
        if end_ms > self._lengths.get(item, 0):
            length = self._lengths.get(item, 0)
            raise _Refused("invalid_value", f"Audio content of {length}ms is already shorter than {end_ms}ms")
        self.truncated.append((item, end_ms))
        await self._send("conversation.item.truncated", item_id=item, content_index=0, audio_end_ms=end_ms)

    async def _delete(self, item: str) -> None:
        self.items.remove(self._find(item))
        self.deleted.append(item)
        await self._send("conversation.item.deleted", item_id=item)

    # --- what it says --------------------------------------------------------------------------------------------

    async def _respond(self, asked: dict[str, Any]) -> None:
        if self._response is not None:
            raise _Refused(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._response.id}",
            )
        if unknown := set(asked) - _RESPONSE:
            raise _Refused("unknown_parameter", f"Unknown parameter: 'response.{min(unknown)}'")
        if self._vendor.fails:
            code, message = self._vendor.fails.pop(0)
            failed = _Response(self._name("resp"), asked)
            await self._send("response.created", response=self._rendered(failed, "in_progress"))
            error = {"type": "failed", "code": code, "message": message}
            await self._send("response.done", response=self._rendered(failed, "failed", type="failed", error=error))
            return
        said = Said(items=(json.loads(asked["instructions"].partition(": ")[2]),)) if "instructions" in asked else None
        if said is None:
            heard, self._answering = self._answering, ""
            said = self._vendor.next(heard)
        if asked.get("tool_choice") == "none":
            said = Said(items=said.items)
        response = self._response = _Response(self._name("resp"), asked)
        await self._send("response.created", response=self._rendered(response, "in_progress"))
        response.task = self._spawn(self._say(response, said))

    def _rendered(self, response: _Response, status: str, **details: Any) -> dict[str, Any]:
        tokens = {"text_tokens": 0, "audio_tokens": 0}
        usage = {
            "total_tokens": 30,
            "input_tokens": 20,
            "output_tokens": 10,
            "input_token_details": {**tokens, "text_tokens": 5, "audio_tokens": 15, "cached_tokens": 4},
            "output_token_details": {**tokens, "text_tokens": 2, "audio_tokens": 8},
        }
        return {
            "object": "realtime.response",
            "id": response.id,
            "status": status,
            "status_details": details or None,
            "output": response.output,
            "metadata": response.asked.get("metadata"),
            "usage": None if status == "in_progress" else usage,
        }

    async def _say(self, response: _Response, said: Said) -> None:
        for index, text in enumerate(said.items):
            await self._say_item(response, index, text)
        for index, (name, arguments) in enumerate(said.calls, len(said.items)):
            await self._call(response, index, name, arguments)
        self._response = None
        await self._send("response.done", response=self._rendered(response, "completed"))

    async def _say_item(self, response: _Response, index: int, text: str) -> None:
        name = self._name("item")
        item: dict[str, Any] = {"id": name, "type": "message", "role": "assistant", "content": []}
        self.items.append(item)
        response.output.append(item)
        self._lengths[name] = 0
        here = {"response_id": response.id, "item_id": name, "output_index": index, "content_index": 0}
        added = {**item, "status": "in_progress"}
        await self._send("response.output_item.added", response_id=response.id, output_index=index, item=added)
        await self._send("conversation.item.added", item=added, previous_item_id=None)
        await self._send("response.content_part.added", **here, part={"type": "audio", "transcript": ""})
        sound = self._vendor.voice(text)
        for at in range(0, len(sound), CHUNK):
            piece = sound[at : at + CHUNK]
            words = text[len(text) * at // len(sound) : len(text) * min(len(sound), at + CHUNK) // len(sound)]
            await self._send("response.output_audio_transcript.delta", **here, delta=words)
            self._lengths[name] += len(piece) // 8
            await self._send("response.output_audio.delta", **here, delta=base64.b64encode(piece).decode())
            await asyncio.sleep(self._vendor.speak_s)
        await self._send("response.output_audio.done", **here)
        await self._send("response.output_audio_transcript.done", **here, transcript=text)
        item["content"] = [{"type": "output_audio", "transcript": text}]
        await self._send("response.content_part.done", **here, part={"type": "audio", "transcript": text})
        done = {**item, "status": "completed"}
        await self._send("response.output_item.done", response_id=response.id, output_index=index, item=done)
        await self._send("conversation.item.done", item=done, previous_item_id=None)

    async def _call(self, response: _Response, index: int, name: str, arguments: str) -> None:
        call, item_id = self._name("call"), self._name("item")
        self._calls.add(call)
        item = {"id": item_id, "type": "function_call", "name": name, "call_id": call, "arguments": ""}
        here = {"response_id": response.id, "item_id": item_id, "output_index": index, "call_id": call}
        await self._send("response.output_item.added", response_id=response.id, output_index=index, item=item)
        for piece in (arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]):
            await self._send("response.function_call_arguments.delta", **here, delta=piece)
        await self._send("response.function_call_arguments.done", **here, name=name, arguments=arguments)
        item = {**item, "arguments": arguments}
        self.items.append(item)
        response.output.append(item)
        await self._send("response.output_item.done", response_id=response.id, output_index=index, item=item)

    async def _cancel(self, named: str | None, reason: str) -> None:
        response = self._response
        if response is None or named not in (None, response.id):
            raise _Refused("response_cancel_not_active", "Cancellation failed: no active response found")
        self._response = None
        if response.task is not None:
            response.task.cancel()
        done = self._rendered(response, "cancelled", type="cancelled", reason=reason)
        await self._send("response.done", response=done)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _check_fields(given: Any, known: dict[str, Any], where: str) -> None:
    if not known or not isinstance(given, dict):
        return
    for name, value in given.items():
        if name not in known:
            raise _Refused("unknown_parameter", f"Unknown parameter: '{where}.{name}'.", f"{where}.{name}")
        _check_fields(value, known[name], f"{where}.{name}")


def _check_format(format: Any, way: str) -> None:
    if format is None:
        return
    rates = {"audio/pcm": 24000, "audio/pcmu": None, "audio/pcma": None}
    if format.get("type") not in rates or format.get("rate") != rates[format["type"]]:
        raise _Refused("invalid_value", f"Invalid value: {format!r}", f"session.audio.{way}.format")
