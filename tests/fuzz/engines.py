"""What speech-to-speech engines say is read by, for the fuzzer: one message of a session in, a word for it out."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, cast

import numpy as np

from patter_cli.contracts import s2s
from patter_cli.contracts.s2s import EngineEvent, EngineSetup
from patter_cli.errors import ProviderError
from patter_cli.providers.elevenlabs_convai import ConvAISession
from patter_cli.providers.gemini_live import LiveSession
from patter_cli.providers.openai_realtime import OpenAIRealtime, RealtimeSession
from patter_cli.providers.socket import Socket
from patter_cli.providers.ultravox import UltravoxSession
from tests.fuzz.speech import refused
from tests.fuzz.vendors import ACME, SECRET

REALTIME = (
    '{"type":"response.created","response":{"id":"r1","status":"in_progress","metadata":{"asked":"1"}}}',
    '{"type":"response.output_item.added","response_id":"r1","item":{"id":"i1","type":"function_call","call_id":"c1",'
    '"name":"book"}}',
    '{"type":"response.output_audio.delta","response_id":"r1","item_id":"i1","content_index":0,"delta":"AAECAwQF"}',
    '{"type":"response.output_audio.done","response_id":"r1","item_id":"i1"}',
    '{"type":"response.output_audio_transcript.delta","response_id":"r1","item_id":"i1","delta":"We open"}',
    '{"type":"response.output_audio_transcript.done","response_id":"r1","item_id":"i1","transcript":"We open."}',
    '{"type":"response.function_call_arguments.done","response_id":"r1","item_id":"i2","call_id":"c","arguments":""}',
    '{"type":"input_audio_buffer.speech_started","audio_start_ms":100,"item_id":"i3"}',
    '{"type":"input_audio_buffer.committed","item_id":"i3","previous_item_id":null}',
    '{"type":"conversation.item.input_audio_transcription.delta","item_id":"i3","delta":"When do"}',
    '{"type":"conversation.item.input_audio_transcription.completed","item_id":"i3","transcript":"When do you open?"}',
    '{"type":"conversation.item.input_audio_transcription.failed","item_id":"i3","error":{"message":"no"}}',
    '{"type":"response.done","response":{"id":"r1","status":"failed","status_details":{"error":{"code":"rate_limit",'
    '"message":"m"}},"usage":{"input_token_details":{"text_tokens":5,"audio_tokens":15,"cached_tokens":4,'
    '"cached_tokens_details":{"audio_tokens":2}},"output_token_details":{"text_tokens":3,"audio_tokens":9}}}}',
    '{"type":"error","error":{"code":"conversation_already_has_active_response","message":"m","event_id":"patter_1"}}',
    '{"type":"error","error":{"code":"session_expired","message":"m"}}',
)
CONVAI = (
    '{"type":"audio","audio_event":{"audio_base_64":"AAECAwQF","event_id":7,"alignment":{"chars":["H","i","."],'
    '"char_start_times_ms":[0,60,120],"char_durations_ms":[60,60,10]}}}',
    '{"type":"agent_response","agent_response_event":{"agent_response":"Let me look.","event_id":7}}',
    '{"type":"user_transcript","user_transcription_event":{"user_transcript":"Where is my order?","event_id":5}}',
    '{"type":"tentative_user_transcript","tentative_user_transcription_event":{"user_transcript":"Where","event_id":5}}',
    '{"type":"interruption","interruption_event":{"event_id":7}}',
    '{"type":"ping","ping_event":{"event_id":12,"ping_ms":43}}',
    '{"type":"client_tool_call","client_tool_call":{"tool_name":"book","tool_call_id":"c1","parameters":{"id":"A1"}}}',
    '{"type":"error","error_event":{"code":1008,"message":"m","error_type":"override_error"}}',
)


GEMINI = (
    '{"setupComplete":{}}',
    '{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AAECAwQF"}}]},'
    '"outputTranscription":{"text":"We open"}}}',
    '{"serverContent":{"inputTranscription":{"text":"When do you open?","finished":true}}}',
    '{"serverContent":{"interrupted":true,"turnComplete":true}}',
    '{"serverContent":{"generationComplete":true},"usageMetadata":{"promptTokensDetails":[{"modality":"AUDIO",'
    '"tokenCount":15}],"responseTokensDetails":[{"modality":"TEXT","tokenCount":3}],"thoughtsTokenCount":2}}',
    '{"toolCall":{"functionCalls":[{"id":"c1","name":"book","args":{"people":2}}]}}',
    '{"toolCallCancellation":{"ids":["c1"]}}',
    '{"goAway":{"timeLeft":"50s"}}',
    '{"sessionResumptionUpdate":{"newHandle":"h","resumable":true}}',
)


ULTRAVOX = (
    '{"type":"call_started","callId":"c"}',
    '{"type":"state","state":"thinking"}',
    '{"type":"transcript","role":"user","medium":"voice","text":"When do you open?","final":true,"ordinal":1}',
    '{"type":"transcript","role":"agent","medium":"voice","delta":"We open","final":false,"ordinal":2}',
    '{"type":"transcript","role":"agent","medium":"voice","text":"We open at nine.","final":true,"ordinal":2}',
    '{"type":"playback_clear_buffer"}',
    '{"type":"client_tool_invocation","toolName":"book","invocationId":"i1","parameters":{"people":2}}',
    '{"type":"pong","timestamp":1.5}',
)


class _Reader(Protocol):
    def read(self, message: str | bytes) -> list[EngineEvent]: ...


class _NoSocket:
    """Nobody is at its other end."""

    def __init__(self) -> None:
        self.posted = 0

    def post(self, *messages: str | bytes) -> None:
        for each in messages:
            self.posted += len(each)

    async def messages(self) -> AsyncIterator[str | bytes]:
        return
        yield ""


def _realtime() -> _Reader:
    session = RealtimeSession(ACME, cast(Socket, _NoSocket()), OpenAIRealtime(SECRET), EngineSetup(system_prompt=""))
    session.respond(1)
    return session


ENGINES: dict[str, tuple[tuple[str, ...], Callable[[], _Reader]]] = {
    "engine-openai": (REALTIME, _realtime),
    "engine-gemini": (GEMINI, lambda: LiveSession(ACME, cast(Socket, _NoSocket()), "gemini-3.8-live")),
    "engine-ultravox": (ULTRAVOX, lambda: UltravoxSession(ACME, cast(Socket, _NoSocket()))),
    "engine-convai": (CONVAI, lambda: ConvAISession(ACME, cast(Socket, _NoSocket()))),
}


def engine_reader(new: Callable[[], _Reader]) -> Callable[[random.Random], Callable[[str], str]]:
    """Reads messages of one session, each as text or as bytes."""

    def target(dice: random.Random) -> Callable[[str], str]:
        session = new()

        def read(text: str) -> str:
            nonlocal session
            message: Any = text if dice.random() < 0.8 else text.encode("utf-8", "surrogatepass")
            try:
                told = session.read(message)
            except ProviderError as error:
                session = new()
                return refused(error)
            for each in told:
                _check(each)
            return type(told[-1]).__name__ if told else "nothing"

        return read

    return target


def _check(event: EngineEvent) -> None:
    match event:
        case s2s.ReplyAudio(samples=samples):
            assert samples.dtype == np.int16
        case s2s.ReplyUsed():
            assert event.cached_tokens >= 0
            assert event.cached_audio_tokens >= 0
            assert event.output_tokens >= 0
        case s2s.ReplyWordTimes(starts_ms=starts, ends_ms=ends):
            assert len(starts) == len(ends)
            assert all(0 <= start <= end for start, end in zip(starts, ends, strict=True))
        case s2s.ReplyOpened(reply=reply, asked=asked):
            assert isinstance(reply, str)
            assert asked is None or 0 <= asked < 10**9
        case s2s.ToolCalled():
            assert isinstance(event.call + event.name + event.arguments, str)
        case s2s.CallerWords(text=text) | s2s.ReplyWords(text=text) | s2s.ReplyFinished(failed=text):
            assert isinstance(text, str)
        case s2s.ReplyWordTimes(starts_ms=starts, ends_ms=ends):
            assert len(starts) == len(ends)
            assert all(0 <= start <= end for start, end in zip(starts, ends, strict=True))
        case _:
            pass
