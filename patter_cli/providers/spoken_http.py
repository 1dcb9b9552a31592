"""A clause over HTTP: one request, its sound as it comes. For vendors, or models of theirs, without a socket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from patter_cli.audio.frame import AudioFormat
from patter_cli.contracts.tts import Voiced
from patter_cli.errors import BadReply, PatterError, ProviderError, Unavailable
from patter_cli.providers.http import ERROR_BYTES, Server, pooled_client, refusal, start_of, translated
from patter_cli.providers.live_voice import Said, Sound
from patter_cli.providers.said_words import SaidWords, letters
from patter_cli.providers.sound import SoundReader

ERROR_BODY_S = 2.0
TOTAL_S = 60.0
"""A whole clause; the engine gives up on a silent one long before."""
WARM_S = 3.0

Piece: TypeAlias = Sound | Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request for a clause. body: JSON. read: makes a reader of the body's pieces; None: they are sound."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] = field(default_factory=dict)
    read: Callable[[], Callable[[bytes], Iterable[Piece]]] | None = None


class HttpVoice:
    """One call's voice. want: the request for a clause, given what the reply has said before it. asked, out, rate_hz:
    as of LiveVoice."""

    def __init__(
        self,
        server: Server,
        want: Callable[[str, str], Wanted],
        *,
        asked: AudioFormat,
        out: AudioFormat | None,
        rate_hz: int,
    ) -> None:
        self._server = server
        self._want = want
        self._asked = asked
        self._out = out
        self._rate_hz = rate_hz
        self._reply: int | None = None
        self._before = ""
        self._closed = False
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def usable(self) -> bool:
        """Whether it can be begun with."""
        return not self._closed

    def continues(self, reply: int) -> None:
        """What is asked for next belongs to this reply."""
        if reply != self._reply:
            self._reply, self._before = reply, ""

    async def synthesize(self, text: str) -> AsyncIterator[Voiced]:
        """Speak one clause; closing the iterator hangs up. Raises ProviderError."""
        text = " ".join(text.split())
        if not letters(text):
            return
        if self._closed:
            raise Unavailable("this voice has been closed", provider=self._server.provider)
        sound = SoundReader(self._server, self._asked, out=self._out, rate_hz=self._rate_hz)
        words = SaidWords(text)
        wanted = self._want(text, self._before)
        read = wanted.read() if wanted.read is not None else _bare
        told = 0
        async with aclosing(_body(self._server, wanted, sound)) as chunks:
            async for chunk in chunks:
                for piece in read(chunk):
                    if isinstance(piece, Said):
                        for each, start_ms, end_ms in zip(piece.pieces, piece.starts_ms, piece.ends_ms, strict=False):
                            words.add(each, start_ms, end_ms)
                        if len(words.times().ends_ms) > told:
                            told = len(words.times().ends_ms)
                            yield words.times()
                    elif (made := sound.push(piece.data)) is not None and len(made):
                        yield made
        rest = sound.end()
        if rest is not None and len(rest):
            yield rest
        if not sound.taken_ms:
            raise BadReply(f"{self._server.host} sent no sound", provider=self._server.provider)
        self._before = f"{self._before} {text}".strip()[-1000:]

    async def aclose(self) -> None:
        """Nothing is kept: what is being spoken ends with its iterator."""
        self._closed = True


async def warm(server: Server, path: str = "/", headers: Mapping[str, str] | None = None) -> None:
    """Open a connection and leave it in the pool. Nothing is raised: the first request will tell."""
    try:
        client = await pooled_client()
        with translated(server):
            async with (
                asyncio.timeout(WARM_S),
                client.stream("GET", server.base_url + path, headers=dict(headers or {})) as response,
            ):
                await start_of(response.aiter_raw(), ERROR_BYTES)
    except PatterError:
        pass


async def _body(server: Server, wanted: Wanted, sound: SoundReader) -> AsyncGenerator[bytes, None]:
    client = await pooled_client()
    with translated(server):
        request = client.build_request(
            "POST", server.base_url + wanted.path, json=dict(wanted.body), headers=dict(wanted.headers)
        )
        async with asyncio.timeout(TOTAL_S):
            response = await client.send(request, stream=True)
        try:
            kind = response.headers.get("content-type", "").lower()
            if response.status_code != 200:
                raise refusal(server, response.status_code, dict(response.headers), await _error(response))
            if wanted.read is None and ("json" in kind or "html" in kind or kind.startswith("text/plain")):
                said = await _error(response)
                raise BadReply(f"{server.host} answered with {kind}: {said[:100]!r}", provider=server.provider)
            rate = re.search(r"\brate=(\d{4,6})\b", kind)
            if rate is not None:
                sound.promised(int(rate[1]))
            async for chunk in response.aiter_raw():
                yield chunk
        finally:
            await response.aclose()


async def _error(response: Any) -> bytes:
    try:
        async with asyncio.timeout(ERROR_BODY_S):
            return await start_of(response.aiter_raw(), ERROR_BYTES)
    except (TimeoutError, ProviderError):
        return b""


def _bare(chunk: bytes) -> Iterable[Piece]:
    return (Sound("", chunk),)
