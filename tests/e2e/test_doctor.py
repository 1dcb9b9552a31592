"""patter doctor: the public address by a round trip to a server, and the whole command from a shell."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from patter_cli import Telnyx, Twilio, wiring
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.doctor.checks import public_address
from patter_cli.doctor.findings import Finding, Status, run_checks
from patter_cli.doctor.public_address import public_address_check
from patter_cli.engine.hooks import Hooks
from patter_cli.server.proofs import Proof
from patter_cli.server.registration import Registration
from patter_cli.server.service import Service, ServiceSettings
from patter_cli.settings import DEFAULTS
from tests.contract.twilio_api import ACCOUNT, TOKEN
from tests.e2e.conftest import LOUDNESS, agent

ROOT = Path(__file__).parents[2]
PUBLIC_KEY = "6qQYBxQ4VrZ4Cm6/Yg9hMJ5h+q8vXwB2gXk0O0ToKkQ="
HERE = Registration(
    pid=1, port=1, host="", carriers=[], agents=[], version="", started_at_s=0.0, socket="", token="a token"
)
RUNNING: Service | None = None
"""The server of the present test."""
SECRET = "an-auth-token-of-32-characters-x"

pytestmark = pytest.mark.usefixtures("quiet_log")


@asynccontextmanager
async def serving(*carriers: Carrier, **settings: Any) -> AsyncIterator[str]:
    """A server on this machine that is reached under its public host as well; its address."""
    global RUNNING
    shop = wiring.ready_agent("shop", agent("Hello."), Hooks(on_message=lambda event: "Hum."))
    service = wiring.service(
        {"shop": shop},
        ServiceSettings(port=0, drain_timeout_s=0.0, **settings),
        voice=LOUDNESS,
        carried_by={each.name: each for each in (wiring.built_in_line(), *carriers)},
    )
    await service.start()
    RUNNING = service
    try:
        yield f"http://127.0.0.1:{service.port}"
    finally:
        RUNNING = None
        await service.cut()
        service.close()


async def rows(base: str, *carriers: Carrier, served: bool = True) -> dict[str, Finding]:
    known = {each.name: each for each in carriers}

    async def new_proof(server: Registration) -> Proof:
        return Proof(token="nobody", answer="here") if RUNNING is None else await RUNNING.new_proof()

    servers = [HERE] if served else []
    check = public_address_check("phone.example", known, lambda: servers, base=base, new_proof=new_proof)
    return {each.name: each for each in await run_checks([check])}


async def test_a_server_that_takes_what_is_signed() -> None:
    """The way leads to it; what the carrier signs is taken, and what nobody signed is refused."""
    twilio, telnyx = Twilio(ACCOUNT, TOKEN), Telnyx("KEY", "1", PUBLIC_KEY)
    async with serving(twilio, telnyx) as base:
        found = await rows(base, twilio, telnyx)
        assert {name: each.status for name, each in found.items()} == {
            "webhook.address": Status.OK,
            "webhook.twilio": Status.OK,
            "webhook.telnyx": Status.OK,
        }
        assert "leads to the server on port" in found["webhook.address"].detail
        assert "what is signed is taken" in found["webhook.twilio"].detail


async def test_why_a_signature_is_refused() -> None:
    """Another secret or another address; a carrier that the server does not have; keys that it lacks."""
    twilio, telnyx = Twilio(ACCOUNT, TOKEN), Telnyx("KEY", "1", PUBLIC_KEY)
    async with serving(Twilio(ACCOUNT, "another token altogether")) as base:
        found = await rows(base, twilio, telnyx)
        assert found["webhook.twilio"].status is Status.MISSING
        assert "another secret, or knows itself by another address" in found["webhook.twilio"].detail
        assert f"WEBHOOK_URL={base}" in found["webhook.twilio"].fix
        assert "does not know this carrier" in found["webhook.telnyx"].detail
    async with serving(Telnyx("KEY", "1", None)) as base:
        assert "no keys to check signatures with" in (await rows(base, telnyx))["webhook.telnyx"].detail
    async with serving(twilio, require_signature=False) as base:
        assert "what nobody signed is answered 200" in (await rows(base, twilio))["webhook.twilio"].detail


async def test_an_address_that_leads_elsewhere() -> None:
    """To nothing, or to somebody else's server; nothing to mend while no server of ours runs."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    found = (await rows(f"http://127.0.0.1:{port}"))["webhook.address"]
    assert (found.status, "nothing listens there" in found.detail) == (Status.MISSING, True), found
    async with serving() as base:
        other = f"{base}/elsewhere"
        assert (await rows(other))["webhook.address"].status is Status.MISSING
        assert (await rows(other, served=False))["webhook.address"].status is Status.OFF
    check = public_address_check("", {}, list)
    (found,) = await run_checks([check])
    assert found.status is Status.OFF


async def test_where_a_running_server_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a tunnel nobody has set an address: the server knows it. What is set comes first."""
    (tmp_path / "r").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    assert await public_address(DEFAULTS) == ""
    folder = tmp_path / "r" / "patter"
    async with serving(Twilio(ACCOUNT, TOKEN), public_host="phone.example", run_folder=folder):
        assert await public_address(DEFAULTS) == "phone.example"
        assert await public_address(replace(DEFAULTS, public_host="mine.example")) == "mine.example"


class Desk:
    """A folder with an environment of its own, in which nothing of this machine's is set."""

    def __init__(self, folder: Path) -> None:
        (folder / "r").mkdir(mode=0o700)
        self.folder = folder
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = {
            **kept,
            "PATTER_PORT": "0",
            "PYTHONPATH": str(ROOT),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_RUNTIME_DIR": str(folder / "r"),
        }

    def doctor(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)"""
        done = subprocess.run(
            [sys.executable, "-m", "patter_cli", "doctor", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_machine_without_an_account_is_well(desk: Desk) -> None:
    """What is not set up is off, and the exit code is 0; stdout is the rows, in words or as documented JSON."""
    code, out, err = desk.doctor()
    assert (code, err) == (0, ""), out
    assert "off     twilio.account" in out
    assert out.splitlines()[-1] == "All is well; what is off is not needed."
    assert str(desk.folder / "data" / "patter") in out
    code, out, _ = desk.doctor("--json")
    told = json.loads(out)
    assert (code, told["ok"]) == (0, True)
    assert set(told) == {"ok", "version", "checks", "settings"}
    assert all(set(each) == {"name", "status", "detail", "fix", "took_ms"} for each in told["checks"])
    names = [each["name"] for each in told["checks"]]
    assert len(names) == len(set(names))
    assert {"telnyx.account", "number.webhook", "webhook.address", "machine.port", "models.joe", "keys.openai"} < {
        *names
    }
    assert "keys.ultravox" in names, "an engine whose key is nobody else's has a row too"


def test_what_is_half_set_up_is_missing(desk: Desk) -> None:
    """Exit code 1, the variable that lacks and a busy port named, each with what to do; a secret is never shown."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        nobody = {"ULTRAVOX_API_KEY": SECRET, "ULTRAVOX_BASE_URL": "http://127.0.0.1:9"}
        code, out, err = desk.doctor("--json", TWILIO_AUTH_TOKEN=SECRET, PATTER_PORT=port, **nobody)
    told = {each["name"]: each for each in json.loads(out)["checks"]}
    assert code == 1, err
    assert json.loads(out)["ok"] is False
    assert told["twilio.account"]["detail"] == "TWILIO_ACCOUNT_SID not set"
    assert told["twilio.account"]["fix"] == "export TWILIO_ACCOUNT_SID=…"
    assert "already in use" in told["machine.port"]["detail"]
    assert "cannot be reached" in told["keys.ultravox"]["detail"]
    assert told["machine.port"]["status"] == told["twilio.account"]["status"] == "missing"
    assert SECRET not in out + err


def test_a_key_that_cannot_be_tried_is_not_called_well(desk: Desk) -> None:
    """Whether its vendor takes it shows in a call; that is said, and the exit code is 0."""
    code, out, err = desk.doctor(SONIOX_API_KEY=SECRET, SPEECHMATICS_API_KEY=SECRET, RIME_API_KEY=SECRET)
    assert code == 0, err
    rows = [each.split()[:2] for each in out.splitlines() if "not tried" in each]
    assert rows == [["unsure", "keys.soniox"], ["unsure", "keys.speechmatics"], ["unsure", "keys.rime"]]
    assert "All is well, as far as can be told before a call; what is off is not needed." in out


def test_a_bad_flag_is_told(desk: Desk) -> None:
    """As by every command."""
    code, _, err = desk.doctor("--webhook-url", "not a host/at all")
    assert code == 2
    assert err.startswith("error: --webhook-url cannot be")
