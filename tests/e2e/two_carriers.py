"""A server that both carriers reach under its public host, and what strangers try there."""
"""Both carriers' side of calls, under one set of words: who is rung picks up, who calls is let in, all that is signed.

async with on_twilio(...) as side:      or on_telnyx
    side.carrier                        goes to the server under test; side.serves(service) says where that is
    line = await side.calls(...)        somebody calls a number of ours
    line = await side.picks_up(...)     whoever was rung first, second, … answers
"""

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

    async def open(self) -> ToneSession:
        self.opened += 1
        return await super().open()


class CountedVoice(LetterVoice):
    """The same for a voice; its greeting is made once, before anybody calls."""

    opened = 0

    async def open(self) -> LetterVoice:
        self.opened += 1
        return self


class Front:
    """The server's public side. Requests are written byte by byte: what a client would put right must arrive wrong."""

    def __init__(self, service: Service, api: TelnyxApi, log: Log, ears: CountedEars, voice: CountedVoice) -> None:
        self.service = service
        self.telnyx_api = api
        self.log = log
        self._ears, self._voice = ears, voice
        self._warmed = voice.opened

    @property
    def contacts(self) -> tuple[int, int]:
        """How often a vendor of ears, and of voices, was asked for a session since the server was up."""
        return self._ears.opened, self._voice.opened - self._warmed

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
            for task in service._tasks:
                await asyncio.wait_for(asyncio.shield(task), 20)
            yield Front(service, api, log, ears, voice)
        finally:
            await service.cut()
            service.close()
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeAlias
from xml.etree.ElementTree import fromstring

import httpx

from patter_cli import Telnyx
from patter_cli.carriers.telnyx import webhook as telnyx_webhook
from patter_cli.carriers.twilio.webhook import canonical, signature
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.contracts.carrier.stream import LineCodec
from patter_cli.server.service import Service
from patter_cli.simulate.caller import LineCaller
from tests.contract.twilio_api import ACCOUNT, TOKEN, Api, twilio_api
from tests.e2e.conftest import Earpiece
from tests.e2e.telnyx_api import Answer, TelnyxApi, telnyx_api
from tests.unit.carriers.telnyx.events import PUBLIC_KEY, sign

HOST = "phone.example"
OURS = "+12025550100"


class Side(Protocol):
    """One carrier, with what it is asked and does."""

    carrier: Carrier

    def serves(self, service: Service) -> None:
        """Where the server is that it sends its calls to."""

    async def calls(self, number: str, caller: str, **variables: str) -> LineCaller:
        """Somebody calls; the line, not dialled yet."""

    async def declined(self, number: str, caller: str) -> str:
        """Somebody calls and is not let in: what they hear, or "busy"."""

    async def picks_up(self, to: str) -> LineCaller:
        """Whoever has this number was rung, and answers."""

    async def is_a_machine(self, to: str) -> None:
        """The carrier finds a machine there, and then its tone."""

    def dial(self, to: str) -> dict[str, Any]:
        """The request that rang them: its fields."""


async def within(condition: Callable[[], Any], within_s: float = 5.0) -> Any:
    """What the condition gives, as soon as it gives anything. Fails the test if it does not."""
    for _ in range(round(within_s / 0.01)):
        if found := condition():
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


class _Base:
    def __init__(self) -> None:
        self.client = httpx.AsyncClient(headers={"host": HOST})
        self.base = ""

    def serves(self, service: Service) -> None:
        self.base = f"127.0.0.1:{service.port}"

    async def post(self, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        reply = await self.client.post(f"http://{self.base}{path}", content=content, headers=headers)
        assert reply.status_code == 200, reply.text
        return reply

    def line(self, codec: LineCodec, url: str, call: str, headers: dict[str, str] | None = None) -> LineCaller:
        here = url.replace(f"wss://{HOST}", f"ws://{self.base}")
        return LineCaller(here, codec, call_id=call, headers=headers, handset=Earpiece())


class TwilioSide(_Base):
    def __init__(self, api: Api) -> None:
        super().__init__()
        self.api = api
        self.carrier = api.carrier
        self._count = 0

    def _sid(self) -> str:
        self._count += 1
        return f"CA{self._count:032}"

    def rings(self, times: int) -> None:
        self.api.answers[:] = [(201, {"sid": f"CA9{number:031}"}) for number in range(times)]

    def dial(self, to: str) -> dict[str, Any]:
        dials = [dict(each.fields) for each in self.api.asked if each.path.endswith("/Calls.json")]
        return next((each for each in dials if each["To"] == to), {})

    async def ask(self, path: str, **fields: str) -> httpx.Response:
        signed = signature(f"https://{HOST}{path}" + canonical(list(fields.items())), TOKEN)
        body = httpx.QueryParams(fields).__str__().encode()
        kind = "application/x-www-form-urlencoded"
        return await self.post(path, body, {"x-twilio-signature": signed, "content-type": kind})

    async def _document(self, path: str, call: str, **fields: str) -> tuple[Any, str]:
        reply = await self.ask(path, CallSid=call, AccountSid=ACCOUNT, **fields)
        return fromstring(reply.content), call

    def _line(self, document: Any, call: str) -> LineCaller:
        (stream,) = document.iter("Stream")
        url = stream.attrib["url"]
        return self.line(self.carrier.line(), url, call, {"x-twilio-signature": signature(url, TOKEN)})

    async def calls(self, number: str, caller: str, **variables: str) -> LineCaller:
        query = f"?{httpx.QueryParams(variables)}" if variables else ""
        inbound = {"CallStatus": "ringing", "Direction": "inbound", "From": caller, "To": number}
        return self._line(*await self._document(f"/webhooks/twilio/voice{query}", self._sid(), **inbound))

    async def declined(self, number: str, caller: str) -> str:
        inbound = {"CallStatus": "ringing", "Direction": "inbound", "From": caller, "To": number}
        document, _ = await self._document("/webhooks/twilio/voice", self._sid(), **inbound)
        return next((each.text for each in document.iter("Say")), None) or "busy"

    def _call_of(self, to: str) -> str:
        dials = [dict(each.fields)["To"] for each in self.api.asked if each.path.endswith("/Calls.json")]
        return f"CA9{dials.index(to):031}"

    async def picks_up(self, to: str) -> LineCaller:
        dial = await within(lambda: self.dial(to))
        path = dial["Url"].removeprefix(f"https://{HOST}")
        fields = {"CallStatus": "in-progress", "Direction": "outbound-api", "From": dial["From"], "To": to}
        return self._line(*await self._document(path, self._call_of(to), **fields))

    async def is_a_machine(self, to: str) -> None:
        path = self.dial(to)["AsyncAmdStatusCallback"].removeprefix(f"https://{HOST}")
        await self.ask(path, CallSid=self._call_of(to), AnsweredBy="machine_end_beep", MachineDetectionDuration="900")


class TelnyxSide(_Base):
    def __init__(self, api: TelnyxApi) -> None:
        super().__init__()
        self.api = api
        self.carrier = Telnyx("KEY0", "149440475714027670", PUBLIC_KEY, base_url=api.base_url)
        self._count = 0

    def rings(self, times: int) -> None:
        answers = [Answer(body={"data": {"call_control_id": f"v3:rung{number}"}}) for number in range(times)]
        self.api.will("POST /calls", *answers)

    def _dials(self) -> list[dict[str, Any]]:
        return [each.body for each in self.api.asked if each.path == "/calls"]

    def dial(self, to: str) -> dict[str, Any]:
        return next((each for each in self._dials() if each["to"] == to), {})

    async def tell(self, kind: str, call: str, path: str = "/webhooks/telnyx/voice", **payload: Any) -> None:
        data = {"event_type": kind, "payload": {"call_control_id": call, **payload}}
        body, stamp = json.dumps({"data": data}).encode(), str(int(time.time()))
        await self.post(path, body, {telnyx_webhook.SIGNATURE: sign(body, stamp), telnyx_webhook.TIMESTAMP: stamp})

    async def _stream(self, call: str, verb: str) -> LineCaller:
        def asked() -> str:
            escaped = call.replace(":", "%3A")
            found = [each.body for each in self.api.asked if each.path == f"/calls/{escaped}/actions/{verb}"]
            return str(found[0]["stream_url"]) if found else ""

        return self.line(self.carrier.line(), await within(asked), call)

    async def _arrives(self, number: str, caller: str, variables: dict[str, str]) -> str:
        self._count += 1
        call = f"v3:in{self._count}"
        headers = [{"name": f"X-{name}", "value": value} for name, value in variables.items()]
        about = {"from": caller, "to": number, "direction": "incoming", "custom_headers": headers}
        await self.tell("call.initiated", call, **about)
        return call

    async def calls(self, number: str, caller: str, **variables: str) -> LineCaller:
        return await self._stream(await self._arrives(number, caller, variables), "answer")

    async def declined(self, number: str, caller: str) -> str:
        call = (await self._arrives(number, caller, {})).replace(":", "%3A")

        def ended() -> str:
            asked = {each.path.rsplit("/", 1)[1]: each.body for each in self.api.asked if f"/{call}/" in each.path}
            said = str(asked.get("speak", {}).get("payload", ""))
            return "busy" if "reject" in asked else said if "hangup" in asked else ""

        return str(await within(ended, 15.0))

    def _call_of(self, to: str) -> str:
        return f"v3:rung{[each['to'] for each in self._dials()].index(to)}"

    def _ours(self, to: str) -> dict[str, str]:
        return {"client_state": self.dial(to)["client_state"], "from": OURS, "to": to}

    def _path(self, to: str) -> str:
        return str(self.dial(to)["webhook_url"]).removeprefix(f"https://{HOST}")

    async def picks_up(self, to: str) -> LineCaller:
        await within(lambda: self.dial(to))
        await self.tell("call.answered", self._call_of(to), self._path(to), **self._ours(to))
        return await self._stream(self._call_of(to), "streaming_start")

    async def is_a_machine(self, to: str) -> None:
        kind = "call.machine.premium.greeting.ended"
        await self.tell(kind, self._call_of(to), self._path(to), **self._ours(to), result="beep_detected")


@asynccontextmanager
async def on_twilio(rings: int = 0) -> AsyncIterator[TwilioSide]:
    """rings: how many people it rings at most."""
    async with twilio_api() as api:
        side = TwilioSide(api)
        side.rings(rings)
        async with side.client:
            yield side


@asynccontextmanager
async def on_telnyx(rings: int = 0) -> AsyncIterator[TelnyxSide]:
    async with telnyx_api() as api:
        side = TelnyxSide(api)
        side.rings(rings)
        async with side.client:
            yield side


Sides: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]
SIDES: tuple[Sides, ...] = (on_twilio, on_telnyx)
NAMES = ("twilio", "telnyx")


def heard_by(line: LineCaller) -> str:
    """What came out of its earpiece so far."""
    earpiece = line._handset
    assert isinstance(earpiece, Earpiece)
    return earpiece.text


async def hears(line: LineCaller, words: str, within_s: float = 6.0) -> None:
    """Fails the test if it does not."""
    assert await line.wait_for(lambda: words in heard_by(line), within_s), f"{words!r} not in {heard_by(line)!r}"
