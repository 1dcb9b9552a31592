"""kill -9 in the middle of a call: whoever is on the phone hears that we are sorry, and has the same agent again."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from patter_cli.audio.frame import Samples
from patter_cli.testing.lab.call import By, Ending, LabCall
from patter_cli.testing.lab.people import Pause, Person
from patter_cli.testing.lab.server import CarrierLab
from patter_cli.testing.lab.telnyx.lab import TelnyxLab
from patter_cli.testing.lab.telnyx.webhooks import Address
from patter_cli.testing.lab.twilio.lab import TwilioLab
from tests.e2e.conftest import tone
from tests.e2e.lab_shop import COMPANIES, HOST, OURS, Company, heard
from tests.e2e.test_serve import ROOT, free_port
from tests.lab import until

THEIRS = "+12125550142"
STAYS = Person(name="stays", picks_up_ms=200, steps=(Pause(120_000),))


async def slow(text: str) -> Samples:
    """The lab's own voice: as long as the server may take to be there again on a machine that has much to do."""
    return tone(300, 200 * len(text))


class Lines:
    """The lab, and whatever process of ours is behind it at present."""

    def __init__(self, company: Company, lab: CarrierLab, folder: Path) -> None:
        self.lab = lab
        self._company = company
        self._port = free_port()
        self.folder = folder
        lab.reach[HOST] = int(self._port)
        keys = {"TWILIO_ACCOUNT_SID": "account_sid", "TWILIO_AUTH_TOKEN": "auth_token", "TELNYX_API_KEY": "api_key"}
        keys |= {"TELNYX_CONNECTION_ID": "connection_id", "TELNYX_PUBLIC_KEY": "public_key"}
        self._environment = {
            **os.environ,
            **{name: str(getattr(lab, field, "")) for name, field in keys.items()},
            "PATTER_CALLING_HOURS": "any",
            "PATTER_LOG_DIR": str(folder / "kept"),
            "PYTHONPATH": str(ROOT),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_RUNTIME_DIR": str(folder),
        }

    @asynccontextmanager
    async def server(self, rings: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
        """Up and ready; killed at the end."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.e2e.killed_server", self._company, self.lab.base_url, self._port, rings),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(60):
                assert await process.stdout.readline() == b"ready\n"
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def records(self) -> list[dict[str, object]]:
        """In the order of their beginnings."""
        return [json.loads(each.read_text()) for each in sorted((self.folder / "kept").rglob("record.json"))]


@asynccontextmanager
async def lines(company: Company, folder: Path) -> AsyncIterator[Lines]:
    folder.mkdir(mode=0o700)
    kind: type[TwilioLab | TelnyxLab] = TwilioLab if company == "twilio" else TelnyxLab
    async with kind(people={THEIRS: STAYS}, voice=slow) as lab:
        yield Lines(company, lab, folder)


async def killed(company: Company, rings: str, folder: Path) -> None:
    """Hold a call, kill our process in it, start another, and talk on."""
    async with lines(company, folder) as here:
        async with here.server(rings) as process:
            if not rings:
                here.lab.ring(OURS, STAYS)
            await until(lambda: here.lab.calls and "hello caller." in heard(first(here.lab)), 20)
            call = first(here.lab)
            assert call.line is not None
            call.line.press("5")
            await until(lambda: "so far 5." in heard(call), 15)
            process.kill()
            await process.wait()
        async with here.server():
            await until(lambda: "i'm back." in heard(call), 40)
            apology, _, _ = heard(call).partition("i'm back.")
            assert "sorry" in apology
            if company == "twilio":
                assert "#" in apology  # and in the carrier's own voice before
            await until(lambda: "please go on." in heard(call), 10)
            await that_it_broke_off_is_told_late(here.lab, call)
            call.line.press("7")
            await until(lambda: "so far 5 7." in heard(call), 15)
            assert call.live
            call.end(Ending.COMPLETED, By.PERSON)
            await until(lambda: len(here.records()) == 2, 15)
    broken, gone_on = here.records()
    assert (broken["outcome"], gone_on["outcome"]) == ("interrupted", "answered")
    assert broken["agent"] == gone_on["agent"] == "counter"
    assert broken["carrier_call_id"] == gone_on["carrier_call_id"] == call.call_id
    assert call.ended_by is By.PERSON


async def that_it_broke_off_is_told_late(lab: CarrierLab, call: LabCall) -> None:
    """Telnyx tries again, when it has gone on already. Twilio has asked by itself."""
    if isinstance(lab, TelnyxLab):
        (event,) = [each for each in lab.events(call) if each.kind == "streaming.failed"]
        assert await lab.courier.deliver(event, Address(url=lab.leg(call).webhook_url))
        assert "hangup" not in lab.leg(call).asked


def first(lab: CarrierLab) -> LabCall:
    return next(iter(lab.calls.values()))


@pytest.mark.parametrize("company", COMPANIES)
async def test_whoever_is_on_the_phone_stays_with_the_same_agent(tmp_path: Path, company: Company) -> None:
    """Whether they rang us or we them: an apology, and the agent who knows what was said; both parts have records."""
    await asyncio.gather(killed(company, "", tmp_path / "rung"), killed(company, THEIRS, tmp_path / "made"))
