"""Acme with a telephone at every number, for a `patter` in a process of its own: whom it rings, its last digit says.

2 picks up, hears something and hangs up; 3 is busy; 4 does not answer; 5 is a machine with a tone; 6 rings for ever.
Every number that it is asked to ring is a line of the file ACME_LOG; ACME_PORT is where the server listens.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from patter_cli.contracts.carrier.carrier import OutboundCall
from patter_cli.registry import Row
from patter_cli.simulate.caller import LineCaller
from tests.e2e import acme

HOST = "phone.example"
ROWS = Row(name="acme", kind="carrier", target="tests.e2e.acme_exchange:Exchange", keys=("ACME_KEY",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(acme.Carrier):
    """The company and everybody who has a telephone."""

    rung: list[asyncio.Task[None]] = field(default_factory=list)

    async def place(self, call: OutboundCall) -> str:
        number = f"A-{os.getpid()}-{len(self.placed)}"
        self.placed.append(call)
        with Path(os.environ["ACME_LOG"]).open("a") as log:
            log.write(call.to + "\n")
        self.rung.append(asyncio.create_task(self._ring(number, call)))
        return number

    async def _ring(self, name: str, call: OutboundCall) -> None:
        await asyncio.sleep(0.05)
        await self._post(call.callback_url, {"call": name, "rings": True})
        match call.to[-1]:
            case "3" | "4":
                how = {"3": "busy", "4": "no_answer"}[call.to[-1]]
                await self._post(call.callback_url, {"call": name, "over": how})
            case "2" | "5":
                body = {"call": name, "from": call.from_number, "to": call.to, "vars": {}}
                address = (await self._post(call.answer_url, body))["connect"]
                url = address.replace(f"wss://{HOST}", f"ws://127.0.0.1:{os.environ['ACME_PORT']}")
                async with LineCaller(url, self.line(), call_id=name) as line:
                    if call.to[-1] == "5":
                        await self._post(call.callback_url, {"call": name, "picked_up": "machine"})
                        await self._post(call.callback_url, {"call": name, "beep": True})
                        await line.wait_for(lambda: line.ended is not None, 20)
                    else:
                        await line.wait_for(lambda: line.ear.voiced_ms > 100, 20)

    async def _post(self, url: str, body: object) -> Any:
        data = json.dumps(body).encode()
        here = url.replace(f"https://{HOST}", f"http://127.0.0.1:{os.environ['ACME_PORT']}")
        headers = {"host": HOST, acme.SIGNATURE: self.sign(url, data)}
        async with httpx.AsyncClient() as client:
            reply = await client.post(here, content=data, headers=headers)
        assert reply.status_code == 200, reply.text
        return reply.json() if reply.content else None
