"""Cartesia, scripted: both of Ink's sockets and Sonic's. Source: Cartesia API reference, 2026-08-14."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from patter_cli.audio.frame import AudioFormat, Encoding
from patter_cli.testing.vendors.hearing import HearingVendor, Session, beat, format_named, text_of
from patter_cli.testing.vendors.server import Answer, in_json
from patter_cli.testing.vendors.speaking import SpeakingVendor
from patter_cli.testing.vendors.speech import Asked, PeerSocket

ENCODINGS = {"pcm_mulaw": Encoding.ULAW, "pcm_alaw": Encoding.ALAW, "pcm_s16le": Encoding.L16_LE}
REQUEST_ID = "req-1"


def _refusal(status: int, words: str) -> Answer:
    body = {"title": "Refused", "message": words, "error_code": "refused", "status_code": status}
    return in_json({**body, "doc_url": "", "request_id": REQUEST_ID}, status)


def _key(asked: Asked) -> str:
    key = asked.headers.get("x-api-key") or asked.headers.get("authorization", "").removeprefix("Bearer ")
    return key if asked.headers.get("cartesia-version") else ""


class CartesiaHearingVendor(HearingVendor):
    """Ink."""

    name = "cartesia"

    def key_of(self, asked: Asked) -> str:
        return _key(asked)

    def refusal(self, status: int, words: str) -> Answer:
        return _refusal(status, words)

    def answer(self, asked: Asked) -> Answer:
        return in_json({"data": [], "has_more": False})

    def takes_socket(self, asked: Asked) -> bool:
        return asked.path in ("/stt/websocket", "/stt/turns/websocket") and bool(asked.one("model"))

    async def report(self, socket: PeerSocket, words: str) -> None:
        body = {"type": "error", "title": "Broken", "message": words, "status_code": 500, "error_code": "internal"}
        await socket.send({**body, "request_id": REQUEST_ID})
        await socket.close(1011, words)

    async def hold(self, socket: PeerSocket) -> None:
        asked = socket.asked
        format = format_named(asked.one("encoding"), asked.one("sample_rate"), ENCODINGS)
        if format is None:
            await self.report(socket, "no such encoding")
            return
        session = Session(self, socket, format)
        await (_turns(self, session) if "turns" in asked.path else _manual(self, session))


async def _manual(peer: CartesiaHearingVendor, session: Session) -> None:
    ears = session.ears
    told = 0

    async def tell(final: bool) -> None:
        nonlocal told
        words = ears.words[told:]
        spelt = [{"word": each.text, "start": each.start_s, "end": each.end_s} for each in words]
        text = "".join(f"{each.text} " for each in words)
        body = {"type": "transcript", "request_id": REQUEST_ID, "text": text, "is_final": final, "words": spelt}
        await session.send({**body, "duration": ears.seconds, "language": "en"})
        told = len(ears.words) if final else told

    while (message := await session.socket.receive()) is not None:
        if isinstance(message, bytes):
            if session.hear(message) and len(ears.words) > told:
                await tell(final=len(ears.words) - told >= 3)
            continue
        peer.said.append(message)
        if message == "finalize":
            await beat()
            await ears.settle()
            await tell(True)
            ears.take()
            told = 0
            await session.send({"type": "flush_done", "request_id": REQUEST_ID})
        elif message in ("close", "done"):
            await session.send({"type": "done", "request_id": REQUEST_ID})
            break


async def _turns(peer: CartesiaHearingVendor, session: Session) -> None:
    ears, started = session.ears, False
    await session.send({"type": "connected", "request_id": REQUEST_ID})

    async def tell(kind: str, **more: Any) -> None:
        await session.send({"type": kind, "request_id": REQUEST_ID, **more})

    while (message := await session.socket.receive()) is not None:
        if isinstance(message, bytes):
            due = session.hear(message)
            if ears.words and not started:
                started = True
                await tell("turn.start")
                due = True
            if started and ears.silent_s >= 0.4:
                await tell("turn.end", transcript=text_of(ears.take()))
                started = False
            elif started and due:
                await tell("turn.update", transcript=text_of(ears.words))
            continue
        peer.said.append(json.loads(message))
        if peer.said[-1]["type"] == "close":
            break


class CartesiaSpeakingVendor(SpeakingVendor):
    """Sonic: contexts side by side, a flush for each clause."""

    name = "cartesia"

    def key_of(self, asked: Asked) -> str:
        return _key(asked)

    def refusal(self, status: int, words: str) -> Answer:
        return _refusal(status, words)

    def answer(self, asked: Asked) -> Answer:
        return in_json({"data": [], "has_more": False})

    def takes_socket(self, asked: Asked) -> bool:
        return asked.path == "/tts/websocket"

    def breaths(self) -> list[list[str]]:
        found: dict[str, list[str]] = {}
        for said in self.heard:
            assert isinstance(said, dict)
            if said.get("transcript", "").strip():
                found.setdefault(said["context_id"], []).append(said["transcript"].strip())
        return list(found.values())

    async def report(self, socket: PeerSocket, words: str) -> None:
        body = {"type": "error", "title": "Broken", "message": words, "status_code": 500, "error_code": "internal"}
        await socket.send({**body, "context_id": "c1", "done": True, "request_id": REQUEST_ID})

    async def hold(self, socket: PeerSocket) -> None:
        contexts: dict[str, _Context] = {}
        try:
            while (message := await socket.receive()) is not None:
                said = json.loads(message)
                self.heard.append(said)
                name = said["context_id"]
                if said.get("cancel"):
                    if name in contexts:
                        contexts[name].stop()
                    continue
                if name not in contexts:
                    contexts[name] = _Context(self, socket, name)
                contexts[name].queue.put_nowait(said)
        finally:
            for each in contexts.values():
                each.stop()
            await asyncio.gather(*(each.task for each in contexts.values()), return_exceptions=True)


class _Context:
    """One context: inputs in order, times from its first sample on."""

    def __init__(self, peer: CartesiaSpeakingVendor, socket: PeerSocket, name: str) -> None:
        self._peer = peer
        self._socket = socket
        self._name = name
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._fixed: dict[str, Any] | None = None
        self._at_s = 0.0
        self._flushes = 0
        self.task = asyncio.create_task(self._run())

    def stop(self) -> None:
        self.task.cancel()

    async def _run(self) -> None:
        while True:
            said = await self.queue.get()
            fixed = {name: said[name] for name in ("model_id", "voice", "language", "output_format")}
            if self._fixed not in (None, fixed):
                await self._send("error", title="Changed", message="fields changed", status_code=400, done=True)
                return
            self._fixed = fixed
            if said["transcript"].strip():
                await self._speak(said)
            if said.get("flush"):
                self._flushes += 1
                await self._send("flush_done", flush_done=True, flush_id=self._flushes, done=False, status_code=206)
            if not said.get("continue"):
                await self._send("done", done=True, status_code=200)
                return

    async def _speak(self, said: dict[str, Any]) -> None:
        wanted = said["output_format"]
        format = AudioFormat(encoding=ENCODINGS[wanted["encoding"]], rate_hz=wanted["sample_rate"])
        sound, words = self._peer.say(said["transcript"].strip(), format)
        times = {
            "words": [each.text for each in words],
            "start": [self._at_s + each.start_s for each in words],
            "end": [self._at_s + each.end_s for each in words],
        }
        self._at_s += len(sound) / format.bytes_per_ms / 1000
        if said.get("add_timestamps"):
            await self._send("timestamps", word_timestamps=times, done=False, status_code=206)
        for piece in self._peer.pieces(sound):
            data = base64.b64encode(piece).decode()
            await self._send("chunk", data=data, done=False, status_code=206, step_time=1.0)
            if self._peer.gap_s:
                await asyncio.sleep(self._peer.gap_s)

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._socket.send({"type": kind, "context_id": self._name, **fields})
