"""A server that both carriers reach under its public host, and what strangers try there."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import fromstring

from patter_cli import Telnyx, Twilio, wiring
from patter_cli.carriers.telnyx import webhook as telnyx_webhook
from patter_cli.carriers.telnyx.stream import TelnyxLine
from patter_cli.carriers.twilio.stream import TwilioLine
from patter_cli.carriers.twilio.webhook import canonical, signature
from patter_cli.destinations import DialRules
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import Unavailable
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.simulate.caller import LineCaller
from tests.contract.twilio_api import ACCOUNT, TOKEN
from tests.e2e.conftest import LOUDNESS, Earpiece, LetterVoice, Log, ToneEars, ToneSession, agent
from tests.e2e.telnyx_api import TelnyxApi, telnyx_api
from tests.unit.carriers.telnyx.events import PUBLIC_KEY
from tests.unit.carriers.telnyx.events import sign as telnyx_signature

HOST = "phone.example"
TWILIO_VOICE, TELNYX_VOICE = "/webhooks/twilio/voice", "/webhooks/telnyx/voice"
FORM = "application/x-www-form-urlencoded"


class CountedEars(ToneEars):
    """Ears that are a vendor's: each call that begins asks it for a session."""

    opened = 0
    down = False

    async def open(self) -> ToneSession:
        self.opened += 1
        if self.down:
            raise Unavailable("nobody there", provider="ears")
        return await super().open()


class CountedVoice(LetterVoice):
    """The same for a voice; its greeting is made once, before anybody calls."""

    opened = 0

    async def open(self) -> LetterVoice:
        self.opened += 1
        return self


class Front:
    """The server's public side. Requests are written byte by byte: what a client would put right must arrive wrong."""

    def __init__(self, service: Service, api: TelnyxApi, log: Log, shop: ReadyAgent) -> None:
        self.service = service
        self.agent = shop
        self.telnyx_api = api
        self.log = log
        self.ears, self._voice = shop.stt, shop.tts
        assert isinstance(self.ears, CountedEars)
        assert isinstance(self._voice, CountedVoice)
        self._warmed = self._voice.opened

    @property
    def contacts(self) -> tuple[int, int]:
        """How often a vendor of ears, and of voices, was asked for a session since the server was up."""
        return self.ears.opened, self._voice.opened - self._warmed

    async def raw(self, request: bytes) -> tuple[int, bytes]:
        """Send bytes; returns the status and the body. 0: the connection ended without an answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.service.port)
        try:
            async with asyncio.timeout(20):
                writer.write(request)
                head, _, body = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
                length = next(
                    (line for line in body.lower().split(b"\r\n") if line.startswith(b"content-length:")), b""
                )
                size = int(length.partition(b":")[2] or 0)
                return int(head.split()[1]), await reader.readexactly(size)
        except (EOFError, ConnectionError):
            return 0, b""
        finally:
            writer.transport.abort()

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, bytes]:
        """One request. headers: over, and before, what every client sends."""
        given = {"host": HOST, "content-length": str(len(body)), "connection": "close", **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        return await self.raw(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body)

    async def upgrade(self, path: str, headers: Mapping[str, str] | None = None) -> int:
        """Ask for a WebSocket; returns the status."""
        given = {
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
            **(headers or {}),
        }
        status, _ = await self.ask("GET", path, given)
        return status

    async def twilio(self, fields: Mapping[str, str], path: str = TWILIO_VOICE) -> tuple[int, bytes]:
        """Twilio posts a webhook."""
        return await self.ask("POST", path, *twilio_post(fields, path))

    async def telnyx(self, kind: str, path: str = TELNYX_VOICE, **payload: Any) -> tuple[int, bytes]:
        """Telnyx posts a webhook."""
        return await self.ask("POST", path, *telnyx_post(kind, **payload))

    async def twilio_stream(self, number: int) -> str:
        """Twilio is answered a new call, and told this path for its stream."""
        _, document = await self.twilio(incoming_on_twilio(number))
        (stream,) = fromstring(document).iter("Stream")
        return stream.attrib["url"].removeprefix(f"wss://{HOST}")

    async def telnyx_stream(self, number: int) -> str:
        """The same on Telnyx, which is told by a command."""
        await self.telnyx("call.initiated", **incoming_on_telnyx(number))
        async with asyncio.timeout(5):
            while True:
                for asked in self.telnyx_api.asked:
                    if f"call{number}" in asked.path and "stream_url" in asked.body:
                        return str(asked.body["stream_url"]).removeprefix(f"wss://{HOST}")
                await asyncio.sleep(0.01)

    def twilio_line(self, path: str, number: int) -> LineCaller:
        """Twilio opens the stream."""
        headers = {"x-twilio-signature": signature(f"wss://{HOST}{path}", TOKEN)}
        url = f"ws://127.0.0.1:{self.service.port}{path}"
        return LineCaller(url, TwilioLine(), call_id=twilio_call(number), headers=headers, handset=Earpiece())

    def telnyx_line(self, path: str, number: int) -> LineCaller:
        """Telnyx opens it, and signs nothing."""
        url = f"ws://127.0.0.1:{self.service.port}{path}"
        return LineCaller(url, TelnyxLine(), call_id=telnyx_call(number), handset=Earpiece())


def twilio_call(number: int) -> str:
    return f"CA{number:032}"


def telnyx_call(number: int) -> str:
    return f"v3:call{number}"


def incoming_on_twilio(number: int) -> dict[str, str]:
    """A call from a number of its own."""
    numbers = {"From": f"+1202555{number % 10_000:04}", "To": "+12025550100"}
    return {"CallSid": twilio_call(number), "CallStatus": "ringing", "Direction": "inbound", **numbers}


def incoming_on_telnyx(number: int) -> dict[str, str]:
    """The same."""
    numbers = {"from": f"+1312555{number % 10_000:04}", "to": "+12025550100"}
    return {"call_control_id": telnyx_call(number), "direction": "incoming", **numbers}


def twilio_post(fields: Mapping[str, str], path: str = TWILIO_VOICE) -> tuple[dict[str, str], bytes]:
    """Headers and body."""
    signed = signature(f"https://{HOST}{path}" + canonical(list(fields.items())), TOKEN)
    return {"content-type": FORM, "x-twilio-signature": signed}, urlencode(fields).encode()


def telnyx_post(kind: str, **payload: Any) -> tuple[dict[str, str], bytes]:
    """Headers and body."""
    body = json.dumps({"data": {"event_type": kind, "payload": payload}}).encode()
    return telnyx_signed(body), body


def telnyx_signed(body: bytes, ago_s: int = 0) -> dict[str, str]:
    """The headers of any body that Telnyx posts now, or posted a while ago."""
    stamp = str(int(time.time()) - ago_s)
    signed = {telnyx_webhook.SIGNATURE: telnyx_signature(body, stamp), telnyx_webhook.TIMESTAMP: stamp}
    return {"content-type": "application/json", **signed}


@asynccontextmanager
async def front(**settings: Any) -> AsyncIterator[Front]:
    """One agent, "Hello caller.", whom both carriers reach."""
    log, ears, voice = Log(), CountedEars(), CountedVoice()
    shop = wiring.ready_agent(
        "shop", agent("Hello caller.", stt=ears, tts=voice), Hooks(on_message=lambda event: "Yes.")
    )
    given = {"public_host": HOST, "drain_timeout_s": 0.0, "rules": DialRules(hours=None), "max_calls": 50, **settings}
    async with telnyx_api() as api:
        carriers = {
            "twilio": Twilio(ACCOUNT, TOKEN, base_url="http://127.0.0.1:9"),
            "telnyx": Telnyx("KEY0123secret", "1494404757140276705", PUBLIC_KEY, base_url=api.base_url),
        }
        service = wiring.service(
            {"shop": shop}, ServiceSettings(port=0, **given), observers=(log,), voice=LOUDNESS, carried_by=carriers
        )
        await service.start()
        try:
            lines, *_ = service._tasks  # they are spoken by the counted voice
            await asyncio.wait_for(asyncio.shield(lines), 20)
            yield Front(service, api, log, shop)
        finally:
            await service.cut()
            service.close()
