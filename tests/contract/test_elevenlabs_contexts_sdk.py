"""ElevenLabs' sockets of several contexts, of which its library has the types but no client: both ends keep to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from typing import Any, get_args

import pytest

from patter_cli.audio.frame import ULAW_8K
from patter_cli.contracts.tts import WordTimes
from patter_cli.providers.elevenlabs import ElevenLabsTTS
from patter_cli.testing.vendors.elevenlabs import ElevenLabsVendor
from patter_cli.testing.vendors.speech import PeerSocket
from tests.contract.speech_rows import KEY
from tests.contract.test_voices import clause, speak

pytestmark = pytest.mark.sdk


class Noting(ElevenLabsVendor):
    """Keeps what it sends."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.told: list[Any] = []

    async def hold(self, socket: PeerSocket) -> None:
        send = socket.send

        async def noted(message: str | bytes | Mapping[str, Any]) -> None:
            self.told.append(message)
            await send(message)

        socket.send = noted  # type: ignore[method-assign]
        await super().hold(socket)


def fits(message: Mapping[str, Any], kinds: Iterable[Any]) -> bool:
    """Whether it is one of these as it is written down: every field known, every value of its type."""
    for kind in kinds:
        names = {each.alias or name for name, each in kind.model_fields.items()} | set(kind.model_fields)
        try:
            if set(message) <= names:
                kind.model_validate(message)
                return True
        except ValueError:
            continue
    return False


async def test_both_ends_keep_to_the_librarys_types() -> None:
    """Clauses of one reply, one that is broken off, another reply, and the end: each message of ours and of the twin's
    is one that the library knows."""
    types = pytest.importorskip("elevenlabs.v_1_text_to_speech_voice_id_multi_stream_input.types")
    async with Noting(key=KEY) as vendor:
        voice = ElevenLabsTTS(KEY, base_url=vendor.url, stability=0.4, speed=1.1)
        session = await voice.open_on(ULAW_8K)
        for text in ("We open at nine.", "Say that again."):
            await speak(session, 8000, text, 1)
        async with aclosing(clause(session, "one moment please")) as pieces:
            async for piece in pieces:
                if not isinstance(piece, WordTimes):
                    break
        await speak(session, 8000, "Goodbye.", 2)
        await session.aclose()
    ours, theirs = (get_args(each) for each in (types.SendMessageMulti, types.ReceiveMessageMulti))
    assert len(vendor.heard) >= 10
    assert [each for each in vendor.heard if not fits(each, ours)] == []
    told = [each for each in vendor.told if isinstance(each, Mapping)]
    assert len(told) >= 4
    assert [json.dumps(each) for each in told if not fits(each, theirs)] == []
    assert not fits({"text": "a", "contextid": "c1"}, ours), "a name that it does not know is refused"
