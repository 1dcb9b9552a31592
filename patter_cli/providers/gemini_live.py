"""Google's speech-to-speech models: one connection of the Live API a call.

Theory of operation. The platform hears where a turn ends and replies by itself; a voice interrupts what it says, and
nothing can be taken back. It names neither turns nor replies: a reply begins with the first sound, words or tool call,
and is over when its generation is, for the platform tells the end of the turn only once it thinks that all was heard.
What it says after a tool's answer is a reply of its own.

A connection lasts ten minutes: another takes its place before that.

Models of 3.1 take content at the beginning alone, as history that is announced. Later they take text, and answer it:
what asks for no answer waits there for the next text that does.

Source: Gemini API, Live API reference, 2026-11.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.contracts import s2s
from patter_cli.contracts.llm import ChatMessage, ToolSpec
from patter_cli.contracts.s2s import EngineAbilities, EngineEvent, EngineSetup
from patter_cli.errors import BadSetting, TimedOut, Unavailable
from patter_cli.providers.account import Account, VendorModel, family
from patter_cli.providers.google_account import GOOGLE, NAME, thinking_config
from patter_cli.providers.http import Server
from patter_cli.providers.schemas import plain_schema
from patter_cli.providers.socket import Socket, connect
from patter_cli.providers.vendor import socket_url
from patter_cli.providers.wire_json import list_of, number_of, object_of, read_object, sound_of, text_of

log = logging.getLogger(__name__)

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
VOICES = ("Puck", "Charon", "Kore", "Fenrir", "Aoede", "Leda", "Orus", "Zephyr")
"""Some of thirty."""
IN_RATE_HZ, OUT_RATE_HZ = 16_000, 24_000
CHUNK = IN_RATE_HZ // 25
"""Samples in one message of the caller's."""
ANSWER_S = 5.0
SESSION_S = 8.5 * 60.0
"""A connection ends after ten minutes."""
_STATUSES = {1007: 400, 1008: 400, 1011: 500, 1013: 429}


@dataclass(frozen=True, slots=True)
class GeminiLive(VendorModel):
    """Hears, thinks and speaks in one. Its key comes from GEMINI_API_KEY or GOOGLE_API_KEY when it is used.

    Raises BadSetting.
    """

    api_key: str | None = field(default=None, repr=False)
    voice: str = "Kore"
    """Puck, Charon, Kore, Fenrir, Aoede, Leda, Orus, Zephyr, or another of its thirty."""
    model: str = "gemini-3.8-live"
    base_url: str | None = None
    """https://generativelanguage.googleapis.com unless given."""
    _: KW_ONLY
    silence_ms: int = 500
    """After so much silence the platform takes a turn for over."""

    account: ClassVar[Account] = GOOGLE

    def __post_init__(self) -> None:
        self.address()
        if not self.model or not self.voice:
            raise BadSetting("model and voice must be names", hint="leave them out to have the usual ones")
        if not 100 <= self.silence_ms <= 5000:
            raise BadSetting(f"silence_ms cannot be {self.silence_ms!r}", hint="100 to 5000")

    @property
    def abilities(self) -> EngineAbilities:
        return EngineAbilities(
            server_turns=True,
            input_transcript=True,
            tools=True,
            continues=True,
            instruct=True,
            remind=True,
            session_s=SESSION_S,
        )

    @property
    def in_rate_hz(self) -> int:
        return IN_RATE_HZ

    @property
    def out_rate_hz(self) -> int:
        return OUT_RATE_HZ

    async def open(self, setup: EngineSetup) -> LiveSession:
        """One call's session, once it is set up. Raises ProviderError, ConfigError."""
        server = self.server()
        url = socket_url(server, "").rpartition("/")[0] + PATH
        session = LiveSession(server, await connect(server, url, server.headers, statuses=_STATUSES), self.model)
        try:
            await session.begin(self.setup(setup), setup)
        except BaseException:
            await session.aclose()
            raise
        return session

    def setup(self, setup: EngineSetup) -> dict[str, Any]:
        """The `setup` of the first message."""
        speech: dict[str, Any] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": self.voice}}}
        generation: dict[str, Any] = {"responseModalities": ["AUDIO"], "speechConfig": speech}
        if thinking := thinking_config(self.model, None):
            generation["thinkingConfig"] = thinking
        wanted: dict[str, Any] = {
            "model": f"models/{self.model.removeprefix('models/')}",
            "generationConfig": generation,
            "systemInstruction": {"parts": [{"text": setup.system_prompt}]},
            "realtimeInputConfig": {
                "automaticActivityDetection": {"silenceDurationMs": self.silence_ms},
                "activityHandling": "START_OF_ACTIVITY_INTERRUPTS",
            },
            "inputAudioTranscription": {},
            "outputAudioTranscription": {},
            "contextWindowCompression": {"slidingWindow": {}},
        }
        if setup.history and _history_first(self.model):
            wanted["historyConfig"] = {"initialHistoryInClientContent": True}
        if setup.tools:
            wanted["tools"] = [{"functionDeclarations": [_declared(each) for each in setup.tools]}]
        return wanted


def _history_first(model: str) -> bool:
    """Whether it takes content as its initial history only."""
    return family(model, NAME) == (3, 1)


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text}]}


class LiveSession:
    """One call's session; see the contract."""

    def __init__(self, server: Server, socket: Socket, model: str) -> None:
        self._server = server
        self._socket = socket
        self._model = model
        self._history_first = _history_first(model)
        self._notes: list[str] = []
        """What a model that takes no content any more is told with the next text."""
        self._messages = socket.messages()
        self._waiting: list[Samples] = []
        self._waiting_samples = 0
        self._half = b""
        """A byte of a sample whose other one is still to come."""
        self._replies = 0
        self._reply = ""
        """What it is saying; "" once that was all."""
        self._asked: int | None = None
        """The wish that its next reply answers."""
        self._unspoken = 0
        """Replies that are due to something that nobody said: a wish, what was typed, a tool's answer."""
        self._turns = 0
        self._words = ""
        """What the caller has said since its last reply."""
        self._reminders: list[ChatMessage] = []
        """What it is told when it has said what it is saying."""
        self._calls: dict[str, str] = {}
        """Names of tools by the ids of their calls, as long as their answers are wanted."""
        self._closed = False

    # --- what it is asked ----------------------------------------------------------------------------------------

    def push(self, samples: Samples) -> None:
        self._waiting.append(samples)
        self._waiting_samples += len(samples)
        if self._waiting_samples >= CHUNK:
            whole = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
            self._waiting, self._waiting_samples = [], 0
            sound = base64.b64encode(whole.astype("<i2").tobytes()).decode()
            self._post({"realtimeInput": {"audio": {"data": sound, "mimeType": f"audio/pcm;rate={IN_RATE_HZ}"}}})

    def commit(self) -> None:
        """Turns are its own."""

    def respond(self, asked: int, *, say: str = "", may_call: bool = True) -> None:
        wish = f"Say exactly this, in these words, and nothing else: {json.dumps(say)}" if say else "Go on, please."
        self._asked = asked
        if self._history_first:
            self.type_text(wish)
            return
        self._unspoken += 1
        self._tell("user", wish, complete=True)

    def type_text(self, text: str) -> None:
        self._unspoken += 1
        notes, self._notes = self._notes, []
        self._post({"realtimeInput": {"text": "\n".join((*notes, text))}})

    def cancel(self, reply: str) -> None:
        """It cannot."""

    def truncate(self, reply: str, item: str, heard_ms: int) -> None:
        """It believes that all was heard."""

    def instruct(self, setup: EngineSetup) -> None:
        text = f"(From now on these are your instructions: {setup.system_prompt})"
        if self._history_first:
            self._notes.append(text)
        else:
            self._tell("user", text, complete=False)

    def remind(self, line: ChatMessage) -> None:
        """Content that comes while it speaks would interrupt it, so that waits for the end."""
        if self._history_first:
            self._notes.append(s2s.retold(line))
            return
        self._reminders.append(line)
        if not self._reply:
            self._tell_reminders()

    def return_tool(self, call: str, result: str) -> None:
        name = self._calls.pop(call, None)
        if name is None:
            return  # the caller has interrupted it, and it wants no answer any more
        if not self._calls:
            self._unspoken += 1
        answer = {"id": call, "name": name, "response": {"result": result}}
        self._post({"toolResponse": {"functionResponses": [answer]}})

    async def aclose(self) -> None:
        self._closed = True
        await self._socket.aclose()

    def _tell_reminders(self) -> None:
        lines, self._reminders = self._reminders, []
        for line in lines:
            self._tell("model" if line.role == "assistant" else "user", line.text, complete=False)

    def _tell(self, role: str, text: str, *, complete: bool) -> None:
        self._post({"clientContent": {"turns": [_turn(role, text)], "turnComplete": complete}})

    def _post(self, message: dict[str, Any]) -> None:
        if not self._closed:
            self._socket.post(json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    # --- its beginning -------------------------------------------------------------------------------------------

    async def begin(self, wanted: dict[str, Any], setup: EngineSetup) -> None:
        """Have it be what was asked for, and tell it what was said before. Raises ProviderError."""
        self._post({"setup": wanted})
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._settle()
        except TimeoutError as error:
            raise TimedOut(f"{self._server.host} set up no session", provider=self._server.provider) from error
        turns = [_turn("model" if line.role == "assistant" else "user", line.text) for line in setup.history]
        if turns and self._history_first:  # said to be over, or it waits for more; it is not answered
            self._post({"clientContent": {"turns": turns, "turnComplete": True}})
            return
        for turn in turns:
            self._post({"clientContent": {"turns": [turn], "turnComplete": False}})

    async def _settle(self) -> None:
        async for message in self._messages:
            if "setupComplete" in read_object(self._server, message):
                return
        raise Unavailable(f"{self._server.host} closed the session", provider=self._server.provider)

    # --- what it sends -------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[EngineEvent]:
        async for message in self._messages:
            for event in self.read(message):
                yield event
        if not self._closed:
            raise Unavailable(f"{self._server.host} closed the session", provider=self._server.provider)

    def read(self, message: str | bytes) -> list[EngineEvent]:
        """What one message says; several things may stand in it. Raises ProviderError."""
        value = read_object(self._server, message)
        told: list[EngineEvent] = []
        content = object_of(value, "serverContent")
        if content.get("interrupted") is True:
            told += self._interrupted()
        told += self._heard(object_of(content, "inputTranscription"))
        for part in list_of(object_of(content, "modelTurn"), "parts"):
            if sound := sound_of(self._server, object_of(part, "inlineData"), "data"):
                told += [*self._opened(), s2s.ReplyAudio(reply=self._reply, samples=self._samples(sound))]
        if words := text_of(object_of(content, "outputTranscription"), "text"):
            told += [*self._opened(), s2s.ReplyWords(reply=self._reply, text=words)]
        told += self._tools(list_of(object_of(value, "toolCall"), "functionCalls"))
        for ident in list_of(object_of(value, "toolCallCancellation"), "ids"):
            if isinstance(ident, str):
                self._calls.pop(ident, None)
        told += _used(self._reply or f"reply_{self._replies}", self._model, object_of(value, "usageMetadata"))
        if content.get("generationComplete") is True or content.get("turnComplete") is True:
            told += self._over()
        return told

    def _heard(self, event: dict[str, Any]) -> list[EngineEvent]:
        text = text_of(event, "text")
        if not text:
            return []
        self._words += text
        return [s2s.CallerWords(item=f"turn_{self._turns + 1}", text=self._words.strip(), final=False)]

    def _samples(self, sound: bytes) -> Samples:
        """Of the reply that is open: it begins with a whole one."""
        sound = self._half + sound
        whole = len(sound) // 2 * 2
        self._half = sound[whole:]
        return np.frombuffer(sound[:whole], "<i2").astype(np.int16)

    def _tools(self, calls: list[Any]) -> list[EngineEvent]:
        """A reply that calls tools is over with that: what it says about their answers is another."""
        told: list[EngineEvent] = []
        for each in calls:
            ident, name = text_of(each, "id"), text_of(each, "name")
            if not name:
                continue
            self._calls[ident] = name
            arguments = json.dumps(object_of(each, "args"), ensure_ascii=False)
            told += [
                *self._opened(),
                s2s.ToolCalled(reply=self._reply, call=ident, name=name, arguments=arguments),
            ]
        return [*told, *self._over()] if told else []

    def _opened(self) -> list[EngineEvent]:
        """The reply that what comes now belongs to, if it has to be opened; first, the turn that it answers."""
        if self._reply:
            return []
        told: list[EngineEvent] = []
        if self._words or not self._unspoken:
            self._turns += 1
            item = f"turn_{self._turns}"
            told = [s2s.TurnTaken(item=item), s2s.CallerWords(item=item, text=self._words.strip())]
            self._words = ""
        else:
            self._unspoken -= 1
        self._replies += 1
        self._reply, self._half = f"reply_{self._replies}", b""
        asked, self._asked = self._asked, None
        return [*told, s2s.ReplyOpened(reply=self._reply, asked=asked)]

    def _over(self) -> list[EngineEvent]:
        reply, self._reply = self._reply, ""
        self._tell_reminders()
        return [s2s.ItemVoiced(reply=reply), s2s.ReplyFinished(reply=reply)] if reply else []

    def _interrupted(self) -> list[EngineEvent]:
        reply, self._reply = self._reply or f"reply_{self._replies}", ""
        self._tell_reminders()
        return [s2s.ReplyInterrupted(reply=reply)] if self._replies else []


def _declared(tool: ToolSpec) -> dict[str, Any]:
    schema = plain_schema(tool.parameters)
    return {"name": tool.name, "description": tool.description, "parametersJsonSchema": schema}


def _used(reply: str, model: str, usage: dict[str, Any]) -> list[EngineEvent]:
    """What a reply took, by what it is made of."""
    if not usage:
        return []
    heard, said = (_by_kind(list_of(usage, f"{way}TokensDetails")) for way in ("prompt", "response"))
    return [
        s2s.ReplyUsed(
            reply=reply,
            model=model,
            input_tokens=heard.get("TEXT", 0),
            output_tokens=said.get("TEXT", 0) + max(0, int(number_of(usage, "thoughtsTokenCount"))),
            audio_input_tokens=heard.get("AUDIO", 0),
            audio_output_tokens=said.get("AUDIO", 0),
        )
    ]


def _by_kind(details: list[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in details:
        kind = text_of(each, "modality")
        found[kind] = found.get(kind, 0) + max(0, int(number_of(each, "tokenCount")))
    return found
