"""[numbers] of patter.toml for whoever types: who answers, whose number calls, and what a mistake says."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.test_call_command import FROM, Desk

OWN = "+12025550177"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def numbers(desk: Desk, text: str) -> None:
    (desk.folder / "patter.toml").write_text(f"[numbers]\n{text}\n")


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        (f'"{OWN}" = "humm"', f"patter.toml:2: {OWN}: no agent is called 'humm'", "did you mean 'hum'?"),
        ('"12025550177" = "hum"', "patter.toml:2: 12025550177 is no phone number", f'did you mean "{OWN}"?'),
    ],
)
def test_a_mistake_has_its_line(desk: Desk, text: str, said: str, hint: str) -> None:
    """File, line, key and what was meant; nothing is served: 3."""
    numbers(desk, text)
    code, _, err = desk.patter("serve")
    assert code == 3
    assert f"error: {said}" in err
    assert f"hint: {hint}" in err


def test_who_has_which_number_is_said(desk: Desk) -> None:
    """Each agent with its numbers, when the server is up."""
    numbers(desk, f'"{OWN}" = "hum"\n"{FROM}" = "hum"')
    server = desk.start("serve", WEBHOOK_URL="")
    assert server.stderr is not None
    said = ""
    while "Ctrl-C" not in said:
        line = server.stderr.readline()
        assert line, said
        said += line
    server.send_signal(signal.SIGINT)
    assert server.wait(20) == 0
    assert f"hum answers at ws://127.0.0.1:{desk.port}" in said
    assert f"and calls to {OWN}" in said
    assert f"and calls to {FROM}" in said


def test_an_agent_calls_from_its_own_number(desk: Desk) -> None:
    """Where nobody said another."""
    numbers(desk, f'"{OWN}" = "hum"')
    code, out, err = desk.patter("call", "+12125550142", "hum", "--dry-run", PHONE_NUMBER="")
    assert code == 0, err
    assert OWN in out
    code, _, err = desk.patter("call", "+12125550142", "hum", "--dry-run", PHONE_NUMBER="", PATTER_PHONE_NUMBER=FROM)
    assert code == 0, err
