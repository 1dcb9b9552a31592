"""Ultravox: a call is made over REST, and joined by WebSocket. Its model hears the sound itself and takes its turns.

Theory of operation. Sound is linear samples in binary messages, everything else JSON beside them. The platform sends
what it says faster than it is heard, because it is told that we keep it, and says when what was not played is to be
dropped. It names no replies: one begins with the first sound, words or tool call after it was thinking, or after a
tool's answer, and nothing says where it ends. What the caller said is written down beside the reply and may be known
later than that begins: its turn is told with the reply then, and its words when they come. A system prompt cannot be
changed in a call: another is told as a text that asks for no answer.

Source: Ultravox, WebSocket integration and data messages, 2026-11.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np

from patter_cli.audio.frame import Samples
from patter_cli.contracts import s2s
from patter_cli.contracts.llm import ChatMessage, ToolSpec
from patter_cli.contracts.s2s import EngineAbilities, EngineEvent, EngineSetup
from patter_cli.errors import BadReply, BadSetting
from patter_cli.providers.http import Server, pooled_client, refusal, start_of, translated
from patter_cli.providers.socket import Socket, connect
from patter_cli.providers.vendor import Vendor, VendorRecipe, socket_url
from patter_cli.providers.vendor_keys import try_address
from patter_cli.providers.wire_json import number_of, object_of, read_object, text_of

ULTRAVOX = Vendor(name="ultravox", variable="ULTRAVOX_API_KEY", url="https://api.ultravox.ai")

RATE_HZ = 8000
"""Of the telephone line, both ways."""
CHUNK = RATE_HZ // 25
"""Samples in one message of the caller's."""
BUFFER_MS = 30_000
"""Of its sound we keep so much and drop it when told; with less it would send as slowly as it speaks."""
ANSWER_S = 5.0
"""For the call to be made."""
_CALL_BYTES = 1 << 20
"""What was asked for is in the answer, with all of the prompt."""
_TRANSCRIPTS = 64
"""Of so many lines it is remembered which reply they are of."""


@dataclass(frozen=True, slots=True)
class Ultravox(VendorRecipe):
    """Hears, thinks and speaks in one. Its key comes from ULTRAVOX_API_KEY when it is used. Raises BadSetting."""

    vendor = ULTRAVOX
    api_key: str | None = field(default=None, repr=False)
    voice: str = "Mark"
    """A voice's name or id."""
    model: str = "ultravox-v0.7"
    base_url: str | None = None
    """https://api.ultravox.ai unless given."""
    _: KW_ONLY
    temperature: float | None = None
    """0 to 1. None: the platform's own."""

    def __post_init__(self) -> None:
        ULTRAVOX.address(self.base_url)
        if not self.model or not self.voice:
            raise BadSetting("model and voice must be names", hint="leave them out to have the usual ones")
        if self.temperature is not None and not 0 <= self.temperature <= 1:
            raise BadSetting(f"temperature cannot be {self.temperature!r}", hint="between 0 and 1")

    @property
    def abilities(self) -> EngineAbilities:
        return EngineAbilities(
            server_turns=True,
            greets=True,
            input_transcript=True,
            tools=True,
            continues=True,
            instruct=True,
            remind=True,
            tells_end=False,
        )

    @property
    def in_rate_hz(self) -> int:
        return RATE_HZ

    @property
    def out_rate_hz(self) -> int:
        return RATE_HZ

    async def try_key(self) -> None:
        """Ask for one of the calls there were, which costs nothing. Raises ConfigError, ProviderError."""
        server = self.server()
        await try_address(server, "/api/calls?pageSize=1", _headers(server))

    async def open(self, setup: EngineSetup) -> UltravoxSession:
        """One call's session. Raises ProviderError, ConfigError."""
        server = self.server()
        address = await _joined(server, self.call(setup))
        greets = bool(setup.first_message) and not setup.history
        return UltravoxSession(server, await connect(server, address, {}), greets=greets)

    def call(self, setup: EngineSetup) -> dict[str, Any]:
        """The call that is made."""
        greets = setup.first_message and not setup.history
        wanted: dict[str, Any] = {
            "systemPrompt": _with_history(setup),
            "model": self.model,
            "voice": self.voice,
            "firstSpeakerSettings": {"agent": {"text": setup.first_message}} if greets else {"user": {}},
            "medium": {
                "serverWebSocket": {
                    "inputSampleRate": RATE_HZ,
                    "outputSampleRate": RATE_HZ,
                    "clientBufferSizeMs": BUFFER_MS,
                }
            },
            "selectedTools": [{"temporaryTool": _tool(each)} for each in setup.tools],
        }
        if self.temperature is not None:
            wanted["temperature"] = self.temperature
        return wanted


class UltravoxSession:
    """One call's session; see the contract. greets: it says the first message unasked."""

    def __init__(self, server: Server, socket: Socket, *, greets: bool = False) -> None:
        self._server = server
        self._socket = socket
        self._messages = socket.messages()
        self._waiting: list[Samples] = []
        self._waiting_samples = 0
        self._half = b""
        """A byte of a sample whose other one is still to come."""
        self._replies = 0
        self._reply = ""
        """What it is saying; "" until it begins."""
        self._unspoken = int(greets)
        """Replies that are due to something that nobody said: the greeting, what was typed, a tool's answer."""
        self._turns = 0
        self._unanswered = False
        """The last turn was told, and no reply has begun since."""
        self._wordless = ""
        """The turn that was told before its words."""
        self._lines: dict[int, str] = {}
        """Which reply a line of its transcript is of, by its number."""
        self._said: dict[int, str] = {}
        """And what it says so far, the caller's too."""
        self._closed = False

    # --- what it is asked ----------------------------------------------------------------------------------------

    def push(self, samples: Samples) -> None:
        self._waiting.append(samples)
        self._waiting_samples += len(samples)
        if self._waiting_samples >= CHUNK and not self._closed:
            whole = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
            self._waiting, self._waiting_samples = [], 0
            self._socket.post(whole.astype("<i2").tobytes())

    def commit(self) -> None:
        """Turns are its own."""

    def respond(self, asked: int, *, say: str = "", may_call: bool = True) -> None:
        """It replies when it wants to."""

    def type_text(self, text: str) -> None:
        self._unspoken += 1
        self._post({"type": "user_text_message", "text": text, "urgency": "immediate"})

    def cancel(self, reply: str) -> None:
        """It cannot."""

    def truncate(self, reply: str, item: str, heard_ms: int) -> None:
        """It knows by its own clock."""

    def instruct(self, setup: EngineSetup) -> None:
        self._tell(f"(From now on these are your instructions: {setup.system_prompt})")

    def remind(self, line: ChatMessage) -> None:
        self._tell(s2s.retold(line))

    def _tell(self, text: str) -> None:
        """What it need not answer."""
        self._post({"type": "user_text_message", "text": text, "urgency": "later"})

    def return_tool(self, call: str, result: str) -> None:
        answer = {"invocationId": call, "result": result, "responseType": "tool-response", "agentReaction": "speaks"}
        self._post({"type": "client_tool_result", **answer})
        self._reply = ""  # what it says about the answer is another
        self._unspoken += 1

    async def aclose(self) -> None:
        self._closed = True
        await self._socket.aclose()

    def _post(self, message: dict[str, Any]) -> None:
        if not self._closed:
            self._socket.post(json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    # --- what it sends -------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[EngineEvent]:
        async for message in self._messages:
            for event in self.read(message):
                yield event
        if not self._closed:
            yield s2s.EngineLeft(reason="the agent ended the call")

    def read(self, message: str | bytes) -> list[EngineEvent]:
        """What one message says. Raises ProviderError."""
        if isinstance(message, bytes):
            return self._sound(message)
        value = read_object(self._server, message)
        match text_of(value, "type"):
            case "transcript":
                return self._transcript(value)
            case "playback_clear_buffer":
                reply, self._reply = self._reply or f"reply_{self._replies}", ""
                return [s2s.ReplyInterrupted(reply=reply)] if self._replies else []
            case "client_tool_invocation":
                return self._tool(value)
            case "state" if text_of(value, "state") == "thinking":
                self._reply = ""
                return []
            case _:
                return []

    def _sound(self, message: bytes) -> list[EngineEvent]:
        if not message:
            return []
        opened = self._opened()
        sound = self._half + message
        whole = len(sound) // 2 * 2
        self._half = sound[whole:]
        samples = np.frombuffer(sound[:whole], "<i2").astype(np.int16)
        return [*opened, s2s.ReplyAudio(reply=self._reply, samples=samples)]

    def _transcript(self, value: dict[str, Any]) -> list[EngineEvent]:
        """A line's text so far, or what is new of it; of a line that was typed nothing, for that was us."""
        line = int(number_of(value, "ordinal"))
        before = self._said.get(line, "")
        whole = text_of(value, "text") or before + text_of(value, "delta")
        self._said[line] = whole
        if len(self._said) > _TRANSCRIPTS:
            oldest = next(iter(self._said))
            del self._said[oldest]
            self._lines.pop(oldest, None)
        final = value.get("final") is True
        if text_of(value, "role") == "agent":
            return self._spoken(line, before, whole, final=final)
        if text_of(value, "medium") == "text":
            return []
        return self._heard(whole.strip(), final=final)

    def _heard(self, words: str, *, final: bool) -> list[EngineEvent]:
        if not final:
            item = self._wordless or f"turn_{self._turns + 1}"
            return [s2s.CallerWords(item=item, text=words, final=False)] if words else []
        if self._wordless:
            item, self._wordless = self._wordless, ""
            return [s2s.CallerWords(item=item, text=words)]
        if not words:
            return []
        return [*self._turn(), s2s.CallerWords(item=f"turn_{self._turns}", text=words)]

    def _turn(self) -> list[EngineEvent]:
        self._turns += 1
        self._reply = ""
        self._unanswered = True
        return [s2s.TurnTaken(item=f"turn_{self._turns}")]

    def _spoken(self, line: int, before: str, whole: str, *, final: bool) -> list[EngineEvent]:
        """Words may come when their sound is long there: they are their reply's, whatever is said meanwhile."""
        opened: list[EngineEvent] = []
        if line not in self._lines:
            opened = self._opened()
            self._lines[line] = self._reply
        new = whole[len(before) :] if whole.startswith(before) else ""
        if not new and not final:
            return opened
        return [*opened, s2s.ReplyWords(reply=self._lines[line], text=new, over=final)]

    def _tool(self, value: dict[str, Any]) -> list[EngineEvent]:
        call, name = text_of(value, "invocationId"), text_of(value, "toolName")
        if not name:
            return []
        arguments = json.dumps(object_of(value, "parameters"), ensure_ascii=False)
        opened = self._opened()
        return [*opened, s2s.ToolCalled(reply=self._reply, call=call, name=name, arguments=arguments)]

    def _opened(self) -> list[EngineEvent]:
        """The reply that what comes now belongs to, if it has to be opened; first, the turn that it answers."""
        if self._reply:
            return []
        told: list[EngineEvent] = []
        if self._unanswered:
            self._unanswered = False
        elif self._unspoken:
            self._unspoken -= 1
        else:
            told = self._turn()
            self._wordless, self._unanswered = f"turn_{self._turns}", False
        self._replies += 1
        self._reply, self._half = f"reply_{self._replies}", b""
        return [*told, s2s.ReplyOpened(reply=self._reply)]


def _headers(server: Server) -> dict[str, str]:
    return {"x-api-key": server.key}


def _with_history(setup: EngineSetup) -> str:
    """The prompt, and what was said before where this call takes the place of one that broke."""
    if not setup.history:
        return setup.system_prompt
    said = "\n".join(f"{'You' if line.role == 'assistant' else 'Caller'}: {line.text}" for line in setup.history)
    return f"{setup.system_prompt}\n\nThe line was broken for a moment. This was said before, go on from there:\n{said}"


def _tool(tool: ToolSpec) -> dict[str, Any]:
    """A tool that we run, with each of its parameters by itself."""
    required = tool.parameters.get("required")
    fields = object_of(dict(tool.parameters), "properties")
    return {
        "modelToolName": tool.name,
        "description": tool.description,
        "dynamicParameters": [
            {
                "name": name,
                "location": "PARAMETER_LOCATION_BODY",
                "schema": schema,
                "required": isinstance(required, list | tuple) and name in required,
            }
            for name, schema in fields.items()
        ],
        "client": {},
    }


async def _joined(server: Server, wanted: Mapping[str, Any]) -> str:
    """Make a call; the address to join it at. Raises ProviderError."""
    client = await pooled_client()
    content = json.dumps(wanted, ensure_ascii=False).encode()
    headers = {**_headers(server), "content-type": "application/json"}
    address = f"{server.base_url}/api/calls"
    with translated(server):
        async with (
            asyncio.timeout(ANSWER_S),
            client.stream("POST", address, headers=headers, content=content) as response,
        ):
            said = await start_of(response.aiter_raw(), _CALL_BYTES)
    if response.status_code not in (200, 201):
        raise refusal(server, response.status_code, dict(response.headers), said)
    url = text_of(read_object(server, said), "joinUrl")
    encrypted = url.startswith("wss://")
    # A test's or a proxy's own address names itself; the vendor's real ones are encrypted.
    if not encrypted and not (url.startswith("ws://") and socket_url(server, "").startswith("ws://")):
        raise BadReply(f"{server.host} gave no address that the call can be joined at", provider=server.provider)
    return url
