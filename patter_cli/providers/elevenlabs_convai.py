"""ElevenLabs' agents: one conversation a call. The platform's agent hears, thinks, speaks and takes its turns itself.

Theory of operation. Prompt, greeting, language and voice are put over those of the agent on the platform, which must
allow that in its security settings. Formats are the agent's own and told at the beginning; where they are not the
telephone's, sound is converted here. The platform names neither replies nor items: a reply begins with the first sound
or words after the caller's turn or a tool's answer, and nothing says where it ends. Nothing can be cancelled or taken
back. What it thinks was heard of a reply that was interrupted goes by its own clock, as if sound were heard when it is
sent: its corrections are left alone, for the line says what was heard, and its letters' times to which word.

Source: ElevenLabs, agents WebSocket, 2026-11.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np

from patter_cli import keys
from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.audio.resample import Resampler
from patter_cli.contracts import s2s
from patter_cli.contracts.llm import ChatMessage
from patter_cli.contracts.s2s import EngineAbilities, EngineEvent, EngineSetup
from patter_cli.errors import BadReply, ConfigError, ProviderError, TimedOut, Unavailable
from patter_cli.providers.elevenlabs_agent import look_once, platform_agent
from patter_cli.providers.elevenlabs_voices import ELEVENLABS, named_voice
from patter_cli.providers.http import ERROR_BYTES, Server, pooled_client, refusal, start_of, translated
from patter_cli.providers.socket import Socket, connect
from patter_cli.providers.spoken_letters import SpokenLetters
from patter_cli.providers.vendor import socket_url
from patter_cli.providers.wire_json import number_of, numbers_of, object_of, read_object, sound_of, text_of, texts_of

log = logging.getLogger(__name__)

AGENT_VARIABLE = "ELEVENLABS_AGENT_ID"
RATE_HZ = 8000
"""Of the telephone line."""
CHUNK = RATE_HZ // 10
"""Samples in one message of the caller's: a message costs more than its sound."""
ANSWER_S = 5.0
"""For the signed address, and for the conversation's beginning."""
_STATUSES = {1002: 500, 1008: 400, 1011: 500}
"""What the socket's close codes stand for: 1008 is a fault of ours, which comes again with the next try."""
_FORMAT = re.compile(r"(pcm|ulaw)_([0-9]{4,5})")


@dataclass(frozen=True, slots=True)
class ElevenLabsConvAI:
    """An agent of ElevenLabs'. Its key comes from ELEVENLABS_API_KEY, its id from ELEVENLABS_AGENT_ID, when it is used.

    Prompt, greeting and voice of the call are put over the platform's; "Security" there must allow it.
    """

    api_key: str | None = field(default=None, repr=False)
    agent_id: str | None = None
    voice: str = ""
    """A stock voice's name, one of your own voices' by name, or any voice's id; "": the platform's agent's own."""
    base_url: str | None = None
    """https://api.elevenlabs.io unless given; one of the residency hosts, where the agent lives."""
    _: KW_ONLY
    overrides: bool = True
    """False: prompt, greeting, language and voice are those of the platform's agent."""
    voice_id: str = ""
    """The older name of `voice`, which it takes the place of."""

    def __post_init__(self) -> None:
        ELEVENLABS.address(self.base_url)
        if self.voice_id:
            object.__setattr__(self, "voice", self.voice_id)
            object.__setattr__(self, "voice_id", "")  # so that a call's own voice can replace it

    @property
    def provider(self) -> str:
        """Always "elevenlabs"."""
        return ELEVENLABS.name

    @property
    def key_variable(self) -> str:
        return ELEVENLABS.variable

    @property
    def abilities(self) -> EngineAbilities:
        return EngineAbilities(
            server_turns=True,
            greets=True,
            input_transcript=True,
            tools=True,
            continues=True,
            instruct=True,
            word_times=True,
            remind=True,
            tells_end=False,
        )

    @property
    def in_rate_hz(self) -> int:
        return RATE_HZ

    @property
    def out_rate_hz(self) -> int:
        return RATE_HZ

    def check(self) -> None:
        """Whether a conversation could be asked for. Raises MissingCredential, ConfigError, BadSetting."""
        self._server()
        self._agent()

    async def try_key(self) -> str:
        """Ask for the agent, which costs nothing. Returns what every agent of ours needs there and it lacks, "" for
        nothing. Raises ConfigError, ProviderError."""
        from patter_cli.core.tool_calls import END_CALL  # it brings the whole plan of a call with it

        server = self._server()
        found = await platform_agent(server, self._agent(), _headers(server))
        lacking = found.lacks((END_CALL,))
        return lacking and f"its agent lacks the {lacking}"

    async def open(self, setup: EngineSetup) -> ConvAISession:
        """One call's conversation, once it has begun. Raises ProviderError, ConfigError."""
        server, agent = self._server(), self._agent()
        asks_voice = self.overrides and self.voice
        voice = await named_voice(server, self.voice, _headers(server)) if asks_voice else ""
        if setup.tools:
            look_once(server, agent, _headers(server), tuple(each.name for each in setup.tools))
        url = await _signed_url(server, agent)
        session = ConvAISession(server, await connect(server, url, {}, statuses=_STATUSES))
        try:
            await session.begin(self.initiation(setup, voice))
        except BaseException:
            await session.aclose()
            raise
        return session

    def initiation(self, setup: EngineSetup, voice_id: str = "") -> dict[str, Any]:
        """conversation_initiation_client_data: what this conversation is to be. voice_id: "" for the platform's."""
        begun: dict[str, Any] = {"type": "conversation_initiation_client_data"}
        if self.overrides:
            said = "\n".join(f"{each.role}: {each.text}" for each in setup.history)
            prompt = setup.system_prompt + (f"\n\nThe call goes on. So far was said:\n{said}" if said else "")
            agent: dict[str, Any] = {
                "prompt": {"prompt": prompt},
                "first_message": "" if setup.history else setup.first_message,
                "language": setup.language.partition("-")[0],
            }
            begun["conversation_config_override"] = {"agent": agent}
            if voice_id:
                begun["conversation_config_override"]["tts"] = {"voice_id": voice_id}
        return begun

    def _server(self) -> Server:
        return ELEVENLABS.server("ElevenLabsConvAI", self.api_key, self.base_url)

    def _agent(self) -> str:
        agent = (self.agent_id if self.agent_id is not None else keys.look_up(AGENT_VARIABLE)).strip()
        if not agent:
            raise ConfigError(
                f"ElevenLabsConvAI needs an agent, and {AGENT_VARIABLE} is not set",
                hint="make one at elevenlabs.io under Agents, allow overrides in its Security settings, and "
                f"export {AGENT_VARIABLE}=agent_…",
            )
        return agent


class ConvAISession:
    """One call's conversation; see the contract."""

    def __init__(self, server: Server, socket: Socket) -> None:
        self._server = server
        self._socket = socket
        self._messages = socket.messages()
        self._encode: Callable[[Samples], bytes] = encode_ulaw
        self._decode: Callable[[bytes], Samples] = decode_ulaw
        self._out_hz = RATE_HZ
        self._to_them = Resampler(RATE_HZ, RATE_HZ)
        self._to_us = Resampler(RATE_HZ, RATE_HZ)
        self._waiting: list[Samples] = []
        self._waiting_samples = 0
        self._replies = 0
        self._reply = ""
        """What it is saying; "" once the caller has had a turn."""
        self._worded = False
        """This reply has had its words; the next ones are of another."""
        self._letters = SpokenLetters()
        """Of this reply."""
        self._cut = -1
        """Sound up to this event is of what was given up."""
        self._turns = 0
        self._closed = False

    # --- what it is asked ----------------------------------------------------------------------------------------

    def push(self, samples: Samples) -> None:
        self._waiting.append(samples)
        self._waiting_samples += len(samples)
        if self._waiting_samples >= CHUNK:
            whole = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
            self._waiting, self._waiting_samples = [], 0
            sound = self._encode(self._to_them.process(whole))
            self._post({"user_audio_chunk": base64.b64encode(sound).decode()})

    def commit(self) -> None:
        """Turns are its own."""

    def respond(self, asked: int, *, say: str = "", may_call: bool = True) -> None:
        """It replies when it wants to."""

    def type_text(self, text: str) -> None:
        self._post({"type": "user_message", "text": text})

    def cancel(self, reply: str) -> None:
        """It cannot."""

    def truncate(self, reply: str, item: str, heard_ms: int) -> None:
        """It believes what its own clock says."""

    def instruct(self, setup: EngineSetup) -> None:
        self._tell(f"From now on your instructions are:\n{setup.system_prompt}")

    def remind(self, line: ChatMessage) -> None:
        self._tell(s2s.retold(line))

    def _tell(self, text: str) -> None:
        """What interrupts nothing, and is not answered."""
        self._post({"type": "contextual_update", "text": text})

    def return_tool(self, call: str, result: str) -> None:
        self._post({"type": "client_tool_result", "tool_call_id": call, "result": result, "is_error": False})
        self._reply = ""  # what it says now goes on with what it said before the call

    async def aclose(self) -> None:
        self._closed = True
        await self._socket.aclose()

    def _post(self, message: dict[str, Any]) -> None:
        if not self._closed:
            self._socket.post(json.dumps(message, ensure_ascii=False, separators=(",", ":")))

    # --- its beginning -------------------------------------------------------------------------------------------

    async def begin(self, initiation: dict[str, Any]) -> None:
        """Say what it is to be, and learn what it speaks. Raises ProviderError."""
        self._post(initiation)
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._learn()
        except TimeoutError as error:
            raise TimedOut(f"{self._server.host} began no conversation", provider=self._server.provider) from error

    async def _learn(self) -> None:
        async for message in self._messages:
            value = read_object(self._server, message)
            match text_of(value, "type"):
                case "conversation_initiation_metadata":
                    told = object_of(value, "conversation_initiation_metadata_event")
                    heard, spoken = (text_of(told, f"{way}_audio_format") for way in ("user_input", "agent_output"))
                    encoding, rate_hz = self._format(heard or "pcm_16000")
                    self._encode = encode_ulaw if encoding == "ulaw" else _encode_pcm
                    self._to_them = Resampler(RATE_HZ, rate_hz)
                    encoding, rate_hz = self._format(spoken or "pcm_16000")
                    self._decode = decode_ulaw if encoding == "ulaw" else _decode_pcm
                    self._out_hz = rate_hz
                    self._to_us = Resampler(rate_hz, RATE_HZ)
                    return
                case "ping":
                    self._pong(value)
                case "error":
                    raise self._error(value)
                case _:
                    pass
        raise Unavailable(
            f"{self._server.host} closed before the conversation began: is there credit left?",
            provider=self._server.provider,
        )

    def _format(self, name: str) -> tuple[str, int]:
        found = _FORMAT.fullmatch(name)
        if found is None or (found[1] == "ulaw" and found[2] != "8000"):
            raise BadReply(f"{self._server.host} speaks {name[:40]!a}", provider=self._server.provider)
        return found[1], int(found[2])

    # --- what it sends -------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[EngineEvent]:
        async for message in self._messages:
            for event in self.read(message):
                yield event
        if not self._closed:
            yield s2s.EngineLeft(reason="the agent ended the conversation")

    def read(self, message: str | bytes) -> list[EngineEvent]:
        """What one message says. Raises ProviderError for one after which there is no conversation."""
        value = read_object(self._server, message)
        match text_of(value, "type"):
            case "audio":
                return self._sound(object_of(value, "audio_event"))
            case "agent_response":
                return self._words(text_of(object_of(value, "agent_response_event"), "agent_response"))
            case "interruption":
                return self._interrupted(object_of(value, "interruption_event"))
            case "tentative_user_transcript":
                text = text_of(object_of(value, "tentative_user_transcription_event"), "user_transcript")
                return [s2s.CallerWords(item=f"turn_{self._turns + 1}", text=text, final=False)] if text else []
            case "user_transcript":
                return self._turn(text_of(object_of(value, "user_transcription_event"), "user_transcript"))
            case "client_tool_call":
                return self._tool(object_of(value, "client_tool_call"))
            case "ping":
                self._pong(value)
                return []
            case "error":
                raise self._error(value)
            case _:
                return []

    def _sound(self, event: dict[str, Any]) -> list[EngineEvent]:
        if number_of(event, "event_id", 0) <= self._cut:
            return []
        sound = self._decode(sound_of(self._server, event, "audio_base_64"))
        opened = self._opened()
        self._letters.sound(len(sound) * 1000 / self._out_hz, _letters_of(event))
        return [*opened, s2s.ReplyAudio(reply=self._reply, samples=self._to_us.process(sound)), *self._timed()]

    def _words(self, text: str) -> list[EngineEvent]:
        if self._worded:
            self._reply = ""
        opened = self._opened()
        self._worded = True
        self._letters.text(text)
        return [*opened, s2s.ReplyWords(reply=self._reply, text=text, over=True), *self._timed()]

    def _timed(self) -> list[EngineEvent]:
        news = self._letters.news()
        return [] if news is None else [s2s.ReplyWordTimes(reply=self._reply, starts_ms=news[0], ends_ms=news[1])]

    def _interrupted(self, event: dict[str, Any]) -> list[EngineEvent]:
        self._cut = max(self._cut, int(number_of(event, "event_id", -1)))
        reply, self._reply = self._reply, ""
        return [s2s.ReplyInterrupted(reply=reply)] if reply else []

    def _turn(self, text: str) -> list[EngineEvent]:
        self._turns += 1
        self._reply = ""
        item = f"turn_{self._turns}"
        return [s2s.TurnTaken(item=item), s2s.CallerWords(item=item, text=text.strip())]

    def _tool(self, event: dict[str, Any]) -> list[EngineEvent]:
        call, name = text_of(event, "tool_call_id"), text_of(event, "tool_name")
        arguments = json.dumps(object_of(event, "parameters"), ensure_ascii=False)
        opened = self._opened()
        return [*opened, s2s.ToolCalled(reply=self._reply, call=call, name=name, arguments=arguments)]

    def _opened(self) -> list[EngineEvent]:
        """The reply that what comes now belongs to, if it has to be opened."""
        if self._reply:
            return []
        self._replies += 1
        self._reply = f"reply_{self._replies}"
        self._worded, self._letters = False, SpokenLetters()
        return [s2s.ReplyOpened(reply=self._reply)]

    def _pong(self, value: dict[str, Any]) -> None:
        event = object_of(value, "ping_event").get("event_id")
        if isinstance(event, int):
            self._post({"type": "pong", "event_id": event})

    def _error(self, value: dict[str, Any]) -> ProviderError:
        event = object_of(value, "error_event")
        code = int(number_of(event, "code"))
        body = {"error": {"message": text_of(event, "message"), "type": text_of(event, "error_type")}}
        return refusal(self._server, _STATUSES.get(code, 500), {}, json.dumps(body).encode())


def _headers(server: Server) -> dict[str, str]:
    return {"xi-api-key": server.key}


async def _signed_url(server: Server, agent: str) -> str:
    """An address that is good for this conversation. Raises ProviderError."""
    client = await pooled_client()
    address = f"{server.base_url}/v1/convai/conversation/get-signed-url?agent_id={quote(agent, safe='')}"
    with translated(server):
        async with asyncio.timeout(ANSWER_S), client.stream("GET", address, headers=_headers(server)) as response:
            said = await start_of(response.aiter_raw(), ERROR_BYTES)
    if response.status_code != 200:
        raise refusal(server, response.status_code, dict(response.headers), said)
    url = text_of(read_object(server, said), "signed_url")
    if not url.startswith(("ws://", "wss://")):
        raise BadReply(f"{server.host} gave no address for the conversation", provider=server.provider)
    # A test's or a proxy's own address names itself; the vendor's real ones are encrypted.
    if url.startswith("ws://") and not socket_url(server, "").startswith("ws://"):
        raise BadReply(f"{server.host} gave an address that is not encrypted", provider=server.provider)
    return url


def _encode_pcm(samples: Samples) -> bytes:
    return samples.astype("<i2").tobytes()


def _decode_pcm(sound: bytes) -> Samples:
    return np.frombuffer(sound[: len(sound) // 2 * 2], "<i2").astype(np.int16)


def _letters_of(event: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    """Each letter of a piece of sound with its beginning in it and its length, in ms; none where nothing is told."""
    told = object_of(event, "alignment")
    starts, lengths = numbers_of(told, "char_start_times_ms"), numbers_of(told, "char_durations_ms")
    return zip(texts_of(told, "chars"), starts, lengths, strict=False)
