"""OpenAI's speech-to-speech models: one session of the Realtime API a call.

Theory of operation. Turns are ours unless somebody wants the vendor's: what the detector calls speech goes in,
`commit` makes it an item, `respond` asks for a reply. Only one reply can be under way at the vendor's, so what is asked
meanwhile waits for the end of it. A reply says which wish it answers, for the wish travels with it as metadata. One
that fails before it brought anything, because the vendor is busy or has stumbled, is asked for once more, and is the
same reply to everybody else.

A session that is refused one field keeps all of its defaults, which on a telephone is noise: nothing is sent and
nothing heard before it has said that it is what was asked for.

Source: OpenAI Realtime API, the GA interface, 2026-11.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from patter_cli.audio.frame import Samples
from patter_cli.audio.g711 import decode_ulaw, encode_ulaw
from patter_cli.contracts import s2s
from patter_cli.contracts.llm import ChatMessage, ToolSpec
from patter_cli.contracts.s2s import EngineAbilities, EngineEvent, EngineSetup
from patter_cli.errors import BadReply, BadSetting, TimedOut, Unavailable
from patter_cli.providers.http import Server, error_inside
from patter_cli.providers.socket import Socket, connect
from patter_cli.providers.vendor import Vendor, current_model, socket_url
from patter_cli.providers.vendor_keys import try_address
from patter_cli.providers.wire_json import number_of, object_of, read_object, sound_of, text_of

log = logging.getLogger(__name__)

OPENAI = Vendor(name="openai", variable="OPENAI_API_KEY", url="https://api.openai.com/v1", version="v1")

Turns = Literal["ours", "server_vad", "semantic_vad"]

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
RETIRED = {
    "gpt-4o-realtime-preview": "gpt-realtime-2.1",
    "gpt-4o-mini-realtime-preview": "gpt-realtime-2.1-mini",
}
ENDING = dict.fromkeys(
    ("gpt-realtime", "gpt-realtime-2025-08-28", "gpt-realtime-mini", "gpt-realtime-mini-2025-12-15"), "2027-01-20"
)
"""Source: OpenAI, deprecations, 2026-11."""
_CONVERSES = re.compile(r"realtime(?!-whisper|-translate)")
"""What the names of its models that hold a conversation have; a server of somebody's own names them as it likes."""
_ITS_OWN = ".api.openai.com"
RATE_HZ = 8000
"""Mu-law, as the telephone has it: no rate is changed on the way there or back."""
LEAST_SAMPLES = RATE_HZ // 10
"""What an item of the caller's must have at least; a shorter one is filled up with silence."""
ANSWER_S = 4.0
"""For the session to say that it is what was asked for."""
SESSION_S = 50 * 60.0
"""A session ends after an hour without a warning: another takes its place before that."""
_FATAL = frozenset(
    (
        "invalid_api_key",
        "insufficient_quota",
        "account_deactivated",
        "billing_hard_limit_reached",
        "model_not_found",
        "session_expired",
        "beta_api_shape_disabled",
    )
)
"""Errors after which a session is of no use."""
_PASSING = frozenset(("rate_limit_exceeded", "inference_rate_limit_exceeded", "server_error"))
"""Errors of a reply that may be gone the next time."""
_AGAIN = re.compile(r"try again in ([0-9]{1,6}(?:\.[0-9]{1,6})?)(ms|s)\b")
AGAIN_S = 0.5
LONGEST_WAIT_S = 2.0
"""Between a reply that failed and the second try, where the vendor does not say; and at most."""


@dataclass(frozen=True, slots=True)
class OpenAIRealtime:
    """Hears, thinks and speaks in one. Its key comes from OPENAI_API_KEY when it is used. Raises BadSetting."""

    api_key: str | None = field(default=None, repr=False)
    voice: str = "marin"
    """alloy, ash, ballad, cedar, coral, echo, marin, sage, shimmer, verse, or the id of one's own."""
    model: str = "gpt-realtime-2.1"
    base_url: str | None = None
    """https://api.openai.com/v1 unless given."""
    _: KW_ONLY
    turns: Turns = "ours"
    """Who decides that the caller has finished: our detector, or one of the vendor's."""
    transcription_model: str = "gpt-transcribe"
    """Writes down what the caller says; "" for nothing."""
    reasoning_effort: str = ""
    """minimal to xhigh, where the model reasons; "" leaves it to the model."""
    speed: float = 1.0
    """0.25 to 1.5."""

    def __post_init__(self) -> None:
        OPENAI.address(self.base_url)
        object.__setattr__(self, "model", current_model("openai", self.model, _retired(self.model), ENDING))
        if self.turns not in ("ours", "server_vad", "semantic_vad"):
            raise BadSetting(f"turns cannot be {self.turns!r}", hint='turns="ours", "server_vad" or "semantic_vad"')
        if not 0.25 <= self.speed <= 1.5:
            raise BadSetting(f"speed cannot be {self.speed!r}", hint="between 0.25 and 1.5")
        if not self.has_voice(self.voice):
            raise BadSetting(
                f"OpenAI has no voice {self.voice!r}",
                hint=f"one of {', '.join(VOICES)}, or the id of your own, voice_…",
            )

    @property
    def provider(self) -> str:
        """Always "openai"."""
        return OPENAI.name

    @property
    def key_variable(self) -> str:
        return OPENAI.variable

    def has_voice(self, name: str) -> bool:
        """Whether this may be one of its voices."""
        return name in VOICES or name.startswith("voice_")

    @property
    def abilities(self) -> EngineAbilities:
        ours = self.turns == "ours"
        return EngineAbilities(
            server_turns=True,
            commit=ours,
            cancel=True,
            truncate=True,
            instruct=True,
            remind=True,
            input_transcript=bool(self.transcription_model),
            tools=True,
            continues=not ours,
            session_s=SESSION_S,
        )

    @property
    def in_rate_hz(self) -> int:
        return RATE_HZ

    @property
    def out_rate_hz(self) -> int:
        return RATE_HZ

    def check(self) -> None:
        """Whether a session could be asked for. Raises MissingCredential, BadSetting."""
        host = urlsplit(self._server().base_url).hostname or ""
        if f".{host}".endswith(_ITS_OWN) and not _CONVERSES.search(self.model):
            raise BadSetting(
                f"OpenAI's {self.model} cannot hear and speak by itself",
                hint='model="gpt-realtime-2.1"; or llm=OpenAILLM(…), with stt and tts, in place of the engine',
            )

    async def try_key(self) -> None:
        """Ask what the model is, which costs nothing. Raises ConfigError, ProviderError."""
        server = self._server()
        await try_address(server, f"/models/{self.model}", server.headers)

    async def open(self, setup: EngineSetup) -> RealtimeSession:
        """One call's session, once it is what was asked for. Raises ProviderError, ConfigError."""
        server = self._server()
        url = socket_url(server, "/realtime", {"model": self.model})
        session = RealtimeSession(server, await connect(server, url, server.headers), self, setup)
        try:
            await session.begin()
        except BaseException:
            await session.aclose()
            raise
        return session

    def settings(self, setup: EngineSetup) -> dict[str, Any]:
        """The `session` of session.update."""
        language = setup.language.partition("-")[0]
        heard: dict[str, Any] = {"format": {"type": "audio/pcmu"}, "turn_detection": None}
        if self.transcription_model:
            heard["transcription"] = {"model": self.transcription_model, "language": language}
        if self.turns != "ours":
            heard["turn_detection"] = {"type": self.turns, "create_response": True, "interrupt_response": True}
        settings: dict[str, Any] = {
            "type": "realtime",
            "instructions": setup.system_prompt,
            "output_modalities": ["audio"],
            "audio": {
                "input": heard,
                "output": {"format": {"type": "audio/pcmu"}, "voice": self._voice(), "speed": self.speed},
            },
            "tools": [_tool(each) for each in setup.tools],
            "tool_choice": "auto",
        }
        if self.reasoning_effort:
            settings["reasoning"] = {"effort": self.reasoning_effort}
        return settings

    def _voice(self) -> str | dict[str, str]:
        """One's own is an object."""
        return {"id": self.voice} if self.voice.startswith("voice_") else self.voice

    def _server(self) -> Server:
        return OPENAI.server("OpenAIRealtime", self.api_key, self.base_url)


class RealtimeSession:
    """One call's session; see the contract."""

    def __init__(self, server: Server, socket: Socket, recipe: OpenAIRealtime, setup: EngineSetup) -> None:
        self._server = server
        self._socket = socket
        self._recipe = recipe
        self._setup = setup
        self._messages = socket.messages()
        self._pushed = 0
        """Samples that are no item yet."""
        self._reply = ""
        """The reply under way at the vendor's."""
        self._heard = ""
        """The last reply begun: what a voice interrupts, for it is played long after it is made."""
        self._cancelled = ""
        """Of this one more may be on its way, which nobody wants."""
        self._asking = ""
        """The id of the wish that was sent and that no reply has answered."""
        self._wishes: deque[dict[str, Any]] = deque()
        """What is asked for once the reply under way is over."""
        self._asked: dict[str, int] = {}
        """Our wishes by the id that they were sent under."""
        self._wish: dict[str, Any] = {}
        """That was sent last."""
        self._brought = False
        """The reply under way has brought something."""
        self._again = ""
        """The reply that failed and is tried a second time; "" once that has begun."""
        self._again_in: asyncio.TimerHandle | None = None
        """Until then nothing is asked for."""
        self._unwanted = ""
        """It, where nobody wants it any more."""
        self._names: dict[str, str] = {}
        """What a second try is called, by the vendor's id of it."""
        self._sent = 0
        self._items: dict[str, _Item] = {}
        """Of the caller and of replies, by the vendor's ids."""
        self._calls: dict[str, str] = {}
        """Names of tools by the ids of their calls."""
        self._due: set[str] = set()
        """Calls that are not answered."""
        self._closed = False

    # --- what it is asked ----------------------------------------------------------------------------------------

    def push(self, samples: Samples) -> None:
        self._pushed += len(samples)
        self._post("input_audio_buffer.append", audio=base64.b64encode(encode_ulaw(samples)).decode())

    def commit(self) -> None:
        if self._pushed < LEAST_SAMPLES:
            silence = b"\xff" * (LEAST_SAMPLES - self._pushed)
            self._post("input_audio_buffer.append", audio=base64.b64encode(silence).decode())
        self._pushed = 0
        self._post("input_audio_buffer.commit")

    def respond(self, asked: int, *, say: str = "", may_call: bool = True) -> None:
        wish: dict[str, Any] = {"metadata": {"asked": str(asked)}}
        if say:
            wish["instructions"] = f"Say exactly this, in these words, and nothing else: {json.dumps(say)}"
            wish["tool_choice"] = "none"
        elif not may_call:
            wish["tool_choice"] = "none"
        self._wishes.append(wish)
        self._ask_next()

    def type_text(self, text: str) -> None:
        self._add({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
        if self._setup.server_turns:
            self._wishes.append({})
            self._ask_next()

    def cancel(self, reply: str) -> None:
        if reply and reply == self._again:
            self._unwanted = reply
        elif self._reply and reply == self._named(self._reply) and self._reply != self._cancelled:
            self._cancel_now()

    def _cancel_now(self) -> None:
        self._cancelled = self._reply
        self._post("response.cancel", response_id=self._reply)

    def _named(self, reply: str) -> str:
        return self._names.get(reply, reply)

    def truncate(self, reply: str, item: str, heard_ms: int) -> None:
        if heard_ms <= 0:
            self._post("conversation.item.delete", item_id=item)
        else:
            known = self._items.get(item)
            end = heard_ms if known is None else min(heard_ms, known.received // (RATE_HZ // 1000))
            self._post("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=end)

    def instruct(self, setup: EngineSetup) -> None:
        self._setup = setup
        changed: dict[str, Any] = {"type": "realtime", "instructions": setup.system_prompt}
        heard = self._recipe.settings(setup)["audio"]["input"]
        if "transcription" in heard:
            changed["audio"] = {"input": {"transcription": heard["transcription"]}}
        self._post("session.update", session=changed)

    def remind(self, line: ChatMessage) -> None:
        self._add(_told(line))

    def return_tool(self, call: str, result: str) -> None:
        self._add({"type": "function_call_output", "call_id": call, "output": result})
        self._due.discard(call)
        if self._recipe.turns != "ours" and not self._due:
            self._wishes.append({})  # its own turns begin with a voice, and nobody has one for this
            self._ask_next()

    async def aclose(self) -> None:
        self._closed = True
        if self._again_in is not None:
            self._again_in.cancel()
        await self._socket.aclose()

    def _post(self, kind: str, **fields: Any) -> str:
        """Send one message; returns its id, by which an error names it."""
        self._sent += 1
        event = f"patter_{self._sent}"
        if not self._closed:
            message = {"type": kind, "event_id": event, **fields}
            self._socket.post(json.dumps(message, ensure_ascii=False, separators=(",", ":")))
        return event

    def _add(self, item: dict[str, Any]) -> None:
        self._post("conversation.item.create", item=item)

    def _ask_next(self) -> None:
        """Ask for the next reply, unless one is under way or coming."""
        if self._wishes and not self._reply and not self._asking and self._again_in is None:
            wish = self._wish = self._wishes.popleft()
            self._asking = self._post("response.create", response=wish)
            if "metadata" in wish:
                self._asked[self._asking] = int(wish["metadata"]["asked"])

    # --- its beginning -------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Have it be what was asked for. Raises ProviderError."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._settle()
        except TimeoutError as error:
            raise TimedOut(f"{self._server.host} opened no session", provider=self._server.provider) from error
        for line in self._setup.history:
            self._add(_told(line))

    async def _settle(self) -> None:
        wanted = self._recipe.settings(self._setup)
        self._post("session.update", session=wanted)
        async for message in self._messages:
            value = read_object(self._server, message)
            match text_of(value, "type"):
                case "error":
                    raise error_inside(self._server, object_of(value, "error"))
                case "session.updated":
                    self._compare(object_of(value, "session"))
                    return
                case _:
                    pass
        raise Unavailable(f"{self._server.host} closed the session", provider=self._server.provider)

    def _compare(self, session: dict[str, Any]) -> None:
        audio = object_of(session, "audio")
        for way in ("input", "output"):
            kind = text_of(object_of(object_of(audio, way), "format"), "type")
            if kind != "audio/pcmu":
                raise BadReply(
                    f"{self._server.host} speaks {kind or 'nothing that it names'} where mu-law was asked for",
                    provider=self._server.provider,
                )

    # --- what it sends -------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[EngineEvent]:
        async for message in self._messages:
            for event in self.read(message):
                yield event
        if not self._closed:
            raise Unavailable(f"{self._server.host} closed the session", provider=self._server.provider)

    def read(self, message: str | bytes) -> list[EngineEvent]:
        """What one message says. Raises ProviderError for one after which there is no session."""
        value = read_object(self._server, message)
        kind = text_of(value, "type")
        reply, item = text_of(value, "response_id"), text_of(value, "item_id")
        if reply and reply == self._cancelled:
            return []
        self._brought = self._brought or (reply == self._reply and kind.startswith(_BRINGS))
        reply = self._named(reply)
        match kind:
            case "response.created":
                return self._begin(object_of(value, "response"))
            case "response.output_audio.delta" | "response.audio.delta":
                samples = decode_ulaw(sound_of(self._server, value, "delta"))
                self._item(item).received += len(samples)
                return [s2s.ReplyAudio(reply=reply, item=item, samples=samples)]
            case "response.output_audio.done" | "response.audio.done":
                return [s2s.ItemVoiced(reply=reply, item=item)]
            case "response.output_audio_transcript.delta" | "response.audio_transcript.delta":
                text = text_of(value, "delta")
                self._item(item).text += text
                return [s2s.ReplyWords(reply=reply, item=item, text=text)]
            case "response.output_audio_transcript.done" | "response.audio_transcript.done":
                whole, known = text_of(value, "transcript"), self._item(item).text
                rest = whole[len(known) :] if whole.startswith(known) else ""
                return [s2s.ReplyWords(reply=reply, item=item, text=rest, over=True)]
            case "response.output_item.added":
                added = object_of(value, "item")
                self._calls[text_of(added, "call_id")] = text_of(added, "name")
                return []
            case "response.function_call_arguments.done":
                call = text_of(value, "call_id")
                name = text_of(value, "name") or self._calls.get(call, "")
                self._due.add(call)
                return [s2s.ToolCalled(reply=reply, call=call, name=name, arguments=text_of(value, "arguments"))]
            case "response.done":
                return self._end(object_of(value, "response"))
            case "input_audio_buffer.speech_started":
                heard, self._heard = self._heard, ""
                return [s2s.ReplyInterrupted(reply=heard)] if heard else []
            case "input_audio_buffer.committed":
                return [s2s.TurnTaken(item=item)]
            case "conversation.item.input_audio_transcription.delta":
                said = self._item(item)
                said.text += text_of(value, "delta")
                return [s2s.CallerWords(item=item, text=said.text, final=False)]
            case "conversation.item.input_audio_transcription.completed":
                return [s2s.CallerWords(item=item, text=text_of(value, "transcript").strip())]
            case "conversation.item.input_audio_transcription.failed":
                log.warning("%s could not write down what the caller said", self._server.host)
                return [s2s.CallerWords(item=item, text="")]
            case "error":
                return self._fail(object_of(value, "error"))
            case _:
                return []

    def _item(self, name: str) -> _Item:
        return self._items.setdefault(name, _Item())

    def _begin(self, response: dict[str, Any]) -> list[EngineEvent]:
        self._reply = self._heard = text_of(response, "id")
        self._brought = False
        self._asked.pop(self._asking, None)
        self._asking = ""
        asked = text_of(object_of(response, "metadata"), "asked")
        if again := self._again:
            self._again, unwanted, self._unwanted = "", self._unwanted, ""
            self._names = {self._reply: again}
            self._heard = again
            if unwanted:
                self._cancel_now()
            return []
        known = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else None
        return [s2s.ReplyOpened(reply=self._reply, asked=known)]

    def _end(self, response: dict[str, Any]) -> list[EngineEvent]:
        ident = text_of(response, "id")
        reply = self._named(ident)
        used = _used(reply, self._recipe.model, object_of(response, "usage"))
        if ident == self._reply:
            self._reply = ""
            if self._tries_again(ident, response):
                return used
        self._ask_next()
        details = object_of(response, "status_details")
        failed = ""
        match text_of(response, "status"):
            case "failed":
                error = object_of(details, "error")
                if text_of(error, "code") in _FATAL:
                    raise error_inside(self._server, error)
                failed = text_of(error, "message") or text_of(error, "code") or "the reply failed"
            case "incomplete" if text_of(details, "reason") == "content_filter":
                failed = "the vendor's filter has stopped the reply"
            case _:
                pass
        return [*used, s2s.ReplyFinished(reply=reply, failed=failed)]

    def _tries_again(self, reply: str, response: dict[str, Any]) -> bool:
        """Whether the reply that has just ended is asked for once more, which has been seen to then."""
        error = object_of(object_of(response, "status_details"), "error")
        wait_s = _again_s(error)
        mine = "metadata" in self._wish and text_of(object_of(response, "metadata"), "asked") != ""
        if wait_s is None or not mine or self._brought or reply in self._names or reply == self._cancelled:
            return False
        log.warning("%s: %s; asked again in %.1f s", self._server.host, text_of(error, "message")[:300], wait_s)
        self._again = reply
        self._wishes.appendleft(self._wish)
        self._again_in = asyncio.get_running_loop().call_later(wait_s, self._try_again)
        return True

    def _try_again(self) -> None:
        self._again_in = None
        self._ask_next()

    def _fail(self, error: dict[str, Any]) -> list[EngineEvent]:
        code, message, event = (text_of(error, name) for name in ("code", "message", "event_id"))
        if code in _FATAL:
            raise error_inside(self._server, error)
        log.warning("%s: %s (%s)", self._server.host, message[:300], code)
        if not event or event != self._asking:
            return []
        self._asking = ""
        asked = self._asked.pop(event, None)
        if again := self._again:
            self._again = self._unwanted = ""
            self._ask_next()
            return [s2s.ReplyFinished(reply=again, failed=message or code)]
        if code == "conversation_already_has_active_response" and asked is not None:
            # One of the vendor's own came first: ours is asked for again when that is over.
            self._wishes.appendleft({"metadata": {"asked": str(asked)}})
            return []
        self._ask_next()
        refused = f"refused_{event}"
        return [s2s.ReplyOpened(reply=refused, asked=asked), s2s.ReplyFinished(reply=refused, failed=message or code)]


_BRINGS = ("response.output_audio", "response.audio", "response.function_call")
"""How messages begin in which something of a reply comes."""


def _again_s(error: dict[str, Any]) -> float | None:
    """How long to wait before a reply that failed so is asked for again; None: it is not."""
    if text_of(error, "code") not in _PASSING and text_of(error, "type") not in _PASSING:
        return None
    found = _AGAIN.search(text_of(error, "message"))
    wait_s = AGAIN_S if found is None else float(found[1]) * (0.001 if found[2] == "ms" else 1.0)
    return wait_s if wait_s <= LONGEST_WAIT_S else None


@dataclass(slots=True)
class _Item:
    """received: samples of its sound that have come. text: its words so far."""

    received: int = 0
    text: str = ""


def _retired(model: str) -> dict[str, str]:
    """A retired family's names carry dates: gpt-4o-realtime-preview-2024-12-17."""
    family = next((each for each in sorted(RETIRED, key=len, reverse=True) if model.startswith(each)), "")
    return {model: RETIRED[family]} if family else {}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}


def _told(line: ChatMessage) -> dict[str, Any]:
    """A line of an earlier session, or one that was said without this one, as an item of it."""
    content = {"type": "output_text" if line.role == "assistant" else "input_text", "text": line.text}
    return {"type": "message", "role": line.role, "content": [content]}


def _used(reply: str, model: str, usage: dict[str, Any]) -> list[EngineEvent]:
    """What a reply took; nothing where nothing is said, as of one that was broken off."""
    if not usage:
        return []
    heard, said = object_of(usage, "input_token_details"), object_of(usage, "output_token_details")
    sound = _tokens(heard, "audio_tokens")
    cached_sound = min(sound, _tokens(object_of(heard, "cached_tokens_details"), "audio_tokens"))
    return [
        s2s.ReplyUsed(
            reply=reply,
            model=model,
            input_tokens=_tokens(heard, "text_tokens"),
            cached_tokens=min(_tokens(heard, "text_tokens"), max(0, _tokens(heard, "cached_tokens") - cached_sound)),
            output_tokens=_tokens(said, "text_tokens"),
            audio_input_tokens=sound,
            cached_audio_tokens=cached_sound,
            audio_output_tokens=_tokens(said, "audio_tokens"),
        )
    ]


def _tokens(counted: dict[str, Any], name: str) -> int:
    return max(0, int(number_of(counted, name)))
