"""OpenAI's own SDK completes a session with our stand-in of its Realtime API, and knows every message of it."""

from __future__ import annotations

import base64

import numpy as np
import openai
from openai.types.realtime import RealtimeServerEvent, RealtimeSessionCreateRequest
from pydantic import TypeAdapter

from patter_cli.audio.g711 import encode_ulaw
from patter_cli.contracts.llm import ToolSpec
from patter_cli.contracts.s2s import EngineSetup
from patter_cli.providers.openai_realtime import OpenAIRealtime
from patter_cli.testing.speech_peer import Said
from patter_cli.testing.vendors.openai_realtime import RealtimeVendor, tone_of
from patter_cli.testing.vendors.server import serve

BOOK = ToolSpec(name="book", description="Books a table.", parameters={"type": "object", "properties": {}})


async def test_the_sdk_holds_a_conversation_with_the_stand_in() -> None:
    """A turn, a reply with sound and words, a tool called, its answer used; no message is unknown to the SDK."""
    calls = Said(items=("Let me see.",), calls=(("book", "{}"),))
    vendor = RealtimeVendor(("We open at nine.", calls, "It is booked."))
    known: TypeAdapter[RealtimeServerEvent] = TypeAdapter(RealtimeServerEvent)
    async with serve(vendor) as lab:
        client = openai.AsyncOpenAI(api_key="sk-lab", base_url=lab.url, websocket_base_url=lab.socket_url)
        async with client.realtime.connect(model="gpt-realtime-2.1") as connection:
            await connection.session.update(session=OpenAIRealtime("sk").settings(EngineSetup(system_prompt="Hi.")))  # type: ignore[arg-type]
            said, sound, call = "", b"", ""
            replies = 0
            async for event in connection:
                known.validate_python(event.model_dump())
                match event.type:
                    case "session.updated":
                        audio = base64.b64encode(encode_ulaw(np.zeros(1600, np.int16))).decode()
                        await connection.input_audio_buffer.append(audio=audio)
                        await connection.input_audio_buffer.commit()
                        await connection.response.create()
                    case "response.output_audio_transcript.done":
                        said += event.transcript + " "
                    case "response.output_audio.delta":
                        sound += base64.b64decode(event.delta)
                    case "response.function_call_arguments.done":
                        call = event.call_id
                    case "response.done":
                        replies += 1
                        assert event.response.status == "completed"
                        if call:
                            item = {"type": "function_call_output", "call_id": call, "output": "{}"}
                            await connection.conversation.item.create(item=item)  # type: ignore[arg-type]
                            call = ""
                        if replies == 3:
                            break
                        await connection.response.create()
                    case "error":
                        raise AssertionError(event.error)
                    case _:
                        pass
    assert said == "We open at nine. Let me see. It is booked. "
    assert sound == tone_of("We open at nine.") + tone_of("Let me see.") + tone_of("It is booked.")


def test_what_we_ask_of_a_session_is_a_session() -> None:
    """Every field that we send is one of the SDK's, with a value that it takes."""
    setup = EngineSetup(system_prompt="Be brief.", tools=(BOOK,), language="en-GB")
    for engine in (
        OpenAIRealtime("sk"),
        OpenAIRealtime("sk", turns="server_vad", speed=1.2, voice="cedar"),
        OpenAIRealtime("sk", turns="semantic_vad", reasoning_effort="low", transcription_model=""),
    ):
        session = RealtimeSessionCreateRequest.model_validate(engine.settings(setup))
        assert not _unknown(session)
        assert session.audio is not None
        assert session.audio.input is not None
        assert session.audio.input.format is not None
        assert session.audio.input.format.type == "audio/pcmu"


def _unknown(model: object) -> list[str]:
    extra = list(getattr(model, "model_extra", None) or ())
    for name in getattr(type(model), "model_fields", ()):
        extra += _unknown(getattr(model, name))
    return extra
