"""patter trigger, in a process of its own, against servers that run: what carriers tell, told by us."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from patter_cli import Telnyx, Twilio, wiring
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.core.carrier_events import MachineDetected, RecordingReady
from patter_cli.engine.hooks import Hooks
from patter_cli.errors import UnknownProvider
from patter_cli.server.control import ask
from patter_cli.server.control_messages import HandIn
from patter_cli.server.registration import running
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.simulate.caller import LineCaller
from tests.contract.twilio_api import ACCOUNT, TOKEN
from tests.e2e.conftest import LOUDNESS, Earpiece, Log, agent
from tests.e2e.telnyx_api import TelnyxApi, telnyx_api

ROOT = Path(__file__).parents[2]
CALLER = "+15550100002"

pytestmark = pytest.mark.usefixtures("quiet_log")


@dataclass
class Desk:
    """A server in this process, and a shell that finds it."""

    folder: Path
    service: Service
    log: Log

    async def trigger(self, *arguments: str) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)"""
        return await asyncio.to_thread(trigger, self.folder, *arguments)


def trigger(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "patter_cli", "trigger", *arguments],
        cwd=folder,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder / "r"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@asynccontextmanager
async def desk(folder: Path, *carriers: Carrier, **settings: Any) -> AsyncIterator[Desk]:
    (folder / "r").mkdir(mode=0o700, exist_ok=True)
    shop = wiring.ready_agent("shop", agent("Hello."), Hooks(on_message=lambda event: "Hum."))
    log = Log()
    service = wiring.service(
        {"shop": shop},
        ServiceSettings(port=0, drain_timeout_s=0.0, run_folder=folder / "r" / "patter", **settings),
        observers=(log,),
        voice=LOUDNESS,
        carried_by={each.name: each for each in (wiring.built_in_line(), *carriers)},
    )
    await service.start()
    try:
        yield Desk(folder, service, log)
    finally:
        await service.cut()
        service.close()


def telnyx(api: TelnyxApi) -> Telnyx:
    return Telnyx("a key", "1293384261075731499", None, base_url=api.base_url)


async def test_a_call_that_twilio_never_brought(tmp_path: Path) -> None:
    """It is answered with the document that opens the stream here, with a ticket of its own for each call."""
    async with desk(tmp_path, Twilio(ACCOUNT, TOKEN)) as here:
        code, out, err = await here.trigger("call", "--from", CALLER)
        assert code == 0, err
        assert out.startswith("200 text/xml\n")
        assert "signed" in err
        address = out.partition('url="')[2].partition('"')[0]
        assert address.startswith(f"ws://127.0.0.1:{here.service.port}/ws/twilio/stream/")
        call_id = "CA00000000000000000000000000000042"
        code, out, _ = await here.trigger("call", "--set", f"CallSid={call_id}")
        assert (code, address in out) == (0, False)


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_one_made_up_call_after_the_other(tmp_path: Path, carrier: str) -> None:
    """Each is somebody else's and calls a number that the server answers, so all are taken; and of a call that the
    carrier has never heard of nothing is asked of it, neither to answer it nor, once its stream has not come, to hang
    up."""
    async with telnyx_api() as api:
        made = Twilio(ACCOUNT, TOKEN, base_url=api.base_url) if carrier == "twilio" else telnyx(api)
        async with desk(tmp_path, made, numbers={"+12025550100": "shop"}) as here:
            for _ in range(4):
                code, out, err = await here.trigger("call")
                assert code == 0, err
                assert "the call is taken" in err
                stream = f"ws://127.0.0.1:{here.service.port}/ws/{carrier}/stream/"
                assert stream in (out if carrier == "twilio" else err)
            code, _, err = await here.trigger("call", "--to", "+12025550199")
            assert (code, "declined" in err) == (0, True)
            assert here.service._awaited._tasks == {}
            assert api.asked == []


@pytest.mark.parametrize(
    ("event", "told"),
    [("machine", MachineDetected), ("recording", RecordingReady), ("completed", None)],
)
async def test_reports_are_about_the_live_call(tmp_path: Path, event: str, told: type | None) -> None:
    """What follows a call reaches it: its machine hears who picked up, and it ends with the carrier's word."""
    async with telnyx_api() as api, desk(tmp_path, telnyx(api)) as here:
        code, out, err = await here.trigger("call", "--from", CALLER, "--set", "call_control_id=v3:TESTcallcontrolid")
        assert (code, out) == (0, "200 text/plain\n"), err
        assert "behind the signature check" in err
        await asyncio.wait_for(api.was_asked.wait(), 5)
        (answer,) = [each for each in api.asked if each.path.endswith("/actions/answer")]
        line = Telnyx().line()
        call = LineCaller(answer.body["stream_url"], line, call_id="v3:TESTcallcontrolid", handset=Earpiece())
        async with call as caller:
            assert await caller.wait_for(lambda: here.service.live.count == 1, 5)
            code, out, err = await here.trigger(event)
            assert code == 0, err
            if told is None:
                assert await caller.wait_for(lambda: here.service.live.count == 0, 5)
            else:
                (entries,) = here.log.calls.values()
                assert await caller.wait_for(lambda: any(isinstance(each.event, told) for each in entries), 5)


async def test_a_report_of_no_call_changes_nothing(tmp_path: Path) -> None:
    """Every event of either carrier is taken, also when there is no call; a key is none of Twilio's."""
    events = "ringing answered completed busy no-answer failed canceled human machine fax beep recording".split()
    async with telnyx_api() as api, desk(tmp_path, Twilio(ACCOUNT, TOKEN), telnyx(api)) as here:
        (server,) = running(tmp_path / "r" / "patter")
        from patter_cli.cli.kept_webhooks import writer
        from patter_cli.contracts.carrier.rehearsed import Happening, Sketch

        for carrier in ("twilio", "telnyx"):
            for each in events + ["key"] * (carrier == "telnyx"):
                sketch = Sketch(
                    happening=Happening(each), carrier_call_id="", caller=CALLER, callee="+1", values={}, now_s=1.8e9
                )
                made = writer(carrier).write_webhook(sketch)
                wanted = HandIn(carrier=carrier, kind=made.kind, content_type=made.content_type, body=made.body)
                told = await ask(server, wanted)
                assert (told["status"], told["signed"]) == (200, carrier == "twilio"), (carrier, each)
        code, _, err = await here.trigger("key", "--carrier", "twilio")
        assert (code, "no webhook for key" in err) == (2, True)
        code, _, err = await here.trigger("busy")
        assert (code, "--carrier" in err) == (2, True)
        code, _, err = await here.trigger("busy", "--carrier", "telnyx")
        assert (code, "no call of telnyx is live" in err) == (0, True)
        assert here.service.live.count == 0


async def test_what_was_kept_is_sent_again(tmp_path: Path) -> None:
    """A log of one webhook a line, whichever carrier's and however it was kept; the signature is a new one."""
    event = {"data": {"event_type": "call.hangup", "payload": {"call_control_id": "v3:TESTcallcontrolid"}}}
    form = "CallSid=CA00000000000000000000000000000009&CallStatus=completed&CallbackSource=call-progress-events"
    lines = [
        json.dumps(event),
        form,
        json.dumps({"url": "https://old.example/webhooks/twilio/status?call=x", "headers": {}, "body": form}),
        json.dumps({"carrier": "telnyx", "body": event}),
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "bad.jsonl").write_text(f"{lines[0]}\nnonsense\n")
    (tmp_path / "empty.json").write_text("")
    async with telnyx_api() as api, desk(tmp_path, Twilio(ACCOUNT, TOKEN), telnyx(api)) as here:
        code, out, err = await here.trigger("--replay", "log.jsonl")
        assert (code, out.count("200 ")) == (0, 4), err
        assert [each.split()[0] for each in err.splitlines()] == [
            "/webhooks/telnyx/voice",
            "/webhooks/twilio/status",
            "/webhooks/twilio/status",
            "/webhooks/telnyx/voice",
        ]
        for name, words in (
            ("bad.jsonl", "bad.jsonl:2 is no webhook of any carrier here"),
            ("empty.json", "holds no webhook"),
            ("nowhere.json", "cannot read nowhere.json"),
        ):
            code, out, err = await here.trigger("--replay", name)
            assert (code, out, words in err) == (2, "", True), err


async def test_a_server_that_cannot_check_says_so(tmp_path: Path) -> None:
    """What the server answers is shown, and is exit code 1 where it is no success."""
    async with desk(tmp_path, Twilio(ACCOUNT, TOKEN)) as here:
        code, out, _ = await here.trigger("call", "--set", "CallSid=nonsense")
        assert (code, out) == (1, "400 text/plain\nbad request\n")
        code, _, err = await here.trigger("call", "--carrier", "telnyx")
        assert (code, "has no keys of telnyx" in err) == (3, True)
        (server,) = running(tmp_path / "r" / "patter")
        with pytest.raises(UnknownProvider, match="no carrier loopback"):
            await ask(server, HandIn(carrier="loopback", kind="voice", content_type="text/plain", body=""))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["cal"], 2, "did you mean call?"),
        (["complete"], 2, "did you mean completed?"),
        (["zzz"], 2, "there are call, ringing"),
        ([], 2, "patter trigger EVENT"),
        (["call", "--replay", "x"], 2, "patter trigger EVENT"),
        (["call", "--set", "nonsense"], 2, "--set CallStatus=busy"),
        (["call", "--carrier", "twillio"], 3, "did you mean 'twilio'?"),
        (["call"], 6, "patter serve"),
        (["call", "--from", "nonsense"], 2, "a number like +14155550123 or anonymous"),
        (["call", "--from", ""], 2, "--from cannot be ''"),
        (["call", "--to", "anonymous"], 2, "--to cannot be 'anonymous'"),
    ],
)
def test_what_cannot_be_sent(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    """A wrong event gives the nearest right one; without a server there is nobody to tell."""
    (tmp_path / "r").mkdir(mode=0o700)
    done, out, err = trigger(tmp_path, *arguments)
    assert (done, out) == (code, ""), err
    assert words in err


async def test_nothing_of_this_is_open_to_the_network(tmp_path: Path) -> None:
    """The same webhook over HTTP, from this machine, is refused without the carrier's signature."""
    import httpx

    async with telnyx_api() as api, desk(tmp_path, Telnyx("a key", "1", "A" * 43 + "=", base_url=api.base_url)) as here:
        code, _, _ = await here.trigger("completed")
        assert code == 0
        async with httpx.AsyncClient() as client:
            event = {"data": {"event_type": "call.hangup", "payload": {}}}
            for more in ({}, {"x-patter-token": running(tmp_path / "r" / "patter")[0].token}):
                reply = await client.post(
                    f"http://127.0.0.1:{here.service.port}/webhooks/telnyx/voice", json=event, headers=more
                )
                assert reply.status_code == 403
