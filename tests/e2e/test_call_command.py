"""patter call, in a process of its own: one number, a list, a server that runs already; exit codes and what is kept."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from patter_cli.server.registration import running

ROOT = Path(__file__).parents[2]
FROM = "+12025550100"
AGENT = '''"""Hums."""
from patter_cli import Agent
from patter_cli.providers.rules import RulesLLM

agent = Agent("Hum.", "Hello {name}.", variables={"name": "you"}, llm=RulesLLM(lambda turn: "Hum."))
'''


class Desk:
    """A folder with an agent, and Acme on its line."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = str(sock.getsockname()[1])
        self.folder = folder
        (folder / "agents").mkdir()
        (folder / "agents" / "hum.py").write_text(AGENT)
        (folder / "r").mkdir(mode=0o700)
        dist = folder / "site" / "acme_patter-1.0.dist-info"
        dist.mkdir(parents=True)
        (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-patter\nVersion: 1.0\n")
        (dist / "entry_points.txt").write_text("[patter_cli.carriers]\nacme = tests.e2e.acme_exchange:ROWS\n")
        self.log = folder / "rung"
        self.environment = {
            **os.environ,
            "ACME_KEY": "a key",
            "ACME_LOG": str(self.log),
            "ACME_PORT": self.port,
            "PATTER_CALLING_HOURS": "any",
            "PATTER_LOG_DIR": str(folder / "kept"),
            "PATTER_PORT": self.port,
            "PHONE_NUMBER": FROM,
            "PYTHONPATH": f"{ROOT}:{folder / 'site'}",
            "WEBHOOK_URL": "https://phone.example",
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_RUNTIME_DIR": str(folder / "r"),
        }

    def start(
        self, *arguments: str, before: Callable[[], None] | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "patter_cli", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
        )

    def patter(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)"""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    @property
    def rung(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def people(self, *numbers: str) -> Path:
        path = self.folder / "people.csv"
        path.write_text("number,name\n" + "".join(f"{number},Ada\n" for number in numbers))
        return path

    def results(self) -> list[dict[str, str]]:
        with (self.folder / "people.results.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_one_call_with_a_server_of_its_own(desk: Desk) -> None:
    """Somebody answers: 0, the result as JSON, the talk on stderr or stdout, the record kept."""
    code, out, err = desk.patter("call", "+12125550142", "--var", "name=Ada", "--json")
    assert code == 0, err
    result = json.loads(out.splitlines()[-1])
    assert (result["outcome"], result["callee"], result["agent"]) == ("answered", "+12125550142", "hum")
    assert len(list((desk.folder / "kept").rglob("record.json"))) == 1
    assert desk.rung == ["+12125550142"]


@pytest.mark.parametrize(("number", "code", "word"), [("+12125550143", 1, "busy"), ("+12125550144", 1, "no_answer")])
def test_nobody_picks_up(desk: Desk, number: str, code: int, word: str) -> None:
    """The outcome is the line that is printed and the exit code."""
    done, out, _ = desk.patter("call", number, "hum")
    assert done == code
    assert out.splitlines()[-1].startswith(word)


def test_a_machine_gets_its_message(desk: Desk) -> None:
    """And that is success."""
    code, out, err = desk.patter("call", "+12125550145", "hum", "--voicemail-message", "Please call {name} back.")
    assert code == 0, err
    assert "voicemail by a machine" in out
    assert "message_left" in out


def test_a_dry_run_rings_nobody(desk: Desk) -> None:
    """It shows what the carrier would be asked, and no ticket of ours."""
    code, out, err = desk.patter("call", "+12125550142", "hum", "--dry-run", "--ring-timeout", "none", "--no-amd")
    assert code == 0, err
    shown = json.loads(out)
    request = shown["call"]
    assert (request["to"], request["from_number"], shown["carrier"]) == ("+12125550142", FROM, "acme")
    assert (request["ring_timeout_s"], request["detects_machines"]) == (None, False)
    assert request["answer_url"] == "https://phone.example/webhooks/acme/voice?call=****"
    assert desk.rung == []


TWILIO = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 31 + "1", "TWILIO_AUTH_TOKEN": "s3cret-token"}
TELNYX = {"TELNYX_API_KEY": "KEY-s3cret", "TELNYX_CONNECTION_ID": "1494404757140276705", "TELNYX_PUBLIC_KEY": "s3cret"}


@pytest.mark.parametrize("keys", [TWILIO, TELNYX], ids=["twilio", "telnyx"])
def test_a_dry_run_prints_the_carriers_own_request(desk: Desk, keys: dict[str, str]) -> None:
    """Method, address, headers and body as they would go over the wire, with no key and no ticket in them."""
    code, out, err = desk.patter("call", "+12125550142", "hum", "--dry-run", ACME_KEY="", **keys)
    assert code == 0, err
    assert "s3cret" not in out + err
    shown = json.loads(out)
    if keys is TWILIO:
        assert shown["url"] == f"https://api.twilio.com/2010-04-01/Accounts/{keys['TWILIO_ACCOUNT_SID']}/Calls.json"
        assert shown["headers"]["content-type"] == "application/x-www-form-urlencoded"
        body, address = shown["form"], shown["form"]["Url"]
        assert (body["To"], body["From"], body["Timeout"], body["AsyncAmd"]) == ("+12125550142", FROM, "25", "true")
        assert body["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]
    else:
        assert shown["url"] == "https://api.telnyx.com/v2/calls"
        assert shown["headers"]["authorization"] == "Bearer ****"
        body, address = shown["json"], shown["json"]["webhook_url"]
        assert (body["to"], body["from"], body["timeout_secs"]) == ("+12125550142", FROM, 25)
        assert body["answering_machine_detection"] == "premium"
    assert shown["method"] == "POST"
    assert address == f"https://phone.example/webhooks/{shown['carrier']}/voice?call=****"


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["+19005550123"], 2, "premium"),
        (["+442079460018"], 2, "--allow GB"),
        (["911"], 2, "emergency"),
        (["+12125550142\n"], 2, "no number"),
        ([], 2, "whom shall it ring"),
        (["+12125550142", "--ring-timeout", "soon"], 2, "--ring-timeout"),
        (["+12125550142", "--var", "name"], 2, "--var"),
        (["+12125550142", "--voicemail-message", "{who}"], 2, "nothing fills"),
        (["+12125550142", "nobody"], 2, "no agent"),
        (["+12125550142", "--detach"], 2, "no server"),
        (["+12125550142", "--allow", "everywhere"], 2, "countries"),
        (["+12125550142", "--hours", "late"], 2, "08:00-21:00"),
        (["--csv", "missing.csv", "hum"], 2, "cannot be read"),
    ],
)
def test_what_cannot_be_rung(desk: Desk, arguments: list[str], code: int, word: str) -> None:
    """Said before anybody is rung, with what to type instead."""
    done, _, err = desk.patter("call", *arguments, "--dry-run")
    if arguments in ([], ["--csv", "missing.csv", "hum"]) or "--detach" in arguments:
        done, _, err = desk.patter("call", *arguments)
    assert (done, word in err) == (code, True), err
    assert desk.rung == []


def test_without_a_carrier_or_an_address(desk: Desk) -> None:
    """What is missing is named: 3."""
    for missing, word in (("ACME_KEY", "carrier"), ("WEBHOOK_URL", "WEBHOOK_URL")):
        code, _, err = desk.patter("call", "+12125550142", "hum", **{missing: ""})
        assert (code, word in err) == (3, True), err


def test_keys_that_can_be_nobodys_end_it_at_once(desk: Desk) -> None:
    """Nothing was sent, so nobody waits for a call that may ring: the setting is named, and what it should be."""
    keys = {"TWILIO_ACCOUNT_SID": "AC0", "TWILIO_AUTH_TOKEN": "made-up-0123456789", "ACME_KEY": ""}
    began_s = time.monotonic()
    code, _, err = desk.patter("call", "+12125550142", "hum", **keys)
    assert (code, "TWILIO_ACCOUNT_SID is no account's id" in err) == (3, True), err
    assert "hint: it is AC and 32 hexadecimal digits" in err
    assert time.monotonic() - began_s < 15.0


def test_a_server_that_runs_makes_the_call(desk: Desk) -> None:
    """It is found and asked; detached, the command only prints the call's id; Ctrl-C calls off what rings."""
    server = desk.start("serve", "hum")
    try:
        for _ in range(400):
            if running(desk.folder / "r" / "patter"):
                break
            assert server.poll() is None, server.communicate()
            time.sleep(0.05)
        code, out, err = desk.patter("call", "+12125550142", "hum")
        assert (code, out.splitlines()[-1].startswith("answered")) == (0, True), err
        assert "agent   Hello you." in out
        code, out, err = desk.patter("call", "+12125550142", "hum", "--detach")
        assert (code, out.strip()[0]) == (0, "C"), err
        assert desk.patter("call", "+442079460018", "hum")[0] == 2
        ringing = desk.start("call", "+12125550146", "hum")
        while "+12125550146" not in desk.rung:
            time.sleep(0.05)
        time.sleep(0.5)
        ringing.send_signal(signal.SIGINT)
        assert ringing.wait(20) == 130
        time.sleep(1)
        outcomes = [json.loads(each.read_text())["outcome"] for each in (desk.folder / "kept").rglob("record.json")]
        assert sorted(outcomes)[-1] == "canceled"
    finally:
        server.kill()
        server.communicate()


def test_a_list_is_rung_once_and_gone_on_with(desk: Desk) -> None:
    """Who is refused is named before; a second run rings only whom the first did not reach, and never anybody who was
    being dialled when it ended."""
    desk.people("+12125550142", "+19005550123", "+12125550143", "+12125550142", "+13125550143")
    code, out, err = desk.patter("call", "--csv", "people.csv", "hum", "--concurrency", "3", "--calls-per-second", "20")
    assert code == 1
    assert "3 to ring, 0 done before, 2 refused" in err
    assert "2 busy" in out
    assert sorted(desk.rung) == ["+12125550142", "+12125550143", "+13125550143"]
    with (desk.folder / "people.results.csv").open("a") as file:
        file.write("'+13125550143,2,dialling,,,,,0\n")  # a run that was killed while it rang
    code, out, err = desk.patter(
        "call", "--csv", "people.csv", "hum", "--retries", "2", "--calls-per-second", "20", "--concurrency", "3"
    )
    assert "1 to ring, 2 done before" in err
    assert sorted(desk.rung) == ["+12125550142", *["+12125550143"] * 3, "+13125550143"]
    assert {each["number"] for each in desk.results()} == {"'+12125550142", "'+12125550143", "'+13125550143"}
    code, _, err = desk.patter("call", "--csv", "people.csv", "hum", "--retries", "2")
    assert "0 to ring" in err
    assert len(desk.rung) == 5


def test_a_list_as_json_is_a_line_for_each_call(desk: Desk) -> None:
    """And nothing else on stdout: forecast and counts are narration."""
    desk.people("+12125550142", "+12125550143", "+19005550123")
    code, out, err = desk.patter("call", "--csv", "people.csv", "hum", "--json", "--retries", "1")
    assert code == 1, err
    told = [json.loads(line) for line in out.splitlines()]
    assert [(each["number"], each["attempt"], each["outcome"]) for each in told] == [
        ("+12125550142", 1, "answered"),
        ("+12125550143", 1, "busy"),
        ("+12125550143", 2, "busy"),
    ]
    assert told[0]["duration_s"] > 0
    assert told[0]["call_id"].startswith("C")
    assert "2 to ring, 0 done before, 1 refused" in err
    assert "1 answered, 1 busy" in err


def test_a_long_list_wants_a_yes(desk: Desk) -> None:
    """Eleven people are more than one rings by mistake."""
    desk.people(*(f"+121255501{number}" for number in range(10, 21)))
    code, _, err = desk.patter("call", "--csv", "people.csv", "hum")
    assert (code, "--yes" in err) == (2, True)
    assert desk.rung == []


@pytest.mark.parametrize(
    "text", ["name\nAda\n", "", "number,number\n1,2\n", "number,name\n+12125550142\n", '"number\n']
)
def test_lists_that_are_none(desk: Desk, text: str) -> None:
    """No column, two of them, a row that is too short, a quote that never ends: refused."""
    (desk.folder / "people.csv").write_text(text)
    code, _, err = desk.patter("call", "--csv", "people.csv", "hum")
    assert (code, "people.csv" in err) == (2, True)


def test_a_disk_that_takes_no_results_rings_nobody(desk: Desk) -> None:
    """It is said in one line, nothing is left half written, and where there is room again everybody is rung once."""

    def nearly_full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    people = desk.people("+12125550142", "+12125550152", "+12125550162")
    arguments = ("call", "--csv", people.name, "hum", "--concurrency", "3", "--calls-per-second", "50")
    process = desk.start(*arguments, before=nearly_full)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert "error: people.results.csv cannot be written: the disk is full\nhint: make room for it\n" in err
    assert "Traceback" not in err
    assert desk.rung == []
    assert desk.results() == []
    code, _, err = desk.patter(*arguments)
    assert code == 0, err
    assert sorted(desk.rung) == ["+12125550142", "+12125550152", "+12125550162"]


def test_a_list_that_is_only_looked_at(desk: Desk) -> None:
    """--dry-run says whom it would ring and whom not, and rings nobody."""
    people = desk.people("+12125550142", "+19005550142")
    code, _, err = desk.patter("call", "--csv", people.name, "hum", "--dry-run")
    assert code == 0, err
    assert "not rung: +19005550142: +19005550142 is a premium-rate number" in err
    assert "1 to ring, 0 done before, 1 refused" in err
    assert desk.rung == []
    assert not (desk.folder / "people.results.csv").exists()
    code, _, err = desk.patter("call", "--csv", people.name, "hum", "--detach")
    assert (code, "leave out --detach" in err) == (2, True)


def test_nowhere_to_write(desk: Desk) -> None:
    """The lab's own folder and the count of the day: each says what the system said, and what to do."""

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    for arguments, words in (
        (("call", "+12025550101", "hum", "--carrier", "lab"), "export TMPDIR="),
        (("call", "+12125550142", "hum"), "it is too large for that disk"),
    ):
        process = desk.start(*arguments, before=full)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 3, err
        assert words in err
        assert "Errno" not in err
