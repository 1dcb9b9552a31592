"""ElevenLabs: where it is reached, and voices by name: the stock ones, and those of an account, asked for once."""

from __future__ import annotations

import asyncio
import json
import re
from urllib.parse import quote

from patter_cli.errors import BadSetting
from patter_cli.providers.http import Server, pooled_client, refusal, start_of, translated
from patter_cli.providers.vendor import Vendor
from patter_cli.providers.wire_json import list_of, text_of

ELEVENLABS = Vendor(name="elevenlabs", variable="ELEVENLABS_API_KEY", url="https://api.elevenlabs.io")

STOCK = {
    "rachel": "21m00Tcm4TlvDq8ikWAM",
    "adam": "pNInz6obpgDQGcFmaJgB",
    "alice": "Xb7hH8MSUJpSbSDYk0k2",
    "antoni": "ErXwobaYiN019PkySvjV",
    "aria": "9BWtsMINqrJLrRacOk9x",
    "arnold": "VR6AewLTigWG4xSOukaG",
    "bella": "EXAVITQu4vr4xnSDxMaL",
    "bill": "pqHfZKP75CvOlQylNhV4",
    "brian": "nPczCjzI2devNBz1zQrb",
    "callum": "N2lVS1w4EtoT3dr4eOWO",
    "charlie": "IKne3meq5aSn9XLyUdCD",
    "charlotte": "XB0fDUnXU5powFXDhCwa",
    "chris": "iP95p4xoKVk53GoZ742B",
    "daniel": "onwK4e9ZLuTAKqWW03F9",
    "domi": "AZnzlk1XvdvUeBnXmlld",
    "elli": "MF3mGyEYCl7XYWbV9V6O",
    "eric": "cjVigY5qzO86Huf0OWal",
    "george": "JBFqnCBsd6RMkjVDRZzb",
    "jessica": "cgSgspJ2msm6clMCkdW9",
    "josh": "TxGEqnHWrfWFTfGW9XjX",
    "laura": "FGY2WhTYpPnrIDTdsKH5",
    "liam": "TX3LPaxmHKxFdv7VOQHJ",
    "lily": "pFZP5JQG7iQjIQuC4Bku",
    "matilda": "XrExE9yKIg1WjnnlVkGX",
    "river": "SAz9YHcvj6GT2YYXdXww",
    "roger": "CwhRBWXzGAHq8TQ4Fs17",
    "sam": "yoZ06aMxZJJ28mfd3POQ",
    "sarah": "EXAVITQu4vr4xnSDxMaL",
    "will": "bIHbv24MWmeRgasZH58o",
}
"""Source: ElevenLabs, default voices."""
_ID = re.compile(r"[A-Za-z0-9]{20}")
_LIST_BYTES = 1 << 20
_LOOK_S = 3.0
_FOUND: dict[tuple[str, str], str] = {}
"""By address and name: an account's voices do not change while we run."""


async def named_voice(server: Server, voice: str, headers: dict[str, str]) -> str:
    """A voice's id, by that or by its name. Raises BadSetting where the account has none of that name, ProviderError
    where it cannot be asked."""
    if _ID.fullmatch(voice):
        return voice
    stock = STOCK.get(voice.lower())
    if stock is not None:
        return stock
    known = (server.base_url, voice.lower())
    if known not in _FOUND:
        _FOUND[known] = await _look_up(server, voice, headers)
    return _FOUND[known]


async def _look_up(server: Server, voice: str, headers: dict[str, str]) -> str:
    client = await pooled_client()
    address = f"{server.base_url}/v2/voices?search={quote(voice)}&page_size=100"
    with translated(server):
        async with asyncio.timeout(_LOOK_S), client.stream("GET", address, headers=headers) as response:
            said = await start_of(response.aiter_raw(), _LIST_BYTES)
    if response.status_code != 200:
        raise refusal(server, response.status_code, dict(response.headers), said)
    try:
        listed = list_of(json.loads(said), "voices")
    except (ValueError, RecursionError):
        listed = []
    for exactly in (True, False):
        for each in listed:
            name, found = text_of(each, "name").lower(), text_of(each, "voice_id")
            if _ID.fullmatch(found) and (name == voice.lower() or (not exactly and name.startswith(voice.lower()))):
                return found
    raise BadSetting(f"ElevenLabs has no voice {voice!r} for this key", hint='voice="rachel", or the id of one')
