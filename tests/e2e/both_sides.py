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
