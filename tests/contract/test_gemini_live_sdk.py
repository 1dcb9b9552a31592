"""Google's own SDK holds a conversation with our stand-in of its Live API, and knows every field that we send."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from google import genai
from google.genai import types

from patter_cli.contracts.llm import ToolSpec
from patter_cli.contracts.s2s import EngineSetup
from patter_cli.providers.gemini_live import GeminiLive
from patter_cli.testing.speech_peer import Said
from patter_cli.testing.vendors.gemini_live import GeminiVendor
from patter_cli.testing.vendors.server import serve
from patter_cli.testing.vendors.tls import lab_tls

pytestmark = pytest.mark.sdk

SCRIPT = ("We open at nine.", Said(items=("Let me see.",), calls=(("book", '{"people": 2}'),)), "It is booked.")
VOICE = np.concatenate([np.full(8000, 3000, "<i2"), np.zeros(12_000, "<i2")]).tobytes()
BOOK = ToolSpec(name="book", description="Books a table.", parameters={"type": "object", "properties": {}})


async def test_the_sdk_holds_a_conversation_with_the_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TLS, for it wants nothing else: a turn is answered, a tool called, and its answer used."""
    vendor = GeminiVendor(SCRIPT)
    said, heard, sound, booked = "", "", 0, []
    tls = lab_tls(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "lab.pem"))
    async with serve(vendor, path="", tls=tls) as lab, asyncio.timeout(20):
        client = genai.Client(api_key="sk-lab", http_options=types.HttpOptions(base_url=lab.url, api_version="v1beta"))
        config = types.LiveConnectConfig(
            response_modalities=[types.Modality.AUDIO],
            input_audio_transcription=types.AudioTranscriptionConfig(),
            output_audio_transcription=types.AudioTranscriptionConfig(),
        )
        async with client.aio.live.connect(model="gemini-3.8-live", config=config) as session:
            for expected in ("We open at nine.", "It is booked."):
                await session.send_realtime_input(audio=types.Blob(data=VOICE, mime_type="audio/pcm;rate=16000"))
                while expected not in said:
                    async for message in session.receive():
                        content = message.server_content
                        if content is not None and content.output_transcription is not None:
                            said += content.output_transcription.text or ""
                        if content is not None and content.input_transcription is not None:
                            heard += content.input_transcription.text or ""
                        sound += len(message.data or b"")
                        if message.tool_call is not None:
                            (call,) = message.tool_call.function_calls or ()
                            booked.append(call.args)
                            answer = types.FunctionResponse(id=call.id, name=call.name, response={"result": "done"})
                            await session.send_tool_response(function_responses=[answer])
    assert said == "We open at nine.Let me see.It is booked."
    assert heard == "When do you open?" * 2
    assert booked == [{"people": 2}]
    assert sound == 2 * 3 * 320 * len(said)


def test_what_we_ask_of_a_session_is_a_session() -> None:
    """Every field of the setup is one of the SDK's."""
    wanted = GeminiLive("sk").setup(EngineSetup(system_prompt="Be brief.", tools=(BOOK,)))
    model = wanted.pop("model")
    setup = types.LiveConnectConfig.model_validate(wanted)
    assert model == "models/gemini-3.8-live"
    assert setup.generation_config is not None
    assert setup.generation_config.response_modalities == [types.Modality.AUDIO]
    assert setup.realtime_input_config is not None
    detection = setup.realtime_input_config.automatic_activity_detection
    assert detection is not None
    assert detection.silence_duration_ms == 500
