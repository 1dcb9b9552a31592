"""A number pointed at a server, and given back: by us, or by whoever starts after we were killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from patter_cli.errors import BadSetting, CallRejected, CarrierError, ConfigError, InputError
from patter_cli.server.addresses import number_url
from patter_cli.server.number_setup import NumberSetup
from tests.e2e import test_telnyx
from tests.e2e.numbers_api import BEFORE, NUMBER, NumbersApi
from tests.e2e.telnyx_api import telnyx_api

FIRST, SECOND = (number_url(host, "twilio") for host in ("one.example", "two.example"))


@pytest.fixture
def api() -> Iterator[NumbersApi]:
    with NumbersApi() as there:
        yield there


async def test_it_follows_the_host_and_gets_back_what_it_had(api: NumbersApi, tmp_path: Path) -> None:
    """However often the host changed, it is the webhook from before the first that comes back, and no file stays."""
    setup = NumberSetup(api.carrier, NUMBER, tmp_path / "numbers")
    for url in (FIRST, SECOND, SECOND, FIRST):
        await setup.point(url)
        assert api.number["voice_url"] == url
    await setup.restore()
    assert api.number == BEFORE
    assert [each.suffix for each in (tmp_path / "numbers").iterdir()] == [".lock"]
    await setup.restore()
    assert api.number == BEFORE


async def test_a_server_that_was_killed_is_undone_by_the_next(api: NumbersApi, tmp_path: Path) -> None:
    """What is kept of the number is what it had before the first of them."""
    killed = NumberSetup(api.carrier, NUMBER, tmp_path)
    await killed.point(FIRST)
    assert killed._lock is not None
    killed._lock.close()  # as the system does for a process that is gone
    setup = NumberSetup(api.carrier, NUMBER, tmp_path)
    await setup.point(SECOND)
    assert api.number["voice_url"] == SECOND
    await setup.restore()
    assert api.number == BEFORE


async def test_the_file_is_there_before_anything_is_changed(api: NumbersApi, tmp_path: Path) -> None:
    """Where it cannot be written the number is left alone."""
    folder = tmp_path / "numbers"
    folder.mkdir()
    (folder / f"twilio{NUMBER}.part").mkdir()
    with pytest.raises(BadSetting, match="cannot be kept"):
        await NumberSetup(api.carrier, NUMBER, folder).point(FIRST)
    assert api.number == BEFORE
    assert not [each for each in api.asked if each.startswith("POST")]


async def test_what_somebody_set_meanwhile_is_theirs(api: NumbersApi, tmp_path: Path) -> None:
    """It is not overwritten on exit."""
    setup = NumberSetup(api.carrier, NUMBER, tmp_path)
    await setup.point(FIRST)
    api.number["voice_url"] = "https://theirs.example"
    await setup.restore()
    assert api.number["voice_url"] == "https://theirs.example"


async def test_a_webhook_that_is_not_used_is_not_believed(api: NumbersApi, tmp_path: Path) -> None:
    """It is read back; nothing is left of the try."""
    api.ignores = True
    with pytest.raises(CarrierError, match="does not use it"):
        await NumberSetup(api.carrier, NUMBER, tmp_path).point(FIRST)
    assert not list(tmp_path.glob("*.json"))


async def test_a_number_of_somebody_else(api: NumbersApi, tmp_path: Path) -> None:
    """And one that is none: both are said before anything is asked for twice."""
    with pytest.raises(CallRejected, match="not a number of this account"):
        await NumberSetup(api.carrier, "+15550100002", tmp_path).point(FIRST)
    with pytest.raises(InputError, match="no phone number"):
        NumberSetup(api.carrier, "555", tmp_path)


async def test_two_servers_do_not_take_a_number_from_each_other(api: NumbersApi, tmp_path: Path) -> None:
    """The second is told whose it is; once the first is done it may have it."""
    first, second = (NumberSetup(api.carrier, NUMBER, tmp_path) for _ in range(2))
    await first.point(FIRST)
    with pytest.raises(ConfigError, match=r"another server of yours \(process [0-9]+\)"):
        await second.point(SECOND)
    assert api.number["voice_url"] == FIRST
    await first.restore()
    await second.point(SECOND)
    await second.restore()
    assert api.number == BEFORE


async def test_a_carrier_that_does_not_answer_is_asked_by_the_next(
    api: NumbersApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said that the number still points here, and the file stays."""
    monkeypatch.setattr("patter_cli.carriers.twilio.rest.PAUSE_S", 0.01)
    setup = NumberSetup(api.carrier, NUMBER, tmp_path)
    await setup.point(FIRST)
    api.down = True
    await setup.restore()
    assert api.number["voice_url"] == FIRST
    api.down = False
    again = NumberSetup(api.carrier, NUMBER, tmp_path)
    await again.point(SECOND)
    await again.restore()
    assert api.number == BEFORE


@pytest.mark.parametrize("written", ["", "[]", "{", '{"token": 7}', "[" * 100_000])
async def test_a_piece_of_a_file_stops_nothing(api: NumbersApi, tmp_path: Path, written: str) -> None:
    """Nothing can be given back from it."""
    (tmp_path / f"twilio{NUMBER}.json").write_text(written)
    setup = NumberSetup(api.carrier, NUMBER, tmp_path)
    await setup.point(FIRST)
    await setup.restore()
    assert api.number == BEFORE


async def test_telnyx_gets_its_application_back(tmp_path: Path) -> None:
    """There the webhook is the application's, and the number is assigned to it meanwhile."""
    async with telnyx_api() as api:
        number, application = test_telnyx.portal(api)
        before = dict(number), dict(application)
        setup = NumberSetup(test_telnyx.telnyx(api), test_telnyx.NUMBER, tmp_path)
        for host in ("one.example", "two.example"):
            await setup.point(number_url(host, "telnyx"))
            assert application["webhook_event_url"] == f"https://{host}/webhooks/telnyx/voice"
            assert number["connection_id"] == test_telnyx.APPLICATION
        await setup.restore()
        assert (number, application) == before
