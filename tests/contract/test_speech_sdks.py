"""The vendors' own libraries as referees: each holds a session with our scripted vendor, and then our client does.

What a library reads of the twin's messages is what ours reads; what ours sends, its types accept where it has any.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import io
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from patter_cli.audio.frame import ULAW_8K, AudioFormat, Encoding
from patter_cli.audio.wire import wire_codec
from patter_cli.providers.openai_speech import WhisperSTT
from patter_cli.testing.vendors.speech import SpeechVendor
from patter_cli.testing.vendors.tones import ToneEars, spoken
from tests.contract.speech_rows import EARS, KEY, VOICES, EarsRow, VoiceRow
from tests.contract.test_recognisers import bare, calling
from tests.contract.test_voices import opened, speak

pytestmark = pytest.mark.sdk

SAID = "book a table"
REPLY = "We open at nine."
LINEAR_16K = AudioFormat(encoding=Encoding.L16_LE, rate_hz=16000)
VOICE = "21m00Tcm4TlvDq8ikWAM"


def installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def needs(module: str) -> None:
    if not installed(module):
        pytest.skip(f"needs {module}")


def sound_of(text: str, format: AudioFormat = ULAW_8K, pause_ms: int = 240) -> list[bytes]:
    """60 ms each."""
    silence = np.zeros(format.rate_hz * pause_ms // 1000, np.int16)
    coded = wire_codec(format).encode(np.concatenate((spoken(text, format.rate_hz)[0], silence)))
    size = format.bytes_per_ms * 60
    pieces = [coded[at : at + size] for at in range(0, len(coded), size)]
    return [piece.ljust(size, wire_codec(format).silence[:1]) for piece in pieces]


async def heard(sound: bytes, format: AudioFormat) -> str:
    ears = ToneEars(format.rate_hz)
    ears.push(wire_codec(format).decode(sound[: len(sound) // 2 * 2] if format.encoding is Encoding.L16_LE else sound))
    await ears.settle()
    return " ".join(each.text for each in ears.words)


async def deepgram_nova(vendor: SpeechVendor) -> str:
    needs("deepgram")
    from deepgram import AsyncDeepgramClient
    from deepgram.environment import DeepgramClientEnvironment as Environment

    socket = vendor.url.replace("http", "ws", 1)
    there = Environment(base=vendor.url, production=socket, agent=socket, agent_rest=vendor.url)
    client = AsyncDeepgramClient(api_key=KEY, environment=there)
    words: list[str] = []
    async with client.listen.v1.connect(
        model="nova-3", encoding="mulaw", sample_rate="8000", interim_results="true", endpointing="300"
    ) as session:
        for piece in sound_of(SAID):
            await session.send_media(piece)
        await session.send_finalize()
        async for message in session:
            if message.type == "Results" and message.is_final:
                words.append(message.channel.alternatives[0].transcript)
                if message.from_finalize:
                    break
        await session.send_close_stream()
    return " ".join(each for each in words if each)


async def deepgram_flux(vendor: SpeechVendor) -> str:
    needs("deepgram")
    from deepgram import AsyncDeepgramClient
    from deepgram.environment import DeepgramClientEnvironment as Environment

    socket = vendor.url.replace("http", "ws", 1)
    there = Environment(base=vendor.url, production=socket, agent=socket, agent_rest=vendor.url)
    client = AsyncDeepgramClient(api_key=KEY, environment=there)
    async with client.listen.v2.connect(model="flux-general-en", encoding="mulaw", sample_rate="8000") as session:
        for piece in sound_of(SAID, pause_ms=600):
            await session.send_media(piece)
        async for message in session:
            if message.type == "TurnInfo" and message.event == "EndOfTurn":
                return str(message.transcript)
    return ""


async def openai_ears(vendor: SpeechVendor) -> str:
    needs("openai")
    from openai import AsyncOpenAI

    async with (
        AsyncOpenAI(api_key=KEY, base_url=f"{vendor.url}/v1", max_retries=0) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as session,
    ):
        wanted = WhisperSTT(KEY, language="en", keyterms=("Ann",))._session(ULAW_8K)
        await session.session.update(session=wanted["session"])
        for piece in sound_of(SAID):
            await session.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        await session.input_audio_buffer.commit()
        async for event in session:
            if event.type == "conversation.item.input_audio_transcription.completed":
                return str(event.transcript)
    return ""


async def cartesia_ink(vendor: SpeechVendor) -> str:
    needs("cartesia")
    from cartesia import AsyncCartesia

    text = ""
    async with (
        AsyncCartesia(api_key=KEY, base_url=vendor.url) as client,
        client.stt.manual_finalize.websocket(model="ink-2", encoding="pcm_mulaw", sample_rate=8000) as session,
    ):
        for piece in sound_of(SAID):
            await session.send_raw(piece)
        await session.send("finalize")
        async for message in session:
            if message.type == "transcript" and message.is_final:
                text += message.text
            elif message.type == "flush_done":
                break
    return text


async def cartesia_turns(vendor: SpeechVendor) -> str:
    needs("cartesia")
    from cartesia import AsyncCartesia

    async with (
        AsyncCartesia(api_key=KEY, base_url=vendor.url) as client,
        client.stt.auto_finalize.websocket(model="ink-2", encoding="pcm_mulaw", sample_rate=8000) as session,
    ):
        for piece in sound_of(SAID, pause_ms=600):
            await session.send_raw(piece)
        async for message in session:
            if message.type == "turn.end":
                return str(message.transcript)
    return ""


async def assemblyai_ears(vendor: SpeechVendor) -> str:
    needs("assemblyai")
    from assemblyai.streaming.v3 import models
    from assemblyai.streaming.v3.async_client import AsyncRealTimeTranscriber

    turns: list[Any] = []
    done = asyncio.Event()

    def turn(client: Any, event: Any) -> None:
        if event.end_of_turn:
            turns.append(event)
            done.set()

    options = models.RealTimeTranscriberOptions(api_key=KEY, api_host=vendor.url.replace("http", "ws", 1))
    client = AsyncRealTimeTranscriber(options)
    client.on(models.RealTimeEvents.Turn, turn)
    await client.connect(
        models.RealTimeParameters(sample_rate=8000, encoding="pcm_mulaw", speech_model="universal-3-6-pro")
    )
    for piece in sound_of(SAID):
        await client.stream(piece)
    await client.force_endpoint()
    async with asyncio.timeout(3):
        await done.wait()
    await client.disconnect(terminate=True)
    return str(turns[0].transcript)


async def soniox_ears(vendor: SpeechVendor) -> str:
    needs("soniox")
    from soniox import AsyncSonioxClient
    from soniox.types.realtime import RealtimeSTTConfig

    text = ""
    address = f"{vendor.url.replace('http', 'ws', 1)}/transcribe-websocket"
    client = AsyncSonioxClient(api_key=KEY, websocket_base_url=address)
    config = RealtimeSTTConfig(model="stt-rt-v5", audio_format="mulaw", sample_rate=8000, num_channels=1)
    async with client.realtime.stt.connect(config=config) as session:
        for piece in sound_of(SAID):
            await session.send_byte_chunk(piece)
        await session.finalize()
        async for event in session.receive_events():
            marks = [each.text for each in event.tokens if each.text == "<fin>"]
            text += "".join(each.text for each in event.tokens if each.is_final and each.text != "<fin>")
            if marks:
                break
    return text


async def speechmatics_ears(vendor: SpeechVendor) -> str:
    needs("speechmatics")
    from speechmatics.rt import AsyncClient, AudioEncoding, ServerMessageType, TranscriptionConfig
    from speechmatics.rt import AudioFormat as TheirFormat

    text: list[str] = []
    client = AsyncClient(api_key=KEY, url=f"{vendor.url.replace('http', 'ws', 1)}/v2")
    client.on(ServerMessageType.ADD_TRANSCRIPT, lambda message: text.append(message["metadata"]["transcript"]))
    await client.transcribe(
        io.BytesIO(b"".join(sound_of(SAID))),
        transcription_config=TranscriptionConfig(language="en", enable_partials=True),
        audio_format=TheirFormat(encoding=AudioEncoding.MULAW, sample_rate=8000, chunk_size=480),
    )
    await client.close()
    return "".join(text)


async def elevenlabs_http(vendor: SpeechVendor) -> str:
    needs("elevenlabs")
    from elevenlabs.client import AsyncElevenLabs

    client = AsyncElevenLabs(api_key=KEY, base_url=vendor.url)
    sound, letters = b"", ""
    async for chunk in client.text_to_speech.stream_with_timestamps(
        VOICE, text=REPLY, model_id="eleven_flash_v2_5", output_format="ulaw_8000"
    ):
        sound += base64.b64decode(chunk.audio_base_64)
        letters += "".join(chunk.alignment.characters)
    assert letters.strip() == REPLY
    return await heard(sound, ULAW_8K)


async def elevenlabs_socket(vendor: SpeechVendor) -> str:
    """Its library speaks `stream-input` alone, and blocks; the twin's contexts are judged by its documents."""
    needs("elevenlabs")
    from elevenlabs.client import ElevenLabs

    found: list[bytes] = []

    def work() -> None:
        client = ElevenLabs(api_key=KEY, base_url=vendor.url)
        client.text_to_speech._ws_base_url = vendor.url.replace("http", "ws", 1)  # it knows TLS alone
        found.extend(
            client.text_to_speech.convert_realtime(
                VOICE, text=iter([REPLY + " "]), model_id="eleven_flash_v2_5", output_format="pcm_16000"
            )
        )

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    async with asyncio.timeout(5):
        while thread.is_alive():  # noqa: ASYNC110 - a thread has no event
            await asyncio.sleep(0.02)
    return await heard(b"".join(found), LINEAR_16K)


async def openai_voice(vendor: SpeechVendor) -> str:
    needs("openai")
    from openai import AsyncOpenAI

    async with (
        AsyncOpenAI(api_key=KEY, base_url=f"{vendor.url}/v1", max_retries=0) as client,
        client.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="coral", input=REPLY, response_format="pcm"
        ) as response,
    ):
        sound = await response.read()
    return await heard(sound, AudioFormat(encoding=Encoding.L16_LE, rate_hz=24000))


async def cartesia_voice(vendor: SpeechVendor) -> str:
    needs("cartesia")
    from cartesia import AsyncCartesia

    sound, words = b"", []
    wanted = {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}
    async with (
        AsyncCartesia(
            api_key=KEY, base_url=vendor.url, websocket_base_url=vendor.url.replace("http", "ws", 1)
        ) as client,
        client.tts.websocket_connect() as session,
    ):
        await session.send(
            {
                "context_id": "c1",
                "model_id": "sonic-3.5",
                "transcript": REPLY,
                "voice": {"mode": "id", "id": VOICE},
                "language": "en",
                "output_format": wanted,
                "add_timestamps": True,
                "continue": False,
            }
        )
        async for message in session:
            if message.type == "chunk":
                sound += message.audio or b""
            elif message.type == "timestamps":
                words += message.word_timestamps.words
            elif message.type == "done":
                break
    assert words == REPLY.split()
    return await heard(sound, ULAW_8K)


async def lmnt_voice(vendor: SpeechVendor) -> str:
    needs("lmnt")
    from lmnt import AsyncLmnt

    sound, words = b"", []
    async with AsyncLmnt(api_key=KEY, base_url=vendor.url) as client:
        session = await client.speech.sessions.create(
            voice="leah", format="pcm_s16le", sample_rate=16000, language="en", return_timestamps=True
        )
        await session.send_text(REPLY)
        await session.send_flush()
        async for message in session:
            match message.type:
                case "audio":
                    sound += message.audio
                case "timestamps":
                    words += [each.text for each in message.timestamps]
                case "flush_complete":
                    break
        await session.close()
    assert words == REPLY.split()
    return await heard(sound, LINEAR_16K)


THEIRS: dict[str, Callable[[SpeechVendor], Awaitable[str]]] = {
    "deepgram nova-3": deepgram_nova,
    "deepgram flux": deepgram_flux,
    "openai": openai_ears,
    "cartesia ink": cartesia_ink,
    "cartesia turns": cartesia_turns,
    "assemblyai": assemblyai_ears,
    "soniox": soniox_ears,
    "speechmatics": speechmatics_ears,
}
THEIR_VOICES: dict[str, Callable[[SpeechVendor], Awaitable[str]]] = {
    "elevenlabs socket": elevenlabs_socket,
    "elevenlabs http": elevenlabs_http,
    "openai": openai_voice,
    "cartesia sonic": cartesia_voice,
    "lmnt": lmnt_voice,
}


@pytest.mark.parametrize("row", EARS, ids=str)
async def test_the_library_and_our_client_hear_the_same(row: EarsRow) -> None:
    """The library first: it proves the twin. Then ours."""
    async with row.vendor(key=KEY) as vendor:
        async with asyncio.timeout(8):
            theirs = await THEIRS[row.name](vendor)
        assert bare(theirs) == SAID
        async with calling(row, vendor) as caller:
            await caller.say(SAID, live=row.live_pace)
            assert bare((await caller.final()).text) == SAID


@pytest.mark.parametrize("row", [each for each in VOICES if each.name in THEIR_VOICES], ids=lambda row: row.name)
async def test_the_library_and_our_client_speak_the_same(row: VoiceRow) -> None:
    """The same words in the same sound."""
    async with row.vendor(key=KEY) as vendor:
        async with asyncio.timeout(8):
            assert await THEIR_VOICES[row.name](vendor) == "we open at nine"
        session, rate_hz = await opened(row, row.make(vendor.url))
        assert await (await speak(session, rate_hz, REPLY)).words() == "we open at nine"
        await session.aclose()


def test_types_accept_what_we_ask_openai_for() -> None:
    """Every field of the session is one that the library knows."""
    needs("openai")
    from openai.types.realtime import RealtimeTranscriptionSessionCreateRequestParam as Wanted
    from pydantic import TypeAdapter

    for format in (ULAW_8K, AudioFormat(encoding=Encoding.L16_LE, rate_hz=24000)):
        sent = WhisperSTT(KEY, language="en", keyterms=("Ann",))._session(format)["session"]
        checked: Any = TypeAdapter(Wanted).validate_python(sent)
        assert json.loads(json.dumps(checked)) == sent
