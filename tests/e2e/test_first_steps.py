"""What somebody meets in the first minutes: an empty folder, files they may not read, servers that are not ours."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.e2e.test_cli import AGENT, PROGRAM, patter

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
"""Source: Linux, prctl.h and capability.h."""


def _obey_permissions() -> None:
    """Even root's files are closed to root without these."""
    if os.getuid() == 0:
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def as_nobody(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as somebody for whom permissions count."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env={**os.environ, "PATTER_LOG_DIR": str(folder / "kept"), "NO_COLOR": "1", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=_obey_permissions,
        timeout=60,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one quick agent and its scenario."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "hum.py").write_text(AGENT)
    (tmp_path / "agents" / "hum.toml").write_text('[[step]]\nsay = "Hello."\n')
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="permissions are dropped as Linux does it")
@pytest.mark.parametrize(
    ("closed", "arguments", "code", "words"),
    [
        ("agents", ["simulate", "hum", "--text"], 2, "agents"),
        ("agents", ["simulate"], 2, "agents"),
        ("agents", ["serve"], 2, "agents"),
        ("agents", ["agents", "list"], 2, "agents"),
        ("agents", ["agents", "check", "hum"], 2, "agents"),
        ("agents", ["agents", "new", "desk"], 2, "agents"),
        ("agents/hum.py", ["simulate", "hum", "--text"], 2, "agents/hum.py"),
        ("agents/hum.py", ["agents", "show", "hum"], 2, "agents/hum.py"),
        ("agents/hum.toml", ["simulate", "hum"], 2, "agents/hum.toml"),
        ("agents/hum.toml", ["simulate", "--scenario", "agents/hum.toml"], 2, "agents/hum.toml"),
        ("patter.toml", ["agents", "list"], 3, "patter.toml"),
        (".env", ["agents", "list"], 3, ".env"),
        (".", ["agents", "new", "desk"], 3, "patter.toml"),
    ],
)
def test_what_may_not_be_read_is_no_bug_of_ours(
    project: Path, closed: str, arguments: list[str], code: int, words: str
) -> None:
    """A folder, an agent, a scenario, settings: named, with a sentence and an exit code, and never taken for absent."""
    (project / "patter.toml").write_text("")
    (project / ".env").write_text("")
    place = project / closed
    before = place.stat().st_mode
    place.chmod(0o666 if closed == "." else 0)
    try:
        done = as_nobody(project, *arguments)
    finally:
        place.chmod(before)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "allowed" in done.stderr or "not readable" in done.stderr
    assert "Errno" not in done.stderr
    assert "bug" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="permissions are dropped as Linux does it")
def test_an_agent_that_may_not_be_read_is_listed_with_why(project: Path) -> None:
    """The others can be used all the same."""
    (project / "agents" / "other.py").write_text(AGENT)
    (project / "agents" / "hum.py").chmod(0)
    done = as_nobody(project, "agents", "list")
    assert done.returncode == 0
    assert "hum    cannot be read: you are not allowed to" in done.stdout
    assert "other  A quick agent" in done.stdout


def test_people_can_be_reached_by_keyboard(tmp_path: Path) -> None:
    """Who was named for the call is there, who refuses is not, and a transfer to nobody is refused."""
    calendar = {"PATTER_CALENDAR": str(tmp_path / "calendar.json")}
    asks = {"stdin": "I want to talk to a person.\n"}
    for human, heard in (
        ("+12025550142=Desk here, who is it?", "Desk here, who is it?"),
        ("+12025550142=busy", "couldn't put you through"),
        ("+12025550142=no answer", "couldn't put you through"),
        ("+12025550199=I am somebody else.", "Front desk, this is Maria."),
    ):
        done = patter("simulate", "receptionist", "--text", "--human", human, **calendar, **asks)
        assert done.returncode == 0, done.stderr
        assert heard in done.stdout
        assert ("a human has the call now" in done.stderr) is ("put you" not in heard)


def test_a_transfer_by_keyboard_in_json(tmp_path: Path) -> None:
    """The call was handed over; nothing but the object is on stdout."""
    done = patter(
        *("simulate", "receptionist", "--text", "--json", "--human", "+12025550142=Desk here."),
        stdin="I want to talk to a person.\n",
        PATTER_CALENDAR=str(tmp_path / "calendar.json"),
    )
    assert json.loads(done.stdout)["reason"] == "transferred"


@asynccontextmanager
async def stranger(talk: Callable[[ServerConnection], object]) -> AsyncIterator[str]:
    """Somebody else's media socket; its address."""

    async def handle(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.recv()
        await talk(connection)  # type: ignore[misc]

    async with serve(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/x"


@pytest.mark.parametrize(
    ("code", "why", "shown"),
    [
        (1008, "\x1b[31mnot your call", "1008 �[31mnot your call"),
        (1011, "\x9b2Jbroken", "1011 �2Jbroken"),
        (1013, "\u202etry later", "1013 �try later"),
        (4000, "\x1b]0;owned\x07", "4000 �]0;owned�"),
        (1001, "", "1001"),
    ],
)
async def test_a_stranger_that_closes_is_quoted_and_not_obeyed(code: int, why: str, shown: str) -> None:
    """Its reason reaches the terminal as text, and is not taken for the end of a conversation without a word."""

    async def close(connection: ServerConnection) -> None:
        await connection.close(code, why)

    async with stranger(close) as url:
        done = await asyncio.to_thread(patter, "simulate", "--url", url, "--say", "Hello.")
    assert f"the server closed the line: {shown}" in done.stderr
    assert (done.stdout + done.stderr).replace("\n", "").isprintable()


@pytest.mark.parametrize("prompt", ["\x1b[2J", "\x9b31m", "\u202e", "\x07"])
def test_an_agent_file_does_not_write_to_the_terminal_either(project: Path, prompt: str) -> None:
    """One that came with somebody else's project, listed, shown and as JSON."""
    text = AGENT.replace("You hum.", f"You hum {prompt}.").replace("A quick agent", f"A {prompt} agent")
    (project / "agents" / "hum.py").write_text(text)
    for arguments in (["list"], ["list", "--json"], ["show", "hum"], ["show", "hum", "--json"], ["check", "hum"]):
        done = patter("agents", *arguments, cwd=project)
        assert done.returncode == 0, done.stderr
        assert (done.stdout + done.stderr).replace("\n", "").isprintable()
    assert prompt in json.loads(patter("agents", "show", "hum", "--json", cwd=project).stdout)["prompt"]


@pytest.mark.parametrize(
    ("where", "made", "code", "words"),
    [
        ({"PATTER_LOG_DIR": "file"}, "file", 3, "PATTER_LOG_DIR: calls cannot be kept in file: it is no folder"),
        ({"PATTER_LOG_DIR": "file/x"}, "file", 3, "calls cannot be kept in file/x: a part of its path is no folder"),
        ({"PATTER_LOG_DIR": "/proc/calls"}, "file", 3, "calls cannot be kept in /proc/calls: "),
        ({"PATTER_LOG_DIR": "x" * 300}, "file", 3, "its name is too long"),
    ],
)
@pytest.mark.parametrize(
    "command", [["simulate", "hum", "--say", "Hello."], ["serve", "hum"]], ids=["simulate", "serve"]
)
def test_a_folder_for_calls_that_is_none(
    project: Path, where: dict[str, str], made: str, code: int, words: str, command: list[str]
) -> None:
    """Found before the first ring, and not by the call that is then not kept."""
    (project / made).write_text("")
    done = patter(*command, cwd=project, **where)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stdout == ""
